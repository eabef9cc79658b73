"""The journal's file on disk: zeros are written ahead, so that most flushes change no metadata (design, storage)."""

from pathlib import Path

import pytest

from agent.evidence.entries import Fault
from agent.evidence.journal import Log, read_file
from agent.evidence.note import Signer
from agent.recorder.disk import FolderDisk
from agent.recorder.journal_file import AHEAD_BYTES, JournalFile

SIGNER = Signer("liuhen/D1", bytes(range(32)))


def _fault() -> Fault:
    return Fault(salt="A" * 22, part="camera", kind="test", text="")


@pytest.fixture
def journal(tmp_path: Path) -> JournalFile:
    return JournalFile(FolderDisk(tmp_path), Log("liuhen/D1/1", SIGNER), 1)


def _flush(journal: JournalFile) -> None:
    journal.add(_fault())
    journal.write()


def _file(folder: Path) -> Path:
    [file] = folder.glob("journal/0001/*.log")
    return file


def test_a_flush_that_finds_room_changes_neither_length_nor_blocks(tmp_path: Path, journal: JournalFile) -> None:
    _flush(journal)
    before = _file(tmp_path).stat()
    for _ in range(20):
        _flush(journal)
    after = _file(tmp_path).stat()
    assert (after.st_size, after.st_blocks) == (before.st_size, before.st_blocks)


def test_room_is_made_again_where_it_ends(tmp_path: Path, journal: JournalFile) -> None:
    written = 0
    while written < 3 * AHEAD_BYTES:
        journal.add(_fault())
        written += journal.write()
    reading = read_file(_file(tmp_path).read_bytes(), SIGNER.vkey)
    assert (reading.damage, reading.tail) == ([], None)
    assert reading.attested_size == journal.attested_size


def test_the_zeros_ahead_are_no_tail_and_no_damage(tmp_path: Path, journal: JournalFile) -> None:
    _flush(journal)
    data = _file(tmp_path).read_bytes()
    assert data.endswith(bytes(AHEAD_BYTES))
    reading = read_file(data, SIGNER.vkey)
    assert (reading.attested_size, reading.damage, reading.tail) == (1, [], None)


def test_a_file_that_is_left_is_cut_to_its_lines(tmp_path: Path, journal: JournalFile) -> None:
    _flush(journal)
    journal.close()
    assert _file(tmp_path).read_bytes().endswith(b'\\n"\n')


def test_a_file_that_is_gone_on_with_gets_room_again(tmp_path: Path, journal: JournalFile) -> None:
    _flush(journal)
    data = _file(tmp_path).read_bytes().rstrip(b"\0")
    again = JournalFile(FolderDisk(tmp_path), journal.log, 1)
    again.continue_file(f"journal/0001/{_file(tmp_path).name}", len(data))
    _flush(again)
    whole = _file(tmp_path).read_bytes()
    assert whole.startswith(data)
    assert read_file(whole, SIGNER.vkey).attested_size == 2
