"""The writer: sole owner of spool, journal, sealer and signing key. ``step(handover)`` is one flush.

Order of a flush (design, "A flush, step by step"): new files exist and their folder is synced before an entry names
them; media is sealed, written and synced; then the journal grows by its entries and a signed checkpoint, synced.

Rules: a ``fragment`` entry exists only for bytes on disk (invariant 1). What is not attested stays in memory as
plaintext; after any failed write or sync the file is abandoned where the journal attests it and what is in memory is
sealed again, in a new segment under a new file key. Entries are never dropped. A failed flush raises nothing: it is
acknowledged as failed and tried again at the next step.

Leaves to others: when to flush, what to drop when the disk stands still (``recorder``), what a cut left (``recovery``).
"""

import contextlib
import hashlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec
from msgspec import UNSET

from agent.evidence import age
from agent.evidence import entries as e
from agent.evidence.canonical import b64
from agent.evidence.errors import EvidenceError
from agent.evidence.private import seal_private
from agent.evidence.tree import Frontier
from agent.recorder import spool
from agent.recorder.disk import Disk
from agent.recorder.ledger import Ledger, refused
from agent.recorder.messages import Draft, Handover, Item, MediaFragment, SegmentEnd, SegmentStart, WriteFailed, Written
from agent.recorder.outbox import length_us
from agent.recorder.sealer import Closing, Sealer, Whole, fix_of, spans_of
from agent.recorder.timeline import NS_PER_MS

HELD_NS = 760_000_000
"""Promise 3: from arrival to a whole chunk handed to the disk at most 0.8 s; one frame less, for the one under way."""
EXTEND_BYTES = 4 * 1024 * 1024
"""How much is reserved when a segment outgrows its first reservation."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who writes, and for whom it is sealed."""

    device: str
    recipients: Sequence[age.Recipient]


@dataclass(slots=True)
class _OpenFile:
    """The segment being written, and how far the journal attests it."""

    start: SegmentStart
    segment: int
    path: str
    file: int
    sealer: Sealer
    named: bool = False
    """A signed ``segment.open`` names it."""
    index: int = 0
    written: int = 0
    reserved: int = 0
    attested_end: int = 0
    attested_sealed: int = 0
    attested_sha256: bytes = field(default_factory=hashlib.sha256(b"").digest)


@dataclass(slots=True)
class _Part:
    """Items up to the end of a segment: what one journal append attests."""

    items: list[Item]
    entries: list[e.Entry] = field(default_factory=list)
    fragments: list[MediaFragment] = field(default_factory=list)
    attested: int = 0


