"""The only way to the spool: a Protocol of small file operations, and the real folder behind it.

Everything that must survive a power cut goes through here, so the simulation can lose any write that was not
synced and any name whose folder was not, and a test can fail any call. Paths are relative to the spool and use
``/``. Every failure is the operating system's own ``OSError``; a write that could only be done in part raises too.

Leaves to others: what to write when (``writer``), and what a cut leaves behind (``recovery``).
"""

import errno
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol


class NotAFile(OSError):
    """A pipe, a device, a link or a folder where a file belongs: reading it might never return."""


class Disk(Protocol):
    """One spool. File handles are small integers of the implementation."""

    def create(self, path: str) -> int:
        """Make a new file for writing; FileExistsError where the name is taken."""

    def open(self, path: str) -> int:
        """Open an existing file for writing."""

    def write(self, file: int, offset: int, pieces: Sequence[bytes]) -> None:
        """Write all pieces, one behind the other, at ``offset``, or raise."""

    def extend(self, file: int, offset: int, length: int) -> None:
        """Reserve ``length`` bytes from ``offset`` on; they read as zeros."""

    def truncate(self, file: int, length: int) -> None:
        """Cut to ``length`` bytes."""

    def sync(self, file: int) -> None:
        """Return when the file's bytes and length are on the medium."""

    def close(self, file: int) -> None:
        """Forget the handle."""

    def make_folder(self, path: str) -> None:
        """Make the folder and those above it, their names on the medium; nothing where it exists."""

    def sync_folder(self, path: str) -> None:
        """Return when the folder's names are on the medium."""

    def rename(self, old: str, new: str) -> None:
        """Give a file another name."""

    def unlink(self, path: str) -> None:
        """Remove a file's name."""

    def read(self, path: str, offset: int = 0, length: int = -1) -> bytes:
        """Bytes of a file; fewer where it ends, all from ``offset`` on where ``length`` is -1."""

    def size(self, path: str) -> int:
        """Length of a file in bytes."""

    def names(self, folder: str) -> list[str]:
        """Names directly in a folder, sorted; empty where it does not exist. Folders end in ``/``."""


def open_regular(path: str) -> int:
    """A regular file, opened for reading without waiting for anybody. Raises NotAFile for all else."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # a link, a socket
            raise NotAFile(error.errno, "is no regular file", path) from error
        raise
    if stat.S_ISREG(os.fstat(file).st_mode):
        return file
    os.close(file)
    raise NotAFile(errno.EINVAL, "is no regular file", path)


class FolderDisk:
    """A spool in a folder of a local file system."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def _path(self, path: str) -> str:
        return f"{self.root}/{path}"

    def create(self, path: str) -> int:
        return os.open(self._path(path), os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)

    def open(self, path: str) -> int:
        return os.open(self._path(path), os.O_RDWR | os.O_CLOEXEC)

    def write(self, file: int, offset: int, pieces: Sequence[bytes]) -> None:
        done, length = os.pwritev(file, pieces, offset), sum(map(len, pieces))
        while done < length:  # rare: a signal, or a disk that is nearly full
            rest = b"".join(pieces)[done:]
            done += os.pwrite(file, rest, offset + done)

    def extend(self, file: int, offset: int, length: int) -> None:
        os.posix_fallocate(file, offset, length)

    def truncate(self, file: int, length: int) -> None:
        os.ftruncate(file, length)

    def sync(self, file: int) -> None:
        os.fdatasync(file)

    def close(self, file: int) -> None:
        os.close(file)

    def make_folder(self, path: str) -> None:
        below = ""
        for part in path.strip("/").split("/"):
            parent, below = below, f"{below}/{part}".lstrip("/")
            if not os.path.isdir(self._path(below)):
                os.mkdir(self._path(below), 0o750)
                try:
                    self.sync_folder(parent)
                except OSError:
                    os.rmdir(self._path(below))  # or the next try would find it, and never sync its name
                    raise

    def sync_folder(self, path: str) -> None:
        folder = os.open(self._path(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def rename(self, old: str, new: str) -> None:
        os.rename(self._path(old), self._path(new))

    def unlink(self, path: str) -> None:
        os.unlink(self._path(path))

    def read(self, path: str, offset: int = 0, length: int = -1) -> bytes:
        with os.fdopen(open_regular(self._path(path)), "rb") as file:
            file.seek(offset)
            return file.read(length)

    def size(self, path: str) -> int:
        return os.stat(self._path(path)).st_size

    def names(self, folder: str) -> list[str]:
        try:
            with os.scandir(self._path(folder)) as found:
                return sorted(entry.name + ("/" if entry.is_dir(follow_symlinks=False) else "") for entry in found)
        except FileNotFoundError:
            return []
