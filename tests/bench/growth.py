"""Append and start at 10,000,000 entries against 10,000: CPU, over a disk whose syncs cost nothing.

The large journal is built in bulk: all its leaves are the same hash, so a subtree's root is computed once for each
height; its newest file is as long as the small one's, its header has the larger tree's hashes and the head of every
session so far (one for each 10,000 entries, about an hour's recording).
"""

import os
import shutil
import time
from pathlib import Path

from agent.evidence import entries as e
from agent.evidence.canonical import b64
from agent.evidence.journal import Log, StreamHead, Streams
from agent.evidence.tree import Frontier, leaf_hash, node_hash
from agent.recorder import messages as m
from agent.recorder.disk import FolderDisk
from agent.recorder.recorder import Recorder
from agent.recorder.recovery import Device, Recovered, Recovery
from agent.recorder.spool import journal_file, journal_folder, session_id
from tests.bench import child
from tests.bench.device import BEGAN_NS, SETTINGS, SIGNER
from tests.bench.limits import Measured

SMALL, LARGE = 10_000, 10_000_000
NEWEST_ENTRIES = 5_000
SESSION_ENTRIES = 10_000
ORIGIN = "liuhen/BENCH/1"


class UnsyncedDisk(FolderDisk):
    """Syncs return at once."""

    def sync(self, file: int) -> None:
        """Left out: it is the medium's time, not ours."""

    def sync_folder(self, path: str) -> None:
        """As ``sync``."""


def measure(folder: Path, rounds: int, appends: int) -> dict[str, Measured]:
    """``append_growth`` and ``start_growth``; each round in a process of its own, small and large in turn."""
    for size in (SMALL, LARGE):
        build(folder / str(size), size)
    taken: dict[int, list[list[float]]] = {SMALL: [], LARGE: []}
    for _ in range(rounds):
        for size in (SMALL, LARGE):
            copy = folder / "copy"
            shutil.copytree(folder / str(size), copy)
            taken[size].append(child.run(start_and_append, spool=str(copy), appends=appends))
            shutil.rmtree(copy)
    start, append = ({size: min(one[i] for one in taken[size]) for size in (SMALL, LARGE)} for i in range(2))
    return {
        "append_growth": Measured(append[LARGE] / append[SMALL], _note(append, 1e6, "µs an append", rounds)),
        "start_growth": Measured(start[LARGE] / start[SMALL], _note(start, 1e3, "ms a start", rounds)),
    }


def _note(taken: dict[int, float], factor: float, what: str, rounds: int) -> str:
    small, large = taken[SMALL] * factor, taken[LARGE] * factor
    return f"{small:.1f} and {large:.1f} {what}, newest file of {NEWEST_ENTRIES} entries each; least of {rounds}"


# --- the measured process ---------------------------------------------------------------------------------------


def start_and_append(spool: str, appends: int) -> list[float]:
    """CPU seconds of a start up to a recorder that is ready, and of one flush's append."""
    began_s = time.process_time()
    recovered = _recover(Path(spool))
    Recorder(SETTINGS, recovered.ledger.state, recovered.resume, BEGAN_NS)
    started_s = time.process_time()
    session = next(iter(recovered.ledger.state.sessions))
    for index in range(NEWEST_ENTRIES, NEWEST_ENTRIES + appends):
        recovered.ledger.append([_fragment(session, index)])
    return [started_s - began_s, (time.process_time() - started_s) / appends]


def _recover(spool: Path) -> Recovered:
    device = Device(id="BENCH", unit="U1", boot_id="bench", resume_s=1800)
    clock = m.ClockReading(BEGAN_NS, 1_780_000_000_000_000, "ntp", 50_000)
    return Recovery(UnsyncedDisk(spool), SIGNER, device, clock, lambda: BEGAN_NS, os.urandom).run(for_recording=True)


# --- building a journal in bulk ---------------------------------------------------------------------------------


def build(spool: Path, size: int) -> None:
    """A spool whose journal has ``size`` entries, the last NEWEST_ENTRIES in a file of its own."""
    first = size - NEWEST_ENTRIES
    log = Log(ORIGIN, SIGNER, frontier_of(first), _heads(first))
    sessions = max(1, first // SESSION_ENTRIES)
    lines = [log.header_lines(), log.append([_carry(sessions), *_opening(sessions + 1)])]
    lines += [
        log.append([_fragment(session_id(sessions + 1), index)]) for index in range(log.size - first, NEWEST_ENTRIES)
    ]
    (spool / journal_folder(1)).mkdir(parents=True)
    (spool / journal_file(1, first)).write_bytes(b"".join(lines))


def frontier_of(size: int) -> Frontier:
    """The right edge of a tree of so many equal leaves."""
    roots = [leaf_hash(b"bench")]
    while len(roots) < size.bit_length():
        roots.append(node_hash(roots[-1], roots[-1]))
    return Frontier(size, [roots[bit] for bit in reversed(range(size.bit_length())) if size >> bit & 1])


def _heads(entries: int) -> Streams:
    """The device's stream has a hundredth of all entries, closed sessions the rest."""
    sessions = max(1, entries // SESSION_ENTRIES)
    device = entries // 100
    each, rest = divmod(entries - device, sessions)
    leaf = leaf_hash(b"bench")
    heads = {session_id(i + 1): StreamHead(each + (rest if i == 0 else 0), leaf) for i in range(sessions)}
    return Streams({"device": StreamHead(device, leaf), **heads})


def _carry(sessions: int) -> e.DeviceCarry:
    return e.DeviceCarry(
        salt=_salt(),
        boot_id="bench",
        next_session=sessions + 1,
        assigned="no",
        clock_at_us=0,
        clock_utc_us=0,
        clock_source="none",
        clock_error_us=-1,
    )


def _opening(number: int) -> list[e.Entry]:
    opened = e.SessionOpen(
        stream=session_id(number),
        salt=_salt(),
        number=number,
        pressed_us=0,
        from_us=0,
        prerecord_ms=0,
        prerecord_sound="yes",
        required_tracks=["video", "sound"],
        power="inspection",
        officer="0",
        items_sha256=SETTINGS.items_sha256,
        config_sha256=SETTINGS.config_sha256,
    )
    return [opened, e.SessionBegin(salt=_salt(), session=session_id(number), number=number, leaf=b64(bytes(32)))]


def _fragment(session: str, index: int) -> e.Fragment:
    spans = [
        e.TrackSpan(track="video", tick=index * 36_000, end_tick=(index + 1) * 36_000, count=10, first_us=0, last_us=1),
        e.TrackSpan(track="sound", tick=index * 19_456, end_tick=(index + 1) * 19_456, count=19, first_us=0, last_us=1),
    ]
    return e.Fragment(
        stream=session,
        salt=_salt(),
        segment=0,
        index=index,
        tracks=spans,
        end=(index + 1) * 200_000,
        sha256=b64(bytes(32)),
        sealed=(index + 1) * 196_656,
        sealed_sha256=b64(bytes(32)),
        lag_ms=4,
        fix="no",
        accuracy="none",
    )


def _salt() -> str:
    return b64(os.urandom(16))
