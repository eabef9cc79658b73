"""Which reasons hold: each ``explanation`` against its interruption and against the sound that it was spoken in (R19b).

Rules, after invariant 5: a spoken reason names a range of sound, a written one holds a text and is there only where
the microphone is what failed; it does not stand before an interruption's end after which recording went on; its range
begins before it ends, and not before the interruption; it lies in the sound of the fragments that it names, without a
hole of more than 60 ms, in the session's own stream or in another's; some of it is speech, and no more than its length.
A reason that breaks a rule explains nothing. More to a reason (``explanation.addendum``) keeps the same rules, but may
be written about any interruption: the reason itself is there already.

Pure. Where the sound lies in a session, or a part of one, that is not here, that is told and not held against it.
Left to others: which entry names which interruption (``session``), and for ever: whose voice it is and what it says.
"""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field

from agent.evidence.entries import Explanation, ExplanationAddendum, Fragment, FragmentRef, Spoken, TrackSpan
from agent.verify.accounting import TOLERANCE_US, holes
from agent.verify.axis import Range
from agent.verify.facts import Line, Problem
from agent.verify.session import Interruption, Session

SPEECH_MARGIN_MS = 500
"""Speech is counted in blocks of half a second, and one of them may reach beyond the range."""
MAX_STRETCHES = 100
"""A reason that holds lies in one stretch of sound without a hole; of rows with very many no more are looked at."""
MAX_NAME = 40
"""Characters of a session's name that are shown; the device's own have seven."""


def shown(name: str) -> str:
    """A session's name as an entry gives it, for people: short, and without what a terminal obeys."""
    return "".join(letter if letter.isprintable() else "?" for letter in name[:MAX_NAME])


def check(sessions: Sequence[Session], files: Container[str], whole: bool, everything: bool) -> None:
    """Note on each interruption whether its reason holds, and on its session what does not.

    ``sessions``: of one generation. ``files``: names of media files that are here. ``whole``: the streams begin with
    entry 0. ``everything``: no other session of the device is missing.
    """
    held = _Held({session.id: session for session in sessions}, files, whole, everything)
    for session in sessions:
        for known in session.interruptions:
            _judge(held, session, known)


@dataclass(slots=True)
class _Held:
    """The sessions that are here, and the sound of those that were asked for."""

    sessions: dict[str, Session]
    files: Container[str]
    whole: bool
    everything: bool
    sounds: dict[str, "Sound"] = field(default_factory=dict)

    def sound(self, session: Session) -> "Sound":
        if session.id not in self.sounds:
            self.sounds[session.id] = Sound(session)
        return self.sounds[session.id]


def _judge(held: _Held, session: Session, known: Interruption) -> None:
    if known.explained and known.explanation:
        problems = list(_problems(held, known, known.explained, known.explanation))
        known.holds = not problems
        session.problems += problems
        known.elsewhere = _elsewhere(held, known.explanation) if known.holds else ""
    for line in known.addenda:
        if isinstance(line.entry, ExplanationAddendum):
            session.problems += _problems(held, known, line, line.entry)


