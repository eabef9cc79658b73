"""Reading one journal file: what it attests, where its torn tail starts, what in it is damaged.

Rules: nothing raises, whatever the bytes; a line is whole only with its newline; zeros at the end are preallocation.
A checkpoint is *valid* when the key signed it and origin, size and root are what header and entries before it give.
A problem with a valid checkpoint after it is damage. A signed checkpoint that the entries do *not* give (``unmatched``)
means that some were changed or lost: since at most one flush is ever unsynced, it belongs to a torn tail only if it
is the last thing in the file and the only one; with anything after it, it is damage. From there on entries are still
read, their index taken from the signed sizes, but no root can be computed.

Left to others: other files of the generation (``journal_joining``), what to do about it (recovery, ``verify``).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from agent.evidence.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint
from agent.evidence.entries import AnyEntry
from agent.evidence.errors import EvidenceError
from agent.evidence.journal_lines import (
    EntryMalformed,
    Header,
    HeaderMalformed,
    StreamBroken,
    StreamHead,
    Streams,
    decode_checkpoint_line,
    decode_entry,
    decode_header,
    header_extension,
    reread_entry,
)
from agent.evidence.note import NoteForged, VerifierKey, parse_note
from agent.evidence.tree import Frontier, leaf_hash

Signatures = Literal["all", "last"]

MAX_FILE_BYTES = 64 * 1024 * 1024
"""Files are rotated at 16 MiB, and one flush more is far below this: a longer one was not written by a recorder.
Readers refuse it unread, lest a sparse file of any length fill the memory."""

_BLOCK_BYTES = 4096
_MAX_BAD_LINES = 1_000
"""From here on, bad lines that follow each other are told as one: a file of newlines must not fill the memory."""


class Damage(NamedTuple):
    """A place in a file at which something that was signed is no longer as it was, or something was added."""

    offset: int
    text: str


@dataclass(slots=True, repr=False)
class ReadLine:
    """One line of a file: where it stands, and what was found out about it.

    ``line`` and ``entry`` are made from the file's bytes when asked for: a start reads 16 MiB of lines and must not
    hold them three times.
    """

    data: bytes
    """The whole file, shared."""
    offset: int
    length: int
    """Without the newline."""
    kind: Literal["header", "entry", "checkpoint", "bad"]
    index: int | None = None
    """Of an entry: its index in the tree, None where it cannot be known; of a checkpoint: its size."""
    leaf: bytes | None = None
    """Of an entry: 32 bytes."""
    problem: str = ""
    """What is wrong with the line; empty for a good one. An entry may be readable and yet break its stream."""

    @property
    def line(self) -> bytes:
        """The bytes, without the newline."""
        return self.data[self.offset : self.offset + self.length]

    @property
    def entry(self) -> AnyEntry | None:
        """The entry, decoded anew each time; None for other kinds."""
        return reread_entry(self.line) if self.kind == "entry" else None


@dataclass(slots=True)
class FileReading:
    """What a file holds and how far it can be trusted."""

    header: Header | None = None
    lines: list[ReadLine] = field(default_factory=list)
    """Every whole line, and a last one without newline as ``bad``; those of the tail too."""
    length_bytes: int = 0
    """Length without the zeros at the end."""
    attested_bytes: int = 0
    """Offset after the last valid checkpoint; 0 where there is none: such a file attests nothing."""
    attested_size: int = 0
    """Entries in the tree at the last valid checkpoint."""
    checkpoint: Checkpoint | None = None
    checkpoint_note: bytes = b""
    """The last valid checkpoint as it was signed."""
    frontier: Frontier = field(default_factory=Frontier)
    streams: Streams = field(default_factory=Streams)
    """Tree and streams at the last valid checkpoint."""
    signed: Checkpoint | None = None
    """The last checkpoint that the key signed, whether or not the entries give its root."""
    signed_bytes: int = 0
    """Offset after ``signed``; beyond ``attested_bytes`` only where entries were changed or lost."""
    tail: int | None = None
    """Where the lines start that no checkpoint covers; None where there are none."""
    damage: list[Damage] = field(default_factory=list)

    def entries(self) -> Iterator[ReadLine]:
        """The readable entries before the tail."""
        end = self.length_bytes if self.tail is None else self.tail
        return (line for line in self.lines if line.kind == "entry" and line.offset < end)


def read_file(data: bytes, key: VerifierKey | None, signatures: Signatures = "all") -> FileReading:
    """Reads a whole journal file.

    ``key``: the device's; without it every well-formed checkpoint counts as signed, and nobody vouches for it.
    ``signatures``: ``all`` compares every checkpoint's root and verifies every signature. ``last`` does so for the
    last valid checkpoint, which covers every entry before it, and believes size and origin of those before, which is
    what a start needs; a file in which anything about checkpoints is odd is read with more care.
    """
    if signatures == "last":
        for roots in (False, True):
            reader = _Reader(data, key, roots=roots, each=False)
            reading = reader.read()
            if not reader.doubtful and _is_covered(reading, key):
                return reading
    return _Reader(data, key, roots=True, each=True).read()


class _Reader:
    """One pass over a file. ``live`` while tree and streams follow from the header.

    ``roots``: compare the root at each checkpoint; ``each``: verify each signature. Without ``roots`` the pass is
    ``doubtful`` as soon as a checkpoint is not plainly the expected one.
    """

    def __init__(self, data: bytes, key: VerifierKey | None, *, roots: bool, each: bool) -> None:
        self.data = data
        self.key = key
        self.roots = roots
        self.each = each
        self.doubtful = False
        self.bad_lines = 0
        self.reading = FileReading(length_bytes=_length_without_zeros(data))
        self.origin: str | None = None
        self.extensions: tuple[str, ...] = ()  # what the checkpoint after the header must carry; then empty
        self.frontier = Frontier()
        self.streams = Streams()
        self.live = False
        self.unmatched = 0
        self.base = 0
        self.region: list[ReadLine] = []  # entries and bad lines since the last checkpoint
        self.pending: list[Damage] = []  # problems since the last valid checkpoint
        self.undo: dict[str, StreamHead] = {}  # stream heads at the last valid checkpoint
        self.attested_hashes: list[bytes] = []

    def read(self) -> FileReading:
        data, end = self.data, self.reading.length_bytes
        start = self._header(end)
        while start < end and (stop := data.find(b"\n", start, end)) >= 0:
            self._line(start, data[start:stop])
            start = stop + 1
        if start < end:
            self._bad(start, data[start:end], "The line has no newline: writing it was cut short.")
        self._finish(end)
        return self.reading

    def _header(self, end: int) -> int:
        """Reads the first line if it is a header; the offset at which the lines go on."""
        stop = self.data.find(b"\n", 0, end)
        line = self.data[: max(stop, 0)]
        if end == 0 or stop < 0:
            return 0
        try:
            header = decode_header(line)
        except HeaderMalformed as error:
            self.pending.append(Damage(0, f"The file does not begin with its header. {error}"))
            if line[:1] in (b"{", b'"'):
                return 0
            self.reading.lines.append(ReadLine(self.data, 0, len(line), "bad", problem=str(error)))
            return stop + 1
        self._begin(header, line)
        self.reading.lines.append(ReadLine(self.data, 0, len(line), "header"))
        return stop + 1

    def _begin(self, header: Header, line: bytes) -> None:
        self.reading.header = header
        self.origin = header.origin
        self.extensions = (header_extension(line),)
        self.frontier = Frontier(header.first, header.hashes)
        self.streams = Streams(dict(header.streams))
        self.base = header.first
        self.live = True

    def _line(self, offset: int, line: bytes) -> None:
        first = line[:1]
        if first == b"{":
            self._entry(offset, line)
        elif first == b'"':
            self._checkpoint(offset, line)
        else:
            self._bad(offset, line, _what_it_is(line))

    def _entry(self, offset: int, line: bytes) -> None:
        try:
            entry = decode_entry(line)
        except EntryMalformed as error:
            self._bad(offset, line, str(error))
            return
        leaf = leaf_hash(line)
        read = ReadLine(self.data, offset, len(line), "entry", self.base + len(self.region), leaf)
        if self.extensions:
            self.pending.append(Damage(offset, "An entry stands where the header's checkpoint belongs."))
            self.extensions = ()
        self.reading.lines.append(read)
        self.region.append(read)
        self._follow_stream(read, entry, leaf)
        if self.live:
            self.frontier.append(leaf)

    def _follow_stream(self, read: ReadLine, entry: AnyEntry, leaf: bytes) -> None:
        stream, streams = entry.stream, self.streams
        if stream not in self.undo:
            self.undo[stream] = streams.head(stream)
        try:
            streams.check(entry, leaf)
        except StreamBroken as error:
            unknown = self.reading.header is None and stream not in streams.heads
            streams.resume(entry, leaf)
            if not unknown:
                read.problem = str(error)
                self.pending.append(Damage(read.offset, read.problem))

    def _checkpoint(self, offset: int, line: bytes) -> None:
        try:
            note = decode_checkpoint_line(line)
            checkpoint = self._expected(note)
            if checkpoint is None:
                self._other_checkpoint(offset, line, note)
                return
            if self.each:
                _open(note, self.key)
        except EvidenceError as error:
            self._bad(offset, line, str(error))
            return
        self._accept(offset, line, note, checkpoint)

    def _expected(self, note: bytes) -> Checkpoint | None:
        """The checkpoint that header and entries give, if the note's text is that."""
        if not self.live or self.origin is None or not (self.region or self.extensions):
            return None
        if self.roots or self.extensions:
            checkpoint = Checkpoint(self.origin, self.frontier.size, self.frontier.root(), self.extensions)
            return checkpoint if note.startswith(checkpoint.text().encode() + b"\n") else None
        if note.startswith(f"{self.origin}\n{self.frontier.size}\n".encode()):
            return Checkpoint(self.origin, self.frontier.size, b"")  # the last one's root is filled in by _is_covered
        return None

    def _other_checkpoint(self, offset: int, line: bytes, note: bytes) -> None:
        self.doubtful = not self.roots
        checkpoint = _open(note, self.key)
        if self.origin is not None and checkpoint.origin != self.origin:
            raise NoteForged(
                f"The checkpoint belongs to {checkpoint.origin}, this file to {self.origin}; it was put here."
            )
        self._check_grows(checkpoint)
        if self._fits(checkpoint):
            self._accept(offset, line, note, checkpoint)
        else:
            self._disagree(offset, line, checkpoint)

    def _fits(self, checkpoint: Checkpoint) -> bool:
        """Whether it is the expected one after all, with extension lines of a later version."""
        if not self.live or self.extensions:
            return False
        return checkpoint.size == self.frontier.size and checkpoint.root == self.frontier.root()

    def _check_grows(self, checkpoint: Checkpoint) -> None:
        signed = self.reading.signed
        if signed is None or checkpoint.size > signed.size:
            return
        if checkpoint.size == signed.size and checkpoint.root != signed.root:
            raise NoteForged(f"Two checkpoints of size {signed.size} have different roots: the journal was forked.")
        raise NoteForged(f"A checkpoint of size {checkpoint.size} was put after one of size {signed.size}.")

    def _accept(self, offset: int, line: bytes, note: bytes, checkpoint: Checkpoint) -> None:
        reading, end = self.reading, offset + len(line) + 1
        reading.lines.append(ReadLine(self.data, offset, len(line), "checkpoint", checkpoint.size))
        reading.checkpoint = reading.signed = checkpoint
        reading.checkpoint_note = note
        reading.attested_bytes = reading.signed_bytes = end
        reading.damage += self.pending
        self.extensions = ()
        self.attested_hashes = self.frontier.hashes[:]
        if self.pending:
            self._renumber()
        self.base = checkpoint.size
        self.pending.clear()
        self.undo.clear()
        self.region.clear()

    def _renumber(self) -> None:
        """The root fits without the bad lines, so they were added and take no index."""
        entries = (read for read in self.region if read.kind == "entry")
        for index, read in enumerate(entries, self.base):
            read.index = index

    def _disagree(self, offset: int, line: bytes, checkpoint: Checkpoint) -> None:
        """A checkpoint that the key signed over other entries than stand here."""
        problem = self._disagreement(checkpoint)
        self.reading.lines.append(
            ReadLine(self.data, offset, len(line), "checkpoint", checkpoint.size, problem=problem)
        )
        if problem:
            start = self.region[0].offset if self.region else offset
            self.pending.append(Damage(start, problem))
        if self.base + len(self.region) != checkpoint.size:
            for read in self.region:
                read.index = None
        if self.origin is None:
            self.origin = checkpoint.origin
        self.live = False
        self.extensions = ()
        self.unmatched += 1
        self.base = checkpoint.size
        self.region.clear()
        self.reading.signed = checkpoint
        self.reading.signed_bytes = offset + len(line) + 1

    def _disagreement(self, checkpoint: Checkpoint) -> str:
        counted = self.base + len(self.region)
        if self.origin is None:
            return ""
        if checkpoint.size != counted:
            return (
                f"The checkpoint after this counts {checkpoint.size} entries, the file has {counted} up to there: "
                "entries were dropped or added."
            )
        if not self.live:
            return ""
        if not self.region:
            return "The header is not the one that the checkpoint after it signs."
        return f"Of the entries {self.base} to {counted - 1} at least one is not the one that was signed."

    def _bad(self, offset: int, line: bytes, problem: str) -> None:
        self.bad_lines += 1
        last = self.reading.lines[-1] if self.reading.lines else None
        if self.bad_lines > _MAX_BAD_LINES and last is not None and last.kind == "bad":
            last.length = offset + len(line) - last.offset
            return
        read = ReadLine(self.data, offset, len(line), "bad", problem=problem)
        self.reading.lines.append(read)
        if line[:1] != b'"':
            self.region.append(read)
        self.pending.append(Damage(offset, problem))

    def _finish(self, end: int) -> None:
        reading = self.reading
        if self.unmatched > 1 or (self.unmatched and reading.signed_bytes < end):
            reading.damage += [damage for damage in self.pending if damage.offset < reading.signed_bytes]
            reading.tail = reading.signed_bytes
        else:
            reading.tail = reading.attested_bytes
        if reading.tail >= end:
            reading.tail = None
        reading.attested_size = reading.checkpoint.size if reading.checkpoint is not None else 0
        reading.frontier = Frontier(reading.attested_size, self.attested_hashes)
        reading.streams = self._attested_streams()

    def _attested_streams(self) -> Streams:
        if not self.reading.attested_bytes:
            return Streams()
        self.streams.restore(self.undo)
        return self.streams


