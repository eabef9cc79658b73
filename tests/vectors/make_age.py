"""Writes the age vectors (``tests/vectors/age/*.txt``), with primitives only: no line of ``agent.evidence.age``.

Every scenario that age's published suite has for X25519, header and payload stands here under a sentence, made anew;
besides, what a preallocated file and a power cut add. Everything random is drawn from the vector's name, so a run
writes the same bytes again, and a test compares. ``agent/evidence/age.md`` explains the lines of a vector.

    python tests/vectors/make_age.py        # writes the folder anew
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

FOLDER = Path(__file__).parent / "age"
V1 = b"age-encryption.org/v1\n"
WHOLE = 65_536
SMALL = ("seal 0 1 3 61",)
# A point of order 8 that is on no list of the usual small ones, as age's suite has it; and the point zero.
ORDER_EIGHT = bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f11d7")
ZERO_POINT = bytes(32)

OPENS = "opens"
UNSUPPORTED = "not supported"
MALFORMED = "header malformed"
HEADER_CUT = "header cut"
HEADER_FORGED = "header forged"
NOBODY = "no identity matches"
CUT = "payload cut"
FORGED = "payload forged"
PAYLOAD_MALFORMED = "payload malformed"


def hkdf(key: bytes, salt: bytes, info: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(key)


def b64(data: bytes) -> bytes:
    return base64.b64encode(data).rstrip(b"=")


def folded(text: bytes) -> bytes:
    """A stanza's body lines: full ones of 64 characters and a shorter one, which may be empty."""
    return b"".join(text[at : at + 64] + b"\n" for at in range(0, len(text) // 64 * 64 + 1, 64))


def bech32(part: str, data: bytes) -> str:
    """By way of one big integer, unlike the implementation under test."""
    alphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
    number = int.from_bytes(data, "big") << -(len(data) * 8) % 5
    values = [number >> 5 * place & 31 for place in reversed(range((len(data) * 8 + 4) // 5))]
    spread = [ord(c) >> 5 for c in part] + [0] + [ord(c) & 31 for c in part]
    rest = 1
    for value in [*spread, *values, 0, 0, 0, 0, 0, 0]:
        rest, top = (rest & 0x1FFFFFF) << 5 ^ value, rest >> 25
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            rest ^= generator * (top >> bit & 1)
    values += [(rest ^ 1) >> 5 * place & 31 for place in reversed(range(6))]
    return part + "1" + "".join(alphabet[value] for value in values)


@dataclass
class Draft:
    """The secrets of one vector, drawn from its name, and the pieces that they make."""

    name: str
    drawn: int = 0
    file_key: bytes = b""
    secret: bytes = b""
    nonce: bytes = b""

    def __post_init__(self) -> None:
        self.file_key, self.secret, self.nonce = self.draw(16), self.draw(32), self.draw(16)

    def draw(self, length: int) -> bytes:
        self.drawn += 1
        return hashlib.sha256(f"{self.name} {self.drawn}".encode()).digest()[:length]

    def wrapped(self, share: bytes, shared: bytes, public: bytes, file_key: bytes) -> bytes:
        key = hkdf(shared, share + public, b"age-encryption.org/v1/X25519")
        return ChaCha20Poly1305(key).encrypt(bytes(12), file_key, None)

    def pair(self, secret: bytes = b"", file_key: bytes = b"", shared: bytes = b"") -> tuple[bytes, bytes]:
        """Share and body for a secret (this vector's, unless another is given)."""
        public = X25519PrivateKey.from_private_bytes(secret or self.secret).public_key()
        ephemeral = X25519PrivateKey.from_private_bytes(self.draw(32))
        share = ephemeral.public_key().public_bytes_raw()
        shared = shared or ephemeral.exchange(X25519PublicKey.from_public_bytes(public.public_bytes_raw()))
        return share, self.wrapped(share, shared, public.public_bytes_raw(), file_key or self.file_key)

    def stanza(self, secret: bytes = b"", tag: bytes = b"X25519", more: bytes = b"") -> bytes:
        share, body = self.pair(secret)
        return b"-> %b %b%b\n" % (tag, b64(share), more) + folded(b64(body))

    def low_order(self, share: bytes) -> bytes:
        """A stanza whose shared secret would be all zero, with a body that fits exactly that."""
        public = X25519PrivateKey.from_private_bytes(self.secret).public_key().public_bytes_raw()
        body = self.wrapped(share, bytes(32), public, self.file_key)
        return b"-> X25519 %b\n" % b64(share) + folded(b64(body))

    def mac(self, covered: bytes) -> bytes:
        return b64(hmac.digest(hkdf(self.file_key, b"", b"header"), covered, "sha256"))

    def header(self, *stanzas: bytes, version: bytes = V1) -> bytes:
        covered = version + b"".join(stanzas or (self.stanza(),)) + b"---"
        return covered + b" " + self.mac(covered) + b"\n"

    def beside(self, *stanzas: bytes) -> bytes:
        """A header with a good X25519 stanza and then these."""
        return self.header(self.stanza(), *stanzas)


@dataclass
class Vector:
    name: str
    expect: str
    header: bytes
    draft: Draft
    payload: tuple[str, ...] = SMALL
    gives: int = 0
    """How many of the payload's ``seal`` lines a reader gives out."""
    tail: bytes | None = None
    """The nonce's bytes where they are not the whole nonce."""
    parts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.parts = [f"text {json.dumps(line.decode())}" for line in self.header.splitlines(keepends=True)]
        nonce = self.draft.nonce if self.tail is None else self.tail
        self.parts += [f"hex {nonce.hex()}"] if nonce else []
        self.parts += self.payload

    def payload_key(self) -> bytes:
        return hkdf(self.draft.file_key, self.draft.nonce, b"payload")

    def text(self) -> str:
        plaintext, sealed_end = b"", len(self.header) + 16
        for line in [part for part in self.payload if part.startswith("seal")][: self.gives]:
            _, _, _, length, fill = line.split()[:5]
            plaintext += bytes.fromhex(fill) * int(length)
            sealed_end += int(length) + 16
        whole = b"".join(built(part, self.payload_key()) for part in self.parts)
        lines = [f"what: {self.name}", f"expect: {self.expect}"]
        if self.expect in (OPENS, CUT, FORGED, PAYLOAD_MALFORMED):
            lines += [f"plaintext: {len(plaintext)} bytes, SHA-256 {hashlib.sha256(plaintext).hexdigest()}"]
            lines += [f"sealed end: {sealed_end}"]
        lines += [f"identity: {bech32('age-secret-key-', self.draft.secret).upper()}"]
        lines += [f"payload key: {self.payload_key().hex()}"]
        lines += [f"file: {len(whole)} bytes, SHA-256 {hashlib.sha256(whole).hexdigest()}"]
        return "\n".join([*lines, "", *self.parts, ""])


def built(part: str, payload_key: bytes) -> bytes:
    """The file's bytes for one line of a vector."""
    word, _, rest = part.partition(" ")
    if word == "text":
        return str(json.loads(rest)).encode()
    if word == "hex":
        return bytes.fromhex(rest)
    if word == "zeros":
        return bytes(int(rest))
    counter, last, length, fill, *change = rest.split()
    nonce = int(counter).to_bytes(11, "big") + bytes([int(last)])
    sealed = ChaCha20Poly1305(payload_key).encrypt(nonce, bytes.fromhex(fill) * int(length), None)
    if change[:1] == ["keep"]:
        return sealed[: int(change[1])]
    if change[:1] == ["flip"]:
        at = int(change[1])
        return sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]
    return sealed


def seal(counter: int, length: int = WHOLE, *, last: bool = False, fill: int = 0x61, change: str = "") -> str:
    return f"seal {counter} {int(last)} {length} {fill + counter:02x} {change}".rstrip()


def refused(name: str, build: Callable[[Draft], bytes], expect: str = MALFORMED) -> Vector:
    """A file of which only the header is wrong."""
    draft = Draft(name)
    return Vector(name, expect, build(draft), draft)


def opens(name: str, build: Callable[[Draft], bytes], payload: tuple[str, ...] = SMALL) -> Vector:
    draft = Draft(name)
    return Vector(name, OPENS, build(draft), draft, payload, gives=len(payload))


def streamed(name: str, expect: str, gives: int, *payload: str) -> Vector:
    """A file of which only the payload is wrong."""
    draft = Draft(name)
    return Vector(name, expect, draft.header(), draft, payload, gives)


def changed_mac(change: Callable[[bytes], bytes]) -> Callable[[Draft], bytes]:
    """A header whose last line, newline included, is changed."""

    def build(draft: Draft) -> bytes:
        header = draft.header()
        at = header.rindex(b"---")
        return header[:at] + change(header[at:])

    return build


def not_canonical(text: bytes) -> bytes:
    """The same bytes in base64 with a bit set that no byte needs (for 32-byte values: the last character)."""
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return text[:-1] + alphabet[alphabet.index(text[-1]) + 1 :][:1]


def versions() -> Iterator[Vector]:
    yield refused("the version line with a carriage return is refused", lambda d: d.header(version=V1[:-1] + b"\r\n"))
    yield refused("the version line with a space behind it is refused", lambda d: d.header(version=V1[:-1] + b" \n"))
    yield refused(
        "a byte order mark before the version line is refused", lambda d: d.header(version=b"\xef\xbb\xbf" + V1)
    )
    yield refused("an empty line before the version line is refused", lambda d: d.header(version=b"\n" + V1))
    yield refused("the version line in upper case is refused", lambda d: d.header(version=V1.upper()))
    yield refused(
        "a later version is not supported", lambda d: d.header(version=b"age-encryption.org/v2\n"), UNSUPPORTED
    )
    yield refused(
        "version 1234 is not supported", lambda d: d.header(version=b"age-encryption.org/v1234\n"), UNSUPPORTED
    )
    yield refused("carriage returns on all lines are refused", lambda d: d.header().replace(b"\n", b"\r\n"))
    for name, before in (
        ("an armored file is not supported", b""),
        ("an armored file behind white space is not supported", b" \r\n\n"),
    ):
        draft = Draft(name)
        yield Vector(name, UNSUPPORTED, before + armored(draft), draft, (), tail=b"")
    for name, header, zeros in (
        ("an empty file is a cut one", b"", ()),
        ("a file of zeros was never written", b"", ("zeros 70000",)),
        ("a file that ends in the version line is a cut one", V1[:9], ()),
        ("a file that ends behind the version line is a cut one", V1, ()),
    ):
        yield Vector(name, HEADER_CUT, header, Draft(name), zeros, tail=b"")


def armored(draft: Draft) -> bytes:
    body = draft.header() + draft.nonce + built(SMALL[0], hkdf(draft.file_key, draft.nonce, b"payload"))
    text = base64.b64encode(body)
    lines = b"".join(text[at : at + 64] + b"\n" for at in range(0, len(text), 64))
    return b"-----BEGIN AGE ENCRYPTED FILE-----\n%b-----END AGE ENCRYPTED FILE-----\n" % lines


def macs() -> Iterator[Vector]:
    wrong = changed_mac(lambda line: b"--- " + b64(bytes(32)) + b"\n")
    yield refused("a header with the MAC of another one is forged", wrong, HEADER_FORGED)
    yield refused("a stanza added behind the MAC's back is forged", added_stanza, HEADER_FORGED)
    yield refused("a MAC line with two spaces is refused", changed_mac(lambda line: line.replace(b" ", b"  ")))
    yield refused("a MAC line without a space is refused", changed_mac(lambda line: line.replace(b" ", b"")))
    yield refused("a MAC line with a space at its end is refused", changed_mac(lambda line: line[:-1] + b" \n"))
    yield refused("a MAC line with a carriage return is refused", changed_mac(lambda line: line[:-1] + b"\r\n"))
    yield refused("a MAC with garbage behind it is refused", changed_mac(lambda line: line[:-1] + b"AAAA\n"))
    yield refused("a MAC that is too short is refused", changed_mac(lambda line: line[:-9] + b"\n"))
    yield refused("a MAC with padding is refused", changed_mac(lambda line: line[:-1] + b"=\n"))
    yield refused("a MAC in another spelling is refused", changed_mac(lambda line: not_canonical(line[:-1]) + b"\n"))
    yield refused("a MAC line without a MAC is refused", changed_mac(lambda line: b"---\n"))
    yield refused("a header without a MAC line is refused", changed_mac(lambda line: b""))
    name = "a file that ends before its MAC line is a cut one"
    draft = Draft(name)
    yield Vector(name, HEADER_CUT, changed_mac(lambda line: b"")(draft), draft, (), tail=b"")
    name = "a file that ends inside its MAC line is a cut one"
    draft = Draft(name)
    yield Vector(name, HEADER_CUT, draft.header()[:-10], draft, (), tail=b"")


def added_stanza(draft: Draft) -> bytes:
    return draft.header().replace(b"---", b"-> example added\n\n---")


def stanzas() -> Iterator[Vector]:
    yield refused("a header without stanzas is refused", no_stanza)
    yield refused("a stanza that begins with two dashes is refused", lambda d: d.beside(b"-- stanza\n\n"))
    yield refused("a stanza that begins without a space is refused", lambda d: d.beside(b"->stanza\n\n"))
    yield refused("a stanza without arguments is refused", lambda d: d.beside(b"->\n\n"))
    yield refused("a stanza with a space and no argument is refused", lambda d: d.beside(b"-> \n\n"))
    yield refused("a stanza with an empty argument is refused", lambda d: d.beside(b"-> stanza  argument\n\n"))
    yield refused("a stanza with a space at its end is refused", lambda d: d.beside(b"-> stanza argument \n\n"))
    yield refused("a stanza with a letter beyond ASCII is refused", lambda d: d.beside("-> stanza è\n\n".encode()))
    yield refused("a stanza with a control character is refused", lambda d: d.beside(b"-> stanza \x7f\n\n"))
    yield refused("a stanza with a tab is refused", lambda d: d.beside(b"-> stanza\targument\n\n"))
    yield refused("a stanza with a carriage return is refused", lambda d: d.beside(b"-> stanza\r\n\n"))
    yield refused("a body with a carriage return is refused", lambda d: d.beside(b"-> stanza\nQUFB\r\n"))
    yield refused("a body line longer than 64 is refused", lambda d: d.beside(b"-> stanza\n" + b"A" * 68 + b"\n"))
    yield refused("a stanza without a body is refused", lambda d: d.header(b"-> stanza\n", d.stanza()))
    yield refused("a last stanza without a body is refused", lambda d: d.beside(b"-> stanza\n"))
    yield refused(
        "a full body line without a last line is refused", lambda d: d.beside(b"-> stanza\n" + b"A" * 64 + b"\n")
    )
    yield refused("a body with two short lines is refused", lambda d: d.beside(b"-> stanza\nQUFB\nQUFB\n"))
    yield refused("a body with an empty line too many is refused", lambda d: d.beside(b"-> stanza\nQUFB\n\n"))
    yield refused("a body with base64 padding is refused", lambda d: d.beside(b"-> stanza\nQUE=\n"))
    yield refused("a body in another spelling is refused", lambda d: d.beside(b"-> stanza\nQUF\n"))
    yield refused("a body that no base64 ends like is refused", lambda d: d.beside(b"-> stanza\nQUFBQ\n"))
    yield refused("a body with a character beyond base64 is refused", lambda d: d.beside(b"-> stanza\nQU-B\n"))
    yield opens("an unknown stanza with an empty body is passed over", lambda d: d.beside(b"-> stanza\n\n"))
    yield opens(
        "a full body line with an empty last line is passed over",
        lambda d: d.beside(b"-> stanza\n" + b"A" * 64 + b"\n\n"),
    )
    yield opens("a stanza of all visible characters is passed over", all_characters)


def no_stanza(draft: Draft) -> bytes:
    return V1 + b"--- " + draft.mac(V1 + b"---") + b"\n"


def all_characters(draft: Draft) -> bytes:
    visible = bytes(range(33, 127))
    arguments = b" ".join(visible[at : at + 12] for at in range(0, len(visible), 12))
    return draft.header(b"-> " + arguments + b"\n\n", draft.stanza())


def shares() -> Iterator[Vector]:
    yield opens("one recipient", lambda d: d.header())
    yield opens("the second of two recipients", lambda d: d.header(d.stanza(d.draw(32)), d.stanza()))
    yield opens("the first of two recipients", lambda d: d.beside(d.stanza(d.draw(32))))
    yield opens("grease on both sides of the recipient is passed over", grease)
    yield refused("a file to another recipient", lambda d: d.header(d.stanza(d.draw(32))), NOBODY)
    yield refused("a body with a wrong tag matches nobody", lambda d: d.header(bad_tag(d)), NOBODY)
    yield refused("the tag x25519 in lower case is another type", lambda d: d.header(d.stanza(tag=b"x25519")), NOBODY)
    yield refused("a stanza with one argument too many is refused", lambda d: d.header(d.stanza(more=b" extra")))
    yield refused("a stanza without a share is refused", lambda d: d.header(no_share(d)))
    yield refused("a share that is too short is refused", lambda d: d.header(with_share(d, lambda s: s[:-1])))
    yield refused("a share that is too long is refused", lambda d: d.header(with_share(d, lambda s: s + b"\0")))
    yield refused("a share in another spelling is refused", lambda d: d.header(respelled(d, share=True)))
    yield refused("a wrapped key in another spelling is refused", lambda d: d.header(respelled(d, share=False)))
    yield refused("a share that is the point zero is refused", lambda d: d.header(d.low_order(ZERO_POINT)))
    yield refused("a share of low order is refused", lambda d: d.header(d.low_order(ORDER_EIGHT)))
    yield refused("a share of low order behind a good stanza is refused", lambda d: d.beside(d.low_order(ORDER_EIGHT)))
    yield refused(
        "a share of low order before a good stanza is refused", lambda d: d.header(d.low_order(ORDER_EIGHT), d.stanza())
    )
    yield refused("a file key that is too long is refused", lambda d: d.header(other_key(d, 24)))
    yield refused("a file key that is too short is refused", lambda d: d.header(other_key(d, 15)))
    yield refused("a malformed stanza behind a good one is refused", lambda d: d.beside(d.stanza(more=b" extra")))
    yield refused(
        "a malformed stanza before a good one is refused", lambda d: d.header(d.stanza(more=b" extra"), d.stanza())
    )
    yield refused("a passphrase alone matches no identity", lambda d: d.header(scrypt(d)), NOBODY)
    yield refused("a passphrase behind a recipient is refused", lambda d: d.beside(scrypt(d)))
    yield refused("a passphrase before a recipient is refused", lambda d: d.header(scrypt(d), d.stanza()))
    yield refused("two passphrases are refused", lambda d: d.header(scrypt(d), scrypt(d)))
    yield refused("a recipient type of later days alone matches no identity", lambda d: d.header(later(d)), NOBODY)


def grease(draft: Draft) -> bytes:
    before = b"-> x9-grease a b c\n" + folded(b64(draft.draw(32) + draft.draw(31)))
    return draft.header(before, draft.stanza(), b"-> grease\n\n")


def bad_tag(draft: Draft) -> bytes:
    share, body = draft.pair()
    return b"-> X25519 %b\n" % b64(share) + folded(b64(body[:-1] + bytes([body[-1] ^ 1])))


def no_share(draft: Draft) -> bytes:
    return b"-> X25519\n" + folded(b64(draft.pair()[1]))


def with_share(draft: Draft, change: Callable[[bytes], bytes]) -> bytes:
    share, body = draft.pair()
    return b"-> X25519 %b\n" % b64(change(share)) + folded(b64(body))


def respelled(draft: Draft, *, share: bool) -> bytes:
    ephemeral, body = (b64(part) for part in draft.pair())
    if share:
        return b"-> X25519 %b\n" % not_canonical(ephemeral) + folded(body)
    return b"-> X25519 %b\n" % ephemeral + folded(not_canonical(body))


def other_key(draft: Draft, length: int) -> bytes:
    draft.file_key = draft.draw(length)
    return draft.stanza()


def scrypt(draft: Draft) -> bytes:
    return b"-> scrypt %b 10\n" % b64(draft.draw(16)) + folded(b64(draft.draw(32)))


def later(draft: Draft) -> bytes:
    return b"-> mlkem768x25519 %b\n" % b64(draft.draw(32)) + folded(b64(draft.draw(32)))


def payloads() -> Iterator[Vector]:
    yield opens("an empty plaintext is one empty chunk", lambda d: d.header(), (seal(0, 0, last=True),))
    yield opens("a chunk of one byte", lambda d: d.header(), (seal(0, 1, last=True),))
    yield opens("one chunk one byte short of whole", lambda d: d.header(), (seal(0, WHOLE - 1, last=True),))
    yield opens("one whole chunk", lambda d: d.header(), (seal(0, last=True),))
    yield opens("two chunks", lambda d: d.header(), (seal(0), seal(1, 7, last=True)))
    yield opens("two whole chunks", lambda d: d.header(), (seal(0), seal(1, last=True)))
    yield opens("three chunks", lambda d: d.header(), (seal(0), seal(1), seal(2, 1, last=True)))
    yield opens("three whole chunks", lambda d: d.header(), (seal(0), seal(1), seal(2, last=True)))
    yield from payloads_cut()
    yield from payloads_altered()
    yield from payloads_malformed()


def payloads_cut() -> Iterator[Vector]:
    name = "a file that ends before its nonce is a cut one"
    yield Vector(name, HEADER_CUT, (draft := Draft(name)).header(), draft, (), tail=b"")
    name = "a file that ends inside its nonce is a cut one"
    yield Vector(name, HEADER_CUT, (draft := Draft(name)).header(), draft, (), tail=draft.nonce[:12])
    yield streamed("a file that ends behind its nonce is a cut one", CUT, 0)
    yield streamed(
        "a file that ends inside its first tag is a cut one", CUT, 0, seal(0, 3, last=True, change="keep 15")
    )
    yield streamed("a last chunk without its tag is a cut one", CUT, 0, seal(0, 90, last=True, change="keep 90"))
    yield streamed("a short chunk not sealed as the last is a cut file", CUT, 0, seal(0, 3))
    yield streamed("a whole chunk not sealed as the last is given and then a cut", CUT, 1, seal(0))
    yield streamed("a short second chunk not sealed as the last is a cut file", CUT, 1, seal(0), seal(1, 3))
    yield streamed("two whole chunks without a last one are given and then a cut", CUT, 2, seal(0), seal(1))
    yield streamed("a second chunk that breaks off gives the first", CUT, 1, seal(0), seal(1, change="keep 40000"))
    yield streamed(
        "a tag that breaks off by one byte gives the first chunk", CUT, 1, seal(0), seal(1, change="keep 65551")
    )
    yield streamed(
        "a last byte of a short last chunk that is gone is a cut", CUT, 1, seal(0), seal(1, 9, change="keep 24")
    )
    yield streamed("reserved space behind whole chunks is a cut", CUT, 2, seal(0), seal(1), "zeros 131104")
    yield streamed("reserved space that ends inside a chunk is a cut", CUT, 1, seal(0), "zeros 1000")
    yield streamed("reserved space and nothing written is a cut", CUT, 0, "zeros 65552")


def payloads_altered() -> Iterator[Vector]:
    yield streamed("a wrong tag on a short only chunk gives nothing", CUT, 0, seal(0, 3, last=True, change="flip 18"))
    yield streamed(
        "a wrong tag on a whole only chunk gives nothing", FORGED, 0, seal(0, last=True, change="flip 65551")
    )
    yield streamed(
        "a wrong tag on a short second chunk gives the first", CUT, 1, seal(0), seal(1, 3, last=True, change="flip 3")
    )
    yield streamed(
        "a wrong tag on a whole second chunk gives the first",
        FORGED,
        1,
        seal(0),
        seal(1, last=True, change="flip 65551"),
    )
    yield streamed(
        "a flipped bit in the first of two chunks gives nothing",
        FORGED,
        0,
        seal(0, change="flip 0"),
        seal(1, 3, last=True),
    )
    yield streamed("chunks in the wrong order give nothing", FORGED, 0, seal(1), seal(0), seal(2, 3, last=True))
    yield streamed("a chunk left out gives those before it", FORGED, 1, seal(0), seal(2), seal(3, 3, last=True))
    yield streamed("a chunk put in twice gives it once", FORGED, 1, seal(0), seal(0), seal(1, 3, last=True))
    yield streamed(
        "a chunk that breaks off with others behind it gives none of them",
        FORGED,
        0,
        seal(0, change="keep 100"),
        seal(1),
        seal(2, 3, last=True),
    )
    yield streamed("a short chunk in the middle gives nothing", FORGED, 0, seal(0, 100), seal(1), seal(2, 3, last=True))
    yield streamed(
        "a short second chunk in the middle gives the first", FORGED, 1, seal(0), seal(1, 100), seal(2, last=True)
    )
    yield streamed(
        "a hole of zeros in the middle gives what is before it", CUT, 1, seal(0), "zeros 65552", seal(2, 3, last=True)
    )
    yield streamed("garbage behind a short last chunk spoils it", CUT, 0, seal(0, 3, last=True), "hex 00010203")
    yield streamed("two short last chunks give none", CUT, 0, seal(0, 3, last=True), seal(1, 3, last=True))


def payloads_malformed() -> Iterator[Vector]:
    yield streamed(
        "an empty last chunk behind a whole one is refused", PAYLOAD_MALFORMED, 1, seal(0), seal(1, 0, last=True)
    )
    yield streamed(
        "garbage behind a whole last chunk is refused",
        PAYLOAD_MALFORMED,
        1,
        seal(0, last=True),
        "hex 000102030405060708090a0b",
    )
    yield streamed(
        "garbage longer than a tag behind a whole last chunk is refused",
        PAYLOAD_MALFORMED,
        1,
        seal(0, last=True),
        f"hex {bytes(range(20)).hex()}",
    )
    yield streamed(
        "a whole chunk of garbage behind a whole last one is refused",
        PAYLOAD_MALFORMED,
        1,
        seal(0, last=True),
        "zeros 65552",
    )
    yield streamed("two whole last chunks give the first", PAYLOAD_MALFORMED, 1, seal(0, last=True), seal(1, last=True))
    yield streamed(
        "a short last chunk behind a whole last one is refused",
        PAYLOAD_MALFORMED,
        1,
        seal(0, last=True),
        seal(1, 3, last=True),
    )


def vectors() -> dict[str, str]:
    """File name to text of every vector."""
    made = [*versions(), *macs(), *stanzas(), *shares(), *payloads()]
    named = {vector.name.replace(" ", "_") + ".txt": vector.text() for vector in made}
    if len(named) != len(made):
        raise ValueError("Two vectors have one name; rename one.")
    return named


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.txt"):
        old.unlink()
    for name, text in vectors().items():
        (FOLDER / name).write_text(text, encoding="ascii", newline="\n")


if __name__ == "__main__":
    main()
