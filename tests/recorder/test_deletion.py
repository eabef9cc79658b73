"""Invariant 2: nothing is deleted unless all of its conditions hold, whatever the journals say; attacks by name."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.evidence import entries as e
from agent.evidence.canonical import b64
from agent.evidence.checkpoint import Checkpoint, Cosigner, sign_checkpoint
from agent.evidence.note import Signer, add_signature, parse_note
from agent.evidence.receipt import Receipt, TrustedKeys, key_id, sign_statement
from agent.recorder.deletion import Facts, MayGo, NoneMayGo, Trust, choose, deletion_of

DEVICE = Signer("liuhen/bwc-1", bytes([1]) * 32)
STORE, OLD_STORE = Signer("store.example/receipts", bytes([2]) * 32), Signer("old.example/receipts", bytes([3]) * 32)
BUREAU, OLD_BUREAU = (
    Signer("bureau.example/commands", bytes([8]) * 32),
    Signer("gone.example/commands", bytes([9]) * 32),
)
MIRROR, OTHER_MIRROR = Cosigner("mirror.example/m1", bytes([5]) * 32), Cosigner("mirror.example/m2", bytes([6]) * 32)
OLD_MIRROR = Cosigner("old.example/m0", bytes([7]) * 32)
KEYS = TrustedKeys((DEVICE.vkey,), (MIRROR.vkey, OTHER_MIRROR.vkey), (STORE.vkey,), (BUREAU.vkey,))
TRUST = Trust(KEYS)
LOGS = ("liuhen/bwc-1/1", "liuhen/bwc-1/2")
SESSIONS = ("s000001", "s000002")
NO_PRIVATE = e.Private(sha256="", age="")
FULL = (0, 1)
"""Free and wanted bytes: space is needed."""


def sha(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


class Journals:
    """What was journalled, as the fold is given it; each entry has its index in the newest log."""

    def __init__(self) -> None:
        self.facts = Facts(complete=True)
        self.log = LOGS[0]
        self.index = 0
        self.order = 0

    def put(self, entry: e.Entry) -> bytes:
        leaf = sha(f"{self.order}")
        self.facts.apply(entry, self.log, self.index, leaf)
        self.index += 1
        self.order += 1
        return leaf

    def new_generation(self) -> None:
        self.log, self.index = LOGS[1], 0

    def segment(self, session: str = "s000001", number: int = 0, length: int = 1000, by: str = "x") -> str:
        file = f"{session}/bwc-1_0_20261124083000_{number:06d}.mp4.age"
        self.put(
            e.SegmentOpen(
                stream=session, segment=number, file=file, cause="start", init_length=8, init_sha256="", recipients=[],
                tracks=[],
            )
        )  # fmt: skip
        self.put(
            e.SegmentClose(
                stream=session, segment=number, by="recorder", end=900, final_length=8, final_sha256="",
                length=length, sha256=b64(sha(by)),
            )
        )  # fmt: skip
        return file

    def receipt(
        self, receipt: Receipt, signer: Signer = STORE, key: str = "", change: tuple[str, str] = ("", "")
    ) -> bytes:
        """``key``: whom the entry names, where that is not who signed; ``change``: of the note, after it was signed."""
        note = (
            sign_statement(receipt, signer).decode().replace(*change)
            if change[0]
            else sign_statement(receipt, signer).decode()
        )
        return self.put(e.Receipt(stream="s000001", segment=0, key=key or key_id(signer.vkey), note=note))

    def cosign(
        self, size: int, cosigner: Cosigner = MIRROR, time_s: int = 2000, log: str = "", forge: bool = False
    ) -> bytes:
        checkpoint = Checkpoint(log or self.log, size, sha(f"root {size}"))
        note = sign_checkpoint(checkpoint, DEVICE)
        if forge:
            cheat = Cosigner(cosigner.vkey.name, bytes([77]) * 32)
            line = replace(cheat.cosign(parse_note(note).text, time_s), key_id=cosigner.vkey.key_id)
        else:
            line = cosigner.cosign(parse_note(note).text, time_s)
        return self.put(
            e.Cosignature(
                origin=checkpoint.origin,
                size=size,
                key=key_id(cosigner.vkey),
                utc_us=time_s * 1_000_000,
                note=add_signature(note, line).decode(),
            )
        )

    def hold(self, session: str, held: bool = True, signer: Signer = BUREAU) -> None:
        self.put(
            e.Hold(
                stream=session, session=session, held="yes" if held else "no", number=self.order,
                key=key_id(signer.vkey), private=NO_PRIVATE,
            )
        )  # fmt: skip

    def waive(self, session: str, signer: Signer = BUREAU) -> bytes:
        return self.put(
            e.CarrierWaiver(
                stream=session, session=session, number=self.order, key=key_id(signer.vkey), instead="disc", copies=1,
                private=NO_PRIVATE,
            )
        )  # fmt: skip


def receipt_for(file: str, length: int = 1000, by: str = "x", opened: bool = True, time_s: int = 1000) -> Receipt:
    return Receipt(LOGS[0], file, length, sha(by), time_s, opened)


def delivered() -> tuple[Journals, str]:
    """A segment that may go: closed, co-signed, with a good receipt."""
    journals = Journals()
    file = journals.segment()
    journals.receipt(receipt_for(file))
    journals.cosign(2)
    return journals, file


def only_reason(journals: Journals, trust: Trust = TRUST) -> str:
    chosen = choose(journals.facts, trust, *FULL)
    assert isinstance(chosen, NoneMayGo), "nothing may go"
    assert len(chosen.reasons) == 1
    return chosen.reasons[0][0]


# --- any facts whatsoever -----------------------------------------------------------------------------


@dataclass
class Told:
    """A receipt, co-signature, hold or waiver as the test made it, with all that is wrong with it."""

    order: int
    log: str
    index: int
    receipt: Receipt | None = None
    signer: Signer | None = None
    cosigner: Cosigner | None = None
    about: str = ""
    size: int = 0
    time_s: int = 0
    forged: bool = False
    held: bool | None = None
    session: str = ""


@dataclass
class World:
    """Journals, and beside them a plain list of what was put into them."""

    journals: Journals = field(default_factory=Journals)
    segments: dict[str, tuple[str, str, int]] = field(default_factory=dict)
    """File to log, session and index of its close."""
    told: list[Told] = field(default_factory=list)
    unopened: frozenset[str] = frozenset()

    def tell(self, **what: object) -> Told:
        told = Told(self.journals.order, self.journals.log, self.journals.index, **what)  # type: ignore[arg-type]
        self.told.append(told)
        return told


LENGTHS, CONTENTS = (1000, 1001), ("x", "y")


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Segments over two generations, delivered, and then whatever may be said about them, right and wrong."""
    world = World(unopened=draw(st.sampled_from([frozenset(), frozenset(), frozenset({STORE.vkey.name})])))
    for step in (
        "s",
        *draw(st.sampled_from(["rc", "cr", "rsrc", "srrc", "rch", "rchw", "rcwh", "rchl", "rcbe", "rcg", "rgc"])),
    ):
        _STEPS[step](draw, world)
    for step in draw(st.lists(st.sampled_from("srrcchlwg"), max_size=6)):
        _STEPS[step](draw, world)
    return world


