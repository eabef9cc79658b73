"""Signed notes that come in by the local interface (``POST /notes``): checked here, then journalled, then acted upon.

Receipts, co-signatures, holds, waivers and acknowledgements are brought by whoever brings them (the courier, ``liuhen
note FILE``) and trusted only for their signatures. Rules: each is for this device and generation; a receipt is for
bytes that the journal attests; a co-signature is of our own tree; a command has a greater number than any before it by
its key, and has not expired. What only protects (a hold, an acknowledgement) is taken without a clock; what permits
is not. A note that is known already is taken and changes nothing, so that the courier may send again.

Pure: ``take_note`` gives entries or raises an ``EvidenceError`` that says what is wrong and what to do.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from agent.evidence import entries as e
from agent.evidence.canonical import b64
from agent.evidence.checkpoint import Checkpoint, cosigned_at, parse_checkpoint
from agent.evidence.errors import EvidenceError
from agent.evidence.note import Note, VerifierKey, kind, parse_note, parse_vkey
from agent.evidence.receipt import (
    MAX_STATEMENT_BYTES,
    ORIGIN,
    Acknowledgement,
    CarrierWaiver,
    Command,
    Hold,
    Receipt,
    StatementMalformed,
    TrustedKeys,
    key_id,
    open_statement,
    signer_in_role,
    signers_of,
)
from agent.recorder.deletion import US_PER_S, Facts, Trust
from agent.recorder.messages import Draft
from config.models import Trust as Configured


class NoteRefused(EvidenceError):
    """A note is well signed, and yet this device must not take it."""


class NotReady(NoteRefused):
    """The journal has not been read to its end since the start."""


class OriginForeign(NoteRefused):
    """The note is for another device or another generation."""


class FileUnknown(NoteRefused):
    """A receipt for a file that is no closed segment of this journal."""


class ReceiptForOtherBytes(NoteRefused):
    """A receipt for a file of ours, with another size or hash than the journal attests."""


class CheckpointForked(NoteRefused):
    """A mirror has co-signed another tree than ours at that size."""


class LogShorter(NoteRefused):
    """A mirror has co-signed more entries than this journal has."""


class RootUnknown(NoteRefused):
    """The root at that size is not at hand."""


class CommandReplayed(NoteRefused):
    """The command's number was used before."""


class CommandExpired(NoteRefused):
    """The command came too late."""


class TimeUnknown(NoteRefused):
    """A command that permits something came while the device does not know the time."""


class SessionUnknown(NoteRefused):
    """A command for a session that no journal here has."""


def trust_of(configured: Configured, device: VerifierKey) -> Trust:
    """The keys of ``[trust]``, each for its role. Raises KeyMalformed, KeyWithTwoRoles: then there is no start."""

    def keys(lines: Iterable[str]) -> tuple[VerifierKey, ...]:
        return tuple([parse_vkey(line) for line in lines])

    trusted = TrustedKeys(
        (device,), keys(configured.mirror_keys), keys(configured.receipt_keys), keys(configured.command_keys)
    )
    return Trust(trusted, frozenset(configured.unopened_keys))


RootAt = Callable[[str, int], bytes | None]
"""Log and size to our root there; None where it is not at hand."""


@dataclass(frozen=True, slots=True)
class Here:
    """What the device knows when a note comes in."""

    origin: str
    """The log that is being written."""
    size: int
    """Its entries that are durable."""
    facts: Facts
    root_at: RootAt
    utc: tuple[int, int] | None
    """UTC and its greatest error now, microseconds; None where no clock says."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A note that counts: entries to journal, and what to tell. No entries: it was known already."""

    drafts: tuple[Draft, ...]
    text: str
    alarm: str = ""
    """Kind of the alarm to raise; empty for none."""


def take_note(data: bytes, trusted: TrustedKeys, here: Here) -> Taken:
    """What a note changes. Raises NoteRefused and what ``receipt`` and ``checkpoint`` raise."""
    if not here.facts.complete:
        raise NotReady("the journal is still being read since the start; send the note again in a minute")
    if len(data) > MAX_STATEMENT_BYTES:
        raise StatementMalformed(f"the note is longer than {MAX_STATEMENT_BYTES} bytes; send one statement alone")
    note = parse_note(data)
    if ORIGIN.fullmatch(kind(note)):
        return _take_cosignatures(note, trusted, here)
    signed = open_statement(data, trusted)
    if isinstance(signed.statement, Receipt):
        return _take_receipt(signed.statement, signed.key, data, here)
    return _take_command(signed.statement, signed.key, data, here)


# --- receipts -----------------------------------------------------------------------------------------


def _take_receipt(receipt: Receipt, key: VerifierKey, data: bytes, here: Here) -> Taken:
    named, facts = (receipt.origin, receipt.file), here.facts
    if named in facts.gone:
        return Taken((), f"{receipt.file} is deleted already")
    segment = facts.segments.get(named)
    if segment is None:
        raise FileUnknown(
            f"{receipt.file} is no closed segment of {receipt.origin} on this device; check the device's name and "
            "generation, and send the receipt again when the segment is closed"
        )
    if (segment.length, segment.sha256) != (receipt.length, b64(receipt.sha256)):
        raise ReceiptForOtherBytes(
            f"the receipt is for {receipt.length} bytes of {receipt.file} with another content than the journal "
            f"attests ({segment.length} bytes); the store must fetch the file again"
        )
    text = data.decode()
    if any(known.note == text for known in facts.receipts.get(named, [])):
        return Taken((), "the receipt is known already")
    stream = _stream(segment.session, segment.origin, here)
    entry = e.Receipt(stream=stream, segment=segment.segment, key=key_id(key), note=text)
    return Taken((Draft(entry),), f"{key.name} has {receipt.file}")


