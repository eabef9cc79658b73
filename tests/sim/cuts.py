"""Power cuts and kills of the real recorder in real time, and what must hold behind each (promise 3, invariants).

A *round* records on a card (``tests.support.cards``) in one mode with one sync time, and copies the card at random
instants. Behind each copy: recovery and ``fsck`` are content, ``verify`` finds nothing but reasons that are owed, what
is lost, by the numbers in the packets that decrypt, stays within the promise, and the session goes on by itself.
``kill_round`` does the same with a real process, ended by SIGKILL at random instants.

``main(cuts)`` is the campaign of ``make sim CUTS=…``; the suite runs a short one. Real time: nothing here is seeded
but modes, cards and the instants that are tried.
"""

import itertools
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from agent import fsck
from agent.evidence import age, mp4
from agent.evidence import entries as e
from agent.recorder.clock import boottime_ns
from agent.verify.facts import Segment
from agent.verify.run import Options, read_evidence, sessions, verify
from agent.verify.session import Session
from tests.sim.modes import MODES, Mode
from tests.support.cards import Card, FileSystem, Host, LoopUnavailable
from tests.support.live import IDENTITY, History, Live, SharedNotes, SlowDisk
from tests.support.rig import Rig
from tests.support.streams import FRAME_NS, Sound

UNIT_S = {"video": 0.04, "sound": 1024 / 48_000}
"""How long a packet of each track is."""
HELD_S, FAST_LOSS_S = 0.8, 1.0
"""Promise 3: from arrival to hand-over, and in all while a flush takes at most 0.2 s."""
SYNCS_S = (0.0, 0.05, 0.15, 0.4)
FILE_SYSTEMS: tuple[FileSystem, ...] = ("xfs", "ext4")
CUTS_A_ROUND = 10
STANDBY_S = 1.2
"""Until a key frame and sound are in the ring."""
RESUMED_S = 2.0
PROJECT = Path(__file__).parent.parent.parent


class Broken(AssertionError):
    """Something that must hold behind a cut does not."""


def _must(holds: bool, text: str) -> None:
    if not holds:
        raise Broken(text)


@dataclass(frozen=True, slots=True)
class Cut:
    """A cut as the test saw it: the last packets that had reached the recorder, presses, flush times."""

    name: str
    reached: dict[str, int]
    stopped_ns: dict[int, int]
    """Session's number: when its stop was pressed."""
    flush_s: float
    life_began_us: int
    """Entries before belong to an earlier process."""
    cause: str

    def limit_s(self) -> float:
        """What may be lost; what arrives during a flush of more than 0.8 s has to wait for its end."""
        if self.flush_s > HELD_S:
            return 2 * self.flush_s + UNIT_S["video"]
        return max(FAST_LOSS_S, HELD_S + self.flush_s)


@dataclass(slots=True)
class Outcome:
    """What a cut cost; ``lost_s`` is None where promise 3 does not count yet (pre-record unwritten, no session)."""

    cut: Cut
    lost_s: float | None
    open: bool


@dataclass(slots=True)
class Tally:
    """Outcomes by name of what was done."""

    outcomes: dict[str, list[Outcome]] = field(default_factory=dict)

    def add(self, name: str, outcomes: Iterable[Outcome]) -> None:
        """More outcomes of one kind."""
        self.outcomes.setdefault(name, []).extend(outcomes)

    @property
    def count(self) -> int:
        """How many cuts."""
        return sum(len(some) for some in self.outcomes.values())

    def lines(self) -> Iterator[str]:
        """A table."""
        for name, some in self.outcomes.items():
            counted = [(outcome.lost_s, outcome) for outcome in some if outcome.lost_s is not None]
            worst = max((lost for lost, _ in counted), default=0.0)
            closest = min((outcome.cut.limit_s() - lost for lost, outcome in counted), default=0.0)
            flush = max((outcome.cut.flush_s for outcome in some), default=0.0)
            interrupted = sum(outcome.open for outcome in some)
            yield (
                f"{name}: {len(some)} ({interrupted} interrupted a session, {len(counted)} counted), lost at most "
                f"{worst:.2f} s, {closest:.2f} s below what is allowed, longest flush {flush:.3f} s"
            )


# --- a card, copied while it is written ---------------------------------------------------------------


