"""The index over the journal: whatever it is like, the answers are those of the journal's files."""

import contextlib
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.evidence import tree
from agent.evidence.entries import Mark
from agent.evidence.tree import Frontier
from agent.recorder import spool
from agent.recorder.catalogue import NotThere, RowsLost
from agent.recorder.index import NAME, Index
from agent.recorder.index_file import IndexDamaged, IndexFile
from agent.recorder.index_keeper import IndexBehind, IndexKeeper
from agent.recorder.journal_walk import WalkBroken
from agent.recorder.lookup import INDEX_ERRORS, Folded, Lookup, Questions, last_checkpoint
from agent.verify.spool import read_spool
from tests.support.lives import DEEDS, SIGNER, Life
from tests.support.rig import Rig

HOUR = 60
"""Deeds that the index of an hour ago does not know."""
NS_PER_S = 1_000_000_000
PAGE = 4096

deeds = st.lists(st.sampled_from(DEEDS), max_size=80)


def _a_life(root: Path, seed: int = 1, length: int = 200) -> Life:
    life = Life(root)
    life.live([*random.Random(seed).choices(DEEDS, k=length), "open", "fail", "mend"])
    return life


def _made(path: Path, life: Life, upto: int | None = None) -> None:
    """The index as the recorder makes it, written and let go."""
    index = Index.create(path, life.disk, life.generation, life.origin)
    while index.step(life.size if upto is None else upto):
        pass
    index.commit()
    index.close()


def _folded(life: Life) -> Folded:
    return Folded(life.disk, life.generation, life.origin, life.size)


