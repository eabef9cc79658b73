"""Text about persons, cases and places (R10): a commitment that stays, a ciphertext that may be withheld.

The leaf covers both, so a copy of the journal can show or withhold each text without breaking a stream. The
commitment is SHA-256 over 16 secret random bytes and the text: without those bytes a short text (a name, a case
number) could be found by trying. They stand in the ciphertext only, so who opens one text can prove it, and who
cannot learns nothing from the commitment.

Who may open what, and that an export holds no opened text unless asked for, is for the callers to keep.
"""

import hashlib
import hmac
from collections.abc import Iterable

import msgspec

from agent.evidence import age
from agent.evidence.canonical import NotCanonical, b64, unb64
from agent.evidence.entries import Private
from agent.evidence.errors import EvidenceError

BLIND_BYTES = 16
"""Secret random bytes before the text."""
MAX_TEXT_BYTES = 40_000
"""Longest UTF-8 text: sealed and as base64url it still fits into one entry of 65,535 bytes."""
_SHA256_BYTES = 32


class PrivateError(EvidenceError):
    """A private text cannot be sealed or opened."""


class PrivateTooLong(PrivateError):
    """The text does not fit into one entry."""


class PrivateWithheld(PrivateError):
    """This copy of the journal has the commitment only."""


class PrivateMalformed(PrivateError):
    """The member does not have the shape that ``seal_private`` gives it, or the text is no UTF-8."""


class PrivateForged(PrivateError):
    """The ciphertext opens to a text to which the entry did not commit."""


def seal_private(text: str, recipients: Iterable[age.Recipient], random: age.Random) -> Private:
    """The member for an entry; draws 16 bytes from ``random``, then what age needs."""
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError:
        raise PrivateMalformed("The text holds half a character (a lone surrogate); enter it again.") from None
    if len(data) > MAX_TEXT_BYTES:
        raise PrivateTooLong(f"The text has {len(data)} bytes, more than {MAX_TEXT_BYTES}; split it over two entries.")
    blind = random(BLIND_BYTES)
    if len(blind) != BLIND_BYTES:
        raise age.AgeMisuse(f"The random source gave {len(blind)} bytes and not 16; nothing may be sealed with it.")
    opening = blind + data
    return Private(sha256=b64(hashlib.sha256(opening).digest()), age=b64(age.encrypt(opening, recipients, random)))


def open_private(private: Private, *identities: age.Identity) -> str:
    """The text, checked against its commitment.

    Raises PrivateWithheld, PrivateMalformed, PrivateForged, and what ``age.decrypt`` raises (AgeNoIdentity where it is
    sealed to others).
    """
    check_private(private)
    if not private.age:
        raise PrivateWithheld("The text was withheld from this copy; ask the holder of the full journal.")
    opening = age.decrypt(unb64(private.age), identities)
    if not hmac.compare_digest(hashlib.sha256(opening).digest(), unb64(private.sha256)):
        raise PrivateForged("The text is not the one that the entry committed to; compare with another copy.")
    try:
        return _text_of(opening)
    except UnicodeDecodeError:
        raise PrivateMalformed("The text is no UTF-8: another program wrote it; report the entry.") from None


def withhold(private: Private) -> Private:
    """The same commitment without the ciphertext."""
    return msgspec.structs.replace(private, age="")


def check_private(private: Private) -> None:
    """What anyone can check without an identity: a commitment of 32 bytes, and an age header or nothing."""
    try:
        commitment, sealed = unb64(private.sha256), unb64(private.age)
        if sealed:
            age.header_length(sealed)
    except (NotCanonical, age.AgeMalformed) as error:
        raise PrivateMalformed(f"No private member: {error}") from error
    if len(commitment) != _SHA256_BYTES:
        raise PrivateMalformed(f"No private member: the commitment has {len(commitment)} bytes and not 32.")


def _text_of(opening: bytes) -> str:
    if len(opening) < BLIND_BYTES:
        raise PrivateMalformed("The text lacks its 16 secret bytes: another program wrote it; report the entry.")
    return opening[BLIND_BYTES:].decode("utf-8")