def cut_round(host: Host, mode: Mode, kind: FileSystem, sync_s: float, cuts: int, dice: random.Random) -> list[Outcome]:
    """Record once, cut ``cuts`` times, examine every copy."""
    card = host.card("card", kind)
    try:
        with card.mounted() as spool:
            taken = _record(card, spool, mode, sync_s, sorted(dice.uniform(0, mode.window_s) for _ in range(cuts)))
    finally:
        card.forget()
    return [_examined(copy, cut, mode) for copy, cut in taken]


def _record(card: Card, spool: Path, mode: Mode, sync_s: float, instants_s: list[float]) -> list[tuple[Card, Cut]]:
    history = History()
    live = Live(SlowDisk(spool, sync_s), mode.settings, mode.diet, history, "boot-live")
    live.begin()
    try:
        time.sleep(STANDBY_S)
        live.ask(lambda _: None)
        return list(_cut_at(card, live, history, mode, instants_s))
    finally:
        live.shut_down()


def _cut_at(
    card: Card, live: Live, history: History, mode: Mode, instants_s: list[float]
) -> Iterator[tuple[Card, Cut]]:
    stopped_ns: dict[int, int] = {}
    began, number = time.monotonic(), 0
    for at_s, what in sorted([(s, "cut") for s in instants_s] + _presses(mode)):
        time.sleep(max(0.0, began + at_s - time.monotonic()))
        if what == "start":
            number += 1
            live.start()
        elif what == "stop":
            stopped_ns[number] = live.stop()
        else:
            yield _copy(card, history, dict(stopped_ns), f"{mode.name} at {at_s:.3f} s")


def _presses(mode: Mode) -> list[tuple[float, str]]:
    if not mode.session_s:
        return [(0.0, "start")]
    round_s = mode.session_s + mode.pause_s
    starts = [i * round_s for i in range(int(mode.window_s / round_s) + 1)]
    return [(s, "start") for s in starts] + [(s + mode.session_s, "stop") for s in starts]


_names = itertools.count()


def _copy(card: Card, history: History, stopped_ns: dict[int, int], name: str) -> tuple[Card, Cut]:
    began_ns = boottime_ns()
    copy = card.cut(f"cut-{next(_names)}")
    ended_ns = boottime_ns()
    reached = {track: history.last(track, began_ns) for track in UNIT_S}
    flush_s = history.longest_flush_s(began_ns, ended_ns)
    return copy, Cut(f"{name} ({card.kind})", reached, stopped_ns, flush_s, 0, "power")


def _examined(copy: Card, cut: Cut, mode: Mode) -> Outcome:
    with copy.mounted() as spool:
        rig = Rig(spool, mode.settings, now_s=60)
        rig.boot_id, rig.bytes_per_frame = "boot-next", mode.diet.frame_bytes
        outcome = examine(rig, spool, cut)
        _goes_on(rig, spool, outcome)
        rig.kill()
    copy.forget()
    return outcome


# --- what must hold behind a cut ----------------------------------------------------------------------


def examine(rig: Rig, spool: Path, cut: Cut) -> Outcome:
    """Recover the spool and judge it; raises Broken."""
    recovered = rig.recover()
    recovered.ledger.close()
    _sound(spool, cut.name)
    last = _last_session(spool)
    if last is None:
        return Outcome(cut, None, False)
    is_open = last.close is None
    if is_open:
        _must(recovered.resume is not None, f"{cut.name}: {last.id} is open and not resumed")
        newest = last.interruptions[-1] if last.interruptions else None
        _must(newest is not None and newest.end is None, f"{cut.name}: {last.id} is open and not interrupted")
        _must(newest is not None and newest.begin.cause == cut.cause, f"{cut.name}: the cause is not {cut.cause}")
    return Outcome(cut, _loss_s(spool, last, cut), is_open)


def _sound(spool: Path, name: str) -> None:
    report = fsck.check(spool)
    _must(not report.findings, f"{name}: fsck: {report.findings}")
    signer = Rig(spool).signer
    verdict = verify(spool, Options(key=signer.vkey, identities=(IDENTITY,))).json
    others = [problem["text"] for problem in verdict["problems"] if problem["kind"] != "explanation_owed"]
    _must(not others, f"{name}: verify: {others}")
    for question in ("bytes_intact", "nothing_missing"):
        _must(verdict[question]["answer"] == "yes", f"{name}: verify: {question}: {verdict[question]}")
    interruptions = sum(len(session["interruptions"]) for session in verdict["sessions"])
    owed = sum(problem["kind"] == "explanation_owed" for problem in verdict["problems"])
    _must(owed == interruptions, f"{name}: {interruptions} interruptions, {owed} reasons owed")


