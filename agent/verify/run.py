"""Verifies a folder from beginning to end: read, chain, sessions, files, anchors, verdict.

Offline and read-only. The steps are pure but for reading files, and each gives problems; none stops the others, so
that one damaged place does not hide the next. Media files are read by a few threads, since hashing lets others run.
"""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from agent.evidence import age
from agent.evidence.entries import DEVICE_STREAM, Clock, DeviceCarry, SessionBegin, Start
from agent.evidence.note import VerifierKey
from agent.verify import accounting, anchors, chain, exported, media, reasons, spool
from agent.verify.accounting import Account
from agent.verify.axis import FOREVER_US, Axis, Range
from agent.verify.facts import Evidence, Line, Log, Problem, Segment
from agent.verify.files import NotPlain, open_plain
from agent.verify.moments import Clocks, Wanted
from agent.verify.session import Session, read_session
from agent.verify.verdict import Found, Verdict, judge
from agent.verify.words import Language

Progress = Callable[[str, int, int], None]
"""Called with a file's name, bytes done and bytes in all."""

_SEGMENT_NAME = re.compile(r"[^/]*_[0-9]{14}_[0-9]+(?:_IMP)?\.mp4\.age")
REVERSED = "The time that you asked for ends before it begins; --to must be later than --from."
_WORKERS = min(4, os.cpu_count() or 1)


class Unusable(Exception):
    """There is nothing here that could be verified."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the user brings, and which part is asked for."""

    key: VerifierKey | None = None
    mirror_keys: tuple[VerifierKey, ...] = ()
    checkpoint: bytes | None = None
    identities: tuple[age.Identity, ...] = ()
    start: Wanted | None = None
    end: Wanted | None = None
    language: Language = "en"


def read_evidence(path: Path, key: VerifierKey | None, sizes: frozenset[int] = frozenset()) -> Evidence:
    """Read a spool or an export; raises ``Unusable`` where there is neither."""
    if spool.is_spool(path):
        return spool.read_spool(path, key, sizes)
    if exported.is_export(path):
        return exported.read_export(path, key)
    raise Unusable(f"{path} holds neither a spool (journal/, segments/) nor an export; name the folder of one")


def verify(path: Path, options: Options, progress: Progress | None = None) -> Verdict:
    """The verdict on a folder. Raises ``Unusable``, and EvidenceError for a brought checkpoint that is none."""
    if _ends_first(options.start, options.end):
        raise Unusable(REVERSED)
    evidence = read_evidence(path, options.key, anchors.wanted_sizes(options.checkpoint))
    found = Found(evidence, anchors.find_anchors(evidence, options.checkpoint, options.mirror_keys))
    found.vouched = options.key is not None
    found.asked_part = options.start is not None or options.end is not None
    found.problems += [*evidence.problems, *anchors.key_problems(evidence, options.key), *found.anchors.problems]
    found.problems += _chain_problems(evidence)
    known: list[Session] = []
    for log in evidence.logs:
        found.clocks = device_clocks(log)
        for session in log_sessions(evidence, log):
            known.append(session)
            _add_session(found, session, _required_tracks(log), options)
    if found.asked_part and not found.accounts:
        found.problems.append(_nothing_asked(found, options))
    found.problems += _name_problems(found, known)
    _check_media(found, options, progress)
    return judge(found, options.language)


# --- the chain ---------------------------------------------------------------------------------------


def _chain_problems(evidence: Evidence) -> list[Problem]:
    problems: list[Problem] = []
    for log in evidence.logs:
        streams = log.streams()
        device = streams.pop(DEVICE_STREAM)
        problems += chain.begin_problems(log) if device else []
        problems += chain.link_problems(device, whole=not log.first)
        for lines in streams.values():
            run = _run(lines, evidence)
            problems += chain.link_problems(run, whole=not log.first and evidence.excerpt is None)
        everything = evidence.kind == "spool" and not log.first
        part = evidence.excerpt is not None
        problems += chain.announcement_problems(device, streams, everything, part)
    return problems + spool.generation_problems(evidence.logs)


def _run(lines: list[Line], evidence: Evidence) -> list[Line]:
    """An excerpt's lines without its first one, ``session.open``, where the stream skips after that."""
    skips = evidence.excerpt is not None and len(lines) > 1 and lines[0].entry.n == 0 and lines[1].entry.n > 1
    return lines[1:] if skips else lines


