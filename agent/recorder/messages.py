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

Sensor = Literal["camera", "microphone", "position"]
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


class SensorDown(Struct):
    """A sensor's child ended or was ended; another will be started."""

    sensor: Sensor
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


class Shutdown(Struct):
    """SIGTERM: flush, close the segment, leave the session interrupted (invariant 4)."""


Message = (
    Written
    | WriteFailed
    | Tick
    | Suspended
    | Trouble
    | Heard
    | SensorDown
    | Start
    | Stop
    | MarkNow
    | Important
    | AnnotateSession
    | Issue
    | ClockReading
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


class Finished(Struct):
    """After ``Shutdown``: everything is handed over and acknowledged."""


Effect = Handover | Event | Finished
