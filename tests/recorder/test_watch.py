"""The recorder is watched without being ended by mistake: long stalls, sleep, sensors' processes, log, local interface.

Real threads and processes where the shell is meant; the stepped ``Rig`` where it is the accounting of a sleep.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.evidence import entries as e
from agent.recorder import clock, service
from agent.recorder import log as logs
from agent.recorder import messages as m
from agent.recorder.log import Log
from agent.recorder.sensors import SensorReader, tamed
from agent.recorder.service import OpenDoor
from agent.recorder.sleepwatch import SleepWatch
from drivers import Fault
from drivers import Log as Said
from tests.support import streams
from tests.support.live import Diet, History, Live, SlowDisk
from tests.support.reading import Reading, faultless
from tests.support.rig import SETTINGS, SOUND_ONLY, Rig

MS, S = 1_000_000, 1_000_000_000
ALIVE_S = 1.5
"""In place of the 5 s of the product: longer than an idle turn of the writer."""


@contextmanager
def _running(
    spool: Path, witness: History | None = None, open_door: OpenDoor = lambda: None, fed: bool = True
) -> Iterator[tuple[Live, SlowDisk]]:
    disk = SlowDisk(spool)
    live = Live(disk, SOUND_ONLY, Diet(0), witness or History(), "boot-0")
    runner = threading.Thread(target=lambda: setattr(live, "status", live.service.run(open_door)), daemon=True)
    runner.start()
    if fed:
        live.service.post(m.Heard("microphone", streams.MICROPHONE))
        live.service.post(m.Heard("microphone", streams.Sound(clock.boottime_ns()).packet(0)))
    try:
        yield live, disk
    finally:
        disk.may_go_on.set()
        live.service.stop()
        runner.join(30)


def _wait(until: Callable[[], object], timeout_s: float = 10.0) -> None:
    end = time.monotonic() + timeout_s
    while not until():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)


# --- the watchdog -------------------------------------------------------------------------------------------


class _Thinking(History):
    """After a flush the writer thinks for a while before its next turn."""

    def __init__(self) -> None:
        super().__init__()
        self.thought = threading.Event()

    def flushed(self, done_ns: int) -> None:
        super().flushed(done_ns)
        time.sleep(ALIVE_S / 2)
        self.thought.set()


def test_the_end_of_a_long_stall_is_no_reason_to_end_the_recorder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "ALIVE_NS", int(ALIVE_S * 1e9))
    witness = _Thinking()
    with _running(tmp_path, witness) as (live, disk):
        disk.may_go_on.clear()
        live.service.command(m.Issue("assign", "12345"))
        time.sleep(1.5 * ALIVE_S)
        witness.thought.clear()
        disk.may_go_on.set()
        assert witness.thought.wait(10)
        assert live.status is None


class _LateOnce(threading.Thread):
    """A reader that looks stuck at one look."""

    kind, pid = "camera", None

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.ended = threading.Event()
        self.looks = 0

    def run(self) -> None:
        self.ended.wait()

    def end(self) -> None:
        self.ended.set()

    @property
    def turn_ns(self) -> int:
        self.looks += 1
        return time.monotonic_ns() - (10 * S if self.looks == 2 else 0)


def test_one_bad_look_alone_ends_nothing(tmp_path: Path) -> None:
    late = _LateOnce()
    disk = SlowDisk(tmp_path)
    live = Live(disk, SOUND_ONLY, Diet(0), History(), "boot-0")
    live.service.readers = [cast(SensorReader, late)]
    live.begin()
    _wait(lambda: late.looks > 3)
    assert live.status is None
    assert live.shut_down() == 0


# --- sleep --------------------------------------------------------------------------------------------------


def test_the_clocks_of_this_machine_can_be_compared() -> None:
    first, second = clock.asleep(), clock.asleep()
    assert first is not None and second is not None
    assert abs(second[1] - first[1]) <= 2 * clock.BRACKET_NS


@given(steps=st.lists(st.integers(0, 30 * MS), max_size=30))
def test_every_ten_milliseconds_of_drift_are_told_once_and_with_moments_that_hold_them(steps: list[int]) -> None:
    watch, now, asleep, told = SleepWatch(), 5 * S, 3 * S, 0
    assert watch.look((now, asleep)) is None
    for slept in steps:
        before = now
        now, asleep = now + 50 * MS + slept, asleep + slept
        found = watch.look((now, asleep))
        if found is not None:
            assert (found.from_ns, found.until_ns) == (before, now)
            told += 1
    whole = sum(steps)
    assert (told > 0) == (whole >= 10 * MS)
    assert told <= whole // (10 * MS)


def test_a_torn_sample_tells_nothing_and_hides_nothing() -> None:
    watch = SleepWatch()
    assert watch.look((1 * S, 0)) is None
    assert watch.look(None) is None
    assert watch.look((9 * S, 7 * S)) == m.Suspended(1 * S, 9 * S)


def _sleep(rig: Rig, length_ns: int, look_ns: int = 20 * MS) -> None:
    """The machine sleeps; the recorder's last look before was a little earlier, the next is at once."""
    before = rig.now_ns - look_ns
    rig.now_ns += length_ns
    rig.fed_until_ns = rig.now_ns
    rig.tell(m.Suspended(before, rig.now_ns))