def _problems(
    held: _Held, known: Interruption, line: Line, entry: Explanation | ExplanationAddendum
) -> Iterator[Problem]:
    begin, number = known.begin, known.begin.interruption
    spoken = entry.spoken if isinstance(entry.spoken, Spoken) else None
    first = isinstance(entry, Explanation)
    if first and known.early and known.end and known.end.resumed == "yes":
        yield line.problem("explanation_early", number=number)
    if (entry.how == "spoken") != (spoken is not None) or (entry.how == "written" and not entry.private):
        yield line.problem("explanation_form", how=entry.how)
    if first and entry.how == "written" and begin.cause != "microphone" and begin.track != "sound":
        yield line.problem("explanation_written", number=number, track=begin.track, cause=begin.cause)
    if spoken is None:
        return
    length_us = spoken.until_us - spoken.from_us
    if length_us <= 0:
        yield line.problem("explanation_reversed")
        return
    if not 0 < spoken.speech_ms <= length_us // 1000 + SPEECH_MARGIN_MS:
        yield line.problem("explanation_speech", speech_ms=spoken.speech_ms, length_ms=length_us // 1000)
    if (spoken.boot, spoken.from_us + TOLERANCE_US) < (begin.last_boot, begin.last_us):
        yield line.problem("explanation_foretold", number=number)
    yield from _sound_problems(held, line, spoken)


# --- the sound -----------------------------------------------------------------------------------------


def _sound_problems(held: _Held, line: Line, spoken: Spoken) -> Iterator[Problem]:
    """Whether the range lies in the sound of the fragments that are named, as far as they are here."""
    name = spoken.session[:MAX_NAME]
    if spoken.session not in held.sessions:
        if held.everything:
            yield line.problem("explanation_session", session=name)
        return
    if _is_elsewhere(held, spoken):
        return
    ranges = held.sound(held.sessions[spoken.session]).ranges(spoken.boot, spoken.fragments)
    if ranges is None:
        yield line.problem("explanation_fragments", session=name)
        return
    left = holes(ranges, Range(spoken.from_us, spoken.until_us))
    if left:
        length_ms = sum(hole.end_us - hole.start_us for hole in left) // 1000
        yield line.problem("explanation_outside", session=name, length_ms=length_ms)


def _elsewhere(held: _Held, entry: Explanation) -> str:
    """The session whose sound, its entries or its media, is not here; empty where it is."""
    spoken = entry.spoken
    if not isinstance(spoken, Spoken):
        return ""
    numbers = {ref.segment for ref in spoken.fragments}
    session = held.sessions.get(spoken.session)
    named = [s.open.file for s in session.segments if s.open.segment in numbers] if session else []
    is_here = all(file in held.files for file in named) and not _is_elsewhere(held, spoken)
    return "" if is_here else spoken.session


def _is_elsewhere(held: _Held, spoken: Spoken) -> bool:
    """Whether the fragments lie in a session that is not here, or before the part of it that is."""
    session = held.sessions.get(spoken.session)
    if session is None:
        return not held.everything
    return not held.whole and held.sound(session).misses(spoken.fragments)


class Sound:
    """A session's sound by its fragments, in the order of the stream."""

    def __init__(self, session: Session) -> None:
        self._first_segment = session.segments[0].open.segment if session.segments else None
        self._places: dict[tuple[int, int], int] = {}
        self._spans: list[tuple[int, TrackSpan]] = []
        for line, span in session.spans("sound"):
            if isinstance(line.entry, Fragment):
                self._places.setdefault((line.entry.segment, line.entry.index), len(self._spans))
                self._spans.append((line.entry.boot, span))
        self._unbroken = list(range(len(self._spans)))
        """Up to which place the sound goes on from each without a hole."""
        for at in reversed(range(len(self._spans) - 1)):
            if _adjoin(self._spans[at], self._spans[at + 1]):
                self._unbroken[at] = self._unbroken[at + 1]

    def misses(self, fragments: list[FragmentRef]) -> bool:
        """Whether a fragment is named that stands before the part of the session that is here."""
        return self._first_segment is None or any(0 <= ref.segment < self._first_segment for ref in fragments)

    def ranges(self, boot: int, fragments: list[FragmentRef]) -> list[Range] | None:
        """Moments (µs) of a boot that the fragments hold as sound, in the order in which they stand in the stream.

        None where one is named that is not there, begins or ends a row without sound, or stands out of order.
        """
        found: list[Range] = []
        reached, stretches = -1, 0
        for ref in fragments:
            at, last = self._places.get((ref.segment, ref.first)), self._places.get((ref.segment, ref.last))
            if at is None or last is None or not reached < at <= last:
                return None
            reached = last
            while at <= last and stretches < MAX_STRETCHES:
                stretches += 1
                end = min(last, self._unbroken[at])
                if self._spans[at][0] == boot:
                    found.append(Range(self._spans[at][1].first_us, self._spans[end][1].last_us))
                at = end + 1
        return found if fragments else None


def _adjoin(one: tuple[int, TrackSpan], other: tuple[int, TrackSpan]) -> bool:
    return one[0] == other[0] and abs(other[1].first_us - one[1].last_us) <= TOLERANCE_US
