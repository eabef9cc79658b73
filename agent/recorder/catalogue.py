"""What the journal tells about sessions, media files and interruptions, as rows. Pure.

One fold serves two ways to an answer: in memory over all of a generation's files, and, row by row, over an index that
holds what older entries gave (``index``). So both give the same. It believes its input, as ``state`` does: whether
entries may follow each other is checked where a journal is read.

Where older files were removed, the carried state at the beginning of the oldest one stands in for them: rows made
from it have -1 for what only the removed entries told.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Literal, Protocol, TypeVar, cast, get_args

import msgspec
from msgspec import Struct, structs

from agent.evidence import entries as e
from agent.evidence.errors import EvidenceError
from agent.evidence.journal_lines import reread_entry
from agent.recorder import spool

TYPES = tuple(sorted(str(kind.__struct_config__.tag) for kind in get_args(e.AnyEntry)))
"""All kinds of entries, in an order that only a new kind changes."""
UNKNOWN = -1


class NotThere(EvidenceError):
    """What was asked for is not in the journal, or no longer."""


class RowsLost(EvidenceError):
    """Rows that there have to be are not there."""


class Head(Struct):
    """What every entry has, and what a ``fragment`` adds: an entry is decoded whole only where a row needs it."""

    stream: str
    n: int
    type: str
    segment: int = -1
    end: int = 0
    sealed: int = 0


head_of: Callable[[bytes], Head] = msgspec.json.Decoder(Head).decode


class Place(Struct, frozen=True):
    """Where an entry stands: its ``length`` bytes from ``offset`` on are its line, without the newline."""

    index: int
    """In the tree."""
    file: str
    """Path in the spool."""
    offset: int
    length: int
    stream: str
    n: int
    type: str


class Row(Struct, array_like=True):
    """A row of a table; ``KEY`` counts its first fields that tell it from others."""


class Session(Row):
    """A recorded act. Moments are a boot's ordinal and microseconds of CLOCK_BOOTTIME, -1 where unknown."""

    session: str
    first_n: int
    """Number in the stream of its first entry that is there: above 0 where older files were removed."""
    entries: int = 0
    """Length of its stream."""
    number: int = UNKNOWN
    opened_boot: int = UNKNOWN
    opened_us: int = UNKNOWN
    """Presentation zero."""
    closed_boot: int = UNKNOWN
    closed_us: int = UNKNOWN
    officer: str = ""
    segments: int = 0
    """Media files that are known."""
    bytes: int = 0
    """Sealed, attested."""
    open_interruptions: int = 0
    held: str = ""
    """``yes``: held as evidence (R17); ``no``: no longer; empty: never was."""

    @property
    def state(self) -> Literal["recording", "interrupted", "closed"]:
        """A session is interrupted while any of its tracks is."""
        if self.closed_boot != UNKNOWN:
            return "closed"
        return "interrupted" if self.open_interruptions else "recording"


class Segment(Row):
    """A media file."""

    session: str
    segment: int
    file: str
    """Path below ``segments/``."""
    opened_at: int
    """Index of its ``segment.open`` in the tree."""
    end: int
    """Attested plaintext, bytes."""
    length: int = 0
    """Attested sealed bytes; once it is closed, of the whole file."""
    sha256: str = ""
    """Of those bytes; empty while it is open."""
    closed_by: str = ""
    """``recorder``, ``recovery`` or ``error``; empty while it is open."""
    closed_at: int = UNKNOWN
    """Index of its ``segment.close``."""
    receipt_at: int = UNKNOWN
    """Index of its first ``receipt`` (R21a)."""
    deleted_at: int = UNKNOWN
    """Index of its ``deletion``."""


class Interruption(Row):
    """From ``last_us`` to ``first_us`` a track, or all, was not recorded."""

    session: str
    interruption: int
    track: str
    cause: str
    last_boot: int
    last_us: int
    begun_at: int = UNKNOWN
    """Index of its ``interruption.begin``; likewise the others."""
    ended_at: int = UNKNOWN
    """Of its end or, where that was removed, of the ``owed.carry`` that repeats it."""
    resumed: str = ""
    """``yes`` or ``no``; empty while it lasts, or where its end was removed."""
    first_boot: int = UNKNOWN
    first_us: int = UNKNOWN
    asked: int = 0
    explained: str = ""
    """``spoken`` or ``written``; empty while the reason is owed."""
    explained_at: int = UNKNOWN
    addenda: int = 0

    @property
    def owed(self) -> bool:
        """Ended, and its reason still to be given (R19b)."""
        return self.ended_at != UNKNOWN and not self.explained


KEYS: dict[type[Row], int] = {Session: 1, Segment: 2, Interruption: 2}
"""Each kind of row, and how many of its first fields are its key."""
Key = tuple[str | int, ...]
R = TypeVar("R", bound=Row)


