"""Is every moment accounted for? Each required track's moments lie in media or in a journalled interruption (R8).

On the session's line of time (``axis``): spans of media tile to the tick, holes between them must be covered by
interruptions within 60 ms at each side, and a span's ticks agree with its CLOCK_BOOTTIME within 60 ms. A hole that
nothing covers is a gap without a reason.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

from agent.evidence.entries import TrackSpan
from agent.verify.axis import FOREVER_US, TIMESCALES, Axis, Range, presentation_us, shifts_of
from agent.verify.facts import Line, Problem, Segment
from agent.verify.session import Interruption, Session

TOLERANCE_US = 60_000
LATEST_US = 10_000_000
"""In an open session a track may be this far behind another: flushes, slow disks, a sensor not yet given up."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Moments of a required track that are not recorded; ``reasons`` are the interruptions that cover them."""

    track: str
    range: Range
    reasons: tuple[Interruption, ...]
    explained_by_journal: bool


@dataclass(slots=True)
class Account:
    """One session's time, judged."""

    session: Session
    axis: Axis
    whole: Range
    """From the session's start to its end, or to what it accounts for while it is open."""
    range: Range
    """What was asked for of it."""
    required: list[str]
    asked_whole: bool = True
    gaps: list[Gap] = field(default_factory=list)
    recorded_us: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    @property
    def interruptions(self) -> list[Interruption]:
        """Those that meet what was asked for; one that cannot be placed is among them."""
        placed = ((known, self.axis.hole(known)) for known in self.session.interruptions)
        return [known for known, hole in placed if self.asked_whole or hole is None or hole.overlaps(self.range)]


def account(session: Session, required: list[str], wanted: Range | None, claimed: bool = False) -> Account:
    """Judge one session; ``wanted`` limits what is asked for to a part of it.

    ``claimed``: the folder itself says that it holds that part (an excerpt), so it must reach to its end.
    """
    axis = Axis(session)
    whole = Range(0, _end_us(session, axis, required))
    asked = whole if wanted is None else Range(wanted.start_us, min(wanted.end_us, whole.end_us))
    if wanted is not None and claimed and session.close is None:
        asked = wanted
    asked = Range(asked.start_us, max(asked.start_us, asked.end_us))
    result = Account(session, axis, whole, asked, required, wanted is None)
    late = wanted is not None and whole.end_us + TOLERANCE_US < wanted.end_us < FOREVER_US
    if late and session.close is None and not claimed:
        result.problems.append(session.lines[-1].problem("range_ends_later"))
    for track in TIMESCALES:
        spans = list(session.spans(track))
        result.problems += _tick_problems(session, axis, track, spans)
        if track in required:
            result.gaps += _gaps(result, track, spans)
        held = [r for line, span in spans if (r := axis.range(line, span))]
        result.recorded_us[track] = sum(_common_us(r, asked) for r in held)
    result.problems += _length_problems(session)
    result.problems += [_gap_problem(session, axis, gap) for gap in result.gaps if not gap.explained_by_journal]
    return result


def _end_us(session: Session, axis: Axis, required: list[str]) -> int:
    """Where the session ends: its close, or up to where an open one accounts for every required track.

    Entries may stand before the media that were captured before them, so an open session is not held to its newest
    entry; but a track that stays behind the others for longer than any flush takes is.
    """
    if session.close:
        end = axis.at(session.close.until_boot, session.close.until_us)
        if end is not None:
            return end
    reached = [_reach_us(session, axis, track) for track in TIMESCALES if track in required]
    media = [r.end_us for track in TIMESCALES for line, span in session.spans(track) if (r := axis.range(line, span))]
    return max(min(reached, default=0), max(media, default=0) - LATEST_US)


def _reach_us(session: Session, axis: Axis, track: str) -> int:
    """The last moment of a track's media, or of the interruptions that adjoin it."""
    spans = [r.end_us for line, span in session.spans(track) if (r := axis.range(line, span))]
    reach = max(spans, default=_track_start_us(session, axis, track))
    for hole in sorted(_holes_of(session, axis, track), key=lambda hole: hole.start_us):
        if hole.start_us <= reach + TOLERANCE_US and hole.end_us < FOREVER_US:
            reach = max(reach, hole.end_us)
    return reach


def _holes_of(session: Session, axis: Axis, track: str) -> list[Range]:
    """Where the journal says that a track is interrupted."""
    return [r for known in session.interruptions if known.covers(track) and (r := axis.hole(known))]


def _common_us(one: Range, other: Range) -> int:
    return max(0, min(one.end_us, other.end_us) - max(one.start_us, other.start_us))


# --- holes -------------------------------------------------------------------------------------------


