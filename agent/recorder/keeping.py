"""Storage as a rule: how long room lasts, when that is told, and when recording stops so that the rest still fits.

Rules: the forecast goes by what was really written, before that by the configured bit rate; three levels are told, each
once until there is clearly more room again; the reserve is computed from the settings so that it always suffices for
closing the session, the journal of that and its next file, an alarm, and a spoken reason of the greatest length (R19b);
at the reserve recording stops by the book, and goes on when there is room above it; below a wanted room the caller is
told to look for what may be deleted.

Pure: free bytes and what was written are passed in. Leaves to others: which segment may go (``deletion``), what is
said, journalled and stopped (``recorder``), asking the file system.
"""

from collections import deque
from dataclasses import dataclass
from typing import Literal

from agent.evidence import age
from agent.evidence.entries import MAX_ENTRY_BYTES
from agent.recorder.journal_file import AHEAD_BYTES
from agent.recorder.timeline import NS_PER_S
from agent.recorder.writer import EXTEND_BYTES
from config.models import Config

Level = Literal["enough", "warned", "low", "reserve"]
LEVELS: tuple[Level, ...] = ("enough", "warned", "low", "reserve")

S_PER_H = 3600
S_PER_MIN = 60
MEASURED_S = 60
"""Less recording than this says nothing about the rate."""
BUCKETS = 60
"""The window of the measured rate moves on in so many steps."""

RATE_PERCENT = 110
"""Of the configured bit rate: encoders hold it over seconds, not over each (as for preallocation)."""
CONTAINER_BYTES_PER_S = 4096
"""Boxes of five fragments a second with 16 bytes a sample, and a position in each."""
PADDING_BYTES = age.CHUNK_BYTES + 8
"""A flush whose media must not wait is filled up to the next chunk, at most so much."""
AGE_HEADER_BYTES, RECIPIENT_BYTES = 200, 128
INIT_BYTES = 4096
FILE_BYTES = 64 * 1024
"""What a file costs besides its content: rounding to blocks, its name, its inode, its extents."""
FILE_SYSTEM_BYTES = 1024 * 1024
"""Its own growth: bitmaps, B-trees."""

FLUSH_LINES_BYTES = 4096
"""Lines of one flush: two ``fragment`` entries with all tracks, a clock's, an impairment's, the checkpoint."""
CLOSING_ENTRIES, SHORT_ENTRY_BYTES = 16, 4096
"""Entries of a close: each track's interruption, impairments, segment, session; 500 characters of text in each."""
LONG_ENTRIES = 6
"""Alarm, its acknowledgement, statement, asking, explanation, addendum: as long as an entry may be."""
STREAMS, STREAM_BYTES = 10_000, 96
"""Stream heads in a journal file's header."""
CARRIED_BYTES = 4 * MAX_ENTRY_BYTES
"""State that is repeated where a journal file begins."""
CLOCK_LINES_BYTES = 1024
"""A clock entry and its checkpoint, once a minute while nothing is recorded."""


# --- the reserve --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Load:
    """What the settings let the recorder write, and how."""

    media_bytes_per_s: int
    """Encoded media at the configured bit rates."""
    flush_ms: int
    """Between two flushes: with sound alone twice the configured time."""
    segment_s: int
    preallocated_bytes: int
    """Reserved for each segment when it begins; given back when it ends."""
    recipients: int
    queue_s: int
    prerecord_s: int
    reason_s: int
    """The longest from the question to the end of the answer."""
    look_s: int
    reserve_s: int
    standby_h: int


@dataclass(frozen=True, slots=True)
class Reserve:
    """Bytes that are kept free while recording, and for what."""

    closing: int
    """What is recorded until the shortage is seen, and what waits in memory then, written and sealed to its end."""
    journal: int
    """Entries of the close, and the next file of the journal."""
    alarm: int
    reason: int
    """A spoken reason of the greatest length with its segments and entries."""
    standby: int
    """The journal while nothing is recorded."""
    extra: int
    """As configured (``reserve_s``)."""
    held: int
    """Bound to the segment that is open, and to the file system itself; they come back."""

    @property
    def total(self) -> int:
        """Bytes; recording stops when no more are free."""
        return self.closing + self.journal + self.alarm + self.reason + self.standby + self.extra + self.held

    @property
    def for_reason(self) -> int:
        """Bytes; while so many are free, a reason may be spoken though recording has stopped."""
        return self.total - self.closing - self.extra


