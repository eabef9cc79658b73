"""Sound's moments: counted in samples, fitted to the callbacks' time.

A sound card's clock is off by tens of ppm (1.4 s in eight hours at 50), and a callback comes late by whatever
the scheduler had in mind. Neither is a stamp. A delay-locked loop of second order follows both the card's phase
and its rate: the callbacks' jitter is filtered out, the rate is learnt, so a stamp is never far from the truth
and two stamps are never out of order. Rule: stamps are asked for samples near the last callback, where phase
and rate were fitted. Where callbacks stop (a suspended machine, a pulled plug) is for the driver to notice; it
begins a new fit.
"""

import math

SECOND_NS = 1_000_000_000
BANDWIDTH_HZ = 0.05
"""Settles in some 20 s; at 200 ppm the stamps are off by less than half a millisecond while it does."""
MAX_ERROR_NS = 3_000_000
"""One callback moves the fit by no more than if it were this late: a stall of the scheduler is no drift."""


class SampleClock:
    """CLOCK_BOOTTIME of a sample, by its number."""

    def __init__(self, rate: int, bandwidth_hz: float = BANDWIDTH_HZ) -> None:
        self._nominal_ns = SECOND_NS / rate
        self._omega = 2 * math.pi * bandwidth_hz
        self._base_ns = 0
        self._count = -1
        self._phase_ns = 0.0
        self._period_ns = self._nominal_ns

    def callback(self, count: int, time_ns: int) -> None:
        """``count`` samples since the start were captured when the callback's clock said ``time_ns``.

        Raises ValueError when ``count`` did not grow.
        """
        if self._count < 0:
            self._base_ns, self._count = time_ns, count
            return
        step = count - self._count
        if step <= 0:
            raise ValueError(f"a callback counts {count} samples after one of {self._count}; begin a new fit")
        self._correct(count, step, time_ns)

    def stamp_ns(self, count: int) -> int:
        """When sample number ``count`` was captured; integer nanoseconds. Before the first callback: ValueError."""
        if self._count < 0:
            raise ValueError("no callback has come yet, so nothing is known of the sound card's time")
        return self._base_ns + round(self._phase_ns + (count - self._count) * self._period_ns)

    @property
    def rate_error_ppm(self) -> float:
        """By how much the card's clock runs fast, as fitted."""
        return (self._nominal_ns / self._period_ns - 1) * 1e6

    def _correct(self, count: int, step: int, time_ns: int) -> None:
        predicted_ns = self._phase_ns + step * self._period_ns
        error_ns = (time_ns - self._base_ns) - predicted_ns
        error_ns = max(-MAX_ERROR_NS, min(MAX_ERROR_NS, error_ns))
        gain = self._omega * step * self._nominal_ns / SECOND_NS
        self._phase_ns = predicted_ns + min(1.0, math.sqrt(2) * gain) * error_ns
        self._period_ns += min(1.0, gain * gain) * error_ns / step
        self._count = count
