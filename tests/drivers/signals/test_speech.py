"""Words become sound, once; what is broken around them is named, and costs no more than the words."""

import os
import wave
from pathlib import Path

import pytest

from drivers.signals import speech
from drivers.signals.speech import NotRendered, Voice, keep, length_ms, rendered, words_hash

WORDS_ZH = "记录已恢复。"
WORDS_EN = "Please say why."


def no_log(text: str) -> None:
    raise AssertionError(text)


def program(folder: Path, script: str) -> None:
    """Put a stand-in for the synthesizer into ``folder``."""
    file = folder / speech.PROGRAM
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def test_both_languages_are_spoken() -> None:
    chinese, english = rendered(WORDS_ZH, "zh"), rendered(WORDS_EN, "en")
    assert 500 < length_ms(chinese) < 5000
    assert 500 < length_ms(english) < 5000
    assert chinese != rendered(WORDS_ZH, "en")


def test_the_sound_is_a_wav_file_whose_header_is_true(tmp_path: Path) -> None:
    wav = rendered(WORDS_EN, "en")
    (tmp_path / "words.wav").write_bytes(wav)
    with wave.open(str(tmp_path / "words.wav")) as reader:
        assert (reader.getnchannels(), reader.getsampwidth()) == (1, 2)
        assert 44 + 2 * reader.getnframes() == len(wav)
        assert length_ms(wav) == reader.getnframes() * 1000 // reader.getframerate()


def test_longer_words_take_longer() -> None:
    assert length_ms(rendered(WORDS_EN * 4, "en")) > 3 * length_ms(rendered(WORDS_EN, "en"))


@pytest.mark.parametrize("text", ["--version", "-f /etc/hostname", "$(touch TRACE)", "; touch TRACE", "`touch TRACE`"])
def test_words_are_never_a_command(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert length_ms(rendered(text, "en")) > 100
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "字" * (speech.MAX_CHARACTERS + 1)])
def test_too_few_or_too_many_words_are_refused(text: str) -> None:
    with pytest.raises(NotRendered, match=f"{len(text)} characters"):
        rendered(text, "zh")


def test_without_the_program_its_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotRendered, match="install the package espeak-ng"):
        rendered(WORDS_EN, "en")


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("echo 'Error: no voice' >&2; exit 1", r"failed with 1 \(Error: no voice\)"),
        ("exit 0", "no WAV file"),
        ('printf "RIFF____WAVE" > "$9"', "no WAV file"),
        ("exec sleep 600", "did not finish"),
    ],
)
def test_a_program_that_fails_is_named(script: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, script)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(speech, "RENDER_S", 1.0)
    with pytest.raises(NotRendered, match=says):
        rendered(WORDS_EN, "en")


def test_half_a_wav_file_is_none() -> None:
    wav = rendered(WORDS_EN, "en")
    for part in (wav[:-1000], wav[:44], wav[:20], b"", wav[:4] + b"\xff" * 60):
        with pytest.raises(NotRendered):
            length_ms(part)


def test_the_same_words_are_rendered_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    voice = Voice(tmp_path / "cache", 1_000_000, no_log)
    first = voice.wav(WORDS_ZH, "zh")
    monkeypatch.setenv("PATH", "/nowhere")
    assert voice.wav(WORDS_ZH, "zh") == first
    with pytest.raises(NotRendered):
        voice.wav(WORDS_ZH, "en")


@pytest.mark.parametrize("torn", [b"", b"RIFF", "half"])
def test_a_kept_file_that_a_power_cut_tore_is_rendered_again(torn: bytes | str, tmp_path: Path) -> None:
    voice = Voice(tmp_path, 1_000_000, no_log)
    whole = voice.wav(WORDS_EN, "en")
    file = tmp_path / f"{words_hash(WORDS_EN, 'en')}.wav"
    file.write_bytes(whole[: len(whole) // 2] if isinstance(torn, str) else torn)
    assert voice.wav(WORDS_EN, "en") == whole
    assert file.read_bytes() == whole


def test_the_folder_stays_within_its_bound_and_the_longest_unused_go(tmp_path: Path) -> None:
    for number in range(6):
        keep(tmp_path / f"{number}.wav", bytes(100), 350)
        os.utime(tmp_path / f"{number}.wav", ns=(number, 10**9 * number))
        if number == 2:
            os.utime(tmp_path / "0.wav", ns=(0, 10**12))  # the oldest was used again
    assert sorted(file.name for file in tmp_path.iterdir()) == ["0.wav", "4.wav", "5.wav"]


def test_used_again_is_kept_longer(tmp_path: Path) -> None:
    voice = Voice(tmp_path, 1_000_000, no_log)
    voice.wav(WORDS_EN, "en")
    (file,) = tmp_path.iterdir()
    os.utime(file, ns=(0, 0))
    voice.wav(WORDS_EN, "en")
    assert file.stat().st_mtime_ns > 0


def test_a_folder_that_cannot_be_made_costs_no_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    told: list[str] = []
    voice = Voice(tmp_path / "file" / "cache", 1_000_000, told.append)
    assert length_ms(voice.wav(WORDS_EN, "en")) > 0
    assert len(told) == 1 and "cannot be kept" in told[0]
