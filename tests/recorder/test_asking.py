"""Asking for reasons: oldest first, again and again, never in the way; speech alone is an answer (R19b)."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from agent.evidence import entries as e
from agent.recorder.asking import (
    Answer,
    Asked,
    Asking,
    AskSettings,
    Detect,
    Question,
    Unanswered,
    Wanted,
)
from agent.recorder.timeline import NS_PER_S, NS_PER_US
from drivers.microphone import SoundFigures

BLOCK_NS = 512_000_000
SETTINGS = AskSettings()
SESSION = "s000001"


def owed(number: int, from_s: int = 10, until_s: int = 20, cause: e.Cause = "camera", session: str = SESSION) -> e.Owed:
    return e.Owed(
        session=session,
        interruption=number,
        track="video",
        cause=cause,
        last_boot=0,
        last_us=from_s * 1_000_000,
        first_boot=0,
        first_us=until_s * 1_000_000,
    )


class Scene:
    """An officer and a device; time goes by half a second, sound comes all the time."""

    def __init__(self, *reasons: e.Owed, settings: AskSettings = SETTINGS, speaker: bool = True) -> None:
        self.now_ns, self.session, self.speaker = 100 * NS_PER_S, SESSION, speaker
        self.asking = Asking(settings, 0, reasons, self.now_ns)
        self.all: list[tuple[int, Wanted]] = []
        self.detecting = False

    def take(self, wanted: list[Wanted]) -> None:
        for one in wanted:
            self.all.append((self.now_ns, one))
            if isinstance(one, Detect):
                self.detecting = one.on
            if isinstance(one, Question) and self.speaker:
                self.take(self.asking.said(one.number, "words", "hash", self.now_ns))

    def run(self, seconds: float, speaks: bool = False) -> None:
        for _ in range(round(seconds * NS_PER_S / BLOCK_NS)):
            self.now_ns += BLOCK_NS
            speech_ms = (448 if speaks else 0) if self.detecting else -1
            heard = SoundFigures(self.now_ns - BLOCK_NS, BLOCK_NS, -2_000, -1_000, 0, speech_ms)
            self.take(self.asking.heard(heard, self.session, self.now_ns))
            self.take(self.asking.step(self.session, self.now_ns))

    def got(self, kind: type) -> list[Wanted]:
        return [one for _, one in self.all if isinstance(one, kind)]

    def answers(self) -> list[Answer]:
        return [one for _, one in self.all if isinstance(one, Answer)]


def test_the_answer_is_the_range_in_which_somebody_speaks() -> None:
    scene = Scene()
    scene.asking.owe(owed(0), True, scene.now_ns)
    scene.run(4)
    began_ns = scene.now_ns
    scene.run(5, speaks=True)
    ended_ns = scene.now_ns
    scene.run(5)
    (answer,) = scene.answers()
    spoken = answer.spoken
    assert (spoken.opened_by, spoken.ended_by) == ("speech", "silence")
    assert abs(spoken.from_us * NS_PER_US - began_ns) <= 1.1 * NS_PER_S
    assert 0 <= spoken.until_us * NS_PER_US - ended_ns <= NS_PER_S
    assert spoken.speech_ms >= 4_000
    assert scene.asking.left == 0
    assert not scene.detecting


def test_a_press_opens_and_another_ends_the_answer() -> None:
    scene = Scene(owed(0))
    scene.run(4)
    scene.take(scene.asking.press(scene.session, scene.now_ns))
    scene.run(4, speaks=True)
    scene.take(scene.asking.press(scene.session, scene.now_ns))
    pressed_ns = scene.now_ns
    scene.run(2, speaks=True)
    (answer,) = scene.answers()
    assert (answer.spoken.opened_by, answer.spoken.ended_by) == ("press", "press")
    assert answer.spoken.until_us * NS_PER_US == pressed_ns


def test_the_officer_may_speak_before_being_asked() -> None:
    scene = Scene(owed(0))
    scene.take(scene.asking.press(scene.session, scene.now_ns))
    scene.run(4, speaks=True)
    scene.run(4)
    (asked,) = [one for one in scene.got(Asked) if isinstance(one, Asked)]
    assert asked.entries[0].why == "officer"
    assert len(scene.answers()) == 1


def test_silence_is_no_answer_and_pauses_grow_to_their_bound() -> None:
    scene = Scene(owed(0))
    scene.run(4 * 3600)
    asked = [at for at, one in scene.all if isinstance(one, Question)]
    pauses = [(after - before) // NS_PER_S for before, after in itertools.pairwise(asked)]
    assert all(after >= before for before, after in itertools.pairwise(pauses))
    assert pauses[0] <= SETTINGS.again_s + SETTINGS.listen_s + 2
    assert SETTINGS.most_again_s <= pauses[-1] <= SETTINGS.most_again_s + SETTINGS.listen_s + 2
    assert scene.asking.left == 1
    assert not scene.answers()
    requests = [one.entries[0].request for one in scene.got(Asked) if isinstance(one, Asked)]
    assert requests == list(range(1, len(requests) + 1))


def test_a_cough_is_no_answer() -> None:
    scene = Scene(owed(0))
    scene.run(4)
    scene.run(1, speaks=True)
    scene.run(SETTINGS.listen_s)
    assert not scene.answers()
    assert scene.got(Unanswered)


def test_a_syllable_before_the_answer_does_not_end_the_waiting_for_it() -> None:
    """The detector takes the end of the question, a cough or a door for half a word."""
    scene = Scene(owed(0))
    scene.run(4)
    scene.run(0.5, speaks=True)
    scene.run(9)
    began_ns = scene.now_ns
    scene.run(5, speaks=True)
    scene.run(5)
    (answer,) = scene.answers()
    assert answer.spoken.from_us * NS_PER_US >= began_ns - 1.1 * NS_PER_S


def test_without_a_speaker_the_lamp_asks() -> None:
    scene = Scene(owed(0), speaker=False)
    scene.run(SETTINGS.prompt_s + 4)
    (asked,) = [one for one in scene.got(Asked) if isinstance(one, Asked)]
    assert asked.entries[0].how == "lamp"
    scene.run(4, speaks=True)
    scene.run(5)
    assert len(scene.answers()) == 1


def test_nothing_is_asked_where_nothing_is_recorded() -> None:
    scene = Scene(owed(0))
    scene.session = ""
    scene.run(600)
    assert not scene.all


def test_close_interruptions_of_one_cause_are_asked_about_once_and_others_one_by_one() -> None:
    scene = Scene(owed(0, 10, 11), owed(1, 12, 13), owed(2, 14, 15, "power"), owed(3, 300, 310, "power"))
    for _ in range(3):
        scene.run(4)
        scene.run(4, speaks=True)
        scene.run(4)
    assert [[one.interruption for one in answer.owed] for answer in scene.answers()] == [[0, 1], [2], [3]]


def test_the_stop_asks_for_all_that_is_owed_and_goes_on_when_nobody_answers() -> None:
    scene = Scene(owed(0, 10, 11), owed(1, 500, 501, "power"))
    may, wanted = scene.asking.before_stop(scene.session, scene.now_ns)
    assert not may
    scene.take(wanted)
    scene.run(3, speaks=True)
    scene.run(4)
    assert len(scene.answers()) == 1
    may, wanted = scene.asking.before_stop(scene.session, scene.now_ns)
    assert not may
    scene.take(wanted)
    scene.run(SETTINGS.listen_s + 2)
    assert scene.asking.before_stop(scene.session, scene.now_ns) == (True, [])
    assert scene.asking.left == 1


def test_a_session_that_ends_while_somebody_speaks_has_the_answer() -> None:
    scene = Scene(owed(0))
    scene.run(4)
    scene.run(4, speaks=True)
    scene.take(scene.asking.ended(scene.session, scene.now_ns))
    (answer,) = scene.answers()
    assert answer.spoken.ended_by == "stop"


def test_a_press_answers_the_last_question_and_no_other() -> None:
    scene = Scene(owed(0, 10, 11), owed(1, 500, 501, "power"))
    scene.run(4)
    scene.run(SETTINGS.listen_s)
    scene.take(scene.asking.press(scene.session, scene.now_ns))
    scene.run(4, speaks=True)
    scene.run(5)
    assert [one.interruption for answer in scene.answers() for one in answer.owed] == [0]


def test_a_press_while_the_question_is_spoken_counts_from_its_end() -> None:
    """Or the device's own voice would be the answer."""
    scene = Scene(owed(0), speaker=False)
    scene.run(3)
    (question,) = [one for one in scene.got(Question) if isinstance(one, Question)]
    scene.take(scene.asking.press(scene.session, scene.now_ns))
    scene.run(6, speaks=True)
    assert scene.asking.phase == "prompting"
    said_ns = scene.now_ns
    scene.take(scene.asking.said(question.number, "words", "hash", scene.now_ns))
    scene.run(4, speaks=True)
    scene.run(5)
    (answer,) = scene.answers()
    assert answer.spoken.opened_by == "press"
    assert answer.spoken.from_us * NS_PER_US >= said_ns - NS_PER_US


