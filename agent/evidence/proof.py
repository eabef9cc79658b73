"""Offline proofs (C2SP tlog-proof v1): one file that shows an entry to be in a signed log.

Rules kept here: the file has one spelling; index, audit path and checkpoint are taken together or not at all; the
extra data is authenticated by nothing and never decides anything.

Left to others: which log key and origin are trusted, how many cosignatures a case needs, what the entry says.
Bytes and examples: ``proof.md``.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from agent.evidence.checkpoint import MAX_SIZE, Checkpoint, open_checkpoint
from agent.evidence.errors import EvidenceError
from agent.evidence.note import VerifierKey, decode_base64, encode_base64
from agent.evidence.tree import HASH_BYTES, leaf_hash, verify_inclusion

HEADER = "c2sp.org/tlog-proof@v1"
MAX_PROOF_BYTES = 2_000_000
MAX_HASHES = 63

_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})", re.ASCII)


class ProofMalformed(EvidenceError):
    """The bytes are no proof file."""


class ProofForged(EvidenceError):
    """The proof does not lead from this entry to the signed root."""


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof file as it was read: nothing in it is trusted before ``verify_proof``.

    ``hashes`` is the audit path, the leaf's sibling first; ``checkpoint`` the signed note byte for byte; ``extra``
    is opaque and unauthenticated, None if absent.
    """

    index: int
    extra: bytes | None
    hashes: tuple[bytes, ...]
    checkpoint: bytes


def encode_proof(index: int, hashes: Sequence[bytes], checkpoint_note: bytes, extra: bytes | None = None) -> bytes:
    """The proof file for entry ``index``; ProofMalformed for what ``decode_proof`` would refuse.

    Empty extra data is left out, as the format has no way to say it.
    """
    lines = [HEADER]
    if extra:
        lines.append(f"extra {encode_base64(extra)}")
    lines.append(f"index {index}")
    lines += [encode_base64(value) for value in hashes]
    data = "\n".join(lines).encode() + b"\n\n" + checkpoint_note
    if decode_proof(data) != Proof(index, extra or None, tuple(hashes), checkpoint_note):
        raise _malformed("would not be read back as it was given")
    return data


def decode_proof(data: bytes) -> Proof:
    """The proof in ``data``, unverified; ProofMalformed says what is wrong.

    The checkpoint is not looked into: ``verify_proof`` does that, with a key.
    """
    if len(data) > MAX_PROOF_BYTES:
        raise _malformed(f"is longer than {MAX_PROOF_BYTES} bytes")
    head, blank, checkpoint = data.partition(b"\n\n")
    if not blank or not checkpoint:
        raise _malformed("has no blank line with a checkpoint after it")
    lines = _head_lines(head)
    extra = _parse_extra(lines.pop(0)) if lines[0].startswith("extra ") else None
    index = _parse_index(lines[0] if lines else "")
    if len(lines) - 1 > MAX_HASHES:
        raise _malformed(f"has more than {MAX_HASHES} hashes")
    return Proof(index, extra, tuple([_parse_hash(line) for line in lines[1:]]), checkpoint)


def verify_proof(proof: Proof, entry: bytes, key: VerifierKey, origin: str | None = None) -> Checkpoint:
    """The checkpoint, signed by the log's ``key``, in which ``entry`` is number ``proof.index``.

    ``entry`` is the entry's bytes, not its hash. NoteMalformed, CheckpointMalformed or NoteForged for the checkpoint;
    ProofForged where the origin is another than the given one, or the path does not lead from entry to root.
    Cosignatures are asked of ``checkpoint.cosigned_at``.
    """
    checkpoint = open_checkpoint(proof.checkpoint, key)
    if origin is not None and checkpoint.origin != origin:
        raise ProofForged(
            f"the proof is from the log {checkpoint.origin!r}, not {origin!r}; ask for a proof from that log"
        )
    leaf = leaf_hash(entry)
    if not verify_inclusion(leaf, proof.index, checkpoint.size, proof.hashes, checkpoint.root):
        raise ProofForged(
            f"the proof does not show this entry as number {proof.index} of {checkpoint.size} in "
            f"{checkpoint.origin}: entry, index or hashes were changed; compare them with another copy"
        )
    return checkpoint


def _malformed(what: str) -> ProofMalformed:
    return ProofMalformed(f"the proof file {what}; ask for it again from whoever made it")


def _head_lines(head: bytes) -> list[str]:
    """The lines between header and blank line, at least one."""
    try:
        header, *lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise _malformed(f"has a byte that is not ASCII at {error.start}") from error
    if header != HEADER:
        raise _malformed(f"does not begin with {HEADER}")
    if not lines:
        raise _malformed("has no index line")
    return lines


def _parse_extra(line: str) -> bytes:
    try:
        extra = decode_base64(line.removeprefix("extra "))
    except ValueError as error:
        raise _malformed("has extra data that is no base64") from error
    if not extra:
        raise _malformed("has an empty extra line")
    return extra


def _parse_index(line: str) -> int:
    found = _INDEX.fullmatch(line)
    if not found or int(found[1]) >= MAX_SIZE:
        raise _malformed(f"has {line[:40]!r} where `index N` belongs")
    return int(found[1])


def _parse_hash(line: str) -> bytes:
    try:
        value = decode_base64(line)
    except ValueError as error:
        raise _malformed(f"has the line {line[:60]!r}, which is no base64") from error
    if len(value) != HASH_BYTES:
        raise _malformed(f"has a hash of {len(value)} bytes instead of {HASH_BYTES}")
    return value
