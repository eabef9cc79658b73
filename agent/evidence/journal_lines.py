"""The lines of a journal file, one JSON value each, and the streams that its entries form.

Why: the leaf of an entry is exactly its line's bytes, so a line must have one spelling, and whoever reads it must
refuse every other. A line that starts with ``{`` is an entry, with ``"`` a checkpoint's note, with ``[`` a header.

Rules kept here: a line is accepted only if encoding it again gives the same bytes (this refuses white space,
double or unsorted keys, other escapes, floats); integers lie within ±(2^53 - 1); an entry has at most 65,535 bytes
and 16 bytes of salt; every entry names its place ``n`` in its stream and the leaf hash of the one before it.

Left to others: files (``journal_reading``), order of files (``journal_joining``), which entry may follow which
(the recorder, ``verify``).
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from agent.evidence import canonical
from agent.evidence.entries import MAX_ENTRY_BYTES, AnyEntry, Entry
from agent.evidence.errors import EvidenceError
from agent.evidence.tree import HASH_BYTES

FORMAT = "liuhen/journal/v1"
SALT_BYTES = 16

_MAX_REASON_CHARACTERS = 200
_STREAM = re.compile(r"device|s(?:[0-9]{6}|[1-9][0-9]{6,14})")
_SALT = re.compile(r"[A-Za-z0-9_-]{21}[AQgw]")
# Only a number of 16 digits or more can lie beyond 2^53 - 1; text that looks like one costs no more than a walk. Every
# integer of an entry is a member's value (a test holds that there are no lists of integers).
_LONG_NUMBER = re.compile(rb":-?[0-9]{16}")

_entries: msgspec.json.Decoder[AnyEntry] = msgspec.json.Decoder(AnyEntry)
_notes: msgspec.json.Decoder[str] = msgspec.json.Decoder(str)
_headers: msgspec.json.Decoder[tuple[str, str, int, list[str], dict[str, tuple[int, str]]]] = msgspec.json.Decoder(
    tuple[str, str, int, list[str], dict[str, tuple[int, str]]]
)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class JournalError(EvidenceError):
    """A journal, or a line of it, cannot be used as it is."""


class EntryMalformed(JournalError):
    """An entry's line is not what the entry format allows."""


class HeaderMalformed(JournalError):
    """A file's first line is not a header."""


class NoteLineMalformed(JournalError):
    """A checkpoint's line is not a JSON string in its one spelling."""


class StreamBroken(JournalError):
    """An entry does not continue its stream: one before it was dropped, added, changed or moved."""


class StreamHead(NamedTuple):
    """Where a stream stands: how many entries it has, and the leaf hash of the last one."""

    count: int  # type: ignore[assignment]
    leaf: bytes
    """32 bytes; empty where the stream has no entry."""


EMPTY_STREAM = StreamHead(0, b"")


class Streams:
    """The heads of all streams of a generation."""

    __slots__ = ("heads",)

    def __init__(self, heads: dict[str, StreamHead] | None = None) -> None:
        self.heads: dict[str, StreamHead] = {} if heads is None else heads

    def head(self, stream: str) -> StreamHead:
        return self.heads.get(stream, EMPTY_STREAM)

    def place(self, entry: Entry) -> None:
        """Fills the entry's ``n`` and ``prev``; the head stays until ``advance``."""
        head = self.heads.get(entry.stream)
        if head is None:
            _check_stream_name(entry.stream)
            head = EMPTY_STREAM
        entry.n = head.count
        entry.prev = canonical.b64(head.leaf)

    def advance(self, stream: str, leaf: bytes) -> None:
        self.heads[stream] = StreamHead(self.head(stream).count + 1, leaf)

    def check(self, entry: Entry, leaf: bytes) -> None:
        """Takes the entry as its stream's next one; StreamBroken (and no change) if it is not."""
        head = self.heads.get(entry.stream)
        if head is None:
            _check_stream_name(entry.stream)
            head = EMPTY_STREAM
        if entry.n != head.count or entry.prev != canonical.b64(head.leaf):
            raise StreamBroken(_what_broke(entry, head))
        self.heads[entry.stream] = StreamHead(head.count + 1, leaf)

    def resume(self, entry: Entry, leaf: bytes) -> None:
        """Believes the entry's own word for its place, so that what follows a hole can still be checked."""
        self.heads[entry.stream] = StreamHead(entry.n + 1, leaf)

    def restore(self, heads: dict[str, StreamHead]) -> None:
        """Puts heads back as they were; an empty one leaves."""
        for stream, head in heads.items():
            if head.count:
                self.heads[stream] = head
            else:
                self.heads.pop(stream, None)

    def copy(self) -> "Streams":
        return Streams(dict(self.heads))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Streams) and self.heads == other.heads

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class Header:
    """What a file stands on: the tree and the streams before its first entry."""

    origin: str
    first: int
    """Index of the file's first entry in the tree."""
    hashes: tuple[bytes, ...]
    """Roots of the full subtrees of the first ``first`` leaves, largest first."""
    streams: dict[str, StreamHead]


