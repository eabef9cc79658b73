"""A session's time: moments of CLOCK_BOOTTIME to ticks of a track, without a hole and without drift.

Rules: the start of a sample is the previous start plus its duration, exact, in integer ticks; the capture clock
decides, so a sound clock that is off changes durations, never the offset between sound and picture; what does not
fit within a tolerance is a discontinuity, and the caller accounts for it. Track time goes on across interruptions
and, over boots, by the shortest length that the gap can have had (design, media).

Pure. Leaves to others: which discontinuity is an interruption, and of what cause (``session``).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

NS_PER_S, NS_PER_MS, NS_PER_US = 1_000_000_000, 1_000_000, 1_000
HALF_NS = NS_PER_S // 2


@dataclass(frozen=True, slots=True)
class SessionTime:
    """Presentation time of moment t of this boot is t - from_us + shift_us."""

    from_us: int
    shift_us: int = 0
    zero_ns: int = field(init=False)
    """The moment of this boot at which presentation time is zero."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "zero_ns", (self.from_us - self.shift_us) * NS_PER_US)

    def presentation_ns(self, moment_ns: int) -> int:
        """Presentation time, nanoseconds; negative before the session's start."""
        return moment_ns - self.zero_ns

    def ticks(self, moment_ns: int, timescale: int) -> int:
        """Presentation time in ticks, rounded to the nearest."""
        return ((moment_ns - self.zero_ns) * timescale + HALF_NS) // NS_PER_S


class Place(NamedTuple):
    """Where a sample lies in its track, in ticks."""

    tick: int
    duration: int
    jump: int
    """The hole before it; 0 where it adjoins."""


@dataclass(slots=True)
class TrackClock:
    """Decode times of one track: each sample starts where the one before ended."""

    timescale: int
    shift_ticks: int
    tolerance_ticks: int
    """Beyond this a stamp is no jitter but a hole."""
    next_tick: int | None = None
    """Decode time after the last sample; None before the first."""

    def place(self, decode_ns: int, duration_ns: int, time: SessionTime) -> Place | None:
        """Where a sample of nominally ``duration_ns`` lies.

        None for one that lies before the end of what is there, or before the session.
        """
        start, tolerance, jump = self.next_tick, self.tolerance_ticks, 0
        nominal = duration_ns * self.timescale // NS_PER_S
        wanted = time.ticks(decode_ns, self.timescale) + self.shift_ticks
        if start is None:
            if wanted < -tolerance:
                return None
            start, duration = max(0, wanted), nominal
        elif -tolerance <= wanted - start <= tolerance:
            duration = max(wanted - start + nominal, nominal // 2)
        elif wanted > start:
            jump, start, duration = wanted - start, wanted, nominal
        else:
            return None
        self.next_tick = start + duration
        return Place(start, duration, jump)

    def place_adjoining(self, decodes_ns: Sequence[int], duration_ns: int, time: SessionTime) -> list[int] | None:
        """Durations of samples that all adjoin, the first at ``next_tick``; as ``place`` for each, in one go.

        None, and nothing is placed, where one of them does not simply adjoin: then ``place`` knows why.
        """
        start, timescale, tolerance = self.next_tick, self.timescale, self.tolerance_ticks
        if start is None:
            return None
        nominal = duration_ns * timescale // NS_PER_S
        # As ``SessionTime.ticks`` has it, from the first one on: small numbers, and no call for each.
        first_ns = decodes_ns[0]
        whole, rest = divmod((first_ns - time.zero_ns) * timescale + HALF_NS, NS_PER_S)
        whole += self.shift_ticks + nominal
        ends = [((at_ns - first_ns) * timescale + rest) // NS_PER_S + whole for at_ns in decodes_ns]
        durations = [end - begin for begin, end in zip([start, *ends], ends, strict=False)]
        if min(durations) < max(nominal - tolerance, nominal // 2) or max(durations) > nominal + tolerance:
            return None
        self.next_tick = ends[-1]
        return durations
