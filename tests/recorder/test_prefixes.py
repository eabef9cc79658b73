"""A short and eventful life of a device, cut after each call to its disk, and with an error at each call.

The life is recorded once at the Disk Protocol. Each prefix is played on a disk of its own, cut there (what was not
synced is lost, kept or torn by seed) and recovered; ``tests.sim.invariants`` judges what is left. In the second half
the life itself meets EIO, ENOSPC and short writes, begun at each of its calls. Every kind of call is in it: it begins
on what a cut left in the very first moments, and in its middle the recorder is started anew on what a cut leaves.
"""

import contextlib
import copy
import hashlib
import random
from collections.abc import Callable, Iterator
from dataclasses import replace

import msgspec
import pytest

from agent.evidence import age
from agent.evidence import entries as e
from agent.evidence.canonical import b64
from agent.evidence.journal import read_file
from agent.evidence.note import VerifierKey
from agent.evidence.private import open_private
from agent.recorder import messages as m
from agent.recorder.aside import UNTOLD
from agent.recorder.disk import Disk
from tests.sim.disk import Fault, FaultKind, SimDisk, replay
from tests.sim.invariants import Checker, Counters
from tests.support import streams
from tests.support.reading import IDENTITY
from tests.support.rig import SETTINGS, Rig

LIFE = replace(SETTINGS, prerecord_s=1, segment_s=3)
SECRET = "张三, Renmin Road 1"


class Watched(Rig):
    """A rig that notes what was acknowledged (journal size by number of disk calls), and starts that failed."""

    def __init__(self, disk: SimDisk, now_s: float = 100, seed: int = 1) -> None:
        super().__init__(disk, LIFE, seed, now_s)
        self.sim = disk
        self.bytes_per_frame = 1_500
        self.preallocate_bytes = 256 * 1024
        self.rotate_bytes = 12_000
        self.acknowledged: list[tuple[int, int]] = []
        self.refused: list[str] = []
        """What starts that failed said; the service starts the recorder again."""
        self.worldly = range(0)
        """Calls that are the world's, not the recorder's."""

    def boot(self) -> list[str]:
        while True:
            try:
                return super().boot()
            except OSError as error:
                self.refused.append(str(error))
                self.sim.forget_handles()

    def _write(self, handover: m.Handover) -> None:
        super()._write(handover)
        self.note()

    def note(self) -> None:
        if not self.writer._ledger.pending:
            self.acknowledged.append((self.sim.count, self.writer._ledger.attested_size))

    def acknowledged_at(self, calls: int) -> int:
        return max((size for count, size in self.acknowledged if count <= calls), default=0)


def new_disk(seed: int = 0) -> SimDisk:
    """As a cut in a device's very first moments leaves it: a key file that is half written."""
    disk = SimDisk(seed)
    disk.make_folder("journal/0001")
    put(disk, "journal/0001/device.vkey", b"liuhen/D1+")
    disk.count = 0
    return disk


def put(disk: Disk, path: str, data: bytes) -> None:
    """Bytes at a file's end, made where it is missing, on the medium."""
    folder, name = path.rsplit("/", 1)
    there = name in disk.names(folder)
    file = disk.open(path) if there else disk.create(path)
    disk.write(file, disk.size(path), [data])
    disk.sync(file)
    disk.close(file)
    disk.sync_folder(folder)


