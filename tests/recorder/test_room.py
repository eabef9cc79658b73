"""Room on the card: told in time, stopped by the book at the reserve, gone on when there is room (R19b, R19c)."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from agent.evidence import entries as e
from agent.recorder import messages as m
from agent.recorder.keeping import KeepSettings, Load, reserve_of
from drivers.storage import StorageFigures, VolumeFound
from tests.support import streams
from tests.support.reading import Reading, faultless
from tests.support.rig import SETTINGS, Rig

LOAD = Load(
    media_bytes_per_s=600_000,
    flush_ms=400,
    segment_s=10,
    preallocated_bytes=1 << 20,
    recipients=1,
    queue_s=20,
    prerecord_s=5,
    reason_s=180,
    look_s=5,
    reserve_s=0,
    standby_h=1,
)
RESERVE = reserve_of(LOAD).total
HOUR = 3600 * 640_000
VOLUME = VolumeFound("0x1234", "SD", "ext4", "c0ffee", "mmcblk0p2", 1 << 35)


def device(folder: Path) -> Rig:
    rig = Rig(folder, replace(SETTINGS, keep=KeepSettings(), load=LOAD, duties=True))
    rig.boot()
    see(rig, 4 * HOUR)
    rig.run(6)
    return rig


def see(rig: Rig, free_bytes: int) -> list[m.Event]:
    """The probe looks."""
    figures = StorageFigures(rig.now_ns, RESERVE + free_bytes, 1 << 35, False, -1, "")
    return rig.tell(m.StorageHeard(figures))


def names(events: list[m.Event]) -> list[str]:
    return [event.name for event in events]


def end(rig: Rig, folder: Path) -> Reading:
    rig.stop()
    rig.stop()
    rig.run(2)
    rig.kill()
    faultless(folder)
    return Reading(folder)


def test_less_and_less_room_is_told_once_each(tmp_path: Path) -> None:
    rig = device(tmp_path)
    rig.start()
    rig.run(3)
    seen = [names(see(rig, round(hours * HOUR))) for hours in (3, 0.9, 0.8, 0.4, 0.3)]
    assert seen == [[], ["storage.warned"], [], ["storage.low"], []]
    reading = end(rig, tmp_path)
    assert [one.kind for one in reading.of(e.Fault)] == ["room.warned", "room.low"]
    assert not reading.of(e.InterruptionBegin)


def test_at_the_reserve_it_stops_by_the_book_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    rig = device(tmp_path)
    rig.start()
    rig.run(5)
    assert "session.no_room" in names(see(rig, -1))
    rig.run(30)
    assert rig.recorder.status()["state"] == "resuming"
    assert rig.recorder.status()["open_alarms"] == 1
    see(rig, HOUR)
    rig.run(5)
    assert rig.recorder.status()["state"] == "recording"
    reading = end(rig, tmp_path)
    begin = reading.one(e.InterruptionBegin)
    ending = reading.one(e.InterruptionEnd)
    assert (begin.cause, begin.track, ending.resumed) == ("storage", "all", "yes")
    assert 24_000_000 < ending.first_us - begin.last_us < 26_500_000, "30 s, and what the ring still had of them"
    assert reading.one(e.Alarm).interruption == begin.interruption
    assert [one.cause for one in reading.of(e.SegmentOpen)][:3] == ["start", "resume", "length"]
    assert len(reading.of(e.SessionOpen)) == 1
    frames = reading.frames()
    (hole,) = [after - before for before, after in pairwise(frames) if after != before + 1]
    assert 24 * 25 < hole < 27 * 25


def test_a_stop_ends_a_session_that_stands_still(tmp_path: Path) -> None:
    rig = device(tmp_path)
    rig.start()
    rig.run(5)
    see(rig, -1)
    rig.run(3)
    reading = end(rig, tmp_path)
    assert reading.one(e.SessionClose).by == "officer"
    assert reading.one(e.InterruptionEnd).resumed == "no"


def test_without_room_a_start_is_refused_and_says_why(tmp_path: Path) -> None:
    rig = device(tmp_path)
    see(rig, -1)
    (answer,) = rig.tell(m.Start(rig.now_ns))
    assert (answer.name, "room" in answer.text) == ("refused", True)
    see(rig, HOUR)
    rig.start()
    rig.run(3)
    assert end(rig, tmp_path).one(e.SessionOpen)


@pytest.mark.parametrize("boot_id", ["boot-0", "boot-1"])
def test_a_session_that_stands_still_survives_its_process_and_the_power(tmp_path: Path, boot_id: str) -> None:
    rig = device(tmp_path)
    rig.start()
    rig.run(5)
    see(rig, -1)
    rig.run(3)
    rig.kill()
    rig.boot_id = boot_id
    rig.now_ns += 10_000_000_000
    rig.boot()
    see(rig, -1)
    rig.run(4)
    see(rig, HOUR)
    rig.run(4)
    reading = end(rig, tmp_path)
    assert {one.cause for one in reading.of(e.InterruptionBegin)} == {"storage"}
    assert len(reading.of(e.SessionClose)) == 1


def test_which_volume_it_is_is_an_entry_once(tmp_path: Path) -> None:
    rig = device(tmp_path)
    for volume in (VOLUME, VOLUME):
        rig.tell(m.StorageHeard(volume))
    rig.tell(m.StorageHeard(VolumeFound("0x9", "SD", "xfs", "beef", "mmcblk0p2", 1 << 34)))
    rig.start()
    rig.run(2)
    reading = end(rig, tmp_path)
    assert [(one.place, one.serial) for one in reading.of(e.Volume)] == [("spool", "0x1234"), ("spool", "0x9")]


def test_a_card_that_is_full_when_a_session_begins_stops_it(tmp_path: Path) -> None:
    rig = device(tmp_path)
    rig.tell(m.SensorDown("camera", "gone"))
    rig.camera_on = False
    rig.start()
    see(rig, -1)
    rig.run(4)
    see(rig, -1)
    rig.run(4)
    assert rig.recorder.status()["state"] in ("standby", "resuming")
    assert not rig.recorder.status()["not_attested_ms"]


def test_a_stop_that_is_held_for_a_reason_is_carried_out_at_the_reserve(tmp_path: Path) -> None:
    rig = device(tmp_path)
    rig.start()
    rig.run(3)
    rig.tell(m.SensorDown("camera", "gone"))
    rig.camera_on = False
    rig.run(3)
    rig.camera_on = True
    rig.tell(m.Heard("camera", streams.CAMERA))
    rig.run(1.5)
    rig.tell(m.Stop(rig.now_ns))
    assert rig.recorder.status()["state"] == "stopping"
    see(rig, -1)
    rig.run(3)
    see(rig, HOUR)
    rig.run(10)
    assert rig.recorder.status()["state"] == "standby"
    assert end(rig, tmp_path).one(e.SessionClose).by == "officer"


def test_media_given_up_before_the_reserve_is_told_after_a_stop(tmp_path: Path) -> None:
    """A stalled disk, then a full card, then the stop: everything that waits is still told and closed."""
    rig = device(tmp_path)
    rig.start()
    rig.run(3)
    rig.disk_ns = lambda: 90_000_000_000
    rig.run(60)
    see(rig, -1)
    rig.run(1)
    rig.tell(m.Stop(rig.now_ns))
    rig.disk_ns = lambda: 0
    rig.run(60)
    reading = end(rig, tmp_path)
    assert reading.one(e.SessionClose)
    assert {one.cause for one in reading.of(e.InterruptionBegin)} == {"storage"}


def test_what_a_stop_gives_back_is_no_room_to_go_on_with(tmp_path: Path) -> None:
    rig = device(tmp_path)
    rig.start()
    rig.run(3)
    see(rig, -1)
    rig.run(2)
    see(rig, LOAD.preallocated_bytes // 2)
    rig.run(3)
    assert rig.recorder.status()["state"] == "resuming"
    end(rig, tmp_path)
