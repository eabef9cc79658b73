"""From an interruption to its explanation: asked, spoken, bound to sound that is on the disk, never in the way (R19b).

The real recorder and writer, prepared packets and figures; the journal is read back by the formats alone.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.evidence import entries as e
from agent.evidence.private import open_private
from agent.recorder import messages as m
from agent.recorder.asking import AskSettings
from tests.support import streams
from tests.support.reading import IDENTITY, Reading, faultless
from tests.support.rig import NS_PER_S, SETTINGS, SOUND_ONLY, Rig

ASKING = replace(SETTINGS, duties=True)
LISTEN_S = AskSettings().listen_s


def recording(folder: Path, **more: Any) -> Rig:
    """A device in the middle of a session."""
    rig = Rig(folder, ASKING)
    for name, value in more.items():
        setattr(rig, name, value)
    rig.boot()
    rig.run(6)
    rig.start()
    rig.run(3)
    return rig


def lose_camera(rig: Rig, seconds: float = 3) -> None:
    rig.tell(m.SensorDown("camera", "the camera's process ended"))
    rig.camera_on = False
    rig.run(seconds)
    rig.camera_on = True
    rig.tell(m.Heard("camera", streams.CAMERA))


def answer(rig: Rig, seconds: float = 4) -> None:
    """The question, the officer's words, silence."""
    rig.run(5)
    rig.somebody_speaks = True
    rig.run(seconds)
    rig.somebody_speaks = False
    rig.run(5)


def end(rig: Rig, folder: Path) -> Reading:
    rig.kill()
    faultless(folder)
    return Reading(folder)


def kinds(rig: Rig) -> list[str]:
    return [event.name for event in rig.events if event.name.startswith("reason.")]


def test_a_spoken_reason_is_bound_to_the_sound_in_which_it_lies(tmp_path: Path) -> None:
    rig = recording(tmp_path)
    lose_camera(rig)
    answer(rig)
    rig.stop()
    reading = end(rig, tmp_path)
    begin, asked = reading.one(e.InterruptionBegin), reading.one(e.ExplanationAsked)
    explanation = reading.one(e.Explanation)
    assert asked.interruption == explanation.interruption == begin.interruption
    assert (asked.why, asked.how, asked.request) == ("resumed", "sound", 1)
    assert "摄像头" in asked.words
    spoken = explanation.spoken
    assert isinstance(spoken, e.Spoken)
    assert spoken.session == "s000001"
    fragments = [
        one
        for ref in spoken.fragments
        for one in reading.of(e.Fragment)
        if one.segment == ref.segment and ref.first <= one.index <= ref.last
    ]
    spans = [span for one in fragments for span in one.tracks if span.track == "sound"]
    assert spans[0].first_us <= spoken.from_us < spoken.until_us <= spans[-1].last_us
    assert reading.index(fragments[-1]) < reading.index(explanation)
    assert kinds(rig) == ["reason.asked", "reason.listening", "reason.heard", "reason.given"]
    assert rig.recorder.status()["owed_reasons"] == 0


def test_nobody_answers_and_recording_goes_on_and_it_is_asked_again(tmp_path: Path) -> None:
    rig = recording(tmp_path)
    lose_camera(rig)
    rig.run(300)
    reading_now = rig.recorder.status()
    assert (reading_now["state"], reading_now["owed_reasons"]) == ("recording", 1)
    rig.stop()
    rig.run(LISTEN_S + 10)
    reading = end(rig, tmp_path)
    requests = [one.request for one in reading.of(e.ExplanationAsked)]
    assert requests == list(range(1, len(requests) + 1))
    assert len(requests) >= 3
    assert not reading.of(e.Explanation)
    assert len(reading.of(e.SessionClose)) == 1
    frames = reading.frames()
    assert frames[-1] - frames[0] + 1 - len(frames) <= 4 * 25