class Writer:
    """See the module. ``now_ns`` reads CLOCK_BOOTTIME; ``random`` gives salts, file keys and ephemerals."""

    def __init__(
        self,
        disk: Disk,
        ledger: Ledger,
        identity: Identity,
        now_ns: Callable[[], int],
        random: Callable[[int], bytes],
        preallocate_bytes: int,
    ) -> None:
        self._disk, self._ledger, self._identity = disk, ledger, identity
        self._now_ns, self._random = now_ns, random
        ledger.take_terms()  # what recovery added is in the state that the recorder starts from
        self._preallocate_bytes = preallocate_bytes
        self._next_segment = {session.session: session.next_segment for session in ledger.state.sessions.values()}
        self._open: _OpenFile | None = None
        self._last_start: SegmentStart | None = None
        self._items: list[Item] = []
        """Handed over, not begun."""
        self._waiting: list[MediaFragment] = []
        """Sealed in part, not attested: plaintext kept."""
        self._orphans: list[str] = []
        """Files that no signed entry names yet."""
        self._since_ns = 0
        """Since when the oldest live media of this flush waits."""
        self._whole_before_ns = 0
        """What waits since before then must be whole in this flush: it would be too old in the next."""
        self._bytes = self._media_us = 0
        self._unbound: set[tuple[str, int]] = set()
        """Interruptions whose spoken reason lies in sound that is not all there."""
        self._lag_ms = 0
        self._handed_ns = 0
        self._attested = 0

    @property
    def idle(self) -> bool:
        """Everything handed over is attested."""
        return not (self._items or self._waiting or self._ledger.pending)

    def step(self, handover: Handover) -> Written | WriteFailed:
        """One flush: all that was handed over, and what earlier flushes left."""
        if not (self._items or self._ledger.pending):
            self._handed_ns = handover.handed_ns
        self._items += handover.items
        self._plan(handover)
        try:
            self._ledger.retry()
            self._write_parts()
        except OSError as error:
            return WriteFailed("journal" if self._ledger.pending else "storage", str(error))
        return self._acknowledge()

    def _plan(self, handover: Handover) -> None:
        """What may wait for the next flush to fill its chunk: that comes when it is due, or when the disk is free."""
        next_ns = max(handover.next_ns, handover.handed_ns + self._lag_ms * NS_PER_MS)
        self._since_ns = handover.oldest_ns if handover.oldest_ns >= 0 else handover.handed_ns
        self._whole_before_ns = sys.maxsize if handover.whole else next_ns - HELD_NS

    @property
    def attested(self) -> Frontier:
        """The tree of the entries that are durable."""
        return self._ledger.attested

    def close(self) -> None:
        """Let go of all files; what is not attested is lost, as in a power cut."""
        self._ledger.close()
        if self._open is not None:
            self._disk.close(self._open.file)
            self._open = None

    # --- parts ----------------------------------------------------------------------------------------------

    def _write_parts(self) -> None:
        self._remove_orphans()
        first = True
        while self._items or first:
            first = False
            part = self._next_part()
            try:
                for item in part.items:
                    self._process(item, part)
                self._seal_and_sync(part)
            except OSError:
                self._abandon(part)
                raise
            self._attest(part)

    def _next_part(self) -> _Part:
        ends = (i for i, item in enumerate(self._items) if isinstance(item, SegmentEnd))
        length = next(ends, len(self._items) - 1) + 1
        part, self._items = _Part(self._items[:length]), self._items[length:]
        return part

    def _process(self, item: Item, part: _Part) -> None:
        match item:
            case Draft():
                part.entries.append(self._completed(item))
            case SegmentStart():
                self._create(item, part)
            case MediaFragment():
                self._take(item, part)
            case SegmentEnd():
                self._finish(part)

    def _abandon(self, part: _Part) -> None:
        """The open file's bytes are no longer trusted: what it holds unattested is sealed anew, elsewhere."""
        again: list[Item] = [*self._waiting, *part.items, *self._items]
        opened, self._open = self._open, None
        if opened is not None:
            with contextlib.suppress(OSError):  # gives space back; nothing attested lies beyond
                self._disk.truncate(opened.file, opened.attested_sealed)
            with contextlib.suppress(OSError):
                self._disk.close(opened.file)
            if opened.named:
                again.insert(0, Draft(self._ledger.made_now(_abandoned(opened))))
        self._waiting, self._items = [], again

    def _remove_orphans(self) -> None:
        while self._orphans:
            path = self._orphans[-1]
            with contextlib.suppress(FileNotFoundError):
                self._disk.unlink(path)
            with contextlib.suppress(FileNotFoundError):  # also where an earlier try removed it and then failed
                self._disk.sync_folder(path.rsplit("/", 1)[0])
            self._orphans.pop()

    # --- media ----------------------------------------------------------------------------------------------

    def _create(self, start: SegmentStart, part: _Part) -> None:
        assert self._open is None, "a segment is ended before the next one starts"
        self._last_start = start
        segment = self._next_segment.get(start.session, 0)
        folder = spool.session_folder(start.session)
        name = spool.segment_name(self._identity.device, start.officer, start.utc_us, segment, start.important)
        path = f"{folder}/{name}"
        self._disk.make_folder(folder)
        self._orphans.append(path)
        file = self._disk.create(path)
        self._open = _OpenFile(start, segment, path, file, Sealer(start.init, self._identity.recipients, self._random))
        self._open.attested_end = len(start.init)
        self._reserve(self._open, self._preallocate_bytes)
        self._disk.sync_folder(folder)
        part.entries.append(self._ledger.made_now(self._opening(self._open)))

    def _opening(self, opened: _OpenFile) -> e.SegmentOpen:
        return e.SegmentOpen(
            stream=opened.start.session,
            segment=opened.segment,
            file=opened.path.removeprefix(f"{spool.SEGMENTS}/"),
            cause=opened.start.cause,
            init_length=len(opened.start.init),
            init_sha256=b64(hashlib.sha256(opened.start.init).digest()),
            recipients=[recipient.text() for recipient in self._identity.recipients],
            tracks=opened.start.tracks,
        )

    def _take(self, fragment: MediaFragment, part: _Part) -> None:
        if self._open is None:
            assert self._last_start is not None, "a fragment needs a segment"
            self._create(msgspec.structs.replace(self._last_start, cause="after_error"), part)
        assert self._open is not None
        part.fragments.append(fragment)

    def _seal_and_sync(self, part: _Part) -> None:
        opened = self._open
        if opened is None:
            return
        opened.sealer.add(part.fragments, self._since_ns)
        whole = opened.sealer.seal(self._whole_before_ns)
        data = opened.sealer.taken()
        if data:
            self._write(opened, data)
            self._disk.sync(opened.file)
        self._attest_groups(opened, whole, part)

    def _finish(self, part: _Part) -> None:
        """Close the open file: last chunk, exact length, sync."""
        opened = self._open
        if opened is None:
            return
        opened.sealer.add(part.fragments, self._since_ns)
        closing = opened.sealer.finish()
        self._write(opened, closing.data)
        self._disk.truncate(opened.file, closing.length)
        self._disk.sync(opened.file)
        self._attest_groups(opened, closing.whole, part)
        part.entries.append(self._ledger.made_now(_closed(opened, closing)))
        self._open = None
        with contextlib.suppress(OSError):  # synced already
            self._disk.close(opened.file)
        self._name(opened)

    def _write(self, opened: _OpenFile, chunks: Sequence[bytes]) -> None:
        length = sum(map(len, chunks))
        end = opened.written + length
        if end > opened.reserved > 0:
            self._reserve(opened, max(EXTEND_BYTES, end - opened.reserved))
        self._disk.write(opened.file, opened.written, chunks)
        opened.written = end
        self._bytes += length

    def _reserve(self, opened: _OpenFile, length: int) -> None:
        """Reserving spares the card (design, storage); where it fails, the write itself decides."""
        if length:
            with contextlib.suppress(OSError):
                self._disk.extend(opened.file, opened.reserved, length)
            opened.reserved += length

    def _attest_groups(self, opened: _OpenFile, whole: list[Whole], part: _Part) -> None:
        for one in whole:
            part.attested += len(one.group.fragments)
            self._media_us += sum([length_us(fragment) for fragment in one.group.fragments])
            opened.attested_end, opened.attested_sealed = one.group.end, one.sealed
            opened.attested_sha256 = one.sealed_sha256
            part.entries.append(self._ledger.made_now(self._attested_fragment(opened, one)))
            opened.index += 1

    def _attested_fragment(self, opened: _OpenFile, one: Whole) -> e.Fragment:
        fix, accuracy = fix_of(one.group)
        return e.Fragment(
            stream=opened.start.session,
            segment=opened.segment,
            index=opened.index,
            tracks=spans_of(one.group),
            end=one.group.end,
            sha256=b64(one.group.digest.digest()),
            sealed=one.sealed,
            sealed_sha256=b64(one.sealed_sha256),
            lag_ms=self._lag_ms,
            fix="yes" if fix else "no",
            accuracy=accuracy,
        )

    # --- the journal ----------------------------------------------------------------------------------------

    def _attest(self, part: _Part) -> None:
        """The part is on disk: journal it. If that fails, the signed lines wait; nothing is sealed again."""
        self._waiting += part.fragments
        del self._waiting[: part.attested]
        self._attested += part.attested
        self._name(self._open)
        if not part.entries:
            return
        self._bytes += self._ledger.append(part.entries)

    def _name(self, opened: _OpenFile | None) -> None:
        self._orphans.clear()
        if opened is not None and not opened.named:
            opened.named = True
            self._next_segment[opened.start.session] = opened.segment + 1

    def _completed(self, draft: Draft) -> e.Entry:
        """With the fragments in which a spoken reason lies, and with its private text sealed."""
        entry = draft.entry
        if isinstance(entry, e.Explanation | e.ExplanationAddendum) and entry.spoken is not UNSET:
            spoken = entry.spoken
            fragments = self._ledger.state.sound_at(spoken.session, spoken.boot, spoken.from_us, spoken.until_us)
            if not fragments:  # then it explains nothing, stays owed, and is asked for again
                self._unbound.add((entry.stream, entry.interruption))
                return self._ledger.made_now(_unbound(entry))
            entry.spoken = msgspec.structs.replace(spoken, fragments=fragments)
        return self._with_private(draft)

    def _with_private(self, draft: Draft) -> e.Entry:
        if not draft.private:
            return draft.entry
        try:
            private = seal_private(draft.private, self._identity.recipients, self._random)
        except EvidenceError as error:
            return self._ledger.made_now(refused(draft.entry, error))
        return msgspec.structs.replace(draft.entry, private=private)

    def _acknowledge(self) -> Written:
        self._lag_ms = max(0, self._now_ns() - self._handed_ns) // NS_PER_MS
        written = Written(
            self._attested,
            self._ledger.attested_size,
            self._lag_ms,
            self._bytes,
            self._media_us,
            sorted(self._unbound),
            self._ledger.take_terms(),
        )
        self._attested = self._bytes = self._media_us = 0
        self._unbound.clear()
        return written


def _unbound(entry: e.Explanation | e.ExplanationAddendum) -> e.Fault:
    text = f"the spoken reason of interruption {entry.interruption} of {entry.stream} is not on the disk"
    return e.Fault(part="recorder", kind="explanation.unbound", text=text)


def _closed(opened: _OpenFile, closing: Closing) -> e.SegmentClose:
    return e.SegmentClose(
        stream=opened.start.session,
        segment=opened.segment,
        by="recorder",
        end=opened.attested_end,
        final_length=closing.final_length,
        final_sha256=b64(closing.final_sha256),
        length=closing.length,
        sha256=b64(closing.sha256),
    )


def _abandoned(opened: _OpenFile) -> e.SegmentClose:
    return e.SegmentClose(
        stream=opened.start.session,
        segment=opened.segment,
        by="error",
        end=opened.attested_end,
        final_length=0,
        final_sha256="",
        length=opened.attested_sealed,
        sha256=b64(opened.attested_sha256),
    )
