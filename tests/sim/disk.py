"""A disk in memory behind ``agent.recorder.disk.Disk`` that keeps what a power cut may take, and breaks on demand.

Rules of the model, all of them on the pessimistic side of real file systems:
- a write, an extension, a truncation is durable when ``sync`` of its file returned; until then each may be lost or
  kept alone, and a write may be torn at any byte or miss any of its sectors, which then read as they were before;
- a name (create, rename, unlink) is durable when ``sync_folder`` returned; until then each change may be lost or kept
  alone. A rename is one change: never two names, never none;
- a sync that fails loses, by seed, any of what it was to save, and says so only once;
- a short write puts a part of the bytes down and then finds the disk full.

``calls`` is the sequence of everything that was asked for; ``replay`` repeats it on another disk.
"""

import errno
import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

SECTOR_BYTES = 512
FaultKind = Literal["EIO", "ENOSPC", "short"]
Call = tuple[str, tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class Fault:
    """The ``first``-th call from now on (from 0) and the ``count - 1`` after it fail."""

    kind: FaultKind
    first: int
    count: int = 1

    def strikes(self, call: int) -> bool:
        return self.first <= call < self.first + self.count


@dataclass(slots=True)
class _Change:
    """Not durable yet: bytes at an offset, or (``data`` None) a new length."""

    offset: int
    data: bytes | None
    grow_only: bool = False


@dataclass(slots=True)
class _File:
    durable: bytearray = field(default_factory=bytearray)
    shared: bool = False
    """Another disk holds the same bytearray: copy before writing."""
    pending: list[_Change] = field(default_factory=list)
    length: int = 0

    def now(self) -> bytearray:
        """What a reader sees."""
        if not self.pending:
            return self.durable
        data = bytearray(self.durable)
        for change in self.pending:
            _apply(data, change)
        return data

    def own(self) -> bytearray:
        if self.shared:
            self.durable, self.shared = bytearray(self.durable), False
        return self.durable

    def settle(self, keep: Callable[[_Change], list[_Change]]) -> None:
        """What is pending becomes durable as far as ``keep`` says; the rest is lost."""
        data = self.own() if self.pending else self.durable
        for change in self.pending:
            for kept in keep(change):
                _apply(data, kept)
        self.pending, self.length = [], len(data)


@dataclass(slots=True)
class _NameChange:
    """``old`` None: a new name. ``new`` None: a name removed."""

    old: str | None
    new: str | None
    file: _File

    def touches(self, folder: str) -> bool:
        return any(path is not None and _folder(path) == folder for path in (self.old, self.new))


class Died(BaseException):
    """Nothing runs any more; no error handling sees this."""


class SimDisk:
    """See the module. ``rng`` decides what a failed sync loses and how short a short write is."""

    def __init__(self, seed: int = 0, record: bool = False) -> None:
        self._rng = random.Random(seed)
        self._cache: dict[str, dict[str, _File]] = {"": {}}
        self._durable: dict[str, dict[str, _File]] = {"": {}}
        self._names: list[_NameChange] = []
        self._handles: dict[int, _File] = {}
        self._next_handle = 3
        self.calls: list[Call] | None = [] if record else None
        self.count = 0
        """Calls so far."""
        self.fault: Fault | None = None
        self.fault_from = 0
        self.die_at: int | None = None
        """The call (of ``count``) in which all ends: ``Died`` is raised before it does anything."""
        self.struck = 0
        """How often a fault struck."""
        self.on_sync: Callable[[], None] = lambda: None
        """Called by each sync before it does anything: a test lets time pass there."""

    def break_at(self, fault: Fault | None) -> None:
        """Let calls fail, counted from here."""
        self.fault, self.fault_from = fault, self.count

    # --- the Protocol ---------------------------------------------------------------------------------------

    def create(self, path: str) -> int:
        self._called("create", path)
        names = self._folder_of(path)
        if _name(path) in names:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        file = names[_name(path)] = _File()
        self._names.append(_NameChange(None, path, file))
        return self._handle(file)

    def open(self, path: str) -> int:
        self._called("open", path)
        return self._handle(self._file(path))

    def write(self, file: int, offset: int, pieces: Sequence[bytes]) -> None:
        data = b"".join(pieces)
        try:
            self._called("write", file, offset, [data])
        except _ShortWrite as error:
            part = data[: self._rng.randrange(len(data) + 1)]
            self._change(file, _Change(offset, part))
            raise OSError(errno.ENOSPC, "only a part could be written") from error
        self._change(file, _Change(offset, data))

    def extend(self, file: int, offset: int, length: int) -> None:
        self._called("extend", file, offset, length)
        self._change(file, _Change(offset + length, None, grow_only=True))

    def truncate(self, file: int, length: int) -> None:
        self._called("truncate", file, length)
        self._change(file, _Change(length, None))

    def sync(self, file: int) -> None:
        self.on_sync()
        try:
            self._called("sync", file)
        except OSError:
            self._handles[file].settle(lambda change: _some(change, self._rng))
            raise
        self._handles[file].settle(lambda change: [change])

    def close(self, file: int) -> None:
        self._called("close", file)
        del self._handles[file]

    def make_folder(self, path: str) -> None:
        self._called("make_folder", path)
        below = ""
        for part in path.strip("/").split("/"):
            below = f"{below}/{part}".lstrip("/")
            self._cache.setdefault(below, {})
            self._durable.setdefault(below, {})

    def sync_folder(self, path: str) -> None:
        self.on_sync()
        self._called("sync_folder", path)
        folder = path.strip("/")
        if folder not in self._cache:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        files = {id(change.file) for change in self._names if change.touches(folder)}
        for change in [change for change in self._names if id(change.file) in files]:
            _rename(self._durable, change)  # what a file was called before comes with it
            self._names.remove(change)

    def rename(self, old: str, new: str) -> None:
        self._called("rename", old, new)
        change = _NameChange(old, new, self._file(old))
        _rename(self._cache, change)
        self._names.append(change)

    def unlink(self, path: str) -> None:
        self._called("unlink", path)
        change = _NameChange(path, None, self._file(path))
        _rename(self._cache, change)
        self._names.append(change)

    def read(self, path: str, offset: int = 0, length: int = -1) -> bytes:
        data = self._file(path).now()
        return bytes(data[offset:] if length < 0 else data[offset : offset + length])

    def size(self, path: str) -> int:
        return self._file(path).length

    def names(self, folder: str) -> list[str]:
        folder = folder.strip("/")
        found = list(self._cache.get(folder, {}))
        prefix = f"{folder}/" if folder else ""
        for path in self._cache:
            if path and path.startswith(prefix) and "/" not in path[len(prefix) :]:
                found.append(f"{path[len(prefix) :]}/")
        return sorted(found)

    # --- the world ------------------------------------------------------------------------------------------

    def cut(self, seed: int) -> "SimDisk":
        """The disk after a power cut now, as a new one; this one is as it was."""
        rng = random.Random(seed)
        how = rng.choice(("nothing unsynced kept", "everything kept", "by chance", "by chance"))
        copies: dict[int, _File] = {}
        names = {folder: dict(files) for folder, files in self._durable.items()}
        for change in self._names:
            if how == "everything kept" or (how == "by chance" and rng.random() < 0.5):
                _rename(names, change)
        after = SimDisk(seed)
        after._durable = {
            folder: {name: _survivor(file, how, rng, copies) for name, file in files.items()}
            for folder, files in names.items()
        }
        after._cache = {folder: dict(files) for folder, files in after._durable.items()}
        return after

    def files(self) -> dict[str, bytes]:
        """Every file's bytes by path."""
        return {
            f"{folder}/{name}".lstrip("/"): bytes(file.now())
            for folder, files in self._cache.items()
            for name, file in files.items()
        }

    def forget_handles(self) -> None:
        """The process died: its files are closed, what it wrote is in the cache."""
        self._handles.clear()

    # --- inside ---------------------------------------------------------------------------------------------

    def _called(self, name: str, *arguments: object) -> None:
        if self.calls is not None:
            self.calls.append((name, arguments))
        call, self.count = self.count, self.count + 1
        if self.die_at is not None and call >= self.die_at:
            self.die_at = None
            raise Died
        fault = self.fault
        if fault is None or not fault.strikes(call - self.fault_from):
            return
        self.struck += 1
        if fault.kind == "short" and name == "write":
            raise _ShortWrite
        code = errno.EIO if fault.kind == "EIO" else errno.ENOSPC
        raise OSError(code, os.strerror(code), name)

    def _handle(self, file: _File) -> int:
        handle, self._next_handle = self._next_handle, self._next_handle + 1
        self._handles[handle] = file
        return handle

    def _change(self, handle: int, change: _Change) -> None:
        file = self._handles[handle]
        file.pending.append(change)
        end = change.offset + len(change.data or b"")
        file.length = end if change.data is None and not change.grow_only else max(file.length, end)

    def _folder_of(self, path: str) -> dict[str, _File]:
        try:
            return self._cache[_folder(path)]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from None

    def _file(self, path: str) -> _File:
        try:
            return self._cache[_folder(path)][_name(path)]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from None


class _ShortWrite(OSError):
    pass


def replay(call: Call, disk: SimDisk) -> None:
    """Repeat a recorded call."""
    name, arguments = call
    getattr(disk, name)(*arguments)


def _apply(data: bytearray, change: _Change) -> None:
    if change.data is not None:
        if len(data) < change.offset:
            data.extend(bytes(change.offset - len(data)))
        data[change.offset : change.offset + len(change.data)] = change.data
    elif len(data) < change.offset:
        data.extend(bytes(change.offset - len(data)))
    elif not change.grow_only:
        del data[change.offset :]


def _survivor(file: _File, how: str, rng: random.Random, copies: dict[int, _File]) -> _File:
    """The file after the cut; its durable bytes are shared until one of the two is written to."""
    if id(file) in copies:
        return copies[id(file)]
    copy = copies[id(file)] = _File(file.durable, True, list(file.pending), 0)
    file.shared = True
    if how == "nothing unsynced kept":
        copy.pending = []
    copy.settle(lambda change: [change] if how == "everything kept" else _some(change, rng))
    copy.length = len(copy.durable)
    return copy


def _some(change: _Change, rng: random.Random) -> list[_Change]:
    """What of an unsynced change reached the medium."""
    kind = rng.choice(("lost", "kept", "torn", "sectors"))
    if kind == "lost":
        return []
    if kind == "kept" or not change.data:
        return [change]
    if kind == "torn":
        return [_Change(change.offset, change.data[: rng.randrange(len(change.data) + 1)])]
    return [piece for piece in _sectors(change) if rng.random() < 0.5]


def _sectors(change: _Change) -> list[_Change]:
    assert change.data is not None
    data, pieces, start = change.data, [], 0
    while start < len(data):
        end = min(len(data), start + SECTOR_BYTES - (change.offset + start) % SECTOR_BYTES)
        pieces.append(_Change(change.offset + start, data[start:end]))
        start = end
    return pieces


def _rename(names: dict[str, dict[str, _File]], change: _NameChange) -> None:
    """A change of names, as far as the names are there."""
    if change.old is not None:
        if names[_folder(change.old)].get(_name(change.old)) is not change.file:
            return
        del names[_folder(change.old)][_name(change.old)]
    if change.new is not None:
        names[_folder(change.new)][_name(change.new)] = change.file


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _name(path: str) -> str:
    return path.rpartition("/")[2]