def reserve_of(load: Load) -> Reserve:
    """The reserve that always suffices."""
    closing_s = load.look_s + load.queue_s + load.prerecord_s
    rotation = 2 * AHEAD_BYTES + STREAMS * STREAM_BYTES + CARRIED_BYTES + FILE_BYTES
    return Reserve(
        closing=recorded_bytes(load, closing_s),
        journal=CLOSING_ENTRIES * SHORT_ENTRY_BYTES + rotation,
        alarm=LONG_ENTRIES * MAX_ENTRY_BYTES,
        reason=recorded_bytes(load, load.reason_s) + CLOSING_ENTRIES * SHORT_ENTRY_BYTES,
        standby=load.standby_h * 60 * CLOCK_LINES_BYTES,
        extra=recorded_bytes(load, load.reserve_s) if load.reserve_s else 0,
        held=load.preallocated_bytes + EXTEND_BYTES + FILE_SYSTEM_BYTES,
    )


def recorded_bytes(load: Load, seconds: int) -> int:
    """The most that so much recording becomes on the card, its journal and its files' own cost included."""
    flushes = -(-seconds * 1000 // load.flush_ms) + 1
    files = seconds // load.segment_s + 2
    media = (load.media_bytes_per_s * RATE_PERCENT // 100 + CONTAINER_BYTES_PER_S) * seconds
    plain = media + flushes * PADDING_BYTES + files * INIT_BYTES
    chunks = plain // age.CHUNK_BYTES + files + 1
    a_file = AGE_HEADER_BYTES + RECIPIENT_BYTES * load.recipients + FILE_BYTES
    return plain + chunks * age.TAG_BYTES + files * a_file + flushes * FLUSH_LINES_BYTES


# --- the forecast -------------------------------------------------------------------------------------


class WrittenRate:
    """Bytes an hour of recording: ``start`` until enough was recorded, then what the last ``window_s`` wrote."""

    def __init__(self, start_bytes_per_h: int, window_s: int) -> None:
        self._start = start_bytes_per_h
        self._bucket_ns = max(1, window_s * NS_PER_S // BUCKETS)
        self._buckets: deque[tuple[int, int]] = deque(maxlen=BUCKETS)
        """Length of recording in nanoseconds, and bytes; the newest last."""

    def add(self, written_bytes: int, recorded_ns: int) -> None:
        """So many bytes reached the disk, media and journal, for so long a recording."""
        if self._buckets and self._buckets[-1][0] < self._bucket_ns:
            length_ns, count = self._buckets[-1]
            self._buckets[-1] = (length_ns + recorded_ns, count + written_bytes)
        else:
            self._buckets.append((recorded_ns, written_bytes))

    def bytes_per_h(self) -> int:
        """At least 1."""
        length_ns = sum(length for length, _ in self._buckets)
        if length_ns < MEASURED_S * NS_PER_S:
            return max(1, self._start)
        return max(1, sum(count for _, count in self._buckets) * S_PER_H * NS_PER_S // length_ns)


def forecast_h(free_bytes: int, rate_bytes_per_h: int, reserve_bytes: int = 0) -> float:
    """Hours of recording until only the reserve is left; 0 where no more is free."""
    return max(0, free_bytes - reserve_bytes) / max(1, rate_bytes_per_h)


# --- what follows from it -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class KeepSettings:
    """From ``[storage]``; what each is for stands there."""

    warn_min: int = 60
    low_min: int = 30
    back_min: int = 5
    resume_min: int = 5
    room_min: int = 120
    rate_min: int = 10


@dataclass(frozen=True, slots=True)
class LevelChanged:
    """Less room than before, or clearly more: to be told."""

    before: Level
    level: Level
    left_min: int


@dataclass(frozen=True, slots=True)
class ShiftTooLong:
    """Room ends before the shift does; told once until it would last again."""

    left_min: int
    shift_left_min: int


@dataclass(frozen=True, slots=True)
class StopRecording:
    """The reserve is reached: an interruption of everything, by the book, and an alarm (R19b, R19c)."""

    cause: Literal["storage"]
    text: str


@dataclass(frozen=True, slots=True)
class GoOnRecording:
    """There is room above the reserve again: a session that storage has stopped resumes, unasked."""

    left_min: int


@dataclass(frozen=True, slots=True)
class MakeRoom:
    """Less is free than is wanted: what may go, goes (``deletion.choose``), one after the other."""

    wanted_bytes: int


Decision = LevelChanged | ShiftTooLong | StopRecording | GoOnRecording | MakeRoom


class Keeping:
    """Looks at the free space from time to time and says what follows."""

    def __init__(self, settings: KeepSettings, load: Load) -> None:
        self._settings = settings
        self._most_bytes_per_h = recorded_bytes(load, S_PER_H)
        self._reserve = reserve_of(load)
        self.rate = WrittenRate(_likely_bytes_per_h(load), settings.rate_min * S_PER_MIN)
        self.level: Level = "enough"
        self.left_min = 0
        self._shift_told = False

    @property
    def may_record(self) -> bool:
        """False at the reserve: a press of start is answered with what to do."""
        return self.level != "reserve"

    @property
    def reserve_bytes(self) -> int:
        """The reserve; greater than computed where more is written than the configured bit rates explain."""
        measured, most = self.rate.bytes_per_h(), self._most_bytes_per_h
        return max(self._reserve.total, -(-self._reserve.total * measured // most))

    def room_for_reason(self, free_bytes: int) -> bool:
        """Whether a reason may be spoken though recording has stopped."""
        return free_bytes >= self._reserve.for_reason

    def look(self, free_bytes: int, shift_left_s: int = -1) -> list[Decision]:
        """What follows from so many free bytes; ``shift_left_s`` -1: the shift has no known end.

        ``free_bytes``: what the file system gives this process, and what is preallocated and not yet written.
        """
        rate = self.rate.bytes_per_h()
        self.left_min = int(forecast_h(free_bytes, rate, self.reserve_bytes) * S_PER_H / S_PER_MIN)
        before, self.level = self.level, self._level(free_bytes)
        decisions: list[Decision] = []
        if before != self.level:
            decisions += self._changed(before)
        decisions += self._against_shift(shift_left_s)
        if self.left_min < self._settings.room_min:
            decisions.append(MakeRoom(self.reserve_bytes + rate * self._settings.room_min * S_PER_MIN // S_PER_H))
        return decisions

    def _changed(self, before: Level) -> list[Decision]:
        told: list[Decision] = [LevelChanged(before, self.level, self.left_min)]
        if self.level == "reserve":
            told.append(StopRecording("storage", "the storage is full up to its reserve"))
        elif before == "reserve":
            told.append(GoOnRecording(self.left_min))
        return told

    def _level(self, free_bytes: int) -> Level:
        """Down at once, up only with clearly more room."""
        now, back = self._by_minutes(free_bytes, 0), self._by_minutes(free_bytes, self._settings.back_min)
        if LEVELS.index(now) >= LEVELS.index(self.level):
            return now
        if self.level == "reserve":
            return back if self.left_min >= self._settings.resume_min else "reserve"
        return min(self.level, back, key=LEVELS.index)

    def _by_minutes(self, free_bytes: int, more_min: int) -> Level:
        if free_bytes <= self.reserve_bytes:
            return "reserve"
        if self.left_min < self._settings.low_min + more_min:
            return "low"
        return "warned" if self.left_min < self._settings.warn_min + more_min else "enough"

    def _against_shift(self, shift_left_s: int) -> list[Decision]:
        shift_left_min = shift_left_s // S_PER_MIN
        if shift_left_s < 0 or self.left_min >= shift_left_min + self._settings.back_min:
            self._shift_told = False
        elif self.left_min < shift_left_min and not self._shift_told:
            self._shift_told = True
            return [ShiftTooLong(self.left_min, shift_left_min)]
        return []


def _likely_bytes_per_h(load: Load) -> int:
    """At the configured bit rates, before anything was measured: media, its boxes, its journal.

    With sound alone each flush fills a chunk (design, encryption at rest).
    """
    flushes = S_PER_H * 1000 // load.flush_ms
    media = (load.media_bytes_per_s + CONTAINER_BYTES_PER_S) * S_PER_H
    return max(media, flushes * age.SEALED_CHUNK_BYTES) + flushes * FLUSH_LINES_BYTES // 2


# --- from the configuration ---------------------------------------------------------------------------


def load_of(config: Config, preallocated_bytes: int) -> Load:
    """What a device with this configuration writes; ``preallocated_bytes``: for each segment (``compose``)."""
    record, ask, storage = config.record, config.ask, config.storage
    kbit = sum([section.bitrate_kbit for section in (config.camera, config.microphone) if section is not None])
    return Load(
        media_bytes_per_s=kbit * 1000 // 8,
        flush_ms=record.flush_ms if config.camera is not None else 2 * record.flush_ms,
        segment_s=record.segment_s,
        preallocated_bytes=preallocated_bytes,
        recipients=len(config.trust.recipients),
        queue_s=record.queue_s,
        prerecord_s=record.prerecord_s,
        reason_s=-(-(ask.settle_ms + ask.silence_ms) // 1000) + ask.prompt_s + ask.listen_s + ask.longest_s,
        look_s=storage.look_s,
        reserve_s=storage.reserve_s,
        standby_h=storage.standby_h,
    )


def keep_settings(config: Config) -> KeepSettings:
    """The levels of a configuration."""
    storage = config.storage
    return KeepSettings(
        warn_min=storage.warn_min,
        low_min=storage.low_min,
        back_min=storage.back_min,
        resume_min=storage.resume_min,
        room_min=storage.room_min,
        rate_min=storage.rate_min,
    )
