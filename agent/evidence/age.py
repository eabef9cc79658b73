"""Files that the device can write and not read: the age format (C2SP age v1), X25519 recipients only.

Rules kept here:
1. A counter is used for one chunk. A sealer gives each counter once, cannot be copied, and is dead after its last
   chunk or a failed call: a counter used for two plaintexts would open both.
2. A chunk is 64 KiB; only the last may be shorter, and it is empty only where the whole plaintext is.
3. A cut file gives every whole chunk before the cut and says where it ended; nothing that is not authenticated
   is ever given out.

Keys and the header are in ``age_header``; its names are here too. When a chunk is written again, and what happens to
a file after a failed sync, is for the writer; which of a file's bytes the journal attests is for ``verify``.
``age.md`` has an example, bytes and vectors.
"""

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NoReturn, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from agent.evidence.age_header import (
    MAX_HEADER_BYTES,
    NONCE_BYTES,
    TAG_BYTES,
    AgeCut,
    AgeError,
    AgeForged,
    AgeKeyMalformed,
    AgeMalformed,
    AgeMisuse,
    AgeNoIdentity,
    AgeUnsupported,
    Identity,
    Random,
    Recipient,
    Unlocked,
    header_and_payload_key,
    header_length,
    parse_identities,
    parse_identity,
    parse_recipient,
    unlock,
)

__all__ = [
    "CHUNK_BYTES",
    "MAX_HEADER_BYTES",
    "NONCE_BYTES",
    "SEALED_CHUNK_BYTES",
    "TAG_BYTES",
    "AgeCut",
    "AgeError",
    "AgeForged",
    "AgeKeyMalformed",
    "AgeMalformed",
    "AgeMisuse",
    "AgeNoIdentity",
    "AgeUnsupported",
    "Buffer",
    "ByteSource",
    "ChunkOpener",
    "ChunkSealer",
    "Identity",
    "Opened",
    "Random",
    "Reader",
    "Recipient",
    "Unlocked",
    "Writer",
    "decrypt",
    "encrypt",
    "header_and_payload_key",
    "header_length",
    "parse_identities",
    "parse_identity",
    "parse_recipient",
    "read",
    "sealed_boundary",
    "sealed_length",
    "unlock",
    "whole_chunks",
    "written_length",
]

CHUNK_BYTES = 65_536
"""Plaintext of every chunk but the last."""
SEALED_CHUNK_BYTES = CHUNK_BYTES + TAG_BYTES

_UNWRITTEN_CHUNK = bytes(SEALED_CHUNK_BYTES)

Buffer = bytes | bytearray | memoryview


# --- sealing ---------------------------------------------------------------------------------------------


class ChunkSealer:
    """Seals one file's chunks in order; the only place where a counter is taken, each one once.

    For one thread. It can be neither copied nor pickled: the copy would take the same counters again.
    """

    __slots__ = ("_counter", "_encrypt", "_open")

    def __init__(self, payload_key: bytes) -> None:
        self._encrypt = ChaCha20Poly1305(payload_key).encrypt
        self._counter = 0
        self._open = True

    @property
    def counter(self) -> int:
        """Chunks sealed so far, which is the number that the next one gets."""
        return self._counter

    @property
    def finished(self) -> bool:
        """True after the last chunk or a failed call: nothing more can be sealed with this key."""
        return not self._open

    def seal(self, chunk: Buffer, last: bool) -> bytes:
        """The sealed chunk, 16 bytes longer. 64 KiB exactly; the last 1 byte to 64 KiB (0 if it is the only one)."""
        length = memoryview(chunk).nbytes
        counter = self._counter
        if not self._open:
            raise AgeMisuse("This file is sealed to its end or failed; begin a new file with a new file key.")
        if not _fits(length, counter, last):
            raise AgeMisuse(f"{length} bytes are no {'last' if last else 'whole'} chunk; gather 64 KiB before sealing.")
        # Closed until the call is back: were it interrupted, nobody knows whether the counter was used.
        self._open = False
        sealed = self._encrypt(_chunk_nonce(counter, last), chunk, None)
        self._counter = counter + 1
        self._open = not last
        return sealed

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise AgeMisuse("A sealer cannot be copied: both would use the same counters; begin a new file.")


def _fits(length: int, counter: int, last: bool) -> bool:
    if last:
        return length <= CHUNK_BYTES and (length > 0 or counter == 0)
    return length == CHUNK_BYTES


