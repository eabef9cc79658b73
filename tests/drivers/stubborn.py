"""Drivers that no device has: for what a sensor's process does with commands when its driver does not do as it should.

``python -P -m tests.drivers.stubborn FD`` is such a process; its options name the driver.
"""

import sys
import time
from collections.abc import Iterator

from msgspec import Struct

from drivers import Command, Log, child
from drivers.clock import Clock
from drivers.errors import MicrophoneGone


class Options(Struct):
    """How it is stubborn: ``deaf``, ``loud``, ``stuck``, ``failing``, ``refusing``."""

    driver: str


def make(options: Options, clock: Clock) -> "Deaf":
    """The driver of that name."""
    return STUBBORN[options.driver](clock)


class Deaf:
    """Takes no commands; says every 20 ms that it is there."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def messages(self) -> Iterator[Log]:
        """For ever."""
        while True:
            yield Log("here")
            self._clock.sleep_until_ns(self._clock.now_ns() + 20_000_000)

    def close(self) -> None:
        """Nothing to give back."""


class Loud(Deaf):
    """Says more than a link holds."""

    def messages(self) -> Iterator[Log]:
        """For ever, as fast as it is read."""
        while True:
            yield Log("here" * 100_000)


class Stuck(Deaf):
    """Never comes back from its first command."""

    def command(self, message: Command) -> None:
        """Hangs."""
        time.sleep(3600)


class Failing(Deaf):
    """Has a mistake in it."""

    def command(self, message: Command) -> None:
        """Fails."""
        raise ZeroDivisionError("a mistake")


class Refusing(Deaf):
    """Finds its device gone."""

    def command(self, message: Command) -> None:
        """Says so."""
        raise MicrophoneGone("plug it in")


STUBBORN = {"deaf": Deaf, "loud": Loud, "stuck": Stuck, "failing": Failing, "refusing": Refusing}

if __name__ == "__main__":
    child.DRIVERS = {"stubborn": dict.fromkeys(STUBBORN, "tests.drivers.stubborn")}
    sys.exit(child.main(["stubborn", sys.argv[1]]))
