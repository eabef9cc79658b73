"""Signed notes that come in: what each changes, what is refused and by which name."""

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.evidence import age
from agent.evidence import entries as e
from agent.evidence.canonical import b64
from agent.evidence.checkpoint import Checkpoint, Cosigner, sign_checkpoint
from agent.evidence.errors import EvidenceError
from agent.evidence.journal_lines import encode_entry
from agent.evidence.note import KeyMalformed, NoteForged, Signer, add_signature, parse_note, sign_note
from agent.evidence.private import open_private, seal_private
from agent.evidence.receipt import (
    Acknowledgement,
    CarrierWaiver,
    Command,
    Hold,
    KeyOfAnotherRole,
    KeyWithTwoRoles,
    NoteUntrusted,
    Receipt,
    Statement,
    StatementMalformed,
    TrustedKeys,
    key_id,
    sign_statement,
)
from agent.recorder.deletion import Facts, MayGo, Trust, choose, deletion_of
from agent.recorder.notes_in import (
    CheckpointForked,
    CommandExpired,
    CommandReplayed,
    FileUnknown,
    Here,
    LogShorter,
    NoteRefused,
    NotReady,
    OriginForeign,
    ReceiptForOtherBytes,
    RootUnknown,
    SessionUnknown,
    Taken,
    TimeUnknown,
    take_note,
    trust_of,
)
from config.models import Trust as Configured

DEVICE = Signer("liuhen/bwc-1", bytes([1]) * 32)
STORE = Signer("store.example/receipts", bytes([2]) * 32)
BUREAU = Signer("bureau.example/commands", bytes([8]) * 32)
SECOND_BUREAU = Signer("second.example/commands", bytes([9]) * 32)
MIRROR, SECOND_MIRROR = Cosigner("mirror.example/m1", bytes([5]) * 32), Cosigner("mirror.example/m2", bytes([6]) * 32)
KEYS = TrustedKeys((DEVICE.vkey,), (MIRROR.vkey, SECOND_MIRROR.vkey), (STORE.vkey,), (BUREAU.vkey, SECOND_BUREAU.vkey))
FIRST, NOW_LOG = "liuhen/bwc-1/1", "liuhen/bwc-1/2"
SENT_S, EXPIRES_S = 1_764_000_000, 1_764_086_400
DIGEST = hashlib.sha256(b"sealed").digest()


def root(size: int) -> bytes:
    return hashlib.sha256(b"root %d" % size).digest()


class Device:
    """A device in its second generation, with a closed segment in each; what it takes, it journals."""

    def __init__(self) -> None:
        self.facts = Facts()
        self.index, self.log = 0, FIRST
        self.first_file = self._segment("s000001")
        self.index, self.log = 0, NOW_LOG
        self.file = self._segment("s000002")
        self.facts.complete = True
        self.utc: tuple[int, int] | None = (SENT_S * 1_000_000, 50_000)

    def journal(self, entry: e.Entry) -> None:
        self.facts.apply(entry, self.log, self.index, hashlib.sha256(b"%d" % self.index).digest())
        self.index += 1

    def _segment(self, session: str) -> str:
        file = f"{session}/bwc-1_0_20261124083000_000000.mp4.age"
        opened = e.SessionOpen(
            stream=session, number=1, pressed_us=0, from_us=0, prerecord_ms=0, prerecord_sound="yes",
            required_tracks=["sound"], power="inspection", officer="0", items_sha256="", config_sha256="",
        )  # fmt: skip
        self.journal(opened)
        self.journal(
            e.SegmentOpen(
                stream=session, segment=0, file=file, cause="start", init_length=8, init_sha256="", recipients=[],
                tracks=[],
            )
        )  # fmt: skip
        self.journal(
            e.SegmentClose(
                stream=session, segment=0, by="recorder", end=900, final_length=8, final_sha256="", length=1000,
                sha256=b64(DIGEST),
            )
        )  # fmt: skip
        return file

    def root_at(self, log: str, size: int) -> bytes | None:
        return root(size) if size != 999 else None

    def here(self) -> Here:
        return Here(self.log, self.index, self.facts, self.root_at, self.utc)

    def take(self, note: bytes, keys: TrustedKeys = KEYS) -> Taken:
        taken = take_note(note, keys, self.here())
        for draft in taken.drafts:
            self.journal(draft.entry)
        return taken


def receipt(file: str, origin: str = NOW_LOG) -> Receipt:
    return Receipt(origin, file, 1000, DIGEST, SENT_S, True)


def hold(number: int = 1, session: str = "s000002", held: bool = True) -> Hold:
    return Hold(NOW_LOG, number, SENT_S, EXPIRES_S, session, held, "王五 (021187)", "行政处罚案件证据")


