"""Starting a sensor's process: one place knows the command line and how the link is handed over.

The child inherits its end of the socket pair by number and nothing else; options travel in the environment,
which other users cannot read (a camera's address may hold a password), never in the arguments. The parent's
end is inherited by nobody, so that when the parent goes, by whatever death, the child reads the end and goes too.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from drivers import link

OPTIONS_VARIABLE = "LIUHEN_SENSOR_OPTIONS"


@dataclass(frozen=True, slots=True)
class Sensor:
    """A running sensor: its process, and the recorder's end of the link."""

    process: subprocess.Popen[bytes]
    reader: link.Reader

    def end(self, grace_s: float = 1.0) -> int:
        """Close the link, wait ``grace_s``, then kill; gives the exit status. Works on a process that hangs."""
        self.reader.close()
        try:
            return self.process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


def spawn(kind: str, options: Mapping[str, object]) -> Sensor:
    """Start ``kind`` (camera, microphone, position) with ``options``; ``options["driver"]`` names the driver.

    Unknown kinds, drivers and options come back as a ``Fault`` over the link. Standard error is ours.
    """
    ours, theirs = link.pair()
    try:
        process = subprocess.Popen(
            command(kind, theirs),
            env={**os.environ, OPTIONS_VARIABLE: msgspec.json.encode(options).decode()},
            stdin=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(),),
        )
    finally:
        theirs.close()
    return Sensor(process, link.Reader(ours))


def command(kind: str, sock: socket.socket) -> list[str]:
    """The child's command line."""
    return [sys.executable, "-P", "-m", "drivers.child", kind, str(sock.fileno())]
