"""Storage as a rule: the forecast, what is told once, and a reserve that always suffices."""

import errno
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from agent.evidence import entries as e
from agent.evidence.canonical import MAX_INT, b64
from agent.evidence.checkpoint import Checkpoint, sign_checkpoint
from agent.evidence.journal_lines import encode_checkpoint_line, encode_entry
from agent.evidence.note import Signer
from agent.recorder import messages as m
from agent.recorder.compose import reserved_bytes
from agent.recorder.keeping import (
    CARRIED_BYTES,
    CLOCK_LINES_BYTES,
    FILE_BYTES,
    FLUSH_LINES_BYTES,
    LEVELS,
    LONG_ENTRIES,
    SHORT_ENTRY_BYTES,
    STREAM_BYTES,
    Decision,
    GoOnRecording,
    Keeping,
    KeepSettings,
    LevelChanged,
    Load,
    MakeRoom,
    ShiftTooLong,
    StopRecording,
    WrittenRate,
    forecast_h,
    keep_settings,
    load_of,
    recorded_bytes,
    reserve_of,
)
from config.load import parse_config
from config.models import Storage
from tests.sim.disk import SimDisk
from tests.support.rig import SETTINGS, SOUND_ONLY, Rig

S = 1_000_000_000
MIN, H = 60, 3600
GB = 1_000_000_000
LOAD = Load(
    media_bytes_per_s=508_000,
    flush_ms=400,
    segment_s=60,
    preallocated_bytes=33_528_000,
    recipients=2,
    queue_s=20,
    prerecord_s=30,
    reason_s=175,
    look_s=5,
    reserve_s=60,
    standby_h=96,
)


# --- the forecast -------------------------------------------------------------------------------------


def test_the_forecast_is_what_is_left_above_the_reserve_over_the_rate() -> None:
    assert forecast_h(10 * GB, 2 * GB) == 5.0
    assert forecast_h(10 * GB, 2 * GB, 4 * GB) == 3.0
    assert forecast_h(3 * GB, 2 * GB, 4 * GB) == 0.0
    assert forecast_h(3 * GB, 0) > 1e8


def test_the_rate_is_the_configured_one_until_a_minute_was_recorded() -> None:
    rate = WrittenRate(1000, 600)
    assert rate.bytes_per_h() == 1000
    rate.add(500, 59 * S)
    assert rate.bytes_per_h() == 1000
    rate.add(500, 1 * S)
    assert rate.bytes_per_h() == 60_000


