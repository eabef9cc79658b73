"""The writer's order of disk calls, and what it does when one of them fails: nothing is lost, nothing sealed twice."""

import errno
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent.evidence import entries as e
from agent.evidence.journal import read_file
from agent.recorder import messages as m
from tests.sim.disk import Fault, SimDisk
from tests.support.reading import SIGNER, Reading, faultless, write_out
from tests.support.rig import SETTINGS, Rig

SHORT = replace(SETTINGS, prerecord_s=1)
Calls = list[tuple[str, tuple[object, ...]]]


class Breaking(SimDisk):
    """Fails each call of a name on paths (of their handles) that contain a text, while ``count`` lasts."""

    def __init__(self) -> None:
        super().__init__(record=True)
        self.paths: dict[int, str] = {}
        self.name, self.where, self.left = "", "", 0

    def fail(self, name: str, where: str, count: int = 1) -> None:
        self.name, self.where, self.left = name, where, count

    def create(self, path: str) -> int:
        handle = super().create(path)
        self.paths[handle] = path
        return handle

    def open(self, path: str) -> int:
        handle = super().open(path)
        self.paths[handle] = path
        return handle

    def _called(self, name: str, *arguments: object) -> None:
        super()._called(name, *arguments)
        first = arguments[0]
        path = first if isinstance(first, str) else self.paths.get(int(str(first)), "")
        if self.left and name == self.name and self.where in path:
            self.left -= 1
            self.struck += 1
            raise OSError(errno.EIO, "the card failed", path)

    def told(self, since: int = 0) -> Iterator[tuple[str, str]]:
        """Calls since the n-th as (name, kind of file)."""
        assert self.calls is not None
        for name, arguments in self.calls[since:]:
            first = arguments[0]
            path = first if isinstance(first, str) else self.paths.get(int(str(first)), "")
            yield name, path.split("/")[0]


def recording(disk: SimDisk, **more: object) -> Rig:
    rig = Rig(disk, SHORT)
    for name, value in more.items():
        setattr(rig, name, value)
    rig.boot()
    rig.run(2)
    rig.start()
    rig.run(2)
    return rig


def finish(rig: Rig, disk: SimDisk, folder: Path) -> Reading:
    rig.run(3)
    rig.stop()
    rig.run(1)
    rig.kill()
    files = disk.files()
    faultless(write_out(files, folder))
    return Reading(files)


def is_whole(numbers: list[int]) -> bool:
    return numbers == list(range(numbers[0], numbers[-1] + 1))


