"""A short and eventful life of a device, cut after each call to its disk, and with an error at each call.

The life is recorded once at the Disk Protocol. Each prefix is played on a disk of its own, cut there (what was not
synced is lost, kept or torn by seed) and recovered; ``tests.sim.invariants`` judges what is left. In the second half
the life itself meets EIO, ENOSPC and short writes at every n-th call, once and several times in a row.
"""

import contextlib
import copy
import random
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from agent.evidence import age
from agent.evidence.journal import read_file
from agent.recorder import messages as m
from tests.sim.disk import Fault, FaultKind, SimDisk, replay
from tests.sim.invariants import Checker, Counters
from tests.support import streams
from tests.support.rig import SETTINGS, Rig

LIFE = replace(SETTINGS, prerecord_s=2, segment_s=4)
SECRET = "张三, Renmin Road 1"


class Watched(Rig):
    """A rig that notes what was acknowledged: journal size by number of disk calls."""

    def __init__(self, disk: SimDisk, now_s: float = 100, seed: int = 1) -> None:
        super().__init__(disk, LIFE, seed, now_s)
        self.sim = disk
        self.bytes_per_frame = 1_500
        self.preallocate_bytes = 256 * 1024
        self.rotate_bytes = 12_000
        self.acknowledged: list[tuple[int, int]] = []

    def boot(self) -> list[str]:
        while True:
            try:
                return super().boot()
            except OSError:
                self.sim.forget_handles()

    def _write(self, handover: m.Handover) -> None:
        super()._write(handover)
        self.note()

    def note(self) -> None:
        if not self.writer._ledger.pending:
            self.acknowledged.append((self.sim.count, self.writer._ledger.attested_size))

    def acknowledged_at(self, calls: int) -> int:
        return max((size for count, size in self.acknowledged if count <= calls), default=0)


