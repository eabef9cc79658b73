"""``fsck``: the device's own invariants over a whole spool (design, invariants 1, 3, 4, 5), read-only.

What ``verify`` proves to a stranger is not repeated here: no accounting of time, no keys but the folder's own. This
asks whether spool and journal agree: each file named, each named file there with the bytes that its entries attest,
sessions and interruptions begun and ended as they must be, what is owed repeated where a journal file begins as it was.
A reason that is owed is a duty, no damage. Works on a live spool: what lies after the last checkpoint is in progress.
"""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from agent.evidence import entries as e
from agent.evidence.canonical import b64
from agent.evidence.errors import EvidenceError
from agent.evidence.journal import MAX_FILE_BYTES, Joiner, Placed, read_file
from agent.evidence.note import parse_vkey
from agent.recorder import spool
from agent.recorder.aside import UNTOLD
from agent.recorder.disk import open_regular
from agent.recorder.finding import MAX_KEY_BYTES
from agent.recorder.spool_lock import is_held
from agent.recorder.state import DeviceState

READ_BYTES = 1 << 20
MAX_NAMED = 10
"""Owed reasons that one finding names."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it must be."""

    kind: str
    file: str
    text: str


@dataclass(slots=True)
class Report:
    """What a check found. ``live``: a recorder holds the spool."""

    live: bool
    findings: list[Finding] = field(default_factory=list)
    owed: list[str] = field(default_factory=list)
    """Interruptions whose reason is not given yet: session and number."""
    open_sessions: list[str] = field(default_factory=list)
    entries: int = 0
    files: int = 0

    def add(self, kind: str, file: str, text: str) -> None:
        """Note a finding."""
        self.findings.append(Finding(kind, file, text))


@dataclass(slots=True)
class _Segment:
    """What the journal says of a media file."""

    opened: e.SegmentOpen
    sealed: int = 0
    sealed_sha256: str = ""
    closed: e.SegmentClose | None = None


@dataclass(slots=True)
class _Known:
    """What all entries of a generation add up to."""

    state: DeviceState = field(default_factory=DeviceState)
    segments: dict[tuple[str, int], _Segment] = field(default_factory=dict)
    asides: set[str] = field(default_factory=set)
    reasons: dict[tuple[str, int], e.InterruptionBegin] = field(default_factory=dict)
    ends: set[tuple[str, int]] = field(default_factory=set)
    explained: set[tuple[str, int]] = field(default_factory=set)
    closed: set[str] = field(default_factory=set)
    next_index: int = 0
    """Of the tree, as far as no entry is missing; -1 where one was, until what is owed is told anew."""
    carry: "_Carry | None" = None
    """What is being repeated where a file begins."""
    wrong: list[tuple[str, int, str]] = field(default_factory=list)
    """Kind, file, text of a finding."""

    @property
    def owed(self) -> list[tuple[str, int]]:
        """Session and number of what is not explained, those first that only a repetition tells of."""
        keys = dict.fromkeys([key for key in self.state.owed if key not in self.reasons] + list(self.reasons))
        return [key for key in keys if key not in self.explained]


@dataclass(slots=True)
class _Carry:
    """What a file's beginning says is owed, and what the entries before add up to (None where some are not there)."""

    file: int
    expected: dict[tuple[str, int], e.Owed] | None
    told: dict[tuple[str, int], e.Owed] = field(default_factory=dict)


def check(root: Path) -> Report:
    """Check the spool at ``root``."""
    report = Report(is_held(root))
    generations = sorted(path for path in (root / spool.JOURNAL).glob("[0-9]*") if path.is_dir())
    if not generations:
        report.add("no_journal", spool.JOURNAL, "there is no journal; is this a spool?")
    named: set[str] = set()
    asides: set[str] = set()
    for folder in generations:
        known = _read_generation(root, folder, report)
        _check_sessions(known, newest=folder == generations[-1], report=report)
        for segment in known.segments.values():
            named.add(segment.opened.file)
            _check_segment(root, segment, report)
        asides |= known.asides
    _check_names(root, named, asides, report)
    return report