def _add_segment(draw: st.DrawFn, world: World) -> None:
    journals = world.journals
    session = draw(st.sampled_from(SESSIONS))
    file = journals.segment(session, len(world.segments))
    world.segments[file] = (journals.log, session, journals.index - 1)


def _add_receipt(draw: st.DrawFn, world: World) -> None:
    """At most one thing is wrong with it."""
    file = draw(st.sampled_from(sorted(world.segments)))
    wrong = draw(st.sampled_from(["", "", "", "", "origin", "length", "sha256", "opened", "signer", "forged"]))
    receipt = receipt_for(file, time_s=draw(st.integers(1000, 1010)), opened=wrong != "opened")
    receipt = replace(receipt, origin=world.segments[file][0])
    if wrong == "origin":
        receipt = replace(receipt, origin=draw(st.sampled_from([*LOGS, "liuhen/bwc-2/1"])))
    elif wrong == "length":
        receipt = replace(receipt, length=LENGTHS[1])
    elif wrong == "sha256":
        receipt = replace(receipt, sha256=sha(CONTENTS[1]))
    signer = OLD_STORE if wrong == "signer" else BUREAU if wrong == "forged" else STORE
    named = STORE if wrong == "forged" else signer
    world.tell(receipt=receipt, signer=named, forged=wrong == "forged")
    world.journals.receipt(receipt, signer, key_id(named.vkey))