def encode_entry(entry: Entry) -> bytes:
    """The entry's line, without the newline; EntryMalformed if it cannot be one."""
    try:
        line = canonical.encode(entry)
        _check_numbers(line, entry)
    except canonical.NotCanonical as error:
        raise EntryMalformed(f"Entry {_kind_of(entry)} cannot be written: {error}") from error
    if len(line) > MAX_ENTRY_BYTES:
        raise EntryMalformed(
            f"Entry {_kind_of(entry)} has {len(line)} bytes, {MAX_ENTRY_BYTES} are allowed; shorten its text."
        )
    _check_salt(entry)
    return line


def decode_entry(line: bytes) -> AnyEntry:
    """The entry that stands in ``line`` (without newline); EntryMalformed says what is wrong and where."""
    if len(line) > MAX_ENTRY_BYTES:
        raise EntryMalformed(f"The entry has {len(line)} bytes, {MAX_ENTRY_BYTES} are allowed; it is not ours.")
    try:
        entry = _entries.decode(line)
    except _UNREADABLE as error:
        raise EntryMalformed(f"No entry: {_reason(error)}; compare with another copy.") from error
    try:
        again = canonical.encode(entry)
        _check_numbers(line, entry)
    except canonical.NotCanonical as error:
        raise EntryMalformed(f"No entry: {error}") from error
    if again != line:
        raise EntryMalformed(_other_spelling("entry", line, again))
    _check_salt(entry)
    return entry


def reread_entry(line: bytes) -> AnyEntry:
    """The entry of a line that ``decode_entry`` has accepted before; nothing is checked again."""
    return _entries.decode(line)


def encode_header(header: Header) -> bytes:
    """The header's line, without the newline: [format, origin, first, [hash, ...], {stream: [count, leaf], ...}]."""
    heads = {name: [head.count, canonical.b64(head.leaf)] for name, head in header.streams.items()}
    hashes = [canonical.b64(node) for node in header.hashes]
    return canonical.encode([FORMAT, header.origin, header.first, hashes, heads])


def decode_header(line: bytes) -> Header:
    """The header that stands in ``line``; HeaderMalformed says what is wrong."""
    try:
        value = _headers.decode(line)
        again = canonical.encode(value)
        header = _header_of(*value)
    except _UNREADABLE as error:
        raise HeaderMalformed(f"No header: {_reason(error)}; compare with another copy of the file.") from error
    except canonical.NotCanonical as error:
        raise HeaderMalformed(f"No header: {error}") from error
    if again != line:
        raise HeaderMalformed(_other_spelling("header", line, again))
    return header


def header_extension(line: bytes) -> str:
    """The extension line of the checkpoint that follows a header: it signs the header's line, stream heads included."""
    return f"{FORMAT} {canonical.b64(hashlib.sha256(line).digest())}"


def encode_checkpoint_line(note: bytes) -> bytes:
    """The line of a signed checkpoint, without the newline: the note as a JSON string."""
    return canonical.encode(note.decode("utf-8"))


