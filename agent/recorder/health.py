"""How the sensors are: who is down, who fell silent, whose packets cannot be used, how many frames were late.

Pure state without a session; what an entry says about it, and what an interruption covers, is the recorder's.
"""

from collections.abc import Iterable

from agent.recorder.messages import Sensor
from agent.recorder.timeline import NS_PER_MS

ALL: tuple[Sensor, ...] = ("camera", "microphone", "position")


FIRST_PAUSE_NS, MOST_PAUSE_NS = 20_000_000_000, 300_000_000_000
"""Opening takes a camera a second or two, a receiver without sky up to half a minute to say its first word."""


class Health:
    """Of the configured ``sensors``; each is down until it is heard. A position source speaks less often."""

    def __init__(self, sensors: Iterable[str], silent_ms: int, position_silent_ms: int, now_ns: int) -> None:
        self.down: dict[str, bool] = dict.fromkeys(sensors, True)
        self.overruns = 0
        """Late frames in all."""
        self.unusable: set[Sensor] = set()
        """Sensors whose last packet could not be used, which was told."""
        self._faults: dict[str, str] = {}
        """What was told of a sensor that does not work."""
        self._silent_ns = dict.fromkeys(ALL, silent_ms * NS_PER_MS)
        self._silent_ns["position"] = position_silent_ms * NS_PER_MS
        self._heard_ns: dict[str, int] = dict.fromkeys(sensors, now_ns)
        self._again_ns: dict[str, int] = {}
        """When a silent sensor's process is ended, if nothing came by then; and how long is waited after that."""
        self._pause_ns: dict[str, int] = {}
        self._counted = 0
        """Late frames as the camera's process that runs now counts them."""

    def heard(self, sensor: Sensor, now_ns: int) -> None:
        """It sent something: it is there."""
        self.down[sensor], self._heard_ns[sensor] = False, now_ns
        self._faults.pop(sensor, None)
        self._again_ns.pop(sensor, None)
        self._pause_ns.pop(sensor, None)

    def ended(self, sensor: Sensor) -> None:
        """Its process ended; the next one counts from zero."""
        self.down[sensor] = True
        if sensor == "camera":
            self._counted = 0

    def slept(self, length_ns: int) -> None:
        """The machine slept so long: no sensor is to blame for that silence."""
        self._heard_ns = {sensor: heard_ns + length_ns for sensor, heard_ns in self._heard_ns.items()}

    def fell_silent(self, now_ns: int) -> list[Sensor]:
        """Drivers give no error when a camera or a sound server hangs: who has sent nothing for too long."""
        silent = [s for s in ALL if not self.down.get(s, True) and self._heard_ns[s] < now_ns - self._silent_ns[s]]
        for sensor in silent:
            self._again_ns[sensor] = now_ns
        return silent

    def hanging(self, now_ns: int) -> list[Sensor]:
        """Whose process is there and says nothing, and is to be ended now: at once when it fell silent, then with
        growing pauses, since a device that takes long to open must not be kept from it."""
        found: list[Sensor] = []
        for sensor in ALL:
            if self.down.get(sensor, False) and now_ns >= self._again_ns.setdefault(sensor, now_ns + FIRST_PAUSE_NS):
                pause_ns = self._pause_ns.get(sensor, FIRST_PAUSE_NS)
                self._again_ns[sensor] = now_ns + pause_ns
                self._pause_ns[sensor] = min(2 * pause_ns, MOST_PAUSE_NS)
                found.append(sensor)
        return found

    def first_unusable(self, sensor: Sensor) -> bool:
        """A packet of it cannot be used: whether that is news."""
        if sensor in self.unusable:
            return False
        self.unusable.add(sensor)
        return True

    def first_fault(self, sensor: Sensor, kind: str) -> bool:
        """It tells of a fault: whether that is news, or what each try to open it says again."""
        told, self._faults[sensor] = self._faults.get(sensor), kind
        return told != kind

    def count_late(self, value: int) -> int:
        """The camera's count of late frames: how many are new."""
        late, self._counted = max(0, value - self._counted), value
        self.overruns += late
        return late

    def words(self) -> dict[str, str]:
        """``up`` or ``down`` for each sensor."""
        return {sensor: "down" if down else "up" for sensor, down in sorted(self.down.items())}
