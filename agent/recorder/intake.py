"""From what sensors say to packets: parameters are kept, Annex B becomes length-prefixed, packets get their epoch.

Pure. A packet before its parameters cannot be decoded by anybody and is left out; the hole is told where it shows.
Raises EvidenceError for packets that are no H.264 or no AAC.
"""

from collections.abc import Sequence

from agent.evidence import h264, mp4
from agent.evidence.errors import EvidenceError
from agent.recorder.formats import Formats
from agent.recorder.ring import Packet
from agent.recorder.samples import Arrivals
from agent.recorder.timeline import NS_PER_S
from drivers.camera import CameraParameters, VideoPacket
from drivers.microphone import SoundPacket, SoundParameters
from drivers.position import Fix

AHEAD_NS, BEHIND_NS = 1_000_000_000, 300_000_000_000
"""A stamp further ahead of now, or behind it, is no capture: believed, it would close the track to all that follows."""

SHORTEST_FRAME_NS = 1_000_000
MOST_REORDER_NS = 10_000_000_000
"""Between decoding and showing; coders hold back a few frames."""
MOST_SAMPLES = 48_000
"""AAC packets have 960 to 2,048; those of a coarse simulation last a second."""
RATE = 48_000
"""Samples a second: the timescale of the sound track (design, media)."""
MOST_PRIMING = 2_112
"""Samples before the first real one; the most that AAC encoders have."""
LAST_UTC_US = 253_402_300_800_000_000
"""The year 10000: calendars, and files' names, end there."""


class IntakeRefused(EvidenceError):
    """What a sensor said cannot be recorded."""