def _told(folder: Path) -> list[tuple[str, str]]:
    faultless(folder)
    return [(begin.track, begin.cause) for begin in Reading(folder).of(e.InterruptionBegin)]


def _booted(folder: Path) -> Rig:
    rig = Rig(folder, SETTINGS)
    rig.boot()
    rig.run(3)
    return rig


@given(length_ms=st.integers(10, 20_000), phase_ms=st.integers(0, 400), look_ms=st.integers(0, 50))
@settings(max_examples=12, deadline=None)
def test_a_sleep_is_one_interruption_of_all_tracks_and_never_the_cameras(
    tmp_path_factory: pytest.TempPathFactory, length_ms: int, phase_ms: int, look_ms: int
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    rig = _booted(folder)
    rig.start()
    rig.run(2 + phase_ms / 1000)
    _sleep(rig, length_ms * MS, look_ms * MS)
    rig.run(2)
    rig.stop()
    rig.kill()
    assert _told(folder) == [("all", "suspend")]
    [ended] = Reading(folder).of(e.InterruptionEnd)
    assert ended.shortest_us == (length_ms + look_ms) * 1000


def test_a_sleep_in_the_pre_record_is_told_by_the_session_that_holds_it(tmp_path: Path) -> None:
    rig = _booted(tmp_path)
    _sleep(rig, 1 * S)
    rig.run(2)
    rig.start()
    rig.run(2)
    rig.stop()
    rig.kill()
    assert _told(tmp_path) == [("all", "suspend")]


def test_a_sleep_before_the_pre_record_is_not_told_by_the_session(tmp_path: Path) -> None:
    rig = _booted(tmp_path)
    _sleep(rig, 1 * S)
    rig.run(9)
    rig.start()
    rig.run(2)
    rig.stop()
    rig.kill()
    assert _told(tmp_path) == []


def test_a_camera_that_does_not_wake_is_interrupted_from_the_waking_on(tmp_path: Path) -> None:
    rig = _booted(tmp_path)
    rig.start()
    rig.run(2)
    rig.camera_on = False
    _sleep(rig, 3 * S)
    rig.run(1)
    rig.tell(m.SensorDown("camera", "the camera did not wake"))
    rig.run(1)
    rig.camera_on = True
    rig.tell(m.Heard("camera", streams.CAMERA))
    rig.run(2)
    rig.stop()
    rig.kill()
    assert _told(tmp_path) == [("all", "suspend"), ("video", "camera")]
    slept, woken = Reading(tmp_path).of(e.InterruptionEnd)[0], Reading(tmp_path).of(e.InterruptionBegin)[1]
    assert woken.last_us == slept.first_us


def test_a_long_sleep_is_not_held_against_silent_sensors(tmp_path: Path) -> None:
    rig = _booted(tmp_path)
    rig.start()
    rig.run(2)
    _sleep(rig, 60 * S)
    assert not [event for event in rig.events if event.name == "sensor.down"]


def test_the_running_service_tells_a_sleep_and_goes_on(tmp_path: Path) -> None:
    slept = [0]
    with _running(tmp_path) as (live, _):
        live.service._asleep = lambda: (clock.boottime_ns(), slept[0])
        live.ask(lambda _: None)
        slept[0] = 3600 * S
        assert live.wait_for("suspended").value >= 0
        live.ask(lambda _: None)
        assert live.status is None


# --- a sensor's process -------------------------------------------------------------------------------------


@contextmanager
def _read(options: Mapping[str, object]) -> Iterator[tuple[SensorReader, "queue.SimpleQueue[m.Message]"]]:
    posted: queue.SimpleQueue[m.Message] = queue.SimpleQueue()
    reader = SensorReader("position", options, posted.put)
    reader.start()
    try:
        yield reader, posted
    finally:
        reader.end()
        reader.join(10)
        assert not reader.is_alive()


def test_a_process_that_cannot_be_started_is_told_and_tried_again() -> None:
    options: dict[str, object] = {"driver": "simulated", "filler": "a" * 200_000}  # more than execve takes
    with _read(options) as (reader, posted):
        down = posted.get(timeout=10)
        assert isinstance(down, m.SensorDown)
        assert "could not be started" in down.text
        assert reader.pid is None
        del options["filler"]
        _wait(lambda: isinstance(posted.get(timeout=10), m.Heard), 20)
        assert reader.is_alive()


def test_what_a_sensor_says_is_bounded_and_on_one_line() -> None:
    said = tamed(Fault("k" * 1_000_000, "\x1b[2J\n" * 1_000_000))
    assert isinstance(said, Fault)
    assert (len(said.kind), len(said.text)) == (64, logs.MAX_CHARACTERS)
    assert said.text.isprintable()
    assert tamed(Said("lens\ncovered")) == Said("lens covered")


# --- the log ------------------------------------------------------------------------------------------------


class _StuckSink:
    """A pipe that nobody reads until ``may_go_on``."""

    def __init__(self) -> None:
        self.may_go_on = threading.Event()
        self.stuck = threading.Event()
        self.lines: list[str] = []

    def write(self, text: str) -> None:
        self.stuck.set()
        self.may_go_on.wait()
        self.lines.append(text)

    def flush(self) -> None:
        assert self.may_go_on.is_set()


def test_lines_beyond_the_queue_are_counted_and_the_count_is_said() -> None:
    sink = _StuckSink()
    log = Log(sink, lines=4)
    log.line("first")
    assert sink.stuck.wait(5)
    for number in range(10):
        log.line(f"line {number}")
    sink.may_go_on.set()
    log.close(5)
    assert sink.lines[:5] == ["liuhen: first\n", *(f"liuhen: line {number}\n" for number in range(4))]
    assert sink.lines[5:] == ["liuhen: 6 lines were left out: standard error was not read fast enough\n"]


def test_a_closed_standard_error_ends_nothing(tmp_path: Path) -> None:
    with (tmp_path / "stderr").open("w") as file:
        log = Log(file)
    log.line("nobody reads this")
    log.line("nor this")
    log.close(5)
    assert (tmp_path / "stderr").read_text() == ""


def test_a_stuck_standard_error_stops_neither_the_recorder_nor_its_end(tmp_path: Path) -> None:
    sink = _StuckSink()
    with _running(tmp_path) as (live, _):
        live.service.log = Log(sink, lines=2)
        for number in range(50):
            live.service.post(m.Heard("microphone", Said(f"line {number}")))
        assert sink.stuck.wait(5)
        assert live.ask(lambda recorder: recorder.status()["state"]) == "standby"
    assert live.status == 0
    sink.may_go_on.set()


def test_a_sensors_fault_and_log_go_to_standard_error_and_presses_do_not(tmp_path: Path) -> None:
    sink = _StuckSink()
    sink.may_go_on.set()
    with _running(tmp_path) as (live, _):
        live.service.log = Log(sink)
        live.service.post(m.Heard("microphone", Said("gain is low")))
        live.service.post(m.Heard("microphone", Fault("card.gone", "no sound card\nliuhen: forged")))
        live.service.command(m.Issue("assign", "12345", "王某"))
    assert sink.lines == [
        "liuhen: log microphone: gain is low\n",
        "liuhen: fault microphone: no sound card liuhen: forged\n",
    ]


# --- the local interface ------------------------------------------------------------------------------------


def test_the_local_interface_comes_without_any_packet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "DOOR_AFTER_S", 0.3)
    opened = threading.Event()

    def door() -> None:
        opened.set()

    with _running(tmp_path, open_door=door, fed=False) as (live, _):
        assert opened.wait(10)
        assert live.status is None