def live(rig: Watched) -> None:
    """Everything that a device does, in twenty seconds."""
    rig.boot()
    rig.run(2.5)
    rig.tell(m.Issue("assign", "310101", SECRET))
    rig.tell(m.AnnotateSession(power="coercion", private=SECRET))
    rig.start()
    rig.run(1.3)
    rig.tell(m.MarkNow(rig.now_ns))
    rig.tell(m.AnnotateSession(private=SECRET))
    rig.tell(m.ClockReading(rig.now_ns, 1_780_000_000_000_000 + rig.now_ns // 1000, "gnss", 100))
    rig.run(0.7)
    lose_camera(rig, 1.1)
    rig.tell(m.Important(True))
    rig.run(2.2)
    rig.tell(m.SensorDown("microphone", "ended"))
    rig.sound = None
    rig.run(0.3)
    rig.new_microphone()
    rig.run(1.5)
    rig.stop()
    rig.tell(m.AnnotateSession(session="s000001", private=SECRET))
    rig.start()
    rig.run(1.7)
    rig.stop()
    rig.run(0.5)


def lose_camera(rig: Rig, seconds: float) -> None:
    rig.tell(m.SensorDown("camera", "ended"))
    rig.camera_on = False
    rig.run(seconds)
    rig.camera_on = True
    rig.tell(m.Heard("camera", streams.CAMERA))
    rig.run(1 - rig.now_ns % 1_000_000_000 / 1e9)  # to the next key frame


@pytest.fixture(scope="module")
def recorded() -> Watched:
    rig = Watched(SimDisk(record=True))
    live(rig)
    return rig


def leaves_of(rig: Rig, size: int) -> Checker:
    checker = Checker(rig.disk, rig.signer.vkey)
    checker.lead_us = 2_500_000  # a GOP and a flush
    checker.catch_up(size)
    return checker


def journal_is_undamaged(rig: Rig) -> None:
    for name in rig.disk.names("journal/0001"):
        if name.endswith(".log"):
            reading = read_file(rig.disk.read(f"journal/0001/{name}"), rig.signer.vkey, "last")
            assert not reading.damage


def recover(disk: SimDisk, rebooted: bool, seed: int) -> tuple[Watched, Checker]:
    """Recover twice, judge; the second time changes nothing."""
    rig = Watched(disk, 200, seed)
    rig.boot_id = "boot-1" if rebooted else "boot-0"
    recovered = rig.recover()
    before = disk.files()
    checker = leaves_of(rig, recovered.ledger.attested_size)
    checker.after_recovery()
    checker.files_are_named()
    checker.plaintext(rig.identity)
    journal_is_undamaged(rig)
    again = rig.recover()
    assert again.done == []
    assert disk.files() == before
    return rig, checker


def prefixes(recorded: Watched) -> Iterator[tuple[int, SimDisk]]:
    """(number of calls, the disk after them)."""
    assert recorded.sim.calls is not None
    disk = SimDisk()
    yield 0, disk
    for number, call in enumerate(recorded.sim.calls, 1):
        replay(call, disk)
        yield number, disk


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_power_cut_after_any_call_is_recovered_and_keeps_what_was_acknowledged(recorded: Watched, seed: int) -> None:
    whole = leaves_of(recorded, recorded.acknowledged_at(recorded.sim.count))
    for number, disk in prefixes(recorded):
        _, checker = recover(disk.cut(seed * 100_003 + number), rebooted=number % 3 != 0, seed=number)
        size = recorded.acknowledged_at(number)
        assert checker.leaves[:size] == whole.leaves[:size], f"acknowledged entries were lost after call {number}"


def test_a_kill_after_any_call_is_recovered(recorded: Watched) -> None:
    for number, disk in prefixes(recorded):
        killed = SimDisk()
        for path, data in disk.files().items():
            killed.make_folder(path.rpartition("/")[0] or "segments")
            killed.write(killed.create(path), 0, [data])
        recover(killed, rebooted=False, seed=number)


def test_what_recovery_attests_after_a_kill_survives_a_power_cut(recorded: Watched) -> None:
    """A killed process leaves bytes and names in the cache; recovery builds on none that is not synced."""
    for number, disk in prefixes(recorded):
        if number % 3:
            continue
        killed = copy.deepcopy(disk)
        killed.forget_handles()
        _, known = recover(killed, rebooted=False, seed=number)
        _, checker = recover(killed.cut(number), rebooted=True, seed=number)
        assert checker.leaves[: len(known.leaves)] == known.leaves


def test_recording_goes_on_after_a_power_cut_at_any_call(recorded: Watched) -> None:
    for number, disk in prefixes(recorded):
        if number % 5:
            continue
        rig, _ = recover(disk.cut(number), rebooted=number % 2 == 0, seed=number)
        finish(rig)


def finish(rig: Watched) -> None:
    """Boot, record, stop (which ends a resumed session, or one of its own); everything is accounted for."""
    rig.boot()
    rig.run(2.5)
    if rig.recorder.status()["state"] == "standby":
        rig.start()
    rig.run(2.5)
    rig.stop()
    rig.run(1.5)
    all_is_told(rig)


def all_is_told(rig: Watched) -> None:
    assert rig.writer.idle
    checker = leaves_of(rig, rig.writer._ledger.attested_size)
    assert checker.sessions, "no session reached the journal"
    assert checker.open_session() is None
    checker.plaintext(rig.identity)
    checker.files_are_named()
    journal_is_undamaged(rig)


def test_recovery_itself_may_be_cut_after_any_call(recorded: Watched) -> None:
    for number, disk in prefixes(recorded):
        if number % 11 != 3:
            continue
        first = disk.cut(number)
        first.calls = []
        rig = Watched(first.cut(0), 200, number)
        rig.sim.calls = []
        rig.recover()
        start = first.cut(0)
        for count, call in enumerate(rig.sim.calls):
            recover(start.cut(number + count), rebooted=False, seed=count)
            replay(call, start)


# --- errors ------------------------------------------------------------------------------------------------


@pytest.fixture
def counters(monkeypatch: pytest.MonkeyPatch) -> Counters:
    seen = Counters()
    monkeypatch.setattr(age, "ChunkSealer", seen.sealer)
    return seen


def broken_life(fault: Fault) -> Watched:
    rig = Watched(SimDisk(seed=fault.first), seed=fault.first)
    rig.sim.break_at(fault)
    live(rig)
    rig.sim.break_at(None)
    rig.run(2)
    return rig


CALLS_OF_LIFE = 400
"""At least as many as the life makes; a fault behind its end strikes nothing."""


@pytest.mark.parametrize("kind", ["EIO", "ENOSPC", "short"])
@pytest.mark.parametrize("count", [1, 3, 17])
def test_an_error_at_any_call_loses_nothing_in_silence(kind: FaultKind, count: int, counters: Counters) -> None:
    step = 3 if count == 1 else 7
    for first in range(random.Random(f"{kind}{count}").randrange(step), CALLS_OF_LIFE, step):
        rig = broken_life(Fault(kind, first, count))
        try:
            all_is_told(rig)
        except (AssertionError, OSError) as error:
            raise AssertionError(f"{kind} x{count} at call {first}: {error}") from error
    assert len(counters.used) > 500


def test_an_error_and_then_a_cut_is_recovered(counters: Counters) -> None:
    for first in range(0, CALLS_OF_LIFE, 13):
        rig = Watched(SimDisk(seed=first), seed=first)
        rig.sim.break_at(Fault("EIO", first, 1 + first % 4))
        cut_later(rig, first)
    assert counters.used


def cut_later(rig: Watched, first: int) -> None:
    """Ends the life by a cut at the first acknowledgement some calls after the error."""
    stop_at = first + 3 + first % 5

    class Cut(Exception):
        pass

    note: Callable[[], None] = rig.note

    def noted() -> None:
        note()
        if rig.sim.count > stop_at:
            raise Cut

    rig.note = noted  # type: ignore[method-assign]
    with contextlib.suppress(Cut):
        live(rig)
    size = rig.acknowledged_at(rig.sim.count)
    known = leaves_of(rig, size).leaves
    _, checker = recover(rig.sim.cut(first), rebooted=True, seed=first)
    assert checker.leaves[:size] == known
