"""Spools that a failing card or a hand has damaged: a start never fails, never signs a second history, tells all."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from agent import fsck
from agent.evidence import entries as e
from agent.evidence.journal import MAX_FILE_BYTES, read_file
from agent.evidence.note import Signer
from agent.recorder import spool_lock
from agent.recorder.aside import UNTOLD
from agent.recorder.disk import FolderDisk
from agent.recorder.recovery import Recovered, SpoolForeign
from agent.verify.run import Options, verify
from tests.sim.disk import SimDisk, replay
from tests.support.rig import NS_PER_S, Rig

ANSWERS = ("bytes_intact", "nothing_missing", "signer", "time")


def recorded(spool: Path, stop: bool = True, seconds: float = 3) -> Rig:
    """A device that recorded one session, and lost power."""
    rig = Rig(spool)
    rig.bytes_per_frame = 4_000
    rig.boot()
    rig.run(2)
    rig.start()
    rig.run(seconds)
    if stop:
        rig.stop()
        rig.run(1)
    rig.kill()
    return rig


def recover(rig: Rig) -> Recovered:
    recovered = rig.recover()
    recovered.ledger.close()
    return recovered


def journal(spool: Path, generation: int = 1) -> Path:
    return sorted(spool.glob(f"journal/{generation:04d}/*.log"))[-1]


def entries(spool: Path, generation: int) -> list[e.AnyEntry]:
    files = sorted(spool.glob(f"journal/{generation:04d}/*.log"))
    found = [line.entry for file in files for line in read_file(file.read_bytes(), None).entries()]
    return [entry for entry in found if entry is not None]


def of_kind(spool: Path, generation: int, kind: type[e.Entry]) -> list[e.Entry]:
    return [entry for entry in entries(spool, generation) if isinstance(entry, kind)]


def begin(spool: Path, generation: int) -> e.JournalBegin:
    first = entries(spool, generation)[0]
    assert isinstance(first, e.JournalBegin)
    return first


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def answers(spool: Path, rig: Rig) -> set[str]:
    verdict = verify(spool, Options(key=rig.signer.vkey, identities=(rig.identity,))).json
    return {verdict[name]["answer"] for name in ANSWERS}


def media(spool: Path) -> dict[str, bytes]:
    return {str(path.relative_to(spool)): path.read_bytes() for path in spool.glob("segments/*/*")}


# --- the journal emptied or gone ----------------------------------------------------------------------------


def remove_tree(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.rmdir()


LOSSES: dict[str, Callable[[Path], object]] = {
    "its file is emptied": lambda spool: journal(spool).write_bytes(b""),
    "its file is zeros": lambda spool: journal(spool).write_bytes(bytes(70_000)),
    "its file is deleted": lambda spool: journal(spool).unlink(),
    "its folder is deleted": lambda spool: remove_tree(spool / "journal/0001"),
    "the journal is deleted": lambda spool: remove_tree(spool / "journal"),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_a_journal_that_is_gone_is_never_begun_a_second_time_under_its_origin(tmp_path: Path, loss: str) -> None:
    rig = recorded(tmp_path)
    before = media(tmp_path)
    LOSSES[loss](tmp_path)
    assert any("damaged journal" in text for text in recover(rig).done)
    assert (begin(tmp_path, 2).generation, begin(tmp_path, 2).reason) == (2, "damage")
    assert media(tmp_path) == before, "what no entry names any more stays where it is"
    assert "no" in answers(tmp_path, rig)
    assert fsck.check(tmp_path).findings


def test_after_the_journal_is_gone_no_session_number_is_used_twice(tmp_path: Path) -> None:
    rig = recorded(tmp_path)
    journal(tmp_path).write_bytes(b"")
    rig.boot()
    rig.run(2)
    rig.start()
    rig.run(2)
    rig.stop()
    rig.kill()
    assert [entry.stream for entry in of_kind(tmp_path, 2, e.SessionOpen)] == ["s000002"]


def test_a_session_known_from_aside_only_keeps_its_number(tmp_path: Path) -> None:
    rig = recorded(tmp_path)
    (tmp_path / "aside").mkdir()
    [segment] = tmp_path.glob("segments/s000001/*")
    segment.rename(tmp_path / f"aside/segments-s000007-{segment.name}.0")
    journal(tmp_path).write_bytes(b"")
    assert recover(rig).ledger.state.next_session == 8


def test_an_emptied_second_generation_is_not_begun_again_once_it_had_a_session(tmp_path: Path) -> None:
    rig = recorded(tmp_path)
    flip(journal(tmp_path), journal(tmp_path).stat().st_size // 3)
    rig.boot()
    rig.run(2)
    rig.start()
    rig.run(2)
    rig.stop()
    rig.kill()
    journal(tmp_path, 2).write_bytes(b"")
    recover(rig)
    assert begin(tmp_path, 3).reason == "damage"


def test_emptied_newer_files_with_sessions_behind_them_are_no_failed_rotation(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.bytes_per_frame, rig.rotate_bytes = 2_000, 12_000
    rig.boot()
    for _ in range(4):
        rig.run(1)
        rig.start()
        rig.run(2)
        rig.stop()
    rig.kill()
    _, *newer = sorted(tmp_path.glob("journal/0001/*.log"))
    for path in newer:
        path.write_bytes(b"")
    assert recover(rig).ledger.state.next_session == 5
    assert begin(tmp_path, 2).reason == "damage"


def test_a_journal_file_of_any_length_is_damage_and_is_not_read(tmp_path: Path) -> None:
    rig = recorded(tmp_path)
    os.truncate(journal(tmp_path), 100 << 30)
    assert any("grows beyond" in text for text in recover(rig).done)
    assert begin(tmp_path, 2).reason == "damage"
    found = {(finding.kind, finding.file) for finding in fsck.check(tmp_path).findings}
    assert ("journal_damage", "journal/0001/000000000000.log") in found
    assert journal(tmp_path).stat().st_size > MAX_FILE_BYTES
    assert "no" in answers(tmp_path, rig)


# --- one byte -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [0, 3, 19, 24, 30])
def test_a_flipped_byte_in_the_header_begins_a_new_generation(tmp_path: Path, at: int) -> None:
    rig = recorded(tmp_path)
    flip(journal(tmp_path), at)
    rig.boot()
    rig.run(1)
    rig.kill()
    first = begin(tmp_path, 2)
    assert (first.reason, first.previous_origin) == ("damage", "liuhen/D1/1")
    assert isinstance(first.previous_size, int)
    assert first.previous_size > 10, "what was signed there can still be read"


@pytest.mark.parametrize("at", range(0, 64, 7))
def test_a_flipped_byte_in_the_key_file_is_mended_from_the_device_s_own_key(tmp_path: Path, at: int) -> None:
    rig = recorded(tmp_path)
    key = tmp_path / "journal/0001/device.vkey"
    flip(key, at)
    recover(rig)
    assert key.read_text() == f"{rig.signer.vkey.line()}\n"
    assert recover(rig).done == []
    assert answers(tmp_path, rig) == {"yes"}
    assert not fsck.check(tmp_path).findings


def test_another_device_s_spool_is_still_refused_and_left_as_it_is(tmp_path: Path) -> None:
    rig = recorded(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    rig.signer = Signer("liuhen/D1", bytes(32))
    with pytest.raises(SpoolForeign, match="empty spool"):
        rig.recover()
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_file_in_the_place_of_a_generation_is_moved_aside(tmp_path: Path) -> None:
    rig = recorded(tmp_path)
    (tmp_path / "journal/0002").write_bytes(b"in the way")
    assert recover(rig).ledger.state.next_session == 2
    assert (tmp_path / "aside/journal-0002.0").read_bytes() == b"in the way"
    assert answers(tmp_path, rig) == {"yes"}
    assert not fsck.check(tmp_path).findings


def test_an_older_copy_put_in_as_a_newer_generation_is_not_gone_on_with(tmp_path: Path) -> None:
    rig = recorded(tmp_path)
    copy = tmp_path / "journal/0002"
    copy.mkdir()
    for path in (tmp_path / "journal/0001").iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    assert any("holds the journal of liuhen/D1/1" in text for text in recover(rig).done)
    assert begin(tmp_path, 3).previous_origin == "liuhen/D1/1"
    assert "no" in answers(tmp_path, rig)


def test_a_name_that_is_no_text_is_moved_aside_too(tmp_path: Path) -> None:
    rig = recorded(tmp_path, stop=False)
    stray = os.fsencode(tmp_path) + b"/segments/s000001/\xff\xfe" + b"x" * 240
    with open(stray, "wb") as file:
        file.write(b"?")
    recover(rig)
    assert not os.path.exists(stray)
    assert not fsck.check(tmp_path).findings


# --- damage while a session is open ---------------------------------------------------------------------------


def damaged_while_recording(spool: Path) -> Rig:
    rig = recorded(spool, stop=False)
    lines = journal(spool).read_bytes().splitlines(keepends=True)
    flip(journal(spool), sum(map(len, lines[: len(lines) * 2 // 3])) + 5)
    return rig


def test_damage_while_recording_begins_another_session_at_once_unasked(tmp_path: Path) -> None:
    rig = damaged_while_recording(tmp_path)
    rig.boot()
    rig.run(3)
    assert rig.recorder.status()["session"] == "s000002"
    rig.stop()
    rig.kill()
    [opened] = of_kind(tmp_path, 2, e.SessionOpen)
    assert isinstance(opened, e.SessionOpen)
    assert opened.power == "other"
    [fault] = of_kind(tmp_path, 2, e.Fault)
    assert isinstance(fault, e.Fault)
    assert (fault.part, fault.kind) == ("journal", "session.unfinished")
    assert fault.text.startswith("s000001 was open in liuhen/D1/1")


def test_a_session_whose_opening_is_the_damaged_line_is_gone_on_with_too(tmp_path: Path) -> None:
    rig = recorded(tmp_path, stop=False)
    flip(journal(tmp_path), journal(tmp_path).read_bytes().index(b'"session.open"') + 3)
    assert recover(rig).begin_unasked == "s000001"


def test_a_cut_before_the_other_session_began_does_not_forget_it(tmp_path: Path) -> None:
    rig = damaged_while_recording(tmp_path)
    assert recover(rig).begin_unasked == "s000001"
    rig.boot_id = "boot-1"
    assert recover(rig).begin_unasked == "s000001"
    rig.boot()
    rig.run(3)
    assert rig.recorder.status()["session"] == "s000002"
    rig.stop()
    rig.kill()
    assert recover(rig).begin_unasked == ""


def test_damage_found_an_hour_later_begins_no_session(tmp_path: Path) -> None:
    rig = damaged_while_recording(tmp_path)
    rig.now_ns += 3600 * NS_PER_S
    recovered = recover(rig)
    assert recovered.begin_unasked == ""
    [fault] = of_kind(tmp_path, 2, e.Fault)
    assert isinstance(fault, e.Fault)
    assert fault.kind == "session.ended"


def test_an_hour_after_damage_was_found_no_session_begins_either(tmp_path: Path) -> None:
    rig = damaged_while_recording(tmp_path)
    recover(rig)
    rig.now_ns += 3600 * NS_PER_S
    assert recover(rig).begin_unasked == ""


def test_a_closed_session_whose_close_is_the_damaged_line_is_not_taken_for_open(tmp_path: Path) -> None:
    rig = recorded(tmp_path)
    data = journal(tmp_path).read_bytes()
    flip(journal(tmp_path), data.rindex(b'"session.close"') + 3)
    rig.boot()
    rig.kill()
    assert recover(rig).begin_unasked == ""


def test_number_and_assignment_are_carried_over_damage_and_the_next_start(tmp_path: Path) -> None:
    """The number of a session that left no folder is known from the journal only."""
    rig = recorded(tmp_path)
    remove_tree(tmp_path / "segments/s000001")
    flip(journal(tmp_path), journal(tmp_path).stat().st_size // 3)
    assert recover(rig).ledger.state.next_session == 2
    assert recover(rig).ledger.state.next_session == 2


# --- nothing without a word -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["short", "missing"])
def test_a_segment_that_lost_attested_bytes_is_closed_with_a_fault(tmp_path: Path, kind: str) -> None:
    rig = recorded(tmp_path, stop=False)
    [segment] = tmp_path.glob("segments/s000001/*")
    if kind == "short":
        os.truncate(segment, 1000)
    else:
        segment.unlink()
    done = recover(rig).done
    [fault] = of_kind(tmp_path, 1, e.Fault)
    assert isinstance(fault, e.Fault)
    assert (fault.part, fault.kind) == ("storage", f"segment.{kind}")
    assert fault.text in done
    assert "no" in answers(tmp_path, rig)


def strays(disk: SimDisk) -> None:
    """A torn tail, and a file that no entry names."""
    log = max(name for name in disk.names("journal/0001") if name.endswith(".log"))
    file = disk.open(f"journal/0001/{log}")
    disk.write(file, disk.size(f"journal/0001/{log}"), [b'{"half'])
    stray = disk.create("segments/s000001/D1_0_20260101000000_000009.mp4.age")
    disk.write(stray, 0, [b"made in the moment of the cut"])
    for one in (file, stray):
        disk.sync(one)
        disk.close(one)
    disk.sync_folder("segments/s000001")


def everything_aside_is_told(disk: SimDisk) -> None:
    told: set[str] = set()
    for path, data in disk.files().items():
        if path.endswith(".log"):
            found = [line.entry for line in read_file(data, None).entries()]
            told |= {entry.kept_as for entry in found if isinstance(entry, e.Aside)}
    assert set(disk.names("aside")) <= told


@pytest.mark.parametrize("first_start", [False, True])
def test_a_cut_at_any_call_of_recovery_leaves_nothing_aside_untold(first_start: bool) -> None:
    rig = Rig(SimDisk(), now_s=200)
    if not first_start:
        rig.boot()
        rig.run(2)
        rig.start()
        rig.run(2)
        rig.kill()
        assert isinstance(rig.disk, SimDisk)
        strays(rig.disk)
    assert isinstance(rig.disk, SimDisk)
    start = rig.disk.cut(0)
    rig.disk = started = start.cut(0)
    started.calls = []
    rig.recover()
    calls = started.calls
    assert len(calls) > 8
    for seed in (1, 2):
        played = start.cut(0)
        for number, call in enumerate(calls):
            rig.disk = cut = played.cut(seed * 1000 + number)
            rig.recover()
            everything_aside_is_told(cut)
            assert rig.recover().done == []
            replay(call, played)


def test_a_journal_file_moved_aside_while_recording_is_told_and_loses_its_mark(tmp_path: Path) -> None:
    rig = recorded(tmp_path)
    with journal(tmp_path).open("ab") as file:
        file.write(b'{"half')
    recover(rig)
    assert [path.name for path in (tmp_path / "aside").iterdir()] == ["journal-0001-000000000000.log.0"]
    assert not list((tmp_path / "aside").glob(f"*{UNTOLD}"))


# --- the shell around it --------------------------------------------------------------------------------------


def test_a_check_that_asks_whether_the_spool_is_held_turns_no_recorder_away(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    asked = os.open(tmp_path / "lock", os.O_RDONLY)
    fcntl.flock(asked, fcntl.LOCK_SH)  # what ``is_held`` takes for an instant
    held = spool_lock.lock(tmp_path, pause_s=lambda _: fcntl.flock(asked, fcntl.LOCK_UN))
    assert spool_lock.is_held(tmp_path)
    os.close(held)
    os.close(asked)


def test_a_second_recorder_is_refused(tmp_path: Path) -> None:
    held = spool_lock.lock(tmp_path)
    with pytest.raises(spool_lock.SpoolBusy):
        spool_lock.lock(tmp_path, pause_s=lambda _: None)
    os.close(held)


class FailingOnce(FolderDisk):
    """A card on which the first sync of a folder fails."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.synced: list[str] = []
        self.failed = False

    def sync_folder(self, path: str) -> None:
        if not self.failed:
            self.failed = True
            raise OSError(5, "Input/output error")
        super().sync_folder(path)
        self.synced.append(path)


def test_a_folder_whose_name_could_not_be_synced_is_synced_by_the_next_try(tmp_path: Path) -> None:
    disk = FailingOnce(tmp_path)
    with pytest.raises(OSError):
        disk.make_folder("journal/0001")
    disk.make_folder("journal/0001")
    assert disk.synced == ["", "journal"]


# --- what is no file ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["key", "log"])
@pytest.mark.parametrize("kind", ["pipe", "link"])
def test_a_pipe_or_a_link_in_the_journal_keeps_no_start_waiting(tmp_path: Path, place: str, kind: str) -> None:
    rig = recorded(tmp_path)
    path = tmp_path / "journal/0001/device.vkey" if place == "key" else journal(tmp_path)
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    done = recover(rig).done
    if place == "key":
        assert of_kind(tmp_path, 1, e.Aside)
        assert path.read_text().startswith("liuhen/")
    else:
        assert any("is no regular file" in line for line in done)
        assert begin(tmp_path, 2).reason == "damage"
