"""Ticks tile for any stamps, and no stamp drifts away from its moment."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from agent.recorder.fragmenter import TOLERANCE_NS
from agent.recorder.timeline import NS_PER_S, Place, SessionTime, TrackClock

RATE = 48_000
LENGTH_NS = 1024 * NS_PER_S // RATE
TOLERANCE_TICKS = TOLERANCE_NS * RATE // NS_PER_S
TIME = SessionTime(from_us=100_000_000)
steps = st.lists(st.integers(-3 * LENGTH_NS, 20 * LENGTH_NS) | st.just(LENGTH_NS), min_size=1, max_size=60)


def clock() -> TrackClock:
    return TrackClock(RATE, 1024, TOLERANCE_TICKS)


def place_all(moments_ns: list[int]) -> list[tuple[int, Place]]:
    """(moment, place) of the samples that were placed."""
    track = clock()
    return [(ns, at) for ns in moments_ns if (at := track.place(ns, LENGTH_NS, TIME)) is not None]


def moments(steps_ns: list[int]) -> list[int]:
    at, found = 100 * NS_PER_S, []
    for step in steps_ns:
        found.append(at)
        at += step
    return found


@given(steps)
def test_each_start_is_the_previous_start_plus_its_duration_plus_the_hole_that_is_told(steps_ns: list[int]) -> None:
    placed = place_all(moments(steps_ns))
    for (_, before), (_, after) in itertools.pairwise(placed):
        assert after.tick == before.tick + before.duration + after.jump
        assert before.duration > 0
        assert after.jump >= 0


@given(steps)
def test_no_start_is_further_from_its_moment_than_the_tolerance(steps_ns: list[int]) -> None:
    for moment_ns, at in place_all(moments(steps_ns)):
        told_ns = (at.tick - 1024) * NS_PER_S // RATE + 100 * NS_PER_S
        assert abs(told_ns - moment_ns) <= TOLERANCE_NS + NS_PER_S // RATE


@given(st.integers(-300, 300))
def test_a_clock_that_runs_off_changes_durations_and_never_the_offset(ppm: int) -> None:
    length_ns = LENGTH_NS * (1_000_000 + ppm) // 1_000_000
    count = 3 * 3600 * NS_PER_S // LENGTH_NS // 40
    placed = place_all([100 * NS_PER_S + i * length_ns * 40 // 40 for i in range(count)])
    assert len(placed) == count
    last_ns, last = placed[-1]
    assert all(at.jump == 0 for _, at in placed)
    assert abs((last.tick - 1024) * NS_PER_S // RATE - (last_ns - 100 * NS_PER_S)) < 2 * NS_PER_S // 1000


def test_a_doubled_sample_is_left_out() -> None:
    track = clock()
    assert track.place(110 * NS_PER_S, LENGTH_NS, TIME)
    assert track.place(120 * NS_PER_S, LENGTH_NS, TIME)
    assert not track.place(110 * NS_PER_S, LENGTH_NS, TIME)


def test_what_lies_before_the_session_is_left_out_and_not_moved_to_its_start() -> None:
    assert not clock().place(99 * NS_PER_S, LENGTH_NS, TIME)


def test_time_goes_on_over_boots_by_the_shift() -> None:
    second = SessionTime(from_us=7_000_000, shift_us=40_000_000)
    assert second.ticks(7 * NS_PER_S, 90_000) == 40 * 90_000
    assert second.ticks(8 * NS_PER_S, 90_000) == 41 * 90_000


jitters = st.lists(st.integers(-LENGTH_NS, LENGTH_NS) | st.just(0), min_size=1, max_size=40)


@given(jitters, st.integers(0, 30), st.integers(-200, 200))
def test_many_at_once_are_placed_as_one_by_one_or_not_at_all(jitter_ns: list[int], before: int, ppm: int) -> None:
    one, other = clock(), clock()
    length_ns = LENGTH_NS * (1_000_000 + ppm) // 1_000_000
    for number in range(before):
        one.place(100 * NS_PER_S + number * length_ns, LENGTH_NS, TIME)
        other.place(100 * NS_PER_S + number * length_ns, LENGTH_NS, TIME)
    stamps = [100 * NS_PER_S + (before + i) * length_ns + off for i, off in enumerate(jitter_ns)]
    start = other.next_tick
    at_once = other.place_adjoining(stamps, LENGTH_NS, TIME)
    places = [one.place(ns, LENGTH_NS, TIME) for ns in stamps]
    usual = before > 0 and all(at is not None and at.jump == 0 for at in places)
    if at_once is None:
        assert other.next_tick == start
        least = LENGTH_NS * RATE // NS_PER_S // 2
        assert not usual or any(at is not None and at.duration <= least for at in places)
    else:
        assert usual
        assert at_once == [at.duration for at in places if at is not None]
        assert other.next_tick == one.next_tick
