"""The simulated battery: it empties evenly from the story's beginning, and sags or heats up when the scenario says so.

All is a function of the reading's moment, so that a process that is started again finds the battery where it is.
Rules: a reading at each whole interval of CLOCK_BOOTTIME; ``power.low``: nearly empty, and the voltage does not hold;
``heat.high``: too hot, and the processor is held back.
"""

from collections.abc import Iterator
from pathlib import Path

from config.models import Power as PowerSection
from drivers import scenario
from drivers.clock import SECOND_NS, Clock
from drivers.power import Power, PowerFigures, PowerMessage

LOW, HOT = "power.low", "heat.high"
FULL_PERMILLE, LOW_PERMILLE = 950, 30
FULL_MIN = 600
"""A full battery lasts ten hours, a shift and a margin."""
EMPTY_MV, FULL_MV, SAGGING_MV = 3300, 4150, 3050
"""One lithium cell."""
USUAL_MDEG, HOT_MDEG = 52_000, 86_000
"""A processor in a case on a body, and one in a parked car in summer."""
MIN_NS = 60 * SECOND_NS


class Options(PowerSection, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The configuration's [power]."""


def make(options: Options, clock: Clock) -> Power:
    """The battery that the options describe."""
    return SimulatedPower(options, clock)


class SimulatedPower:
    """A battery that empties, and tells."""

    def __init__(self, options: Options, clock: Clock) -> None:
        self._clock = clock
        self._interval_ns = options.interval_s * SECOND_NS
        self._started_ns = options.scenario_started_ns or clock.now_ns()
        events = scenario.load(Path(options.scenario)) if options.scenario else []
        self._events = scenario.of(events, LOW, HOT)

    def messages(self) -> Iterator[PowerMessage]:
        """A ``PowerFigures`` each interval, for ever."""
        number = -(-self._clock.now_ns() // self._interval_ns)
        while True:
            capture_ns = number * self._interval_ns
            self._clock.sleep_until_ns(capture_ns)
            yield self.figures(capture_ns)
            number += 1

    def figures(self, capture_ns: int) -> PowerFigures:
        """The reading at a moment."""
        low, hot = self._happens(LOW, capture_ns), self._happens(HOT, capture_ns)
        charge = LOW_PERMILLE if low else self._charge(capture_ns)
        return PowerFigures(
            capture_ns=capture_ns,
            charge_permille=charge,
            voltage_mv=SAGGING_MV if low else EMPTY_MV + (FULL_MV - EMPTY_MV) * charge // 1000,
            minutes_left=FULL_MIN * charge // 1000,
            under_voltage=low,
            throttled=hot or low,
            temperature_mdeg=HOT_MDEG if hot else USUAL_MDEG,
        )

    def close(self) -> None:
        """Nothing to give back."""

    def _charge(self, moment_ns: int) -> int:
        used_min = max(0, moment_ns - self._started_ns) // MIN_NS
        return max(0, FULL_PERMILLE - used_min * 1000 // FULL_MIN)

    def _happens(self, word: str, moment_ns: int) -> bool:
        return scenario.happens(self._events, word, self._started_ns, moment_ns)
