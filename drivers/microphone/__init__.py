"""A microphone: AAC packets with the moment their sound was captured.

The Protocol and the messages only; ``simulated`` and the real drivers stand beside it. One encoder lives as
long as the process, so the encoder's priming comes once, first. Stamps are counted in samples and fitted to
the callbacks' time (``drivers.stamps``), so they follow CLOCK_BOOTTIME however far off the sound card's clock is.
"""

from collections.abc import Iterator
from typing import Protocol

from drivers import Counter, Fault, Log, Message


class SoundParameters(Message, frozen=True, tag="microphone.parameters"):
    """How the following packets are coded; sent before the first one."""

    asc: bytes
    """AudioSpecificConfig (ISO/IEC 14496-3)."""
    rate: int
    """Samples a second, nominal."""
    channels: int
    priming: int
    """Samples at the start of the first packet's output that are the encoder's, not the world's."""


class SoundPacket(Message, frozen=True, tag="microphone.packet"):
    """One AAC access unit, no ADTS header."""

    capture_ns: int
    """CLOCK_BOOTTIME of the first sample this packet decodes to; for the first packet, which is priming, the
    moment of the first real sample minus ``samples`` at the nominal rate."""
    samples: int
    """What it decodes to, 1024 for AAC-LC."""
    data: bytes


MicrophoneMessage = SoundParameters | SoundPacket | Fault | Counter | Log


class Microphone(Protocol):
    """A source of coded sound."""

    def messages(self) -> Iterator[MicrophoneMessage]:
        """Open the device and give its messages as they arise, each no earlier than it can exist.

        Raises ``drivers.errors.DriverError`` for what a person must mend.
        """
        ...

    def close(self) -> None:
        """Give the device back; may be called twice, and without ``messages`` having run."""
        ...
