"""What a spool holds, read back by the formats alone: entries in order, opened media, the verdict.

``Reading`` is made of a folder, or of the files that a simulated disk gives. It shares no line with the recorder, so a
test says in the journal's own words what must stand there.
"""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from agent.evidence import age, mp4
from agent.evidence import entries as e
from agent.evidence.journal import join, read_file
from agent.evidence.note import Signer
from agent.verify import Options, verify

SIGNER = Signer("liuhen/D1", bytes(range(32)))
IDENTITY = age.Identity(bytes(range(1, 33)))
"""The keys of ``tests.support.rig.Rig``."""
_E = TypeVar("_E", bound=e.Entry)


@dataclass(frozen=True, slots=True)
class Media:
    """One segment, opened."""

    name: str
    opened: e.SegmentOpen
    plain: bytes
    view: mp4.SegmentView
    complete: bool

    def samples(self, track: int = mp4.VIDEO_TRACK) -> list[tuple[int, int, bytes]]:
        """(tick, duration, bytes) of each sample of a track."""
        runs = [run for fragment in self.view.fragments for run in fragment.runs if run.track_id == track]
        return [sample for run in runs for sample in self._of_run(run)]

    def _of_run(self, run: mp4.RunView) -> Iterator[tuple[int, int, bytes]]:
        tick, offset = run.tick, run.data_offset
        for sample in run.samples:
            yield tick, sample.duration, self.plain[offset : offset + sample.size]
            tick, offset = tick + sample.duration, offset + sample.size

    def frames(self) -> list[int]:
        """Numbers of the made-up pictures (``tests.support.streams``)."""
        return [int.from_bytes(data[5:13], "big") for _, _, data in self.samples()]


class Reading:
    """A spool's newest generation, and all media that its journal names."""

    def __init__(self, files: Mapping[str, bytes] | Path) -> None:
        self.files = dict(files) if isinstance(files, Mapping) else _read_all(files)
        generation = max(name.split("/")[1] for name in self.files if name.startswith("journal/"))
        self.journal_names = sorted(
            name for name in self.files if name.startswith(f"journal/{generation}/") and name.endswith(".log")
        )
        self.joined = join([read_file(self.files[name], SIGNER.vkey) for name in self.journal_names])
        self.entries: list[e.Entry] = [placed.entry for placed in self.joined.entries]

    def of(self, kind: type[_E], stream: str = "") -> list[_E]:
        """All entries of a kind."""
        return [one for one in self.entries if isinstance(one, kind) and stream in ("", one.stream)]

    def one(self, kind: type[_E]) -> _E:
        """The only entry of a kind."""
        (found,) = self.of(kind)
        return found

    def index(self, entry: e.Entry) -> int:
        """Where an entry stands."""
        return next(i for i, one in enumerate(self.entries) if one is entry)

    def media(self) -> list[Media]:
        """Every segment, in the order of the journal."""
        return [_open(opened, self.files[f"segments/{opened.file}"]) for opened in self.of(e.SegmentOpen)]

    def frames(self) -> list[int]:
        """Numbers of all pictures, in order."""
        return [number for media in self.media() for number in media.frames()]

    def readable(self, text: str) -> list[str]:
        """Files in any byte of which a text stands."""
        return [name for name, data in self.files.items() if text.encode() in data or text in name]


def _open(opened: e.SegmentOpen, sealed: bytes) -> Media:
    found = age.read(io.BytesIO(sealed), [IDENTITY])
    return Media(opened.file, opened, found.plaintext, mp4.parse_segment(found.plaintext), found.complete)


def _read_all(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def write_out(files: Mapping[str, bytes], root: Path) -> Path:
    """A simulated disk's files as a real folder, for those who read folders."""
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def verdict(root: Path) -> dict[str, Any]:
    """What ``liuhen verify --key --identity`` says."""
    return verify(root, Options(key=SIGNER.vkey, identities=(IDENTITY,))).json


def faultless(root: Path) -> dict[str, Any]:
    """The verdict, which must have nothing but owed reasons against the spool."""
    found = verdict(root)
    assert (found["bytes_intact"]["answer"], found["nothing_missing"]["answer"]) == ("yes", "yes"), found["problems"]
    assert {problem["kind"] for problem in found["problems"]} <= {"explanation_owed"}, found["problems"]
    return found
