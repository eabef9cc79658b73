"""Bech32 as age uses it (BIP 173 without its limit of 90 characters): how keys are written for people.

A string is a human-readable part, the digit ``1``, data in groups of five bits, and six characters that find any
four wrong ones. It is all upper case or all lower case. Which part belongs to which kind of key is for ``age`` to
say. This is the first Bech32 only: Bech32m (BIP 350) has another constant and does not occur in age.
"""

from collections.abc import Iterable

from agent.evidence.errors import EvidenceError

_ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_CHECKSUM_LENGTH = 6


class Bech32Malformed(EvidenceError):
    """The text is no Bech32; the message says where to look."""


def encode(part: str, data: bytes) -> str:
    """``data`` under the lower-case human-readable ``part``."""
    values = _regroup(data, 8, 5, pad=True)
    rest = _polymod(_expand(part) + values + [0] * _CHECKSUM_LENGTH) ^ 1
    checksum = [rest >> 5 * (_CHECKSUM_LENGTH - 1 - place) & 31 for place in range(_CHECKSUM_LENGTH)]
    return part + "1" + "".join(_ALPHABET[value] for value in values + checksum)


def decode(text: str) -> tuple[str, bytes]:
    """The human-readable part in the case in which it stands, and the bytes; else Bech32Malformed."""
    if text not in (text.lower(), text.upper()):
        raise Bech32Malformed("upper and lower case are mixed; copy the key again as it was issued.")
    part, separator, tail = text.rpartition("1")
    if not part or not separator or not all(33 <= ord(character) <= 126 for character in part):
        raise Bech32Malformed("there is no readable part before a digit 1; copy the whole key.")
    values = [_ALPHABET.find(character) for character in tail.lower()]
    if len(values) < _CHECKSUM_LENGTH or -1 in values:
        raise Bech32Malformed("a character is missing or none of the Bech32 alphabet; copy the whole key.")
    if _polymod(_expand(part.lower()) + values) != 1:
        raise Bech32Malformed("the checksum is wrong: a character was mistyped; copy the key again.")
    return part, bytes(_regroup(values[:-_CHECKSUM_LENGTH], 5, 8, pad=False))


def _expand(part: str) -> list[int]:
    return [ord(character) >> 5 for character in part] + [0] + [ord(character) & 31 for character in part]


def _polymod(values: Iterable[int]) -> int:
    rest = 1
    for value in values:
        top = rest >> 25
        rest = (rest & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(_GENERATOR):
            if top >> bit & 1:
                rest ^= generator
    return rest


def _regroup(values: Iterable[int], width: int, new_width: int, *, pad: bool) -> list[int]:
    """The same bits in groups of another width; without ``pad`` what is left over must be few and zero."""
    groups, bits, count = [], 0, 0
    for value in values:
        bits, count = bits << width | value, count + width
        while count >= new_width:
            count -= new_width
            groups.append(bits >> count)
            bits &= (1 << count) - 1
    if pad and count:
        groups.append(bits << new_width - count)
    elif not pad and (count >= width or bits):
        raise Bech32Malformed("the data does not end on a byte; copy the key again as it was issued.")
    return groups
