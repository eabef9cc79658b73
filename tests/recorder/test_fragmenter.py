"""Fragments: whole tracks whatever arrives, key frames first, the sound of a new encoder in a new segment."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from agent.evidence import mp4
from agent.recorder.formats import Formats
from agent.recorder.fragmenter import Built, Fragmenter
from agent.recorder.ring import Packet
from agent.recorder.samples import Arrivals
from agent.recorder.timeline import NS_PER_S, SessionTime
from tests.support import streams

FRAME_NS = NS_PER_S // 25
SOUND_NS = 1024 * NS_PER_S // 48_000
BEGAN_NS = 100 * NS_PER_S
VIDEO = mp4.VideoConfig((streams.SPS,), (streams.PPS,), 640, 360, 0)
SOUND = mp4.SoundConfig(streams.ASC, 48_000, 1, 1024)
FORMATS = Formats(VIDEO, SOUND, 1, 1)


def fragmenter() -> Fragmenter:
    return Fragmenter("s000001", SessionTime(BEGAN_NS // 1000), {})


def picture(number: int, formats: Formats = FORMATS) -> Packet:
    at = BEGAN_NS + number * FRAME_NS
    return Packet("video", at, at, FRAME_NS, number % 25 == 0, b"v" * 9, formats.video_epoch, at)


def sound(number: int, formats: Formats = FORMATS) -> Packet:
    at = BEGAN_NS + (number - 1) * SOUND_NS
    return Packet("sound", at, at, SOUND_NS, True, b"s" * 7, formats.sound_epoch, at)


def spans_of(built: list[Built], track: str) -> list[tuple[int, int, int]]:
    """(first tick, end tick, samples) of a track's spans."""
    spans = [span for one in built for span in one.fragment.spans if span.track == track]
    return [(span.tick, span.end_tick, span.count) for span in spans]


@given(st.sets(st.integers(0, 99)), st.sets(st.integers(0, 186)), st.lists(st.integers(1, 40), max_size=12))
def test_every_packet_is_in_one_fragment_and_ticks_tile_but_for_the_holes_that_are_told(
    lost_pictures: set[int], lost_sound: set[int], flushes: list[int]
) -> None:
    packets = [picture(n) for n in range(100) if n not in lost_pictures]
    packets += [sound(n) for n in range(187) if n not in lost_sound]
    packets.sort(key=lambda packet: packet.capture_ns)
    subject, built, placed, holes = fragmenter(), [], {"video": 0, "sound": 0}, {"video": 0, "sound": 0}
    flush_at = {sum(flushes[: i + 1]) for i in range(len(flushes))}
    for i, packet in enumerate(packets):
        was, hole = subject.add(packet, FORMATS)
        placed[packet.track] += was
        holes[packet.track] += hole is not None
        if i in flush_at:
            built += subject.build(video_live=True)
    built += subject.build(video_live=True, last=True)
    for track in ("video", "sound"):
        spans = spans_of(built, track)
        assert sum(count for _, _, count in spans) == placed[track]
        jumps = sum(after[0] != before[1] for before, after in itertools.pairwise(spans))
        assert jumps == holes[track]
        assert all(after[0] >= before[1] for before, after in itertools.pairwise(spans))


def test_a_key_frame_begins_a_fragment() -> None:
    subject = fragmenter()
    for number in range(60):
        subject.add(picture(number), FORMATS)
    built = subject.build(video_live=True)
    assert sum(one.fragment.key for one in built) == 3
    assert all(span[2] <= 5 for span in spans_of(built, "video"))


def test_pictures_before_the_first_key_frame_are_left_out() -> None:
    subject = fragmenter()
    placed = [subject.add(picture(number), FORMATS)[0] for number in range(20, 30)]
    assert placed == [False] * 5 + [True] * 5


