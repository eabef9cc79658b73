"""A session's line of time: every boot's moments as presentation time in microseconds.

Presentation 0 is ``session.open.from_us``; another boot's moments go on by the shortest length of the interruption
between them, as the ticks of the media do. An excerpt may begin in a boot that nothing there ties to the start: then
its first ticks do.
"""

from dataclasses import dataclass

from agent.evidence.entries import TrackSpan
from agent.verify.facts import Line
from agent.verify.moments import Clocks
from agent.verify.session import Interruption, Session

TIMESCALES = {"video": 90_000, "sound": 48_000}
FOREVER_US = 1 << 62


@dataclass(frozen=True, slots=True)
class Range:
    """From one presentation time to another, microseconds."""

    start_us: int
    end_us: int

    def overlaps(self, other: "Range") -> bool:
        return self.start_us < other.end_us and other.start_us < self.end_us


class Axis:
    """Presentation time of a boot's moments.

    ``zero[boot]`` is the CLOCK_BOOTTIME (µs) of presentation 0, ``begins[boot]`` the presentation time (µs) at which
    the session goes on in that boot.
    """

    def __init__(self, session: Session) -> None:
        self.zero: dict[int, int] = {}
        self.begins: dict[int, int] = {}
        if session.opened and session.open:
            self._tie(session.opened.entry.boot, session.open.from_us, 0)
        for known in sorted(session.interruptions, key=lambda known: known.begin.track != "all"):
            self._cross(known)
        self._anchor_by_media(session)

    def _tie(self, boot: int, boot_us: int, presentation: int) -> None:
        self.zero[boot], self.begins[boot] = boot_us - presentation, presentation

    def _cross(self, known: Interruption) -> None:
        begin, end = known.begin, known.end
        if end is None or begin.last_boot not in self.zero or end.first_boot in self.zero:
            return
        last = begin.last_us - self.zero[begin.last_boot]
        self._tie(end.first_boot, end.first_us, last + end.shortest_us)

    def _anchor_by_media(self, session: Session) -> None:
        """A boot that nothing ties to the start (an excerpt begins in it) is tied by its first ticks."""
        shifts = shifts_of(session)
        for track in TIMESCALES:
            for line, span in session.spans(track):
                if line.entry.boot not in self.zero:
                    self._tie(line.entry.boot, span.first_us, presentation_us(span, shifts.get(track, 0)))

    def at(self, boot: int, boot_us: int) -> int | None:
        return None if boot not in self.zero else boot_us - self.zero[boot]

    def range(self, line: Line, span: TrackSpan) -> Range | None:
        """The presentation times of an entry's span of media."""
        start, end = self.at(line.entry.boot, span.first_us), self.at(line.entry.boot, span.last_us)
        return None if start is None or end is None else Range(start, end)

    def hole(self, known: Interruption) -> Range | None:
        """The presentation times of an interruption; one without an end goes on for ever."""
        start = self.at(known.begin.last_boot, known.begin.last_us)
        end = self.at(known.end.first_boot, known.end.first_us) if known.end else FOREVER_US
        return None if start is None or end is None else Range(start, end)

    def moment(self, presentation: int) -> tuple[int, int] | None:
        """Boot and CLOCK_BOOTTIME of a presentation time: the latest boot in which the session had gone on by then."""
        boots = sorted(self.begins)
        boot = next(
            (boot for boot in reversed(boots) if self.begins[boot] <= presentation), boots[0] if boots else None
        )
        return None if boot is None else (boot, presentation + self.zero[boot])

    def of_utc(self, clocks: Clocks, utc_us: int) -> int | None:
        """The presentation time of a UTC moment; None where no boot of the session has a clock."""
        until, found = FOREVER_US, None
        for boot in sorted(self.begins, reverse=True):
            boot_us = clocks.boot_us(boot, utc_us)
            if boot_us is not None:
                found = min(until, boot_us - self.zero[boot])
                if found >= self.begins[boot]:
                    break
            until = self.begins[boot]
        return found


def shifts_of(session: Session) -> dict[str, int]:
    """By how many ticks a track's decode times lie before the moments of its spans: sound's priming.

    A picture's decode time lies before its presentation by what the edit list puts back, and a span tells the
    moments of presentation: there the two cancel out.
    """
    shifts: dict[str, int] = {}
    for segment in session.segments:
        for form in segment.open.tracks:
            if form.track == "sound":
                shifts.setdefault(form.track, form.shift_ticks)
    return shifts


def presentation_us(span: TrackSpan, shift_ticks: int) -> int:
    return (span.tick - shift_ticks) * 1_000_000 // TIMESCALES[span.track]
