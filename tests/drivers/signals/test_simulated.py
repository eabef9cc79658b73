"""What the simulated speaker and lamp did is what a witness would have heard and seen, at its moments."""

import base64
import hashlib
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from drivers import Log
from drivers.child import make
from drivers.clock import InstantClock
from drivers.signals import NotSaid, Said, Say, Show, Signals
from drivers.signals.speech import length_ms
from tests.drivers import decoded

WORDS = "请口述中断原因。"
OPTIONS: Mapping[str, object] = {"driver": "simulated"}


def signals(clock: InstantClock | None = None, **options: object) -> Signals:
    driver: Signals = make("signals", {**OPTIONS, **options}, clock or decoded.clock_at())  # type: ignore[assignment]
    return driver


def given(driver: Signals, count: int) -> list[Any]:
    return list(itertools.islice(driver.messages(), count))


def notes(folder: Path) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in (folder / "signals.jsonl").read_bytes().splitlines()]


def test_said_is_given_when_the_sound_has_ended(tmp_path: Path) -> None:
    clock = decoded.clock_at()
    driver = signals(clock, folder=str(tmp_path))
    driver.command(Say(7, WORDS, "zh"))
    (said,) = given(driver, 1)
    wav = (tmp_path / "spoken" / "001.wav").read_bytes()
    assert said == Said(7, base64.urlsafe_b64encode(hashlib.sha256(wav).digest()).decode().rstrip("="), length_ms(wav))
    assert clock.now_ns() == decoded.NOW_NS + said.length_ms * 1_000_000
    (note,) = notes(tmp_path)
    assert (note["event"], note["number"], note["text"], note["language"]) == ("said", 7, WORDS, "zh")
    assert (note["file"], note["sha256"]) == ("spoken/001.wav", said.sha256)
    assert note["at_us"] - note["from_us"] == said.length_ms * 1000


def test_words_are_said_in_their_order_each_once() -> None:
    driver = signals()
    for number, text in enumerate(("one", "two", "three"), 5):
        driver.command(Say(number, text, "en"))
    assert [said.number for said in given(driver, 3)] == [5, 6, 7]


def test_without_a_folder_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    driver = signals()
    driver.command(Show("recording"))
    driver.command(Say(1, WORDS, "zh"))
    assert isinstance(given(driver, 1)[0], Said)
    assert list(tmp_path.iterdir()) == []


def test_files_are_numbered_on_after_a_restart(tmp_path: Path) -> None:
    for _ in range(2):
        driver = signals(folder=str(tmp_path))
        driver.command(Say(1, WORDS, "zh"))
        given(driver, 1)
    assert [note["file"] for note in notes(tmp_path)] == ["spoken/001.wav", "spoken/002.wav"]
    assert sorted(file.name for file in (tmp_path / "spoken").iterdir()) == ["001.wav", "002.wav"]


def test_a_device_without_a_speaker_shows_what_it_cannot_say(tmp_path: Path) -> None:
    driver = signals(folder=str(tmp_path), mute=True)
    driver.command(Say(1, WORDS, "zh"))
    driver.command(Say(2, WORDS, "zh", pattern="cannot_continue"))
    first, second = given(driver, 2)
    assert isinstance(first, NotSaid) and isinstance(second, NotSaid)
    assert (first.number, second.number) == (1, 2)
    assert "no speaker" in first.text
    assert [note["pattern"] for note in notes(tmp_path) if note["event"] == "shown"] == ["ask", "cannot_continue"]
    assert [note["number"] for note in notes(tmp_path) if note["event"] == "not_said"] == [1, 2]


def test_without_a_synthesizer_it_is_shown_and_the_package_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    driver = signals(folder=str(tmp_path))
    driver.command(Say(1, WORDS, "zh"))
    (message,) = given(driver, 1)
    assert isinstance(message, NotSaid)
    assert "install the package espeak-ng" in message.text
    assert [note["event"] for note in notes(tmp_path)] == ["shown", "not_said"]


@pytest.mark.parametrize(("within_s", "kind"), [(60.0, Said), (0.2, NotSaid), (-1.0, NotSaid)])
def test_a_question_that_would_sound_while_its_answer_is_listened_for_is_not_said(within_s: float, kind: type) -> None:
    clock = decoded.clock_at()
    driver = signals(clock)
    driver.command(Say(1, WORDS, "zh", until_ns=decoded.NOW_NS + round(within_s * 1e9)))
    (message,) = given(driver, 1)
    assert type(message) is kind
    assert (clock.now_ns() == decoded.NOW_NS) == (kind is NotSaid), "what is not said takes no time"


class Interrupted(InstantClock):
    """Shows a pattern in the middle of every sleep."""

    driver: Signals | None = None

    def sleep_until_ns(self, moment_ns: int) -> None:
        assert self.driver is not None
        super().sleep_until_ns((self.now_ns() + moment_ns) // 2)
        self.driver.command(Show("fault"))
        super().sleep_until_ns(moment_ns)


def test_a_pattern_is_shown_at_once_also_while_something_is_said(tmp_path: Path) -> None:
    clock = Interrupted(decoded.NOW_NS, decoded.UTC_NS)
    clock.driver = driver = signals(clock, folder=str(tmp_path))
    driver.command(Say(1, WORDS, "zh"))
    given(driver, 1)
    shown, said = notes(tmp_path)
    assert (shown["event"], shown["pattern"], said["event"]) == ("shown", "fault", "said")
    assert said["from_us"] < shown["at_us"] < said["at_us"]


def test_a_folder_that_cannot_be_written_is_told_once_and_costs_no_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    driver = signals(folder=str(tmp_path / "file"))
    said = driver.messages()
    driver.command(Say(1, WORDS, "zh"))
    messages = [next(said)]
    driver.command(Show("ask"))
    driver.command(Show("fault"))
    driver.command(Say(2, WORDS, "zh"))
    driver.close()
    messages += said
    assert [message.number for message in messages if isinstance(message, Said)] == [1, 2]
    told = [message.text for message in messages if isinstance(message, Log)]
    assert len([text for text in told if "mend [signals] folder" in text]) == 1


def test_what_was_spoken_stays_within_its_bound(tmp_path: Path) -> None:
    driver = signals(folder=str(tmp_path), cache_mb=1)
    words = "This is said to fill the folder with sound, some ten seconds of it. " * 3
    for number in range(5):
        driver.command(Say(number, f"{words} {number}", "en"))
    given(driver, 5)
    for folder in ("spoken", "cache"):
        assert 0 < sum(file.stat().st_size for file in (tmp_path / folder).iterdir()) <= 1_000_000
    assert len(notes(tmp_path)) == 5


def test_closing_ends_it_after_what_was_commanded_before() -> None:
    driver = signals()
    driver.command(Say(1, WORDS, "zh"))
    driver.close()
    driver.close()
    assert [type(message) for message in driver.messages()] == [Said]