# --- co-signatures ------------------------------------------------------------------------------------


def _take_cosignatures(note: Note, trusted: TrustedKeys, here: Here) -> Taken:
    signers = signers_of(note, trusted)
    signer_in_role(signers, "mirror", "checkpoint")
    checkpoint = parse_checkpoint(note.text)
    _check_tree(checkpoint, here)
    drafts, alarm = [], ""
    for role, key in signers:
        if role != "mirror":
            continue
        time_s = cosigned_at(note, [key])[key.name]
        known = here.facts.cosignatures.get((checkpoint.origin, key_id(key)))
        if known is not None and (time_s, checkpoint.size) <= (known.time_s, known.size):
            continue
        if known is not None and checkpoint.size < known.size:
            alarm = "store.rolled_back"
        drafts.append(Draft(_cosignature(checkpoint, note, key, time_s)))
    if not drafts:
        return Taken((), "nothing newer than what is known")
    return Taken(tuple(drafts), f"{checkpoint.size} entries are co-signed", alarm)


def _check_tree(checkpoint: Checkpoint, here: Here) -> None:
    origin, size = checkpoint.origin, checkpoint.size
    if origin != here.origin and origin not in here.facts.sessions.values():
        raise OriginForeign(f"the checkpoint is of {origin}, and this device writes {here.origin}; check the device")
    if origin == here.origin and size > here.size:
        raise LogShorter(
            f"a mirror has {size} entries of {origin}, this device {here.size}: the card was put back to an earlier "
            "state, or is another one; keep it as it is and compare it with the store"
        )
    root = here.root_at(origin, size)
    if root is None:
        raise RootUnknown(f"the root of {origin} at {size} entries is not at hand; have a newer checkpoint co-signed")
    if root != checkpoint.root:
        raise CheckpointForked(
            f"a mirror has another tree of {size} entries of {origin} than this device: two devices write under one "
            "name, or the card is a copy; keep it as it is and compare it with the store"
        )


def _cosignature(checkpoint: Checkpoint, note: Note, key: VerifierKey, time_s: int) -> e.Cosignature:
    """With this mirror's signature alone: each entry stands for one."""
    lines = [line for line in note.signatures if (line.name, line.key_id) == (key.name, key.key_id)]
    alone = note.text.encode() + b"\n" + b"".join([line.encode() for line in lines])
    return e.Cosignature(
        origin=checkpoint.origin,
        size=checkpoint.size,
        key=key_id(key),
        utc_us=time_s * US_PER_S,
        note=alone.decode(),
    )


# --- commands -----------------------------------------------------------------------------------------


def _take_command(command: Command, key: VerifierKey, data: bytes, here: Here) -> Taken:
    _check_command(command, key, here)
    name, text = key_id(key), data.decode()
    no_private = e.Private(sha256="", age="")
    if isinstance(command, Acknowledgement):
        acknowledged = e.AlarmAcknowledged(alarm=command.alarm, number=command.number, key=name, private=no_private)
        return Taken((Draft(acknowledged, text),), f"alarm {command.alarm} is acknowledged")
    log = here.facts.sessions.get(command.session)
    if log is None:
        raise SessionUnknown(f"no journal on this device has a session {command.session}; check its number")
    stream = _stream(command.session, log, here)
    if isinstance(command, Hold):
        hold = e.Hold(
            stream=stream,
            session=command.session,
            held="yes" if command.held else "no",
            number=command.number,
            key=name,
            private=no_private,
        )
        said = "held as evidence" if command.held else "no longer held"
        return Taken((Draft(hold, text),), f"{command.session} is {said}")
    waiver = e.CarrierWaiver(
        stream=stream,
        session=command.session,
        number=command.number,
        key=name,
        instead=command.instead,
        copies=command.copies,
        private=no_private,
    )
    return Taken((Draft(waiver, text),), f"the carrier of {command.session} is waived")


def _check_command(command: Command, key: VerifierKey, here: Here) -> None:
    if command.origin != here.origin:
        raise OriginForeign(f"the command is for {command.origin}, this device is {here.origin}; address it anew")
    last = here.facts.numbers.get(key_id(key), -1)
    if command.number <= last:
        raise CommandReplayed(
            f"{key.name} has given a command with number {last} before; one with number {command.number} is a "
            "repetition: sign it anew with a greater number"
        )
    if here.utc is None or here.utc[1] < 0:
        if isinstance(command, CarrierWaiver) or (isinstance(command, Hold) and not command.held):
            raise TimeUnknown(
                "the device does not know the time and cannot see whether this has expired; send it later"
            )
        return
    if here.utc[0] + here.utc[1] >= command.expires_s * US_PER_S:
        raise CommandExpired("the command has expired, or the device's clock is not sure enough; sign it anew")


def _stream(session: str, log: str, here: Here) -> str:
    """Nothing can be added to a stream of an earlier generation; the device's stream then takes it."""
    return session if log == here.origin else e.DEVICE_STREAM
