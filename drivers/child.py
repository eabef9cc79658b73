"""The sensor's process: ``python -P -m drivers.child KIND FD``, options as JSON in the environment.

It chooses the driver by name, sends its messages over the link, and ends: with the driver's own end, on SIGTERM,
or when the link closes, which happens by whatever death the recorder dies. A thread waits for that, so that a
driver stuck in a library, or a source that is silent, goes too. (Not PR_SET_PDEATHSIG: that fires when the thread
that started us ends, and the recorder may start sensors from any.) What a person must mend becomes a ``Fault``
and exit status 64; anything else unforeseen a ``Fault`` and 1, with its traceback on standard error.

The same thread reads the recorder's commands; a second one tells them to the driver, in order, so that a driver
stuck in a command goes too. A driver without ``command`` leaves them unheard. What is no command, or more of them
than ``MOST_WAITING`` untold, is a ``Fault`` and the end.
"""

import contextlib
import importlib
import os
import queue
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn, Protocol, runtime_checkable

import msgspec

from drivers import Command, Fault, link
from drivers.clock import Clock, SystemClock
from drivers.errors import BadOptions, DriverError, UnknownDriver
from drivers.scenario import nearest
from drivers.spawn import OPTIONS_VARIABLE

DRIVERS: Mapping[str, Mapping[str, str]] = {
    "camera": {"simulated": "drivers.camera.simulated"},
    "microphone": {"simulated": "drivers.microphone.simulated"},
    "position": {"simulated": "drivers.position.simulated"},
    "signals": {"simulated": "drivers.signals.simulated"},
    "power": {"simulated": "drivers.power.simulated", "linux": "drivers.power.linux"},
    "storage": {"simulated": "drivers.storage.simulated", "linux": "drivers.storage.linux"},
}
"""Module by kind and name; each has ``Options`` and ``make(options, clock)``."""

EXIT_FAILED = 1
EXIT_USAGE = 64
MOST_WAITING = 16
"""Commands that may wait for a driver that is busy with one; a recorder has one or two under way."""
TELL_S = 1.0
"""How long a last word may take to be said to a recorder that does not read."""


class Driver(Protocol):
    """What all kinds have in common."""

    def messages(self) -> Iterator[Any]:
        """The kind's messages."""
        ...

    def close(self) -> None:
        """Give the device back."""
        ...


@runtime_checkable
class Commanded(Protocol):
    """A driver that does as it is told."""

    def command(self, message: Command) -> None:
        """Called from a thread of its own, one command after another; may take its time."""
        ...


class Commands:
    """What the recorder wants, from the link to the driver.

    The driver is told (``tell``) in another thread than the link is read in (``read``).
    """

    def __init__(self, sock: socket.socket, sender: link.Sender) -> None:
        self._reader = link.CommandReader(sock)
        self._sender = sender
        self._waiting: queue.Queue[Command] = queue.Queue(MOST_WAITING)

    def read(self) -> NoReturn:
        """Take in commands until the recorder is gone; then the process ends, whatever the driver does."""
        try:
            while True:
                command = self._reader.receive(None)
                if command is not None:
                    self._waiting.put_nowait(command)
        except link.LinkGarbage as error:
            _end(self._sender, Fault("link.garbage", str(error)), EXIT_FAILED)
        except queue.Full:
            text = f"the driver is stuck: {MOST_WAITING} commands wait for it; its process ends"
            _end(self._sender, Fault("driver.stuck", text), EXIT_FAILED)
        except (link.LinkClosed, OSError):
            os._exit(0)
        except Exception as error:  # nobody else would see the recorder go
            traceback.print_exc()
            _end(self._sender, Fault(DriverError.kind, f"commands cannot be read: {error!r}"), EXIT_FAILED)

    def tell(self, driver: Driver) -> None:
        """Give the driver each command in its turn, for ever."""
        while True:
            command = self._waiting.get()
            if isinstance(driver, Commanded):
                try:
                    driver.command(command)
                except DriverError as error:
                    _end(self._sender, Fault(error.kind, str(error)), EXIT_USAGE)
                except Exception as error:
                    traceback.print_exc()
                    _end(self._sender, Fault(DriverError.kind, f"the driver failed: {error!r}"), EXIT_FAILED)


def make(kind: str, options: Mapping[str, object], clock: Clock) -> Driver:
    """The driver that ``options["driver"]`` names. Raises UnknownDriver or BadOptions, by name."""
    if kind not in DRIVERS:
        raise UnknownDriver(f"there is no kind of sensor {kind!r}; {nearest(kind, DRIVERS)}")
    name = str(options.get("driver", ""))
    if name not in DRIVERS[kind]:
        raise UnknownDriver(f"there is no {kind} driver {name!r}; {nearest(name, DRIVERS[kind])}")
    module = importlib.import_module(DRIVERS[kind][name])
    try:
        checked = msgspec.convert(options, module.Options)
    except msgspec.ValidationError as error:
        raise BadOptions(f"the {kind}'s options do not fit: {error}; see [{kind}] in the device file") from error
    factory: Callable[[Any, Clock], Driver] = module.make
    return factory(checked, clock)


def run(kind: str, options: Mapping[str, object], sender: link.Sender, commands: Commands, clock: Clock) -> int:
    """Send the driver's messages until it or the link ends; gives the exit status."""
    try:
        driver = make(kind, options, clock)
        threading.Thread(target=commands.tell, args=(driver,), daemon=True).start()
        with contextlib.closing(driver):
            for message in driver.messages():
                sender.send(message)
    except link.LinkClosed:
        return 0
    except DriverError as error:
        return _tell(sender, Fault(error.kind, str(error)), EXIT_USAGE)
    except Exception as error:
        traceback.print_exc()
        return _tell(sender, Fault(DriverError.kind, f"the {kind}'s driver failed: {error!r}"), EXIT_FAILED)
    return 0


def main(arguments: list[str]) -> int:
    """The process: ``arguments`` are KIND and FD."""
    try:
        kind, fd = arguments[0], int(arguments[1])
        sock = socket.socket(fileno=fd)
        options = msgspec.json.decode(os.environ.get(OPTIONS_VARIABLE, ""), type=dict[str, Any])
    except (IndexError, ValueError, OSError, msgspec.MsgspecError) as error:
        print(f"started by the recorder only (drivers.spawn), not by hand: {error!r}", file=sys.stderr)
        return EXIT_USAGE
    signal.signal(signal.SIGTERM, _terminate)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sender = link.Sender(sock)
    commands = Commands(sock, sender)
    threading.Thread(target=commands.read, daemon=True).start()
    return run(kind, options, sender, commands, SystemClock())


def _end(sender: link.Sender, fault: Fault, status: int) -> NoReturn:
    """Say why and end the process, from any thread, whatever the driver does and though nobody may be reading."""
    telling = threading.Thread(target=_tell, args=(sender, fault, status), daemon=True)
    telling.start()
    telling.join(TELL_S)
    os._exit(status)


def _tell(sender: link.Sender, fault: Fault, status: int) -> int:
    with contextlib.suppress(link.LinkClosed):
        sender.send(fault)
    return status


def _terminate(*_: object) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
