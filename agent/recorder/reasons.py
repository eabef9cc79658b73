"""The spoken reasons as the recorder sees them: what is owed, what is asked, what is bound (R19b). Pure.

``Asking`` decides; here its wishes become entries, words and commands, and an answer waits until its sound is on the
disk before an ``explanation`` names it: an explanation whose sound is lost would explain nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent.evidence import entries as e
from agent.recorder import messages as m
from agent.recorder.asking import Answer, Asked, Asking, AskSettings, Detect, Question, Wanted
from agent.recorder.outbox import Hole, Outbox
from agent.recorder.prompts import Language, question
from agent.recorder.state import DeviceState, owed_of
from agent.recorder.timeline import NS_PER_US
from drivers.microphone import SoundFigures

ARRIVAL_NS = 300_000_000
"""By then all sound that was captured has come: an encoder and a sound server hold up to two packets and a period."""
LEAST_CHARACTERS = 10
"""Of a written reason: less than a sentence explains nothing."""

Out = list[m.Draft | m.Effect]
UtcOf = Callable[[int, int], int | None]
"""Boot and moment, microseconds, to UTC in microseconds."""


@dataclass(slots=True)
class _Waiting:
    """An answer whose sound is on its way to the disk."""

    answer: Answer
    built: bool = False
    """All of it has become fragments."""
    behind: m.MediaFragment | None = None
    """The last of them; None where all were attested already."""


class Reasons:
    """``officer`` gives the certificate number of who carries the device now."""

    def __init__(
        self,
        settings: AskSettings,
        language: Language,
        utc_offset_min: int,
        state: DeviceState,
        officer: Callable[[], str],
        utc_of: UtcOf,
        now_ns: int,
    ) -> None:
        self._language, self._utc_offset_min = language, utc_offset_min
        self._officer, self._utc_of = officer, utc_of
        self._begun = {
            (one.session, begin.interruption): begin
            for one in state.sessions.values()
            for begin in one.open_interruptions
        }
        self._asking = Asking(settings, state.boot, state.owed.values(), now_ns)
        self._explained: dict[tuple[str, int], e.Owed | None] = dict.fromkeys(state.explained)
        """Interruptions whose reason was given."""
        self._words: dict[int, str] = {}
        """What a question says, until it was put."""
        self._waiting: list[_Waiting] = []

    @property
    def owed(self) -> int:
        """Reasons that are still to be given; one whose sound is not safe yet is among them."""
        return self._asking.left + sum([len(one.answer.owed) for one in self._waiting])

    @property
    def phase(self) -> str:
        """``quiet``, ``prompting`` or ``listening``."""
        return self._asking.phase

    # --- what the recorder tells ----------------------------------------------------------------------------

    def note(self, entry: e.Entry, now_ns: int) -> None:
        """An entry is on its way to the journal: an interruption that ends owes its reason."""
        if isinstance(entry, e.InterruptionBegin):
            self._begun[entry.stream, entry.interruption] = entry
        elif isinstance(entry, e.InterruptionEnd):
            begin = self._begun.pop((entry.stream, entry.interruption), None)
            if begin is not None:
                self._asking.owe(owed_of(begin, entry), entry.resumed == "yes", now_ns)

    def step(self, session: str, now_ns: int) -> Out:
        """Time passed; ``session`` is the open one whose sound is recorded, or ""."""
        return self._carried_out(self._asking.step(session, now_ns))

    def said(self, number: int, sha256: str, now_ns: int) -> Out:
        """A question was spoken; ``sha256`` of what was played, or "" where there is no voice: the lamp asks."""
        words = self._words.pop(number, "") if sha256 else ""
        return self._carried_out(self._asking.said(number, words, sha256, now_ns))

    def heard(self, figures: SoundFigures, session: str, now_ns: int) -> Out:
        """Half a second of sound was looked at."""
        return self._carried_out(self._asking.heard(figures, session, now_ns))

    def press(self, session: str, now_ns: int) -> Out:
        """The officer begins or ends an answer."""
        return self._carried_out(self._asking.press(session, now_ns))

    def before_stop(self, session: str, now_ns: int) -> tuple[bool, Out]:
        """Whether a session may end now, and what is asked before."""
        may, wanted = self._asking.before_stop(session, now_ns)
        return may, self._carried_out(wanted)

    def ended(self, session: str, now_ns: int) -> Out:
        """The session ends; its last fragments are still to be built."""
        return self._carried_out(self._asking.ended(session, now_ns))

    # --- binding --------------------------------------------------------------------------------------------

    def built(self, outbox: Outbox, now_ns: int, last: bool = False) -> None:
        """Fragments have been built of all that came; ``last``: of this session no more will."""
        for one in self._waiting:
            if not one.built and (last or one.answer.spoken.until_us * NS_PER_US + ARRIVAL_NS <= now_ns):
                one.built, one.behind = True, outbox.newest()

    def bound(self, outbox: Outbox) -> Out:
        """Explanations of the answers whose sound is attested by now."""
        ready = [one for one in self._waiting if one.built and (one.behind is None or not outbox.holds(one.behind))]
        self._waiting = [one for one in self._waiting if one not in ready]
        drafts: Out = []
        for one in ready:
            self._explained.update({(owed.session, owed.interruption): owed for owed in one.answer.owed})
            drafts += [m.Draft(self._explanation(owed, one.answer.spoken)) for owed in one.answer.owed]
            drafts.append(m.Event("reason.given", "", one.answer.owed[0].session, self.owed))
        return drafts

    def dropped(self, hole: Hole, now_ns: int) -> None:
        """Media was given up: an answer that lay in it is no answer."""
        for one in list(self._waiting):
            spoken = one.answer.spoken
            if spoken.session == hole.session and spoken.from_us < hole.first_us and spoken.until_us > hole.last_us:
                self._waiting.remove(one)
                for owed in one.answer.owed:
                    self._asking.owe(owed, False, now_ns)

    def unbound(self, interruptions: Sequence[tuple[str, int]], now_ns: int) -> None:
        """Their reason turned out to lie in sound with holes: it is owed again."""
        for key in interruptions:
            owed = self._explained.pop(key, None)
            if owed is not None:
                self._asking.owe(owed, False, now_ns)

    def _explanation(self, owed: e.Owed, spoken: e.Spoken) -> e.Explanation:
        return e.Explanation(
            stream=owed.session,
            interruption=owed.interruption,
            how="spoken",
            officer=self._officer(),
            spoken=spoken,
        )

    # --- in writing -----------------------------------------------------------------------------------------

    def written(self, said: m.ExplainInWriting) -> Out:
        """A written reason, only where the microphone is what failed; or more to one that was given."""
        text = said.text.strip()
        if len(text) < LEAST_CHARACTERS:
            return [
                m.Event("refused", f"a written reason has at least {LEAST_CHARACTERS} characters; write a sentence")
            ]
        entry: e.Explanation | e.ExplanationAddendum
        ended: Out = []
        if said.addendum and (said.session, said.interruption) not in self._explained:
            text = f"interruption {said.interruption} of {said.session} has no reason to be added to; give it first"
            return [m.Event("refused", text)]
        if said.addendum:
            entry = e.ExplanationAddendum(interruption=said.interruption, how="written", officer=self._officer())
        else:
            owed = self._asking.owes(said.session, said.interruption)
            if owed is None:
                return [m.Event("refused", f"no reason is owed for interruption {said.interruption} of {said.session}")]
            if owed.cause != "microphone" and owed.track != "sound":
                return [m.Event("refused", "only where the microphone failed may the reason be written; speak it")]
            ended = self._carried_out(self._asking.settled(said.session, said.interruption))
            self._explained[said.session, said.interruption] = owed
            entry = e.Explanation(interruption=said.interruption, how="written", officer=self._officer())
        entry.stream = said.session
        return [m.Event("accepted", "", said.session), m.Draft(entry, text), *ended]

    # --- carrying out ---------------------------------------------------------------------------------------

    def _carried_out(self, wanted: Sequence[Wanted]) -> Out:
        out: Out = []
        for one in wanted:
            match one:
                case Question():
                    out += self._put(one)
                case Detect(on=on):
                    out.append(m.Detect(on))
                case Asked(entries=entries):
                    out += [m.Draft(entry) for entry in entries]
                    out.append(m.Event("reason.listening", "", entries[0].stream if entries else "", self.owed))
                case Answer():
                    self._waiting.append(_Waiting(one))
                    out.append(m.Event("reason.heard", "", one.spoken.session, self.owed))
                case _:
                    out.append(m.Event("reason.unanswered", "the reason is still owed", value=self.owed))
        return out

    def _put(self, wanted: Question) -> Out:
        words = question(wanted.owed, wanted.left, wanted.why, self._language, self._utc_of, self._utc_offset_min)
        self._words = {wanted.number: words}
        asked = m.Event("reason.asked", words, wanted.owed[0].session, wanted.left)
        return [m.Say(wanted.number, words, self._language, "ask", wanted.until_ns), asked]
