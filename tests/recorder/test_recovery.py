"""What recovery does to each kind of spool that a cut, a kill, or a failing card leaves, and that it does it once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import fsck
from agent.evidence import entries as e
from agent.evidence.journal import read_file
from agent.recorder import recovery
from agent.recorder.recovery import Device, Recovered, Recovery
from agent.verify.run import Options, read_evidence, sessions, verify
from agent.verify.session import Session
from tests.support.rig import NS_PER_S, Rig

MINUTE_NS = 60 * NS_PER_S


def _recorded(spool: Path, seconds: float = 4) -> Rig:
    """A device that records."""
    rig = Rig(spool)
    rig.bytes_per_frame = 4_000
    rig.boot()
    rig.run(3)
    rig.start()
    rig.run(seconds)
    return rig


def _closed(spool: Path) -> Rig:
    """A device whose one session is over."""
    rig = _recorded(spool)
    rig.stop()
    rig.run(1)
    rig.kill()
    return rig


def _recover(rig: Rig) -> Recovered:
    recovered = rig.recover()
    recovered.ledger.close()
    return recovered


def _recover_without_clock(rig: Rig) -> Recovered:
    device = Device(id="D1", unit="U1", boot_id=rig.boot_id, resume_s=1800)
    recovered = Recovery(rig.disk, rig.signer, device, None, lambda: rig.now_ns, rig.random.randbytes).run(False)
    recovered.ledger.close()
    return recovered


def _files(spool: Path) -> dict[str, bytes]:
    return {str(path.relative_to(spool)): path.read_bytes() for path in spool.rglob("*") if path.is_file()}


def _journal(spool: Path, generation: int = 1) -> Path:
    return sorted(spool.glob(f"journal/{generation:04d}/*.log"))[-1]


def _entries(spool: Path, kind: type[e.Entry], generation: int = 1) -> list[e.Entry]:
    reading = read_file(_journal(spool, generation).read_bytes(), None)
    return [line.entry for line in reading.entries() if isinstance(line.entry, kind)]


def _session(spool: Path) -> Session:
    [session] = sessions(read_evidence(spool, None))
    return session


def _problems(spool: Path) -> Iterator[str]:
    rig = Rig(spool)
    verdict = verify(spool, Options(key=rig.signer.vkey, identities=(rig.identity,)))
    return (problem["kind"] for problem in verdict.json["problems"])


def _is_sound(spool: Path) -> bool:
    return set(_problems(spool)) <= {"explanation_owed"} and not fsck.check(spool).findings


# --- once ---------------------------------------------------------------------------------------------------


def test_recovering_twice_changes_nothing(tmp_path: Path) -> None:
    rig = _recorded(tmp_path)
    rig.kill()
    rig.boot_id = "boot-1"
    assert _recover(rig).done
    before = _files(tmp_path)
    again = _recover(rig)
    assert again.done == []
    assert again.resume is not None
    assert _files(tmp_path) == before


def test_recovering_a_spool_in_order_changes_nothing(tmp_path: Path) -> None:
    rig = _closed(tmp_path)
    before = _files(tmp_path)
    rig.boot_id = "boot-1"
    assert _recover(rig).done == []
    assert _files(tmp_path) == before


def test_recovering_an_empty_folder_begins_a_journal(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    _recover(rig)
    [begin] = _entries(tmp_path, e.JournalBegin)
    assert isinstance(begin, e.JournalBegin)
    assert (begin.generation, begin.reason) == (1, "new")


# --- the journal's end ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("tail", [b'{"half":', b"\x00" * 5000 + b"x", b'"not a checkpoint"\n', b"\xff\xfe\n"])
def test_a_torn_tail_is_cut_kept_aside_and_told(tmp_path: Path, tail: bytes) -> None:
    rig = _closed(tmp_path)
    whole = _journal(tmp_path).read_bytes()
    with _journal(tmp_path).open("ab") as journal:
        journal.write(tail)
    _recover(rig)
    assert _journal(tmp_path).read_bytes().startswith(whole)
    [aside] = _entries(tmp_path, e.Aside)
    assert isinstance(aside, e.Aside)
    assert (aside.why, aside.length) == ("torn_tail", len(tail))
    assert (tmp_path / "aside" / aside.kept_as).read_bytes() == tail
    assert _is_sound(tmp_path)


def test_zeros_behind_the_last_checkpoint_are_nothing_and_are_written_over(tmp_path: Path) -> None:
    """A file system may have made the file longer before it had the bytes."""
    rig = _closed(tmp_path)
    with _journal(tmp_path).open("ab") as journal:
        journal.write(bytes(5000))
    rig.boot()
    rig.run(3)
    rig.start()
    rig.run(1)
    rig.stop()
    rig.kill()
    assert len(sessions(read_evidence(tmp_path, None))) == 2
    assert _is_sound(tmp_path)


def test_entries_without_their_checkpoint_are_a_torn_tail(tmp_path: Path) -> None:
    rig = _closed(tmp_path)
    lines = _journal(tmp_path).read_bytes().splitlines(keepends=True)
    _journal(tmp_path).write_bytes(b"".join(lines[:-1]))
    _recover(rig)
    [aside] = _entries(tmp_path, e.Aside)
    assert isinstance(aside, e.Aside)
    assert aside.why == "torn_tail"
    assert not [problem for problem in _problems(tmp_path) if problem == "journal_damaged"]


def test_damage_below_a_checkpoint_is_not_mended_and_begins_a_new_generation(tmp_path: Path) -> None:
    rig = _closed(tmp_path)
    journal = _journal(tmp_path)
    data = bytearray(journal.read_bytes())
    data[len(data) // 2] ^= 1
    journal.write_bytes(data)
    done = _recover(rig).done
    assert any("damaged journal" in text for text in done)
    assert journal.read_bytes() == data
    [begin] = _entries(tmp_path, e.JournalBegin, 2)
    assert isinstance(begin, e.JournalBegin)
    assert (begin.generation, begin.reason, begin.previous_origin) == (2, "damage", "liuhen/D1/1")
    assert isinstance(begin.previous_size, int)
    assert begin.previous_size > 0


def test_recording_goes_on_in_the_new_generation_under_a_new_session_number(tmp_path: Path) -> None:
    rig = _closed(tmp_path)
    data = bytearray(_journal(tmp_path).read_bytes())
    data[len(data) // 2] ^= 1
    _journal(tmp_path).write_bytes(data)
    rig.boot()
    rig.run(3)
    rig.start()
    rig.run(2)
    rig.stop()
    rig.kill()
    opened = _entries(tmp_path, e.SessionOpen, 2)
    assert [entry.stream for entry in opened] == ["s000002"]


# --- files ----------------------------------------------------------------------------------------------------


def test_a_file_that_no_entry_names_is_moved_aside_and_told(tmp_path: Path) -> None:
    rig = _recorded(tmp_path)
    rig.kill()
    stray = tmp_path / "segments/s000001/D1_0_20260101000000_000007.mp4.age"
    stray.write_bytes(b"made in the moment of the cut")
    _recover(rig)
    assert not stray.exists()
    [aside] = _entries(tmp_path, e.Aside)
    assert isinstance(aside, e.Aside)
    assert (aside.why, aside.file) == ("unnamed_file", str(stray.relative_to(tmp_path)))
    assert (tmp_path / "aside" / aside.kept_as).read_bytes() == b"made in the moment of the cut"
    assert _is_sound(tmp_path)


def test_the_file_of_a_session_that_was_never_opened_is_moved_aside(tmp_path: Path) -> None:
    rig = _closed(tmp_path)
    stray = tmp_path / "segments/s000002/D1_0_20260101000000_000000.mp4.age"
    stray.parent.mkdir()
    stray.write_bytes(b"")
    _recover(rig)
    assert not stray.exists()
    assert _is_sound(tmp_path)


STRAY = "D1_0_20260101000000_000001.mp4.age"
"""A number that an entry gives to another file."""


def _stray(spool: Path, session: str) -> Path:
    path = spool / "segments" / session / STRAY
    path.write_bytes(b"made in the moment of the cut")
    return path


def test_a_file_that_comes_back_into_an_ended_session_is_moved_aside_and_told_once(tmp_path: Path) -> None:
    rig = _recorded(tmp_path, 12)  # two segments
    rig.stop()
    rig.kill()
    before = _files(tmp_path / "segments")
    assert len(before) == 2
    stray = _stray(tmp_path, "s000001")
    _recover(rig)
    assert _files(tmp_path / "segments") == before
    [aside] = _entries(tmp_path, e.Aside)
    assert isinstance(aside, e.Aside)
    assert (aside.why, aside.file) == ("unnamed_file", str(stray.relative_to(tmp_path)))
    assert (tmp_path / "aside" / aside.kept_as).read_bytes() == b"made in the moment of the cut"
    assert _is_sound(tmp_path)
    whole = _files(tmp_path)
    assert _recover(rig).done == []
    assert _files(tmp_path) == whole


def test_a_file_that_is_named_in_an_older_journal_file_stays_where_it_is(tmp_path: Path) -> None:
    """The newest file, which is all that a start reads, does not tell such a session from its begin."""
    rig = Rig(tmp_path)
    rig.rotate_bytes = 9_000
    rig.bytes_per_frame = 4_000
    rig.boot()
    rig.run(3)
    rig.start()
    rig.run(8)
    rig.stop()
    rig.kill()
    assert len(list(tmp_path.glob("journal/0001/*.log"))) > 1
    stray, before = _stray(tmp_path, "s000001"), _files(tmp_path / "segments")
    assert _recover(rig).done == []
    assert _files(tmp_path / "segments") == before
    assert [(one.kind, one.file) for one in fsck.check(tmp_path).findings] == [
        ("file_unnamed", str(stray.relative_to(tmp_path)))
    ]


def test_only_the_newest_ended_sessions_are_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "ENDED_SESSIONS", 2)
    rig = _recorded(tmp_path, 1)
    for _ in range(2):
        rig.stop()
        rig.start()
        rig.run(1)
    rig.stop()
    rig.kill()
    strays = [_stray(tmp_path, f"s{number:06d}") for number in (1, 2, 3)]
    _recover(rig)
    assert [stray.exists() for stray in strays] == [True, False, False]


def test_after_damage_nothing_is_moved_out_of_ended_sessions(tmp_path: Path) -> None:
    """Its entry may be the one that is damaged."""
    rig = _closed(tmp_path)
    stray, data = _stray(tmp_path, "s000001"), _journal(tmp_path).read_bytes()
    _journal(tmp_path).write_bytes(data.replace(b'"type":"segment.close"', b'"type":"segment.cloze"', 1))
    assert any("damaged journal" in text for text in _recover(rig).done)
    assert stray.exists()


def test_a_segment_that_is_gone_is_told_and_found_by_verify(tmp_path: Path) -> None:
    rig = _recorded(tmp_path)
    rig.kill()
    [segment] = tmp_path.glob("segments/s000001/*.age")
    segment.unlink()
    assert any("is missing" in text for text in _recover(rig).done)
    assert "file_missing" in set(_problems(tmp_path))


def test_what_lies_behind_the_attested_end_of_a_segment_is_kept(tmp_path: Path) -> None:
    rig = _recorded(tmp_path)
    rig.kill()
    [segment] = tmp_path.glob("segments/s000001/*.age")
    before = segment.read_bytes()
    _recover(rig)
    after = segment.read_bytes()
    assert before.startswith(after)
    assert set(before[len(after) :]) <= {0}
    [close] = _entries(tmp_path, e.SegmentClose)
    assert isinstance(close, e.SegmentClose)
    assert (close.by, close.length) == ("recovery", len(after))


# --- how long it was ------------------------------------------------------------------------------------------


def test_a_recording_that_was_cut_is_interrupted_and_goes_on_unasked(tmp_path: Path) -> None:
    rig = _recorded(tmp_path)
    rig.kill()
    rig.boot_id, rig.now_ns = "boot-1", rig.now_ns + 25 * MINUTE_NS
    rig.boot()
    rig.run(3)
    assert rig.recorder.status()["session"] == "s000001"
    rig.stop()
    rig.run(1)
    rig.kill()
    [interruption] = _session(tmp_path).interruptions
    assert interruption.begin.cause == "power"
    assert interruption.end is not None
    assert interruption.end.resumed == "yes"
    assert _is_sound(tmp_path)


def test_an_interruption_known_to_be_longer_than_half_an_hour_ends_the_session(tmp_path: Path) -> None:
    rig = _recorded(tmp_path)
    rig.kill()
    rig.boot_id, rig.now_ns = "boot-1", rig.now_ns + 31 * MINUTE_NS
    assert _recover(rig).resume is None
    session = _session(tmp_path)
    assert session.close is not None
    assert session.close.by == "recovery"
    [interruption] = session.interruptions
    assert interruption.end is not None
    assert interruption.end.resumed == "no"
    assert session.close.until_us == interruption.begin.last_us
    assert _is_sound(tmp_path)


def test_an_interruption_of_unknown_length_resumes(tmp_path: Path) -> None:
    rig = _recorded(tmp_path)
    rig.kill()
    rig.boot_id, rig.now_ns = "boot-1", 20 * NS_PER_S
    recovered = _recover_without_clock(rig)
    assert recovered.resume is not None
    assert _session(tmp_path).close is None


def test_without_a_clock_a_boot_that_is_an_hour_old_ends_the_session(tmp_path: Path) -> None:
    """However long the power was off: it was at least as long as this boot is up."""
    rig = _recorded(tmp_path)
    rig.kill()
    rig.boot_id, rig.now_ns = "boot-1", 60 * MINUTE_NS
    assert _recover_without_clock(rig).resume is None


def test_a_killed_process_says_process_and_a_new_boot_says_power(tmp_path: Path) -> None:
    rig = _recorded(tmp_path)
    rig.kill()
    rig.boot()
    rig.run(3)
    rig.kill()
    rig.boot_id = "boot-1"
    _recover(rig)
    assert [known.begin.cause for known in _session(tmp_path).interruptions] == ["process", "power"]