def test_a_reason_that_was_written_meanwhile_is_not_explained_again() -> None:
    scene = Scene(owed(0, cause="microphone"))
    scene.run(4)
    scene.take(scene.asking.settled(SESSION, 0))
    scene.run(4, speaks=True)
    scene.run(5)
    assert not scene.answers()
    assert scene.asking.phase == "quiet"


def test_figures_of_a_microphone_gone_mad_are_no_speech() -> None:
    scene = Scene(owed(0))
    scene.run(4)
    for length_ns, speech_ms, ahead_ns in ((BLOCK_NS, 10**18, 0), (BLOCK_NS, 448, 10**15), (10**12, 448, 0), (0, 1, 0)):
        mad = SoundFigures(scene.now_ns - BLOCK_NS + ahead_ns, length_ns, -2_000, -1_000, 0, speech_ms)
        scene.take(scene.asking.heard(mad, scene.session, scene.now_ns))
    scene.run(SETTINGS.listen_s + 1)
    assert not scene.answers()
    assert scene.asking.phase == "quiet"


def test_a_stop_is_held_for_three_questions_at_most() -> None:
    scene = Scene(*(owed(n, 1000 * n, 1000 * n + 1) for n in range(9)))
    asked = 0
    while True:
        may, wanted = scene.asking.before_stop(scene.session, scene.now_ns)
        asked += sum(isinstance(one, Question) for one in wanted)
        if may:
            break
        scene.take(wanted)
        scene.run(3, speaks=True)
    assert asked <= 3
    assert scene.asking.left >= 6


