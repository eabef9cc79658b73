"""File systems of the bench's own: images mounted through loop devices, always unmounted again.

A loop device counts what reaches it (``/sys/block/loopN/stat``), which is what a card would have to take. Where none
can be had (no root, a container without loop devices) ``NoVolume`` says why, and whoever needs one does without.
"""

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

FileSystem = Literal["xfs", "ext4"]
SECTOR_BYTES = 512
_MAKE: dict[FileSystem, list[str]] = {
    "xfs": ["mkfs.xfs", "-q", "-f"],
    "ext4": ["mkfs.ext4", "-q", "-F", "-b", "4096", "-E", "lazy_itable_init=0,lazy_journal_init=0"],
}
"""ext4 would otherwise write its inode tables in the background, which is not the recorder's doing."""


class NoVolume(Exception):
    """No loop device can be had here; the message says why."""


@dataclass(frozen=True, slots=True)
class Volume:
    """A mounted image."""

    folder: Path
    device: str

    def written_bytes(self) -> int:
        """Bytes that have reached the block device; what is still in memory is not among them."""
        fields = Path(f"/sys/block/{Path(self.device).name}/stat").read_text().split()
        return int(fields[6]) * SECTOR_BYTES

    def sync(self) -> None:
        """Let everything reach the device."""
        subprocess.run(["sync", "-f", str(self.folder)], check=True)


@contextlib.contextmanager
def volume(kind: FileSystem, folder: Path, size_mb: int) -> Iterator[Volume]:
    """A fresh file system of ``size_mb`` below ``folder``; raises NoVolume."""
    image, mounted = folder / f"{kind}.img", folder / kind
    mounted.mkdir()
    with image.open("wb") as file:
        file.truncate(size_mb << 20)
    try:
        _run([*_MAKE[kind], str(image)])
        device = _run(["losetup", "--find", "--show", "--direct-io=on", str(image)])
    except NoVolume:
        image.unlink()
        raise
    try:
        _run(["mount", device, str(mounted)])
        try:
            yield Volume(mounted, device)
        finally:
            _run(["umount", str(mounted)])
    finally:
        _run(["losetup", "--detach", device])
        image.unlink()


@contextlib.contextmanager
def volume_or_folder(folder: Path, size_mb: int) -> Iterator[tuple[Path, str]]:
    """A folder on an xfs of its own, as the design has the spool, or on the work disk; and what to call it."""
    with contextlib.ExitStack() as stack:
        try:
            mounted = stack.enter_context(volume("xfs", folder, size_mb)).folder
            name = "xfs on a loop device, the spool's file system by design"
        except NoVolume as error:
            mounted, name = folder / "disk", f"the work disk, since {error}"
            mounted.mkdir()
        yield mounted, name


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except FileNotFoundError as error:
        raise NoVolume(f"there is no {command[0]}") from error
    except subprocess.CalledProcessError as error:
        raise NoVolume(f"{command[0]} failed: {error.stderr.strip()}") from error
    return done.stdout.strip()
