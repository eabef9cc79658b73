"""The volume as Linux tells of it: statvfs, /proc/self/mountinfo, /sys/class/block, /dev/disk/by-uuid.

Rules: the mount that counts is the last one with the longest path above the spool (a later mount covers an earlier
one); a partition's serial number is its disk's; what the system does not tell is empty, never guessed. The trial write
goes into a file without a name (O_TMPFILE), so that nothing of it is left, whatever happens meanwhile; where the file
system has no such files, none is made and the figures say so. ``Roots`` holds the paths of the system's own files, so
that a test can set up another machine's.
"""

import errno
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from config.models import Storage as StorageSection
from drivers import Command
from drivers.clock import SECOND_NS, Clock
from drivers.errors import StorageGone
from drivers.storage import TRIAL_BYTES, Measure, Storage, StorageFigures, StorageMessage, VolumeFound

NOT_MEASURED = -1
NS_PER_US = 1_000
READ_ONLY_OPTIONS = frozenset({"ro", "emergency_ro"})
"""In force for the mount, or for the file system: the second is ext4's after an error, in newer kernels."""
NO_NAMELESS_FILES = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL)
"""How file systems and old kernels refuse O_TMPFILE."""
_OCTAL = re.compile(r"\\([0-7]{3})")
_BLOCK = os.urandom(4096)
"""Not zeros, which a controller may not write at all."""


@dataclass(frozen=True, slots=True)
class Roots:
    """Where the system tells about itself."""

    proc: Path = Path("/proc")
    sys: Path = Path("/sys")
    dev: Path = Path("/dev")


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of mountinfo."""

    point: str
    options: frozenset[str]
    """Of the mount and of its file system."""
    kind: str
    source: str


class Options(StorageSection, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The configuration's [storage], and the spool's folder."""

    spool: str


def make(options: Options, clock: Clock, roots: Roots = Roots()) -> Storage:
    """The probe of the spool's volume."""
    return LinuxStorage(options, clock, roots)


class LinuxStorage:
    """Looks once an interval."""

    def __init__(self, options: Options, clock: Clock, roots: Roots) -> None:
        self._spool, self._clock, self._roots = Path(options.spool), clock, roots
        self._interval_ns = options.look_s * SECOND_NS
        self._wanted = Event()

    def messages(self) -> Iterator[StorageMessage]:
        """The volume, then figures each interval, for ever; the volume again where it is another one."""
        known: VolumeFound | None = None
        number = -(-self._clock.now_ns() // self._interval_ns)
        while True:
            self._clock.sleep_until_ns(number * self._interval_ns)
            found = volume(self._spool, self._roots)
            if found != known:
                known = found
                yield found
            trial = self._wanted.is_set()
            self._wanted.clear()
            yield figures(self._spool, self._clock, trial, self._roots)
            number = max(number + 1, self._clock.now_ns() // self._interval_ns)

    def command(self, message: Command) -> None:
        """The next figures come with a trial write."""
        if isinstance(message, Measure):
            self._wanted.set()

    def close(self) -> None:
        """Nothing is held."""


def figures(spool: Path, clock: Clock, trial: bool, roots: Roots = Roots()) -> StorageFigures:
    """Room on the volume now; with ``trial`` a trial write is made. Raises StorageGone where it is not there."""
    capture_ns, facts = clock.now_ns(), _statvfs(spool)
    write_us, error = _trial(spool, clock) if trial else (NOT_MEASURED, "")
    mount = mount_of(spool, roots)
    read_only = bool(facts.f_flag & os.ST_RDONLY) or bool(mount and mount.options & READ_ONLY_OPTIONS)
    free, total = facts.f_bavail * facts.f_frsize, facts.f_blocks * facts.f_frsize
    return StorageFigures(capture_ns, free, total, read_only, write_us, error)


def volume(spool: Path, roots: Roots) -> VolumeFound:
    """Which volume ``spool`` lies on. Raises StorageGone where it is not there."""
    facts = _statvfs(spool)
    mount = mount_of(spool, roots)
    block = _block(spool, roots)
    disk = block.parent if block and (block / "partition").exists() else block
    return VolumeFound(
        serial=_first_text(disk, "device/cid", "device/serial", "serial"),
        model=_first_text(disk, "device/model", "device/name"),
        file_system=mount.kind if mount else "",
        file_system_id=_uuid(block.name, roots) if block else "",
        device=block.name if block else "",
        size_bytes=facts.f_blocks * facts.f_frsize,
    )


def mount_of(path: Path, roots: Roots) -> Mount | None:
    """The mount that ``path`` lies on; None where mountinfo does not tell."""
    wanted = os.path.realpath(path)
    found: Mount | None = None
    for line in _text(roots.proc / "self/mountinfo").splitlines():
        mount = _parsed(line)
        if mount is not None and _holds(mount.point, wanted) and (not found or len(mount.point) >= len(found.point)):
            found = mount
    return found


def _parsed(line: str) -> Mount | None:
    """``36 35 98:0 /root /point rw,noatime shared:1 - ext4 /dev/sda1 rw``; None for what is no such line."""
    before, _, after = line.partition(" - ")
    place, told = before.split(" "), after.split(" ")
    if len(place) < 6 or len(told) < 2:
        return None
    options = {*place[5].split(","), *(told[2].split(",") if len(told) > 2 else ())}
    return Mount(_unescaped(place[4]), frozenset(options), told[0], _unescaped(told[1]))


def _holds(point: str, path: str) -> bool:
    return path == point or path.startswith(point.rstrip("/") + "/")


def _unescaped(text: str) -> str:
    return _OCTAL.sub(lambda found: chr(int(found[1], 8)), text)


def _block(spool: Path, roots: Roots) -> Path | None:
    """Folder of the block device in /sys; None for a file system without one of its own (overlay, tmpfs)."""
    device = spool.stat().st_dev
    link = roots.sys / f"dev/block/{os.major(device)}:{os.minor(device)}"
    return link.resolve() if link.exists() else None


def _uuid(block: str, roots: Roots) -> str:
    folder = roots.dev / "disk/by-uuid"
    links = sorted(folder.iterdir()) if folder.is_dir() else []
    return next((link.name for link in links if link.resolve().name == block), "")


def _statvfs(spool: Path) -> os.statvfs_result:
    try:
        return os.statvfs(spool)
    except OSError as error:
        what = error.strerror or str(error)
        raise StorageGone(f"the spool {spool} is not there ({what}); put the card in, or mount it") from error


def _trial(spool: Path, clock: Clock) -> tuple[int, str]:
    """How long a trial write took, microseconds, and what went wrong."""
    began_ns = clock.now_ns()
    try:
        _write_nameless(spool)
    except OSError as error:
        if error.errno in NO_NAMELESS_FILES:
            return NOT_MEASURED, ""
        return NOT_MEASURED, error.strerror or str(error)
    return (clock.now_ns() - began_ns) // NS_PER_US, ""


def _write_nameless(spool: Path) -> None:
    file = os.open(spool, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        for _ in range(TRIAL_BYTES // len(_BLOCK)):
            if os.write(file, _BLOCK) < len(_BLOCK):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fdatasync(file)
    finally:
        os.close(file)


def _first_text(folder: Path | None, *names: str) -> str:
    """Of the first file that is there and says something."""
    for name in names:
        if folder is not None and (text := _text(folder / name).strip()):
            return text
    return ""


def _text(path: Path) -> str:
    """Empty where it is not there or cannot be read: some of /sys only root may."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