def test_a_loose_cable_does_not_ask_faster_than_a_single_fault() -> None:
    scene = Scene(owed(0))
    for number in range(1, 31):
        scene.run(20)
        scene.asking.owe(owed(number, 1000 + 20 * number, 1001 + 20 * number), True, scene.now_ns)
    assert len(scene.got(Question)) <= 6
    assert scene.asking.left == 31


actions = st.lists(
    st.sampled_from(["owe", "speak", "silent", "press", "stop", "gone", "back", "end"]), min_size=1, max_size=60
)


def test_a_microphone_that_hangs_while_somebody_speaks_ends_the_range_where_its_sound_ends() -> None:
    scene = Scene(owed(0))
    scene.run(4)
    scene.run(4, speaks=True)
    last_ns = scene.now_ns
    scene.now_ns += 2 * NS_PER_S
    scene.take(scene.asking.step("", scene.now_ns))
    assert all(answer.spoken.until_us * NS_PER_US <= last_ns for answer in scene.answers())
    assert len(scene.answers()) + scene.asking.left == 1


@given(actions, st.booleans())
def test_every_reason_is_answered_once_or_still_owed(steps: list[str], speaker: bool) -> None:
    scene, owes, at_s = Scene(speaker=speaker), 0, 1_000
    for step in steps:
        match step:
            case "owe":
                at_s += 100
                scene.asking.owe(owed(owes, at_s, at_s + 1), bool(owes % 2), scene.now_ns)
                owes += 1
            case "speak" | "silent":
                scene.run(3, speaks=step == "speak")
            case "press":
                scene.take(scene.asking.press(scene.session, scene.now_ns))
            case "stop":
                scene.take(scene.asking.before_stop(scene.session, scene.now_ns)[1])
            case "gone" | "back":
                scene.session = SESSION if step == "back" else ""
            case "end":
                scene.take(scene.asking.ended(scene.session, scene.now_ns))
    answered = [one.interruption for answer in scene.answers() for one in answer.owed]
    assert len(answered) == len(set(answered))
    assert len(answered) + scene.asking.left == owes
    for answer in scene.answers():
        assert answer.spoken.session == SESSION
        assert 0 < answer.spoken.from_us < answer.spoken.until_us
        assert answer.spoken.speech_ms >= SETTINGS.least_speech_ms
        assert answer.spoken.speech_ms <= (answer.spoken.until_us - answer.spoken.from_us) // 1_000 + 600
    asked = {entry.interruption for one in scene.got(Asked) if isinstance(one, Asked) for entry in one.entries}
    assert set(answered) <= asked
