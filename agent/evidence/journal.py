"""The journal: an append-only log whose every flush is signed, in text files that ``less`` and ``jq`` read.

``Log`` is the appending side, pure: it places entries in their streams, makes their lines, grows the tree and signs
one checkpoint for each flush; the caller writes the bytes and syncs. ``read_file`` and ``join`` are the reading side.

Rules: an append happens whole or not at all; each checkpoint covers at least one new entry; a file begins with a
header and a checkpoint that signs it, so a start reads the newest file only; a line is only ever written again byte
for byte (signatures are deterministic): in a new file, after a write or sync that failed.

Left to others: files and their syncs (the writer), salts, what an entry means. The format is in ``journal.md``.
"""

from collections.abc import Sequence
from typing import NamedTuple

from agent.evidence.checkpoint import Checkpoint, sign_checkpoint
from agent.evidence.entries import Entry
from agent.evidence.journal_joining import Joined, Joiner, Placed, Superseded, join
from agent.evidence.journal_lines import (
    EMPTY_STREAM,
    FORMAT,
    EntryMalformed,
    Header,
    HeaderMalformed,
    JournalError,
    NoteLineMalformed,
    StreamBroken,
    StreamHead,
    Streams,
    decode_checkpoint_line,
    decode_entry,
    decode_header,
    encode_checkpoint_line,
    encode_entry,
    encode_header,
    header_extension,
)
from agent.evidence.journal_reading import MAX_FILE_BYTES, Damage, FileReading, ReadLine, read_file
from agent.evidence.note import Signer
from agent.evidence.tree import Frontier, leaf_hash

__all__ = [
    "EMPTY_STREAM",
    "FORMAT",
    "MAX_FILE_BYTES",
    "Damage",
    "EntryMalformed",
    "FileReading",
    "Header",
    "HeaderMalformed",
    "Joined",
    "Joiner",
    "JournalError",
    "Log",
    "NoteLineMalformed",
    "Placed",
    "ReadLine",
    "StreamBroken",
    "StreamHead",
    "Streams",
    "Superseded",
    "decode_checkpoint_line",
    "decode_entry",
    "decode_header",
    "encode_checkpoint_line",
    "encode_entry",
    "encode_header",
    "header_lines",
    "join",
    "read_file",
]


def header_lines(header: Header, signer: Signer) -> bytes:
    """What a new file starts with, each with its newline: the header, and the checkpoint of the tree before it.

    That checkpoint has the size and root of the last one and, as extension, the hash of the header's line, so that
    the stream heads are signed too.
    """
    line = encode_header(header)
    root = Frontier(header.first, header.hashes).root()
    checkpoint = Checkpoint(header.origin, header.first, root, (header_extension(line),))
    return line + b"\n" + encode_checkpoint_line(sign_checkpoint(checkpoint, signer)) + b"\n"


class Log:
    """The appending side of one generation."""

    def __init__(
        self, origin: str, signer: Signer, frontier: Frontier | None = None, streams: Streams | None = None
    ) -> None:
        """Goes on where ``frontier`` and ``streams`` of a FileReading stand; without them, a new generation."""
        self.origin = origin
        self.signer = signer
        self.frontier = Frontier() if frontier is None else frontier.copy()
        self.streams = Streams() if streams is None else streams.copy()
        self.last_checkpoint = self._sign()
        """A note. Signatures are deterministic: after a start it is the note that was signed before."""
        self._lines: list[bytes] = []
        self._before = self._now()

    @property
    def size(self) -> int:
        """Entries in the tree, hence the index of the next one."""
        return self.frontier.size

    def add(self, entry: Entry) -> bytes:
        """Places an entry (fills ``n``, ``prev``) in its stream and in the tree; returns its leaf hash.

        Its line waits for ``sign``. EntryMalformed or StreamBroken leave the log as it was.
        """
        stream, streams = entry.stream, self.streams
        streams.place(entry)
        line = encode_entry(entry)
        leaf = leaf_hash(line)
        if not self._lines:
            self._before = self._now()
        self._before.heads.setdefault(stream, streams.head(stream))
        streams.advance(stream, leaf)
        self.frontier.append(leaf)
        self._lines.append(line)
        return leaf

    def sign(self) -> bytes:
        """Lines of the entries added since the last time and of one checkpoint, each with its newline.

        Nothing was added: no bytes, since a checkpoint always covers something new.
        """
        if not self._lines:
            return b""
        self.last_checkpoint = self._sign()
        lines, self._lines = self._lines, []
        return b"\n".join([*lines, encode_checkpoint_line(self.last_checkpoint), b""])

    def append(self, entries: Sequence[Entry]) -> bytes:
        """``add`` each and ``sign``. If one entry is refused, none of them is in the log."""
        try:
            for entry in entries:
                self.add(entry)
        except JournalError:
            if self._lines:
                self.take_back()
            raise
        return self.sign()

    def take_back(self) -> None:
        """Undoes the last flush: what was added since the last ``sign`` or, if nothing was, what that one covered.

        For bytes that did not become durable; the same entries, added again, give the same bytes again.
        """
        before = self._before
        if before.size == self.size:
            raise JournalError("There is nothing to take back: only the last flush can be, and once.")
        self.frontier = Frontier(before.size, before.hashes)
        self.last_checkpoint = before.checkpoint
        self._lines = []
        self.streams.restore(before.heads)
        self._before = self._now()

    def header_lines(self) -> bytes:
        """What a new file starts with at this size; JournalError while entries wait for ``sign``."""
        if self._lines:
            raise JournalError("Entries wait for their checkpoint; sign them before a new file begins.")
        header = Header(self.origin, self.size, tuple(self.frontier.hashes), self.streams.heads)
        return header_lines(header, self.signer)

    def _now(self) -> "_Before":
        return _Before(self.frontier.size, self.frontier.hashes[:], {}, self.last_checkpoint)

    def _sign(self) -> bytes:
        return sign_checkpoint(Checkpoint(self.origin, self.frontier.size, self.frontier.root()), self.signer)


class _Before(NamedTuple):
    """The log before the flush that can be taken back; ``heads`` of the streams that it touched."""

    size: int
    hashes: list[bytes]
    heads: dict[str, StreamHead]
    checkpoint: bytes