def _last_session(spool: Path) -> Session | None:
    known = sessions(read_evidence(spool, None))
    return known[-1] if known else None


def _loss_s(spool: Path, session: Session, cut: Cut) -> float | None:
    """Seconds by packet numbers; None before the promise counts: pre-record, or a resumption's beginning, unwritten."""
    entries = [line.entry for line in session.lines if line.entry.boot_us >= cut.life_began_us]
    resumed = next((i for i, entry in enumerate(entries) if isinstance(entry, e.InterruptionEnd)), len(entries))
    safe: list[e.Entry] = [entry for entry in entries if isinstance(entry, e.PrerecordWritten)]
    safe += [entry for entry in entries[resumed:] if isinstance(entry, e.Fragment)]  # what came before that is written
    if not safe or session.open is None:
        return None
    recorded = recorded_numbers(spool, session)
    lost = 0.0
    for track, unit_s in UNIT_S.items():
        if track not in session.open.required_tracks:
            continue
        numbers = recorded[track]
        gaps = [n for n, m in itertools.pairwise(numbers) if m != n + 1]
        _must(len(gaps) <= len(session.interruptions), f"{cut.name}: {track} is not without a gap: {gaps}")
        reached = min(cut.reached[track], _last_before(track, cut.stopped_ns.get(session.open.number)))
        lost = max(lost, (reached - numbers[-1]) * unit_s)
    _must(lost <= cut.limit_s() + 1e-9, f"{cut.name}: {lost:.3f} s lost, {cut.limit_s():.3f} s allowed")
    return lost


def _last_before(track: str, stopped_ns: int | None) -> int:
    if stopped_ns is None:
        return sys.maxsize
    return (stopped_ns - 1) // FRAME_NS if track == "video" else Sound(0).index_at(stopped_ns) - 1


def recorded_numbers(spool: Path, session: Session) -> dict[str, list[int]]:
    """The numbers in the packets of a session, as far as the journal attests them, in the order of its files."""
    numbers: dict[str, list[int]] = {"video": [], "sound": []}
    for segment in session.segments:
        for track, number in numbers_in(spool, segment):
            numbers[track].append(number)
    return numbers


def numbers_in(spool: Path, segment: Segment) -> Iterator[tuple[str, int]]:
    """(track, number) of every packet in one file, as far as the journal attests it."""
    with (spool / segment.path).open("rb") as sealed:
        data = age.read(sealed, (IDENTITY,)).plaintext[: segment.end]
    for fragment in mp4.parse_segment(data).fragments:
        for run in fragment.runs:
            video, at = run.track_id == mp4.VIDEO_TRACK, run.data_offset
            for sample in run.samples:
                start = at + (5 if video else 0)  # behind the NAL unit's length and header
                yield "video" if video else "sound", int.from_bytes(data[start : start + 8], "big")
                at += sample.size


def _goes_on(rig: Rig, spool: Path, outcome: Outcome) -> None:
    """The next start resumes an open session unasked; after the officer's stop all is in order."""
    rig.boot()
    rig.run(RESUMED_S)
    if not outcome.open:
        rig.start()
        rig.run(RESUMED_S)
    _must(rig.recorder.status()["state"] == "recording", f"{outcome.cut.name}: not recording after the next start")
    rig.stop()
    rig.run(1)
    last = _last_session(spool)
    _must(last is not None and last.close is not None, f"{outcome.cut.name}: the stop did not close the session")
    if outcome.open and last is not None:
        newest = [known for known in last.interruptions if known.begin.track == "all"][-1]
        _must(newest.end is not None and newest.end.resumed == "yes", f"{outcome.cut.name}: the session did not go on")
    _sound(spool, f"{outcome.cut.name}, gone on")


# --- a process, killed --------------------------------------------------------------------------------