@contextlib.contextmanager
def _database(path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        yield connection


def _lookup(path: Path, life: Life) -> Lookup:
    """As another process asks: the index, if its tree is the journal's; else the files."""
    index: Index | None = None
    try:
        index = Index.read(path, life.disk, life.generation, life.origin)
        while index.step():
            pass
        if not index.is_current(life.origin, life.size, life.tree.root()):
            index = None
    except INDEX_ERRORS:
        index = None
    return Lookup(index, lambda: _folded(life))


Ask = Callable[[Callable[[Questions], Any]], Any]

QUESTIONS: dict[str, Callable[[Questions], Any]] = {
    "sessions": lambda known: known.sessions(),
    "owed": lambda known: known.owed(),
    "segments": lambda known: [known.segments(one) for one in _sessions(known)],
    "interruptions": lambda known: [known.interruptions(one) for one in _sessions(known)],
    "places": lambda known: [known.place(one.index) for one in known.stream("device")],
    "streams": lambda known: [list(known.stream(one)) for one in ["device", *_sessions(known)]],
    "types": lambda known: known.of_types("fault", "receipt", "session.carry", "clock"),
}


def _sessions(known: Questions) -> list[str]:
    return [one.session for one in known.sessions()]


def _answers(asks: Callable[[], Ask], size: int) -> dict[str, Any]:
    """All that can be asked, each of another, so that no question profits from what an earlier one noticed."""
    answers = {name: asks()(question) for name, question in QUESTIONS.items()}
    answers["some places"] = asks()(lambda known: [known.place(index) for index in range(0, size, 5)])
    answers["no session"] = _is_not_there(asks(), lambda known: known.segments("s999999"))
    answers["no place"] = _is_not_there(asks(), lambda known: known.place(size))
    return answers


def _of(known: Questions) -> Callable[[], Ask]:
    return lambda: lambda question: question(known)


def _is_not_there(ask: Ask, question: Callable[[Questions], Any]) -> bool:
    try:
        ask(question)
    except NotThere:
        return True
    return False


# --- the same answers, whatever the index is like ---------------------------------------------------------


def _absent(path: Path, life: Life) -> None:
    pass


def _current(path: Path, life: Life) -> None:
    _made(path, life)


def _an_hour_old(path: Path, life: Life) -> None:
    _made(path, life)
    life.live([*random.Random(7).choices(DEEDS, k=HOUR), "open", "fail", "mend"])


def _one_entry_ahead(path: Path, life: Life) -> None:
    """The disk lied: the index knows a flush that the journal lost."""
    here = life.disk.root
    kept = here.with_name("before")
    shutil.copytree(here, kept)
    before = life.journal.log.frontier.copy(), life.journal.log.streams.copy()
    life.do_fault()
    _made(path, life)
    shutil.rmtree(here / "journal")
    shutil.copytree(kept / "journal", here / "journal")
    life.journal.log.frontier, life.journal.log.streams = before
    life.journal._attested = life.journal._snapshot()


def _truncated(path: Path, life: Life) -> None:
    _made(path, life)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def _empty(path: Path, life: Life) -> None:
    path.write_bytes(b"")


def _no_database(path: Path, life: Life) -> None:
    path.write_bytes(b"{}" * 5000)


def _of_another_spool(path: Path, life: Life) -> None:
    """The same device and generation, another history: a card was put into another device's place."""
    other = Life(life.disk.root.with_name("other"), seed=99)
    other.live(random.Random(99).choices(DEEDS, k=200))
    _made(path, other)


def _of_another_generation(path: Path, life: Life) -> None:
    other = Life(life.disk.root.with_name("other"), generation=2)
    other.live(random.Random(1).choices(DEEDS, k=200))
    _made(path, other)


def _of_another_spool_that_is_alike(path: Path, life: Life) -> None:
    """Entry by entry the same but for the salts: nothing but the root tells it."""
    other = Life(life.disk.root.with_name("other"), seed=99)
    other.live([*random.Random(1).choices(DEEDS, k=200), "open", "fail", "mend"])
    assert other.size == life.size
    _made(path, other)


def _of_another_program(path: Path, life: Life) -> None:
    with mock.patch("agent.recorder.index.VERSION", "0/00000000"):
        _made(path, life)


def _with_an_old_row(path: Path, life: Life) -> None:
    """A page of an earlier state came back: each row in it is what was once written."""
    _made(path, life, life.size // 2 if _is_flush(life, life.size // 2) else None)
    with _database(path) as connection:
        old = connection.execute("select * from sessions").fetchall()
    _made(path, life)
    marks = ",".join("?" * len(old[0]))
    with _database(path) as connection:
        connection.execute("delete from sessions")
        connection.executemany(f"insert into sessions values ({marks})", old)


def _with_a_lost_row(path: Path, life: Life) -> None:
    _made(path, life)
    with _database(path) as connection:
        connection.execute("delete from interruptions where rowid = (select max(rowid) from interruptions)")


def _with_a_lost_place(path: Path, life: Life) -> None:
    _made(path, life)
    with _database(path) as connection:
        connection.execute("delete from places where leaf = 7")


def _with_keys_that_lead_astray(path: Path, life: Life) -> None:
    """All rows are there and as they were written, but looking for one by its key goes through another table's tree."""
    _made(path, life)
    with _database(path) as connection:
        connection.execute("pragma writable_schema = on")
        connection.execute(
            "update sqlite_master set rootpage = (select rootpage from sqlite_master where name = ?) where name = ?",
            ("sqlite_autoindex_interruptions_1", "sqlite_autoindex_segments_1"),
        )


def _a_pipe(path: Path, life: Life) -> None:
    os.mkfifo(path)


def _is_flush(life: Life, size: int) -> bool:
    try:
        Folded(life.disk, life.generation, life.origin, size)
    except WalkBroken:
        return False
    return True


CASES = {
    "absent": _absent,
    "current": _current,
    "an hour old": _an_hour_old,
    "one entry ahead of the journal": _one_entry_ahead,
    "truncated": _truncated,
    "empty": _empty,
    "no database": _no_database,
    "a pipe": _a_pipe,
    "of another spool": _of_another_spool,
    "of another spool that is alike": _of_another_spool_that_is_alike,
    "of another generation": _of_another_generation,
    "of another program": _of_another_program,
    "with an old row": _with_an_old_row,
    "with a lost row": _with_a_lost_row,
    "with a lost place": _with_a_lost_place,
    "with keys that lead astray": _with_keys_that_lead_astray,
}


FOUND_LATER = {"with a lost place", "with keys that lead astray"}
"""Noticed where it is asked for: nobody looks through ten million places."""
BELIEVED = {"current", "an hour old", *FOUND_LATER}


@pytest.mark.parametrize("case", CASES)
def test_the_answers_are_those_of_the_files(tmp_path: Path, case: str) -> None:
    life = _a_life(tmp_path / "spool")
    path = tmp_path / NAME
    CASES[case](path, life)
    expected = _answers(_of(_folded(life)), life.size)
    assert len(expected["sessions"]) > 3 and expected["owed"]
    lookups: list[Lookup] = []

    def asks() -> Ask:
        lookups.append(_lookup(path, life))
        assert (lookups[-1].index is not None) == (case in BELIEVED)
        return lookups[-1].ask

    assert _answers(asks, life.size) == expected
    assert any(lookup.told for lookup in lookups) == (case in FOUND_LATER)


@pytest.mark.parametrize("case", CASES)
def test_the_recorder_goes_on_with_an_index_of_any_kind(tmp_path: Path, case: str) -> None:
    life = _a_life(tmp_path / "spool")
    path = tmp_path / NAME
    CASES[case](path, life)
    keeper = IndexKeeper(path, life.disk, life.generation, life.origin)
    now_ns = _turn_until_done(keeper, life)
    keeper.close()
    assert _answers(lambda: _lookup(path, life).ask, life.size) == _answers(_of(_folded(life)), life.size)
    assert Index.read(path, life.disk, life.generation, life.origin).size == life.size
    assert bool(keeper.untold) == (case not in {"absent", *BELIEVED})
    assert now_ns < 20 * NS_PER_S


def _turn_until_done(keeper: IndexKeeper, life: Life, now_ns: int = 0) -> int:
    """Each turn is a tenth of a second after the last."""
    for _ in range(200):
        more = keeper.turn(life.tree, now_ns)
        now_ns += NS_PER_S // 10
        try:
            keeper.ask(life.tree, now_ns, lambda known: known.owed())
        except IndexBehind:
            continue
        if not more:
            return now_ns
    raise AssertionError(f"no index after 200 turns: {keeper.untold}")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), changes=st.integers(1, 40))
