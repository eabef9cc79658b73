"""Messages over a socket pair: four bytes of big-endian length, then one message in msgpack.

Both ends are ours and of one installation, yet a sensor's process may die inside a message or run wild, so the
reading end trusts nothing: a length is bounded, garbage and a torn end are named errors, and neither costs more
memory than one message. The reader receives into one buffer and decodes in place. Sending blocks: a slow recorder
slows the sensor, it never makes it drop. Who restarts a sensor, and what a silent one means, is for the recorder.
"""

import contextlib
import socket
import struct
import time

import msgspec

from drivers import Counter, Fault, Log
from drivers.camera import CameraParameters, VideoPacket
from drivers.microphone import SoundPacket, SoundParameters
from drivers.position import Fix, NoFix

AnyMessage = VideoPacket | SoundPacket | Fix | NoFix | CameraParameters | SoundParameters | Counter | Log | Fault

MAX_MESSAGE_BYTES = 8 * 1024 * 1024
"""A key frame of 50 Mbit/s with a GOP of 1 s; larger is a runaway, not a picture."""
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


def pair() -> tuple[socket.socket, socket.socket]:
    """(recorder's end, sensor's end); neither is inherited by processes unless passed on by number."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)


class Sender:
    """The sensor's end."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._encoder = msgspec.msgpack.Encoder()
        self._buffer = bytearray()

    def send(self, message: AnyMessage) -> None:
        """Send one message whole; blocks while the reader is slow.

        Raises LinkClosed when the reader is gone, LinkGarbage for a message above MAX_MESSAGE_BYTES.
        """
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


class Reader:
    """The recorder's end; one reader, one thread."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._decoder: msgspec.msgpack.Decoder[AnyMessage] = msgspec.msgpack.Decoder(AnyMessage)
        self._view = memoryview(bytearray(_FIRST_BUFFER_BYTES))
        self._start = 0
        self._end = 0

    def receive(self, timeout_s: float) -> AnyMessage | None:
        """The next message, or None when none is whole after ``timeout_s``; a part that came is kept.

        Raises LinkClosed (LinkTorn inside a message) when the sensor's process is gone, LinkGarbage for what is
        no message. All messages that came whole before the end are given before LinkClosed is raised.
        """
        message = self._take()
        deadline_s = time.monotonic() + timeout_s
        while message is None and self._fill(max(0.0, deadline_s - time.monotonic())):
            message = self._take()
        return message

    def close(self) -> None:
        """Close the link; the sensor's process sees it and ends."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()

    def _take(self) -> AnyMessage | None:
        length = self._length()
        if length is None or self._end - self._start < _LENGTH.size + length:
            return None
        first = self._start + _LENGTH.size
        try:
            message = self._decoder.decode(self._view[first : first + length])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise LinkGarbage(f"the sensor's process sent {length} bytes that are no message: {error}") from error
        self._start = first + length
        return message

    def _length(self) -> int | None:
        if self._end - self._start < _LENGTH.size:
            return None
        length: int = _LENGTH.unpack_from(self._view, self._start)[0]
        if length > MAX_MESSAGE_BYTES:
            raise LinkGarbage(
                f"the sensor's process announced a message of {length} bytes, {MAX_MESSAGE_BYTES} are the most"
            )
        return length

    def _fill(self, timeout_s: float) -> bool:
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
            return LinkTorn(f"the sensor's process ended inside a message, {self._end - self._start} bytes of it came")
        return LinkClosed("the sensor's process closed its link")

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
