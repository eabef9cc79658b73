"""What stock tools make of a recording: age, ffprobe, ffmpeg, and FFmpeg's decoders through PyAV; nothing of ours.

What the picture and the sound *mean* is asked of the simulated world only: the number in the picture, the tone.
"""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from drivers.camera.scene import BLOCK_PIXELS, NUMBER_BLOCKS, number_top, read_number

RATE = 48_000
TONE_SAMPLES = 1920
"""40 ms of 1 kHz."""
LEAST_LEVEL = 0.1
"""Of full scale: what sounds fainter is no tone."""
SEARCH_S = 0.1
"""A tone is looked for so far around the picture it belongs to."""


def tool(*arguments: str | Path) -> bytes:
    """What a command prints; it must succeed and have nothing to say on standard error."""
    done = subprocess.run([str(argument) for argument in arguments], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert not done.stderr, done.stderr.decode()
    return done.stdout


def opened_by_age(identity: Path, sealed: Path, out: Path) -> bytes:
    """A segment as the ``age`` program opens it."""
    tool("age", "-d", "-i", identity, "-o", out, sealed)
    return out.read_bytes()


def packets(path: Path, track: str) -> list[dict[str, int]]:
    """ffprobe's packets of ``v`` or ``a`` in the file's order: pts, dts, duration in the track's ticks."""
    shown = tool(
        "ffprobe", "-v", "error", "-select_streams", track, "-show_entries", "packet=pts,dts,duration",
        "-of", "json", path,
    )  # fmt: skip
    found: list[dict[str, Any]] = json.loads(shown)["packets"]
    return [{name: int(packet[name]) for name in ("pts", "dts", "duration")} for packet in found]


def written(path: Path, track: str) -> list[tuple[int, int]]:
    """(start, duration) of each packet as a newer FFmpeg reads them; Debian 12's shows the nominal duration."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0] if track == "v" else container.streams.audio[0]
        return [(packet.dts or 0, packet.duration or 0) for packet in container.demux(stream) if packet.dts is not None]


def numbers(path: Path, height: int) -> list[int]:
    """The number in each decoded picture, in order of presentation: the whole file through ffmpeg."""
    width = NUMBER_BLOCKS * BLOCK_PIXELS
    crop = f"crop={width}:{BLOCK_PIXELS}:0:{number_top(height)}"
    raw = tool("ffmpeg", "-v", "error", "-i", path, "-map", "0:v", "-vf", crop, "-fps_mode", "passthrough",
               "-pix_fmt", "gray", "-f", "rawvideo", "-")  # fmt: skip
    strips = np.frombuffer(raw, np.uint8).reshape(-1, BLOCK_PIXELS, width)
    return [read_number(strip) for strip in strips]


@dataclass(frozen=True, slots=True)
class Sound:
    """Decoded samples and each one's presentation time in seconds."""

    moments: NDArray[np.float64]
    samples: NDArray[np.float32]


def sound(path: Path) -> Sound:
    """All that is heard, at the moments at which a player plays it."""
    moments, samples = [], []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            block = frame.to_ndarray()[0]
            assert frame.time is not None
            moments.append(frame.time + np.arange(len(block)) / RATE)
            samples.append(block)
    return Sound(np.concatenate(moments), np.concatenate(samples).astype(np.float32))


def offsets_ms(heard: Sound, shown: list[tuple[float, int]]) -> Iterator[tuple[float, float]]:
    """(presentation time, by how many ms sound is late) at each picture at which a tone begins, where one is heard.

    ``shown``: presentation time in seconds and number of each picture. The tone is found by correlation.
    """
    tone = np.sin(2 * np.pi * 1000 * np.arange(TONE_SAMPLES) / RATE)
    for at_s, number in shown:
        if number % 25:
            continue
        first = int(np.searchsorted(heard.moments, at_s - SEARCH_S))
        near = heard.samples[first : first + int(2 * SEARCH_S * RATE) + TONE_SAMPLES]
        if len(near) < TONE_SAMPLES or heard.moments[min(first, len(heard.moments) - 1)] > at_s:
            continue
        matched = np.correlate(near, tone, "valid")
        best = int(matched.argmax())
        if matched[best] >= LEAST_LEVEL * np.dot(tone, tone):
            yield at_s, 1000 * (float(heard.moments[first + best]) - at_s)
