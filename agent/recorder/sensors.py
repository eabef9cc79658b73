"""The sensors' processes as the recorder sees them: started, read, and started again when they end.

One reader thread a sensor puts what comes on the recorder's queue; it waits at most a second, so that a silent sensor
is told from a stuck thread. A sensor that ends, or cannot be started, is started again with growing pauses: the rest
records on meanwhile (R19b). Ending one that hangs is ending its process; one that cannot be ended is left behind.
A sensor's own words are cut to what fits into an entry and a line of a log.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from typing import cast

from agent.recorder.clock import boottime_ns
from agent.recorder.log import one_line
from agent.recorder.messages import (
    Child,
    Heard,
    Message,
    PowerHeard,
    SensorDown,
    SensorMessage,
    SignalsHeard,
    StorageHeard,
)
from drivers import Fault, Log, spawn
from drivers.link import AnyCommand, AnyMessage, LinkError
from drivers.power import PowerMessage
from drivers.signals import SignalsMessage
from drivers.storage import StorageMessage

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0
"""A crash is often alone: at once again. A device that is gone is asked for every 5 s."""
GOOD_RUN_S = 10.0
"""A sensor that ran so long starts without a pause again."""
MAX_KIND_CHARACTERS = 64


class SensorReader(threading.Thread):
    """Keeps one sensor running and hands its messages to ``post``."""

    def __init__(self, kind: Child, options: Mapping[str, object], post: Callable[[Message], None]) -> None:
        super().__init__(name=f"reader-{kind}", daemon=True)
        self.kind = kind
        self._options, self._post = options, post
        self._ending = threading.Event()
        self._running: spawn.Sensor | None = None
        self._standing: AnyCommand | None = None
        self._why_not = ""
        """What kept the process from being started."""
        self._spawn()
        self.turn_ns = time.monotonic_ns()
        """When this thread was last seen going round, CLOCK_MONOTONIC: a machine that sleeps is not stuck."""

    @property
    def pid(self) -> int | None:
        """Process id of the sensor; None while there is none."""
        running = self._running
        return None if running is None else running.process.pid

    def run(self) -> None:
        """Read until ``end``; start the sensor again whenever it ends."""
        pause_s = FIRST_PAUSE_S
        while not self._ending.is_set():
            began_ns = boottime_ns()
            text = self._read()
            if self._ending.is_set():
                break
            self._post(SensorDown(self.kind, f"{text}{self._end_process()}"))
            if boottime_ns() - began_ns > GOOD_RUN_S * 1e9:
                pause_s = FIRST_PAUSE_S
            self._pause(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            self._spawn()
        self._end_process()

    def tell(self, command: AnyCommand, standing: bool = False) -> None:
        """Give the process a command, as far as it takes it; a ``standing`` one goes to the next process too.

        Raises LinkError where nobody takes it now.
        """
        if standing:
            self._standing = command
        running = self._running
        if running is None:
            raise LinkError(f"there is no process of the {self.kind} now: {self._why_not}")
        running.send(command)

    def restart(self) -> None:
        """End a process that hangs; ``run`` sees its end and starts another, with its pauses."""
        running = self._running
        if running is not None:
            running.process.kill()

    def end(self) -> None:
        """End the sensor's process and this thread."""
        self._ending.set()
        self._end_process()

    def _spawn(self) -> None:
        """Start the process, if one can be had; memory and process numbers come back (EAGAIN, ENOMEM)."""
        try:
            self._running = spawn.spawn(self.kind, self._options)
        except OSError as error:
            self._running, self._why_not = None, f"its process could not be started: {error.strerror or error}"
            return
        if self._standing is not None:
            with contextlib.suppress(LinkError):  # a process that is gone already is found by ``run``
                self._running.send(self._standing)

    def _end_process(self) -> str:
        """How the process ended, for a person."""
        running = self._running
        if running is None:
            return ""
        status = running.end()
        self.turn_ns = time.monotonic_ns()
        return " (it cannot be killed and was left behind)" if status is None else f" (exit status {status})"

    def _read(self) -> str:
        running, text = self._running, ""
        if running is None:
            return self._why_not
        try:
            while not self._ending.is_set():
                self.turn_ns = time.monotonic_ns()
                message = running.reader.receive(1.0)
                if message is None:
                    continue
                if isinstance(message, Fault | Log):
                    message = tamed(message)
                if isinstance(message, Fault):
                    text = message.text
                self._post(heard(self.kind, message))
        except (LinkError, OSError) as error:
            return text or one_line(str(error))
        return text

    def _pause(self, seconds: float) -> None:
        while seconds > 0 and not self._ending.wait(min(1.0, seconds)):
            self.turn_ns = time.monotonic_ns()
            seconds -= 1.0


def heard(kind: Child, message: AnyMessage) -> Message:
    """What a child said, as the recorder takes it."""
    if kind == "signals":
        return SignalsHeard(cast(SignalsMessage, message))
    if kind == "storage":
        return StorageHeard(cast(StorageMessage, message))
    if kind == "power":
        return PowerHeard(cast(PowerMessage, message))
    return Heard(kind, cast(SensorMessage, message))


def tamed(said: Fault | Log) -> Fault | Log:
    """A sensor's words, bounded and on one line."""
    if isinstance(said, Log):
        return Log(one_line(said.text))
    return Fault(one_line(said.kind, MAX_KIND_CHARACTERS), one_line(said.text))
