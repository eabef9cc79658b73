"""The simulated microphone: decoded, what is heard stands at the moment at which it happened."""

import wave
from pathlib import Path

import numpy as np
import pytest

from drivers.errors import ScenarioRefused, SpeechUnusable
from drivers.microphone import SoundParameters
from tests.drivers import decoded

SECONDS = 12
PACKETS = SECONDS * 48_000 // 1024


def options(**more: object) -> dict[str, object]:
    return {"driver": "simulated", **more}


@pytest.mark.parametrize("ppm", [-200, 0, 60, 200])
def test_the_tone_begins_at_each_whole_second_however_far_off_the_cards_clock_is(ppm: int) -> None:
    parameters, *messages = decoded.first("microphone", 1 + PACKETS, options(clock_error_ppm=ppm))
    moments, samples = decoded.heard(parameters, decoded.sound(messages))
    first = decoded.NOW_NS // 10**9 + 1
    for second in range(first, first + SECONDS - 2):
        assert abs(decoded.onset_ns(moments, samples, second) - second * 10**9) <= 2_000_000


def test_the_first_packet_is_priming_and_lies_one_packet_before_the_first_sample() -> None:
    parameters, *messages = decoded.first("microphone", 4, options())
    assert isinstance(parameters, SoundParameters)
    assert (parameters.rate, parameters.channels, parameters.priming) == (48_000, 1, 1024)
    priming, real, after = decoded.sound(messages)
    assert real.capture_ns - priming.capture_ns == pytest.approx(1024 * 10**9 / 48_000, abs=100_000)
    assert abs(real.capture_ns - decoded.NOW_NS) <= 2_000_000
    assert after.capture_ns - real.capture_ns == pytest.approx(1024 * 10**9 / 48_000, rel=0.01)


def test_packets_are_as_long_as_the_cards_clock_makes_them() -> None:
    packets = decoded.sound(decoded.first("microphone", 1 + 47 * 60, options(clock_error_ppm=200)))
    real_ns = packets[-1].capture_ns - packets[1].capture_ns
    nominal_ns = (len(packets) - 2) * 1024 * 10**9 / 48_000
    assert (1 - real_ns / nominal_ns) * 1e6 == pytest.approx(200, abs=30)


def test_it_speaks_a_wav_at_the_moment_the_scenario_says(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "reason.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        hum = 12_000 * np.sin(2 * np.pi * 440 * np.arange(8000) / 16_000)
        file.writeframes(hum.astype("<i2").tobytes())
    script = '[[event]]\nat_s = 2.25\nwhat = "microphone.speak"\nfile = "reason.wav"\n'
    (tmp_path / "play.toml").write_text(script)
    started = {"scenario": str(tmp_path / "play.toml"), "scenario_started_ns": decoded.NOW_NS - 10**9}
    parameters, *messages = decoded.first("microphone", 1 + 47 * 3, options(**started))
    moments, samples = decoded.heard(parameters, decoded.sound(messages))
    loud = moments[np.abs(samples) > 0.2]
    spoken = loud[(loud % 10**9 > 60_000_000) & (loud % 10**9 < 990_000_000)] - decoded.NOW_NS
    assert spoken.min() == pytest.approx(1.25e9, abs=5e6)
    assert spoken.max() == pytest.approx(1.75e9, abs=5e6)


def test_a_missing_wav_is_told_at_the_start_not_at_its_moment(tmp_path: Path) -> None:
    (tmp_path / "play.toml").write_text('[[event]]\nat_s = 900\nwhat = "microphone.speak"\nfile = "gone.wav"\n')
    with pytest.raises(SpeechUnusable, match=r"gone.wav"):
        decoded.first("microphone", 1, options(scenario=str(tmp_path / "play.toml")))


def test_a_wrong_scenario_stops_the_microphone_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "play.toml").write_text('[[event]]\nat_s = 900\nwhat = "microphone.whisper"\n')
    with pytest.raises(ScenarioRefused, match=r"microphone\.whisper"):
        decoded.first("microphone", 1, options(scenario=str(tmp_path / "play.toml")))
