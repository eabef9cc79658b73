"""Messages over a socket pair: four bytes of big-endian length, then one message in msgpack.

Both ends are ours and of one installation, yet a sensor's process may die inside a message or run wild, so the
reading end trusts nothing: a length is bounded, garbage and a torn end are named errors, and neither costs more
memory than one message. A reader receives into one buffer and decodes in place. Sending messages blocks: a slow
recorder slows the sensor, it never makes it drop. Sending a command never blocks, for the recorder has more to do
than to wait for one sensor: it goes whole and at once, or a named error says that it did not. Each direction has
its own messages and understands no others. Who restarts a sensor, and what a silent one means, is for the recorder.
"""

import contextlib
import socket
import struct
import threading
import time
from typing import Generic, TypeVar

import msgspec

from drivers import Counter, Fault, Log
from drivers.camera import CameraParameters, PictureFigures, VideoPacket
from drivers.microphone import Listen, SoundFigures, SoundPacket, SoundParameters
from drivers.position import Fix, NoFix
from drivers.power import PowerFigures
from drivers.signals import NotSaid, Said, Say, Show
from drivers.storage import Measure, StorageFigures, VolumeFound

AnyMessage = (
    VideoPacket
    | SoundPacket
    | Fix
    | NoFix
    | CameraParameters
    | SoundParameters
    | PictureFigures
    | SoundFigures
    | Said
    | NotSaid
    | PowerFigures
    | VolumeFound
    | StorageFigures
    | Counter
    | Log
    | Fault
)
"""From a sensor's process to the recorder."""
AnyCommand = Listen | Say | Show | Measure
"""From the recorder to a sensor's process."""
Sent = TypeVar("Sent")

MAX_MESSAGE_BYTES = 8 * 1024 * 1024
"""A key frame of 50 Mbit/s with a GOP of 1 s; larger is a runaway, not a picture."""
MAX_COMMAND_BYTES = 16 * 1024
"""A prompt of some sentences is 1 KiB; a socket takes so much whole or not at all."""
_FIRST_BUFFER_BYTES = 256 * 1024
_LENGTH = struct.Struct(">I")


class LinkError(Exception):
    """The link to a sensor's process is of no more use: end the process and start it again."""


class LinkClosed(LinkError):
    """The other end closed the link or died; between two messages nothing is lost."""


class LinkTorn(LinkClosed):
    """The other end died inside a message; that message is lost."""


class LinkGarbage(LinkError):
    """What came is no message of ours, or is larger than any may be."""


class LinkBusy(LinkError):
    """The sensor's process has not read earlier commands: it is stuck or stopped; this one was not sent."""


def pair() -> tuple[socket.socket, socket.socket]:
    """(recorder's end, sensor's end); neither is inherited by processes unless passed on by number."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)


class Sender:
    """The sensor's end; any thread may send."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._encoder = msgspec.msgpack.Encoder()
        self._buffer = bytearray()
        self._lock = threading.Lock()

    def send(self, message: AnyMessage) -> None:
        """Send one message whole; blocks while the reader is slow.

        Raises LinkClosed when the reader is gone, LinkGarbage for a message above MAX_MESSAGE_BYTES.
        """
        with self._lock:
            self._encoder.encode_into(message, self._buffer, _LENGTH.size)
            length = len(self._buffer) - _LENGTH.size
            if length > MAX_MESSAGE_BYTES:
                raise LinkGarbage(f"a message of {length} bytes is above the {MAX_MESSAGE_BYTES} that one may have")
            _LENGTH.pack_into(self._buffer, 0, length)
            try:
                self._sock.sendall(self._buffer)
            except (BrokenPipeError, ConnectionResetError) as error:
                raise LinkClosed("the recorder closed the link; the sensor's process ends") from error

    def close(self) -> None:
        """Close the link; the reader sees its end."""
        self._sock.close()


class CommandSender:
    """The recorder's way back to the sensor; any thread may send, none waits.

    It has a descriptor of its own, so that the reader's time-outs are not those of a command. Both are never in
    blocking mode, which two descriptors of one socket share.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock.dup()
        self._sock.setblocking(False)
        self._encoder = msgspec.msgpack.Encoder()
        self._lock = threading.Lock()

    def send(self, command: AnyCommand) -> None:
        """Send one command whole, at once.

        Raises LinkBusy when the sensor's process does not read (nothing was sent), LinkClosed when it is gone,
        LinkGarbage for a command above MAX_COMMAND_BYTES, LinkTorn when a part went (the link is shut then).
        """
        body = self._encoder.encode(command)
        if len(body) > MAX_COMMAND_BYTES:
            raise LinkGarbage(f"a command of {len(body)} bytes is above the {MAX_COMMAND_BYTES} that one may have")
        framed = _LENGTH.pack(len(body)) + body
        with self._lock:
            if self._send(framed) < len(framed):
                self._sock.shutdown(socket.SHUT_RDWR)
                raise LinkTorn("a command went in part, so the link was shut; the sensor's process ends")

    def close(self) -> None:
        """Give the descriptor back; the link itself is the reader's to close. May be called twice."""
        with self._lock:
            self._sock.close()

    def _send(self, framed: bytes) -> int:
        try:
            return self._sock.send(framed)
        except BlockingIOError as error:
            raise LinkBusy("the sensor's process does not read its commands; if it stays so, end it") from error
        except OSError as error:
            raise LinkClosed(f"the command was not sent, the sensor's process is gone ({error.strerror})") from error


