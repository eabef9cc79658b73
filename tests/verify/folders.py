"""A folder to tamper with: a spool, an export or an excerpt behind one interface, and the world that it came from.

Whoever tampers has no key, but repairs SHA256SUMS afterwards, so that what finds the change is hashes and signatures.
"""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.export import export_session
from agent.verify import Options, verify
from agent.verify.moments import Wanted
from tests.verify.spools import SECOND, Device, small_spool

SESSION = "s000002"
FLUSH_S = 20
EXCERPT = (Wanted(since_start_us=30 * SECOND), Wanted(since_start_us=150 * SECOND))
KINDS = ("spool", "export", "excerpt")

Match = Callable[[dict[str, Any]], bool]


@dataclass(frozen=True)
class Spot:
    """A line of text in a folder."""

    file: str
    number: int
    offset: int
    value: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.value['stream']}#{self.value['n']}"


class Folder:
    """One spool, export or excerpt that may be changed."""

    def __init__(self, kind: str, root: Path) -> None:
        self.kind, self.root = kind, root

    @property
    def is_spool(self) -> bool:
        return self.kind == "spool"

    # --- media

    def media(self, number: int = 1) -> str:
        """A media file of the session by its position in the folder."""
        return sorted(p.relative_to(self.root).as_posix() for p in self.root.glob(f"segments/{SESSION}/*"))[number]

    def edit(self, name: str, change: Callable[[bytes], bytes]) -> None:
        path = self.root / name
        path.write_bytes(change(path.read_bytes()))

    # --- lines

    def files(self) -> list[str]:
        pattern = "journal/*/*.log" if self.is_spool else "*.jsonl"
        return sorted(path.relative_to(self.root).as_posix() for path in self.root.glob(pattern))

    def lines(self, file: str) -> list[bytes]:
        return (self.root / file).read_bytes().splitlines()

    def put(self, file: str, lines: list[bytes]) -> None:
        (self.root / file).write_bytes(b"".join(line + b"\n" for line in lines))

    def find(self, match: Match, nth: int = 0) -> Spot:
        """The nth entry that matches."""
        for file in self.files():
            offset = 0
            for number, line in enumerate(self.lines(file)):
                value = json.loads(line)
                if isinstance(value, dict) and match(value):
                    if nth == 0:
                        return Spot(file, number, offset, value)
                    nth -= 1
                offset += len(line) + 1
        raise LookupError("no such entry")

    def entry(self, kind: str, nth: int = 0) -> Spot:
        """The nth entry of a type in the session's or the device's stream."""
        return self.find(lambda value: value["type"] == kind and value["stream"] in (SESSION, "device"), nth)

    def change(self, spot: Spot, change: Callable[[bytes], bytes]) -> Spot:
        lines = self.lines(spot.file)
        lines[spot.number] = change(lines[spot.number])
        self.put(spot.file, lines)
        return spot

    def checkpoint_file(self) -> str:
        return self.files()[-1] if self.is_spool else "checkpoint"

    def edit_checkpoint(self, change: Callable[[bytes], bytes], nth: int = -1) -> None:
        """Change a checkpoint line of the newest journal file, or the export's checkpoint."""
        if not self.is_spool:
            return self.edit("checkpoint", change)
        file = self.files()[-1]
        lines = self.lines(file)
        number = [number for number, line in enumerate(lines) if line.startswith(b'"')][nth]
        lines[number] = json.dumps(change(json.loads(lines[number]).encode()).decode(), ensure_ascii=False).encode()
        return self.put(file, lines)

    def repair_sums(self) -> None:
        """Make SHA256SUMS fit again, as a careful forger would."""
        if self.is_spool:
            return
        sums = []
        for path in sorted(self.root.rglob("*")):
            if path.is_file() and not path.is_symlink() and path.name != "SHA256SUMS":
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                sums.append(f"{digest}  {path.relative_to(self.root).as_posix()}\n")
        (self.root / "SHA256SUMS").write_text("".join(sums))


class World:
    """A device, its spool, an export and an excerpt of it; another device; the device's own past."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.device = small_spool(root / "spool", flush_s=FLUSH_S)
        self.other = small_spool(root / "other", seed=2, name="cam-2", flush_s=FLUSH_S)
        self.brought = self.device.cosigned()
        export_all(root / "spool", root)
        export_all(root / "other", root / "others")
        self.options = options(self.device, self.brought)

    def copy(self, kind: str, to: Path) -> Folder:
        shutil.copytree(self.root / kind, to)
        return Folder(kind, to)

    def verdict(self, folder: Folder) -> dict[str, Any]:
        return verify(folder.root, self.options).json


def export_all(spool: Path, to: Path) -> None:
    export_session(spool, SESSION, to / "export")
    export_session(spool, SESSION, to / "excerpt", *EXCERPT)


def options(device: Device, brought: bytes | None = None) -> Options:
    return Options(
        key=device.signer.vkey,
        mirror_keys=(device.mirror.vkey,),
        checkpoint=brought,
        identities=(device.identity,),
    )
