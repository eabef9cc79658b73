"""Checkpoints and cosignatures: every vector, the rules for any tree head, and what is never signed."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import agent.evidence.checkpoint
from agent.evidence.checkpoint import (
    MAX_SIZE,
    Checkpoint,
    CheckpointMalformed,
    Cosigner,
    cosigned_at,
    open_checkpoint,
    parse_checkpoint,
    sign_checkpoint,
)
from agent.evidence.note import (
    KeyMalformed,
    NoteForged,
    NoteMalformed,
    Signer,
    add_signature,
    parse_note,
    parse_vkey,
    sign_note,
    verified_by,
)
from tests.vector_files import Vector, vectors

DEVICE = Signer("liuhen/bwc-1", bytes([1]) * 32)
MIRROR = Cosigner("mirror.example/m1", bytes([5]) * 32)
HEAD = Checkpoint("liuhen/bwc-1/1", 8, bytes(range(32)))
NOW_S = 1_764_000_000
PAGE = Path(agent.evidence.checkpoint.__file__).with_name("tree.md")

checkpoints = st.builds(
    Checkpoint,
    origin=st.text(st.characters(codec="utf-8", min_codepoint=33), min_size=1).filter(
        lambda text: text == text.strip()
    ),
    size=st.integers(0, MAX_SIZE),
    root=st.binary(min_size=32, max_size=32),
    extensions=st.lists(st.text(st.characters(codec="utf-8", min_codepoint=32), min_size=1), max_size=3).map(tuple),
)


@pytest.mark.parametrize("vector", vectors("checkpoint"), ids=str)
def test_checkpoint_vector(vector: Vector) -> None:
    key = parse_vkey(vector.one("key"))
    cosigners = [parse_vkey(line) for line in vector.all("cosigner")]
    if vector.expect == "success":
        checkpoint = open_checkpoint(vector.payload, key)
        assert (checkpoint.origin, checkpoint.size) == (vector.one("origin"), int(vector.one("size")))
        times = cosigned_at(parse_note(vector.payload), cosigners)
        assert [f"{name} {time_s}" for name, time_s in times.items()] == vector.all("cosigned")
        return
    expected = {"malformed": (NoteMalformed, CheckpointMalformed), "forged": (NoteForged,)}[vector.expect]
    with pytest.raises(expected, match=vector.says):
        open_checkpoint(vector.payload, key)
        cosigned_at(parse_note(vector.payload), cosigners)


@given(checkpoints)
@settings(max_examples=100)
def test_any_checkpoint_that_was_signed_is_opened_as_it_was(checkpoint: Checkpoint) -> None:
    data = sign_checkpoint(checkpoint, DEVICE)
    assert open_checkpoint(data, DEVICE.vkey) == checkpoint
    assert data == sign_note(checkpoint.text(), DEVICE)


@given(st.text(max_size=200) | st.lists(st.text(max_size=50)).map("\n".join))
def test_any_text_is_a_checkpoint_with_one_spelling_or_a_named_error(text: str) -> None:
    try:
        checkpoint = parse_checkpoint(text)
    except CheckpointMalformed:
        return
    assert checkpoint.text() == text


@given(st.data())
@settings(max_examples=200)
def test_no_single_flipped_bit_in_a_cosigned_checkpoint_goes_unseen(data: st.DataObject) -> None:
    signed = add_signature(sign_checkpoint(HEAD, DEVICE), MIRROR.cosign(HEAD.text(), NOW_S))
    bit = data.draw(st.integers(0, len(signed) * 8 - 1))
    changed = bytearray(signed)
    changed[bit // 8] ^= 1 << bit % 8
    try:
        note = parse_note(bytes(changed))
        both = len(verified_by(note, [DEVICE.vkey, MIRROR.vkey])) == 2
    except (NoteMalformed, NoteForged):
        return
    assert not both


@given(st.integers(0, MAX_SIZE), checkpoints)
@settings(max_examples=50)
def test_any_cosignature_tells_the_time_that_was_signed(time_s: int, checkpoint: Checkpoint) -> None:
    data = add_signature(sign_checkpoint(checkpoint, DEVICE), MIRROR.cosign(checkpoint.text(), time_s))
    assert cosigned_at(parse_note(data), [MIRROR.vkey]) == {"mirror.example/m1": time_s}


@pytest.mark.parametrize("time_s", [-1, 2**63, 2**64])
def test_a_time_that_no_reader_would_accept_is_not_cosigned(time_s: int) -> None:
    with pytest.raises(CheckpointMalformed, match="POSIX seconds"):
        MIRROR.cosign(HEAD.text(), time_s)


@pytest.mark.parametrize("text", ["", "liuhen.example/receipt/v1\nfile x\nbytes 1\n", HEAD.text()[:-1]])
def test_a_text_that_is_no_checkpoint_is_not_cosigned(text: str) -> None:
    with pytest.raises(CheckpointMalformed):
        MIRROR.cosign(text, NOW_S)


@pytest.mark.parametrize(
    "checkpoint",
    [
        Checkpoint("", 8, bytes(32)),
        Checkpoint("liuhen/bwc-1/1 ", 8, bytes(32)),
        Checkpoint("liuhen/bwc-1/1\n9", 8, bytes(32)),
        Checkpoint("\ud800", 8, bytes(32)),
        Checkpoint("liuhen/bwc-1/1", -1, bytes(32)),
        Checkpoint("liuhen/bwc-1/1", 2**63, bytes(32)),
        Checkpoint("liuhen/bwc-1/1", 8, bytes(31)),
        Checkpoint("liuhen/bwc-1/1", 8, bytes(32), ("",)),
        Checkpoint("liuhen/bwc-1/1", 8, bytes(32), ("a\nb",)),
        Checkpoint("liuhen/bwc-1/1", 8, bytes(32), ("x" * 1_000_000,)),
    ],
    ids=lambda checkpoint: repr(checkpoint)[:60],
)
def test_a_checkpoint_that_no_reader_would_accept_is_not_signed(checkpoint: Checkpoint) -> None:
    with pytest.raises(CheckpointMalformed):
        sign_checkpoint(checkpoint, DEVICE)


def test_a_cosigner_does_not_stand_in_for_the_log_even_with_the_same_key() -> None:
    cosigner = Cosigner(DEVICE.vkey.name, bytes([1]) * 32)
    assert cosigner.vkey.public == DEVICE.vkey.public
    data = add_signature(sign_checkpoint(HEAD, DEVICE), cosigner.cosign(HEAD.text(), NOW_S))
    assert open_checkpoint(data, DEVICE.vkey) == HEAD
    with pytest.raises(KeyMalformed, match="no log's"):
        open_checkpoint(data, cosigner.vkey)


def test_a_device_does_not_stand_in_for_a_cosigner() -> None:
    with pytest.raises(KeyMalformed, match="no cosigner's key"):
        cosigned_at(parse_note(sign_checkpoint(HEAD, DEVICE)), [DEVICE.vkey])


def test_a_note_that_is_no_checkpoint_has_no_cosignature_times() -> None:
    with pytest.raises(CheckpointMalformed):
        cosigned_at(parse_note(sign_note("liuhen.example/receipt/v1\n", DEVICE)), [MIRROR.vkey])


def test_a_cosigner_does_not_show_its_seed() -> None:
    seed = bytes(range(32))
    assert seed.hex() not in repr(Cosigner("a", seed)) and repr(seed) not in repr(Cosigner("a", seed))


def test_the_example_on_the_page_is_a_real_checkpoint_with_a_cosignature() -> None:
    blocks = re.findall(r"^```\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    log, mirror = (parse_vkey(line) for line in blocks[1].splitlines())
    assert open_checkpoint(blocks[0].encode(), log).size == 8
    assert list(cosigned_at(parse_note(blocks[0].encode()), [mirror])) == [mirror.name]
