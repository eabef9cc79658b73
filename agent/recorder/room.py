"""Room on the card as the recorder sees it: how long it lasts, and a stop by the book at the reserve (R19b).

Pure. ``Room`` owns the forecast and the volume's identity; it gives entries, events, and whether recording must stand
still or may go on. Leaves to others: the rule itself (``keeping``), stopping and going on (``recorder``).
"""

from dataclasses import dataclass
from typing import Literal

from agent.evidence import entries as e
from agent.recorder import messages as m
from agent.recorder.keeping import GoOnRecording, Keeping, KeepSettings, LevelChanged, Load, ShiftTooLong, StopRecording
from agent.recorder.timeline import NS_PER_US
from drivers import Fault, Log
from drivers.storage import StorageFigures, StorageMessage, VolumeFound

Turn = Literal["", "stop", "go_on"]


@dataclass(slots=True)
class Seen:
    """What follows from what a probe said."""

    out: list[m.Draft | m.Effect]
    turn: Turn = ""
    text: str = ""


class Room:
    """``preallocated_bytes`` of the open segment count as free until they are written; without them the forecast is
    short by at most one segment."""

    def __init__(self, settings: KeepSettings, load: Load) -> None:
        self._keeping, self._preallocated_bytes = Keeping(settings, load), load.preallocated_bytes
        self._known = False
        """The volume has said how much room it has."""
        self._volume: VolumeFound | None = None

    @property
    def may_record(self) -> bool:
        """False at the reserve."""
        return self._keeping.may_record

    @property
    def left_min(self) -> int:
        """Minutes of recording that there is room for; -1 while nobody has looked."""
        return self._keeping.left_min if self._known else -1

    def written(self, written: m.Written) -> None:
        """A flush reached the disk: by such the rate is measured."""
        if written.media_us > 0:
            self._keeping.rate.add(written.bytes, written.media_us * NS_PER_US)

    def heard(self, message: StorageMessage) -> Seen:
        """What the probe of the spool's volume says."""
        match message:
            case StorageFigures():
                return self._look(message)
            case VolumeFound():
                return self._found(message)
            case Fault() | Log():
                return Seen([m.Event("log", f"storage: {message.text}")])
        return Seen([])

    def _found(self, volume: VolumeFound) -> Seen:
        """The original carrier must be known (R17): which one it is, is an entry, each time that it is another."""
        if volume == self._volume:
            return Seen([])
        self._volume = volume
        entry = e.Volume(
            place="spool",
            serial=volume.serial,
            model=volume.model,
            file_system=volume.file_system,
            file_system_id=volume.file_system_id,
            size_bytes=volume.size_bytes,
        )
        return Seen([m.Draft(entry), m.Event("volume", volume.file_system, value=volume.size_bytes)])

    def _look(self, figures: StorageFigures) -> Seen:
        self._known = True
        seen = Seen([])
        # What a stop gives back by itself is no room to go on with.
        given_back = 0 if self.may_record else self._preallocated_bytes
        for decision in self._keeping.look(figures.free_bytes - given_back):
            match decision:
                case LevelChanged():
                    text = f"room for {decision.left_min} min of recording"
                    seen.out.append(m.Event(f"storage.{decision.level}", text, value=decision.left_min))
                    if decision.level != "enough":
                        seen.out.append(m.Draft(e.Fault(part="storage", kind=f"room.{decision.level}", text=text)))
                case ShiftTooLong():
                    text = f"room for {decision.left_min} min, the shift has {decision.shift_left_min}"
                    seen.out.append(m.Event("storage.shift", text, value=decision.left_min))
                case StopRecording():
                    seen.turn, seen.text = "stop", decision.text
                case GoOnRecording():
                    seen.turn = "go_on"
                case _:  # nothing may be deleted before the store's receipts come in
                    continue
        return seen