def waiver(number: int = 1, session: str = "s000002") -> CarrierWaiver:
    return CarrierWaiver(NOW_LOG, number, SENT_S, EXPIRES_S, session, "李四", "确有困难", "disc", "2026-0115", 2)


def acknowledgement(number: int = 1) -> Acknowledgement:
    return Acknowledgement(NOW_LOG, number, SENT_S, EXPIRES_S, 3, "张三")


def cosigned(size: int, time_s: int = SENT_S, log: str = NOW_LOG, by: tuple[Cosigner, ...] = (MIRROR,)) -> bytes:
    note = sign_checkpoint(Checkpoint(log, size, root(size)), DEVICE)
    text = parse_note(note).text
    for cosigner in by:
        note = add_signature(note, cosigner.cosign(text, time_s))
    return note


# --- whose word counts --------------------------------------------------------------------------------


def test_the_keys_of_the_configuration_count_in_their_role_and_no_key_has_two() -> None:
    def line(key: Signer | Cosigner) -> tuple[str, ...]:
        return (key.vkey.line(),)

    configured = Configured(
        mirror_keys=line(MIRROR), receipt_keys=line(STORE), command_keys=line(BUREAU), unopened_keys=(STORE.vkey.name,)
    )
    trust = trust_of(configured, DEVICE.vkey)
    assert trust.keys == TrustedKeys((DEVICE.vkey,), (MIRROR.vkey,), (STORE.vkey,), (BUREAU.vkey,))
    assert trust.unopened == {STORE.vkey.name}
    with pytest.raises(KeyWithTwoRoles, match="as receipt key and as command key"):
        trust_of(Configured(receipt_keys=line(STORE), command_keys=line(STORE)), DEVICE.vkey)
    with pytest.raises(KeyWithTwoRoles, match="as device key and as receipt key"):
        trust_of(Configured(receipt_keys=line(DEVICE)), DEVICE.vkey)
    with pytest.raises(KeyMalformed, match="copy the key again"):
        trust_of(Configured(receipt_keys=(STORE.vkey.line()[:-4],)), DEVICE.vkey)


# --- receipts -----------------------------------------------------------------------------------------


def test_a_receipt_is_journalled_in_its_sessions_stream_with_the_whole_note() -> None:
    device = Device()
    note = sign_statement(receipt(device.file), STORE)
    (draft,) = device.take(note).drafts
    assert draft.entry == e.Receipt(stream="s000002", segment=0, key=key_id(STORE.vkey), note=note.decode())
    assert draft.private == ""


def test_a_receipt_for_an_earlier_generation_is_journalled_in_the_devices_stream() -> None:
    device = Device()
    (draft,) = device.take(sign_statement(receipt(device.first_file, FIRST), STORE)).drafts
    assert draft.entry.stream == e.DEVICE_STREAM


def test_what_is_sent_again_is_taken_and_changes_nothing() -> None:
    device = Device()
    for note in (sign_statement(receipt(device.file), STORE), cosigned(3)):
        assert device.take(note).drafts
        assert device.take(note).drafts == ()


@pytest.mark.parametrize(
    ("what", "error"),
    [
        ({"length": 1001}, ReceiptForOtherBytes),
        ({"sha256": bytes(32)}, ReceiptForOtherBytes),
        ({"origin": FIRST}, FileUnknown),
        ({"origin": "liuhen/bwc-2/2"}, FileUnknown),
        ({"file": "s000002/bwc-1_0_20261124083000_000001.mp4.age"}, FileUnknown),
    ],
)
def test_a_receipt_that_does_not_fit_is_refused_by_name(what: dict[str, object], error: type[NoteRefused]) -> None:
    device = Device()
    with pytest.raises(error):
        device.take(sign_statement(replace(receipt(device.file), **what), STORE))  # type: ignore[arg-type]


def test_a_receipt_of_a_commander_a_mirror_a_stranger_or_the_device_itself_is_refused() -> None:
    device = Device()
    for signer in (BUREAU, DEVICE):
        with pytest.raises(KeyOfAnotherRole, match=signer.vkey.name):
            device.take(sign_statement(receipt(device.file), signer))
    with pytest.raises(NoteUntrusted):
        device.take(sign_statement(receipt(device.file), Signer("store.example/receipts", bytes([42]) * 32)))
    with pytest.raises(NoteForged):
        device.take(
            sign_statement(replace(receipt(device.file), opened=False), STORE).replace(b"opened no", b"opened yes")
        )


# --- co-signatures ------------------------------------------------------------------------------------