class _Receiver(Generic[Sent]):
    """Whole messages out of a stream of bytes; one receiver, one thread. ``other`` names the other end in errors."""

    def __init__(
        self, sock: socket.socket, decoder: msgspec.msgpack.Decoder[Sent], most_bytes: int, first_bytes: int, other: str
    ) -> None:
        self._sock, self._decoder = sock, decoder
        self._most_bytes, self._other = most_bytes, other
        self._view = memoryview(bytearray(first_bytes))
        self._start = 0
        self._end = 0

    def receive(self, timeout_s: float | None) -> Sent | None:
        """The next message, or None when none is whole after ``timeout_s`` (None: wait); a part that came is kept.

        Raises LinkClosed (LinkTorn inside a message) when the other end is gone, LinkGarbage for what is
        no message. All messages that came whole before the end are given before LinkClosed is raised.
        """
        message = self._take()
        until_s = None if timeout_s is None else time.monotonic() + timeout_s
        while message is None and self._fill(None if until_s is None else max(0.0, until_s - time.monotonic())):
            message = self._take()
        return message

    def close(self) -> None:
        """Close the link; the other end sees it."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()

    def _take(self) -> Sent | None:
        length = self._length()
        if length is None or self._end - self._start < _LENGTH.size + length:
            return None
        first = self._start + _LENGTH.size
        try:
            message = self._decoder.decode(self._view[first : first + length])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise LinkGarbage(f"{self._other} sent {length} bytes that are no message: {error}") from error
        self._start = first + length
        return message

    def _length(self) -> int | None:
        if self._end - self._start < _LENGTH.size:
            return None
        length: int = _LENGTH.unpack_from(self._view, self._start)[0]
        if length > self._most_bytes:
            raise LinkGarbage(f"{self._other} announced a message of {length} bytes, {self._most_bytes} are the most")
        return length

    def _fill(self, timeout_s: float | None) -> bool:
        """Receive what is there, at least one byte; False when nothing came in time."""
        self._make_room()
        self._sock.settimeout(timeout_s)
        try:
            count = self._sock.recv_into(self._view[self._end :])
        except (TimeoutError, BlockingIOError):
            return False
        except ConnectionResetError:
            count = 0
        if count == 0:
            raise self._ended()
        self._end += count
        return True

    def _ended(self) -> LinkClosed:
        if self._end > self._start:
            return LinkTorn(f"{self._other} ended inside a message, {self._end - self._start} bytes of it came")
        return LinkClosed(f"{self._other} closed its link")

    def _make_room(self) -> None:
        """Let the message under way fit behind ``_start``; moves what is there to the front when it must."""
        needed = _LENGTH.size + (self._length() or 0)
        if self._start == self._end:
            self._start = self._end = 0
        if self._start + max(needed, _LENGTH.size + 1) <= len(self._view) and self._end < len(self._view):
            return
        held = bytes(self._view[self._start : self._end])
        if needed > len(self._view):
            self._view = memoryview(bytearray(needed))
        self._view[: len(held)] = held
        self._start, self._end = 0, len(held)


class Reader(_Receiver[AnyMessage]):
    """The recorder's end; closing it ends the sensor's process."""

    def __init__(self, sock: socket.socket) -> None:
        decoder: msgspec.msgpack.Decoder[AnyMessage] = msgspec.msgpack.Decoder(AnyMessage)
        super().__init__(sock, decoder, MAX_MESSAGE_BYTES, _FIRST_BUFFER_BYTES, "the sensor's process")


class CommandReader(_Receiver[AnyCommand]):
    """The sensor's end of the way back; ``receive(None)`` only, since its socket also sends, and waits to do so."""

    def __init__(self, sock: socket.socket) -> None:
        decoder: msgspec.msgpack.Decoder[AnyCommand] = msgspec.msgpack.Decoder(AnyCommand)
        super().__init__(sock, decoder, MAX_COMMAND_BYTES, 2 * MAX_COMMAND_BYTES, "the recorder")
