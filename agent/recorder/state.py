"""What the journal's entries add up to: the device's state and that of the open sessions.

One pure fold serves the writer (what to repeat where a journal file begins), recovery (what a cut left open) and
``fsck``. It believes its input: whether entries may follow each other is checked where a journal is read.
"""

from collections import deque
from dataclasses import dataclass, field

from msgspec import structs

from agent.evidence.entries import (
    Alarm,
    AlarmAcknowledged,
    AlarmReported,
    AlarmsCarry,
    Assign,
    Boot,
    Check,
    CheckName,
    Clock,
    DeviceCarry,
    Entry,
    Explanation,
    Fault,
    Fragment,
    FragmentRef,
    Handover,
    ImpairmentBegin,
    ImpairmentEnd,
    Importance,
    InterruptionBegin,
    InterruptionEnd,
    Owed,
    OwedCarry,
    Return,
    SegmentClose,
    SegmentOpen,
    SessionBegin,
    SessionCarry,
    SessionClose,
    SessionOpen,
    Statement,
    TrackSpan,
)
from agent.recorder.deadline import Terms
from agent.recorder.open_alarms import OpenAlarms

ADJOINING_US = 60_000
"""Moments this close adjoin: frames and sound packets do not end together."""
MEDIA_TRACKS = ("video", "sound")
UNFINISHED = "session.unfinished"
"""Kind of the fault that tells of a session cut off by damage to its journal; its text begins with the session's id."""
RECENT_SOUND = 1024
"""Fragments of sound whose place is remembered: over six minutes, three times the longest spoken reason."""
OWED_IN_ENTRY = 200
"""Owed reasons in one ``owed.carry``, which so keeps far below the greatest entry."""
KEPT_CLOCKS = 8
"""An interruption spans two boots, or a few where power came and went."""


@dataclass(frozen=True, slots=True)
class Skip:
    """A closed interruption that some track's attested media has not passed yet."""

    track: str
    last_us: int
    first_us: int

    def covers(self, track: str) -> bool:
        return self.track in (track, "all")


@dataclass(slots=True)
class SessionState:
    """An open session. Field names as in ``session.carry``."""

    session: str
    number: int
    origin_boot: int
    from_us: int
    shift_us: int
    required_tracks: list[str]
    officer: str
    important: bool = False
    next_segment: int = 0
    next_interruption: int = 0
    next_impairment: int = 0
    segment: int = -1
    segment_file: str = ""
    segment_end: int = 0
    segment_sealed: int = 0
    next_fragment: int = 0
    ends: dict[str, TrackSpan] = field(default_factory=dict)
    open_interruptions: list[InterruptionBegin] = field(default_factory=list)
    open_impairments: list[ImpairmentBegin] = field(default_factory=list)
    skips: list[Skip] = field(default_factory=list)
    """Not carried: a start without them finds an earlier last moment, never a later one."""

    def last_us(self) -> int:
        """The last moment up to which every required media track is accounted for, in ``origin_boot``.

        Interruptions are journalled at once and media a flush later, so a track counts as interrupted only where
        its attested media reaches the interruption.
        """
        required = [track for track in MEDIA_TRACKS if track in self.required_tracks]
        known = [us for track in required if (us := self._accounted_us(track)) is not None]
        return min(known, default=self.latest_us())

    def latest_us(self) -> int:
        """The last moment of any attested media, or at which an open interruption began, in ``origin_boot``."""
        moments = [span.last_us for span in self.ends.values()] + [one.last_us for one in self.open_interruptions]
        return max(moments, default=self.from_us)

    def _accounted_us(self, track: str) -> int | None:
        """None where the track's open interruption accounts for all that comes."""
        us = self.ends[track].last_us if track in self.ends else self.from_us
        for skip in self.skips:
            if skip.covers(track) and skip.last_us <= us + ADJOINING_US:
                us = max(us, skip.first_us)
        reached = any(one.track == track and one.last_us <= us + ADJOINING_US for one in self.open_interruptions)
        return None if reached else us

    def prune_skips(self) -> None:
        """Forget the interruptions that the media of all their tracks has passed."""
        ends = [self.ends[track].last_us for track in self.required_tracks if track in self.ends]
        self.skips = [skip for skip in self.skips if not ends or skip.first_us > min(ends)]


