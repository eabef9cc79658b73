"""Starting a sensor's process: one place knows the command line and how the link is handed over.

The child inherits its end of the socket pair by number and nothing else; options travel in the environment,
which other users cannot read (a camera's address may hold a password), never in the arguments. The parent's
end is inherited by nobody, so that when the parent goes, by whatever death, the child reads the end and goes too.

A process that even SIGKILL does not end (it waits for a device, uninterruptibly) is left behind and reaped by a
later ``spawn``: nobody waits for it longer than ``KILLED_S``.
"""

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from drivers import link

OPTIONS_VARIABLE = "LIUHEN_SENSOR_OPTIONS"
KILLED_S = 1.0
"""How long a killed process may take to go."""
_left_behind: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True, slots=True)
class Sensor:
    """A running sensor: its process, and the recorder's end of the link."""

    process: subprocess.Popen[bytes]
    reader: link.Reader
    commands: link.CommandSender

    def send(self, command: link.AnyCommand) -> None:
        """Tell the process what is wanted; never waits, from any thread.

        Raises link.LinkBusy where the process does not read (try later, or end it), link.LinkClosed where it is gone.
        """
        self.commands.send(command)

    def end(self, grace_s: float = 1.0) -> int | None:
        """Close the link, wait ``grace_s``, then kill; gives the exit status. Works on a process that hangs.

        None for one that is still there ``KILLED_S`` after SIGKILL; it is left behind.
        """
        self.reader.close()
        self.commands.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.process.wait(grace_s)
        self.process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.process.wait(KILLED_S)
        _left_behind.append(self.process)
        return None


def spawn(kind: str, options: Mapping[str, object]) -> Sensor:
    """Start ``kind`` (camera, microphone, position) with ``options``; ``options["driver"]`` names the driver.

    Unknown kinds, drivers and options come back as a ``Fault`` over the link. Standard error is ours. Raises
    OSError where no process can be had now (EAGAIN, ENOMEM, EMFILE); another try may succeed.
    """
    reap()
    ours, theirs = link.pair()
    try:
        process = subprocess.Popen(
            command_line(kind, theirs),
            env={**os.environ, OPTIONS_VARIABLE: msgspec.json.encode(options).decode()},
            stdin=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(),),
        )
    except OSError:
        ours.close()
        raise
    finally:
        theirs.close()
    return Sensor(process, link.Reader(ours), link.CommandSender(ours))


def reap() -> int:
    """Forget the processes left behind that have gone meanwhile; how many are still there."""
    for process in list(_left_behind):
        if process.poll() is not None:
            with contextlib.suppress(ValueError):  # another thread was faster
                _left_behind.remove(process)
    return len(_left_behind)


def command_line(kind: str, sock: socket.socket) -> list[str]:
    """The child's command line."""
    return [sys.executable, "-P", "-m", "drivers.child", kind, str(sock.fileno())]
