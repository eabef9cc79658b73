"""What the recorder does for device and duty besides recording: the check before use, the store's term. Pure.

One object for the recorder: what its children say, what the writer has attested, and time go in; entries, words and
events come out. Rules are those of ``checking`` (R19a) and ``deadline`` (R21a). Nothing here holds up the recording.

Leaves to others: what only the recorder knows (``Known``: who is down, the clock, the room left, what is owed).
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from agent.evidence import entries as e
from agent.recorder import messages as m
from agent.recorder.checking import Checking
from agent.recorder.checkup import CheckFacts, CheckSettings, ClockNow, Configured, Journal, Keys, Owing, Room
from agent.recorder.deadline import Deadlines, DeadlineSettings, Terms, Unsynced, Utc
from agent.recorder.observed import Observed
from agent.recorder.prompts import Language
from agent.recorder.timeline import NS_PER_US

Out = list[m.Draft | m.Effect]


@dataclass(frozen=True, slots=True)
class CareSettings:
    """From the configuration, and what was found out about it before the start."""

    parts: frozenset[str]
    """Of camera, microphone, position, signals, power, storage: what the device has."""
    position_required: bool = False
    check: CheckSettings = field(default_factory=CheckSettings)
    deadline: DeadlineSettings = field(default_factory=DeadlineSettings)
    keys: Keys = field(default_factory=Keys)
    journal_problem: str = ""
    """Why a new generation had to begin; empty where none had."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the recorder knows at the moment of a check."""

    down: Mapping[str, bool]
    """By sensor."""
    impaired: Collection[e.ImpairmentKind] = ()
    clock: ClockNow = ClockNow("none", -1)  # noqa: RUF009 -- frozen
    room: Room | None = None
    owing: Owing = Owing()  # noqa: RUF009 -- frozen


class Care:
    """``terms``, ``failing``: what the journal said at the start. ``knows``: a session's stream is in this journal."""

    def __init__(
        self,
        settings: CareSettings,
        language: Language,
        boot: int,
        terms: Terms,
        failing: Collection[e.CheckName],
        knows: Callable[[str], bool],
        known: Callable[[], Known],
        now_ns: int,
    ) -> None:
        self._settings, self._known, self._now_ns = settings, known, now_ns
        self._observed = Observed(settings.parts, settings.position_required)
        self._checking = Checking(settings.check, language, settings.parts, self._facts, failing, now_ns)
        self._deadlines = Deadlines(settings.deadline, terms.copy(), boot, knows)

    @property
    def unsynced(self) -> Unsynced:
        """What is still to be handed over to the store."""
        return self._deadlines.unsynced

    # --- what comes in --------------------------------------------------------------------------------------

    def heard(self, message: object, now_ns: int) -> None:
        """A child said something; of packets see ``pictures``."""
        self._observed.heard(message, now_ns)

    def pictures(self, packets: Iterable[object]) -> None:
        """Packets of the camera."""
        self._observed.pictures(packets)

    def gone(self, part: str, text: str) -> None:
        """A child ended."""
        self._observed.gone(part, text)

    def attested(self, entries: Iterable[e.Entry]) -> None:
        """Entries of ``deadline.KINDS`` are in the journal."""
        for entry in entries:
            self._deadlines.note(entry)

    def ask(self, now_ns: int) -> Out:
        """Somebody wants the device checked now."""
        return self._checking.ask(now_ns)

    def owns(self, number: int) -> bool:
        """Whether words with that number were said by a check."""
        return self._checking.owns(number)

    # --- what comes out -------------------------------------------------------------------------------------

    def step(self, quiet: bool, utc: Utc | None, bytes_per_s: int | None, now_ns: int) -> Out:
        """Time passed. ``quiet``: nobody is asked for anything; ``bytes_per_s``: upload, None without a network."""
        self._now_ns = now_ns
        out = self._checking.step(quiet, now_ns)
        if any(isinstance(one, m.Event) and one.name == "check.begun" for one in out):
            self._observed.asked()
        return [*out, *self._deadlines.step(now_ns // NS_PER_US, utc, bytes_per_s)]

    def report(self) -> dict[str, object]:
        """How the last check went, for the local interface."""
        return self._checking.report()

    def _facts(self, since_ns: int) -> CheckFacts:
        known = self._known()
        facts = self._observed.facts(known.down, known.impaired, since_ns, self._now_ns)
        return replace(
            facts,
            clock=known.clock,
            room=known.room,
            keys=self._settings.keys,
            configured=Configured(),
            journal=Journal(self._settings.journal_problem),
            unsynced=self.unsynced,
            owing=known.owing,
        )
