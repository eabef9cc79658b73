"""From a camera that does not come back to the statement on it: told, reported, acknowledged, never in the way (R19c).

The real recorder and writer; the journal is read back by the formats alone.
"""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from msgspec import UNSET

from agent.commands.statement_form import LocalTime, form, told_of
from agent.evidence import entries as e
from agent.evidence.private import open_private
from agent.recorder import messages as m
from agent.verify.run import device_clocks
from agent.verify.spool import read_spool
from drivers.position import Fix
from tests.support import streams
from tests.support.reading import IDENTITY, Reading, faultless
from tests.support.rig import NS_PER_S, SETTINGS, Rig

ALARMED = replace(SETTINGS, duties=True)
TEXT = "摄像头接口松动,检查中断,已更换设备,无其他证明材料。"


def recording(folder: Path) -> Rig:
    rig = Rig(folder, ALARMED)
    rig.boot()
    rig.run(6)
    rig.start()
    rig.run(3)
    return rig


def lose_camera(rig: Rig, seconds: float) -> None:
    rig.tell(m.SensorDown("camera", "the camera's process ended"))
    rig.camera_on = False
    rig.run(seconds)


def opened(private: e.Private | object) -> str:
    assert isinstance(private, e.Private)
    return open_private(private, IDENTITY)


def status(rig: Rig) -> tuple[object, ...]:
    found = rig.recorder.status()
    return found["state"], found["open_alarms"], found["unreported_alarms"], found["owed_statements"]


def test_a_camera_that_stays_away_raises_the_alarm_and_sound_is_recorded_on(tmp_path: Path) -> None:
    rig = recording(tmp_path)
    rig.tell(m.Heard("position", Fix(rig.now_ns, 300_000_000, 1_040_000_000, 5_000, "gnss", 1_780_000_000_000_000, 1)))
    lose_camera(rig, 90)
    assert status(rig) == ("recording", 1, 1, 1)
    assert rig.tell(m.AlarmReported(rig.now_ns, "phone", "已向张队长报告"))[0].name == "accepted"
    rig.run(1)
    assert status(rig) == ("recording", 1, 0, 1)
    rig.camera_on = True
    rig.tell(m.Heard("camera", streams.CAMERA))
    rig.run(5)
    assert status(rig) == ("recording", 1, 0, 1), "a camera that comes back ends the interruption, not the alarm"
    rig.stop()
    rig.stop()
    assert rig.tell(m.AlarmAcknowledged(0, "310109", "王五"))[0].name == "accepted"
    assert rig.tell(m.StatementGiven("s000001", 0, TEXT))[0].name == "accepted"
    rig.run(1)
    assert status(rig) == ("standby", 0, 0, 0)
    rig.kill()
    faultless(tmp_path)
    reading = Reading(tmp_path)
    alarm, told = reading.one(e.Alarm), reading.of(e.AlarmTold)[0]
    begin = reading.one(e.InterruptionBegin)
    assert (alarm.interruption, alarm.track, alarm.cause) == (begin.interruption, "video", "camera")
    assert opened(alarm.private).startswith("WGS 84 30.0000000, 104.0000000")
    assert (told.how, told.prompt_sha256) == ("sound", "w" * 43)
    assert opened(reading.one(e.AlarmReported).private) == "已向张队长报告"
    assert opened(reading.one(e.AlarmAcknowledged).private) == "王五"
    assert opened(reading.one(e.Statement).private) == TEXT
    assert not reading.readable("王五") and not reading.readable("张队长") and not reading.readable("接口松动")
    sound = [span for one in reading.of(e.Fragment) for span in one.tracks if span.track == "sound"]
    assert all(b.first_us - a.last_us < 60_000 for a, b in pairwise(sound))


def test_it_stands_over_power_cuts_and_new_journal_files(tmp_path: Path) -> None:
    rig = recording(tmp_path)
    lose_camera(rig, 90)
    for number in (1, 2):
        rig.kill()
        rig.boot_id, rig.rotate_bytes = f"boot-{number}", 10_000
        rig.now_ns += 5 * NS_PER_S
        rig.camera_on = True
        rig.boot()
        rig.run(8)
        assert status(rig) == ("recording", 1, 1, 1)
    carries = Reading(tmp_path).of(e.AlarmsCarry)
    assert carries and {(one.alarm, one.ended) for one in carries[-1].alarms} == {(0, "yes")}
    rig.kill()
    faultless(tmp_path)


def test_a_session_that_recovery_ends_raises_one_at_the_next_start(tmp_path: Path) -> None:
    rig = recording(tmp_path)
    rig.kill()
    rig.boot_id = "boot-1"
    rig.resume_s = 60
    rig.now_ns += 3_600 * NS_PER_S
    rig.boot()
    rig.run(3)
    assert status(rig) == ("standby", 1, 1, 1)
    rig.kill()
    faultless(tmp_path)
    reading = Reading(tmp_path)
    alarm = reading.one(e.Alarm)
    assert (alarm.stream, alarm.track, alarm.cause, alarm.private) == ("s000001", "all", "power", UNSET)
    log = read_spool(tmp_path, None).logs[-1]
    (told,) = told_of(log)
    text = form(told, LocalTime(device_clocks(log), 480))
    assert "设备检测原因:断电" in text and "记录结束,未恢复" in text


def test_after_damage_to_the_journal_the_alarm_stands_on_and_is_stated(tmp_path: Path) -> None:
    rig = recording(tmp_path)
    lose_camera(rig, 90)
    rig.kill()
    (file,) = (tmp_path / "journal/0001").glob("*.log")
    data = bytearray(file.read_bytes())
    at = data.index(b'"type":"session.open"')
    data[at + 10] ^= 1
    file.write_bytes(bytes(data))
    rig.camera_on = True
    rig.now_ns += 5 * NS_PER_S
    rig.boot()
    rig.run(8)
    assert status(rig)[1:] == (1, 1, 1)
    assert rig.tell(m.StatementGiven("s000001", 0, TEXT))[0].name == "accepted"
    assert rig.tell(m.AlarmAcknowledged(0, "310109", "王五"))[0].name == "accepted"
    rig.run(1)
    assert status(rig)[1:] == (0, 0, 0)
    rig.kill()
    assert Reading(tmp_path).one(e.Statement).stream == "device"
