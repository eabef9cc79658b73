"""A session as its stream tells it: segments, interruptions and their reasons, start and end; what contradicts itself.

Pure: entries in, model and problems out. An excerpt begins in the middle, so what was opened before it is not held
against it. Which moments are accounted for is judged in ``accounting``, which reasons hold in ``reasons``.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from agent.evidence.entries import (
    Explanation,
    ExplanationAddendum,
    ExplanationAsked,
    Fragment,
    ImpairmentBegin,
    ImpairmentEnd,
    InterruptionBegin,
    InterruptionEnd,
    SegmentClose,
    SegmentOpen,
    SessionClose,
    SessionOpen,
    TrackSpan,
)
from agent.verify.facts import Line, Problem, Segment


@dataclass(slots=True)
class Interruption:
    """A hole that the device journalled."""

    begun: Line
    begin: InterruptionBegin
    ended: Line | None = None
    end: InterruptionEnd | None = None
    asked: int = 0
    """How often the device asked for the reason."""
    explained: Line | None = None
    explanation: Explanation | None = None
    """The first one; it counts only where ``holds``."""
    early: bool = False
    """It stands before the interruption's end."""
    addenda: list[Line] = field(default_factory=list)
    holds: bool = False
    """The explanation breaks no rule (``reasons``)."""
    elsewhere: str = ""
    """The session, or part of one, that has the reason's sound and is not here."""

    def covers(self, track: str) -> bool:
        return self.begin.track in (track, "all")


@dataclass(slots=True)
class Impairment:
    """Picture, sound or disk was not as it should be; recorded on, so no hole."""

    begin: ImpairmentBegin
    end: ImpairmentEnd | None = None


@dataclass(slots=True)
class Session:
    """One session's stream, read."""

    id: str
    lines: list[Line]
    opened: Line | None = None
    """The line of ``session.open``; None where it is not there."""
    open: SessionOpen | None = None
    closed: Line | None = None
    close: SessionClose | None = None
    segments: list[Segment] = field(default_factory=list)
    interruptions: list[Interruption] = field(default_factory=list)
    numbered: dict[int, Interruption] = field(default_factory=dict)
    """The same by their numbers, of two with one number the later."""
    impairments: dict[int, Impairment] = field(default_factory=dict)
    """By number, in the order in which they began."""
    problems: list[Problem] = field(default_factory=list)

    def spans(self, track: str) -> Iterator[tuple[Line, TrackSpan]]:
        """Every span of one track, in the order of the stream."""
        for segment in self.segments:
            for line, piece in segment.pieces:
                for span in piece.tracks:
                    if span.track == track:
                        yield line, span


def read_session(stream: str, lines: list[Line], whole: bool) -> Session:
    """The model of one stream; ``whole`` is False for an excerpt."""
    session = Session(stream, lines)
    for line in lines:
        _take(session, line, whole)
    if session.opened is None:
        session.problems.append(lines[0].problem("session_not_opened"))
    session.problems += _unfinished(session)
    return session


def _take(session: Session, line: Line, whole: bool) -> None:
    match line.entry:
        case SessionOpen() as entry if session.opened is None and line.entry.n == 0:
            session.opened, session.open = line, entry
        case SegmentOpen():
            _open_segment(session, line)
        case Fragment() | SegmentClose() as entry:
            _continue_segment(session, line, entry, whole)
        case InterruptionBegin() as entry:
            if entry.interruption in session.numbered:
                session.problems.append(line.problem("interruption_twice", number=entry.interruption))
            session.interruptions.append(known := Interruption(line, entry))
            session.numbered[entry.interruption] = known
        case InterruptionEnd() as entry:
            _end_interruption(session, line, entry, whole)
        case ExplanationAsked() | Explanation() | ExplanationAddendum() as entry:
            _take_reason(session, line, entry, whole)
        case ImpairmentBegin() as entry:
            session.impairments.setdefault(entry.impairment, Impairment(entry))
        case ImpairmentEnd() as entry if entry.impairment in session.impairments:
            session.impairments[entry.impairment].end = entry
        case SessionClose() as entry if session.closed is None:
            session.closed, session.close = line, entry
        case SessionOpen() | SessionClose():
            session.problems.append(line.problem("session_twice"))
        case _:
            pass


