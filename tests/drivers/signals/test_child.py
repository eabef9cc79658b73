"""The speaker's process, really started: words go in over the link, and how each went comes back."""

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers import link
from drivers.signals import NotSaid, Said, Say, Show
from drivers.spawn import Sensor, spawn

PATIENCE_S = 30.0
"""A bound against hanging for ever, not an expectation."""


@contextlib.contextmanager
def running(**options: object) -> Iterator[Sensor]:
    sensor = spawn("signals", {"driver": "simulated", **options})
    try:
        yield sensor
    finally:
        sensor.end()


def answer(sensor: Sensor) -> link.AnyMessage:
    message = sensor.reader.receive(PATIENCE_S)
    assert message is not None, "the process is silent"
    return message


def test_words_commanded_over_the_link_are_said(tmp_path: Path) -> None:
    with running(folder=str(tmp_path)) as sensor:
        sensor.send(Say(1, "请说。", "zh"))
        said = answer(sensor)
    assert isinstance(said, Said)
    assert said.number == 1
    assert (tmp_path / "spoken" / "001.wav").is_file()


def test_two_in_a_row_are_both_said_in_order() -> None:
    with running() as sensor:
        sensor.send(Say(1, "one", "en"))
        sensor.send(Say(2, "two", "en"))
        answers = [answer(sensor), answer(sensor)]
    assert all(isinstance(said, Said) for said in answers)
    assert [said.number for said in answers if isinstance(said, Said)] == [1, 2]


def test_a_pattern_takes_no_answer(tmp_path: Path) -> None:
    with running(folder=str(tmp_path)) as sensor:
        sensor.send(Show("recording"))
        sensor.send(Say(3, "one", "en"))
        assert isinstance(answer(sensor), Said)
    assert b'"recording"' in (tmp_path / "signals.jsonl").read_bytes().splitlines()[0]


def test_a_killed_process_is_seen_as_the_links_end_and_takes_no_more_words() -> None:
    with running() as sensor:
        sensor.send(Say(1, "This sentence is so long that nobody hears its end. " * 5, "en"))
        sensor.process.kill()
        with pytest.raises(link.LinkClosed):
            sensor.reader.receive(PATIENCE_S)
        assert sensor.process.wait(PATIENCE_S) == -signal.SIGKILL
        with pytest.raises(link.LinkClosed):
            sensor.send(Say(2, "one", "en"))


def test_it_ends_in_the_middle_of_a_sentence_when_it_is_asked_to() -> None:
    with running() as sensor:
        sensor.send(Say(1, "one", "en"))
        answer(sensor)
        sensor.send(Say(2, "This sentence is so long that nobody hears its end. " * 9, "en"))
        sensor.process.terminate()
        assert sensor.process.wait(PATIENCE_S) == 0


def test_without_a_synthesizer_the_process_lives_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with running() as sensor:
        for number in (1, 2):
            sensor.send(Say(number, "one", "en"))
            message = answer(sensor)
            assert isinstance(message, NotSaid)
            assert message.number == number
            assert "install the package espeak-ng" in message.text
        assert sensor.process.poll() is None


def test_a_quiet_process_ends_when_its_link_is_closed() -> None:
    with running() as sensor:
        sensor.reader.close()
        assert sensor.process.wait(PATIENCE_S) == 0
