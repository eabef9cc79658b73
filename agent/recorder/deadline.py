"""The 24 hours in which a session must be in the store, as state (R21a): on time, at risk, late, delivered. Pure.

``Terms`` is what the journal adds up to: each session's end, its segments without a receipt, what was told last.
``Deadlines`` looks at it with the time that it is now. Rules:

- The term runs from the session's end, in time that passes: within one boot by CLOCK_BOOTTIME, which no step of a clock
  moves; across boots between two bounds, by the clocks of both (``Elapsed``).
- *Late* is told once it is certain, *at risk* as soon as it cannot be excluded: also where nobody knows how long the
  device was off. Late is for good; only delivery ends it.
- With a measured upload rate it is the forecast that counts: all bytes due before, and these, and a margin. Without,
  a share of the term. Nothing but a network, or receipts, makes a term better again; without a courier it runs out.
- Each transition is one ``deadline`` entry and one event. What was told is in the journal, so that a start goes on from
  there and tells nothing twice.

Leaves to others: checking receipts (``notes_in``), measuring the upload (the courier), placing entries (``ledger``).
"""

from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from typing import NamedTuple

from agent.evidence import entries as e
from agent.evidence.errors import EvidenceError
from agent.evidence.note import parse_note
from agent.evidence.receipt import Receipt, parse_statement
from agent.recorder import messages as m

US_PER_S = 1_000_000
US_PER_MIN = 60 * US_PER_S
US_PER_H = 60 * US_PER_MIN
UNKNOWN = -1
KEPT_CLOCKS = 64
"""Boots whose clock is remembered for sessions that ended in them."""
RANGES_IN_TERM, TERMS_IN_ENTRY = 400, 40
RANGES_IN_ENTRY = 1_200
"""Of a ``deadline.carry``, which so stays below the greatest entry: 30 bytes a range, 300 a term."""

Utc = tuple[int, int]
"""UTC since 1970 and its greatest error, microseconds."""
Out = list[m.Draft | m.Event]


class Elapsed(NamedTuple):
    """Time since a session's end, microseconds."""

    least: int
    most: int
    """-1 where nobody knows."""


# --- what the journal adds up to -----------------------------------------------------------------------


@dataclass(slots=True)
class Term:
    """A session that is not wholly in the store."""

    session: str
    closed: bool = False
    until_boot: int = UNKNOWN
    until_us: int = 0
    utc: Utc | None = None
    """Of the session's end."""
    ended_at_us: int = 0
    """The end on the scale of ``Terms.passed_us``; not later than it was."""
    state: e.DeadlineState = "on_time"
    segments: int = 0
    left: set[int] = field(default_factory=set)
    bytes_left: int = 0

    @property
    def delivered(self) -> bool:
        """Every segment has its receipt."""
        return self.closed and not self.left


