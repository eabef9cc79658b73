"""A generation's files, read one after the other, joined into one sequence of entries.

Rules: a file whose header says ``first`` supersedes whatever the file before it holds from that index on (the writer
begins a new file after a failed sync and writes the same lines again). What was never signed may be superseded
freely, and one signed flush, whose sync did not return; more of them taken back is damage. The newer header's hashes
and stream heads must be those that the older file's entries give. A file without a valid checkpoint supersedes
nothing. Older files may be gone (rotated and removed): the header stands in for them, ``starts_at`` says so.

``Joiner`` holds two readings at most, whatever the generation's size. Left to others: finding the files and their
order (by name), the signatures (``journal_reading``), what the entries mean.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

from agent.evidence.checkpoint import Checkpoint
from agent.evidence.entries import AnyEntry
from agent.evidence.journal_lines import Header, StreamBroken, Streams, reread_entry
from agent.evidence.journal_reading import FileReading
from agent.evidence.tree import Frontier


class Placed(NamedTuple):
    """An entry and where it stands. ``file`` counts the readings from 0, in the order in which they were given."""

    file: int
    offset: int
    index: int | None  # type: ignore[assignment]
    """In the tree; None where damage hides it."""
    entry: AnyEntry
    leaf: bytes
    line: bytes


class FileDamage(NamedTuple):
    """What is wrong, and where."""

    file: int
    offset: int
    text: str


class Superseded(NamedTuple):
    """The end of a file that a newer file replaces."""

    file: int
    offset: int
    first: int
    """Index from which the newer file counts."""
    signed_flushes: int
    """Valid checkpoints among what is replaced."""
    identical: bool
    """Whether every signed entry that is replaced stands in the newer file byte for byte."""


@dataclass(slots=True)
class Joined:
    """A generation as its files give it. Without any readable file all is as in an empty tree, ``origin`` None."""

    origin: str | None = None
    starts_at: int = 0
    """Index of the first entry that a file holds; above 0 where older files are gone."""
    entries: list[Placed] = field(default_factory=list)
    """In order, superseded ones and tails left out. A Joiner hands them over piece by piece and leaves this empty."""
    damage: list[FileDamage] = field(default_factory=list)
    superseded: list[Superseded] = field(default_factory=list)
    tails: list[tuple[int, int]] = field(default_factory=list)
    """(file, offset) from which on nothing is signed: in the newest file, and in one that holds nothing signed."""
    checkpoint: Checkpoint | None = None
    """The last valid one, and ``checkpoint_note`` as it was signed."""
    checkpoint_note: bytes = b""
    frontier: Frontier = field(default_factory=Frontier)
    streams: Streams = field(default_factory=Streams)
    signed: Checkpoint | None = None
    """The last one that the key signed; larger than ``checkpoint`` only where entries were changed or lost."""


def join(readings: Sequence[FileReading]) -> Joined:
    """Joins the files of one generation, oldest first. Nothing raises; ``damage`` says what does not fit."""
    joiner = Joiner()
    entries = list(chain.from_iterable([joiner.add(reading) for reading in readings]))
    entries += joiner.finish()
    joiner.result.entries = entries
    return joiner.result


class Joiner:
    """Joins file by file: ``add`` each, oldest first, then ``finish``; both return entries that are certain by then."""

    def __init__(self) -> None:
        self.result = Joined()
        self._count = 0
        self._last: tuple[int, FileReading] | None = None
        self._idle: tuple[int, FileReading] | None = None

    def add(self, reading: FileReading) -> list[Placed]:
        """Takes the next file; returns the entries of the one before it, which this one can no longer supersede."""
        file = self._count
        self._count += 1
        self._refuse_idle()
        if not reading.attested_bytes and not reading.damage:
            self._idle = (file, reading)
            return []
        self.result.damage += [FileDamage(file, *damage) for damage in reading.damage]
        entries = self._follow(file, reading)
        self._last = (file, reading)
        return entries

    def finish(self) -> list[Placed]:
        """Returns the entries of the newest file; ``result`` is complete now."""
        entries: list[Placed] = []
        if self._last is not None:
            file, reading = self._last
            entries = _entries_below(file, reading, None)
            self._take_end(file, reading)
        if self._idle is not None and self._idle[1].tail is not None:
            self.result.tails.append((self._idle[0], self._idle[1].tail))
        return entries

    def _refuse_idle(self) -> None:
        if self._idle is not None:
            file, reading = self._idle
            if reading.tail is not None:
                text = "The file holds nothing that is signed, and is not the newest: it was put here or overwritten."
                self.result.damage.append(FileDamage(file, 0, text))
            self._idle = None

    def _follow(self, file: int, reading: FileReading) -> list[Placed]:
        header = reading.header
        if self._last is None:
            self._start(file, reading)
            return []
        if header is None:
            return _entries_below(*self._last, None)
        self._check_origin(file, header)
        self._check_continues(file, header, reading)
        return _entries_below(*self._last, header.first)

    def _start(self, file: int, reading: FileReading) -> None:
        if reading.header is not None:
            self.result.origin = reading.header.origin
            self.result.starts_at = reading.header.first
        elif reading.signed is not None:
            self.result.origin = reading.signed.origin
            self.result.starts_at = next((line.index for line in reading.lines if line.kind == "checkpoint"), None) or 0

    def _check_origin(self, file: int, header: Header) -> None:
        if header.origin != self.result.origin:
            self._damage(file, f"The file belongs to {header.origin}, those before it to {self.result.origin}.")

    def _check_continues(self, file: int, header: Header, reading: FileReading) -> None:
        assert self._last is not None
        older_file, older = self._last
        if older.header is None:
            self._check_hole(file, header, older.signed.size if older.signed is not None else header.first)
        elif header.first < older.header.first:
            self._damage(file, f"It starts at entry {header.first}, before the file that it follows: files were moved.")
        elif older.signed is not None and header.first > older.attested_size and _disagrees(older):
            self._name_changed(older_file, older, older.signed)
            self._check_hole(file, header, older.signed.size)
        else:
            self._check_state(file, header, reading)

    def _name_changed(self, file: int, reading: FileReading, signed: Checkpoint) -> None:
        """A last flush that would be a torn tail in the newest file is none where another file goes on after it."""
        if not reading.damage:
            text = f"Of the entries {reading.attested_size} to {signed.size - 1} at least one is not the signed one."
            self.result.damage.append(FileDamage(file, reading.attested_bytes, text))

    def _check_state(self, file: int, header: Header, reading: FileReading) -> None:
        assert self._last is not None
        older_file, older = self._last
        state = _state_at(older, header.first)
        if state is None:
            self._check_hole(file, header, older.attested_size)
            return
        if header.first > older.attested_size:
            text = f"The checkpoint of size {header.first}, which the next file repeats, was removed here."
            self.result.damage.append(FileDamage(older_file, older.attested_bytes, text))
        self._compare(file, header, *state)
        self._note_superseded(older_file, older, reading, header.first)

    def _check_hole(self, file: int, header: Header, size: int) -> None:
        if header.first > size:
            self._damage(file, f"Entries {size} to {header.first - 1} stand in no file; look for the missing file.")

    def _compare(self, file: int, header: Header, frontier: Frontier, streams: Streams) -> None:
        if tuple(frontier.hashes) != header.hashes:
            self._damage(file, "The header's tree is not that of the entries before it: the journal was forked.")
        names = sorted(streams.heads.keys() | header.streams.keys())
        wrong = [name for name in names if streams.heads.get(name) != header.streams.get(name)]
        if wrong:
            self._damage(file, f"The header gives stream {wrong[0]} another head than the entries before it do.")

    def _note_superseded(self, older_file: int, older: FileReading, newer: FileReading, first: int) -> None:
        start = _offset_from(older, first)
        if start is None:
            return
        flushes = sum(
            line.kind == "checkpoint" and line.offset < older.attested_bytes and (line.index or 0) > first
            for line in older.lines
        )
        same = _signed_leaves(older, first).items() <= _signed_leaves(newer, first).items()
        self.result.superseded.append(Superseded(older_file, start, first, flushes, same))
        if flushes > 1 and not same:
            text = (
                f"{flushes} signed flushes from entry {first} on are replaced by others in the next file; an honest "
                "device takes back one at most."
            )
            self.result.damage.append(FileDamage(older_file, start, text))

    def _take_end(self, file: int, reading: FileReading) -> None:
        result = self.result
        result.checkpoint, result.checkpoint_note = reading.checkpoint, reading.checkpoint_note
        result.frontier, result.streams, result.signed = reading.frontier, reading.streams, reading.signed
        if reading.tail is not None:
            result.tails.append((file, reading.tail))

    def _damage(self, file: int, text: str) -> None:
        self.result.damage.append(FileDamage(file, 0, text))


def _disagrees(reading: FileReading) -> bool:
    """Whether the key signed more than the entries give."""
    return reading.signed_bytes > reading.attested_bytes


def _entries_below(file: int, reading: FileReading, limit: int | None) -> list[Placed]:
    """Entries before the tail; with ``limit``, a newer file's first index, all below that (its header signs them)."""
    lines = reading.entries() if limit is None else reading.lines
    return [
        Placed(file, line.offset, line.index, reread_entry(line.line), line.leaf, line.line)
        for line in lines
        if line.leaf is not None and (limit is None or line.index is None or line.index < limit)
    ]


