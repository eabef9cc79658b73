"""The entries of the journal: one readable union of Structs.

Every entry names its stream (``device``, or a session's id), its number ``n`` in that stream without a gap,
and the leaf hash of the stream's entry before it. A moment is a boot's ordinal plus microseconds of
CLOCK_BOOTTIME; UTC is an interpretation that ``clock`` entries give. Exact media time is in ticks of the
track's timescale. Text that names persons, cases or places stands in ``private`` and nowhere else (R10).

This module holds the shapes only. How an entry becomes a line is in ``journal``, which entry may follow which
is for the recorder to keep and for ``verify`` to check. ``entries.md`` is generated from here.
"""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

DEVICE_STREAM = "device"
MAX_ENTRY_BYTES = 65_535

Track = Literal["video", "sound", "position"]
MediaTrack = Literal["video", "sound"]
YesNo = Literal["yes", "no"]
Cause = Literal[
    "power", "process", "shutdown", "camera", "microphone", "position", "storage", "suspend", "officer_stop"
]
Accuracy = Literal["none", "coarse", "fine"]


class Private(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Text about persons, cases and places: a commitment that stays, a ciphertext that may be withheld."""

    sha256: str
    """SHA-256 over 16 secret random bytes and the UTF-8 text, unpadded base64url."""
    age: str
    """The same bytes as an age file to the segment recipients, unpadded base64url; empty where withheld."""


class TrackSpan(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What one track has in one flush."""

    track: MediaTrack
    tick: int
    """Decode time of the first sample (tfdt), in ticks of the track's timescale."""
    end_tick: int
    """Decode time after the last sample; the next span of the track starts here unless an interruption lies between."""
    count: int
    """Frames of video, packets of sound."""
    first_us: int
    """CLOCK_BOOTTIME of the first sample's capture, microseconds."""
    last_us: int
    """CLOCK_BOOTTIME at which the last sample ends, microseconds."""


class TrackFormat(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """How one track of a segment is coded."""

    track: MediaTrack
    codec: str
    """RFC 6381 codec string, for instance ``avc1.42c01f`` or ``mp4a.40.2``."""
    timescale: int
    """Ticks a second."""
    shift_ticks: int
    """Media time of presentation zero (the edit list): encoder priming, or reordering of frames."""


class StageRange(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A stage, situation or focus from one moment to another of the session (R2, R12)."""

    kind: Literal["stage", "situation", "focus"]
    id: str
    from_us: int | UnsetType = UNSET
    """Left out: from the session's start."""
    until_us: int | UnsetType = UNSET
    """Left out: to the session's end."""


class Entry(Struct, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    """What every entry carries; the writer fills stream position and salt."""

    stream: str = DEVICE_STREAM
    n: int = -1
    prev: str = ""
    salt: str = ""
    boot: int = 0
    """Ordinal of the ``boot`` entry that governs ``boot_us``."""
    boot_us: int = 0
    """CLOCK_BOOTTIME when this entry was made, microseconds."""


# --- the device's stream: no personal data -----------------------------------------------------------


class JournalBegin(Entry, tag="journal.begin"):
    """The first entry of a generation."""

    device: str
    unit: str
    generation: int
    vkey: str
    reason: Literal["new", "damage", "store"]
    previous_origin: str | UnsetType = UNSET
    previous_size: int | UnsetType = UNSET
    previous_root: str | UnsetType = UNSET
    """What the generation before had, as far as it could still be read."""


class Boot(Entry, tag="boot"):
    """A boot id seen for the first time; ``boot`` of this and all following entries is its ordinal."""

    boot_id: str


class Start(Entry, tag="start"):
    """The recorder's process came up."""

    version: str
    config_sha256: str
    recipients: list[str]
    required_tracks: list[Track]


class Clock(Entry, tag="clock"):
    """What UTC was at a moment of this boot, by which source, how far off at most (R16c)."""

    at_us: int
    """CLOCK_BOOTTIME to which ``utc_us`` belongs, microseconds."""
    utc_us: int
    """Microseconds since 1970-01-01T00:00:00Z."""
    source: Literal["gnss", "ntp", "rtc", "none"]
    error_us: int
    """Greatest error, microseconds; -1 where unknown (source none)."""


class Fault(Entry, tag="fault"):
    """Something broke, told once; what it cost a session is an interruption or impairment there."""

    part: Literal["camera", "microphone", "position", "storage", "journal", "recorder"]
    kind: str
    text: str


class Assign(Entry, tag="assign"):
    """The device is issued to an officer (R20a)."""

    private: Private


class Handover(Entry, tag="handover"):
    """The device passes from one officer to another (R20a)."""

    private: Private


class Return(Entry, tag="return"):
    """The device is given back (R20a)."""

    private: Private


class SessionBegin(Entry, tag="session.begin"):
    """A session's stream exists: its number on this device and the leaf hash of its entry 0."""

    session: str
    number: int
    leaf: str


class SessionHead(Entry, tag="session.head"):
    """How long a session's stream is: at its close and after every later addition."""

    session: str
    count: int
    leaf: str


class Aside(Entry, tag="aside"):
    """Bytes that nothing attests were moved out of the way, kept in ``aside/``."""

    file: str
    kept_as: str
    length: int
    sha256: str
    why: Literal["torn_tail", "unnamed_file", "failed_journal"]


class DeviceCarry(Entry, tag="device.carry"):
    """The device's state, repeated where a journal file begins, so that a start reads the newest file only."""

    boot_id: str
    next_session: int
    assigned: YesNo
    clock_at_us: int
    clock_utc_us: int
    clock_source: Literal["gnss", "ntp", "rtc", "none"]
    clock_error_us: int


# --- a session's stream ------------------------------------------------------------------------------


class SessionOpen(Entry, tag="session.open"):
    """A recorded act begins (R8, R14a)."""

    number: int
    pressed_us: int
    """CLOCK_BOOTTIME of the press that started it."""
    from_us: int
    """CLOCK_BOOTTIME of presentation zero: earlier than the press by the pre-record that there was."""
    prerecord_ms: int
    prerecord_sound: YesNo
    required_tracks: list[Track]
    power: str
    officer: str
    """Certificate number (行政执法证号); ``0`` where nobody is assigned."""
    items_sha256: str
    config_sha256: str
    private: Private | UnsetType = UNSET


class PrerecordWritten(Entry, tag="prerecord.written"):
    """From here on a power cut costs at most a second: all pre-record is durable, or was given up."""

    written_ms: int
    given_up_ms: int


class SegmentOpen(Entry, tag="segment.open"):
    """A media file exists; its first plaintext bytes are the init segment."""

    segment: int
    file: str
    """Path below ``segments/``."""
    cause: Literal["start", "length", "parameters", "encoder", "resume", "after_error", "after_drop"]
    init_length: int
    init_sha256: str
    recipients: list[str]
    tracks: list[TrackFormat]


class Fragment(Entry, tag="fragment"):
    """Media that is now whole on disk (invariant 1)."""

    segment: int
    index: int
    """Number of this entry in its segment, from 0."""
    tracks: list[TrackSpan]
    end: int
    """Plaintext offset after the last byte, padding included."""
    sha256: str
    """Over the plaintext from the previous end (the init's length for index 0) to ``end``."""
    sealed: int
    """Length of the sealed file at the chunk boundary that holds ``end``."""
    sealed_sha256: str
    """SHA-256 of the sealed file's first ``sealed`` bytes."""
    lag_ms: int
    """Flush time of the last completed flush: hand-over to the writer until the journal's sync returned."""
    fix: YesNo
    accuracy: Accuracy


class SegmentClose(Entry, tag="segment.close"):
    """A media file is final."""

    segment: int
    by: Literal["recorder", "recovery", "error"]
    """``error``: a write or sync failed and the file was abandoned where the journal attests it."""
    end: int
    """Attested plaintext length: the last fragment's end."""
    final_length: int
    """Plaintext bytes after ``end`` that close the file (a ``free`` box); 0 unless ``by`` is recorder."""
    final_sha256: str
    """Over those bytes; empty where there are none."""
    length: int
    """Length of the whole sealed file; for ``error`` of its attested part."""
    sha256: str
    """SHA-256 of those bytes."""


class InterruptionBegin(Entry, tag="interruption.begin"):
    """From ``last_us`` on the track (or all) is not recorded (R8, R19b)."""

    interruption: int
    """Number in this session, from 0."""
    track: Literal["video", "sound", "position", "all"]
    cause: Cause
    text: str
    """What the device detected, in words."""
    last_boot: int
    last_us: int
    """The last good moment."""


class InterruptionEnd(Entry, tag="interruption.end"):
    """Recorded again from ``first_us`` on, or ended without (``resumed: no``)."""

    interruption: int
    resumed: YesNo
    first_boot: int
    first_us: int
    """The first good moment; where not resumed the session's end."""
    shortest_us: int
    """The interruption's length, at least; media ticks go on by exactly this."""
    longest_us: int
    """At most; -1 where unknown (another boot and no clock source)."""


class ImpairmentBegin(Entry, tag="impairment.begin"):
    """Recorded on, but not as it should be."""

    impairment: int
    kind: Literal["storage.slow"]
    since_us: int


class ImpairmentEnd(Entry, tag="impairment.end"):
    """As it should be again."""

    impairment: int
    until_us: int
    worst_ms: int


class Mark(Entry, tag="mark"):
    """The officer's tap: here is something (R12)."""

    at_us: int
    label: str


class Importance(Entry, tag="importance"):
    """Marked as important from here on, or no longer."""

    important: YesNo


class Annotate(Entry, tag="annotate"):
    """Power, ranges of stages and situations, officers, and, privately, cases, persons, places, content (R2).

    Before, during or after the session; a later entry adds or corrects, nothing is overwritten.
    """

    power: str | UnsetType = UNSET
    ranges: list[StageRange] | UnsetType = UNSET
    officers: list[str] | UnsetType = UNSET
    private: Private | UnsetType = UNSET


class SessionCarry(Entry, tag="session.carry"):
    """An open session's state, repeated where a journal file begins (see ``device.carry``)."""

    number: int
    origin_boot: int
    from_us: int
    shift_us: int
    """Presentation time of a moment t of ``origin_boot`` is t - from_us + shift_us."""
    required_tracks: list[Track]
    officer: str
    important: YesNo
    next_segment: int
    next_interruption: int
    next_impairment: int
    segment: int
    """The open segment's number; -1 where none is open."""
    segment_file: str
    segment_end: int
    segment_sealed: int
    next_fragment: int
    ends: list[TrackSpan]
    """Each track's last span."""
    open_interruptions: list[InterruptionBegin]
    open_impairment: int
    """Number of the open impairment; -1 where none is open."""


class SessionClose(Entry, tag="session.close"):
    """The act's recording ends: by the officer's stop, or by recovery after more than 30 minutes (invariant 4)."""

    by: Literal["officer", "recovery"]
    until_boot: int
    until_us: int
    """The session's end: every required track is accounted for up to here."""
    late_frames: int
    """Frames that a simulated camera made late (none of them lost)."""


AnyEntry = (
    JournalBegin
    | Boot
    | Start
    | Clock
    | Fault
    | Assign
    | Handover
    | Return
    | SessionBegin
    | SessionHead
    | Aside
    | DeviceCarry
    | SessionOpen
    | PrerecordWritten
    | SegmentOpen
    | Fragment
    | SegmentClose
    | InterruptionBegin
    | InterruptionEnd
    | ImpairmentBegin
    | ImpairmentEnd
    | Mark
    | Importance
    | Annotate
    | SessionCarry
    | SessionClose
)
