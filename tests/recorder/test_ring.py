"""The ring never loses the GOP that it needs, and never keeps what nobody may want."""

from hypothesis import given
from hypothesis import strategies as st

from agent.recorder.ring import NS_PER_S, Packet, Ring

FRAME_NS = NS_PER_S // 25
SOUND_NS = 1024 * NS_PER_S // 48_000


def picture(number: int, key: bool) -> Packet:
    at = number * FRAME_NS
    return Packet("video", at, at, FRAME_NS, key, b"", 1, at)


def sound(number: int) -> Packet:
    at = number * SOUND_NS
    return Packet("sound", at, at, SOUND_NS, True, b"", 1, at)


def filled(length_s: int, seconds: int, gop: int) -> Ring:
    ring = Ring(length_s)
    packets = [picture(n, n % gop == 0) for n in range(seconds * 25)]
    packets += [sound(n) for n in range(seconds * NS_PER_S // SOUND_NS)]
    for packet in sorted(packets, key=lambda packet: packet.capture_ns):
        ring.add(packet)
    return ring


@given(st.integers(0, 8), st.integers(1, 14), st.integers(1, 60))
def test_the_pre_record_that_was_promised_is_there_and_begins_with_a_key_frame(
    length_s: int, seconds: int, gop: int
) -> None:
    pressed_ns = seconds * NS_PER_S
    taken = filled(length_s, seconds, gop).take(pressed_ns - length_s * NS_PER_S)
    pictures = [packet for packet in taken if packet.track == "video"]
    assert pictures[0].key
    wanted_ns = max(0, pressed_ns - length_s * NS_PER_S)
    later_keys = [n * FRAME_NS for n in range(0, seconds * 25, gop) if n * FRAME_NS >= wanted_ns]
    if later_keys:
        assert pictures[0].capture_ns == later_keys[0]
    assert [p.capture_ns for p in pictures] == list(range(pictures[0].capture_ns, pressed_ns, FRAME_NS)), (
        "a picture between the key frame and the press is missing"
    )


@given(st.integers(0, 8), st.integers(1, 60))
def test_the_sound_of_the_first_picture_is_there(length_s: int, gop: int) -> None:
    taken = filled(length_s, 14, gop).take((14 - length_s) * NS_PER_S)
    first = next(packet for packet in taken if packet.track == "video")
    sounds = [packet.capture_ns for packet in taken if packet.track == "sound"]
    assert sounds[0] <= first.capture_ns
    assert sounds == list(range(sounds[0], sounds[-1] + 1, SOUND_NS))


@given(st.integers(0, 5), st.integers(1, 40))
def test_the_ring_forgets_whole_gops_that_nobody_can_ask_for(length_s: int, gop: int) -> None:
    ring = filled(length_s, 12, gop)
    oldest_ns = min(packet.capture_ns for packet in ring._packets)
    assert oldest_ns >= 12 * NS_PER_S - length_s * NS_PER_S - (gop + 1) * FRAME_NS - NS_PER_S // 5 - FRAME_NS


def test_without_a_key_frame_there_is_no_video() -> None:
    ring = Ring(5)
    ring.add(picture(3, key=False))
    ring.add(sound(1))
    assert not ring.has("video")
    assert {packet.track for packet in ring.take(0)} == {"sound"}


def test_taking_empties_the_ring() -> None:
    ring = filled(5, 6, 25)
    assert ring.take(0)
    assert ring.take(0) == []
    assert not ring.has("video") and not ring.has("sound")


def test_a_track_whose_encoder_is_gone_is_forgotten() -> None:
    ring = filled(5, 6, 25)
    ring.drop("video")
    assert not ring.has("video")
    assert ring.has("sound")
