"""``fsck`` finds what is not as it must be, names it, and changes nothing; a spool in order has no finding."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import structs

from agent import fsck
from agent.evidence import entries as e
from agent.evidence.canonical import b64
from agent.evidence.note import Signer
from agent.recorder import messages as m
from agent.recorder import spool_lock
from tests.support.reading import Reading
from tests.support.rig import Rig

VKEY = "journal/0001/device.vkey"


def device(folder: Path, seconds: float = 13) -> Rig:
    rig = Rig(folder)
    rig.boot()
    rig.run(2)
    rig.start()
    rig.run(seconds)
    return rig


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    """A spool in order: two segments, one session, closed."""
    rig = device(tmp_path)
    rig.stop()
    rig.kill()
    return tmp_path


def kinds(root: Path) -> list[str]:
    before = listing(root)
    report = fsck.check(root)
    assert listing(root) == before, "read-only"
    return [finding.kind for finding in report.findings]


def listing(root: Path) -> dict[str, tuple[int, str]]:
    return {
        str(path.relative_to(root)): (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in root.rglob("*")
        if path.is_file()
    }


def segment(root: Path, number: int = 0) -> Path:
    return sorted(root.glob("segments/*/*.age"))[number]


def journal(root: Path) -> Path:
    return sorted(root.glob("journal/*/*.log"))[-1]


def test_a_spool_in_order_has_no_finding(spool: Path) -> None:
    report = fsck.check(spool)
    assert (report.findings, report.owed, report.open_sessions) == ([], [], [])
    assert (report.files, report.entries, report.live) == (2, len(Reading(spool).entries), False)


def test_a_reason_that_is_owed_is_a_duty_and_no_finding(tmp_path: Path) -> None:
    rig = device(tmp_path, 4)
    rig.tell(m.SensorDown("camera", "ended"))
    rig.camera_on = False
    rig.run(2)
    rig.stop()
    rig.kill()
    report = fsck.check(tmp_path)
    assert (report.findings, report.owed) == ([], ["s000001 0"])


def test_a_recovered_session_that_waits_to_go_on_is_open_and_in_order(tmp_path: Path) -> None:
    rig = device(tmp_path, 4)
    rig.kill()
    rig.recover()
    report = fsck.check(tmp_path)
    assert (report.findings, report.open_sessions) == ([], ["s000001"])


def flip(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(bytes(data))


def damage_line(path: Path, number: int) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    lines[number] = lines[number].replace(b'"boot":0', b'"boot":1', 1)
    path.write_bytes(b"".join(lines))


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)


def add(path: Path, data: bytes) -> None:
    path.write_bytes(path.read_bytes() + data)


def as_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


HARM: dict[str, tuple[str, Callable[[Path], object]]] = {
    "a byte of a segment flipped": ("segment_bytes", lambda root: flip(segment(root), 70_000)),
    "the last byte of a segment flipped": ("segment_bytes", lambda root: flip(segment(root), -1)),
    "a segment cut short": ("segment_length", lambda root: os.truncate(segment(root), 100_000)),
    "bytes behind a segment": ("segment_length", lambda root: add(segment(root), b"x")),
    "a segment gone": ("segment_missing", lambda root: segment(root).unlink()),
    "a segment that is a folder": ("segment_missing", lambda root: as_folder(segment(root))),
    "a file that nobody named": ("file_unnamed", lambda root: write(segment(root).parent / "D1_0_x.mp4.age", b"x")),
    "a file laid aside without a word": ("aside_unnamed", lambda root: write(root / "aside/x", b"x")),
    "lines behind the last checkpoint": ("torn_tail", lambda root: add(journal(root), b"{")),
    "a line of the journal changed": ("journal_damage", lambda root: damage_line(journal(root), 6)),
    "the journal's key gone": ("key_unreadable", lambda root: (root / VKEY).unlink()),
    "the journal's key no key": ("key_unreadable", lambda root: (root / VKEY).write_bytes(b"\xff")),
    "another device's key": (
        "no_checkpoint",
        lambda root: (root / VKEY).write_text(Signer("liuhen/D1", bytes(32)).vkey.line()),
    ),
}  # fmt: skip


def as_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(("place", "kind"), [("key", "key_unreadable"), ("log", "journal_damage")])
def test_a_pipe_in_the_journal_is_a_finding_and_keeps_nobody_waiting(spool: Path, place: str, kind: str) -> None:
    as_pipe(spool / VKEY if place == "key" else journal(spool))
    assert kind in kinds(spool)


@pytest.mark.parametrize("what", HARM)
def test_fsck_finds(spool: Path, what: str) -> None:
    kind, harm = HARM[what]
    saved = segment(spool).read_bytes()
    harm(spool)
    found = kinds(spool)
    assert kind in found, found
    assert saved


def test_a_symbolic_link_in_place_of_a_segment_is_no_segment(
    spool: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "x"
    elsewhere.write_bytes(segment(spool).read_bytes())
    path = segment(spool)
    path.unlink()
    path.symlink_to(elsewhere)
    assert kinds(spool) == ["segment_missing"]


def test_a_folder_without_a_journal_is_no_spool(tmp_path: Path) -> None:
    assert kinds(tmp_path) == ["no_journal"]


def test_a_recording_that_was_cut_and_not_recovered_is_told_what_to_do(tmp_path: Path) -> None:
    device(tmp_path, 4).kill()
    assert kinds(tmp_path) == ["not_recovered"]
    (finding,) = fsck.check(tmp_path).findings
    assert "liuhen recover" in finding.text


def test_what_a_living_recorder_has_in_progress_is_no_finding(tmp_path: Path) -> None:
    device(tmp_path, 4)
    write(tmp_path / "segments/s000001/D1_0_00000000000000_000007.mp4.age", b"being made")
    held = spool_lock.lock(tmp_path)
    assert kinds(tmp_path) == []
    assert fsck.check(tmp_path).live
    os.close(held)
    assert kinds(tmp_path) == ["not_recovered", "file_unnamed"]


def append(root: Path, *entries: e.Entry) -> None:
    """A recorder with a fault of its own, but a key that is right."""
    rig = Rig(root)
    ledger = rig.recover().ledger
    ledger.append([ledger.made_now(entry) for entry in entries])
    ledger.close()


def begun(session: str, number: int) -> e.InterruptionBegin:
    return e.InterruptionBegin(
        stream=session, interruption=number, track="video", cause="camera", text="", last_boot=0, last_us=1
    )


def test_an_interruption_without_an_end_in_a_closed_session_is_found(spool: Path) -> None:
    append(spool, begun("s000001", 0))
    assert kinds(spool) == ["interruption_open"]


def test_only_the_newest_interruption_of_a_track_may_be_open(tmp_path: Path) -> None:
    rig = device(tmp_path, 4)
    rig.kill()
    rig.recover()
    append(tmp_path, begun("s000001", 5))
    assert kinds(tmp_path) == []
    append(tmp_path, begun("s000001", 6))
    assert kinds(tmp_path) == ["interruption_open"]


# --- reasons ------------------------------------------------------------------------------------------------


@pytest.fixture
def owing(tmp_path: Path) -> Path:
    """Two interruptions have ended unexplained; the journal has several files."""
    rig = Rig(tmp_path)
    rig.rotate_bytes = 12_000
    rig.boot()
    rig.run(2)
    rig.start()
    rig.run(2)
    for _ in range(2):
        rig.tell(m.SensorDown("camera", "ended"))
        rig.camera_on = False
        rig.run(1)
        rig.camera_on = True
        rig.run(4)
    rig.kill()
    rig.recover()
    assert len(list(tmp_path.glob("journal/*/*.log"))) > 2
    return tmp_path


def explained(number: int) -> e.Explanation:
    return e.Explanation(stream="s000001", interruption=number, how="written", officer="0")


def test_a_reason_that_was_given_is_owed_no_more(owing: Path) -> None:
    assert fsck.check(owing).owed[:2] == ["s000001 0", "s000001 1"]
    append(owing, explained(0))
    report = fsck.check(owing)
    assert (report.findings, report.owed[:1]) == ([], ["s000001 1"])


def test_two_reasons_of_one_interruption_are_found(owing: Path) -> None:
    append(owing, explained(0), explained(0))
    (finding,) = fsck.check(owing).findings
    assert (finding.kind, finding.file) == ("explained_twice", str(journal(owing).relative_to(owing)))


def carries(root: Path) -> tuple[e.DeviceCarry, dict[int, e.Owed]]:
    """What a file that began now would repeat."""
    found = Rig(root).recover()
    carried = found.ledger.state.carries()
    found.ledger.close()
    (device_carry,) = [one for one in carried if isinstance(one, e.DeviceCarry)]
    owed = [owed for one in carried if isinstance(one, e.OwedCarry) for owed in one.owed]
    return device_carry, {one.interruption: one for one in owed}


WRONG: dict[str, Callable[[dict[int, e.Owed]], list[e.Owed]]] = {
    "one is left out": lambda owed: [owed[0]],
    "all are left out": lambda owed: [],
    "one is added": lambda owed: [*owed.values(), structs.replace(owed[0], interruption=7)],
    "one has another cause": lambda owed: [structs.replace(owed[0], cause="power"), owed[1]],
    "one has another moment": lambda owed: [owed[0], structs.replace(owed[1], first_us=owed[1].first_us + 1)],
}


@pytest.mark.parametrize("what", WRONG)
def test_what_a_file_s_beginning_says_is_owed_must_be_what_the_entries_before_add_up_to(owing: Path, what: str) -> None:
    device_carry, owed = carries(owing)
    assert sorted(owed) == [0, 1]
    wrong = WRONG[what](owed)
    append(owing, device_carry, *([e.OwedCarry(owed=wrong)] if wrong else []))
    (finding,) = fsck.check(owing).findings
    assert (finding.kind, finding.file) == ("owed_carry", str(journal(owing).relative_to(owing)))
    assert "s000001" in finding.text


def test_what_is_owed_may_be_repeated_in_parts(owing: Path) -> None:
    device_carry, owed = carries(owing)
    append(owing, device_carry, *(e.OwedCarry(owed=[one]) for one in owed.values()))
    assert kinds(owing) == []


def test_where_older_files_are_gone_what_the_first_one_repeats_is_believed(owing: Path) -> None:
    whole = fsck.check(owing)
    files = sorted(owing.glob("journal/*/*.log"))
    for path in files[:-1]:
        path.unlink()
    report = fsck.check(owing)
    assert "owed_carry" not in [finding.kind for finding in report.findings]
    assert report.owed == whole.owed
    append(owing, explained(0))
    assert "s000001 0" not in fsck.check(owing).owed


def test_two_open_sessions_are_found(tmp_path: Path) -> None:
    rig = device(tmp_path, 4)
    rig.kill()
    rig.recover()
    opened = Reading(tmp_path).one(e.SessionOpen)
    opened.stream, opened.number = "s000002", 2
    append(tmp_path, opened)
    assert "sessions_open" in kinds(tmp_path)


def test_a_segment_that_the_journal_attests_longer_than_it_is_was_lost_by_the_card(tmp_path: Path) -> None:
    rig = device(tmp_path, 4)
    rig.kill()
    last = Reading(tmp_path).of(e.Fragment)[-1]
    os.truncate(segment(tmp_path), last.sealed - 1)
    assert kinds(tmp_path) == ["not_recovered", "segment_bytes"]
    assert b64(hashlib.sha256(segment(tmp_path).read_bytes()).digest()) != last.sealed_sha256
