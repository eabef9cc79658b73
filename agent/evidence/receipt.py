"""What a store and a commander say to a device: receipts, holds, waivers, acknowledgements, as signed notes.

Rules kept here: a text has one spelling (its lines, their order, their words), so ``encode_statement(
parse_statement(text)) == text``; a key is trusted for one role, and no key has two; a note counts only if a key of the
role that its kind asks for signed it, and one of another role is refused by name; every note names device and
generation (its origin), every command its number and its expiry, so that none can be used elsewhere or twice.

Left to others: whether origin, file, size and hash are the device's own (``recorder.notes_in``), what then may be
deleted (``recorder.deletion``), co-signatures of the journal (``checkpoint``). Bytes and examples: ``receipt.md``.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from agent.evidence.canonical import MAX_INT
from agent.evidence.errors import EvidenceError
from agent.evidence.note import (
    COSIGNATURE_V1,
    ED25519,
    KeyMalformed,
    Note,
    Signer,
    VerifierKey,
    decode_base64,
    encode_base64,
    kind,
    parse_note,
    sign_note,
    verified_by,
)

Role = Literal["device", "mirror", "receipt", "command"]

MAX_STATEMENT_BYTES = 8_192
"""Of a whole note: sealed, and as base64url, it still fits into one entry of the journal."""
MAX_CHARACTERS = 500
"""Of a line that people wrote."""
MAX_LIFE_S = 7 * 86_400
"""From a command's time to its expiry: numbers are remembered for longer than that."""

ORIGIN = re.compile(r"liuhen/[A-Za-z0-9][A-Za-z0-9-]{0,31}/(?:0|[1-9][0-9]{0,8})", re.ASCII)
"""Of a log, as the first line of a checkpoint has it."""

_SHA256_BYTES = 32
_SESSION = re.compile(r"s(?:[0-9]{6}|[1-9][0-9]{6,17})", re.ASCII)
_FILE = re.compile(r"s(?:[0-9]{6}|[1-9][0-9]{6,17})/[A-Za-z0-9][A-Za-z0-9._-]{0,199}", re.ASCII)
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,15}", re.ASCII)
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
"""Control characters, and letters of no width or that turn the direction: they let a line read otherwise."""


class StatementError(EvidenceError):
    """A note to the device cannot be accepted."""


class StatementMalformed(StatementError):
    """The text of a note is none of the statements, or one in another than its one spelling."""


class NoteUntrusted(StatementError):
    """No trusted key signed the note."""


class KeyOfAnotherRole(StatementError):
    """A trusted key signed the note, one that is trusted for something else."""


class KeyWithTwoRoles(StatementError):
    """A key is configured for two roles."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """A store has the file ``file`` of exactly these bytes; ``opened``: it decrypted it and all hashes matched."""

    origin: str
    """The log in which the file's segment stands: ``liuhen/<device>/<generation>``."""
    file: str
    """Path below ``segments/``."""
    length: int
    sha256: bytes
    time_s: int
    """POSIX seconds at which the store had it."""
    opened: bool


@dataclass(frozen=True, slots=True)
class Hold:
    """A session is held as evidence, or no longer (R17)."""

    origin: str
    number: int
    time_s: int
    expires_s: int
    session: str
    held: bool
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class CarrierWaiver:
    """Keeping a held session's original carrier is truly difficult: what is kept instead (R17)."""

    origin: str
    number: int
    time_s: int
    expires_s: int
    session: str
    by: str
    reason: str
    instead: Literal["disc", "decision"]
    """A disc in the case file, or the bureau's standing decision."""
    named: str
    """The disc's number, or the decision's."""
    copies: int
    """Of the disc, at least one; how many a decision asks for."""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """Somebody, by name, has taken note of an alarm (R19c)."""

    origin: str
    number: int
    time_s: int
    expires_s: int
    alarm: int
    """The number that the alarm's entry carries."""
    by: str


Command = Hold | CarrierWaiver | Acknowledgement
Statement = Receipt | Command


# --- the one spelling ---------------------------------------------------------------------------------


class _Line(NamedTuple):
    """How a member is read from its line and written to it; ``read`` raises ValueError."""

    word: str
    member: str
    read: Callable[[str], object]
    write: Callable[[object], str]


def _matching(pattern: re.Pattern[str], what: str) -> Callable[[str], object]:
    def read(value: str) -> object:
        if not pattern.fullmatch(value):
            raise ValueError(what)
        return value

    return read


def _read_number(value: str) -> int:
    if not _DECIMAL.fullmatch(value) or int(value) > MAX_INT:
        raise ValueError("a plain decimal number up to 2^53 - 1")
    return int(value)


