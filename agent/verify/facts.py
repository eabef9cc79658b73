"""What the verifier works on: plain facts, read from a spool or an export, before anything is judged.

A ``Line`` is one journal entry with its leaf hash and the place where it was read. A ``Log`` is one generation of
the journal, or the two streams of an export. A ``Problem`` names a kind, a place and values; ``words`` turns it
into a sentence and says which of the four answers it spoils. Nothing here does I/O or decides.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from agent.evidence.checkpoint import Checkpoint
from agent.evidence.entries import DEVICE_STREAM, Entry, Fragment, SegmentClose, SegmentOpen
from agent.evidence.note import VerifierKey

DEVICE_KEY = "device.vkey"
CHECKPOINT = "checkpoint"
SESSION_LINES = "session.jsonl"
DEVICE_LINES = "device.jsonl"
SESSION_PROOF = "session.tlog-proof"
DEVICE_PROOF = "device.tlog-proof"
EXCERPT = "excerpt.json"
SUMS = "SHA256SUMS"
README = "README.md"
ASIDE = "aside"
UNTOLD = ".untold"
"""Ending of a file in ``aside/`` whose entry was not durable yet."""
SEGMENTS = "segments"
JOURNAL = "journal"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is not as it should be: ``file`` below the folder, ``entry`` as STREAM#N, ``offset`` in bytes."""

    kind: str
    file: str | None = None
    entry: str | None = None
    offset: int | None = None
    values: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Line:
    """An entry of the journal where it was read; ``index`` is its leaf's number in the tree (None in an export)."""

    entry: Entry
    leaf: bytes
    index: int | None
    file: str
    offset: int
    length: int

    @property
    def name(self) -> str:
        return f"{self.entry.stream}#{self.entry.n}"

    def problem(self, kind: str, file: str | None = None, **values: str | int) -> Problem:
        """A problem at this entry; ``file`` where it shows in another file than the one that holds the entry."""
        return Problem(kind, file or self.file, self.name, self.offset if file is None else None, values)


@dataclass(slots=True)
class Log:
    """One generation of the journal, as far as a signed checkpoint attests it."""

    origin: str = ""
    number: int = 0
    """Of the generation, by its folder; 0 in an export."""
    key: VerifierKey | None = None
    """The key whose signature the checkpoints bear; None where no checkpoint could be verified."""
    folder_key: VerifierKey | None = None
    """The key that lies beside the journal."""
    first: int = 0
    """Index of the first entry that is there (later than 0 where older files were removed)."""
    size: int = 0
    checkpoint: Checkpoint | None = None
    note: bytes = b""
    """The last valid checkpoint as it stands in the journal."""
    lines: list[Line] = field(default_factory=list)
    roots: dict[int, bytes] = field(default_factory=dict)
    """Roots at the sizes that were asked for."""
    checkpoints: int = 0
    progress_lines: int = 0
    progress_bytes: int = 0

    def streams(self) -> dict[str, list[Line]]:
        """The lines of each stream in order; ``device`` is always there."""
        found: dict[str, list[Line]] = {DEVICE_STREAM: []}
        for line in self.lines:
            found.setdefault(line.entry.stream, []).append(line)
        return found


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The part of a session that an export claims to hold: microseconds of presentation time."""

    session: str
    from_us: int
    to_us: int


@dataclass(slots=True)
class Evidence:
    """A folder that was read: its logs (oldest generation first), its media files, what is wrong already."""

    root: Path
    kind: Literal["spool", "export"]
    logs: list[Log] = field(default_factory=list)
    files: dict[str, int] = field(default_factory=dict)
    """Plain files below ``segments/``: relative name and length in bytes."""
    sums: dict[str, str] = field(default_factory=dict)
    """SHA256SUMS of an export: hexadecimal hashes of its media files, checked when those are read."""
    excerpt: Excerpt | None = None
    problems: list[Problem] = field(default_factory=list)


@dataclass(slots=True)
class Segment:
    """A media file as the journal tells it."""

    session: str
    opened: Line
    fragments: list[Line] = field(default_factory=list)
    closed: Line | None = None

    @property
    def open(self) -> SegmentOpen:
        assert isinstance(self.opened.entry, SegmentOpen)
        return self.opened.entry

    @property
    def close(self) -> SegmentClose | None:
        return self.closed.entry if self.closed and isinstance(self.closed.entry, SegmentClose) else None

    @property
    def pieces(self) -> list[tuple[Line, Fragment]]:
        return [(line, line.entry) for line in self.fragments if isinstance(line.entry, Fragment)]

    @property
    def end(self) -> int:
        """Plaintext bytes that the journal attests."""
        pieces = self.pieces
        return pieces[-1][1].end if pieces else self.open.init_length

    @property
    def holds_media(self) -> bool:
        """Whether anything in the file is attested; a file begun just before a cut or an error may be empty."""
        return bool(self.pieces) or (self.close is not None and self.close.by == "recorder")

    @property
    def path(self) -> str:
        return f"{SEGMENTS}/{self.open.file}"