def live(rig: Watched) -> None:
    """Everything that a device does, in a dozen seconds."""
    rig.boot()
    rig.run(1.2)
    rig.tell(m.Issue("assign", "310101", SECRET))
    rig.tell(m.AnnotateSession(power="coercion", private=SECRET))
    rig.start()
    rig.run(0.9)
    rig.tell(m.MarkNow(rig.now_ns))
    rig.tell(m.AnnotateSession(private=SECRET))
    rig.tell(m.ClockReading(rig.now_ns, 1_780_000_000_000_000 + rig.now_ns // 1000, "gnss", 100))
    rig.run(0.4)
    lose_camera(rig, 0.5)
    rig.tell(m.Important(True))
    rig.run(1.4)
    rig.tell(m.SensorDown("microphone", "ended"))
    rig.sound = None
    rig.run(0.3)
    rig.new_microphone()
    rig.run(1.1)
    rig.stop()
    start_anew(rig)
    rig.tell(m.AnnotateSession(session="s000001", private=SECRET))
    rig.start()
    rig.run(0.7)
    rig.stop()


def start_anew(rig: Watched) -> None:
    """SIGTERM in standby, and a start on what a cut leaves: a torn tail, a file that no entry names, a spoilt key."""
    rig.tell(m.Shutdown())
    rig.camera_on, rig.sound = False, None
    rig.run(7)  # in every life as long: a failing disk is waited for
    assert rig.writer.idle
    rig.kill()
    fault, rig.sim.fault, first = rig.sim.fault, None, rig.sim.count  # here the world writes
    put(rig.disk, f"journal/0001/{rig.disk.names('journal/0001')[-2]}", b'{"half a line')
    put(rig.disk, "journal/0001/device.vkey", b"+")
    rig.disk.make_folder("segments/s000002")
    put(rig.disk, "segments/s000002/D1_0_20260101000000_000000.mp4.age", b"never named")
    rig.worldly = range(first, rig.sim.count)
    rig.sim.fault, rig.camera_on = fault, True
    rig.boot()


def lose_camera(rig: Rig, seconds: float) -> None:
    rig.tell(m.SensorDown("camera", "ended"))
    rig.camera_on = False
    rig.run(seconds)
    rig.camera_on = True
    rig.tell(m.Heard("camera", streams.CAMERA))
    rig.run(1 - rig.now_ns % 1_000_000_000 / 1e9)  # to the next key frame


@pytest.fixture(scope="module")
def recorded() -> Watched:
    rig = Watched(new_disk())
    rig.sim.calls = []
    live(rig)
    return rig


def leaves_of(rig: Rig, size: int) -> "Told":
    checker = Told(rig.disk, rig.signer.vkey)
    checker.lead_us = 2_500_000  # a GOP and a flush
    checker.catch_up(size)
    return checker


class Told(Checker):
    """A checker that keeps what it read."""

    def __init__(self, disk: Disk, key: VerifierKey) -> None:
        super().__init__(disk, key)
        self.told: list[e.Entry] = []

    def _judge(self, entry: e.Entry, leaf: bytes) -> None:
        super()._judge(entry, leaf)
        self.told.append(entry)


def journal_is_undamaged(rig: Rig) -> None:
    for name in rig.disk.names("journal/0001"):
        if name.endswith(".log"):
            reading = read_file(rig.disk.read(f"journal/0001/{name}"), rig.signer.vkey, "last")
            assert not reading.damage


def recover(disk: SimDisk, rebooted: bool, seed: int) -> tuple[Watched, Told]:
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
    disk = new_disk()
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


def all_is_told(rig: Watched) -> Told:
    assert rig.writer.idle
    checker = leaves_of(rig, rig.writer._ledger.attested_size)
    assert checker.sessions, "no session reached the journal"
    assert checker.open_session() is None
    checker.plaintext(rig.identity)
    checker.files_are_named()
    journal_is_undamaged(rig)
    return checker


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
    rig = Watched(new_disk(fault.first), seed=fault.first)
    rig.sim.calls = []
    rig.sim.break_at(fault)
    live(rig)
    rig.sim.break_at(None)
    rig.run(1)
    return rig


FULL = "No space left on device"
WORDS = {"EIO": ["Input/output error"], "ENOSPC": [FULL], "short": [FULL, "only a part could be written"]}
HARMLESS = {"extend", "close", "truncate", "rename", "sync_folder"}
"""What may fail without a word where nothing is lost by it: reserving space, letting go of what is synced, cutting the
zeros of a journal file that is left, and taking ``.untold`` off a file that is told (a start does that again)."""


@pytest.mark.parametrize("kind", ["EIO", "ENOSPC", "short"])
@pytest.mark.parametrize("count", [1, 3, 17])
def test_an_error_at_any_call_loses_nothing_in_silence(
    recorded: Watched, kind: FaultKind, count: int, counters: Counters
) -> None:
    whole, step = all_is_told(recorded), 1 if count == 1 else 3
    for first in range(random.Random(f"{kind}{count}").randrange(step), recorded.sim.count, step):
        if first in recorded.worldly:
            continue
        fault = Fault(kind, first, count)
        rig = broken_life(fault)
        try:
            nothing_is_silent(rig, all_is_told(rig), whole, fault)
        except (AssertionError, OSError) as error:
            raise AssertionError(f"{kind} x{count} at call {first}: {error}") from error
    assert len(counters.used) > 500


def nothing_is_silent(rig: Watched, told: Told, whole: Told, fault: Fault) -> None:
    """The journal tells the same life as without the error, no moment less, and the error itself."""
    assert rig.sim.struck
    assert sorted(story(told), key=repr) == sorted(story(whole), key=repr)
    if fault.count == 1:  # a longer one may change the order: what happens waits behind pre-record, which waits
        assert story(told) == story(whole)
    assert moments(told) == moments(whole)
    asides_are_told(rig, told)
    struck_is_told(rig, told, whole, fault)


PLUMBING = (
    e.SegmentOpen,
    e.Fragment,
    e.SegmentClose,
    e.SessionBegin,
    e.SessionHead,
    e.DeviceCarry,
    e.OwedCarry,
    e.AlarmsCarry,
    e.DeadlineCarry,
    e.SessionCarry,
)
"""Entries that say in which file something lies, or repeat others: an error may well add to them."""
PLACE = ("n", "prev", "salt", "boot_us")


def story(checker: Told) -> list[dict[str, object]]:
    """What a reader is told, private texts opened; without the error's own entries."""
    own = (*PLUMBING, e.Aside)
    return [members(one) for one in checker.told if not isinstance(one, own) and not is_write_error(one)]


def is_write_error(entry: e.Entry) -> bool:
    return isinstance(entry, e.Fault) and entry.kind == "write"


def members(entry: e.Entry) -> dict[str, object]:
    held = {name: value for name, value in msgspec.to_builtins(entry).items() if name not in PLACE}
    if "private" in held:
        held["private"] = open_private(entry.private, IDENTITY)  # type: ignore[attr-defined]
    return held


def moments(checker: Checker) -> dict[str, dict[str, list[tuple[int, int]]]]:
    """From when to when each track of each session has media."""
    return {
        session.id: {track: [(one.start, one.end) for one in ranges] for track, ranges in session.media.items()}
        for session in checker.sessions.values()
    }


def asides_are_told(rig: Watched, told: Told) -> None:
    """Nothing lies in ``aside/`` that no entry names, and all that an entry names is there, as it says."""
    lying = {name.removesuffix(UNTOLD): rig.disk.read(f"aside/{name}") for name in rig.disk.names("aside")}
    named = {one.kept_as: one.sha256 for one in told.told if isinstance(one, e.Aside)}
    assert {name: b64(hashlib.sha256(data).digest()) for name, data in lying.items()} == named


def struck_is_told(rig: Watched, told: Told, whole: Told, fault: Fault) -> None:
    """On the lamp and in the journal, or by a start that fails; an error that is not told costs nothing at all."""
    faults = [one.text for one in told.told if isinstance(one, e.Fault) and is_write_error(one)]
    shown = [one.text for one in rig.events if one.name == "storage.failing"]
    assert set(faults) <= set(shown)
    assert bool(faults) == bool(shown), "told in one place only"
    assert all(any(word in text for word in WORDS[fault.kind]) for text in [*shown, *rig.refused])
    assert rig.recorder.status()["storage"] == "ok", "the lamp still says that the disk fails"
    if not (faults or rig.refused):
        assert rig.sim.calls is not None
        numbers = [number for number in range(fault.first, fault.first + fault.count) if number not in rig.worldly]
        struck = {rig.sim.calls[number][0] for number in numbers if number < rig.sim.count}
        assert struck <= HARMLESS, f"{struck} failed, and nobody is told"
        assert [type(one) for one in told.told] == [type(one) for one in whole.told]


def test_an_error_and_then_a_cut_is_recovered(recorded: Watched, counters: Counters) -> None:
    for first in range(0, recorded.sim.count, 6):
        rig = Watched(new_disk(first), seed=first)
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
