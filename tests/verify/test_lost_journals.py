"""Spools of which a journal was lost, emptied, moved or exchanged: never four times yes, and the place is named."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.verify import Options, verify
from tests.support.rig import Rig

ANSWERS = ("bytes_intact", "nothing_missing", "signer", "time")


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """Recorded one session in one segment."""
    rig = Rig(tmp_path)
    rig.bytes_per_frame = 3_000
    rig.boot()
    rig.run(2)
    session(rig)
    rig.kill()
    return rig


def session(rig: Rig) -> None:
    rig.start()
    rig.run(2)
    rig.stop()
    rig.run(1)


def judged(spool: Path, rig: Rig) -> tuple[list[str], dict[str, str | None]]:
    """The four answers, and problems (without owed reasons) with their files."""
    verdict = verify(spool, Options(key=rig.signer.vkey)).json
    problems = {one["kind"]: one["file"] for one in verdict["problems"] if one["kind"] != "explanation_owed"}
    return [verdict[name]["answer"] for name in ANSWERS], problems


def log(spool: Path) -> Path:
    return spool / "journal/0001/000000000000.log"


LOSSES: dict[str, Callable[[Path], object]] = {
    "emptied": lambda spool: log(spool).write_bytes(b""),
    "deleted": lambda spool: log(spool).unlink(),
    "its folder deleted": lambda spool: shutil.rmtree(spool / "journal/0001"),
    "the journal deleted": lambda spool: shutil.rmtree(spool / "journal"),
}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("recorded_again", [False, True])
def test_a_lost_first_generation_is_told_whatever_the_device_recorded_since(
    rig: Rig, tmp_path: Path, loss: str, recorded_again: bool
) -> None:
    LOSSES[loss](tmp_path)
    rig.boot()
    if recorded_again:
        rig.run(2)
        session(rig)
    rig.kill()
    answers, problems = judged(tmp_path, rig)
    assert "no" in answers
    assert problems.keys() & {"no_checkpoint", "generation_missing"}


def test_the_one_segment_of_a_session_that_no_generation_names_is_not_taken_for_new(rig: Rig, tmp_path: Path) -> None:
    [segment] = tmp_path.glob("segments/s000001/*")
    shutil.rmtree(tmp_path / "journal")
    rig.boot()
    rig.kill()
    assert judged(tmp_path, rig)[1]["file_unnamed"] == str(segment.relative_to(tmp_path))


def test_a_journal_begun_anew_without_the_one_that_it_goes_on_after_is_told(rig: Rig, tmp_path: Path) -> None:
    """Though somebody removed the media too, so that nothing else is left to miss."""
    log(tmp_path).write_bytes(b"")
    rig.boot()
    rig.kill()
    shutil.rmtree(tmp_path / "journal/0001")
    shutil.rmtree(tmp_path / "segments")
    answers, problems = judged(tmp_path, rig)
    assert answers[1] == "no"
    assert problems == {"generation_missing": "journal/0002/000000000000.log"}


def test_a_generation_in_another_generation_s_folder_is_told(rig: Rig, tmp_path: Path) -> None:
    (tmp_path / "journal/0001").rename(tmp_path / "journal/0003")
    assert judged(tmp_path, rig)[1] == {"generation_moved": "journal/0003"}


def test_media_hidden_aside_without_an_entry_leave_the_answer_open(rig: Rig, tmp_path: Path) -> None:
    (tmp_path / "aside").mkdir()
    (tmp_path / "aside/segments-s000001-x.0").write_bytes(b"media")
    answers, problems = judged(tmp_path, rig)
    assert answers[1] == "unknown"
    assert problems == {"aside_untold": "aside/segments-s000001-x.0"}


def test_what_recovery_moved_aside_and_told_is_no_problem(rig: Rig, tmp_path: Path) -> None:
    with log(tmp_path).open("ab") as file:
        file.write(b'{"half')
    rig.boot()
    rig.kill()
    assert list((tmp_path / "aside").iterdir())
    assert judged(tmp_path, rig) == (["yes"] * 4, {})


def test_the_first_file_of_the_next_session_may_stand_there_before_its_entry(rig: Rig, tmp_path: Path) -> None:
    folder = tmp_path / "segments/s000002"
    folder.mkdir()
    (folder / "D1_0_20260101000000_000000.mp4.age").write_bytes(b"")
    assert judged(tmp_path, rig) == (["yes"] * 4, {})
    folder.rename(tmp_path / "segments/s000003")
    assert judged(tmp_path, rig)[1].keys() == {"file_unnamed"}