# --- sessions ----------------------------------------------------------------------------------------


def sessions(evidence: Evidence) -> list[Session]:
    """Every session, over all generations, in the order in which they began."""
    return [session for log in evidence.logs for session in log_sessions(evidence, log)]


def log_sessions(evidence: Evidence, log: Log) -> list[Session]:
    """The sessions of one generation; boots are counted anew in each, and no session goes on into the next."""
    whole = evidence.excerpt is None and not log.first
    streams = log.streams().items()
    found = [read_session(stream, lines, whole) for stream, lines in streams if stream != DEVICE_STREAM]
    reasons.check(found, evidence.files, whole, everything=evidence.kind == "spool" and not log.first)
    return found


def device_clocks(log: Log) -> Clocks:
    return Clocks((line.entry.boot, line.entry) for line in log.lines if isinstance(line.entry, Clock))


def _required_tracks(log: Log) -> list[str]:
    """What the device's newest start required, for a session whose opening is not there."""
    starts = [line.entry for line in log.lines if isinstance(line.entry, Start)]
    return list(starts[-1].required_tracks) if starts else ["video", "sound"]


def _add_session(found: Found, session: Session, required: list[str], options: Options) -> None:
    tracks: list[str] = [*session.open.required_tracks] if session.open else required
    wanted, problems = _wanted_range(found, session, options)
    if _is_reversed(session, found.clocks, options):
        return
    account = accounting.account(session, tracks, wanted, found.evidence.excerpt is not None)
    found.problems += problems
    if wanted is not None and found.evidence.excerpt is None and not wanted.overlaps(account.whole):
        return
    found.accounts.append((account, found.clocks))
    found.problems += session.problems + account.problems
    found.problems += [
        known.begun.problem(
            "explanation_not_here" if found.evidence.excerpt and not known.explained else "explanation_owed",
            number=known.begin.interruption,
            cause=known.begin.cause,
        )
        for known in account.interruptions
        if not known.holds
    ]


def _wanted_range(found: Found, session: Session, options: Options) -> tuple[Range | None, list[Problem]]:
    """The part of a session that is asked for: the user's, within what an excerpt claims to hold."""
    excerpt = found.evidence.excerpt
    held = Range(excerpt.from_us, excerpt.to_us) if excerpt else None
    if options.start is None and options.end is None:
        return held, []
    axis = Axis(session)
    start = presentation(options.start, axis, found.clocks, held.start_us if held else 0)
    end = presentation(options.end, axis, found.clocks, held.end_us if held else FOREVER_US)
    if start is None or end is None:
        return held, [session.lines[0].problem("range_unknown")]
    if held and (start < held.start_us or end > held.end_us):
        outside = session.lines[0].problem("range_outside")
        return Range(max(start, held.start_us), min(end, held.end_us)), [outside]
    return Range(start, end), []


def _ends_first(start: Wanted | None, end: Wanted | None) -> bool:
    """Whether a range ends before it begins, as far as its two moments can be compared without a session."""
    if start is None or end is None:
        return False
    if start.utc_us is not None and end.utc_us is not None:
        return end.utc_us <= start.utc_us
    if start.since_start_us is not None and end.since_start_us is not None:
        return end.since_start_us <= start.since_start_us
    return False


def _is_reversed(session: Session, clocks: Clocks, options: Options) -> bool:
    """Whether a range of one moment in UTC and one from the start ends before it begins in this session."""
    if options.start is None or options.end is None or _same_kind(options.start, options.end):
        return False
    axis = Axis(session)
    start, end = (presentation(wanted, axis, clocks, 0) for wanted in (options.start, options.end))
    return start is not None and end is not None and end <= start


def _same_kind(one: Wanted, other: Wanted) -> bool:
    return (one.utc_us is None) == (other.utc_us is None)


def _nothing_asked(found: Found, options: Options) -> Problem:
    """No session meets the range: it lies elsewhere, or (``Unusable``) it is none."""
    for log in found.evidence.logs:
        clocks = device_clocks(log)
        if any(_is_reversed(session, clocks, options) for session in log_sessions(found.evidence, log)):
            raise Unusable(REVERSED)
    return Problem("range_outside")


