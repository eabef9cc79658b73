"""The recorder's threads: readers, the recorder thread, the writer thread, and the main thread that watches them.

The recorder thread never touches a file; the writer thread is the only one that does. The watchdog is fed only while
both, and every reader, are seen going round, or the writer is inside a call to the disk, however long: a restart
cannot end a stuck sync and would lose the memory (design, threads).
"""

import queue
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec
import sdnotify

from agent.recorder import messages as m
from agent.recorder.clock import boottime_ns, system_utc
from agent.recorder.disk import Disk
from agent.recorder.recorder import Recorder
from agent.recorder.sensors import SensorReader
from agent.recorder.writer import Writer

TURN_S = 0.05
"""How long the recorder thread waits for a message before it looks at the time."""
ALIVE_NS = 5_000_000_000
"""A thread that made no turn for 5 s is stuck (design)."""
CLOCK_EVERY_S = 10.0
SHUTDOWN_S = 30.0
"""How long a shutdown waits for the disk; after that the spool is as after a power cut."""
MESSAGES = 4096
"""Bound of the recorder's queue: over ten seconds of all sensors; a full one slows the sensors."""
EVENTS = 1000
"""Events a slow listener may lag behind before it loses the oldest."""

Ask = Callable[[Recorder], Any]


class WatchedDisk:
    """A disk that tells whether a call is under way."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self.busy = False

    def __getattr__(self, name: str) -> Callable[..., Any]:
        call = getattr(self._disk, name)

        def watched(*arguments: Any) -> Any:
            self.busy = True
            try:
                return call(*arguments)
            finally:
                self.busy = False

        setattr(self, name, watched)
        return watched


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
    """Runs a recorder and a writer until ``stop``."""

    def __init__(self, recorder: Recorder, writer: Writer, disk: WatchedDisk) -> None:
        self._recorder, self._writer, self._disk = recorder, writer, disk
        self._inbox: queue.Queue[m.Message | _Question] = queue.Queue(MESSAGES)
        self._work: queue.SimpleQueue[m.Handover] = queue.SimpleQueue()
        self.hub = Hub()
        self.readers: list[SensorReader] = []
        self.first_packet = threading.Event()
        self._finished = threading.Event()
        self._asked_to_stop = threading.Event()
        self._recorder_turn_ns = self._writer_turn_ns = boottime_ns()
        self._threads = [
            threading.Thread(target=self._record, name="recorder", daemon=True),
            threading.Thread(target=self._write, name="writer", daemon=True),
        ]

    # --- from other threads -----------------------------------------------------------------------------------

    def post(self, message: m.Message) -> None:
        """Put a message on the recorder's queue; waits while it is full."""
        self._inbox.put(message)

    def ask(self, ask: Ask, timeout_s: float = 2.0) -> Any:
        """Run ``ask`` in the recorder thread and give its result."""
        question = _Question(ask)
        self._inbox.put(question)
        return question.answer.get(timeout=timeout_s)

    def command(self, message: m.Message) -> m.Event:
        """A person's command, answered at once even while the disk stands still."""
        answer: m.Event = self.ask(lambda recorder: self._carry_out(message))
        return answer

    def stop(self) -> None:
        """SIGTERM: flush, close, end."""
        self._asked_to_stop.set()

    # --- the main thread --------------------------------------------------------------------------------------

    def run(self, on_first_packet: Callable[[], None]) -> int:
        """Watch until stopped; gives the exit status: 1 where a thread is stuck or died."""
        for thread in [*self._threads, *self.readers]:
            thread.start()
        notifier = sdnotify.SystemdNotifier()
        notifier.notify("READY=1")
        clock_due = 0.0
        while not self._asked_to_stop.wait(0.2):
            if self.first_packet.is_set():
                self.first_packet.clear()
                on_first_packet()
            if not self._healthy():
                print("liuhen: a thread is stuck or has ended; ending so that it is started anew", file=sys.stderr)
                return 1
            notifier.notify("WATCHDOG=1")
            if time.monotonic() >= clock_due:
                clock_due = time.monotonic() + CLOCK_EVERY_S
                self.post(system_utc())
        notifier.notify("STOPPING=1")
        return self._shut_down()

    def _shut_down(self) -> int:
        self.post(m.Shutdown())
        done = self._finished.wait(SHUTDOWN_S)
        for reader in self.readers:
            reader.end()
        return 0 if done else 1

    def _healthy(self) -> bool:
        now = boottime_ns()
        turns = [self._recorder_turn_ns, *(reader.turn_ns for reader in self.readers)]
        if not self._disk.busy:
            turns.append(self._writer_turn_ns)
        alive = all(thread.is_alive() for thread in [*self._threads, *self.readers])
        return alive and all(now - turn < ALIVE_NS for turn in turns)

    # --- the recorder thread ----------------------------------------------------------------------------------

    def _record(self) -> None:
        while not self._finished.is_set():
            try:
                message: m.Message | _Question = self._inbox.get(timeout=TURN_S)
            except queue.Empty:
                message = m.Tick()
            self._recorder_turn_ns = boottime_ns()
            if isinstance(message, _Question):
                message.answer.put(message.ask(self._recorder))
            else:
                if isinstance(message, m.Heard):
                    self._note_first_packet()
                self._take(self._recorder.step(message, self._recorder_turn_ns))

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
                case m.Finished():
                    self._finished.set()

    # --- the writer thread ------------------------------------------------------------------------------------

    def _write(self) -> None:
        while not self._finished.is_set():
            self._writer_turn_ns = boottime_ns()
            try:
                handover = self._work.get(timeout=1.0)
            except queue.Empty:
                continue
            self._writer_turn_ns = boottime_ns()
            self.post(self._writer.step(handover))
        self._writer.close()


def as_disk(disk: WatchedDisk) -> Disk:
    """The watched disk as the Protocol that it forwards."""
    return cast(Disk, disk)


def event_line(event: m.Event) -> bytes:
    """One event as a line of JSON."""
    return msgspec.json.encode(msgspec.to_builtins(event), order="sorted") + b"\n"
