"""Reads an export: two streams as text, each tied by one inclusion proof to one signed checkpoint.

A stream's links go back from its last entry, and the proof shows that entry to be in the tree; so no other entry of
the tree, and of no other session, needs to be there. An excerpt's session stream begins in the middle: its first
line, ``session.open``, is tied by the device stream's ``session.begin``, the rest by the last entry's proof.
"""

import hashlib
import os
import re
from pathlib import Path
from typing import Any

import msgspec

from agent.evidence import checkpoint as checkpoints
from agent.evidence import journal, proof
from agent.evidence.entries import DEVICE_STREAM
from agent.evidence.errors import EvidenceError
from agent.evidence.note import VerifierKey, parse_note
from agent.evidence.tree import leaf_hash
from agent.verify import facts
from agent.verify.facts import Evidence, Excerpt, Line, Log, Problem
from agent.verify.files import NotPlain, plain_files, read_plain, read_small
from agent.verify.spool import folder_key

NAMES = (
    facts.DEVICE_KEY,
    facts.CHECKPOINT,
    facts.SESSION_LINES,
    facts.DEVICE_LINES,
    facts.SESSION_PROOF,
    facts.DEVICE_PROOF,
    facts.SUMS,
    facts.README,
)
_SUM = re.compile(r"([0-9a-f]{64})  (\S.*)")


def is_export(root: Path) -> bool:
    """Whether enough of an export is there to be judged as one."""
    return sum((root / name).is_file() for name in NAMES) >= 3


def read_export(root: Path, key: VerifierKey | None) -> Evidence:
    """The export's two streams as one log, its media files and what is wrong with the rest."""
    evidence = Evidence(root, "export")
    problems = evidence.problems
    log = Log(folder_key=folder_key(root, facts.DEVICE_KEY, problems))
    evidence.logs.append(log)
    _read_checkpoint(root, log, key, problems)
    evidence.excerpt = _read_excerpt(root, problems)
    for name, proof_name in ((facts.DEVICE_LINES, facts.DEVICE_PROOF), (facts.SESSION_LINES, facts.SESSION_PROOF)):
        lines = _read_lines(root, name, problems)
        _check_proof(root, proof_name, log, lines, problems)
        log.lines += [line for line, _ in lines]
    problems += _foreign(log.lines)
    if evidence.excerpt and evidence.excerpt.session not in log.streams():
        values: dict[str, str | int] = {"why": evidence.excerpt.session}
        problems.append(Problem("excerpt_malformed", facts.EXCERPT, offset=0, values=values))
    evidence.files = plain_files(root, facts.SEGMENTS, problems)
    evidence.sums = _check_sums(root, evidence, problems)
    return evidence


def _read_checkpoint(root: Path, log: Log, key: VerifierKey | None, problems: list[Problem]) -> None:
    note = read_small(root, facts.CHECKPOINT, problems)
    if note is None:
        return
    why = ""
    for candidate in dict.fromkeys(k for k in (key, log.folder_key) if k):
        try:
            log.checkpoint = checkpoints.open_checkpoint(note, candidate)
        except EvidenceError as error:
            why = str(error)
            continue
        log.key, log.note = candidate, note
        log.origin, log.size, log.checkpoints = log.checkpoint.origin, log.checkpoint.size, 1
        return
    problems.append(Problem("checkpoint_forged", facts.CHECKPOINT, offset=0, values={"why": why}))


def _read_excerpt(root: Path, problems: list[Problem]) -> Excerpt | None:
    if not os.path.lexists(root / facts.EXCERPT):
        return None
    data = read_small(root, facts.EXCERPT, problems)
    if data is None:
        return None
    try:
        return msgspec.json.decode(data, type=Excerpt)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        problems.append(Problem("excerpt_malformed", facts.EXCERPT, offset=0, values={"why": str(error)[:200]}))
        return None