def key_of(row: Row) -> Key:
    """What tells a row from others of its kind."""
    return structs.astuple(row)[: KEYS[type(row)]]


class Below(Protocol):
    """Rows that older entries gave."""

    def load(self, kind: type[R], key: Key) -> R | None:
        """The row with this key."""

    def load_all(self, kind: type[R], session: str) -> Iterable[R]:
        """All rows of a kind; only those of one session where that is not empty."""


class Catalogue:
    """Takes entries in their order, and answers. ``changed`` are the rows that differ from those ``below``."""

    def __init__(self, below: Below | None = None) -> None:
        self._below = below
        self.changed: dict[type[Row], dict[Key, Row]] = {kind: {} for kind in KEYS}
        self.device_first = self.device_entries = 0
        """Number of the device stream's first entry that is there, and the stream's length."""
        self.counts = Counter[str]()
        """Entries of each type."""

    def forget(self) -> None:
        """``changed`` is below now."""
        for rows in self.changed.values():
            rows.clear()

    # --- questions ------------------------------------------------------------------------------------------

    def sessions(self) -> list[Session]:
        """All, by number."""
        return sorted(self._all(Session), key=lambda one: spool.session_number(one.session))

    def segments(self, session: str) -> list[Segment]:
        """Of one session, in order; NotThere where it does not exist."""
        count = self.session(session).segments
        found = sorted(self._all(Segment, session), key=lambda one: one.segment)
        if len(found) != count:
            raise RowsLost(f"{session} has {count} media files, and {len(found)} were found")
        return found

    def interruptions(self, session: str) -> list[Interruption]:
        """Of one session, in order; NotThere where it does not exist."""
        self.session(session)
        return sorted(self._all(Interruption, session), key=lambda one: one.interruption)

    def owed(self) -> list[e.Owed]:
        """Whose reason is still to be given, oldest first (R19b)."""
        found = [one for one in self._all(Interruption) if one.owed]
        found.sort(key=lambda one: (one.ended_at, one.last_boot, one.last_us, one.session, one.interruption))
        return [_owed(one) for one in found]

    def session(self, session: str) -> Session:
        """One session; NotThere where it does not exist."""
        found = self._all(Session, session)
        if not found:
            raise NotThere(f"There is no session {session!r} in this generation of the journal.")
        return found[0]

    def stream_range(self, stream: str) -> range:
        """Numbers of the stream's entries that are there; NotThere where there is no such stream."""
        if stream == e.DEVICE_STREAM:
            return range(self.device_first, self.device_entries)
        row = self.session(stream)
        return range(row.first_n, row.entries)

    def _all(self, kind: type[R], session: str = "") -> list[R]:
        changed = self.changed[kind]
        below = self._below.load_all(kind, session) if self._below else ()
        kept = [row for row in below if key_of(row) not in changed] if changed else list(below)
        fresh = [structs.replace(cast(R, row)) for key, row in changed.items() if session in ("", key[0])]
        return kept + fresh

    # --- the fold -------------------------------------------------------------------------------------------

    def take(self, index: int, head: Head, line: bytes) -> None:
        """The journal's next entry."""
        session: Session | None = None
        self.counts[head.type] += 1
        if head.stream == e.DEVICE_STREAM:
            if not self.device_entries:
                self.device_first = head.n
            self.device_entries = head.n + 1
        else:
            session = self._session(head)
            session.entries = head.n + 1
        if head.type == "fragment" and session is not None:
            self._grow(session, head.segment, head.end, head.sealed)
        elif head.type == "owed.carry":
            self._carry_owed(index, cast(e.OwedCarry, reread_entry(line)))
        elif session is not None and head.type in _TELLING:
            self._tell(index, session, reread_entry(line))

    def _tell(self, index: int, session: Session, entry: e.AnyEntry) -> None:
        match entry:
            case e.SessionOpen():
                session.number, session.officer = entry.number, entry.officer
                session.opened_boot, session.opened_us = entry.boot, entry.from_us
            case e.SessionCarry():
                self._carry_session(session, entry)
            case e.SessionClose():
                session.closed_boot, session.closed_us = entry.until_boot, entry.until_us
            case e.SegmentOpen():
                row = Segment(entry.stream, entry.segment, entry.file, index, entry.init_length)
                self._put(row)
                session.segments += 1
            case e.SegmentClose():
                self._close_segment(index, session, entry)
            case e.InterruptionBegin():
                self._begin(index, session, entry)
            case e.InterruptionEnd():
                self._end(index, session, entry)
            case e.ExplanationAsked() | e.Explanation() | e.ExplanationAddendum():
                self._explain(index, entry)
            case e.Receipt() | e.Deletion():
                self._store(index, entry)
            case e.Hold():
                session.held = entry.held
            case _:
                return

    def _grow(self, session: Session, segment: int, end: int, length: int) -> None:
        row = self._row(Segment, (session.session, segment))
        if row is not None:
            session.bytes += length - row.length
            row.end, row.length = end, length

    def _close_segment(self, index: int, session: Session, entry: e.SegmentClose) -> None:
        self._grow(session, entry.segment, entry.end, entry.length)
        row = self._row(Segment, (entry.stream, entry.segment))
        if row is not None:
            row.sha256, row.closed_by, row.closed_at = entry.sha256, entry.by, index

    def _begin(self, index: int, session: Session, entry: e.InterruptionBegin) -> None:
        self._put(
            Interruption(
                entry.stream, entry.interruption, entry.track, entry.cause, entry.last_boot, entry.last_us, index
            )
        )
        session.open_interruptions += 1

    def _end(self, index: int, session: Session, entry: e.InterruptionEnd) -> None:
        row = self._row(Interruption, (entry.stream, entry.interruption))
        if row is not None and row.ended_at == UNKNOWN:
            row.ended_at, row.resumed = index, entry.resumed
            row.first_boot, row.first_us = entry.first_boot, entry.first_us
            session.open_interruptions -= 1

    def _explain(self, index: int, entry: e.ExplanationAsked | e.Explanation | e.ExplanationAddendum) -> None:
        row = self._row(Interruption, (entry.stream, entry.interruption))
        if row is None:
            return
        match entry:
            case e.ExplanationAsked():
                row.asked += 1
            case e.Explanation():
                row.explained, row.explained_at = entry.how, index
            case _:
                row.addenda += 1

    def _store(self, index: int, entry: e.Receipt | e.Deletion) -> None:
        row = self._row(Segment, (entry.stream, entry.segment))
        if row is not None and isinstance(entry, e.Deletion):
            row.deleted_at = index
        elif row is not None and row.receipt_at == UNKNOWN:
            row.receipt_at = index

    def _carry_session(self, session: Session, entry: e.SessionCarry) -> None:
        """Of a session that began in a file that was removed; of others nothing is new."""
        if session.number != UNKNOWN:
            return
        session.number, session.officer = entry.number, entry.officer
        if entry.segment >= 0:
            session.segments = 1
            self._put(
                Segment(
                    entry.stream, entry.segment, entry.segment_file, UNKNOWN, entry.segment_end, entry.segment_sealed
                )
            )
            session.bytes = entry.segment_sealed
        for begin in entry.open_interruptions:
            self._begin(UNKNOWN, session, structs.replace(begin, stream=entry.stream))

    def _carry_owed(self, index: int, entry: e.OwedCarry) -> None:
        for one in entry.owed:
            if self._seen(Interruption, (one.session, one.interruption)) is None:
                row = Interruption(
                    one.session, one.interruption, one.track, one.cause, one.last_boot, one.last_us, UNKNOWN, index
                )
                row.first_boot, row.first_us = one.first_boot, one.first_us
                self._put(row)

    # --- rows -----------------------------------------------------------------------------------------------

    def _session(self, head: Head) -> Session:
        found = self._row(Session, (head.stream,))
        if found is None:
            found = Session(head.stream, head.n)
            self._put(found)
        return found

    def _seen(self, kind: type[R], key: Key) -> R | None:
        """The row, to be looked at."""
        rows: dict[Key, Any] = self.changed[kind]
        return rows.get(key) or (self._below.load(kind, key) if self._below else None)

    def _row(self, kind: type[R], key: Key) -> R | None:
        """The row, to be changed."""
        rows: dict[Key, Any] = self.changed[kind]
        row: R | None = rows.get(key)
        if row is None and self._below is not None and (row := self._below.load(kind, key)) is not None:
            rows[key] = row
        return row

    def _put(self, row: Row) -> None:
        self.changed[type(row)][key_of(row)] = row


def check_types(types: Iterable[str]) -> None:
    """NotThere for a type that cannot be asked for."""
    wrong = [one for one in types if one not in TYPES or one == "fragment"]
    if wrong:
        raise NotThere(f"Entries of type {wrong[0]!r} cannot be looked for.")


def _owed(row: Interruption) -> e.Owed:
    names = e.Owed.__struct_fields__
    values: dict[str, Any] = {name: getattr(row, name) for name in names}
    return e.Owed(**values)


_TELLING = frozenset(
    str(kind.__struct_config__.tag)
    for kind in (
        e.SessionOpen,
        e.SessionCarry,
        e.SessionClose,
        e.SegmentOpen,
        e.SegmentClose,
        e.InterruptionBegin,
        e.InterruptionEnd,
        e.ExplanationAsked,
        e.Explanation,
        e.ExplanationAddendum,
        e.Receipt,
        e.Deletion,
        e.Hold,
    )
)
"""Kinds that a row needs more of than ``Head``."""
