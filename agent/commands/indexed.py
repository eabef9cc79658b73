"""What ``liuhen journal`` takes from the recorder's index instead of reading every file: places, and nodes of the tree.

Nothing is believed because the index says it. A proof is verified against the signed checkpoint before it is given;
a stream's entries are chained by their ``prev`` up to one whose proof is verified, and a clock's entry is proved by
itself. Where anything is missing, or does not fit, INDEX_ERRORS are raised and the files are read instead: the same
answer, in minutes. What is not asked for is not looked at: that a journal is damaged elsewhere, ``verify`` tells.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from agent.evidence import canonical, proof, tree
from agent.evidence.checkpoint import Checkpoint
from agent.evidence.entries import Clock
from agent.evidence.journal import decode_entry
from agent.evidence.note import parse_vkey
from agent.evidence.tree import leaf_hash
from agent.recorder import spool
from agent.recorder.catalogue import Place
from agent.recorder.disk import FolderDisk
from agent.recorder.finding import MAX_KEY_BYTES, VKEY
from agent.recorder.index import NAME, Index
from agent.recorder.index_file import IndexDamaged
from agent.recorder.lookup import INDEX_ERRORS, last_checkpoint, newest_generation
from agent.verify.facts import Line
from agent.verify.moments import Clocks

MOST_BEHIND = 200_000
"""Entries that are caught up in memory (a day): an index that is further behind is being made anew."""


@dataclass(slots=True)
class Indexed:
    """A generation with an index over exactly the tree of ``checkpoint``, which the device's key signed."""

    index: Index
    checkpoint: Checkpoint
    note: bytes

    def prove(self, number: int) -> tuple[bytes, list[bytes]]:
        """An entry's line and its audit path, verified."""
        [line] = self.index.lines(number, number + 1)
        path = tree.inclusion_proof_from(self.index.read_hash, number, self.checkpoint.size)
        if not tree.verify_inclusion(leaf_hash(line), number, self.checkpoint.size, path, self.checkpoint.root):
            raise IndexDamaged(f"it gives no proof of entry {number}")
        return line, path

    def proof_of(self, number: int) -> tuple[bytes, bytes]:
        """An entry's line, and a C2SP tlog-proof of it."""
        line, path = self.prove(number)
        return line, proof.encode_proof(number, path, self.note)

    def stream(self, stream: str) -> list[Line]:
        """A stream's entries, each of them covered by the checkpoint. Raises NotThere."""
        places = list(self.index.stream(stream))
        lines = [_line(place, data) for place, data in self._with_lines(places)]
        for before, line in pairwise(lines):
            if line.entry.prev != canonical.b64(before.leaf):
                raise IndexDamaged(f"{line.name} does not follow {before.name}")
        if lines:
            self.prove(places[-1].index)
        return lines

    def clocks(self, boots: set[int]) -> Clocks:
        """UTC in some boots."""
        places = self.index.of_types("clock")
        entries = [(place.index, decode_entry(data)) for place, data in self._with_lines(places)]
        proved = [decode_entry(self.prove(number)[0]) for number, entry in entries if entry.boot in boots]
        return Clocks((entry.boot, entry) for entry in proved if isinstance(entry, Clock))

    def _with_lines(self, places: list[Place]) -> Iterable[tuple[Place, bytes]]:
        return zip(places, self.index.lines_of(places), strict=True)


def indexed(root: Path, generation: int | None = None) -> Indexed | None:
    """The spool's index, if it has one that can be believed; of the newest generation where none is named."""
    disk = FolderDisk(root)
    try:
        if not (root / NAME).exists():
            return None
        number = newest_generation(disk) if generation is None else generation
        key = parse_vkey(disk.read(f"{spool.journal_folder(number)}/{VKEY}", 0, MAX_KEY_BYTES).decode().strip())
        found = last_checkpoint(disk, number, key)
        if found is None:
            return None
        checkpoint, note = found
        index = Index.read(root / NAME, disk, number, checkpoint.origin)
        while checkpoint.size - MOST_BEHIND < index.size < checkpoint.size and index.step(checkpoint.size):
            pass
        believed = index.starts_at == 0 and index.is_current(checkpoint.origin, checkpoint.size, checkpoint.root)
        return Indexed(index, checkpoint, note) if believed else None
    except INDEX_ERRORS:
        return None


def _line(place: Place, data: bytes) -> Line:
    entry = decode_entry(data)
    if (entry.stream, entry.n) != (place.stream, place.n):
        raise IndexDamaged(f"entry {place.n} of {place.stream} stands elsewhere")
    return Line(entry, leaf_hash(data), place.index, place.file, place.offset, place.length)