def _add_cosignature(draw: st.DrawFn, world: World) -> None:
    journals = world.journals
    cosigner = draw(st.sampled_from([MIRROR, MIRROR, MIRROR, OTHER_MIRROR, OLD_MIRROR]))
    log = draw(st.sampled_from([journals.log, journals.log, LOGS[0]]))
    closes = [close for its_log, _, close in world.segments.values() if its_log == log]
    size = draw(st.sampled_from([*closes, *(close + 1 for close in closes), journals.index, journals.index + 1]))
    time_s = draw(st.sampled_from([2000 + journals.order, 2000 + journals.order, 2001]))
    forged = draw(st.integers(0, 15)) == 0
    world.tell(cosigner=cosigner, about=log, size=size, time_s=time_s, forged=forged)
    journals.cosign(size, cosigner, time_s, log, forged)


def _roll_back(draw: st.DrawFn, world: World) -> None:
    """The mirror was restored from a backup: later than all else it says less."""
    journals, time_s = world.journals, 2000 + world.journals.order
    size = draw(st.integers(0, journals.index))
    world.tell(cosigner=MIRROR, about=journals.log, size=size, time_s=time_s)
    journals.cosign(size, MIRROR, time_s)


def _catch_up(draw: st.DrawFn, world: World) -> None:
    """The mirror has everything."""
    journals, time_s = world.journals, 2000 + world.journals.order
    world.tell(cosigner=MIRROR, about=journals.log, size=journals.index, time_s=time_s)
    journals.cosign(journals.index, MIRROR, time_s)


def _add_hold(draw: st.DrawFn, world: World) -> None:
    session, signer = draw(st.sampled_from(SESSIONS)), draw(st.sampled_from([BUREAU, OLD_BUREAU]))
    world.tell(held=True, session=session, signer=signer)
    world.journals.hold(session, True, signer)


def _lift_hold(draw: st.DrawFn, world: World) -> None:
    session, signer = draw(st.sampled_from(SESSIONS)), draw(st.sampled_from([BUREAU, OLD_BUREAU]))
    world.tell(held=False, session=session, signer=signer)
    world.journals.hold(session, False, signer)


def _add_waiver(draw: st.DrawFn, world: World) -> None:
    session, signer = draw(st.sampled_from(SESSIONS)), draw(st.sampled_from([BUREAU, OLD_BUREAU]))
    world.tell(session=session, signer=signer)
    world.journals.waive(session, signer)


def _new_generation(draw: st.DrawFn, world: World) -> None:
    if world.journals.log == LOGS[0]:
        world.journals.new_generation()


_STEPS: dict[str, Callable[[st.DrawFn, World], None]] = {
    "s": _add_segment,
    "r": _add_receipt,
    "c": _add_cosignature,
    "b": _roll_back,
    "e": _catch_up,
    "h": _add_hold,
    "l": _lift_hold,
    "w": _add_waiver,
    "g": _new_generation,
}


def newest(told: Sequence[Told], cosigner: Cosigner, log: str) -> Told | None:
    """What a mirror said last of a log, by its own time."""
    mine = [one for one in told if one.cosigner is cosigner and one.about == log]
    return max(mine, key=lambda one: (one.time_s, one.size, one.order), default=None)


