"""One recorder a spool, and no spool on a file system that a power cut destroys.

The lock is the kernel's (flock), so it goes with the process, however that ends. ext4 with ``fast_commit`` is refused:
14 of 125 power-cut images would not mount (design, storage).
"""

import fcntl
import os
import re
import struct
import threading
from collections.abc import Callable
from pathlib import Path

from agent.evidence.errors import EvidenceError
from agent.recorder.spool import LOCK

TRIES, PAUSE_S = 10, 0.1
_NEVER = threading.Event()
_OPTIONS = frozenset({"fast_commit", "fc_debug_force"})
"""The second is how Linux 6 shows the feature where ext4 is built with debugging."""
_FEATURES_AT, _FAST_COMMIT = 1024 + 0x5C, 0x400
"""ext4's superblock: s_feature_compat and its bit."""


class SpoolError(EvidenceError):
    """The spool cannot be used as it is."""


class SpoolBusy(SpoolError):
    """Another recorder holds it."""


class SpoolUnsafe(SpoolError):
    """Its file system would not survive a power cut."""


class SpoolMissing(SpoolError):
    """There is no such folder."""


def lock(spool: Path, pause_s: Callable[[float], object] = _NEVER.wait) -> int:
    """Hold the spool as long as the returned file stays open. Raises SpoolBusy, SpoolMissing.

    Tries for about a second: ``is_held`` takes the lock for an instant, and must not turn a recorder away.
    """
    try:
        file = os.open(spool / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except FileNotFoundError:
        raise SpoolMissing(
            f"{spool}: no such folder; make it (best a file system of its own) or correct [device] spool"
        ) from None
    for _ in range(TRIES):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file
        except BlockingIOError:
            pause_s(PAUSE_S)
    os.close(file)
    raise SpoolBusy(f"{spool}: a recorder holds this spool; stop it first (systemctl stop liuhen)")


def is_held(spool: Path) -> bool:
    """Whether a recorder holds the spool now; changes nothing."""
    try:
        file = os.open(spool / LOCK, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(file)


def refuse_unsafe(spool: Path, proc: Path = Path("/proc"), sys: Path = Path("/sys"), dev: Path = Path("/dev")) -> None:
    """Raises SpoolUnsafe where the spool lies on ext4 with fast_commit."""
    device = os.stat(spool).st_dev
    name = (sys / f"dev/block/{os.major(device)}:{os.minor(device)}").resolve().name
    kernel = proc / f"fs/ext4/{name}"
    if kernel.exists() and (_kernel_says(kernel) or _superblock_says(dev / name)):
        raise SpoolUnsafe(
            f"{spool} is on ext4 with fast_commit, which a power cut can destroy; "
            f"use xfs, or turn it off: tune2fs -O ^fast_commit /dev/{name}"
        )


def _kernel_says(ext4: Path) -> bool:
    """By the options in force, or the fast commits since it was mounted: not each kernel tells either."""
    options, counts = _text(ext4 / "options").split(), _text(ext4 / "fc_info")
    return (
        bool(_OPTIONS.intersection(options)) or re.search(r"^[1-9]\d* (commits|ineligible)", counts, re.M) is not None
    )


def _superblock_says(device: Path) -> bool:
    """By the file system's own features; False where this process may not read the device."""
    try:
        with device.open("rb") as card:
            card.seek(_FEATURES_AT)
            (features,) = struct.unpack("<I", card.read(4))
    except (OSError, struct.error):
        return False
    return bool(features & _FAST_COMMIT)


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""
