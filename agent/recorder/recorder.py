"""The recorder: every message in, ordered work for the writer and events for people out. ``step(message, now_ns)``.

It never touches a file, a clock or a random byte, so the simulation runs this very code. Rules: a hand-over every
``flush_ms`` and never more than one unacknowledged; pre-record goes first, in pieces of at most 2 s, outside the
budget; live media beyond the budget is given up in whole GOPs and told (``outbox``); a button is answered while the
disk stands still; only the officer's stop ends a session.

Leaves to others: one session's accounting (``session``), sealing and disk (``writer``), processes and threads
(``service``).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from agent.evidence import entries as e
from agent.evidence.errors import EvidenceError
from agent.recorder import checkup
from agent.recorder import messages as m
from agent.recorder.alarms import where_of
from agent.recorder.beginning import first_good, from_first_picture, late_by, presentation_zero, without_skew
from agent.recorder.care import Care, Known
from agent.recorder.diskwatch import DiskWatch
from agent.recorder.duties import Command, Duties
from agent.recorder.health import Health
from agent.recorder.intake import Intake
from agent.recorder.notes import Notes
from agent.recorder.outbox import Hole, Outbox
from agent.recorder.prerecord import Prerecord
from agent.recorder.reasons import Out
from agent.recorder.ring import Packet, Ring
from agent.recorder.room import Room
from agent.recorder.session import SLEEPS, Moment, Session
from agent.recorder.settings import Settings
from agent.recorder.spool import session_id
from agent.recorder.state import DeviceState, Resume, SessionState, gap_us
from agent.recorder.timeline import NS_PER_MS, NS_PER_S, NS_PER_US
from agent.recorder.utc import Utc
from agent.recorder.watch import Begun, Ended, Watch
from drivers import Counter, Fault, Log
from drivers.camera import CameraParameters, PictureFigures, VideoPacket
from drivers.microphone import SoundFigures, SoundPacket, SoundParameters
from drivers.position import Fix, NoFix
from drivers.signals import NotSaid, Said, SignalsMessage

SETTLE_NS = 1_000_000_000
"""How long a session's begin waits for a second track once the first is there."""
EMPTY_START_NS = 2_000_000_000
"""How long it waits for the first track before it begins with an interruption."""
STOP_WAIT_NS = 500_000_000
"""How long a stop waits for packets captured before it; encoders hold up to two frames."""
EARLY_NS = 30_000_000
"""So much more often than ``flush_ms``: two flushes, a frame and the turn of the threads stay within promise 3."""
SHORT_TAIL_NS = 50_000_000
"""A track that ends less than this before the stop has no frame missing."""
MOST_CHARACTERS = 500
"""Of what a sensor says about itself: enough for a person, little for an entry."""
MEDIA_TRACKS: tuple[e.MediaTrack, ...] = ("video", "sound")
PACKETS = (VideoPacket, SoundPacket)
TRACK_OF: dict[str, e.Track] = {"camera": "video", "microphone": "sound", "position": "position"}


@dataclass(slots=True)
class _Starting:
    """A press, or a resumption, that waits for its tracks."""

    pressed_ns: int
    request: m.Start | None
    first_ready_ns: int | None = None


@dataclass(slots=True)
class _Kept:
    """A sensor's packets, and when each arrived."""

    packets: list[VideoPacket | SoundPacket] = field(default_factory=list)
    arrived_ns: list[int] = field(default_factory=list)