@dataclass(slots=True)
class Terms:
    """The terms that run, by session. Entries are taken in the journal's order."""

    terms: dict[str, Term] = field(default_factory=dict)
    passed_us: int = 0
    """Time that is known to have passed while the device was on; only differences of it mean anything."""
    _boot: int = UNKNOWN
    _at_us: int = 0
    _clocks: dict[int, e.Clock] = field(default_factory=dict)
    """The most certain clock entry of each boot; of equally certain ones the first."""

    def apply(self, entry: e.Entry) -> None:
        """Take the next entry."""
        self._let_pass(entry.boot, entry.boot_us)
        match entry:
            case e.Clock():
                self._take_clock(entry)
            case e.SessionOpen():
                self.terms[entry.stream] = Term(entry.stream)
            case e.SegmentClose():
                self._add_segment(entry)
            case e.SessionClose():
                self._close(entry)
            case e.Receipt():
                self._receive(entry)
            case e.Deadline():
                self._told(entry.session, entry.state)
            case e.DeadlineCarry():
                for carried in entry.terms:
                    self._take_carried(carried)
            case _:
                pass

    def passed_by(self, boot: int, now_us: int) -> int:
        """The scale of ``passed_us`` at a moment."""
        return self.passed_us + max(0, now_us - self._at_us) if boot == self._boot else self.passed_us

    def elapsed(self, term: Term, boot: int, now_us: int, utc: Utc | None) -> Elapsed:
        """Time from a session's end to a moment of ``boot``; ``utc``: of that moment, None where no clock says."""
        if boot == term.until_boot:
            since_us = max(0, now_us - term.until_us)
            return Elapsed(since_us, since_us)
        least = max(0, self.passed_by(boot, now_us) - term.ended_at_us)
        if term.utc is None or utc is None:
            return Elapsed(least, UNKNOWN)
        apart_us, error_us = utc[0] - term.utc[0], utc[1] + term.utc[1]
        return Elapsed(max(least, apart_us - error_us), max(least, apart_us + error_us))

    def carries(self) -> list[e.Entry]:
        """What a new journal file repeats."""
        parts, ranges = [list[e.Term]()], 0
        for term in self.terms.values():
            for carried in self._carried(term):
                ranges += len(carried.left)
                if parts[-1] and (len(parts[-1]) == TERMS_IN_ENTRY or ranges > RANGES_IN_ENTRY):
                    parts, ranges = [*parts, []], len(carried.left)
                parts[-1].append(carried)
        return [e.DeadlineCarry(terms=part) for part in parts if part]

    def copy(self) -> "Terms":
        """One that goes its own way from here."""
        return deepcopy(self)

    def into_new_generation(self) -> list[e.Entry]:
        """What a new generation begins with: its boots are counted anew, and no session of the old one goes on."""
        old = Terms(passed_us=self.passed_us)
        for term in self.terms.values():
            if term.segments:
                old.terms[term.session] = Term(
                    term.session,
                    closed=True,
                    utc=term.utc,
                    ended_at_us=term.ended_at_us if term.closed else self.passed_us,
                    state=term.state,
                    segments=term.segments,
                    left=set(term.left),
                    bytes_left=term.bytes_left,
                )
        return old.carries()

    # --- entries --------------------------------------------------------------------------------------------

    def _let_pass(self, boot: int, boot_us: int) -> None:
        """Entries of one boot may stand a flush out of order; between two boots nothing is known to pass."""
        if boot == self._boot:
            self.passed_us += max(0, boot_us - self._at_us)
            self._at_us = max(self._at_us, boot_us)
        else:
            self._boot, self._at_us = boot, boot_us

    def _take_clock(self, clock: e.Clock) -> None:
        known = self._clocks.get(clock.boot)
        if clock.source == "none" or clock.error_us < 0 or (known is not None and known.error_us <= clock.error_us):
            return
        self._clocks[clock.boot] = clock
        if len(self._clocks) > KEPT_CLOCKS:
            del self._clocks[min(self._clocks)]
        for term in self.terms.values():
            if term.closed and term.until_boot == clock.boot:
                term.utc = self._utc_of(clock.boot, term.until_us)

    def _utc_of(self, boot: int, boot_us: int) -> Utc | None:
        clock = self._clocks.get(boot)
        return None if clock is None else (clock.utc_us + boot_us - clock.at_us, clock.error_us)

    def _add_segment(self, entry: e.SegmentClose) -> None:
        term = self.terms.setdefault(entry.stream, Term(entry.stream))
        if entry.segment not in term.left:
            term.segments += 1
            term.left.add(entry.segment)
            term.bytes_left += entry.length

    def _close(self, entry: e.SessionClose) -> None:
        term = self.terms.get(entry.stream)
        if term is None or not term.segments:
            self.terms.pop(entry.stream, None)  # there is nothing to hand over
            return
        term.closed, term.until_boot, term.until_us = True, entry.until_boot, entry.until_us
        term.utc = self._utc_of(entry.until_boot, entry.until_us)
        same_boot = entry.until_boot == entry.boot
        term.ended_at_us = self.passed_us - (max(0, entry.boot_us - entry.until_us) if same_boot else 0)

    def _receive(self, entry: e.Receipt) -> None:
        """The note was checked before it became an entry; one that cannot be read counts for nothing."""
        try:
            receipt = parse_statement(parse_note(entry.note.encode()).text)
        except EvidenceError:
            return
        if not isinstance(receipt, Receipt):
            return
        term = self.terms.get(receipt.file.partition("/")[0])
        if term is not None and entry.segment in term.left:
            term.left.discard(entry.segment)
            term.bytes_left = max(0, term.bytes_left - receipt.length)

    def _told(self, session: str, state: e.DeadlineState) -> None:
        if state == "delivered":
            self.terms.pop(session, None)
        elif session in self.terms:
            self.terms[session].state = state

    # --- carrying -------------------------------------------------------------------------------------------

    def _carried(self, term: Term) -> Iterator[e.Term]:
        ranges = list(_ranges(term.left))
        for at in range(0, max(1, len(ranges)), RANGES_IN_TERM):
            yield e.Term(
                session=term.session,
                closed="yes" if term.closed else "no",
                until_boot=term.until_boot,
                until_us=term.until_us,
                utc_us=term.utc[0] if term.utc else UNKNOWN,
                utc_error_us=term.utc[1] if term.utc else UNKNOWN,
                passed_us=max(0, self.passed_us - term.ended_at_us) if term.closed else 0,
                state=term.state,
                segments=term.segments,
                left=ranges[at : at + RANGES_IN_TERM],
                bytes_left=0 if at else term.bytes_left,
            )

    def _take_carried(self, carried: e.Term) -> None:
        """A second one of the same session goes on with its list; what is known already is what it repeats."""
        term = self.terms.get(carried.session)
        if term is None:
            term = self.terms[carried.session] = Term(
                session=carried.session,
                closed=carried.closed == "yes",
                until_boot=carried.until_boot,
                until_us=carried.until_us,
                utc=None if carried.utc_us == UNKNOWN else (carried.utc_us, carried.utc_error_us),
                ended_at_us=self.passed_us - carried.passed_us,
                state=carried.state,
                segments=carried.segments,
                bytes_left=carried.bytes_left,
            )
        term.left |= {number for one in carried.left for number in range(one.first, one.last + 1)}


