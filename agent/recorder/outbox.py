"""What waits for the writer, in order, within one budget of media.

Rules: entries are never dropped. Past the budget the oldest whole GOPs not yet handed over are given up, and the
hole they leave is remembered until it is written as one interruption; what the writer already has is its own.
The budget is a stalled sync of ``queue_s`` plus what a normal flush holds, so that a stall of that length loses
nothing (design, threads). Pure.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from agent.recorder.messages import Item, MediaFragment, SegmentEnd, SegmentStart

SLACK_MS = 2_500
"""Two flushes (one being written, one waiting for its chunk), a GOP, and the turn of the threads."""


@dataclass(slots=True)
class Hole:
    """Media given up between two moments, and how the segment after it begins."""

    session: str
    last_us: int
    first_us: int
    start: SegmentStart


class Outbox:
    """Items for the writer; ``queue_s`` is the budget."""

    def __init__(self, queue_s: int) -> None:
        self._budget_us = (queue_s * 1000 + SLACK_MS) * 1000
        self._items: list[Item] = []
        self._in_flight: deque[int] = deque()
        self._media_us = 0
        self._last_start: SegmentStart | None = None
        self.hole: Hole | None = None

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

    def take(self) -> list[Item]:
        """All items for one handover; the hole must have been written before (``close_hole``)."""
        assert self.hole is None, "the hole is told before what follows it"
        items, self._items = self._items, []
        self._in_flight.extend(length_us(item) for item in items if isinstance(item, MediaFragment))
        self._last_start = _last_start(items) or self._last_start
        return items

    def attested(self, fragments: int) -> None:
        """The writer attested so many of the oldest fragments."""
        for _ in range(fragments):
            self._media_us -= self._in_flight.popleft()

    def over_budget(self, waiting_us: int = 0) -> bool:
        """True when media beyond the budget waits; ``waiting_us`` of it elsewhere."""
        return self._media_us + waiting_us > self._budget_us

    def give_up_oldest(self) -> bool:
        """Give up GOPs until the budget holds; False where there is no whole GOP to give up."""
        gave = False
        while self.over_budget():
            keys = [i for i, item in enumerate(self._items) if isinstance(item, MediaFragment) and item.key]
            if len(keys) < 2:
                break
            self._cut(keys[0], keys[1])
            gave = True
        return gave

    def close_hole(self, told: Sequence[Item]) -> None:
        """Write the hole where it is: ``told`` (its interruption), then a new segment."""
        assert self.hole is not None
        at = next(i for i, item in enumerate(self._items) if isinstance(item, MediaFragment) and item.key)
        self._items[at:at] = [*told, SegmentEnd(self.hole.session), self.hole.start]
        self.hole = None

    def _cut(self, first: int, end: int) -> None:
        gone, kept = self._items[first:end], self._items[end]
        before = self._items[:first]
        if before and isinstance(before[-1], SegmentStart):  # a segment that would have no fragment
            gone = [before.pop(), *gone]
            if before and isinstance(before[-1], SegmentEnd):
                gone = [before.pop(), *gone]
        dropped = [item for item in gone if isinstance(item, MediaFragment)]
        assert isinstance(kept, MediaFragment)
        start = _last_start(gone) or (self.hole.start if self.hole else None) or _last_start(before) or self._last_start
        assert start is not None
        last_us = self.hole.last_us if self.hole else first_us(dropped[0])
        self.hole = Hole(kept.session, last_us, first_us(kept), as_after_drop(start))
        self._media_us -= sum(length_us(item) for item in dropped)
        entries = [item for item in gone if not isinstance(item, MediaFragment | SegmentStart | SegmentEnd)]
        self._items = [*before, *entries, *self._items[end:]]


def as_after_drop(start: SegmentStart) -> SegmentStart:
    """The same segment, begun again behind a hole."""
    return SegmentStart(
        session=start.session,
        cause="after_drop",
        init=start.init,
        tracks=start.tracks,
        officer=start.officer,
        important=start.important,
        utc_us=start.utc_us,
    )


def first_us(fragment: MediaFragment) -> int:
    """First moment in a fragment."""
    return min(span.first_us for span in fragment.spans)


def length_us(fragment: MediaFragment) -> int:
    """How much time a fragment covers: of its picture where it has one."""
    span = fragment.spans[0]
    return span.last_us - span.first_us


def _last_start(items: Sequence[Item]) -> SegmentStart | None:
    return next((item for item in reversed(items) if isinstance(item, SegmentStart)), None)
