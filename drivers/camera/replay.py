"""The camera that replays a clip: a real encoder's pictures, packets exactly as they are, in real time.

Rules: no byte of a picture is changed and none is left out from the first key frame on; time goes on across the
clip's end when it loops; with B-frames decoding and presentation stay apart, and a packet is given no earlier
than a live encoder could have given it, which is once every picture that it precedes in presentation was captured.
The file is read twice, first for its times only, so a long clip costs little memory. Its sound is ignored. What
is not H.264, has no key frame or no time stamps is refused with the command that makes it usable.

No picture is decoded here, so no ``PictureFigures`` are sent: nobody watches whether a replayed picture shows anything.
The scenario's ``camera.*`` events do not touch a clip either.
"""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import av
from av.container import InputContainer

from drivers import Log
from drivers.camera import CameraMessage, CameraParameters, VideoPacket
from drivers.camera.h264 import annexb_parameter_sets, avcc_parameter_sets, is_idr, with_four_byte_lengths
from drivers.clock import SECOND_NS, Clock
from drivers.errors import ClipEnded, ClipUnusable

if TYPE_CHECKING:
    Packet = av.Packet[av.VideoStream]


@dataclass(frozen=True, slots=True)
class Clip:
    """What one reading of a file tells; times in ticks of ``time_base`` seconds after the first picture shown."""

    sps: bytes
    pps: bytes
    length_bytes: int
    """Of a NAL unit's length; 0: start codes."""
    width: int
    height: int
    fps: Fraction
    time_base: Fraction
    skipped: int
    """Packets before the first key frame."""
    first_pts: int
    decoding: Sequence[int]
    """When each packet that is played is decoded."""
    period: int
    """From the first picture to the first of the next round."""
    lead: int
    """The most by which a picture is decoded before it is shown."""

    def ns(self, ticks: int) -> int:
        """``ticks`` in nanoseconds, rounded."""
        return round(ticks * self.time_base * SECOND_NS)

    def parameters(self) -> CameraParameters:
        """The message."""
        fps, reorder_ns = self.fps, -self.ns(self.decoding[0])
        return CameraParameters(self.sps, self.pps, self.width, self.height, fps.numerator, fps.denominator, reorder_ns)


class Replay:
    """Plays ``file`` once or round and round, from ``begins_ns`` on, or at once where that is past."""

    def __init__(self, file: str, loop: bool, clock: Clock, begins_ns: int = 0) -> None:
        self._path = Path(file)
        self._begins_ns = begins_ns
        self._loop = loop
        self._clock = clock

    def messages(self) -> Iterator[CameraMessage]:
        """Parameters, then the packets; raises ClipUnusable, and ClipEnded after the last one when not looped."""
        clip = examine(self._path)
        if clip.skipped:
            yield Log(f"the clip begins with {clip.skipped} pictures before its first key frame; they are left out")
        yield clip.parameters()
        start_ns, played = max(self._clock.now_ns(), self._begins_ns), 0
        while True:
            for packet in self._round(clip, start_ns, played):
                self._clock.sleep_until_ns(packet.decode_ns + clip.ns(clip.lead))
                yield packet
            if not self._loop:
                raise ClipEnded(f"{self._path.name} has been shown once; with loop = true it begins again")
            played += clip.period

    def close(self) -> None:
        """Each round closes its own file."""

    def _round(self, clip: Clip, start_ns: int, played: int) -> Iterator[VideoPacket]:
        base = start_ns * clip.fps // SECOND_NS
        for (shown, key, data), decoded in zip(_played(clip, self._path), clip.decoding, strict=True):
            yield VideoPacket(
                capture_ns=start_ns + clip.ns(played + shown),
                decode_ns=start_ns + clip.ns(played + decoded),
                key=key,
                data=with_four_byte_lengths(data, clip.length_bytes),
                format="avcc" if clip.length_bytes else "annexb",
                number=base + round((played + shown) * clip.time_base * clip.fps),
            )


