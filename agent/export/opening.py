"""Decrypts media and joins whole fragments, so that a player plays what the journal attests and nothing else.

Of an export or a spool: each session's segments in order, cut to the attested plaintext offset, joined under their
init segment; a segment with another init begins another file. What lies behind the attested offset is kept beside as
``*.unattested``. A single ``.mp4.age`` file has no journal: it is cut to its last whole fragment. Everything is
written into a folder of its own in ``out`` and takes its place when all of it is whole; an error leaves nothing.
"""

import errno
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from agent.evidence import age
from agent.evidence.errors import EvidenceError
from agent.verify.facts import Segment
from agent.verify.files import NotPlain, open_plain
from agent.verify.run import read_evidence, sessions

Progress = Callable[[int, int], None]
Missing = Callable[[str], None]
"""Called with the name of a media file that entries name and that is not there."""


class OpeningFailed(EvidenceError):
    """A media file cannot be opened."""


@dataclass(slots=True)
class OpenedFile:
    """One file that was written."""

    path: Path
    plaintext_bytes: int = 0
    segments: int = 0
    attested: bool = True


def open_media(
    path: Path,
    identities: Sequence[age.Identity],
    out: Path,
    progress: Progress | None = None,
    missing: Missing | None = None,
) -> list[OpenedFile]:
    """Open an export, a spool or one ``.mp4.age`` file into the folder ``out``; files there are not written over.

    Raises ``OpeningFailed``, ``Unusable``, the errors of ``age``, OSError.
    """
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="opening.", suffix=".part", dir=out) as building:
        if path.is_file():
            written = _open_single(path, identities, Path(building))
        else:
            written = _open_folder(path, identities, Path(building), progress, missing)
        _settle(written, out)
    return written


def _settle(written: Sequence[OpenedFile], out: Path) -> None:
    """Move what is whole to its place; where one file is in the way, none."""
    for file in written:
        _refuse_existing(out / file.path.name)
    for file in written:
        file.path = file.path.rename(out / file.path.name)


def _refuse_existing(path: Path) -> None:
    if os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))


def _open_folder(
    path: Path, identities: Sequence[age.Identity], out: Path, progress: Progress | None, missing: Missing | None
) -> list[OpenedFile]:
    evidence = read_evidence(path, None)
    every = [(session.id, segment) for session in sessions(evidence) for segment in session.segments]
    held = [(session, segment) for session, segment in every if segment.holds_media]
    todo = [(session, segment) for session, segment in held if segment.open.file in evidence.files]
    for _, segment in held:
        if missing and segment.open.file not in evidence.files:
            missing(segment.path)
    total = sum(evidence.files[segment.open.file] for _, segment in todo)
    written: list[OpenedFile] = []
    done, joined, init = 0, "", ""
    for session, segment in todo:
        if session != joined or segment.open.init_sha256 != init:
            number = 1 + sum(file.path.name.startswith(session) and file.attested for file in written)
            name = f"{session}.mp4" if number == 1 else f"{session}-{number}.mp4"
            _refuse_existing(out.parent / name)
            written.append(OpenedFile(out / name))
        joined, init = session, segment.open.init_sha256
        target = next(file for file in reversed(written) if file.attested)
        written += _join(evidence.root / segment.path, segment, identities, target)
        done += evidence.files[segment.open.file]
        if progress:
            progress(done, total)
    return written


def _join(source: Path, segment: Segment, identities: Sequence[age.Identity], target: OpenedFile) -> list[OpenedFile]:
    """Append a segment's attested media to the target; the rest goes into a file of its own."""
    skip = segment.open.init_length if target.segments else 0
    rest = OpenedFile(target.path.parent / (source.name.removesuffix(".age") + ".unattested"), attested=False)
    with _open(source) as sealed, target.path.open("ab" if target.segments else "xb") as sink:
        at = 0
        for chunk in _chunks(sealed, source, identities):
            wanted = chunk[max(0, skip - at) : max(0, segment.end - at)]
            sink.write(wanted)
            target.plaintext_bytes += len(wanted)
            _keep(rest, chunk[max(0, _end_of(segment) - at) :])
            at += len(chunk)
    target.segments += 1
    if at < segment.end:
        raise OpeningFailed(f"{source} opens up to byte {at} only, {segment.end} are attested; see `liuhen verify`.")
    return [rest] if rest.plaintext_bytes else []


def _end_of(segment: Segment) -> int:
    """Where what nobody attests begins: behind the closing bytes of a file that the recorder closed."""
    return segment.end + (segment.close.final_length if segment.close else 0)


def _keep(rest: OpenedFile, data: bytes) -> None:
    if data:
        with rest.path.open("ab" if rest.plaintext_bytes else "xb") as sink:
            sink.write(data)
        rest.plaintext_bytes += len(data)


def _open(path: Path) -> BinaryIO:
    try:
        return open_plain(path)
    except NotPlain as error:
        raise OpeningFailed(f"{path} cannot be read ({error}); look for another copy.") from error


def _chunks(sealed: BinaryIO, source: Path, identities: Sequence[age.Identity]) -> Iterator[bytes]:
    try:
        yield from age.Reader(sealed, identities).chunks()
    except age.AgeError as error:
        raise OpeningFailed(f"{source}: {error}") from error


# --- one file, without a journal -----------------------------------------------------------------------


def _open_single(path: Path, identities: Sequence[age.Identity], out: Path) -> list[OpenedFile]:
    """Decrypt one file and cut it to whole fragments; nothing in it is attested without its journal."""
    name = path.name.removesuffix(".age")
    whole = OpenedFile(out / (name if name.endswith(".mp4") else name + ".mp4"), segments=1)
    with _open(path) as sealed, whole.path.open("xb") as sink:
        for chunk in _chunks(sealed, path, identities):
            sink.write(chunk)
    end = _whole_fragments(whole.path)
    rest = OpenedFile(out / (name + ".unattested"), attested=False)
    with whole.path.open("r+b") as stream:
        stream.seek(end)
        while piece := stream.read(1 << 20):
            _keep(rest, piece)
        stream.truncate(end)
    whole.plaintext_bytes, whole.attested = end, False
    return [whole, rest] if rest.plaintext_bytes else [whole]


def _whole_fragments(path: Path) -> int:
    """Offset after the init segment, the last whole ``mdat`` and its padding, of a decrypted file."""
    size, at, end = path.stat().st_size, 0, 0
    with path.open("rb") as stream:
        while at + 8 <= size:
            stream.seek(at)
            head = stream.read(8)
            length, kind = int.from_bytes(head[:4], "big"), head[4:]
            if length < 8 or at + length > size or kind not in (b"ftyp", b"moov", b"emsg", b"moof", b"mdat", b"free"):
                break
            at += length
            if kind in (b"moov", b"mdat", b"free"):
                end = at
    return end
