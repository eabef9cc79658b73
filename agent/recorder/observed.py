"""What the device's parts have said of themselves lately: the facts of a check (R19a). Pure state without a session.

The recorder passes on what its children say; only figures and counts are kept, never pixels or sound. Rules: what is
older than its part needs to speak again is not known; a trial write counts only for the check that asked for it; a
picture rate is told from whole seconds only.

Leaves to others: clock, room, keys, journal and what is owed, which the recorder knows; the verdict (``checkup``).
"""

from collections import deque
from collections.abc import Collection, Iterable, Mapping

from agent.evidence import entries as e
from agent.recorder.checkup import CheckFacts, Picture, Place, Sound, Speaker, Writing
from agent.recorder.timeline import NS_PER_S
from drivers.camera import CameraParameters, VideoPacket
from drivers.microphone import SoundFigures
from drivers.position import Fix, NoFix
from drivers.power import PowerFigures
from drivers.signals import NotSaid, Said
from drivers.storage import StorageFigures, VolumeFound

COUNTED_S = 5
"""Whole seconds of pictures that a rate is told from."""
ARRIVING_S = 1
"""By then all pictures of a second have come: an encoder holds two, a link a few more."""
LEVELS = 4
"""Blocks of sound of which the loudest counts: two seconds."""
SOUND_OLD_NS = 3 * NS_PER_S
POWER_OLD_NS = 120 * NS_PER_S
"""Twice the longest interval of a reading."""
PLACE_OLD_NS = 120 * NS_PER_S

ITEMS_OF: Mapping[str, tuple[e.CheckName, ...]] = {
    "camera": ("picture", "picture_rate"),
    "microphone": ("sound",),
    "position": ("position",),
    "signals": ("speaker",),
    "power": ("battery", "temperature"),
}
"""What is not looked for on a device without such a part."""


def absent(parts: Collection[str]) -> frozenset[e.CheckName]:
    """Items of the parts that a device with ``parts`` does not have."""
    return frozenset([name for part, names in ITEMS_OF.items() if part not in parts for name in names])


class Observed:
    """Of a device with ``parts`` (camera, microphone, position, signals, power, storage)."""

    def __init__(self, parts: Collection[str], position_required: bool) -> None:
        self._parts, self._position_required = frozenset(parts), position_required
        self._seconds: dict[int, int] = {}
        """Pictures captured in each whole second of CLOCK_BOOTTIME; only the newest are kept."""
        self._wanted_mfps = -1
        self._levels: deque[int] = deque(maxlen=LEVELS)
        self._level_ns = 0
        self._fix: tuple[int, Fix | NoFix] | None = None
        """The newest, and when it came."""
        self._power: tuple[int, PowerFigures] | None = None
        self._storage: StorageFigures | None = None
        self._trial: tuple[int, StorageFigures] | None = None
        self._storage_gone = ""
        self._said: Speaker | None = None

    # --- what came ------------------------------------------------------------------------------------------

    def heard(self, message: object, now_ns: int) -> None:
        """Any message of any child; most say nothing here."""
        match message:
            case CameraParameters():
                self._seconds.clear()
                self._wanted_mfps = message.fps_num * 1000 // max(1, message.fps_den)
            case SoundFigures():
                self._levels.append(message.level_cdb)
                self._level_ns = now_ns
            case Fix() | NoFix():
                self._fix = now_ns, message
            case PowerFigures():
                self._power = now_ns, message
            case VolumeFound():
                self._storage_gone = ""
            case StorageFigures():
                self._take_storage(message, now_ns)
            case Said():
                self._said = Speaker()
            case NotSaid():
                self._said = Speaker(message.text)
            case _:
                return

    def pictures(self, packets: Iterable[object]) -> None:
        """Packets of a camera, among whatever else."""
        for packet in packets:
            if isinstance(packet, VideoPacket):
                second = packet.capture_ns // NS_PER_S
                self._seconds[second] = self._seconds.get(second, 0) + 1
        while len(self._seconds) > 2 * COUNTED_S:
            del self._seconds[min(self._seconds)]

    def gone(self, part: str, text: str) -> None:
        """A child ended: what it said counts no more."""
        if part == "camera":
            self._seconds.clear()
        elif part == "microphone":
            self._levels.clear()
        elif part == "position":
            self._fix = None
        elif part == "power":
            self._power = None
        elif part == "storage":
            self._storage, self._storage_gone = None, text
        elif part == "signals":
            self._said = Speaker(text)

    def asked(self) -> None:
        """A check begins: the speaker is to answer anew."""
        self._said = None

    # --- what is known --------------------------------------------------------------------------------------

    def facts(
        self, down: Mapping[str, bool], impaired: Collection[e.ImpairmentKind], since_ns: int, now_ns: int
    ) -> CheckFacts:
        """Of the device's parts. ``down``: by sensor; ``impaired``: what stands; ``since_ns``: when the check began."""
        kinds = frozenset(impaired)
        return CheckFacts(
            picture=self._picture(not down.get("camera", True), kinds, now_ns),
            sound=self._sound(not down.get("microphone", True), kinds, now_ns),
            speaker=self._said if "signals" in self._parts else None,
            place=self._place(not down.get("position", True), now_ns),
            writing=self._writing(since_ns),
            power=self._power[1] if self._power and now_ns - self._power[0] <= POWER_OLD_NS else None,
            absent=absent(self._parts),
        )

    def _picture(self, up: bool, impaired: frozenset[e.ImpairmentKind], now_ns: int) -> Picture | None:
        if "camera" not in self._parts:
            return None
        return Picture(up, impaired, self._rate_mfps(now_ns), self._wanted_mfps)

    def _rate_mfps(self, now_ns: int) -> int:
        """Of the last whole seconds behind the first one that had a picture; -1 where there is none yet."""
        if not self._seconds:
            return -1
        until = now_ns // NS_PER_S - ARRIVING_S
        seconds = range(max(min(self._seconds) + 1, until - COUNTED_S), until)
        if not seconds:
            return -1
        return sum([self._seconds.get(second, 0) for second in seconds]) * 1000 // len(seconds)

    def _sound(self, up: bool, impaired: frozenset[e.ImpairmentKind], now_ns: int) -> Sound | None:
        if "microphone" not in self._parts:
            return None
        fresh = self._levels and now_ns - self._level_ns <= SOUND_OLD_NS
        return Sound(up, impaired, max(self._levels) if fresh else None)

    def _place(self, up: bool, now_ns: int) -> Place | None:
        if "position" not in self._parts:
            return None
        if self._fix is None or now_ns - self._fix[0] > PLACE_OLD_NS or isinstance(self._fix[1], NoFix):
            return Place(up, required=self._position_required)
        return Place(up, True, self._fix[1].accuracy_mm, self._position_required)

    def _writing(self, since_ns: int) -> Writing | None:
        if self._storage_gone:
            return Writing(error=self._storage_gone)
        if self._storage is None:
            return None
        trial = self._trial[1] if self._trial and self._trial[0] >= since_ns else None
        if trial is None:
            return Writing(self._storage.read_only)
        return Writing(self._storage.read_only, trial.write_us, trial.error)

    def _take_storage(self, figures: StorageFigures, now_ns: int) -> None:
        self._storage, self._storage_gone = figures, ""
        if figures.write_us >= 0 or figures.error:
            self._trial = now_ns, figures
