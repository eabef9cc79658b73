"""The flush under way, seen live: a slow disk is an impairment while it lasts (design, promise 3). Pure."""

from dataclasses import dataclass

from agent.evidence import entries as e
from agent.recorder.timeline import NS_PER_MS, NS_PER_US

SLOW_NS = 2_000_000_000
"""A flush that takes longer is told."""


@dataclass(slots=True)
class DiskWatch:
    """``handed_ns``: when the writer got what it has not acknowledged; None while it is free."""

    handed_ns: int | None = None
    slow: int | None = None
    """Number of the open impairment."""

    def under_way_ms(self, now_ns: int) -> int:
        """How long the flush under way has taken."""
        return 0 if self.handed_ns is None else (now_ns - self.handed_ns) // NS_PER_MS

    def begin(self, now_ns: int, number: int) -> e.ImpairmentBegin | None:
        """The impairment that begins now, if one does."""
        if self.handed_ns is None or self.slow is not None or now_ns - self.handed_ns <= SLOW_NS:
            return None
        self.slow = number
        return e.ImpairmentBegin(impairment=number, kind="storage.slow", since_us=self.handed_ns // NS_PER_US)

    def end(self, now_ns: int, lag_ms: int) -> e.ImpairmentEnd | None:
        """The end of the open one, if there is one; ``lag_ms`` of the flush that just ended."""
        number, self.slow = self.slow, None
        if number is None:
            return None
        worst_ms = max(lag_ms, self.under_way_ms(now_ns))
        return e.ImpairmentEnd(impairment=number, until_us=now_ns // NS_PER_US, worst_ms=worst_ms)
