"""A look at a spool's journal without a recorder: the same as a start finds, and nothing is changed."""

from pathlib import Path

import pytest

from agent.evidence import entries as e
from agent.recorder.deadline import Terms, unsynced
from agent.recorder.glance import glance
from tests.verify.spools import Device, plain_session, small_spool


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_sessions_reasons_and_terms_are_those_of_the_whole_journal(tmp_path: Path) -> None:
    device = small_spool(tmp_path)
    before = tree(tmp_path)
    found = glance(tmp_path)
    assert found.problem == "" and found.vkey == device.signer.vkey.line()
    assert list(found.state.sessions) == ["s000003"] and not found.state.owed
    assert found.entries == device.log.size
    assert {name: (term.closed, len(term.left)) for name, term in found.terms.terms.items()} == {
        "s000001": (True, 2),
        "s000002": (True, 3),
        "s000003": (False, 0),
    }
    assert unsynced(found.terms).sessions == 2
    assert tree(tmp_path) == before


def test_a_file_that_begins_with_the_carried_state_is_enough(tmp_path: Path) -> None:
    device = Device(tmp_path)
    plain_session(device, 1)
    device.write(e.Check(why="start", result="pass", items=[], unchecked=[], words=""))
    terms = glance(tmp_path).terms
    device.rotate()
    device.write(*glance(tmp_path).state.carries(), *terms.carries())
    item = e.CheckedItem(name="clock", result="fail")
    device.write(e.Check(why="start", result="fail", items=[item], unchecked=[], words=""))
    found = glance(tmp_path)
    assert found.entries < 10
    assert found.failing == {"clock"}
    assert _told(found.terms) == _told(terms)


def _told(terms: Terms) -> dict[str, object]:
    return {
        name: (one.left, one.bytes_left, one.until_boot, one.until_us, one.utc) for name, one in terms.terms.items()
    }


def test_what_stands_behind_the_last_checkpoint_is_left_out(tmp_path: Path) -> None:
    device = small_spool(tmp_path)
    with device.file.open("ab") as file:
        file.write(b'{"type":"mark"')
    found = glance(tmp_path)
    assert (found.problem, found.entries) == ("", device.log.size)


def test_damage_is_told_with_its_place(tmp_path: Path) -> None:
    device = small_spool(tmp_path)
    data = bytearray(device.file.read_bytes())
    data[data.index(b'"sha256":"') + 12] ^= 1  # of the first fragment in it
    device.file.write_bytes(data)
    assert f"{device.file.name}, byte " in glance(tmp_path).problem


@pytest.mark.parametrize("what", ["journal", "journal/0001/device.vkey"])
def test_what_is_not_there_is_told_and_nothing_raises(tmp_path: Path, what: str) -> None:
    small_spool(tmp_path)
    (tmp_path / what).rename(tmp_path / "away")
    assert glance(tmp_path).problem
    (tmp_path / what).parent.mkdir(exist_ok=True)
    (tmp_path / what).write_text("no key, no folder")
    assert glance(tmp_path).problem


def test_a_log_that_is_no_file_holds_nobody_up(tmp_path: Path) -> None:
    import os

    device = small_spool(tmp_path)
    os.mkfifo(device.file.with_name("999999999999.log"))
    assert glance(tmp_path).problem
