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
FaultPart = Literal["camera", "microphone", "position", "signals", "storage", "power", "clock", "journal", "recorder"]
CheckWhy = Literal["start", "asked"]
CheckResult = Literal["pass", "warn", "fail"]
CheckName = Literal[
    "picture",
    "picture_rate",
    "sound",
    "speaker",
    "position",
    "clock",
    "space",
    "write",
    "battery",
    "temperature",
    "keys",
    "configuration",
    "journal",
    "unsynced",
    "owed",
]
DeadlineState = Literal["on_time", "at_risk", "late", "delivered"]
AlarmKind = Literal["cannot_continue"]
ImpairmentKind = Literal[
    "storage.slow",
    "picture.covered",
    "picture.dark",
    "picture.frozen",
    "picture.blurred",
    "sound.silent",
    "sound.clipping",
]


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


class Owed(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """An interruption that has ended and whose reason is still to be given (R19b)."""

    session: str
    interruption: int
    track: Literal["video", "sound", "position", "all"]
    cause: Cause
    last_boot: int
    last_us: int
    first_boot: int
    first_us: int


class OpenAlarm(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """An alarm of which something is still wanted: an acknowledgement, a statement, its interruption's end (R19c)."""

    session: str
    alarm: int
    kind: AlarmKind
    interruption: int
    track: Literal["video", "sound", "position", "all"]
    cause: Cause
    since_boot: int
    since_us: int
    ended: YesNo
    """The interruption is over; until then the alarm is remembered, since one has at most one."""
    reported: YesNo
    acknowledged: YesNo
    stated: YesNo


class FragmentRef(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """``fragment`` entries of one segment, both numbers included."""

    segment: int
    first: int
    last: int


class Spoken(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A range of a session's sound in which a voice activity detector found speech: not whose, and not what it says."""

    session: str
    """Whose sound it is: the session's own, or, where the reason was still owed, a later one's."""
    boot: int
    from_us: int
    """CLOCK_BOOTTIME of that boot, microseconds."""
    until_us: int
    fragments: list[FragmentRef]
    """Those of that session in which the range lies."""
    opened_by: Literal["press", "speech"]
    ended_by: Literal["press", "silence", "length", "stop"]
    detector: str
    """Name and version."""
    speech_ms: int
    """Of the range, how much is speech."""
    level_db: int
    """Of its loudest half second, relative to full scale."""


class CheckedItem(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """How one thing was found before use (R19a)."""

    name: CheckName
    result: CheckResult


class SegmentRange(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Segments of one session, both numbers included."""

    first: int
    last: int


class Term(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A session that the store has not wholly acknowledged, and its term of 24 hours (R21a)."""

    session: str
    closed: YesNo
    """The term runs from the close; ``no``: the session is open."""
    until_boot: int
    """As ``session.close`` has it; -1: not known here (open, or of an earlier generation's boot)."""
    until_us: int
    utc_us: int
    """UTC of that moment, microseconds since 1970; -1 where no clock entry says."""
    utc_error_us: int
    passed_us: int
    """Time known to have passed since then; the device may have been off for longer."""
    state: DeadlineState
    segments: int
    """How many the session has."""
    left: list[SegmentRange]
    """Those without a receipt; a long list goes on in the next term of the same session."""
    bytes_left: int
    """Of their files; 0 in a term that only goes on with the list."""


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

    part: FaultPart
    kind: str
    text: str


class Check(Entry, tag="check"):
    """The device was checked before use (R19a). A failed check forbids nothing: recording comes first (article 8)."""

    why: CheckWhy
    result: CheckResult
    """The worst of all items."""
    items: list[CheckedItem]
    unchecked: list[CheckName]
    """What could not be looked at."""
    words: str
    """What was said and shown."""


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


class Cosignature(Entry, tag="cosignature"):
    """A mirror holds the journal up to a size, and its root there is ours.

    What follows this entry is later than ``utc_us``, what only the mirror's next one covers is earlier.
    """

    origin: str
    """The log that was co-signed: this generation's, or an earlier one's."""
    size: int
    key: str
    """The mirror's, name and key id as in a vkey."""
    utc_us: int
    """When the mirror signed, by its own clock."""
    note: str
    """The checkpoint with the signature, byte for byte (``tree.md``)."""


class Volume(Entry, tag="volume"):
    """What the spool lies on: the original carrier (R17). At every start, and where another one takes over."""

    place: Literal["spool", "second"]
    serial: str
    """Serial number of card or disk; empty where the system does not tell."""
    model: str
    file_system: str
    """Kind, for instance ``xfs``."""
    file_system_id: str
    """UUID."""
    size_bytes: int


class DeviceCarry(Entry, tag="device.carry"):
    """The device's state, repeated where a journal file begins, so that a start reads the newest file only."""

    boot_id: str
    next_session: int
    assigned: YesNo
    clock_at_us: int
    clock_utc_us: int
    clock_source: Literal["gnss", "ntp", "rtc", "none"]
    clock_error_us: int


class OwedCarry(Entry, tag="owed.carry"):
    """The reasons that are owed, repeated where a journal file begins (see ``device.carry``)."""

    owed: list[Owed]


class AlarmsCarry(Entry, tag="alarms.carry"):
    """The alarms that stand, repeated where a journal file begins (see ``device.carry``)."""

    next_alarm: int
    """Number of the next alarm."""
    alarms: list[OpenAlarm]
    unresumed: list[Owed]
    """Interruptions after which recovery ended the session, and of which no alarm tells yet."""


class DeadlineCarry(Entry, tag="deadline.carry"):
    """The terms that run, repeated where a journal file begins (see ``device.carry``)."""

    terms: list[Term]


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
    kind: ImpairmentKind
    since_us: int
    text: str
    """What was measured, in words."""


class ImpairmentEnd(Entry, tag="impairment.end"):
    """As it should be again."""

    impairment: int
    until_us: int
    worst: int
    """By kind: the longest flush, ms (storage.slow); the least variance (picture.covered), mean (dark), difference in
    hundredths (frozen), sharpness (blurred), level in 1/100 dB (sound.silent); the most clipped samples of a block
    (sound.clipping). 0 where the session ended before it did."""


class ExplanationAsked(Entry, tag="explanation.asked"):
    """The device asked for the reason of an interruption of this session (R19b)."""

    interruption: int
    request: int
    """How often it was asked for since the recorder's start, from 1."""
    why: Literal["resumed", "again", "start", "stop", "officer"]
    how: Literal["sound", "lamp"]
    words: str
    """What was said; empty where only the lamp asked."""
    prompt_sha256: str
    """Of the WAV file that was played; empty where none was."""


class Explanation(Entry, tag="explanation"):
    """The reason of an interruption of this session; each has at most one (invariant 5, R19b)."""

    interruption: int
    how: Literal["spoken", "written"]
    """``written`` only where the microphone is what failed."""
    officer: str
    """Certificate number of who carries the device."""
    spoken: Spoken | UnsetType = UNSET
    private: Private | UnsetType = UNSET
    """The written reason."""


class ExplanationAddendum(Entry, tag="explanation.addendum"):
    """More to a reason that was given; nothing is replaced."""

    interruption: int
    how: Literal["spoken", "written"]
    officer: str
    spoken: Spoken | UnsetType = UNSET
    private: Private | UnsetType = UNSET


class Alarm(Entry, tag="alarm"):
    """Recording cannot go on as it must: the unit head is to know at once (R19c). An interruption has at most one.

    Open until ``alarm.acknowledged``; its ``statement`` is owed until there is one. What is said of an alarm of an
    earlier generation, which ``alarms.carry`` repeats, stands in the device's stream.
    """

    alarm: int
    """Number on this device, from 0: a signed acknowledgement names nothing else."""
    kind: AlarmKind
    interruption: int
    cause: Cause
    track: Literal["video", "sound", "position", "all"]
    since_boot: int
    since_us: int
    """The last good moment before the interruption."""
    officer: str
    """Certificate number of who carries the device."""
    text: str
    """What is lost, in words."""
    private: Private | UnsetType = UNSET
    """Where the device is, as far as it knows."""


class AlarmTold(Entry, tag="alarm.told"):
    """The officer was told to report to the unit head now (R19c)."""

    alarm: int
    request: int
    """How often since the recorder's start, from 1."""
    how: Literal["sound", "lamp"]
    words: str
    """What was said; empty where only the lamp told."""
    prompt_sha256: str
    """Of the WAV file that was played; empty where none was."""


class AlarmReported(Entry, tag="alarm.reported"):
    """The officer has reported to the unit head (R19c); more than one report may be made."""

    alarm: int
    how: Literal["phone", "radio", "person", "other"]
    """``person``: face to face."""
    at_us: int
    """CLOCK_BOOTTIME at which the officer said so, microseconds."""
    private: Private | UnsetType = UNSET
    """To whom, and what was said."""


class AlarmAcknowledged(Entry, kw_only=True, tag="alarm.acknowledged"):
    """Somebody has taken note of an alarm, by name (R19c).

    In the device's stream where no such alarm stands here.
    """

    alarm: int
    by: str = "note"
    """Certificate number of who said so at the device; ``note``: a signed command did."""
    number: int = -1
    """Of the command; greater than any before it by the same key. -1 where there was none."""
    key: str = ""
    """The commander's, name and key id as in a vkey; empty where there was no command."""
    private: Private
    """The name; of a command the signed note (``receipt.md``)."""


class Statement(Entry, tag="statement"):
    """The written statement on what an alarm tells of (音像记录中断情况说明), finished by a person (R19c).

    Each alarm has at most one.
    """

    alarm: int
    language: Literal["zh", "en"]
    officer: str
    """Certificate number of who carries the device."""
    private: Private
    """The whole text."""


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


class Receipt(Entry, tag="receipt"):
    """A store has a segment's file (R21a). In the device's stream where the segment is of an earlier generation."""

    segment: int
    key: str
    """The store's, name and key id as in a vkey."""
    note: str
    """The signed note, byte for byte (``receipt.md``): origin, file, size, hash, when, whether it was opened."""


class Hold(Entry, tag="hold"):
    """A session is held as evidence, or no longer: without a waiver nothing of it is deleted (R17).

    In the device's stream where the session is of an earlier generation.
    """

    session: str
    held: YesNo
    number: int
    """Of the command; greater than any before it by the same key."""
    key: str
    """The commander's, name and key id as in a vkey."""
    private: Private
    """The signed note (``receipt.md``): by whom, and why."""


class CarrierWaiver(Entry, tag="carrier_waiver"):
    """The original carrier of a held session need not be kept: that is truly difficult (R17).

    It counts for the holds before it. In the device's stream where the session is of an earlier generation.
    """

    session: str
    number: int
    """Of the command; greater than any before it by the same key."""
    key: str
    """The commander's, name and key id as in a vkey."""
    instead: Literal["disc", "decision"]
    """A disc in the case file, or the bureau's standing decision."""
    copies: int
    """Of the disc."""
    private: Private
    """The signed note (``receipt.md``): by whom, why, the disc's or the decision's number."""


class Deletion(Entry, tag="deletion"):
    """A segment's file is removed, next to this entry becoming durable (invariant 2).

    In the device's stream where the segment is of an earlier generation.
    """

    origin: str
    """The log in which the segment stands."""
    segment: int
    file: str
    """Path below ``segments/``."""
    length: int
    sha256: str
    """Of the whole sealed file, as its ``segment.close`` says."""
    receipt: str
    """Leaf hash of the ``receipt`` entry that allows it."""
    cosignature: str
    """Leaf hash of the ``cosignature`` entry that covers the ``segment.close``."""
    waiver: str
    """Leaf hash of the ``carrier_waiver`` entry; empty where the session is not held."""
    free_bytes: int
    """What was free then: less than is wanted."""
    wanted_bytes: int


class Deadline(Entry, tag="deadline"):
    """The term of 24 hours in which a session must be in the store has come to another state (R21a).

    In the device's stream where the session is of an earlier generation. Before the first one it is on time.
    """

    session: str
    state: DeadlineState
    """``at_risk``: by the forecast, or because it cannot be told how much time has passed. ``delivered``: the store
    has acknowledged every segment."""
    until_boot: int
    """The session's end, as its ``session.close`` has it: a clock that steps does not move it. -1: not known here."""
    until_us: int
    term_min: int
    """Length of the term, minutes."""
    elapsed_least_us: int
    """Time since the session's end, at least."""
    elapsed_most_us: int
    """At most; -1 where unknown (another boot and no clock source)."""
    bytes_left: int
    """Of the session's files that have no receipt."""
    bytes_per_s: int
    """Measured rate of the upload; -1 where no network is known."""


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
    open_impairments: list[ImpairmentBegin]


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
    | Check
    | Assign
    | Handover
    | Return
    | SessionBegin
    | SessionHead
    | Aside
    | Cosignature
    | Volume
    | DeviceCarry
    | OwedCarry
    | DeadlineCarry
    | AlarmsCarry
    | SessionOpen
    | PrerecordWritten
    | SegmentOpen
    | Fragment
    | SegmentClose
    | InterruptionBegin
    | InterruptionEnd
    | ImpairmentBegin
    | ImpairmentEnd
    | ExplanationAsked
    | Explanation
    | ExplanationAddendum
    | Alarm
    | AlarmTold
    | AlarmReported
    | AlarmAcknowledged
    | Statement
    | Mark
    | Importance
    | Annotate
    | Receipt
    | Hold
    | CarrierWaiver
    | Deletion
    | Deadline
    | SessionCarry
    | SessionClose
)
