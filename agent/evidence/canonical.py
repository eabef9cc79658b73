"""One way, and only one, to write a value as bytes.

A leaf of the journal's tree is the hash of a line, so a value must have a single spelling: JSON with sorted
keys, no white space, integers within ±(2^53 - 1) and strings (RFC 8785 without its floats). Yes and no are the
strings ``yes`` and ``no``; bytes are unpadded base64url in its canonical form.

``encode`` is on the path of every flush and trusts the types of the Structs that it is given; ``check`` walks a
value and names what does not belong. That a line read back is canonical is for ``journal`` to prove, by
encoding again what it decoded.
"""

import binascii
from collections.abc import Iterator

import msgspec

from agent.evidence.errors import EvidenceError

MAX_INT = 2**53 - 1
"""Greatest integer that every JSON reader keeps exactly."""

_ENCODER = msgspec.json.Encoder(order="sorted")
_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_", b"+/")


class NotCanonical(EvidenceError):
    """A value or text that has no place in a canonical line, or a second spelling of one that has."""


def encode(value: object) -> bytes:
    """The canonical JSON of Structs, dicts with string keys, lists, strings and integers.

    Raises NotCanonical for text that UTF-8 cannot hold (lone surrogates) and for objects that JSON has no word for.
    Floats, booleans, null and bytes are not looked for here (see ``check``).
    """
    try:
        return _ENCODER.encode(value)
    except (UnicodeError, TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
        raise NotCanonical(f"The value cannot be written as canonical JSON ({error}); correct who made it.") from error


def check(value: object) -> None:
    """Refuses with NotCanonical, naming the place, whatever a canonical line may not hold."""
    for place, problem in _misfits(value, "$"):
        raise NotCanonical(f"At {place}: {problem}; write integers and strings only.")


def b64(data: bytes) -> str:
    """Unpadded base64url (RFC 4648, section 5)."""
    return binascii.b2a_base64(data, newline=False).rstrip(b"=").translate(_TO_URL).decode("ascii")


def unb64(text: str) -> bytes:
    """The bytes that ``b64`` wrote as ``text``; every other spelling is refused with NotCanonical.

    Padding, white space, the standard alphabet's ``+`` and ``/``, and bits left over at the end would each allow a
    second spelling of the same bytes, hence a second leaf for the same entry.
    """
    try:
        spelled = text.encode("ascii").translate(_FROM_URL)
        data = binascii.a2b_base64(spelled + b"=" * (-len(spelled) % 4))
    except (UnicodeError, binascii.Error) as error:
        raise NotCanonical(f"No base64url: {_shown(text)}; the field was altered or cut.") from error
    if b64(data) != text:
        raise NotCanonical(f"Base64url in another than its one spelling: {_shown(text)}; write it without padding.")
    return data


def _misfits(value: object, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, bool) or not isinstance(value, int | str | list | tuple | dict | msgspec.Struct):
        yield place, f"{type(value).__name__} is not allowed"
    elif isinstance(value, int) and abs(value) > MAX_INT:
        yield place, f"{value} is beyond ±(2^53 - 1)"
    elif isinstance(value, str) and not _is_utf8(value):
        yield place, "text with a lone surrogate"
    else:
        for name, part in _parts(value):
            if name is None:
                yield place, "a key is no text"
            else:
                yield from _misfits(part, f"{place}.{name}")


def _parts(value: object) -> Iterator[tuple[str | int | None, object]]:
    """Name and value of every member; a key that is no text has no name."""
    if isinstance(value, msgspec.Struct):
        members = ((name, getattr(value, name)) for name in value.__struct_fields__)
        yield from ((name, part) for name, part in members if part is not msgspec.UNSET)
    elif isinstance(value, dict):
        yield from ((name if isinstance(name, str) else None, part) for name, part in value.items())
    elif isinstance(value, list | tuple):
        yield from enumerate(value)


def _is_utf8(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _shown(text: str) -> str:
    return ascii(text if len(text) <= 40 else text[:37] + "...")
