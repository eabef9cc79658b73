"""Reads a spool's journal: the files of each generation, joined into one log, as far as checkpoints attest.

Each file is read by ``agent.evidence.journal`` (every root, every signature, every stream) and joined there; here
what was found becomes lines and problems. Behind the last checkpoint of the newest file stands what is in progress,
or what a cut left; but a cut leaves a line without its end, or pages of zeros: a whole line of text that is wrong
was written by somebody.
"""

from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from agent.evidence import canonical, journal
from agent.evidence.entries import Aside, JournalBegin
from agent.evidence.errors import EvidenceError
from agent.evidence.note import VerifierKey, parse_vkey
from agent.evidence.tree import Frontier
from agent.verify.facts import ASIDE, DEVICE_KEY, JOURNAL, SEGMENTS, UNTOLD, Evidence, Line, Log, Problem
from agent.verify.files import NotPlain, plain_files, read_plain, read_small


def is_spool(root: Path) -> bool:
    return (root / JOURNAL).is_dir()


def read_spool(root: Path, key: VerifierKey | None, wanted_sizes: frozenset[int] = frozenset()) -> Evidence:
    """All generations of a spool and the list of its media files.

    ``key`` is tried beside each generation's own; ``wanted_sizes`` are tree sizes whose roots are to be kept.
    """
    evidence = Evidence(root, "spool")
    problems = evidence.problems
    names: dict[int, list[str]] = {}
    for name in plain_files(root, JOURNAL, problems):
        folder, _, file = name.partition("/")
        if _number(folder) < 0 or (file != DEVICE_KEY and _number(file.removesuffix(".log")) < 0):
            problems.append(Problem("file_unnamed", f"{JOURNAL}/{name}"))
        elif file != DEVICE_KEY:
            names.setdefault(_number(folder), []).append(f"{JOURNAL}/{name}")
        else:
            names.setdefault(_number(folder), [])
    for generation in sorted(names):
        evidence.logs.append(_read_log(root, names[generation], generation, key, wanted_sizes, problems))
    if not names:
        problems.append(Problem("no_checkpoint", JOURNAL))
    evidence.files = plain_files(root, SEGMENTS, problems)
    problems += _aside_problems(root, evidence.logs)
    return evidence


def _aside_problems(root: Path, logs: list[Log]) -> list[Problem]:
    """Files in ``aside/`` that no entry tells of: a cut may have prevented it, or somebody hid evidence there."""
    problems: list[Problem] = []
    told = {line.entry.kept_as for log in logs for line in log.lines if isinstance(line.entry, Aside)}
    names = plain_files(root, ASIDE, problems)
    untold = sorted(name for name in names if name.removesuffix(UNTOLD) not in told)
    return problems + [Problem("aside_untold", f"{ASIDE}/{name}") for name in untold]


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else -1


def folder_key(root: Path, name: str, problems: list[Problem]) -> VerifierKey | None:
    """The device key that lies in the folder, or None with a problem noted."""
    data = read_small(root, name, problems)
    if data is None:
        return None
    try:
        return parse_vkey(data.decode().removesuffix("\n"))
    except (EvidenceError, UnicodeDecodeError) as error:
        problems.append(Problem("key_malformed", name, offset=0, values={"why": str(error)}))
        return None


@dataclass(slots=True)
class _Reading:
    """A generation while its files are read one after the other."""

    root: Path
    log: Log
    sizes: frozenset[int]
    problems: list[Problem]
    joiner: journal.Joiner = field(default_factory=journal.Joiner)
    files: list[str] = field(default_factory=list)
    frontier: Frontier | None = None
    tail: bytes = b""
    tail_at: int = 0
    wrong: dict[int, str] = field(default_factory=dict)
    """Offset and what is wrong, of the newest file's lines behind its last checkpoint."""


def _read_log(
    root: Path,
    names: list[str],
    generation: int,
    key: VerifierKey | None,
    sizes: frozenset[int],
    problems: list[Problem],
) -> Log:
    log = Log(number=generation, folder_key=folder_key(root, f"{JOURNAL}/{generation:04}/{DEVICE_KEY}", problems))
    reading = _Reading(root, log, sizes, problems)
    for name in sorted(names, key=lambda name: _number(Path(name).stem)):
        _read_file(reading, name, key)
    _take(reading, reading.joiner.finish())
    _finish(reading, f"{JOURNAL}/{generation:04}")
    return log


