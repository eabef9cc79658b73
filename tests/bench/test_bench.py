"""The bench runs, in small: it measures, prints each key with its limit, and ends with one JSON object."""

import json
import subprocess
import sys

import pytest

from agent.evidence.tree import Frontier, leaf_hash
from tests.bench.growth import frontier_of
from tests.bench.limits import LIMITS, Measured, shortfalls, table
from tests.bench.media import LOOP_S


def test_the_bench_prints_each_key_and_ends_with_one_json_object() -> None:
    command = [sys.executable, "-P", "-m", "tests.bench", "--quick", "--only", "cpu,growth"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    numbers = json.loads(done.stdout.splitlines()[-1])
    assert list(numbers) == ["cpu_vs_floor", "cpu_vs_tools", "cpu_vs_ffmpeg", "append_growth", "start_growth"]
    assert all(number > 0 for number in numbers.values())
    assert all(f"\n{key} " in f"\n{done.stdout}" for key in numbers)


def test_an_unknown_measurement_is_refused_by_name() -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "tests.bench", "--only", "cpu,gpu"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert "gpu" in done.stderr


@pytest.mark.parametrize(
    ("key", "value", "short"),
    [
        ("cpu_vs_floor", 1.4, False),
        ("cpu_vs_floor", 1.41, True),
        ("verify_vs_sha256sum", 0.35, False),
        ("verify_vs_sha256sum", 0.34, True),
        ("cpu_vs_ffmpeg", 99, False),
        ("card_bytes_xfs", None, False),
    ],
)
def test_a_number_beyond_its_limit_falls_short_and_a_missing_one_does_not(
    key: str, value: float | None, short: bool
) -> None:
    results = {key: Measured(value, "")}
    assert bool(shortfalls(results)) == short
    assert ("FALLS SHORT" in table(results)) == short


def test_every_limit_has_a_number_a_sense_and_words() -> None:
    assert len(LIMITS) == 10
    assert all(limit.what and limit.words() for limit in LIMITS.values())
    assert [key for key, limit in LIMITS.items() if limit.bound is None] == ["cpu_vs_ffmpeg"]


@pytest.mark.parametrize("size", [1, 2, 3, 10, 4095, 5000])
def test_a_tree_built_in_bulk_is_the_tree_of_its_leaves(size: int) -> None:
    grown = Frontier()
    for _ in range(size):
        grown.append(leaf_hash(b"bench"))
    assert frontier_of(size).hashes == grown.hashes


def test_the_loop_holds_whole_pictures_and_whole_packets_of_sound() -> None:
    assert LOOP_S * 25 % 25 == 0
    assert LOOP_S * 48_000 % 1024 == 0
