"""One session's accounting: each required track flows or is interrupted, whatever sensors do."""

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.evidence import entries as e
from agent.recorder.messages import Draft, Item, MediaFragment, SegmentEnd, SegmentStart
from agent.recorder.session import Session
from agent.recorder.state import SessionState
from tests.recorder.test_fragmenter import BEGAN_NS, FORMATS, picture, sound

FROM_US = BEGAN_NS // 1000
TOLERANCE_US = 60_000


def session() -> Session:
    state = SessionState("s000001", 1, 0, FROM_US, 0, ["video", "sound"], "0")
    return Session(state, 0, 10)


def entries(items: list[Item], kind: type[e.Entry]) -> list[e.Entry]:
    return [item.entry for item in items if isinstance(item, Draft) and isinstance(item.entry, kind)]


def covered(items: list[Item], track: str, until_us: int) -> bool:
    """Media and interruptions of the track leave nothing out from the start to ``until_us``."""
    pieces = [
        (span.first_us, span.last_us)
        for item in items
        if isinstance(item, MediaFragment)
        for span in item.spans
        if span.track == track
    ]
    begins = {
        one.interruption: one for one in entries(items, e.InterruptionBegin) if isinstance(one, e.InterruptionBegin)
    }
    for end in entries(items, e.InterruptionEnd):
        assert isinstance(end, e.InterruptionEnd)
        begin = begins.pop(end.interruption)
        assert end.first_us - begin.last_us == end.shortest_us
        if begin.track in (track, "all"):
            pieces.append((begin.last_us, end.first_us))
    assert not begins, "an interruption of a closed session has no end"
    reached = FROM_US
    for first, last in sorted(pieces):
        if first > reached + TOLERANCE_US:
            return False
        reached = max(reached, last)
    return reached >= until_us - TOLERANCE_US


losses = st.lists(
    st.tuples(st.sampled_from(["video", "sound"]), st.integers(0, 240), st.integers(1, 80), st.booleans()), max_size=6
)


@settings(max_examples=60)
@given(losses, st.integers(5, 60))
def test_a_track_is_recorded_or_interrupted_at_every_moment(lost: list[tuple[str, int, int, bool]], every: int) -> None:
    """``lost``: track, from which frame time, how many, and whether the loss was announced (SensorDown)."""
    subject, items = session(), []
    gone = {(track, at) for track, first, count, _ in lost for at in range(first, first + count)}
    told = {(first, track) for track, first, _, announced in lost if announced}
    for number in range(250):
        subject.now_us = FROM_US + number * 40_000
        for first, track in sorted(told):
            if first == number:
                items += subject.sensor_down("video" if track == "video" else "sound", "ended", subject.now_us)
        if ("video", number) not in gone:
            items += subject.add(picture(number), FORMATS)
        for packet in range(number * 15 // 8, (number + 1) * 15 // 8):
            if ("sound", number) not in gone:
                items += subject.add(sound(packet), FORMATS)
        if number % every == 0:
            items += subject.flush(-1)
    until_us = FROM_US + 250 * 40_000
    for track in ("video", "sound"):
        last_ns = subject.fragmenter.last_ns.get(track, 0)
        if last_ns // 1000 < until_us - 50_000:
            items += subject.sensor_down("video" if track == "video" else "sound", "late", until_us)
    items += subject.flush(-1, last=True)
    items += subject.close(until_us)
    assert covered(items, "video", until_us)
    assert covered(items, "sound", until_us)


def test_a_shutdown_interrupts_at_the_last_moment_of_what_still_flowed() -> None:
    """A microphone that ended long before does not make the whole time since an interruption of all."""
    subject, items = session(), []
    for number in range(3):
        items += subject.add(sound(number), FORMATS)
    items += subject.sensor_down("sound", "ended", FROM_US)
    for number in range(100):
        items += subject.add(picture(number), FORMATS)
    assert subject.last_us() == FROM_US + 4_000_000
    items += subject.interrupted("shutdown", "", subject.last_us())
    assert [one.track for one in subject._open.values()] == ["all"]


def test_a_picture_that_comes_late_does_not_end_the_interruption_that_it_lies_before() -> None:
    subject = session()
    for number in range(30):
        subject.add(picture(number), FORMATS)
    subject.sensor_down("video", "ended", FROM_US)
    assert subject.add(picture(5), FORMATS) == []
    assert subject.is_down("video")


def test_a_track_that_begins_late_is_told() -> None:
    subject = session()
    items = subject.add(sound(60), FORMATS)
    begin, end = (one.entry for one in items if isinstance(one, Draft))
    assert isinstance(begin, e.InterruptionBegin) and isinstance(end, e.InterruptionEnd)
    assert begin.last_us == FROM_US


def test_segments_begin_at_key_frames_when_they_are_long_enough() -> None:
    subject, items = session(), []
    for number in range(25 * 31):
        items += subject.add(picture(number), FORMATS)
        if number % 10 == 9:
            items += subject.flush(-1)
    starts = [i for i, item in enumerate(items) if isinstance(item, SegmentStart)]
    assert len(starts) == 4
    for i in starts:
        following = items[i + 1]
        assert isinstance(following, MediaFragment) and following.key
    assert sum(isinstance(item, SegmentEnd) for item in items) == 3
