"""Entries into the journal, with what belongs to them: salt, rotation, and the device stream's word on sessions.

The one way in, for the writer and for recovery. Adds ``session.begin`` behind a session's entry 0 and
``session.head`` behind every addition to a session that is closed, and repeats the state where a file begins.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from agent.evidence import entries as e
from agent.evidence.canonical import b64
from agent.evidence.errors import EvidenceError
from agent.evidence.tree import Frontier
from agent.recorder import deadline
from agent.recorder.disk import Disk
from agent.recorder.index_keeper import IndexKeeper
from agent.recorder.journal_file import JournalFile
from agent.recorder.state import DeviceState
from agent.recorder.timeline import NS_PER_US

SALT_BYTES = 16
_E = TypeVar("_E", bound=e.Entry)


def refused(entry: e.Entry, error: EvidenceError) -> e.Fault:
    """The entry that stands for one that could not be written."""
    return e.Fault(part="journal", kind="entry.refused", text=f"{type(entry).__name__}: {str(error)[:300]}")


class Ledger:
    """``state`` is what the signed entries add up to; ``now_ns`` reads CLOCK_BOOTTIME, ``random`` gives salts."""

    def __init__(
        self,
        journal: JournalFile,
        state: DeviceState,
        now_ns: Callable[[], int],
        random: Callable[[int], bytes],
    ) -> None:
        self._journal, self.state = journal, state
        state.known |= journal.log.streams.heads.keys() - {e.DEVICE_STREAM}
        self._now_ns, self._random = now_ns, random
        self._of_terms: list[e.Entry] = []
        """Entries that change a session's term, since ``take_terms``."""

    @property
    def pending(self) -> bool:
        """Signed lines wait for a disk that takes them."""
        return self._journal.pending

    @property
    def attested_size(self) -> int:
        """Entries that are durable."""
        return self._journal.attested_size

    @property
    def attested(self) -> Frontier:
        """The tree of the entries that are durable."""
        return self._journal.attested

    def index(self, path: Path, disk: Disk) -> IndexKeeper:
        """What keeps an index over this journal; ``disk`` holds it."""
        return IndexKeeper(path, disk, self._journal.generation, self._journal.log.origin)

    def append(self, entries: Sequence[e.AnyEntry | e.Entry]) -> int:
        """Place, sign and write entries; bytes written. On OSError they are signed, and wait for ``retry``."""
        if self._journal.wants_rotation():
            self._journal.rotate()
            if self._journal.log.size:
                self._add([self.made_now(carry) for carry in self.state.carries()])
        if self._journal.asides:
            asides, self._journal.asides = self._journal.asides, []
            self._add([self.made_now(aside) for aside in asides])
        self._add(entries)
        if heads := self._heads(entries):
            self._add(heads)
        return self._journal.write()

    def retry(self) -> int:
        """Write what a failed ``append`` left; bytes written."""
        return self._journal.retry()

    def take_terms(self) -> list[e.Entry]:
        """Entries of ``deadline.KINDS`` that were added since the last call."""
        taken, self._of_terms = self._of_terms, []
        return taken

    def close(self) -> None:
        """Let go of the journal's file."""
        self._journal.close()

    def made_now(self, entry: _E) -> _E:
        """The entry, stamped with this moment."""
        entry.boot, entry.boot_us = self.state.boot, self._now_ns() // NS_PER_US
        return entry

    def _add(self, entries: Sequence[e.Entry]) -> None:
        for entry in entries:
            entry.salt = b64(self._random(SALT_BYTES))
            try:
                leaf = self._journal.add(entry)
            except EvidenceError as error:  # an entry that cannot be written costs itself, not the recording
                self._add([self.made_now(refused(entry, error))])
                continue
            self.state.apply(entry)
            if isinstance(entry, deadline.KINDS):
                self._of_terms.append(entry)
            if entry.stream != e.DEVICE_STREAM:
                self.state.known.add(entry.stream)
            if isinstance(entry, e.SessionOpen):
                begin = e.SessionBegin(session=entry.stream, number=entry.number, leaf=b64(leaf))
                self._add([self.made_now(begin)])

    def _heads(self, entries: Sequence[e.Entry]) -> list[e.Entry]:
        """A session's length, at its close and after every later addition."""
        closed = [s for s in dict.fromkeys([entry.stream for entry in entries]) if s not in self.state.sessions]
        heads = self._journal.log.streams.heads
        return [
            self.made_now(e.SessionHead(session=stream, count=heads[stream].count, leaf=b64(heads[stream].leaf)))
            for stream in closed
            if stream != e.DEVICE_STREAM
        ]