class Writer:
    """A whole age file from plaintext that comes in pieces of any size."""

    def __init__(self, recipients: Iterable[Recipient], random: Random) -> None:
        self._header, payload_key = header_and_payload_key(recipients, random)
        self._sealer = ChunkSealer(payload_key)
        self._pending = bytearray()

    def feed(self, data: Buffer) -> bytes:
        """What is now certain, to be appended to the file: whole chunks, except one that might be the last."""
        if self._sealer.finished:
            raise AgeMisuse("This file is sealed to its end or failed; begin a new file with a new file key.")
        self._pending += data
        pieces, self._header = [self._header], b""
        whole = max(0, len(self._pending) - 1) // CHUNK_BYTES * CHUNK_BYTES
        with memoryview(self._pending) as view:
            for start in range(0, whole, CHUNK_BYTES):
                pieces.append(self._sealer.seal(view[start : start + CHUNK_BYTES], last=False))
        del self._pending[:whole]
        return b"".join(pieces)

    def finish(self) -> bytes:
        """The rest of the file; any call after it raises AgeMisuse."""
        header, self._header = self._header, b""
        return header + self._sealer.seal(self._pending, last=True)


def encrypt(plaintext: Buffer, recipients: Iterable[Recipient], random: Random) -> bytes:
    """The whole age file of a plaintext that is already in memory."""
    writer = Writer(recipients, random)
    return writer.feed(plaintext) + writer.finish()


# --- reading ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Opened:
    """A file read into memory as far as it authenticates."""

    plaintext: bytes
    complete: bool
    """True where the last chunk was reached and nothing stands behind it."""
    sealed_end: int
    """Offset in the sealed file after the last chunk that was opened."""
    problem: str
    """Why it is not complete and what to do; empty where it is."""

    @property
    def plaintext_length(self) -> int:
        """Bytes opened."""
        return len(self.plaintext)


class ByteSource(Protocol):
    """Anything with ``read``: a file, a BytesIO, a socket's file; it may give fewer bytes than asked for."""

    def read(self, length: int, /) -> bytes | None:
        """Up to that many bytes; none at the end."""


class ChunkOpener:
    """Opens any chunk of a file by its number, in any order."""

    __slots__ = ("_decrypt",)

    def __init__(self, payload_key: bytes) -> None:
        self._decrypt = ChaCha20Poly1305(payload_key).decrypt

    def open(self, number: int, sealed: Buffer, last: bool) -> bytes | None:
        """The chunk's plaintext, or None where these bytes are not that file's chunk with that number."""
        try:
            return self._decrypt(_chunk_nonce(number, last), sealed, None)
        except InvalidTag:
            return None


class Reader:
    """Reads a file chunk by chunk, a cut one up to the cut. ``chunks`` can be run through once.

    The constructor reads the header and raises what ``unlock`` raises; behind the header nothing raises: when
    ``chunks`` has ended, ``complete``, ``sealed_end``, ``plaintext_length`` and ``fault`` say how far it came and why.
    """

    def __init__(self, stream: ByteSource, identities: Iterable[Identity]) -> None:
        self._stream = stream
        start = _take(stream, MAX_HEADER_BYTES + NONCE_BYTES)
        unlocked = unlock(start, identities)
        self._opener = ChunkOpener(unlocked.payload_key)
        self._ahead = start[unlocked.header_length :]
        self.header_length = unlocked.header_length
        """Bytes before the first chunk."""
        self.sealed_end = unlocked.header_length
        """Offset in the sealed file after the last chunk opened so far."""
        self.plaintext_length = 0
        """Bytes opened so far."""
        self.complete = False
        """True once the last chunk was opened and nothing stands behind it."""
        self.fault: AgeError | None = None
        """Why reading ended early: AgeCut, AgeMalformed or AgeForged."""

    @property
    def problem(self) -> str:
        """The fault in words, empty where there is none."""
        return "" if self.fault is None else str(self.fault)

    def chunks(self) -> Iterator[bytes]:
        """Every plaintext chunk that authenticates, in order."""
        number, sealed = 0, self._next_slot()
        while not self.complete and self.fault is None:
            following = self._next_slot() if len(sealed) == SEALED_CHUNK_BYTES else b""
            plaintext = self._open(number, sealed, bool(following))
            if plaintext is not None:
                yield plaintext
            number, sealed = number + 1, following

    def _open(self, number: int, sealed: bytes, more: bool) -> bytes | None:
        """One chunk, the last where nothing stands behind it, or else a whole one; notes how the file ends."""
        last, plaintext = not more, self._opener.open(number, sealed, not more)
        if plaintext is None and len(sealed) == SEALED_CHUNK_BYTES:
            last, plaintext = more, self._opener.open(number, sealed, more)
        if plaintext is None:
            self.fault = _no_chunk(sealed, self.sealed_end)
            return None
        if not plaintext and number:
            self.fault = AgeMalformed(
                f"The last chunk, at byte {self.sealed_end}, is empty, which age forbids; this device did not make it."
            )
            return None
        self.sealed_end += len(sealed)
        self.plaintext_length += len(plaintext)
        self._note_end(last, more)
        return plaintext

    def _note_end(self, last: bool, more: bool) -> None:
        self.complete = last and not more
        if last and more:
            self.fault = AgeMalformed(
                f"Bytes stand behind the last chunk, from {self.sealed_end} on; they are no part of it: set them aside."
            )

    def _next_slot(self) -> bytes:
        slot, self._ahead = self._ahead[:SEALED_CHUNK_BYTES], self._ahead[SEALED_CHUNK_BYTES:]
        return slot + _take(self._stream, SEALED_CHUNK_BYTES - len(slot)) if len(slot) < SEALED_CHUNK_BYTES else slot


