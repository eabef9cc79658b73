"""Reads the test vectors: text files with header lines, a blank line, and the payload byte for byte.

``expect:`` says the outcome, ``says:`` a part of our own error's words, ``encoding: hex`` that the payload is written
in hex (white space ignored) because it holds bytes that editors and git would not keep. The other headers belong to
the format and stand on its page.
"""

import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "vectors"


@dataclass(frozen=True)
class Vector:
    """One vector: its file's name without ending, its headers (each maybe several times) and its payload."""

    name: str
    headers: dict[str, list[str]]
    payload: bytes

    def __str__(self) -> str:
        return self.name

    @property
    def expect(self) -> str:
        """The outcome, for instance ``success`` or ``forged``."""
        return self.one("expect")

    @property
    def says(self) -> str | None:
        """What the error's message must match, as a pattern for ``pytest.raises``; None where it may say anything."""
        return re.escape(self.one("says")) if "says" in self.headers else None

    def all(self, header: str) -> list[str]:
        """Every value of a header, in order; none if it is absent."""
        return self.headers.get(header, [])

    def one(self, header: str) -> str:
        """The value of a header that must stand once."""
        (value,) = self.headers[header]
        return value

    def get(self, header: str, default: str = "") -> str:
        """The value of a header that may be absent."""
        return self.one(header) if header in self.headers else default


def vectors(folder: str) -> list[Vector]:
    """All vectors of a format; an error where there are none, so that a lost folder is no green test."""
    found = [_read(path) for path in sorted((FOLDER / folder).glob("*.txt"))]
    if not found:
        raise FileNotFoundError(f"no vectors in {FOLDER / folder}")
    return found


def _read(path: Path) -> Vector:
    head, _, payload = path.read_bytes().partition(b"\n\n")
    headers: dict[str, list[str]] = {}
    for line in head.decode().split("\n"):
        key, _, value = line.partition(": ")
        headers.setdefault(key, []).append(value)
    if headers.get("encoding") == ["hex"]:
        payload = bytes.fromhex("".join(payload.decode().split()))
    return Vector(path.stem, headers, payload)