def _read_generation(root: Path, folder: Path, report: Report) -> _Known:
    known, joiner = _Known(), Joiner()
    files, read = sorted(folder.glob("*.log")), list[Path]()
    try:
        key = parse_vkey(_bytes(folder / "device.vkey", MAX_KEY_BYTES).decode().strip())
    except (OSError, ValueError, EvidenceError) as error:
        report.add("key_unreadable", _name(root, folder / "device.vkey"), str(error))
        return known
    for path in files:
        try:
            data = _bytes(path, MAX_FILE_BYTES)
        except OSError as error:
            report.add("journal_damage", _name(root, path), error.strerror or str(error))
            continue
        if len(data) > MAX_FILE_BYTES:
            report.add("journal_damage", _name(root, path), f"longer than {MAX_FILE_BYTES} bytes; no recorder wrote it")
            continue
        read.append(path)
        _fold(known, joiner.add(read_file(data, key, "last")))
    _fold(known, joiner.finish())
    _end_carry(known)
    for kind, file, text in known.wrong:
        report.add(kind, _name(root, read[file]), text)
    joined = joiner.result
    report.entries += joined.frontier.size
    for damage in joined.damage:
        report.add("journal_damage", _name(root, read[damage.file]), f"byte {damage.offset}: {damage.text}")
    if joined.checkpoint is None:
        report.add("no_checkpoint", _name(root, folder), "no checkpoint of this device's key; recovery begins anew")
    for file, offset in joined.tails:
        if not report.live:
            text = f"lines after byte {offset} are not covered by a checkpoint; the next start puts them aside"
            report.add("torn_tail", _name(root, read[file]), text)
    return known


def _bytes(path: Path, most: int) -> bytes:
    """The file's first bytes, at most one more than ``most``; raises OSError for what is no file, waits for nobody."""
    with os.fdopen(open_regular(str(path)), "rb") as file:
        return file.read(most + 1)


def _fold(known: _Known, placed: list[Placed]) -> None:
    for one in placed:
        entry = one.entry
        _follow_owed(known, one)
        known.state.apply(entry)
        match entry:
            case e.SegmentOpen():
                known.segments[entry.stream, entry.segment] = _Segment(entry)
            case e.Fragment():
                segment = known.segments.get((entry.stream, entry.segment))
                if segment is not None:
                    segment.sealed, segment.sealed_sha256 = entry.sealed, entry.sealed_sha256
            case e.SegmentClose():
                segment = known.segments.get((entry.stream, entry.segment))
                if segment is not None:
                    segment.closed = entry
            case e.Aside():
                known.asides.add(entry.kept_as)
            case e.InterruptionBegin():
                known.reasons[entry.stream, entry.interruption] = entry
            case e.InterruptionEnd():
                known.ends.add((entry.stream, entry.interruption))
            case e.Explanation():
                _explain(known, one.file, entry)
            case e.SessionClose():
                known.closed.add(entry.stream)
            case _:
                pass


# --- invariants 4 and 5 -----------------------------------------------------------------------------------


def _explain(known: _Known, file: int, entry: e.Explanation) -> None:
    key = entry.stream, entry.interruption
    if key in known.explained:
        known.wrong.append(("explained_twice", file, f"interruption {key[1]} of {key[0]} has two explanations"))
    known.explained.add(key)


def _follow_owed(known: _Known, placed: Placed) -> None:
    """What a file's beginning repeats as owed must be what the entries before add up to, as far as they are there.

    Call before the entry counts: where some are not there, what is repeated is believed.
    """
    if known.next_index >= 0 and placed.index != known.next_index:
        known.next_index = -1
    elif known.next_index >= 0:
        known.next_index += 1
    if isinstance(placed.entry, e.DeviceCarry):
        _end_carry(known)
        if known.next_index < 0 and placed.index is not None:
            known.carry, known.next_index = _Carry(placed.file, None), placed.index + 1
            known.state.owed.clear()
        else:
            known.carry = _Carry(placed.file, dict(known.state.owed))
    elif isinstance(placed.entry, e.OwedCarry):
        if known.carry is not None:
            known.carry.told |= {(one.session, one.interruption): one for one in placed.entry.owed}
    else:
        _end_carry(known)


