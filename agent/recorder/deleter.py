"""Carries out a deletion: the entry is durable, then the file's name goes, then the folder is synced (design, a flush).

Used by the writer alone, which owns spool and journal. Each step may be cut by a power cut: without the entry the file
is there; with it, ``finish`` of the next start removes a file whose name came back. What may go is for ``deletion`` to
say; this module deletes nothing that the facts do not already call gone.
"""

import contextlib

from agent.recorder import spool
from agent.recorder.deletion import MayGo, NoneMayGo, Trust, choose, deletion_of
from agent.recorder.disk import Disk
from agent.recorder.facts import LiveFacts
from agent.recorder.ledger import Ledger


class Deleter:
    """``ledger`` adds each entry that it places to ``live``."""

    def __init__(self, disk: Disk, ledger: Ledger, live: LiveFacts, trust: Trust) -> None:
        self._disk, self._ledger, self._live, self._trust = disk, ledger, live, trust
        self._due: list[tuple[int, str]] = []
        """Index of a ``deletion`` in the log, and its file: unlinked when the entry is durable."""
        self._looked = False

    def make_room(self, free_bytes: int, wanted_bytes: int) -> MayGo | NoneMayGo:
        """Delete one segment, if one may go. On OSError what is begun is finished by the next call."""
        self.finish()
        chosen = choose(self._live.facts, self._trust, free_bytes, wanted_bytes)
        if isinstance(chosen, NoneMayGo):
            return chosen
        entry = deletion_of(chosen, self._live.origin, free_bytes, wanted_bytes)
        try:
            self._ledger.append([self._ledger.made_now(entry)])
        finally:
            index = self._live.facts.gone.get((chosen.segment.origin, chosen.segment.file))
            if index is not None:
                self._due.append((index, chosen.segment.file))
        self.finish()
        return chosen

    def finish(self) -> None:
        """Unlink what durable entries say is deleted; at first also what an earlier start has left."""
        if not self._live.facts.complete:
            return
        if not self._looked:
            self._due += [(-1, file) for file in self._left_behind()]
            self._looked = True
        while self._due and self._due[0][0] < self._ledger.attested_size:
            path = f"{spool.SEGMENTS}/{self._due[0][1]}"
            with contextlib.suppress(FileNotFoundError):  # an earlier try removed it and then failed
                self._disk.unlink(path)
            self._disk.sync_folder(path.rpartition("/")[0])
            self._due.pop(0)

    def _left_behind(self) -> list[str]:
        """Files of segments that are deleted by an entry, and are there again after a cut."""
        folders: dict[str, list[str]] = {}
        for _, file in sorted(self._live.facts.gone):
            session, _, name = file.partition("/")
            folders.setdefault(session, []).append(name)
        return [
            f"{session}/{name}"
            for session, names in folders.items()
            for name in sorted(set(names) & set(self._disk.names(spool.session_folder(session))))
        ]