def test_changed_bytes_are_noticed_or_harmless(an_index: "_Known", seed: int, changes: int) -> None:
    path, life, expected = an_index.path, an_index.life, an_index.expected
    whole, draw = path.read_bytes(), random.Random(seed)
    data = bytearray(whole)
    for _ in range(changes):
        data[draw.randrange(len(data))] = draw.randrange(256)
    try:
        path.write_bytes(data)
        assert _answers(lambda: _lookup(path, life).ask, life.size) == expected
    finally:
        path.write_bytes(whole)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), share=st.sampled_from([0.1, 0.5, 0.9]), lost=st.integers(0, 3))
def test_pages_of_an_earlier_state_are_noticed_or_harmless(
    an_index: "_Known", seed: int, share: float, lost: int
) -> None:
    """What a card that lies about its syncs leaves after a power cut: some pages new, some old, the last ones none."""
    path, life, expected = an_index.path, an_index.life, an_index.expected
    whole, earlier, draw = path.read_bytes(), an_index.earlier, random.Random(seed)
    pages = [(earlier if draw.random() < share else whole)[at : at + PAGE] for at in range(0, len(earlier), PAGE)]
    data = b"".join(pages) + whole[len(earlier) :]
    try:
        path.write_bytes(data[: len(data) - lost * PAGE])
        assert _answers(lambda: _lookup(path, life).ask, life.size) == expected
    finally:
        path.write_bytes(whole)


@dataclass(repr=False)
class _Known:
    """An index, what it has to answer, and its bytes when the journal was half as long."""

    path: Path
    life: Life
    expected: dict[str, Any]
    earlier: bytes


