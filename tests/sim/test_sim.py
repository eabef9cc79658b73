"""Thirty seeded lives in the suite; ``make sim`` runs more. A failing seed says how to replay it."""

from pathlib import Path

import pytest

from agent import verify
from tests.sim.life import Life, live


@pytest.mark.parametrize("seed", range(30))
def test_a_device_life_keeps_every_invariant(seed: int) -> None:
    outcome = live(seed)
    story = "\n".join(outcome.told[-10:])
    assert not outcome.problem, f"{outcome.problem}\n{story}\nreplay: python -P -m tests.sim --seed {seed}"
    assert outcome.sessions > 0


def test_the_same_seed_lives_the_same_life() -> None:
    first, second = Life(5, fine=False), Life(5, fine=False)
    first.run()
    second.run()
    assert first.told == second.told
    assert first.disk.files() == second.disk.files()


@pytest.mark.parametrize("seed", [3, 6, 11, 24])
def test_the_verifier_agrees_with_what_a_life_left(seed: int, tmp_path: Path) -> None:
    life = Life(seed, fine=False)
    life.run()
    put_down(life, tmp_path)
    options = verify.Options(key=life.signer.vkey, identities=(life.identity,))
    verdict = verify.verify(tmp_path, options)
    problems = [problem for problem in verdict.json["problems"] if problem["kind"] != "explanation_owed"]
    assert problems == []


def put_down(life: Life, folder: Path) -> None:
    """The life's disk as a spool in a folder."""
    for name, data in life.disk.files().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
