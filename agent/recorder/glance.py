"""What a spool's journal says now, read only: for a check without a recorder (R19a).

Reads the newest generation's newest file, and older ones only where that one does not begin with the carried state, as
a start does (``finding``); changes nothing, and so may look at a spool that a recorder holds. What stands behind the
last checkpoint is in progress and left out. Nothing raises: what is wrong is told.

Leaves to others: choosing a generation to go on with (``finding``), checking all of the journal (``agent.fsck``).
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from agent.evidence import entries as e
from agent.evidence.errors import EvidenceError
from agent.evidence.journal import MAX_FILE_BYTES, read_file
from agent.evidence.note import VerifierKey, parse_vkey
from agent.recorder import spool
from agent.recorder.deadline import Terms
from agent.recorder.disk import open_regular
from agent.recorder.finding import MAX_KEY_BYTES, VKEY
from agent.recorder.state import DeviceState


@dataclass(slots=True)
class Glance:
    """``problem`` is empty where all that was read is as it was signed."""

    state: DeviceState = field(default_factory=DeviceState)
    terms: Terms = field(default_factory=Terms)
    vkey: str = ""
    """Whose signatures were looked for: the key beside the journal."""
    entries: int = 0
    """How many were read."""
    problem: str = ""
    failing: frozenset[e.CheckName] = frozenset()
    """What failed in the last check that was read."""


def glance(root: Path) -> Glance:
    """At the spool in the folder ``root``."""
    found = Glance()
    generations = sorted((root / spool.JOURNAL).glob("[0-9]*"), key=lambda path: (len(path.name), path.name))
    if not generations:
        found.problem = f"there is no journal in {root}; nothing has been recorded into it"
        return found
    folder = generations[-1]
    try:
        key = parse_vkey(_bytes(folder / VKEY, MAX_KEY_BYTES).decode("utf-8", errors="replace").strip())
        found.vkey = key.line()
        for entry in _entries(folder, key, found):
            _take(found, entry)
    except (OSError, EvidenceError) as error:
        found.problem = str(error)
    return found


def _take(found: Glance, entry: e.AnyEntry) -> None:
    found.entries += 1
    found.state.apply(entry)
    found.terms.apply(entry)
    if isinstance(entry, e.Check):
        found.failing = frozenset([item.name for item in entry.items if item.result == "fail"])


def _entries(folder: Path, key: VerifierKey, found: Glance) -> Iterator[e.AnyEntry]:
    """Of the newest files, from the last one on that stands alone."""
    files: list[list[e.AnyEntry]] = []
    for path in sorted(folder.glob("*.log"), reverse=True):
        files.insert(0, _attested(path, key, found))
        first = files[0][0] if files[0] else None
        if isinstance(first, e.DeviceCarry | e.JournalBegin):
            break
    for entries in files:
        yield from entries


def _attested(path: Path, key: VerifierKey, found: Glance) -> list[e.AnyEntry]:
    data = _bytes(path, MAX_FILE_BYTES)
    if len(data) > MAX_FILE_BYTES:
        found.problem = f"{path.name} is longer than any journal file; no recorder wrote it"
        return []
    reading = read_file(data, key, "last")
    for damage in reading.damage[:1]:
        found.problem = f"{path.name}, byte {damage.offset}: {damage.text}"
    lines = [line for line in reading.lines if line.offset < reading.attested_bytes]
    return [entry for line in lines if (entry := line.entry) is not None]


def _bytes(path: Path, most: int) -> bytes:
    """The file's first bytes, at most one more than ``most``; raises OSError for what is no file, waits for nobody."""
    with os.fdopen(open_regular(str(path)), "rb") as file:
        return file.read(most + 1)
