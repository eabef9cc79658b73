"""The Merkle tree of RFC 6962 (RFC 9162, section 2.1), SHA-256: append, roots and proofs.

Rules kept here: a leaf is hashed with a 0 byte before it, an inner node with a 1, so neither passes for the other;
appending costs O(log n) and needs only the *frontier*, the roots of the complete subtrees, largest first; a proof
of any other length than index and sizes demand does not verify. "Leaf" means a 32-byte leaf hash everywhere but in
``leaf_hash``. Verification answers yes or no and never raises; making a proof of what is not there raises.

Proofs come from a list of leaves, or, in large trees, from ``read_hash(level, index)``: the root of the complete
subtree over leaves ``index * 2**level`` to ``(index + 1) * 2**level``, which asks for O(log² n) hashes at most.
``Levels`` is such a source in memory, ``tiles.TileHashes`` one over tiles. Bytes and examples: ``tree.md``.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence

from agent.evidence.errors import EvidenceError

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256().digest()

ReadHash = Callable[[int, int], bytes]
"""``(level, index)`` to the 32-byte root of a complete subtree of ``2**level`` leaves."""

_Range = tuple[int, int]


class TreeError(EvidenceError):
    """A tree or a proof was asked for that cannot exist."""


def leaf_hash(entry: bytes) -> bytes:
    """The leaf of an entry (RFC 9162, 2.1.1): 32 bytes."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node over two hashes: 32 bytes."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """The right edge of a growing tree: all that appending and the root need, O(log n) hashes at any size.

    ``hashes`` are the roots of the complete subtrees, largest first, one for each 1 in the binary ``size``.
    TreeError if a start from stored hashes has another number of them.
    """

    __slots__ = ("hashes", "size")

    def __init__(self, size: int = 0, hashes: Iterable[bytes] = ()) -> None:
        self.size = size
        self.hashes = list(hashes)
        if size < 0 or len(self.hashes) != size.bit_count() or not _all_hashes(self.hashes):
            raise TreeError(
                f"a tree of {size} leaves needs {max(size, 0).bit_count()} hashes of {HASH_BYTES} bytes to start from, "
                f"not these {len(self.hashes)}; read them again from the journal"
            )

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash; joins as many subtrees as ``size`` ends in ones."""
        ones = self.size
        while ones & 1:
            leaf = node_hash(self.hashes.pop(), leaf)
            ones >>= 1
        self.hashes.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """The root over all leaves so far: 32 bytes, EMPTY_ROOT for none."""
        return _fold(self.hashes)

    def copy(self) -> "Frontier":
        """An independent frontier at the same size."""
        return Frontier(self.size, self.hashes)


class Levels:
    """A tree held in memory with every complete subtree's hash: many proofs of one tree without hashing it anew.

    ``read_hash`` is a ``ReadHash``; about 64 bytes of hashes for each leaf.
    """

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self._levels: list[list[bytes]] = [list(leaves)]
        while len(self._levels[-1]) > 1:
            self._levels.append(_pairs(self._levels[-1]))

    def read_hash(self, level: int, index: int) -> bytes:
        """The root of a complete subtree; TreeError where there is none."""
        if not 0 <= level < len(self._levels) or not 0 <= index < len(self._levels[level]):
            raise TreeError(f"no complete subtree {index} of level {level} in a tree of {len(self._levels[0])} leaves")
        return self._levels[level][index]


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf hashes: 32 bytes, EMPTY_ROOT for none."""
    level = list(leaves)
    if not level:
        return EMPTY_ROOT
    while len(level) > 1:
        odd = level[-1:] if len(level) & 1 else []
        level = _pairs(level) + odd
    return level[0]


def root_from(read_hash: ReadHash, size: int) -> bytes:
    """The root of the tree of ``size`` leaves, from O(log n) subtree hashes."""
    return _range_root(read_hash, (0, size))


def inclusion_proof(leaves: Sequence[bytes], index: int, size: int) -> list[bytes]:
    """The audit path of leaf ``index`` in the tree of the first ``size`` leaves, the leaf's sibling first.

    TreeError unless ``0 <= index < size <= len(leaves)``.
    """
    _check_available(size, len(leaves))
    return [root_of(leaves[first:end]) for first, end in _inclusion_ranges(index, size)]


def inclusion_proof_from(read_hash: ReadHash, index: int, size: int) -> list[bytes]:
    """``inclusion_proof`` for a tree that is too large for a list."""
    return [_range_root(read_hash, span) for span in _inclusion_ranges(index, size)]


def consistency_proof(leaves: Sequence[bytes], old: int, new: int) -> list[bytes]:
    """The proof that the tree of ``old`` leaves is a prefix of the tree of ``new`` (RFC 9162, 2.1.4).

    Empty for ``old`` 0 or ``old == new``; TreeError unless ``0 <= old <= new <= len(leaves)``.
    """
    _check_available(new, len(leaves))
    return [root_of(leaves[first:end]) for first, end in _consistency_ranges(old, new)]


