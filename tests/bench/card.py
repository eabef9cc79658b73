"""Bytes that reach the block device for each byte of media: what a card has to take (design, storage).

The recorder and writer in real time, since a file system also writes by the clock (ext4 commits its journal every 5 s,
dirty inodes go after 30 s), which faster writing would hide. A media byte is a byte of the sensors' packets: container,
encryption, journal and the file system's own writes are all overhead. Counted from the mount to the last sync after
the session's close.
"""

from pathlib import Path

from agent.recorder.disk import FolderDisk
from tests.bench import media
from tests.bench.device import BEGAN_NS, BenchDevice
from tests.bench.limits import Measured
from tests.bench.volume import FileSystem, NoVolume, volume

SIZE_MB = 1024


def card_bytes(kind: FileSystem, folder: str, packets: str, seconds: int, paced: bool = True) -> float | str:
    """Bytes on the device per media byte, or why there is no number."""
    prepared = media.load(packets)
    try:
        with volume(kind, Path(folder), SIZE_MB) as spool:
            spool.sync()
            before = spool.written_bytes()
            device = BenchDevice(FolderDisk(spool.folder), prepared, paced)
            device.begin()
            device.hear(media.heard(prepared, BEGAN_NS, seconds))
            device.end()
            spool.sync()
            return (spool.written_bytes() - before) / prepared.bytes_in(seconds)
    except NoVolume as error:
        return str(error)


def measured(found: float | str, seconds: int) -> Measured:
    """As a number for the table."""
    if isinstance(found, str):
        return Measured(None, f"no loop device: {found}")
    return Measured(found, f"{seconds} s of media in real time, one hand-over each 0.4 s; 1 GiB on a loop device")