def _gaps(account_: Account, track: str, spans: list[tuple[Line, TrackSpan]]) -> list[Gap]:
    """Every hole of a track's media within what is asked for, with what covers it."""
    session, axis = account_.session, account_.axis
    start = max(account_.range.start_us, _track_start_us(session, axis, track))
    end = account_.range.end_us
    media = [r for line, span in spans if (r := axis.range(line, span))]
    covers = [(r, known) for known in session.interruptions if known.covers(track) and (r := axis.hole(known))]
    gaps = []
    for hole in holes(media, Range(start, end)):
        reasons = tuple(known for r, known in covers if r.overlaps(hole))
        left = holes([r for r, _ in covers], hole)
        gaps.append(Gap(track, hole, reasons, not left))
    return gaps


def _track_start_us(session: Session, axis: Axis, track: str) -> int:
    """Sound is owed from the press only, where the pre-record has none."""
    if track == "sound" and session.opened and session.open and session.open.prerecord_sound == "no":
        return axis.at(session.opened.entry.boot, session.open.pressed_us) or 0
    return 0


def holes(covering: Iterable[Range], asked: Range) -> list[Range]:
    """What the ranges leave uncovered of ``asked``; holes of at most the tolerance are no holes."""
    found: list[Range] = []
    covered = asked.start_us
    for piece in sorted(covering, key=lambda piece: piece.start_us):
        if piece.start_us > covered + TOLERANCE_US and covered < asked.end_us - TOLERANCE_US:
            found.append(Range(covered, min(piece.start_us, asked.end_us)))
        covered = max(covered, piece.end_us)
    if covered < asked.end_us - TOLERANCE_US:
        found.append(Range(covered, asked.end_us))
    return found


def _gap_problem(session: Session, axis: Axis, gap: Gap) -> Problem:
    """A gap without a reason, at the last entry that has media of the track before it."""
    place = session.lines[0]
    for line, span in session.spans(gap.track):
        last = axis.at(line.entry.boot, span.last_us)
        if last is not None and last <= gap.range.start_us + TOLERANCE_US:
            place = line
    milliseconds = (gap.range.end_us - gap.range.start_us) // 1000
    return place.problem("gap_unexplained", track=gap.track, at_ms=gap.range.start_us // 1000, length_ms=milliseconds)


# --- ticks -------------------------------------------------------------------------------------------


def _tick_problems(session: Session, axis: Axis, track: str, spans: list[tuple[Line, TrackSpan]]) -> list[Problem]:
    problems: list[Problem] = []
    shift = shifts_of(session).get(track, 0)
    covers = _holes_of(session, axis, track)
    for line, span in spans:
        at = axis.at(line.entry.boot, span.first_us)
        if at is None or abs(at - presentation_us(span, shift)) > TOLERANCE_US:
            problems.append(line.problem("moment_differs", track=track, by_ms=_by_ms(at, presentation_us(span, shift))))
        length_us = _ticks_us(track, span.end_tick - span.tick)
        if span.count < 1 or length_us <= 0 or abs(span.last_us - span.first_us - length_us) > TOLERANCE_US:
            problems.append(line.problem("span_length", track=track))
    for (_, before), (line, span) in pairwise(spans):
        jump = span.tick - before.end_tick
        if jump < 0:
            problems.append(line.problem("time_overlap", track=track, ticks=-jump))
        elif jump and not _covered(axis, covers, track, jump, line, span):
            problems.append(line.problem("ticks_jump", track=track, ticks=jump))
    return problems


def _by_ms(at: int | None, told: int) -> int:
    return 0 if at is None else (at - told) // 1000


def _ticks_us(track: str, ticks: int) -> int:
    return ticks * 1_000_000 // TIMESCALES[track]


def _covered(axis: Axis, covers: list[Range], track: str, jump: int, line: Line, span: TrackSpan) -> bool:
    """Whether an interruption lies where the ticks jump."""
    end = axis.at(line.entry.boot, span.first_us)
    if end is None:
        return True  # told by moment_differs
    hole = Range(end - _ticks_us(track, jump), end)
    return any(r.start_us <= hole.end_us and hole.start_us <= r.end_us for r in covers) and not holes(covers, hole)


def _length_problems(session: Session) -> list[Problem]:
    """Within one boot an interruption is as long as its moments say."""
    problems = []
    for known in session.interruptions:
        begin, end = known.begin, known.end
        if end is None:
            continue
        told = end.first_us - begin.last_us
        wrong = end.shortest_us < 0 or 0 <= end.longest_us < end.shortest_us
        if end.first_boot == begin.last_boot:
            wrong = wrong or abs(max(0, told) - end.shortest_us) > TOLERANCE_US
        if wrong:
            problems.append(known.begun.problem("interruption_length", number=begin.interruption))
    return problems


def segment_range(account_: Account, segment: Segment) -> Range | None:
    """From the first to the last moment of a segment's media; None where it has none."""
    ranges = [r for line, piece in segment.pieces for span in piece.tracks if (r := account_.axis.range(line, span))]
    return Range(min(r.start_us for r in ranges), max(r.end_us for r in ranges)) if ranges else None
