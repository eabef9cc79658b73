"""Signed notes (C2SP signed-note): the one signature format of device, store and configuration.

Rules kept here: a note is UTF-8 without control characters; its text is what stands before the last blank line;
a signature line of an unknown key is ignored, one of a known key must verify, each time that it occurs; a key is
known by name *and* key id; base64 has one spelling only, so ``encode_note(parse_note(data)) == data``.
An algorithm is one line in ``_ALGORITHMS``.

Left to others: which key is trusted, for which role and when; what the text says (``checkpoint`` for tree heads);
who keeps the seed. Bytes and examples: ``note.md``.
"""

import binascii
import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from agent.evidence.errors import EvidenceError

ED25519 = 0x01
COSIGNATURE_V1 = 0x04

MAX_NOTE_BYTES = 1_000_000
MAX_SIGNATURES = 100
MAX_TIME_S = 2**63 - 1

KEY_ID_BYTES = 4
SEED_BYTES = 32
SIGNATURE_BYTES = 64
TIME_BYTES = 8

_DASH = "— "
_COSIGNATURE_HEADER = "cosignature/v1\n"
_NAME = re.compile(r"[^\s+\x00-\x1f]+")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_KEY_ID_HEX = re.compile(r"[0-9a-f]{8}")


class NoteMalformed(EvidenceError):
    """The bytes are no signed note."""


class NoteForged(EvidenceError):
    """The note is not what the key signed, or the key did not sign it at all."""


class KeyMalformed(EvidenceError):
    """A key string, a seed or a key's name cannot be used."""


def encode_base64(data: bytes) -> str:
    """Standard padded base64 (RFC 4648, section 4), as all C2SP formats use it."""
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def decode_base64(text: str) -> bytes:
    """The bytes of standard padded base64; ValueError for any spelling that ``encode_base64`` would not give."""
    raw = binascii.a2b_base64(text, strict_mode=True)
    if encode_base64(raw) != text:
        raise ValueError("base64 with unused bits set")
    return raw


def cosignature_message(time_s: int, checkpoint_text: str) -> bytes:
    """What a tlog-cosignature v1 signs: POSIX seconds and the whole text of the checkpoint."""
    return f"{_COSIGNATURE_HEADER}time {time_s}\n{checkpoint_text}".encode()


def cosignature_time_s(signature: bytes) -> int:
    """The POSIX time that stands in a cosignature's 72 bytes; believe it only after the signature has verified."""
    return int.from_bytes(signature[:TIME_BYTES], "big")


def _verify_ed25519(public: Ed25519PublicKey, message: bytes, signature: bytes) -> bool:
    try:
        public.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _verify_cosignature(public: Ed25519PublicKey, message: bytes, signature: bytes) -> bool:
    if len(signature) != TIME_BYTES + SIGNATURE_BYTES:
        return False
    time_s = cosignature_time_s(signature)
    if time_s > MAX_TIME_S:
        return False
    signed = f"{_COSIGNATURE_HEADER}time {time_s}\n".encode() + message
    return _verify_ed25519(public, signed, signature[TIME_BYTES:])


_ALGORITHMS: dict[int, Callable[[Ed25519PublicKey, bytes, bytes], bool]] = {
    ED25519: _verify_ed25519,
    COSIGNATURE_V1: _verify_cosignature,
}


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise KeyMalformed(
            f"key name {name[:80]!r} is empty or has a space, a plus or a control character; rename the key"
        )
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise KeyMalformed(f"key name {name[:80]!r} is not valid Unicode; rename the key") from error


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with the name and the algorithm that it is trusted for.

    ``public`` is 32 bytes (RFC 8032); ``key_id`` the 4 bytes that signature lines carry. KeyMalformed for a bad
    name, an unknown algorithm or a public key of another length.
    """

    name: str
    algorithm: int
    public: bytes
    key_id: bytes = field(init=False, repr=False, compare=False)
    _loaded: Ed25519PublicKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_name(self.name)
        if self.algorithm not in _ALGORITHMS:
            raise KeyMalformed(
                f"key {self.name} is of algorithm 0x{self.algorithm:02x}, which is not known here; "
                "use an Ed25519 key (0x01) or a cosigner's (0x04)"
            )
        if len(self.public) != 32:
            raise KeyMalformed(f"key {self.name} has {len(self.public)} bytes instead of 32; copy the key again")
        material = self.name.encode() + b"\n" + bytes((self.algorithm,)) + self.public
        object.__setattr__(self, "key_id", hashlib.sha256(material).digest()[:KEY_ID_BYTES])
        object.__setattr__(self, "_loaded", Ed25519PublicKey.from_public_bytes(self.public))

    def line(self) -> str:
        """The vkey string ``name+key id+base64``, which ``parse_vkey`` reads."""
        return f"{self.name}+{self.key_id.hex()}+{encode_base64(bytes((self.algorithm,)) + self.public)}"

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether this key made ``signature`` (64 bytes, a cosigner's 72) over a note's text in UTF-8."""
        return _ALGORITHMS[self.algorithm](self._loaded, message, signature)


