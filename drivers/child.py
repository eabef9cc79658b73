"""The sensor's process: ``python -P -m drivers.child KIND FD``, options as JSON in the environment.

It chooses the driver by name, sends its messages over the link, and ends: with the driver's own end, on SIGTERM,
or when the link closes, which happens by whatever death the recorder dies. A thread waits for that, so that a
driver stuck in a library, or a source that is silent, goes too. (Not PR_SET_PDEATHSIG: that fires when the thread
that started us ends, and the recorder may start sensors from any.) What a person must mend becomes a ``Fault``
and exit status 64; anything else unforeseen a ``Fault`` and 1, with its traceback on standard error.
"""

import contextlib
import importlib
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import msgspec

from drivers import Fault, link
from drivers.clock import Clock, SystemClock
from drivers.errors import BadOptions, DriverError, UnknownDriver
from drivers.scenario import nearest
from drivers.spawn import OPTIONS_VARIABLE

DRIVERS: Mapping[str, Mapping[str, str]] = {
    "camera": {"simulated": "drivers.camera.simulated"},
    "microphone": {"simulated": "drivers.microphone.simulated"},
    "position": {"simulated": "drivers.position.simulated"},
}
"""Module by kind and name; each has ``Options`` and ``make(options, clock)``."""

EXIT_FAILED = 1
EXIT_USAGE = 64


class Driver(Protocol):
    """What all kinds have in common."""

    def messages(self) -> Iterator[Any]:
        """The kind's messages."""
        ...

    def close(self) -> None:
        """Give the device back."""
        ...


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


def run(kind: str, options: Mapping[str, object], sender: link.Sender, clock: Clock) -> int:
    """Send the driver's messages until it or the link ends; gives the exit status."""
    try:
        driver = make(kind, options, clock)
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
    threading.Thread(target=_end_with_the_recorder, args=(sock,), daemon=True).start()
    return run(kind, options, link.Sender(sock), SystemClock())


def _tell(sender: link.Sender, fault: Fault, status: int) -> int:
    with contextlib.suppress(link.LinkClosed):
        sender.send(fault)
    return status


def _terminate(*_: object) -> None:
    raise SystemExit(0)


def _end_with_the_recorder(sock: socket.socket) -> None:
    """The recorder never sends: what ``recv`` returns is the link's end."""
    with contextlib.suppress(OSError):
        while sock.recv(1):
            pass
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
