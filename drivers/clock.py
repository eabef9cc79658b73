"""The two clocks a driver knows, passed in: CLOCK_BOOTTIME for every moment, UTC for what is shown and said.

``SystemClock`` paces in real time. ``InstantClock`` makes sleeping advance time and costs none, so that a
simulated sensor gives hours as fast as it can compute them. Neither is adjusted by the other: a step of UTC
moves no moment.
"""

import time
from typing import Protocol

SECOND_NS = 1_000_000_000


class Clock(Protocol):
    """Time as a driver may see it."""

    def now_ns(self) -> int:
        """CLOCK_BOOTTIME."""
        ...

    def sleep_until_ns(self, moment_ns: int) -> None:
        """Return at ``moment_ns`` or later, at once when it is past."""
        ...

    def utc_ns(self) -> int:
        """UTC since 1970, as this machine believes it."""
        ...


class SystemClock:
    """The machine's."""

    def now_ns(self) -> int:
        """CLOCK_BOOTTIME."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def sleep_until_ns(self, moment_ns: int) -> None:
        """Sleep in real time."""
        while (left_ns := moment_ns - self.now_ns()) > 0:
            time.sleep(left_ns / SECOND_NS)

    def utc_ns(self) -> int:
        """CLOCK_REALTIME."""
        return time.time_ns()


class InstantClock:
    """Time that passes only by sleeping, or when told to (``pass_ns``: the machine was busy)."""

    def __init__(self, now_ns: int, utc_ns: int) -> None:
        self._now_ns = now_ns
        self._utc_offset_ns = utc_ns - now_ns

    def now_ns(self) -> int:
        """Where the sleeps have led."""
        return self._now_ns

    def sleep_until_ns(self, moment_ns: int) -> None:
        """Be at ``moment_ns``."""
        self._now_ns = max(self._now_ns, moment_ns)

    def pass_ns(self, duration_ns: int) -> None:
        """Let time go by that nobody slept."""
        self._now_ns += duration_ns

    def utc_ns(self) -> int:
        """At a fixed distance."""
        return self._now_ns + self._utc_offset_ns