def _read_file(reading: _Reading, name: str, key: VerifierKey | None) -> None:
    try:
        data = read_plain(reading.root / name, journal.MAX_FILE_BYTES)
    except NotPlain as error:
        reading.problems.append(Problem("not_plain", name, values={"why": str(error)}))
        return
    log = reading.log
    found = _read_signed(log, data, key)
    if found.header is not None and found.header.first != _number(Path(name).stem):
        reading.problems.append(Problem("journal_name", name, offset=0, values={"first": found.header.first}))
    if reading.frontier is None and found.header is not None:
        reading.frontier = Frontier(found.header.first, found.header.hashes)
        log.roots[found.header.first] = reading.frontier.root()
    log.checkpoints += sum(line.kind == "checkpoint" for line in found.lines)
    reading.files.append(name)
    tail = reading.tail_at = found.length_bytes if found.tail is None else found.tail
    reading.tail = data[tail : found.length_bytes]
    reading.wrong = {line.offset - tail: line.problem for line in found.lines if line.problem and line.offset >= tail}
    _take(reading, reading.joiner.add(found))


def _read_signed(log: Log, data: bytes, key: VerifierKey | None) -> journal.FileReading:
    """Read by the key that signs the file: the one that the user brought, or the folder's own."""
    candidates = [log.key] if log.key else list(dict.fromkeys(k for k in (key, log.folder_key) if k))
    found = journal.FileReading()
    for candidate in candidates:
        found = journal.read_file(data, candidate, signatures="all")
        if found.signed is not None:
            log.key = candidate
            break
    return found


def _take(reading: _Reading, placed: list[journal.Placed]) -> None:
    log = reading.log
    for entry in placed:
        file = reading.files[entry.file]
        log.lines.append(Line(entry.entry, entry.leaf, entry.index, file, entry.offset, len(entry.line)))
        if reading.frontier is not None and reading.sizes:
            reading.frontier.append(entry.leaf)
            if reading.frontier.size in reading.sizes:
                log.roots[reading.frontier.size] = reading.frontier.root()


def _finish(reading: _Reading, folder: str) -> None:
    log, joined = reading.log, reading.joiner.result
    log.origin, log.first, log.note = joined.origin or "", joined.starts_at, joined.checkpoint_note
    log.checkpoint = joined.checkpoint
    log.size = joined.checkpoint.size if joined.checkpoint else 0
    if joined.checkpoint is None:
        reading.problems.append(Problem("no_checkpoint", reading.files[-1] if reading.files else folder))
    for damage in joined.damage:
        place = next((line.name for line in log.lines if _is_at(line, reading.files[damage.file], damage.offset)), None)
        values: dict[str, str | int] = {"why": damage.text}
        reading.problems.append(Problem("journal_damage", reading.files[damage.file], place, damage.offset, values))
    _judge_tail(reading)


def _is_at(line: Line, file: str, offset: int) -> bool:
    return line.file == file and line.offset == offset


def _judge_tail(reading: _Reading) -> None:
    """Count what is in progress; name the first line in it that no cut can have left."""
    at = 0
    reading.log.progress_bytes = len(reading.tail)
    for line in reading.tail.split(b"\n")[:-1]:
        if b"\0" in line:
            return
        if at in reading.wrong:
            values: dict[str, str | int] = {"why": reading.wrong[at]}
            place = (reading.files[-1], None, reading.tail_at + at)
            reading.problems.append(Problem("journal_damage", *place, values))
            return
        reading.log.progress_lines += 1
        at += len(line) + 1


def generation_problems(logs: list[Log]) -> list[Problem]:
    """A new generation quotes the one before it, which is there: origin, and root where the size is the same."""
    problems: list[Problem] = []
    for log in logs:
        folder = f"{JOURNAL}/{log.number:04}"
        if log.number and log.origin and log.origin.rpartition("/")[2] != str(log.number):
            problems.append(Problem("generation_moved", folder, values={"origin": log.origin}))
    begun = logs[0].lines[0] if logs and logs[0].lines else None
    if begun and isinstance(begun.entry, JournalBegin) and begun.entry.reason != "new":
        problems.append(begun.problem("generation_missing", origin=logs[0].origin))
    for older, newer in pairwise(logs):
        first = newer.lines[0] if newer.lines else None
        begin = first.entry if first else None
        values: dict[str, str | int] = {"origin": newer.origin, "previous": older.origin}
        if first is None or not isinstance(begin, JournalBegin) or begin.previous_origin != older.origin:
            problems.append(Problem("generation_unlinked", values=values))
        elif older.checkpoint and begin.previous_size == older.size:
            root = canonical.b64(older.checkpoint.root)
            if begin.previous_root != root:
                problems.append(Problem("generation_unlinked", first.file, first.name, first.offset, values))
    return problems
