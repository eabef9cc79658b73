"""One device's life from a seed: the real recorder and writer, stepped by a scheduler, over a disk that forgets.

There are no threads and no clock. Each mailbox (camera, microphone, ticks, writer, acknowledgements) knows when it
moves next; the earliest moves. Sensors may be late, silent or gone, the writer's work may wait for any time, and
between two steps anything may happen: a kill or a power cut in the middle of a flush or of a recovery, errors of the
disk, stalls above the budget, reboots after seconds or days with a clock or without.

A life is *coarse* (a frame and a packet of sound a second, so that days cost a second) or *fine* (full cadence).
After each acknowledgement and each recovery ``tests.sim.invariants`` judges everything that is new.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from agent.evidence import age
from agent.evidence.note import Signer
from agent.recorder import messages as m
from agent.recorder.keeping import KeepSettings, Load
from agent.recorder.recorder import Recorder
from agent.recorder.recovery import Device, Recovered, Recovery
from agent.recorder.settings import Settings
from agent.recorder.writer import Identity, Writer
from drivers.camera import CameraParameters, VideoPacket
from drivers.microphone import SoundFigures, SoundPacket, SoundParameters
from drivers.position import Fix, NoFix
from drivers.signals import NotSaid, Said
from drivers.storage import StorageFigures
from tests.sim.disk import Died, Fault, FaultKind, SimDisk
from tests.sim.invariants import Checker, Counters, check
from tests.support import streams
from tests.support.rig import SETTINGS

NS_PER_S = 1_000_000_000
EPOCH_US = 1_780_000_000_000_000
NEVER = 1 << 62
SECRET = "张三, Renmin Road 1"


LOAD = Load(
    media_bytes_per_s=10_000,
    flush_ms=400,
    segment_s=20,
    preallocated_bytes=128 * 1024,
    recipients=1,
    queue_s=20,
    prerecord_s=20,
    reason_s=180,
    look_s=5,
    reserve_s=0,
    standby_h=1,
)


CARE: dict[str, Any] = {"duties": True, "keep": KeepSettings(), "load": LOAD}
"""Reasons are asked for, alarms raised, the card's room is looked at."""


@dataclass(frozen=True, slots=True)
class Cadence:
    """How fine a life is."""

    settings: Settings
    frame_ns: int
    gop: int
    samples: int
    tick_ns: int
    frame_bytes: int
    events: int
    step_s: float
    """Mean time between two events in a session."""


COARSE = Cadence(
    replace(
        SETTINGS,
        prerecord_s=20,
        segment_s=300,
        flush_ms=10_000,
        queue_s=60,
        duties=True,
        keep=KeepSettings(),
        load=LOAD,
    ),
    frame_ns=NS_PER_S,
    gop=5,
    samples=48_000,
    tick_ns=2_500_000_000,
    frame_bytes=60,
    events=70,
    step_s=120,
)
FINE = Cadence(
    replace(
        SETTINGS, prerecord_s=10, segment_s=20, flush_ms=400, queue_s=20, duties=True, keep=KeepSettings(), load=LOAD
    ),
    frame_ns=streams.FRAME_NS,
    gop=25,
    samples=1024,
    tick_ns=50_000_000,
    frame_bytes=700,
    events=45,
    step_s=14,
)


@dataclass(slots=True)
class Source:
    """A sensor's child: what it sends next, and how late it is."""

    name: m.Sensor
    next_capture_ns: int = NEVER
    number: int = 0
    latency_ns: int = 20_000_000
    stuck_until_ns: int = 0
    silent_until_ns: int = 0

    @property
    def next_ns(self) -> int:
        return max(self.next_capture_ns + self.latency_ns, self.stuck_until_ns)


@dataclass(slots=True)
class Work:
    """What the writer has in hand, or has done and not said."""

    handover: m.Handover | None = None
    answer: m.Written | m.WriteFailed | None = None
    at_ns: int = NEVER


