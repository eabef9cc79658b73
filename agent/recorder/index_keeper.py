"""Keeps the index up with the journal: opened late, made anew where it is wrong, followed between flushes.

``turn`` is called in the writer's thread after a flush, once the first packet has come, and does a piece of some
milliseconds: nothing, most of the time. Nothing it meets is raised: an index that cannot be had costs whoever asks
the time of reading the files, and is told once.
"""

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from agent.evidence.errors import EvidenceError
from agent.evidence.tree import Frontier
from agent.recorder.catalogue import NotThere
from agent.recorder.disk import Disk
from agent.recorder.index import COMMIT_S, GATHERED, Index
from agent.recorder.index_file import IndexDamaged, remove
from agent.recorder.lookup import INDEX_ERRORS, Questions
from agent.recorder.timeline import NS_PER_S

AGAIN_S = 600
"""Pause before the index is made anew after an error: a full or failing card is no better a second later."""
NEVER_NS = 2**63
T = TypeVar("T")


class IndexBehind(EvidenceError):
    """The index is being made anew; ask again later, or read the files."""


class IndexKeeper:
    """``path`` is the index's; ``disk`` holds the journal, of which ``generation`` is written, under ``origin``."""

    def __init__(self, path: Path, disk: Disk, generation: int, origin: str) -> None:
        self._path, self._disk, self._generation, self._origin = path, disk, generation, origin
        self._index: Index | None = None
        self._fresh = False
        """The index is one that was begun here."""
        self._due_ns = self._again_ns = 0
        self._believed = self._told = False
        self.untold = ""
        """What is to be told; the caller takes it away."""

    def turn(self, attested: Frontier, now_ns: int, segment_ended: bool = False) -> bool:
        """Do a small piece of what there is to do; whether more is left to do at once. ``attested``: the durable tree.

        ``now_ns`` is CLOCK_BOOTTIME.
        """
        if now_ns < self._again_ns or (now_ns < self._due_ns and not segment_ended):
            return False
        try:
            done = self._follow(self._opened(), attested)
            self._due_ns = now_ns + COMMIT_S * NS_PER_S if done else now_ns
            return not done
        except INDEX_ERRORS as error:
            self._discard(error, now_ns)
            return False

    def ask(self, attested: Frontier, now_ns: int, question: Callable[[Questions], T]) -> T:
        """An answer as of ``attested``. Raises NotThere, and IndexBehind where there is no index to be believed."""
        if self._index is None or not self._believed:
            raise IndexBehind("The index of the journal is being made; ask again later.")
        try:
            while self._index.size < attested.size and self._index.step(attested.size):
                pass
            self._check(self._index, attested)
            return question(self._index)
        except NotThere:
            raise
        except INDEX_ERRORS as error:
            self._discard(error, now_ns)
            raise IndexBehind(f"The index of the journal is made anew ({error}); ask again later.") from error

    def close(self) -> None:
        """Write what was gathered, and let go of the file."""
        if self._index is not None:
            with contextlib.suppress(*INDEX_ERRORS):  # what is not written is read again
                self._index.commit()
            self._index.close()
            self._index = None

    def _opened(self) -> Index:
        if self._index is None:
            self._believed = False
            try:
                if not self._fresh:
                    self._index = Index.open(self._path, self._disk, self._generation, self._origin)
            except INDEX_ERRORS as error:
                if self._path.exists():
                    self._tell(error)
            if self._index is None:
                self._index, self._fresh = Index.create(self._path, self._disk, self._generation, self._origin), True
        return self._index

    def _follow(self, index: Index, attested: Frontier) -> bool:
        """A piece; whether it was the last."""
        index.step(attested.size)
        done = index.size == attested.size and index.seen
        if done:
            self._check(index, attested)
            self._believed = True
        if done or index.gathered >= GATHERED:
            index.commit()
        return done

    def _check(self, index: Index, attested: Frontier) -> None:
        if not index.is_current(self._origin, attested.size, attested.root()):
            raise IndexDamaged(f"over {index.size} entries it has not the tree of the journal's {attested.size}")

    def _discard(self, error: Exception, now_ns: int) -> None:
        """Away with it, to be made anew: at once, or later where it was begun here, since then the card is bad.

        Where it could not even be made, the journal is damaged: there will be none.
        """
        self._tell(error)
        if self._index is not None:
            self._index.close()
        with contextlib.suppress(OSError):  # create says so again
            remove(self._path)
        if self._fresh:
            of_the_journal = not self._believed and not isinstance(error, OSError | sqlite3.Error)
            self._again_ns = NEVER_NS if of_the_journal else now_ns + AGAIN_S * NS_PER_S
        self._index, self._believed, self._fresh, self._due_ns = None, False, True, 0

    def _tell(self, error: Exception) -> None:
        if not self._told:
            self._told, self.untold = True, f"the index of the journal is made anew: {error}"
