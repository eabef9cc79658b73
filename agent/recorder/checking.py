"""A check of the device as it goes: begun at the start or when asked for, measured, told, journalled (R19a). Pure.

Rules: a check first says that it checks, which tries the speaker, and has a trial write made; it ends when both have
answered, or after ``LONGEST_NS`` without them, which then are unchecked. It speaks only while nobody is asked for
anything: its words would be heard as an answer. One check at a time; a second wish is met by the one under way. It
holds up nothing: whoever presses start meanwhile records.

Leaves to others: the facts (``gather``), the verdict (``checkup``).
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from agent.evidence import entries as e
from agent.recorder import messages as m
from agent.recorder.checkup import CheckFacts, CheckSettings, Item, check, entry_of, faults, sentence, unchecked, worst
from agent.recorder.prompts import Language
from agent.recorder.timeline import NS_PER_MS, NS_PER_S, NS_PER_US

LEAST_NS, LONGEST_NS = 1 * NS_PER_S, 12 * NS_PER_S
"""Rendering the first words may take 5 s, the next figures of the volume another 5."""
LOOK_NS = 500 * NS_PER_MS
_FIRST_WORDS: Mapping[Language, str] = {"zh": "设备检查。", "en": "Device check."}

Gather = Callable[[int], CheckFacts]
"""The facts now; given is the moment (CLOCK_BOOTTIME, ns) since which a trial write counts."""
Out = list[m.Draft | m.Effect]


@dataclass(frozen=True, slots=True)
class Checked:
    """A check that is over."""

    number: int
    """Counts the checks since the start, from 1."""
    at_us: int
    """CLOCK_BOOTTIME of its end."""
    items: tuple[Item, ...]
    unchecked: tuple[e.CheckName, ...]


@dataclass(slots=True)
class _Running:
    why: e.CheckWhy
    since_ns: int
    next_look_ns: int


class Checking:
    """``parts``: what the device has; ``failing``: what failed in the last check that the journal tells of."""

    def __init__(
        self,
        settings: CheckSettings,
        language: Language,
        parts: Collection[str],
        gather: Gather,
        failing: Collection[e.CheckName],
        now_ns: int,
    ) -> None:
        self._settings, self._language, self._gather = settings, language, gather
        self._parts = frozenset(parts)
        self._failing = frozenset(failing)
        self._wanted: e.CheckWhy | None = "start" if settings.at_start else None
        self._due_ns = now_ns + settings.settle_s * NS_PER_S
        self._running: _Running | None = None
        self._words = 0
        """Of what is said here: numbers below zero, so that no question has the same."""
        self.last: Checked | None = None

    @property
    def under_way(self) -> bool:
        """A check is wanted or running."""
        return self._running is not None or self._wanted == "asked"

    def owns(self, number: int) -> bool:
        """Whether what was said, or not, was said here."""
        return number < 0

    def ask(self, now_ns: int) -> Out:
        """Somebody wants a check now."""
        if self._running is None:
            self._wanted, self._due_ns = "asked", now_ns
        return [m.Event("accepted", "checking")]

    def step(self, quiet: bool, now_ns: int) -> Out:
        """Time passed; ``quiet``: no question is being put, and no answer listened for."""
        if self._running is not None:
            return self._go_on(self._running, quiet, now_ns)
        if self._wanted is None or not quiet or now_ns < self._due_ns:
            return []
        why, self._wanted = self._wanted, None
        self._running = _Running(why, now_ns, now_ns + LEAST_NS)
        return [m.Event("check.begun", why), *self._trial(), *self._say(_FIRST_WORDS[self._language])]

    def report(self) -> dict[str, object]:
        """For the local interface: whether a check is under way, and how the last one went."""
        last = self.last
        if last is None:
            return {"under_way": "yes" if self.under_way else "no", "number": 0}
        return {
            "under_way": "yes" if self.under_way else "no",
            "number": last.number,
            "at_us": last.at_us,
            **as_report(last.items, last.unchecked),
        }

    def _go_on(self, running: _Running, quiet: bool, now_ns: int) -> Out:
        if now_ns < running.next_look_ns:
            return []
        running.next_look_ns = now_ns + LOOK_NS
        facts = self._gather(running.since_ns)
        late = now_ns - running.since_ns >= LONGEST_NS
        return self._end(running, facts, quiet, now_ns) if late or self._answered(facts) else []

    def _answered(self, facts: CheckFacts) -> bool:
        writing = facts.writing
        spoke = facts.speaker is not None or "signals" not in self._parts
        wrote = writing is not None and (writing.read_only or writing.write_us >= 0 or bool(writing.error))
        return spoke and (wrote or "storage" not in self._parts)

    def _end(self, running: _Running, facts: CheckFacts, quiet: bool, now_ns: int) -> Out:
        self._running = None
        items = check(self._settings, facts)
        left = unchecked(items, facts)
        number = self.last.number + 1 if self.last else 1
        self.last = Checked(number, now_ns // NS_PER_US, tuple(items), tuple(left))
        words = sentence(items, left, self._language)
        news = faults(items, self._failing)
        self._failing = frozenset([item.name for item in items if item.result == "fail"])
        out: Out = [m.Draft(entry_of(items, left, running.why, words)), *(m.Draft(fault) for fault in news)]
        out.append(m.Event(f"check.{worst(items)}", words, value=number))
        return out + (self._say(words) if quiet else [])

    def _trial(self) -> Out:
        return [m.Trial()] if "storage" in self._parts else []

    def _say(self, words: str) -> Out:
        """A device that cannot say it has a fault, whatever else the check finds: the lamp shows that."""
        if "signals" not in self._parts:
            return []
        self._words -= 1
        return [m.Say(self._words, words, self._language, "fault")]


def as_report(items: Collection[Item], left_out: Collection[e.CheckName]) -> dict[str, object]:
    """Result, items and sentences of a check, as JSON has them."""
    return {
        "result": worst(items),
        "items": [
            {"name": item.name, "result": item.result, "text_zh": item.text_zh, "text_en": item.text_en}
            for item in items
        ],
        "unchecked": list(left_out),
        "words_zh": sentence(list(items), list(left_out), "zh"),
        "words_en": sentence(list(items), list(left_out), "en"),
    }
