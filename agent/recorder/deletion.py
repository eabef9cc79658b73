"""Which segment may be deleted (invariant 2), or why none may. Nothing less than this makes a file go.

All of it must hold: (1) the segment is closed, and its ``segment.close`` lies below the size that a trusted mirror has
co-signed last, with a root equal to ours; (2) a receipt names its log, its file, its size and its SHA-256, by a key
trusted for receipts now; (3) that receipt says ``opened: yes``, or the configuration names its key as one whose ``no``
is enough; (4) the session is not held as evidence, or a ``carrier_waiver`` stands behind the hold (R17); (5) space is
needed. Of several the one with the oldest receipt goes first.

Stricter than the invariant: a mirror whose newest size is smaller than an older one was restored from a backup; only
the newest size counts then, and receipts that it has forgotten count no more. Where a journal is damaged, all of its
generation is kept: the damage may hide a hold. Signatures are verified here again: a note that a cache or a damaged
index brought up counts for nothing.

Pure. ``Facts`` folds the journals' entries, all generations in order. Leaves to others: reading them, that our root was
equal when a co-signature came in (``notes_in``), journalling the ``deletion``, and then unlinking (``writer``).
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from agent.evidence import entries as e
from agent.evidence.canonical import b64
from agent.evidence.checkpoint import cosigned_at, parse_checkpoint
from agent.evidence.errors import EvidenceError
from agent.evidence.note import parse_note
from agent.evidence.receipt import Receipt, TrustedKeys, key_id, open_statement, parse_statement

US_PER_S = 1_000_000

Why = Literal[
    "enough_room",
    "facts_incomplete",
    "journal_damaged",
    "not_cosigned",
    "no_receipt",
    "receipt_key_untrusted",
    "receipt_of_other_bytes",
    "receipt_forgotten",
    "not_opened",
    "note_forged",
    "held",
]
"""Why a segment may not go; of a receipt, the condition that the best one fails."""


# --- facts --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SegmentFact:
    """A closed segment."""

    origin: str
    """The log in which it stands."""
    session: str
    segment: int
    file: str
    """Path below ``segments/``."""
    close_index: int
    """Index of its ``segment.close`` in that log."""
    length: int
    sha256: str
    """Unpadded base64url, as in the entry."""


@dataclass(frozen=True, slots=True)
class ReceiptFact:
    """A receipt as it was journalled."""

    receipt: Receipt
    key: str
    note: str
    log: str
    """The log in which the ``receipt`` entry stands."""
    index: int
    """Its index there."""
    leaf: str
    order: int
    """Among all entries of all generations."""


@dataclass(frozen=True, slots=True)
class CosignatureFact:
    """A mirror's co-signature as it was journalled."""

    origin: str
    size: int
    key: str
    time_s: int
    note: str
    root_matches: bool
    """Our tree has that root at that size."""
    leaf: str
    order: int


@dataclass(frozen=True, slots=True)
class HoldFact:
    """A session is held from here on, or, ``held`` False, no longer."""

    held: bool
    key: str
    order: int


@dataclass(frozen=True, slots=True)
class WaiverFact:
    """The carrier of a session that was held before need not be kept."""

    key: str
    leaf: str
    order: int


