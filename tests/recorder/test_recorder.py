"""What the recorder does with a device's day, told by what stands in the spool afterwards.

Each test lets ``tests.support.rig.Rig`` live through something and reads journal and media back by the formats alone;
every scenario ends with the verdict of ``verify``: nothing but owed reasons may be against it.
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from agent.evidence import canonical, mp4
from agent.evidence import entries as e
from agent.evidence.private import open_private
from agent.recorder import messages as m
from agent.recorder.settings import Settings
from drivers import Counter
from drivers.camera import VideoPacket
from drivers.microphone import SoundPacket
from drivers.position import Fix, NoFix
from tests.support import streams
from tests.support.reading import IDENTITY, Reading, faultless
from tests.support.rig import NS_PER_S, SETTINGS, SOUND_ONLY, Rig

NAME = "王小明-LIU-77"
WITH_POSITION = replace(SETTINGS, sensors=frozenset({"camera", "microphone", "position"}))
POSITION_REQUIRED = replace(WITH_POSITION, required_tracks=("video", "sound", "position"))
VIDEO_ONLY = replace(SETTINGS, sensors=frozenset({"camera"}), required_tracks=("video",))
PACKET_US = 1024 * 1_000_000 // 48_000
FRAME_US = 40_000


def device(folder: Path, settings: Settings = SETTINGS, **more: object) -> Rig:
    rig = Rig(folder, settings)
    for name, value in more.items():
        setattr(rig, name, value)
    rig.boot()
    return rig


def end(rig: Rig, folder: Path) -> Reading:
    """The process ends; what the spool says, which must be in order."""
    rig.kill()
    faultless(folder)
    return Reading(folder)


def lose_camera(rig: Rig, seconds: float) -> None:
    rig.tell(m.SensorDown("camera", "the camera's process ended"))
    rig.camera_on = False
    rig.run(seconds)
    rig.camera_on = True
    rig.tell(m.Heard("camera", streams.CAMERA))


def lose_microphone(rig: Rig, seconds: float) -> None:
    rig.tell(m.SensorDown("microphone", "the microphone's process ended"))
    rig.sound = None
    rig.run(seconds)
    rig.new_microphone()


def fix(rig: Rig, accuracy_mm: int = 3_000) -> None:
    utc_us = 1_780_000_000_000_000 + rig.now_ns // 1000
    rig.tell(m.Heard("position", Fix(rig.now_ns, 388_500_000, 1_216_000_000, accuracy_mm, "gps", utc_us, 100)))


def spans(seen: Reading, track: str) -> list[e.TrackSpan]:
    return [span for entry in seen.of(e.Fragment) for span in entry.tracks if span.track == track]


def is_whole(numbers: list[int]) -> bool:
    return numbers == list(range(numbers[0], numbers[-1] + 1))


# --- begin -------------------------------------------------------------------------------------------------


@given(before_s=st.floats(0.2, 9), prerecord_s=st.integers(0, 8))
@settings(max_examples=15, deadline=None)
def test_the_pre_record_is_as_long_as_the_journal_says(
    tmp_path_factory: pytest.TempPathFactory, before_s: float, prerecord_s: int
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    rig = device(folder, replace(SETTINGS, prerecord_s=prerecord_s), bytes_per_frame=2_000)
    rig.run(before_s)
    rig.start()
    rig.run(4)
    rig.stop()
    seen = end(rig, folder)
    opened = seen.one(e.SessionOpen)
    assert abs(opened.prerecord_ms - max(0, opened.pressed_us - opened.from_us) // 1000) <= 1
    assert opened.prerecord_ms <= max(prerecord_s, 1) * 1000 + 40
    first = min(span.first_us for span in spans(seen, "video"))
    assert abs(first - opened.from_us) < 60_000
    written = seen.one(e.PrerecordWritten)
    assert (written.written_ms, written.given_up_ms) == (opened.prerecord_ms, 0)
    assert is_whole(seen.frames())


def test_without_pre_record_the_pictures_since_the_last_key_frame_are_kept(tmp_path: Path) -> None:
    rig = device(tmp_path, replace(SETTINGS, prerecord_s=0))
    rig.run(3.4)
    rig.start()
    rig.run(2)
    rig.stop()
    seen = end(rig, tmp_path)
    assert seen.frames()[0] == 103 * 25
    assert 340 <= seen.one(e.SessionOpen).prerecord_ms <= 480


def test_sound_from_before_the_press_is_nowhere_where_it_may_not_be(tmp_path: Path) -> None:
    rig = device(tmp_path, replace(SETTINGS, prerecord_sound=False))
    rig.run(4)
    pressed_us = rig.now_ns // 1000
    rig.start()
    rig.run(3)
    rig.stop()
    seen = end(rig, tmp_path)
    assert seen.one(e.SessionOpen).prerecord_sound == "no"
    assert seen.one(e.SessionOpen).prerecord_ms > 2_500
    assert spans(seen, "sound")[0].first_us >= pressed_us
    assert seen.of(e.InterruptionBegin) == []


@pytest.mark.parametrize("away", ["camera", "microphone"])
def test_a_press_while_a_track_is_missing_begins_with_its_interruption(tmp_path: Path, away: str) -> None:
    rig = device(tmp_path)
    if away == "camera":
        rig.camera_on = False
    else:
        rig.sound = None
    rig.run(3)
    rig.start()
    rig.run(3)
    seen_open = [event.name for event in rig.events]
    assert "session.open" in seen_open
    rig.stop()
    seen = end(rig, tmp_path)
    begin, over, opened = seen.one(e.InterruptionBegin), seen.one(e.InterruptionEnd), seen.one(e.SessionOpen)
    assert (begin.track, begin.cause) == ("video" if away == "camera" else "sound", away)
    assert (begin.last_us, over.resumed) == (opened.from_us, "no")
    assert over.first_us == seen.one(e.SessionClose).until_us


def test_a_press_while_no_sensor_speaks_begins_all_the_same(tmp_path: Path) -> None:
    rig = device(tmp_path, camera_on=False)
    rig.sound = None
    rig.start()
    rig.run(4)
    rig.stop()
    seen = end(rig, tmp_path)
    assert {begin.track for begin in seen.of(e.InterruptionBegin)} == {"video", "sound"}
    assert seen.of(e.SegmentOpen) == []


def test_a_track_that_appears_later_ends_its_interruption_at_its_first_moment(tmp_path: Path) -> None:
    rig = device(tmp_path, camera_on=False)
    rig.run(3)
    rig.start()
    rig.run(3.5)
    rig.camera_on = True
    rig.run(4)
    rig.stop()
    seen = end(rig, tmp_path)
    over = seen.one(e.InterruptionEnd)
    first = spans(seen, "video")[0]
    assert (over.resumed, over.first_us) == ("yes", first.first_us)
    assert seen.frames()[0] % 25 == 0


def test_a_camera_that_never_spoke_before_begins_a_segment_with_a_picture_in_its_init(tmp_path: Path) -> None:
    rig = device(tmp_path, replace(SETTINGS, sensors=frozenset({"microphone"})))
    rig.run(3)
    rig.start()
    rig.run(2.5)
    rig.tell(m.Heard("camera", streams.CAMERA))
    rig.camera_on = True
    rig.run(4)
    rig.stop()
    seen = end(rig, tmp_path)
    tracks = [[form.track for form in media.opened.tracks] for media in seen.media()]
    assert tracks == [["sound"], ["video", "sound"]]
    assert seen.media()[1].opened.cause == "parameters"
    assert seen.one(e.InterruptionBegin).last_us == seen.one(e.SessionOpen).from_us


@pytest.mark.parametrize("settings", [SOUND_ONLY, VIDEO_ONLY], ids=["sound alone", "picture alone"])
def test_one_track_alone_is_a_whole_session(tmp_path: Path, settings: Settings) -> None:
    rig = device(tmp_path, settings)
    rig.run(7)
    rig.start()
    rig.run(25)
    rig.stop()
    seen = end(rig, tmp_path)
    track = settings.required_tracks[0]
    assert all(one.end_tick == other.tick for one, other in pairwise(spans(seen, track)))
    assert {form.track for media in seen.media() for form in media.opened.tracks} == {track}
    assert len(seen.media()) == 3
    assert seen.of(e.InterruptionBegin) == []


def test_a_second_press_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    rig = device(tmp_path)
    rig.run(2)
    rig.start()
    assert [event.name for event in rig.tell(m.Start(rig.now_ns))] == ["refused"]
    rig.run(2)
    assert [event.name for event in rig.tell(m.Start(rig.now_ns))] == ["refused"]
    rig.stop()
    assert [event.name for event in rig.tell(m.Stop(rig.now_ns))] == ["refused"]
    assert len(end(rig, tmp_path).of(e.SessionOpen)) == 1


def test_a_stop_right_behind_a_start_leaves_a_session_in_order(tmp_path: Path) -> None:
    rig = device(tmp_path)
    rig.start()
    rig.tell(m.Stop(rig.now_ns))
    rig.run(4)
    seen = end(rig, tmp_path)
    assert seen.one(e.SessionClose).until_us >= seen.one(e.SessionOpen).from_us


# --- sensors that fail -------------------------------------------------------------------------------------


def test_a_killed_camera_interrupts_the_picture_alone(tmp_path: Path) -> None:
    rig = device(tmp_path)
    rig.run(3)
    rig.start()
    rig.run(3.3)
    lose_camera(rig, 2.2)
    rig.run(4)
    rig.stop()
    seen = end(rig, tmp_path)
    begin, over = seen.one(e.InterruptionBegin), seen.one(e.InterruptionEnd)
    assert (begin.track, begin.cause, over.resumed) == ("video", "camera", "yes")
    assert over.shortest_us == over.longest_us == over.first_us - begin.last_us
    assert over.first_us % 1_000_000 == 0, "a picture begins at a key frame"
    assert all(one.end_tick == other.tick for one, other in pairwise(spans(seen, "sound")))
    (hole,) = [(one, other) for one, other in pairwise(spans(seen, "video")) if one.end_tick != other.tick]
    assert abs((hole[1].tick - hole[0].end_tick) - over.shortest_us * 9 // 100) <= 1
    resumed = next(media for media in seen.media() if media.opened.cause == "encoder")
    assert resumed.frames()[0] * FRAME_US == over.first_us
    first = next(one for one in seen.of(e.Fragment) if one.segment == resumed.opened.segment)
    assert seen.index(over) < seen.index(first)


def test_a_killed_microphone_interrupts_the_sound_and_its_priming_lies_inside(tmp_path: Path) -> None:
    rig = device(tmp_path)
    rig.run(3)
    rig.start()
    rig.run(3.3)
    lose_microphone(rig, 1.7)
    rig.run(4)
    rig.stop()
    seen = end(rig, tmp_path)
    begin, over, opened = seen.one(e.InterruptionBegin), seen.one(e.InterruptionEnd), seen.one(e.SessionOpen)
    assert (begin.track, begin.cause, over.resumed) == ("sound", "microphone", "yes")
    assert is_whole(seen.frames())
    resumed = next(media for media in seen.media() if media.opened.cause == "encoder")
    (priming_tick, _, _), (real_tick, _, _) = resumed.samples(mp4.SOUND_TRACK)[:2]
    as_us = [(tick - 1024) * 1_000_000 // 48_000 + opened.from_us for tick in (priming_tick, real_tick)]
    assert begin.last_us <= as_us[0] + 25 < over.first_us
    assert abs(as_us[1] - over.first_us) <= 30, "the first real sample stands on its capture tick"
    assert resumed.frames()[0] % 25 == 0


def test_frames_that_never_came_are_told_although_nobody_said_so(tmp_path: Path) -> None:
    rig = device(tmp_path)
    rig.run(2)
    rig.start()
    rig.run(3)
    rig.camera_on = False
    rig.run(0.5)
    rig.camera_on = True
    rig.run(3)
    rig.stop()
    seen = end(rig, tmp_path)
    begin, over = seen.one(e.InterruptionBegin), seen.one(e.InterruptionEnd)
    assert (begin.track, over.resumed) == ("video", "yes")
    numbers = seen.frames()
    (hole,) = [(one, other) for one, other in pairwise(numbers) if other != one + 1]
    assert (begin.last_us, over.first_us) == ((hole[0] + 1) * FRAME_US, hole[1] * FRAME_US)


def test_other_parameters_begin_a_segment_with_another_init(tmp_path: Path) -> None:
    rig = device(tmp_path)
    rig.run(2)
    rig.start()
    rig.run(3)
    rig.run(1 - rig.now_ns % NS_PER_S / NS_PER_S)
    pps = bytes.fromhex("68ce3c80")
    rig.tell(m.Heard("camera", structs.replace(streams.CAMERA, pps=pps)))
    rig.run(3)
    rig.stop()
    seen = end(rig, tmp_path)
    first, second = seen.media()
    assert second.opened.cause == "parameters"
    assert first.opened.init_sha256 != second.opened.init_sha256
    assert pps in second.plain[: second.opened.init_length]
    assert pps not in first.plain[: first.opened.init_length]
    assert second.frames()[0] % 25 == 0


@pytest.mark.parametrize(
    "packet",
    [
        lambda ns: VideoPacket(capture_ns=ns, decode_ns=ns, key=True, data=b"no start code", format="annexb", number=0),
        lambda ns: VideoPacket(capture_ns=ns, decode_ns=ns, key=False, data=b"", format="avcc", number=0),
        lambda ns: VideoPacket(capture_ns=-ns, decode_ns=-ns, key=True, data=b"\0" * 9, format="avcc", number=0),
        lambda ns: SoundPacket(capture_ns=ns, samples=1024, data=b""),
        lambda ns: SoundPacket(capture_ns=ns, samples=0, data=b"x" * 8),
        lambda ns: SoundPacket(capture_ns=ns, samples=-1024, data=b"x" * 8),
        lambda ns: SoundPacket(capture_ns=ns, samples=1 << 40, data=b"x" * 8),
        lambda ns: Fix(ns, 1 << 60, -(1 << 60), -5, "gps\0", 0, 0),
        lambda ns: Fix(ns, 0, 0, 1 << 40, "x" * 70_000, 1 << 62, -7),
        lambda ns: NoFix(ns, "x" * 100_000),
    ],
    ids=["no H.264", "no bytes", "before the boot", "empty sound", "no samples", "negative length", "endless",
         "no place on earth", "a text beyond an entry", "a reason beyond an entry"],
)  # fmt: skip
def test_a_sensor_that_sends_garbage_costs_its_packets_only(tmp_path: Path, packet: Callable[[int], object]) -> None:
    rig = device(tmp_path, POSITION_REQUIRED)
    rig.run(2)
    fix(rig)
    rig.start()
    rig.run(2)
    for _ in range(3):
        message = packet(rig.now_ns)
        sensor = {"V": "camera", "S": "microphone"}.get(type(message).__name__[0], "position")
        rig.tell(m.Heard(sensor, message))  # type: ignore[arg-type]
        rig.run(0.5)
    fix(rig)
    rig.run(3)
    rig.stop()
    seen = end(rig, tmp_path)
    assert is_whole(seen.frames())
    assert all(one.end_tick == other.tick for one, other in pairwise(spans(seen, "sound")))


# --- end ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("late_ms", [0, 90, 300])
def test_a_stop_waits_for_what_was_captured_before_it_and_leaves_out_the_rest(tmp_path: Path, late_ms: int) -> None:
    rig = device(tmp_path)
    rig.run(2)
    rig.start()
    rig.run(3.2)
    pressed_us = (rig.now_ns - late_ms * 1_000_000) // 1000
    rig.tell(m.Stop(pressed_us * 1000))
    rig.run(1)
    seen = end(rig, tmp_path)
    close = seen.one(e.SessionClose)
    assert (close.until_us, close.by) == (pressed_us, "officer")
    last = spans(seen, "video")[-1]
    assert close.until_us - FRAME_US <= last.last_us
    if not late_ms:
        assert last.last_us < close.until_us + FRAME_US
        assert seen.frames()[-1] == (pressed_us - 1) // FRAME_US
    assert seen.of(e.InterruptionBegin) == []


def test_what_comes_behind_a_stop_is_pre_record_of_the_next_session(tmp_path: Path) -> None:
    rig = device(tmp_path)
    rig.run(2)
    rig.start()
    rig.run(3)
    rig.stop()
    rig.run(1)
    rig.start()
    rig.run(2)
    rig.stop()
    seen = end(rig, tmp_path)
    first, second = seen.of(e.SessionOpen)
    assert second.prerecord_ms >= 900
    assert second.from_us >= seen.of(e.SessionClose)[0].until_us - FRAME_US
    assert (first.number, second.number) == (1, 2)


def test_a_track_that_is_silent_at_the_stop_is_told(tmp_path: Path) -> None:
    rig = device(tmp_path)
    rig.run(2)
    rig.start()
    rig.run(3)
    rig.sound = None
    rig.run(0.6)
    rig.stop()
    seen = end(rig, tmp_path)
    begin, over = seen.one(e.InterruptionBegin), seen.one(e.InterruptionEnd)
    assert (begin.track, over.resumed) == ("sound", "no")
    assert over.first_us == seen.one(e.SessionClose).until_us


# --- people ------------------------------------------------------------------------------------------------


def private_text(private: object) -> str:
    assert isinstance(private, e.Private)
    return open_private(private, IDENTITY)


def test_notes_before_during_and_after_a_session_are_entries_of_it(tmp_path: Path) -> None:
    rig = device(tmp_path)
    rig.run(2)
    ranges = [e.StageRange(kind="situation", id="3")]
    rig.tell(m.AnnotateSession(power="penalty", private="before"))
    rig.start()
    rig.run(2)
    rig.tell(m.MarkNow(rig.now_ns, "credential_shown"))
    rig.tell(m.AnnotateSession(ranges=ranges, officers=["310102"], private="during"))
    rig.tell(m.Important(True))
    rig.run(1)
    rig.stop()
    heads = len(Reading(tmp_path).of(e.SessionHead))
    rig.tell(m.AnnotateSession(session="s000001", private="after"))
    rig.run(1)
    seen = end(rig, tmp_path)
    notes = seen.of(e.Annotate, "s000001")
    assert [private_text(note.private) for note in notes] == ["before", "during", "after"]
    assert (notes[0].power, notes[1].ranges, notes[1].officers) == ("penalty", ranges, ["310102"])
    assert seen.one(e.Mark).label == "credential_shown"
    assert seen.one(e.Importance).important == "yes"
    close, head = seen.one(e.SessionClose), seen.of(e.SessionHead)[-1]
    assert seen.index(notes[2]) > seen.index(close)
    assert len(seen.of(e.SessionHead)) == heads + 1
    assert head.count == notes[2].n + 1 == seen.joined.streams.heads["s000001"].count
    assert seen.index(head) > seen.index(notes[2])


def test_a_note_to_a_closed_session_after_a_restart_is_taken(tmp_path: Path) -> None:
    rig = device(tmp_path)
    rig.run(2)
    rig.start()
    rig.run(2)
    rig.stop()
    rig.kill()
    rig.boot()
    assert [event.name for event in rig.tell(m.AnnotateSession(session="s000001", private="late"))] == ["accepted"]
    rig.run(1)
    seen = end(rig, tmp_path)
    assert seen.of(e.SessionHead)[-1].count == seen.one(e.Annotate).n + 1


def test_a_note_while_a_session_waits_to_go_on_is_of_that_session(tmp_path: Path) -> None:
    rig = device(tmp_path)
    rig.run(2)
    rig.start()
    rig.run(2)
    rig.kill()
    rig.boot()
    assert rig.recorder.status()["state"] == "resuming"
    assert rig.tell(m.AnnotateSession(private="x"))[0].session == "s000001"
    rig.run(2)
    rig.stop()
    assert end(rig, tmp_path).one(e.Annotate).stream == "s000001"


def test_a_note_to_a_session_of_an_older_generation_forks_nothing(tmp_path: Path) -> None:
    rig = device(tmp_path)
    rig.run(2)
    rig.start()
    rig.run(2)
    rig.stop()
    rig.kill()
    log = next(tmp_path.glob("journal/0001/*.log"))
    lines = log.read_bytes().splitlines(keepends=True)
    lines[8] = lines[8].replace(b"0", b"1", 1)
    log.write_bytes(b"".join(lines))
    rig.boot()
    events = rig.tell(m.AnnotateSession(session="s000001", private="late"))
    rig.run(1)
    rig.kill()
    seen = Reading(tmp_path)
    assert seen.journal_names[0].startswith("journal/0002/")
    assert ([event.name for event in events], seen.of(e.Annotate)) == (["refused"], [])


@pytest.mark.parametrize(
    "session",
    ["s000002", "s000000", "device", "s1", "x", "s000001\n", "s0000001", "s\u0660\u0660\u0660\u0660\u0660\u0661"],
)
def test_a_note_to_a_session_that_is_not_here_is_refused(tmp_path: Path, session: str) -> None:
    rig = device(tmp_path)
    rig.run(2)
    rig.start()
    rig.run(2)
    assert [event.name for event in rig.tell(m.AnnotateSession(session=session, private="x"))] == ["refused"]
    rig.stop()
    assert end(rig, tmp_path).of(e.Annotate) == []


@pytest.mark.parametrize("note", [m.MarkNow(0), m.Important(True)])
def test_a_mark_without_a_session_is_refused(tmp_path: Path, note: m.Message) -> None:
    rig = device(tmp_path)
    rig.run(2)
    assert [event.name for event in rig.tell(note)] == ["refused"]


def test_who_carries_the_device_stands_in_private_alone(tmp_path: Path) -> None:
    """R20a: assign, handover, return; no readable byte of the spool names the person."""
    rig = device(tmp_path)
    for how, officer in (("assign", NAME + "A"), ("handover", NAME + "B"), ("return", "")):
        rig.tell(m.Issue(how, officer, f"{NAME} {how}"))  # type: ignore[arg-type]
        rig.run(0.5)
    rig.start()
    rig.run(2)
    rig.tell(m.AnnotateSession(private=NAME))
    rig.stop()
    seen = end(rig, tmp_path)
    issues: list[Any] = [seen.one(e.Assign), seen.one(e.Handover), seen.one(e.Return)]
    texts = [private_text(entry.private) for entry in issues]
    assert texts[0] == canonical.encode({"officer": NAME + "A", "text": f"{NAME} assign"}).decode()
    assert "handover" in texts[1]
    assert {entry.stream for entry in issues} == {"device"}
    assert [field for field in issues[0].__struct_fields__ if field not in e.Entry.__struct_fields__] == ["private"]
    assert seen.one(e.SessionOpen).officer == "0"
    assert seen.readable(NAME) == seen.readable("王小明") == seen.readable("LIU-77") == []


def test_the_officers_number_is_in_the_session_and_its_files_names(tmp_path: Path) -> None:
    rig = device(tmp_path)
    rig.tell(m.Issue("assign", "310101"))
    rig.run(2)
    rig.start()
    rig.run(2)
    rig.tell(m.Important(True))
    rig.run(10)
    rig.stop()
    seen = end(rig, tmp_path)
    assert seen.one(e.SessionOpen).officer == "310101"
    names = [media.name for media in seen.media()]
    assert all(name.startswith("s000001/D1_310101_") for name in names)
    assert [name.endswith("_IMP.mp4.age") for name in names] == [False, True]


# --- position, clocks, counters ----------------------------------------------------------------------------


@pytest.mark.parametrize(("accuracy_mm", "kind"), [(3_000, "fine"), (20_000, "fine"), (20_001, "coarse")])
def test_a_position_is_sealed_and_the_entry_says_how_accurate(tmp_path: Path, accuracy_mm: int, kind: str) -> None:
    rig = device(tmp_path, WITH_POSITION)
    rig.run(2)
    rig.start()
    rig.run(2)
    at_ns = rig.now_ns
    fix(rig, accuracy_mm)
    rig.run(2)
    rig.stop()
    seen = end(rig, tmp_path)
    (told,) = [entry for entry in seen.of(e.Fragment) if entry.fix == "yes"]
    assert told.accuracy == kind
    fixes = [one for media in seen.media() for fragment in media.view.fragments for one in fragment.fixes]
    (sealed,) = fixes
    assert (sealed.lat_e7, sealed.lon_e7, sealed.accuracy_mm) == (388_500_000, 1_216_000_000, accuracy_mm)
    assert abs(sealed.presentation_ms - (at_ns // 1000 - seen.one(e.SessionOpen).from_us) // 1000) <= 1
    assert seen.readable("388500000") == []


def test_a_required_position_that_is_lost_is_an_interruption_of_it_alone(tmp_path: Path) -> None:
    rig = device(tmp_path, POSITION_REQUIRED)
    rig.run(1)
    fix(rig)
    rig.run(1)
    rig.start()
    rig.run(1)
    fix(rig)
    rig.run(1)
    lost_ns = rig.now_ns
    for _ in range(3):
        rig.tell(m.Heard("position", NoFix(rig.now_ns, "no sky")))
        rig.run(1)
    fix(rig)
    found_us = rig.now_ns // 1000
    rig.run(1)
    rig.stop()
    seen = end(rig, tmp_path)
    begin, over = seen.of(e.InterruptionBegin)[-1], seen.of(e.InterruptionEnd)[-1]
    assert (begin.track, begin.cause, begin.text) == ("position", "position", "no sky")
    assert begin.last_us <= lost_ns // 1000
    assert (over.resumed, over.first_us) == ("yes", found_us)


def test_a_required_position_that_is_not_there_at_the_begin_is_told(tmp_path: Path) -> None:
    rig = device(tmp_path, POSITION_REQUIRED)
    rig.run(1)
    rig.tell(m.Heard("position", NoFix(rig.now_ns, "no sky")))
    rig.run(1)
    rig.start()
    rig.run(3)
    rig.stop()
    seen = end(rig, tmp_path)
    assert [(begin.track, begin.last_us) for begin in seen.of(e.InterruptionBegin)] == [
        ("position", seen.one(e.SessionOpen).from_us)
    ]
    assert seen.one(e.InterruptionEnd).resumed == "no"


def test_a_position_that_is_not_required_is_never_an_interruption(tmp_path: Path) -> None:
    rig = device(tmp_path, WITH_POSITION)
    rig.run(2)
    rig.start()
    rig.run(1)
    rig.tell(m.Heard("position", NoFix(rig.now_ns, "no sky")))
    rig.tell(m.SensorDown("position", "ended"))
    rig.run(1)
    rig.stop()
    assert end(rig, tmp_path).of(e.InterruptionBegin) == []


def test_frames_made_late_are_counted_in_their_session(tmp_path: Path) -> None:
    rig = device(tmp_path)
    rig.run(1)
    rig.tell(m.Heard("camera", Counter("sim.overrun", 5)))
    rig.run(1)
    rig.start()
    rig.run(2)
    for value in (6, 9):
        rig.tell(m.Heard("camera", Counter("sim.overrun", value)))
        rig.run(0.5)
    rig.stop()
    rig.start()
    rig.run(2)
    rig.stop()
    assert [close.late_frames for close in end(rig, tmp_path).of(e.SessionClose)] == [4, 0]


def test_a_camera_that_starts_anew_counts_its_late_frames_from_nought(tmp_path: Path) -> None:
    rig = device(tmp_path)
    rig.run(2)
    rig.start()
    rig.run(1)
    rig.tell(m.Heard("camera", Counter("sim.overrun", 9)))
    lose_camera(rig, 1)
    rig.run(1)
    rig.tell(m.Heard("camera", Counter("sim.overrun", 2)))
    rig.run(1)
    rig.stop()
    assert end(rig, tmp_path).one(e.SessionClose).late_frames == 11


def test_clocks_are_told_where_the_source_changes_and_once_a_minute(tmp_path: Path) -> None:
    """R16c: when, with source and error bound."""
    rig = device(tmp_path, bytes_per_frame=200)

    def reading(source: str, error_us: int) -> m.ClockReading:
        utc_us = 1_780_000_000_000_000 + rig.now_ns // 1000
        return m.ClockReading(rig.now_ns, utc_us, source, error_us)  # type: ignore[arg-type]

    rig.tell(reading("none", -1))
    rig.run(1)
    rig.start()
    for second in range(70):
        rig.tell(reading("ntp", 900 + second))
        rig.run(1)
    rig.tell(reading("gnss", 100))
    rig.run(1)
    rig.tell(reading("ntp", 900))
    rig.run(1)
    rig.stop()
    seen = end(rig, tmp_path)
    told = [(clock.source, clock.error_us) for clock in seen.of(e.Clock)]
    assert told[1:] == [("none", -1), ("ntp", 900), ("ntp", 959), ("gnss", 100)], "the first is of the boot"
    assert all(clock.utc_us - clock.at_us == 1_780_000_000_000_000 for clock in seen.of(e.Clock))


# --- shutdown, resumption ----------------------------------------------------------------------------------


def test_a_shutdown_leaves_the_session_interrupted_and_the_next_start_goes_on(tmp_path: Path) -> None:
    rig = device(tmp_path)
    rig.run(2)
    rig.start()
    rig.run(3.3)
    events = rig.tell(m.Shutdown())
    assert events[-1].name == "finished"
    rig.kill()
    assert rig.boot() == [], "nothing was left to repair"
    rig.run(4)
    rig.stop()
    seen = end(rig, tmp_path)
    begin, over = seen.one(e.InterruptionBegin), seen.one(e.InterruptionEnd)
    assert (begin.track, begin.cause, over.resumed) == ("all", "shutdown", "yes")
    assert len(seen.of(e.SessionOpen)) == 1
    resumed = next(media for media in seen.media() if media.opened.cause == "resume")
    first = next(one for one in seen.of(e.Fragment) if one.segment == resumed.opened.segment)
    assert seen.index(over) < seen.index(first)
    assert all(media.complete for media in seen.media())


def test_a_shutdown_in_standby_and_while_starting_ends_at_once(tmp_path: Path) -> None:
    rig = device(tmp_path)
    assert rig.tell(m.Shutdown())[-1].name == "finished"
    rig.kill()
    rig.boot()
    rig.start()
    assert rig.tell(m.Shutdown())[-1].name == "finished"
    rig.kill()


def test_a_shutdown_with_pre_record_that_is_not_written_yet_writes_it(tmp_path: Path) -> None:
    rig = device(tmp_path)
    rig.run(5.5)
    rig.disk_ns = lambda: 700_000_000
    rig.start()
    rig.run(0.4)
    rig.tell(m.Shutdown())
    rig.run(3)
    assert rig.events[-1].name == "finished"
    seen = end(rig, tmp_path)
    assert is_whole(seen.frames())
    assert len(seen.frames()) >= 4 * 25


def test_a_stop_before_the_resumption_ends_the_session_unresumed(tmp_path: Path) -> None:
    rig = device(tmp_path)
    rig.run(2)
    rig.start()
    rig.run(3)
    rig.kill()
    rig.now_ns += 60 * NS_PER_S
    rig.boot_id = "boot-1"
    rig.camera_on = False
    rig.boot()
    rig.sound = None
    assert rig.recorder.status()["state"] == "resuming"
    stopped_us = rig.now_ns // 1000
    assert rig.tell(m.Stop(rig.now_ns))[0].name == "accepted"
    rig.run(1)
    seen = end(rig, tmp_path)
    over, close = seen.one(e.InterruptionEnd), seen.one(e.SessionClose)
    assert (over.resumed, close.by, close.until_us) == ("no", "officer", stopped_us)
    assert over.shortest_us >= 59_000_000


def test_packets_of_a_quiet_time_count_for_whatever_comes_next(tmp_path: Path) -> None:
    """Between two flushes packets are only kept: a question, a sensor's end and a stop see them as taken."""
    rig = device(tmp_path)
    rig.run(3)
    rig.start()
    rig.run(2)
    rig.tell(m.SensorDown("camera", "the camera's process ended"))
    rig.tell(m.Heard("camera", streams.CAMERA))
    assert rig.recorder.status()["interrupted_tracks"] == ["video"]
    rig.run(1.1)
    assert rig.recorder.status()["interrupted_tracks"] == []
    rig.tell(m.Heard("camera", VideoPacket(rig.now_ns, rig.now_ns, False, b"", "avcc", 0)))
    assert rig.recorder.status()["sensors"] == {"camera": "up", "microphone": "up"}
    answer = rig.tell(m.MarkNow(rig.now_ns))
    assert answer[0].name == "accepted", "what a packet has to say does not come before the answer"
    rig.stop()
    seen = end(rig, tmp_path)
    assert [fault.kind for fault in seen.of(e.Fault)] == ["packet.unusable"]


