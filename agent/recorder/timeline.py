"""A session's time: moments of CLOCK_BOOTTIME to ticks of a track, without a hole and without drift.

Rules: the start of a sample is the previous start plus its duration, exact, in integer ticks; the capture clock
decides, so a sound clock that is off changes durations, never the offset between sound and picture; what does not
fit within a tolerance is a discontinuity, and the caller accounts for it. Track time goes on across interruptions
and, over boots, by the shortest length that the gap can have had (design, media).

Pure. Leaves to others: which discontinuity is an interruption, and of what cause (``session``).
"""

from dataclasses import dataclass

from msgspec import Struct

NS_PER_S, NS_PER_US = 1_000_000_000, 1_000


@dataclass(frozen=True, slots=True)
class SessionTime:
    """Presentation time of moment t of this boot is t - from_us + shift_us."""

    from_us: int
    shift_us: int = 0

    def presentation_ns(self, moment_ns: int) -> int:
        """Presentation time, nanoseconds; negative before the session's start."""
        return moment_ns - (self.from_us - self.shift_us) * NS_PER_US

    def ticks(self, moment_ns: int, timescale: int) -> int:
        """Presentation time in ticks, rounded to the nearest."""
        since_ns = moment_ns - (self.from_us - self.shift_us) * NS_PER_US
        return (since_ns * timescale + NS_PER_S // 2) // NS_PER_S


class Placed(Struct, frozen=True, gc=False):
    """Where a sample lies on its track; ``jump_ticks`` is the hole before it, 0 where it adjoins."""

    tick: int
    duration: int
    jump_ticks: int


@dataclass(slots=True)
class TrackClock:
    """Decode times of one track: each sample starts where the one before ended."""

    timescale: int
    shift_ticks: int
    tolerance_ticks: int
    """Beyond this a stamp is no jitter but a hole."""
    next_tick: int | None = None
    """Decode time after the last sample; None before the first."""

    def place(self, time: SessionTime, decode_ns: int, nominal_ticks: int) -> Placed | None:
        """Place the next sample; None for one that lies before the end of what is there, or before the session."""
        wanted = time.ticks(decode_ns, self.timescale) + self.shift_ticks
        if self.next_tick is None:
            return None if wanted < -self.tolerance_ticks else self._begin(max(0, wanted), nominal_ticks, 0)
        ahead = wanted - self.next_tick
        if ahead > self.tolerance_ticks:
            return self._begin(wanted, nominal_ticks, ahead)
        if ahead < -self.tolerance_ticks:
            return None
        start = self.next_tick
        duration = max(nominal_ticks // 2, ahead + nominal_ticks)
        self.next_tick = start + duration
        return Placed(start, duration, 0)

    def _begin(self, tick: int, nominal_ticks: int, jump: int) -> Placed:
        self.next_tick = tick + nominal_ticks
        return Placed(tick, nominal_ticks, jump)
