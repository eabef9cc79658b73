"""What every speaker and lamp promises, whatever drives it; real drivers join by being named."""

import itertools
from typing import Any

import pytest

from drivers.child import DRIVERS, make
from drivers.errors import BadOptions, UnknownDriver
from drivers.signals import NotSaid, Said, Say, Show, Signals
from tests.drivers import decoded

WORDS = "Please say why."


@pytest.fixture(params=sorted(DRIVERS["signals"]))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def signals(name: str, **options: object) -> Signals:
    driver: Signals = make("signals", {"driver": name, **options}, decoded.clock_at())  # type: ignore[assignment]
    return driver


def given(driver: Signals, count: int) -> list[Any]:
    return list(itertools.islice(driver.messages(), count))


@pytest.mark.parametrize("mute", [False, True])
def test_each_say_has_one_answer_with_its_number_in_order(name: str, mute: bool) -> None:
    driver = signals(name, mute=mute)
    for number in (3, 1, 2):
        driver.command(Say(number, WORDS, "en"))
        driver.command(Show("fault"))
    driver.close()
    answers = list(driver.messages())
    assert [type(message) for message in answers] == [NotSaid if mute else Said] * 3
    assert [message.number for message in answers if isinstance(message, Said | NotSaid)] == [3, 1, 2]


def test_the_same_words_are_the_same_sound(name: str) -> None:
    driver = signals(name)
    for number, text in enumerate((WORDS, WORDS, WORDS + WORDS)):
        driver.command(Say(number, text, "en"))
    first, again, other = given(driver, 3)
    assert (first.sha256, first.length_ms) == (again.sha256, again.length_ms)
    assert other.sha256 != first.sha256 and other.length_ms > first.length_ms


def test_answers_survive_the_link(name: str) -> None:
    for mute in (False, True):
        driver = signals(name, mute=mute)
        driver.command(Say(1, WORDS, "en"))
        (message,) = given(driver, 1)
        assert decoded.through_the_link(message) == message


def test_closing_is_allowed_twice_and_without_having_begun(name: str) -> None:
    driver = signals(name)
    driver.close()
    driver.close()
    assert list(driver.messages()) == []


def test_an_unknown_option_is_refused_by_name(name: str) -> None:
    with pytest.raises(BadOptions, match="colour"):
        signals(name, colour="blue")


def test_an_unknown_driver_is_refused_by_name_with_the_nearest() -> None:
    with pytest.raises(UnknownDriver, match="'simulatd'; did you mean 'simulated'"):
        signals("simulatd")
