"""Packets as sensors would send them, without encoders: real parameter sets, made-up pictures and sound.

``Streams`` gives, for a stretch of CLOCK_BOOTTIME, the messages of a 25 fps camera and a 48 kHz microphone in order
of arrival. Frame number n is captured at n / 25 s; its number is in its bytes, so what survives can be told.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

from agent.recorder.messages import Heard
from drivers.camera import CameraParameters, VideoPacket
from drivers.microphone import SoundPacket, SoundParameters

NS_PER_S = 1_000_000_000
FRAME_NS = NS_PER_S // 25
SPS = bytes.fromhex("6742c01eda0280bfe584000003000400000300ca3c58ba80")
PPS = bytes.fromhex("68ce0fc8")
ASC = bytes.fromhex("1188")
CAMERA = CameraParameters(sps=SPS, pps=PPS, width=640, height=360, fps_num=25, fps_den=1, reorder_ns=0)
MICROPHONE = SoundParameters(asc=ASC, rate=48_000, channels=1, priming=1024)


def frame(number: int, size_bytes: int) -> VideoPacket:
    """Frame ``number`` as length-prefixed H.264 of about ``size_bytes``; every 25th is a key frame."""
    key = number % 25 == 0
    payload = (
        bytes([0x65 if key else 0x41]) + number.to_bytes(8, "big") + bytes([number % 251]) * max(0, size_bytes - 13)
    )
    at_ns = number * FRAME_NS
    data = len(payload).to_bytes(4, "big") + payload
    return VideoPacket(capture_ns=at_ns, decode_ns=at_ns, key=key, data=data, format="avcc", number=number)


@dataclass
class Sound:
    """A microphone whose encoder began at ``began_ns``; its clock is ``ppm`` fast."""

    began_ns: int
    ppm: int = 0
    size_bytes: int = 160

    def packet(self, index: int) -> SoundPacket:
        """Packet 0 is priming."""
        length_ns = 1024 * NS_PER_S * 1_000_000 // (48_000 * (1_000_000 + self.ppm))
        at_ns = self.began_ns + (index - 1) * length_ns
        return SoundPacket(capture_ns=at_ns, samples=1024, data=index.to_bytes(8, "big") * (self.size_bytes // 8))

    def index_at(self, moment_ns: int) -> int:
        """First packet captured at or after a moment."""
        index = max(0, (moment_ns - self.began_ns) * 48_000 // (1024 * NS_PER_S) - 2)
        while self.packet(index).capture_ns < moment_ns:
            index += 1
        return index


def heard(
    from_ns: int, until_ns: int, sound: Sound | None, bytes_per_frame: int = 20_000
) -> Iterator[tuple[int, Heard]]:
    """(arrival, message) of all packets captured in [from, until), in order of arrival."""
    streams: list[Iterator[tuple[int, Heard]]] = []
    if bytes_per_frame:
        streams.append(_frames(from_ns, until_ns, bytes_per_frame))
    if sound is not None:
        streams.append(_packets(from_ns, until_ns, sound))
    return heapq.merge(*streams, key=lambda pair: pair[0])


def _frames(from_ns: int, until_ns: int, size_bytes: int) -> Iterator[tuple[int, Heard]]:
    number = -(-from_ns // FRAME_NS)
    while number * FRAME_NS < until_ns:
        size = size_bytes * (5 if number % 25 == 0 else 1)
        yield number * FRAME_NS + 10_000_000, Heard("camera", frame(number, size))
        number += 1


def _packets(from_ns: int, until_ns: int, sound: Sound) -> Iterator[tuple[int, Heard]]:
    index = sound.index_at(from_ns)
    while (packet := sound.packet(index)).capture_ns < until_ns:
        yield packet.capture_ns + 30_000_000, Heard("microphone", packet)
        index += 1
