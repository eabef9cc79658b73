"""What happens to the simulated microphone: the scenario's ``microphone.*`` events by moment. Pure.

``microphone.silence`` digital silence, as of a broken wire   ``microphone.clip`` an amplifier at its limits
``microphone.stall``   the process lives and nothing comes: that sound is never captured
``microphone.pull``    the driver ends with ``microphone.gone``, and cannot be opened before it is back

Each lasts ``for_s``, for good where that is left out. All depends on moments of CLOCK_BOOTTIME alone, so a microphone
that is started again stands at the right place of the story. A stall ends early where the microphone is pulled in it.
"""

from collections.abc import Iterable, Mapping

from drivers import scenario
from drivers.scenario import FOR_GOOD_NS

SPEAK, SILENCE, CLIP = "microphone.speak", "microphone.silence", "microphone.clip"
STALL, PULL = "microphone.stall", "microphone.pull"
LASTING = (SILENCE, CLIP, STALL, PULL)
Span = tuple[int, int]
"""First moment, and the first moment after it; CLOCK_BOOTTIME in nanoseconds."""


class Story:
    """The microphone's part of a scenario that began at ``started_ns``, without what is said."""

    def __init__(self, events: Iterable[scenario.Event], started_ns: int) -> None:
        self._spans: Mapping[str, list[Span]] = {word: [] for word in LASTING}
        for event in scenario.of(events, *LASTING):
            ends_ns = event.ends_ns(started_ns)
            self._spans[event.what].append((event.begins_ns(started_ns), FOR_GOOD_NS if ends_ns is None else ends_ns))

    @property
    def silences(self) -> list[Span]:
        """When it gives digital silence."""
        return self._spans[SILENCE]

    @property
    def clippings(self) -> list[Span]:
        """When its amplifier is at its limits."""
        return self._spans[CLIP]

    def is_pulled(self, moment_ns: int) -> bool:
        """Whether the microphone is not there."""
        return self._span(PULL, moment_ns) is not None

    def stalled_until_ns(self, moment_ns: int) -> int | None:
        """When the stall in which the moment lies is over, or the microphone is pulled in it; None: none does."""
        stall = self._span(STALL, moment_ns)
        if stall is None:
            return None
        return min([stall[1], *(begin for begin, _ in self._spans[PULL] if begin > moment_ns)])

    def works_until_ns(self, moment_ns: int) -> int:
        """When the next stall or pull begins; the moment itself inside one."""
        spans = self._spans[STALL] + self._spans[PULL]
        return min((max(begin, moment_ns) for begin, end in spans if end > moment_ns), default=FOR_GOOD_NS)

    def _span(self, word: str, moment_ns: int) -> Span | None:
        return next((span for span in self._spans[word] if span[0] <= moment_ns < span[1]), None)