@dataclass(slots=True)
class Facts:
    """What the journals say. ``complete``: the caller has folded every entry that the spool holds."""

    complete: bool = False
    damaged: set[str] = field(default_factory=set)
    """Logs of which not every entry could be read."""
    sessions: dict[str, str] = field(default_factory=dict)
    """The log in which each session's stream stands."""
    segments: dict[tuple[str, str], SegmentFact] = field(default_factory=dict)
    """By log and file; those that are deleted are in ``gone``."""
    gone: dict[tuple[str, str], int] = field(default_factory=dict)
    """Index of each ``deletion`` in its log."""
    receipts: dict[tuple[str, str], list[ReceiptFact]] = field(default_factory=dict)
    cosignatures: dict[tuple[str, str], CosignatureFact] = field(default_factory=dict)
    """By log and mirror: the newest by the mirror's own time."""
    rollbacks: list[CosignatureFact] = field(default_factory=list)
    """Co-signatures of less than the same mirror had co-signed before."""
    holds: dict[str, list[HoldFact]] = field(default_factory=dict)
    waivers: dict[str, list[WaiverFact]] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    """The greatest number of a command by each key."""
    _files: dict[tuple[str, str, int], str] = field(default_factory=dict)
    _order: int = 0

    def apply(self, entry: e.Entry, origin: str, index: int, leaf: bytes) -> None:
        """Take the next entry, with its place in its log and its leaf hash.

        A note that cannot be read, or is not what its entry says, counts for nothing.
        """
        self._order += 1
        match entry:
            case e.SessionOpen():
                self.sessions[entry.stream] = origin
            case e.SegmentOpen():
                self._files[origin, entry.stream, entry.segment] = entry.file
            case e.SegmentClose():
                self._close(entry, origin, index)
            case e.Receipt():
                self._receive(entry, origin, index, b64(leaf))
            case e.Cosignature():
                self._cosign(entry, origin, index, b64(leaf))
            case e.Hold():
                self._count(entry.key, entry.number)
                self.holds.setdefault(entry.session, []).append(HoldFact(entry.held == "yes", entry.key, self._order))
            case e.CarrierWaiver():
                self._count(entry.key, entry.number)
                self.waivers.setdefault(entry.session, []).append(WaiverFact(entry.key, b64(leaf), self._order))
            case e.AlarmAcknowledged():
                self._count(entry.key, entry.number)
            case e.Deletion():
                self.gone[entry.origin, entry.file] = index
                self.segments.pop((entry.origin, entry.file), None)
                self.receipts.pop((entry.origin, entry.file), None)
            case _:
                return

    def _count(self, key: str, number: int) -> None:
        if key:  # else it was said at the device
            self.numbers[key] = max(number, self.numbers.get(key, -1))

    def _close(self, entry: e.SegmentClose, origin: str, index: int) -> None:
        file = self._files.pop((origin, entry.stream, entry.segment), None)
        if file is not None:
            self.segments[origin, file] = SegmentFact(
                origin, entry.stream, entry.segment, file, index, entry.length, entry.sha256
            )

    def _receive(self, entry: e.Receipt, origin: str, index: int, leaf: str) -> None:
        try:
            receipt = parse_statement(parse_note(entry.note.encode()).text)
        except EvidenceError:
            return
        if isinstance(receipt, Receipt):
            fact = ReceiptFact(receipt, entry.key, entry.note, origin, index, leaf, self._order)
            self.receipts.setdefault((receipt.origin, receipt.file), []).append(fact)

    def _cosign(self, entry: e.Cosignature, origin: str, index: int, leaf: str) -> None:
        try:
            checkpoint = parse_checkpoint(parse_note(entry.note.encode()).text)
        except EvidenceError:
            return
        if (checkpoint.origin, checkpoint.size) != (entry.origin, entry.size):
            return
        before_it = checkpoint.origin != origin or checkpoint.size <= index
        time_s = entry.utc_us // US_PER_S
        self.add_cosignature(
            CosignatureFact(entry.origin, entry.size, entry.key, time_s, entry.note, before_it, leaf, self._order)
        )

    def add_cosignature(self, fact: CosignatureFact) -> None:
        """The mirror's newest counts; a smaller one that is newer is a roll-back (restored from a backup)."""
        known = self.cosignatures.get((fact.origin, fact.key))
        if known is not None and (fact.time_s, fact.size) < (known.time_s, known.size):
            return
        if known is not None and fact.size < known.size:
            self.rollbacks.append(fact)
        self.cosignatures[fact.origin, fact.key] = fact


# --- the decision -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose word counts now."""

    keys: TrustedKeys
    unopened: frozenset[str] = frozenset()
    """Names of receipt keys whose ``opened: no`` is enough."""


@dataclass(frozen=True, slots=True)
class MayGo:
    """This segment may be deleted next, and on what grounds."""

    segment: SegmentFact
    receipt: ReceiptFact
    cosignature: CosignatureFact
    waiver: WaiverFact | None


@dataclass(frozen=True, slots=True)
class NoneMayGo:
    """Nothing may be deleted: how many segments for each reason, the commonest first."""

    reasons: tuple[tuple[Why, int], ...]


def choose(facts: Facts, trust: Trust, free_bytes: int, wanted_bytes: int) -> MayGo | NoneMayGo:
    """The segment to delete next; asked again after each, with what is free then."""
    if free_bytes >= wanted_bytes:
        return NoneMayGo((("enough_room", 1),))
    if not facts.complete:
        return NoneMayGo((("facts_incomplete", 1),))
    whys: Counter[Why] = Counter()
    permitted: list[MayGo] = []
    for segment in facts.segments.values():
        grounds = _grounds(facts, trust, segment)
        if isinstance(grounds, list):
            permitted += grounds
        else:
            whys[grounds] += 1
    for one in sorted(permitted, key=lambda one: (one.receipt.receipt.time_s, one.receipt.order)):
        if _verifies(one, trust):
            return one
    whys["note_forged"] += len({(one.segment.origin, one.segment.file) for one in permitted})
    whys += Counter()  # without zeros
    return NoneMayGo(tuple(whys.most_common()))


