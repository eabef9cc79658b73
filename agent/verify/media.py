"""Media files against the journal: sealed bytes for everyone, plaintext for who holds an identity.

Sealed: the SHA-256 of the file's first bytes at each fragment's chunk boundary, and of the whole file at its close;
the first boundary that differs says where. Opened: init and fragment hashes tile the plaintext from 0 to its
attested end, decoded timestamps, durations and counts are the entries', padding is zeros, a segment begins with a
key frame unless a write error came before it. A file is read in pieces, once for each of the two.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import BinaryIO

from agent.evidence import age, canonical, mp4
from agent.evidence.entries import Fragment, TrackSpan
from agent.evidence.errors import EvidenceError
from agent.verify.facts import Line, Problem, Segment

PIECE_BYTES = 1 << 20
MAX_FRAGMENT_BYTES = 256 << 20
"""A fragment entry is seconds of media; one that claims more is not buffered."""
TRACK_IDS = {mp4.VIDEO_TRACK: "video", mp4.SOUND_TRACK: "sound"}


@dataclass(slots=True)
class MediaResult:
    """What was found in one file."""

    problems: list[Problem] = field(default_factory=list)
    sealed_bytes: int = 0
    unattested_bytes: int = 0
    sha256: str = ""
    """Of the whole file, hexadecimal."""
    opened: bool = False


@dataclass(frozen=True, slots=True)
class _Mark:
    """The journal's word on the file's first ``length`` bytes."""

    length: int
    sha256: str
    line: Line


# --- sealed bytes ------------------------------------------------------------------------------------


def order_problems(segment: Segment) -> list[Problem]:
    """Fragment entries count up from 0, and their ends and lengths never go back."""
    problems: list[Problem] = []
    end = sealed = 0
    for number, (line, piece) in enumerate(segment.pieces):
        if piece.index != number:
            problems.append(line.problem("fragment_order", index=piece.index, expected=number))
        if piece.end <= max(end, segment.open.init_length - 1) or piece.sealed < sealed:
            problems.append(line.problem("fragment_order", index=piece.index, expected=number))
        end, sealed = piece.end, piece.sealed
    close = segment.close
    if segment.closed and close and (close.end != segment.end or close.length < sealed):
        problems.append(segment.closed.problem("close_differs", end=close.end, expected=segment.end))
    return problems


def check_sealed(stream: BinaryIO, segment: Segment) -> MediaResult:
    """Compare a file's sealed bytes with every hash that the journal holds of them."""
    result = MediaResult()
    digest = hashlib.sha256()
    good_until = 0
    for mark in _marks(segment):
        result.sealed_bytes += _hash_until(stream, digest, mark.length - result.sealed_bytes)
        if result.sealed_bytes < mark.length:
            result.problems.append(_cut(segment, mark, result.sealed_bytes))
            break
        if mark.sha256 != _b64_digest(digest):
            result.problems.append(_differs(segment, mark, good_until))
            break
        good_until = mark.length
    attested = max((mark.length for mark in _marks(segment)), default=0)
    result.sealed_bytes += _hash_until(stream, digest, None)
    result.sha256 = digest.hexdigest()
    extra = result.sealed_bytes - attested
    if extra > 0 and segment.close and segment.close.by != "error":
        result.problems.append(Problem("file_longer", segment.path, _name(segment), attested, {"extra": extra}))
    elif extra > 0:
        result.unattested_bytes = extra
    return result


def _marks(segment: Segment) -> list[_Mark]:
    marks = [_Mark(piece.sealed, piece.sealed_sha256, line) for line, piece in segment.pieces]
    if segment.closed and segment.close:
        marks.append(_Mark(segment.close.length, segment.close.sha256, segment.closed))
    return sorted(marks, key=lambda mark: mark.length)


def _hash_until(stream: BinaryIO, digest: "hashlib._Hash", wanted: int | None) -> int:
    """Feed up to ``wanted`` bytes (None: to the end); how many there were."""
    taken = 0
    while wanted is None or taken < wanted:
        piece = stream.read(PIECE_BYTES if wanted is None else min(PIECE_BYTES, wanted - taken))
        if not piece:
            break
        digest.update(piece)
        taken += len(piece)
    return taken


def _b64_digest(digest: "hashlib._Hash") -> str:
    return canonical.b64(digest.digest())


def _name(segment: Segment) -> str:
    return (segment.closed or segment.opened).name


def _cut(segment: Segment, mark: _Mark, length: int) -> Problem:
    return Problem("file_cut", segment.path, mark.line.name, length, {"attested": mark.length})


def _differs(segment: Segment, mark: _Mark, good_until: int) -> Problem:
    return Problem("bytes_differ", segment.path, mark.line.name, good_until, {"until": mark.length})


# --- opened bytes ------------------------------------------------------------------------------------


class _Plaintext:
    """The plaintext of a file in order, as large pieces as are asked for."""

    def __init__(self, reader: age.Reader) -> None:
        self.reader = reader
        self._chunks: Iterator[bytes] = reader.chunks()
        self._rest = b""

    def take(self, length: int) -> bytes:
        """That many bytes, fewer where what can be opened ends."""
        pieces, have = [self._rest], len(self._rest)
        while have < length and (chunk := next(self._chunks, b"")):
            pieces.append(chunk)
            have += len(chunk)
        data = b"".join(pieces)
        self._rest = data[length:]
        return data[:length]


