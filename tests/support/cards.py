"""Memory cards as image files: mounted by loop, and copied in one instant, as a power cut would leave them.

A card is a file with an xfs or plain ext4 on it, in a loop-mounted xfs with reflinks. ``cut`` clones the file
(FICLONE, what ``cp --reflink=always`` does): what the card's file system had not handed to its device is lost, what
it had is kept. Everything is mounted below one folder of the caller's and unmounted by ``close``, whatever happened.
"""

import contextlib
import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

FileSystem = Literal["xfs", "ext4"]
FICLONE = 0x40049409
MB = 1 << 20
CARD_MB = 400
"""xfs refuses less than 300 MB."""
MKFS: dict[str, list[str]] = {
    "host": ["mkfs.xfs", "-q", "-m", "reflink=1"],
    "xfs": ["mkfs.xfs", "-q"],
    "ext4": ["mkfs.ext4", "-q", "-b", "4096"],
    "fast_commit": ["mkfs.ext4", "-q", "-b", "4096", "-O", "fast_commit"],
}
OPTIONS: dict[str, str] = {
    "host": "loop",
    "xfs": "loop,nouuid",
    "ext4": "loop,commit=300",
    "fast_commit": "loop",
}


class LoopUnavailable(Exception):
    """No image can be mounted here; says why."""


def _call(*words: str | Path) -> None:
    try:
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise LoopUnavailable(f"{words[0]} is not installed (apt-get install xfsprogs e2fsprogs)") from error
    if done.returncode:
        raise LoopUnavailable(f"{words[0]}: {(done.stderr or done.stdout).strip()}")


def make_image(image: Path, kind: str, size_mb: int) -> None:
    """A sparse image file with a fresh file system."""
    with image.open("xb") as file:
        file.truncate(size_mb * MB)
    _call(*MKFS[kind], image)


@contextlib.contextmanager
def mounted(image: Path, kind: str) -> Iterator[Path]:
    """The image's file system, at a folder beside it."""
    at = image.with_suffix(".mnt")
    at.mkdir()
    try:
        _call("mount", "-o", OPTIONS[kind], image, at)
        try:
            yield at
        finally:
            _unmount(at)
    finally:
        at.rmdir()


def _unmount(at: Path) -> None:
    done = subprocess.run(["umount", str(at)], capture_output=True, text=True, check=False)
    if done.returncode:  # somebody still holds a file in it: let it go when they do
        subprocess.run(["umount", "--lazy", str(at)], capture_output=True, check=True)


@dataclass(frozen=True, slots=True)
class Card:
    """An image in the host, with its kind of file system."""

    image: Path
    kind: FileSystem

    def cut(self, name: str) -> "Card":
        """The card as it would be if power went now."""
        copy = self.image.with_name(name + ".img")
        with self.image.open("rb") as source, copy.open("xb") as target:
            fcntl.ioctl(target.fileno(), FICLONE, source.fileno())
        return Card(copy, self.kind)

    def mounted(self) -> contextlib.AbstractContextManager[Path]:
        """Its file system."""
        return mounted(self.image, self.kind)

    def forget(self) -> None:
        """Remove the image."""
        self.image.unlink()


class Host:
    """The file system in which cards lie; use with ``with``. ``folder`` is made, and removed at the end."""

    def __init__(self, folder: Path, size_mb: int = 8_000) -> None:
        self._folder = folder
        self._stack = contextlib.ExitStack()
        self._size_mb = size_mb

    def __enter__(self) -> Self:
        if os.geteuid() != 0:
            raise LoopUnavailable("mounting an image needs root")
        self._folder.mkdir()
        self._stack.callback(shutil.rmtree, self._folder, ignore_errors=True)
        try:
            image = self._folder / "host.img"
            make_image(image, "host", self._size_mb)
            self.root = self._stack.enter_context(mounted(image, "host"))
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def card(self, name: str, kind: FileSystem, size_mb: int = CARD_MB) -> Card:
        """A new, empty card."""
        image = self.root / f"{name}.img"
        make_image(image, kind, size_mb)
        return Card(image, kind)
