"""The volume that the spool lies on: what it is, how much room it has, whether it can be written.

The Protocol, the command and the messages only; ``linux`` and ``simulated`` stand beside it. Rules: which volume it
is comes first, and again whenever it is another one (the original carrier must be known, R17); figures come once an
interval; a trial write is made only when it is asked for, since each costs the card, and leaves nothing behind. A probe
looks at the volume from a process of its own: one that hangs there does not hold up the recording.

Left to others: what too little room means (``agent.recorder.keeping``), the entries, the recorder's own writes.
"""

from collections.abc import Iterator
from typing import Protocol

from drivers import Command, Counter, Fault, Log, Message

TRIAL_BYTES = 256 * 1024
"""Of a trial write: a flush of 0.4 s at 5 Mbit/s."""


class Measure(Command, frozen=True, tag="storage.measure"):
    """Make a trial write; the next figures tell how it went."""


class VolumeFound(Message, frozen=True, tag="storage.volume"):
    """Which volume it is (R17)."""

    serial: str
    """Of the card or disk, as its maker gave it (an SD card's whole CID); empty where the system does not tell."""
    model: str
    file_system: str
    """Kind, for instance ``xfs``."""
    file_system_id: str
    """UUID; empty where the system does not tell."""
    device: str
    """Name of the block device, for instance ``mmcblk0p2``; empty for a file system without one."""
    size_bytes: int
    """Of the file system."""


class StorageFigures(Message, frozen=True, tag="storage.figures"):
    """Room on the volume, and whether it takes what is written."""

    capture_ns: int
    """CLOCK_BOOTTIME of the reading."""
    free_bytes: int
    """What this process may still write."""
    total_bytes: int
    read_only: bool
    write_us: int
    """From the trial write of ``TRIAL_BYTES`` until its sync returned, microseconds; -1: none was made."""
    error: str
    """What the file system answered to the trial write; empty where it went well, or none was made."""


StorageMessage = VolumeFound | StorageFigures | Fault | Counter | Log


class Storage(Protocol):
    """A probe of the spool's volume."""

    def messages(self) -> Iterator[StorageMessage]:
        """Which volume it is, then its figures as they arise.

        Raises ``drivers.errors.StorageGone`` where the spool's folder is not there, other ``DriverError``s for what a
        person must mend.
        """
        ...

    def command(self, message: Command) -> None:
        """Take a ``Measure``; returns at once, from any thread."""
        ...

    def close(self) -> None:
        """Let go of the volume; may be called twice, and without ``messages`` having run."""
        ...