@dataclass(frozen=True, slots=True)
class SoundPlace:
    """In which ``fragment`` entry a stretch of a session's sound lies, moments of ``boot``."""

    session: str
    boot: int
    segment: int
    index: int
    first_us: int
    last_us: int


@dataclass(slots=True)
class DeviceState:
    """The device, and its open sessions by id."""

    boot: int = -1
    boot_id: str = ""
    next_session: int = 1
    assigned: bool = False
    clocks: dict[int, Clock] = field(default_factory=dict)
    """The newest clock entry of each of the last boots."""
    sessions: dict[str, SessionState] = field(default_factory=dict)
    last_boot_us: int = 0
    """Moment of the newest entry."""
    unfinished: Fault | None = None
    """A session of the generation before was cut off by damage, and no session has begun since."""
    owed: dict[tuple[str, int], Owed] = field(default_factory=dict)
    """Interruptions by session and number whose reason is still to be given, oldest first (R19b)."""
    explained: set[tuple[str, int]] = field(default_factory=set)
    """Interruptions whose reason was given, as far back as the newest journal file goes: these may be added to."""
    alarms: OpenAlarms = field(default_factory=OpenAlarms)
    """Those of which something is still wanted (R19c)."""
    terms: Terms = field(default_factory=Terms)
    """Sessions that are not wholly in the store, and their 24 hours (R21a)."""
    failing: frozenset[CheckName] = frozenset()
    """What failed in the last check, as far back as the newest journal file goes: no news at the next (R19a)."""
    recent_sound: deque[SoundPlace] = field(default_factory=lambda: deque(maxlen=RECENT_SOUND))
    """Where the newest attested sound lies. Not carried: a spoken reason is bound within seconds, or asked again."""
    known: set[str] = field(default_factory=set)
    """Sessions of this generation, which alone may be added to: the ledger knows them from the journal's header."""

    def apply(self, entry: Entry) -> None:
        """Take the next entry of the journal."""
        self.last_boot_us = entry.boot_us
        self.terms.apply(entry)
        match entry:
            case Boot():
                self.boot, self.boot_id = entry.boot, entry.boot_id
            case Clock():
                self._take_clock(entry)
            case Check():
                self.failing = frozenset([item.name for item in entry.items if item.result == "fail"])
            case Assign() | Handover() | Return():
                self.assigned = not isinstance(entry, Return)
            case SessionBegin():
                self.next_session = max(self.next_session, entry.number + 1)
                self.unfinished = None
            case Fault(kind=kind) if kind == UNFINISHED:
                self.unfinished = entry
            case DeviceCarry():
                self._take_device_carry(entry)
            case SessionOpen():
                self.sessions[entry.stream] = _opened(entry)
            case SessionCarry():
                self.sessions[entry.stream] = _carried(entry)
            case SessionClose():
                self.sessions.pop(entry.stream, None)
                self.alarms.apply(entry)
            case Alarm() | AlarmReported() | AlarmAcknowledged() | Statement() | AlarmsCarry():
                self.alarms.apply(entry)
            case Explanation():
                self.owed.pop((entry.stream, entry.interruption), None)
                self.explained.add((entry.stream, entry.interruption))
            case OwedCarry():
                self.owed.update({(one.session, one.interruption): one for one in entry.owed})
            case _:
                if entry.stream in self.sessions:
                    self._apply_to_session(self.sessions[entry.stream], entry)

    def _apply_to_session(self, session: SessionState, entry: Entry) -> None:
        if isinstance(entry, Fragment):
            spans = [span for span in entry.tracks if span.track == "sound"]
            self.recent_sound.extend(
                SoundPlace(entry.stream, entry.boot, entry.segment, entry.index, span.first_us, span.last_us)
                for span in spans
            )
        elif isinstance(entry, InterruptionEnd):
            for begin in session.open_interruptions:
                if begin.interruption == entry.interruption:
                    owed = owed_of(begin, entry)
                    self.owed[entry.stream, entry.interruption] = owed
                    self.alarms.interruption_ended(owed, entry.resumed == "yes")
        _apply_to_session(session, entry)

    def sound_at(self, session: str, boot: int, from_us: int, until_us: int) -> list[FragmentRef]:
        """The ``fragment`` entries in which a range of a session's sound lies; none where not all of it is attested."""
        numbers: dict[int, list[int]] = {}
        reached_us = from_us
        for place in self.recent_sound:
            if (place.session, place.boot) == (session, boot) and place.first_us < until_us and place.last_us > from_us:
                if place.first_us > reached_us + ADJOINING_US:
                    return []
                reached_us = place.last_us
                numbers.setdefault(place.segment, []).append(place.index)
        if reached_us + ADJOINING_US < until_us:
            return []
        return [FragmentRef(segment=s, first=min(found), last=max(found)) for s, found in numbers.items()]

    def _take_device_carry(self, entry: DeviceCarry) -> None:
        self.boot, self.boot_id = entry.boot, entry.boot_id
        self.next_session = entry.next_session
        self.assigned = entry.assigned == "yes"
        if entry.clock_source != "none":
            at_us, utc_us, source = entry.clock_at_us, entry.clock_utc_us, entry.clock_source
            error_us = entry.clock_error_us
            self._take_clock(Clock(boot=entry.boot, at_us=at_us, utc_us=utc_us, source=source, error_us=error_us))

    def _take_clock(self, clock: Clock) -> None:
        self.clocks[clock.boot] = clock
        if len(self.clocks) > KEPT_CLOCKS:
            del self.clocks[min(self.clocks)]

    def utc_of(self, boot: int, boot_us: int) -> tuple[int, int] | None:
        """UTC of a moment and its greatest error, microseconds; None where no clock entry says."""
        clock = self.clocks.get(boot)
        if clock is None or clock.source == "none":
            return None
        return clock.utc_us + boot_us - clock.at_us, clock.error_us

    def carries(self) -> list[Entry]:
        """What a new journal file repeats, so that a start reads the newest file only."""
        clock = self.clocks.get(self.boot)
        device = DeviceCarry(
            boot_id=self.boot_id,
            next_session=self.next_session,
            assigned="yes" if self.assigned else "no",
            clock_at_us=clock.at_us if clock else 0,
            clock_utc_us=clock.utc_us if clock else 0,
            clock_source=clock.source if clock else "none",
            clock_error_us=clock.error_us if clock else -1,
        )
        owed = list(self.owed.values())
        parts = [owed[at : at + OWED_IN_ENTRY] for at in range(0, len(owed), OWED_IN_ENTRY)]
        sessions, terms = [_carry(session) for session in self.sessions.values()], self.terms.carries()
        return [device, *(OwedCarry(owed=part) for part in parts), *self.alarms.carries(), *sessions, *terms]


