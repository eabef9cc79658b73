"""One session while it is recorded: packets in, ordered items for the writer out, every moment accounted for.

Rules kept here: each required track is at any moment either flowing or inside an open interruption (promise 1);
``interruption.end`` stands before the first fragment of the resumption; a segment begins at a key frame (alone
after a write error not), with a new init where the coding changed, and when the last one is ``segment_s`` old;
only the officer's stop closes a session (invariant 4).

Pure. Leaves to others: when to flush and what may be dropped (``recorder``, ``outbox``), the disk (``writer``).
"""

from dataclasses import dataclass
from typing import Literal

from agent.evidence import entries as e
from agent.recorder.formats import Formats
from agent.recorder.fragmenter import TOLERANCE_NS, Built, Fragmenter
from agent.recorder.messages import Draft, Item, SegmentEnd, SegmentStart
from agent.recorder.ring import Packet
from agent.recorder.samples import Arrivals
from agent.recorder.state import SessionState
from agent.recorder.timeline import NS_PER_S, NS_PER_US, SessionTime
from drivers.position import Fix

SegmentCause = Literal["start", "length", "parameters", "encoder", "resume", "after_error", "after_drop"]
LATE_NS = 1_000_000_000
"""A packet that adjoins the ones before a silence and comes so late was held back by it."""
SLEEPS = 15
"""So many of the last ones are remembered: a hole comes to light a second after its sleep at most."""
CAUSES: dict[str, e.Cause] = {"video": "camera", "sound": "microphone", "position": "position"}


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment of a boot."""

    boot: int
    us: int


class Session:
    """The open session. Every method gives items in the order in which they must be written."""

    def __init__(self, state: SessionState, boot: int, segment_s: int) -> None:
        self.state = state
        self._boot = boot
        self._segment_ns = segment_s * NS_PER_S
        self.fragmenter = Fragmenter(state.session, SessionTime(state.from_us, state.shift_us), state.ends)
        self._formats: Formats | None = None
        self._segment_formats: Formats | None = None
        self._segment_first_ns = 0
        self._next_cause: SegmentCause = "start" if state.next_segment == 0 else "resume"
        self._open: dict[str, e.InterruptionBegin] = {begin.track: begin for begin in state.open_interruptions}
        self._impaired: dict[e.ImpairmentKind, int] = {}
        """Numbers of the open impairments."""
        self._forced: SegmentCause | None = None
        self._reached: set[e.MediaTrack] = set()
        """Tracks of which a packet behind the stop has come."""
        self._known_holes: dict[str, int] = {}
        """Tracks whose next packet comes behind a hole that is told, and up to when it is."""
        self._slept: list[tuple[int, int]] = []
        """When the machine slept, microseconds of this boot: told once, for all tracks."""
        self.begins_us: dict[str, int] = dict.fromkeys(CAUSES, state.from_us)
        """From when on each track is owed, in this boot."""
        self.late_frames = 0
        self.now_us = 0
        """The moment of the step; the recorder sets it."""

    @property
    def id(self) -> str:
        """The stream's name."""
        return self.state.session

    def is_down(self, track: str) -> bool:
        """True while an interruption of the track, or of all, is open."""
        return track in self._open or "all" in self._open

    # --- media in -------------------------------------------------------------------------------------------

    def add(self, packet: Packet, formats: Formats) -> list[Item]:
        """Take a packet; ends the interruption that it ends, tells of the hole that it shows."""
        self._formats = formats
        first = packet.track not in self.fragmenter.last_ns
        placed, hole = self.fragmenter.add(packet, formats)
        if not placed or not (first or hole or self._open or self._known_holes):
            return []
        began = self._open.get(packet.track)
        if began is not None and hole is None and packet.arrived_ns - packet.capture_ns > LATE_NS:
            return []  # from before the interruption: it was still in the encoder, and ends nothing
        told_us = self._known_holes.pop(packet.track, None)
        if began is not None:
            return [self._end(began, self._first_good(packet), "yes")]
        if told_us is not None:
            first_us = packet.capture_ns // NS_PER_US if hole is None else hole.first_ns // NS_PER_US
            beyond = hole is not None and first_us - told_us > TOLERANCE_NS // NS_PER_US
            return self._hole(packet.track, told_us, first_us) if beyond else []
        if hole is not None:
            return self._hole(packet.track, hole.last_ns // NS_PER_US, hole.first_ns // NS_PER_US)
        late_us = packet.capture_ns // NS_PER_US - self.begins_us[packet.track]
        if first and late_us > TOLERANCE_NS // NS_PER_US:
            return self._hole(packet.track, self.begins_us[packet.track], packet.capture_ns // NS_PER_US)
        return []

    def add_adjoining(self, arrivals: Arrivals) -> bool:
        """Take packets of which nothing needs to be told; False, and nothing is taken, where ``add`` must look."""
        if self._open or self._known_holes or arrivals.track not in self.fragmenter.last_ns:
            return False
        return self.fragmenter.add_adjoining(arrivals)

    def add_fix(self, fix: Fix) -> list[Item]:
        """Take a position."""
        self.fragmenter.add_fix(fix)
        began = self._open.get("position")
        return [] if began is None else [self._end(began, Moment(self._boot, fix.capture_ns // NS_PER_US), "yes")]

    def flush(self, utc_us: int, last: bool = False) -> list[Item]:
        """Everything that came since the last flush as fragments, and the segments they begin.

        ``last``: nothing comes behind it, so nothing is kept back for a key frame.
        """
        live = not self.is_down("video") and self._formats is not None and self._formats.video is not None
        items: list[Item] = []
        for built in self.fragmenter.build(live, last):
            items += self._segment_for(built, utc_us)
            items.append(built.fragment)
        return items

    def _segment_for(self, built: Built, utc_us: int) -> list[Item]:
        cause = self._why_new_segment(built)
        if cause is None:
            return []
        end: list[Item] = [] if self._segment_formats is None else [SegmentEnd(self.id)]
        self._segment_formats, self._segment_first_ns = built.formats, built.first_ns
        formats = built.formats
        start = SegmentStart(
            session=self.id,
            cause=cause,
            init=formats.init(),
            tracks=formats.tracks(),
            officer=self.state.officer,
            important=self.state.important,
            utc_us=utc_us,
        )
        return [*end, start]

    def _why_new_segment(self, built: Built) -> SegmentCause | None:
        now = self._segment_formats
        if now is None:
            return self._next_cause
        if not built.fragment.key:
            return None
        if self._forced is not None:
            cause, self._forced = self._forced, None
            return cause
        if not now.same_coding(built.formats):
            return "parameters"
        if (now.video_epoch, now.sound_epoch) != (built.formats.video_epoch, built.formats.sound_epoch):
            return "encoder"
        return "length" if built.first_ns - self._segment_first_ns >= self._segment_ns - NS_PER_S // 5 else None

    # --- interruptions --------------------------------------------------------------------------------------

    def sensor_down(self, track: e.Track, text: str, now_us: int) -> list[Item]:
        """The track's source is gone: an interruption from the last good moment on, where the track is required."""
        if self.is_down(track) or track not in self.state.required_tracks:
            return []
        last_ns = self.fragmenter.last_ns.get(track)
        last_us = self.begins_us[track] if last_ns is None else last_ns // NS_PER_US
        last_us = now_us if track == "position" else self._awake(last_us)
        return [self._begin(track, CAUSES[track], text, Moment(self._boot, last_us))]

    def missing_from(self, track: e.Track, text: str, moment: Moment) -> list[Item]:
        """The track has not been there since ``moment`` and is not there yet."""
        if track in self._open or track not in self.state.required_tracks:
            return []
        return [self._begin(track, CAUSES[track], text, moment)]

    def resumed(self, first_us: int, shortest_us: int, longest_us: int) -> list[Item]:
        """The interruption of everything is over: the first good moment, how long it was."""
        began = self._open.get("all")
        if began is None:
            return []
        del self._open["all"]
        return [
            Draft(self._made(_ending(self.id, began, Moment(self._boot, first_us), "yes", shortest_us, longest_us)))
        ]

    def go_on(self, first_us: int, shortest_us: int, longest_us: int) -> list[Item]:
        """Recorded again after the process ended; in another boot the session's time goes on by the shortest gap."""
        began, state = self._open["all"], self.state
        self.begins_us = dict.fromkeys(CAUSES, first_us)
        self._known_holes = dict.fromkeys(self.fragmenter.last_ns, first_us)
        if state.origin_boot != self._boot:
            state.shift_us += began.last_us - state.from_us + shortest_us
            state.from_us, state.origin_boot = first_us, self._boot
            self.fragmenter.time = SessionTime(state.from_us, state.shift_us)
        return self.resumed(first_us, shortest_us, longest_us)

    def interruption_of_all(self) -> e.InterruptionBegin:
        """The open one of everything; KeyError where there is none."""
        return self._open["all"]

    def down_tracks(self) -> list[str]:
        """Tracks with an open interruption; ``all`` for everything."""
        return list(self._open)

    def dropped(self, last_us: int, first_us: int) -> list[Item]:
        """Whole GOPs had to be given up for want of a disk (storage)."""
        return self._instant(
            "storage", "the disk did not take what was recorded; the oldest was given up", last_us, first_us
        )

    def _instant(self, cause: e.Cause, text: str, last_us: int, first_us: int) -> list[Item]:
        """An interruption of everything that is over when it is told."""
        began = self._beginning("all", cause, text, Moment(self._boot, last_us))
        length_us = max(0, first_us - last_us)
        ended = _ending(self.id, began, Moment(self._boot, last_us + length_us), "yes", length_us, length_us)
        return [Draft(self._made(began)), Draft(self._made(ended))]

    def jump(self, first_us: int) -> list[Item]:
        """What lies between the last packet and ``first_us`` was given up before it became fragments (storage)."""
        told = self.dropped(self.last_us(), first_us)
        self._known_holes, self._forced = dict.fromkeys(self.fragmenter.last_ns, first_us), "after_drop"
        for track, begins_us in self.begins_us.items():
            if track not in self.fragmenter.last_ns:  # all there was of it lies in what is told
                self.begins_us[track] = max(begins_us, first_us)
        return told

    def last_us(self) -> int:
        """The last moment up to which every required media track is there, in this boot."""
        required = [track for track in self.fragmenter.last_ns if track in self.state.required_tracks]
        flowing = [self.fragmenter.last_ns[track] // NS_PER_US for track in required if track not in self._open]
        down = [began.last_us for began in self._open.values() if began.last_boot == self._boot]
        return min(flowing, default=max(down, default=self.state.from_us))

    def is_behind(self, packet: Packet, stop_ns: int) -> bool:
        """Whether a packet does not belong to a session that is being stopped.

        With B-frames a picture may be there that is shown after the stop: those shown before it still belong.
        """
        shown_ns = self.fragmenter.shown_ns.get(packet.track, 0)
        return packet.decode_ns >= stop_ns and packet.capture_ns >= shown_ns

    def reached(self, track: e.MediaTrack, next_ns: int, stop_ns: int) -> None:
        """A packet behind the stop says that its track was there up to it, if it adjoins the one before."""
        self._reached.add(track)
        last_ns = self.fragmenter.last_ns.get(track)
        if last_ns is not None and next_ns - last_ns <= TOLERANCE_NS:
            self.fragmenter.last_ns[track] = max(last_ns, stop_ns)

    def waits_for(self, track: e.MediaTrack) -> bool:
        """With B-frames the last picture before the stop may come after one that is shown later."""
        return track in self.fragmenter.reordered and track not in self._reached

    def interrupted(self, cause: e.Cause, text: str, last_us: int) -> list[Item]:
        """Everything stops here, unfinished (shutdown)."""
        end: list[Item] = [] if self._segment_formats is None else [SegmentEnd(self.id)]
        if "all" in self._open:
            return end
        self._segment_formats, self._next_cause = None, "resume"
        last = Moment(self._boot, last_us)
        ended = [self._end(began, last, "no") for began in list(self._open.values())]
        return [*end, *self._mend_all(last_us), *ended, self._begin("all", cause, text, last)]

    def suspended(self, from_us: int, until_us: int) -> list[Item]:
        """The machine slept: an interruption of everything; the holes that it leaves in stamps are not told again."""
        self._slept = [*self._slept[-SLEEPS:], (from_us, until_us)]
        text = "the device was put to sleep; its clocks drifted apart"
        return self._instant("suspend", text, from_us, until_us)

    def _hole(self, track: e.MediaTrack, last_us: int, first_us: int) -> list[Item]:
        """What of a hole the sleeps do not account for; where none did, the whole of it."""
        if track not in self.state.required_tracks:
            return []
        items: list[Item] = []
        for from_us, until_us in self._slept:
            if from_us < first_us and until_us > last_us:
                if from_us - last_us > TOLERANCE_NS // NS_PER_US:
                    items += self._told_hole(track, last_us, from_us)
                last_us = until_us
                if first_us - last_us <= TOLERANCE_NS // NS_PER_US:
                    return items
        return items + self._told_hole(track, last_us, first_us)

    def _awake(self, last_us: int) -> int:
        """The same moment, or, where only sleep adjoins it, the end of that sleep: which is told already."""
        for from_us, until_us in self._slept:
            if from_us - TOLERANCE_NS // NS_PER_US <= last_us < until_us:
                last_us = until_us
        return last_us

    def _told_hole(self, track: e.MediaTrack, last_us: int, first_us: int) -> list[Item]:
        text = "frames are missing" if track == "video" else "samples are missing"
        began = self._begin(track, CAUSES[track], text, Moment(self._boot, last_us))
        return [began, self._end(self._open[track], Moment(self._boot, first_us), "yes")]

    def _begin(
        self, track: Literal["video", "sound", "position", "all"], cause: e.Cause, text: str, last: Moment
    ) -> Draft:
        begin = self._beginning(track, cause, text, last)
        self._open[track] = begin
        return Draft(self._made(begin))

    def _beginning(
        self, track: Literal["video", "sound", "position", "all"], cause: e.Cause, text: str, last: Moment
    ) -> e.InterruptionBegin:
        begin = e.InterruptionBegin(
            stream=self.id,
            interruption=self.state.next_interruption,
            track=track,
            cause=cause,
            text=text,
            last_boot=last.boot,
            last_us=last.us,
        )
        self.state.next_interruption += 1
        return begin

    def _end(self, began: e.InterruptionBegin, first: Moment, resumed: e.YesNo) -> Draft:
        del self._open[began.track]
        length = max(0, first.us - began.last_us)
        first = Moment(first.boot, began.last_us + length)
        return Draft(self._made(_ending(self.id, began, first, resumed, length, length)))

    def _first_good(self, packet: Packet) -> Moment:
        """A new sound encoder's first packet is priming: what it decodes to is not the world's."""
        primed = packet.track == "sound" and self._segment_formats is not None
        fresh = primed and packet.epoch != (self._segment_formats.sound_epoch if self._segment_formats else 0)
        return Moment(self._boot, (packet.capture_ns + (packet.duration_ns if fresh else 0)) // NS_PER_US)

    # --- impairments ----------------------------------------------------------------------------------------

    def impaired(self, kind: e.ImpairmentKind, since_us: int, text: str) -> list[Item]:
        """Recorded on, but not as it should be; nothing where that is told already."""
        if kind in self._impaired:
            return []
        self._impaired[kind] = number = self.state.next_impairment
        self.state.next_impairment += 1
        since_us = max(since_us, self.state.from_us)
        return [Draft(self._made(e.ImpairmentBegin(
            stream=self.id, impairment=number, kind=kind, since_us=since_us, text=text
        )))]  # fmt: skip

    def mended(self, kind: e.ImpairmentKind, until_us: int, worst: int) -> list[Item]:
        """As it should be again."""
        number = self._impaired.pop(kind, None)
        if number is None:
            return []
        return [Draft(self._made(e.ImpairmentEnd(stream=self.id, impairment=number, until_us=until_us, worst=worst)))]

    def _mend_all(self, until_us: int) -> list[Item]:
        return [item for kind in list(self._impaired) for item in self.mended(kind, until_us, 0)]

    # --- the end --------------------------------------------------------------------------------------------

    def close(self, until_us: int, gap_us: tuple[int, int] | None = None) -> list[Item]:
        """The officer's stop: what is open ends without resuming, the segment and the stream are closed.

        ``gap_us``: shortest and longest length of an interruption that began in another boot.
        """
        until = Moment(self._boot, until_us)
        ended: list[Item] = []
        if gap_us is not None and "all" in self._open:
            began = self._open.pop("all")
            ended.append(Draft(self._made(_ending(self.id, began, until, "no", *gap_us))))
        ended += [self._end(began, until, "no") for began in list(self._open.values())]
        close = e.SessionClose(
            stream=self.id, by="officer", until_boot=until.boot, until_us=until.us, late_frames=self.late_frames
        )
        end: list[Item] = [SegmentEnd(self.id)] if self._segment_formats is not None else []
        return [*end, *self._mend_all(until_us), *ended, Draft(self._made(close))]

    def draft(self, entry: e.Entry, private: str = "") -> Draft:
        """An entry of this session's stream."""
        entry.stream = self.id
        return Draft(self._made(entry), private)

    def _made(self, entry: e.Entry) -> e.Entry:
        entry.boot, entry.boot_us = self._boot, self.now_us
        return entry


def _ending(
    session: str, began: e.InterruptionBegin, first: Moment, resumed: e.YesNo, shortest_us: int, longest_us: int
) -> e.InterruptionEnd:
    return e.InterruptionEnd(
        stream=session,
        interruption=began.interruption,
        resumed=resumed,
        first_boot=first.boot,
        first_us=first.us,
        shortest_us=shortest_us,
        longest_us=longest_us,
    )
