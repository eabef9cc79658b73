"""What the recorder's threads say to each other: plain facts, no behaviour.

Into the recorder come what sensors said (``Heard``, ``SensorDown``), what people asked (``Start`` and the
others) and what the writer acknowledges. Out of it come ``Handover`` (ordered items for the writer) and
``Event`` (for lamp, voice and the local API).
"""

from typing import Literal

from msgspec import Struct

from agent.evidence.entries import Accuracy, Entry, StageRange, TrackFormat, TrackSpan
from drivers.camera import CameraMessage
from drivers.microphone import MicrophoneMessage
from drivers.position import PositionMessage
from drivers.power import PowerMessage
from drivers.signals import Pattern, SignalsMessage
from drivers.storage import StorageMessage

Sensor = Literal["camera", "microphone", "position"]
Child = Literal["camera", "microphone", "position", "signals", "power", "storage"]
"""What runs in a process of its own."""
SensorMessage = CameraMessage | MicrophoneMessage | PositionMessage

# --- items for the writer, in order --------------------------------------------------------------------


class Draft(Struct):
    """An entry without its place in the stream; ``private`` is sealed into it by the writer."""

    entry: Entry
    private: str = ""


class SegmentStart(Struct):
    """The next fragments belong into a new file that begins with ``init``."""

    session: str
    cause: Literal["start", "length", "parameters", "encoder", "resume", "after_error", "after_drop"]
    init: bytes
    tracks: list[TrackFormat]
    officer: str
    important: bool
    utc_us: int


class MediaFragment(Struct):
    """One moof and its mdat (with the emsg boxes before), and what lies in it."""

    session: str
    parts: list[bytes]
    """Its bytes, as ``mp4.fragment_parts`` gives them."""
    spans: list[TrackSpan]
    key: bool
    """A decoder can begin here: the first video sample is a key frame, or there is no video."""
    fix: bool
    accuracy: Accuracy
    arrived_ns: int
    """When the oldest of its packets reached the recorder."""


class SegmentEnd(Struct):
    """Close the open file."""

    session: str


Item = Draft | SegmentStart | MediaFragment | SegmentEnd

# --- from the writer ----------------------------------------------------------------------------------


class Written(Struct):
    """A flush returned from its last sync."""

    fragments: int
    """How many more fragments are attested now, counted from the oldest."""
    size: int
    """Entries in the journal."""
    lag_ms: int
    bytes: int = 0
    """That this flush wrote, media and journal."""
    media_us: int = 0
    """How much recording it attested."""
    unbound: list[tuple[str, int]] = []
    """Sessions and numbers of interruptions whose spoken reason could not be bound: its sound is not all attested."""
    terms: list[Entry] = []
    """Entries that change a session's term (``deadline.KINDS``) and are in the journal now."""


class WriteFailed(Struct):
    """A flush could not be done; everything is kept and tried again."""

    part: Literal["storage", "journal"]
    text: str


class Tick(Struct):
    """Time passed."""


class Suspended(Struct):
    """The machine slept between two moments of CLOCK_BOOTTIME: awake at the first, awake again at the second."""

    from_ns: int
    until_ns: int


class Trouble(Struct):
    """The recorder's own surroundings do not work; told once as a ``fault`` entry."""

    kind: str
    text: str


# --- from sensors -------------------------------------------------------------------------------------


class Heard(Struct):
    """A sensor's child said something."""

    sensor: Sensor
    message: SensorMessage


class SignalsHeard(Struct):
    """The speaker's child said something."""

    message: SignalsMessage


class StorageHeard(Struct):
    """The probe of the spool's volume said something."""

    message: StorageMessage


class PowerHeard(Struct):
    """What measures power and heat said something."""

    message: PowerMessage


class SensorDown(Struct):
    """A sensor's child ended or was ended; another will be started."""

    sensor: Child
    text: str


# --- from people --------------------------------------------------------------------------------------


class Start(Struct):
    """Begin a session (R14a)."""

    pressed_ns: int
    power: str = "inspection"
    private: str = ""


