"""The sensors' processes as the recorder sees them: started, read, and started again when they end.

One reader thread a sensor puts what comes on the recorder's queue; it waits at most a second, so that a silent sensor
is told from a stuck thread. A sensor that ends is started again with growing pauses: the rest records on meanwhile
(R19b). Ending one that hangs is ending its process.
"""

import threading
from collections.abc import Callable, Mapping

from agent.recorder.clock import boottime_ns
from agent.recorder.messages import Heard, Message, Sensor, SensorDown
from drivers import Fault, spawn
from drivers.link import LinkError

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0
"""A crash is often alone: at once again. A device that is gone is asked for every 5 s."""
GOOD_RUN_S = 10.0
"""A sensor that ran so long starts without a pause again."""


class SensorReader(threading.Thread):
    """Keeps one sensor running and hands its messages to ``post``."""

    def __init__(self, kind: Sensor, options: Mapping[str, object], post: Callable[[Message], None]) -> None:
        super().__init__(name=f"reader-{kind}", daemon=True)
        self.kind = kind
        self._options, self._post = options, post
        self._stop = threading.Event()
        self._running = spawn.spawn(kind, options)
        self.turn_ns = boottime_ns()
        """When this thread was last seen going round."""

    @property
    def pid(self) -> int:
        """Process id of the sensor."""
        return self._running.process.pid

    def run(self) -> None:
        """Read until ``end``; start the sensor again whenever it ends."""
        pause_s = FIRST_PAUSE_S
        while not self._stop.is_set():
            began_ns = boottime_ns()
            text = self._read()
            if self._stop.is_set():
                return
            status = self._running.end()
            self._post(SensorDown(self.kind, f"{text} (exit status {status})"))
            if boottime_ns() - began_ns > GOOD_RUN_S * 1e9:
                pause_s = FIRST_PAUSE_S
            self._pause(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            self._running = spawn.spawn(self.kind, self._options)

    def end(self) -> None:
        """End the sensor's process and this thread."""
        self._stop.set()
        self._running.end()

    def _read(self) -> str:
        text = ""
        try:
            while not self._stop.is_set():
                self.turn_ns = boottime_ns()
                message = self._running.reader.receive(1.0)
                if message is not None:
                    self._post(Heard(self.kind, message))
                if isinstance(message, Fault):
                    text = message.text
        except (LinkError, OSError) as error:
            return text or str(error)
        return text

    def _pause(self, seconds: float) -> None:
        while seconds > 0 and not self._stop.wait(min(1.0, seconds)):
            self.turn_ns = boottime_ns()
            seconds -= 1.0
