"""The measurement of listening runs, in small, and its ratios are of the right order."""

import json
import subprocess
import sys

KEYS = ["encoding_us_per_s", "figures_us_per_s", "figures_and_speech_us_per_s", "figures_vs_aac", "speech_vs_aac"]


def test_it_prints_each_number_and_ends_with_one_json_object() -> None:
    command = [sys.executable, "-P", "-m", "tests.bench.ears", "--seconds", "6", "--rounds", "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    numbers = json.loads(done.stdout.splitlines()[-1])
    assert list(numbers) == [*KEYS, "detector_load_ms"]
    assert all(number > 0 for number in numbers.values())
    assert numbers["figures_vs_aac"] < 0.1
    assert numbers["speech_vs_aac"] < 3, "does the detector's library compute in several threads again?"