def _length_without_zeros(data: bytes) -> int:
    """Block by block, since a copy of the file without its preallocated rest would double what a start needs."""
    end = len(data)
    while end and data.count(0, start := max(end - _BLOCK_BYTES, 0), end) == end - start:
        end = start
    start = max(end - _BLOCK_BYTES, 0)
    return start + len(data[start:end].rstrip(b"\0"))


def _open(note: bytes, key: VerifierKey | None) -> Checkpoint:
    return parse_checkpoint(parse_note(note).text) if key is None else open_checkpoint(note, key)


def _is_covered(reading: FileReading, key: VerifierKey | None) -> bool:
    """Whether the last valid checkpoint, if there is one, is signed and has the root of the entries before it."""
    if reading.checkpoint is None:
        return True
    try:
        checkpoint = _open(reading.checkpoint_note, key)
    except EvidenceError:
        return False
    if checkpoint.root != reading.frontier.root():
        return False
    if reading.signed is reading.checkpoint:
        reading.signed = checkpoint
    reading.checkpoint = checkpoint
    return True


def _what_it_is(line: bytes) -> str:
    if not line:
        return "An empty line was added."
    if line.startswith(b"\0"):
        return "Zeros stand here: a block of the file was never written or was wiped."
    if line.startswith(b"["):
        return "A header stands in the middle of the file; it was put here."
    return f"No journal line begins with {line[:8]!r}."
