"""A session's time: moments of CLOCK_BOOTTIME to ticks of a track, without a hole and without drift.

Rules: the start of a sample is the previous start plus its duration, exact, in integer ticks; the capture clock
decides, so a sound clock that is off changes durations, never the offset between sound and picture; what does not
fit within a tolerance is a discontinuity, and the caller accounts for it. Track time goes on across interruptions
and, over boots, by the shortest length that the gap can have had (design, media).

Pure. Leaves to others: which discontinuity is an interruption, and of what cause (``session``).
"""

from dataclasses import dataclass, field

from agent.recorder.ring import Packet

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


@dataclass(slots=True)
class TrackClock:
    """Decode times of one track: each sample starts where the one before ended."""

    timescale: int
    shift_ticks: int
    tolerance_ticks: int
    """Beyond this a stamp is no jitter but a hole."""
    next_tick: int | None = None
    """Decode time after the last sample; None before the first."""

    def place(self, packet: Packet, time: SessionTime) -> bool:
        """Give the packet its tick, duration and the hole before it (``jump_ticks``).

        False for one that lies before the end of what is there, or before the session.
        """
        timescale, start, tolerance = self.timescale, self.next_tick, self.tolerance_ticks
        nominal = packet.duration_ns * timescale // NS_PER_S
        since_ns = packet.decode_ns - time.zero_ns  # as ``SessionTime.ticks``, which costs a call for each packet
        wanted = (since_ns * timescale + HALF_NS) // NS_PER_S + self.shift_ticks
        if start is None:
            if wanted < -tolerance:
                return False
            start, duration = max(0, wanted), nominal
        elif -tolerance <= wanted - start <= tolerance:
            duration = wanted - start + nominal
            if duration < nominal // 2:
                duration = nominal // 2
        elif wanted > start:
            packet.jump_ticks = wanted - start
            start, duration = wanted, nominal
        else:
            return False
        packet.tick, packet.duration = start, duration
        self.next_tick = start + duration
        return True
