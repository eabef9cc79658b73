"""Tiles of a log's tree and bundles of its entries (C2SP tlog-tiles), for the store and any auditor.

Rules kept here: a tile is up to 256 consecutive hashes, level L of the tree's heights 8 L; only full tiles are
hashed into the level above; the right edge is one partial tile a level, named with its width; a path has one
spelling; a bundle has one entry for each hash of the level-0 tile of the same index.

Left to others: reading and writing files, fetching, and trust: what a tile says is believed only where a proof
made from it verifies against a signed root. Bytes and examples: ``tiles.md``.
"""

import re
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from agent.evidence.errors import EvidenceError
from agent.evidence.tree import HASH_BYTES, root_of

TILE_WIDTH = 256
TILE_HEIGHT = 8
MAX_LEVEL = 63
MAX_BUNDLE_ENTRY_BYTES = 65_535

_PATH = re.compile(
    r"tile/(?P<level>entries|0|[1-9][0-9]?)/(?P<index>(?:x[0-9]{3}/)*[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?",
    re.ASCII,
)


class TileMalformed(EvidenceError):
    """A tile, a bundle of entries, or a path of one has not the shape that it must have."""


@dataclass(frozen=True, slots=True)
class TilePath:
    """What a path names: a tile of hashes at ``level``, or, where that is None, a bundle of entries."""

    level: int | None
    index: int
    width: int = TILE_WIDTH


def tile_path(level: int, index: int, width: int = TILE_WIDTH) -> str:
    """The path of the tile of hashes ``index`` at ``level``, relative to the log's prefix."""
    if not 0 <= level <= MAX_LEVEL:
        raise TileMalformed(f"there is no tile level {level}; use 0 to {MAX_LEVEL}")
    return f"tile/{level}/{_index_path(index, width)}"


def entries_path(index: int, width: int = TILE_WIDTH) -> str:
    """The path of the bundle with entries ``256 * index`` on."""
    return f"tile/entries/{_index_path(index, width)}"


def parse_path(path: str) -> TilePath:
    """What ``path`` names; TileMalformed for every spelling that ``tile_path`` and ``entries_path`` do not give."""
    found = _PATH.fullmatch(path)
    if not found:
        raise TileMalformed(f"{path[:80]!r} is no path of a tile; see tiles.md for how they are written")
    level = None if found["level"] == "entries" else int(found["level"])
    parsed = TilePath(level, int(re.sub("[x/]", "", found["index"])), int(found["width"] or TILE_WIDTH))
    if _spell(parsed) != path:
        raise TileMalformed(f"{path[:80]!r} spells a tile's path in another way than {_spell(parsed)!r}; use that")
    return parsed


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """A bundle of 1 to 256 entries, each at most 65,535 bytes, with its length before it (uint16, big-endian)."""
    if not 1 <= len(entries) <= TILE_WIDTH:
        raise TileMalformed(f"a bundle holds 1 to {TILE_WIDTH} entries, not {len(entries)}; split them by 256")
    for entry in entries:
        if len(entry) > MAX_BUNDLE_ENTRY_BYTES:
            raise TileMalformed(f"an entry of {len(entry)} bytes does not fit a bundle; the most is 65,535")
    return b"".join([struct.pack(">H", len(entry)) + entry for entry in entries])


def decode_bundle(data: bytes) -> list[bytes]:
    """The entries of a bundle, at least one and at most 256; TileMalformed where it is cut or too long."""
    entries: list[bytes] = []
    offset = 0
    while offset < len(data):
        start = offset + 2
        end = start + int.from_bytes(data[offset:start], "big")
        if end > len(data):
            raise TileMalformed(f"the bundle is cut in its entry {len(entries)}; fetch it again")
        entries.append(data[start:end])
        offset = end
        if len(entries) > TILE_WIDTH:
            raise TileMalformed(f"the bundle has more than {TILE_WIDTH} entries; fetch it again")
    if not entries:
        raise TileMalformed("the bundle is empty; fetch it again")
    return entries


def decode_tile(data: bytes, width: int = TILE_WIDTH) -> list[bytes]:
    """The hashes of a tile of that width; TileMalformed for any other length."""
    if len(data) != width * HASH_BYTES:
        raise TileMalformed(f"a tile of width {width} has {width * HASH_BYTES} bytes, not {len(data)}; fetch it again")
    return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]


def tiles(leaves: Sequence[bytes]) -> Iterator[tuple[str, bytes]]:
    """Every tile of the tree over these leaf hashes, full and partial, level by level: path and bytes."""
    level, hashes = 0, list(leaves)
    while hashes:
        for index, row in enumerate(_rows(hashes)):
            yield tile_path(level, index, len(row)), b"".join(row)
        hashes = [root_of(row) for row in _rows(hashes) if len(row) == TILE_WIDTH]
        level += 1


def bundles(entries: Sequence[bytes]) -> Iterator[tuple[str, bytes]]:
    """Every bundle of these entries, the last one maybe partial: path and bytes."""
    for index, row in enumerate(_rows(entries)):
        yield entries_path(index, len(row)), encode_bundle(row)


class TileHashes:
    """Subtree hashes out of tiles: ``read_hash`` for ``tree.inclusion_proof_from`` in a log of any size.

    ``read_tile`` gives the bytes at a path; ``size`` is the tree's. A full tile is asked for wherever the tree fills
    it. Tiles are kept once read: a proof needs about as many as the tree has levels of tiles.
    """

    def __init__(self, read_tile: Callable[[str], bytes], size: int) -> None:
        self._read_tile = read_tile
        self._size = size
        self._kept: dict[tuple[int, int], list[bytes]] = {}

    def read_hash(self, level: int, index: int) -> bytes:
        """The root of the complete subtree of ``2**level`` leaves; TileMalformed where the tree has none."""
        if level < 0 or index < 0 or (index + 1) << level > self._size:
            raise TileMalformed(f"no complete subtree {index} of level {level} in a tree of {self._size} leaves")
        tile_level, height = divmod(level, TILE_HEIGHT)
        tile_index, first = divmod(index << height, TILE_WIDTH)
        row = self._tile(tile_level, tile_index)
        return root_of(row[first : first + (1 << height)])

    def _tile(self, level: int, index: int) -> list[bytes]:
        if (level, index) not in self._kept:
            hashes_there = self._size >> TILE_HEIGHT * level
            width = min(TILE_WIDTH, hashes_there - index * TILE_WIDTH)
            self._kept[level, index] = decode_tile(self._read_tile(tile_path(level, index, width)), width)
        return self._kept[level, index]


def _rows(values: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for first in range(0, len(values), TILE_WIDTH):
        yield values[first : first + TILE_WIDTH]


def _spell(path: TilePath) -> str:
    if path.level is None:
        return entries_path(path.index, path.width)
    return tile_path(path.level, path.index, path.width)


def _index_path(index: int, width: int) -> str:
    if index < 0 or not 1 <= width <= TILE_WIDTH:
        raise TileMalformed(f"there is no tile {index} of width {width}; widths are 1 to {TILE_WIDTH}")
    digits = str(index)
    digits = digits.zfill((len(digits) + 2) // 3 * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    path = "/".join([f"x{group}" for group in groups[:-1]] + groups[-1:])
    return path if width == TILE_WIDTH else f"{path}.p/{width}"
