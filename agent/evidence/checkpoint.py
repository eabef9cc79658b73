"""Checkpoints (C2SP tlog-checkpoint) and cosignatures (C2SP tlog-cosignature v1, Ed25519).

Rules kept here: a checkpoint's text has one spelling for each origin, size and root, so nobody can show two texts
for one tree head; sizes are at most 2**63 - 1; an origin that only spaces tell from another is refused; a
cosigner signs nothing but a checkpoint, and its signature covers time and text together; a log's key (0x01) and a
cosigner's (0x04) never stand in for each other.

Left to others: whether origin, size and root are the expected ones, whether two checkpoints are consistent
(``tree``), which cosigner is trusted, whether a cosignature's time can be true. Bytes and examples: ``tree.md``.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from agent.evidence.errors import EvidenceError
from agent.evidence.note import (
    COSIGNATURE_V1,
    ED25519,
    MAX_NOTE_BYTES,
    MAX_TIME_S,
    TIME_BYTES,
    KeyMalformed,
    Note,
    NoteForged,
    SignatureLine,
    Signer,
    VerifierKey,
    cosignature_message,
    cosignature_time_s,
    decode_base64,
    encode_base64,
    load_seed,
    parse_note,
    public_bytes,
    verified_by,
)
from agent.evidence.tree import HASH_BYTES

MAX_SIZE = 2**63 - 1

_LINE = re.compile(r"[^\x00-\x1f]+")
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


class CheckpointMalformed(EvidenceError):
    """The text of a note is no checkpoint."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree head: the log's origin line, its number of leaves, its root (32 bytes), and opaque further lines."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def text(self) -> str:
        """The note text that is signed: three lines and one for each extension."""
        head = f"{self.origin}\n{self.size}\n{encode_base64(self.root)}\n"
        return head + "".join([f"{line}\n" for line in self.extensions]) if self.extensions else head


def parse_checkpoint(text: str) -> Checkpoint:
    """The checkpoint that a note's text spells; CheckpointMalformed says what is wrong.

    Trusted only as far as the note's signatures are.
    """
    lines = text.split("\n")
    if lines.pop() != "" or len(lines) < 3:
        raise _malformed("has fewer than three whole lines")
    checkpoint = Checkpoint(lines[0], _parse_size(lines[1]), _parse_root(lines[2]), tuple(lines[3:]))
    _check_lines(checkpoint)
    return checkpoint


def sign_checkpoint(cp: Checkpoint, signer: Signer) -> bytes:
    """The signed note of a tree head; CheckpointMalformed for one that ``parse_checkpoint`` would refuse.

    It is called at every flush, so it checks the parts instead of reading the result back.
    """
    _check_lines(cp)
    if not 0 <= cp.size <= MAX_SIZE or len(cp.root) != HASH_BYTES:
        raise _malformed(f"has size {cp.size} and a root of {len(cp.root)} bytes")
    try:
        body = cp.text().encode()
    except UnicodeEncodeError as error:
        raise _malformed("holds no valid Unicode") from error
    data = body + b"\n" + signer.line(body).encode()
    if len(data) > MAX_NOTE_BYTES:
        raise _malformed(f"is longer than {MAX_NOTE_BYTES} bytes")
    return data


def open_checkpoint(data: bytes, key: VerifierKey) -> Checkpoint:
    """The checkpoint in a signed note, if ``key``, the log's own, signed it.

    NoteMalformed, CheckpointMalformed; NoteForged where the key's line is missing or wrong; KeyMalformed for a
    cosigner's key. The origin is the caller's to compare.
    """
    if key.algorithm != ED25519:
        raise KeyMalformed(f"{key.name} is a cosigner's key, no log's; give the device's vkey")
    note = parse_note(data)
    if not verified_by(note, (key,)):
        raise NoteForged(
            f"the checkpoint has no signature of {key.name} (key id {key.key_id.hex()}); "
            "check that the key is this device's, and fetch the checkpoint again"
        )
    return parse_checkpoint(note.text)


class Cosigner:
    """A mirror's or witness's key (algorithm 0x04); ``seed`` is the 32 secret bytes of RFC 8032."""

    __slots__ = ("_private", "vkey")

    def __init__(self, name: str, seed: bytes) -> None:
        self._private = load_seed(seed)
        self.vkey = VerifierKey(name, COSIGNATURE_V1, public_bytes(self._private))

    def cosign(self, checkpoint_text: str, time_s: int) -> SignatureLine:
        """The signature line that says: at POSIX second ``time_s`` this was the largest tree that I had seen.

        CheckpointMalformed for a text that is no checkpoint or a time that is none. Whether the tree is consistent
        with what was cosigned before is for the caller to have checked.
        """
        parse_checkpoint(checkpoint_text)
        if not 0 <= time_s <= MAX_TIME_S:
            raise _malformed(f"cannot be cosigned at {time_s} s; give POSIX seconds")
        signature = self._private.sign(cosignature_message(time_s, checkpoint_text))
        return SignatureLine(self.vkey.name, self.vkey.key_id, time_s.to_bytes(TIME_BYTES, "big") + signature)


def cosigned_at(note: Note, keys: Iterable[VerifierKey]) -> dict[str, int]:
    """When each cosigner among ``keys`` signed this checkpoint: key name to POSIX seconds, verified.

    Of several cosignatures under one name the earliest counts: what it proves holds from then on. NoteForged where
    one does not verify, CheckpointMalformed where the note is no checkpoint, KeyMalformed for a key that is no
    cosigner's: it would otherwise look like one that never signed.
    """
    cosigners = tuple(keys)
    for key in cosigners:
        if key.algorithm != COSIGNATURE_V1:
            raise KeyMalformed(f"{key.name} is no cosigner's key (0x04); give the mirror's vkey")
    parse_checkpoint(note.text)
    verified = {(key.name, key.key_id) for key in verified_by(note, cosigners)}
    times: dict[str, int] = {}
    for line in note.signatures:
        if (line.name, line.key_id) in verified:
            time_s = cosignature_time_s(line.signature)
            times[line.name] = min(time_s, times.get(line.name, time_s))
    return times


def _malformed(what: str) -> CheckpointMalformed:
    return CheckpointMalformed(f"the checkpoint {what}; fetch it again from where it came")


def _parse_size(text: str) -> int:
    if not _DECIMAL.fullmatch(text) or int(text) > MAX_SIZE:
        raise _malformed(f"has {text[:40]!r} for a size, no plain decimal number up to 2^63 - 1")
    return int(text)


def _parse_root(text: str) -> bytes:
    try:
        root = decode_base64(text)
    except ValueError as error:
        raise _malformed("has a root hash that is no base64") from error
    if len(root) != HASH_BYTES:
        raise _malformed(f"has a root hash of {len(root)} bytes instead of {HASH_BYTES}")
    return root


def _check_lines(checkpoint: Checkpoint) -> None:
    if not _LINE.fullmatch(checkpoint.origin) or checkpoint.origin.strip() != checkpoint.origin:
        raise _malformed(
            f"has the origin {checkpoint.origin[:80]!r}, empty or with spaces around or control characters"
        )
    for line in checkpoint.extensions:
        if not _LINE.fullmatch(line):
            raise _malformed("has an extension line that is empty or has control characters")
