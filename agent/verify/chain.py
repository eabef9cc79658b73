"""The chain: every stream without a gap, every session announced, one key, one origin.

Rules kept here (R16d): entry n+1 of a stream names the leaf of entry n; a stream begins at 0; a session's entry 0 is
what the device stream's ``session.begin`` announced; a ``session.head`` tells how long the session was. An export
holds exactly two streams. The tree itself (roots, signatures) is checked where lines are read.
"""

from collections.abc import Iterable
from itertools import pairwise

from agent.evidence import canonical
from agent.evidence.entries import DEVICE_STREAM, JournalBegin, SessionBegin, SessionHead
from agent.verify.facts import Line, Log, Problem


def link_problems(lines: list[Line], whole: bool) -> list[Problem]:
    """One stream's lines in order; ``whole``: they must begin at entry 0."""
    problems: list[Problem] = []
    if whole and lines and lines[0].entry.n != 0:
        problems.append(lines[0].problem("stream_late", missing=lines[0].entry.n))
    if lines and lines[0].entry.n == 0 and lines[0].entry.prev:
        problems.append(lines[0].problem("stream_broken"))
    for before, line in pairwise(lines):
        if line.entry.n != before.entry.n + 1:
            problems.append(line.problem("stream_gap", before=before.entry.n))
        elif line.entry.prev != canonical.b64(before.leaf):
            problems.append(line.problem("stream_broken"))
    return problems


def announcement_problems(
    device: list[Line], sessions: dict[str, list[Line]], everything: bool, part: bool
) -> list[Problem]:
    """Compare the device stream's ``session.begin`` and ``session.head`` with the sessions that are there.

    ``everything``: each announced session must be there (a spool); otherwise only those given (an export).
    ``part``: the sessions given need not reach as far as they were (an excerpt).
    """
    problems: list[Problem] = []
    announced: set[str] = set()
    for line in device:
        entry = line.entry
        if isinstance(entry, SessionBegin):
            announced.add(entry.session)
        if not isinstance(entry, SessionBegin | SessionHead):
            continue
        if entry.session in sessions:
            place = 0 if isinstance(entry, SessionBegin) else entry.count - 1
            problems += _place_problems(line, sessions[entry.session], place, entry.leaf, part)
        elif everything:
            problems.append(line.problem("session_missing", session=entry.session))
    for session, lines in sessions.items():
        if session not in announced:
            problems.append(lines[0].problem("session_unannounced", session=session))
    return problems


def _place_problems(told: Line, lines: list[Line], place: int, leaf: str, part: bool) -> Iterable[Problem]:
    """The session's entry ``place`` must have this leaf; one that a stream's part does not reach is left alone."""
    last = lines[-1].entry.n
    if place > last:
        if part:
            return []
        return [told.problem("session_short", session=lines[0].entry.stream, have=last + 1, told=place + 1)]
    for line in lines if place == 0 else reversed(lines):
        if line.entry.n == place:
            return [] if canonical.b64(line.leaf) == leaf else [line.problem("session_head_differs", told=told.name)]
    return []


def begin_problems(log: Log) -> list[Problem]:
    """The first entry of a generation names its key, device and generation."""
    device = log.streams()[DEVICE_STREAM]
    if not device or log.first:
        return []
    line, entry = device[0], device[0].entry
    if not isinstance(entry, JournalBegin):
        return [line.problem("journal_begin")]
    problems = []
    if log.key and entry.vkey != log.key.line():
        problems.append(line.problem("begin_key_differs"))
    if log.origin != f"liuhen/{entry.device}/{entry.generation}":
        problems.append(line.problem("origin_differs", origin=log.origin))
    return problems
