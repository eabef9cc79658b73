"""Deleting on a disk that may die at any call: the entry first, then the file; and the facts that it rests on."""

from dataclasses import replace

import pytest

from agent.evidence import entries as e
from agent.evidence.canonical import unb64
from agent.evidence.checkpoint import Checkpoint, Cosigner, sign_checkpoint
from agent.evidence.note import Signer, add_signature, parse_note
from agent.evidence.receipt import Hold, Receipt, TrustedKeys, sign_statement
from agent.recorder.deleter import Deleter
from agent.recorder.deletion import MayGo, NoneMayGo, Trust
from agent.recorder.facts import LiveFacts, load_facts
from agent.recorder.ledger import Ledger
from agent.recorder.notes_in import Here, take_note
from tests.sim.disk import Died, Fault, SimDisk
from tests.support.reading import SIGNER, Reading
from tests.support.rig import SETTINGS, Rig

STORE = Signer("store.example/receipts", bytes([2]) * 32)
BUREAU = Signer("bureau.example/commands", bytes([8]) * 32)
MIRROR = Cosigner("mirror.example/m1", bytes([5]) * 32)
KEYS = TrustedKeys((SIGNER.vkey,), (MIRROR.vkey,), (STORE.vkey,), (BUREAU.vkey,))
ORIGIN = "liuhen/D1/1"


class Keeper:
    """A recovered spool with its facts, as the writer has them."""

    def __init__(self, disk: SimDisk, rotate_bytes: int = 1 << 24) -> None:
        rig = Rig(disk, SETTINGS, seed=7, now_s=10_000)
        rig.rotate_bytes = rotate_bytes
        self.disk, self.ledger = disk, rig.recover().ledger
        self.log = self.ledger._journal.log
        self.live = LiveFacts(self.log.origin)
        feed(self.ledger, self.live)
        self.live.loaded(load_facts(disk, SIGNER.vkey, self.log.origin, self.ledger.attested_size))
        self.deleter = Deleter(disk, self.ledger, self.live, Trust(KEYS))

    def take(self, note: bytes) -> None:
        size, root = self.log.size, self.log.frontier.root()
        here = Here(self.log.origin, size, self.live.facts, lambda _, at: root if at == size else None, (0, 0))
        taken = take_note(note, KEYS, here)
        self.ledger.append([self.ledger.made_now(draft.entry) for draft in taken.drafts])

    def deliver(self) -> None:
        """Receipts for all closed segments, and everything co-signed."""
        for number, segment in enumerate(self.live.facts.segments.values()):
            receipt = Receipt(
                segment.origin, segment.file, segment.length, unb64(segment.sha256), 1000 + number, opened=True
            )
            self.take(sign_statement(receipt, STORE))
        note = sign_checkpoint(Checkpoint(self.log.origin, self.log.size, self.log.frontier.root()), SIGNER)
        self.take(add_signature(note, MIRROR.cosign(parse_note(note).text, 2000)))


def feed(ledger: Ledger, live: LiveFacts) -> None:
    """What the ledger does with each entry that it has placed."""
    journal, place = ledger._journal, ledger._journal.add

    def add(entry: e.Entry) -> bytes:
        leaf = place(entry)
        live.add(entry, journal.log.size - 1, leaf)
        return leaf

    journal.add = add  # type: ignore[method-assign]


def recorded(rotate_bytes: int = 1 << 24) -> SimDisk:
    """Three closed segments of one session, delivered; nothing unsynced."""
    disk = SimDisk()
    rig = Rig(disk, replace(SETTINGS, prerecord_s=0, segment_s=10))
    rig.bytes_per_frame, rig.rotate_bytes = 200, rotate_bytes
    rig.boot()
    rig.run(1)
    rig.start()
    rig.run(25)
    rig.stop()
    rig.kill()
    keeper = Keeper(disk, rotate_bytes)
    assert len(keeper.live.facts.segments) == 3
    keeper.deliver()
    keeper.ledger.close()
    return disk.cut(0)


def media(disk: SimDisk) -> set[str]:
    return {name.removeprefix("segments/") for name in disk.files() if name.startswith("segments/")}


def deleted(disk: SimDisk) -> set[str]:
    return {entry.file for entry in Reading(disk.files()).of(e.Deletion)}


def delete_all(keeper: Keeper) -> list[str]:
    gone = []
    while isinstance(chosen := keeper.deleter.make_room(0, 1), MayGo):
        gone.append(chosen.segment.file)
    return gone


def test_segments_go_oldest_receipt_first_and_the_journal_says_on_what_grounds() -> None:
    disk = recorded()
    before = media(disk)
    gone = delete_all(Keeper(disk))
    assert gone == sorted(before)
    assert media(disk) == set()
    seen = Reading(disk.files())
    leaves = {placed.leaf: placed.entry for placed in seen.joined.entries}
    for entry in seen.of(e.Deletion):
        receipt, cosignature = leaves[unb64(entry.receipt)], leaves[unb64(entry.cosignature)]
        assert isinstance(receipt, e.Receipt) and entry.file in receipt.note
        assert isinstance(cosignature, e.Cosignature) and cosignature.origin == ORIGIN
        assert entry.stream == "s000001"
    heads = seen.of(e.SessionHead)
    assert heads[-1].count == seen.joined.streams.head("s000001").count, "the stream's new length is told"