def _opened(entry: SessionOpen) -> SessionState:
    return SessionState(
        session=entry.stream,
        number=entry.number,
        origin_boot=entry.boot,
        from_us=entry.from_us,
        shift_us=0,
        required_tracks=list(entry.required_tracks),
        officer=entry.officer,
    )


def _apply_to_session(session: SessionState, entry: Entry) -> None:
    match entry:
        case Fragment():
            session.segment_end, session.segment_sealed = entry.end, entry.sealed
            session.next_fragment = entry.index + 1
            session.ends.update((span.track, span) for span in entry.tracks)
            if session.skips:
                session.prune_skips()
        case SegmentOpen():
            session.segment, session.segment_file = entry.segment, entry.file
            session.segment_end, session.segment_sealed = entry.init_length, 0
            session.next_segment, session.next_fragment = entry.segment + 1, 0
        case SegmentClose():
            session.segment, session.segment_file = -1, ""
        case InterruptionBegin():
            session.next_interruption = max(session.next_interruption, entry.interruption + 1)
            session.open_interruptions = [*session.open_interruptions, entry]
        case InterruptionEnd():
            _end_interruption(session, entry)
        case ImpairmentBegin():
            session.next_impairment = entry.impairment + 1
            session.open_impairments = [*session.open_impairments, entry]
        case ImpairmentEnd():
            session.open_impairments = [o for o in session.open_impairments if o.impairment != entry.impairment]
        case Importance():
            session.important = entry.important == "yes"
        case _:
            return


