"""The recorder's threads: readers, the recorder thread, the writer thread, and the main thread that watches them.

The recorder thread never touches a file; the writer thread is the only one that does. The watchdog is fed only while
both, and every reader, are seen going round, or the writer is inside a call to the disk, however long: a restart
cannot end a stuck sync and would lose the memory (design, threads). Turns are counted by CLOCK_MONOTONIC, which
stands still while the machine sleeps.

No thread here writes to standard error itself (``log``), and nothing that fails around the recording ends it: a
local interface that cannot be opened is told and tried again.
"""

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import msgspec
import sdnotify

from agent.evidence.errors import EvidenceError
from agent.recorder import messages as m
from agent.recorder.clock import asleep, boottime_ns, system_utc
from agent.recorder.disk import Disk
from agent.recorder.index_keeper import IndexKeeper
from agent.recorder.log import Log
from agent.recorder.recorder import Recorder
from agent.recorder.sensors import SensorReader
from agent.recorder.sleepwatch import SleepWatch
from agent.recorder.writer import Writer
from drivers.link import AnyCommand, LinkError
from drivers.microphone import Listen
from drivers.signals import NotSaid, Say
from drivers.storage import Measure

TURN_S = 0.05
"""How long the recorder thread waits for a message before it looks at the time."""
ALIVE_NS = 5_000_000_000
"""A thread that made no turn for 5 s is stuck (design)."""
LOOK_S = 0.2
BAD_LOOKS = 2
"""So many in a row before the recorder ends: the first may fall between a thread's waking and its turn."""
DOOR_AFTER_S = 5.0
"""The local interface is opened after the first packet, and without one after so long."""
DOOR_RETRY_S = 5.0
CLOCK_EVERY_S = 10.0
ANSWER_S = 2.0
"""How long a person's command waits for the recorder thread, which never waits for a disk."""
SHUTDOWN_S = 30.0
"""How long a shutdown waits for the disk; after that the spool is as after a power cut."""
MESSAGES = 4096
"""Bound of the recorder's queue: over ten seconds of all sensors; a full one slows the sensors."""
EVENTS = 1000
"""Events a slow listener may lag behind before it loses the oldest."""

LOGGED = frozenset({
    "log", "fault", "sensor.down", "suspended", "storage.failing", "storage.slow", "storage.normal",
    "session.open", "session.resumed", "session.close",
    "reason.asked", "reason.unanswered", "reason.given",
    "check.pass", "check.warn", "check.fail", "deadline.at_risk", "deadline.late", "deadline.delivered",
    "alarm.cannot_continue", "alarm.report_now", "alarm.reported", "alarm.acknowledged", "alarm.stated",
})  # fmt: skip
"""Events that go to standard error too."""

INDEX_NS = 20_000_000
"""How long the writer's thread works on the index between two flushes, which are 0.4 s apart, while it is made anew."""

T = TypeVar("T")
Ask = Callable[[Recorder], Any]
OpenDoor = Callable[[], threading.Thread | None]
"""Opens the local interface; the thread that serves it, None where nobody need look after it. Raises OSError."""


class RecorderSilent(EvidenceError):
    """The recorder thread did not answer in time; the watchdog will find it."""


class WatchedDisk:
    """A disk that tells whether a call is under way, and when the last one returned (CLOCK_MONOTONIC)."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self.busy = False
        self.turn_ns = time.monotonic_ns()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        call = getattr(self._disk, name)

        def watched(*arguments: Any) -> Any:
            self.busy = True
            try:
                return call(*arguments)
            finally:
                self.turn_ns = time.monotonic_ns()  # first: a step with a long stall behind it is as old as the stall
                self.busy = False

        setattr(self, name, watched)
        return watched

    def during(self, call: Callable[[], T]) -> T:
        """Something else that may be held up by a disk (the index)."""
        self.busy = True
        try:
            return call()
        finally:
            self.turn_ns = time.monotonic_ns()
            self.busy = False


class Hub:
    """Events for those who listen (lamp, page, ``liuhen events``); never blocks the recorder."""

    def __init__(self) -> None:
        self._listeners: set[queue.Queue[m.Event]] = set()
        self._lock = threading.Lock()

    def listen(self) -> "queue.Queue[m.Event]":
        """A new listener's queue."""
        mine: queue.Queue[m.Event] = queue.Queue(EVENTS)
        with self._lock:
            self._listeners.add(mine)
        return mine

    def leave(self, listener: "queue.Queue[m.Event]") -> None:
        """The listener is gone."""
        with self._lock:
            self._listeners.discard(listener)

    def tell(self, event: m.Event) -> None:
        """Give an event to all; one that does not read loses its oldest."""
        with self._lock:
            for listener in self._listeners:
                if listener.full():
                    listener.get_nowait()
                listener.put_nowait(event)


