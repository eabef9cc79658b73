"""What the index costs stays what it was."""

from pathlib import Path

from tests.bench.index import INDEX_LIMITS, measure


def test_the_index_is_made_anew_quickly_and_followed_cheaply(tmp_path: Path) -> None:
    measured = measure(tmp_path, 20_000)
    assert {name: one for name, one in measured.items() if not INDEX_LIMITS[name].holds(one.value)} == {}
