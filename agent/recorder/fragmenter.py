"""From packets to fragments: moof and mdat of about 0.2 s, both tracks together, key frames first.

Pure. One ``Fragmenter`` lives as long as a session in one boot; it owns the tracks' clocks and the fragment numbers.
Sound of an encoder that started anew waits for the next key frame, because it begins a new segment (design, media).
Leaves to others: which segment a fragment goes into, and what a hole between two of them is called (``session``).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from agent.evidence import mp4
from agent.evidence.entries import Accuracy, MediaTrack, TrackSpan
from agent.recorder.formats import NOT_KNOWN, Formats
from agent.recorder.messages import MediaFragment
from agent.recorder.ring import Packet
from agent.recorder.timeline import NS_PER_S, NS_PER_US, SessionTime, TrackClock
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
class _Group:
    """What becomes one fragment."""

    video: list[Packet] = field(default_factory=list)
    sound: list[Packet] = field(default_factory=list)


class Fragmenter:
    """See the module. ``formats`` is set by the owner whenever a source announces parameters."""

    def __init__(self, session: str, time: SessionTime, ends: dict[str, TrackSpan]) -> None:
        self._session = session
        self.time = time
        self._clocks: dict[str, TrackClock] = {}
        self._configs: dict[str, mp4.VideoConfig | mp4.SoundConfig] = {}
        self._formats = NOT_KNOWN
        self._reorder_ns = 0
        """By how much a picture is shown later than it is decoded, at least (B-frames)."""
        self._ends = dict(ends)
        self._sequence = 0
        self._waiting: dict[str, list[Packet]] = {"video": [], "sound": []}
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
        """Place a packet: whether it was (late and doubled ones are left out), and the hole before it.

        It runs for every packet: seventy times a second.
        """
        if formats is not self._formats:
            self._take_formats(formats)
        track, capture_ns, moment_ns = packet.track, packet.capture_ns, packet.capture_ns
        is_video = track == "video"
        if is_video and not (self._has_key or packet.key):
            return False, None
        if not self._clocks[track].place(packet, self.time):
            return False, None
        if is_video:
            self._has_key = True
            if self._reorder_ns:
                moment_ns = packet.decode_ns + self._reorder_ns
            if packet.decode_ns != capture_ns:
                self.reordered.add(track)
                packet.offset = (capture_ns - packet.decode_ns) * mp4.VIDEO_TIMESCALE // NS_PER_S
        packet.moment_ns, packet.formats = moment_ns, formats
        self._waiting[track].append(packet)
        last_ns = self.last_ns.get(track)
        self.last_ns[track] = moment_ns + packet.duration_ns
        if capture_ns >= self.shown_ns.get(track, 0):
            self.shown_ns[track] = capture_ns
        if packet.jump_ticks and last_ns is not None:
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
            if group.video[0].key:
                free, held = free + held, []
            end_ns = groups[i + 1].video[0].capture_ns if i + 1 < len(groups) else None
            group.sound, free = _before(free, end_ns)
            yield group
        self._waiting["sound"] = held

    def _split_held(self, sound: list[Packet], hold: bool) -> tuple[list[Packet], list[Packet]]:
        if not hold or not self._sequence:
            return sound, []
        fresh = [i for i, packet in enumerate(sound) if packet.epoch != self._sound_epoch]
        cut = fresh[0] if fresh else len(sound)
        held = sound[cut:]
        if held and held[-1].capture_ns - held[0].capture_ns > MOST_HELD_NS:
            return sound, []
        return sound[:cut], held

    # --- one fragment ---------------------------------------------------------------------------------------

    def _built(self, group: _Group, sound_may_begin: bool) -> Built:
        self._sequence += 1
        tracks = [track for track in (group.video, group.sound) if track]
        runs = [mp4.Run(TRACK_IDS[track[0].track], track[0].tick, track) for track in tracks]
        fixes, self._fixes = self._fixes, []
        parts = mp4.fragment_parts(self._sequence, runs, fixes)
        if group.sound:
            self._sound_epoch = group.sound[-1].epoch
        fragment = MediaFragment(
            session=self._session,
            parts=parts,
            spans=[_span(track) for track in tracks],
            key=group.video[0].key if group.video else sound_may_begin,
            fix=bool(fixes),
            accuracy=self._last_accuracy if fixes else "none",
            arrived_ns=min([track[0].arrived_ns for track in tracks]),
        )
        return Built(fragment, self._formats_of(tracks), tracks[0][0].capture_ns)

    def _formats_of(self, tracks: list[list[Packet]]) -> Formats:
        """The newest coding; the sound encoder counts once its first packet is in a fragment."""
        newest = max([track[-1].formats for track in tracks], key=lambda one: (one.video_epoch, one.sound_epoch))
        return newest if newest.sound_epoch == self._sound_epoch else replace(newest, sound_epoch=self._sound_epoch)

    def _take_formats(self, formats: Formats) -> None:
        self._formats = formats
        for track, config in (("video", formats.video), ("sound", formats.sound)):
            if config is not None and config is not self._configs.get(track):
                self._take_config(track, config)

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
            self._reorder_ns = config.shift_ticks * NS_PER_S // mp4.VIDEO_TIMESCALE
            self._has_key = False  # a new encoder: what it refers to before its first key frame is gone


def _by_time(video: list[Packet]) -> list[_Group]:
    """Runs of pictures: a key frame, a hole or 0.2 s begins the next."""
    groups: list[_Group] = []
    begun_ns = 0
    for packet in video:
        if not groups or packet.key or packet.jump_ticks or packet.decode_ns - begun_ns >= FRAGMENT_NS:
            groups.append(_Group())
            begun_ns = packet.decode_ns
        groups[-1].video.append(packet)
    return groups


def _split(group: _Group) -> Iterator[_Group]:
    """A hole in the sound begins another fragment: within one, each track is without a hole."""
    holes = [i for i, packet in enumerate(group.sound) if i and packet.jump_ticks]
    if not holes:
        yield group
        return
    for start, end in zip([0, *holes], [*holes, len(group.sound)], strict=True):
        yield _Group(group.video if start == 0 else [], group.sound[start:end])


def _before(sound: list[Packet], end_ns: int | None) -> tuple[list[Packet], list[Packet]]:
    if end_ns is None:
        return sound, []
    count = sum([packet.capture_ns < end_ns for packet in sound])
    return sound[:count], sound[count:]


def _span(track: list[Packet]) -> TrackSpan:
    first, last = track[0], track[-1]
    return TrackSpan(
        track=first.track,
        tick=first.tick,
        end_tick=last.tick + last.duration,
        count=len(track),
        first_us=first.moment_ns // NS_PER_US,
        last_us=(last.moment_ns + last.duration_ns) // NS_PER_US,
    )