def parse_vkey(text: str) -> VerifierKey:
    """The key of a vkey string, without white space around it; KeyMalformed unless all three parts agree."""
    parts = text.split("+", 2)
    if len(parts) != 3:
        raise KeyMalformed(f"{text[:80]!r} is no vkey (name+key id+base64); copy the whole line")
    name, key_id, encoded = parts
    if not _KEY_ID_HEX.fullmatch(key_id):
        raise KeyMalformed(
            f"the vkey of {name[:80]!r} has no key id of eight lower-case hex digits; copy the whole line"
        )
    try:
        raw = decode_base64(encoded)
    except ValueError as error:
        raise KeyMalformed(f"the vkey of {name[:80]!r} does not end in base64; copy the whole line") from error
    if not raw:
        raise KeyMalformed(f"the vkey of {name[:80]!r} holds no key; copy the whole line")
    key = VerifierKey(name, raw[0], raw[1:])
    if key.key_id.hex() != key_id:
        raise KeyMalformed(
            f"the vkey of {name[:80]!r} says key id {key_id}, its key has {key.key_id.hex()}: the two do not "
            "belong together; ask its owner for the line again"
        )
    return key


@dataclass(frozen=True, slots=True)
class SignatureLine:
    """One signature of a note: key name, key id (4 bytes), and the algorithm's bytes."""

    name: str
    key_id: bytes
    signature: bytes

    def encode(self) -> bytes:
        """The line in UTF-8, newline included."""
        return f"{_DASH}{self.name} {encode_base64(self.key_id + self.signature)}\n".encode()


@dataclass(frozen=True, slots=True)
class Note:
    """A note as it was read: nothing in it is trusted before ``verified_by`` has named a key.

    ``text`` ends in a newline; ``signatures`` stand in the order of their lines.
    """

    text: str
    signatures: tuple[SignatureLine, ...]


class Signer:
    """An Ed25519 key (algorithm 0x01) that signs notes; ``seed`` is the 32 secret bytes of RFC 8032."""

    __slots__ = ("_private", "vkey")

    def __init__(self, name: str, seed: bytes) -> None:
        self._private = load_seed(seed)
        self.vkey = VerifierKey(name, ED25519, public_bytes(self._private))

    def sign(self, message: bytes) -> bytes:
        """64 bytes of Ed25519 over ``message``."""
        return self._private.sign(message)

    def line(self, message: bytes) -> SignatureLine:
        """The signature line for a note whose text is ``message`` in UTF-8."""
        return SignatureLine(self.vkey.name, self.vkey.key_id, self.sign(message))


def load_seed(seed: bytes) -> Ed25519PrivateKey:
    """The private key of a 32-byte seed; KeyMalformed for any other length."""
    if len(seed) != SEED_BYTES:
        raise KeyMalformed(f"a key's seed has {len(seed)} bytes instead of {SEED_BYTES}; restore the key file")
    return Ed25519PrivateKey.from_private_bytes(seed)