def deletion_of(chosen: MayGo, origin: str, free_bytes: int, wanted_bytes: int) -> e.Deletion:
    """The entry, which is durable before the file is unlinked; ``origin``: the log that is being written."""
    segment = chosen.segment
    return e.Deletion(
        stream=segment.session if segment.origin == origin else e.DEVICE_STREAM,
        origin=segment.origin,
        segment=segment.segment,
        file=segment.file,
        length=segment.length,
        sha256=segment.sha256,
        receipt=chosen.receipt.leaf,
        cosignature=chosen.cosignature.leaf,
        waiver=chosen.waiver.leaf if chosen.waiver else "",
        free_bytes=free_bytes,
        wanted_bytes=wanted_bytes,
    )


def _grounds(facts: Facts, trust: Trust, segment: SegmentFact) -> list[MayGo] | Why:
    """Every receipt on which the segment may go, signatures not verified yet; or why it may not."""
    if segment.origin in facts.damaged:
        return "journal_damaged"
    cosignature = _covering(facts, trust, segment)
    if cosignature is None:
        return "not_cosigned"
    held, waiver = _hold(facts, trust, segment.session)
    if held and waiver is None:
        return "held"
    receipts = facts.receipts.get((segment.origin, segment.file), [])
    for why, counts in _receipt_rules(facts, trust, segment):
        if not receipts:
            break
        receipts, refused = [one for one in receipts if counts(one)], why
        if not receipts:
            return refused
    return [MayGo(segment, one, cosignature, waiver) for one in receipts] or "no_receipt"


_Rule = tuple[Why, Callable[[ReceiptFact], bool]]


def _receipt_rules(facts: Facts, trust: Trust, segment: SegmentFact) -> list[_Rule]:
    """What a receipt must fulfil, in the order in which a refusal is told."""
    names = trust.keys.names("receipt")
    return [
        ("receipt_key_untrusted", lambda one: one.key in names),
        (
            "receipt_of_other_bytes",
            lambda one: (
                (one.receipt.origin, one.receipt.file, one.receipt.length, b64(one.receipt.sha256))
                == (segment.origin, segment.file, segment.length, segment.sha256)
            ),
        ),
        ("receipt_forgotten", lambda one: not any(_forgot(back, one) for back in facts.rollbacks)),
        ("not_opened", lambda one: one.receipt.opened or one.key.partition("+")[0] in trust.unopened),
    ]


def _covering(facts: Facts, trust: Trust, segment: SegmentFact) -> CosignatureFact | None:
    """The newest co-signature of a trusted mirror that covers the segment's close."""
    mirrors = trust.keys.names("mirror")
    found = [
        fact
        for (origin, key), fact in facts.cosignatures.items()
        if origin == segment.origin and key in mirrors and fact.root_matches and segment.close_index < fact.size
    ]
    return max(found, key=lambda fact: fact.size, default=None)


def _forgot(back: CosignatureFact, one: ReceiptFact) -> bool:
    """The mirror was restored to a state before it had heard of this receipt."""
    return back.origin == one.log and back.size <= one.index and one.order < back.order


def _hold(facts: Facts, trust: Trust, session: str) -> tuple[bool, WaiverFact | None]:
    """Whether the session is held, and the waiver behind the newest hold. Only what protects outlives its key."""
    commanders = trust.keys.names("command")
    held, since = False, -1
    for hold in facts.holds.get(session, []):
        if hold.held:
            held, since = True, hold.order
        elif hold.key in commanders:
            held = False
    counting = [one for one in facts.waivers.get(session, []) if one.key in commanders and one.order > since]
    return held, counting[-1] if held and counting else None


def _verifies(one: MayGo, trust: Trust) -> bool:
    """Both notes' signatures, by keys that are trusted now, over just what the facts say."""
    try:
        signed = open_statement(one.receipt.note.encode(), trust.keys)
        note = parse_note(one.cosignature.note.encode())
        checkpoint = parse_checkpoint(note.text)
        mirror = [key for key in trust.keys.mirror if key_id(key) == one.cosignature.key]
        times = cosigned_at(note, mirror)
    except EvidenceError:
        return False
    fact = one.cosignature
    return (
        (signed.statement, key_id(signed.key)) == (one.receipt.receipt, one.receipt.key)
        and (checkpoint.origin, checkpoint.size) == (fact.origin, fact.size)
        and fact.time_s in times.values()
    )
