"""Writes an export: one session of a spool as a folder that proves itself.

Taken over byte for byte: media files, entry lines, the last checkpoint, the device's key. Added: one inclusion proof
for the last entry of each of the two streams, SHA256SUMS, a README. The folder is built beside its place and renamed
when it is whole; a folder that is there already is never written into.
"""

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from agent.evidence import canonical, proof, tree
from agent.evidence.entries import DEVICE_STREAM
from agent.evidence.errors import EvidenceError
from agent.export import excerpt, readme
from agent.export.originals import raw_lines, why_unprovable
from agent.verify import facts
from agent.verify.facts import Evidence, Log, Segment
from agent.verify.files import open_plain
from agent.verify.moments import Wanted
from agent.verify.run import device_clocks, log_sessions
from agent.verify.spool import is_spool, read_spool

PIECE_BYTES = 1 << 20
Progress = Callable[[int, int], None]
"""Called with bytes done and bytes in all."""


class ExportError(EvidenceError):
    """An export could not be made."""


class ExportRefused(ExportError):
    """What is asked for cannot be exported as a proof; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class ExportSummary:
    """What was written."""

    folder: Path
    session: str
    entries: int
    files: int
    media_bytes: int


def export_session(
    spool: Path,
    session: str,
    folder: Path,
    start: Wanted | None = None,
    end: Wanted | None = None,
    progress: Progress | None = None,
) -> ExportSummary:
    """Write ``folder`` with one session, or with the part of it between two moments.

    Raises ``ExportRefused``, ``ExcerptImpossible``, OSError.
    """
    if not is_spool(spool):
        raise ExportRefused(f"{spool} is no spool; give the folder that holds journal/ and segments/ with --spool.")
    if folder.exists():
        raise ExportRefused(f"{folder} exists already; choose a new folder, exports are never written over.")
    evidence = read_spool(spool, None)
    log = _log_of(evidence, session)
    part = _part(evidence, log, session, start, end)
    with _built(folder) as building:
        _write_texts(evidence, log, part, building)
        _copy_media(evidence, part.segments, building, progress)
        (building / facts.README).write_text(readme.text(session, log, part), encoding="utf-8")
        _write_sums(building)
    sizes = [(folder / segment.path).stat().st_size for segment in part.segments]
    return ExportSummary(folder, session, len(part.lines), len(sizes), sum(sizes))


@contextmanager
def _built(folder: Path) -> Iterator[Path]:
    """A new folder of our own beside ``folder``, which it becomes when it is whole; removed on any error."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=folder.name + ".", dir=folder.parent) as holder:
        building = Path(holder) / "export"
        building.mkdir()
        yield building
        building.rename(folder)


def _log_of(evidence: Evidence, session: str) -> Log:
    """The log that holds the session, if a proof can be made from it."""
    logs = [log for log in evidence.logs if session != DEVICE_STREAM and session in log.streams()]
    if not logs:
        known = sorted({s for log in evidence.logs for s in log.streams()} - {DEVICE_STREAM})
        damaged = "; the journal has problems, see `liuhen verify`" if evidence.problems else ""
        raise ExportRefused(f"There is no session {session}; there are: {', '.join(known) or 'none'}{damaged}.")
    if len(logs) > 1:
        raise ExportRefused(f"{session} lies in {len(logs)} generations of the journal; hand over the whole spool.")
    log = logs[0]
    if why := why_unprovable(log):
        raise ExportRefused(why)
    return log


def _part(evidence: Evidence, log: Log, name: str, start: Wanted | None, end: Wanted | None) -> excerpt.Part:
    session = next(session for session in log_sessions(evidence, log) if session.id == name)
    if start is None and end is None:
        return excerpt.whole(session)
    return excerpt.between(session, device_clocks(log), start, end)


# --- texts -------------------------------------------------------------------------------------------


def _write_texts(evidence: Evidence, log: Log, part: excerpt.Part, folder: Path) -> None:
    assert log.key is not None
    device = log.streams()[DEVICE_STREAM]
    levels = tree.Levels([line.leaf for line in log.lines])
    for lines, name, proof_name in (
        (part.lines, facts.SESSION_LINES, facts.SESSION_PROOF),
        (device, facts.DEVICE_LINES, facts.DEVICE_PROOF),
    ):
        (folder / name).write_bytes(b"".join(raw + b"\n" for raw in raw_lines(evidence.root, lines)))
        index = lines[-1].index or 0
        path = tree.inclusion_proof_from(levels.read_hash, index, log.size)
        (folder / proof_name).write_bytes(proof.encode_proof(index, path, log.note))
    (folder / facts.CHECKPOINT).write_bytes(log.note)
    (folder / facts.DEVICE_KEY).write_text(log.key.line() + "\n")
    if part.excerpt:
        (folder / facts.EXCERPT).write_bytes(canonical.encode(asdict(part.excerpt)) + b"\n")


def _write_sums(folder: Path) -> None:
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    sums = []
    for name in names:
        with (folder / name).open("rb") as stream:
            sums.append(f"{hashlib.file_digest(stream, 'sha256').hexdigest()}  {name}\n")
    (folder / facts.SUMS).write_text("".join(sums), encoding="utf-8")


# --- media -------------------------------------------------------------------------------------------


def _copy_media(evidence: Evidence, segments: list[Segment], folder: Path, progress: Progress | None) -> None:
    """Closed files byte for byte; of one that is still being written, what the journal attests."""
    total = sum(evidence.files.get(segment.open.file, 0) for segment in segments)
    done = 0
    for segment in segments:
        if segment.open.file not in evidence.files:
            raise ExportRefused(f"The media file {segment.path} is not there; `liuhen verify` lists what is missing.")
        target = folder / segment.path
        target.parent.mkdir(parents=True, exist_ok=True)
        limit = None if segment.closed else _attested_bytes(segment)
        with open_plain(evidence.root / segment.path) as source, target.open("wb") as sink:
            while piece := source.read(PIECE_BYTES if limit is None else min(PIECE_BYTES, limit - sink.tell())):
                sink.write(piece)
                done += len(piece)
                if progress:
                    progress(done, total)


def _attested_bytes(segment: Segment) -> int:
    pieces = segment.pieces
    return pieces[-1][1].sealed if pieces else 0
