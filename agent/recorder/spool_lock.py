"""One recorder a spool, and no spool on a file system that a power cut destroys.

The lock is the kernel's (flock), so it goes with the process, however that ends. ext4 with ``fast_commit`` is refused:
14 of 125 power-cut images would not mount (design, storage).
"""

import fcntl
import os
from pathlib import Path

from agent.evidence.errors import EvidenceError
from agent.recorder.spool import LOCK


class SpoolError(EvidenceError):
    """The spool cannot be used as it is."""


class SpoolBusy(SpoolError):
    """Another recorder holds it."""


class SpoolUnsafe(SpoolError):
    """Its file system would not survive a power cut."""


class SpoolMissing(SpoolError):
    """There is no such folder."""


def lock(spool: Path) -> int:
    """Hold the spool as long as the returned file stays open. Raises SpoolBusy, SpoolMissing."""
    try:
        file = os.open(spool / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except FileNotFoundError:
        raise SpoolMissing(
            f"{spool}: no such folder; make it (best a file system of its own) or correct [device] spool"
        ) from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        raise SpoolBusy(f"{spool}: a recorder holds this spool; stop it first (systemctl stop liuhen)") from None
    return file


def is_held(spool: Path) -> bool:
    """Whether a recorder holds the spool now; changes nothing."""
    try:
        file = os.open(spool / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(file)


def refuse_unsafe(spool: Path, proc: Path = Path("/proc"), sys: Path = Path("/sys")) -> None:
    """Raises SpoolUnsafe where the spool lies on ext4 with fast_commit."""
    device = os.stat(spool).st_dev
    name = (sys / f"dev/block/{os.major(device)}:{os.minor(device)}").resolve().name
    options = proc / f"fs/ext4/{name}/options"
    if options.exists() and "fast_commit" in options.read_text().split():
        raise SpoolUnsafe(
            f"{spool} is on ext4 with fast_commit, which a power cut can destroy; "
            f"use xfs, or turn it off: tune2fs -O ^fast_commit /dev/{name}"
        )
