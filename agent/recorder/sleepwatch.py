"""Has the machine slept? CLOCK_BOOTTIME goes on in sleep, CLOCK_MONOTONIC does not (design, time). Pure.

Looked at before every step of the recorder and not from beside it: so a sleep is told before any packet that came
after it, and the hole in the stamps is never taken for the camera's.
"""

from agent.recorder.messages import Suspended

DRIFT_NS = 10_000_000
"""Design: clocks that drift apart by 10 ms are an interruption."""


class SleepWatch:
    """Remembers the last look."""

    def __init__(self) -> None:
        self._looked_ns: int | None = None
        self._asleep_ns = 0

    def look(self, reading: tuple[int, int] | None) -> Suspended | None:
        """``reading``: a moment, and how long the machine had slept by then (``clock.asleep``); None: unknown."""
        if reading is None:
            return None
        before_ns, (self._looked_ns, asleep_ns) = self._looked_ns, reading
        if before_ns is None:
            self._asleep_ns = asleep_ns
        if before_ns is None or asleep_ns - self._asleep_ns < DRIFT_NS:
            return None
        self._asleep_ns = asleep_ns
        return Suspended(before_ns, self._looked_ns)
