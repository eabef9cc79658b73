"""The volume's probe: both drivers under one contract, the simulated card's story, and another machine's /proc."""

import errno
import itertools
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from drivers.errors import StorageGone
from drivers.storage import Measure, Storage, StorageFigures, StorageMessage, VolumeFound, linux, simulated
from drivers.storage.linux import Roots
from tests.drivers import decoded

Make = Callable[[], Storage]


def of_linux(spool: Path, roots: Roots | None = None) -> Storage:
    return linux.make(linux.Options(spool=str(spool), look_s=5), decoded.clock_at(), roots or Roots())


@pytest.fixture(params=["linux", "simulated"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    if request.param == "linux":
        return lambda: of_linux(tmp_path)
    return lambda: simulated.make(simulated.Options(look_s=5), decoded.clock_at())


def first(storage: Storage, count: int) -> list[StorageMessage]:
    return list(itertools.islice(storage.messages(), count))


def figures(storage: Storage, count: int) -> list[StorageFigures]:
    return [one for one in first(storage, count + 1) if isinstance(one, StorageFigures)]


# --- the contract ---------------------------------------------------------------------------------------------


def test_which_volume_it_is_comes_first_and_once(make: Make) -> None:
    told = first(make(), 5)
    assert [isinstance(one, VolumeFound) for one in told] == [True, False, False, False, False]
    assert isinstance(told[0], VolumeFound) and told[0].size_bytes > 0 and told[0].file_system


def test_figures_come_each_interval_and_agree_with_the_volume(make: Make) -> None:
    volume, *rest = first(make(), 4)
    told = [one for one in rest if isinstance(one, StorageFigures)]
    assert isinstance(volume, VolumeFound)
    assert all(later.capture_ns - earlier.capture_ns == 5 * 10**9 for earlier, later in itertools.pairwise(told))
    assert all(0 <= one.free_bytes <= one.total_bytes == volume.size_bytes for one in told)
    assert not any(one.read_only for one in told)


def test_a_trial_write_is_made_once_for_each_time_it_is_asked_for(make: Make) -> None:
    storage = make()
    storage.command(Measure())
    messages = (one for one in storage.messages() if isinstance(one, StorageFigures))
    assert next(messages).write_us >= 0
    assert [next(messages).write_us for _ in range(3)] == [-1, -1, -1]
    storage.command(Measure())
    assert next(messages).write_us >= 0


def test_messages_survive_the_link(make: Make) -> None:
    for message in first(make(), 3):
        assert decoded.through_the_link(message) == message


def test_closing_is_allowed_twice_and_without_having_begun(make: Make) -> None:
    storage = make()
    storage.close()
    storage.close()


# --- the simulated card ---------------------------------------------------------------------------------------


def story(tmp_path: Path, word: str) -> Storage:
    """The word happens from 5 to 10 s; figures come at 0, 5, 10 s."""
    (tmp_path / "play.toml").write_text(f'[[event]]\nat_s = 5\nwhat = "{word}"\nfor_s = 5')
    started_ns = 86_400 * 10**9
    options = simulated.Options(look_s=5, scenario=str(tmp_path / "play.toml"), scenario_started_ns=started_ns)
    return simulated.make(options, decoded.clock_at(started_ns))


def asked(storage: Storage, count: int) -> list[StorageFigures]:
    """Each with a trial write."""
    messages, told = storage.messages(), list[StorageFigures]()
    next(messages)
    for _ in range(count):
        storage.command(Measure())
        one = next(messages)
        assert isinstance(one, StorageFigures)
        told.append(one)
    return told


@pytest.mark.parametrize(
    ("word", "errors"),
    [
        ("storage.fill", ["", "No space left on device", ""]),
        ("storage.readonly", ["", "Read-only file system", ""]),
        ("storage.fail", ["", "Input/output error", ""]),
        ("storage.slow", ["", "", ""]),
    ],
)
def test_the_card_fails_for_as_long_as_the_scenario_says(tmp_path: Path, word: str, errors: list[str]) -> None:
    told = asked(story(tmp_path, word), 3)
    assert [one.error for one in told] == errors
    assert [one.read_only for one in told] == [False, word == "storage.readonly", False]
    assert [one.free_bytes == 0 for one in told] == [False, word == "storage.fill", False]
    assert [one.write_us >= simulated.SLOW_US for one in told] == [False, word == "storage.slow", False]


def test_a_pulled_card_ends_the_driver_and_is_not_there_for_the_next(tmp_path: Path) -> None:
    storage = story(tmp_path, "storage.pull")
    with pytest.raises(StorageGone, match="put it back"):
        first(storage, 3)
    with pytest.raises(StorageGone):
        first(storage, 1)


def test_the_card_fills_while_time_passes() -> None:
    free = [one.free_bytes for one in figures(simulated.make(simulated.Options(look_s=60), decoded.clock_at()), 5)]
    assert free == sorted(free, reverse=True) and free[0] > free[-1]


# --- this machine, and another one's --------------------------------------------------------------------------


def test_the_trial_write_leaves_nothing_behind(tmp_path: Path) -> None:
    (one,) = asked(of_linux(tmp_path), 1)
    assert one.write_us > -1 and not one.error
    assert list(tmp_path.iterdir()) == []


def test_free_bytes_are_those_of_statvfs(tmp_path: Path) -> None:
    (one,) = figures(of_linux(tmp_path), 1)
    facts = os.statvfs(tmp_path)
    assert one.total_bytes == facts.f_blocks * facts.f_frsize
    assert abs(one.free_bytes - facts.f_bavail * facts.f_frsize) < 1 << 30


def test_a_spool_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageGone, match=r"gone is not there.*put the card in"):
        first(of_linux(tmp_path / "gone"), 1)


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.EIO, "Input/output error"),
        (errno.EROFS, "Read-only file system"),
        (errno.ENOSPC, "No space left on device"),
    ],
)
def test_what_the_file_system_answers_to_the_trial_write_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, told: str
) -> None:
    def refuse(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fdatasync", refuse)
    (one,) = asked(of_linux(tmp_path), 1)
    assert (one.write_us, one.error) == (-1, told)


def test_a_file_system_without_nameless_files_is_not_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(os, "open", refuse)
    (one,) = asked(of_linux(tmp_path), 1)
    assert (one.write_us, one.error) == (-1, "")


class Machine:
    """Another machine: the spool on the second partition of an SD card."""

    def __init__(self, root: Path) -> None:
        self.spool = root / "spool with space"
        self.spool.mkdir()
        self.roots = Roots(root / "proc", root / "sys", root / "dev")
        device = self.spool.stat().st_dev
        disk = root / "sys/devices/mmcblk0"
        self.files = {
            disk / "device/cid": "275048534433324760e0d1f3c2013901",
            disk / "device/name": "SD32G",
            disk / "mmcblk0p2/partition": "2",
            root / "proc/self/mountinfo": "",
        }
        for path, text in self.files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n")
        links = {root / f"sys/dev/block/{os.major(device)}:{os.minor(device)}": disk / "mmcblk0p2"}
        links[root / "dev/disk/by-uuid/6f6fd1a4-0b4e-4b3c-9f62-0d1b0e8a9f11"] = root / "dev/mmcblk0p2"
        for link, target in links.items():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(target)
        self.mount("rw")

    def mount(self, options: str) -> None:
        """Mountinfo: the root, then the spool's own file system, its name escaped, and another beside it."""
        point = str(self.spool).replace(" ", r"\040")
        (self.roots.proc / "self/mountinfo").write_text(
            "22 1 179:1 / / rw,noatime shared:1 - ext4 /dev/root rw\n"
            f"40 22 179:2 / {point} rw,noatime shared:9 master:2 - xfs /dev/mmcblk0p2 {options},inode64\n"
            f"41 22 179:3 / {point}2 ro - vfat /dev/sda1 ro\nno such line\n"
        )


def test_an_sd_cards_number_kind_and_uuid_are_found(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    (found,) = first(of_linux(machine.spool, machine.roots), 1)
    assert isinstance(found, VolumeFound)
    assert (found.serial, found.model) == ("275048534433324760e0d1f3c2013901", "SD32G")
    assert (found.file_system, found.device) == ("xfs", "mmcblk0p2")
    assert found.file_system_id == "6f6fd1a4-0b4e-4b3c-9f62-0d1b0e8a9f11"


@pytest.mark.parametrize(("options", "read_only"), [("rw", False), ("ro", True), ("rw,emergency_ro", True)])
def test_a_file_system_gone_read_only_is_found(tmp_path: Path, options: str, read_only: bool) -> None:
    machine = Machine(tmp_path)
    machine.mount(options)
    (one,) = figures(of_linux(machine.spool, machine.roots), 1)
    assert one.read_only is read_only


def test_another_card_is_told_when_it_is_there(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    messages = of_linux(machine.spool, machine.roots).messages()
    told = [next(messages), next(messages)]
    (tmp_path / "sys/devices/mmcblk0/device/cid").write_text("1b534d3030303030107e8d3a0e011500\n")
    told += [next(messages), next(messages)]
    serials = [one.serial if isinstance(one, VolumeFound) else "" for one in told]
    assert serials == ["275048534433324760e0d1f3c2013901", "", "1b534d3030303030107e8d3a0e011500", ""]


def test_what_the_system_does_not_tell_is_empty(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    nowhere = Roots(tmp_path / "proc", tmp_path / "sys", tmp_path / "dev")
    (found,) = first(of_linux(tmp_path / "spool", nowhere), 1)
    assert isinstance(found, VolumeFound)
    assert (found.serial, found.model, found.file_system, found.file_system_id, found.device) == ("",) * 5
