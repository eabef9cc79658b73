"""A microphone: AAC packets with the moment their sound was captured.

The Protocol and the messages only; ``simulated`` and the real drivers stand beside it. One encoder lives as
long as the process, so the encoder's priming comes once, first. Stamps are counted in samples and fitted to
the callbacks' time (``drivers.stamps``), so they follow CLOCK_BOOTTIME however far off the sound card's clock is.

Beside the packets go figures of the same sound (``speech``), since the recorder never sees samples: is it silent,
is it distorted, and, only while the recorder wants it (``Listen``), is somebody speaking (R19b).
"""

from collections.abc import Iterator
from typing import Protocol

from drivers import Command, Counter, Fault, Log, Message


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


class SoundFigures(Message, frozen=True, tag="microphone.figures"):
    """What half a second of sound is like: 24 packets' length, 24,576 samples, without a gap to the next while the
    device runs. Sent when its last sample is captured, before the last packets of that sound, which the encoder
    still holds. Levels are in 1/100 dB relative to full scale, at least -10,000 (digital silence)."""

    capture_ns: int
    """CLOCK_BOOTTIME of its first sample."""
    length_ns: int
    level_cdb: int
    """RMS; a sine of full scale has -301."""
    peak_cdb: int
    clipped: int
    """Samples at or above 0.999 of full scale."""
    speech_ms: int
    """How much of it is speech, in steps of 32; -1: the detector did not run."""


class Listen(Command, frozen=True, tag="microphone.listen"):
    """Run the speech detector from now on, or let it rest: it costs as much as the encoder, the figures a hundredth."""

    on: bool


MicrophoneMessage = SoundParameters | SoundPacket | SoundFigures | Fault | Counter | Log


class Microphone(Protocol):
    """A source of coded sound, that listens for speech when told to."""

    def messages(self) -> Iterator[MicrophoneMessage]:
        """Open the device and give its messages as they arise, each no earlier than it can exist.

        Raises ``drivers.errors.DriverError`` for what a person must mend.
        """
        ...

    def command(self, message: Command) -> None:
        """Do what a ``Listen`` says; called from another thread than ``messages`` runs in, and may take its time."""
        ...

    def close(self) -> None:
        """Give the device back; may be called twice, and without ``messages`` having run."""
        ...
