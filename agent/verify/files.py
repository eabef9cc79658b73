"""How the verifier touches a folder: read-only, plain files only, never through a link.

A hostile folder may hold links, pipes, loops and files of any size. Whatever is not a plain file becomes a
problem and is not opened; a file that the journal names is opened only if the walk found it as a plain file.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from agent.evidence.errors import EvidenceError
from agent.verify.facts import Problem

MAX_SMALL_BYTES = 1 << 20
"""Keys, checkpoints, proofs and lists are far smaller; more is not read."""


class Unreadable(EvidenceError):
    """Whoever verifies may not read the folder: nothing can be said about it, least of all that it was altered."""


class NotPlain(Exception):
    """The path is no plain file (a link, a pipe, a folder) or cannot be read."""


def open_plain(path: Path) -> BinaryIO:
    """Open for reading without following a link and without waiting on a pipe; raises ``NotPlain``, ``Unreadable``."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except PermissionError as error:
        raise Unreadable(f"{path} may not be read by you; run as a user who may, or verify a copy") from error
    except OSError as error:
        raise NotPlain(error.strerror or "cannot be read") from error
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise NotPlain("not a plain file")
    return os.fdopen(number, "rb", buffering=0)


def read_plain(path: Path, limit_bytes: int | None = None) -> bytes:
    """The whole file; raises ``NotPlain``, also where it is longer than the limit."""
    with open_plain(path) as stream:
        if limit_bytes is not None and os.fstat(stream.fileno()).st_size > limit_bytes:
            raise NotPlain(f"longer than {limit_bytes} bytes")
        try:
            return stream.read()
        except OSError as error:
            raise NotPlain(error.strerror or "cannot be read") from error


def read_small(root: Path, name: str, problems: list[Problem]) -> bytes | None:
    """A small file of the folder, or None with a problem noted."""
    try:
        return read_plain(root / name, MAX_SMALL_BYTES)
    except NotPlain as error:
        missing = not os.path.lexists(root / name)
        problems.append(Problem("file_missing" if missing else "not_plain", name, values={"why": str(error)}))
        return None


def plain_files(root: Path, below: str, problems: list[Problem]) -> dict[str, int]:
    """Plain files below a folder by their name relative to it, with lengths; all else is noted as a problem."""
    found: dict[str, int] = {}
    for entry, name in _walk(root / below, ""):
        if entry.is_symlink() or not entry.is_file(follow_symlinks=False):
            place = f"{below}/{name}" if below else name
            problems.append(Problem("not_plain", place, values={"why": "link or device"}))
        else:
            found[name] = entry.stat(follow_symlinks=False).st_size
    return found


def _walk(folder: Path, prefix: str) -> Iterator[tuple[os.DirEntry[str], str]]:
    if folder.is_symlink():
        return
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except PermissionError as error:
        raise Unreadable(f"{folder} may not be read by you; run as a user who may, or verify a copy") from error
    except OSError:
        return  # it is not there: whatever is named in it will be missed
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path), f"{prefix}{entry.name}/")
        else:
            yield entry, prefix + entry.name