def _end_carry(known: _Known) -> None:
    carry, known.carry = known.carry, None
    if carry is not None and carry.expected is not None and carry.told != carry.expected:
        differ = sorted(
            key for key in carry.told.keys() | carry.expected if carry.told.get(key) != carry.expected.get(key)
        )
        named = ", ".join(f"{session} {number}" for session, number in differ[:MAX_NAMED])
        text = f"it does not begin with what was owed by then: {named}"
        known.wrong.append(("owed_carry", carry.file, text + (", ..." if differ[MAX_NAMED:] else "")))


def _check_sessions(known: _Known, newest: bool, report: Report) -> None:
    report.owed += [f"{stream} {number}" for stream, number in known.owed]
    for (stream, number), begin in known.reasons.items():
        if (stream, number) in known.ends:
            continue
        later = [n for s, n in known.reasons if s == stream and n > number and _same_track(known.reasons[s, n], begin)]
        if stream in known.closed or later:
            report.add("interruption_open", "", f"interruption {number} of {stream} has no end")
    if not newest:
        return
    sessions = known.state.sessions
    report.open_sessions += list(sessions)
    if len(sessions) > 1:
        report.add("sessions_open", "", f"{', '.join(sessions)} are open; one at most may be")
    for session in sessions.values():
        interrupted = any(begin.track == "all" for begin in session.open_interruptions)
        if not report.live and not interrupted:
            report.add("not_recovered", "", f"{session.session} was cut off and is not recovered: liuhen recover SPOOL")


def _same_track(one: e.InterruptionBegin, other: e.InterruptionBegin) -> bool:
    return one.track == other.track


# --- invariants 1 and 3 -----------------------------------------------------------------------------------


def _check_segment(root: Path, segment: _Segment, report: Report) -> None:
    name = f"{spool.SEGMENTS}/{segment.opened.file}"
    path = root / name
    if path.is_symlink() or not path.is_file():
        report.add("segment_missing", name, "the journal names this file, and it is not here")
        return
    report.files += 1
    size, closed = path.stat().st_size, segment.closed
    wanted = [(segment.sealed, segment.sealed_sha256)] if segment.sealed else []
    if closed is not None:
        wanted.append((closed.length, closed.sha256))
        if closed.by != "error" and size != closed.length:
            report.add("segment_length", name, f"{size} bytes; its journal says {closed.length}")
            return
    for length, digest in zip([n for n, _ in wanted], _prefix_hashes(path, [n for n, _ in wanted]), strict=True):
        expected = next(sha for n, sha in wanted if n == length)
        if digest != expected:
            report.add("segment_bytes", name, f"its first {length} bytes are not those that the journal attests")
            return


def _prefix_hashes(path: Path, lengths: list[int]) -> Iterator[str]:
    """SHA-256 of the file's first n bytes for each length, ascending; empty text where the file is shorter."""
    sha, done = hashlib.sha256(), 0
    with path.open("rb") as file:
        for length in lengths:
            while done < length and (data := file.read(min(READ_BYTES, length - done))):
                sha.update(data)
                done += len(data)
            yield b64(sha.digest()) if done == length else ""


def _check_names(root: Path, named: set[str], asides: set[str], report: Report) -> None:
    segments = root / spool.SEGMENTS
    for path in sorted(segments.rglob("*")) if segments.is_dir() else []:
        if not path.is_dir() and str(path.relative_to(segments)) not in named and not report.live:
            text = "no entry names this file; made in the moment of a cut, the next start puts it aside; else somebody "
            report.add("file_unnamed", _name(root, path), f"{text}put it here, or the journal that named it is damaged")
    aside = root / spool.ASIDE
    if os.path.lexists(aside) and not aside.is_dir():
        report.add("aside_unnamed", spool.ASIDE, "a folder belongs here; no start can put anything aside: move it away")
    for path in sorted(aside.iterdir()) if aside.is_dir() else []:
        if path.name.removesuffix(UNTOLD) not in asides and not report.live:
            text = "no entry says why this is here" + ("; the next start tells it" if path.suffix == UNTOLD else "")
            report.add("aside_unnamed", _name(root, path), text)


def _name(root: Path, path: Path) -> str:
    return str(path.relative_to(root))