def _ranges(numbers: Iterable[int]) -> Iterator[e.SegmentRange]:
    """Numbers that follow each other, together."""
    first = last = UNKNOWN
    for number in sorted(numbers):
        if first == UNKNOWN or number != last + 1:
            if first != UNKNOWN:
                yield e.SegmentRange(first=first, last=last)
            first = number
        last = number
    if first != UNKNOWN:
        yield e.SegmentRange(first=first, last=last)


KINDS = (e.Boot, e.Clock, e.SessionOpen, e.SegmentClose, e.SessionClose, e.Receipt, e.Deadline, e.DeadlineCarry)
"""Entries that change a term, or a clock by which it is counted; all others only let time pass."""


# --- the rule -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DeadlineSettings:
    """From ``[deadline]``; what each is for stands there."""

    term_h: int = 24
    at_risk_percent: int = 50
    margin_percent: int = 150
    look_s: int = 60

    @property
    def term_us(self) -> int:
        """The term, microseconds."""
        return self.term_h * US_PER_H


def judge(
    settings: DeadlineSettings, before: e.DeadlineState, elapsed: Elapsed, bytes_due: int, bytes_per_s: int | None
) -> e.DeadlineState:
    """The state that follows ``before``; ``bytes_due``: the session's, and all that is due before it.

    ``bytes_per_s``: the measured rate of the upload; None while no network is known.
    """
    if before == "late" or elapsed.least >= settings.term_us:
        return "late"
    found = _found(settings, elapsed, bytes_due, bytes_per_s, settings.margin_percent)
    if before == "at_risk" and found == "on_time":
        well = bytes_per_s and _found(settings, elapsed, bytes_due, bytes_per_s, 2 * settings.margin_percent)
        return "on_time" if well == "on_time" else "at_risk"
    return found


def _found(
    settings: DeadlineSettings, elapsed: Elapsed, bytes_due: int, bytes_per_s: int | None, margin_percent: int
) -> e.DeadlineState:
    if elapsed.most < 0:
        return "at_risk"
    if not bytes_per_s:
        return "at_risk" if elapsed.most * 100 >= settings.term_us * settings.at_risk_percent else "on_time"
    needed_us = bytes_due * US_PER_S * margin_percent // (bytes_per_s * 100)
    return "at_risk" if elapsed.most + needed_us > settings.term_us else "on_time"


