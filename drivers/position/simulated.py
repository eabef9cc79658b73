"""The simulated position source: a walk, told once an interval, lost when the scenario says so.

The walk is a closed figure of some 200 m, a function of capture time alone, so a restarted source stands where
the walker stands. Rules: a fix (or the word that there is none) at each whole interval of CLOCK_BOOTTIME; during
``position.lose`` it says ``NoFix``, it does not fall silent. UTC in this world is the machine's.
"""

import math
from collections.abc import Iterator
from pathlib import Path

from config.models import Position as PositionSection
from drivers import scenario
from drivers.clock import SECOND_NS, Clock
from drivers.position import Fix, NoFix, Position, PositionMessage

SOURCE = "simulated"
START_LAT_DEG, START_LON_DEG = 30.2741, 120.1551
"""West of a lake in Hangzhou; nobody is meant."""
METRES_PER_DEGREE = 111_320.0
WALK_RADIUS_M = 30.0
ROUND_S = 180.0
"""About 1.4 m/s on the way."""
UTC_ERROR_US = 10_000
"""In the simulated world UTC is this machine's clock; what is left is the time between two reads of it."""
FOR_GOOD_NS = 1 << 63


class Options(PositionSection, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The configuration's [position]."""


def make(options: Options, clock: Clock) -> Position:
    """The source that the options describe."""
    return SimulatedPosition(options, clock)


class SimulatedPosition:
    """Walks and tells."""

    def __init__(self, options: Options, clock: Clock) -> None:
        self._clock = clock
        self._interval_ns = options.interval_s * SECOND_NS
        self._lost = _lost(options, clock)

    def messages(self) -> Iterator[PositionMessage]:
        """A ``Fix`` or ``NoFix`` each interval for ever."""
        number = -(-self._clock.now_ns() // self._interval_ns)
        while True:
            capture_ns = number * self._interval_ns
            self._clock.sleep_until_ns(capture_ns)
            yield self._told(capture_ns)
            number += 1

    def close(self) -> None:
        """Nothing to give back."""

    def _told(self, capture_ns: int) -> PositionMessage:
        if any(begin <= capture_ns < end for begin, end in self._lost):
            return NoFix(capture_ns, "no satellites in view (scenario)")
        lat_e7, lon_e7, accuracy_mm = walked(capture_ns)
        utc_us = (self._clock.utc_ns() - self._clock.now_ns() + capture_ns) // 1000
        return Fix(capture_ns, lat_e7, lon_e7, accuracy_mm, SOURCE, utc_us, UTC_ERROR_US)


def walked(capture_ns: int) -> tuple[int, int, int]:
    """(latitude, longitude in 10^-7 degrees, accuracy in mm) at a moment."""
    angle = 2 * math.pi * (capture_ns % round(ROUND_S * SECOND_NS)) / (ROUND_S * SECOND_NS)
    north_m, east_m = WALK_RADIUS_M * math.sin(2 * angle), 1.3 * WALK_RADIUS_M * math.cos(angle)
    lat = START_LAT_DEG + north_m / METRES_PER_DEGREE
    lon = START_LON_DEG + east_m / (METRES_PER_DEGREE * math.cos(math.radians(START_LAT_DEG)))
    accuracy_mm = round(4000 + 2500 * math.sin(5 * angle))
    return round(lat * 1e7), round(lon * 1e7), accuracy_mm


def _lost(options: Options, clock: Clock) -> list[tuple[int, int]]:
    """(begin, end) of each loss of fix, CLOCK_BOOTTIME in nanoseconds."""
    if not options.scenario:
        return []
    started_ns = options.scenario_started_ns or clock.now_ns()
    events = scenario.of(scenario.load(Path(options.scenario)), "position.lose")
    return [(event.begins_ns(started_ns), event.ends_ns(started_ns) or FOR_GOOD_NS) for event in events]
