"""The media that every measurement is fed with: 1080p25 at 4 Mbit/s by the simulated camera's x264, and its AAC.

Encoded once for 16 s, which both tracks divide evenly (400 pictures, 750 packets), then repeated with stamps that go
on. Packets come as the sensors' processes send them, in order of arrival.
"""

import heapq
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from agent.evidence import mp4
from agent.recorder.messages import Heard
from drivers.camera import CameraParameters, VideoPacket
from drivers.microphone import SoundPacket, SoundParameters
from tests.support.samples import Sample, run_of

NS_PER_S = 1_000_000_000
LOOP_S = 16
FPS = 25
FRAME_NS = NS_PER_S // FPS
RATE = 48_000
SOUND_SAMPLES = 1024
VIDEO_DELAY_NS, SOUND_DELAY_NS = 10_000_000, 30_000_000
"""From capture to arrival: an encoder's time; a sound packet is whole only at its end."""
BIT_RATE_KBIT = 4_000


class Media(msgspec.Struct):
    """One round of packets, without stamps."""

    camera: CameraParameters
    microphone: SoundParameters
    pictures: list[bytes]
    sounds: list[bytes]

    def bytes_in(self, seconds: float) -> int:
        """Packets' bytes of so many seconds, whole rounds counted evenly."""
        return round(sum(map(len, self.pictures + self.sounds)) * seconds / LOOP_S)


def encode() -> Media:
    """Encode one round; takes a few seconds of CPU."""
    from drivers.child import make
    from drivers.clock import InstantClock

    options: dict[str, Any] = {"driver": "simulated"}
    camera = {**options, "device": "BENCH", "bitrate_kbit": BIT_RATE_KBIT}
    clock = InstantClock(NS_PER_S, 1_780_000_000 * NS_PER_S)
    shown = make("camera", camera, clock).messages()
    shape = next(shown)
    pictures = list(itertools.islice((m.data for m in shown if isinstance(m, VideoPacket)), FPS * LOOP_S))
    clock = InstantClock(NS_PER_S, 1_780_000_000 * NS_PER_S)
    heard = make("microphone", options, clock).messages()
    coding = next(heard)
    wanted = RATE * LOOP_S // SOUND_SAMPLES
    sounds = list(itertools.islice((m.data for m in heard if isinstance(m, SoundPacket)), wanted))
    assert isinstance(shape, CameraParameters) and isinstance(coding, SoundParameters)
    return Media(shape, coding, pictures, sounds)


def save(media: Media, path: Path) -> None:
    """For the processes that are fed with it."""
    path.write_bytes(msgspec.msgpack.encode(media))


def load(path: str | Path) -> Media:
    """What ``save`` wrote."""
    return msgspec.msgpack.decode(Path(path).read_bytes(), type=Media)


def heard(media: Media, from_ns: int, seconds: float) -> Iterator[tuple[int, Heard]]:
    """(moment of arrival, message) of packets captured in ``seconds`` from ``from_ns``, a whole second."""
    frames, packets = round(seconds * FPS), round(seconds * RATE / SOUND_SAMPLES)
    return heapq.merge(
        (_picture(media, from_ns, i) for i in range(frames)),
        (_sound(media, from_ns, i) for i in range(packets)),
        key=lambda pair: pair[0],
    )


def _picture(media: Media, from_ns: int, i: int) -> tuple[int, Heard]:
    at_ns, data = from_ns + i * FRAME_NS, media.pictures[i % len(media.pictures)]
    packet = VideoPacket(at_ns, at_ns, i % FPS == 0, data, "avcc", at_ns // FRAME_NS)
    return at_ns + VIDEO_DELAY_NS, Heard("camera", packet)


def _sound(media: Media, from_ns: int, i: int) -> tuple[int, Heard]:
    at_ns = from_ns + (i - 1) * SOUND_SAMPLES * NS_PER_S // RATE
    packet = SoundPacket(at_ns, SOUND_SAMPLES, media.sounds[i % len(media.sounds)])
    return at_ns + SOUND_DELAY_NS, Heard("microphone", packet)


def write_mp4(media: Media, path: Path, seconds: int) -> None:
    """The same packets as one fragmented MP4, for tools that read files."""
    video = mp4.VideoConfig((media.camera.sps,), (media.camera.pps,), media.camera.width, media.camera.height)
    with path.open("wb") as file:
        file.write(mp4.init_segment(video, mp4.SoundConfig(media.microphone.asc)))
        for second in range(seconds):
            file.write(_second(media, second))


def _second(media: Media, second: int) -> bytes:
    frames = range(second * FPS, (second + 1) * FPS)
    first, end = (-(-s * RATE // SOUND_SAMPLES) for s in (second, second + 1))
    shown = [Sample(media.pictures[i % len(media.pictures)], 90_000 // FPS, i % FPS == 0) for i in frames]
    sounds = [Sample(media.sounds[i % len(media.sounds)], SOUND_SAMPLES, True) for i in range(first, end)]
    runs = [run_of(mp4.VIDEO_TRACK, second * 90_000, shown), run_of(mp4.SOUND_TRACK, first * SOUND_SAMPLES, sounds)]
    return mp4.fragment(second + 1, runs)
