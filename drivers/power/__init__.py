"""Power and heat of the device: battery, supply voltage, temperature, and whether the processor is held back.

The Protocol and the message only; ``simulated`` and the real drivers stand beside it. Under-voltage and throttling
come and go within a second and are what a dying card or camera is blamed for, so they are told once a second, both as
they are now and never as a memory of what has been. What the device has no sensor for is -1 (None for the
temperature), never zero: a battery that nobody can measure is not an empty one.
"""

from collections.abc import Iterator
from typing import Protocol

from drivers import Counter, Fault, Log, Message


class PowerFigures(Message, frozen=True, tag="power.figures"):
    """How it stands with power and heat."""

    capture_ns: int
    """CLOCK_BOOTTIME of the reading."""
    charge_permille: int
    """Of a full battery, 0 to 1000; -1: there is none, or nothing measures it."""
    voltage_mv: int
    """Of the battery, or of the supply where there is none; -1: nothing measures it."""
    minutes_left: int
    """At what is drawn now, as the battery's gauge forecasts it; -1: unknown, or it is being charged."""
    under_voltage: bool
    """The supply does not hold its voltage: cards and cameras fail of it."""
    throttled: bool
    """The processor runs slower than it could, for heat or for want of voltage."""
    temperature_mdeg: int | None
    """Of the processor, thousandths of a degree Celsius."""


PowerMessage = PowerFigures | Fault | Counter | Log


class Power(Protocol):
    """What measures power and heat."""

    def messages(self) -> Iterator[PowerMessage]:
        """Open the sensors and give their figures as they arise.

        Raises ``drivers.errors.DriverError`` for what a person must mend.
        """
        ...

    def close(self) -> None:
        """Give the sensors back; may be called twice, and without ``messages`` having run."""
        ...
