"""The Merkle tree: every vector, and the rules against a naive recursion that is written out here."""

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.evidence.tree import (
    EMPTY_ROOT,
    Frontier,
    Levels,
    TreeError,
    consistency_proof,
    consistency_proof_from,
    inclusion_proof,
    inclusion_proof_from,
    leaf_hash,
    node_hash,
    root_from,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from tests.vector_files import Vector, vectors

LEAVES = [leaf_hash(str(number).encode()) for number in range(300)]
LEVELS = Levels(LEAVES)
VECTORS = vectors("tree")


def naive_root(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962, 2.1, as it is written: the oracle."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return hashlib.sha256(b"\x01" + naive_root(leaves[:half]) + naive_root(leaves[half:])).digest()


def naive_path(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """RFC 6962, 2.1.1: PATH(m, D[n])."""
    if len(leaves) == 1:
        return []
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    if index < half:
        return [*naive_path(index, leaves[:half]), naive_root(leaves[half:])]
    return [*naive_path(index - half, leaves[half:]), naive_root(leaves[:half])]


def naive_subproof(old: int, leaves: Sequence[bytes], whole: bool) -> list[bytes]:
    """RFC 6962, 2.1.2: SUBPROOF(m, D[n], b)."""
    if old == len(leaves):
        return [] if whole else [naive_root(leaves)]
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    if old <= half:
        return [*naive_subproof(old, leaves[:half], whole), naive_root(leaves[half:])]
    return [*naive_subproof(old - half, leaves[half:], False), naive_root(leaves[:half])]


def fields(vector: Vector) -> dict[str, list[str]]:
    """The payload's lines: a word and a value each."""
    found: dict[str, list[str]] = {}
    for line in vector.payload.decode().splitlines():
        word, _, value = line.partition(" ")
        found.setdefault(word, []).append(value)
    return found


def of_kind(what: str) -> list[Vector]:
    return [vector for vector in VECTORS if vector.one("what") == what]


def unhex(values: Sequence[str]) -> list[bytes]:
    return [bytes.fromhex(value) for value in values]


@pytest.mark.parametrize("vector", of_kind("root"), ids=str)
def test_root_vector(vector: Vector) -> None:
    lines = fields(vector)
    leaves = [leaf_hash(entry) for entry in unhex(lines.get("entry", []))]
    assert (root_of(leaves).hex() == lines["root"][0]) == (vector.expect == "success")


@pytest.mark.parametrize("vector", of_kind("inclusion"), ids=str)
def test_inclusion_vector(vector: Vector) -> None:
    lines = fields(vector)
    (leaf,), (root,), proof = unhex(lines["leaf"]), unhex(lines["root"]), unhex(lines.get("hash", []))
    index, size = int(lines["index"][0]), int(lines["size"][0])
    assert verify_inclusion(leaf, index, size, proof, root) == (vector.expect == "success")


@pytest.mark.parametrize("vector", of_kind("consistency"), ids=str)
def test_consistency_vector(vector: Vector) -> None:
    lines = fields(vector)
    (old_root,), (new_root,) = unhex(lines["old-root"]), unhex(lines["new-root"])
    old, new, proof = int(lines["old"][0]), int(lines["new"][0]), unhex(lines.get("hash", []))
    assert verify_consistency(old, new, proof, old_root, new_root) == (vector.expect == "success")


def test_every_vector_is_of_a_known_kind() -> None:
    assert {vector.one("what") for vector in VECTORS} == {"root", "inclusion", "consistency"}
    assert {vector.expect for vector in VECTORS} == {"success", "forged"}


def test_frontier_list_and_levels_agree_with_the_recursion_at_every_size_up_to_300() -> None:
    frontier = Frontier()
    for size in range(301):
        expected = naive_root(LEAVES[:size])
        assert frontier.root() == expected
        assert root_of(LEAVES[:size]) == expected
        assert root_from(LEVELS.read_hash, size) == expected
        if size < 300:
            frontier.append(LEAVES[size])


def test_a_frontier_started_from_its_hashes_goes_on_as_if_never_stopped() -> None:
    frontier = Frontier()
    for size, leaf in enumerate(LEAVES):
        frontier = Frontier(size, tuple(frontier.hashes))
        frontier.append(leaf)
    assert frontier.root() == naive_root(LEAVES)


def test_an_append_joins_only_as_many_subtrees_as_the_size_ends_in_ones() -> None:
    frontier = Frontier()
    joined = 0
    for size in range(4096):
        before = len(frontier.hashes)
        frontier.append(LEAVES[0])
        joins = before + 1 - len(frontier.hashes)
        assert len(frontier.hashes) == (size + 1).bit_count() <= 13
        assert joins <= size.bit_length()
        joined += joins
    assert joined < 4096, "an append costs less than one inner node on average"


def test_a_frontier_of_ten_million_leaves_starts_and_grows_with_few_hashes() -> None:
    size = 10_000_000
    frontier = Frontier(size, [LEAVES[0]] * size.bit_count())
    frontier.append(LEAVES[1])
    assert frontier.size == size + 1
    assert len(frontier.hashes) == (size + 1).bit_count() <= size.bit_length()


def test_a_copy_of_a_frontier_does_not_grow_with_it() -> None:
    frontier = Frontier(3, [LEAVES[0], LEAVES[1]])
    copy = frontier.copy()
    before = copy.root()
    frontier.append(LEAVES[2])
    assert (copy.size, copy.root()) == (3, before) != (4, frontier.root())


@pytest.mark.parametrize(
    ("size", "hashes"), [(0, 1), (1, 0), (3, 1), (4, 2), (7, 4), (-1, 1)], ids=lambda value: str(value)
)
def test_a_start_from_too_many_or_too_few_hashes_is_refused(size: int, hashes: int) -> None:
    with pytest.raises(TreeError, match="to start from"):
        Frontier(size, LEAVES[:hashes])


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_start_from_hashes_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(TreeError, match="32 bytes"):
        Frontier(1, [bytes(length)])


def test_proofs_are_those_of_the_rfc_at_every_size_up_to_40() -> None:
    for size in range(1, 41):
        leaves = LEAVES[:size]
        for index in range(size):
            expected = naive_path(index, leaves)
            assert inclusion_proof(LEAVES, index, size) == expected
            assert inclusion_proof_from(LEVELS.read_hash, index, size) == expected
        for old in range(1, size + 1):
            expected = naive_subproof(old, leaves, True)
            assert consistency_proof(LEAVES, old, size) == expected
            assert consistency_proof_from(LEVELS.read_hash, old, size) == expected


def test_every_proof_up_to_40_verifies_and_fits_no_other_leaf_or_old_root() -> None:
    roots = [root_of(LEAVES[:size]) for size in range(41)]
    for size in range(1, 41):
        for index in range(size):
            proof = inclusion_proof_from(LEVELS.read_hash, index, size)
            assert verify_inclusion(LEAVES[index], index, size, proof, roots[size])
            assert not verify_inclusion(LEAVES[index + 1], index, size, proof, roots[size])
        for old in range(size + 1):
            proof = consistency_proof_from(LEVELS.read_hash, old, size)
            assert verify_consistency(old, size, proof, roots[old], roots[size])
            assert not verify_consistency(old, size, proof, LEAVES[299], roots[size])


@given(st.data())
@settings(max_examples=200)
def test_any_inclusion_proof_verifies_and_any_single_bit_flip_does_not(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 300))
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(LEAVES, index, size)
    parts = [LEAVES[index], *proof, root_of(LEAVES[:size])]
    assert verify_inclusion(parts[0], index, size, parts[1:-1], parts[-1])
    parts = flip_a_bit(data, parts)
    assert not verify_inclusion(parts[0], index, size, parts[1:-1], parts[-1])


@given(st.data())
@settings(max_examples=200)
def test_any_consistency_proof_verifies_and_any_single_bit_flip_does_not(data: st.DataObject) -> None:
    new = data.draw(st.integers(2, 300))
    old = data.draw(st.integers(1, new - 1))
    parts = [root_of(LEAVES[:old]), *consistency_proof(LEAVES, old, new), root_of(LEAVES[:new])]
    assert verify_consistency(old, new, parts[1:-1], parts[0], parts[-1])
    parts = flip_a_bit(data, parts)
    assert not verify_consistency(old, new, parts[1:-1], parts[0], parts[-1])


@given(st.integers(1, 300), st.data())
@settings(max_examples=100)
def test_a_proof_that_lost_or_gained_a_hash_does_not_verify(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    root, proof = root_of(LEAVES[:size]), inclusion_proof(LEAVES, index, size)
    at = data.draw(st.integers(0, len(proof)))
    assert not verify_inclusion(LEAVES[index], index, size, [*proof[:at], LEAVES[0], *proof[at:]], root)
    if proof:
        gone = data.draw(st.integers(0, len(proof) - 1))
        assert not verify_inclusion(LEAVES[index], index, size, proof[:gone] + proof[gone + 1 :], root)


@given(
    st.binary(max_size=40),
    st.integers(-(2**70), 2**70),
    st.integers(-(2**70), 2**70),
    st.lists(st.binary(min_size=31, max_size=33), max_size=70),
    st.binary(max_size=40),
)
def test_hostile_proofs_are_answered_with_no_and_never_with_an_error(
    leaf: bytes, index: int, size: int, proof: list[bytes], root: bytes
) -> None:
    assert not verify_inclusion(leaf, index, size, proof, root)
    if index != size:
        assert not verify_consistency(index, size, proof, leaf, root)


def flip_a_bit(data: st.DataObject, parts: list[bytes]) -> list[bytes]:
    which = data.draw(st.integers(0, len(parts) - 1))
    bit = data.draw(st.integers(0, 255))
    changed = bytearray(parts[which])
    changed[bit // 8] ^= 1 << bit % 8
    return [*parts[:which], bytes(changed), *parts[which + 1 :]]


def test_a_leaf_and_an_inner_node_of_the_same_bytes_have_different_hashes() -> None:
    assert leaf_hash(LEAVES[0] + LEAVES[1]) != node_hash(LEAVES[0], LEAVES[1])
    assert leaf_hash(b"") != EMPTY_ROOT


def test_a_proof_of_what_is_not_there_is_not_made() -> None:
    for index, size in ((0, 0), (5, 5), (-1, 5), (0, 301)):
        with pytest.raises(TreeError):
            inclusion_proof(LEAVES, index, size)
    for old, new in ((-1, 5), (6, 5), (5, 301)):
        with pytest.raises(TreeError):
            consistency_proof(LEAVES, old, new)


def test_levels_tell_which_subtree_is_not_complete() -> None:
    levels = Levels(LEAVES[:5])
    for level, index in ((0, 5), (1, 2), (3, 0), (-1, 0), (0, -1)):
        with pytest.raises(TreeError, match="no complete subtree"):
            levels.read_hash(level, index)