def is_cosigned(world: World, log: str, close_index: int) -> bool:
    """Condition 1: below what a trusted mirror said last, and our root there is its root."""
    for cosigner in (MIRROR, OTHER_MIRROR):
        last = newest(world.told, cosigner, log)
        if last is None or last.forged or last.size <= close_index:
            continue
        if last.log != log or last.size <= last.index:  # a tree larger than the journal then was cannot be ours
            return True
    return False


def is_forgotten(world: World, receipt: Told) -> bool:
    """The mirror said less than before, later than before, and less than where the receipt stands."""
    for back in world.told:
        if (
            back.cosigner is None
            or back.order < receipt.order
            or back.about != receipt.log
            or back.size > receipt.index
        ):
            continue
        earlier = [one for one in world.told if one.order < back.order]
        before = newest(earlier, back.cosigner, back.about)
        if before is not None and back.time_s > before.time_s and back.size < before.size:
            return True
    return False


def good_receipts(world: World, file: str) -> list[Told]:
    """Conditions 2 and 3."""
    return [
        one
        for one in world.told
        if one.receipt is not None
        and one.receipt.file == file
        and one.receipt.origin == world.segments[file][0]
        and (one.receipt.length, one.receipt.sha256) == (LENGTHS[0], sha(CONTENTS[0]))
        and one.signer is STORE
        and not one.forged
        and (one.receipt.opened or STORE.vkey.name in world.unopened)
        and not is_forgotten(world, one)
    ]


def is_free(world: World, session: str) -> bool:
    """Condition 4: not held, or waived after the last hold."""
    about = [one for one in world.told if one.session == session]
    free = True
    for one in about:
        if one.held:
            free = False
        elif one.signer is BUREAU and (one.held is False or not free):
            free = True
    return free


@given(
    worlds(),
    st.sampled_from([(0, 1), (0, 1), (0, 1), (1, 1), (2, 1)]),
    st.integers(0, 9),
    st.sets(st.sampled_from(LOGS), max_size=1),
)
@settings(max_examples=500, deadline=None)
def test_nothing_is_deleted_unless_every_condition_holds(
    world: World, room: tuple[int, int], complete: int, damaged: set[str]
) -> None:
    free, wanted = room
    facts = world.journals.facts
    facts.complete = complete > 0
    facts.damaged = damaged if complete > 6 else set()
    good = {
        file: good_receipts(world, file)
        for file, (log, session, close) in world.segments.items()
        if free < wanted
        and facts.complete
        and log not in facts.damaged
        and is_cosigned(world, log, close)
        and is_free(world, session)
    }
    permitted = {file: receipts for file, receipts in good.items() if receipts}
    chosen = choose(facts, Trust(KEYS, world.unopened), free, wanted)
    if isinstance(chosen, MayGo):
        assert chosen.segment.file in permitted
        assert chosen.receipt.leaf in {b64(sha(f"{one.order}")) for one in permitted[chosen.segment.file]}
    if not any(one.forged for one in world.told):
        oldest = min((one.receipt.time_s for found in permitted.values() for one in found if one.receipt), default=None)
        assert (chosen.receipt.receipt.time_s if isinstance(chosen, MayGo) else None) == oldest
    if isinstance(chosen, NoneMayGo) and facts.complete and free < wanted:
        assert sum(count for _, count in chosen.reasons) == len(world.segments), "each segment has its reason"


@given(worlds())
@settings(max_examples=100, deadline=None)
def test_deleting_until_nothing_more_may_go_names_each_file_once_and_leaves_the_others(world: World) -> None:
    facts, gone = world.journals.facts, list[str]()
    while isinstance(chosen := choose(facts, Trust(KEYS, world.unopened), *FULL), MayGo):
        gone.append(chosen.segment.file)
        world.journals.put(deletion_of(chosen, world.journals.log, *FULL))
        assert len(gone) <= len(world.segments)
    assert len(gone) == len(set(gone))
    assert {file for _, file in facts.segments} == set(world.segments) - set(gone)