# --- what is told -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Unsynced:
    """How many closed sessions are not wholly in the store, by state, and their bytes."""

    on_time: int = 0
    at_risk: int = 0
    late: int = 0
    bytes_left: int = 0

    @property
    def sessions(self) -> int:
        """All of them."""
        return self.on_time + self.at_risk + self.late


def unsynced(terms: Terms) -> Unsynced:
    """As it was told last."""
    closed = [term for term in terms.terms.values() if term.closed and term.left]
    states = [term.state for term in closed]
    bytes_left = sum([term.bytes_left for term in closed])
    return Unsynced(states.count("on_time"), states.count("at_risk"), states.count("late"), bytes_left)


class Deadlines:
    """Looks at the terms from time to time and tells what has changed.

    ``terms``: a copy of its own, as the journal said at the start; ``knows`` says whether a session's stream is in this
    generation. ``boot``: of this recorder.
    """

    def __init__(self, settings: DeadlineSettings, terms: Terms, boot: int, knows: Callable[[str], bool]) -> None:
        self._settings, self._terms, self._boot, self._knows = settings, terms, boot, knows
        self._next_us = 0

    @property
    def unsynced(self) -> Unsynced:
        """What is still to be handed over."""
        return unsynced(self._terms)

    def note(self, entry: e.Entry) -> None:
        """An entry of ``KINDS`` is in the journal."""
        self._terms.apply(entry)
        if isinstance(entry, e.SessionClose | e.Receipt):
            self._next_us = 0

    def step(self, now_us: int, utc: Utc | None, bytes_per_s: int | None) -> Out:
        """Time passed; the terms are looked at every ``look_s``, and at once after a close or a receipt."""
        if now_us < self._next_us:
            return []
        self._next_us = now_us + self._settings.look_s * US_PER_S
        return self.look(now_us, utc, bytes_per_s)

    def look(self, now_us: int, utc: Utc | None, bytes_per_s: int | None) -> Out:
        """Entries and events of the terms that have come to another state by ``now_us`` of this boot."""
        closed = [term for term in self._terms.terms.values() if term.closed]
        elapsed = {term.session: self._terms.elapsed(term, self._boot, now_us, utc) for term in closed}
        out: Out = []
        bytes_due = 0
        for term in sorted(closed, key=lambda one: (-elapsed[one.session].least, one.session)):
            bytes_due += term.bytes_left
            at = elapsed[term.session]
            state = "delivered" if term.delivered else judge(self._settings, term.state, at, bytes_due, bytes_per_s)
            if state != term.state:
                out += self._tell(term, state, at, bytes_per_s)
        for term in closed:
            if term.delivered:
                del self._terms.terms[term.session]
        return out

    def _tell(self, term: Term, state: e.DeadlineState, elapsed: Elapsed, bytes_per_s: int | None) -> Out:
        term.state = state
        entry = e.Deadline(
            stream=term.session if self._knows(term.session) else e.DEVICE_STREAM,
            session=term.session,
            state=state,
            until_boot=term.until_boot,
            until_us=term.until_us,
            term_min=self._settings.term_h * 60,
            elapsed_least_us=elapsed.least,
            elapsed_most_us=elapsed.most,
            bytes_left=term.bytes_left,
            bytes_per_s=UNKNOWN if bytes_per_s is None else bytes_per_s,
        )
        left_min = (self._settings.term_us - elapsed.least) // US_PER_MIN
        return [m.Draft(entry), m.Event(f"deadline.{state}", _words(state, elapsed, left_min), term.session, left_min)]


def _words(state: e.DeadlineState, elapsed: Elapsed, left_min: int) -> str:
    """For the officer, who owes the upload."""
    if state == "late":
        return f"the session is not in the store, {-left_min} min after its term; bring the device to the dock"
    if state == "at_risk" and elapsed.most < 0:
        return "nobody knows how long the device was off; bring it to the dock before the session's term is over"
    if state == "at_risk":
        return f"{left_min} min are left to bring the session into the store; bring the device to the dock"
    if state == "delivered":
        return "the session is in the store" + (f", {-left_min} min late" if left_min < 0 else "")
    return f"the upload will be done in time; {left_min} min are left"