def test_the_stop_waits_for_the_reason_and_a_second_press_does_not(tmp_path: Path) -> None:
    rig = recording(tmp_path)
    lose_camera(rig)
    rig.run(1.2)
    (said,) = rig.tell(m.Stop(rig.now_ns))[:1]
    assert said.name == "accepted"
    rig.run(2)
    assert rig.recorder.status()["state"] == "stopping"
    rig.stop()
    assert rig.recorder.status()["state"] == "standby"
    reading = end(rig, tmp_path)
    assert len(reading.of(e.SessionClose)) == 1
    assert not reading.of(e.Explanation)


def test_a_reason_given_at_the_stop_ends_the_session(tmp_path: Path) -> None:
    rig = recording(tmp_path)
    lose_camera(rig)
    rig.run(1.2)
    rig.tell(m.Stop(rig.now_ns))
    answer(rig)
    rig.run(3)
    assert rig.recorder.status()["state"] == "standby"
    reading = end(rig, tmp_path)
    assert reading.one(e.Explanation).interruption == 0
    assert reading.one(e.ExplanationAsked).why == "stop"


def test_what_is_owed_from_an_earlier_session_is_explained_in_a_later_one(tmp_path: Path) -> None:
    rig = recording(tmp_path)
    lose_camera(rig)
    rig.run(0.5)
    rig.stop()
    rig.stop()
    rig.kill()
    rig.boot_id = "boot-1"
    rig.boot()
    rig.run(6)
    rig.start()
    answer(rig)
    rig.stop()
    reading = end(rig, tmp_path)
    explanation = reading.one(e.Explanation)
    assert explanation.stream == "s000001"
    assert isinstance(explanation.spoken, e.Spoken)
    assert explanation.spoken.session == "s000002"
    assert [one.session for one in reading.of(e.SessionHead)].count("s000001") >= 2


def test_a_power_cut_is_asked_about_after_the_resumption(tmp_path: Path) -> None:
    rig = recording(tmp_path)
    rig.kill()
    rig.now_ns += 30 * NS_PER_S
    rig.boot_id = "boot-1"
    rig.boot()
    rig.run(4)
    answer(rig)
    rig.stop()
    reading = end(rig, tmp_path)
    explanation = reading.one(e.Explanation)
    begin = reading.one(e.InterruptionBegin)
    assert (begin.cause, begin.interruption) == ("power", explanation.interruption)


def test_rotation_keeps_what_is_owed(tmp_path: Path) -> None:
    rig = recording(tmp_path, rotate_bytes=20_000)
    lose_camera(rig)
    rig.run(100)
    rig.stop()
    rig.stop()
    rig.kill()
    carried = Reading(tmp_path).of(e.OwedCarry)
    assert carried and carried[-1].owed[0].interruption == 0
    rig.boot()
    rig.run(3)
    assert rig.recorder.status()["owed_reasons"] == 1


def test_without_a_voice_the_lamp_asks(tmp_path: Path) -> None:
    rig = recording(tmp_path, speaker_on=False)
    lose_camera(rig)
    answer(rig)
    rig.stop()
    reading = end(rig, tmp_path)
    asked = reading.one(e.ExplanationAsked)
    assert (asked.how, asked.prompt_sha256, asked.words) == ("lamp", "", "")
    assert reading.one(e.Explanation)


def test_the_officers_press_opens_and_ends_it(tmp_path: Path) -> None:
    rig = recording(tmp_path)
    assert [event.name for event in rig.tell(m.Explain(rig.now_ns))] == ["refused"]
    lose_camera(rig)
    rig.run(6)
    rig.tell(m.Explain(rig.now_ns))
    rig.somebody_speaks = True
    rig.run(3)
    rig.tell(m.Explain(rig.now_ns))
    rig.somebody_speaks = False
    rig.run(2)
    rig.stop()
    spoken = end(rig, tmp_path).one(e.Explanation).spoken
    assert isinstance(spoken, e.Spoken)
    assert (spoken.opened_by, spoken.ended_by) == ("press", "press")


