"""Samples of one track on their way into fragments, in columns: one list for each thing that a sample has.

A recorder does the same with each of seventy packets a second; done for a whole column at once it costs a third.
Pure.
"""

from collections.abc import Sequence
from itertools import pairwise

from msgspec import Struct

from agent.evidence import mp4
from agent.evidence.entries import MediaTrack, TrackSpan
from agent.recorder.formats import Formats

NS_PER_US = 1_000
TRACK_IDS = {"video": mp4.VIDEO_TRACK, "sound": mp4.SOUND_TRACK}


class Arrivals(Struct):
    """Packets of one track as they came: all columns are of equal length, in order of arrival."""

    track: MediaTrack
    formats: Formats
    duration_ns: int
    """Nominal, of each."""
    decodes_ns: Sequence[int]
    keys: Sequence[bool]
    datas: Sequence[bytes]
    arrived_ns: int
    """Of the oldest."""


class Samples(Struct):
    """Placed packets of one track, coded alike and without a hole between them."""

    track: MediaTrack
    formats: Formats
    tick: int
    """Of the first."""
    duration_ns: int
    """Nominal, of each; the true ones are ``durations``, in ticks."""
    arrived_ns: int
    """When the oldest reached the recorder, or one before it."""
    reorder_ns: int
    """By how much a picture is shown later than it is decoded, at least (B-frames). The moment that a decode time
    stands for is that much later, so spans adjoin although pictures are stored in another order than captured."""
    decodes_ns: list[int] = []
    durations: list[int] = []
    keys: list[bool] = []
    offsets: list[int] = []
    """From decoding to showing, ticks; only pictures have one."""
    datas: list[bytes] = []

    @property
    def first_ns(self) -> int:
        """The moment that the first sample's decode time stands for."""
        return self.decodes_ns[0] + self.reorder_ns

    @property
    def end_ns(self) -> int:
        """The moment at which the last sample ends."""
        return self.decodes_ns[-1] + self.reorder_ns + self.duration_ns

    def split(self, cuts: Sequence[int]) -> list["Samples"]:
        """Parts that begin at each of the ascending places ``cuts``, of which the first is 0."""
        if len(cuts) == 1:
            return [self]
        parts, tick = [], self.tick
        for at, end in pairwise([*cuts, len(self.datas)]):
            durations = self.durations[at:end]
            parts.append(
                Samples(
                    self.track,
                    self.formats,
                    tick,
                    self.duration_ns,
                    self.arrived_ns,
                    self.reorder_ns,
                    self.decodes_ns[at:end],
                    durations,
                    self.keys[at:end],
                    self.offsets[at:end],
                    self.datas[at:end],
                )
            )
            tick += sum(durations)
        return parts

    def run(self) -> mp4.Run:
        """As a fragment holds them."""
        return mp4.Run(TRACK_IDS[self.track], self.tick, self.durations, self.keys, self.offsets, self.datas)

    def span(self) -> TrackSpan:
        """As the journal tells of them."""
        return TrackSpan(
            track=self.track,
            tick=self.tick,
            end_tick=self.tick + sum(self.durations),
            count=len(self.datas),
            first_us=self.first_ns // NS_PER_US,
            last_us=self.end_ns // NS_PER_US,
        )
