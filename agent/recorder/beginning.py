"""Where a session's time begins, given the packets that the ring held (design, media).

Presentation zero is the begin of the sound packet in which the first picture lies, so that both tracks' first ticks
are exact; the packet before it is kept as the decoder's priming and cut by the edit list. Pure.
"""

from collections.abc import Sequence

from agent.evidence.entries import MediaTrack
from agent.recorder.ring import Packet

SKEW_NS = 2_000_000_000
"""Sensors do not start in one instant: one that has so much more than the other gives it up, so that both begin."""
SHORT_NS = 50_000_000
"""A track that begins later than this has something missing; the verifier allows 60 ms."""


def without_skew(packets: Sequence[Packet], pressed_ns: int) -> list[Packet]:
    """Pre-record from the first key frame at which sound is there too, where that costs little and lies before the
    press; otherwise all of it, and the late track is told (``late_by``)."""
    sounds = [packet.capture_ns + packet.duration_ns for packet in packets if packet.track == "sound"]
    keys = [i for i, packet in enumerate(packets) if packet.track == "video" and packet.key]
    if not sounds or not keys or sounds[0] <= packets[keys[0]].capture_ns:
        return list(packets)
    last_ns = min(packets[keys[0]].capture_ns + SKEW_NS, pressed_ns)
    both = next((i for i in keys if sounds[0] <= packets[i].capture_ns <= last_ns), None)
    if both is None:
        return list(packets)
    return [p for i, p in enumerate(packets) if p.track == "sound" or i >= both]


def late_by(packets: Sequence[Packet], track: MediaTrack, due_ns: int) -> int:
    """By how much a track that is there begins after it was due, nanoseconds; 0 for what nobody would miss."""
    first_ns = next((packet.capture_ns for packet in packets if packet.track == track), due_ns)
    return first_ns - due_ns if first_ns - due_ns > SHORT_NS else 0


def from_first_picture(packets: Sequence[Packet]) -> list[Packet]:
    """With a picture, sound begins one packet (priming) before the one in which the picture begins."""
    pictures = [packet.capture_ns for packet in packets if packet.track == "video"]
    before = [p.capture_ns for p in packets if p.track == "sound" and pictures and p.capture_ns <= pictures[0]]
    if len(before) < 2:
        return list(packets)
    return [p for p in packets if p.track == "video" or p.capture_ns >= before[-2]]


def presentation_zero(packets: Sequence[Packet], pressed_ns: int) -> int:
    """CLOCK_BOOTTIME of presentation zero; the press where there is no packet."""
    pictures = [packet.capture_ns for packet in packets if packet.track == "video"]
    sounds = [packet.capture_ns for packet in packets if packet.track == "sound"]
    if pictures:
        return max((ns for ns in sounds[1:] if ns <= pictures[0]), default=pictures[0])
    return sounds[1] if len(sounds) > 1 else (sounds[0] if sounds else pressed_ns)


def first_good(packets: Sequence[Packet], otherwise_ns: int) -> int:
    """The moment from which every track that is there is good: a fresh sound encoder's first packet is priming."""
    first: dict[str, int] = {}
    for packet in packets:
        primed = packet.duration_ns if packet.track == "sound" else 0
        first.setdefault(packet.track, packet.capture_ns + primed)
    return max(first.values(), default=otherwise_ns)
