"""A check as it goes: when it begins, what it waits for, when it speaks, what it leaves in the journal."""

from dataclasses import dataclass, field, replace

import pytest

from agent.evidence import entries as e
from agent.recorder import messages as m
from agent.recorder.checking import LEAST_NS, LONGEST_NS, LOOK_NS, Checking
from agent.recorder.checkup import CheckFacts, CheckSettings, Picture, Speaker, Writing

S = 10**9
NOW = 1_000 * S
GOOD = CheckFacts(picture=Picture(True), speaker=Speaker(), writing=Writing(False, 9_000))
PARTS = ("camera", "signals", "storage")


@dataclass
class Rig:
    """Steps a check as a recorder does, twenty times a second."""

    facts: CheckFacts = GOOD
    parts: tuple[str, ...] = PARTS
    at_start: bool = True
    failing: tuple[e.CheckName, ...] = ()
    now_ns: int = NOW
    out: list[m.Draft | m.Effect] = field(default_factory=list)
    since_ns: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        settings = replace(CheckSettings(), at_start=self.at_start)
        self.checking = Checking(settings, "en", self.parts, self._gather, self.failing, self.now_ns)

    def _gather(self, since_ns: int) -> CheckFacts:
        self.since_ns.append(since_ns)
        return self.facts

    def run(self, seconds: float, quiet: bool = True) -> "Rig":
        until_ns = self.now_ns + round(seconds * S)
        while self.now_ns < until_ns:
            self.now_ns += S // 20
            self.out += self.checking.step(quiet, self.now_ns)
        return self

    def ask(self) -> None:
        self.out += self.checking.ask(self.now_ns)

    @property
    def entries(self) -> list[e.Entry]:
        return [one.entry for one in self.out if isinstance(one, m.Draft)]

    @property
    def said(self) -> list[str]:
        return [one.text for one in self.out if isinstance(one, m.Say)]

    @property
    def events(self) -> list[str]:
        return [one.name for one in self.out if isinstance(one, m.Event)]


def test_at_the_start_the_device_checks_itself_once_its_sensors_have_come_up() -> None:
    rig = Rig().run(9.9)
    assert rig.out == []
    rig.run(100)
    (entry,) = rig.entries
    assert isinstance(entry, e.Check) and (entry.why, entry.result) == ("start", "pass")
    assert rig.events == ["check.begun", "check.pass"]
    assert rig.said == ["Device check.", entry.words]


def test_where_it_is_not_wanted_at_the_start_it_waits_to_be_asked() -> None:
    rig = Rig(at_start=False).run(60)
    assert rig.out == []
    rig.ask()
    rig.run(3)
    assert [entry.why for entry in rig.entries if isinstance(entry, e.Check)] == ["asked"]
    assert rig.events[0] == "accepted"


def test_asking_before_the_start_check_is_due_is_that_check() -> None:
    rig = Rig()
    rig.ask()
    rig.run(60)
    assert [entry.why for entry in rig.entries if isinstance(entry, e.Check)] == ["asked"]


def test_asking_twice_makes_one_check() -> None:
    rig = Rig(at_start=False)
    rig.ask()
    rig.run(0.1)
    rig.ask()
    rig.run(30)
    assert len(rig.entries) == 1
    rig.ask()
    rig.run(30)
    assert len(rig.entries) == 2
    assert rig.checking.report()["number"] == 2


def test_it_measures_from_its_own_beginning_on() -> None:
    rig = Rig(at_start=False)
    rig.ask()
    rig.run(5)
    assert sum(isinstance(one, m.Trial) for one in rig.out) == 1
    assert set(rig.since_ns) == {NOW + S // 20}


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        (replace(GOOD, speaker=None), "speaker"),
        (replace(GOOD, writing=None), "write"),
        (replace(GOOD, writing=Writing(False, -1)), "write"),
    ],
)
def test_it_waits_for_an_answer_and_in_the_end_names_what_did_not_come(facts: CheckFacts, name: str) -> None:
    rig = Rig(facts=facts, at_start=False)
    rig.ask()
    rig.run(LONGEST_NS / S - 0.1)
    assert rig.entries == []
    rig.run(2 * LOOK_NS / S)
    (entry,) = rig.entries
    assert isinstance(entry, e.Check)
    assert name in entry.unchecked
    assert "not checked" in entry.words


def test_it_ends_as_soon_as_all_have_answered() -> None:
    rig = Rig(facts=replace(GOOD, speaker=None), at_start=False)
    rig.ask()
    rig.run(4)
    assert rig.entries == []
    rig.facts = GOOD
    rig.run(1)
    assert len(rig.entries) == 1


def test_a_device_without_speaker_and_probe_does_not_wait_for_them_nor_speak() -> None:
    rig = Rig(facts=CheckFacts(picture=Picture(True)), parts=("camera",), at_start=False)
    rig.ask()
    rig.run(LEAST_NS / S + 0.2)
    assert len(rig.entries) == 1
    assert rig.said == []
    assert not any(isinstance(one, m.Trial) for one in rig.out)


def test_it_does_not_begin_while_somebody_is_asked_for_a_reason() -> None:
    rig = Rig(at_start=False)
    rig.ask()
    rig.run(60, quiet=False)
    assert rig.said == [] and rig.entries == []
    rig.run(5)
    assert len(rig.entries) == 1


def test_it_does_not_speak_into_an_answer_and_is_journalled_all_the_same() -> None:
    rig = Rig(at_start=False)
    rig.ask()
    rig.run(0.1)
    rig.run(5, quiet=False)
    assert rig.said == ["Device check."]
    assert len(rig.entries) == 1


def test_a_fault_is_told_once_and_again_after_it_was_gone() -> None:
    rig = Rig(facts=replace(GOOD, picture=Picture(False)), at_start=False)
    kinds = []
    for up in (False, False, True, False):
        rig.facts = replace(GOOD, picture=Picture(up))
        rig.out.clear()
        rig.ask()
        rig.run(10)
        kinds.append([type(entry).__name__ for entry in rig.entries])
    assert kinds == [["Check", "Fault"], ["Check"], ["Check"], ["Check", "Fault"]]


def test_a_fault_that_the_journal_tells_of_is_no_news_at_the_next_start() -> None:
    rig = Rig(facts=replace(GOOD, picture=Picture(False)), failing=("picture",)).run(60)
    assert [type(entry).__name__ for entry in rig.entries] == ["Check"]
    assert "recording is possible" in rig.said[-1]
    assert "check.fail" in rig.events


def test_its_words_have_numbers_that_no_question_has() -> None:
    rig = Rig().run(60)
    numbers = [one.number for one in rig.out if isinstance(one, m.Say)]
    assert numbers == [-1, -2] and all(rig.checking.owns(number) for number in numbers)
    assert not rig.checking.owns(0)


def test_the_report_says_whether_one_is_under_way_and_how_the_last_one_went() -> None:
    rig = Rig(at_start=False)
    assert rig.checking.report() == {"under_way": "no", "number": 0}
    rig.ask()
    assert rig.checking.report() == {"under_way": "yes", "number": 0}
    rig.run(10)
    report = rig.checking.report()
    assert (report["under_way"], report["number"], report["result"]) == ("no", 1, "pass")
    assert isinstance(report["items"], list) and report["items"][0]["name"] == "picture"
    assert report["words_zh"] and report["words_en"]
