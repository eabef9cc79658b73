"""What happens to the simulated microphone, by moment."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.microphone.story import CLIP, LASTING, PULL, SILENCE, STALL, Story
from drivers.scenario import FOR_GOOD_NS, Event

STARTED_NS = 86_400 * 10**9
S = 10**9


def story(*events: tuple[str, float, float | None]) -> Story:
    return Story([Event(at_s, what, for_s) for what, at_s, for_s in events], STARTED_NS)


def test_events_last_as_long_as_they_say_and_for_good_where_they_do_not() -> None:
    told = story((SILENCE, 5, 2), (CLIP, 9, None), ("button.mark", 1, None))
    assert told.silences == [(STARTED_NS + 5 * S, STARTED_NS + 7 * S)]
    assert told.clippings == [(STARTED_NS + 9 * S, FOR_GOOD_NS)]


def test_a_pulled_microphone_is_not_there_until_it_is_back() -> None:
    told = story((PULL, 5, 2))
    moments = {4.9: False, 5: True, 6.9: True, 7: False}
    assert {at_s: told.is_pulled(STARTED_NS + round(at_s * S)) for at_s in moments} == moments


def test_a_stall_ends_where_the_microphone_is_pulled_in_it() -> None:
    told = story((STALL, 5, 10), (PULL, 8, 1))
    assert told.stalled_until_ns(STARTED_NS + 4 * S) is None
    assert told.stalled_until_ns(STARTED_NS + 5 * S) == STARTED_NS + 8 * S
    assert told.stalled_until_ns(STARTED_NS + 9 * S) == STARTED_NS + 15 * S


@pytest.mark.parametrize(("at_s", "works_until_s"), [(0, 5), (5, 5), (6, 6), (7, 20), (21, 21)])
def test_it_works_until_the_next_stall_or_pull(at_s: int, works_until_s: int) -> None:
    told = story((STALL, 5, 2), (PULL, 20, None), (SILENCE, 1, 1))
    assert told.works_until_ns(STARTED_NS + at_s * S) == STARTED_NS + works_until_s * S


def test_without_events_it_works_for_good() -> None:
    assert story().works_until_ns(STARTED_NS) == FOR_GOOD_NS


@given(
    st.lists(
        st.tuples(st.sampled_from(LASTING), st.integers(0, 50), st.none() | st.integers(0, 20)),
        max_size=6,
    ),
    st.integers(0, 80),
)
def test_it_works_exactly_where_it_neither_stalls_nor_is_pulled(
    events: list[tuple[str, float, float | None]], at_s: int
) -> None:
    told, moment_ns = story(*events), STARTED_NS + at_s * S
    broken = told.is_pulled(moment_ns) or told.stalled_until_ns(moment_ns) is not None
    assert broken == (told.works_until_ns(moment_ns) == moment_ns)
