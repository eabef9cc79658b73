"""From packets to fragments: moof and mdat of about 0.2 s, both tracks together, key frames first.

Pure. One ``Fragmenter`` lives as long as a session in one boot; it owns the tracks' clocks and the fragment numbers.
Sound of an encoder that started anew waits for the next key frame, because it begins a new segment (design, media).
Leaves to others: which segment a fragment goes into, and what a hole between two of them is called (``session``).
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from agent.evidence import mp4
from agent.evidence.entries import Accuracy, MediaTrack, TrackSpan
from agent.recorder.formats import NOT_KNOWN, Formats
from agent.recorder.messages import MediaFragment
from agent.recorder.ring import Packet
from agent.recorder.samples import Arrivals, Samples
from agent.recorder.timeline import NS_PER_S, SessionTime, TrackClock
from drivers.position import Fix

FRAGMENT_NS = 200_000_000
"""Design: fragments of 0.2 s, two to a flush."""
TOLERANCE_NS = 55_000_000
"""A stamp that is off by more is a hole: a frame and a third at 25 a second; the verifier allows 60 ms."""
MOST_HELD_NS = 1_200_000_000
"""Sound of a new encoder waits for a key frame, which comes each second; where it does not, it goes on without."""
FINE_ACCURACY_MM = 20_000
"""Position within 20 m counts as fine: enough to say which building."""


@dataclass(slots=True)
class Hole:
    """A track stood still between two moments of this boot."""

    track: MediaTrack
    last_ns: int
    first_ns: int


@dataclass(slots=True)
class Built:
    """A fragment, how its tracks are coded, and the moment of its first sample."""

    fragment: MediaFragment
    formats: Formats
    first_ns: int


@dataclass(slots=True)
class _Group:
    """What belongs together: pictures of at most 0.2 s, and the sound beside them."""

    video: Samples | None = None
    sound: list[Samples] = field(default_factory=list)


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
        self._waiting: dict[str, list[Samples]] = {"video": [], "sound": []}
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
        if formats is not self._formats:
            self._take_formats(formats)
        track, is_video, offset = packet.track, packet.track == "video", 0
        if is_video and not (self._has_key or packet.key):
            return False, None
        place = self._clocks[track].place(packet.decode_ns, packet.duration_ns, self.time)
        if place is None:
            return False, None
        if is_video:
            self._has_key = True
            if packet.decode_ns != packet.capture_ns:
                self.reordered.add(track)
                offset = (packet.capture_ns - packet.decode_ns) * mp4.VIDEO_TIMESCALE // NS_PER_S
        if place.jump:
            self._begin(track, formats, place.tick, packet.duration_ns, packet.arrived_ns)
        samples = self._samples(track, formats, place.tick, packet.duration_ns, packet.arrived_ns)
        samples.decodes_ns.append(packet.decode_ns)
        samples.durations.append(place.duration)
        samples.keys.append(packet.key)
        samples.offsets.append(offset)
        samples.datas.append(packet.data)
        last_ns = self.last_ns.get(track)
        self._reached(samples, packet.capture_ns)
        if not place.jump or last_ns is None:
            return True, None
        return True, Hole(track, last_ns, samples.first_ns)

    def add_adjoining(self, arrivals: Arrivals) -> bool:
        """Place packets that all adjoin, as ``add`` does each: the usual case, in one go.

        False, and nothing is taken, where one of them needs ``add``.
        """
        track, formats, duration_ns = arrivals.track, arrivals.formats, arrivals.duration_ns
        if formats is not self._formats or (track == "video" and not self._has_key):
            return False
        clock = self._clocks[track]
        tick, durations = clock.next_tick, clock.place_adjoining(arrivals.decodes_ns, duration_ns, self.time)
        if tick is None or durations is None:
            return False
        samples = self._samples(track, formats, tick, duration_ns, arrivals.arrived_ns)
        samples.decodes_ns += arrivals.decodes_ns
        samples.durations += durations
        samples.keys += arrivals.keys
        samples.offsets += [0] * len(durations)
        samples.datas += arrivals.datas
        self._reached(samples, arrivals.decodes_ns[-1])
        return True

    def _samples(self, track: MediaTrack, formats: Formats, tick: int, duration_ns: int, arrived_ns: int) -> Samples:
        """Those that wait and are coded alike, or new ones."""
        waiting = self._waiting[track]
        if not waiting or waiting[-1].formats is not formats or waiting[-1].duration_ns != duration_ns:
            self._begin(track, formats, tick, duration_ns, arrived_ns)
        return waiting[-1]

    def _begin(self, track: MediaTrack, formats: Formats, tick: int, duration_ns: int, arrived_ns: int) -> None:
        reorder_ns = self._reorder_ns if track == "video" else 0
        self._waiting[track].append(Samples(track, formats, tick, duration_ns, arrived_ns, reorder_ns))

    def _reached(self, samples: Samples, capture_ns: int) -> None:
        self.last_ns[samples.track] = samples.end_ns
        self.shown_ns[samples.track] = max(self.shown_ns.get(samples.track, 0), capture_ns)

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
        built = [one for group in self._groups(video_live) for one in self._fragments(group, not video_live)]
        if last and self._waiting["sound"]:
            held, self._waiting["sound"] = self._waiting["sound"], []
            built += self._fragments(_Group(sound=held), True)
        return built

    # --- grouping -------------------------------------------------------------------------------------------

    def _groups(self, video_live: bool) -> Iterator[_Group]:
        pictures = [part for samples in self._waiting["video"] for part in _by_time(samples)]
        free, held = self._split_held(self._waiting["sound"], video_live)
        self._waiting = {"video": [], "sound": held}
        if not pictures:
            yield _Group(sound=free)
            return
        for i, video in enumerate(pictures):
            if held and video.keys[0]:
                yield _Group(sound=free)  # the last of the old encoder stays in its own segment
                free, held = held, []
                self._waiting["sound"] = []
            beside, free = _before(free, pictures[i + 1].first_ns) if i + 1 < len(pictures) else (free, [])
            yield _Group(video, beside)

    def _split_held(self, sound: list[Samples], hold: bool) -> tuple[list[Samples], list[Samples]]:
        if not hold or not self._sequence:
            return sound, []
        fresh = [i for i, samples in enumerate(sound) if samples.formats.sound_epoch != self._sound_epoch]
        if not fresh or sound[-1].decodes_ns[-1] - sound[fresh[0]].decodes_ns[0] > MOST_HELD_NS:
            return sound, []
        return sound[: fresh[0]], sound[fresh[0] :]

    # --- fragments ------------------------------------------------------------------------------------------

    def _fragments(self, group: _Group, sound_may_begin: bool) -> list[Built]:
        """A hole in the sound begins another fragment: within one, each track is without a hole."""
        first = [samples for samples in (group.video, *group.sound[:1]) if samples is not None]
        parts = [first, *([samples] for samples in group.sound[1:])] if first else []
        return [self._built(tracks, sound_may_begin) for tracks in parts]

    def _built(self, tracks: list[Samples], sound_may_begin: bool) -> Built:
        self._sequence += 1
        fixes, self._fixes = self._fixes, []
        first, last = tracks[0], tracks[-1]
        if last.track == "sound":
            self._sound_epoch = last.formats.sound_epoch
        fragment = MediaFragment(
            session=self._session,
            parts=mp4.fragment_parts(self._sequence, [samples.run() for samples in tracks], fixes),
            spans=[samples.span() for samples in tracks],
            key=first.keys[0] if first.track == "video" else sound_may_begin,
            fix=bool(fixes),
            accuracy=self._last_accuracy if fixes else "none",
            arrived_ns=min(first.arrived_ns, last.arrived_ns),
        )
        return Built(fragment, self._formats_of(tracks), first.first_ns)

    def _formats_of(self, tracks: list[Samples]) -> Formats:
        """The newest coding; the sound encoder counts once its first packet is in a fragment."""
        newest = max([samples.formats for samples in tracks], key=lambda one: (one.video_epoch, one.sound_epoch))
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


def _by_time(samples: Samples) -> list[Samples]:
    """Runs of pictures: a key frame or 0.2 s begins the next."""
    cuts, begun_ns = [0], samples.decodes_ns[0]
    for i, (decode_ns, key) in enumerate(zip(samples.decodes_ns, samples.keys, strict=True)):
        if i and (key or decode_ns - begun_ns >= FRAGMENT_NS):
            cuts.append(i)
            begun_ns = decode_ns
    return samples.split(cuts)


def _before(sound: Sequence[Samples], end_ns: int) -> tuple[list[Samples], list[Samples]]:
    """Sound that begins before a moment, and the rest."""
    before: list[Samples] = []
    for i, samples in enumerate(sound):
        at = bisect_left(samples.decodes_ns, end_ns)
        if at < len(samples.decodes_ns):
            parts = samples.split([0, at]) if at else [samples]
            return before + parts[:-1], [parts[-1], *sound[i + 1 :]]
        before.append(samples)
    return before, []
