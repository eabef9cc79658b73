"""Walking through a generation's journal files, flush by flush, from any place in them.

Gives the entries that a checkpoint covers, each with its place, in pieces small enough to be done between two
flushes of a recording. What it gives is believed by one thing only: the caller grows a tree from it, whose root has
to be the piece's checkpoint's. Where the files do not continue, WalkBroken is raised; what then is damaged, and
whether it matters, ``liuhen verify`` says.

Rules: a file's name says the index of its first entry, and it replaces what the file before it holds from there on;
an entry counts only with its flush's checkpoint; nothing at or beyond ``upto``, the attested size, is read.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from agent.evidence.checkpoint import Checkpoint, parse_checkpoint
from agent.evidence.errors import EvidenceError
from agent.evidence.journal import Header, decode_checkpoint_line, decode_header
from agent.evidence.note import parse_note
from agent.recorder import spool
from agent.recorder.disk import Disk

PIECE_BYTES = 128 * 1024
"""Some 200 entries, two milliseconds of work: less than a flush waits for its disk."""
ALL = 2**63 - 1
_LOG_NAME = re.compile(r"(\d{12,18})\.log", re.ASCII)


class WalkBroken(EvidenceError):
    """The journal's files do not continue each other."""


class Found(NamedTuple):
    """An entry's line and its offset in the file."""

    offset: int
    line: bytes


@dataclass(slots=True)
class Position:
    """Where a walk goes on: ``index`` is the next entry's, to be looked for at ``offset`` of the file ``first``."""

    first: int = -1
    """Index in the file's name; -1 before the first file."""
    offset: int = 0
    index: int = 0


@dataclass(slots=True)
class Piece:
    """Whole flushes of one file; the first of a file may hold none, and has its header."""

    first: int
    """Which file, by its name."""
    index: int
    """Of the first entry."""
    found: list[Found] = field(default_factory=list)
    checkpoint: Checkpoint | None = None
    """The last flush's, as it stands there: its signature is not looked at."""
    header: Header | None = None


class Walk:
    """``position`` is moved by ``next``; ``origin`` is the first line that every checkpoint must have."""

    def __init__(self, disk: Disk, generation: int, origin: str, position: Position | None = None) -> None:
        self._disk, self._generation, self._origin = disk, generation, origin.encode()
        self.position = Position() if position is None else position
        self._firsts: list[int] = []

    def next(self, upto: int = ALL) -> Piece | None:
        """The next flushes; None where there are none before ``upto``. Raises WalkBroken and OSError."""
        at = self.position
        limit = min(upto, self._next_first())
        if at.first < 0 or (at.index == limit < upto):
            return self._enter(limit)
        if at.index >= limit:
            if at.index > limit:
                raise WalkBroken(f"The journal has {limit} entries, and {at.index} had been read from it.")
            return None
        piece = self._read(limit)
        if piece is None and limit != ALL:
            raise WalkBroken(f"Entries {at.index} to {limit - 1} stand in no file.")
        return piece

    def pieces(self, upto: int = ALL) -> Iterator[Piece]:
        """All there are before ``upto``."""
        while (piece := self.next(upto)) is not None:
            yield piece

    def path(self, first: int) -> str:
        """A file's path in the spool."""
        return spool.journal_file(self._generation, first)

    # --- files ----------------------------------------------------------------------------------------------

    def _next_first(self) -> int:
        """Index at which the file after this one begins; none is missed, since only the newest file is asked about."""
        if not self._firsts or self._firsts[-1] <= self.position.first:
            self._firsts = file_firsts(self._disk, self._generation)
        return next((first for first in self._firsts if first > self.position.first), ALL)

    def _enter(self, first: int) -> Piece | None:
        """Go on in the file that begins at ``first``."""
        at = self.position
        if first == ALL:
            return None
        if at.first < 0:
            first = self._firsts[0]
            at.index = first
        at.first, at.offset = first, 0
        piece = self._read(first)
        if piece is None or piece.header is None or piece.header.first != first or piece.found:
            raise WalkBroken(f"{self.path(first)} does not begin with its header.")
        return piece

    def _read(self, limit: int) -> Piece | None:
        """What stands behind the position, at most up to ``limit``; twice as much where no flush is whole."""
        at, path, length = self.position, self.path(self.position.first), PIECE_BYTES
        while True:
            data = self._disk.read(path, at.offset, length)
            piece, end = self._parse(data, limit)
            if piece.checkpoint is not None:
                at.offset += end
                at.index = piece.checkpoint.size
                return piece
            if len(data) < length:
                return None
            length *= 2

    # --- lines ----------------------------------------------------------------------------------------------

    def _parse(self, data: bytes, limit: int) -> tuple[Piece, int]:
        """Flushes in ``data``, which begins at the position, and where the last of them ends."""
        at = self.position
        piece, flush = Piece(at.first, at.index), list[Found]()
        start = end = 0
        size, note = at.index, b""
        for line in data.split(b"\n")[:-1]:
            kind = line[:1]
            if kind == b"{":
                flush.append(Found(at.offset + start, line))
            elif kind == b'"':
                size += len(flush)
                if size > limit:
                    break
                self._check(line, size)
                piece.found += flush
                flush, note, end = [], line, start + len(line) + 1
                if size == limit:
                    break
            elif kind == b"[" and at.offset + start == 0:
                piece.header = decode_header(line)
            else:
                raise WalkBroken(f"{self.path(at.first)}: no journal line begins at byte {at.offset + start}.")
            start += len(line) + 1
        if note:
            piece.checkpoint = parse_checkpoint(parse_note(decode_checkpoint_line(note)).text)
        return piece, end

    def _check(self, line: bytes, size: int) -> None:
        origin, counted, *_ = [*line[1:].split(b"\\n", 2), b"", b""]
        if origin != self._origin or counted != b"%d" % size:
            raise WalkBroken(
                f"{self.path(self.position.first)}: a checkpoint of {counted[:20].decode(errors='replace')} entries "
                f"of {origin[:80].decode(errors='replace')} stands where {size} of {self._origin.decode()} belong."
            )


def file_firsts(disk: Disk, generation: int) -> list[int]:
    """A generation's files: the index of the first entry of each, in order."""
    names = disk.names(spool.journal_folder(generation))
    return sorted([int(found[1]) for name in names if (found := _LOG_NAME.fullmatch(name))])
