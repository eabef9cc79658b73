"""Which part of a session goes into an export: entries of its stream, media files, the time that they account for.

An excerpt runs from whatever was open at its start (the segment, an interruption) to the close of what is open at its
end, so that each of its files is attested as a whole. Its first line is ``session.open``, which the device's stream
ties; what lies between is left out. The reason of an interruption may be given long after it, in entries behind that
end: these are not taken along, since everything up to them would have to be; the README says so.
"""

from dataclasses import dataclass

from agent.evidence.errors import EvidenceError
from agent.verify.accounting import Account, account, segment_range
from agent.verify.axis import Range
from agent.verify.facts import Excerpt, Line, Segment
from agent.verify.moments import Clocks, Wanted
from agent.verify.run import presentation
from agent.verify.session import Session


class ExcerptImpossible(EvidenceError):
    """The time that was asked for is not in the session."""


@dataclass(frozen=True, slots=True)
class Part:
    """What of a session is exported."""

    lines: list[Line]
    segments: list[Segment]
    excerpt: Excerpt | None
    """None where it is the whole session."""
    account: Account


def whole(session: Session) -> Part:
    return Part(session.lines, session.segments, None, _account(session, None))


def between(session: Session, clocks: Clocks, start: Wanted | None, end: Wanted | None) -> Part:
    """The part from one moment to another; raises ``ExcerptImpossible`` where it holds nothing."""
    everything = _account(session, None)
    asked = _asked(everything, clocks, start, end)
    part = _account(session, asked)
    segments = [s for s in session.segments if (r := segment_range(everything, s)) and r.overlaps(asked)]
    numbers = _numbers(part, segments, asked)
    if not numbers:
        raise ExcerptImpossible(f"Nothing of {session.id} lies in that time; ask for a time within the session.")
    last = _last_number(session, segments, numbers)
    lines = [line for line in session.lines if line.entry.n == 0 or min(numbers) <= line.entry.n <= last]
    return Part(lines, segments, Excerpt(session.id, asked.start_us, asked.end_us), part)


def _account(session: Session, asked: Range | None) -> Account:
    return account(session, list(session.open.required_tracks) if session.open else [], asked)


def _asked(everything: Account, clocks: Clocks, start: Wanted | None, end: Wanted | None) -> Range:
    whole_range = everything.whole
    first = presentation(start, everything.axis, clocks, whole_range.start_us)
    last = presentation(end, everything.axis, clocks, whole_range.end_us)
    if first is None or last is None:
        raise ExcerptImpossible("The device had no clock to find that time by; give it as +SECONDS from the start.")
    asked = Range(max(first, whole_range.start_us), min(last, whole_range.end_us))
    if asked.start_us >= asked.end_us:
        length_s = whole_range.end_us / 1_000_000
        raise ExcerptImpossible(
            f"{everything.session.id} has {length_s:.1f} s; the time asked for is not in it, or ends before it begins."
        )
    return asked


def _numbers(part: Account, segments: list[Segment], asked: Range) -> list[int]:
    """Numbers of the entries that open what the excerpt holds."""
    numbers = [segment.opened.entry.n for segment in segments]
    for known in part.session.interruptions:
        held = part.axis.hole(known)
        if held is not None and held.overlaps(asked):
            numbers.append(known.begun.entry.n)
    return numbers


def _last_number(session: Session, segments: list[Segment], opening: list[int]) -> int:
    """The entry at which everything that the excerpt opened is closed, or the stream's last."""
    numbers = [segment.closed.entry.n if segment.closed else session.lines[-1].entry.n for segment in segments]
    for known in session.interruptions:
        if known.begun.entry.n in opening:
            numbers.append(known.ended.entry.n if known.ended else session.lines[-1].entry.n)
    return max(numbers)