def owed_of(begin: InterruptionBegin, end: InterruptionEnd) -> Owed:
    """An interruption that has ended, as it is owed a reason."""
    return Owed(
        session=end.stream,
        interruption=begin.interruption,
        track=begin.track,
        cause=begin.cause,
        last_boot=begin.last_boot,
        last_us=begin.last_us,
        first_boot=end.first_boot,
        first_us=end.first_us,
    )


def _end_interruption(session: SessionState, entry: InterruptionEnd) -> None:
    """After a gap over boots the session's time goes on from the first good moment, by the shortest length."""
    begun = [begin for begin in session.open_interruptions if begin.interruption == entry.interruption]
    session.open_interruptions = [b for b in session.open_interruptions if b.interruption != entry.interruption]
    if begun and entry.first_boot != session.origin_boot and entry.resumed == "yes":
        session.shift_us += begun[0].last_us - session.from_us + entry.shortest_us
        session.origin_boot, session.from_us = entry.first_boot, entry.first_us
        session.ends = {track: _moved(span, entry.first_us) for track, span in session.ends.items()}
        session.skips = []
    elif begun:
        session.skips.append(Skip(begun[0].track, begun[0].last_us, entry.first_us))


def _moved(span: TrackSpan, us: int) -> TrackSpan:
    """The same ticks; all before ``us`` of the new boot is accounted for."""
    return structs.replace(span, first_us=us, last_us=us)


_CARRIED = SessionState.__dataclass_fields__.keys() - {"session", "skips"}


def _carry(session: SessionState) -> SessionCarry:
    fields = {name: getattr(session, name) for name in _CARRIED}
    fields["ends"] = list(session.ends.values())
    fields["important"] = "yes" if session.important else "no"
    return SessionCarry(stream=session.session, **fields)


def _carried(entry: SessionCarry) -> SessionState:
    fields = {name: getattr(entry, name) for name in _CARRIED}
    fields["ends"] = {span.track: span for span in entry.ends}
    fields["important"] = entry.important == "yes"
    return SessionState(session=entry.stream, **fields)


@dataclass(slots=True)
class Resume:
    """What recovery left to go on with: the open session, its interruption, and what tells the gap's length."""

    session: SessionState
    interruption: InterruptionBegin
    then: tuple[int, int] | None
    """UTC and its greatest error at the last good moment, microseconds; None where no clock said."""
    boot_began_us: int
    """CLOCK_BOOTTIME at which this boot began."""


def gap_us(
    begin: InterruptionBegin,
    boot: int,
    now_us: int,
    began_us: int,
    then: tuple[int, int] | None,
    now: tuple[int, int] | None,
    latest_us: int,
) -> tuple[int, int]:
    """Shortest and longest length of an interruption up to ``now_us`` of ``boot``, microseconds; -1 where unknown.

    ``began_us``: CLOCK_BOOTTIME at which this boot began. ``then`` and ``now``: UTC and its greatest error at the
    last good moment and at ``now_us``, None where no clock says. ``latest_us``: up to where some track is attested
    in the boot that ended; this one began later. Never zero for want of a clock (design, time).
    """
    if begin.last_boot == boot:
        return now_us - begin.last_us, now_us - begin.last_us
    up_us = now_us - began_us + max(0, latest_us - begin.last_us)
    if then is None or now is None:
        return up_us, -1
    apart_us, error_us = now[0] - then[0], now[1] + then[1]
    return max(up_us, apart_us - error_us), max(up_us, apart_us + error_us)
