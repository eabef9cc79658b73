"""Sound's stamps: close to the truth whatever the card's clock and the scheduler do, never out of order."""

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.simulated_stamps import BLOCK_SAMPLES, JITTER_NS, RATE, Card, frame_ns, sound_stamps, video_stamps
from drivers.stamps import SampleClock

START_NS = 3_600 * 10**9 + 123_456_789
EIGHT_HOURS_S = 8 * 3600


@pytest.mark.parametrize("ppm", [200, -200])
def test_stamps_stay_within_two_milliseconds_of_the_truth_over_eight_hours(ppm: int) -> None:
    last_ns = sample = 0
    for stamp in sound_stamps(START_NS, EIGHT_HOURS_S, ppm):
        assert abs(stamp.capture_ns - stamp.true_ns) <= 2_000_000
        assert stamp.capture_ns > last_ns
        last_ns, sample = stamp.capture_ns, stamp.sample
    counted_only_ns = START_NS + sample * 10**9 // RATE
    assert abs(counted_only_ns - last_ns) > 5 * 10**9


def test_the_cards_rate_is_learnt() -> None:
    card, clock = Card(START_NS, 150, seed=3), SampleClock(RATE)
    for samples in range(BLOCK_SAMPLES, RATE * 300, BLOCK_SAMPLES):
        clock.callback(samples, card.callback_ns(samples))
    assert clock.rate_error_ppm == pytest.approx(150, abs=15)


def test_a_scheduler_that_stalls_half_a_second_moves_a_stamp_by_less_than_a_millisecond() -> None:
    card, clock = Card(START_NS, 60, seed=3), SampleClock(RATE)
    for number, samples in enumerate(range(BLOCK_SAMPLES, RATE * 120, BLOCK_SAMPLES)):
        late_ns = 500_000_000 if number % 1000 == 999 else 0
        clock.callback(samples, card.callback_ns(samples) + late_ns)
        assert abs(clock.stamp_ns(samples) - card.captured_ns(samples)) < JITTER_NS + 1_000_000


@settings(max_examples=30)
@given(st.integers(-300, 300), st.integers(0, 20_000_000), st.integers(0, 2**32))
def test_stamps_of_consecutive_packets_never_go_back(ppm: int, jitter_ns: int, seed: int) -> None:
    card, clock = Card(START_NS, ppm, seed, jitter_ns), SampleClock(RATE)
    sizes, samples, last_ns = random.Random(seed), 0, 0
    for _ in range(400):
        samples += sizes.choice([256, 480, 1024, 4096])
        clock.callback(samples, card.callback_ns(samples))
        assert clock.stamp_ns(samples) > last_ns
        last_ns = clock.stamp_ns(samples)


def test_a_count_that_does_not_grow_is_refused() -> None:
    clock = SampleClock(RATE)
    with pytest.raises(ValueError, match="no callback"):
        clock.stamp_ns(0)
    clock.callback(1024, START_NS)
    with pytest.raises(ValueError, match="begin a new fit"):
        clock.callback(1024, START_NS + 1)


@given(st.integers(0, 10**10), st.sampled_from([5, 24, 25, 30, 50, 60]))
def test_a_frames_number_is_its_capture_time_times_the_rate_rounded(number: int, fps: int) -> None:
    capture_ns = frame_ns(number, fps)
    assert (2 * capture_ns * fps + 10**9) // (2 * 10**9) == number
    assert 0 <= capture_ns * fps - number * 10**9 < fps


def test_video_stamps_are_exact_multiples_of_the_frame_time() -> None:
    stamps = list(video_stamps(START_NS, 10))
    assert all(capture_ns == number * 40_000_000 for number, capture_ns in stamps)
    assert all(later[0] == earlier[0] + 1 for earlier, later in itertools.pairwise(stamps))
    assert len(stamps) == 250
    assert stamps[0][1] >= START_NS
