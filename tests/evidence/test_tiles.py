"""Tiles and bundles: every vector, and proofs out of tiles against proofs out of a list."""

import hashlib
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import agent.evidence.tiles
from agent.evidence.tiles import (
    TileHashes,
    TileMalformed,
    bundles,
    decode_bundle,
    decode_tile,
    encode_bundle,
    entries_path,
    parse_path,
    tile_path,
    tiles,
)
from agent.evidence.tree import (
    consistency_proof,
    consistency_proof_from,
    inclusion_proof,
    inclusion_proof_from,
    leaf_hash,
    root_from,
    root_of,
    verify_inclusion,
)
from tests.vector_files import Vector, vectors

VECTORS = vectors("tiles")
PAGE = Path(agent.evidence.tiles.__file__).with_name("tiles.md")
LEAVES = [leaf_hash(str(number).encode()) for number in range(70_000)]


def of_kind(*whats: str) -> list[Vector]:
    return [vector for vector in VECTORS if vector.one("what") in whats]


@pytest.mark.parametrize("vector", of_kind("path"), ids=str)
def test_path_vector(vector: Vector) -> None:
    text = vector.payload.decode()
    if vector.expect == "malformed":
        with pytest.raises(TileMalformed, match=vector.says):
            parse_path(text)
        return
    path = parse_path(text)
    level = "entries" if path.level is None else str(path.level)
    assert [level, str(path.index), str(path.width)] == [vector.one(key) for key in ("level", "index", "width")]


@pytest.mark.parametrize("vector", of_kind("bundle"), ids=str)
def test_bundle_vector(vector: Vector) -> None:
    if vector.expect == "malformed":
        with pytest.raises(TileMalformed, match=vector.says):
            decode_bundle(vector.payload)
        return
    entries = decode_bundle(vector.payload)
    assert encode_bundle(entries) == vector.payload
    if "entries" in vector.headers:
        assert len(entries) == int(vector.one("entries"))
    else:
        assert [entry.hex() for entry in entries] == vector.all("entry")


@pytest.mark.parametrize("vector", of_kind("tiles", "upper tiles"), ids=str)
def test_tiles_vector(vector: Vector) -> None:
    leaves = LEAVES[: int(vector.one("leaves"))]
    upper_only = vector.one("what") == "upper tiles"
    lines = [
        f"{path} {hashlib.sha256(data).hexdigest()}"
        for path, data in tiles(leaves)
        if not upper_only or ".p/" in path or not path.startswith("tile/0/")
    ]
    assert lines == vector.payload.decode().splitlines()
    assert root_of(leaves).hex() == vector.one("root")


def test_every_vector_is_of_a_known_kind() -> None:
    assert {vector.one("what") for vector in VECTORS} == {"path", "bundle", "tiles", "upper tiles"}


@given(st.integers(0, 63), st.integers(0, 10**12), st.integers(1, 256))
def test_any_path_is_read_back(level: int, index: int, width: int) -> None:
    path = parse_path(tile_path(level, index, width))
    assert (path.level, path.index, path.width) == (level, index, width)
    bundle = parse_path(entries_path(index, width))
    assert (bundle.level, bundle.index, bundle.width) == (None, index, width)


@given(st.text(st.sampled_from("tile/0129xpn.s-"), max_size=30))
def test_any_path_has_one_spelling_or_is_refused(text: str) -> None:
    try:
        path = parse_path("tile/" + text)
    except TileMalformed:
        return
    spelled = entries_path(path.index, path.width)
    assert "tile/" + text == (spelled if path.level is None else tile_path(path.level, path.index, path.width))


@pytest.mark.parametrize(
    ("level", "index", "width"), [(-1, 0, 256), (64, 0, 256), (0, -1, 256), (0, 0, 0), (0, 0, 257)]
)
def test_a_tile_that_cannot_exist_has_no_path(level: int, index: int, width: int) -> None:
    with pytest.raises(TileMalformed):
        tile_path(level, index, width)


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=20))
def test_any_bundle_is_read_back_and_its_cut_prefixes_are_shorter_or_refused(entries: list[bytes]) -> None:
    data = encode_bundle(entries)
    assert decode_bundle(data) == entries
    try:
        assert decode_bundle(data[:-1]) == entries[:-1]
    except TileMalformed:
        return


@given(st.binary(max_size=400))
def test_any_bytes_are_a_bundle_with_one_spelling_or_a_named_error(data: bytes) -> None:
    try:
        entries = decode_bundle(data)
    except TileMalformed:
        return
    assert encode_bundle(entries) == data


