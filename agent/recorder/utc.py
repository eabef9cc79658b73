"""What UTC is believed to be, and when the journal is told (R16c).

A receiver's time outranks the system's while it is fresh; a clock entry is written where the source changes, where the
clock steps or its error bound changes by half or double, and once a minute, which bounds what a drifting clock can
hide. No recorded moment moves by it: UTC is an interpretation. Pure: readings are passed in.
"""

from agent.evidence import entries as e
from agent.recorder.messages import ClockReading
from agent.recorder.timeline import NS_PER_US

TELL_EVERY_NS = 60_000_000_000
"""A clock entry a minute; also how long a receiver's time outranks other sources after its last fix."""


STEP_US = 100_000
"""Less is no step: two readings of one clock differ by what reading them takes."""


class Utc:
    """The newest reading of one boot."""

    def __init__(self, boot: int) -> None:
        self._boot = boot
        self._reading: ClockReading | None = None
        self._told_ns = -TELL_EVERY_NS

    def take(self, reading: ClockReading, now_ns: int) -> list[e.Clock]:
        """Believe a reading; the entry that is due with it, if one is."""
        known = self._reading
        fresh = known is not None and reading.at_ns - known.at_ns < TELL_EVERY_NS
        if fresh and known is not None and known.source == "gnss" and reading.source != "gnss":
            return []
        self._reading = reading
        changed = known is None or known.source != reading.source or _steps(known, reading)
        if not changed and now_ns - self._told_ns < TELL_EVERY_NS:
            return []
        self._told_ns = now_ns
        return [
            e.Clock(
                boot=self._boot,
                boot_us=now_ns // NS_PER_US,
                at_us=reading.at_ns // NS_PER_US,
                utc_us=reading.utc_us,
                source=reading.source,
                error_us=reading.error_us,
            )
        ]

    @property
    def believed(self) -> tuple[str, int]:
        """Source of the newest reading and its greatest error, microseconds; ``none`` and -1 where nothing says."""
        return (self._reading.source, self._reading.error_us) if self._reading else ("none", -1)

    def of(self, boot_us: int) -> tuple[int, int] | None:
        """UTC and its greatest error at a moment of this boot, microseconds; None where nothing says."""
        reading = self._reading
        if reading is None or reading.source == "none":
            return None
        return reading.utc_us + boot_us - reading.at_ns // NS_PER_US, reading.error_us

    def best_us(self, boot_us: int) -> int:
        """Best UTC for a file's name; -1 where unknown."""
        known = self.of(boot_us)
        return -1 if known is None else known[0]


def _steps(known: ClockReading, reading: ClockReading) -> bool:
    """The clock says another time than it would have gone to, or is believed much more, or much less, than before."""
    if "none" in (known.source, reading.source):
        return False
    expected_us = known.utc_us + (reading.at_ns - known.at_ns) // NS_PER_US
    off_us = abs(reading.utc_us - expected_us)
    less, more = sorted((known.error_us, reading.error_us))
    return off_us > known.error_us + reading.error_us + STEP_US or more > 2 * less + STEP_US