@dataclass
class _Question:
    """Something to be done in the recorder thread, and its answer."""

    ask: Ask
    answer: "queue.SimpleQueue[Any]" = field(default_factory=queue.SimpleQueue)


class Service:
    """Runs a recorder and a writer until ``stop``; ``asleep`` tells how long the machine has slept."""

    def __init__(
        self,
        recorder: Recorder,
        writer: Writer,
        disk: WatchedDisk,
        asleep: Callable[[], tuple[int, int] | None] = asleep,
        log: Log | None = None,
        index: IndexKeeper | None = None,
    ) -> None:
        self._index = index
        self._recorder, self._writer, self._disk, self._asleep = recorder, writer, disk, asleep
        self.log = Log() if log is None else log
        self._sleep_watch = SleepWatch()
        self._inbox: queue.Queue[m.Message | _Question] = queue.Queue(MESSAGES)
        self._work: queue.SimpleQueue[m.Handover] = queue.SimpleQueue()
        self.hub = Hub()
        self.readers: list[SensorReader] = []
        self.first_packet = threading.Event()
        self._finished = threading.Event()
        self._asked_to_stop = threading.Event()
        self._door: threading.Thread | None = None
        self._door_open = self._door_told = False
        self._recorder_turn_ns = self._writer_turn_ns = time.monotonic_ns()
        self._threads = [
            threading.Thread(target=self._record, name="recorder", daemon=True),
            threading.Thread(target=self._write, name="writer", daemon=True),
        ]

    # --- from other threads -----------------------------------------------------------------------------------

    def post(self, message: m.Message) -> None:
        """Put a message on the recorder's queue; waits while it is full."""
        self._inbox.put(message)

    def ask(self, ask: Ask, timeout_s: float | None = None) -> Any:
        """Run ``ask`` in the recorder thread and give its result. Raises RecorderSilent after ``ANSWER_S``."""
        question, limit_s = _Question(ask), ANSWER_S if timeout_s is None else timeout_s
        try:
            self._inbox.put(question, timeout=limit_s)
            return question.answer.get(timeout=limit_s)
        except (queue.Full, queue.Empty):
            raise RecorderSilent(
                "the recorder does not answer; it may not have taken the command: look at its state, then try again"
            ) from None

    def command(self, message: m.Message) -> m.Event:
        """A person's command, answered at once even while the disk stands still."""
        answer: m.Event = self.ask(lambda recorder: self._carry_out(message))
        return answer

    def stop(self) -> None:
        """SIGTERM: flush, close, end."""
        self._asked_to_stop.set()

    # --- the main thread --------------------------------------------------------------------------------------

    def run(self, open_door: OpenDoor) -> int:
        """Watch until stopped; gives the exit status: 1 where a thread is stuck or died."""
        for thread in [*self._threads, *self.readers]:
            thread.start()
        notifier = sdnotify.SystemdNotifier()
        notifier.notify("READY=1")
        clock_due, door_due, bad_looks = 0.0, time.monotonic() + DOOR_AFTER_S, 0
        while not self._asked_to_stop.wait(LOOK_S):
            bad_looks = 0 if self._healthy() else bad_looks + 1
            if bad_looks >= BAD_LOOKS:
                return self._give_up()
            if not bad_looks:
                notifier.notify("WATCHDOG=1")
            if self.first_packet.is_set() or time.monotonic() >= door_due:
                self.first_packet.clear()
                self._keep_door(open_door)
                door_due = time.monotonic() + DOOR_RETRY_S
            if time.monotonic() >= clock_due and self._offer(system_utc()):
                clock_due = time.monotonic() + CLOCK_EVERY_S
        notifier.notify("STOPPING=1")
        return self._shut_down()

    def _give_up(self) -> int:
        self.log.line("a thread is stuck or has ended; ending so that it is started anew")
        self.log.close()
        return 1

    def _shut_down(self) -> int:
        with contextlib.suppress(queue.Full):
            self._inbox.put(m.Shutdown(), timeout=SHUTDOWN_S)
        done = self._finished.wait(SHUTDOWN_S)
        for reader in self.readers:
            reader.end()
        self.log.close()
        return 0 if done else 1

    def _healthy(self) -> bool:
        now = time.monotonic_ns()
        turns = [self._recorder_turn_ns, *(reader.turn_ns for reader in self.readers)]
        if not self._disk.busy:
            turns.append(max(self._writer_turn_ns, self._disk.turn_ns))
        alive = all(thread.is_alive() for thread in [*self._threads, *self.readers])
        return alive and all(now - turn < ALIVE_NS for turn in turns)

    def _keep_door(self, open_door: OpenDoor) -> None:
        """Open the local interface where it is not open: recording needs none, but the button does."""
        if self._door_open and (self._door is None or self._door.is_alive()):
            return
        if self._door_open:
            self._tell_door("the local interface ended; it is opened again")
        try:
            self._door, self._door_open = open_door(), True
        except (OSError, ImportError) as error:
            self._door_open = False
            self._tell_door(f"the local interface cannot be opened, it is tried again: {error}")

    def _tell_door(self, text: str) -> None:
        """Once: a journal is no place for a line every 5 s."""
        if not self._door_told:
            self._door_told = self._offer(m.Trouble("door", text))

    def _offer(self, message: m.Message) -> bool:
        """Put a message on the recorder's queue unless it is full: who watches must not wait."""
        try:
            self._inbox.put_nowait(message)
        except queue.Full:
            return False
        return True

    # --- the recorder thread ----------------------------------------------------------------------------------

    def _record(self) -> None:
        while not self._finished.is_set():
            try:
                message: m.Message | _Question = self._inbox.get(timeout=TURN_S)
            except queue.Empty:
                message = m.Tick()
            self._recorder_turn_ns = time.monotonic_ns()
            self._look_for_sleep()
            if isinstance(message, _Question):
                message.answer.put(message.ask(self._recorder))
            else:
                if isinstance(message, m.Heard):
                    self._note_first_packet()
                self._take(self._recorder.step(message, boottime_ns()))

    def _look_for_sleep(self) -> None:
        suspended = self._sleep_watch.look(self._asleep())
        if suspended is not None:
            self._take(self._recorder.step(suspended, max(boottime_ns(), suspended.until_ns)))

    def _note_first_packet(self) -> None:
        if not self._packet_seen:
            self._packet_seen = True
            self.first_packet.set()

    _packet_seen = False

    def _carry_out(self, message: m.Message) -> m.Event:
        effects = self._recorder.step(message, boottime_ns())
        self._take(effects)
        events = [effect for effect in effects if isinstance(effect, m.Event)]
        return next((event for event in events if event.name in ("accepted", "refused")), m.Event("accepted"))

    def _take(self, effects: list[m.Effect]) -> None:
        for effect in effects:
            match effect:
                case m.Handover():
                    self._work.put(effect)
                case m.Event():
                    self.hub.tell(effect)
                    if effect.name in LOGGED:
                        self.log.line(" ".join(word for word in (effect.name, effect.session, effect.text) if word))
                case m.Say():
                    words = Say(effect.number, effect.text, effect.language, effect.pattern, effect.until_ns)
                    self._tell_child("signals", words)
                case m.Detect():
                    self._tell_child("microphone", Listen(effect.on), standing=True)
                case m.Restart():
                    for reader in self.readers:
                        if reader.kind == effect.sensor:
                            reader.restart()
                case m.Trial():
                    self._tell_child("storage", Measure())
                case m.Finished():
                    self._finished.set()

    def _tell_child(self, kind: m.Child, command: AnyCommand, standing: bool = False) -> None:
        """A child that cannot be told is silent or deaf for now: the lamp asks, and it is asked again later."""
        readers = [reader for reader in self.readers if reader.kind == kind]
        try:
            for reader in readers:
                reader.tell(command, standing)
        except LinkError as error:
            self.log.line(f"{kind}: {error}")
        if isinstance(command, Say) and not readers:
            self._take(self._recorder.step(m.SignalsHeard(NotSaid(command.number, "no speaker")), boottime_ns()))

    # --- the writer thread ------------------------------------------------------------------------------------

    def _write(self) -> None:
        while not self._finished.is_set():
            self._writer_turn_ns = time.monotonic_ns()
            try:
                handover = self._work.get(timeout=1.0)
            except queue.Empty:
                self._keep_index(segment_ended=False)
                continue
            self._writer_turn_ns = time.monotonic_ns()
            self.post(self._writer.step(handover))
            self._keep_index(any(isinstance(item, m.SegmentEnd) for item in handover.items))
        if self._index is not None:
            self._index.close()
        self._writer.close()

    def _keep_index(self, segment_ended: bool) -> None:
        """Between two flushes, while no other waits; the first packet comes before all of it (design, index)."""
        index = self._index
        if index is None or not self._packet_seen:
            return
        attested, until_ns = self._writer.attested, time.monotonic_ns() + INDEX_NS
        while self._disk.during(lambda: index.turn(attested, boottime_ns(), segment_ended)):
            if not self._work.empty() or time.monotonic_ns() > until_ns:
                break
        if index.untold:
            self.post(m.Trouble("index", index.untold))
            index.untold = ""


def as_disk(disk: WatchedDisk) -> Disk:
    """The watched disk as the Protocol that it forwards."""
    return cast(Disk, disk)


def event_line(event: m.Event) -> bytes:
    """One event as a line of JSON."""
    return msgspec.json.encode(msgspec.to_builtins(event), order="sorted") + b"\n"