def decode_checkpoint_line(line: bytes) -> bytes:
    """The note that stands in ``line``; NoteLineMalformed if it is no JSON string in its one spelling."""
    try:
        text = _notes.decode(line)
        again = canonical.encode(text)
    except _UNREADABLE as error:
        raise NoteLineMalformed(f"No checkpoint: {_reason(error)}; compare with another copy.") from error
    except canonical.NotCanonical as error:
        raise NoteLineMalformed(f"No checkpoint: {error}") from error
    if again != line:
        raise NoteLineMalformed(_other_spelling("checkpoint", line, again))
    return text.encode("utf-8")


def _header_of(form: str, origin: str, first: int, hashes: Iterable[str], heads: dict[str, tuple[int, str]]) -> Header:
    if form != FORMAT:
        raise HeaderMalformed(f"The file says it is {form[:60]!r}, not {FORMAT!r}; use the program that wrote it.")
    if not 0 <= first <= canonical.MAX_INT:
        raise HeaderMalformed(f"The header's first index is {first}; no tree has that size.")
    nodes = tuple(_hash_of(text) for text in hashes)
    if len(nodes) != first.bit_count():
        raise HeaderMalformed(
            f"A tree of {first} entries has {first.bit_count()} subtrees, the header names {len(nodes)}."
        )
    streams = {name: _head_of(name, count, leaf) for name, (count, leaf) in heads.items()}
    counted = sum(head.count for head in streams.values())
    if counted != first:
        raise HeaderMalformed(f"The header's streams count {counted} entries, its tree {first}; it was altered.")
    return Header(origin, first, nodes, streams)


def _head_of(stream: str, count: int, leaf: str) -> StreamHead:
    if _STREAM.fullmatch(stream) is None:
        raise HeaderMalformed(f"The header names a stream {stream[:40]!r}, which no device writes.")
    if count < 1:
        raise HeaderMalformed(
            f"The header gives stream {stream} {count} entries; it names only streams that have some."
        )
    return StreamHead(count, _hash_of(leaf))


def _hash_of(text: str) -> bytes:
    node = canonical.unb64(text)
    if len(node) != HASH_BYTES:
        raise HeaderMalformed(f"A hash in the header has {len(node)} bytes, not {HASH_BYTES}; it was cut or altered.")
    return node


def _check_stream_name(stream: str) -> None:
    if _STREAM.fullmatch(stream) is None:
        raise StreamBroken(f"Stream {stream[:40]!r} is neither 'device' nor a session such as 's000001'.")


def _what_broke(entry: Entry, head: StreamHead) -> str:
    place = f"Stream {entry.stream}"
    if entry.n != head.count:
        kind = "an entry is missing or out of order" if entry.n > head.count else "an entry stands twice or forks"
        return f"{place}: entry n={entry.n} stands where n={head.count} belongs; {kind}."
    return f"{place}: entry n={entry.n} was written after another entry n={entry.n - 1} than the one that stands here."


def _check_numbers(line: bytes, entry: Entry) -> None:
    if _LONG_NUMBER.search(line) is not None:
        canonical.check(entry)


def _check_salt(entry: Entry) -> None:
    if _SALT.fullmatch(entry.salt) is None:
        raise EntryMalformed(
            f"Entry {_kind_of(entry)} has no salt of {SALT_BYTES} bytes; its hash would give its text away. Fill salt."
        )


def _kind_of(entry: Entry) -> str:
    return str(type(entry).__struct_config__.tag)


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested deeper than any entry is"
    if isinstance(error, UnicodeDecodeError):
        return f"it is not UTF-8 ({error.reason})"
    return str(error)[:_MAX_REASON_CHARACTERS]


def _other_spelling(what: str, line: bytes, again: bytes) -> str:
    at = next((at for at, (a, b) in enumerate(zip(line, again, strict=False)) if a != b), min(len(line), len(again)))
    return (
        f"The {what} is not in its one spelling from byte {at} on: {line[at : at + 24]!r} where "
        f"{again[at : at + 24]!r} belongs; its hash cannot be trusted."
    )