@pytest.fixture(scope="module")
def an_index(tmp_path_factory: pytest.TempPathFactory) -> _Known:
    root = tmp_path_factory.mktemp("index")
    life, path = _a_life(root / "spool", length=400), root / NAME
    _made(path, life, next(size for size in range(life.size // 2, life.size) if _is_flush(life, size)))
    earlier = path.read_bytes()
    index = Index.open(path, life.disk, life.generation, life.origin)
    while index.step():
        index.commit()
    index.close()
    return _Known(path, life, _answers(_of(_folded(life)), life.size), earlier)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=deeds, then=deeds, more=deeds, written=st.integers(0, 3))
def test_followed_in_any_pieces_it_is_the_fold(
    tmp_path_factory: pytest.TempPathFactory, first: list[str], then: list[str], more: list[str], written: int
) -> None:
    root = tmp_path_factory.mktemp("life")
    life, path = Life(root / "spool", rotate_bytes=4_000), root / NAME
    index = Index.create(path, life.disk, 1, life.origin)
    for number, some in enumerate((first, then, more)):
        life.live(some)
        while index.step(life.size):
            pass
        expected = _answers(_of(_folded(life)), life.size)
        assert _answers(_of(index), life.size) == expected
        if number < written:
            index.commit()
    assert index.is_current(life.origin, life.size, life.tree.root())
    assert index.owed() == list(life.ledger.state.owed.values())
    index.close()
    if written == 3:
        again = Index.open(path, life.disk, 1, life.origin)
        assert _answers(_of(again), life.size) == expected
        again.close()


@pytest.mark.parametrize(
    ("name", "question"),
    [
        ("_select", lambda index: index.segments("s000001")),
        ("_select", lambda index: [index.step() for _ in range(9)]),
        ("places_in", lambda index: list(index.stream("device"))),
        ("places_of", lambda index: index.of_types("fault")),
        ("places", lambda index: index.place(0)),
        ("nodes", lambda index: index.read_hash(8, 0)),
    ],
)
def test_what_sqlites_own_trees_do_not_lead_to_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, question: Callable[[Index], Any]
) -> None:
    """A row of each kind is there, and a look-up by its key, stream or type does not find it."""
    life, path = Life(tmp_path / "spool"), tmp_path / NAME
    life.live(["open", *["film", "mark", "cut"] * 60, "fail"])
    assert life.size > 256
    _made(path, life)
    life.live(["film", "mend"])
    real = getattr(IndexFile, name)

    def lost(self: IndexFile, *asked: Any) -> Any:
        found = real(self, *asked)
        if name == "_select":
            return found if len(asked) == 1 else []
        if name == "nodes":
            return {}
        rows = list(found)
        return [rows[1], *rows[1:]] if name == "places_in" else rows[1:]

    index = Index.read(path, life.disk, 1, life.origin)
    monkeypatch.setattr(IndexFile, name, lost)
    with pytest.raises((IndexDamaged, RowsLost)):
        question(index)


# --- what the answers are ---------------------------------------------------------------------------------


def test_a_recorded_session_is_told_as_the_verifier_reads_it(tmp_path: Path) -> None:
    """Two readers that share nothing but the formats: the recorder's index and ``verify``'s facts."""
    rig = Rig(tmp_path)
    rig.rotate_bytes = 30_000
    rig.boot()
    rig.start()
    rig.run(25)
    rig.stop()
    rig.run(2)
    life_origin = "liuhen/D1/1"
    index = Index.create(tmp_path / NAME, rig.disk, 1, life_origin)
    while index.step():
        pass
    [log] = read_spool(tmp_path, SIGNER.vkey).logs
    assert index.is_current(log.origin, log.size, log.checkpoint.root if log.checkpoint else b"")
    [session] = index.sessions()
    segments = index.segments(session.session)
    lines = log.streams()[session.session]
    files = sorted(path for path in (tmp_path / "segments").rglob("*.age"))
    assert [tmp_path / "segments" / one.file for one in segments] == files
    assert [one.length for one in segments] == [path.stat().st_size for path in files]
    assert (session.state, session.segments, session.bytes) == (
        "closed",
        len(files),
        sum(one.length for one in segments),
    )
    assert session.entries == len(lines)
    assert [(one.index, one.file, one.offset, one.length) for one in index.stream(session.session)] == [
        (line.index, line.file, line.offset, line.length) for line in lines
    ]
    assert all(log.lines[one.closed_at].entry.segment == one.segment for one in segments)  # type: ignore[attr-defined]


def test_an_entry_that_was_altered_is_not_taken(tmp_path: Path) -> None:
    life, path = _a_life(tmp_path / "spool"), tmp_path / NAME
    [file] = list((tmp_path / "spool/journal/0001").glob("000000000000.log"))
    file.write_bytes(file.read_bytes().replace(b'"officer":"A2"', b'"officer":"A3"', 1))
    index = Index.create(path, life.disk, 1, life.origin)
    with pytest.raises(IndexDamaged, match="not the tree that was signed"):
        while index.step():
            pass


def test_what_is_owed_is_told_until_it_is_explained(tmp_path: Path) -> None:
    life = Life(tmp_path / "spool")
    life.live(["open", "film", "fail"])
    assert _folded(life).owed() == []
    assert _folded(life).sessions()[0].state == "interrupted"
    life.live(["mend", "ask", "ask", "close", "open", "film"])
    [owed] = _folded(life).owed()
    assert (owed.session, owed.interruption, owed.cause, owed.track) == ("s000001", 0, "camera", "video")
    [one] = _folded(life).interruptions("s000001")
    assert (one.asked, one.explained, one.resumed) == (2, "", "yes")
    life.live(["explain"])
    assert _folded(life).owed() == []
    assert [one.state for one in _folded(life).sessions()] == ["closed", "recording"]


def test_what_became_of_a_file_stands_in_its_row(tmp_path: Path) -> None:
    life = Life(tmp_path / "spool")
    life.live(["open", "film", "cut", "film", "cut", "store", "store", "film"])
    gone, received, filmed = _folded(life).segments("s000001")
    types = {place.index: place.type for place in _folded(life).stream("s000001")}
    receipts = [index for index, kind in types.items() if kind == "receipt"]
    assert (types[gone.opened_at], types[gone.closed_at], types[gone.deleted_at]) == (
        "segment.open",
        "segment.close",
        "deletion",
    )
    assert (received.receipt_at, received.deleted_at) == (receipts[0], -1)
    assert (filmed.closed_by, filmed.sha256, filmed.closed_at, filmed.receipt_at) == ("", "", -1, -1)
    [session] = _folded(life).sessions()
    assert (session.held, session.segments, session.officer) == ("yes", 3, "A1")
    assert session.bytes == gone.length + received.length + filmed.length > 0


def test_older_files_that_were_removed_are_stood_in_for_by_the_carried_state(tmp_path: Path) -> None:
    life = Life(tmp_path / "spool", rotate_bytes=6_000)
    life.live(["open", "film", "fail", "mend", "close", "open", "film", "fail", *["film"] * 30])
    life.live(["film", "mend", "close"])
    files = sorted((tmp_path / "spool/journal/0001").glob("*.log"))
    assert len(files) > 2
    for file in files[:2]:
        file.unlink()
    folded = _folded(life)
    assert folded.starts_at == int(files[2].stem)
    assert folded.owed() == list(life.ledger.state.owed.values())
    _made(tmp_path / NAME, life)
    lookup = _lookup(tmp_path / NAME, life)
    index = range(folded.starts_at, life.size)
    assert lookup.ask(lambda known: [known.place(i) for i in index]) == [folded.place(i) for i in index]
    assert lookup.ask(lambda known: list(known.stream("device"))) == list(folded.stream("device"))
    assert lookup.ask(lambda known: known.owed()) == folded.owed()
    assert _is_not_there(lookup.ask, lambda known: known.place(folded.starts_at - 1))
    assert lookup.told == ""


def test_lines_that_a_failed_sync_left_in_two_files_are_taken_once(tmp_path: Path) -> None:
    life = _a_life(tmp_path / "spool", length=60)
    life.do_fault()
    real, life.disk.sync = life.disk.sync, _failing  # type: ignore[method-assign]
    with pytest.raises(OSError, match="EIO"):
        life.do_fault()
    _made(tmp_path / NAME, life)  # as far as it is durable
    life.disk.sync = real  # type: ignore[method-assign]
    life.ledger.retry()
    life.do_fault()
    lookup = _lookup(tmp_path / NAME, life)
    assert _answers(lambda: lookup.ask, life.size) == _answers(_of(_folded(life)), life.size)
    assert lookup.told == ""


def _failing(file: int) -> None:
    raise OSError("EIO")


def test_over_a_devices_life_with_power_cuts_it_keeps_up(tmp_path: Path) -> None:
    """The real recorder, killed and started again; the index is followed, dropped without a word, and gone on with."""
    rig, path, now_ns = Rig(tmp_path), tmp_path / NAME, 0
    rig.rotate_bytes, rig.bytes_per_frame = 20_000, 500
    told = []
    for number in range(4):
        rig.boot_id = f"boot-{number}"
        rig.boot()
        journal = rig.writer._ledger._journal
        keeper = IndexKeeper(path, rig.disk, 1, journal.log.origin)
        rig.run(1)
        if number % 2 == 0:
            rig.start()
        for _ in range(12):
            rig.run(1)
            now_ns += 1 * NS_PER_S
            keeper.turn(Frontier(journal.attested_size, journal._attested.hashes), now_ns)
            told.append(keeper.untold)
        if number % 2:
            rig.stop()
            rig.run(1)
        folded = Folded(rig.disk, 1, journal.log.origin, journal.attested_size)
        expected = _answers(_of(folded), folded.frontier.size)
        ask: Ask = partial(keeper.ask, folded.frontier, 0)
        asked = _answers(lambda ask=ask: ask, folded.frontier.size)  # type: ignore[misc]
        assert asked == expected
        rig.kill()
        if keeper._index is not None:
            keeper._index.close()  # not the keeper: what it gathered is lost
    assert set(told) == {""}
    assert [one.cause for one in folded.owed()] == ["power", "power"]


# --- proofs -----------------------------------------------------------------------------------------------


def test_proofs_are_made_from_kept_nodes_and_one_block_of_entries(tmp_path: Path) -> None:
    life = Life(tmp_path / "spool", rotate_bytes=100_000)
    life.live(["open"])
    for _ in range(17):
        life.write(*[_a_mark(life) for _ in range(100)])
    _made(tmp_path / NAME, life)
    index = Index.read(tmp_path / NAME, life.disk, 1, life.origin)
    found = last_checkpoint(life.disk, 1, SIGNER.vkey)
    assert found is not None
    checkpoint, _ = found
    assert checkpoint.size > 1_500
    for number in [0, 1, 255, 256, 1_000, checkpoint.size - 1]:
        [line] = index.lines(number, number + 1)
        path = tree.inclusion_proof_from(index.read_hash, number, checkpoint.size)
        assert tree.verify_inclusion(tree.leaf_hash(line), number, checkpoint.size, path, checkpoint.root)


def _a_mark(life: Life) -> Mark:
    return Mark(stream=life.open, at_us=life.now_us, label="")


# --- the keeper -------------------------------------------------------------------------------------------


def test_rows_are_written_at_most_once_in_ten_seconds_and_at_a_segments_end(tmp_path: Path) -> None:
    life, path = _a_life(tmp_path / "spool", length=30), tmp_path / NAME
    keeper = IndexKeeper(path, life.disk, 1, life.origin)
    now_ns = _turn_until_done(keeper, life)
    index = keeper._index
    assert index is not None
    written = index.written
    life.live(["fault"] * 5)
    keeper.turn(life.tree, now_ns + 1 * NS_PER_S)
    assert index.written == written
    assert keeper.ask(life.tree, now_ns, lambda known: known.place(life.size - 1)).index == life.size - 1
    assert index.written == written
    keeper.turn(life.tree, now_ns + 11 * NS_PER_S)
    assert index.written == life.size
    life.live(["fault"])
    keeper.turn(life.tree, now_ns + 12 * NS_PER_S, segment_ended=True)
    assert index.written == life.size
    keeper.close()


def test_a_full_card_is_told_once_and_tried_again_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    life, path = _a_life(tmp_path / "spool", length=30), tmp_path / NAME
    keeper = IndexKeeper(path, life.disk, 1, life.origin)

    def full(self: Index) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    told = []
    with monkeypatch.context() as patched:
        patched.setattr(Index, "commit", full)
        for second in range(100):
            keeper.turn(life.tree, second * NS_PER_S)
            if keeper.untold:
                told.append(keeper.untold)
                keeper.untold = ""
    assert told == ["the index of the journal is made anew: database or disk is full"]
    assert not path.exists()
    with pytest.raises(IndexBehind):
        keeper.ask(life.tree, 0, lambda known: known.owed())
    _turn_until_done(keeper, life, 1000 * NS_PER_S)
    assert _lookup(path, life).ask(lambda known: known.owed()) == _folded(life).owed()


def test_an_index_that_is_found_damaged_while_it_is_used_is_made_anew(tmp_path: Path) -> None:
    life, path = _a_life(tmp_path / "spool"), tmp_path / NAME
    keeper = IndexKeeper(path, life.disk, 1, life.origin)
    now_ns = _turn_until_done(keeper, life)
    assert keeper._index is not None
    keeper._index._file._connection.execute("delete from places where leaf = 7")
    with pytest.raises(IndexBehind, match="some are missing"):
        keeper.ask(life.tree, now_ns, lambda known: known.place(7))
    assert keeper.untold
    with pytest.raises(IndexBehind):
        keeper.ask(life.tree, now_ns, lambda known: known.place(7))
    _turn_until_done(keeper, life, now_ns + 601 * NS_PER_S)
    assert keeper.ask(life.tree, now_ns, lambda known: known.place(7)) == _folded(life).place(7)
    keeper.close()


def test_a_journal_that_is_damaged_has_no_index_and_is_not_read_again_and_again(tmp_path: Path) -> None:
    life, path = _a_life(tmp_path / "spool"), tmp_path / NAME
    file = min((tmp_path / "spool/journal/0001").glob("*.log"))
    data = file.read_bytes()
    file.write_bytes(data.replace(b'"officer":"A1"', b'"officer":"A2"', 1))
    keeper = IndexKeeper(path, life.disk, 1, life.origin)
    for second in range(50):
        keeper.turn(life.tree, second * 1000 * NS_PER_S)
    assert keeper.untold and not path.exists()
    reads: list[str] = []
    life.disk.read = lambda path, *_: reads.append(path) or b""  # type: ignore[method-assign,func-returns-value]
    keeper.turn(life.tree, 10**17)
    assert reads == []


def test_a_reader_disturbs_nobody_and_needs_no_permission_to_write(tmp_path: Path) -> None:
    life, path = _a_life(tmp_path / "spool"), tmp_path / NAME
    _made(path, life)
    writing = Index.open(path, life.disk, 1, life.origin)
    life.live(["fault"] * 3)
    while writing.step():
        pass
    path.chmod(0o440)
    tmp_path.chmod(0o550)
    try:
        assert _lookup(path, life).ask(lambda known: known.place(life.size - 1)).n > 0
        writing.commit()
    finally:
        tmp_path.chmod(0o750)
    writing.close()


def test_a_kill_while_rows_are_written_leaves_an_index_that_goes_on(tmp_path: Path) -> None:
    life, path = _a_life(tmp_path / "spool"), tmp_path / NAME
    _made(path, life, 2)
    program = f"""
import os
from pathlib import Path
from agent.recorder.disk import FolderDisk
from agent.recorder.index import Index
index = Index.open(Path({str(path)!r}), FolderDisk(Path({str(life.disk.root)!r})), 1, {life.origin!r})
while index.step():
    index.commit()
os._exit(9)
"""
    ended = subprocess.run([sys.executable, "-P", "-c", program], cwd=Path(__file__).parents[2], check=False)
    assert ended.returncode == 9 and Path(f"{path}-wal").exists()
    index = Index.open(path, life.disk, 1, life.origin)
    assert index.is_current(life.origin, life.size, life.tree.root())
    assert _answers(_of(index), life.size)["owed"] == _folded(life).owed()
    index.close()


def test_nobody_outside_the_group_reads_it_and_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    life, path, elsewhere = _a_life(tmp_path / "spool", length=5), tmp_path / NAME, tmp_path / "elsewhere"
    elsewhere.write_bytes(b"precious")
    path.symlink_to(elsewhere)
    keeper = IndexKeeper(path, life.disk, 1, life.origin)
    _turn_until_done(keeper, life)
    modes = [Path(f"{path}{ending}").stat().st_mode & 0o777 for ending in ("", "-wal")]
    assert all(mode & ~0o640 == 0 for mode in modes)
    assert elsewhere.read_bytes() == b"precious" and not path.is_symlink()
    keeper.close()


def test_the_tables_can_be_read_by_a_person(tmp_path: Path) -> None:
    life, path = _a_life(tmp_path / "spool"), tmp_path / NAME
    _made(path, life)
    with _database(path) as connection:
        rows = connection.execute("select file, stream, n, type from entries order by leaf limit 2").fetchall()
    assert rows == [
        (spool.journal_file(1, 0), "device", 0, "journal.begin"),
        (spool.journal_file(1, 0), "device", 1, "boot"),
    ]


def test_importing_it_does_not_load_sqlite_utils() -> None:
    program = "import sys, agent.recorder.index_keeper; sys.exit('sqlite_utils' in sys.modules)"
    ended = subprocess.run([sys.executable, "-P", "-c", program], cwd=Path(__file__).parents[2], check=False)
    assert ended.returncode == 0
