"""What a store and a commander say: every vector, the one spelling, and keys of another role."""

import re
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import agent.evidence.receipt
from agent.evidence.checkpoint import Cosigner
from agent.evidence.errors import EvidenceError
from agent.evidence.note import (
    MAX_NOTE_BYTES,
    KeyMalformed,
    NoteForged,
    NoteMalformed,
    Signer,
    VerifierKey,
    parse_vkey,
    sign_note,
)
from agent.evidence.receipt import (
    KINDS,
    MAX_CHARACTERS,
    MAX_LIFE_S,
    MAX_STATEMENT_BYTES,
    Acknowledgement,
    CarrierWaiver,
    Hold,
    KeyOfAnotherRole,
    KeyWithTwoRoles,
    NoteUntrusted,
    Receipt,
    Statement,
    StatementMalformed,
    TrustedKeys,
    encode_statement,
    key_id,
    open_statement,
    parse_statement,
    role_of,
    sign_statement,
)
from tests.vector_files import Vector, vectors
from tests.vectors import make_receipt

DEVICE = Signer("liuhen/bwc-1", bytes([1]) * 32)
STORE = Signer("store.example/receipts", bytes([2]) * 32)
MIRROR = Cosigner("mirror.example/m1", bytes([5]) * 32)
BUREAU = Signer("bureau.example/commands", bytes([8]) * 32)
TRUSTED = TrustedKeys((DEVICE.vkey,), (MIRROR.vkey,), (STORE.vkey,), (BUREAU.vkey,))
PAGE = Path(agent.evidence.receipt.__file__).with_name("receipt.md")
RAISES: dict[str, tuple[type[EvidenceError], ...]] = {
    "malformed": (StatementMalformed,),
    "forged": (NoteForged,),
    "untrusted": (NoteUntrusted,),
    "role": (KeyOfAnotherRole,),
}

SAMPLES: dict[str, object] = {
    "origin": "liuhen/bwc-1/1",
    "file": "s000012/bwc-1_012345_20261124083000_000001.mp4.age",
    "session": "s000012",
    "instead": "decision",
}
_texts = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=20)


def trusted_by(vector: Vector) -> TrustedKeys:
    def keys(header: str) -> tuple[VerifierKey, ...]:
        return tuple(parse_vkey(line) for line in vector.all(header))

    return TrustedKeys(keys("device-key"), keys("mirror-key"), keys("receipt-key"), keys("command-key"))


@st.composite
def statements(draw: st.DrawFn) -> Statement:
    """Any statement that may be made."""
    shape = draw(st.sampled_from(list(KINDS.values())))
    values: dict[str, Any] = {}
    for name, hint in get_type_hints(shape).items():
        strategy: st.SearchStrategy[object] = {
            int: st.integers(1, 2**53 - 1),
            str: _texts,
            bytes: st.binary(min_size=32, max_size=32),
            bool: st.booleans(),
        }.get(hint, st.nothing())
        values[name] = SAMPLES[name] if name in SAMPLES else draw(strategy)
    if "expires_s" in values:
        values["time_s"] = draw(st.integers(0, 2**40))
        values["expires_s"] = values["time_s"] + draw(st.integers(1, MAX_LIFE_S))
    made: Statement = shape(**values)
    return made


@pytest.mark.parametrize("vector", vectors("receipt"), ids=str)
def test_receipt_vector(vector: Vector) -> None:
    trusted = trusted_by(vector)
    if vector.expect == "success":
        signed = open_statement(vector.payload, trusted)
        assert signed.key.name == vector.one("signed-by")
        assert encode_statement(signed.statement) == signed.note.text
        return
    with pytest.raises(RAISES[vector.expect], match=vector.says):
        open_statement(vector.payload, trusted)


def test_the_vectors_are_those_that_their_maker_writes(tmp_path: Path) -> None:
    make_receipt.write(tmp_path)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert made == {path.name: path.read_bytes() for path in make_receipt.FOLDER.iterdir()}


