"""Samples one by one, as tests like to write them; fragments take them in columns."""

from collections.abc import Sequence
from dataclasses import dataclass

from agent.evidence import mp4


@dataclass(frozen=True, slots=True)
class Sample:
    """One frame of video or one packet of sound; times in ticks."""

    data: bytes
    duration: int
    key: bool
    offset: int = 0


def run_of(track_id: int, tick: int, samples: Sequence[Sample]) -> mp4.Run:
    """The samples as a run."""
    durations, keys = [one.duration for one in samples], [one.key for one in samples]
    return mp4.Run(track_id, tick, durations, keys, [one.offset for one in samples], [one.data for one in samples])