def presentation(wanted: Wanted | None, axis: Axis, clocks: Clocks, otherwise: int) -> int | None:
    """A wanted moment on a session's line of time; None where no clock ties it."""
    if wanted is None:
        return otherwise
    if wanted.since_start_us is not None:
        return wanted.since_start_us
    return axis.of_utc(clocks, wanted.utc_us or 0)


# --- media files -------------------------------------------------------------------------------------


def _check_media(found: Found, options: Options, progress: Progress | None) -> None:
    evidence = found.evidence
    plan = [
        segment for account, _ in found.accounts for segment in account.session.segments if _asked(account, segment)
    ]
    there = [s for s in plan if s.open.file in evidence.files]
    found.problems += [s.opened.problem("file_missing", s.path, why="") for s in plan if s not in there]
    found.segments, found.fragments = len(there), sum(len(segment.fragments) for segment in there)
    done, total = 0, sum(evidence.files[segment.open.file] for segment in there) * (2 if options.identities else 1)
    with ThreadPoolExecutor(_WORKERS) as pool:
        for segment, results in zip(there, pool.map(_Job(evidence, options.identities), there), strict=True):
            for result in results:
                done += evidence.files[segment.open.file]
                found.problems += result.problems
                found.sealed_bytes += result.sealed_bytes
                found.unattested_bytes += result.unattested_bytes
                found.opened_files += result.opened
            _compare_sum(found, segment, results[0].sha256)
            if progress:
                progress(segment.open.file, done, total)


def _asked(account: Account, segment: Segment) -> bool:
    """Whether a segment's file belongs to what is asked for: all, or those that meet the range."""
    if account.asked_whole:
        return True
    held = accounting.segment_range(account, segment)
    return held is not None and held.overlaps(account.range)


@dataclass(frozen=True, slots=True)
class _Job:
    evidence: Evidence
    identities: Sequence[age.Identity]

    def __call__(self, segment: Segment) -> list[media.MediaResult]:
        """Everything about one file; whatever the file does, the result is problems."""
        path = self.evidence.root / segment.path
        ordered = media.MediaResult(media.order_problems(segment))
        try:
            with open_plain(path) as stream:
                results = [media.check_sealed(stream, segment)]
            if self.identities and segment.holds_media:
                with open_plain(path) as stream:
                    results.append(media.check_opened(stream, segment, self.identities))
        except (NotPlain, OSError) as error:
            ordered.problems.append(Problem("not_plain", segment.path, segment.opened.name, 0, {"why": str(error)}))
            return [ordered]
        results[0].problems[:0] = ordered.problems
        return results


def _compare_sum(found: Found, segment: Segment, sha256: str) -> None:
    told = found.evidence.sums.get(segment.path)
    if told is not None and told != sha256:
        found.problems.append(Problem("sum_differs", segment.path, offset=0))


def _name_problems(found: Found, known: list[Session]) -> Iterable[Problem]:
    """Files that no entry names, and files that two name."""
    names = Counter(segment.open.file for session in known for segment in session.segments)
    for name in sorted(name for name, count in names.items() if count > 1):
        yield Problem("file_shared", f"segments/{name}")
    unnamed = sorted(found.evidence.files.keys() - names.keys())
    for name in unnamed:
        if len(unnamed) == 1 and _may_be_new(name, found.evidence, known):
            found.new_files += 1
        else:
            yield Problem("file_unnamed", f"segments/{name}")


def _may_be_new(name: str, evidence: Evidence, known: list[Session]) -> bool:
    """A spool's newest file is created before the entry that names it: one such file is in progress.

    Only in the open session, or as the first of the very next one: an older number belongs to entries that are gone.
    """
    session, _, file = name.partition("/")
    is_open = bool(known) and session == known[-1].id and known[-1].close is None
    is_next = session == f"s{_next_session(evidence):06d}" and "_000000" in file
    return evidence.kind == "spool" and (is_open or is_next) and _SEGMENT_NAME.fullmatch(file) is not None


def _next_session(evidence: Evidence) -> int:
    """The number that the device's next session gets, by the journal."""
    entries = [line.entry for log in evidence.logs for line in log.lines]
    begun = [entry.number + 1 for entry in entries if isinstance(entry, SessionBegin)]
    return max([1, *begun, *(entry.next_session for entry in entries if isinstance(entry, DeviceCarry))])
