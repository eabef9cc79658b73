"""How the two tracks are coded at a moment: what a packet is decoded with, what a segment's init says. Pure."""

from dataclasses import dataclass

from agent.evidence import mp4
from agent.evidence.entries import MediaTrack, TrackFormat


@dataclass(frozen=True, slots=True)
class Formats:
    """How both tracks are coded, and by which encoders (epochs)."""

    video: mp4.VideoConfig | None = None
    sound: mp4.SoundConfig | None = None
    video_epoch: int = 0
    sound_epoch: int = 0

    def same_coding(self, other: "Formats") -> bool:
        """True where one init serves both."""
        return self.video == other.video and self.sound == other.sound

    def init(self) -> bytes:
        """The init segment."""
        return mp4.init_segment(self.video, self.sound)

    def tracks(self) -> list[TrackFormat]:
        """As ``segment.open`` tells it."""
        configs: list[tuple[MediaTrack, mp4.VideoConfig | mp4.SoundConfig | None]] = [
            ("video", self.video),
            ("sound", self.sound),
        ]
        return [
            TrackFormat(track=track, codec=c.codec, timescale=c.timescale, shift_ticks=c.shift_ticks)
            for track, c in configs
            if c is not None
        ]


NOT_KNOWN = Formats()
"""Before any source has announced parameters."""
