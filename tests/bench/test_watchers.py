"""The watchers' bench runs, in small: each part costs something, and the last line is one JSON object."""

import json
import subprocess
import sys

import pytest

from tests.bench import watchers


def test_the_bench_ends_with_one_json_object() -> None:
    command = [sys.executable, "-P", "-m", "tests.bench.watchers", "--seconds", "8", "--rounds", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout.splitlines()[-1])
    assert list(results) == ["watchers_s", "path_s", "share"]
    assert 0 < results["share"] == pytest.approx(results["watchers_s"] / results["path_s"], rel=0.01)


def test_every_part_is_measured_with_what_it_is_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchers, "SAMPLE", 30)
    monkeypatch.setattr(watchers, "ROUNDS", 1)
    parts = watchers.watchers()
    assert len(parts) == 5
    assert all(used_s > 0 for used_s in parts.values())
    assert max(parts, key=lambda part: parts[part]).startswith(("camera", "microphone"))
