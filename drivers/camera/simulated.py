"""The simulated camera: a drawn scene, a real encoder (x264 through PyAV), real time.

Rules: frame number n is captured at n / fps seconds of CLOCK_BOOTTIME, exactly, whenever it is made; while the
process lives no frame is skipped: a late one is made late, numbered and stamped right, and counted in
``sim.overrun``. So a hole in the numbers is always a restarted process, never a slow machine. With ``file`` it
replays a clip instead (``drivers.camera.replay``). The world is in ``scene``, time in the clock passed in.
"""

from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext

from config.models import Camera as CameraSection
from drivers import Counter
from drivers.camera import Camera, CameraMessage, CameraParameters, VideoPacket
from drivers.camera.h264 import annexb_parameter_sets, from_start_codes
from drivers.camera.replay import Replay
from drivers.camera.scene import Scene
from drivers.clock import SECOND_NS, Clock
from drivers.errors import DriverError
from drivers.glyphs import Luma
from drivers.scenario import PREROLL_S
from drivers.simulated_stamps import frame_ns

CHINA_STANDARD_TIME_MIN = 480


class Options(CameraSection, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The configuration's [camera], and what the recorder adds."""

    device: str = ""
    """Burnt into the picture."""
    utc_offset_min: int = CHINA_STANDARD_TIME_MIN
    """Of the burnt-in time; China has one zone and no summer time."""


def make(options: Options, clock: Clock) -> Camera:
    """The camera that the options describe."""
    if not options.file:
        return SimulatedCamera(options, clock)
    return Replay(options.file, options.loop, clock, options.scenario_started_ns - round(PREROLL_S * SECOND_NS))


class SimulatedCamera:
    """Draws, encodes and stamps."""

    def __init__(self, options: Options, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._frame = av.VideoFrame(options.width, options.height, "yuv420p")
        self._luma = _neutral_planes(self._frame)
        self._late = 0
        self._utc_offset_ns = 0

    def messages(self) -> Iterator[CameraMessage]:
        """Parameters, then a packet a frame for ever; ``sim.overrun`` whenever it grew."""
        options = self._options
        scene = Scene(options.width, options.height, options.device, options.utc_offset_min)
        scene.begin(self._luma)
        encoder = _encoder(options)
        yield _parameters(encoder, options)
        first = -(-self._clock.now_ns() * options.fps // SECOND_NS)
        number = first
        while True:
            if self._wait_for(number):
                yield Counter("sim.overrun", self._late)
            scene.draw(self._luma, number, self._utc_ns(number))
            self._frame.pts = number - first
            yield _packet(encoder, self._frame, number, options.fps)
            number += 1

    def close(self) -> None:
        """Nothing to give back."""

    def _wait_for(self, number: int) -> bool:
        """Wait for the frame's moment; True when its turn came after the next one's moment."""
        self._clock.sleep_until_ns(frame_ns(number, self._options.fps))
        late = self._clock.now_ns() >= frame_ns(number + 1, self._options.fps)
        self._late += late
        return late

    def _utc_ns(self, number: int) -> int:
        """The frame's wall-clock time; the two clocks are compared once a second, as a real overlay would."""
        if number % self._options.fps == 0 or self._utc_offset_ns == 0:
            self._utc_offset_ns = self._clock.utc_ns() - self._clock.now_ns()
        return frame_ns(number, self._options.fps) + self._utc_offset_ns


def _neutral_planes(frame: av.VideoFrame) -> Luma:
    """Grey chroma once and for all; gives the luma plane, writable, without the rows' padding."""
    for plane in frame.planes[1:]:
        np.frombuffer(memoryview(plane), np.uint8)[:] = 128
    plane = frame.planes[0]
    rows: Luma = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    return rows[: frame.height, : frame.width]


def _encoder(options: Options) -> VideoCodecContext:
    """x264 without delay, a key frame a second, bit rate bounded over one second; one thread costs least CPU."""
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = options.width, options.height, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, options.fps), Fraction(options.fps)
    encoder.bit_rate, encoder.thread_count = options.bitrate_kbit * 1000, 1
    rate = f"vbv-maxrate={options.bitrate_kbit}:vbv-bufsize={options.bitrate_kbit}"
    gop = f"keyint={options.fps}:min-keyint={options.fps}:scenecut=0"
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "x264-params": f"{gop}:{rate}"}
    encoder.flags |= Flags.global_header
    encoder.open()
    return encoder


def _parameters(encoder: VideoCodecContext, options: Options) -> CameraParameters:
    sps, pps = annexb_parameter_sets(encoder.extradata or b"")
    return CameraParameters(sps, pps, options.width, options.height, options.fps, 1, reorder_ns=0)


def _packet(encoder: VideoCodecContext, frame: av.VideoFrame, number: int, fps: int) -> VideoPacket:
    packets = encoder.encode(frame)
    if len(packets) != 1:
        raise DriverError(f"x264 gave {len(packets)} packets for one frame; zerolatency promises one")
    capture_ns, data = frame_ns(number, fps), from_start_codes(bytes(packets[0]))
    return VideoPacket(capture_ns, capture_ns, packets[0].is_keyframe, data, "avcc", number)