def _state_at(reading: FileReading, size: int) -> tuple[Frontier, Streams] | None:
    """Tree and streams of an undamaged file at ``size``, its tail included; None if it does not reach so far."""
    if size == reading.attested_size:
        return reading.frontier, reading.streams
    header = reading.header
    assert header is not None
    frontier, streams = Frontier(header.first, header.hashes), Streams(dict(header.streams))
    for line in reading.lines:
        if frontier.size == size:
            break
        if line.leaf is not None:
            frontier.append(line.leaf)
            _advance(streams, reread_entry(line.line), line.leaf)
    return (frontier, streams) if frontier.size == size else None


def _advance(streams: Streams, entry: AnyEntry, leaf: bytes) -> None:
    try:
        streams.check(entry, leaf)
    except StreamBroken:
        streams.resume(entry, leaf)  # named as damage of its own file already


def _signed_leaves(reading: FileReading, first: int) -> dict[int, bytes]:
    return {
        line.index: line.leaf
        for line in reading.lines
        if line.index is not None
        and line.leaf is not None
        and line.index >= first
        and line.offset < reading.attested_bytes
    }


def _offset_from(reading: FileReading, first: int) -> int | None:
    """Offset of what a file holds at and beyond index ``first``; None if it ends there."""
    for line in reading.lines:
        if line.kind == "entry" and line.index is not None and line.index >= first:
            return line.offset
    return reading.tail
