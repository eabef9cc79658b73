"""A position source: where the device was, how surely, and what the satellites say the time is.

The Protocol and the messages only; ``simulated`` and the real drivers stand beside it. A source without a fix
says so about once a second: silence means a broken source, ``NoFix`` an honest one under a roof.
"""

from collections.abc import Iterator
from typing import Protocol

from drivers import Counter, Fault, Log, Message


class Fix(Message, frozen=True, tag="position.fix"):
    """One position."""

    capture_ns: int
    """CLOCK_BOOTTIME for which the position holds."""
    lat_e7: int
    lon_e7: int
    """WGS 84 degrees times 10^7."""
    accuracy_mm: int
    """Radius of about 68 %, millimetres."""
    source: str
    """For instance ``gnss`` or ``simulated``."""
    utc_us: int
    """UTC at ``capture_ns``, microseconds since 1970."""
    utc_error_us: int
    """Bound of its error."""


class NoFix(Message, frozen=True, tag="position.none"):
    """The source works and knows no position."""

    capture_ns: int
    reason: str


PositionMessage = Fix | NoFix | Fault | Counter | Log


class Position(Protocol):
    """A source of positions."""

    def messages(self) -> Iterator[PositionMessage]:
        """Open the device and give its messages as they arise.

        Raises ``drivers.errors.DriverError`` for what a person must mend.
        """
        ...

    def close(self) -> None:
        """Give the device back; may be called twice, and without ``messages`` having run."""
        ...
