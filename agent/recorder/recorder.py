"""The recorder: every message in, ordered work for the writer and events for people out. ``step(message, now_ns)``.

It never touches a file, a clock or a random byte, so the simulation runs this very code. Rules: a hand-over every
``flush_ms`` and never more than one unacknowledged; pre-record goes first, in pieces of at most 2 s, outside the
budget; live media beyond the budget is given up in whole GOPs and told (``outbox``); a button is answered while the
disk stands still; only the officer's stop ends a session.

Leaves to others: one session's accounting (``session``), sealing and disk (``writer``), processes and threads
(``service``).
"""

from dataclasses import dataclass, field, replace
from typing import Literal

from agent.evidence import entries as e
from agent.evidence.errors import EvidenceError
from agent.recorder import messages as m
from agent.recorder.beginning import first_good, from_first_picture, late_by, presentation_zero, without_skew
from agent.recorder.diskwatch import DiskWatch
from agent.recorder.health import Health
from agent.recorder.intake import Intake
from agent.recorder.notes import Notes
from agent.recorder.outbox import Hole, Outbox
from agent.recorder.prerecord import Prerecord
from agent.recorder.ring import Packet, Ring
from agent.recorder.session import SLEEPS, Moment, Session
from agent.recorder.settings import Settings
from agent.recorder.spool import session_id
from agent.recorder.state import DeviceState, Resume, SessionState, gap_us
from agent.recorder.timeline import NS_PER_MS, NS_PER_S, NS_PER_US
from agent.recorder.utc import Utc
from drivers import Counter, Fault, Log
from drivers.camera import CameraParameters, VideoPacket
from drivers.microphone import SoundPacket, SoundParameters
from drivers.position import Fix, NoFix

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
        self._slept: list[m.Suspended] = []
        """The last times that the machine slept: a session's pre-record may hold one."""
        self._now_ns = now_ns
        if resume is not None:
            self._session = Session(replace(resume.session), self._boot, settings.segment_s)

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
        self._outbox.add([draft])

    def _take_kept(self) -> None:
        """Put the packets that came in a quiet time into the session: each track at once, where nothing is to tell."""
        session = self._session
        if session is None:
            return
        for sensor, kept in self._kept.items():
            if kept.packets:
                self._kept[sensor] = _Kept()
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
                    self._outbox.add(session.add(packet, self._intake.formats))
            except EvidenceError as error:
                self._untold += self._unusable(sensor, str(error))
            else:
                self._health.heard(sensor, arrived_ns)
                self._health.unusable.discard(sensor)

    def _dispatch(self, message: m.Message) -> list[m.Effect]:
        match message:
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
            case m.MarkNow() | m.Important() | m.AnnotateSession():
                return self._note(message)
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
                packet = self._intake.packet(message, self._now_ns)
                if packet is not None:
                    self._packet(packet)
                self._health.heard(heard.sensor, self._now_ns)
                effects: list[m.Effect] = []
            else:
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
            self._outbox.add(items)

    def _suspended(self, slept: m.Suspended) -> list[m.Effect]:
        """The machine slept (design, time): all tracks are interrupted, and no sensor is to blame for its silence."""
        self._slept = [*self._slept[-SLEEPS:], slept]
        length_ns = slept.until_ns - slept.from_ns
        self._health.slept(length_ns)
        if self._session is not None and self._starting is None:
            self._tell_slept(self._session, slept.from_ns)
        return [m.Event("suspended", "the device was put to sleep", value=length_ns // NS_PER_MS)]

    def _tell_slept(self, session: Session, since_ns: int) -> None:
        """The sleeps that lie in a session from a moment on."""
        for slept in self._slept:
            if slept.until_ns > since_ns:
                from_us = max(slept.from_ns, since_ns) // NS_PER_US
                self._outbox.add(session.suspended(from_us, slept.until_ns // NS_PER_US))

    def _trouble(self, trouble: m.Trouble) -> list[m.Effect]:
        text = trouble.text[:MOST_CHARACTERS]
        self._outbox.add([self._made(m.Draft(e.Fault(part="recorder", kind=trouble.kind, text=text)))])
        return [m.Event("fault", f"recorder: {text}")]

    def _watch_sensors(self) -> list[m.Effect]:
        effects: list[m.Effect] = []
        for sensor in self._health.fell_silent(self._now_ns):
            effects += self._sensor_down(m.SensorDown(sensor, "nothing came for too long"))
        return effects

    def _sensor_down(self, down: m.SensorDown) -> list[m.Effect]:
        self._health.ended(down.sensor)
        track, text = TRACK_OF[down.sensor], down.text[:MOST_CHARACTERS]
        if track != "position":
            self._ring.drop(track)
        if self._prerecord is not None and track != "position":
            self._prerecord.add_down(track, text, self._now_us())
        elif self._session is not None and self._starting is None:
            self._outbox.add(self._session.sensor_down(track, text, self._now_us()))
        return [m.Event("sensor.down", f"{down.sensor}: {down.text}")]

    def _fault(self, sensor: m.Sensor, fault: Fault) -> list[m.Effect]:
        kind, text = fault.kind[:MOST_CHARACTERS], fault.text[:MOST_CHARACTERS]
        entry = e.Fault(boot=self._boot, boot_us=self._now_us(), part=sensor, kind=kind, text=text)
        self._outbox.add([m.Draft(entry)])
        return [m.Event("fault", f"{sensor}: {fault.text}")]

    def _fix(self, fix: Fix) -> None:
        self._intake.check_fix(fix, self._now_ns)
        self._fix_ns = self._now_ns
        self._take_clock(m.ClockReading(fix.capture_ns, fix.utc_us, "gnss", fix.utc_error_us))
        if self._session is not None and self._starting is None:
            self._outbox.add(self._session.add_fix(fix))

    def _no_fix(self, lost: NoFix) -> list[m.Effect]:
        self._intake.check_stamp(lost.capture_ns, self._now_ns)
        self._health.heard("position", self._now_ns)
        if self._session is not None and self._starting is None:
            reason = lost.reason[:MOST_CHARACTERS]
            self._outbox.add(self._session.sensor_down("position", reason, lost.capture_ns // NS_PER_US))
        return []

    def _count(self, counter: Counter) -> list[m.Effect]:
        if counter.name != "sim.overrun":
            return []
        late = self._health.count_late(counter.value)
        if self._session is not None:
            self._session.late_frames += late
        return [m.Event("sim.overrun", "frames were made late, none lost", value=self._health.overruns)]

    def _take_clock(self, reading: m.ClockReading) -> None:
        self._outbox.add([m.Draft(entry) for entry in self._utc.take(reading, self._now_ns)])

    # --- people ---------------------------------------------------------------------------------------------

    def _start(self, request: m.Start) -> list[m.Effect]:
        accepted = m.Event("accepted", "recording, not yet safe", session_id(self._next_session))
        if self._session is not None and self._stopping_ns is not None and self._queued is None and not self._shutdown:
            self._queued = request  # begins when the session that is being stopped has ended
            return [accepted]
        if self._session is not None or self._starting is not None or self._shutdown:
            return [m.Event("refused", "already recording", self._session.id if self._session else "")]
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
        if self._stopping_ns is None:
            self._stopping_ns, self._stop_asked_ns = request.pressed_ns, self._now_ns
        self._queued = None
        return [m.Event("accepted", "stopping", self._session.id if self._session else "")]

    def _stop_unresumed(self, resume: Resume, session: Session, until_us: int) -> list[m.Effect]:
        """The officer ends a session before it could go on."""
        self._outbox.add(session.close(until_us, self._gap(resume, until_us)))
        self._resume, self._starting, self._session = None, None, None
        return [m.Event("accepted", "stopped", session.id), m.Event("session.close", "", session.id)]

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
        self._outbox.add([session.draft(entry)])
        return [m.Event("accepted", "", session.id)]

    def _add_notes(self, drafts: list[m.Draft]) -> None:
        for draft in drafts:
            entry, session = self._made(draft).entry, self._session
            if isinstance(entry, e.Importance) and session is not None and entry.stream == session.id:
                session.state.important = entry.important == "yes"  # the next file's name says it
            self._outbox.add([draft])

    def _issue(self, issue: m.Issue) -> list[m.Effect]:
        self._outbox.add([self._made(self._notes.issue(issue))])
        return [m.Event("accepted", issue.how)]

    def _made(self, draft: m.Draft) -> m.Draft:
        draft.entry.boot, draft.entry.boot_us = self._boot, self._now_us()
        return draft

    # --- begin ----------------------------------------------------------------------------------------------

    def _advance_start(self) -> list[m.Effect]:
        """Begin the session, or go on with it, once its tracks are there or have been waited for."""
        starting = self._starting
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
        self._outbox.add([self._session.draft(opened, request.private)])
        self._add_notes(self._notes.opened(state.session))
        self._tell_slept(self._session, zero_ns)
        self._tell_missing(there, Moment(self._boot, from_us))
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
        self._outbox.add(session.go_on(first_us, shortest, longest))
        self._tell_slept(session, first_us * NS_PER_US)
        self._tell_missing(there, Moment(self._boot, first_us))
        self._prerecord = Prerecord(packets, self._intake.formats, 0, told=False)
        return [m.Event("session.resumed", "", session.id)]

    def _gap(self, resume: Resume, now_us: int) -> tuple[int, int]:
        began_us, latest_us = resume.boot_began_us, resume.session.latest_us()
        return gap_us(resume.interruption, self._boot, now_us, began_us, resume.then, self._utc.of(now_us), latest_us)

    def _tell_missing(self, there: set[e.Track], since: Moment) -> None:
        assert self._session is not None
        for track in self._settings.required_tracks:
            if track not in there:
                self._outbox.add(self._session.missing_from(track, "not there when recording began", since))

    def _tell_late(self, packets: list[Packet], zero_ns: int, pressed_ns: int) -> None:
        """A track that began after the others: its first packet will end what is told here."""
        assert self._session is not None
        sound_due_ns = zero_ns if self._settings.prerecord_sound else max(zero_ns, pressed_ns)
        due: dict[e.MediaTrack, int] = {"video": zero_ns, "sound": sound_due_ns}
        for track, due_ns in due.items():
            if late_by(packets, track, due_ns):
                since = Moment(self._boot, due_ns // NS_PER_US)
                self._outbox.add(self._session.missing_from(track, "began after the others", since))

    # --- end ------------------------------------------------------------------------------------------------

    def _advance_stop(self) -> list[m.Effect]:
        session, stop_ns = self._session, self._stopping_ns
        if stop_ns is None or session is None or self._starting is not None or self._prerecord is not None:
            return []
        late = _late(session, stop_ns)
        if late and self._now_ns - self._stop_asked_ns < STOP_WAIT_NS:
            return []
        return self._close(session, stop_ns, late)

    def _close(self, session: Session, stop_ns: int, late: list[e.MediaTrack]) -> list[m.Effect]:
        for track in late:
            if session.fragmenter.last_ns.get(track, 0) < stop_ns - SHORT_TAIL_NS:
                self._outbox.add(session.sensor_down(track, "nothing came up to the stop", stop_ns // NS_PER_US))
        self._outbox.add(session.flush(self._utc.best_us(self._now_us()), last=True))
        self._end_slow()
        self._outbox.add(session.close(stop_ns // NS_PER_US))
        self._leave(session)
        return [m.Event("session.close", "", session.id)]

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
            self._session, self._next_flush_ns = None, self._now_ns
            return []
        while self._prerecord is not None:
            self._next_piece(session)
        if stop_ns is not None:
            return self._close(session, stop_ns, _late(session, stop_ns))
        self._outbox.add(session.flush(self._utc.best_us(self._now_us()), last=True))
        self._end_slow()
        self._outbox.add(session.interrupted("shutdown", "the device was shut down", session.last_us()))
        self._leave(session)
        return []

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
            self._outbox.add(self._session.flush(self._utc.best_us(self._now_us())))

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
        return session.dropped(hole.last_us, hole.first_us)

    def _write_failed(self, failed: m.WriteFailed) -> list[m.Effect]:
        self._disk.handed_ns = None
        if not self._failing:
            self._outbox.add([self._made(m.Draft(e.Fault(part=failed.part, kind="write", text=failed.text)))])
        self._failing = failed.text or "the disk failed"
        return [m.Event("storage.failing", failed.text)]

    def _written(self, written: m.Written) -> list[m.Effect]:
        safe = self._outbox.attested(written.fragments)
        self._failing = ""
        self._lag_ms, self._size = written.lag_ms, written.size
        effects: list[m.Effect] = []
        if self._session is not None and safe == self._session.id and not self._safe:
            self._safe = True
            effects.append(m.Event("safe", "recording", self._session.id))
        if self._disk.slow is not None:
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
            self._outbox.add(prerecord.finish(session, utc_us))
        else:
            self._outbox.add(prerecord.next_piece(session, utc_us))

    def _keep_budget(self) -> None:
        prerecord, session = self._prerecord, self._session
        if prerecord is not None and session is not None:
            utc_us = self._utc.best_us(self._now_us())
            if self._outbox.over_budget(prerecord.live_us()):
                items = (
                    prerecord.finish(session, utc_us) if prerecord.is_written else prerecord.give_up(session, utc_us)
                )
                self._outbox.add(items)
                if items:
                    self._prerecord, self._prerecord_ended = None, True
        self._outbox.give_up_oldest()

    # --- the disk -------------------------------------------------------------------------------------------

    def _watch_disk(self) -> list[m.Effect]:
        """A flush under way for more than 2 s is an impairment, live (promise 3)."""
        session = self._session
        if session is None or self._starting is not None:
            return []
        begin = self._disk.begin(self._now_ns, session.state.next_impairment)
        if begin is None:
            return []
        session.state.next_impairment += 1
        self._outbox.add([session.draft(begin)])
        return [m.Event("storage.slow", "the disk does not keep up; everything is kept in memory", session.id)]

    def _end_slow(self) -> None:
        end = self._disk.end(self._now_ns, self._lag_ms)
        if end is not None and self._session is not None:
            self._outbox.add([self._session.draft(end)])

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
            "storage": self._failing or ("slow" if self._disk.slow is not None else "ok"),
            "assigned": "yes" if self._notes.assigned else "no",
            "interrupted_tracks": sorted(session.down_tracks()) if session else [],
            "sim_overrun": self._health.overruns,
        }

    def _state_word(self) -> Literal["standby", "starting", "recording", "stopping", "resuming"]:
        if self._resume is not None:
            return "resuming"
        if self._starting is not None:
            return "starting"
        if self._session is None:
            return "standby"
        return "recording" if self._stopping_ns is None else "stopping"

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