def test_media_is_written_and_synced_before_the_journal_says_so(tmp_path: Path) -> None:
    disk = Breaking()
    rig = recording(disk)
    since = disk.count
    rig.run(2)
    calls = list(disk.told(since))
    assert calls[:4] == [("write", "segments"), ("sync", "segments"), ("write", "journal"), ("sync", "journal")]
    assert set(calls) == set(calls[:4])
    assert calls == calls[:4] * (len(calls) // 4)
    finish(rig, disk, tmp_path)


def test_a_segment_file_has_its_name_on_the_medium_before_an_entry_names_it() -> None:
    disk = Breaking()
    rig = recording(disk)
    rig.kill()
    calls = list(disk.told())
    made = calls.index(("create", "segments"))
    synced = calls.index(("sync_folder", "segments"), made)
    named = next(i for i in range(made, len(calls)) if calls[i] == ("write", "journal"))
    assert made < synced < named
    assert ("extend", "segments") in calls[made:synced], "preallocated before"


@pytest.mark.parametrize(
    ("name", "where"),
    [("write", "segments"), ("sync", "segments"), ("write", "journal"), ("sync", "journal")],
)
@pytest.mark.parametrize("count", [1, 4])
def test_a_failed_call_loses_nothing_and_is_told(tmp_path: Path, name: str, where: str, count: int) -> None:
    disk = Breaking()
    rig = recording(disk)
    before = Reading(disk.files())
    disk.fail(name, where, count)
    rig.run(3)
    assert disk.struck == count
    assert "storage.failing" in [event.name for event in rig.events]
    assert rig.recorder.status()["storage"] == "ok", "it recovered by itself"
    seen = finish(rig, disk, tmp_path)
    assert is_whole(seen.frames())
    lines = [placed.line for placed in seen.joined.entries]
    attested = [placed.line for placed in before.joined.entries]
    assert lines[: len(attested)] == attested, "nothing attested is taken back"


def test_after_a_failed_write_the_segment_is_left_where_it_is_attested_and_another_key_begins(tmp_path: Path) -> None:
    disk = Breaking()
    rig = recording(disk)
    disk.fail("sync", "segments")
    rig.run(3)
    seen = finish(rig, disk, tmp_path)
    opened = seen.of(e.SegmentOpen)
    left = seen.of(e.SegmentClose)[0]
    assert [one.cause for one in opened] == ["start", "after_error"]
    assert (left.by, left.segment) == ("error", 0)
    last = [one for one in seen.of(e.Fragment) if one.segment == 0][-1]
    assert (left.end, left.length, left.sha256) == (last.end, last.sealed, last.sealed_sha256)
    assert seen.index(last) < seen.index(left) < seen.index(opened[1])
    old, new = (seen.files[f"segments/{one.file}"] for one in opened)
    assert len(old) == left.length
    assert old[:200] != new[:200], "another file key"


def test_after_a_failed_journal_sync_the_very_same_lines_stand_in_a_new_file(tmp_path: Path) -> None:
    disk = Breaking()
    rig = recording(disk)
    asked = len(disk.calls or [])
    disk.fail("sync", "journal")
    rig.run(3)
    seen = finish(rig, disk, tmp_path)
    assert len(seen.journal_names) == 2
    older, newer = (read_file(seen.files[name], SIGNER.vkey) for name in seen.journal_names)
    assert newer.header is not None
    first = newer.header.first
    written = [
        b"".join(pieces)
        for name, arguments in (disk.calls or [])[asked:]
        if name == "write" and disk.paths.get(int(str(arguments[0])), "").endswith(seen.journal_names[0][8:])
        for pieces in [arguments[2]]
        if isinstance(pieces, list)
    ]
    failed = written[-1].rstrip(b"\0").splitlines()
    again = seen.files[seen.journal_names[1]].splitlines()[2:]
    assert failed == again[: len(failed)], "signed once, never otherwise"
    assert first == older.attested_size or any(one.identical for one in seen.joined.superseded)
    assert seen.joined.damage == []


def test_a_journal_file_that_failed_at_its_begin_is_kept_aside_and_told(tmp_path: Path) -> None:
    disk = Breaking()
    rig = recording(disk)
    disk.fail("sync", "journal", 3)
    rig.run(4)
    seen = finish(rig, disk, tmp_path)
    told = seen.of(e.Aside)
    assert told
    assert all(one.why == "failed_journal" for one in told)
    assert {f"aside/{one.kept_as}" for one in told} == {name for name in seen.files if name.startswith("aside/")}


@pytest.mark.parametrize("name", ["create", "make_folder", "sync_folder", "extend"])
def test_a_segment_that_cannot_be_made_is_tried_again_and_leaves_no_unnamed_file(tmp_path: Path, name: str) -> None:
    disk = Breaking()
    rig = Rig(disk, SHORT)
    rig.boot()
    rig.run(2)
    disk.fail(name, "segments", 2)
    rig.start()
    rig.run(3)
    assert disk.struck
    seen = finish(rig, disk, tmp_path)
    named = {f"segments/{one.file}" for one in seen.of(e.SegmentOpen)}
    assert {path for path in seen.files if path.startswith("segments/")} == named
    assert is_whole(seen.frames())


def test_a_full_card_is_told_and_recording_goes_on_when_there_is_room(tmp_path: Path) -> None:
    disk = SimDisk()
    rig = recording(disk)
    disk.break_at(Fault("ENOSPC", 0, 40))
    rig.run(8)
    texts = [event.text for event in rig.events if event.name == "storage.failing"]
    assert any("No space" in text for text in texts)
    seen = finish(rig, disk, tmp_path)
    assert is_whole(seen.frames())


def test_entries_are_kept_through_a_long_failure_in_their_order(tmp_path: Path) -> None:
    disk = Breaking()
    rig = recording(disk)
    disk.fail("sync", "journal", 1_000)
    for i in range(6):
        rig.tell(m.MarkNow(rig.now_ns, f"tap_{i}"))
        rig.run(0.5)
    disk.left = 0
    seen = finish(rig, disk, tmp_path)
    assert [mark.label for mark in seen.of(e.Mark)] == [f"tap_{i}" for i in range(6)]


def rotated(folder: Path) -> Rig:
    rig = Rig(folder, SHORT)
    rig.rotate_bytes = 20_000
    rig.boot()
    return rig


def test_a_start_reads_the_newest_journal_file_only(tmp_path: Path) -> None:
    rig = rotated(tmp_path)
    rig.tell(m.Issue("assign", "310101"))
    rig.run(2)
    rig.start()
    rig.run(2)
    rig.tell(m.Important(True))
    rig.run(20)
    logs = sorted(tmp_path.glob("journal/0001/*.log"))
    assert len(logs) >= 3
    rig.kill()
    held = {log: log.read_bytes() for log in logs[:-1]}
    for log in held:
        log.unlink()
    rig.boot()
    status = rig.recorder.status()
    assert (status["state"], status["session"], status["assigned"]) == ("resuming", "s000001", "yes")
    rig.run(4)
    rig.stop()
    rig.kill()
    for log, data in held.items():
        log.write_bytes(data)
    faultless(tmp_path)
    seen = Reading(tmp_path)
    assert len(seen.of(e.SessionOpen)) == 1
    assert all(isinstance(first, e.DeviceCarry) for first in first_entries(seen)[1:])
    assert seen.media()[-1].name.endswith("_IMP.mp4.age"), "importance is carried"


def first_entries(seen: Reading) -> list[object]:
    readings = [read_file(seen.files[name], SIGNER.vkey) for name in seen.journal_names]
    return [next(iter(reading.entries())).entry for reading in readings]


@pytest.mark.parametrize("name", ["create", "sync_folder", "write"])
def test_a_rotation_that_fails_is_done_again(tmp_path: Path, name: str) -> None:
    disk = Breaking()
    rig = recording(disk, rotate_bytes=12_000)
    for _ in range(3):
        disk.fail(name, "journal")
        rig.run(3)
    seen = finish(rig, disk, tmp_path)
    assert len(seen.journal_names) > 2
    assert is_whole(seen.frames())


def test_a_low_bit_rate_is_padded_and_a_high_one_hardly(tmp_path: Path) -> None:
    shares = []
    for i, frame_bytes in enumerate((1_000, 20_000)):
        folder = tmp_path / str(i)
        folder.mkdir()
        rig = Rig(folder, SHORT)
        rig.bytes_per_frame = frame_bytes
        rig.boot()
        rig.run(2)
        rig.start()
        rig.run(10)
        rig.stop()
        rig.kill()
        faultless(folder)
        media = Reading(folder).media()
        padding = sum(fragment.padding for one in media for fragment in one.view.fragments)
        shares.append(padding / sum(len(one.plain) for one in media))
    assert shares[0] > 0.3
    assert shares[1] < 0.02, "where the pre-record ends, and nowhere else"
