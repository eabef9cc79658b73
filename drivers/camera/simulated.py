"""The simulated camera: a drawn scene, a real encoder (x264 through PyAV), real time.

Rules: frame number n is captured at n / fps seconds of CLOCK_BOOTTIME, exactly, whenever it is made; while the
process lives no frame is skipped: a late one is made late, numbered and stamped right, and counted in
``sim.overrun``. So a hole in the numbers is always a restarted process or a stall that the scenario wants, never a
slow machine. Once a second the picture's figures come, before the packet of the same capture. With ``file`` it replays
a clip instead (``drivers.camera.replay``). The world is in ``scene``, what happens to it in ``story``, time in the
clock passed in.
"""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext

from config.models import Camera as CameraSection
from drivers import Counter, scenario
from drivers.camera import Camera, CameraMessage, CameraParameters, VideoPacket
from drivers.camera.h264 import annexb_parameter_sets, from_start_codes
from drivers.camera.quality import Quality, reduced
from drivers.camera.replay import Replay
from drivers.camera.scene import TINTS, Scene
from drivers.camera.story import Story, View
from drivers.clock import SECOND_NS, Clock
from drivers.errors import CameraGone, DriverError
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
        return SimulatedCamera(options, clock, _story(options, clock))
    return Replay(options.file, options.loop, clock, options.scenario_started_ns - round(PREROLL_S * SECOND_NS))


class SimulatedCamera:
    """Draws, encodes and stamps, as ``story`` has it."""

    def __init__(self, options: Options, clock: Clock, story: Story) -> None:
        self._options = options
        self._clock = clock
        self._frame = av.VideoFrame(options.width, options.height, "yuv420p")
        self._luma = _luma(self._frame)
        self._story = story
        self._quality = Quality()
        self._tinted: View | None = None
        self._late = 0
        self._utc_offset_ns = 0

    def messages(self) -> Iterator[CameraMessage]:
        """Parameters, then a packet a frame for ever; figures each second, ``sim.overrun`` whenever it grew.

        Raises CameraGone when the scenario pulls the camera, or has it pulled already.
        """
        options = self._options
        scene = Scene(options.width, options.height, options.device, options.utc_offset_min)
        scene.begin(self._luma)
        self._sensing_ns(self._clock.now_ns())
        encoder = _encoder(options)
        yield _parameters(encoder, options)
        first = first_frame_from(self._clock.now_ns(), options.fps)
        number = first
        while True:
            number = self._sensed(number)
            if self._is_late(number):
                yield Counter("sim.overrun", self._late)
            self._draw_view(scene, number)
            if number % options.fps == 0:
                yield self._quality.of(frame_ns(number, options.fps), reduced(self._luma))
            scene.draw_overlay(self._luma, number, self._utc_ns(number))
            self._frame.pts = number - first
            yield _packet(encoder, self._frame, number, options.fps)
            number += 1

    def close(self) -> None:
        """Nothing to give back."""

    def _sensed(self, number: int) -> int:
        """Wait for the frame; the number itself, or that of the first frame after a stall."""
        fps = self._options.fps
        while (sensing_ns := self._sensing_ns(frame_ns(number, fps))) != frame_ns(number, fps):
            number = first_frame_from(sensing_ns, fps)
        return number

    def _sensing_ns(self, moment_ns: int) -> int:
        """Wait for a moment, and while the sensor stalls then; the moment from which it gives pictures.

        Raises CameraGone if the camera is not there then.
        """
        while True:
            self._clock.sleep_until_ns(moment_ns)
            if self._story.is_pulled(moment_ns):
                raise CameraGone("the camera is not there; plug it in again, and see its cable")
            stalled_until_ns = self._story.stalled_until_ns(moment_ns)
            if stalled_until_ns is None:
                return moment_ns
            moment_ns = stalled_until_ns

    def _is_late(self, number: int) -> bool:
        """Whether the frame's turn came after the next one's moment; counts it."""
        late = self._clock.now_ns() >= frame_ns(number + 1, self._options.fps)
        self._late += late
        return late

    def _draw_view(self, scene: Scene, number: int) -> None:
        """What the sensor gives for the frame, chroma included."""
        fps = self._options.fps
        moment_ns = frame_ns(number, fps)
        seen_ns = self._story.seen_ns(moment_ns)
        view = self._story.view(seen_ns)
        if view != self._tinted:
            _tint(self._frame, *TINTS[view])
            self._tinted = view
        scene.draw_view(self._luma, number if seen_ns == moment_ns else first_frame_from(seen_ns, fps), view)

    def _utc_ns(self, number: int) -> int:
        """The frame's wall-clock time; the two clocks are compared once a second, as a real overlay would."""
        if number % self._options.fps == 0 or self._utc_offset_ns == 0:
            self._utc_offset_ns = self._clock.utc_ns() - self._clock.now_ns()
        return frame_ns(number, self._options.fps) + self._utc_offset_ns


def first_frame_from(moment_ns: int, fps: int) -> int:
    """Number of the first frame that is captured at ``moment_ns`` or later."""
    return (moment_ns - 1) * fps // SECOND_NS + 1


def _story(options: Options, clock: Clock) -> Story:
    """What the scenario has for the camera, read before anything is recorded."""
    events = scenario.load(Path(options.scenario)) if options.scenario else []
    return Story(events, options.scenario_started_ns or clock.now_ns())


def _luma(frame: av.VideoFrame) -> Luma:
    """The luma plane, writable, without the rows' padding."""
    plane = frame.planes[0]
    rows: Luma = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    return rows[: frame.height, : frame.width]


def _tint(frame: av.VideoFrame, *chroma: int) -> None:
    """Both chroma planes, Cb and Cr, each of one value."""
    for plane, value in zip(frame.planes[1:], chroma, strict=True):
        np.frombuffer(memoryview(plane), np.uint8)[:] = value


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