def test_the_entry_is_durable_before_the_name_goes_and_the_folder_is_synced_behind_it() -> None:
    disk = recorded()
    keeper = Keeper(disk)
    disk.calls = []
    keeper.deleter.make_room(0, 1)
    names = [name for name, _ in disk.calls]
    unlink = names.index("unlink")
    assert "sync" in names[:unlink]
    assert names[unlink + 1] == "sync_folder"


@pytest.mark.parametrize("seed", range(3))
def test_a_power_cut_at_any_call_leaves_no_file_missing_without_its_entry(seed: int) -> None:
    base, calls = recorded(), 0
    while True:
        disk = base.cut(0)
        keeper = Keeper(disk)
        disk.die_at = disk.count + calls
        try:
            delete_all(keeper)
        except Died:
            pass
        else:
            break
        after = disk.cut(seed * 1000 + calls)
        named = {entry.file for entry in Reading(after.files()).of(e.SegmentOpen)}
        assert named - media(after) <= deleted(after)
        again = Keeper(after)
        again.deleter.finish()
        assert media(after) == named - deleted(after), "what is deleted does not stay"
        delete_all(again)
        assert media(after) == set()
        calls += 1
    assert calls > 10


@pytest.mark.parametrize("kind", ["EIO", "ENOSPC"])
def test_an_error_at_any_call_is_finished_by_a_later_try(kind: str) -> None:
    base, calls = recorded(), 0
    while True:
        disk = base.cut(0)
        keeper = Keeper(disk)
        disk.break_at(Fault(kind, calls))  # type: ignore[arg-type]
        failed = False
        for _ in range(10):
            try:
                keeper.ledger.retry()  # the writer does so before all else
                if isinstance(keeper.deleter.make_room(0, 1), NoneMayGo):
                    break
            except OSError:
                failed = True
            on_disk = Reading(disk.files())
            missing = {entry.file for entry in on_disk.of(e.SegmentOpen)} - media(disk)
            assert missing <= {entry.file for entry in on_disk.of(e.Deletion)}
        assert media(disk) == set()
        if not failed:
            break
        calls += 1
    assert calls > 5


def test_an_entry_that_is_not_durable_yet_deletes_nothing_however_often_it_is_tried() -> None:
    disk = recorded()
    keeper = Keeper(disk)
    disk.break_at(Fault("EIO", 0, 2))
    with pytest.raises(OSError):
        keeper.deleter.make_room(0, 1)
    disk.break_at(None)
    assert keeper.ledger.pending
    keeper.deleter.finish()
    assert len(media(disk)) == 3
    keeper.ledger.retry()
    keeper.deleter.finish()
    assert len(media(disk)) == 2 and len(deleted(disk)) == 1


def test_a_held_session_stays_and_so_does_everything_before_the_facts_are_read() -> None:
    disk = recorded()
    keeper = Keeper(disk)
    keeper.take(sign_statement(Hold(ORIGIN, 1, 0, 1000, "s000001", True, "王五", "证据"), BUREAU))
    assert keeper.deleter.make_room(0, 1) == NoneMayGo((("held", 3),))
    other = Keeper(disk.cut(0))
    assert other.deleter.make_room(0, 1) == NoneMayGo((("held", 3),)), "a start remembers it"
    other.live.facts.complete = False
    assert other.deleter.make_room(0, 1) == NoneMayGo((("facts_incomplete", 1),))
    assert len(media(disk)) == 3


# --- facts ----------------------------------------------------------------------------------------------


def test_facts_are_the_same_whether_read_or_kept_up_and_over_many_files() -> None:
    whole, rotated = Keeper(recorded()), Keeper(recorded(rotate_bytes=3_000), 3_000)
    assert len([name for name in rotated.disk.files() if name.endswith(".log")]) > 3
    for keeper in (whole, rotated):
        kept = keeper.live.facts
        delete_all(keeper)
        read = load_facts(keeper.disk, SIGNER.vkey, ORIGIN, keeper.ledger.attested_size)
        for name in ("sessions", "segments", "gone", "numbers", "holds", "damaged"):
            assert getattr(read, name) == getattr(kept, name), name
    assert whole.live.facts.gone.keys() == rotated.live.facts.gone.keys()


def test_what_is_written_while_the_journal_is_read_is_neither_lost_nor_counted_twice() -> None:
    disk = recorded()
    keeper = Keeper(disk)
    size = keeper.ledger.attested_size
    live = LiveFacts(ORIGIN)
    feed(keeper.ledger, live)
    keeper.take(sign_statement(Hold(ORIGIN, 1, 0, 1000, "s000001", True, "王五", "证据"), BUREAU))
    assert not live.facts.complete
    live.loaded(load_facts(disk, SIGNER.vkey, ORIGIN, size))
    assert [hold.held for hold in live.facts.holds["s000001"]] == [True]
    assert live.facts.numbers == keeper.live.facts.numbers


def test_a_generation_with_damage_or_without_its_oldest_file_is_kept_whole() -> None:
    base = recorded(rotate_bytes=3_000)
    logs = sorted(name for name in base.files() if name.endswith(".log"))
    disk = base.cut(0)
    disk.unlink(logs[0])
    keeper = Keeper(disk, 3_000)
    assert keeper.live.facts.damaged == {ORIGIN}
    assert isinstance(chosen := keeper.deleter.make_room(0, 1), NoneMayGo)
    assert [why for why, _ in chosen.reasons] == ["journal_damaged"]
    disk = base.cut(0)
    file = disk.open(logs[1])
    disk.write(file, 600, [b"\xff"])
    disk.close(file)
    assert load_facts(disk, SIGNER.vkey, ORIGIN, 1 << 40).damaged == {ORIGIN}
