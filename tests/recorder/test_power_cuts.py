"""Fifty power cuts and fifty kills of a recording in real time (``tests.sim.cuts`` says what must hold behind each)."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sim.cuts import Tally, cut_campaign, kill_campaign
from tests.support.cards import Host, LoopUnavailable

CUTS, KILLS, A_ROUND = 50, 50, 5


@pytest.fixture(autouse=True)
def needs_loop_device(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[None]:
    if "cut" in request.node.name:
        try:
            with Host(tmp_path / "try", 400):
                pass
        except LoopUnavailable as error:
            pytest.skip(f"power cuts need a loop device, and none can be had here: {error}")
    yield


def _print(tally: Tally) -> None:
    print("", *tally.lines(), sep="\n")


def test_fifty_power_cuts_lose_what_is_promised_and_nothing_else(tmp_path: Path) -> None:
    tally = cut_campaign(tmp_path / "host", CUTS, random.Random(), A_ROUND)
    _print(tally)
    assert tally.count == CUTS


def test_fifty_kills_lose_what_is_promised_and_nothing_else(tmp_path: Path) -> None:
    tally = kill_campaign(tmp_path, KILLS, random.Random(), A_ROUND)
    _print(tally)
    assert tally.count == KILLS
