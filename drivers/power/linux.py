"""Power and heat as Linux tells of them: /sys/class/power_supply, thermal zones, a Raspberry Pi's firmware.

Rules: all files of /sys lie behind one prefix; what is not there, or cannot be read now, is unknown (-1, None), never
zero; the hottest zone is the temperature. Under-voltage and throttling are the firmware's bits for *now*, not those for
"has been since boot". A machine that tells none of it has no power sensor, and says so at the start.
"""

from collections.abc import Iterator
from pathlib import Path

from config.models import Power as PowerSection
from drivers.clock import SECOND_NS, Clock
from drivers.errors import PowerUnmeasured
from drivers.power import Power, PowerFigures, PowerMessage

SYS = Path("/sys")
UNKNOWN = -1
FIRMWARE = "devices/platform/soc/soc:firmware/get_throttled"
UNDER_VOLTAGE, HELD_BACK = 0x1, 0x2 | 0x4 | 0x8
"""Bits of the firmware's word: voltage low; frequency capped, throttled, soft temperature limit."""
UV_PER_MV, S_PER_MIN, PERMILLE_PER_PERCENT = 1000, 60, 10


class Options(PowerSection, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The configuration's [power]."""


def make(options: Options, clock: Clock, sys: Path = SYS) -> Power:
    """What this machine measures."""
    return LinuxPower(options, clock, sys)


class LinuxPower:
    """Reads once an interval."""

    def __init__(self, options: Options, clock: Clock, sys: Path) -> None:
        self._clock, self._sys = clock, sys
        self._interval_ns = options.interval_s * SECOND_NS

    def messages(self) -> Iterator[PowerMessage]:
        """A ``PowerFigures`` each interval, for ever."""
        if not self._measures():
            raise PowerUnmeasured(
                f"no battery, no thermal zone and no firmware below {self._sys} tells anything; remove [power]"
            )
        number = -(-self._clock.now_ns() // self._interval_ns)
        while True:
            self._clock.sleep_until_ns(number * self._interval_ns)
            yield self._figures()
            number = max(number + 1, self._clock.now_ns() // self._interval_ns)

    def close(self) -> None:
        """Nothing is held."""

    def _measures(self) -> bool:
        return bool(self._battery() or self._zones() or (self._sys / FIRMWARE).exists())

    def _figures(self) -> PowerFigures:
        capture_ns, battery = self._clock.now_ns(), self._battery()
        percent = _number(battery, "capacity")
        voltage_uv = _number(battery, "voltage_now")
        left_s = _number(battery, "time_to_empty_now", "time_to_empty_avg")
        word = _hexadecimal(self._sys / FIRMWARE)
        temperatures = [degrees for zone in self._zones() if (degrees := _read(zone / "temp")) is not None]
        return PowerFigures(
            capture_ns=capture_ns,
            charge_permille=UNKNOWN if percent is None else min(max(percent, 0), 100) * PERMILLE_PER_PERCENT,
            voltage_mv=UNKNOWN if voltage_uv is None else voltage_uv // UV_PER_MV,
            minutes_left=UNKNOWN if not left_s else left_s // S_PER_MIN,
            under_voltage=bool(word & UNDER_VOLTAGE),
            throttled=bool(word & HELD_BACK),
            temperature_mdeg=max(temperatures, default=None),
        )

    def _battery(self) -> Path | None:
        """The first battery of the device itself; one in a mouse says ``scope`` Device."""
        for folder in sorted((self._sys / "class/power_supply").glob("*")):
            if _text(folder / "type") == "Battery" and _text(folder / "scope") != "Device":
                return folder
        return None

    def _zones(self) -> list[Path]:
        return sorted((self._sys / "class/thermal").glob("thermal_zone*"))


def _number(folder: Path | None, *names: str) -> int | None:
    """Of the first file that has one."""
    numbers = [_read(folder / name) for name in names] if folder else []
    return next((number for number in numbers if number is not None), None)


def _read(path: Path) -> int | None:
    try:
        return int(_text(path))
    except ValueError:
        return None


def _hexadecimal(path: Path) -> int:
    """0, nothing wrong, where no firmware tells."""
    try:
        return int(_text(path) or "0", 16)
    except ValueError:
        return 0


def _text(path: Path) -> str:
    """Empty where it is not there or cannot be read: gauges that are busy answer with an error."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
