"""Real H.264 and AAC from PyAV for the tests of the MP4 formats: pictures that carry their number, a chirp.

Ticks are 1/90000 s for video, samples for sound. Each picture shows its number as eight blocks of 16x16 pixels,
so that a decoded file proves which frames are in it.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import av
import numpy as np
import numpy.typing as npt

from agent.evidence import aac, h264
from agent.evidence.mp4 import Run, SoundConfig, VideoConfig, fragment
from tests.support.samples import Sample, run_of

WIDTH, HEIGHT, FPS, FRAME_TICKS = 320, 180, 25, 3600
RATE = 48_000


@dataclass(frozen=True)
class Coded:
    """A track's configuration and its samples in decode order, the first at tick 0."""

    config: VideoConfig | SoundConfig
    samples: tuple[Sample, ...]


def picture(number: int, width: int = WIDTH, height: int = HEIGHT) -> av.VideoFrame:
    luma = np.full((height, width), 60, np.uint8)
    luma[64:, :] += (np.arange(width) // 4 + number * 3).astype(np.uint8) % 64
    for bit in range(8):
        luma[16:32, bit * 16 : bit * 16 + 16] = 235 if number >> (7 - bit) & 1 else 16
    planes = np.vstack([luma, np.full((height // 2, width), 128, np.uint8)])
    frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
    frame.pts = number
    frame.time_base = Fraction(1, FPS)
    return frame


def number_in(frame: av.VideoFrame) -> int:
    """The number that a decoded picture shows."""
    luma = frame.to_ndarray(format="gray")
    blocks = [luma[20:28, bit * 16 + 4 : bit * 16 + 12].mean() > 126 for bit in range(8)]
    return int("".join("1" if block else "0" for block in blocks), 2)


@cache
def video(frames: int = 50, b_frames: int = 0, shift_frames: int | None = None, height: int = HEIGHT) -> Coded:
    """``frames`` pictures at 25 fps, a key frame a second; ``shift_frames`` None: as the encoder delays them."""
    context = av.CodecContext.create("libx264", "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt = WIDTH, height, "yuv420p"
    context.time_base, context.framerate, context.gop_size = Fraction(1, FPS), Fraction(FPS), FPS
    options = {"preset": "ultrafast", "x264-params": f"keyint={FPS}:scenecut=0:bframes={b_frames}:b-adapt=0:threads=1"}
    context.options = options if b_frames else options | {"tune": "zerolatency"}
    packets = [p for n in range(frames) for p in context.encode(picture(n, WIDTH, height))] + context.encode(None)
    data = [bytes(packet) for packet in packets]
    sps, pps = h264.parameter_sets(data[0])
    times = [(packet.pts or 0, packet.dts or 0) for packet in packets]
    delay = -times[0][1]
    shift = delay if shift_frames is None else shift_frames
    samples = tuple(
        Sample(h264.to_length_prefixed(d), FRAME_TICKS, h264.is_key(d), (pts - dts - delay + shift) * FRAME_TICKS)
        for d, (pts, dts) in zip(data, times, strict=True)
    )
    info = h264.parse_sps(sps[0])
    return Coded(VideoConfig(sps, pps, info.width, info.height, shift * FRAME_TICKS), samples)


def chirp(samples: int) -> npt.NDArray[np.float32]:
    """A tone that rises from 300 Hz, so that it fits itself at one place only."""
    t = np.arange(samples) / RATE
    return (0.5 * np.sin(2 * math.pi * (300 * t + 400 * t * t))).astype(np.float32)


@cache
def sound(packets: int = 94, durations: tuple[int, ...] = (1024,)) -> Coded:
    """AAC of the chirp, the priming packet first; ``durations`` are taken in turn."""
    context = av.CodecContext.create("aac", "w")
    assert isinstance(context, av.AudioCodecContext)
    context.sample_rate, context.layout, context.format = RATE, "mono", "fltp"
    context.bit_rate = 64_000
    context.time_base = Fraction(1, RATE)
    wave = chirp(packets * 1024)
    coded: list[bytes] = []
    for n in range(packets):
        frame = av.AudioFrame.from_ndarray(wave[None, n * 1024 : n * 1024 + 1024], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, n * 1024, Fraction(1, RATE)
        coded += (bytes(packet) for packet in context.encode(frame))
    coded += (bytes(packet) for packet in context.encode(None))
    asc = bytes(context.extradata or b"")
    channels = aac.parse_asc(asc).channels
    samples = tuple(Sample(d, durations[n % len(durations)], True) for n, d in enumerate(coded[:packets]))
    return Coded(SoundConfig(asc, RATE, channels), samples)


def in_pieces(coded: Coded, track: int, step_ticks: int, first_tick: int = 0) -> Iterator[Run]:
    """The samples as runs, each with those that begin within the same step."""
    tick = begun = first_tick
    samples: list[Sample] = []
    for sample in coded.samples:
        if samples and (tick - first_tick) // step_ticks != (begun - first_tick) // step_ticks:
            yield run_of(track, begun, samples)
            samples, begun = [], tick
        samples.append(sample)
        tick += sample.duration
    yield run_of(track, begun, samples)


def fragments(*tracks: Iterable[Run], first: int = 1) -> list[bytes]:
    """One fragment for every step, with the runs of all tracks that still have one."""
    columns: list[Sequence[Run]] = [list(runs) for runs in tracks]
    longest = max(map(len, columns))
    return [fragment(first + n, [runs[n] for runs in columns if n < len(runs)]) for n in range(longest)]
