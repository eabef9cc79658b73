"""The recorder looks after device and term: what it tells of both, and that it never waits for either."""

from dataclasses import replace
from pathlib import Path

import pytest

from agent.evidence import entries as e
from agent.evidence.receipt import Receipt, sign_statement
from agent.recorder import messages as m
from agent.recorder.care import CareSettings
from agent.recorder.checkup import CheckSettings, Keys
from drivers.power import PowerFigures
from drivers.storage import StorageFigures, VolumeFound
from tests.evidence.journals import STRANGER
from tests.support.reading import Reading
from tests.support.rig import SETTINGS, Rig

S, H = 10**9, 3600
PARTS = frozenset({"camera", "microphone", "signals", "power", "storage"})
CARE = CareSettings(PARTS, check=CheckSettings(), keys=Keys("", 1))
CARING = replace(SETTINGS, duties=True, language="en", care=CARE)


def rig(path: Path, care: CareSettings = CARE) -> Rig:
    one = Rig(path, replace(CARING, care=care))
    one.boot()
    return one


def tell_volume(one: Rig, free_bytes: int = 10**11, write_us: int = 9_000) -> None:
    """The volume as its probe tells of it, with a trial write, a second after it was asked for."""
    one.tell(m.StorageHeard(VolumeFound("1", "card", "xfs", "u", "mmcblk0", 2 * free_bytes)))
    one.tell(m.StorageHeard(StorageFigures(one.now_ns, free_bytes, 2 * free_bytes, False, write_us, "")))


def settle(one: Rig) -> None:
    """All parts have come up and said so."""
    one.run(11)
    one.tell(m.PowerHeard(PowerFigures(one.now_ns, 900, 4100, 500, False, False, 50_000)))
    tell_volume(one)
    one.tell(m.ClockReading(one.now_ns, 1_790_000_000_000_000, "ntp", 10_000))
    one.run(5)


def checks(path: Path) -> list[e.Check]:
    return Reading(path).of(e.Check)


def test_a_start_is_followed_by_a_check_with_what_the_parts_said(tmp_path: Path) -> None:
    one = rig(tmp_path)
    settle(one)
    one.run(1)
    one.kill()
    (check,) = checks(tmp_path)
    results = {item.name: item.result for item in check.items}
    assert (check.why, check.result) == ("start", "pass"), results
    assert {"picture", "picture_rate", "sound", "speaker", "clock", "write", "battery", "keys"} <= set(results)
    assert check.words == "Device check: all is well." or check.unchecked == ["space"]


def test_a_failed_check_is_told_and_recording_begins_all_the_same(tmp_path: Path) -> None:
    one = rig(tmp_path)
    one.camera_on = False
    one.run(11)
    tell_volume(one)
    one.start()
    one.run(6)
    one.stop()
    one.run(3)
    one.kill()
    (check,) = checks(tmp_path)
    assert check.result == "fail" and "picture" in {item.name for item in check.items if item.result == "fail"}
    assert "check.picture" in {fault.kind for fault in Reading(tmp_path).of(e.Fault)}
    assert Reading(tmp_path).of(e.SessionClose)
    assert "check.fail" in {event.name for event in one.events}


def test_a_person_asks_for_a_check_and_gets_its_report(tmp_path: Path) -> None:
    one = rig(tmp_path, replace(CARE, check=replace(CARE.check, at_start=False)))
    settle(one)
    assert checks(tmp_path) == []
    assert one.tell(m.CheckNow())[0].name == "accepted"
    one.run(1)
    tell_volume(one)
    one.run(6)
    report = one.recorder.check_report()
    assert report is not None and (report["number"], report["under_way"]) == (1, "no")
    one.run(1)
    one.kill()
    assert [check.why for check in checks(tmp_path)] == ["asked"]


def test_a_recorder_without_care_says_so(tmp_path: Path) -> None:
    one = Rig(tmp_path, replace(CARING, care=None))
    one.boot()
    (refused,) = [event for event in one.tell(m.CheckNow()) if event.name == "refused"]
    assert "does not check" in refused.text
    assert one.recorder.check_report() is None


def a_session(one: Rig) -> None:
    one.run(6)
    one.start()
    one.run(12)
    one.stop()
    one.run(3)


def idle(one: Rig, hours: float, step_s: int = 120) -> None:
    """Hours without packets."""
    for _ in range(round(hours * H / step_s)):
        one.now_ns += step_s * S
        one.tell(m.Tick())
        one.tell(m.Tick())


@pytest.mark.parametrize("restarted", [False, True])
def test_a_session_that_nobody_uploads_runs_out_and_each_state_is_told_once(tmp_path: Path, restarted: bool) -> None:
    one = rig(tmp_path)
    a_session(one)
    assert one.recorder.status()["unsynced"] == 1
    idle(one, 13)
    if restarted:
        one.kill()
        one.boot()
    idle(one, 13)
    assert one.recorder.status()["late"] == 1
    one.kill()
    told = Reading(tmp_path).of(e.Deadline)
    assert [(entry.stream, entry.state) for entry in told] == [("s000001", "at_risk"), ("s000001", "late")]
    assert told[0].bytes_left > 0


def test_receipts_for_every_segment_end_the_term(tmp_path: Path) -> None:
    one = rig(tmp_path)
    a_session(one)
    opened = {entry.segment: entry.file for entry in Reading(tmp_path).of(e.SegmentOpen)}
    for closed in Reading(tmp_path).of(e.SegmentClose):
        said = Receipt("liuhen/D1/1", opened[closed.segment], closed.length, bytes(32), 1_790_000_000, True)
        note = sign_statement(said, STRANGER).decode()
        entry = e.Receipt(stream="s000001", segment=closed.segment, key="k", note=note)
        one.recorder.note(m.Draft(entry))
    one.run(3)
    assert one.recorder.status()["unsynced"] == 0
    one.kill()
    assert [entry.state for entry in Reading(tmp_path).of(e.Deadline)] == ["delivered"]


def test_a_journal_that_rotates_carries_the_terms(tmp_path: Path) -> None:
    one = rig(tmp_path)
    a_session(one)
    one.kill()
    one.rotate_bytes = 1
    one.boot()
    one.run(2)
    one.kill()
    one.boot()
    assert one.recorder.status()["unsynced"] == 1
    idle(one, 26)
    one.kill()
    assert [entry.state for entry in Reading(tmp_path).of(e.Deadline)][-1] == "late"
    assert Reading(tmp_path).of(e.DeadlineCarry)