def test_each_mirror_of_a_checkpoint_gets_an_entry_with_its_own_signature() -> None:
    device = Device()
    taken = device.take(cosigned(3, by=(MIRROR, SECOND_MIRROR)))
    entries = [draft.entry for draft in taken.drafts]
    assert [(one.key, one.size, one.utc_us) for one in entries if isinstance(one, e.Cosignature)] == [
        (key_id(mirror.vkey), 3, SENT_S * 1_000_000) for mirror in (MIRROR, SECOND_MIRROR)
    ]
    for entry in entries:
        assert isinstance(entry, e.Cosignature)
        assert len(parse_note(entry.note.encode()).signatures) == 1


def test_a_cosigned_size_beyond_ours_a_fork_and_a_root_that_is_not_at_hand_are_told_apart() -> None:
    device = Device()
    with pytest.raises(LogShorter, match="put back to an earlier state"):
        device.take(cosigned(4))
    forked = sign_checkpoint(Checkpoint(NOW_LOG, 3, bytes(32)), DEVICE)
    with pytest.raises(CheckpointForked, match="two devices write under one name"):
        device.take(add_signature(forked, MIRROR.cosign(parse_note(forked).text, SENT_S)))
    device.index = 1000
    with pytest.raises(RootUnknown):
        device.take(cosigned(999))
    with pytest.raises(OriginForeign):
        device.take(cosigned(3, log="liuhen/bwc-2/2"))
    assert device.facts.cosignatures == {}


def test_a_checkpoint_that_only_the_device_signed_is_no_cosignature() -> None:
    device = Device()
    with pytest.raises(KeyOfAnotherRole, match=r"liuhen/bwc-1, which is trusted as device key"):
        device.take(sign_checkpoint(Checkpoint(NOW_LOG, 3, root(3)), DEVICE))


def test_a_mirror_that_was_rolled_back_raises_an_alarm_and_an_old_note_shown_again_does_not() -> None:
    device = Device()
    device.take(cosigned(3, SENT_S))
    assert device.take(cosigned(1, SENT_S - 1)) == Taken((), "nothing newer than what is known")
    assert device.take(cosigned(1, SENT_S + 1)).alarm == "store.rolled_back"
    assert [fact.size for fact in device.facts.rollbacks] == [1]


# --- commands -----------------------------------------------------------------------------------------


def test_a_hold_a_waiver_and_an_acknowledgement_are_journalled_with_the_note_sealed() -> None:
    device = Device()
    wanted: list[tuple[Command, type[e.Entry], str]] = [
        (hold(1), e.Hold, "s000002"),
        (waiver(2), e.CarrierWaiver, "s000002"),
        (acknowledgement(3), e.AlarmAcknowledged, e.DEVICE_STREAM),
        (hold(4, "s000001"), e.Hold, e.DEVICE_STREAM),
    ]
    for command, kind, stream in wanted:
        note = sign_statement(command, BUREAU)
        (draft,) = device.take(note).drafts
        assert (type(draft.entry), draft.entry.stream) == (kind, stream)
        assert draft.private == note.decode()
        draft.entry.salt = b64(bytes(16))
        readable = encode_entry(draft.entry).decode()
        assert not any(text in readable for text in ("王五", "李四", "张三", "案件", "2026-0115"))


def test_the_longest_command_fits_into_an_entry_once_it_is_sealed() -> None:
    device, longest = Device(), "\U00020000" * 500
    note = sign_statement(replace(waiver(2**53 - 1), by=longest, reason=longest, named=longest), BUREAU)
    (draft,) = device.take(note).drafts
    identity = age.Identity(bytes(range(1, 33)))
    private = seal_private(draft.private, [identity.recipient()] * 20, lambda length: bytes(length))
    assert isinstance(draft.entry, e.CarrierWaiver)
    draft.entry.private, draft.entry.salt, draft.entry.prev = private, b64(bytes(16)), "_" * 43
    draft.entry.n = 1
    assert len(encode_entry(draft.entry)) < e.MAX_ENTRY_BYTES
    assert open_private(private, identity) == note.decode()


def test_a_command_counts_once_for_each_key() -> None:
    device = Device()
    device.take(sign_statement(hold(5), BUREAU))
    for number in (5, 4, 0):
        with pytest.raises(CommandReplayed, match=f"number {number} is a"):
            device.take(sign_statement(hold(number, held=False), BUREAU))
    assert device.take(sign_statement(hold(1), SECOND_BUREAU)).drafts
    assert device.take(sign_statement(waiver(6), BUREAU)).drafts


def test_a_command_for_another_generation_or_device_or_session_is_refused() -> None:
    device = Device()
    for origin in (FIRST, "liuhen/bwc-2/2"):
        with pytest.raises(OriginForeign):
            device.take(sign_statement(replace(hold(), origin=origin), BUREAU))
    with pytest.raises(SessionUnknown):
        device.take(sign_statement(hold(session="s000003"), BUREAU))
    assert device.facts.numbers == {}, "what is refused uses no number up"


