"""From packets to fragments: moof and mdat of about 0.2 s, both tracks together, key frames first.

Pure. One ``Fragmenter`` lives as long as a session in one boot; it owns the tracks' clocks and the fragment numbers.
Sound of an encoder that started anew waits for the next key frame, because it begins a new segment (design, media).
Leaves to others: which segment a fragment goes into, and what a hole between two of them is called (``session``).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from msgspec import Struct

from agent.evidence import mp4
from agent.evidence.entries import Accuracy, MediaTrack, TrackFormat, TrackSpan
from agent.recorder.messages import MediaFragment
from agent.recorder.ring import Packet
from agent.recorder.timeline import NS_PER_S, NS_PER_US, Placed, SessionTime, TrackClock
from drivers.position import Fix

FRAGMENT_NS = 200_000_000
"""Design: fragments of 0.2 s, two to a flush."""
TOLERANCE_NS = 55_000_000
"""A stamp that is off by more is a hole: a frame and a third at 25 a second; the verifier allows 60 ms."""
MOST_HELD_NS = 1_200_000_000
"""Sound of a new encoder waits for a key frame, which comes each second; where it does not, it goes on without."""
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


class _Placed(Struct, gc=False):
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
        self._configs: dict[str, mp4.VideoConfig | mp4.SoundConfig] = {}
        self._ends = dict(ends)
        self._sequence = 0
        self._waiting: dict[str, list[_Placed]] = {"video": [], "sound": []}
        self._fixes: list[mp4.PositionFix] = []
        self._last_accuracy: Accuracy = "none"
        self.last_ns: dict[str, int] = {}
        """Each track's end so far, in this boot."""
        self.shown_ns: dict[str, int] = {}
        """The latest picture that was given, by its moment of capture."""
        self.reordered: set[str] = set()
        """Tracks whose pictures come in another order than they are shown in."""
        self._sound_epoch = 0
        self._has_key = False
        """Pictures before the first key frame show nothing to anybody."""

    def add(self, packet: Packet, formats: Formats) -> tuple[bool, Hole | None]:
        """Place a packet: whether it was (late and doubled ones are left out), and the hole before it."""
        track, length_ns = packet.track, packet.duration_ns
        config = formats.video if track == "video" else formats.sound
        assert config is not None, "parameters come before packets"
        if self._configs.get(track) is not config:
            self._take_config(track, config)
        clock = self._clocks[track]
        if track == "video" and not (self._has_key or packet.key):
            return False, None
        at = clock.place(self.time, packet.decode_ns, length_ns * clock.timescale // NS_PER_S)
        if at is None:
            return False, None
        self._has_key = self._has_key or track == "video"
        placed = _Placed(packet, at, formats)
        self._waiting[track].append(placed)
        last_ns, moment_ns = self.last_ns.get(track), _moment_ns(placed)
        self.last_ns[track] = moment_ns + length_ns
        self.shown_ns[track] = max(self.shown_ns.get(track, 0), packet.capture_ns)
        if packet.decode_ns != packet.capture_ns:
            self.reordered.add(track)
        if at.jump_ticks and last_ns is not None:
            return True, Hole(track, last_ns, moment_ns)
        return True, None

    def add_fix(self, fix: Fix) -> None:
        """A position goes into the next fragment (encrypted, covered by its hash)."""
        presentation_ms = max(0, self.time.presentation_ns(fix.capture_ns) // 1_000_000)
        self._fixes.append(
            mp4.PositionFix(presentation_ms, fix.lat_e7, fix.lon_e7, fix.accuracy_mm, fix.source, fix.utc_us)
        )
        self._last_accuracy = "fine" if fix.accuracy_mm <= FINE_ACCURACY_MM else "coarse"

    def build(self, video_live: bool, last: bool = False) -> list[Built]:
        """Fragments of everything that came; while video lives, sound of a new encoder waits for a key frame.

        ``last``: nothing comes behind, so the sound that waits begins a segment of its own.
        """
        built = [self._built(part, not video_live) for group in self._groups(video_live) for part in _split(group)]
        if last and self._waiting["sound"]:
            held, self._waiting["sound"] = self._waiting["sound"], []
            built += [self._built(part, True) for part in _split(_Group(sound=held))]
        return built

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
        held = sound[cut:]
        if held and held[-1].packet.capture_ns - held[0].packet.capture_ns > MOST_HELD_NS:
            return sound, []
        return sound[:cut], held

    # --- one fragment ---------------------------------------------------------------------------------------

    def _built(self, group: _Group, sound_may_begin: bool) -> Built:
        self._sequence += 1
        tracks = [track for track in (group.video, group.sound) if track]
        runs = [_run(track) for track in tracks]
        fixes, self._fixes = self._fixes, []
        parts = mp4.fragment_parts(self._sequence, runs, fixes)
        if group.sound:
            self._sound_epoch = group.sound[-1].packet.epoch
        fragment = MediaFragment(
            session=self._session,
            parts=parts,
            spans=[_span(track) for track in tracks],
            key=group.video[0].packet.key if group.video else sound_may_begin,
            fix=bool(fixes),
            accuracy=self._last_accuracy if fixes else "none",
            arrived_ns=min([track[0].packet.arrived_ns for track in tracks]),
        )
        return Built(fragment, self._formats_of(tracks), tracks[0][0].packet.capture_ns)

    def _formats_of(self, tracks: list[list[_Placed]]) -> Formats:
        """The newest coding; the sound encoder counts once its first packet is in a fragment."""
        newest = max([track[-1].formats for track in tracks], key=lambda one: (one.video_epoch, one.sound_epoch))
        return newest if newest.sound_epoch == self._sound_epoch else replace(newest, sound_epoch=self._sound_epoch)

    def _take_config(self, track: str, config: mp4.VideoConfig | mp4.SoundConfig) -> None:
        """A track's first coding, or another one: its clock goes on."""
        timescale, clock = config.timescale, self._clocks.get(track)
        if clock is None or clock.timescale != timescale:
            clock = TrackClock(timescale, config.shift_ticks, TOLERANCE_NS * timescale // NS_PER_S)
            if track in self._ends:
                clock.next_tick = self._ends[track].end_tick
            self._clocks[track] = clock
        clock.shift_ticks = config.shift_ticks
        self._configs[track] = config
        if track == "video":
            self._has_key = False  # a new encoder: what it refers to before its first key frame is gone


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
    if not holes:
        yield group
        return
    for start, end in zip([0, *holes], [*holes, len(group.sound)], strict=True):
        yield _Group(group.video if start == 0 else [], group.sound[start:end])


def _before(sound: list[_Placed], end_ns: int | None) -> tuple[list[_Placed], list[_Placed]]:
    if end_ns is None:
        return sound, []
    count = sum([placed.packet.capture_ns < end_ns for placed in sound])
    return sound[:count], sound[count:]


def _run(track: list[_Placed]) -> mp4.Run:
    first = track[0]
    samples = [
        mp4.Sample(placed.packet.data, placed.at.duration, placed.packet.key, _offset(placed.packet))
        for placed in track
    ]
    return mp4.Run(TRACK_IDS[first.packet.track], first.at.tick, samples)


def _offset(packet: Packet) -> int:
    """Composition offset in ticks; only pictures have one."""
    ahead_ns = packet.capture_ns - packet.decode_ns
    return ahead_ns * mp4.VIDEO_TIMESCALE // NS_PER_S if ahead_ns else 0


def _span(track: list[_Placed]) -> TrackSpan:
    first, last = track[0], track[-1]
    return TrackSpan(
        track=first.packet.track,
        tick=first.at.tick,
        end_tick=last.at.tick + last.at.duration,
        count=len(track),
        first_us=_moment_ns(first) // NS_PER_US,
        last_us=(_moment_ns(last) + last.packet.duration_ns) // NS_PER_US,
    )


def _moment_ns(placed: _Placed) -> int:
    """The moment that a sample's decode time stands for: of its capture, or, with B-frames, of the picture that is
    shown in its place. So spans adjoin although pictures are stored in another order than they were captured in."""
    packet, video = placed.packet, placed.formats.video
    if packet.track != "video" or video is None or not video.shift_ticks:
        return packet.capture_ns
    return packet.decode_ns + video.shift_ticks * NS_PER_S // mp4.VIDEO_TIMESCALE
