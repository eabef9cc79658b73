"""The index over the journal: sessions, media files, what is owed, and where each entry stands; in SQLite.

Why: a device's journal has millions of entries, and nobody may read gigabytes to find one. It holds nothing that the
journal does not: it can be deleted at any time and is made anew from the files, while recording goes on.

It follows the journal's files (``journal_walk``) and takes nothing from the writer's memory, so catching up by a flush,
by an hour and from nothing are one thing. Rules, so that a wrong index costs time and never gives a wrong answer:

- *Believed* only once the tree that it grew over every entry has the last checkpoint's root, under our origin.
- Rows are gathered, and written in one transaction at most once in ``COMMIT_S`` and at a segment's end.
- What was written and is no longer so is noticed where it is used (``index_file``), before anything is added to it.
- Nothing that is evidence is taken from it: who asks for a proof verifies it.

One generation, the one that is written. Left to others: when to call, what to do about errors (``index_keeper``).
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import msgspec

from agent.evidence import entries as e
from agent.evidence import tree
from agent.evidence.tree import Frontier, leaf_hash
from agent.recorder import spool
from agent.recorder.catalogue import (
    TYPES,
    Catalogue,
    Interruption,
    NotThere,
    Place,
    Segment,
    Session,
    check_types,
    head_of,
)
from agent.recorder.disk import Disk
from agent.recorder.index_file import (
    TYPE_NUMBERS,
    VERSION,
    IndexDamaged,
    IndexFile,
    Node,
    PlaceRow,
    State,
    checked_place,
    place_check,
)
from agent.recorder.journal_walk import ALL, Found, Piece, Position, Walk

NAME = "index.db"
COMMIT_S = 10
"""Design: rows reach the card at most once in so many seconds, and at a segment's end."""
GATHERED = 2_000
"""Entries that are written at once while the index is made anew: some ten milliseconds of work."""
BLOCK_LEVEL, GROUP_LEVEL = 8, 16
"""Levels of the tree whose nodes are kept: a proof then reads 256 entries, and hashes 256 nodes, of each."""
NEAR_BYTES = 128 * 1024
"""A gap between entries up to two greatest entries is read, a wider one is skipped."""
RUN_BYTES = 4 * 1024 * 1024
"""At most so much of a journal file is read at once."""


class Grown:
    """A tree that grows leaf by leaf, and gives the nodes that are kept."""

    def __init__(self, frontier: Frontier) -> None:
        size, hashes = frontier.size, frontier.hashes
        groups, blocks = (size >> GROUP_LEVEL).bit_count(), (size >> BLOCK_LEVEL).bit_count()
        self._groups = Frontier(size >> GROUP_LEVEL, hashes[:groups])
        self._blocks = Frontier(size >> BLOCK_LEVEL & 255, hashes[groups:blocks])
        self._leaves = Frontier(size & 255, hashes[blocks:])
        self.size = size
        self.nodes: list[Node] = []
        """Those that became complete; the caller takes them away."""

    def append(self, leaf: bytes) -> None:
        self.size += 1
        self._leaves.append(leaf)
        if self._leaves.size < 256:
            return
        self._blocks.append(self._complete(BLOCK_LEVEL, self._leaves))
        self._leaves = Frontier()
        if self._blocks.size == 256:
            self._groups.append(self._complete(GROUP_LEVEL, self._blocks))
            self._blocks = Frontier()

    def frontier(self) -> Frontier:
        """As the tree stands."""
        return Frontier(self.size, self._groups.hashes + self._blocks.hashes + self._leaves.hashes)

    def _complete(self, level: int, below: Frontier) -> bytes:
        node = below.hashes[0]
        self.nodes.append((level, (self.size >> level) - 1, node))
        return node


