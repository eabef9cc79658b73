"""A picture that shows nothing, sound that says nothing: recorded on, told at once, journalled, no gap (R11, R19b)."""

from pathlib import Path

from agent.evidence import entries as e
from agent.recorder import messages as m
from drivers.camera import PictureFigures
from drivers.microphone import SoundFigures
from tests.recorder.test_reasons import lose_camera, recording
from tests.support.reading import Reading, faultless
from tests.support.rig import FIGURES_NS, NS_PER_S, Rig


def look(rig: Rig, seconds: int, covered: bool) -> None:
    """A second of world, and what the camera's process says of its picture."""
    for _ in range(seconds):
        rig.run(1)
        at_ns = rig.now_ns - NS_PER_S // 25
        seen = PictureFigures(at_ns, 60, 3, 100, 12) if covered else PictureFigures(at_ns, 110, 2_000, 500, 900)
        rig.tell(m.Heard("camera", seen))


def listen(rig: Rig, seconds: int, silent: bool) -> None:
    for _ in range(2 * seconds):
        rig.run(FIGURES_NS / NS_PER_S)
        level_cdb = -10_000 if silent else -3_000
        figures = SoundFigures(rig.now_ns - FIGURES_NS, FIGURES_NS, level_cdb, level_cdb, 0, -1)
        rig.tell(m.Heard("microphone", figures))


def device(folder: Path) -> Rig:
    rig = Rig(folder)
    rig.boot()
    rig.run(6)
    return rig


def end(rig: Rig, folder: Path) -> Reading:
    rig.stop()
    rig.kill()
    faultless(folder)
    return Reading(folder)


def story(reading: Reading) -> list[tuple[str, int]]:
    begins = {one.impairment: one.kind for one in reading.of(e.ImpairmentBegin)}
    return [
        (begins[one.impairment], 1 if isinstance(one, e.ImpairmentBegin) else 0)
        for one in reading.entries
        if isinstance(one, e.ImpairmentBegin | e.ImpairmentEnd)
    ]


def test_a_covered_lens_is_told_within_two_seconds_and_recorded_on(tmp_path: Path) -> None:
    rig = device(tmp_path)
    rig.start()
    look(rig, 3, covered=False)
    since_us = rig.now_ns // 1_000
    look(rig, 2, covered=True)
    assert [event.name for event in rig.events if event.name.startswith("impairment")] == ["impairment.begin"]
    look(rig, 2, covered=True)
    look(rig, 4, covered=False)
    reading = end(rig, tmp_path)
    assert story(reading) == [("picture.covered", 1), ("picture.covered", 0)]
    begin = reading.one(e.ImpairmentBegin)
    assert 0 <= begin.since_us - since_us <= 1_000_000
    assert begin.boot_us - begin.since_us <= 2_000_000
    assert not reading.of(e.InterruptionBegin)
    (told,) = faultless(tmp_path)["sessions"][0]["impairments"]
    assert (told["kind"], told["text"]) == ("picture.covered", begin.text)
    assert told["from"] < told["to"]
    frames = reading.frames()
    assert frames == list(range(frames[0], frames[-1] + 1))


def test_what_was_wrong_before_the_press_is_in_the_session(tmp_path: Path) -> None:
    rig = device(tmp_path)
    listen(rig, 3, silent=True)
    rig.start()
    listen(rig, 2, silent=True)
    reading = end(rig, tmp_path)
    assert story(reading) == [("sound.silent", 1), ("sound.silent", 0)]
    assert reading.one(e.ImpairmentBegin).since_us >= reading.one(e.SessionOpen).from_us


def test_several_at_once_are_told_apart_and_end_with_the_session(tmp_path: Path) -> None:
    rig = device(tmp_path)
    rig.start()
    look(rig, 3, covered=True)
    listen(rig, 3, silent=True)
    reading = end(rig, tmp_path)
    assert sorted(story(reading)) == [
        ("picture.covered", 0), ("picture.covered", 1), ("sound.silent", 0), ("sound.silent", 1)
    ]  # fmt: skip


def test_a_camera_that_goes_ends_what_was_wrong_with_its_picture(tmp_path: Path) -> None:
    rig = device(tmp_path)
    rig.start()
    look(rig, 3, covered=True)
    lose_camera(rig)
    rig.run(2)
    reading = end(rig, tmp_path)
    assert story(reading) == [("picture.covered", 1), ("picture.covered", 0)]
    assert reading.one(e.ImpairmentEnd).until_us <= reading.one(e.InterruptionBegin).last_us + 1_000_000


def test_recovery_ends_what_a_power_cut_left_open(tmp_path: Path) -> None:
    rig = recording(tmp_path)
    look(rig, 4, covered=True)
    rig.kill()
    rig.boot_id = "boot-1"
    rig.boot()
    rig.run(3)
    rig.stop()
    reading = end(rig, tmp_path)
    assert story(reading) == [("picture.covered", 1), ("picture.covered", 0)]
