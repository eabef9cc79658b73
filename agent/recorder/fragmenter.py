"""From packets to fragments: moof and mdat of about 0.2 s, both tracks together, key frames first.

Pure. One ``Fragmenter`` lives as long as a session in one boot; it owns the tracks' clocks and the fragment numbers.
Sound of an encoder that started anew waits for the next key frame, because it begins a new segment (design, media).
Leaves to others: which segment a fragment goes into, and what a hole between two of them is called (``session``).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from agent.evidence import mp4
from agent.evidence.entries import Accuracy, MediaTrack, TrackFormat, TrackSpan
from agent.recorder.messages import MediaFragment
from agent.recorder.ring import Packet
from agent.recorder.timeline import NS_PER_S, NS_PER_US, Placed, SessionTime, TrackClock
from drivers.position import Fix

FRAGMENT_NS = 200_000_000
"""Design: fragments of 0.2 s, two to a flush."""
TOLERANCE_NS = 70_000_000
"""A stamp that is off by more is a hole: over one and a half frames at 25 a second, over three packets of sound."""
FINE_ACCURACY_MM = 20_000
"""Position within 20 m counts as fine: enough to say which building."""
TRACK_IDS = {"video": mp4.VIDEO_TRACK, "sound": mp4.SOUND_TRACK}


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


@dataclass(slots=True)
class Hole:
    """A track stood still between two moments of this boot."""

    track: MediaTrack
    last_ns: int
    first_ns: int


@dataclass(slots=True)
class Built:
    """A fragment, how its tracks are coded, and when its first sample was captured."""

    fragment: MediaFragment
    formats: Formats
    first_ns: int


@dataclass(slots=True)
class _Placed:
    """A packet with its place."""

    packet: Packet
    at: Placed
    formats: Formats


@dataclass(slots=True)
class _Group:
    """What becomes one fragment."""

    video: list[_Placed] = field(default_factory=list)
    sound: list[_Placed] = field(default_factory=list)


class Fragmenter:
    """See the module. ``formats`` is set by the owner whenever a source announces parameters."""

    def __init__(self, session: str, time: SessionTime, ends: dict[str, TrackSpan]) -> None:
        self._session = session
        self.time = time
        self._clocks: dict[str, TrackClock] = {}
        self._ends = dict(ends)
        self._sequence = 0
        self._waiting: dict[str, list[_Placed]] = {"video": [], "sound": []}
        self._fixes: list[mp4.PositionFix] = []
        self._last_accuracy: Accuracy = "none"
        self.last_ns: dict[str, int] = {}
        """Each track's end so far, in this boot."""
        self._sound_epoch = 0

    def add(self, packet: Packet, formats: Formats) -> Hole | None:
        """Place a packet; tells of the hole before it, if there is one. Late and doubled packets are left out."""
        config = formats.video if packet.track == "video" else formats.sound
        assert config is not None, "parameters come before packets"
        clock = self._clock(packet.track, config.timescale, config.shift_ticks)
        nominal = packet.duration_ns * config.timescale // NS_PER_S
        placed = clock.place(self.time, packet.decode_ns, nominal)
        if placed is None:
            return None
        last_ns = self.last_ns.get(packet.track)
        self._waiting[packet.track].append(_Placed(packet, placed, formats))
        self.last_ns[packet.track] = packet.capture_ns + packet.duration_ns
        if placed.jump_ticks and last_ns is not None:
            return Hole(packet.track, last_ns, packet.capture_ns)
        return None

    def add_fix(self, fix: Fix) -> None:
        """A position goes into the next fragment (encrypted, covered by its hash)."""
        presentation_ms = max(0, self.time.presentation_ns(fix.capture_ns) // 1_000_000)
        self._fixes.append(
            mp4.PositionFix(presentation_ms, fix.lat_e7, fix.lon_e7, fix.accuracy_mm, fix.source, fix.utc_us)
        )
        self._last_accuracy = "fine" if fix.accuracy_mm <= FINE_ACCURACY_MM else "coarse"

    def build(self, video_live: bool) -> list[Built]:
        """Fragments of everything that came; while video lives, sound of a new encoder waits for a key frame."""
        return [self._built(part, video_live) for group in self._groups(video_live) for part in _split(group)]

    # --- grouping -------------------------------------------------------------------------------------------

    def _groups(self, video_live: bool) -> Iterator[_Group]:
        video, sound = self._waiting["video"], self._waiting["sound"]
        groups = _by_time(video)
        free, held = self._split_held(sound, video_live)
        self._waiting = {"video": [], "sound": []}
        if not groups:
            self._waiting["sound"] = held
            yield from ([_Group(sound=free)] if free else [])
            return
        for i, group in enumerate(groups):
            if group.video[0].packet.key:
                free, held = free + held, []
            end_ns = groups[i + 1].video[0].packet.capture_ns if i + 1 < len(groups) else None
            group.sound, free = _before(free, end_ns)
            yield group
        self._waiting["sound"] = held

    def _split_held(self, sound: list[_Placed], hold: bool) -> tuple[list[_Placed], list[_Placed]]:
        if not hold or not self._sequence:
            return sound, []
        fresh = [i for i, placed in enumerate(sound) if placed.packet.epoch != self._sound_epoch]
        cut = fresh[0] if fresh else len(sound)
        return sound[:cut], sound[cut:]

    # --- one fragment ---------------------------------------------------------------------------------------

    def _built(self, group: _Group, video_live: bool) -> Built:
        self._sequence += 1
        members = group.video + group.sound
        runs = [_run(track) for track in (group.video, group.sound) if track]
        fixes, self._fixes = self._fixes, []
        data = mp4.fragment(self._sequence, runs, fixes)
        if group.sound:
            self._sound_epoch = group.sound[-1].packet.epoch
        fragment = MediaFragment(
            session=self._session,
            data=data,
            spans=[_span(track) for track in (group.video, group.sound) if track],
            key=group.video[0].packet.key if group.video else not video_live,
            fix=bool(fixes),
            accuracy=self._last_accuracy if fixes else "none",
            arrived_ns=min(placed.packet.arrived_ns for placed in members),
        )
        return Built(fragment, members[-1].formats, members[0].packet.capture_ns)

    def _clock(self, track: str, timescale: int, shift_ticks: int) -> TrackClock:
        clock = self._clocks.get(track)
        if clock is None or clock.timescale != timescale:
            clock = TrackClock(timescale, shift_ticks, TOLERANCE_NS * timescale // NS_PER_S)
            if track in self._ends:
                clock.next_tick = self._ends[track].end_tick
            self._clocks[track] = clock
        clock.shift_ticks = shift_ticks
        return clock


def _by_time(video: list[_Placed]) -> list[_Group]:
    """Runs of pictures: a key frame, a hole or 0.2 s begins the next."""
    groups: list[_Group] = []
    for placed in video:
        begin = (
            not groups
            or placed.packet.key
            or placed.at.jump_ticks
            or placed.packet.decode_ns - groups[-1].video[0].packet.decode_ns >= FRAGMENT_NS
        )
        if begin:
            groups.append(_Group())
        groups[-1].video.append(placed)
    return groups


def _split(group: _Group) -> Iterator[_Group]:
    """A hole in the sound begins another fragment: within one, each track is without a hole."""
    holes = [i for i, placed in enumerate(group.sound) if i and placed.at.jump_ticks]
    starts = [0, *holes]
    for start, end in zip(starts, [*holes, len(group.sound)], strict=True):
        yield _Group(group.video if start == 0 else [], group.sound[start:end])


def _before(sound: list[_Placed], end_ns: int | None) -> tuple[list[_Placed], list[_Placed]]:
    if end_ns is None:
        return sound, []
    count = sum(1 for placed in sound if placed.packet.capture_ns < end_ns)
    return sound[:count], sound[count:]


def _run(track: list[_Placed]) -> mp4.Run:
    first = track[0]
    return mp4.Run(TRACK_IDS[first.packet.track], first.at.tick, [_sample(placed) for placed in track])


def _sample(placed: _Placed) -> mp4.Sample:
    packet, offset = placed.packet, 0
    if packet.decode_ns != packet.capture_ns:
        offset = (packet.capture_ns - packet.decode_ns) * mp4.VIDEO_TIMESCALE // NS_PER_S
    return mp4.Sample(packet.data, placed.at.duration, packet.key, offset)


def _span(track: list[_Placed]) -> TrackSpan:
    first, last = track[0], track[-1]
    return TrackSpan(
        track=first.packet.track,
        tick=first.at.tick,
        end_tick=last.at.tick + last.at.duration,
        count=len(track),
        first_us=min(placed.packet.capture_ns for placed in track) // NS_PER_US,
        last_us=max(placed.packet.capture_ns + placed.packet.duration_ns for placed in track) // NS_PER_US,
    )
