"""The recorder's log: lines for standard error through a bounded queue, written by a small thread.

Who reads standard error may stop reading (a full pipe, a stuck journald on a stuck card); a thread that wrote there
itself would stand still with it. So ``line`` never waits: when the queue is full the line is left out and counted,
and the count is said as soon as somebody reads again. The log is a convenience; what counts stands in the journal.
"""

import contextlib
import queue
import sys
import threading
from typing import Protocol

LINES = 256
"""Some minutes of a device in trouble; about 64 KiB."""
CLOSE_S = 1.0
MAX_CHARACTERS = 1_000
"""Of one text: an entry has 65,535 bytes, and a sensor gone mad sends megabytes."""


def one_line(text: str, most: int = MAX_CHARACTERS) -> str:
    """At most so many characters, none of which moves a terminal's cursor or grows when written as JSON."""
    cut = text if len(text) <= most else text[: most - 1] + "…"
    return "".join(character if character.isprintable() else " " for character in cut)


class Sink(Protocol):
    """Where lines go."""

    def write(self, text: str, /) -> object:
        """May wait for ever."""
        ...

    def flush(self) -> object:
        """May wait for ever."""
        ...


class Log:
    """``sink`` is standard error unless given."""

    def __init__(self, sink: Sink | None = None, lines: int = LINES) -> None:
        self._sink: Sink = sys.stderr if sink is None else sink
        self._lines: queue.Queue[str | None] = queue.Queue(lines)
        self._lock = threading.Lock()
        self._left_out = 0
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def line(self, text: str) -> None:
        """Say one line; never waits, never raises."""
        try:
            self._lines.put_nowait(text)
        except queue.Full:
            with self._lock:
                self._left_out += 1

    def close(self, timeout_s: float = CLOSE_S) -> None:
        """Say what is in the queue, if somebody reads it within ``timeout_s``."""
        with contextlib.suppress(queue.Full):
            self._lines.put(None, timeout=timeout_s)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while (text := self._lines.get()) is not None:
            self._write(text)
            if count := self._forgotten():
                self._write(f"{count} lines were left out: standard error was not read fast enough")

    def _forgotten(self) -> int:
        """How many lines were left out since this was last asked; asked once the queue has been read empty."""
        if not self._lines.empty():
            return 0
        with self._lock:
            count, self._left_out = self._left_out, 0
        return count

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # closed: there is nobody left to tell
            self._sink.write(f"liuhen: {one_line(text)}\n")
            self._sink.flush()