# --- what is right ------------------------------------------------------------------------------------


def test_a_delivered_segment_goes_and_the_entry_names_both_notes() -> None:
    journals = Journals()
    file = journals.segment()
    receipt_leaf = journals.receipt(receipt_for(file))
    mirror_leaf = journals.cosign(2)
    chosen = choose(journals.facts, TRUST, 10, 20)
    assert isinstance(chosen, MayGo)
    entry = deletion_of(chosen, LOGS[0], 10, 20)
    assert (entry.stream, entry.origin, entry.file, entry.segment) == ("s000001", LOGS[0], file, 0)
    assert (entry.length, entry.sha256) == (1000, b64(sha("x")))
    assert (entry.receipt, entry.cosignature, entry.waiver) == (b64(receipt_leaf), b64(mirror_leaf), "")
    assert (entry.free_bytes, entry.wanted_bytes) == (10, 20)
    journals.put(entry)
    assert choose(journals.facts, TRUST, 10, 20) == NoneMayGo(())


def test_the_oldest_receipt_goes_first_and_not_the_oldest_segment() -> None:
    journals = Journals()
    files = [journals.segment(number=number) for number in range(3)]
    for file, time_s in zip(files, (1005, 1003, 1004), strict=True):
        journals.receipt(receipt_for(file, time_s=time_s))
    journals.cosign(6)
    chosen = choose(journals.facts, TRUST, *FULL)
    assert isinstance(chosen, MayGo) and chosen.segment.file == files[1]


def test_while_there_is_room_nothing_goes() -> None:
    journals, _ = delivered()
    assert choose(journals.facts, TRUST, 20, 20) == NoneMayGo((("enough_room", 1),))


def test_a_segment_of_an_earlier_generation_goes_and_the_device_stream_says_so() -> None:
    journals, file = delivered()
    journals.new_generation()
    chosen = choose(journals.facts, TRUST, *FULL)
    assert isinstance(chosen, MayGo)
    entry = deletion_of(chosen, journals.log, *FULL)
    assert (entry.stream, entry.origin, entry.file) == (e.DEVICE_STREAM, LOGS[0], file)


def test_notes_for_an_earlier_generation_may_come_in_later() -> None:
    journals = Journals()
    file = journals.segment()
    journals.new_generation()
    journals.receipt(receipt_for(file))
    journals.cosign(2, log=LOGS[0])
    assert isinstance(choose(journals.facts, TRUST, *FULL), MayGo)


def test_a_held_session_goes_after_a_waiver_and_the_entry_names_it() -> None:
    journals, _ = delivered()
    journals.hold("s000001")
    assert only_reason(journals) == "held"
    leaf = journals.waive("s000001")
    chosen = choose(journals.facts, TRUST, *FULL)
    assert isinstance(chosen, MayGo)
    assert deletion_of(chosen, LOGS[0], *FULL).waiver == b64(leaf)
    journals.hold("s000001")
    assert only_reason(journals) == "held", "held again"


def test_a_hold_that_was_lifted_holds_no_more() -> None:
    journals, _ = delivered()
    journals.hold("s000001")
    journals.hold("s000001", held=False)
    assert isinstance(choose(journals.facts, TRUST, *FULL), MayGo)


def test_a_store_that_cannot_open_is_enough_where_it_is_named() -> None:
    journals = Journals()
    file = journals.segment()
    journals.receipt(receipt_for(file, opened=False))
    journals.cosign(2)
    assert only_reason(journals) == "not_opened"
    assert only_reason(journals, Trust(KEYS, frozenset({"another.example/receipts"}))) == "not_opened"
    assert isinstance(choose(journals.facts, Trust(KEYS, frozenset({STORE.vkey.name})), *FULL), MayGo)