def kill_round(folder: Path, mode: Mode, sync_s: float, kills: int, dice: random.Random) -> list[Outcome]:
    """One spool, recorded by process after process, each killed at a random instant."""
    spool = folder / "spool"
    spool.mkdir(parents=True)
    outcomes = [_killed(folder, spool, mode, sync_s, dice, i) for i in range(kills)]
    rig = Rig(spool, mode.settings, now_s=boottime_ns() / 1e9)
    rig.bytes_per_frame = mode.diet.frame_bytes
    _goes_on(rig, spool, outcomes[-1])
    rig.kill()
    return outcomes


def _killed(folder: Path, spool: Path, mode: Mode, sync_s: float, dice: random.Random, index: int) -> Outcome:
    """Every sixth is killed while it comes up, the others while they record."""
    notes, comes_up = SharedNotes(folder / "notes"), index % 6 == 3
    notes.clear()
    after_s = dice.uniform(0.1, 0.8) if comes_up else dice.uniform(0, 2.5)
    words = [sys.executable, "-P", "-m", "tests.sim.mortal", spool, MODES.index(mode), sync_s, folder / "notes"]
    began_us = boottime_ns() // 1000
    with subprocess.Popen(
        [str(word) for word in words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=PROJECT
    ) as child:
        assert child.stdout is not None
        _must(comes_up or child.stdout.readline() == b"ready\n", f"{mode.name}: the recorder did not come up")
        time.sleep(after_s)
        cut_ns = boottime_ns()
        child.send_signal(signal.SIGKILL)
    reached = {track: notes.last(track) for track in UNIT_S}
    last = _last_session_number(spool)
    stopped = {last: notes.stopped_ns()} if notes.stopped_ns() >= 0 else {}
    name = f"{mode.name}, kill {index} after {after_s:.3f} s{' of coming up' if comes_up else ''}"
    cut = Cut(name, reached, stopped, notes.longest_flush_s(cut_ns), began_us, "process")
    rig = Rig(spool, mode.settings, now_s=boottime_ns() / 1e9)
    return examine(rig, spool, cut)


def _last_session_number(spool: Path) -> int:
    last = _last_session(spool)
    return last.open.number if last is not None and last.open is not None else 0


# --- campaigns ----------------------------------------------------------------------------------------


def _turns(cuts: int, each: int) -> Iterator[tuple[int, Mode, FileSystem, float]]:
    """Rounds of at most ``each`` cuts: all modes in turn, with every sync time on both file systems by and by."""
    for turn in range(-(-cuts // each)):
        kind = FILE_SYSTEMS[(turn // 5 + turn // 20) % 2]
        yield min(each, cuts - turn * each), MODES[turn % 5], kind, SYNCS_S[turn % 4]


def cut_campaign(folder: Path, cuts: int, dice: random.Random, each: int = CUTS_A_ROUND) -> Tally:
    """Power cuts over all modes, file systems and sync times. Raises LoopUnavailable, Broken."""
    tally = Tally()
    with Host(folder) as host:
        for count, mode, kind, sync_s in _turns(cuts, each):
            name = f"{mode.name}, {kind}, sync +{sync_s * 1000:.0f} ms"
            tally.add(name, cut_round(host, mode, kind, sync_s, count, dice))
    return tally


def kill_campaign(folder: Path, kills: int, dice: random.Random, each: int = CUTS_A_ROUND) -> Tally:
    """Kills over all modes and sync times, two spools at a time. Raises Broken."""
    tally, turns = Tally(), list(_turns(kills, each))

    def run(turn: int) -> list[Outcome]:
        count, mode, _, sync_s = turns[turn]
        return kill_round(folder / f"round-{turn}", mode, sync_s, count, dice)

    with ThreadPoolExecutor(2) as pool:
        for (_, mode, _, sync_s), outcomes in zip(turns, pool.map(run, range(len(turns))), strict=True):
            tally.add(f"{mode.name}, sync +{sync_s * 1000:.0f} ms", outcomes)
    return tally


def main(cuts: int) -> int:
    """Run the campaign, print a table; exit status 0 good, 1 a promise broken, 2 no loop device."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="liuhen-cuts-") as folder:
        try:
            tally = cut_campaign(Path(folder) / "host", cuts, random.Random())
        except LoopUnavailable as error:
            print(f"power cuts: SKIPPED: {error}")
            return 2
        except Broken as error:
            print(f"power cuts: BROKEN: {error}")
            return 1
    for line in tally.lines():
        print(f"power cuts: {line}")
    print(f"power cuts: {tally.count} in {time.monotonic() - began:.0f} s, every one recovered")
    return 0
