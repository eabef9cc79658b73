"""A range of time that is asked for: one that is not there, one that is none, and what the answer then counts."""

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from agent.commands.verify import command
from agent.verify import Options, Unusable, verify
from agent.verify.moments import MomentMalformed, Wanted, parse_moment
from tests.verify.folders import World
from tests.verify.spools import SECOND


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


def ranged(world: World, start: str | None, end: str | None) -> Options:
    moments = [parse_moment(text) if text else None for text in (start, end)]
    return replace(world.options, start=moments[0], end=moments[1])


@pytest.mark.parametrize("kind", ["spool", "export"])
@pytest.mark.parametrize(("start", "end"), [("+900", "+950"), ("+900", None), ("2030-01-01T00:00:00Z", None)])
def test_a_range_that_no_session_meets_cannot_be_told(kind: str, start: str, end: str | None, world: World) -> None:
    verdict = verify(world.root / kind, ranged(world, start, end))
    assert [problem["kind"] for problem in verdict.json["problems"]] == ["range_outside"]
    assert (verdict.json["nothing_missing"]["answer"], verdict.status) == ("unknown", 2)


@pytest.mark.parametrize("kind", ["spool", "export", "excerpt"])
@pytest.mark.parametrize(
    ("start", "end"), [("+50", "+40"), ("+50", "+50"), ("2026-03-01T08:00:01+08:00", "2026-03-01T00:00:00Z")]
)
def test_a_range_that_ends_before_it_begins_is_a_usage_error(kind: str, start: str, end: str, world: World) -> None:
    with pytest.raises(Unusable, match="ends before it begins"):
        verify(world.root / kind, ranged(world, start, end))
    result = CliRunner().invoke(command, [str(world.root / kind), "--from", start, "--to", end])
    assert result.exit_code == 2  # click's own; the root command turns usage errors into 64


def test_a_range_with_one_moment_in_utc_is_compared_on_the_sessions_own_time(world: World) -> None:
    session = verify(world.root / "export", world.options).json["sessions"][0]
    begun = parse_moment(session["from"]).utc_us or 0
    at_50 = Wanted(utc_us=begun + 50 * SECOND)
    mixed = replace(world.options, start=at_50, end=Wanted(since_start_us=40 * SECOND))
    with pytest.raises(Unusable, match="ends before it begins"):
        verify(world.root / "export", mixed)
    forward = replace(mixed, end=Wanted(since_start_us=60 * SECOND))
    assert verify(world.root / "export", forward).json["sessions"][0]["length_ms"] == 10_000


@pytest.mark.parametrize("text", ["+-5", "++5", "+ 5", "+nan", "+inf", "+"])
def test_seconds_from_the_start_are_never_negative(text: str) -> None:
    with pytest.raises(MomentMalformed):
        parse_moment(text)


def test_the_answer_counts_only_the_files_that_were_read_and_says_so(world: World) -> None:
    whole = verify(world.root / "export", world.options).json
    part = verify(world.root / "export", ranged(world, "+0", "+10")).json
    assert (whole["counts"]["segments"], part["counts"]["segments"]) == (3, 1)
    assert part["counts"]["fragments"] < whole["counts"]["fragments"]
    assert "of 1 media files" in part["bytes_intact"]["text"]
    for name in ("bytes_intact", "nothing_missing"):
        assert "what you asked for" in part[name]["text"]
        assert "what you asked for" not in whole[name]["text"]


def test_a_file_that_is_not_there_is_not_counted_as_read(world: World, tmp_path: Path) -> None:
    folder = world.copy("spool", tmp_path / "spool")
    before = world.verdict(folder)["counts"]["segments"]
    (folder.root / folder.media()).unlink()
    assert world.verdict(folder)["counts"]["segments"] == before - 1