def read(stream: ByteSource, identities: Iterable[Identity]) -> Opened:
    """Everything that a file, whole or cut, gives; raises only for its header, as ``unlock`` does."""
    reader = Reader(stream, identities)
    plaintext = b"".join(reader.chunks())
    return Opened(plaintext, reader.complete, reader.sealed_end, reader.problem)


def decrypt(data: bytes, identities: Iterable[Identity]) -> bytes:
    """The plaintext of a whole file; raises what ``unlock`` raises, and the Reader's fault where it is not whole."""
    reader = Reader(io.BytesIO(data), identities)
    plaintext = b"".join(reader.chunks())
    if reader.fault is not None:
        raise reader.fault
    return plaintext


def _no_chunk(sealed: bytes, offset: int) -> AgeError:
    if len(sealed) < TAG_BYTES:
        return AgeCut(f"The file ends at byte {offset + len(sealed)} without its last chunk; look for the rest.")
    if sealed == _UNWRITTEN_CHUNK[: len(sealed)]:
        return AgeCut(f"From byte {offset} on there are only zeros: space that was reserved and not written to.")
    if len(sealed) < SEALED_CHUNK_BYTES:
        return AgeCut(
            f"The {len(sealed)} bytes from {offset} on are no last chunk: the file was cut there, or they were altered."
        )
    return AgeForged(f"The chunk at byte {offset} was altered, or is of another place or file; compare with a copy.")


def _take(stream: ByteSource, length: int) -> bytes:
    """That many bytes, fewer only at the end, whatever pieces the stream gives."""
    data = stream.read(length) or b""
    if len(data) == length or not data:
        return data
    pieces, missing = [data], length - len(data)
    while missing and (data := stream.read(missing) or b""):
        pieces.append(data)
        missing -= len(data)
    return b"".join(pieces)


def _chunk_nonce(counter: int, last: bool) -> bytes:
    return counter.to_bytes(11, "big") + (b"\x01" if last else b"\x00")


# --- lengths -----------------------------------------------------------------------------------------


def sealed_length(plaintext_length: int, header_length: int) -> int:
    """Length of the whole file of that many plaintext bytes (``header_length`` as of ``header_length()``)."""
    return header_length + plaintext_length + TAG_BYTES * max(1, -(-plaintext_length // CHUNK_BYTES))


def sealed_boundary(plaintext_end: int, header_length: int) -> int:
    """Offset in the sealed file after the whole chunk that holds the byte before ``plaintext_end``."""
    return header_length + -(-plaintext_end // CHUNK_BYTES) * SEALED_CHUNK_BYTES


def whole_chunks(sealed_bytes: int, header_length: int) -> int:
    """How many whole chunks a file of that length has room for."""
    return max(0, sealed_bytes - header_length) // SEALED_CHUNK_BYTES


def written_length(size: int, header_length: int, read: Callable[[int, int], bytes]) -> int:
    """Where what was written of a preallocated file ends: only whole unwritten chunks behind it are cut.

    ``size`` is the file's length, ``read(offset, length)`` gives exactly those bytes of it. A slot is 65,552 bytes,
    counted from ``header_length``; the result is the end of the last slot that has a byte other than zero, at most
    ``size``; ``header_length`` where there is none, ``size`` where the file is not even that long.

    Why slots, and not the last byte that is not zero: a sealed chunk looks random, so one in 256 ends in a zero that
    is part of it, and cutting there would destroy a chunk that the journal attests. That 65,552 bytes of a sealed
    chunk are all zero does not happen. A slot written in part is kept to its end, zeros included: what in it was
    written nobody can tell without the key, and nothing of it is attested.
    """
    slots = -(-max(0, size - header_length) // SEALED_CHUNK_BYTES)
    for number in range(slots - 1, -1, -1):
        start = header_length + number * SEALED_CHUNK_BYTES
        end = min(size, start + SEALED_CHUNK_BYTES)
        data = read(start, end - start)
        if len(data) != end - start:
            raise AgeCut(f"The file became shorter than {end} bytes while it was read; stop who else writes to it.")
        if data != _UNWRITTEN_CHUNK[: len(data)]:
            return end
    return min(size, header_length)
