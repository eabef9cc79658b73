"""Moments: a boot's CLOCK_BOOTTIME to UTC by the device's ``clock`` entries, and back.

UTC is an interpretation (R16c): each ``clock`` entry ties one moment of one boot to UTC, with a source and an error
bound. A moment is converted by the entry of its boot that lies nearest; a boot without one has no UTC.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from agent.evidence.entries import Clock

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_UTC_US = 253_402_300_799_000_000


class MomentMalformed(Exception):
    """The text is neither RFC 3339 with an offset nor +SECONDS."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A moment that the user named: UTC, or seconds from the session's start; exactly one is set."""

    utc_us: int | None = None
    since_start_us: int | None = None


def parse_moment(text: str) -> Wanted:
    """``2026-03-01T08:30:00+08:00`` or ``+90`` (seconds, a fraction is allowed); raises ``MomentMalformed``."""
    try:
        if text.startswith("+"):
            if not text[1:2].isdecimal():
                raise ValueError("seconds from the start are never negative")
            return Wanted(since_start_us=round(float(text[1:]) * 1_000_000))
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        raise MomentMalformed(f"{text!r} is no moment: write 2026-03-01T08:30:00+08:00, or +SECONDS") from error
    if moment.tzinfo is None:
        raise MomentMalformed(f"{text!r} lacks its offset from UTC: add Z, or +08:00")
    return Wanted(utc_us=(moment - EPOCH) // timedelta(microseconds=1))


def rfc3339(utc_us: int | None) -> str | None:
    """UTC text with milliseconds, None where the moment is unknown or out of any calendar."""
    if utc_us is None or not 0 <= utc_us <= MAX_UTC_US:
        return None
    return (EPOCH + timedelta(microseconds=utc_us)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Clocks:
    """The ``clock`` entries of a device, by boot."""

    def __init__(self, entries: Iterable[tuple[int, Clock]]) -> None:
        """``entries``: boot ordinal and entry."""
        self.by_boot: dict[int, list[Clock]] = {}
        for boot, entry in entries:
            if entry.source != "none":
                self.by_boot.setdefault(boot, []).append(entry)

    def governing(self, boot: int, boot_us: int) -> Clock | None:
        """The entry of that boot nearest to the moment."""
        return min(self.by_boot.get(boot, []), key=lambda entry: abs(entry.at_us - boot_us), default=None)

    def utc_us(self, boot: int, boot_us: int) -> int | None:
        entry = self.governing(boot, boot_us)
        return None if entry is None else entry.utc_us + boot_us - entry.at_us

    def boot_us(self, boot: int, utc_us: int) -> int | None:
        """CLOCK_BOOTTIME (µs) of a UTC moment in a boot, by the entry nearest to it; None without any."""
        nearest = min(self.by_boot.get(boot, []), key=lambda entry: abs(entry.utc_us - utc_us), default=None)
        return None if nearest is None else nearest.at_us + utc_us - nearest.utc_us
