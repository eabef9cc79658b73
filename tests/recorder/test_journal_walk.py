"""Walking through journal files: every attested entry once, in order, and a stop where they do not continue."""

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.evidence.entries import Fault
from agent.recorder.journal_walk import PIECE_BYTES, Position, Walk, WalkBroken
from agent.verify.spool import read_spool
from tests.support.lives import DEEDS, SIGNER, Life


def _life(root: Path, seed: int = 3, length: int = 150, rotate_bytes: int = 8_000) -> Life:
    life = Life(root, rotate_bytes=rotate_bytes)
    life.live(random.Random(seed).choices(DEEDS, k=length))
    return life


def _walked(life: Life, upto: int | None = None, position: Position | None = None) -> list[tuple[int, str, int, bytes]]:
    walk = Walk(life.disk, life.generation, life.origin, position)
    return [
        (index, walk.path(piece.first), offset, line)
        for piece in walk.pieces(life.size if upto is None else upto)
        for index, (offset, line) in enumerate(piece.found, piece.index)
    ]


def _files(life: Life) -> list[Path]:
    return sorted((life.disk.root / "journal/0001").glob("*.log"))


def test_it_gives_what_the_verifier_reads(tmp_path: Path) -> None:
    life = _life(tmp_path)
    [log] = read_spool(tmp_path, SIGNER.vkey).logs
    found = [(index, file, offset, len(line)) for index, file, offset, line in _walked(life)]
    assert found == [(line.index, line.file, line.offset, line.length) for line in log.lines]
    assert len(_files(life)) > 3


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_gone_on_with_anywhere_nothing_is_missed_or_given_twice(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    life = Life(tmp_path_factory.mktemp("life"), rotate_bytes=4_000)
    position, found = Position(), list[tuple[int, str, int, bytes]]()
    for _ in range(data.draw(st.integers(1, 5))):
        life.live(data.draw(st.lists(st.sampled_from(DEEDS), max_size=30)))
        found += _walked(life, position=position)
    assert found == _walked(life)
    assert [index for index, *_ in found] == list(range(life.size))


def test_nothing_at_or_beyond_the_attested_size_is_read(tmp_path: Path) -> None:
    life = _life(tmp_path)
    size = life.size
    life.do_fault()
    assert len(_walked(life, upto=size)) == size


def test_a_flush_longer_than_a_piece_is_read_whole(tmp_path: Path) -> None:
    life = Life(tmp_path, rotate_bytes=1 << 24)
    life.write(*[Fault(part="camera", kind="k", text="x" * 10_000) for _ in range(40)])
    life.do_fault()
    assert 2 * PIECE_BYTES < 40 * 10_000
    assert len(_walked(life)) == life.size


def test_a_missing_file_stops_it(tmp_path: Path) -> None:
    life = _life(tmp_path)
    _files(life)[2].unlink()
    with pytest.raises(WalkBroken, match="stand in no file"):
        _walked(life)


def test_the_newest_flush_that_is_missing_stops_it(tmp_path: Path) -> None:
    life = _life(tmp_path)
    file = _files(life)[-1]
    life.do_fault()
    data = file.read_bytes().rstrip(b"\0")
    file.write_bytes(data[: data.rindex(b'\n{"')])
    with pytest.raises(WalkBroken, match="stand in no file"):
        _walked(life)


def test_another_journals_file_stops_it(tmp_path: Path) -> None:
    life, other = _life(tmp_path / "a"), _life(tmp_path / "b")
    walk = Walk(life.disk, 1, "liuhen/D2/1")
    with pytest.raises(WalkBroken, match="liuhen/D1/1 stands where"):
        walk.next(life.size)
    _files(life)[1].write_bytes(_files(other)[0].read_bytes())
    with pytest.raises(WalkBroken, match="a checkpoint of 0 entries"):
        _walked(life)


def test_what_is_no_journal_line_stops_it(tmp_path: Path) -> None:
    life = _life(tmp_path)
    file = _files(life)[1]
    file.write_bytes(file.read_bytes().replace(b'\n{"', b'\n("', 1))
    with pytest.raises(WalkBroken, match="no journal line begins at byte"):
        _walked(life)