def test_sound_of_a_new_encoder_waits_for_the_key_frame_that_begins_its_segment() -> None:
    subject, again = fragmenter(), Formats(VIDEO, SOUND, 1, 2)
    for number in range(10):
        subject.add(picture(number), FORMATS)
        subject.add(sound(number), FORMATS)
    subject.build(video_live=True)
    for number in range(20, 30):
        subject.add(sound(number, again), again)
    subject.add(picture(10), again)
    waiting = subject.build(video_live=True)
    assert spans_of(waiting, "sound") == []
    assert waiting[0].formats.sound_epoch == 1
    subject.add(picture(25), again)
    begun = [one for one in subject.build(video_live=True) if one.fragment.key]
    assert begun[0].formats.sound_epoch == 2
    assert spans_of(begun, "sound")[0][2] == 10


def test_sound_that_waits_is_not_lost_when_nothing_comes_behind() -> None:
    subject, again = fragmenter(), Formats(VIDEO, SOUND, 1, 2)
    subject.add(picture(0), FORMATS)
    subject.add(sound(0), FORMATS)
    subject.build(video_live=True)
    subject.add(sound(5, again), again)
    built = subject.build(video_live=True, last=True)
    assert [one.fragment.key for one in built] == [True]
    assert built[0].formats.sound_epoch == 2


def test_changed_parameters_are_told_at_their_key_frame_though_older_sound_is_beside_it() -> None:
    subject = fragmenter()
    changed = Formats(mp4.VideoConfig((streams.SPS,), (streams.PPS,), 1280, 720, 0), SOUND, 2, 1)
    subject.add(picture(0), FORMATS)
    subject.build(video_live=True)
    subject.add(picture(25, changed), changed)
    subject.add(sound(46), FORMATS)
    built = subject.build(video_live=True)
    assert built[0].formats.video == changed.video


def test_a_hole_in_sound_begins_another_fragment() -> None:
    subject = fragmenter()
    subject.add(picture(0), FORMATS)
    for number in (0, 1, 2, 9, 10):
        subject.add(sound(number), FORMATS)
    built = subject.build(video_live=True)
    assert [count for _, _, count in spans_of(built, "sound")] == [3, 2]


def arrivals(packets: list[Packet]) -> Arrivals:
    first = packets[0]
    stamps_ns, keys = [one.decode_ns for one in packets], [one.key for one in packets]
    datas = [one.data for one in packets]
    return Arrivals(first.track, FORMATS, first.duration_ns, stamps_ns, keys, datas, first.arrived_ns)


@given(
    st.sets(st.integers(1, 99), max_size=3),
    st.sets(st.integers(1, 186), max_size=3),
    st.lists(st.integers(1, 25), min_size=1, max_size=12),
)
def test_packets_taken_at_once_give_the_very_bytes_that_they_give_one_by_one(
    lost_pictures: set[int], lost_sound: set[int], flushes: list[int]
) -> None:
    """Whatever is lost, wherever the flushes lie: at once where all adjoin, one by one where they do not."""
    tracks = [[picture(n) for n in range(100) if n not in lost_pictures]]
    tracks += [[sound(n) for n in range(187) if n not in lost_sound]]
    one, other, at_once = fragmenter(), fragmenter(), 0
    until_ns, built, expected = BEGAN_NS, list[Built](), list[Built]()
    for frames in [1, *flushes, 200]:
        until_ns += frames * FRAME_NS
        for track in tracks:
            now = [packet for packet in track if packet.capture_ns < until_ns]
            del track[: len(now)]
            holes = [hole for hole in [one.add(packet, FORMATS)[1] for packet in now] if hole]
            if now and other.add_adjoining(arrivals(now)):
                at_once += 1
                assert holes == []
            else:
                told = [other.add(packet, FORMATS)[1] for packet in now]
                assert [hole for hole in told if hole] == holes
        expected += one.build(video_live=True)
        built += other.build(video_live=True)
        assert other.last_ns == one.last_ns
        assert other.shown_ns == one.shown_ns
    assert built == expected
    assert at_once > 0 or lost_pictures or lost_sound
