"""Who may open a file: the keys of the age format (C2SP age v1, X25519 only) and the header that uses them.

Rules kept here: file key, ephemeral secrets and nonce are drawn anew for each file. What is read is strict: one
spelling of every base64, this version only, no low-order point on either side, every X25519 stanza well-formed,
also behind the one that opens. Stanzas of other types are passed over, as the format asks; ``scrypt`` must stand
alone and is named as not supported. A header that ends too early is told apart from a wrong one.

Random bytes are passed in. The chunks behind the header are for ``age``, which also gives these names to its callers.
"""

import binascii
import hmac
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from agent.evidence import bech32
from agent.evidence.errors import EvidenceError

TAG_BYTES = 16
NONCE_BYTES = 16
"""Random bytes between header and first chunk, from which the payload key is derived."""
MAX_HEADER_BYTES = 65_536
"""Longest header read; more than six hundred recipients fit."""

_KEY_BYTES = 32
_FILE_KEY_BYTES = 16
_VERSION_LINE = b"age-encryption.org/v1\n"
_ARMOR = b"-----BEGIN AGE ENCRYPTED FILE-----"
_X25519_INFO = b"age-encryption.org/v1/X25519"
_ZERO_NONCE = bytes(12)
_BODY_COLUMNS = 64
_ARGUMENTS = re.compile(rb"-> ([!-~]+(?: [!-~]+)*)")
_RECIPIENT_PART = "age"
_IDENTITY_PART = "AGE-SECRET-KEY-"

Random = Callable[[int], bytes]
"""Gives that many bytes from a cryptographic source; the recorder's shell and the tests pass their own."""


class AgeError(EvidenceError):
    """An age file or key cannot be written or read as asked."""


class AgeKeyMalformed(AgeError):
    """A recipient or identity is mistyped, cut, of another type, or a low-order point."""


class AgeMisuse(AgeError):
    """The sealing side was asked for what the format forbids: a counter again, a short chunk in the middle."""


class AgeMalformed(AgeError):
    """The bytes break the format."""


class AgeUnsupported(AgeMalformed):
    """The bytes are age, but armored or of a later version."""


class AgeCut(AgeMalformed):
    """The file ends before its last chunk: a power cut, a copy that broke off, or a cut by hand."""


class AgeForged(AgeError):
    """Header or chunk is not what the holder of the file key wrote: altered, damaged, or of another file."""


class AgeNoIdentity(AgeError):
    """None of the identities opens the file."""


# --- keys --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Recipient:
    """A public key to which files are sealed; 32 bytes, never a point of low order."""

    public: bytes

    def __post_init__(self) -> None:
        if len(self.public) != _KEY_BYTES:
            raise AgeKeyMalformed(f"A recipient has 32 bytes, this one {len(self.public)}; copy the whole key.")
        # Any scalar takes a low-order point to zero, so a fixed one finds it before a file depends on it.
        _agree(X25519PrivateKey.from_private_bytes(bytes(_KEY_BYTES)), self.public, AgeKeyMalformed)

    def text(self) -> str:
        """``age1`` and 58 characters."""
        return bech32.encode(_RECIPIENT_PART, self.public)


@dataclass(frozen=True, slots=True)
class Identity:
    """A secret key that opens files; 32 bytes, not shown by ``repr``. The device holds none."""

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) != _KEY_BYTES:
            raise AgeKeyMalformed(f"An identity has 32 bytes, this one {len(self.secret)}; copy the whole key.")

    @classmethod
    def generate(cls, random: Random) -> "Identity":
        """A new identity."""
        return cls(_drawn(random, _KEY_BYTES))

    def recipient(self) -> Recipient:
        """The public half."""
        return Recipient(X25519PrivateKey.from_private_bytes(self.secret).public_key().public_bytes_raw())

    def text(self) -> str:
        """``AGE-SECRET-KEY-1`` and 58 characters: secret."""
        return bech32.encode(_IDENTITY_PART.lower(), self.secret).upper()


