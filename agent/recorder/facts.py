"""The facts of ``deletion`` for a running recorder: read once from all journals, kept up with what is written.

A start reads the newest journal file only, so what older ones say (receipts, holds, numbers of commands) is read beside
the recording: ``load_facts`` goes through every file up to the size at the start, ``LiveFacts`` holds what is written
meanwhile and puts both together. Until then nothing is complete, and so nothing is taken and nothing goes.

A generation of which anything cannot be read is ``damaged``, and so is one whose oldest files are not there: a hold may
have stood in them.
"""

import re

from agent.evidence import entries as e
from agent.evidence.journal import MAX_FILE_BYTES, Joiner, read_file
from agent.evidence.note import VerifierKey
from agent.recorder import spool
from agent.recorder.deletion import Facts
from agent.recorder.disk import Disk, NotAFile

KINDS = (
    e.SessionOpen,
    e.SegmentOpen,
    e.SegmentClose,
    e.Receipt,
    e.Cosignature,
    e.Hold,
    e.CarrierWaiver,
    e.AlarmAcknowledged,
    e.Deletion,
)
"""Entries that facts are made of; of the others there are a hundred times as many."""
_FOLDER, _LOG = re.compile(r"[0-9]{4,}/"), re.compile(r"[0-9]{12}\.log")


class LiveFacts:
    """``origin``: the log that is being written. ``add`` each entry when it has its place."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.facts = Facts()
        self._waiting: list[tuple[e.Entry, int, bytes]] = []

    def add(self, entry: e.Entry, index: int, leaf: bytes) -> None:
        """An entry of the log, with its index and its leaf hash."""
        if not isinstance(entry, KINDS):
            return
        if self.facts.complete:
            self.facts.apply(entry, self.origin, index, leaf)
        else:
            self._waiting.append((entry, index, leaf))

    def loaded(self, facts: Facts) -> None:
        """What ``load_facts`` gave; behind it comes what was added meanwhile."""
        for entry, index, leaf in self._waiting:
            facts.apply(entry, self.origin, index, leaf)
        self._waiting.clear()
        facts.complete = True
        self.facts = facts


def load_facts(disk: Disk, key: VerifierKey, origin: str, size: int) -> Facts:
    """What all journals say; of the log ``origin`` its first ``size`` entries. Not ``complete``: see ``LiveFacts``.

    Reads every file, 16 MiB at a time. Raises OSError where the disk does; nothing may go then.
    """
    facts = Facts()
    for folder in sorted(disk.names(spool.JOURNAL), key=lambda name: (len(name), name)):
        if _FOLDER.fullmatch(folder):
            _load_generation(disk, key, f"{spool.JOURNAL}/{folder.rstrip('/')}", facts, origin, size)
    return facts


def _load_generation(disk: Disk, key: VerifierKey, folder: str, facts: Facts, origin: str, size: int) -> None:
    joiner, unread = Joiner(), False
    names = [name for name in disk.names(folder) if _LOG.fullmatch(name)]
    for name in [*names, ""]:
        if not name:
            placed = joiner.finish()
        else:
            data = _read(disk, f"{folder}/{name}")
            unread = unread or data is None
            placed = [] if data is None else joiner.add(read_file(data, key, "last"))
        log = joiner.result.origin or ""
        for one in placed:
            if isinstance(one.entry, KINDS) and one.index is not None and (log != origin or one.index < size):
                facts.apply(one.entry, log, one.index, one.leaf)
    result = joiner.result
    if result.origin is not None and (unread or result.damage or result.starts_at > 0):
        facts.damaged.add(result.origin)


def _read(disk: Disk, path: str) -> bytes | None:
    """None for what is no journal file of ours."""
    try:
        return disk.read(path) if disk.size(path) <= MAX_FILE_BYTES else None
    except NotAFile:
        return None