def test_an_entry_of_65535_bytes_fits_a_bundle_and_one_more_byte_does_not() -> None:
    assert decode_bundle(encode_bundle([bytes(65_535)])) == [bytes(65_535)]
    with pytest.raises(TileMalformed, match="65,535"):
        encode_bundle([bytes(65_536)])


@pytest.mark.parametrize("count", [0, 257])
def test_a_bundle_of_no_entries_or_too_many_is_not_made(count: int) -> None:
    with pytest.raises(TileMalformed, match="1 to 256"):
        encode_bundle([b"x"] * count)


def test_bundles_hold_every_entry_in_order_and_name_the_last_ones_width() -> None:
    entries = [str(number).encode() for number in range(600)]
    made = dict(bundles(entries))
    assert list(made) == ["tile/entries/000", "tile/entries/001", "tile/entries/002.p/88"]
    assert [entry for data in made.values() for entry in decode_bundle(data)] == entries


def test_each_entry_of_a_bundle_hashes_to_its_place_in_the_level_0_tile() -> None:
    entries = [str(number).encode() for number in range(300)]
    hash_tiles = dict(tiles([leaf_hash(entry) for entry in entries]))
    for path, data in bundles(entries):
        place = parse_path(path)
        row = decode_tile(hash_tiles[tile_path(0, place.index, place.width)], place.width)
        assert [leaf_hash(entry) for entry in decode_bundle(data)] == row


def test_a_tree_without_entries_has_no_tiles() -> None:
    assert list(tiles([])) == [] and list(bundles([])) == []


@pytest.mark.parametrize("data", [b"", bytes(31), bytes(33), bytes(8191), bytes(8224)], ids=len)
def test_a_tile_of_another_length_than_its_width_says_is_refused(data: bytes) -> None:
    with pytest.raises(TileMalformed, match="fetch it again"):
        decode_tile(data)


def test_proofs_out_of_the_tiles_of_a_large_tree_are_those_of_the_list() -> None:
    read = dict(tiles(LEAVES)).__getitem__
    size, root = len(LEAVES), root_of(LEAVES)
    hashes = TileHashes(read, size)
    assert root_from(hashes.read_hash, size) == root
    for index in (0, 1, 255, 256, 65_535, 65_536, size - 1):
        proof = inclusion_proof_from(hashes.read_hash, index, size)
        assert proof == inclusion_proof(LEAVES, index, size)
        assert verify_inclusion(LEAVES[index], index, size, proof, root)
    for old in (1, 256, 65_536, 65_537, size - 1):
        assert consistency_proof_from(hashes.read_hash, old, size) == consistency_proof(LEAVES, old, size)


@given(st.integers(1, 1200), st.data())
@settings(max_examples=40)
def test_a_proof_out_of_tiles_asks_only_for_tiles_that_the_tree_has(size: int, data: st.DataObject) -> None:
    leaves = LEAVES[:size]
    there = dict(tiles(leaves))
    asked: list[str] = []

    def read(path: str) -> bytes:
        asked.append(path)
        return there[path]

    index = data.draw(st.integers(0, size - 1))
    assert inclusion_proof_from(TileHashes(read, size).read_hash, index, size) == inclusion_proof(leaves, index, size)
    assert len(asked) == len(set(asked)) <= 5


def test_a_subtree_that_is_not_complete_is_not_read() -> None:
    hashes = TileHashes(dict(tiles(LEAVES[:300])).__getitem__, 300)
    for level, index in ((0, 300), (8, 1), (9, 0), (-1, 0), (0, -1)):
        with pytest.raises(TileMalformed, match="no complete subtree"):
            hashes.read_hash(level, index)


def test_a_tile_that_was_changed_makes_a_proof_that_does_not_verify() -> None:
    there = dict(tiles(LEAVES[:600]))
    changed = bytearray(there["tile/0/000"])
    changed[0] ^= 1
    hashes = TileHashes({**there, "tile/0/000": bytes(changed)}.__getitem__, 600)
    proof = inclusion_proof_from(hashes.read_hash, 1, 600)
    assert not verify_inclusion(LEAVES[1], 1, 600, proof, root_of(LEAVES[:600]))


def test_the_example_on_the_page_is_the_layout_of_a_real_log() -> None:
    layout, bundle = re.findall(r"^```\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)[:2]
    there = {path for path, _ in tiles(LEAVES)} | {path for path, _ in bundles([b""] * len(LEAVES))}
    shown = {line for line in layout.splitlines() if line.startswith("tile/")}
    assert shown < there
    assert {path for path in there if ".p/" in path or path.startswith(("tile/1", "tile/2"))} < shown
    assert decode_bundle(bytes.fromhex(bundle)) == [b'{"type":"boot"}', b'{"type":"clock"}']