class Index:
    """See the module. ``disk`` holds the journal, ``generation`` is the one that is indexed. Not for several threads.

    What is called may raise IndexDamaged, an error of SQLite's or OSError, ``step`` also WalkBroken; then it is of no
    use.
    """

    def __init__(self, file: IndexFile, disk: Disk, generation: int, origin: str) -> None:
        self._file, self._disk, self._generation, self._origin = file, disk, generation, origin
        self._catalogue = Catalogue(file)
        self.starts_at = -1
        """Index of the first entry that is there; -1 where nothing was read yet."""
        position, frontier = Position(), Frontier()
        if (state := file.state) is not None:
            self.starts_at = state.starts_at
            position = Position(state.first, state.offset, state.size)
            hashes = [state.hashes[at : at + tree.HASH_BYTES] for at in range(0, len(state.hashes), tree.HASH_BYTES)]
            frontier = Frontier(state.size, hashes)
            self._catalogue.device_first, self._catalogue.device_entries = state.device_first, state.device_entries
            self._catalogue.counts.update(msgspec.json.decode(state.counts, type=dict[str, int]))
        self._tree, self._walk = Grown(frontier), Walk(disk, generation, origin, position)
        self._streams = {e.DEVICE_STREAM: 0}
        """Each stream's number in a place: a session's own."""
        self._gathered: list[PlaceRow] = []
        self.written = self._tree.size
        """Entries whose rows are in the file."""

    @classmethod
    def create(cls, path: Path, disk: Disk, generation: int, origin: str) -> "Index":
        """An empty one, in place of whatever is there."""
        return cls(IndexFile.create(path), disk, generation, origin)

    @classmethod
    def open(cls, path: Path, disk: Disk, generation: int, origin: str) -> "Index":
        """The one that is there, to go on with."""
        return cls(IndexFile.open(path, origin, writing=True), disk, generation, origin)

    @classmethod
    def read(cls, path: Path, disk: Disk, generation: int, origin: str) -> "Index":
        """As another process may: nothing is locked or written, what was read since stays in memory."""
        return cls(IndexFile.open(path, origin, writing=False), disk, generation, origin)

    def close(self) -> None:
        """Let go of the file; what was gathered is lost, and read again."""
        self._file.close()

    # --- following the journal ------------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """Entries that the index is over."""
        return self._tree.size

    @property
    def gathered(self) -> int:
        """Entries that are not written yet."""
        return len(self._gathered)

    @property
    def seen(self) -> bool:
        """The rows that were there when it was opened are those that were written."""
        return self._file.seen

    def is_current(self, origin: str, size: int, root: bytes) -> bool:
        """Whether it is over exactly this tree: then it is believed."""
        return (origin, size) == (self._origin, self._tree.size) and self._tree.frontier().root() == root

    def step(self, upto: int = ALL) -> bool:
        """Do a piece of some milliseconds; False where there is nothing more to do before the entry ``upto``.

        First the rows that are there are looked at, since an old one that is added to becomes a wrong one; then it
        is some 200 entries.
        """
        if not self._file.seen:
            self._file.look()
            return True
        piece = self._walk.next(upto)
        if piece is None:
            return False
        self._begin_file(piece)
        self.add(piece.first, piece.index, piece.found)
        if piece.checkpoint is None or piece.checkpoint.root != self._tree.frontier().root():
            raise IndexDamaged(f"over {self.size} entries it has not the tree that was signed")
        return True

    def add(self, first: int, index: int, found: Iterable[Found]) -> None:
        """Take entries of the file ``first``, the first of them being number ``index`` of the tree."""
        grow, take, gather = self._tree.append, self._catalogue.take, self._gathered.append
        check, types, streams = place_check(), TYPE_NUMBERS, self._streams
        try:
            for offset, line in found:
                head = head_of(line)
                if (stream := streams.get(head.stream)) is None:
                    stream = streams[head.stream] = spool.session_number(head.stream)
                place = (index, first, offset, len(line), stream, head.n, types[head.type])
                gather((*place, check(place)))
                take(index, head, line)
                grow(leaf_hash(line))
                index += 1
        except (msgspec.MsgspecError, KeyError) as error:
            raise IndexDamaged(f"entry {index} of the journal cannot be read: {error}") from error

    def _begin_file(self, piece: Piece) -> None:
        if self.starts_at < 0:
            self.starts_at = piece.index
            if piece.header is not None and piece.index:
                self._tree = Grown(Frontier(piece.index, piece.header.hashes))
                self.written = piece.index

    def commit(self) -> None:
        """Write what was gathered, in one transaction."""
        if not self._gathered and not self._tree.nodes:
            return
        rows = [row for rows in self._catalogue.changed.values() for row in rows.values()]
        self._file.write(self._gathered, self._tree.nodes, rows, self._state())
        self._gathered.clear()
        self._tree.nodes.clear()
        self._catalogue.forget()
        self.written = self.size

    def _state(self) -> State:
        at, catalogue = self._walk.position, self._catalogue
        return State(
            version=VERSION,
            origin=self._origin,
            folder=spool.journal_folder(self._generation),
            starts_at=self.starts_at,
            size=self.size,
            hashes=b"".join(self._tree.frontier().hashes),
            first=at.first,
            offset=at.offset,
            device_first=catalogue.device_first,
            device_entries=catalogue.device_entries,
            counts=msgspec.json.encode(catalogue.counts).decode(),
            sums="",
        )

    # --- questions ------------------------------------------------------------------------------------------

    def sessions(self) -> list[Session]:
        """All, by number."""
        return self._catalogue.sessions()

    def segments(self, session: str) -> list[Segment]:
        """Of one session, in order; NotThere where it does not exist."""
        return self._catalogue.segments(session)

    def interruptions(self, session: str) -> list[Interruption]:
        """Of one session, in order; NotThere where it does not exist."""
        return self._catalogue.interruptions(session)

    def owed(self) -> list[e.Owed]:
        """Whose reason is still to be given, oldest first (R19b)."""
        return self._catalogue.owed()

    def place(self, index: int) -> Place:
        """Where an entry of the tree stands; NotThere."""
        if not self.starts_at <= index < self.size:
            raise NotThere(f"Entry {index} is not in the journal; it has {self.starts_at} to {self.size - 1}.")
        return self._places(index, index + 1)[0]

    def stream(self, stream: str) -> Iterator[Place]:
        """A stream's entries in order; NotThere. IndexDamaged may come after some of them."""
        numbers = self._catalogue.stream_range(stream)
        number = 0 if stream == e.DEVICE_STREAM else spool.session_number(stream)
        fresh = [row for row in self._gathered if row[4] == number]
        n = numbers.start - 1
        for n, row in enumerate(chain(self._file.places_in(number), fresh), numbers.start):
            place = self._placed(row)
            if (place.stream, place.n) != (stream, n):
                raise IndexDamaged(f"entry {n} of {stream} is missing")
            yield place
        if n + 1 != numbers.stop:
            raise IndexDamaged(f"{stream} has {numbers.stop} entries, and {n + 1} were found")

    def of_types(self, *types: str) -> list[Place]:
        """All entries of some types in order, but for ``fragment``; NotThere where there is no such type."""
        check_types(types)
        numbers = [TYPE_NUMBERS[one] for one in types]
        fresh = [row for row in self._gathered if row[6] in numbers]
        found = [self._placed(row) for row in chain(self._file.places_of(numbers), fresh)]
        if Counter([one.type for one in found]) != Counter({one: self._catalogue.counts[one] for one in types}):
            raise IndexDamaged(f"of the entries of type {', '.join(types)} some are missing")
        return found

    def read_hash(self, level: int, index: int) -> bytes:
        """The root of a complete subtree of ``2**level`` leaves: makes proofs (``tree.inclusion_proof_from``).

        Below level 8 the journal's file is read, from which the leaves follow; above, from the nodes that are kept.
        """
        if level < BLOCK_LEVEL:
            leaves = [leaf_hash(line) for line in self.lines(index << level, index + 1 << level)]
            return tree.root_of(leaves)
        kept = GROUP_LEVEL if level >= GROUP_LEVEL else BLOCK_LEVEL
        return tree.root_of(self._nodes(kept, index << level - kept, index + 1 << level - kept))

    def lines(self, start: int, stop: int) -> list[bytes]:
        """The lines of the entries from ``start`` to before ``stop``, out of the journal's files."""
        return self.lines_of(self._places(start, stop))

    def lines_of(self, places: Iterable[Place]) -> list[bytes]:
        """Their lines, out of the journal's files: those that lie close together are read at once."""
        lines: list[bytes] = []
        for run in _runs(places):
            begin = run[0].offset
            data = self._disk.read(run[0].file, begin, run[-1].offset + run[-1].length - begin)
            lines += [data[one.offset - begin : one.offset - begin + one.length] for one in run]
        return lines

    def _places(self, start: int, stop: int) -> list[Place]:
        rows = self._file.places(start, min(stop, self.written)) if start < self.written else []
        if stop > self.written:
            rows += self._gathered[max(0, start - self.written) : stop - self.written]
        places = [self._placed(row) for row in rows]
        if [place.index for place in places] != list(range(start, stop)):
            raise IndexDamaged(f"of the entries {start} to {stop - 1} some are missing")
        return places

    def _placed(self, row: PlaceRow) -> Place:
        index, first, offset, length, stream, n, kind = checked_place(row)
        name = spool.session_id(stream) if stream else e.DEVICE_STREAM
        return Place(index, self._walk.path(first), offset, length, name, n, TYPES[kind])

    def _nodes(self, level: int, start: int, stop: int) -> list[bytes]:
        found = self._file.nodes(level, start, stop)
        found.update({number: node for at, number, node in self._tree.nodes if at == level})
        if not all(number in found for number in range(start, stop)):
            raise IndexDamaged(f"of the tree's nodes {start} to {stop - 1} at level {level} some are missing")
        return [found[number] for number in range(start, stop)]


def _runs(places: Iterable[Place]) -> Iterator[list[Place]]:
    """Places of one file with little between them, in parts that memory holds."""
    run: list[Place] = []
    for place in places:
        apart = place.offset - run[-1].offset if run and place.file == run[-1].file else -1
        if run and (not 0 <= apart <= NEAR_BYTES or place.offset - run[0].offset > RUN_BYTES):
            yield run
            run = []
        run.append(place)
    if run:
        yield run