class Stop(Struct):
    """End the session; only this does (invariant 4)."""

    pressed_ns: int


class MarkNow(Struct):
    at_ns: int
    label: str = "mark"


class Important(Struct):
    important: bool


class AnnotateSession(Struct):
    """R2: ``session`` empty means the open one, or, where none is open, the next one."""

    session: str = ""
    power: str = ""
    ranges: list[StageRange] = []
    officers: list[str] = []
    private: str = ""
    important: Literal["", "yes", "no"] = ""
    """Marked as important, or no longer; empty: nothing is said of it."""


class Explain(Struct):
    """The officer's press: the spoken reason begins, or ends (R19b)."""

    pressed_ns: int


class ExplainInWriting(Struct):
    """A written reason, where the microphone is what failed; or more to one that was given (``addendum``)."""

    session: str
    interruption: int
    text: str
    addendum: bool = False


class AlarmReported(Struct):
    """The officer has reported to the unit head (R19c): of one alarm, or (-1) of all that wait for it."""

    at_ns: int
    how: Literal["phone", "radio", "person", "other"]
    private: str = ""
    """To whom, and what was said."""
    alarm: int = -1


class AlarmAcknowledged(Struct):
    """Somebody at the device has taken note of an alarm, by name."""

    alarm: int
    by: str
    """Certificate number."""
    private: str
    """The name."""


class StatementGiven(Struct):
    """The written statement on what an alarm tells of, finished by a person."""

    session: str
    alarm: int
    text: str
    language: Literal["zh", "en"] = "zh"


class Issue(Struct):
    """The device is assigned, handed over or returned (R20a)."""

    how: Literal["assign", "handover", "return"]
    officer: str = ""
    private: str = ""


class ClockReading(Struct):
    """UTC as the system, or a receiver, knows it."""

    at_ns: int
    utc_us: int
    source: Literal["gnss", "ntp", "rtc", "none"]
    error_us: int


class CheckNow(Struct):
    """Check the device before use (R19a); how it went is a ``check`` entry and an event."""


class Shutdown(Struct):
    """SIGTERM: flush, close the segment, leave the session interrupted (invariant 4)."""


Message = (
    Written
    | WriteFailed
    | Tick
    | Suspended
    | Trouble
    | Heard
    | SignalsHeard
    | StorageHeard
    | PowerHeard
    | SensorDown
    | Start
    | Stop
    | MarkNow
    | Important
    | AnnotateSession
    | Explain
    | ExplainInWriting
    | AlarmReported
    | AlarmAcknowledged
    | StatementGiven
    | Issue
    | ClockReading
    | CheckNow
    | Shutdown
)

# --- out of the recorder ------------------------------------------------------------------------------


class Handover(Struct):
    """The writer's next work; there is never more than one unacknowledged."""

    items: list[Item]
    handed_ns: int
    oldest_ns: int = -1
    """When the oldest live packet in it reached the recorder; -1: none, pre-record only."""
    next_ns: int = 0
    """When the next hand-over is due."""
    whole: bool = False
    """The pre-record ends here: nothing of it, or behind it, may wait for a chunk to fill."""


class Event(Struct):
    """Something that people or programs should know at once."""

    name: str
    text: str = ""
    session: str = ""
    value: int = 0


class Say(Struct):
    """Words for the officer; ``Said`` or ``NotSaid`` with the same number follows."""

    number: int
    text: str
    language: Literal["zh", "en"]
    pattern: Pattern = "ask"
    """Shown by lamp and vibration where the words cannot be said."""
    until_ns: int = 0
    """CLOCK_BOOTTIME by which it must have been said, or not at all; 0: whenever."""


class Detect(Struct):
    """The microphone's process shall look for speech, or need not."""

    on: bool


class Restart(Struct):
    """A sensor's process hangs: it shall be ended, and another started."""

    sensor: Sensor


class Trial(Struct):
    """The volume's probe shall make a trial write."""


class Finished(Struct):
    """After ``Shutdown``: everything is handed over and acknowledged."""


Effect = Handover | Event | Say | Detect | Restart | Trial | Finished
