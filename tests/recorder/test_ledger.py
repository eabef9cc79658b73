"""The one way into the journal: places, salts, carries, and what the device's stream says of sessions."""

import random
from collections.abc import Sequence

import pytest

from agent.evidence import entries as e
from agent.evidence.canonical import unb64
from agent.evidence.journal import Log
from agent.recorder.journal_file import JournalFile
from agent.recorder.ledger import Ledger
from agent.recorder.state import DeviceState
from tests.sim.disk import Fault, SimDisk
from tests.support.reading import SIGNER, Reading


def ledger(disk: SimDisk, rotate_bytes: int = 1 << 20) -> Ledger:
    journal = JournalFile(disk, Log("liuhen/D1/1", SIGNER), 1, rotate_bytes)
    made = Ledger(journal, DeviceState(), lambda: 5_000_000, random.Random(1).randbytes)
    vkey = SIGNER.vkey.line()
    begin = e.JournalBegin(device="D1", unit="U1", generation=1, vkey=vkey, reason="new")
    made.append([begin, e.Boot(boot_id="b")])
    return made


def opened(number: int) -> e.SessionOpen:
    return e.SessionOpen(
        stream=f"s{number:06d}", number=number, pressed_us=0, from_us=0, prerecord_ms=0, prerecord_sound="no",
        required_tracks=["sound"], power="other", officer="0", items_sha256="", config_sha256="",
    )  # fmt: skip


def closed(stream: str) -> e.SessionClose:
    return e.SessionClose(stream=stream, by="officer", until_boot=0, until_us=1, late_frames=0)


def kinds(entries: Sequence[e.Entry]) -> list[str]:
    return [type(entry).__name__ for entry in entries]


def test_a_session_is_announced_in_the_devices_stream_and_its_length_told_at_each_addition() -> None:
    disk = SimDisk()
    book = ledger(disk)
    book.append([opened(1), e.Mark(stream="s000001", at_us=1, label="a")])
    book.append([closed("s000001")])
    book.append([e.Annotate(stream="s000001"), e.Annotate(stream="s000001")])
    seen = Reading(disk.files())
    assert kinds(seen.entries[2:]) == [
        "SessionOpen", "SessionBegin", "Mark", "SessionClose", "SessionHead", "Annotate", "Annotate", "SessionHead",
    ]  # fmt: skip
    leaves = {id(placed.entry): placed.leaf for placed in seen.joined.entries}
    assert unb64(seen.one(e.SessionBegin).leaf) == leaves[id(seen.one(e.SessionOpen))]
    heads = seen.of(e.SessionHead)
    assert [head.count for head in heads] == [3, 5]
    assert unb64(heads[1].leaf) == leaves[id(seen.of(e.Annotate)[1])]


def test_every_entry_has_a_salt_of_its_own() -> None:
    disk = SimDisk()
    book = ledger(disk)
    book.append([e.Fault(part="recorder", kind="x", text="x") for _ in range(50)])
    salts = [entry.salt for entry in Reading(disk.files()).entries]
    assert len(set(salts)) == len(salts)
    assert {len(unb64(salt)) for salt in salts} == {16}


def test_each_new_file_begins_with_the_carried_state() -> None:
    disk = SimDisk()
    book = ledger(disk, rotate_bytes=3_000)
    book.append([opened(1)])
    for i in range(20):
        book.append([e.Mark(stream="s000001", at_us=i, label="a")])
    seen = Reading(disk.files())
    assert len(seen.journal_names) > 2
    assert len(seen.of(e.DeviceCarry)) == len(seen.of(e.SessionCarry)) == len(seen.journal_names) - 1
    assert all(carry.next_session == 2 for carry in seen.of(e.DeviceCarry))
    assert [mark.at_us for mark in seen.of(e.Mark)] == list(range(20))


@pytest.mark.parametrize(
    "entry",
    [
        e.Fault(part="recorder", kind="x", text="x" * 70_000),
        e.Fault(part="recorder", kind="x", text="\ud800"),
        e.Fault(part="recorder", kind="x", text="x", boot_us=1 << 60),
    ],
    ids=["beyond an entry's length", "no Unicode", "a number beyond JSON"],
)
def test_an_entry_that_cannot_be_written_costs_itself_and_is_told(entry: e.Entry) -> None:
    disk = SimDisk()
    book = ledger(disk)
    book.append([entry, opened(1)])
    seen = Reading(disk.files())
    assert kinds(seen.entries[2:]) == ["Fault", "SessionOpen", "SessionBegin"]
    assert seen.one(e.Fault).text != entry.text  # type: ignore[attr-defined]
    assert seen.joined.damage == []


def test_lines_that_were_signed_wait_for_the_disk_and_are_never_signed_otherwise() -> None:
    disk = SimDisk()
    book = ledger(disk)
    disk.break_at(Fault("EIO", 0, 3))
    with pytest.raises(OSError, match="Input/output error"):
        book.append([opened(1)])
    assert (book.pending, book.attested_size) == (True, 2)
    disk.break_at(None)
    assert book.retry() > 0
    assert (book.pending, book.attested_size) == (False, 4)
    book.append([closed("s000001")])
    seen = Reading(disk.files())
    assert kinds(seen.entries[2:4]) == ["SessionOpen", "SessionBegin"]
    assert seen.joined.damage == []


def test_sessions_that_may_be_added_to_are_those_of_the_journal() -> None:
    book = ledger(SimDisk())
    assert book.state.known == set()
    book.append([opened(1), closed("s000001")])
    assert book.state.known == {"s000001"}