def test_a_written_reason_is_taken_only_where_the_microphone_failed(tmp_path: Path) -> None:
    rig = recording(tmp_path)
    lose_camera(rig)
    rig.run(1)
    text = "摄像头排线松动,已经重新插好"
    refused = rig.tell(m.ExplainInWriting("s000001", 0, text))
    assert [event.name for event in refused] == ["refused"]
    rig.tell(m.SensorDown("microphone", "the microphone's process ended"))
    rig.sound = None
    rig.run(3)
    rig.new_microphone()
    rig.run(3)
    assert [event.name for event in rig.tell(m.ExplainInWriting("s000001", 1, "短"))] == ["refused"]
    accepted = rig.tell(m.ExplainInWriting("s000001", 1, "麦克风插头进水,已更换"))
    assert [event.name for event in accepted] == ["accepted"]
    more = "补充:事后检查为插座老化"
    assert [event.name for event in rig.tell(m.ExplainInWriting("s000001", 0, more, addendum=True))] == ["refused"]
    assert [event.name for event in rig.tell(m.ExplainInWriting("s000001", 1, more, addendum=True))] == ["accepted"]
    rig.run(2)
    rig.stop()
    rig.stop()
    reading = end(rig, tmp_path)
    explanation, addendum = reading.one(e.Explanation), reading.one(e.ExplanationAddendum)
    assert (explanation.interruption, explanation.how) == (1, "written")
    assert isinstance(explanation.private, e.Private) and isinstance(addendum.private, e.Private)
    assert open_private(explanation.private, IDENTITY) == "麦克风插头进水,已更换"
    assert not reading.readable("插头")


def test_an_answer_whose_sound_was_given_up_is_no_answer(tmp_path: Path) -> None:
    """The disk stands still while the officer speaks, for longer than memory lasts."""
    rig = recording(tmp_path)
    lose_camera(rig)
    rig.run(5)
    rig.disk_ns = lambda: 60 * NS_PER_S
    rig.run(1)
    rig.somebody_speaks = True
    rig.run(4)
    rig.somebody_speaks = False
    rig.run(50)
    rig.disk_ns = lambda: 0
    rig.run(30)
    assert rig.recorder.status()["owed_reasons"] in range(1, 9)
    rig.stop()
    rig.stop()
    rig.run(5)
    reading = end(rig, tmp_path)
    for explanation in reading.of(e.Explanation):
        assert isinstance(explanation.spoken, e.Spoken)
        assert explanation.spoken.fragments


@pytest.mark.parametrize("seed", range(4))
def test_sound_alone_can_be_explained(tmp_path: Path, seed: int) -> None:
    rig = Rig(tmp_path, replace(SOUND_ONLY, duties=True), seed)
    rig.boot()
    rig.run(6)
    rig.start()
    rig.run(3)
    rig.tell(m.SensorDown("microphone", "gone"))
    rig.sound = None
    rig.run(2 + seed / 4)
    rig.new_microphone()
    answer(rig)
    rig.stop()
    assert end(rig, tmp_path).one(e.Explanation).how == "spoken"


def test_sound_that_a_hanging_server_held_back_ends_no_interruption(tmp_path: Path) -> None:
    """The last packet before the silence comes with the first ones after it."""
    rig = recording(tmp_path)
    sound, rig.sound = rig.sound, None
    assert sound is not None
    held = sound.packet(sound.index_at(rig.fed_until_ns))
    rig.run(5)
    rig.tell(m.Heard("microphone", held))
    rig.sound = sound
    rig.run(2)
    rig.stop()
    rig.stop()
    reading = end(rig, tmp_path)
    begin, ending = reading.one(e.InterruptionBegin), reading.one(e.InterruptionEnd)
    assert begin.track == "sound"
    assert 4_500_000 < ending.first_us - begin.last_us < 5_500_000


def test_what_was_said_when_stop_is_pressed_again_counts(tmp_path: Path) -> None:
    rig = recording(tmp_path)
    lose_camera(rig)
    rig.run(1.2)
    rig.tell(m.Stop(rig.now_ns))
    rig.run(3)
    rig.somebody_speaks = True
    rig.run(6)
    rig.stop()
    assert rig.recorder.status()["state"] == "standby"
    spoken = end(rig, tmp_path).one(e.Explanation).spoken
    assert isinstance(spoken, e.Spoken)
    assert spoken.ended_by == "stop"