class Intake:
    """``formats``: how both tracks are coded now."""

    def __init__(self) -> None:
        self.formats = Formats()
        self._frame_ns = NS_PER_S // 25

    def parameters(self, parameters: CameraParameters | SoundParameters) -> None:
        """A source announces how it codes: a new epoch. Refused parameters leave the old ones as they were."""
        if isinstance(parameters, CameraParameters):
            self._camera(parameters)
        else:
            self._microphone(parameters)

    def packet(self, message: VideoPacket | SoundPacket, now_ns: int) -> Packet | None:
        """The packet as it goes into a fragment; None before its parameters."""
        if message.capture_ns < 0 or not -BEHIND_NS <= message.capture_ns - now_ns <= AHEAD_NS:
            self.check_stamp(message.capture_ns, now_ns)
        if not message.data:
            raise IntakeRefused("a packet is empty; restart or replace its sensor")
        return self._video(message, now_ns) if isinstance(message, VideoPacket) else self._sound(message, now_ns)

    def pictures(self, packets: Sequence[VideoPacket], arrived_ns: Sequence[int]) -> Arrivals | None:
        """As ``packet`` for each, where nothing about them is unusual; None where ``packet`` must look."""
        formats, stamps_ns, datas = self.formats, [one.capture_ns for one in packets], [one.data for one in packets]
        if formats.video is None or stamps_ns != [one.decode_ns for one in packets]:
            return None
        if not _usual(stamps_ns, datas, arrived_ns):
            return None
        try:
            datas = [h264.to_length_prefixed(one.data) if one.format == "annexb" else one.data for one in packets]
        except EvidenceError:
            return None
        keys = [one.key for one in packets]
        return Arrivals("video", formats, self._frame_ns, stamps_ns, keys, datas, arrived_ns[0])

    def sounds(self, packets: Sequence[SoundPacket], arrived_ns: Sequence[int]) -> Arrivals | None:
        """As ``pictures``, for sound."""
        formats, stamps_ns, datas = self.formats, [one.capture_ns for one in packets], [one.data for one in packets]
        lengths = {one.samples for one in packets}
        samples = lengths.pop()
        if formats.sound is None or lengths or not 0 < samples <= MOST_SAMPLES:
            return None
        if not _usual(stamps_ns, datas, arrived_ns):
            return None
        length_ns = samples * NS_PER_S // formats.sound.rate
        return Arrivals("sound", formats, length_ns, stamps_ns, [True] * len(packets), datas, arrived_ns[0])

    def check_stamp(self, capture_ns: int, now_ns: int) -> None:
        """Raises IntakeRefused for a moment that cannot be one of capture."""
        if capture_ns < 0 or not -BEHIND_NS <= capture_ns - now_ns <= AHEAD_NS:
            raise IntakeRefused(f"a packet is stamped {(capture_ns - now_ns) // 1_000_000} ms from now")

    def check_fix(self, fix: Fix, now_ns: int) -> None:
        """Raises EvidenceError for a fix that no entry and no fragment can carry."""
        self.check_stamp(fix.capture_ns, now_ns)
        if not (0 <= fix.utc_us < LAST_UTC_US and 0 <= fix.utc_error_us < LAST_UTC_US):
            raise IntakeRefused(f"a receiver says that it is {fix.utc_us} us since 1970; restart or replace it")
        mp4.check_fix(mp4.PositionFix(0, fix.lat_e7, fix.lon_e7, fix.accuracy_mm, fix.source, fix.utc_us))

    def _camera(self, said: CameraParameters) -> None:
        old = self.formats
        if min(said.fps_num, said.fps_den, said.width, said.height) <= 0 or not 0 <= said.reorder_ns <= MOST_REORDER_NS:
            raise IntakeRefused("the camera's frame rate or size is no rate or size; restart or replace it")
        shift = said.reorder_ns * mp4.VIDEO_TIMESCALE // NS_PER_S
        video = mp4.VideoConfig((said.sps,), (said.pps,), said.width, said.height, shift)
        mp4.parse_init(mp4.init_segment(video, None))  # raises for parameter sets that are none
        frame_ns = NS_PER_S * said.fps_den // said.fps_num
        if not SHORTEST_FRAME_NS <= frame_ns <= NS_PER_S:
            raise IntakeRefused(f"the camera claims {said.fps_num}/{said.fps_den} pictures a second")
        self._frame_ns = frame_ns
        self.formats = Formats(video, old.sound, old.video_epoch + 1, old.sound_epoch)

    def _microphone(self, said: SoundParameters) -> None:
        old = self.formats
        if said.rate != RATE or said.channels <= 0 or not 0 <= said.priming <= MOST_PRIMING:
            raise IntakeRefused(f"the microphone's sound is not {RATE} Hz with a usual priming; restart or replace it")
        sound = mp4.SoundConfig(said.asc, said.rate, said.channels, said.priming)
        mp4.parse_init(mp4.init_segment(None, sound))
        self.formats = Formats(old.video, sound, old.video_epoch, old.sound_epoch + 1)

    def _video(self, packet: VideoPacket, now_ns: int) -> Packet | None:
        formats = self.formats
        if formats.video is None:
            return None
        data = h264.to_length_prefixed(packet.data) if packet.format == "annexb" else packet.data
        at_ns, decode_ns, length_ns = packet.capture_ns, packet.decode_ns, self._frame_ns
        if not -AHEAD_NS <= at_ns - decode_ns <= MOST_REORDER_NS:
            raise IntakeRefused(f"a picture is decoded {(at_ns - decode_ns) // 1_000_000} ms before it is shown")
        return Packet("video", at_ns, decode_ns, length_ns, packet.key, data, formats.video_epoch, now_ns)

    def _sound(self, packet: SoundPacket, now_ns: int) -> Packet | None:
        formats = self.formats
        if formats.sound is None:
            return None
        if not 0 < packet.samples <= MOST_SAMPLES:
            raise IntakeRefused(f"a packet of sound claims {packet.samples} samples; restart or replace the microphone")
        at_ns, length_ns = packet.capture_ns, packet.samples * NS_PER_S // formats.sound.rate
        return Packet("sound", at_ns, at_ns, length_ns, True, packet.data, formats.sound_epoch, now_ns)


def _usual(stamps_ns: Sequence[int], datas: Sequence[bytes], arrived_ns: Sequence[int]) -> bool:
    """Nothing empty, every stamp one of capture: as seen from the latest and from the first arrival."""
    first_ns, last_ns = min(stamps_ns), max(stamps_ns)
    return first_ns >= max(0, arrived_ns[-1] - BEHIND_NS) and last_ns <= arrived_ns[0] + AHEAD_NS and all(datas)