def parse_recipient(text: str) -> Recipient:
    """The recipient written as ``age1...``; AgeKeyMalformed for everything else."""
    return Recipient(_parse_key(text, _RECIPIENT_PART, "recipient"))


def parse_identity(text: str) -> Identity:
    """The identity written as ``AGE-SECRET-KEY-1...``; AgeKeyMalformed for everything else."""
    return Identity(_parse_key(text, _IDENTITY_PART, "identity"))


def parse_identities(text: str) -> tuple[Identity, ...]:
    """All identities of an identity file as ``age-keygen`` writes it: one a line, ``#`` begins a comment."""
    lines = (line.strip() for line in text.splitlines())
    identities = tuple(parse_identity(line) for line in lines if line and not line.startswith("#"))
    if not identities:
        raise AgeKeyMalformed("The identity file holds no line AGE-SECRET-KEY-1...; pass the file of age-keygen.")
    return identities


def _parse_key(text: str, part: str, what: str) -> bytes:
    begins = f"an age X25519 {what} begins with {part}1"
    try:
        found, data = bech32.decode(text)
    except bech32.Bech32Malformed as error:
        # The text may be a secret key: it is not repeated.
        raise AgeKeyMalformed(f"No age {what}: {error} ({begins})") from None
    if found != part:
        raise AgeKeyMalformed(f"No age {what}: {begins}, this text with another word; pass a key of that type.")
    return data


# --- writing a header ------------------------------------------------------------------------------------


def header_and_payload_key(recipients: Iterable[Recipient], random: Random) -> tuple[bytes, bytes]:
    """What a new file begins with (header and 16 nonce bytes), and the key for its ChunkSealer.

    Draws from ``random``, in this order: 16 bytes of file key, 32 for each recipient, 16 of nonce.
    """
    file_key = _drawn(random, _FILE_KEY_BYTES)
    stanzas = [_stanza(recipient, file_key, random) for recipient in recipients]
    if not stanzas:
        raise AgeMisuse("No recipient: nobody could ever open this file; name at least one.")
    covered = _VERSION_LINE + b"".join(stanzas) + b"---"
    nonce = _drawn(random, NONCE_BYTES)
    return b"%b %b\n%b" % (covered, _base64(_header_mac(file_key, covered)), nonce), _payload_key(file_key, nonce)


def _stanza(recipient: Recipient, file_key: bytes, random: Random) -> bytes:
    ephemeral = X25519PrivateKey.from_private_bytes(_drawn(random, _KEY_BYTES))
    share = ephemeral.public_key().public_bytes_raw()
    wrap_key = _wrap_key(_agree(ephemeral, recipient.public, AgeKeyMalformed), share, recipient.public)
    body = ChaCha20Poly1305(wrap_key).encrypt(_ZERO_NONCE, file_key, None)
    return b"-> X25519 %b\n%b\n" % (_base64(share), _base64(body))


# --- reading a header ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Unlocked:
    """What an identity got out of a header."""

    payload_key: bytes = field(repr=False)
    header_length: int
    """Bytes before the first chunk, the nonce included."""


def header_length(data: bytes) -> int:
    """Length of header and nonce at the start of ``data``, found without an identity; else AgeMalformed."""
    header = _parse_header(data)
    if len(data) < header.length + NONCE_BYTES:
        raise AgeCut(f"The file ends at byte {len(data)}, inside its nonce; nothing in it can be opened.")
    return header.length + NONCE_BYTES


def unlock(data: bytes, identities: Iterable[Identity]) -> Unlocked:
    """The payload key of the file that begins with ``data``.

    Raises AgeMalformed (also AgeCut, AgeUnsupported), AgeNoIdentity, or AgeForged where the header's MAC is wrong.
    """
    header = _parse_header(data)
    file_key = _unwrap(header.stanzas, tuple(identities))
    if not hmac.compare_digest(_header_mac(file_key, data[: header.mac_covers]), header.mac):
        raise AgeForged("The header was altered: its MAC does not match; compare with another copy of the file.")
    length = header_length(data)
    return Unlocked(_payload_key(file_key, data[length - NONCE_BYTES : length]), length)


