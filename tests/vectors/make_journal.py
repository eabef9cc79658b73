"""Writes the journal vectors (``tests/vectors/journal/*.txt``), with primitives only: no line of ``agent``.

Journals are built here from ``json``, SHA-256 and Ed25519 by the words of ``agent/evidence/journal.md``, which also
explains the lines of a vector. A run writes the same bytes again, and a test compares.

    python tests/vectors/make_journal.py        # writes the folder anew
"""

import base64
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

FOLDER = Path(__file__).parent / "journal"
NAME = "liuhen/bwc-1"
ORIGIN = NAME + "/1"


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def spell(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def leaf_of(line: bytes) -> bytes:
    return hashlib.sha256(b"\0" + line).digest()


def subtrees(leaves: Sequence[bytes]) -> list[bytes]:
    """Roots of the full subtrees, largest first."""
    if not leaves:
        return []
    full = 1 << (len(leaves).bit_length() - 1)
    return [root(leaves[:full]), *subtrees(leaves[full:])]


def root(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962, 2.1, word for word."""
    if len(leaves) < 2:
        return leaves[0] if leaves else hashlib.sha256().digest()
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    return hashlib.sha256(b"\1" + root(leaves[:split]) + root(leaves[split:])).digest()


class Device:
    """A signing device and its journal, as lines without newlines."""

    def __init__(self, seed: bytes = bytes(range(32)), origin: str = ORIGIN) -> None:
        self.key = Ed25519PrivateKey.from_private_bytes(seed)
        self.origin = origin
        self.leaves: list[bytes] = []
        self.heads: dict[str, list[object]] = {}

    def vkey(self) -> str:
        public = b"\1" + self.key.public_key().public_bytes_raw()
        return f"{NAME}+{self.key_id().hex()}+{base64.b64encode(public).decode()}"

    def key_id(self) -> bytes:
        return hashlib.sha256(NAME.encode() + b"\n\1" + self.key.public_key().public_bytes_raw()).digest()[:4]

    def checkpoint(self, extension: str = "") -> bytes:
        text = f"{self.origin}\n{len(self.leaves)}\n{base64.b64encode(root(self.leaves)).decode()}\n{extension}"
        signature = base64.b64encode(self.key_id() + self.key.sign(text.encode())).decode()
        return spell(f"{text}\n— {NAME} {signature}\n")

    def begin(self) -> list[bytes]:
        header = spell(
            [
                "liuhen/journal/v1",
                self.origin,
                len(self.leaves),
                [b64(node) for node in subtrees(self.leaves)],
                self.heads,
            ]
        )
        return [header, self.checkpoint(f"liuhen/journal/v1 {b64(hashlib.sha256(header).digest())}\n")]

    def entry(self, kind: str, stream: str, number: int, **fields: object) -> bytes:
        count, leaf = self.heads.get(stream, [0, ""])
        place = {"stream": stream, "n": count, "prev": leaf, "salt": b64(number.to_bytes(16, "big"))}
        line = spell({"type": kind, "boot": 1, "boot_us": number, **place, **fields})
        self.leaves.append(leaf_of(line))
        self.heads[stream] = [int(str(count)) + 1, b64(self.leaves[-1])]
        return line

    def boot(self, number: int) -> bytes:
        return self.entry("boot", "device", number, boot_id=f"boot-{number}")

    def mark(self, number: int, stream: str = "s000001", label: str = "") -> bytes:
        return self.entry("mark", stream, number, at_us=number, label=label)

    def three_flushes(self) -> list[bytes]:
        """Two entries and a checkpoint, three times."""
        lines = [self.boot(1), self.mark(2), self.checkpoint()]
        lines += [self.mark(3), self.mark(4, "s000002"), self.checkpoint()]
        return [*lines, self.mark(5), self.boot(6), self.checkpoint()]


@dataclass
class Vector:
    """One vector; ``headers`` in the order in which they are written."""

    name: str
    payload: bytes
    expect: str
    headers: list[tuple[str, object]] = field(default_factory=list)

    def encode(self) -> bytes:
        """As hex where an editor or git would not keep the payload's bytes."""
        head = [("expect", self.expect), *self.headers]
        payload = self.payload
        if not payload.endswith(b"\n") or not _is_plain(payload):
            head.append(("encoding", "hex"))
            digits = payload.hex()
            payload = "".join(digits[at : at + 96] + "\n" for at in range(0, len(digits), 96)).encode()
        return "".join(f"{key}: {value}\n" for key, value in head).encode() + b"\n" + payload


def _is_plain(payload: bytes) -> bool:
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return False
    return all(character == "\n" or character.isprintable() for character in text)


def joined(lines: Sequence[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def file_vector(
    name: str, data: bytes, expect: str, size: int, tail: int = -1, damage: Sequence[int] = (), says: str = ""
) -> Vector:
    headers: list[tuple[str, object]] = [("key", Device().vkey()), ("size", size)]
    if tail >= 0:
        headers.append(("tail", tail))
    headers += [("damage", offset) for offset in damage]
    if says:
        headers.append(("says", says))
    return Vector(name, data, expect, headers)


def whole_files() -> Iterator[Vector]:
    device = Device()
    example = [*device.begin(), device.boot(86_000_000), device.mark(86_400_000), device.checkpoint()]
    yield file_vector("the-example-of-the-page", joined(example), "whole", 2)
    device = Device()
    lines = [*device.begin(), *device.three_flushes()]
    yield file_vector("a-first-file-of-three-flushes", joined(lines), "whole", 6)
    yield file_vector("a-file-of-header-and-checkpoint-only", joined(lines[:2]), "whole", 0)
    yield file_vector("an-empty-file-attests-nothing", b"", "whole", 0)
    yield file_vector("zeros-at-the-end-are-preallocation", joined(lines) + bytes(64), "whole", 6)
    covered = [*lines[:4], *lines[5:]]
    yield file_vector("a-checkpoint-that-the-next-one-covers-may-be-missing", joined(covered), "whole", 6)
    second = [*device.begin(), device.mark(7), device.mark(8, "s000003"), device.checkpoint()]
    yield file_vector("a-second-file-stands-on-subtree-hashes-and-stream-heads", joined(second), "whole", 8)


def torn_files() -> Iterator[Vector]:
    device = Device()
    lines = [*device.begin(), *device.three_flushes()]
    start = len(joined(lines[:8]))
    yield file_vector("entries-without-a-checkpoint-are-a-torn-tail", joined(lines[:10]), "torn", 4, start)
    data = joined(lines)
    yield file_vector("a-checkpoint-without-its-newline-is-torn", data[:-1], "torn", 4, start)
    yield file_vector("an-entry-cut-in-its-middle-is-torn", data[: start + 40], "torn", 4, start)
    yield file_vector("a-cut-line-and-zeros-are-torn", data[: start + 40] + bytes(64), "torn", 4, start)
    hole = data[:start] + bytes(len(lines[8]) + 1) + joined(lines[9:])
    yield file_vector("zeros-before-the-very-last-checkpoint-are-torn", hole, "torn", 4, start)
    yield file_vector("a-header-without-its-checkpoint-attests-nothing", joined(lines[:1]), "torn", 0, 0)
    yield file_vector("a-cut-header-attests-nothing", lines[0][:20], "torn", 0, 0)
    stranger = Device(bytes(32))
    foreign = joined([*stranger.begin(), *stranger.three_flushes()])
    yield file_vector("a-file-signed-by-another-key-with-the-same-name-attests-nothing", foreign, "torn", 0, 0)


def damaged_files() -> Iterator[Vector]:
    device = Device()
    lines = [*device.begin(), *device.three_flushes()]
    at = [len(joined(lines[:count])) for count in range(len(lines) + 1)]

    def damaged(name: str, changed: Sequence[bytes], size: int, says: str, *damage: int) -> Vector:
        return file_vector(name, joined(changed), "damaged", size, damage=damage, says=says)

    changed = [*lines[:2], lines[2].replace(b"boot-1", b"boot-9"), *lines[3:]]
    yield damaged("a-changed-entry-is-damage-of-its-flush", changed, 0, "not the one that was signed", at[2], at[9])
    yield damaged("a-dropped-entry-is-damage", [*lines[:2], *lines[3:]], 0, "dropped", at[2], at[9] - at[3] + at[2])
    yield damaged("an-added-empty-line-is-damage", [*lines[:5], b"", *lines[5:]], 6, "empty line", at[5])
    yield damaged("a-header-in-the-middle-is-damage", [*lines[:5], lines[0], *lines[5:]], 6, "A header", at[5])
    yield damaged("a-checkpoint-put-twice-is-damage", [*lines[:5], lines[4], *lines[5:]], 6, "was put after", at[5])
    foreign_device = Device(origin=NAME + "/2")
    foreign = [*foreign_device.begin(), *foreign_device.three_flushes()]
    swapped = [*lines[:4], foreign[4], *lines[5:]]
    yield damaged("a-checkpoint-of-another-generation-is-damage", swapped, 6, "belongs to liuhen/bwc-1/2", at[4])
    fork = Device()
    fork.begin()
    forked = [fork.boot(1), fork.mark(9), fork.checkpoint()][2]
    both = [*lines[:5], forked, *lines[5:]]
    yield damaged("two-signed-roots-of-one-size-are-a-fork", both, 6, "forked", at[5])
    unbound = [lines[0], Device().checkpoint(), *lines[2:]]
    yield damaged(
        "a-checkpoint-that-does-not-sign-the-header-is-damage",
        unbound,
        0,
        "The header is not",
        at[0] + len(lines[0]) + 1,
    )
    yield streams_forked()
    yield garbled_header(lines)


def streams_forked() -> Vector:
    device = Device()
    lines = [*device.begin(), device.mark(1), device.mark(2), device.checkpoint()]
    device.heads["s000001"] = [1, b64(leaf_of(lines[2]))]
    offset = len(joined(lines))
    lines += [device.mark(3), device.checkpoint()]
    name = "a-stream-that-forks-is-damage-though-all-is-signed"
    return file_vector(name, joined(lines), "damaged", 3, damage=[offset], says="forks")


def garbled_header(lines: Sequence[bytes]) -> Vector:
    data = b"#" + joined(lines)[1:]
    return file_vector(
        "a-garbled-header-is-damage", data, "damaged", 0, damage=[0], says="does not begin with its header"
    )


def line_vectors() -> Iterator[Vector]:
    good = Device().mark(1, label='入户 "前" \\ \t')

    def entry(name: str, line: bytes, says: str) -> Vector:
        return Vector(name, line, "malformed", [("what", "entry"), ("says", says)])

    yield Vector("an-entry", good, "success", [("what", "entry"), ("leaf", leaf_of(good).hex())])
    yield entry("an-entry-with-white-space-is-malformed", good.replace(b":1,", b": 1,", 1), "one spelling")
    yield entry(
        "an-entry-with-a-key-twice-is-malformed", good.replace(b'"boot"', b'"boot":1,"boot"', 1), "one spelling"
    )
    unsorted = b'{"type":"mark",' + good[1:].replace(b',"type":"mark"', b"")
    yield entry("an-entry-with-unsorted-keys-is-malformed", unsorted, "one spelling")
    yield entry("an-entry-with-a-float-is-malformed", good.replace(b'"boot":1', b'"boot":1.0'), "$.boot")
    great = good.replace(b'"at_us":1', b'"at_us":9007199254740992')
    yield entry("an-entry-with-an-integer-of-2-to-the-53-is-malformed", great, "2^53")
    yield entry("an-entry-of-an-unknown-type-is-malformed", good.replace(b'"mark"', b'"erase"'), "erase")
    yield entry("an-entry-with-an-unknown-field-is-malformed", good.replace(b'"boot":', b'"book":1,"boot":'), "book")
    yield entry("an-entry-that-is-not-utf-8-is-malformed", good.replace(b'"label":"', b'"label":"\xff'), "UTF-8")
    yield entry(
        "an-entry-with-a-needless-escape-is-malformed", good.replace(b'"label":"', b'"label":"\\u0041'), "spelling"
    )
    yield entry("an-entry-without-salt-is-malformed", good.replace(b64((1).to_bytes(16, "big")).encode(), b""), "salt")
    deep = good.replace(b'"at_us":1', b'"at_us":' + b"[" * 2_000 + b"]" * 2_000)
    yield entry("an-entry-nested-2000-deep-is-malformed", deep, "")
    device = Device()
    device.three_flushes()
    header = device.begin()[0]
    yield Vector("a-header", header, "success", [("what", "header")])
    more = header.replace(b'"s000002":[1', b'"s000002":[2')
    headers: list[tuple[str, object]] = [("what", "header"), ("says", "count 7 entries, its tree 6")]
    yield Vector("a-header-whose-streams-count-more-than-its-tree-is-malformed", more, "malformed", headers)


def all_vectors() -> Iterator[Vector]:
    yield from whole_files()
    yield from torn_files()
    yield from damaged_files()
    yield from line_vectors()


def write(folder: Path) -> None:
    """Writes every vector and removes those that are no longer made."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {f"{vector.name}.txt": vector.encode() for vector in all_vectors()}
    for path in folder.glob("*.txt"):
        if path.name not in made:
            path.unlink()
    for name, data in made.items():
        (folder / name).write_bytes(data)


if __name__ == "__main__":
    write(FOLDER)
