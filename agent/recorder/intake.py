"""From what sensors say to packets: parameters are kept, Annex B becomes length-prefixed, packets get their epoch.

Pure. A packet before its parameters cannot be decoded by anybody and is left out; the hole is told where it shows.
Raises EvidenceError for packets that are no H.264 or no AAC.
"""

from agent.evidence import h264, mp4
from agent.recorder.fragmenter import Formats
from agent.recorder.ring import Packet
from agent.recorder.timeline import NS_PER_S
from drivers.camera import CameraParameters, VideoPacket
from drivers.microphone import SoundPacket, SoundParameters


class Intake:
    """``formats``: how both tracks are coded now."""

    def __init__(self) -> None:
        self.formats = Formats()
        self._frame_ns = NS_PER_S // 25

    def parameters(self, parameters: CameraParameters | SoundParameters) -> None:
        """A source announces how it codes: a new epoch."""
        if isinstance(parameters, CameraParameters):
            self._camera(parameters)
        else:
            self._microphone(parameters)

    def packet(self, message: VideoPacket | SoundPacket, now_ns: int) -> Packet | None:
        """The packet as it goes into a fragment; None before its parameters."""
        return self._video(message, now_ns) if isinstance(message, VideoPacket) else self._sound(message, now_ns)

    def _camera(self, said: CameraParameters) -> None:
        old = self.formats
        shift = said.reorder_ns * mp4.VIDEO_TIMESCALE // NS_PER_S
        video = mp4.VideoConfig((said.sps,), (said.pps,), said.width, said.height, shift)
        self._frame_ns = NS_PER_S * said.fps_den // said.fps_num
        self.formats = Formats(video, old.sound, old.video_epoch + 1, old.sound_epoch)

    def _microphone(self, said: SoundParameters) -> None:
        old = self.formats
        sound = mp4.SoundConfig(said.asc, said.rate, said.channels, said.priming)
        self.formats = Formats(old.video, sound, old.video_epoch, old.sound_epoch + 1)

    def _video(self, packet: VideoPacket, now_ns: int) -> Packet | None:
        formats = self.formats
        if formats.video is None:
            return None
        data = h264.to_length_prefixed(packet.data) if packet.format == "annexb" else packet.data
        at_ns, decode_ns, length_ns = packet.capture_ns, packet.decode_ns, self._frame_ns
        return Packet("video", at_ns, decode_ns, length_ns, packet.key, data, formats.video_epoch, now_ns)

    def _sound(self, packet: SoundPacket, now_ns: int) -> Packet | None:
        formats = self.formats
        if formats.sound is None:
            return None
        at_ns, length_ns = packet.capture_ns, packet.samples * NS_PER_S // formats.sound.rate
        return Packet("sound", at_ns, at_ns, length_ns, True, packet.data, formats.sound_epoch, now_ns)