@given(st.integers(60, 3600), st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 5 * S)), max_size=400))
def test_the_measured_rate_is_that_of_the_last_minutes(window_s: int, flushes: list[tuple[int, int]]) -> None:
    """Never above the fastest flush or below the slowest; what is older than the window is forgotten."""
    rate = WrittenRate(7, window_s)
    for written, length_ns in flushes:
        rate.add(written, length_ns)
    if sum(length for _, length in flushes) < 2 * MIN * S:
        return
    rates = [written * H * S // length for written, length in flushes]
    assert min(rates) - 1 <= rate.bytes_per_h() <= max(rates) + 1 or rate.bytes_per_h() == 1
    for _ in range(2 * (window_s // 5 + 60)):
        rate.add(5000, 5 * S)
    assert rate.bytes_per_h() == 1000 * H


def test_time_without_recording_does_not_change_the_rate() -> None:
    rate = WrittenRate(1000, 600)
    for _ in range(300):
        rate.add(400, S)
    before = rate.bytes_per_h()
    rate.add(0, 0)
    assert rate.bytes_per_h() == before == 400 * H


# --- levels -------------------------------------------------------------------------------------------


def keeping(**changed: int) -> Keeping:
    kept = Keeping(replace(KeepSettings(), **changed), LOAD)
    kept.rate = WrittenRate(GB, 600)
    return kept


def look(kept: Keeping, minutes: float, shift_left_s: int = -1) -> list[Decision]:
    """Look when there is room for so many minutes; without what asks for room."""
    free = kept.reserve_bytes + int(minutes * GB / 60) + 100
    return [one for one in kept.look(free, shift_left_s) if not isinstance(one, MakeRoom)]


def test_each_level_is_told_once_on_the_way_down() -> None:
    kept, told = keeping(), list[Decision]()
    for minutes in range(90, -1, -1):
        told += look(kept, minutes)
    told += kept.look(kept.reserve_bytes)[:2]
    assert told == [
        LevelChanged("enough", "warned", 59),
        LevelChanged("warned", "low", 29),
        LevelChanged("low", "reserve", 0),
        StopRecording("storage", "the storage is full up to its reserve"),
    ]
    assert not kept.may_record


def test_a_forecast_that_wobbles_about_a_level_is_told_once() -> None:
    kept, told = keeping(), list[Decision]()
    for _ in range(20):
        told += look(kept, 59) + look(kept, 61) + look(kept, 64)
    assert told == [LevelChanged("enough", "warned", 59)]
    assert look(kept, 65) == [LevelChanged("warned", "enough", 65)]


def test_recording_goes_on_when_there_is_room_above_the_reserve_and_not_a_second_before() -> None:
    kept = keeping()
    kept.look(0)
    assert look(kept, 4.9) == []
    assert not kept.may_record
    assert look(kept, 5) == [LevelChanged("reserve", "low", 5), GoOnRecording(5)]
    assert kept.may_record


def test_a_full_card_stops_at_once_without_the_levels_between() -> None:
    kept = keeping()
    look(kept, 500)
    assert [type(one) for one in look(kept, -10)] == [LevelChanged, StopRecording]


def test_room_is_asked_for_below_what_is_wanted_and_says_how_much() -> None:
    kept = keeping(room_min=120)
    assert kept.look(kept.reserve_bytes + 2 * GB) == []
    (wanted,) = [one for one in kept.look(kept.reserve_bytes + 2 * GB - 10**8) if isinstance(one, MakeRoom)]
    assert wanted.wanted_bytes == kept.reserve_bytes + 2 * GB
    assert kept.look(wanted.wanted_bytes) == [], "with as much nothing more is asked for"


def test_a_shift_that_room_does_not_last_for_is_told_once_until_it_does() -> None:
    kept = keeping()
    assert look(kept, 200, 180 * MIN) == []
    assert look(kept, 170, 175 * MIN) == [ShiftTooLong(170, 175)]
    assert look(kept, 160, 170 * MIN) == []
    assert look(kept, 172, 168 * MIN) == [], "nearly"
    assert look(kept, 150, 160 * MIN) == [], "still the same shortage"
    assert look(kept, 400, 150 * MIN) == []
    assert look(kept, 100, 150 * MIN) == [ShiftTooLong(100, 150)]
    assert look(kept, 100) == [], "no shift"


@given(st.lists(st.integers(-50, 3000), min_size=1, max_size=60))
def test_whatever_the_room_does_a_stop_is_said_at_the_reserve_and_only_there(tenths_min: list[int]) -> None:
    kept, level, recording = keeping(), "enough", True
    for tenths in tenths_min:
        free = kept.reserve_bytes + tenths * (GB // 600)
        decisions = kept.look(free)
        changes = [one for one in decisions if isinstance(one, LevelChanged)]
        assert len(changes) <= 1
        for change in changes:
            assert (change.before, change.level) == (level, kept.level)
            assert change.before != change.level
            level = change.level
        assert level == kept.level
        stops, resumes = (any(isinstance(one, kind) for one in decisions) for kind in (StopRecording, GoOnRecording))
        assert not (stops and not recording) and not (resumes and recording), "each once"
        recording = resumes or (recording and not stops)
        assert recording == kept.may_record
        if free <= kept.reserve_bytes:
            assert not recording, "the reserve is never recorded into"
        if tenths >= 50:
            assert recording, "and nothing above it is left unused"
        assert LEVELS.index(kept.level) >= ["enough", "warned", "low", "reserve"].index(
            "reserve" if tenths <= 0 else "low" if tenths < 295 else "warned" if tenths < 595 else "enough"
        )


# --- the reserve: what its parts rest on ----------------------------------------------------------------


def extreme(kind: type[e.Entry], /, **more: Any) -> e.Entry:
    """An entry whose numbers and texts are as long as they get."""
    place: dict[str, Any] = {"stream": "s" + "9" * 18, "n": MAX_INT, "prev": "_" * 43, "salt": b64(b"\xff" * 16)}
    return kind(**place, boot=MAX_INT, boot_us=-MAX_INT, **more)


SPAN = e.TrackSpan(
    track="video", tick=MAX_INT, end_tick=MAX_INT, count=MAX_INT, first_us=MAX_INT, last_us=MAX_INT
)  # fmt: skip
FRAGMENT = extreme(
    e.Fragment, segment=MAX_INT, index=MAX_INT, tracks=[SPAN, SPAN], end=MAX_INT, sha256="_" * 43, sealed=MAX_INT,
    sealed_sha256="_" * 43, lag_ms=MAX_INT, fix="yes", accuracy="coarse",
)  # fmt: skip
CLOCK = extreme(e.Clock, at_us=MAX_INT, utc_us=MAX_INT, source="gnss", error_us=MAX_INT)
SLOW = extreme(e.ImpairmentBegin, impairment=MAX_INT, kind="picture.covered", since_us=MAX_INT, text="因" * 100)
NOTE = sign_checkpoint(
    Checkpoint("liuhen/" + "b" * 32 + "/999999999", 2**63 - 1, bytes(32)), Signer("liuhen/" + "b" * 32, bytes(32))
)
CHECKPOINT_BYTES = len(encode_checkpoint_line(NOTE)) + 1


def test_a_flush_writes_no_more_lines_than_is_counted_for_it() -> None:
    lines = sum(len(encode_entry(entry)) + 1 for entry in (FRAGMENT, FRAGMENT, CLOCK, SLOW))
    assert lines + CHECKPOINT_BYTES <= FLUSH_LINES_BYTES
    assert len(encode_entry(CLOCK)) + 1 + CHECKPOINT_BYTES <= CLOCK_LINES_BYTES


def test_an_entry_of_a_close_is_no_longer_than_is_counted_for_it() -> None:
    text = "\0" * 500  # six bytes each in JSON: the most that a sensor's word can cost
    begin = extreme(
        e.InterruptionBegin, interruption=MAX_INT, track="position", cause="officer_stop", text=text, last_boot=MAX_INT,
        last_us=MAX_INT,
    )  # fmt: skip
    assert len(encode_entry(begin)) + 1 <= SHORT_ENTRY_BYTES
    head = '"s' + "9" * 18 + '":[' + str(MAX_INT) + ',"' + "_" * 43 + '"],'
    assert len(head) <= STREAM_BYTES


def test_long_entries_and_what_is_carried_are_counted_as_long_as_an_entry_may_be() -> None:
    reserve = reserve_of(LOAD)
    assert reserve.alarm >= LONG_ENTRIES * e.MAX_ENTRY_BYTES
    assert reserve.journal >= CARRIED_BYTES
    assert LONG_ENTRIES >= 5, "alarm, acknowledgement, statement, explanation, addendum"


@given(st.integers(2_000, 2_600_000), st.integers(1, 3600), st.integers(10, 600), st.integers(200, 800))
def test_what_is_counted_grows_with_the_rate_and_the_time(
    rate: int, seconds: int, segment_s: int, flush_ms: int
) -> None:
    load = replace(LOAD, media_bytes_per_s=rate, segment_s=segment_s, flush_ms=flush_ms)
    assert recorded_bytes(load, seconds) > rate * seconds * 11 // 10
    assert recorded_bytes(load, seconds + 1) > recorded_bytes(load, seconds)
    assert recorded_bytes(replace(load, media_bytes_per_s=rate + 1000), seconds) > recorded_bytes(load, seconds)


def test_each_file_and_each_flush_is_counted() -> None:
    def of(**changed: int) -> int:
        return recorded_bytes(replace(LOAD, **changed), 600)

    assert of(segment_s=10) - of(segment_s=600) >= 59 * FILE_BYTES
    assert of(flush_ms=200) - of(flush_ms=400) >= 1500 * (FLUSH_LINES_BYTES + 64 * 1024)
    assert of(recipients=12) - of(recipients=2) >= 10 * 10 * 100, "a stanza in each file's header"


# --- the reserve suffices -----------------------------------------------------------------------------


class FullDisk(SimDisk):
    """A disk of a size: blocks of 4 KiB, 16 KiB for each file; an extension that fails takes what there is."""

    BLOCK, FILE = 4096, 16_384

    def __init__(self, capacity: int) -> None:
        super().__init__()
        self.capacity = capacity
        self._taken: dict[int, int] = {}
        self._written: dict[int, int] = {}
        self.refused = list[str]()

    def used(self) -> int:
        return sum(self._taken.values()) + len(self._taken) * self.FILE

    def free(self) -> int:
        """What the file system gives, and what is preallocated and not yet written."""
        unwritten = sum(taken - self._written.get(file, 0) for file, taken in self._taken.items())
        return self.capacity - self.used() + max(0, unwritten - len(self._taken) * self.BLOCK)

    def create(self, path: str) -> int:
        if self.capacity - self.used() < self.FILE:
            self._refuse("create")
        handle = super().create(path)
        self._taken[id(self._handles[handle])] = 0
        return handle

    def write(self, file: int, offset: int, pieces: Sequence[bytes]) -> None:
        end = offset + sum(map(len, pieces))
        self._grow(file, end, "write")
        key = id(self._handles[file])
        self._written[key] = max(end, self._written.get(key, 0))
        super().write(file, offset, pieces)

    def extend(self, file: int, offset: int, length: int) -> None:
        self._grow(file, offset + length, "extend")
        super().extend(file, offset, length)

    def truncate(self, file: int, length: int) -> None:
        super().truncate(file, length)
        self._taken[id(self._handles[file])] = -(-length // self.BLOCK) * self.BLOCK

    def _grow(self, file: int, end: int, call: str) -> None:
        key = id(self._handles[file])
        taken = max(self._taken.get(key, 0), -(-end // self.BLOCK) * self.BLOCK)
        room = self.capacity - self.used() + self._taken.get(key, 0)
        if taken > room:
            self._taken[key] = room // self.BLOCK * self.BLOCK
            self._refuse(call)
        self._taken[key] = taken

    def _refuse(self, call: str) -> None:
        self.refused.append(call)
        raise OSError(errno.ENOSPC, "no space left on device", call)


@st.composite
def devices(draw: st.DrawFn) -> tuple[m.Sensor, Load, int, int]:
    """A sensor set, what it writes, bytes of a picture, and how many are over the reserve at the last look before."""
    with_camera = draw(st.booleans())
    frame_bytes = draw(st.sampled_from([200, 1500, 4000])) if with_camera else 0
    flush_ms = draw(st.sampled_from([200, 400]))
    load = Load(
        media_bytes_per_s=frame_bytes * 29 + 160 * 47,
        flush_ms=flush_ms if with_camera else 2 * flush_ms,
        segment_s=draw(st.sampled_from([10, 30])),
        preallocated_bytes=draw(st.sampled_from([0, 1 << 20, 6 << 20])),
        recipients=1,
        queue_s=5,
        prerecord_s=draw(st.sampled_from([0, 5])),
        reason_s=draw(st.sampled_from([21, 45])),
        look_s=draw(st.sampled_from([1, 5])),
        reserve_s=0,
        standby_h=1,
    )
    return "camera" if with_camera else "microphone", load, frame_bytes, draw(st.integers(0, 200_000))


@given(devices(), st.booleans())
@settings(max_examples=40, deadline=None)
def test_the_reserve_suffices_for_the_close_its_journal_an_alarm_and_a_spoken_reason(
    device: tuple[m.Sensor, Load, int, int], stalled: bool
) -> None:
    """The real recorder and writer on a disk that becomes full: nothing is ever refused for want of room."""
    sensor, load, frame_bytes, over = device
    base = SETTINGS if sensor == "camera" else SOUND_ONLY
    flush_ms = load.flush_ms if sensor == "camera" else load.flush_ms // 2
    disk = FullDisk(1 << 40)
    rig = Rig(
        disk,
        replace(base, prerecord_s=load.prerecord_s, segment_s=load.segment_s, flush_ms=flush_ms, queue_s=load.queue_s),
    )
    rig.bytes_per_frame, rig.preallocate_bytes, rig.rotate_bytes = frame_bytes, load.preallocated_bytes, 20_000
    kept = Keeping(KeepSettings(), load)
    rig.boot()
    rig.run(load.prerecord_s + 1)
    rig.start()
    rig.run(3)
    disk.capacity += kept.reserve_bytes + over - disk.free()
    reserve, free = reserve_of(load), [disk.free()]
    if stalled:
        rig.disk_ns = lambda: (load.queue_s - 1) * S  # what waits in memory comes all at once
    while not any(isinstance(one, StopRecording) for one in kept.look(disk.free())):
        rig.run(load.look_s)
    rig.disk_ns = lambda: 0
    rig.stop()
    free.append(disk.free())
    for number in range(LONG_ENTRIES - 2):
        entry = e.AlarmAcknowledged(alarm=number, number=number, key="k", private=e.Private(sha256="", age=""))
        rig.recorder.note(m.Draft(entry, "因" * 13_000))
    rig.run(1)
    free.append(disk.free())
    assert kept.room_for_reason(disk.free())
    rig.start()
    rig.run(load.reason_s - 1)
    rig.stop()
    free.append(disk.free())
    assert rig.writer.idle
    closing, alarm, reason = (before - after for before, after in pairwise(free))
    assert closing <= over + reserve.closing + reserve.journal
    assert alarm <= reserve.alarm + reserve.journal
    assert reason <= reserve.reason
    assert disk.refused == []
    assert "storage.failing" not in [event.name for event in rig.events]


def test_a_disk_without_the_reserve_refuses() -> None:
    """The model does fill up: the test above can fail."""
    disk = FullDisk(1 << 40)
    rig = Rig(disk, SETTINGS)
    rig.boot()
    rig.run(2)
    rig.start()
    rig.run(3)
    disk.capacity = disk.used() + 2_000_000
    rig.run(30)
    assert "write" in disk.refused
    assert "storage.failing" in [event.name for event in rig.events]


def test_more_is_kept_where_more_is_written_than_the_bit_rates_explain() -> None:
    kept = keeping()
    usual = kept.reserve_bytes
    assert usual == reserve_of(LOAD).total
    kept.rate = WrittenRate(4 * recorded_bytes(LOAD, H), 600)
    assert kept.reserve_bytes == 4 * usual


# --- from the configuration -----------------------------------------------------------------------------

CONFIG = """
[device]
id = "car-7"
unit = "u"
key_dir = "key"
spool = "/srv/spool"
[trust]
recipients = ["age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"]
[microphone]
driver = "simulated"
"""


def test_the_load_is_what_the_configuration_says() -> None:
    config = parse_config((CONFIG + '[camera]\ndriver = "simulated"\n').encode(), Path("/etc"))
    load = load_of(config, reserved_bytes(config))
    assert load == replace(LOAD, recipients=1, preallocated_bytes=33_528_000)
    assert keep_settings(config) == KeepSettings()
    kept = Keeping(keep_settings(config), load)
    assert 0.25 * GB < kept.reserve_bytes < 0.4 * GB, "an eighth of an hour or so"
    assert 1.8 * GB < kept.rate.bytes_per_h() < 1.95 * GB, "4000 + 64 kbit/s and a little"


def test_with_sound_alone_each_flush_is_counted_as_a_chunk() -> None:
    config = parse_config((CONFIG + '[record]\nrequired_tracks = ["sound"]\n').encode(), Path("/etc"))
    load = load_of(config, reserved_bytes(config))
    assert load.flush_ms == 800
    assert 0.28 * GB < Keeping(keep_settings(config), load).rate.bytes_per_h() < 0.32 * GB


OF_THE_PROBE = {"driver", "scenario", "scenario_started_ns"}


@pytest.mark.parametrize("name", sorted({field.name for field in structs.fields(Storage)} - OF_THE_PROBE))
def test_every_key_of_the_section_is_used(name: str) -> None:
    """A key that changes nothing would be a promise that nobody keeps (``shift_min``: whose shift is the caller's)."""
    text = CONFIG + '[record]\nrequired_tracks = ["sound"]\n[storage]\n'
    usual = parse_config(text.encode(), Path("/etc"))
    value = getattr(usual.storage, name) + 1
    changed = parse_config(f"{text}{name} = {value}\n".encode(), Path("/etc"))
    differs = (load_of(usual, 0), keep_settings(usual)) != (load_of(changed, 0), keep_settings(changed))
    assert differs == (name != "shift_min")