def examine(path: Path) -> Clip:
    """Read ``path`` once; raises ClipUnusable, which says what to do."""
    with _opened(path) as container:
        stream = _h264_stream(container, path)
        sps, pps, length_bytes = _parameter_sets(stream.codec_context.extradata or b"")
        width, height = stream.codec_context.width, stream.codec_context.height
        time_base, fps = stream.time_base, stream.average_rate or stream.guessed_rate
        times = [(packet.pts, packet.duration or 0, packet.is_keyframe) for packet in _packets(container, path)]
    skipped = next((number for number, (*_, key) in enumerate(times) if key), None)
    if skipped is None:
        raise ClipUnusable(f"{path.name} has no key frame to begin with; {_remedy(path)}")
    if not time_base or not fps or any(pts is None for pts, *_ in times):
        raise ClipUnusable(f"{path.name} does not say when its pictures are shown; {_remedy(path)}")
    first_pts = times[skipped][0] or 0
    step = max(1, round(1 / (fps * time_base)))
    shown = [((pts or 0) - first_pts, duration or step) for pts, duration, _ in times[skipped:]]
    decoding, period, lead = _plan([(pts, duration) for pts, duration in shown if pts >= 0], path)
    return Clip(sps, pps, length_bytes, width, height, fps, time_base, skipped, first_pts, decoding, period, lead)


def _plan(shown: list[tuple[int, int]], path: Path) -> tuple[Sequence[int], int, int]:
    """(decoding, period, lead) for (moment shown, duration) in decoding order.

    Decoding times are made from the moments shown: the sorted moments, earlier by the least that lets none be
    decoded after it is shown. At an even rate these are the container's own; Matroska has none, and others'
    need not go on across the clip's end.
    """
    moments = sorted(moment for moment, _ in shown)
    if any(later == earlier for earlier, later in pairwise(moments)):
        raise ClipUnusable(f"{path.name} has two pictures for one moment; {_remedy(path)}")
    delay = max(ordered - moment for ordered, (moment, _) in zip(moments, shown, strict=True))
    decoding = array("q", (moment - delay for moment in moments))
    lead = max(moment - decoded for (moment, _), decoded in zip(shown, decoding, strict=True))
    return decoding, max(moment + duration for moment, duration in shown), lead


def _played(clip: Clip, path: Path) -> Iterator[tuple[int, bool, bytes]]:
    """(moment shown, decodes alone, bytes) from the first key frame on; what is shown before it is left out."""
    with _opened(path) as container:
        for number, packet in enumerate(_packets(container, path)):
            shown = (packet.pts or 0) - clip.first_pts
            if number >= clip.skipped and shown >= 0:
                data = bytes(packet)
                yield shown, number == clip.skipped or is_idr(data, clip.length_bytes), data


def _opened(path: Path) -> InputContainer:
    if not path.is_file():
        raise ClipUnusable(f"there is no file {path}; name a media file with H.264 pictures")
    try:
        return av.open(str(path))
    except (av.FFmpegError, OSError) as error:
        raise ClipUnusable(f"{path.name} is no media file that FFmpeg can read ({error}); {_remedy(path)}") from error


def _h264_stream(container: InputContainer, path: Path) -> av.VideoStream:
    if not container.streams.video:
        raise ClipUnusable(f"{path.name} has no pictures; name a file with an H.264 track")
    stream = container.streams.video[0]
    codec = stream.codec_context.name
    if codec != "h264":
        raise ClipUnusable(f"{path.name} holds {codec}; only H.264 is replayed as it is; {_remedy(path)}")
    return stream


def _packets(container: InputContainer, path: Path) -> Iterator["Packet"]:
    """The first video track's packets in decoding order."""
    try:
        for packet in container.demux(container.streams.video[0]):
            if packet.size:
                yield packet
    except av.FFmpegError as error:
        raise ClipUnusable(f"{path.name} cannot be read to its end ({error}); {_remedy(path)}") from error


def _parameter_sets(extradata: bytes) -> tuple[bytes, bytes, int]:
    if extradata[:1] == b"\x01":
        return avcc_parameter_sets(extradata)
    return *annexb_parameter_sets(extradata), 0


def _remedy(path: Path) -> str:
    return f"convert it: ffmpeg -i {path.name} -an -c:v libx264 -pix_fmt yuv420p OUT.mp4"
