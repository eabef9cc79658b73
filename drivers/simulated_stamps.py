"""A sound card that is not there, and eight hours of stamps without an encoder.

``Card`` is the truth of the simulated microphone: when each of its samples was really captured, given a clock
that runs ``ppm`` fast, and when its callbacks say so, which is a little later by a seeded jitter. ``sound_stamps``
and ``video_stamps`` give what the simulated drivers would send, fit included, so that drift over a shift can be
examined in seconds. Pure: no time, no numpy, no encoder.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from drivers.clock import SECOND_NS
from drivers.stamps import SampleClock

RATE = 48_000
BLOCK_SAMPLES = 1024
"""Samples a callback, and an AAC packet."""
JITTER_NS = 1_000_000
"""A callback is late by 0 to this."""


class Card:
    """The sound card's own time; sample 0 is captured at ``start_ns``."""

    def __init__(self, start_ns: int, ppm: float, seed: int, jitter_ns: int = JITTER_NS) -> None:
        self.start_ns = start_ns
        self.period_ns = SECOND_NS / (RATE * (1 + ppm / 1e6))
        self._random = random.Random(seed)
        self._jitter_ns = jitter_ns

    def captured_ns(self, sample: int) -> int:
        """When sample number ``sample`` was truly captured."""
        return self.start_ns + round(sample * self.period_ns)

    def callback_ns(self, samples: int) -> int:
        """What the callback says that brings the total to ``samples``; one call a callback."""
        return self.captured_ns(samples) + round(self._random.random() * self._jitter_ns)


@dataclass(frozen=True, slots=True)
class SoundStamp:
    """One packet's moment as the driver stamps it, and the truth."""

    capture_ns: int
    true_ns: int
    sample: int


def sound_stamps(start_ns: int, seconds: float, ppm: float, seed: int = 1) -> Iterator[SoundStamp]:
    """What the simulated microphone would stamp on ``seconds`` of packets, the priming packet left out."""
    card, clock = Card(start_ns, ppm, seed), SampleClock(RATE)
    for samples in range(BLOCK_SAMPLES, round(seconds * RATE) + 1, BLOCK_SAMPLES):
        clock.callback(samples, card.callback_ns(samples))
        first = samples - BLOCK_SAMPLES
        yield SoundStamp(clock.stamp_ns(first), card.captured_ns(first), first)


def video_stamps(start_ns: int, seconds: float, fps: int = 25) -> Iterator[tuple[int, int]]:
    """(frame number, capture_ns) of the simulated camera's frames from ``start_ns`` on."""
    first = -(-start_ns * fps // SECOND_NS)
    for number in range(first, first + round(seconds * fps)):
        yield number, frame_ns(number, fps)


def frame_ns(number: int, fps: int) -> int:
    """The moment frame ``number`` is captured: exact multiples of the frame time, rounded to a nanosecond."""
    return -(-number * SECOND_NS // fps)