def _read_hash(value: str) -> bytes:
    try:
        data = decode_base64(value)
    except ValueError:
        data = b""
    if len(data) != _SHA256_BYTES:
        raise ValueError("32 bytes in padded base64")
    return data


def _read_yes_no(value: str) -> bool:
    if value not in ("yes", "no"):
        raise ValueError("yes or no")
    return value == "yes"


def _read_text(value: str) -> str:
    if not 0 < len(value) <= MAX_CHARACTERS or value.strip() != value or _UNSEEN.search(value):
        raise ValueError(f"1 to {MAX_CHARACTERS} characters without spaces around and without unseen ones")
    return value


def _write_hash(value: object) -> str:
    return encode_base64(value) if isinstance(value, bytes) else ""


def _write_yes_no(value: object) -> str:
    return "yes" if value else "no"


def _number(word: str, member: str = "") -> _Line:
    return _Line(word, member or word, _read_number, str)


def _text(word: str) -> _Line:
    return _Line(word, word, _read_text, str)


_ORIGIN_LINE = _Line("origin", "origin", _matching(ORIGIN, "liuhen/<device>/<generation>"), str)
_SESSION_LINE = _Line("session", "session", _matching(_SESSION, "a session's id, for instance s000012"), str)
_COMMAND_LINES = (_ORIGIN_LINE, _number("number"), _number("time", "time_s"), _number("expires", "expires_s"))

_LINES: dict[type[Statement], tuple[_Line, ...]] = {
    Receipt: (
        _ORIGIN_LINE,
        _Line("file", "file", _matching(_FILE, "a file's path below segments/"), str),
        _number("bytes", "length"),
        _Line("sha256", "sha256", _read_hash, _write_hash),
        _number("time", "time_s"),
        _Line("opened", "opened", _read_yes_no, _write_yes_no),
    ),
    Hold: (
        *_COMMAND_LINES,
        _SESSION_LINE,
        _Line("held", "held", _read_yes_no, _write_yes_no),
        _text("by"),
        _text("reason"),
    ),
    CarrierWaiver: (
        *_COMMAND_LINES,
        _SESSION_LINE,
        _text("by"),
        _text("reason"),
        _Line("instead", "instead", _matching(re.compile("disc|decision"), "disc or decision"), str),
        _text("named"),
        _number("copies"),
    ),
    Acknowledgement: (*_COMMAND_LINES, _number("alarm"), _text("by")),
}

KINDS: dict[str, type[Statement]] = {
    "liuhen/receipt/v1": Receipt,
    "liuhen/hold/v1": Hold,
    "liuhen/carrier-waiver/v1": CarrierWaiver,
    "liuhen/acknowledgement/v1": Acknowledgement,
}
"""First line of a text to what it says."""


def parse_statement(text: str) -> Statement:
    """The statement that a note's text spells; StatementMalformed says what is wrong.

    Trusted only as far as the note's signatures are.
    """
    first, _, rest = text.partition("\n")
    shape = KINDS.get(first)
    if shape is None:
        raise _malformed(f"begins with {first[:60]!r}, which is no kind known here ({', '.join(KINDS)})")
    lines = rest.removesuffix("\n").split("\n")
    if not rest.endswith("\n") or len(lines) != len(_LINES[shape]):
        raise _malformed(f"does not have the {len(_LINES[shape])} lines of {first}")
    values = {spelled.member: _value(spelled, line) for spelled, line in zip(_LINES[shape], lines, strict=True)}
    statement = shape(**values)  # type: ignore[arg-type]
    _check(statement)
    return statement


def encode_statement(statement: Statement) -> str:
    """The text of a statement, the inverse of ``parse_statement``; StatementMalformed for what it would refuse."""
    first = next(word for word, shape in KINDS.items() if isinstance(statement, shape))
    lines = [f"{line.word} {line.write(getattr(statement, line.member))}\n" for line in _LINES[type(statement)]]
    text = first + "\n" + "".join(lines)
    if parse_statement(text) != statement:
        raise _malformed("would not be read back as it was given")
    return text


def _value(spelled: _Line, line: str) -> object:
    word, _, value = line.partition(" ")
    if word != spelled.word:
        raise _malformed(f"has {line[:60]!r} where its {spelled.word} belongs")
    try:
        return spelled.read(value)
    except ValueError as wanted:
        raise _malformed(f"has a {spelled.word} of {value[:60]!r} instead of {wanted}") from None


def _check(statement: Statement) -> None:
    """What lines that are right one by one may still not say together."""
    if isinstance(statement, Receipt):
        if statement.length == 0:
            raise _malformed("is for a file of 0 bytes, and no segment has so few")
        return
    life_s = statement.expires_s - statement.time_s
    if not 0 < life_s <= MAX_LIFE_S:
        raise _malformed(f"expires {life_s} s after its time; a command lives for 1 to {MAX_LIFE_S} s")
    if isinstance(statement, CarrierWaiver) and statement.instead == "disc" and statement.copies == 0:
        raise _malformed("names a disc of which there are 0 copies")