@dataclass(frozen=True, slots=True)
class _Stanza:
    arguments: tuple[bytes, ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class _Header:
    stanzas: tuple[_Stanza, ...]
    mac: bytes
    mac_covers: int
    """Up to and with the three dashes."""
    length: int
    """Up to and with the MAC line's newline."""


class _Lines:
    """The header's lines one by one, by offset; every way to break off is told apart."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.offset = 0

    def begins(self, word: bytes) -> bool:
        return self.data.startswith(word, self.offset)

    def take(self, begins: bytes, what: str) -> bytes:
        """The next line without its newline, which must begin with that word."""
        rest = self.data[self.offset : self.offset + len(begins)]
        if rest != begins[: len(rest)]:
            raise _malformed(self.offset, f"{what} is missing")
        end = self.data.find(b"\n", self.offset, MAX_HEADER_BYTES)
        if end < 0 and len(self.data) >= MAX_HEADER_BYTES:
            raise _malformed(self.offset, f"the header is longer than {MAX_HEADER_BYTES} bytes")
        if end < 0:
            raise AgeCut(f"The file ends at byte {len(self.data)}, inside its header; nothing in it can be opened.")
        line, self.offset = self.data[self.offset : end], end + 1
        return line


def _parse_header(data: bytes) -> _Header:
    _check_version(data)
    lines = _Lines(data)
    lines.take(_VERSION_LINE[:-1], "the version line")
    stanzas: list[_Stanza] = []
    while not stanzas or not lines.begins(b"--"):
        stanzas.append(_take_stanza(lines))
    mac_covers = lines.offset + 3
    mac = _unbase64(lines.take(b"--- ", "the MAC line")[4:], lines.offset)
    if len(mac) != _KEY_BYTES:
        raise _malformed(mac_covers, f"the header MAC has {len(mac)} bytes and not 32")
    if len(stanzas) > 1 and any(stanza.arguments[0] == b"scrypt" for stanza in stanzas):
        raise _malformed(len(_VERSION_LINE), "a scrypt stanza stands beside others, which age forbids")
    return _Header(tuple(stanzas), mac, mac_covers, lines.offset)


def _check_version(data: bytes) -> None:
    begin = data[:1024]
    if begin.lstrip(b" \t\r\n").startswith(_ARMOR[:20]):
        raise AgeUnsupported("The file is armored (age's text form), which is not supported; store the binary form.")
    if not begin.strip(b"\0"):
        raise AgeCut("The file is empty or holds only zeros: nothing was written; look for another copy.")
    if begin[: len(_VERSION_LINE)] == _VERSION_LINE[: len(begin)]:
        return
    if re.match(rb"age-encryption\.org/[!-~]+\n", begin):
        raise AgeUnsupported("The file is of another age version than v1; open it with a current age.")
    raise _malformed(0, "the line age-encryption.org/v1 is not what it begins with")


def _take_stanza(lines: _Lines) -> _Stanza:
    start = lines.offset
    matched = _ARGUMENTS.fullmatch(lines.take(b"-> ", "a recipient stanza"))
    if matched is None:
        raise _malformed(start, "a stanza's arguments are empty or hold other characters than visible ASCII")
    body: list[bytes] = []
    while not body or len(body[-1]) == _BODY_COLUMNS:
        start = lines.offset
        body.append(lines.take(b"", "a stanza's body"))
        if len(body[-1]) > _BODY_COLUMNS:
            raise _malformed(start, "a line of a stanza's body is longer than 64 characters")
    return _Stanza(tuple(matched[1].split(b" ")), _unbase64(b"".join(body), start))


def _unwrap(stanzas: tuple[_Stanza, ...], identities: tuple[Identity, ...]) -> bytes:
    """The file key, from whichever stanza an identity opens; every X25519 stanza must be well-formed."""
    file_keys: list[bytes] = []
    for stanza in stanzas:
        if stanza.arguments[0] == b"X25519":
            share = _share(stanza)
            found = (_unwrap_one(share, stanza.body, identity) for identity in identities)
            file_keys += [file_key for file_key in found if file_key is not None]
    if not file_keys:
        raise AgeNoIdentity(_nobody(stanzas))
    return file_keys[0]


def _share(stanza: _Stanza) -> bytes:
    if len(stanza.arguments) != 2:
        raise AgeMalformed(f"An X25519 stanza has {len(stanza.arguments)} arguments and not 2; the header was altered.")
    share = _unbase64(stanza.arguments[1], len(_VERSION_LINE))
    if len(share) != _KEY_BYTES or len(stanza.body) != _FILE_KEY_BYTES + TAG_BYTES:
        raise AgeMalformed("An X25519 stanza has a share or body of another length than 32 bytes; it was altered.")
    return share


def _unwrap_one(share: bytes, body: bytes, identity: Identity) -> bytes | None:
    secret = X25519PrivateKey.from_private_bytes(identity.secret)
    wrap_key = _wrap_key(_agree(secret, share, AgeMalformed), share, secret.public_key().public_bytes_raw())
    try:
        return ChaCha20Poly1305(wrap_key).decrypt(_ZERO_NONCE, body, None)
    except InvalidTag:
        return None


def _nobody(stanzas: tuple[_Stanza, ...]) -> str:
    kinds = sorted({stanza.arguments[0].decode("ascii") for stanza in stanzas})
    if kinds == ["scrypt"]:
        return "No identity matches: the file is sealed with a passphrase (scrypt), not supported here; use stock age."
    if "X25519" not in kinds:
        return f"No identity matches: only X25519 is supported, this file has {', '.join(kinds)[:80]}; use stock age."
    return "No identity matches: the file is sealed to other recipients; pass the identity file that belongs to it."


def _malformed(offset: int, what: str) -> AgeMalformed:
    return AgeMalformed(f"No age file: at byte {offset} {what}; compare with another copy of the file.")


# --- primitives --------------------------------------------------------------------------------------


def _agree(secret: X25519PrivateKey, public: bytes, error: type[AgeError]) -> bytes:
    """The shared secret; an all-zero one, to which only a low-order point leads, is refused."""
    try:
        return secret.exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError:
        raise error("A public key is a low-order point, which protects nothing; get the key again.") from None


def _wrap_key(shared: bytes, share: bytes, recipient: bytes) -> bytes:
    return _hkdf(shared, share + recipient, _X25519_INFO)


def _payload_key(file_key: bytes, nonce: bytes) -> bytes:
    return _hkdf(file_key, nonce, b"payload")


def _header_mac(file_key: bytes, covered: bytes) -> bytes:
    return hmac.digest(_hkdf(file_key, b"", b"header"), covered, "sha256")


def _hkdf(key: bytes, salt: bytes, info: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=salt, info=info).derive(key)


def _drawn(random: Random, length: int) -> bytes:
    data = random(length)
    if len(data) != length:
        raise AgeMisuse(f"The random source gave {len(data)} bytes and not {length}; nothing may be sealed with it.")
    return data


def _base64(data: bytes) -> bytes:
    return binascii.b2a_base64(data, newline=False).rstrip(b"=")


def _unbase64(text: bytes, offset: int) -> bytes:
    """Standard base64 without padding, in its one spelling; ``offset`` is for the message."""
    try:
        data = binascii.a2b_base64(text + b"=" * (-len(text) % 4))
    except binascii.Error:
        raise _malformed(offset, "there is text that is no base64") from None
    if _base64(data) != text:
        raise _malformed(offset, "there is base64 in another than its one spelling")
    return data
