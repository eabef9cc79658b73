"""The pre-record ring: packets of the last seconds, in memory only, until somebody presses.

It holds whole GOPs: a picture needs its key frame, so the GOP in progress is always there, also where the
configured length is 0. Pure; the ring knows packets and their moments, not who may hear them (``prerecord_sound`` is
applied when a session takes them out).
"""

from collections import deque
from typing import Literal

from msgspec import Struct

from agent.evidence.entries import MediaTrack

NS_PER_S = 1_000_000_000
LONGEST_GOP_NS = 12 * NS_PER_S
"""Ours is a second; network cameras and replayed clips have up to ten. Without a bound a silent camera pins memory."""


class Packet(Struct, gc=False):
    """One coded frame or sound packet."""

    track: MediaTrack
    capture_ns: int
    """Moment of presentation."""
    decode_ns: int
    duration_ns: int
    """Nominal; the true one is fixed by the next packet."""
    key: bool
    data: bytes
    epoch: int
    """Counts the parameters its source has announced; it changes with the encoder."""
    arrived_ns: int


class Ring:
    """Packets of at most ``length_s`` (and of the GOP that contains its begin)."""

    def __init__(self, length_s: int) -> None:
        self._length_ns = length_s * NS_PER_S
        self._packets: deque[Packet] = deque()
        self._keys: deque[int] = deque()
        """Capture moments of the key frames that the ring holds, oldest first."""

    def add(self, packet: Packet) -> None:
        """Take a packet; forget whole GOPs that are no longer needed."""
        self._packets.append(packet)
        if packet.track == "video" and packet.key:
            self._keys.append(packet.capture_ns)
        horizon = packet.capture_ns - self._length_ns
        while len(self._keys) > 1 and self._keys[1] <= horizon:
            self._keys.popleft()
        while self._keys and self._keys[0] < horizon - LONGEST_GOP_NS:  # its camera is silent
            self._keys.popleft()
        oldest = min(self._keys[0], horizon) if self._keys else horizon
        while self._packets and self._packets[0].capture_ns < oldest - NS_PER_S // 5:
            self._packets.popleft()

    def clear(self) -> None:
        """Forget everything."""
        self._packets.clear()
        self._keys.clear()

    def drop(self, track: Literal["video", "sound"]) -> None:
        """Forget one track: its encoder is gone and another one will not go on from there."""
        self._packets = deque(packet for packet in self._packets if packet.track != track)
        if track == "video":
            self._keys.clear()

    def has(self, track: Literal["video", "sound"]) -> bool:
        """Whether a session could begin with this track now."""
        if track == "video":
            return bool(self._keys)
        return any(packet.track == "sound" for packet in self._packets)

    def take(self, from_ns: int) -> list[Packet]:
        """All packets of a session that would like to begin at ``from_ns``, in order of arrival; empties the ring.

        Video begins with the first key frame at or after ``from_ns``, or the last one before where there is none;
        without any key frame there is no video. Sound is given from a fifth of a second before the first picture on,
        for the encoder's priming.
        """
        late_keys = [key for key in self._keys if key >= from_ns]
        first_ns = late_keys[0] if late_keys else (self._keys[-1] if self._keys else from_ns)
        has_video = bool(self._keys)
        taken = [
            packet
            for packet in self._packets
            if (packet.track == "sound" and packet.capture_ns >= first_ns - NS_PER_S // 5)
            or (packet.track == "video" and packet.capture_ns >= first_ns and has_video)
        ]
        self.clear()
        return taken
