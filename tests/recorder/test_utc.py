"""What UTC is believed to be: a fresh receiver outranks the system's clock; nothing is invented (R16c)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.recorder.messages import ClockReading
from agent.recorder.utc import TELL_EVERY_NS, Utc

SECOND_NS = 1_000_000_000


def reading(at_s: int, source: str, utc_us: int = 0, error_us: int = 7) -> ClockReading:
    return ClockReading(at_s * SECOND_NS, utc_us, source, error_us)  # type: ignore[arg-type]


@pytest.mark.parametrize("source", [None, "none"])
def test_without_a_source_utc_is_unknown(source: str | None) -> None:
    utc = Utc(0)
    if source is not None:
        utc.take(reading(1, source, 5), SECOND_NS)
    assert utc.of(10) is None
    assert utc.best_us(10) == -1


@given(st.integers(0, 10**12), st.integers(0, 10**15), st.integers(0, 10**12))
def test_utc_of_a_moment_is_the_reading_moved_by_boottime(at_us: int, utc_us: int, moment_us: int) -> None:
    utc = Utc(0)
    utc.take(ClockReading(at_us * 1000, utc_us, "ntp", 9), at_us * 1000)
    assert utc.of(moment_us) == (utc_us + moment_us - at_us, 9)


def test_a_receiver_outranks_the_system_for_a_minute_after_its_last_fix() -> None:
    utc = Utc(0)
    utc.take(reading(1, "gnss", 1_000_000), SECOND_NS)
    utc.take(reading(60, "ntp", 999_000_000), 60 * SECOND_NS)
    assert utc.best_us(1_000_000) == 1_000_000
    assert [entry.source for entry in utc.take(reading(61, "ntp", 61_000_000), 61 * SECOND_NS)] == ["ntp"]


def test_one_entry_a_minute_while_the_source_stays() -> None:
    utc = Utc(3)
    told = [at_s for at_s in range(200) if utc.take(reading(at_s, "ntp", at_s * 1_000_000), at_s * SECOND_NS)]
    assert told == [0, 60, 120, 180]
    assert TELL_EVERY_NS == 60 * SECOND_NS


def test_the_entry_carries_the_readings_moment_and_not_that_of_its_arrival() -> None:
    (entry,) = Utc(3).take(reading(5, "gnss", 77, 8), 9 * SECOND_NS)
    assert (entry.boot, entry.at_us, entry.boot_us) == (3, 5_000_000, 9_000_000)
    assert (entry.utc_us, entry.source, entry.error_us) == (77, "gnss", 8)


@pytest.mark.parametrize(
    ("utc_us", "error_us", "told"),
    [
        (10_000_000, 7, False),
        (10_050_000, 7, False),
        (10_200_000, 7, True),
        (9_700_000, 7, True),
        (-3_600_000_000, 7, True),
        (10_400_000, 400_000, True),
        (10_000_000, 90_000, False),
        (10_000_000, 2_000_000, True),
    ],
    ids=[
        "as it goes",
        "a jitter",
        "a step",
        "a step back",
        "an hour",
        "less sure, and off",
        "a bit less sure",
        "unsure",
    ],
)
def test_a_step_and_another_error_bound_are_told_at_once(utc_us: int, error_us: int, told: bool) -> None:
    utc = Utc(0)
    utc.take(reading(0, "ntp", 0), 0)
    assert bool(utc.take(reading(10, "ntp", utc_us, error_us), 10 * SECOND_NS)) is told
