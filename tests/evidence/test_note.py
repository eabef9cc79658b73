"""Signed notes: every vector, the rules that hold for any note, and attacks too large for a vector."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import agent.evidence.note
from agent.evidence.errors import EvidenceError
from agent.evidence.note import (
    COSIGNATURE_V1,
    ED25519,
    MAX_NOTE_BYTES,
    KeyMalformed,
    Note,
    NoteForged,
    NoteMalformed,
    SignatureLine,
    Signer,
    VerifierKey,
    add_signature,
    decode_base64,
    encode_base64,
    encode_note,
    kind,
    parse_note,
    parse_vkey,
    sign_note,
    verified_by,
)
from tests.vector_files import Vector, vectors

DEVICE = Signer("liuhen/bwc-1", bytes([1]) * 32)
STORE = Signer("store.example/receipts", bytes([2]) * 32)
TEXT = "liuhen.example/receipt/v1\nbytes 30408704\n"
PAGE = Path(agent.evidence.note.__file__).with_name("note.md")

VECTORS = vectors("note")

names = st.text(min_size=1, max_size=20).filter(
    lambda name: "+" not in name and not any(letter.isspace() or letter < " " for letter in name)
)
texts = st.text(st.characters(codec="utf-8", min_codepoint=32), max_size=200).map(lambda text: text + "\n")
seeds = st.binary(min_size=32, max_size=32)


@pytest.mark.parametrize("vector", [v for v in VECTORS if v.get("what") != "vkey"], ids=str)
def test_note_vector(vector: Vector) -> None:
    keys = [parse_vkey(line) for line in vector.all("key")]
    if vector.expect == "malformed":
        with pytest.raises(NoteMalformed, match=vector.says):
            parse_note(vector.payload)
        return
    note = parse_note(vector.payload)
    assert encode_note(note) == vector.payload
    if vector.expect == "forged":
        with pytest.raises(NoteForged, match=vector.says):
            verified_by(note, keys)
        return
    assert vector.expect in ("success", "unknown")
    assert [key.name for key in verified_by(note, keys)] == vector.all("signed-by")
    assert bool(vector.all("signed-by")) == (vector.expect == "success")


@pytest.mark.parametrize("vector", [v for v in VECTORS if v.get("what") == "vkey"], ids=str)
def test_vkey_vector(vector: Vector) -> None:
    if vector.expect == "malformed":
        with pytest.raises(KeyMalformed, match=vector.says):
            parse_vkey(vector.payload.decode())
        return
    key = parse_vkey(vector.payload.decode())
    assert key.line() == vector.payload.decode()
    assert key.algorithm == int(vector.one("algorithm"))


@given(texts, st.lists(st.tuples(names, seeds), min_size=1, max_size=4, unique_by=lambda pair: pair[0]))
@settings(max_examples=60)
def test_any_note_that_was_signed_is_verified_by_its_signers(text: str, pairs: list[tuple[str, bytes]]) -> None:
    signers = [Signer(name, seed) for name, seed in pairs]
    data = sign_note(text, *signers)
    note = parse_note(data)
    assert note.text == text
    assert encode_note(note) == data
    assert verified_by(note, [signer.vkey for signer in signers]) == tuple(signer.vkey for signer in signers)
    assert kind(note) == text.split("\n")[0]


@given(st.data())
@settings(max_examples=200)
def test_no_single_flipped_bit_in_a_note_goes_unseen(data: st.DataObject) -> None:
    signed = sign_note(TEXT, DEVICE)
    bit = data.draw(st.integers(0, len(signed) * 8 - 1))
    changed = bytearray(signed)
    changed[bit // 8] ^= 1 << bit % 8
    try:
        assert verified_by(parse_note(bytes(changed)), [DEVICE.vkey]) == ()
    except (NoteMalformed, NoteForged):
        return


@given(st.binary(max_size=300) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_a_note_with_one_spelling_or_a_named_error(data: bytes) -> None:
    try:
        note = parse_note(data)
    except NoteMalformed:
        return
    assert encode_note(note) == data


@given(st.text(max_size=80))
def test_any_string_is_a_vkey_with_one_spelling_or_a_named_error(text: str) -> None:
    try:
        key = parse_vkey(text)
    except KeyMalformed:
        return
    assert key.line() == text


@given(names, seeds, st.sampled_from([ED25519, COSIGNATURE_V1]))
def test_any_vkey_is_read_back(name: str, public: bytes, algorithm: int) -> None:
    key = VerifierKey(name, algorithm, public)
    assert parse_vkey(key.line()) == key


@given(st.text(st.sampled_from("ABCDwxyz0189+/=-_ \n"), max_size=16))
def test_base64_has_one_spelling(text: str) -> None:
    try:
        raw = decode_base64(text)
    except ValueError:
        return
    assert encode_base64(raw) == text


def test_a_note_of_more_than_a_megabyte_is_refused_before_it_is_looked_into() -> None:
    with pytest.raises(NoteMalformed, match="longer than 1000000 bytes"):
        parse_note(b"\xff" * (MAX_NOTE_BYTES + 1))
    with pytest.raises(NoteMalformed, match="longer than 1000000 bytes"):
        sign_note("x" * MAX_NOTE_BYTES + "\n", DEVICE)


def test_a_note_of_just_a_megabyte_is_read() -> None:
    signature_bytes = len(sign_note("\n", DEVICE)) - 1
    data = sign_note("x" * (MAX_NOTE_BYTES - signature_bytes - 1) + "\n", DEVICE)
    assert len(data) == MAX_NOTE_BYTES
    assert verified_by(parse_note(data), [DEVICE.vkey]) == (DEVICE.vkey,)


def test_a_hundred_signatures_are_read_and_one_more_is_not() -> None:
    line = SignatureLine("nobody.example", b"\x01\x02\x03\x04", b"x").encode()
    data = sign_note(TEXT, DEVICE)
    assert len(parse_note(data + line * 99).signatures) == 100
    with pytest.raises(NoteMalformed, match="more than 100"):
        parse_note(data + line * 100)


def test_two_trusted_keys_with_one_name_and_key_id_are_refused() -> None:
    # Real keys that collide in 32 bits take hours to find: the second one is given the first one's id by hand.
    twin = VerifierKey(DEVICE.vkey.name, ED25519, STORE.vkey.public)
    object.__setattr__(twin, "key_id", DEVICE.vkey.key_id)
    with pytest.raises(KeyMalformed, match="two different keys"):
        verified_by(parse_note(sign_note(TEXT, DEVICE)), [DEVICE.vkey, twin])


def test_the_same_trusted_key_given_twice_counts_once() -> None:
    note = parse_note(sign_note(TEXT, DEVICE))
    assert verified_by(note, [DEVICE.vkey, parse_vkey(DEVICE.vkey.line())]) == (DEVICE.vkey,)


def test_one_public_key_has_another_key_id_for_another_algorithm() -> None:
    cosigner = VerifierKey(DEVICE.vkey.name, COSIGNATURE_V1, DEVICE.vkey.public)
    assert cosigner.key_id != DEVICE.vkey.key_id
    assert verified_by(parse_note(sign_note(TEXT, DEVICE)), [cosigner]) == ()


@pytest.mark.parametrize("length", [0, 1, 63, 65, 72])
def test_a_signature_of_another_length_does_not_verify(length: int) -> None:
    assert not DEVICE.vkey.verify(b"x", bytes(length))


@pytest.mark.parametrize("length", [0, 8, 64, 71, 73])
def test_a_cosignature_of_another_length_does_not_verify(length: int) -> None:
    assert not VerifierKey("m", COSIGNATURE_V1, DEVICE.vkey.public).verify(b"x", bytes(length))


def test_a_text_that_would_pass_for_a_cosignature_is_not_signed() -> None:
    with pytest.raises(NoteMalformed, match="begins like a cosignature"):
        sign_note("cosignature/v1\ntime 1\nliuhen/bwc-1/1\n0\n", DEVICE)


@pytest.mark.parametrize("text", ["", "no newline", "a\r\n", "a\tb\n", "a\0\n", "\ud800\n"])
def test_a_text_that_no_reader_would_accept_is_not_signed(text: str) -> None:
    with pytest.raises(NoteMalformed):
        sign_note(text, DEVICE)


def test_a_note_without_a_signer_is_not_made() -> None:
    with pytest.raises(NoteMalformed, match="no signer"):
        sign_note(TEXT)


def test_a_signature_is_added_behind_the_others_and_only_once() -> None:
    data = sign_note(TEXT, DEVICE)
    line = STORE.line(TEXT.encode())
    both = add_signature(data, line)
    assert both == sign_note(TEXT, DEVICE, STORE)
    assert add_signature(both, line) == both


def test_a_signature_line_with_a_bad_name_is_not_added() -> None:
    for name in ("", "a b", "a+b", "a\nb", "\ud800"):
        with pytest.raises(KeyMalformed, match="rename"):
            add_signature(sign_note(TEXT, DEVICE), SignatureLine(name, b"1234", b"x"))


def test_nothing_is_added_to_what_is_no_note() -> None:
    with pytest.raises(NoteMalformed):
        add_signature(TEXT.encode(), DEVICE.line(TEXT.encode()))


def test_a_note_that_would_read_back_as_another_is_not_encoded() -> None:
    line = DEVICE.line(TEXT.encode())
    with pytest.raises(NoteMalformed):
        encode_note(Note(TEXT, ()))
    with pytest.raises(NoteMalformed, match="read back"):
        encode_note(Note(TEXT, (SignatureLine(line.name, line.key_id[:3], b"x" + line.signature),)))


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_seed_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(KeyMalformed, match="instead of 32"):
        Signer("liuhen/bwc-1", bytes(length))


def test_a_signer_does_not_show_its_seed() -> None:
    seed = bytes(range(32))
    assert seed.hex() not in repr(Signer("a", seed)) and repr(seed) not in repr(Signer("a", seed))


def test_every_error_is_an_evidence_error() -> None:
    assert all(issubclass(error, EvidenceError) for error in (NoteMalformed, NoteForged, KeyMalformed))


def test_the_example_on_the_page_is_a_real_note() -> None:
    note, vkey = page_blocks("")[:2]
    key = parse_vkey(vkey.strip())
    assert verified_by(parse_note(note.encode()), [key]) == (key,)


@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl here: a tool that is not ours checks the example")
def test_the_commands_on_the_page_verify_the_example_and_find_it_changed(tmp_path: Path) -> None:
    note, vkey = page_blocks("")[:2]
    (commands,) = page_blocks("sh")
    (tmp_path / "store.vkey").write_text(vkey, encoding="utf-8")
    for text, expected in ((note, 0), (note.replace("30408704", "30408705"), 1)):
        (tmp_path / "note").write_text(text, encoding="utf-8")
        ran = subprocess.run(["sh", "-c", commands], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert ran.returncode == expected, ran.stdout + ran.stderr


def page_blocks(language: str) -> list[str]:
    """The fenced blocks of that language on the format's page."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
