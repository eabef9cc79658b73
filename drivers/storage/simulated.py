"""The simulated volume: a card that fills up as if it were recorded on, and fails as the scenario says.

``storage.fill`` no room is left   ``storage.readonly`` nothing can be written   ``storage.slow`` a write takes 3 s
``storage.fail`` a write fails (EIO)   ``storage.pull`` the card is not there: the driver ends with ``storage.gone``

Each lasts ``for_s``, for good where that is left out. All is a function of the moment, so that a process that is
started again finds the same card; it holds no bytes, and what is recorded does not fill it.
"""

from collections.abc import Iterator
from pathlib import Path
from threading import Event

from config.models import Storage as StorageSection
from drivers import Command, scenario
from drivers.clock import SECOND_NS, Clock
from drivers.errors import StorageGone
from drivers.storage import Measure, Storage, StorageFigures, StorageMessage, VolumeFound

FILL, READ_ONLY, SLOW, FAIL, PULL = "storage.fill", "storage.readonly", "storage.slow", "storage.fail", "storage.pull"
WORDS = (FILL, READ_ONLY, SLOW, FAIL, PULL)
TOTAL_BYTES = 64_000_000_000
BYTES_PER_S = 550_000
"""4 Mbit/s of picture, sound, and what belongs to them."""
WRITE_US, SLOW_US = 9_000, 3_000_000
VOLUME = VolumeFound(
    "SIM00000001", "simulated card", "xfs", "00000000-0000-4000-8000-000000000001", "sim0", TOTAL_BYTES
)
NOT_MEASURED = -1
NS_PER_US = 1_000


class Options(StorageSection, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The configuration's [storage], and the spool's folder, which is not looked at."""

    spool: str = ""


def make(options: Options, clock: Clock) -> Storage:
    """The card that the options describe."""
    return SimulatedStorage(options, clock)


class SimulatedStorage:
    """Tells of a card that is not there."""

    def __init__(self, options: Options, clock: Clock) -> None:
        self._clock = clock
        self._interval_ns = options.look_s * SECOND_NS
        self._started_ns = options.scenario_started_ns or clock.now_ns()
        self._events = scenario.of(scenario.load(Path(options.scenario)) if options.scenario else [], *WORDS)
        self._wanted = Event()

    def messages(self) -> Iterator[StorageMessage]:
        """The volume, then figures each interval, until it is pulled."""
        number = -(-self._clock.now_ns() // self._interval_ns)
        self._refuse_pulled()
        yield VOLUME
        while True:
            self._clock.sleep_until_ns(number * self._interval_ns)
            self._refuse_pulled()
            yield self._figures()
            number = max(number + 1, self._clock.now_ns() // self._interval_ns)

    def command(self, message: Command) -> None:
        """The next figures come with a trial write."""
        if isinstance(message, Measure):
            self._wanted.set()

    def close(self) -> None:
        """Nothing is held."""

    def _figures(self) -> StorageFigures:
        now_ns = self._clock.now_ns()
        read_only = self._happens(READ_ONLY, now_ns)
        free = 0 if self._happens(FILL, now_ns) else self._free(now_ns)
        write_us, error = self._trial(now_ns, free, read_only) if self._wanted.is_set() else (NOT_MEASURED, "")
        self._wanted.clear()
        return StorageFigures(now_ns, free, TOTAL_BYTES, read_only, write_us, error)

    def _trial(self, now_ns: int, free_bytes: int, read_only: bool) -> tuple[int, str]:
        if read_only:
            return NOT_MEASURED, "Read-only file system"
        if self._happens(FAIL, now_ns):
            return NOT_MEASURED, "Input/output error"
        if not free_bytes:
            return NOT_MEASURED, "No space left on device"
        write_us = SLOW_US if self._happens(SLOW, now_ns) else WRITE_US
        self._clock.sleep_until_ns(now_ns + write_us * NS_PER_US)
        return write_us, ""

    def _free(self, now_ns: int) -> int:
        return max(0, TOTAL_BYTES - max(0, now_ns - self._started_ns) // SECOND_NS * BYTES_PER_S)

    def _refuse_pulled(self) -> None:
        if self._happens(PULL, self._clock.now_ns()):
            raise StorageGone("the card was pulled (scenario); put it back")

    def _happens(self, word: str, moment_ns: int) -> bool:
        return scenario.happens(self._events, word, self._started_ns, moment_ns)
