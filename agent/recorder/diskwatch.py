"""The flush under way, seen live: a slow disk is an impairment while it lasts (design, promise 3). Pure."""

from dataclasses import dataclass

from agent.recorder.timeline import NS_PER_MS

SLOW_NS = 2_000_000_000
"""A flush that takes longer is told."""


@dataclass(slots=True)
class DiskWatch:
    """``handed_ns``: when the writer got what it has not acknowledged; None while it is free."""

    handed_ns: int | None = None
    slow: bool = False

    def under_way_ms(self, now_ns: int) -> int:
        """How long the flush under way has taken."""
        return 0 if self.handed_ns is None else (now_ns - self.handed_ns) // NS_PER_MS

    def begin(self, now_ns: int) -> int | None:
        """Since when the disk is slow, if that is news; CLOCK_BOOTTIME."""
        if self.handed_ns is None or self.slow or now_ns - self.handed_ns <= SLOW_NS:
            return None
        self.slow = True
        return self.handed_ns

    def end(self, now_ns: int, lag_ms: int) -> int | None:
        """How long it took at worst, ms, if it was slow; ``lag_ms`` of the flush that just ended."""
        was, self.slow = self.slow, False
        return max(lag_ms, self.under_way_ms(now_ns)) if was else None
