"""The world of sound: a function of capture time, nothing else."""

import wave
from pathlib import Path

import numpy as np
import pytest

from drivers.errors import SpeechUnusable
from drivers.microphone.heard import (
    NOISE_LEVEL,
    SPOKEN_PEAK,
    TONE_LEVEL,
    Speech,
    World,
    read_wav,
    rendered_speech,
)
from drivers.signals import Language

STEP_NS = 1e9 / 48_000


def write_wav(path: Path, samples: np.ndarray, rate: int = 48_000, channels: int = 1, width: int = 2) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return path


def test_the_tone_lasts_forty_milliseconds_from_each_whole_second() -> None:
    world = World()
    sound = np.concatenate([world.heard(second * 10**9, STEP_NS, 48_000) for second in (9, 10)])
    loud = np.flatnonzero(np.abs(sound) > 10 * NOISE_LEVEL)
    assert np.flatnonzero(np.diff(loud) > 100).size == 1
    assert {int(loud[0]) // 10, int(loud[-1] - 48_000) // 10} == {0, 191}
    assert float(np.abs(sound).max()) == pytest.approx(TONE_LEVEL, abs=0.01)


def test_between_the_tones_it_is_quiet_not_silent() -> None:
    sound = World().heard(9 * 10**9 + 10**8, STEP_NS, 40_000)
    assert 0 < float(np.abs(sound).mean()) < 2 * NOISE_LEVEL


def test_two_halves_are_the_whole() -> None:
    world = World()
    whole = world.heard(9 * 10**9, STEP_NS, 2048)
    second = world.heard(9 * 10**9 + round(1024 * STEP_NS), STEP_NS, 1024)
    assert np.allclose(whole[1024:], second, atol=0.02)


def test_speech_is_heard_from_its_moment_on_and_then_no_longer() -> None:
    speech = Speech(5 * 10**9 + 5 * 10**8, np.full(4800, 0.25, np.float32), 48_000)
    sound = World([speech]).heard(5 * 10**9 + 4 * 10**8, STEP_NS, 14_400)
    loud = np.flatnonzero(sound > 0.2)
    assert loud[0] == pytest.approx(4800, abs=2)
    assert loud[-1] == pytest.approx(9600, abs=2)


def test_a_broken_wire_gives_nothing_at_all_for_as_long_as_it_is_broken() -> None:
    speech = Speech(5 * 10**9, np.full(48_000, 0.25, np.float32), 48_000)
    world = World([speech], silences=[(5 * 10**9 + 10**8, 5 * 10**9 + 2 * 10**8)])
    silent = np.flatnonzero(world.heard(5 * 10**9, STEP_NS, 48_000) == 0)
    assert silent[0] == pytest.approx(4800, abs=1)
    assert silent.size == 4800 == silent[-1] - silent[0] + 1


def test_an_amplifier_at_its_limits_distorts_what_is_heard_at_full_scale() -> None:
    world = World(clippings=[(5 * 10**9 + 10**8, 5 * 10**9 + 2 * 10**8)])
    sound = np.abs(world.heard(5 * 10**9, STEP_NS, 48_000))
    assert float((sound[4802:9600] == 1.0).mean()) > 0.3
    assert float(sound[9602:].max()) <= 10 * NOISE_LEVEL


def test_a_wav_of_another_rate_keeps_its_length(tmp_path: Path) -> None:
    samples, rate = read_wav(write_wav(tmp_path / "say.wav", np.full(16_000, 8192), 16_000))
    sound = World([Speech(10**9 * 7 + 10**8, samples, rate)]).heard(7 * 10**9 + 5 * 10**8, STEP_NS, 48_000)
    assert np.flatnonzero(sound[24_000 + 1920 :] > 0.2)[-1] == pytest.approx(0.1 * 48_000 - 1920, abs=10)


def test_of_several_channels_the_first_is_heard(tmp_path: Path) -> None:
    left_right = np.stack([np.full(100, 16384), np.zeros(100)], axis=1).ravel()
    samples, _ = read_wav(write_wav(tmp_path / "say.wav", left_right, channels=2))
    assert len(samples) == 100
    assert (samples == 0.5).all()


def test_what_cannot_be_spoken_is_named_with_the_command_that_helps(tmp_path: Path) -> None:
    with pytest.raises(SpeechUnusable, match=r"gone.wav cannot be spoken.*pcm_s16le"):
        read_wav(tmp_path / "gone.wav")
    (tmp_path / "letter.wav").write_text("no sound")
    with pytest.raises(SpeechUnusable, match=r"letter.wav cannot be spoken"):
        read_wav(tmp_path / "letter.wav")
    (tmp_path / "empty.wav").write_bytes(b"")
    with pytest.raises(SpeechUnusable, match=r"empty.wav cannot be spoken"):
        read_wav(tmp_path / "empty.wav")
    with pytest.raises(SpeechUnusable, match="has 8 bits"):
        read_wav(write_wav(tmp_path / "eight.wav", np.zeros(10), width=1))


@pytest.mark.parametrize(("text", "language"), [("电池脱落。", "zh"), ("The battery fell out.", "en")])
def test_a_text_is_spoken_by_a_synthesizer(text: str, language: Language) -> None:
    samples, rate = rendered_speech(text, language)
    assert 0.5 < len(samples) / rate < 5
    assert float(np.abs(samples).max()) == pytest.approx(SPOKEN_PEAK)


def test_a_missing_synthesizer_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SpeechUnusable, match=r"'电池脱落' cannot be spoken: .*install the package espeak-ng"):
        rendered_speech("电池脱落", "zh")