def _read_lines(root: Path, name: str, problems: list[Problem]) -> list[tuple[Line, bytes]]:
    """The entries of a stream's file with their bytes; a line that is none is a problem and left out."""
    try:
        data = read_plain(root / name)
    except NotPlain as error:
        problems.append(Problem("file_missing", name, values={"why": str(error)}))
        return []
    found: list[tuple[Line, bytes]] = []
    offset = 0
    for raw in data.split(b"\n")[: -1 if data.endswith(b"\n") else None]:
        try:
            entry: Any = journal.decode_entry(raw)
            found.append((Line(entry, leaf_hash(raw), None, name, offset, len(raw)), raw))
        except EvidenceError as error:
            problems.append(Problem("line_malformed", name, offset=offset, values={"why": str(error)[:200]}))
        offset += len(raw) + 1
    if not found:
        problems.append(Problem("stream_empty", name))
    return found


def _check_proof(root: Path, name: str, log: Log, lines: list[tuple[Line, bytes]], problems: list[Problem]) -> None:
    """The stream's last entry is in the tree of the folder's checkpoint."""
    data = read_small(root, name, problems)
    if data is None or not lines or log.key is None or log.checkpoint is None:
        return
    line, raw = lines[-1]
    try:
        decoded = proof.decode_proof(data)
        proved = proof.verify_proof(decoded, raw, log.key, log.origin)
        if parse_note(decoded.checkpoint).text != parse_note(log.note).text:
            problems.append(Problem("proof_other_checkpoint", name, line.name, values={"size": proved.size}))
    except EvidenceError as error:
        problems.append(Problem("proof_forged", name, line.name, 0, {"why": str(error)}))


def _foreign(lines: list[Line]) -> list[Problem]:
    """No entry of another session, and none in the wrong file."""
    sessions = [line.entry.stream for line in lines if line.file == facts.SESSION_LINES]
    session = next((stream for stream in sessions if stream != DEVICE_STREAM), None)
    return [
        line.problem("foreign_entry")
        for line in lines
        if line.entry.stream != (session if line.file == facts.SESSION_LINES else DEVICE_STREAM)
    ]


# --- SHA256SUMS --------------------------------------------------------------------------------------


def _check_sums(root: Path, evidence: Evidence, problems: list[Problem]) -> dict[str, str]:
    """Compare all small files; the sums of media files are returned and compared when those are read."""
    sums = _read_sums(root, problems)
    special: list[Problem] = []
    present = set(plain_files(root, "", special))
    noted = {problem.file for problem in problems if problem.kind == "not_plain"}
    problems += [problem for problem in special if problem.file not in noted]
    media = {f"{facts.SEGMENTS}/{name}" for name in evidence.files}
    for name in sorted(sums.keys() - present):
        problems.append(Problem("file_missing", name, values={"why": facts.SUMS}))
    for name in sorted(present - media - sums.keys() - {facts.SUMS}):
        problems.append(Problem("file_unlisted", name))
    for name in sorted((present - media) & sums.keys()):
        if name not in (*NAMES, facts.EXCERPT):
            problems.append(Problem("file_unnamed", name))
        elif sums[name] != _sha256_of(root / name):
            problems.append(Problem("sum_differs", name))
    for name in sorted(media - sums.keys()):
        problems.append(Problem("file_unlisted", name))
    return {name: value for name, value in sums.items() if name in media}


def _read_sums(root: Path, problems: list[Problem]) -> dict[str, str]:
    data = read_small(root, facts.SUMS, problems) or b""
    sums: dict[str, str] = {}
    offset = 0
    for raw in data.splitlines(keepends=True):
        found = _SUM.fullmatch(raw.decode("utf-8", "replace").rstrip("\n"))
        if found:
            sums[found[2]] = found[1]
        else:
            problems.append(Problem("line_malformed", facts.SUMS, offset=offset, values={"why": "HASH  NAME"}))
        offset += len(raw)
    return sums


def _sha256_of(path: Path) -> str:
    try:
        return hashlib.sha256(read_plain(path)).hexdigest()
    except NotPlain:
        return ""
