"""What happens to the simulated camera: the scenario's ``camera.*`` events as a function of a frame's moment. Pure.

``camera.cover``  a hand or a sticker before the lens   ``camera.dark``   night without a lamp
``camera.freeze`` the sensor gives its last picture again and again; what is burnt in (time, number) goes on
``camera.stall``  the process lives and nothing comes: those frames are never captured
``camera.pull``   the driver ends with ``camera.gone``, and cannot be opened before the camera is back

Each lasts ``for_s``, for good where that is left out. All depends on moments of CLOCK_BOOTTIME alone, so a camera
that is started again stands at the right place of the story. Where several happen at once: pull, then stall, then
freeze (of what was seen when it began), then cover, then dark.
"""

from collections.abc import Iterable, Mapping
from typing import Literal

from drivers import scenario
from drivers.scenario import FOR_GOOD_NS

View = Literal["day", "covered", "night"]
WORDS = ("camera.cover", "camera.dark", "camera.freeze", "camera.stall", "camera.pull")
Span = tuple[int, int]
"""First moment, and the first moment after it."""


class Story:
    """The camera's part of a scenario that began at ``started_ns``."""

    def __init__(self, events: Iterable[scenario.Event], started_ns: int) -> None:
        self._spans: Mapping[str, list[Span]] = {word: [] for word in WORDS}
        for event in scenario.of(events, *WORDS):
            begin, end = event.begins_ns(started_ns), event.ends_ns(started_ns)
            self._spans[event.what].append((begin, FOR_GOOD_NS if end is None else end))

    def is_pulled(self, moment_ns: int) -> bool:
        """Whether the camera is not there."""
        return self._span("camera.pull", moment_ns) is not None

    def stalled_until_ns(self, moment_ns: int) -> int | None:
        """When the stall ends in which the moment lies, or the camera is pulled in it; None: it does not stall."""
        stall = self._span("camera.stall", moment_ns)
        if stall is None:
            return None
        return min([stall[1], *(begin for begin, _ in self._spans["camera.pull"] if begin > moment_ns)])

    def seen_ns(self, moment_ns: int) -> int:
        """When what the sensor gives at ``moment_ns`` was seen: earlier only while it is frozen."""
        frozen = self._span("camera.freeze", moment_ns)
        return moment_ns if frozen is None else frozen[0]

    def view(self, seen_ns: int) -> View:
        """What the lens looks at."""
        if self._span("camera.cover", seen_ns):
            return "covered"
        return "night" if self._span("camera.dark", seen_ns) else "day"

    def _span(self, word: str, moment_ns: int) -> Span | None:
        return next((span for span in self._spans[word] if span[0] <= moment_ns < span[1]), None)
