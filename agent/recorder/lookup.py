"""Questions about the journal, answered from the index where it can be believed, and else from the files.

``Folded`` reads all files: it is what the index has to agree with, and what answers where there is none. ``Lookup``
asks the one and falls back to the other, so that whoever asks gets the same answer, sooner or later.
"""

import sqlite3
from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

from agent.evidence import entries as e
from agent.evidence.checkpoint import Checkpoint, open_checkpoint
from agent.evidence.errors import EvidenceError
from agent.evidence.journal import MAX_FILE_BYTES, decode_checkpoint_line
from agent.evidence.note import VerifierKey
from agent.evidence.tree import Frontier, leaf_hash
from agent.recorder import spool
from agent.recorder.catalogue import Catalogue, Interruption, NotThere, Place, Segment, Session, check_types, head_of
from agent.recorder.disk import Disk
from agent.recorder.journal_walk import ALL, Piece, Position, Walk, WalkBroken, file_firsts

INDEX_ERRORS = (EvidenceError, sqlite3.Error, OSError, UnicodeDecodeError, MemoryError, ImportError)
"""What an index of no use may raise: SQLite quotes damaged names, believes damaged lengths. NotThere is an answer."""
T = TypeVar("T")


class Questions(Protocol):
    """All raise NotThere where there is nothing of that name."""

    def sessions(self) -> list[Session]:
        """All, by number."""

    def segments(self, session: str) -> list[Segment]:
        """Of one session, in order."""

    def interruptions(self, session: str) -> list[Interruption]:
        """Of one session, in order."""

    def owed(self) -> list[e.Owed]:
        """Whose reason is still to be given, oldest first (R19b)."""

    def place(self, index: int) -> Place:
        """Where an entry of the tree stands."""

    def stream(self, stream: str) -> Iterator[Place]:
        """A stream's entries in order."""

    def of_types(self, *types: str) -> list[Place]:
        """All entries of some types in order, but for ``fragment``."""


class Folded:
    """The answers out of the files of a generation, up to the entry ``upto``. Raises WalkBroken and OSError."""

    def __init__(self, disk: Disk, generation: int, origin: str, upto: int = ALL) -> None:
        self._disk, self._generation, self._origin, self._upto = disk, generation, origin, upto
        self._catalogue = Catalogue()
        self.frontier = Frontier()
        self.starts_at = -1
        for piece in self._walk().pieces(upto):
            self._take(piece)

    def _walk(self, position: Position | None = None) -> Walk:
        return Walk(self._disk, self._generation, self._origin, position)

    def _take(self, piece: Piece) -> None:
        if self.starts_at < 0:
            self.starts_at = piece.index
            self.frontier = Frontier(piece.index, piece.header.hashes if piece.header else ())
        for index, (_, line) in enumerate(piece.found, piece.index):
            self._catalogue.take(index, head_of(line), line)
            self.frontier.append(leaf_hash(line))
        if piece.checkpoint is None or piece.checkpoint.root != self.frontier.root():
            raise WalkBroken(f"The journal's first {self.frontier.size} entries are not those that were signed.")

    def sessions(self) -> list[Session]:
        return self._catalogue.sessions()

    def segments(self, session: str) -> list[Segment]:
        return self._catalogue.segments(session)

    def interruptions(self, session: str) -> list[Interruption]:
        return self._catalogue.interruptions(session)

    def owed(self) -> list[e.Owed]:
        return self._catalogue.owed()

    def place(self, index: int) -> Place:
        if not max(0, self.starts_at) <= index < self.frontier.size:
            raise NotThere(f"Entry {index} is not in the journal; it has {self.starts_at} to {self.frontier.size - 1}.")
        first = max(one for one in file_firsts(self._disk, self._generation) if one <= index)
        return next(place for place in self._places(Position(first, 0, first)) if place.index == index)

    def stream(self, stream: str) -> Iterator[Place]:
        self._catalogue.stream_range(stream)
        return (place for place in self._places(None) if place.stream == stream)

    def of_types(self, *types: str) -> list[Place]:
        check_types(types)
        return [place for place in self._places(None) if place.type in types]

    def _places(self, position: Position | None) -> Iterator[Place]:
        walk = self._walk(position)
        for piece in walk.pieces(self._upto):
            for index, (offset, line) in enumerate(piece.found, piece.index):
                head = head_of(line)
                yield Place(index, walk.path(piece.first), offset, len(line), head.stream, head.n, head.type)


class Lookup:
    """Answers from ``index`` until it fails, then from what ``fold`` makes. ``told`` says once why it failed."""

    def __init__(self, index: Questions | None, fold: Callable[[], Questions]) -> None:
        self.index, self._fold = index, fold
        self._folded: Questions | None = None
        self.told = ""

    def ask(self, question: Callable[[Questions], T]) -> T:
        """``question`` may be asked twice. Raises NotThere; where the files themselves fail, WalkBroken or OSError."""
        if self.index is not None:
            try:
                return question(self.index)
            except NotThere:
                raise
            except INDEX_ERRORS as error:
                self.index, self.told = None, str(error)
        if self._folded is None:
            self._folded = self._fold()
        return question(self._folded)


def last_checkpoint(disk: Disk, generation: int, key: VerifierKey) -> tuple[Checkpoint, bytes] | None:
    """The last one that the key signed in the newest file that holds any, and its note; None where there is none."""
    for first in reversed(file_firsts(disk, generation)):
        path = spool.journal_file(generation, first)
        if disk.size(path) > MAX_FILE_BYTES:
            return None
        for line in reversed(disk.read(path).split(b"\n")[:-1]):
            if line[:1] == b'"':
                try:
                    note = decode_checkpoint_line(line)
                    return open_checkpoint(note, key), note
                except EvidenceError:
                    continue  # not one of ours: look further up
    return None


def newest_generation(disk: Disk) -> int:
    """By its folder; 0 where there is none."""
    names = [name.rstrip("/") for name in disk.names(spool.JOURNAL)]
    return max([int(name) for name in names if name.isascii() and name.isdigit()], default=0)
