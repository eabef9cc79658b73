"""The model of the disk keeps what was synced, may lose anything else, and fails when it is told to."""

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sim.disk import Died, Fault, SimDisk, replay


def with_file(data: bytes) -> tuple[SimDisk, int]:
    """A disk with a durable file ``f/a``."""
    disk = SimDisk()
    disk.make_folder("f")
    file = disk.create("f/a")
    disk.write(file, 0, [data])
    disk.sync(file)
    disk.sync_folder("f")
    return disk, file


@given(st.integers(0, 1 << 32))
def test_what_was_synced_survives_every_cut(seed: int) -> None:
    disk, file = with_file(b"abc")
    disk.write(file, 3, [b"unsynced"])
    assert disk.cut(seed).read("f/a")[:3] == b"abc"
    assert disk.read("f/a") == b"abcunsynced"


def outcomes(disk: SimDisk) -> set[bytes | None]:
    found: set[bytes | None] = set()
    for seed in range(200):
        after = disk.cut(seed)
        found.add(after.read("f/a") if "a" in after.names("f") else None)
    return found


def test_an_unsynced_write_is_lost_kept_or_torn() -> None:
    disk, file = with_file(b"")
    disk.write(file, 0, [b"xyz"])
    assert outcomes(disk) == {b"", b"x", b"xy", b"xyz"}


def test_an_unsynced_truncate_is_lost_or_kept() -> None:
    disk, file = with_file(b"abc")
    disk.truncate(file, 1)
    assert outcomes(disk) == {b"abc", b"a"}


def test_a_name_is_durable_only_after_its_folder_was_synced() -> None:
    disk = SimDisk()
    disk.make_folder("f")
    file = disk.create("f/a")
    disk.write(file, 0, [b"a"])
    disk.sync(file)
    assert outcomes(disk) == {None, b"a"}
    disk.sync_folder("f")
    assert outcomes(disk) == {b"a"}


def test_a_rename_leaves_one_name_at_any_time() -> None:
    disk, _ = with_file(b"a")
    disk.make_folder("g")
    disk.rename("f/a", "g/b")
    places = {tuple(sorted(disk.cut(seed).files())) for seed in range(100)}
    assert places == {("f/a",), ("g/b",)}
    disk.sync_folder("g")
    assert {tuple(disk.cut(seed).files()) for seed in range(100)} == {("g/b",)}


def test_a_removed_file_may_come_back_until_its_folder_was_synced() -> None:
    disk, _ = with_file(b"a")
    disk.unlink("f/a")
    assert outcomes(disk) == {None, b"a"}


@pytest.mark.parametrize(("kind", "code"), [("EIO", errno.EIO), ("ENOSPC", errno.ENOSPC)])
def test_the_calls_that_are_told_to_fail_fail_and_no_others(kind: str, code: int) -> None:
    disk, file = with_file(b"")
    disk.break_at(Fault("EIO" if kind == "EIO" else "ENOSPC", 1, 2))
    disk.write(file, 0, [b"1"])
    for _ in range(2):
        with pytest.raises(OSError) as raised:
            disk.write(file, 1, [b"2"])
        assert raised.value.errno == code
    disk.write(file, 1, [b"3"])
    assert disk.read("f/a") == b"13"


def test_a_short_write_puts_down_a_part_and_finds_the_disk_full() -> None:
    disk, file = with_file(b"")
    disk.break_at(Fault("short", 0))
    with pytest.raises(OSError) as raised:
        disk.write(file, 0, [b"abcdef"])
    assert raised.value.errno == errno.ENOSPC
    assert b"abcdef".startswith(disk.read("f/a"))


def test_a_failed_sync_may_lose_what_it_was_to_save_for_good() -> None:
    found = set()
    for seed in range(100):
        disk = SimDisk(seed)
        disk.make_folder("f")
        file = disk.create("f/a")
        disk.sync_folder("f")
        disk.write(file, 0, [b"a"])
        disk.break_at(Fault("EIO", 0))
        with pytest.raises(OSError):
            disk.sync(file)
        disk.sync(file)
        found.add(disk.read("f/a"))
    assert found == {b"", b"a"}


def test_a_recorded_sequence_gives_the_same_disk_again() -> None:
    disk = SimDisk(record=True)
    disk.make_folder("f")
    file = disk.create("f/a")
    disk.extend(file, 0, 8)
    disk.write(file, 2, [b"ab"])
    disk.truncate(file, 4)
    disk.sync(file)
    again = SimDisk()
    assert disk.calls is not None
    for call in disk.calls:
        replay(call, again)
    assert again.files() == disk.files() == {"f/a": b"\0\0ab"}


def test_death_is_no_error_that_anybody_handles() -> None:
    disk, file = with_file(b"")
    disk.die_at = disk.count
    with pytest.raises(Died):
        disk.write(file, 0, [b"a"])
    assert not isinstance(Died(), Exception)