def public_bytes(private: Ed25519PrivateKey) -> bytes:
    """The 32 bytes of the public half."""
    return private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def parse_note(data: bytes) -> Note:
    """The note in ``data``, unverified; NoteMalformed says what is wrong with it.

    At most 1,000,000 bytes and 100 signature lines, whoever made them.
    """
    text, block = _split(_decode(data))
    lines = block[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise _malformed(f"has more than {MAX_SIGNATURES} signature lines")
    return Note(text, tuple([_parse_line(line) for line in lines]))


def encode_note(note: Note) -> bytes:
    """The bytes of a note, the inverse of ``parse_note``; NoteMalformed or KeyMalformed for what it would refuse."""
    for line in note.signatures:
        _check_name(line.name)
    data = _encode(note.text) + b"\n" + b"".join([line.encode() for line in note.signatures])
    if parse_note(data) != note:
        raise _malformed("would not be read back as it was given")
    return data


def sign_note(text: str, *signers: Signer) -> bytes:
    """A note over ``text`` (which ends in a newline) with one line of each signer; NoteMalformed for a bad text.

    A text that begins like a cosignature's message is refused: no note's signature may pass for a cosignature.
    """
    if text.startswith(_COSIGNATURE_HEADER):
        raise _malformed("begins like a cosignature; choose another first line")
    if not signers:
        raise _malformed("has no signer; name at least one key")
    message = _encode(text)
    return encode_note(Note(text, tuple([signer.line(message) for signer in signers])))


def add_signature(data: bytes, line: SignatureLine) -> bytes:
    """The note with one more signature line, the rest byte for byte; unchanged where it has that very line."""
    note = parse_note(data)
    if line in note.signatures:
        return data
    return encode_note(Note(note.text, (*note.signatures, line)))


def verified_by(note: Note, keys: Iterable[VerifierKey]) -> tuple[VerifierKey, ...]:
    """The keys among ``keys`` that signed the note, in the order of its lines, each once; empty if none did.

    NoteForged where a line of one of them does not verify. KeyMalformed where two different keys share name and
    key id, since a line could then be meant for either.
    """
    known = _by_name_and_id(keys)
    message = note.text.encode()
    found: dict[VerifierKey, None] = {}
    for line in note.signatures:
        key = known.get((line.name, line.key_id))
        if key is None:
            continue
        if not key.verify(message, line.signature):
            raise NoteForged(
                f"the signature of {key.name} (key id {key.key_id.hex()}) does not fit the note: text or signature "
                "were changed; keep the file as it is and compare it with another copy"
            )
        found[key] = None
    return tuple(found)


def kind(note: Note) -> str:
    """The first line of the text, which names kind and version (a checkpoint's is its origin)."""
    return note.text.partition("\n")[0]


def _by_name_and_id(keys: Iterable[VerifierKey]) -> dict[tuple[str, bytes], VerifierKey]:
    known: dict[tuple[str, bytes], VerifierKey] = {}
    for key in keys:
        if known.setdefault((key.name, key.key_id), key) != key:
            raise KeyMalformed(f"two different keys have name {key.name} and key id {key.key_id.hex()}; rename one")
    return known


def _malformed(what: str) -> NoteMalformed:
    return NoteMalformed(f"the note {what}; nothing in it can be trusted, fetch it again from where it came")


def _decode(data: bytes) -> str:
    if len(data) > MAX_NOTE_BYTES:
        raise _malformed(f"is longer than {MAX_NOTE_BYTES} bytes")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _malformed(f"is not UTF-8 at byte {error.start}") from error
    _check_text(text)
    return text


def _encode(text: str) -> bytes:
    _check_text(text)
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise _malformed(f"holds no valid Unicode at character {error.start}") from error


def _check_text(text: str) -> None:
    if found := _CONTROL.search(text):
        raise _malformed(f"has the control character U+{ord(found[0]):04X}")
    if not text.endswith("\n"):
        raise _malformed("does not end in a newline")


def _split(text: str) -> tuple[str, str]:
    """Text and block of signature lines, on both sides of the last blank line."""
    at = text.rfind("\n\n")
    if at < 0:
        raise _malformed("has no blank line between text and signatures")
    if at + 2 == len(text):
        raise _malformed("has no signature line")
    return text[: at + 1], text[at + 2 :]


def _parse_line(line: str) -> SignatureLine:
    name, _, encoded = line[len(_DASH) :].partition(" ")
    if not line.startswith(_DASH) or not _NAME.fullmatch(name):
        raise _malformed(f"has a bad signature line, {line[:80]!r}")
    try:
        raw = decode_base64(encoded)
    except ValueError as error:
        raise _malformed(f"has bad base64 in the signature line of {name[:80]!r}") from error
    if len(raw) <= KEY_ID_BYTES:
        raise _malformed(f"has an empty signature in the line of {name[:80]!r}")
    return SignatureLine(name, raw[:KEY_ID_BYTES], raw[KEY_ID_BYTES:])