@pytest.mark.parametrize(
    ("after_s", "error_us", "taken"),
    [(0, 0, True), (86_399, 999_999, True), (86_400, 0, False), (86_399, 1_000_000, False)],
)
def test_a_command_expires_by_the_latest_time_that_the_clock_allows(after_s: int, error_us: int, taken: bool) -> None:
    device = Device()
    device.utc = ((SENT_S + after_s) * 1_000_000, error_us)
    for command in (hold(1), waiver(2), acknowledgement(3)):
        if taken:
            assert device.take(sign_statement(command, BUREAU)).drafts
        else:
            with pytest.raises(CommandExpired):
                device.take(sign_statement(command, BUREAU))


@pytest.mark.parametrize("utc", [None, (SENT_S * 1_000_000, -1)])
def test_without_a_clock_what_protects_is_taken_and_what_permits_is_not(utc: tuple[int, int] | None) -> None:
    device = Device()
    device.utc = utc
    assert device.take(sign_statement(hold(1), BUREAU)).drafts
    assert device.take(sign_statement(acknowledgement(2), BUREAU)).drafts
    for command in (waiver(3), hold(4, held=False)):
        with pytest.raises(TimeUnknown):
            device.take(sign_statement(command, BUREAU))


# --- any note ---------------------------------------------------------------------------------------------


def test_nothing_is_taken_before_the_journal_is_read_to_its_end() -> None:
    device = Device()
    device.facts.complete = False
    for note in (sign_statement(receipt(device.file), STORE), cosigned(3), sign_statement(hold(), BUREAU), b"x"):
        with pytest.raises(NotReady):
            device.take(note)


def test_a_note_of_no_kind_or_too_long_is_refused() -> None:
    device = Device()
    with pytest.raises(StatementMalformed, match="no kind known here"):
        device.take(sign_note("liuhen/hold/v2\nsession s000002\n", BUREAU))
    with pytest.raises(StatementMalformed, match="longer than 8192"):
        device.take(b"x" * 8193)


@given(st.binary(max_size=300) | st.sampled_from([b"liuhen/receipt/v1\n", b"liuhen/bwc-1/2\n3\n"]).flatmap(
    lambda head: st.binary(max_size=100).map(head.__add__)))  # fmt: skip
def test_any_bytes_are_taken_or_refused_by_an_error_of_ours(data: bytes) -> None:
    device = Device()
    with pytest.raises(EvidenceError):
        device.take(data)


@given(st.data())
@settings(max_examples=150)
def test_no_changed_bit_of_any_note_is_taken(data: st.DataObject) -> None:
    device = Device()
    statements: list[tuple[Statement, Signer]] = [
        (receipt(device.file), STORE),
        (hold(), BUREAU),
        (waiver(), BUREAU),
        (acknowledgement(), BUREAU),
    ]
    notes = [*[sign_statement(statement, signer) for statement, signer in statements], cosigned(3)]
    note = bytearray(data.draw(st.sampled_from(notes)))
    at = data.draw(st.integers(0, len(note) - 1))
    note[at] ^= 1 << data.draw(st.integers(0, 7))
    try:
        taken = device.take(bytes(note))
    except EvidenceError:
        return
    # A changed name or key id makes a line a stranger's, which is ignored; the mirror's line alone is enough.
    assert parse_note(bytes(note)).text == parse_note(cosigned(3)).text
    assert len(taken.drafts) == 1


def test_a_receipt_for_a_segment_that_was_deleted_changes_nothing() -> None:
    device = Device()
    device.take(sign_statement(receipt(device.file), STORE))
    device.take(cosigned(3))
    chosen = choose(device.facts, Trust(KEYS), 0, 1)
    assert isinstance(chosen, MayGo)
    device.journal(deletion_of(chosen, NOW_LOG, 0, 1))
    again = device.take(sign_statement(replace(receipt(device.file), time_s=SENT_S + 1), STORE))
    assert again == Taken((), f"{device.file} is deleted already")


# --- together ---------------------------------------------------------------------------------------------


def test_a_receipt_and_a_cosignature_let_the_segment_go_and_a_hold_keeps_it() -> None:
    device = Device()
    device.take(sign_statement(receipt(device.file), STORE))
    assert not isinstance(choose(device.facts, Trust(KEYS), 0, 1), MayGo)
    device.take(cosigned(3))
    chosen = choose(device.facts, Trust(KEYS), 0, 1)
    assert isinstance(chosen, MayGo) and chosen.segment.file == device.file
    device.take(sign_statement(hold(1), BUREAU))
    assert not isinstance(choose(device.facts, Trust(KEYS), 0, 1), MayGo)
    device.take(sign_statement(waiver(2), BUREAU))
    assert isinstance(choose(device.facts, Trust(KEYS), 0, 1), MayGo)
