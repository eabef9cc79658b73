"""Journals for tests: a device's key, entries of every type, files of some flushes."""

import types
import typing
from collections.abc import Sequence
from typing import Literal

from hypothesis import strategies as st
from msgspec import UNSET, Struct, UnsetType

from agent.evidence import canonical
from agent.evidence.entries import DEVICE_STREAM, AnyEntry, Boot, Entry, Mark
from agent.evidence.journal import Log, StreamHead, header_lines
from agent.evidence.journal_lines import Header
from agent.evidence.note import Signer
from agent.evidence.tree import Frontier

SIGNER = Signer("liuhen/bwc-1", bytes(range(32)))
STRANGER = Signer("liuhen/bwc-1", bytes(32))
KEY = SIGNER.vkey
ORIGIN = "liuhen/bwc-1/1"
ENTRY_TYPES: tuple[type[Entry], ...] = typing.get_args(AnyEntry)

_numbers = st.integers(-canonical.MAX_INT, canonical.MAX_INT)
_texts = st.text(st.characters(codec="utf-8"), max_size=12)
_salts = st.binary(min_size=16, max_size=16).map(canonical.b64)


def values(kind: object) -> st.SearchStrategy[object]:
    """Any value that a field of type ``kind`` may hold."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is list:
        return st.lists(values(arguments[0]), max_size=2)
    if origin in (typing.Union, types.UnionType):
        return st.one_of([values(argument) for argument in arguments])
    if kind is UnsetType:
        return st.just(UNSET)
    if isinstance(kind, type) and issubclass(kind, Struct):
        return structs(kind)
    return {int: _numbers, str: _texts}[typing.cast(type, kind)]


def structs(kind: type[Struct]) -> st.SearchStrategy[Struct]:
    """Any Struct of that type, from the types of its fields."""
    fields = {name: values(hint) for name, hint in typing.get_type_hints(kind).items() if not name.startswith("__")}
    if issubclass(kind, Entry):
        fields["salt"] = _salts
    return st.fixed_dictionaries(fields).map(lambda given: kind(**given))


def salt(number: int) -> str:
    return canonical.b64(abs(number).to_bytes(16, "big"))


def mark(number: int, stream: str = "s000001", label: str = "") -> Mark:
    return Mark(stream=stream, salt=salt(number), boot=1, boot_us=number, at_us=number, label=label)


def boot(number: int) -> Boot:
    return Boot(stream=DEVICE_STREAM, salt=salt(number), boot=1, boot_us=number, boot_id=f"boot-{number}")


def three_flushes() -> list[list[Entry]]:
    """Two streams, two entries to a flush."""
    return [[boot(1), mark(2)], [mark(3), mark(4, "s000002")], [mark(5), boot(6)]]


def written(log: Log, flushes: Sequence[Sequence[Entry]]) -> bytes:
    """A whole file: header lines at the log's present size, then the flushes."""
    return log.header_lines() + b"".join([log.append(entries) for entries in flushes])


def a_file(flushes: Sequence[Sequence[Entry]] | None = None, signer: Signer = SIGNER, origin: str = ORIGIN) -> bytes:
    """The first file of a generation."""
    return written(Log(origin, signer), three_flushes() if flushes is None else flushes)


def two_files() -> tuple[bytes, bytes]:
    """A generation that was rotated after three flushes."""
    log = Log(ORIGIN, SIGNER)
    return written(log, three_flushes()), written(log, [[mark(7)], [mark(8, "s000002"), boot(9)]])


def lines_of(data: bytes) -> list[bytes]:
    """Lines with their newlines."""
    return data.splitlines(keepends=True)


def header_with(heads: dict[str, StreamHead], frontier: Frontier, signer: Signer = SIGNER) -> bytes:
    """Header lines over given stream heads, properly signed."""
    return header_lines(Header(ORIGIN, frontier.size, tuple(frontier.hashes), heads), signer)