class Life:
    """See the module; ``run`` raises AssertionError where an invariant breaks. ``told`` is the story so far."""

    def __init__(self, seed: int, fine: bool) -> None:
        self.rng = random.Random(seed)
        self.cadence = self.varied(FINE if fine else COARSE)
        self.told: list[str] = []
        self.disk = SimDisk(seed)
        self.signer = Signer("liuhen/D1", bytes(range(32)))
        self.identity = age.Identity(bytes(range(1, 33)))
        self.checker = Checker(self.disk, self.signer.vkey)
        self.now_ns = 30 * NS_PER_S
        self.utc_offset_us = EPOCH_US
        """UTC at CLOCK_BOOTTIME 0 of this boot."""
        self.boots = 0
        self.clock_known = True
        self.camera, self.microphone = Source("camera"), Source("microphone")
        self.fix_ns = NEVER
        self.has_fix = True
        self.saying: tuple[int, m.SignalsHeard] | None = None
        """What the speaker's child will answer, and when."""
        self.detecting = self.somebody_speaks = False
        self.tick_ns = 0
        self.work = Work()
        self.stall_until_ns = 0
        self.finished = False
        self.recorder: Recorder
        self.writer: Writer

    def varied(self, cadence: Cadence) -> Cadence:
        """Some devices have no camera, some may not hear before the press."""
        settings = replace(cadence.settings, prerecord_sound=self.rng.random() < 0.7)
        if self.rng.random() < 0.15:
            settings = replace(settings, required_tracks=("sound",), sensors=frozenset({"microphone"}))
        if self.rng.random() < 0.3:
            tracks, sensors = (*settings.required_tracks, "position"), settings.sensors | {"position"}
            settings = replace(settings, required_tracks=tracks, sensors=sensors)
        return replace(cadence, settings=settings)

    def run(self) -> None:
        """Live, come to rest, and be judged."""
        counters, whole = Counters(), age.ChunkSealer
        age.ChunkSealer = counters.sealer  # type: ignore[misc]
        try:
            self.boot()
            for _ in range(self.cadence.events):
                self.happen()
            self.rest()
        finally:
            age.ChunkSealer = whole  # type: ignore[misc]

    def tell(self, text: str) -> None:
        self.told.append(f"boot {self.boots} {self.now_ns / NS_PER_S:.3f} s: {text}")

    # --- what happens ---------------------------------------------------------------------------------------

    def happen(self) -> None:
        """One event, and some time after it."""
        state = self.recorder.status()["state"]
        event: Callable[[], None] = self.rng.choice(self.at_rest() if state == "standby" else self.at_work())
        self.tell(event.__name__)
        self.living(event)
        if self.recorder.status()["state"] != "standby":
            self.living(lambda: self.advance(self.rng.expovariate(1 / self.cadence.step_s)))
        self.judge()

    def living(self, what: Callable[[], None]) -> None:
        """Do it; if the process or the power dies in it, go on after that."""
        try:
            what()
        except Died:
            self.die(self.rng.choice((self.kill, self.power_cut)))

    def at_rest(self) -> list[Callable[[], None]]:
        seldom = [self.kill_now, self.cut_now, self.shutdown, self.issue, self.annotate_next, self.annotate_past]
        seldom += [self.disk_error, self.clock, self.die_soon, self.answer_alarm, self.free_card]
        return [*[self.start] * 8, *[self.wait] * 3, *seldom]

    def at_work(self) -> list[Callable[[], None]]:
        world = [self.lose_camera, self.lose_microphone, self.silence, self.late_sensor, self.clock, self.stall]
        world += [self.lose_position, self.sleep, self.speak, self.speak, self.fill_card, self.free_card]
        people = [self.mark, self.annotate, self.important, self.issue, self.stop, self.stop, self.stop_and_start]
        people += [self.explain, self.explain_in_writing, self.answer_alarm]
        hard = [self.disk_error, self.kill_now, self.cut_now, self.die_soon, self.die_soon, self.shutdown]
        return world + people + hard

    # people

    def start(self) -> None:
        self.wake()
        self.step(m.Start(self.now_ns, private=SECRET if self.rng.random() < 0.5 else ""))

    def stop(self) -> None:
        self.step(m.Stop(self.now_ns))
        self.advance(self.rng.choice((0.1, 2, 30)))

    def stop_and_start(self) -> None:
        self.stop()
        self.step(m.Start(self.now_ns))

    def mark(self) -> None:
        self.step(m.MarkNow(self.now_ns))

    def important(self) -> None:
        self.step(m.Important(self.rng.random() < 0.5))

    def annotate(self) -> None:
        self.step(m.AnnotateSession(power="coercion", private=SECRET))

    annotate_next = annotate

    def annotate_past(self) -> None:
        for session in list(self.checker.sessions)[-1:]:
            self.step(m.AnnotateSession(session=session, private=SECRET))

    def speak(self) -> None:
        """Somebody speaks for a while; whether it is asked for or not."""
        self.somebody_speaks = True
        self.advance(self.rng.choice((0.5, 5, 40, 200)))
        self.somebody_speaks = False

    def explain(self) -> None:
        self.step(m.Explain(self.now_ns))

    def answer_alarm(self) -> None:
        """Somebody reports, takes note or writes, of an alarm that there may be."""
        alarm = self.rng.randrange(3)
        session = list(self.checker.sessions)[-1] if self.checker.sessions else "s000001"
        words: list[m.Message] = [
            m.AlarmReported(self.now_ns, "phone", SECRET, self.rng.choice((-1, alarm))),
            m.AlarmAcknowledged(alarm, "310102", SECRET),
            m.StatementGiven(session, alarm, SECRET * 2),
        ]
        self.step(self.rng.choice(words))

    def explain_in_writing(self) -> None:
        for session in list(self.checker.sessions)[-2:]:
            number = self.rng.randrange(4)
            self.step(m.ExplainInWriting(session, number, SECRET * 2, addendum=self.rng.random() < 0.3))

    def issue(self) -> None:
        self.step(m.Issue(self.rng.choice(("assign", "handover", "return")), "310101", SECRET))

    # the world

    def wait(self) -> None:
        """Nobody records; sensors of a device at rest are not simulated."""
        self.drain()
        hours = self.rng.choice((0.02, 0.5, 8, 20))
        self.now_ns += int(hours * 3600 * NS_PER_S)
        self.tick_ns = self.now_ns
        self.skip_to_now()

    def clock(self) -> None:
        self.clock_known = self.rng.random() < 0.7
        self.read_clock()

    def read_clock(self) -> None:
        source: Literal["gnss", "ntp", "none"] = self.rng.choice(("gnss", "ntp")) if self.clock_known else "none"
        utc_us = self.utc_offset_us + self.now_ns // 1000
        self.step(m.ClockReading(self.now_ns, utc_us, source, 20_000 if self.clock_known else -1))

    def lose_camera(self) -> None:
        if "camera" not in self.cadence.settings.sensors:
            return
        self.step(m.SensorDown("camera", "ended"))
        self.camera.next_capture_ns = NEVER
        self.advance(self.short())
        self.begin_camera()

    def lose_microphone(self) -> None:
        self.step(m.SensorDown("microphone", "ended"))
        self.microphone.next_capture_ns = NEVER
        self.advance(self.short())
        self.begin_microphone()

    def lose_position(self) -> None:
        self.has_fix = not self.has_fix

    def sleep(self) -> None:
        """The machine is suspended, although it should not be."""
        from_ns = self.now_ns
        self.now_ns += int(self.short() * NS_PER_S)
        self.skip_to_now()
        self.step(m.Suspended(from_ns, self.now_ns))

    def silence(self) -> None:
        """A sensor sends nothing for a while, and nobody says so."""
        source = self.sensor()
        source.silent_until_ns = self.now_ns + int(self.short() * NS_PER_S)

    def late_sensor(self) -> None:
        source = self.sensor()
        source.stuck_until_ns = self.now_ns + int(min(self.short(), 10) * NS_PER_S)

    def sensor(self) -> Source:
        return self.rng.choice((self.camera, self.microphone))

    def fill_card(self) -> None:
        """The card is full up to the reserve; sometimes that is over soon."""
        self.look_at_card(0)
        self.advance(self.short())
        if self.rng.random() < 0.7:
            self.free_card()

    def free_card(self) -> None:
        self.look_at_card(1 << 40)

    def look_at_card(self, free_bytes: int) -> None:
        self.step(m.StorageHeard(StorageFigures(self.now_ns, free_bytes, 1 << 41, False, -1, "")))

    def stall(self) -> None:
        """The disk stands still, for less than the budget or for more."""
        seconds = self.cadence.settings.queue_s * self.rng.choice((0.2, 0.9, 1.5, 4))
        self.stall_until_ns = self.now_ns + int(seconds * NS_PER_S)

    def disk_error(self) -> None:
        kind: FaultKind = self.rng.choice(("EIO", "ENOSPC", "short"))
        self.disk.break_at(Fault(kind, self.rng.randrange(8), self.rng.choice((1, 1, 2, 5, 40, 400))))

    # ends

    def die_soon(self) -> None:
        """The process or the power ends in the middle of what the disk is asked for."""
        self.disk.die_at = self.disk.count + self.rng.randrange(12)

    def kill_now(self) -> None:
        self.die(self.kill)

    def cut_now(self) -> None:
        self.die(self.power_cut)

    def shutdown(self) -> None:
        self.step(m.Shutdown())
        self.advance(self.rng.choice((0.5, 30)))
        self.tell(f"shut down, finished: {self.finished}")
        self.die(self.rng.choice((self.kill, self.power_cut)))

    def die(self, how: Callable[[], None]) -> None:
        self.tell(how.__name__)
        how()
        self.boot()

    def kill(self) -> None:
        self.disk.forget_handles()
        self.now_ns += int(self.rng.choice((1, 5, 60, 4000)) * NS_PER_S)

    def power_cut(self) -> None:
        away_s = self.rng.choice((10, 60, 600, 4000, 100_000))
        self.disk = self.checker.disk = self.disk.cut(self.rng.getrandbits(32))
        self.checker.after_cut()
        self.utc_offset_us += self.now_ns // 1000 + away_s * 1_000_000
        self.now_ns = self.rng.randrange(3, 25) * NS_PER_S
        self.boots += 1
        self.clock_known = self.rng.random() < 0.6

    # --- begin ----------------------------------------------------------------------------------------------

    def boot(self) -> None:
        """Recover (which may be cut, killed or meet errors as well) and begin to record."""
        self.disk.break_at(None)
        self.disk.die_at = None
        recovered = self.recovered()
        self.after_recovery(recovered)
        draw = self.rng.randbytes
        identity = Identity("D1", [self.identity.recipient()])
        self.writer = Writer(self.disk, recovered.ledger, identity, lambda: self.now_ns, draw, 128 * 1024)
        settings = self.cadence.settings
        self.recorder = Recorder(settings, recovered.ledger.state, recovered.resume, self.now_ns)
        self.work, self.stall_until_ns, self.finished, self.tick_ns = Work(), 0, False, self.now_ns
        self.saying, self.detecting = None, False
        self.begin_camera()
        self.begin_microphone()
        self.fix_ns = self.now_ns if "position" in self.cadence.settings.sensors else NEVER
        if self.clock_known:
            self.read_clock()

    def recovered(self) -> Recovered:
        trouble = self.rng.random()
        if trouble < 0.15:
            self.disk.die_at = self.disk.count + self.rng.randrange(10)
        elif trouble < 0.3:
            self.disk.break_at(Fault("EIO", self.rng.randrange(10), 1))
        try:
            found = self.recover()
        except OSError:
            self.tell("an error in recovery")
            self.disk.break_at(None)
            self.disk.forget_handles()
            found = self.recover()
        except Died:
            self.tell("died in recovery")
            self.rng.choice((self.kill, self.power_cut))()
            found = self.recover()
        self.disk.break_at(None)
        self.disk.die_at = None
        return found

    def recover(self) -> Recovered:
        device = Device(id="D1", unit="U1", boot_id=f"boot-{self.boots}", resume_s=1800)
        utc_us = self.utc_offset_us + self.now_ns // 1000
        clock = m.ClockReading(self.now_ns, utc_us, "ntp", 50_000) if self.clock_known else None
        draw = self.rng.randbytes
        recovery = Recovery(self.disk, self.signer, device, clock, lambda: self.now_ns, draw, 64 * 1024)
        return recovery.run(True)

    def after_recovery(self, recovered: Recovered) -> None:
        size = recovered.ledger.attested_size
        check(size >= len(self.checker.leaves), "recovery found less than was acknowledged")
        self.checker.catch_up(size)
        self.checker.after_recovery()
        self.checker.files_are_named()
        for text in recovered.done:
            self.tell(f"recovery: {text}")

    def begin_camera(self) -> None:
        if "camera" not in self.cadence.settings.sensors:
            return
        source, frame_ns = self.camera, self.cadence.frame_ns
        parameters = CameraParameters(
            sps=streams.SPS,
            pps=streams.PPS,
            width=640,
            height=360,
            fps_num=NS_PER_S // frame_ns,
            fps_den=1,
            reorder_ns=0,
        )
        gop_ns = frame_ns * self.cadence.gop
        source.next_capture_ns = (
            -(-(self.now_ns + 300_000_000) // gop_ns) * gop_ns
        )  # an encoder begins with a key frame
        source.silent_until_ns = source.stuck_until_ns = 0
        self.step(m.Heard("camera", parameters))

    def begin_microphone(self) -> None:
        source, packet_ns = self.microphone, self.packet_ns
        began_ns = -(-(self.now_ns + 100_000_000) // packet_ns) * packet_ns
        source.next_capture_ns = began_ns - packet_ns
        source.number = source.silent_until_ns = source.stuck_until_ns = 0
        self.step(m.Heard("microphone", SoundParameters(asc=streams.ASC, rate=48_000, channels=1, priming=1024)))

    @property
    def packet_ns(self) -> int:
        return self.cadence.samples * NS_PER_S // 48_000

    def wake(self) -> None:
        """Sensors run for a while before somebody presses, or hardly."""
        self.skip_to_now()
        self.advance(self.rng.choice((0.2, 3, 30)))

    def skip_to_now(self) -> None:
        """What sensors would have sent while nobody recorded is not simulated."""
        frame_ns, packet_ns = self.cadence.frame_ns, self.packet_ns
        self.fix_ns = max(self.fix_ns, self.now_ns)
        if self.camera.next_capture_ns < self.now_ns:
            self.camera.next_capture_ns = -(-self.now_ns // frame_ns) * frame_ns
        if self.microphone.next_capture_ns < self.now_ns:
            self.microphone.next_capture_ns += (
                -(-(self.now_ns - self.microphone.next_capture_ns) // packet_ns) * packet_ns
            )

    # --- the scheduler --------------------------------------------------------------------------------------

    def advance(self, seconds: float) -> None:
        """Let mailboxes move, the earliest first, for some seconds."""
        until_ns = self.now_ns + int(seconds * NS_PER_S)
        while True:
            sensors_ns = min(self.camera.next_ns, self.microphone.next_ns, self.fix_ns, self.said_ns)
            at_ns = min(sensors_ns, self.tick_ns, self.work.at_ns)
            if at_ns > until_ns:
                break
            self.now_ns = max(self.now_ns, at_ns)
            self.move(at_ns)
        self.now_ns = max(self.now_ns, until_ns)

    def move(self, at_ns: int) -> None:
        if self.work.at_ns == at_ns:
            self.work_on()
        elif self.camera.next_ns == at_ns:
            self.send(self.camera, self.cadence.frame_ns, self.frame())
        elif self.microphone.next_ns == at_ns:
            self.send(self.microphone, self.packet_ns, self.packet())
        elif self.saying is not None and self.said_ns == at_ns:
            said, self.saying = self.saying[1], None
            self.step(said)
        elif self.fix_ns == at_ns:
            self.fix_ns = self.now_ns + 2 * self.cadence.tick_ns
            self.step(m.Heard("position", self.fix() if self.has_fix else NoFix(self.now_ns, "no sky")))
        else:
            self.tick_ns = self.now_ns + self.cadence.tick_ns
            self.step(m.Tick())

    def send(self, source: Source, length_ns: int, message: VideoPacket | SoundPacket) -> None:
        silent = source.next_capture_ns < source.silent_until_ns
        source.next_capture_ns += length_ns
        source.number += 1
        if not silent:
            self.step(m.Heard(source.name, message))
            if isinstance(message, SoundPacket) and source.number * self.packet_ns % NS_PER_S < self.packet_ns:
                self.step(m.Heard(source.name, self.figures(message)))

    def figures(self, last: SoundPacket) -> SoundFigures:
        """Of the second of sound that a packet ends."""
        from_ns = last.capture_ns + self.packet_ns - NS_PER_S
        speech_ms = (960 if self.somebody_speaks else 0) if self.detecting else -1
        return SoundFigures(from_ns, NS_PER_S, -2_500, -900, 0, speech_ms)

    @property
    def said_ns(self) -> int:
        return self.saying[0] if self.saying is not None else NEVER

    def fix(self) -> Fix:
        utc_us = self.utc_offset_us + self.now_ns // 1000
        return Fix(self.now_ns, 311_000_000, 1_213_000_000, 4_000, "gnss", utc_us, 50_000)

    def frame(self) -> VideoPacket:
        at_ns = self.camera.next_capture_ns
        number = at_ns // self.cadence.frame_ns
        key = number % self.cadence.gop == 0
        data = bytes([0x65 if key else 0x41]) + number.to_bytes(8, "big") + bytes(self.cadence.frame_bytes)
        return VideoPacket(
            capture_ns=at_ns,
            decode_ns=at_ns,
            key=key,
            data=len(data).to_bytes(4, "big") + data,
            format="avcc",
            number=number,
        )

    def packet(self) -> SoundPacket:
        source = self.microphone
        return SoundPacket(
            capture_ns=source.next_capture_ns, samples=self.cadence.samples, data=source.number.to_bytes(8, "big") * 6
        )

    def step(self, message: m.Message) -> None:
        """One message into the recorder."""
        for effect in self.recorder.step(message, self.now_ns):
            if isinstance(effect, m.Handover):
                check(self.work.handover is None and self.work.answer is None, "two hand-overs at once")
                self.work = Work(handover=effect, at_ns=max(self.now_ns + self.soon_ns(), self.stall_until_ns))
            elif isinstance(effect, m.Finished):
                self.finished = True
            elif isinstance(effect, m.Detect):
                self.detecting = effect.on
            elif isinstance(effect, m.Say):
                self.say(effect)
        self.budget_holds()

    def say(self, wanted: m.Say) -> None:
        """The speaker's child says it, cannot, or is gone."""
        lot = self.rng.random()
        answer = Said(wanted.number, "w" * 43, 4_000) if lot < 0.7 else NotSaid(wanted.number, "mute")
        self.saying = (self.now_ns + 4 * NS_PER_S, m.SignalsHeard(answer)) if lot < 0.9 else None

    def work_on(self) -> None:
        """The writer does its work, or what it did is said."""
        handover, answer = self.work.handover, self.work.answer
        self.work = Work()
        if handover is not None:
            self.work = Work(answer=self.writer.step(handover), at_ns=self.now_ns + self.soon_ns())
        elif answer is not None:
            if isinstance(answer, m.Written):
                self.checker.catch_up(answer.size)
            self.step(answer)

    def soon_ns(self) -> int:
        return self.rng.choice((1_000_000, 30_000_000, 30_000_000, 800_000_000))

    def short(self) -> float:
        return self.rng.choice((0.1, 1.5, 7, 40))

    # --- judging --------------------------------------------------------------------------------------------

    def budget_holds(self) -> None:
        """Memory is bounded: the budget, the GOP that is being filled, and what the writer has in hand."""
        settings = self.cadence.settings
        gop_ms = self.cadence.gop * self.cadence.frame_ns // 1_000_000
        flushes = 2 if "camera" in settings.sensors else 4
        limit_ms = settings.queue_s * 1000 + 2_500 + 2 * gop_ms + flushes * settings.flush_ms
        limit_ms += settings.prerecord_s * 1000
        waiting_ms = self.recorder.status()["not_attested_ms"]
        assert isinstance(waiting_ms, int)
        check(waiting_ms <= limit_ms, f"{waiting_ms} ms of media wait in memory")

    def judge(self) -> None:
        session = self.checker.open_session()
        if session is not None:
            for track, jump in session.jumps:
                check(bool(session.holes(track)), f"{track} jumps over {jump} and no interruption tells of it")

    def rest(self) -> None:
        """No more trouble: what is open is stopped, everything gets to the disk, and all is looked at."""
        self.tell("rest")
        self.disk.break_at(None)
        self.disk.die_at = None
        self.free_card()
        self.advance(60)
        self.step(m.Stop(self.now_ns))
        self.advance(1)
        self.step(m.Stop(self.now_ns))  # who is asked for a reason may end at once all the same
        self.advance(20)
        self.drain()
        check(self.writer.idle, "the writer still holds something")
        check(self.checker.open_session() is None, "a stopped session is open")
        self.checker.reasons_add_up(self.recorder.status()["owed_reasons"])
        self.checker.alarms_add_up(self.recorder.status())
        self.checker.files_are_named()
        self.checker.plaintext(self.identity)
        recorded = {track for session in self.checker.sessions.values() for track in session.media}
        check(recorded == {"video", "sound"} & set(self.cadence.settings.required_tracks), f"only {recorded} recorded")

    def drain(self) -> None:
        """Until the writer has nothing in hand."""
        self.disk.break_at(None)
        self.advance(max(0, self.stall_until_ns - self.now_ns) / NS_PER_S + self.cadence.settings.flush_ms / 1000 * 4)


@dataclass(slots=True)
class Outcome:
    """What became of a seed."""

    seed: int
    problem: str = ""
    told: list[str] = field(default_factory=list)
    entries: int = 0
    sessions: int = 0


def live(seed: int) -> Outcome:
    """Every tenth life is fine; a broken invariant is the outcome, not an exception."""
    life = Life(seed, fine=seed % 10 == 9)
    problem = ""
    try:
        life.run()
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
    return Outcome(seed, problem, life.told, len(life.checker.leaves), len(life.checker.sessions))