def test_a_local_interface_that_cannot_be_opened_is_journalled_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "DOOR_RETRY_S", 0.1)
    tries: list[int] = []

    def door() -> None:
        tries.append(len(tries))
        if len(tries) < 4:
            raise OSError(98, "Address already in use")

    with _running(tmp_path, open_door=door) as (live, _):
        _wait(lambda: len(tries) == 4)
    assert live.status == 0
    [fault] = [one for one in Reading(tmp_path).of(e.Fault) if one.kind == "door"]
    assert (fault.part, "Address already in use" in fault.text) == ("recorder", True)


def test_a_local_interface_that_ended_is_opened_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "DOOR_RETRY_S", 0.1)
    served: list[threading.Thread] = []

    def door() -> threading.Thread:
        served.append(threading.Thread(target=lambda: None))
        served[-1].start()
        return served[-1]

    with _running(tmp_path, open_door=door) as (live, _):
        _wait(lambda: len(served) >= 3)
        assert live.status is None


def test_a_required_track_that_is_missing_is_no_matter_for_a_sleep(tmp_path: Path) -> None:
    rig = Rig(tmp_path, replace(SETTINGS, required_tracks=("sound",)))
    rig.boot()
    rig.run(3)
    rig.start()
    rig.run(2)
    _sleep(rig, 500 * MS)
    rig.run(2)
    rig.stop()
    rig.kill()
    assert _told(tmp_path) == [("all", "suspend")]