# --- attacks ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attack", "receipt", "why"),
    [
        ("other_bytes", {"by": "y"}, "receipt_of_other_bytes"),
        ("another_size", {"length": 1001}, "receipt_of_other_bytes"),
        ("not_opened", {"opened": False}, "not_opened"),
    ],
)
def test_a_receipt_that_does_not_fit_deletes_nothing(attack: str, receipt: dict[str, object], why: str) -> None:
    journals = Journals()
    file = journals.segment()
    journals.receipt(receipt_for(file, **receipt))  # type: ignore[arg-type]
    journals.cosign(2)
    assert only_reason(journals) == why


@pytest.mark.parametrize("origin", ["liuhen/bwc-2/1", LOGS[1]])
def test_a_receipt_for_another_device_or_generation_deletes_nothing(origin: str) -> None:
    journals = Journals()
    file = journals.segment()
    journals.receipt(replace(receipt_for(file), origin=origin))
    journals.cosign(2)
    assert only_reason(journals) == "no_receipt"


def test_a_receipt_for_another_file_with_the_same_bytes_deletes_nothing() -> None:
    journals = Journals()
    journals.segment(number=0)
    file = journals.segment(number=1)
    journals.receipt(receipt_for(file))
    journals.cosign(4)
    chosen = choose(journals.facts, TRUST, *FULL)
    assert isinstance(chosen, MayGo) and chosen.segment.file == file
    journals.put(deletion_of(chosen, LOGS[0], *FULL))
    assert only_reason(journals) == "no_receipt"


def test_a_receipt_key_that_is_trusted_no_more_deletes_nothing() -> None:
    journals, _ = delivered()
    assert only_reason(journals, Trust(replace(KEYS, receipt=()))) == "receipt_key_untrusted"
    assert only_reason(journals, Trust(replace(KEYS, receipt=(OLD_STORE.vkey,)))) == "receipt_key_untrusted"


def test_a_mirror_key_that_is_trusted_no_more_deletes_nothing() -> None:
    journals, _ = delivered()
    assert only_reason(journals, Trust(replace(KEYS, mirror=(OTHER_MIRROR.vkey,)))) == "not_cosigned"


def test_a_receipt_of_a_commander_that_the_entry_passes_off_as_the_stores_deletes_nothing() -> None:
    journals = Journals()
    file = journals.segment()
    journals.receipt(receipt_for(file), BUREAU, key_id(STORE.vkey))
    journals.cosign(2)
    assert only_reason(journals) == "note_forged"


def test_a_receipt_changed_after_it_was_signed_deletes_nothing() -> None:
    journals = Journals()
    file = journals.segment()
    journals.receipt(receipt_for(file, opened=False), change=("opened no", "opened yes"))
    journals.cosign(2)
    assert only_reason(journals) == "note_forged"


def test_a_receipt_that_cannot_be_read_deletes_nothing() -> None:
    journals = Journals()
    journals.segment()
    journals.put(e.Receipt(stream="s000001", segment=0, key=key_id(STORE.vkey), note="liuhen/receipt/v1\n"))
    journals.cosign(2)
    assert only_reason(journals) == "no_receipt"


def test_a_forged_cosignature_deletes_nothing() -> None:
    journals = Journals()
    file = journals.segment()
    journals.receipt(receipt_for(file))
    journals.cosign(2, forge=True)
    assert only_reason(journals) == "note_forged"


def test_a_cosignature_whose_entry_claims_a_greater_size_than_its_note_deletes_nothing() -> None:
    journals = Journals()
    file = journals.segment()
    journals.receipt(receipt_for(file))
    note = sign_checkpoint(Checkpoint(LOGS[0], 1, sha("root")), DEVICE)
    cosigned = add_signature(note, MIRROR.cosign(parse_note(note).text, 2000)).decode()
    key = key_id(MIRROR.vkey)
    journals.put(e.Cosignature(origin=LOGS[0], size=2, key=key, utc_us=2_000_000_000, note=cosigned))
    assert only_reason(journals) == "not_cosigned"


