"""What waits for the writer, in order, within one budget of media.

Rules: entries are never dropped. Past the budget the oldest whole GOPs not yet handed over are given up; a ``Hole``
stands in their place until it is handed over, told as an interruption of its session, and the media behind it begins
a new segment. What the writer already has is its own. The budget is a stalled sync of ``queue_s`` plus what a normal
flush holds, so that a stall of that length loses nothing (design, threads). Pure.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from msgspec import structs

from agent.recorder.messages import Draft, Item, MediaFragment, SegmentEnd, SegmentStart

SLACK_MS = 2_500
"""Two flushes (one being written, one waiting for its chunk), a GOP, and the turn of the threads."""


@dataclass(slots=True)
class Hole:
    """Media of a session that was given up, between two moments of this boot."""

    session: str
    last_us: int
    first_us: int


class Outbox:
    """Items for the writer; ``queue_s`` is the budget."""

    def __init__(self, queue_s: int) -> None:
        self._budget_us = (queue_s * 1000 + SLACK_MS) * 1000
        self._items: list[Item | Hole] = []
        self._in_flight: deque[MediaFragment] = deque()
        self._media_us = 0
        self._start: SegmentStart | None = None
        """The segment that the next fragment belongs to."""
        self._begun = False
        """The writer has that segment."""

    def __bool__(self) -> bool:
        return bool(self._items)

    @property
    def media_us(self) -> int:
        """Media that is not attested, microseconds."""
        return self._media_us

    @property
    def in_flight(self) -> int:
        """Fragments handed over and not attested."""
        return len(self._in_flight)

    def add(self, items: Sequence[Item]) -> None:
        """Put items behind the others."""
        self._items += items
        self._media_us += sum(length_us(item) for item in items if isinstance(item, MediaFragment))

    def take(self, tell: Callable[[Hole], Sequence[Item]]) -> list[Item]:
        """All items for one handover; ``tell`` gives a hole's entries."""
        items, self._items = self._items, []
        handed = [one for item in items for one in self._handed(item, tell)]
        self._in_flight.extend(item for item in handed if isinstance(item, MediaFragment))
        return handed

    def attested(self, fragments: int) -> str:
        """The writer attested so many of the oldest fragments; the session of the last of them, or ""."""
        session = ""
        for _ in range(fragments):
            fragment = self._in_flight.popleft()
            self._media_us -= length_us(fragment)
            session = fragment.session
        return session

    def newest(self) -> MediaFragment | None:
        """The last fragment that is not attested."""
        waiting = [item for item in self._items if isinstance(item, MediaFragment)]
        return waiting[-1] if waiting else (self._in_flight[-1] if self._in_flight else None)

    def holds(self, fragment: MediaFragment) -> bool:
        """Whether it is still to be attested: it, and so all before it, neither durable nor given up."""
        return any(one is fragment for one in (*self._in_flight, *self._items))

    def over_budget(self, waiting_us: int = 0) -> bool:
        """True when media beyond the budget waits; ``waiting_us`` of it elsewhere."""
        return self._media_us + waiting_us > self._budget_us

    def give_up_oldest(self) -> list[Hole]:
        """Give up GOPs until the budget holds, as far as there are whole ones; what was given up."""
        gave: list[Hole] = []
        while self.over_budget() and (gop := self._oldest_gop()) is not None:
            gave.append(self._cut(*gop))
        return gave

    # --- handing over ---------------------------------------------------------------------------------------

    def _handed(self, item: Item | Hole, tell: Callable[[Hole], Sequence[Item]]) -> Iterator[Item]:
        """A segment begins with its first fragment: one that has lost all its media is never begun."""
        match item:
            case Draft():
                yield item
            case Hole():
                yield from tell(item)
                yield from self._begin_anew(item)
            case SegmentStart():
                self._start, self._begun = item, False
            case SegmentEnd():
                if self._begun:
                    yield item
                self._start, self._begun = None, False
            case MediaFragment():
                if not self._begun and self._start is not None:
                    yield self._start
                    self._begun = True
                yield item

    def _begin_anew(self, hole: Hole) -> Iterator[Item]:
        if self._start is None or self._start.session != hole.session:
            return
        if self._begun:
            yield SegmentEnd(hole.session)
        self._start, self._begun = structs.replace(self._start, cause="after_drop"), False

    # --- giving up ------------------------------------------------------------------------------------------

    def _oldest_gop(self) -> tuple[int, int] | None:
        """First item of the oldest GOP and the one behind its last: a key frame, or its segment's end."""
        first = None
        for i, item in enumerate(self._items):
            ends = isinstance(item, SegmentEnd) or (isinstance(item, MediaFragment) and item.key)
            if first is not None and ends:
                return first, i
            if isinstance(item, MediaFragment) and item.key:
                first = i
        return None

    def _cut(self, first: int, end: int) -> Hole:
        dropped = [item for item in self._items[first:end] if isinstance(item, MediaFragment)]
        spans = [span for one in dropped for span in one.spans]
        session, last_us = dropped[0].session, min(span.first_us for span in spans)
        until_us = max(span.last_us for span in spans)  # both tracks go on before it: each where it was given up
        kept = [item for item in self._items[first:end] if not isinstance(item, MediaFragment)]
        hole = self._adjoining(session, first)
        if hole is None:
            kept.insert(0, Hole(session, last_us, until_us))
        else:
            hole.last_us, hole.first_us = min(hole.last_us, last_us), max(hole.first_us, until_us)
        self._items[first:end] = kept
        self._media_us -= sum(length_us(item) for item in dropped)
        return Hole(session, last_us, until_us)

    def _adjoining(self, session: str, first: int) -> Hole | None:
        """The hole before an item, with no media between."""
        for item in reversed(self._items[:first]):
            if isinstance(item, Hole):
                return item if item.session == session else None
            if isinstance(item, MediaFragment):
                return None
        return None


def length_us(fragment: MediaFragment) -> int:
    """How much time a fragment covers: of its picture where it has one."""
    span = fragment.spans[0]
    return span.last_us - span.first_us