def check_opened(stream: BinaryIO, segment: Segment, identities: Sequence[age.Identity]) -> MediaResult:
    """Open a file and compare its plaintext with init, fragments and closing bytes of the journal."""
    result = MediaResult()
    try:
        plaintext = _Plaintext(age.Reader(stream, identities))
    except age.AgeNoIdentity as error:
        result.problems.append(Problem("not_for_identity", segment.path, segment.opened.name, 0, {"why": str(error)}))
        return result
    except EvidenceError as error:
        result.problems.append(Problem("not_openable", segment.path, segment.opened.name, 0, {"why": str(error)}))
        return result
    result.opened = True
    result.problems += _plaintext_problems(plaintext, segment)
    return result


def _plaintext_problems(plaintext: _Plaintext, segment: Segment) -> list[Problem]:
    at = segment.open.init_length
    init = plaintext.take(at if 0 <= at <= MAX_FRAGMENT_BYTES else 0)
    if _sha(init) != segment.open.init_sha256:
        return [Problem("init_differs", segment.path, segment.opened.name, 0)]
    try:
        _, tracks = mp4.parse_init(init)
    except EvidenceError as error:
        return [Problem("media_malformed", segment.path, segment.opened.name, 0, {"why": str(error)})]
    problems: list[Problem] = []
    for line, piece in segment.pieces:
        data = plaintext.take(piece.end - at if 0 < piece.end - at <= MAX_FRAGMENT_BYTES else 0)
        found = _piece_problems(data, segment, line, piece, at, tracks)
        if found and found[0].kind in ("plaintext_cut", "fragment_differs"):
            return problems + found
        problems += found
        at = piece.end
    return problems + _final_problems(plaintext, segment)


def _piece_problems(
    data: bytes, segment: Segment, line: Line, piece: Fragment, at: int, tracks: dict[int, mp4.TrackView]
) -> list[Problem]:
    if len(data) < piece.end - at:
        return [Problem("plaintext_cut", segment.path, line.name, at + len(data), {"attested": piece.end})]
    if _sha(data) != piece.sha256:
        return [Problem("fragment_differs", segment.path, line.name, at, {"until": piece.end})]
    try:
        views, end, cut = mp4.parse_fragments(data, tracks)
    except EvidenceError as error:
        return [Problem("media_malformed", segment.path, line.name, at, {"why": str(error)})]
    if cut or end != len(data):
        return [Problem("media_malformed", segment.path, line.name, at + end, {"why": cut})]
    runs = [run for view in views for run in view.runs]
    problems = [
        Problem("media_time", segment.path, line.name, at, {"track": track, "why": why})
        for track, why in _time_differences(runs, piece.tracks)
    ]
    if piece.index == 0 and segment.open.cause != "after_error" and not _starts_with_key(views[0].runs):
        problems.append(Problem("no_key_frame", segment.path, line.name, at))
    return problems


def _time_differences(runs: list[mp4.RunView], spans: list[TrackSpan]) -> Iterator[tuple[str, str]]:
    """Where decoded timestamps, durations or counts are not the entry's: track and what."""
    told = {span.track: span for span in spans}
    found: dict[str, list[mp4.RunView]] = {}
    for run in runs:
        found.setdefault(TRACK_IDS.get(run.track_id, str(run.track_id)), []).append(run)
    for track in sorted(told.keys() ^ found.keys()):
        yield track, "track"
    for track in sorted(told.keys() & found.keys()):
        span, track_runs = told[track], found[track]
        if track_runs[0].tick != span.tick:
            yield track, f"tfdt {track_runs[0].tick}, {span.tick}"
        if any(run.end_tick != following.tick for run, following in pairwise(track_runs)):
            yield track, "run"
        if track_runs[-1].end_tick != span.end_tick:
            yield track, f"end {track_runs[-1].end_tick}, {span.end_tick}"
        count = sum(len(run.samples) for run in track_runs)
        if count != span.count:
            yield track, f"count {count}, {span.count}"


def _starts_with_key(runs: list[mp4.RunView]) -> bool:
    # A segment that begins while the camera is down begins with sound alone.
    video = next((run for run in runs if run.track_id == mp4.VIDEO_TRACK), None)
    return video is None or video.samples[0].key


def _final_problems(plaintext: _Plaintext, segment: Segment) -> list[Problem]:
    """The bytes behind the last fragment of a file that the recorder closed: a free box, zeros, then the end."""
    close = segment.close
    if segment.closed is None or close is None or close.by != "recorder":
        return []
    final = plaintext.take(close.final_length if 0 <= close.final_length <= MAX_FRAGMENT_BYTES else 0)
    place = (segment.path, segment.closed.name, segment.end)
    if len(final) != close.final_length or (final and _sha(final) != close.final_sha256):
        return [Problem("final_differs", *place)]
    if final and (final[:8] != len(final).to_bytes(4, "big") + b"free" or any(final[8:])):
        return [Problem("padding_filled", *place)]
    if plaintext.take(1) or not plaintext.reader.complete:
        return [Problem("final_differs", *place)]
    return []


def _sha(data: bytes) -> str:
    return canonical.b64(hashlib.sha256(data).digest())