def test_a_cosignature_of_a_tree_that_is_not_ours_deletes_nothing() -> None:
    journals, _ = delivered()
    facts = journals.facts
    (place,) = facts.cosignatures
    facts.cosignatures[place] = replace(facts.cosignatures[place], root_matches=False)
    assert only_reason(journals) == "not_cosigned"


def test_a_cosignature_that_ends_before_the_close_or_is_of_another_log_deletes_nothing() -> None:
    journals = Journals()
    file = journals.segment()
    journals.receipt(receipt_for(file))
    journals.cosign(1, time_s=2000)
    assert only_reason(journals) == "not_cosigned"
    journals.cosign(2, time_s=2001, log=LOGS[1])
    assert only_reason(journals) == "not_cosigned"


def test_a_mirror_that_was_rolled_back_takes_its_word_back() -> None:
    journals, _ = delivered()
    assert isinstance(choose(journals.facts, TRUST, *FULL), MayGo)
    journals.cosign(1, time_s=2001)
    assert only_reason(journals) == "not_cosigned"


def test_a_receipt_that_a_rolled_back_mirror_has_forgotten_counts_only_when_it_comes_again() -> None:
    journals, file = delivered()
    journals.cosign(1, time_s=2001)
    journals.cosign(5, time_s=2002)
    assert only_reason(journals) == "receipt_forgotten"
    journals.receipt(receipt_for(file, time_s=3000))
    assert isinstance(choose(journals.facts, TRUST, *FULL), MayGo)


def test_an_old_cosignature_shown_again_changes_nothing() -> None:
    journals, _ = delivered()
    journals.cosign(1, time_s=1999)
    assert isinstance(choose(journals.facts, TRUST, *FULL), MayGo)
    assert journals.facts.rollbacks == []


def test_a_segment_that_is_open_never_goes() -> None:
    journals = Journals()
    file = "s000001/bwc-1_0_20261124083000_000000.mp4.age"
    journals.put(
        e.SegmentOpen(
            stream="s000001",
            segment=0,
            file=file,
            cause="start",
            init_length=8,
            init_sha256="",
            recipients=[],
            tracks=[],
        )
    )
    journals.receipt(receipt_for(file))
    journals.cosign(2)
    assert choose(journals.facts, TRUST, *FULL) == NoneMayGo(())


def test_before_the_journal_is_read_to_its_end_nothing_goes() -> None:
    journals, _ = delivered()
    journals.facts.complete = False
    assert only_reason(journals) == "facts_incomplete"


def test_nothing_of_a_generation_goes_in_which_damage_may_hide_a_hold() -> None:
    journals, _ = delivered()
    journals.facts.damaged.add(LOGS[0])
    assert only_reason(journals) == "journal_damaged"


def test_a_hold_outlives_its_key_and_what_permits_does_not() -> None:
    journals, _ = delivered()
    journals.hold("s000001", signer=OLD_BUREAU)
    assert only_reason(journals) == "held"
    journals.hold("s000001", held=False, signer=OLD_BUREAU)
    assert only_reason(journals) == "held"
    journals.waive("s000001", signer=OLD_BUREAU)
    assert only_reason(journals) == "held"


def test_a_waiver_before_the_hold_or_for_another_session_frees_nothing() -> None:
    journals, _ = delivered()
    journals.waive("s000001")
    journals.hold("s000001")
    journals.waive("s000002")
    assert only_reason(journals) == "held"


def test_a_deleted_segment_does_not_come_back_with_a_new_receipt() -> None:
    journals, file = delivered()
    chosen = choose(journals.facts, TRUST, *FULL)
    assert isinstance(chosen, MayGo)
    journals.put(deletion_of(chosen, LOGS[0], *FULL))
    journals.receipt(receipt_for(file, time_s=5000))
    assert choose(journals.facts, TRUST, *FULL) == NoneMayGo(())
