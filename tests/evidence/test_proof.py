"""Offline proofs: every vector, the rule for any entry of any tree, and hostile files."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import agent.evidence.proof
from agent.evidence.checkpoint import Checkpoint, CheckpointMalformed, cosigned_at, sign_checkpoint
from agent.evidence.note import NoteForged, NoteMalformed, Signer, parse_note, parse_vkey
from agent.evidence.proof import (
    MAX_PROOF_BYTES,
    ProofForged,
    ProofMalformed,
    decode_proof,
    encode_proof,
    verify_proof,
)
from agent.evidence.tree import Levels, inclusion_proof_from, leaf_hash, root_of
from tests.vector_files import Vector, vectors

DEVICE = Signer("liuhen/bwc-1", bytes([1]) * 32)
ORIGIN = "liuhen/bwc-1/1"
ENTRIES = [b"entry %d" % number for number in range(100)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]
LEVELS = Levels(LEAVES)
PAGE = Path(agent.evidence.proof.__file__).with_name("proof.md")


def proof_of(index: int, size: int, extra: bytes | None = None) -> bytes:
    note = sign_checkpoint(Checkpoint(ORIGIN, size, root_of(LEAVES[:size])), DEVICE)
    return encode_proof(index, inclusion_proof_from(LEVELS.read_hash, index, size), note, extra)


@pytest.mark.parametrize("vector", vectors("proof"), ids=str)
def test_proof_vector(vector: Vector) -> None:
    key, entry, origin = parse_vkey(vector.one("key")), bytes.fromhex(vector.one("entry")), vector.one("origin")
    if vector.expect == "success":
        proof = decode_proof(vector.payload)
        assert verify_proof(proof, entry, key, origin).origin == origin
        assert proof.index == int(vector.one("index"))
        assert (proof.extra or b"").hex() == vector.get("extra")
        assert encode_proof(proof.index, proof.hashes, proof.checkpoint, proof.extra) == vector.payload
        times = cosigned_at(parse_note(proof.checkpoint), [parse_vkey(line) for line in vector.all("cosigner")])
        assert [f"{name} {time_s}" for name, time_s in times.items()] == vector.all("cosigned")
        return
    malformed = (ProofMalformed, NoteMalformed, CheckpointMalformed)
    with pytest.raises({"malformed": malformed, "forged": (ProofForged, NoteForged)}[vector.expect], match=vector.says):
        verify_proof(decode_proof(vector.payload), entry, key, origin)


@given(st.integers(1, 100), st.data(), st.none() | st.binary(min_size=1, max_size=50))
@settings(max_examples=60)
def test_the_proof_of_any_entry_verifies_and_is_no_proof_of_another(
    size: int, data: st.DataObject, extra: bytes | None
) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof = decode_proof(proof_of(index, size, extra))
    assert proof.extra == extra
    assert verify_proof(proof, ENTRIES[index], DEVICE.vkey, ORIGIN).size == size
    with pytest.raises(ProofForged):
        verify_proof(proof, ENTRIES[index] + b"!", DEVICE.vkey, ORIGIN)


@given(st.data())
@settings(max_examples=200)
def test_no_single_flipped_bit_outside_the_extra_data_goes_unseen(data: st.DataObject) -> None:
    made = proof_of(5, 8)
    bit = data.draw(st.integers(0, len(made) * 8 - 1))
    changed = bytearray(made)
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises((ProofMalformed, ProofForged, NoteMalformed, NoteForged, CheckpointMalformed)):
        verify_proof(decode_proof(bytes(changed)), ENTRIES[5], DEVICE.vkey, ORIGIN)


@given(st.binary(max_size=300) | st.binary(max_size=100).map(lambda tail: b"c2sp.org/tlog-proof@v1\nindex 1\n" + tail))
def test_any_bytes_are_a_proof_with_one_spelling_or_a_named_error(data: bytes) -> None:
    try:
        proof = decode_proof(data)
    except ProofMalformed:
        return
    assert encode_proof(proof.index, proof.hashes, proof.checkpoint, proof.extra) == data


def test_extra_data_can_be_changed_by_anyone_and_decides_nothing() -> None:
    proof = decode_proof(proof_of(5, 8, b"first").replace(b"Zmlyc3Q=", b"b3RoZXI="))
    assert proof.extra == b"other"
    assert verify_proof(proof, ENTRIES[5], DEVICE.vkey, ORIGIN).size == 8


def test_empty_extra_data_is_left_out() -> None:
    assert decode_proof(proof_of(5, 8, b"")).extra is None


def test_a_proof_file_of_more_than_two_megabytes_is_refused_before_it_is_looked_into() -> None:
    with pytest.raises(ProofMalformed, match="longer than"):
        decode_proof(b"\xff" * (MAX_PROOF_BYTES + 1))


@pytest.mark.parametrize(("index", "hashes"), [(-1, 1), (2**63, 1), (0, 64)])
def test_a_proof_that_no_reader_would_accept_is_not_made(index: int, hashes: int) -> None:
    with pytest.raises(ProofMalformed):
        encode_proof(index, [bytes(32)] * hashes, b"a checkpoint")


def test_a_proof_with_a_hash_of_another_length_is_not_made() -> None:
    with pytest.raises(ProofMalformed, match="31 bytes"):
        encode_proof(0, [bytes(31)], b"a checkpoint")


def test_without_an_origin_any_log_of_the_key_is_accepted() -> None:
    assert verify_proof(decode_proof(proof_of(0, 1)), ENTRIES[0], DEVICE.vkey).origin == ORIGIN


def page_blocks(language: str) -> list[str]:
    """The fenced blocks of that language on the format's page."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def test_the_example_on_the_page_is_a_real_proof() -> None:
    proof, below = page_blocks("")[:2]
    entry, vkey = below.splitlines()
    checkpoint = verify_proof(decode_proof(proof.encode()), entry.encode(), parse_vkey(vkey))
    assert checkpoint.origin == ORIGIN


@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl here: a tool that is not ours checks the proofs")
@pytest.mark.parametrize(("index", "size"), [(0, 1), (5, 8), (4, 5), (6, 7), (99, 100), (0, 3)])
def test_the_commands_on_the_page_find_what_our_code_finds(index: int, size: int, tmp_path: Path) -> None:
    assert run_page_commands(tmp_path, proof_of(index, size), ENTRIES[index])
    assert not run_page_commands(tmp_path, proof_of(index, size), ENTRIES[index] + b"!")
    if size > 1:
        other = (index + 1) % size
        moved = proof_of(index, size).replace(b"index %d\n" % index, b"index %d\n" % other)
        assert not run_page_commands(tmp_path, moved, ENTRIES[index])
        proof = decode_proof(proof_of(index, size))
        shorter = encode_proof(index, proof.hashes[:-1], proof.checkpoint)
        assert not run_page_commands(tmp_path, shorter, ENTRIES[index])
        longer = encode_proof(index, [*proof.hashes, LEAVES[0]], proof.checkpoint)
        assert not run_page_commands(tmp_path, longer, ENTRIES[index])


def run_page_commands(folder: Path, proof: bytes, entry: bytes) -> bool:
    (folder / "proof").write_bytes(proof)
    (folder / "entry").write_bytes(entry + b"\n")
    (commands,) = page_blocks("sh")
    ran = subprocess.run(["sh", "-c", commands], cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode in (0, 1) and not ran.stderr, ran.stderr
    return ran.returncode == 0
