"""``aside/``: bytes that nothing attests, moved out of the way and told by an ``aside`` entry (invariant 3).

A file arrives as ``NAME.untold`` and loses that ending when its entry is durable (``settle``, by ``journal_file``).
So a start after a cut sees at once, without reading the journal, what has still to be told, and tells it. A cut
between the entry and the rename tells a file twice; none is ever left untold.

Leaves to others: which bytes have to go (``finding``, ``recovery``, ``journal_file``).
"""

import contextlib
import hashlib
import re
from typing import Literal

from agent.evidence.canonical import b64
from agent.evidence.entries import Aside
from agent.recorder import spool
from agent.recorder.disk import Disk

UNTOLD = ".untold"
READ_BYTES = 1024 * 1024
MAX_NAME = 180
"""Of the original path in a name; a file system's limit is 255."""
Why = Literal["torn_tail", "unnamed_file", "failed_journal"]
_SEGMENT = re.compile(r"segments-(s\d{6,})-(.+)\.\d+")
_LOG = re.compile(r"journal-(\d{4,})-(\d+\.log)\.\d+")


class AsideFolder:
    """One spool's ``aside/``; ``done`` takes what was done, in words."""

    def __init__(self, disk: Disk, done: list[str] | None = None) -> None:
        self._disk, self._done = disk, [] if done is None else done

    def put(self, path: str, why: Why) -> Aside:
        """Move a file here; its entry, still to be written."""
        length, sha256 = hash_file(self._disk, path)
        kept = self._free_name(path)
        self._disk.make_folder(spool.ASIDE)
        self._disk.rename(path, f"{spool.ASIDE}/{kept}{UNTOLD}")
        self._disk.sync_folder(spool.ASIDE)
        self._disk.sync_folder(path.rsplit("/", 1)[0])
        self._done.append(f"{path} moved to aside/{kept}")
        return Aside(file=_printable(path), kept_as=kept, length=length, sha256=sha256, why=why)

    def keep_tail(self, path: str, offset: int) -> Aside:
        """Copy what lies behind ``offset`` here, then cut it off; its entry, still to be written."""
        tail, kept = self._disk.read(path, offset), self._free_name(path)
        self._disk.make_folder(spool.ASIDE)
        file = self._disk.create(f"{spool.ASIDE}/{kept}{UNTOLD}")
        self._disk.write(file, 0, [tail])
        self._disk.sync(file)
        self._disk.close(file)
        self._disk.sync_folder(spool.ASIDE)
        self._cut(path, offset)
        self._done.append(f"{len(tail)} bytes after the last checkpoint of {path} kept as aside/{kept}")
        sha256 = b64(hashlib.sha256(tail).digest())
        return Aside(file=path, kept_as=kept, length=len(tail), sha256=sha256, why="torn_tail")

    def untold(self) -> list[Aside]:
        """Entries for the files that a cut left here before their entry was durable."""
        names = [name for name in self._disk.names(spool.ASIDE) if name.endswith(UNTOLD)]
        return [self._told_again(name.removesuffix(UNTOLD)) for name in names]

    def settle(self, kept: str) -> None:
        """The entry that names ``kept`` is durable. A failure is made good by the next start, which tells it again."""
        with contextlib.suppress(OSError):
            self._disk.rename(f"{spool.ASIDE}/{kept}{UNTOLD}", f"{spool.ASIDE}/{kept}")
            self._disk.sync_folder(spool.ASIDE)

    def _told_again(self, kept: str) -> Aside:
        length, sha256 = hash_file(self._disk, f"{spool.ASIDE}/{kept}{UNTOLD}")
        path, why = self._where_from(kept)
        self._done.append(f"aside/{kept} is told, which a cut prevented")
        return Aside(file=path, kept_as=kept, length=length, sha256=sha256, why=why)

    def _where_from(self, kept: str) -> tuple[str, Why]:
        """A name here is the path with ``-`` for ``/``, and a number; a journal file still there lost its tail only."""
        segment, log = _SEGMENT.fullmatch(kept), _LOG.fullmatch(kept)
        if segment:
            return f"{spool.SEGMENTS}/{segment[1]}/{segment[2]}", "unnamed_file"
        if log:
            there = log[2] in self._disk.names(f"{spool.JOURNAL}/{log[1]}")
            return f"{spool.JOURNAL}/{log[1]}/{log[2]}", "torn_tail" if there else "failed_journal"
        return kept.rpartition(".")[0], "unnamed_file"

    def _cut(self, path: str, length: int) -> None:
        file = self._disk.open(path)
        self._disk.truncate(file, length)
        self._disk.sync(file)
        self._disk.close(file)

    def _free_name(self, path: str) -> str:
        taken = {name.removesuffix(UNTOLD) for name in self._disk.names(spool.ASIDE)}
        name = _printable(path).replace("/", "-")[:MAX_NAME]
        return next(k for i in range(len(taken) + 1) if (k := f"{name}.{i}") not in taken)


def session_numbers(disk: Disk) -> list[int]:
    """Numbers of the sessions that media here once belonged to."""
    names = disk.names(spool.ASIDE)
    return [spool.session_number(found[1]) for name in names if (found := _SEGMENT.match(name))]


def hash_file(disk: Disk, path: str) -> tuple[int, str]:
    """Length and SHA-256 of a file, read in pieces; of what could be read, where a card no longer gives it."""
    length, digest = 0, hashlib.sha256()
    with contextlib.suppress(OSError):  # an unreadable file must go aside too, or no start would ever succeed
        while piece := disk.read(path, length, READ_BYTES):
            digest.update(piece)
            length += len(piece)
    return length, b64(digest.digest())


def _printable(path: str) -> str:
    """A file's name may hold any bytes; an entry is UTF-8."""
    return path.encode("utf-8", "backslashreplace").decode()
