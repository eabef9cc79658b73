"""A camera: coded H.264 pictures with the moment each was captured.

The Protocol and the messages only; ``simulated`` and the real drivers stand beside it. A camera sends its
parameters before its first picture and again whenever they change; the next picture after them is a key frame.
Pictures come in decoding order. Which pictures are missing is told by ``capture_ns`` and ``number``, never by
the moment of arrival.
"""

from collections.abc import Iterator
from typing import Literal, Protocol

from drivers import Counter, Fault, Log, Message


class CameraParameters(Message, frozen=True, tag="camera.parameters"):
    """How the following pictures are coded."""

    sps: bytes
    """Sequence parameter set, one NAL unit without start code or length."""
    pps: bytes
    width: int
    """Pixels shown (after cropping)."""
    height: int
    fps_num: int
    fps_den: int
    """Nominal frames a second = fps_num / fps_den; true times are each packet's."""
    reorder_ns: int
    """By how much the first picture's decoding precedes its presentation; 0 without B-frames.
    ``decode_ns + reorder_ns`` never lies before the first picture's ``capture_ns``."""


class VideoPacket(Message, frozen=True, tag="camera.packet"):
    """One coded picture."""

    capture_ns: int
    """CLOCK_BOOTTIME of capture, which is the moment of presentation."""
    decode_ns: int
    """Decoding order on the same scale, strictly growing; equals ``capture_ns`` without B-frames."""
    key: bool
    """A decoder can begin here: nothing that follows refers to anything before it."""
    data: bytes
    """One access unit as the encoder gave it."""
    format: Literal["annexb", "avcc"]
    """Start codes, or four-byte big-endian lengths, before each NAL unit."""
    number: int
    """capture time x frame rate, rounded: consecutive while nothing is lost, and shows a restarted camera's hole."""


class PictureFigures(Message, frozen=True, tag="camera.figures"):
    """What a small luma plane tells of whether the picture shows anything (``drivers.camera.quality``); once a second.

    Sent before the packet of the same capture. A driver without pictures (a replayed clip) sends none."""

    capture_ns: int
    """CLOCK_BOOTTIME of the picture's capture."""
    mean: int
    """Of luma, 0 to 255."""
    variance: int
    """Of luma: 0 for a picture of one brightness, thousands for a contrasty one."""
    difference: int
    """Mean absolute difference to the plane of a second before, in hundredths; -1: there is none to compare with."""
    sharpness: int
    """Variance of the Laplacian of luma: edges and texture, and noise."""


CameraMessage = CameraParameters | VideoPacket | PictureFigures | Fault | Counter | Log


class Camera(Protocol):
    """A source of coded pictures."""

    def messages(self) -> Iterator[CameraMessage]:
        """Open the device and give its messages as they arise, each no earlier than it can exist.

        Ends when the source ends. Raises ``drivers.errors.DriverError`` for what a person must mend.
        """
        ...

    def close(self) -> None:
        """Give the device back; may be called twice, and without ``messages`` having run."""
        ...
