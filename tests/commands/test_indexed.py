"""``liuhen journal`` over an index: the same bytes as without one, and nothing is given that is not proved."""

import random
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agent.commands import journal as commands
from agent.commands.indexed import indexed
from agent.recorder.disk import FolderDisk
from agent.recorder.index import NAME, Index
from agent.verify.facts import Evidence
from tests.support.rig import Rig

ORIGIN = "liuhen/D1/1"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sessions over two boots, several journal files, more than 256 entries."""
    folder = tmp_path_factory.mktemp("indexed") / "spool"
    folder.mkdir()
    rig = Rig(folder)
    rig.bytes_per_frame = 500
    rig.rotate_bytes = 60_000
    rig.boot()
    rig.run(1)
    rig.start()
    rig.run(60)
    rig.kill()
    rig.boot_id = "boot-1"
    rig.boot()
    rig.run(60)
    rig.stop()
    rig.run(1)
    rig.start()
    rig.run(5)
    rig.stop()
    rig.kill()
    return folder


@pytest.fixture
def spool(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "spool")


def _index(spool: Path) -> None:
    index = Index.create(spool / NAME, FolderDisk(spool), 1, ORIGIN)
    while index.step():
        pass
    index.commit()
    index.close()


def run(*arguments: str | int | Path) -> Result:
    return CliRunner().invoke(commands.journal, [str(argument) for argument in arguments])


ASKED: tuple[tuple[str | int, ...], ...] = (
    ("show", "--stream", "s000001"),
    ("show", "--stream", "s000002", "--json"),
    ("show", "--stream", "device"),
    ("prove", 0),
    ("prove", 255),
    ("prove", 256),
    ("prove", 300, "--generation", 1),
)


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: " ".join(map(str, asked)))
def test_the_output_is_the_same_and_the_journal_is_not_read_as_a_whole(
    spool: Path, asked: tuple[str | int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    without = run(*asked, "--spool", spool)
    assert without.exit_code == 0 and len(without.output) > 500
    _index(spool)

    def refused(*_: object) -> Evidence:
        raise AssertionError("the whole journal was read")

    monkeypatch.setattr(commands, "read_spool", refused)
    assert run(*asked, "--spool", spool).output_bytes == without.output_bytes


def test_an_entry_that_does_not_exist_is_refused_alike(spool: Path) -> None:
    without = run("prove", 99_999, "--spool", spool).exception
    _index(spool)
    assert str(run("prove", 99_999, "--spool", spool).exception) == str(without)
    assert "There is no stream s000009" in str(run("show", "--stream", "s000009", "--spool", spool).exception)


@pytest.mark.parametrize("seed", range(12))
def test_a_damaged_index_changes_nothing_that_is_given(spool: Path, seed: int) -> None:
    asked = ASKED[seed % len(ASKED)]
    without = run(*asked, "--spool", spool)
    _index(spool)
    draw, data = random.Random(seed), bytearray((spool / NAME).read_bytes())
    for _ in range(60):
        data[draw.randrange(len(data))] = draw.randrange(256)
    (spool / NAME).write_bytes(data)
    assert run(*asked, "--spool", spool).output_bytes == without.output_bytes


def test_an_entry_that_was_altered_behind_the_index_is_never_shown_or_proved(spool: Path) -> None:
    _index(spool)
    known = indexed(spool)
    assert known is not None
    place = [place for place in known.index.stream("s000001") if place.type == "fragment"][20]
    data = bytearray((spool / place.file).read_bytes())
    at = data.index(b'"salt":"', place.offset) + len('"salt":"')
    data[at] = ord("B") if data[at] == ord("A") else ord("A")
    (spool / place.file).write_bytes(data)
    assert "damaged" in str(run("prove", place.index, "--spool", spool).exception)
    for as_json in ([], ["--json"]):
        assert "journal_damage" in run("show", "--stream", "s000001", "--spool", spool, *as_json).output


def test_without_sqlite_utils_an_index_is_read_all_the_same(spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _index(spool)
    monkeypatch.setitem(__import__("sys").modules, "sqlite_utils", None)
    assert indexed(spool) is not None