@given(statements())
@settings(max_examples=150)
def test_any_statement_has_one_spelling_and_is_opened_by_a_key_of_its_role(statement: Statement) -> None:
    text = encode_statement(statement)
    assert parse_statement(text) == statement
    signer = {"receipt": STORE, "command": BUREAU}[role_of(statement)]
    signed = open_statement(sign_statement(statement, signer), TRUSTED)
    assert (signed.statement, signed.key) == (statement, signer.vkey)


@given(statements(), st.data())
@settings(max_examples=150)
def test_no_changed_letter_of_a_statement_goes_unseen(statement: Statement, data: st.DataObject) -> None:
    signer = {"receipt": STORE, "command": BUREAU}[role_of(statement)]
    note = sign_statement(statement, signer)
    at = data.draw(st.integers(0, len(note) - 1))
    changed = bytearray(note)
    changed[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises((StatementMalformed, NoteMalformed, NoteForged, NoteUntrusted)):
        open_statement(bytes(changed), TRUSTED)


@given(st.text(max_size=200) | st.builds(str.__add__, st.sampled_from(list(KINDS)), st.text(max_size=100)))
def test_any_text_is_a_statement_with_one_spelling_or_a_named_error(text: str) -> None:
    try:
        statement = parse_statement(text)
    except StatementMalformed:
        return
    assert encode_statement(statement) == text


@given(statements(), st.data())
@settings(max_examples=150)
def test_no_line_of_a_statement_can_be_spelled_in_a_second_way(statement: Statement, data: st.DataObject) -> None:
    """Whatever is put into its lines: it is refused, or it says something else."""
    text = encode_statement(statement)
    at = data.draw(st.integers(0, len(text)))
    more = data.draw(st.sampled_from([" ", "0", "\n", "+", "=", "\t", "\r", "A", "\u00a0", "\u3000", "-0", "０"]))
    other = text[:at] + more + text[at:]
    try:
        assert parse_statement(other) != statement
    except StatementMalformed:
        return


def test_the_longest_statement_is_taken_and_a_longer_note_is_not_looked_into() -> None:
    longest = "\U00020000" * MAX_CHARACTERS
    waiver = CarrierWaiver(
        "liuhen/" + "b" * 32 + "/999999999", 2**53 - 1, 2**53 - 1 - MAX_LIFE_S, 2**53 - 1,
        "s" + "9" * 18, longest, longest, "decision", longest, 2**53 - 1,
    )  # fmt: skip
    note = sign_statement(waiver, BUREAU)
    assert open_statement(note, TRUSTED).statement == waiver
    assert len(note) < MAX_STATEMENT_BYTES < MAX_NOTE_BYTES
    with pytest.raises(StatementMalformed, match="longer than 8192 bytes"):
        open_statement(b"\xff" * (MAX_STATEMENT_BYTES + 1), TRUSTED)


def test_a_text_without_its_last_newline_or_with_one_more_is_refused() -> None:
    for text in make_texts():
        for other in (text[:-1], text + "\n", text.replace("\n", "\r\n"), text.partition("\n")[0]):
            with pytest.raises(StatementMalformed):
                parse_statement(other)


def test_a_word_without_a_value_is_refused() -> None:
    for text in make_texts():
        for line in text.splitlines()[1:]:
            word = line.partition(" ")[0]
            for other in (word, word + " "):
                with pytest.raises(StatementMalformed):
                    parse_statement(text.replace(f"{line}\n", f"{other}\n"))


def test_what_could_not_be_read_back_is_not_signed() -> None:
    receipt = open_statement(page_blocks()[0].encode(), TRUSTED).statement
    assert isinstance(receipt, Receipt)
    for wrong in (
        replace(receipt, sha256=bytes(31)),
        replace(receipt, length=-1),
        replace(receipt, length=2**53),
        replace(receipt, file="s000012/a b"),
        replace(receipt, origin="liuhen/bwc-1/1\nfile x"),
    ):
        with pytest.raises(StatementMalformed):
            sign_statement(wrong, STORE)


# --- keys and roles -----------------------------------------------------------------------------------


def test_every_statement_is_refused_from_a_key_of_each_other_role() -> None:
    for shape in KINDS.values():
        text = next(spelled for spelled in make_texts() if isinstance(parse_statement(spelled), shape))
        right = role_of(parse_statement(text))
        for role, signer in (("device", DEVICE), ("receipt", STORE), ("command", BUREAU)):
            note = sign_note(text, signer)
            if role == right:
                assert open_statement(note, TRUSTED).key == signer.vkey
            else:
                with pytest.raises(KeyOfAnotherRole, match=f"{signer.vkey.name}, which is trusted as {role} key"):
                    open_statement(note, TRUSTED)


def test_a_key_of_two_roles_is_refused_however_it_is_dressed() -> None:
    other = Signer("another.name/commands", bytes([2]) * 32)
    as_mirror = Cosigner("store.example/mirror", bytes([2]) * 32)
    with pytest.raises(KeyWithTwoRoles, match=r"store\.example/receipts is trusted as receipt key and as command key"):
        TrustedKeys(receipt=(STORE.vkey,), command=(STORE.vkey,))
    with pytest.raises(KeyWithTwoRoles, match="as receipt key and as command key"):
        TrustedKeys(receipt=(STORE.vkey,), command=(other.vkey,))
    with pytest.raises(KeyWithTwoRoles, match="as mirror key and as receipt key"):
        TrustedKeys(mirror=(as_mirror.vkey,), receipt=(STORE.vkey,))
    with pytest.raises(KeyWithTwoRoles, match="as device key and as receipt key"):
        TrustedKeys(device=(DEVICE.vkey,), receipt=(DEVICE.vkey,))


def test_a_key_whose_algorithm_does_not_fit_its_role_is_refused() -> None:
    with pytest.raises(KeyMalformed, match="0x01 instead of 0x04"):
        TrustedKeys(mirror=(STORE.vkey,))
    with pytest.raises(KeyMalformed, match="0x04 instead of 0x01"):
        TrustedKeys(receipt=(MIRROR.vkey,))


def test_a_key_that_stands_twice_in_one_role_counts_once() -> None:
    trusted = TrustedKeys(receipt=(STORE.vkey, parse_vkey(STORE.vkey.line())))
    assert trusted.names("receipt") == {key_id(STORE.vkey)}


def test_a_line_of_a_known_key_that_does_not_fit_spoils_a_note_that_another_signed_well() -> None:
    text = make_texts()[0]
    forged = sign_note(text, STORE) + BUREAU.line(b"something else\n").encode()
    with pytest.raises(NoteForged):
        open_statement(forged, TRUSTED)


def test_a_cosignature_made_over_a_receipt_is_no_receipt() -> None:
    text = make_texts()[0]
    note = text.encode() + b"\n" + make_receipt.MIRROR.line(text).encode()
    with pytest.raises(KeyOfAnotherRole, match="trusted as mirror key"):
        open_statement(note, TRUSTED)


# --- the page -----------------------------------------------------------------------------------------


def test_the_examples_on_the_page_are_real_notes_of_its_keys() -> None:
    blocks = page_blocks()
    keys = {key.name: key for key in (STORE.vkey, BUREAU.vkey)}
    opened = [open_statement(block.encode(), TRUSTED) for block in blocks if block.startswith("liuhen/")]
    assert [type(one.statement) for one in opened] == [Receipt, Hold, CarrierWaiver, Acknowledgement]
    assert all(keys[one.key.name] == one.key for one in opened)
    for key in keys.values():
        assert key.line() in PAGE.read_text(encoding="utf-8")


def test_the_page_names_every_kind_and_every_line() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert all(f"`{kind}`" in page for kind in KINDS)
    words = {line.split(" ")[0] for text in make_texts() for line in text.splitlines()[1:]}
    assert all(f"`{word}`" in page for word in words)


def test_every_member_of_a_statement_has_its_line() -> None:
    for text in make_texts():
        statement = parse_statement(text)
        assert len(text.splitlines()) == 1 + len(fields(statement))


def make_texts() -> Sequence[str]:
    """A good text of each kind."""
    samples = (make_receipt.RECEIPT, make_receipt.HOLD, make_receipt.WAIVER, make_receipt.ACKNOWLEDGEMENT)
    return [make_receipt.spell(lines) for lines in samples]


def page_blocks() -> list[str]:
    """Blocks of code on the page that have no language."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [block for language, block in found if not language]
