"""The simulated microphone: decoded, what is heard stands at the moment at which it happened."""

import itertools
import wave
from pathlib import Path

import numpy as np
import pytest

from drivers.child import make
from drivers.errors import MicrophoneGone, ScenarioRefused, SpeechUnusable
from drivers.microphone import Listen, SoundFigures, SoundPacket, SoundParameters
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


def events(tmp_path: Path, *told: tuple[float, str, float | None]) -> dict[str, object]:
    """Options of a microphone whose scenario began when the test's clock does."""
    lines = [
        f'[[event]]\nat_s = {at_s}\nwhat = "{what}"\n' + ("" if for_s is None else f"for_s = {for_s}\n")
        for at_s, what, for_s in told
    ]
    (tmp_path / "play.toml").write_text("".join(lines))
    return options(scenario=str(tmp_path / "play.toml"), scenario_started_ns=decoded.NOW_NS)


def test_figures_come_every_24_packets_and_tile_the_sound() -> None:
    _, *messages = decoded.first("microphone", 1 + 25 * 20, options())
    assert [isinstance(message, SoundFigures) for message in messages[:73]] == [n % 25 == 23 for n in range(73)]
    told = [message for message in messages if isinstance(message, SoundFigures)]
    packets = decoded.sound(messages)
    for number, one in enumerate(told):
        assert one.capture_ns == packets[1 + 24 * number].capture_ns
        assert one.length_ns == pytest.approx(0.512e9, abs=3e6)
        assert one.speech_ms == -1
    for one, following in itertools.pairwise(told):
        assert one.capture_ns + one.length_ns == pytest.approx(following.capture_ns, abs=3e5)


def test_figures_tell_silence_distortion_and_the_rest_apart(tmp_path: Path) -> None:
    played = events(tmp_path, (2, "microphone.silence", 2), (6, "microphone.clip", 2))
    messages = decoded.first("microphone", 25 * 20, played)
    told = [message for message in messages if isinstance(message, SoundFigures)]

    def within(begin_s: float, end_s: float) -> list[SoundFigures]:
        begin_ns, end_ns = decoded.NOW_NS + begin_s * 1e9, decoded.NOW_NS + end_s * 1e9
        return [one for one in told if begin_ns <= one.capture_ns and one.capture_ns + one.length_ns <= end_ns]

    assert {(one.level_cdb, one.peak_cdb, one.clipped) for one in within(2.01, 3.99)} == {(-10_000, -10_000, 0)}
    assert all(one.clipped > 5_000 and one.peak_cdb == 0 and one.level_cdb > -500 for one in within(6.01, 7.99))
    usual = within(0, 2) + within(4.01, 6) + within(8.01, 10)
    assert len(usual) >= 8
    assert all(one.clipped == 0 and -6_000 < one.level_cdb < -1_500 for one in usual)


def test_a_stalled_microphone_sends_nothing_and_has_a_hole_when_it_goes_on(tmp_path: Path) -> None:
    clock = decoded.clock_at()
    messages = make("microphone", events(tmp_path, (2, "microphone.stall", 3)), clock).messages()
    given = [(clock.now_ns() - decoded.NOW_NS, message) for message in itertools.islice(messages, 400)]
    assert not [message for given_ns, message in given if 2e9 < given_ns < 5e9]
    packets = decoded.sound([message for _, message in given])
    lengths_ns = [later.capture_ns - one.capture_ns for one, later in itertools.pairwise(packets)]
    holes = [length_ns for length_ns in lengths_ns if length_ns > 30_000_000]
    assert len(holes) == 1
    assert holes[0] == pytest.approx(3e9, abs=50e6)
    assert sum(isinstance(message, SoundParameters) for _, message in given) == 1
    for one in (message for _, message in given if isinstance(message, SoundFigures)):
        assert one.length_ns < 0.52e9


def test_what_is_heard_after_a_stall_stands_at_its_moment(tmp_path: Path) -> None:
    parameters, *messages = decoded.first("microphone", 400, events(tmp_path, (2.2, "microphone.stall", 1.5)))
    moments, samples = decoded.heard(parameters, decoded.sound(messages))
    first = decoded.NOW_NS // 10**9
    for second in (first + 1, first + 2, first + 5, first + 6):
        assert abs(decoded.onset_ns(moments, samples, second) - second * 10**9) <= 2_000_000


def test_a_microphone_that_stalls_when_it_is_opened_says_nothing_before_it_is_over(tmp_path: Path) -> None:
    clock = decoded.clock_at(decoded.NOW_NS + 3 * 10**9)
    messages = make("microphone", events(tmp_path, (2, "microphone.stall", 3)), clock).messages()
    assert isinstance(next(messages), SoundParameters)
    assert clock.now_ns() == decoded.NOW_NS + 5 * 10**9


def test_a_pulled_microphone_ends_and_cannot_be_opened_before_it_is_back(tmp_path: Path) -> None:
    played, clock = events(tmp_path, (2, "microphone.pull", 3)), decoded.clock_at()
    messages = list[object]()
    with pytest.raises(MicrophoneGone, match="plug it in"):
        for message in make("microphone", played, clock).messages():
            messages.append(message)
    assert 80 < sum(isinstance(message, SoundPacket) for message in messages) < 94
    assert clock.now_ns() == decoded.NOW_NS + 2 * 10**9
    clock.sleep_until_ns(decoded.NOW_NS + 5 * 10**9 - 1)
    with pytest.raises(MicrophoneGone):
        next(make("microphone", played, clock).messages())
    clock.sleep_until_ns(decoded.NOW_NS + 5 * 10**9)
    assert isinstance(next(make("microphone", played, clock).messages()), SoundParameters)


def test_it_hears_that_a_text_of_the_scenario_is_spoken_while_it_listens(tmp_path: Path) -> None:
    said = '[[event]]\nat_s = 2\nwhat = "microphone.speak"\ntext = "存储卡写满了，已经更换了新的存储卡。"\n'
    (tmp_path / "play.toml").write_text(said)
    played = options(scenario=str(tmp_path / "play.toml"), scenario_started_ns=decoded.NOW_NS)
    microphone = make("microphone", played, decoded.clock_at())
    microphone.command(Listen(True))  # type: ignore[attr-defined]
    messages = itertools.islice(microphone.messages(), 25 * 20)
    told = [message for message in messages if isinstance(message, SoundFigures)]
    speech_ms = {round((one.capture_ns - decoded.NOW_NS) / 1e9, 2): one.speech_ms for one in told}
    assert sum(ms for at_s, ms in speech_ms.items() if 1.4 < at_s < 6.5) >= 1000
    assert all(one.clipped == 0 for one in told)
    assert sum(ms for at_s, ms in speech_ms.items() if at_s < 1.4 or at_s > 8) <= 64


def test_a_missing_wav_is_told_at_the_start_not_at_its_moment(tmp_path: Path) -> None:
    (tmp_path / "play.toml").write_text('[[event]]\nat_s = 900\nwhat = "microphone.speak"\nfile = "gone.wav"\n')
    with pytest.raises(SpeechUnusable, match=r"gone.wav"):
        decoded.first("microphone", 1, options(scenario=str(tmp_path / "play.toml")))


def test_a_wrong_scenario_stops_the_microphone_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "play.toml").write_text('[[event]]\nat_s = 900\nwhat = "microphone.whisper"\n')
    with pytest.raises(ScenarioRefused, match=r"microphone\.whisper"):
        decoded.first("microphone", 1, options(scenario=str(tmp_path / "play.toml")))
