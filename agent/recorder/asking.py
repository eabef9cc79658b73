"""Asking for the spoken reason of interruptions, and finding it in the sound (R19b). Pure.

Rules: oldest first, where what went unanswered waits behind what was not asked about yet; interruptions of one cause
that lie close together are asked about once and get one explanation each; without an answer it is asked again after
growing pauses, when the officer stops, and in the next session; a reason is never dropped, and asking never stands in
the recording's way. An answer is a range of the open session's sound, opened by the officer's press or by speech after
the question, ended by a press, by silence, by its greatest length or by the session's end, in which the detector found
enough speech. Whose voice it is, and what it says, is not judged.

``Asking`` owns what is owed. Leaves to others: the words (``prompts``), and when an answer's sound is safe
(``reasons``).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from agent.evidence import entries as e
from agent.recorder.timeline import NS_PER_MS, NS_PER_S, NS_PER_US
from drivers.microphone import SoundFigures

Why = Literal["resumed", "again", "start", "stop", "officer"]
EndedBy = Literal["press", "silence", "length", "stop"]
BEFORE_SPEECH_NS = 1_000_000_000
"""A detector wakes up behind the first syllable: the range begins so much before what it found."""
BEHIND_SPEECH_NS = 500_000_000
"""Likewise at the end."""
MOST_FIGURES_NS = 2_000_000_000
"""They come twice a second."""
MOST_AT_STOP = 3
"""Questions before a session may end: people who talk beside the device shall not hold it up for ever."""
LATEST_FIGURES_NS = 1_000_000_000
"""Figures of a moment come half a second later, and a little."""
DETECTOR = "silero-vad-6.2"


@dataclass(frozen=True, slots=True)
class AskSettings:
    """From ``[ask]``, where the reasons stand."""

    settle_ms: int = 2_000
    prompt_s: int = 20
    listen_s: int = 30
    silence_ms: int = 3_000
    longest_s: int = 120
    least_speech_ms: int = 1_000
    again_s: int = 60
    most_again_s: int = 1_800
    join_s: int = 60
    at_stop: bool = True


@dataclass(frozen=True, slots=True)
class Question:
    """Words are wanted: about ``owed``; so many are ``left`` in all."""

    number: int
    owed: tuple[e.Owed, ...]
    left: int
    why: Why
    until_ns: int
    """When it must have been said: later it would be heard as its own answer."""


@dataclass(frozen=True, slots=True)
class Detect:
    """The detector shall run, or may rest."""

    on: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """It was asked: one entry for each interruption, in its session's stream."""

    entries: tuple[e.ExplanationAsked, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """Speech was found; it explains each of ``owed``. The range's fragments are still to be named."""

    owed: tuple[e.Owed, ...]
    spoken: e.Spoken


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A question went without an answer."""


Wanted = Question | Detect | Asked | Answer | Unanswered


@dataclass(slots=True)
class _Prompting:
    """The question is being spoken."""

    question: Question
    since_ns: int
    pressed: bool = False
    """The officer wants to speak: from the end of the words on."""


@dataclass(slots=True)
class _Listening:
    """The question was put; what is heard counts."""

    question: Question
    since_ns: int
    opened_by: Literal["press", "speech"] | None = None
    from_ns: int = 0
    last_speech_ns: int = 0
    heard_ns: int = 0
    """Up to here the sound is known to be there."""
    heard: list[SoundFigures] = field(default_factory=list)
    pressed_ns: int = 0
    """The press that ends it; figures of the last half second are still to come."""

    def within(self, until_ns: int) -> list[SoundFigures]:
        """The figures of the answer so far."""
        return [one for one in self.heard if self.from_ns <= one.capture_ns + one.length_ns <= until_ns]

    def ignore(self) -> None:
        """A cough, a click, a syllable: it neither opens an answer nor ends the waiting for one."""
        self.last_speech_ns = 0
        self.heard.clear()
        if self.opened_by == "speech":
            self.opened_by, self.from_ns = None, 0


class Asking:
    """``owed``: what an earlier start left. ``session`` in calls: the open session whose sound is recorded, or ""."""

    def __init__(self, settings: AskSettings, boot: int, owed: Iterable[e.Owed], now_ns: int) -> None:
        self._settings, self._boot = settings, boot
        self._owed = {(one.session, one.interruption): one for one in owed}
        self._phase: _Prompting | _Listening | None = None
        self._why: Why = "start"
        self._fresh: set[tuple[str, int]] = set()
        """Those behind which recording goes on again, and that were not asked about yet."""
        self._next_ns = now_ns + settings.settle_ms * NS_PER_MS
        self._pause_s = settings.again_s
        self._number = 0
        self._requests: dict[tuple[str, int], int] = {}
        """How often each was asked about since the start."""
        self._unanswered = False
        """The last question went without an answer."""
        self._stopping = 0
        """The officer wants to stop, and was asked so often before."""
        self._asked_last: tuple[tuple[str, int], ...] = ()
        """What the last question was about."""

    @property
    def left(self) -> int:
        """How many reasons are owed."""
        return len(self._owed)

    @property
    def phase(self) -> Literal["quiet", "prompting", "listening"]:
        """For people."""
        if self._phase is None:
            return "quiet"
        return "prompting" if isinstance(self._phase, _Prompting) else "listening"

    def owes(self, session: str, interruption: int) -> e.Owed | None:
        """The interruption, if its reason is owed."""
        return self._owed.get((session, interruption))

    # --- what comes in ---------------------------------------------------------------------------------------

    def owe(self, owed: e.Owed, resumed: bool, now_ns: int) -> None:
        """An interruption has ended: its reason is owed, and asked for once things have settled.

        Not so soon where nobody answered about others of its kind: a loose cable asks no faster than a single fault.
        """
        alike = any((one.track, one.cause) == (owed.track, owed.cause) for one in self._owed.values())
        self._owed[(owed.session, owed.interruption)] = owed
        if alike and self._unanswered:
            return
        self._pause_s = self._settings.again_s
        if resumed:
            self._fresh.add((owed.session, owed.interruption))
        self._why = "again"
        self._next_ns = now_ns + self._settings.settle_ms * NS_PER_MS

    def settled(self, session: str, interruption: int) -> list[Wanted]:
        """It was explained in writing: a question that was about nothing else is over."""
        self._owed.pop((session, interruption), None)
        if self._phase is None or self._still_owed(self._phase.question):
            return []
        self._phase = None
        return [Detect(False)]

    def _still_owed(self, question: Question) -> tuple[e.Owed, ...]:
        return tuple([one for one in question.owed if (one.session, one.interruption) in self._owed])

    def step(self, session: str, now_ns: int) -> list[Wanted]:
        """Time passed."""
        phase = self._phase
        if phase is None:
            return self._ask(session, now_ns)
        if isinstance(phase, _Listening):
            return self._listen(phase, session, now_ns)
        if now_ns - phase.since_ns > self._settings.prompt_s * NS_PER_S:
            return self.said(phase.question.number, "", "", now_ns)  # no speaker, or it hangs: the lamp asks
        return []

    def said(self, number: int, words: str, sha256: str, now_ns: int) -> list[Wanted]:
        """A question was put, by voice (``sha256`` of what was played) or, with "", by the lamp: now it is heard."""
        phase = self._phase
        if not isinstance(phase, _Prompting) or phase.question.number != number:
            return []
        self._phase = _Listening(phase.question, now_ns)
        if phase.pressed:
            self._phase.opened_by, self._phase.from_ns = "press", now_ns
        return [self._asked(phase.question, words, sha256), Detect(True)]

    def heard(self, figures: SoundFigures, session: str, now_ns: int) -> list[Wanted]:
        """What the detector found in half a second of sound."""
        phase = self._phase
        if not isinstance(phase, _Listening) or figures.capture_ns < phase.since_ns or not _sane(figures, now_ns):
            return []
        phase.heard.append(figures)
        phase.heard_ns = figures.capture_ns + figures.length_ns
        if figures.speech_ms > 0:
            if phase.opened_by is None:
                phase.opened_by = "speech"
                phase.from_ns = max(phase.since_ns, figures.capture_ns - BEFORE_SPEECH_NS)
            phase.last_speech_ns = phase.heard_ns
        return self._listen(phase, session, now_ns)

    def press(self, session: str, now_ns: int) -> list[Wanted]:
        """The officer's press: opens the answer, or ends it.

        While words are spoken it counts from their end; later, for what was asked last; where nothing was asked yet,
        the question comes first: nobody shall explain another interruption than he means.
        """
        phase = self._phase
        if isinstance(phase, _Listening):
            if phase.opened_by is None:
                phase.opened_by, phase.from_ns = "press", now_ns
            elif not phase.pressed_ns:
                phase.pressed_ns = now_ns
            return []
        if phase is not None:
            phase.pressed = True
            return []
        if not self._owed or not session:
            return []
        if not self._asked_last or any(key not in self._owed for key in self._asked_last):
            self._why, self._next_ns = "officer", now_ns
            return self._ask(session, now_ns)
        self._number += 1
        owed = tuple([self._owed[key] for key in self._asked_last])
        self._phase = _Listening(Question(self._number, owed, self.left, "officer", now_ns), now_ns, "press", now_ns)
        return [self._asked(self._phase.question, "", ""), Detect(True)]

    def before_stop(self, session: str, now_ns: int) -> tuple[bool, list[Wanted]]:
        """The officer wants to stop: whether the session may end now, and what to do before.

        Everything owed is asked for once, until a question goes without an answer. Called until it says yes.
        """
        if self._phase is not None:
            self._stopping = max(1, self._stopping)
            return False, []
        enough = self._stopping > MOST_AT_STOP or (self._stopping and self._unanswered)
        if not self._owed or not session or enough or not self._settings.at_stop:
            return True, []
        self._stopping, self._why, self._next_ns = max(1, self._stopping), "stop", now_ns
        return False, self._ask(session, now_ns)

    def ended(self, session: str, now_ns: int) -> list[Wanted]:
        """The session with the sound ends now: an answer that was begun counts, if there is enough of it."""
        self._stopping, phase = 0, self._phase
        if isinstance(phase, _Listening):
            return self._conclude(phase, session, now_ns, "stop")
        if phase is not None:
            self._phase = None
            self._put_off(now_ns)
        return []

    # --- asking ----------------------------------------------------------------------------------------------

    def _ask(self, session: str, now_ns: int) -> list[Wanted]:
        if not self._owed or not session or now_ns < self._next_ns or self._stopping > MOST_AT_STOP:
            return []
        self._stopping += self._stopping > 0
        question = self._question(self._why, now_ns)
        self._phase = _Prompting(question, now_ns)
        return [question]

    def _question(self, why: Why, now_ns: int) -> Question:
        self._number += 1
        until_ns, group = now_ns + self._settings.prompt_s * NS_PER_S, self._group()
        if why == "again" and (group[0].session, group[0].interruption) in self._fresh:
            why = "resumed"
        return Question(self._number, group, len(self._owed), why, until_ns)

    def _group(self) -> tuple[e.Owed, ...]:
        """The oldest of those asked about least often, and what of its session, track and cause follows it closely."""
        owed, join_us = list(self._owed.values()), self._settings.join_s * NS_PER_S // NS_PER_US
        first = min(owed, key=lambda one: self._requests.get((one.session, one.interruption), 0))
        group = [first]
        for one in owed[owed.index(first) + 1 :]:
            if _follows(group[-1], one, join_us):
                group.append(one)
        return tuple(group)

    def _asked(self, question: Question, words: str, sha256: str) -> Asked:
        owed = self._still_owed(question)
        self._asked_last = tuple([(one.session, one.interruption) for one in owed])
        return Asked(tuple([self._request(one, question.why, words, sha256) for one in owed]))

    def _request(self, one: e.Owed, why: Why, words: str, sha256: str) -> e.ExplanationAsked:
        key = (one.session, one.interruption)
        self._fresh.discard(key)
        self._requests[key] = self._requests.get(key, 0) + 1
        return e.ExplanationAsked(
            stream=one.session,
            interruption=one.interruption,
            request=self._requests[key],
            why=why,
            how="sound" if sha256 else "lamp",
            words=words,
            prompt_sha256=sha256,
        )

    # --- listening -------------------------------------------------------------------------------------------

    def _listen(self, phase: _Listening, session: str, now_ns: int) -> list[Wanted]:
        """Whether the answer has ended, or has been waited for long enough."""
        settings = self._settings
        if not session:
            return self._conclude(phase, session, now_ns, "stop")
        if phase.pressed_ns:
            known = phase.heard_ns >= phase.pressed_ns or now_ns - phase.pressed_ns > LATEST_FIGURES_NS
            return self._conclude(phase, session, phase.pressed_ns, "press") if known else []
        if phase.opened_by is not None and now_ns - phase.from_ns > settings.longest_s * NS_PER_S:
            return self._conclude(phase, session, now_ns, "length")
        if phase.last_speech_ns and now_ns - phase.last_speech_ns > settings.silence_ms * NS_PER_MS:
            if self._spoken_ms(phase, phase.heard_ns) >= settings.least_speech_ms:
                return self._conclude(phase, session, now_ns, "silence")
            phase.ignore()
        since_ns = max(phase.since_ns, phase.from_ns, phase.last_speech_ns)
        waited = now_ns - since_ns > settings.listen_s * NS_PER_S
        return self._conclude(phase, session, now_ns, "silence") if waited else []

    def _spoken_ms(self, phase: _Listening, until_ns: int) -> int:
        return sum([one.speech_ms for one in phase.within(until_ns)])

    def _conclude(self, phase: _Listening, session: str, now_ns: int, ended_by: EndedBy) -> list[Wanted]:
        """Enough speech is an answer; else it is asked again later."""
        self._phase = None
        spoken_ns = phase.last_speech_ns + BEHIND_SPEECH_NS if ended_by == "silence" else now_ns
        until_ns = min(now_ns, spoken_ns, phase.heard_ns)
        speech_ms = self._spoken_ms(phase, until_ns)
        owed = self._still_owed(phase.question)
        if phase.opened_by is None or not session or speech_ms < self._settings.least_speech_ms or not owed:
            self._put_off(now_ns)
            return [Detect(False), Unanswered()]
        for one in owed:
            self._owed.pop((one.session, one.interruption), None)
        self._unanswered, self._pause_s = False, self._settings.again_s
        self._why, self._next_ns = "again", now_ns + self._settings.settle_ms * NS_PER_MS
        spoken = e.Spoken(
            session=session,
            boot=self._boot,
            from_us=phase.from_ns // NS_PER_US,
            until_us=until_ns // NS_PER_US,
            fragments=[],
            opened_by=phase.opened_by,
            ended_by=ended_by,
            detector=DETECTOR,
            speech_ms=speech_ms,
            level_db=max([one.level_cdb for one in phase.within(until_ns)]) // 100,
        )
        return [Detect(False), Answer(owed, spoken)]

    def _put_off(self, now_ns: int) -> None:
        """Not answered: later again, each time after twice the pause."""
        self._unanswered, self._why, self._next_ns = True, "again", now_ns + self._pause_s * NS_PER_S
        self._pause_s = min(2 * self._pause_s, self._settings.most_again_s)


def _sane(figures: SoundFigures, now_ns: int) -> bool:
    """What a microphone gone mad says is no speech: figures of the future, or of more speech than sound."""
    in_time = 0 < figures.length_ns <= MOST_FIGURES_NS and figures.capture_ns + figures.length_ns <= now_ns + NS_PER_S
    return in_time and 0 <= figures.speech_ms <= figures.length_ns // NS_PER_MS


def _follows(before: e.Owed, one: e.Owed, join_us: int) -> bool:
    alike = (one.session, one.track, one.cause) == (before.session, before.track, before.cause)
    return alike and one.last_boot == before.first_boot and one.last_us - before.first_us <= join_us