class Recorder:
    """See the module."""

    def __init__(self, settings: Settings, state: DeviceState, resume: Resume | None, now_ns: int) -> None:
        self._settings = settings
        self._boot = state.boot
        self._next_session = state.next_session
        self._notes = Notes(state)
        self._health = Health(settings.sensors, settings.silent_ms, settings.position_silent_ms, now_ns)
        self._ring = Ring(settings.prerecord_s)
        self._intake = Intake()
        self._utc = Utc(state.boot)
        self._disk = DiskWatch()
        self._room = Room(settings.keep, settings.load) if settings.keep and settings.load else None
        self._no_room = False
        """Recording stands still for want of room."""
        self._watch = Watch(settings.watch)
        self._outbox = Outbox(settings.queue_s)
        self._session: Session | None = None
        self._resume = resume
        self._starting = _Starting(now_ns, None) if resume else None
        self._past: dict[str, Session] = {}
        """Sessions that ended; what was given up of them may still have to be told."""
        self._stopping_ns: int | None = None
        self._stop_asked_ns = 0
        self._prerecord: Prerecord | None = None
        self._prerecord_ended = False
        """It did so since the last hand-over."""
        self._queued: m.Start | None = None
        """A press that came while the session before was being stopped."""
        self._next_flush_ns = now_ns
        self._quiet_until_ns = 0
        """Until then a packet changes nothing that anybody can see; set by each step that does more."""
        self._kept: dict[m.Sensor, _Kept] = {"camera": _Kept(), "microphone": _Kept()}
        """Packets of that time: put into the session by the step that does more."""
        self._untold: list[m.Effect] = []
        """What came of them while somebody asked for the state."""
        self._overdue = False
        """A flush came due while the writer was at work."""
        self._safe = False
        self._sound_from_ns = 0
        """Where pre-record has no sound: the press of the open session."""
        self._shutdown = False
        self._lag_ms = 0
        self._size = 0
        self._failing = ""
        self._fix_ns = now_ns - settings.position_silent_ms * NS_PER_MS
        self._where = ""
        """The last position, in words; private."""
        self._clocks = dict(state.clocks)
        """Of the boots before this one."""
        self._duties = self._made_duties(state, now_ns)
        self._care = self._made_care(state, now_ns)
        self._stop_held = False
        """The officer has stopped, and is asked for the reasons that are owed first."""
        self._slept: list[m.Suspended] = []
        """The last times that the machine slept: a session's pre-record may hold one."""
        self._now_ns = now_ns
        if resume is not None:
            self._session = Session(replace(resume.session), self._boot, settings.segment_s)

    def _made_duties(self, state: DeviceState, now_ns: int) -> Duties | None:
        if not self._settings.duties:
            return None
        officer = lambda: self._notes.officer  # noqa: E731
        return Duties(self._settings, state, officer, lambda: self._where, self._utc_at, now_ns)

    def _made_care(self, state: DeviceState, now_ns: int) -> Care | None:
        if self._settings.care is None:
            return None
        was = state.boot, state.terms, state.failing
        return Care(self._settings.care, self._settings.language, *was, self._notes.knows, self._known, now_ns)

    # --- the step -------------------------------------------------------------------------------------------

    def step(self, message: m.Message, now_ns: int) -> list[m.Effect]:
        """Take one message; what the shell must do now."""
        if self._quiet_until_ns:
            if isinstance(message, m.Heard) and isinstance(message.message, PACKETS):
                kept = self._kept[message.sensor]
                kept.packets.append(message.message)
                kept.arrived_ns.append(now_ns)
                if now_ns < self._quiet_until_ns:
                    return []
                message = m.Tick()
            elif isinstance(message, m.Written) and now_ns < self._quiet_until_ns:
                self._now_ns = now_ns
                return self._written(message)
        self._now_ns = now_ns
        if self._session is not None:
            self._session.now_us = now_ns // NS_PER_US
        self._take_kept()
        effects = [*self._dispatch(message), *self._untold]  # an answer comes first
        self._untold.clear()
        effects += self._watch_sensors()
        effects += self._advance_start()
        effects += self._look_at_duties()
        effects += self._look_after_device()
        effects += self._advance_stop()
        effects += self._watch_disk()
        effects += self._flush()
        self._quiet_until_ns = self._next_flush_ns if self._flows() else 0
        return effects

    def _flows(self) -> bool:
        """Media goes straight into the session: until the next flush is due there is no more to do with it.

        That is so for nearly all of a hundred messages a second, so it is worth telling apart.
        """
        return self._session is not None and (
            self._starting is None
            and self._stopping_ns is None
            and self._prerecord is None
            and not (self._overdue or self._failing or self._shutdown)
        )

    def note(self, draft: m.Draft) -> None:
        """An entry that goes with the next flush."""
        self._put([draft])

    def _put(self, items: Sequence[m.Item]) -> None:
        """On their way to the writer; interruptions among them owe a reason."""
        self._outbox.add(items)
        if self._duties is not None:
            self._duties.note(items, self._now_ns)

    def _take_kept(self) -> None:
        """Put the packets that came in a quiet time into the session: each track at once, where nothing is to tell."""
        session = self._session
        if session is None:
            return
        for sensor, kept in self._kept.items():
            if kept.packets:
                self._kept[sensor] = _Kept()
                self._note_pictures(kept.packets)
                if self._take_at_once(session, kept):
                    self._health.heard(sensor, kept.arrived_ns[-1])
                else:
                    self._take_each(session, sensor, kept)

    def _take_at_once(self, session: Session, kept: "_Kept") -> bool:
        packets, arrived_ns = kept.packets, kept.arrived_ns
        take = self._intake.pictures if isinstance(packets[0], VideoPacket) else self._intake.sounds
        arrivals = take(packets, arrived_ns)  # type: ignore[arg-type]
        if arrivals is None or arrivals.decodes_ns[0] < self._sound_from_ns or self._health.unusable:
            return False
        return session.add_adjoining(arrivals)

    def _take_each(self, session: Session, sensor: m.Sensor, kept: "_Kept") -> None:
        """What a hole or a mad sensor says, is said now."""
        for message, arrived_ns in zip(kept.packets, kept.arrived_ns, strict=True):
            try:
                packet = self._intake.packet(message, arrived_ns)
                if packet is not None and (packet.track == "video" or packet.capture_ns >= self._sound_from_ns):
                    self._put(session.add(packet, self._intake.formats))
            except EvidenceError as error:
                self._untold += self._unusable(sensor, str(error))
            else:
                self._health.heard(sensor, arrived_ns)
                self._health.unusable.discard(sensor)

    def _dispatch(self, message: m.Message) -> list[m.Effect]:
        match message:
            case m.SignalsHeard():
                return self._signals(message.message)
            case m.StorageHeard():
                self._note_care(message.message)
                return self._storage(message)
            case m.PowerHeard():
                self._note_care(message.message)
            case m.Heard():
                return self._heard(message)
            case m.Written():
                return self._written(message)
            case m.WriteFailed():
                return self._write_failed(message)
            case m.SensorDown():
                return self._sensor_down(message)
            case m.Start():
                return self._start(message)
            case m.Stop():
                return self._stop(message)
            case m.ClockReading():
                self._take_clock(message)
            case m.Issue():
                return self._issue(message)
            case m.Explain() | m.ExplainInWriting() | m.AlarmReported() | m.AlarmAcknowledged() | m.StatementGiven():
                return self._duty(message)
            case m.MarkNow() | m.Important() | m.AnnotateSession():
                return self._note(message)
            case m.CheckNow():
                return self._check_now()
            case m.Shutdown():
                return self._shut_down()
            case m.Suspended():
                return self._suspended(message)
            case m.Trouble():
                return self._trouble(message)
            case m.Tick():
                pass
        return []

    # --- sensors --------------------------------------------------------------------------------------------

    def _heard(self, heard: m.Heard) -> list[m.Effect]:
        message = heard.message
        try:
            if isinstance(message, PACKETS):
                self._note_pictures((message,))
                packet = self._intake.packet(message, self._now_ns)
                if packet is not None:
                    self._packet(packet)
                self._health.heard(heard.sensor, self._now_ns)
                effects: list[m.Effect] = []
            else:
                self._note_care(message)
                effects = self._take_message(heard)
        except EvidenceError as error:  # a sensor gone mad costs its packets (the hole is told), not the recorder
            return self._unusable(heard.sensor, str(error))
        self._health.unusable.discard(heard.sensor)
        return effects

    def _unusable(self, sensor: m.Sensor, text: str) -> list[m.Effect]:
        return self._fault(sensor, Fault("packet.unusable", text)) if self._health.first_unusable(sensor) else []

    def _take_message(self, heard: m.Heard) -> list[m.Effect]:
        message = heard.message
        match message:
            case CameraParameters() | SoundParameters():
                self._intake.parameters(message)
                self._ring.drop("video" if isinstance(message, CameraParameters) else "sound")
            case Fix():
                self._fix(message)
            case NoFix():
                return self._no_fix(message)
            case Counter():
                return self._count(message)
            case SoundFigures():
                told = self._watched(self._watch.sound(message, self._now_ns))
                if self._duties is not None:
                    told += self._carried(self._duties.heard(message, self._sounding(), self._now_ns))
                return told
            case PictureFigures():
                return self._watched(self._watch.picture(message, self._now_ns))
            case Fault():
                return self._fault(heard.sensor, message)
            case Log():
                return [m.Event("log", f"{heard.sensor}: {message.text}")]
        self._health.heard(heard.sensor, self._now_ns)
        return []

    def _packet(self, packet: Packet) -> None:
        """Into the session, the queue behind its pre-record, or the ring."""
        if self._session is None or self._starting is not None:
            self._ring.add(packet)
        elif packet.track == "sound" and packet.capture_ns < self._sound_from_ns:
            pass  # was on its way at the press, and may not be kept
        elif self._stopping_ns is not None and self._session.is_behind(packet, self._stopping_ns):
            self._session.reached(packet.track, packet.capture_ns, self._stopping_ns)
            self._ring.add(packet)
        elif self._prerecord is not None:
            self._prerecord.add_live(packet, self._intake.formats)
        elif items := self._session.add(packet, self._intake.formats):
            self._put(items)

    def _suspended(self, slept: m.Suspended) -> list[m.Effect]:
        """The machine slept (design, time): all tracks are interrupted, and no sensor is to blame for its silence."""
        self._slept = [*self._slept[-SLEEPS:], slept]
        length_ns = slept.until_ns - slept.from_ns
        self._health.slept(length_ns)
        if self._disk.handed_ns is not None:
            self._disk.handed_ns += length_ns
        if self._session is not None and self._starting is None:
            self._tell_slept(self._session, slept.from_ns)
        return [m.Event("suspended", "the device was put to sleep", value=length_ns // NS_PER_MS)]

    def _tell_slept(self, session: Session, since_ns: int) -> None:
        """The sleeps that lie in a session from a moment on."""
        for slept in self._slept:
            if slept.until_ns > since_ns:
                from_us = max(slept.from_ns, since_ns) // NS_PER_US
                self._put(session.suspended(from_us, slept.until_ns // NS_PER_US))

    def _trouble(self, trouble: m.Trouble) -> list[m.Effect]:
        text = trouble.text[:MOST_CHARACTERS]
        self._put([self._made(m.Draft(e.Fault(part="recorder", kind=trouble.kind, text=text)))])
        return [m.Event("fault", f"recorder: {text}")]

    def _watch_sensors(self) -> list[m.Effect]:
        effects: list[m.Effect] = []
        for sensor in self._health.fell_silent(self._now_ns):
            effects += self._sensor_down(m.SensorDown(sensor, "nothing came for too long"))
        effects += [m.Restart(sensor) for sensor in self._health.hanging(self._now_ns)]
        return effects

    def _sensor_down(self, down: m.SensorDown) -> list[m.Effect]:
        if self._care is not None:
            self._care.gone(down.sensor, down.text[:MOST_CHARACTERS])
        if down.sensor == "signals" or down.sensor == "power" or down.sensor == "storage":
            return [m.Event("sensor.down", f"{down.sensor}: {down.text}")]
        self._health.ended(down.sensor)
        track, text = TRACK_OF[down.sensor], down.text[:MOST_CHARACTERS]
        if track != "position":
            self._ring.drop(track)
        if self._prerecord is not None and track != "position":
            self._prerecord.add_down(track, text, self._now_us())
        elif self._session is not None and self._starting is None:
            self._put(self._session.sensor_down(track, text, self._now_us()))
        ended = self._watched(self._watch.gone(track))
        return [m.Event("sensor.down", f"{down.sensor}: {down.text}"), *ended]

    def _fault(self, sensor: m.Sensor, fault: Fault) -> list[m.Effect]:
        kind, text = fault.kind[:MOST_CHARACTERS], fault.text[:MOST_CHARACTERS]
        if not self._health.first_fault(sensor, kind):
            return []
        entry = e.Fault(boot=self._boot, boot_us=self._now_us(), part=sensor, kind=kind, text=text)
        self._put([m.Draft(entry)])
        return [m.Event("fault", f"{sensor}: {fault.text}")]

    def _fix(self, fix: Fix) -> None:
        self._intake.check_fix(fix, self._now_ns)
        self._fix_ns, self._where = self._now_ns, where_of(fix)
        self._take_clock(m.ClockReading(fix.capture_ns, fix.utc_us, "gnss", fix.utc_error_us))
        if self._session is not None and self._starting is None:
            self._put(self._session.add_fix(fix))

    def _no_fix(self, lost: NoFix) -> list[m.Effect]:
        self._intake.check_stamp(lost.capture_ns, self._now_ns)
        self._health.heard("position", self._now_ns)
        if self._session is not None and self._starting is None:
            reason = lost.reason[:MOST_CHARACTERS]
            self._put(self._session.sensor_down("position", reason, lost.capture_ns // NS_PER_US))
        return []

    def _watched(self, told: Sequence[Begun | Ended]) -> list[m.Effect]:
        """Picture or sound is of no use, or of use again: told at once, journalled where a session is recorded."""
        session = self._session if self._starting is None else None
        effects: list[m.Effect] = []
        for one in told:
            if isinstance(one, Begun):
                effects.append(m.Event("impairment.begin", f"{one.kind}: {one.text}", session.id if session else ""))
                if session is not None:
                    self._put(session.impaired(one.kind, one.since_us, one.text))
            else:
                effects.append(m.Event("impairment.end", one.kind, session.id if session else ""))
                if session is not None:
                    self._put(session.mended(one.kind, one.until_us, one.worst))
        return effects

    def _tell_impaired(self, session: Session) -> None:
        """What has been wrong since before the session."""
        for one in self._watch.standing():
            self._put(session.impaired(one.kind, one.since_us, one.text))

    def _count(self, counter: Counter) -> list[m.Effect]:
        if counter.name != "sim.overrun":
            return []
        late = self._health.count_late(counter.value)
        if self._session is not None:
            self._session.late_frames += late
        return [m.Event("sim.overrun", "frames were made late, none lost", value=self._health.overruns)]

    def _take_clock(self, reading: m.ClockReading) -> None:
        self._put([m.Draft(entry) for entry in self._utc.take(reading, self._now_ns)])

    # --- people ---------------------------------------------------------------------------------------------

    def _start(self, request: m.Start) -> list[m.Effect]:
        accepted = m.Event("accepted", "recording, not yet safe", session_id(self._next_session))
        if self._session is not None and self._stopping_ns is not None and self._queued is None and not self._shutdown:
            self._queued = request  # begins when the session that is being stopped has ended
            return [accepted]
        if self._session is not None or self._starting is not None or self._shutdown:
            why = "a session waits for room on the card; stop it first" if self._no_room else "already recording"
            return [m.Event("refused", why, self._session.id if self._session else "")]
        if self._room is not None and not self._room.may_record:
            return [m.Event("refused", "there is no room to record; take another device, or free this one")]
        self._await_tracks(request)
        return [accepted]

    def _await_tracks(self, request: m.Start) -> None:
        self._starting = _Starting(request.pressed_ns, request)
        self._safe = False

    def _stop(self, request: m.Stop) -> list[m.Effect]:
        if self._session is None and self._starting is None:
            return [m.Event("refused", "not recording")]
        if self._resume is not None and self._session is not None:
            return self._stop_unresumed(self._resume, self._session, request.pressed_ns // NS_PER_US)
        if self._stopping_ns is None and not self._stop_held and (asked := self._hold_stop()):
            return asked
        effects: list[m.Effect] = []
        if self._stopping_ns is None:
            if self._session is not None and self._starting is None:
                effects = self._end_duties(self._session, request.pressed_ns)
            self._stopping_ns, self._stop_asked_ns = request.pressed_ns, self._now_ns
        self._queued, self._stop_held = None, False
        return [m.Event("accepted", "stopping", self._session.id if self._session else ""), *effects]

    def _hold_stop(self) -> list[m.Effect]:
        """What is owed is asked for before the session ends (R19b); another press ends it at once."""
        if self._duties is None:
            return []
        may, out = self._duties.before_stop(self._sounding(), self._now_ns)
        if may:
            return []
        self._stop_held = True
        text = "stopping when the reason of the interruption is given; stop again to end at once"
        return [m.Event("accepted", text, self._session.id if self._session else ""), *self._carried(out)]

    def _stop_unresumed(self, resume: Resume, session: Session, until_us: int) -> list[m.Effect]:
        """The officer ends a session before it could go on."""
        self._put(session.close(until_us, self._gap(resume, until_us)))
        self._past[session.id] = session  # what was given up of it may still have to be told
        self._resume, self._starting, self._session = None, None, None
        return [m.Event("accepted", "stopped", session.id), m.Event("session.close", "", session.id)]

    # --- duties (R19b, R19c) --------------------------------------------------------------------------------

    def _signals(self, message: SignalsMessage) -> list[m.Effect]:
        """What the speaker's process says; without it the lamp asks, and nothing else changes."""
        self._note_care(message)
        match message:
            case Said() | NotSaid():
                told: list[m.Effect] = []
                if isinstance(message, NotSaid):
                    told.append(m.Event("log", f"signals: {message.text}"))
                if self._duties is None or (self._care is not None and self._care.owns(message.number)):
                    return told
                return [*told, *self._carried(self._duties.said(message, self._now_ns))]
            case Fault() | Log():
                return [m.Event("log", f"signals: {message.text}")]
        return []

    def _duty(self, said: Command) -> list[m.Effect]:
        """An officer's word on what is owed."""
        if self._duties is None:
            return [m.Event("refused", "this recorder knows no duties")]
        return self._carried(self._duties.command(said, self._notes.knows, self._sounding(), self._now_ns))

    def _look_at_duties(self) -> list[m.Effect]:
        return [] if self._duties is None else self._carried(self._duties.step(self._sounding(), self._now_ns))

    def _end_duties(self, session: Session, until_ns: int) -> list[m.Effect]:
        """What was being said when the session ends may be the answer."""
        self._stop_held = False
        return [] if self._duties is None else self._carried(self._duties.ended(session.id, until_ns))

    def _carried(self, out: Out) -> list[m.Effect]:
        """Entries go to the writer, all else to the shell."""
        self._put([self._made(one) for one in out if isinstance(one, m.Draft)])
        return [one for one in out if not isinstance(one, m.Draft)]

    def _sounding(self) -> str:
        """The session whose sound is recorded now, or ""."""
        session, waits = self._session, self._starting is not None or self._prerecord is not None
        if session is None or waits or self._stopping_ns is not None or self._health.down.get("microphone", True):
            return ""
        return "" if session.is_down("sound") else session.id

    def _utc_at(self, boot: int, us: int) -> int | None:
        """UTC of a moment of this boot or an earlier one, microseconds; None where no clock says."""
        if boot == self._boot:
            known = self._utc.of(us)
            return None if known is None else known[0]
        clock = self._clocks.get(boot)
        return None if clock is None or clock.source == "none" else clock.utc_us + us - clock.at_us

    def _note(self, note: m.MarkNow | m.Important | m.AnnotateSession) -> list[m.Effect]:
        if isinstance(note, m.AnnotateSession):  # of the session that waits to go on, too
            drafts, answer = self._notes.annotate(note, self._session.id if self._session else "")
            self._add_notes(drafts)
            return [answer]
        session = self._session if self._starting is None else None
        if session is None:
            return [m.Event("refused", "not recording")]
        if isinstance(note, m.MarkNow):
            entry: e.Entry = e.Mark(boot_us=self._now_us(), at_us=note.at_ns // NS_PER_US, label=note.label)
        else:
            session.state.important = note.important
            entry = e.Importance(boot_us=self._now_us(), important="yes" if note.important else "no")
        self._put([session.draft(entry)])
        return [m.Event("accepted", "", session.id)]

    def _add_notes(self, drafts: list[m.Draft]) -> None:
        for draft in drafts:
            entry, session = self._made(draft).entry, self._session
            if isinstance(entry, e.Importance) and session is not None and entry.stream == session.id:
                session.state.important = entry.important == "yes"  # the next file's name says it
            self._put([draft])

    def _issue(self, issue: m.Issue) -> list[m.Effect]:
        self._put([self._made(self._notes.issue(issue))])
        return [m.Event("accepted", issue.how)]

    def _made(self, draft: m.Draft) -> m.Draft:
        draft.entry.boot, draft.entry.boot_us = self._boot, self._now_us()
        return draft

    # --- begin ----------------------------------------------------------------------------------------------

    def _advance_start(self) -> list[m.Effect]:
        """Begin the session, or go on with it, once its tracks are there or have been waited for."""
        starting = self._starting
        if starting is not None and starting.request is not None and self._no_room:
            self._starting, self._stopping_ns = None, None
            return [m.Event("session.no_room", "there is no room to record; take another device, or free this one")]
        if starting is None or not self._ready(starting):
            return []
        return self._begin(starting)

    def _begin(self, starting: _Starting) -> list[m.Effect]:
        self._starting = None
        want_ns = starting.pressed_ns - self._settings.prerecord_s * NS_PER_S if starting.request else 0
        found = self._ring.take(want_ns)
        if self._stopping_ns is not None:
            found = [packet for packet in found if packet.decode_ns < self._stopping_ns]
        there: set[e.Track] = {packet.track for packet in found}
        if self._now_ns - self._fix_ns < self._settings.position_silent_ms * NS_PER_MS:
            there.add("position")
        packets = from_first_picture(self._allowed(starting, without_skew(found, starting.pressed_ns)))
        zero_ns = presentation_zero(packets, starting.pressed_ns)
        if starting.request is None:
            return self._go_on(packets, zero_ns, there)
        return self._open(starting.request, packets, zero_ns, there)

    def _ready(self, starting: _Starting) -> bool:
        if starting.request is None and self._no_room:
            return False
        if self._stopping_ns is not None:
            return True  # stopped before it began: what there is, is recorded
        media = [s for s in ("camera", "microphone") if s in self._settings.sensors]
        there = [s for s in media if self._ring.has("video" if s == "camera" else "sound")]
        if there and starting.first_ready_ns is None:
            starting.first_ready_ns = self._now_ns
        if len(there) == len(media) and there:
            return True
        if starting.first_ready_ns is not None:
            return self._now_ns - starting.first_ready_ns >= SETTLE_NS
        return starting.request is not None and self._now_ns - starting.pressed_ns >= EMPTY_START_NS

    def _allowed(self, starting: _Starting, packets: list[Packet]) -> list[Packet]:
        """Without leave, sound from before the press is forgotten."""
        if self._settings.prerecord_sound or starting.request is None:
            return packets
        return [p for p in packets if p.track == "video" or p.capture_ns >= starting.pressed_ns]

    def _open(self, request: m.Start, packets: list[Packet], zero_ns: int, there: set[e.Track]) -> list[m.Effect]:
        number, from_us = self._next_session, zero_ns // NS_PER_US
        self._next_session += 1
        required = list(self._settings.required_tracks)
        state = SessionState(session_id(number), number, self._boot, from_us, 0, list(required), self._notes.officer)
        self._session = Session(state, self._boot, self._settings.segment_s)
        self._session.now_us = self._now_us()
        self._sound_from_ns = 0 if self._settings.prerecord_sound else request.pressed_ns
        if not self._settings.prerecord_sound:
            self._session.begins_us["sound"] = max(from_us, request.pressed_ns // NS_PER_US)
        prerecord_ms = max(0, request.pressed_ns - zero_ns) // NS_PER_MS
        opened = e.SessionOpen(
            boot_us=self._now_us(),
            number=number,
            pressed_us=request.pressed_ns // NS_PER_US,
            from_us=from_us,
            prerecord_ms=prerecord_ms,
            prerecord_sound="yes" if self._settings.prerecord_sound else "no",
            required_tracks=required,
            power=request.power,
            officer=self._notes.officer,
            items_sha256=self._settings.items_sha256,
            config_sha256=self._settings.config_sha256,
        )
        self._put([self._session.draft(opened, request.private)])
        self._add_notes(self._notes.opened(state.session))
        self._tell_slept(self._session, zero_ns)
        self._tell_missing(there, Moment(self._boot, from_us))
        self._tell_impaired(self._session)
        self._tell_late(packets, zero_ns, request.pressed_ns)
        self._prerecord = Prerecord(packets, self._intake.formats, prerecord_ms, told=True)
        return [m.Event("session.open", "recording, not yet safe", state.session)]

    def _go_on(self, packets: list[Packet], zero_ns: int, there: set[e.Track]) -> list[m.Effect]:
        """The same session, unasked (invariant 4): from the first moment at which what is there is there."""
        assert self._resume is not None and self._session is not None
        resume, session = self._resume, self._session
        self._resume = None
        first_us = first_good(packets, zero_ns) // NS_PER_US
        shortest, longest = self._gap(resume, first_us)
        self._put(session.go_on(first_us, shortest, longest))
        self._tell_slept(session, first_us * NS_PER_US)
        self._tell_missing(there, Moment(self._boot, first_us))
        self._tell_impaired(session)
        self._prerecord = Prerecord(packets, self._intake.formats, 0, told=False)
        return [m.Event("session.resumed", "", session.id)]

    def _gap(self, resume: Resume, now_us: int) -> tuple[int, int]:
        began_us, latest_us = resume.boot_began_us, resume.session.latest_us()
        return gap_us(resume.interruption, self._boot, now_us, began_us, resume.then, self._utc.of(now_us), latest_us)

    def _tell_missing(self, there: set[e.Track], since: Moment) -> None:
        assert self._session is not None
        for track in self._settings.required_tracks:
            if track not in there:
                self._put(self._session.missing_from(track, "not there when recording began", since))

    def _tell_late(self, packets: list[Packet], zero_ns: int, pressed_ns: int) -> None:
        """A track that began after the others: its first packet will end what is told here."""
        assert self._session is not None
        sound_due_ns = zero_ns if self._settings.prerecord_sound else max(zero_ns, pressed_ns)
        due: dict[e.MediaTrack, int] = {"video": zero_ns, "sound": sound_due_ns}
        for track, due_ns in due.items():
            if late_by(packets, track, due_ns):
                since = Moment(self._boot, due_ns // NS_PER_US)
                self._put(self._session.missing_from(track, "began after the others", since))

    # --- end ------------------------------------------------------------------------------------------------

    def _advance_stop(self) -> list[m.Effect]:
        effects: list[m.Effect] = []
        if self._stop_held and self._duties is not None:
            may, out = self._duties.before_stop(self._sounding(), self._now_ns)
            effects = self._carried(out)
            if may:
                self._stopping_ns, self._stop_asked_ns, self._stop_held = self._now_ns, self._now_ns, False
        session, stop_ns = self._session, self._stopping_ns
        if stop_ns is None or session is None or self._starting is not None or self._prerecord is not None:
            return effects
        late = _late(session, stop_ns)
        if late and self._now_ns - self._stop_asked_ns < STOP_WAIT_NS:
            return effects
        return [*effects, *self._close(session, stop_ns, late)]

    def _close(self, session: Session, stop_ns: int, late: list[e.MediaTrack]) -> list[m.Effect]:
        for track in late:
            if session.fragmenter.last_ns.get(track, 0) < stop_ns - SHORT_TAIL_NS:
                self._put(session.sensor_down(track, "nothing came up to the stop", stop_ns // NS_PER_US))
        effects = self._end_duties(session, stop_ns)
        self._build_last(session)
        self._put(session.close(stop_ns // NS_PER_US))
        self._leave(session)
        return [*effects, m.Event("session.close", "", session.id)]

    def _build_last(self, session: Session) -> None:
        """The session's last fragments."""
        self._put(session.flush(self._utc.best_us(self._now_us()), last=True))
        if self._duties is not None:
            self._duties.built(self._outbox, self._now_ns, last=True)
        self._end_slow()

    def _leave(self, session: Session) -> None:
        """Nothing more comes into this session."""
        self._past[session.id] = session
        self._session, self._stopping_ns = None, None
        self._next_flush_ns = self._now_ns
        if self._queued is not None:
            self._await_tracks(self._queued)
            self._queued = None

    def _shut_down(self) -> list[m.Effect]:
        self._shutdown, self._queued = True, None
        if self._starting is not None and self._starting.request is not None:
            self._begin(self._starting)
        self._starting = None
        session, stop_ns = self._session, self._stopping_ns
        if session is None or self._resume is not None:
            if session is not None:
                self._past[session.id] = session
            self._session, self._next_flush_ns = None, self._now_ns
            return []
        while self._prerecord is not None:
            self._next_piece(session)
        if stop_ns is not None:
            return self._close(session, stop_ns, _late(session, stop_ns))
        effects = self._end_duties(session, self._now_ns)
        self._build_last(session)
        self._put(session.interrupted("shutdown", "the device was shut down", session.last_us()))
        self._leave(session)
        return effects

    # --- room (R19b) ----------------------------------------------------------------------------------------

    def _storage(self, heard: m.StorageHeard) -> list[m.Effect]:
        if self._room is None:
            return []
        seen = self._room.heard(heard.message)
        effects = self._carried(seen.out)
        if seen.turn:
            self._no_room = seen.turn == "stop"
        return [*effects, *self._stand_still()] if self._no_room else effects

    def _stand_still(self) -> list[m.Effect]:
        """No room: what there is, is closed by the book; the session stays open and goes on when there is room."""
        session, text = self._session, "the storage is full up to its reserve"
        if session is not None and self._stop_held:  # he wanted to stop anyway
            self._stopping_ns, self._stop_asked_ns, self._stop_held = self._now_ns, self._now_ns, False
        if session is None or self._resume is not None or self._starting is not None or self._stopping_ns is not None:
            return []
        while self._prerecord is not None:
            self._next_piece(session)
        effects = self._end_duties(session, self._now_ns)
        self._build_last(session)
        last_us = session.last_us()
        self._put(session.interrupted("storage", text, last_us))
        began = session.interruption_of_all()
        self._resume = Resume(session.state, began, None, self._now_us())
        self._starting, self._safe = _Starting(self._now_ns, None), False
        self._next_flush_ns = self._now_ns
        if self._duties is not None:
            effects += self._carried(self._duties.give_up(session.id, began.interruption))
        return [*effects, m.Event("session.no_room", text, session.id)]

    # --- flush ----------------------------------------------------------------------------------------------

    def _flush(self) -> list[m.Effect]:
        """Build fragments every ``flush_ms``; hand over when the writer is free, at once where it was waited for."""
        due = self._now_ns >= self._next_flush_ns
        waited = self._overdue and self._disk.handed_ns is None and not self._failing
        if due or waited:
            self._build(due)
        self._keep_budget()
        if self._disk.handed_ns is not None or (self._failing and not due):
            self._overdue = self._overdue or due
            return []
        due, self._overdue = due or waited, False
        if self._failing:
            return [self._hand_over([])]
        if self._prerecord is not None and self._session is not None:
            self._next_piece(self._session)
        elif not (due or self._shutdown) or not (self._outbox or self._outbox.in_flight):
            return self._finished()
        items = self._outbox.take(self._tell_hole)
        self._past.clear()
        return [self._hand_over(items)]

    def _build(self, due: bool) -> None:
        interval_ns = self._settings.flush_ms * NS_PER_MS - EARLY_NS
        if "camera" not in self._settings.sensors:
            interval_ns *= 2  # design: audio-only every 0.8 s
        self._next_flush_ns += interval_ns
        if not due or self._next_flush_ns <= self._now_ns:
            self._next_flush_ns = self._now_ns + interval_ns
        if self._session is not None and self._starting is None and self._prerecord is None:
            self._put(self._session.flush(self._utc.best_us(self._now_us())))
            if self._duties is not None:
                self._duties.built(self._outbox, self._now_ns)

    def _hand_over(self, items: list[m.Item]) -> m.Handover:
        """While the disk fails, nothing new: what the writer cannot write would leave the budget."""
        self._disk.handed_ns = self._now_ns
        if self._prerecord is not None:
            return m.Handover(items, self._now_ns, -1, self._now_ns)
        whole, self._prerecord_ended = self._prerecord_ended, False
        arrived = [item.arrived_ns for item in items if isinstance(item, m.MediaFragment)]
        return m.Handover(items, self._now_ns, min(arrived, default=-1), self._next_flush_ns, whole)

    def _tell_hole(self, hole: Hole) -> list[m.Item]:
        session = self._past.get(hole.session) or self._session
        assert session is not None and session.id == hole.session, "a hole belongs to a session that is remembered"
        session.now_us = self._now_us()
        told = session.dropped(hole.last_us, hole.first_us)
        if self._duties is not None:
            self._duties.note(told, self._now_ns)
        return told

    def _write_failed(self, failed: m.WriteFailed) -> list[m.Effect]:
        self._disk.handed_ns = None
        if not self._failing:
            self._put([self._made(m.Draft(e.Fault(part=failed.part, kind="write", text=failed.text)))])
        self._failing = failed.text or "the disk failed"
        return [m.Event("storage.failing", failed.text)]

    def _written(self, written: m.Written) -> list[m.Effect]:
        safe = self._outbox.attested(written.fragments)
        self._failing = ""
        self._lag_ms, self._size = written.lag_ms, written.size
        if self._room is not None:
            self._room.written(written)
        effects: list[m.Effect] = []
        if self._care is not None:
            self._care.attested(written.terms)
        if self._duties is not None:
            effects += self._carried(self._duties.written(written, self._outbox, self._now_ns))
        if self._session is not None and safe == self._session.id and not self._safe:
            self._safe = True
            effects.append(m.Event("safe", "recording", self._session.id))
        if self._disk.slow:
            self._end_slow()
            effects.append(m.Event("storage.normal", "", value=written.lag_ms))
        self._disk.handed_ns = None
        return effects

    def _finished(self) -> list[m.Effect]:
        return [m.Finished()] if self._shutdown and self._disk.handed_ns is None else []

    # --- pre-record -----------------------------------------------------------------------------------------

    def _next_piece(self, session: Session) -> None:
        """At most 2 s of pre-record; behind the last piece, what has come meanwhile."""
        prerecord, utc_us = self._prerecord, self._utc.best_us(self._now_us())
        assert prerecord is not None
        if prerecord.is_written:
            self._prerecord, self._prerecord_ended = None, True
            self._put(prerecord.finish(session, utc_us))
        else:
            self._put(prerecord.next_piece(session, utc_us))

    def _keep_budget(self) -> None:
        prerecord, session = self._prerecord, self._session
        if prerecord is not None and session is not None:
            utc_us = self._utc.best_us(self._now_us())
            if self._outbox.over_budget(prerecord.live_us()):
                items = (
                    prerecord.finish(session, utc_us) if prerecord.is_written else prerecord.give_up(session, utc_us)
                )
                self._put(items)
                if items:
                    self._prerecord, self._prerecord_ended = None, True
        for hole in self._outbox.give_up_oldest():
            if self._duties is not None:
                self._duties.dropped(hole, self._now_ns)

    # --- the disk -------------------------------------------------------------------------------------------

    def _watch_disk(self) -> list[m.Effect]:
        """A flush under way for more than 2 s is an impairment, live (promise 3)."""
        session = self._session
        if session is None or self._starting is not None:
            return []
        since_ns = self._disk.begin(self._now_ns)
        if since_ns is None:
            return []
        text = "the disk does not keep up; everything is kept in memory"
        self._put(session.impaired("storage.slow", since_ns // NS_PER_US, text))
        return [m.Event("storage.slow", text, session.id)]

    def _end_slow(self) -> None:
        worst_ms = self._disk.end(self._now_ns, self._lag_ms)
        if worst_ms is not None and self._session is not None:
            self._put(self._session.mended("storage.slow", self._now_us(), worst_ms))

    # --- device and term (R19a, R21a) -----------------------------------------------------------------------

    def _look_after_device(self) -> list[m.Effect]:
        if self._care is None:
            return []
        quiet = self._duties is None or self._duties.quiet
        return self._carried(self._care.step(quiet, self._utc.of(self._now_us()), None, self._now_ns))

    def _check_now(self) -> list[m.Effect]:
        if self._care is None:
            return [m.Event("refused", "this recorder does not check the device")]
        return self._carried(self._care.ask(self._now_ns))

    def _note_care(self, message: object) -> None:
        if self._care is not None:
            self._care.heard(message, self._now_ns)

    def _note_pictures(self, packets: Sequence[object]) -> None:
        if self._care is not None:
            self._care.pictures(packets)

    def _known(self) -> Known:
        """For a check: what only the recorder knows."""
        return Known(
            down=self._health.down,
            impaired=[one.kind for one in self._watch.standing()],
            clock=checkup.ClockNow(*self._utc.believed),
            room=checkup.Room(self._room.left_min) if self._room is not None and self._room.left_min >= 0 else None,
            owing=self._duties.owing if self._duties is not None else checkup.Owing(),
        )

    def check_report(self) -> dict[str, object] | None:
        """How the last check of the device went; None where this recorder makes none."""
        return self._care.report() if self._care is not None else None

    # --- facts ----------------------------------------------------------------------------------------------

    def status(self) -> dict[str, object]:
        """What the lamp, the page and ``liuhen status`` show; never a person, case or place."""
        self._take_kept()
        session = self._session
        return {
            "state": self._state_word(),
            "session": session.id if session else "",
            "safe": "yes" if session is not None and self._safe else "no",
            "sensors": self._health.words(),
            "lag_ms": self._lag_ms,
            "flush_under_way_ms": self._disk.under_way_ms(self._now_ns),
            "not_attested_ms": self._outbox.media_us // 1000,
            "journal_size": self._size,
            "storage": self._failing or ("slow" if self._disk.slow else "ok"),
            "assigned": "yes" if self._notes.assigned else "no",
            **(self._duties.status() if self._duties else {}),
            "room_min": self._room.left_min if self._room else -1,
            "interrupted_tracks": sorted(session.down_tracks()) if session else [],
            **({"unsynced": self._care.unsynced.sessions, "late": self._care.unsynced.late} if self._care else {}),
            "sim_overrun": self._health.overruns,
        }

    def _state_word(self) -> Literal["standby", "starting", "recording", "stopping", "resuming"]:
        if self._resume is not None:
            return "resuming"
        if self._starting is not None:
            return "starting"
        if self._session is None:
            return "standby"
        return "recording" if self._stopping_ns is None and not self._stop_held else "stopping"

    def _now_us(self) -> int:
        return self._now_ns // NS_PER_US


def _late(session: Session, stop_ns: int) -> list[e.MediaTrack]:
    """Required tracks that should still send something from before the stop."""
    return [
        track
        for track in MEDIA_TRACKS
        if track in session.state.required_tracks
        and not session.is_down(track)
        and (session.fragmenter.last_ns.get(track, 0) < stop_ns - NS_PER_MS or session.waits_for(track))
    ]