def _malformed(what: str) -> StatementMalformed:
    return StatementMalformed(f"the statement {what}; ask who sent it for another")


# --- keys and their roles -----------------------------------------------------------------------------


def key_id(key: VerifierKey) -> str:
    """A key as entries name it: name and key id."""
    return f"{key.name}+{key.key_id.hex()}"


@dataclass(frozen=True, slots=True)
class TrustedKeys:
    """The keys that count now, each for one role.

    KeyWithTwoRoles where a public key, or a name and key id, stands under two of them. KeyMalformed where a mirror's
    key is no cosigner's (0x04), or another one is (they sign with 0x01).
    """

    device: tuple[VerifierKey, ...] = ()
    """The device's own: it may sign its journal, and nothing that is said to it."""
    mirror: tuple[VerifierKey, ...] = ()
    receipt: tuple[VerifierKey, ...] = ()
    command: tuple[VerifierKey, ...] = ()

    def __post_init__(self) -> None:
        roles: dict[object, Role] = {}
        for role, key in self.by_role():
            wanted = COSIGNATURE_V1 if role == "mirror" else ED25519
            if key.algorithm != wanted:
                raise KeyMalformed(
                    f"{key.name} is trusted as {role} key and is of algorithm 0x{key.algorithm:02x} instead of "
                    f"0x{wanted:02x}; take the key that its owner made for this"
                )
            for mark in (key.public, (key.name, key.key_id)):
                if roles.setdefault(mark, role) != role:
                    raise KeyWithTwoRoles(
                        f"{key.name} is trusted as {roles[mark]} key and as {role} key; a key has one role: take it "
                        "out of one list, and ask its owner for another key"
                    )

    def by_role(self) -> list[tuple[Role, VerifierKey]]:
        """Every key with its role."""
        groups: list[tuple[Role, Iterable[VerifierKey]]] = [
            ("device", self.device),
            ("mirror", self.mirror),
            ("receipt", self.receipt),
            ("command", self.command),
        ]
        return [(role, key) for role, keys in groups for key in keys]

    def names(self, role: Role) -> frozenset[str]:
        """The keys of a role as entries name them."""
        return frozenset([key_id(key) for other, key in self.by_role() if other == role])


def role_of(statement: Statement) -> Role:
    """Whose key must have signed it."""
    return "receipt" if isinstance(statement, Receipt) else "command"


@dataclass(frozen=True, slots=True)
class Signed:
    """A statement, and the key that signed it in the role that it asks for."""

    statement: Statement
    key: VerifierKey
    note: Note


def open_statement(data: bytes, trusted: TrustedKeys) -> Signed:
    """The statement in a signed note, if a key that is trusted for it signed.

    NoteMalformed, StatementMalformed; NoteForged where a known key's line does not fit; NoteUntrusted where no known
    key signed; KeyOfAnotherRole where only keys did that are trusted for something else.
    """
    if len(data) > MAX_STATEMENT_BYTES:
        raise _malformed(f"is longer than {MAX_STATEMENT_BYTES} bytes")
    note = parse_note(data)
    signers = signers_of(note, trusted)
    statement = parse_statement(note.text)
    return Signed(statement, signer_in_role(signers, role_of(statement), kind(note)), note)


def signers_of(note: Note, trusted: TrustedKeys) -> list[tuple[Role, VerifierKey]]:
    """The trusted keys that signed, with their roles; NoteUntrusted where none did, NoteForged, KeyMalformed."""
    roles = {key: role for role, key in trusted.by_role()}
    found = [(roles[key], key) for key in verified_by(note, roles)]
    if not found:
        names = ", ".join([line.name[:80] for line in note.signatures[:3]])
        raise NoteUntrusted(
            f"the note is signed by {names}, and by no key that this device trusts; if it should, its key belongs "
            "into [trust] of the configuration"
        )
    return found


def signer_in_role(signers: Iterable[tuple[Role, VerifierKey]], role: Role, what: str) -> VerifierKey:
    """The first signer of that role; KeyOfAnotherRole names the one that signed instead."""
    others = []
    for other, key in signers:
        if other == role:
            return key
        others.append(f"{key.name}, which is trusted as {other} key")
    raise KeyOfAnotherRole(
        f"the note {what[:60]!r} is signed by {' and '.join(others)} and not as {role} key; have it signed by a "
        f"{role} key"
    )


def sign_statement(statement: Statement, signer: Signer) -> bytes:
    """The signed note of a statement: the store's and the commander's side."""
    return sign_note(encode_statement(statement), signer)