def _open_segment(session: Session, line: Line) -> None:
    segment = Segment(session.id, line)
    before = session.segments[-1] if session.segments else None
    if before and segment.open.segment != before.open.segment + 1:
        session.problems.append(line.problem("segment_order", number=segment.open.segment))
    if before and before.closed is None:
        session.problems.append(line.problem("segment_not_closed", number=before.open.segment))
    if session.closed:
        session.problems.append(line.problem("after_close"))
    if not _plain_name(session.id, segment.open.file):
        session.problems.append(line.problem("segment_name", name=segment.open.file[:120]))
    session.segments.append(segment)


def _plain_name(session: str, name: str) -> bool:
    """Below the session's own folder, no deeper, no way out of it."""
    folder, _, rest = name.partition("/")
    return folder == session and bool(rest) and "/" not in rest and "\0" not in rest and rest not in (".", "..")


def _continue_segment(session: Session, line: Line, entry: Fragment | SegmentClose, whole: bool) -> None:
    segment = next((s for s in reversed(session.segments) if s.open.segment == entry.segment), None)
    if segment is None:
        if whole or session.segments:
            session.problems.append(line.problem("segment_unknown", number=entry.segment))
    elif segment.closed is not None or segment is not session.segments[-1]:
        session.problems.append(line.problem("segment_closed", number=entry.segment))
    elif isinstance(entry, Fragment):
        segment.fragments.append(line)
    else:
        segment.closed = line


def _end_interruption(session: Session, line: Line, entry: InterruptionEnd, whole: bool) -> None:
    found = session.numbered.get(entry.interruption)
    if found and found.end is None:
        found.ended, found.end = line, entry
    elif whole or found:
        session.problems.append(line.problem("interruption_unknown", number=entry.interruption))


def _take_reason(
    session: Session, line: Line, entry: ExplanationAsked | Explanation | ExplanationAddendum, whole: bool
) -> None:
    """Bind it to the interruption that had begun by then."""
    known = session.numbered.get(entry.interruption)
    if known is None:
        if whole or _would_be_here(session, entry.interruption):
            asked = isinstance(entry, ExplanationAsked)
            kind = "asked_unknown" if asked else "explanation_unknown"
            session.problems.append(line.problem(kind, number=entry.interruption))
    elif isinstance(entry, ExplanationAsked):
        known.asked += 1
    elif isinstance(entry, ExplanationAddendum):
        known.addenda.append(line)
        if known.explained is None:
            session.problems.append(line.problem("addendum_alone", number=entry.interruption))
    elif known.explained is None:
        known.explained, known.explanation, known.early = line, entry, known.end is None
    else:
        session.problems.append(line.problem("explanation_twice", number=entry.interruption))


def _would_be_here(session: Session, number: int) -> bool:
    """Whether a part of a stream would hold the beginning of that interruption: numbers only rise."""
    return number < 0 or (bool(session.interruptions) and number > session.interruptions[0].begin.interruption)


def _unfinished(session: Session) -> Iterator[Problem]:
    """Only the newest interruption of a track in an open session may lack its end (invariant 5)."""
    still_open = [known for known in session.interruptions if known.end is None]
    for known in still_open:
        later = [other for other in session.interruptions if other.begin.track == known.begin.track]
        if session.close or later[-1] is not known:
            yield known.begun.problem("interruption_open", number=known.begin.interruption)
    if session.closed and session.segments and session.segments[-1].closed is None:
        last = session.segments[-1]
        yield last.opened.problem("segment_not_closed", number=last.open.segment)
