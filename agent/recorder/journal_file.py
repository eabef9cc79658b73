"""The journal on disk: the file being appended to, its rotation, and what follows a failed sync.

Lines that were signed are never replaced by other ones: after a failed write or sync the very same lines go into
a new file that begins at the last attested line (design, encryption at rest), so the device's key never signs two
histories. Knows bytes and names, not what entries mean.
"""

import contextlib
from dataclasses import dataclass

from agent.evidence.entries import Aside, Entry
from agent.evidence.journal import Header, Log, StreamHead, header_lines
from agent.evidence.tree import Frontier
from agent.recorder import spool
from agent.recorder.aside import AsideFolder
from agent.recorder.disk import Disk

ROTATE_BYTES = 16 * 1024 * 1024
"""Design: rotated at 16 MiB, so that a start reads little and an editor opens it."""

AHEAD_BYTES = 64 * 1024
"""Zeros written behind the last line whenever it reaches the file's end. Appending over them changes neither the
file's length nor its blocks, so the sync of a flush writes no metadata: on ext4 that spares the card 6 % (1.20 to 1.13
bytes a media byte, ``make bench``). Readers take zeros at the end for what they are; a file that is left is cut."""


@dataclass(slots=True)
class _Attested:
    """How the log stood at its last durable line."""

    size: int
    hashes: tuple[bytes, ...]


class JournalFile:
    """Appends the lines of one generation's ``Log`` durably."""

    def __init__(self, disk: Disk, log: Log, generation: int, rotate_bytes: int = ROTATE_BYTES) -> None:
        self._disk, self.log, self._generation, self._rotate_bytes = disk, log, generation, rotate_bytes
        self._file: int | None = None
        self._path = ""
        self._offset = 0
        self._length = 0
        """Of the file, zeros included; 0 where it is not known."""
        self._frozen = b""
        self._attested = self._snapshot()
        self._undo: dict[str, StreamHead | None] = {}
        self.asides: list[Aside] = []
        """Files moved aside and not yet told."""
        self._aside = AsideFolder(disk)
        self._half_moved = ""
        self._telling: list[str] = []
        """Files aside whose entries are not durable yet."""

    def continue_file(self, path: str, length: int) -> None:
        """Go on in a file whose first ``length`` bytes end with the log's last checkpoint.

        They are synced, and the file's name: a killed process may have left them in the cache only.
        """
        self._file, self._path, self._offset, self._length = self._disk.open(path), path, length, 0
        self._disk.sync(self._file)
        self._disk.sync_folder(spool.journal_folder(self._generation))

    def wants_rotation(self) -> bool:
        """True before the first line of a new file."""
        return self._file is None or self._offset >= self._rotate_bytes

    @property
    def pending(self) -> bool:
        """Signed lines wait for a disk that takes them."""
        return bool(self._frozen)

    @property
    def attested_size(self) -> int:
        """Entries that are durable."""
        return self._attested.size

    @property
    def attested(self) -> Frontier:
        """The tree of the entries that are durable."""
        return Frontier(self._attested.size, self._attested.hashes)

    @property
    def generation(self) -> int:
        """Whose files are written."""
        return self._generation

    def rotate(self) -> None:
        """What is written next begins a new file, at the last attested line."""
        self.close()

    def add(self, entry: Entry) -> bytes:
        """Place an entry in its stream and in the tree; its leaf hash. It is signed and written by ``write``."""
        self._undo.setdefault(entry.stream, self.log.streams.heads.get(entry.stream))
        if isinstance(entry, Aside):
            self._telling.append(entry.kept_as)
        return self.log.add(entry)

    def write(self) -> int:
        """Sign what was added and make it durable; returns bytes written. On OSError the lines wait for ``retry``."""
        self._frozen += self.log.sign()
        return self._write_frozen()

    def retry(self) -> int:
        """Write lines that a failed write or sync left behind, into a new file."""
        if not self._frozen:
            return 0
        return self._write_frozen()

    def close(self) -> None:
        """Let go of the file, cut to its lines."""
        if self._file is not None and self._length > self._offset and not self._frozen:
            with contextlib.suppress(OSError):  # zeros that stay behind harm nobody
                self._disk.truncate(self._file, self._offset)
        self._leave()

    def _write_frozen(self) -> int:
        if self._file is None:
            self._begin_file()
        assert self._file is not None
        length = len(self._frozen)
        ahead = bytes(AHEAD_BYTES) if self._offset + length > self._length else b""
        try:
            self._disk.write(self._file, self._offset, [self._frozen, ahead] if ahead else [self._frozen])
            self._disk.sync(self._file)
        except OSError:
            self._leave()
            raise
        self._offset += length
        self._length = max(self._length, self._offset + len(ahead))
        self._frozen = b""
        self._undo.clear()
        self._attested = self._snapshot()
        while self._telling:
            self._aside.settle(self._telling.pop())
        return length

    def _leave(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):  # what it holds is either durable or will be written elsewhere
                self._disk.close(self._file)
        self._file = None

    def _begin_file(self) -> None:
        path = spool.journal_file(self._generation, self._attested.size)
        lines = self._header_lines()
        self._make_room(path)
        self._disk.make_folder(spool.journal_folder(self._generation))
        file = self._disk.create(path)
        try:
            self._disk.write(file, 0, [lines])
            self._disk.sync(file)
            self._disk.sync_folder(spool.journal_folder(self._generation))
        except OSError:
            with contextlib.suppress(OSError):
                self._disk.close(file)
            raise
        self._file, self._path, self._offset, self._length = file, path, len(lines), len(lines)

    def _make_room(self, path: str) -> None:
        """A file of that name failed before it held an attested line: move it aside."""
        folder, name = path.rsplit("/", 1)
        if name in self._disk.names(folder):
            self._half_moved = path
            self.asides.append(self._aside.put(path, "failed_journal"))
        elif self._half_moved == path:  # it was moved, and then the disk failed again
            known = {one.kept_as for one in self.asides} | set(self._telling)
            self.asides += [one for one in self._aside.untold() if one.file == path and one.kept_as not in known]
        self._half_moved = ""

    def _header_lines(self) -> bytes:
        heads: dict[str, StreamHead] = dict(self.log.streams.heads)
        for stream, head in self._undo.items():
            if head is None:
                heads.pop(stream, None)
            else:
                heads[stream] = head
        attested = self._attested
        header = Header(origin=self.log.origin, first=attested.size, hashes=attested.hashes, streams=heads)
        return header_lines(header, self.log.signer)

    def _snapshot(self) -> _Attested:
        frontier = self.log.frontier
        return _Attested(frontier.size, tuple(frontier.hashes))