# --- a slow disk -------------------------------------------------------------------------------------------


def test_the_button_is_answered_while_a_flush_is_under_way(tmp_path: Path) -> None:
    rig = device(tmp_path)
    rig.run(3)
    rig.disk_ns = lambda: 3 * NS_PER_S
    assert rig.tell(m.Start(rig.now_ns))[0].text == "recording, not yet safe"
    rig.run(2)
    status = rig.recorder.status()
    assert (status["state"], status["safe"]) == ("recording", "no")
    assert int(str(status["flush_under_way_ms"])) > 0
    for message in (m.MarkNow(rig.now_ns), m.AnnotateSession(private="x"), m.Issue("assign", "1"), m.Important(True)):
        assert rig.tell(message)[0].name == "accepted"
    rig.run(6)
    assert rig.recorder.status()["safe"] == "yes"
    assert rig.tell(m.Stop(rig.now_ns))[0].name == "accepted"
    rig.run(12)
    seen = end(rig, tmp_path)
    assert is_whole(seen.frames())
    assert len(seen.of(e.ImpairmentBegin)) == len(seen.of(e.ImpairmentEnd)) >= 1


def test_a_disk_that_is_too_slow_costs_the_pre_record_first(tmp_path: Path) -> None:
    settings = replace(SETTINGS, prerecord_s=40, queue_s=5)
    rig = device(tmp_path, settings, bytes_per_frame=1_000)
    rig.run(42)
    rig.disk_ns = lambda: 12 * NS_PER_S
    rig.start()
    rig.run(30)
    rig.disk_ns = lambda: 0
    rig.run(10)
    rig.stop()
    seen = end(rig, tmp_path)
    written, opened = seen.one(e.PrerecordWritten), seen.one(e.SessionOpen)
    assert written.given_up_ms > 20_000
    assert written.written_ms == opened.prerecord_ms - written.given_up_ms
    causes = {begin.cause for begin in seen.of(e.InterruptionBegin)}
    assert causes == {"storage"}
    kept_ms = sum(
        (span.last_us - span.first_us) // 1000
        for span in spans(seen, "video")
        if span.last_us <= opened.pressed_us
    )  # fmt: skip
    assert abs(kept_ms - written.written_ms) < 3_000