def consistency_proof_from(read_hash: ReadHash, old: int, new: int) -> list[bytes]:
    """``consistency_proof`` for a tree that is too large for a list."""
    return [_range_root(read_hash, span) for span in _consistency_ranges(old, new)]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether ``proof`` shows that ``leaf`` is number ``index`` in the tree of ``size`` leaves with that root."""
    if not 0 <= index < size or not _all_hashes((leaf, root, *proof)):
        return False
    inner = (index ^ (size - 1)).bit_length()
    if len(proof) != inner + (index >> inner).bit_count():
        return False
    return _climb(leaf, proof[:inner], proof[inner:], index) == root


def verify_consistency(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> bool:
    """Whether ``proof`` shows that the tree with ``old_root`` is a prefix of the tree with ``new_root``.

    A tree of no leaves is a prefix of every tree, if its root is EMPTY_ROOT.
    """
    if not 0 <= old <= new or not _all_hashes((old_root, new_root, *proof)):
        return False
    if old == new:
        return not proof and old_root == new_root and (old > 0 or old_root == EMPTY_ROOT)
    if old == 0:
        return not proof and old_root == EMPTY_ROOT
    return _verify_growth(old, new, list(proof), old_root, new_root)


def _verify_growth(old: int, new: int, proof: list[bytes], old_root: bytes, new_root: bytes) -> bool:
    # The proof starts from the last complete subtree of the old tree. If that is the whole old tree, its root is
    # known already and left out of the proof.
    shift = (old & -old).bit_length() - 1
    path = proof if old == 1 << shift else proof[1:]
    seed = old_root if old == 1 << shift else (proof[0] if proof else b"")
    inner = ((old - 1) ^ (new - 1)).bit_length() - shift
    position = (old - 1) >> shift
    if not seed or len(path) != inner + (position >> inner).bit_count():
        return False
    left_only = [sibling for level, sibling in enumerate(path[:inner]) if position >> level & 1]
    rebuilt_old = _climb(seed, [], left_only + path[inner:], 0)
    return rebuilt_old == old_root and _climb(seed, path[:inner], path[inner:], position) == new_root


def _climb(node: bytes, inner: Sequence[bytes], border: Sequence[bytes], position: int) -> bytes:
    """From a node to the root: inner siblings by the bits of its position, then left siblings only."""
    for level, sibling in enumerate(inner):
        node = node_hash(sibling, node) if position >> level & 1 else node_hash(node, sibling)
    for sibling in border:
        node = node_hash(sibling, node)
    return node


def _all_hashes(hashes: Iterable[bytes]) -> bool:
    return all(len(value) == HASH_BYTES for value in hashes)


def _pairs(level: Sequence[bytes]) -> list[bytes]:
    """The nodes above each whole pair; an odd last node has none yet."""
    sha256 = hashlib.sha256
    return [sha256(b"\x01" + left + right).digest() for left, right in zip(level[::2], level[1::2], strict=False)]


def _fold(hashes: Sequence[bytes]) -> bytes:
    """The root over complete subtrees, largest first."""
    if not hashes:
        return EMPTY_ROOT
    root = hashes[-1]
    for left in hashes[-2::-1]:
        root = node_hash(left, root)
    return root


def _check_available(size: int, available: int) -> None:
    if size > available:
        raise TreeError(
            f"a proof for {size} leaves was asked for, only {available} are there; use a smaller checkpoint"
        )


def _middle(first: int, end: int) -> int:
    """Where RFC 6962 splits a tree: after the largest power of two that is smaller than its size."""
    return first + (1 << (end - first - 1).bit_length() - 1)


def _inclusion_ranges(index: int, size: int) -> list[_Range]:
    """The leaf ranges whose roots make the audit path, the leaf's sibling first."""
    if not 0 <= index < size:
        raise TreeError(f"entry {index} is not in a tree of {size}; use a later checkpoint")
    first, end, ranges = 0, size, list[_Range]()
    while end - first > 1:
        middle = _middle(first, end)
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((first, middle))
            first = middle
    return ranges[::-1]


def _consistency_ranges(old: int, new: int) -> list[_Range]:
    """The leaf ranges whose roots make a consistency proof, in its order."""
    if not 0 <= old <= new:
        raise TreeError(f"a tree of {old} cannot be a prefix of a tree of {new}; give the smaller size first")
    if old in (0, new):
        return []
    first, end, ranges = 0, new, list[_Range]()
    while end != old:
        middle = _middle(first, end)
        if old <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((first, middle))
            first = middle
    # The old tree itself is left out where it is one complete subtree: its root is what is being compared.
    return ([(first, end)] if first else []) + ranges[::-1]


def _range_root(read_hash: ReadHash, span: _Range) -> bytes:
    """The root over leaves ``first`` to ``end``, which start on a border that RFC 6962 splits at."""
    first, end = span
    hashes = []
    while first < end:
        level = (end - first).bit_length() - 1
        hashes.append(read_hash(level, first >> level))
        first += 1 << level
    return _fold(hashes)
