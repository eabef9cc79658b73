"""Recording cannot go on (R19c): the alarm, the telling, and that nothing ends it but a person, by name.

``Device`` is a journal's fold, the alarms, and a clock; entries go through the journal's own encoding.
"""

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from agent.evidence import entries as e
from agent.evidence.journal import decode_entry, encode_entry
from agent.recorder import messages as m
from agent.recorder.alarms import Alarms, AlarmSettings, where_of
from agent.recorder.reasons import Out
from agent.recorder.state import DeviceState
from agent.recorder.timeline import NS_PER_S, NS_PER_US
from drivers.position import Fix

S = "s000001"
LIMIT_S = 60
SETTINGS = AlarmSettings(cannot_continue_s=LIMIT_S, again_s=60, most_again_s=240, prompt_s=20)
SEALED = e.Private(sha256="hash", age="sealed")
SALT = "A" * 22
Track = Literal["video", "sound", "position", "all"]
PLACE = "WGS 84 30.0000000, 104.0000000 (±5 m)"


@dataclass
class Device:
    """Everything that a recorder would do with what the alarms give."""

    now_s: int = 1000
    boot: int = 0
    state: DeviceState = field(default_factory=DeviceState)
    journal: list[e.Entry] = field(default_factory=list)
    events: list[m.Event] = field(default_factory=list)
    said: list[m.Say] = field(default_factory=list)
    private: list[str] = field(default_factory=list)
    language: Literal["zh", "en"] = "en"
    quiet: bool = True
    interruptions: int = 0

    def __post_init__(self) -> None:
        self.put(e.Boot(boot=0, boot_id="boot-0"))
        self.open(1)
        self.start()

    def start(self) -> None:
        """The recorder's process comes up."""
        self.alarms = Alarms(
            SETTINGS, self.language, self.state, lambda: "310101", lambda: PLACE, self.now_s * NS_PER_S
        )
        self.started = True

    def open(self, number: int) -> None:
        self.session = f"s{number:06}"
        self.number = number
        self.interruptions = 0
        self.put(
            e.SessionOpen(
                stream=self.session,
                number=number,
                pressed_us=0,
                from_us=self.now_s * 1_000_000,
                prerecord_ms=0,
                prerecord_sound="yes",
                required_tracks=["video", "sound"],
                power="inspection",
                officer="310101",
                items_sha256="",
                config_sha256="",
            )
        )

    started = False

    def put(self, entry: e.Entry) -> None:
        """Into the journal, as its own bytes say."""
        entry.boot, entry.boot_us, entry.salt = self.boot, self.now_s * 1_000_000, SALT
        again = decode_entry(encode_entry(entry))
        self.journal.append(again)
        self.state.apply(again)
        self.state.known.add(again.stream)
        if self.started:
            self.alarms.note(again, self.now_s * NS_PER_S)

    def take(self, out: Out) -> Out:
        for one in out:
            if isinstance(one, m.Draft):
                if one.private:
                    one.entry.private = SEALED  # type: ignore[attr-defined]
                    self.private.append(one.private)
                self.put(one.entry)
            elif isinstance(one, m.Event):
                self.events.append(one)
            elif isinstance(one, m.Say):
                self.said.append(one)
        return out

    def run(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now_s += 1
            self.take(self.alarms.step(self.quiet, self.now_s * NS_PER_S))

    def begin(self, track: Track = "video") -> int:
        number, self.interruptions = self.interruptions, self.interruptions + 1
        self.put(
            e.InterruptionBegin(
                stream=self.session,
                interruption=number,
                track=track,
                cause="camera",
                text="the camera's process ended",
                last_boot=self.boot,
                last_us=self.now_s * 1_000_000,
            )
        )
        return number

    def end(self, number: int, resumed: e.YesNo = "yes", boot: int | None = None) -> None:
        self.put(
            e.InterruptionEnd(
                stream=self.session,
                interruption=number,
                resumed=resumed,
                first_boot=self.boot if boot is None else boot,
                first_us=self.now_s * 1_000_000,
                shortest_us=0,
                longest_us=0,
            )
        )

    def close(self, by: Literal["officer", "recovery"]) -> None:
        until_us = self.now_s * 1_000_000
        self.put(e.SessionClose(stream=self.session, by=by, until_boot=self.boot, until_us=until_us, late_frames=0))

    def rotate(self) -> None:
        """A new file: a start reads what it repeats, and nothing before."""
        carries = self.state.carries()
        self.state = DeviceState(known=self.state.known)
        for carry in carries:
            carry.boot, carry.salt = self.boot, SALT
            self.state.apply(decode_entry(encode_entry(carry)))

    def say(self, sha256: str = "hash") -> None:
        """The speaker answers what it was last told to say."""
        self.take(self.alarms.said(self.said[-1].number, sha256, self.now_s * NS_PER_S))

    def cut(self, too_long: bool) -> None:
        """Power is cut, the device starts again, and recovery does what it does."""
        self.started = False
        open_session = self.state.sessions.get(self.session)
        self.boot += 1
        self.put(e.Boot(boot=self.boot, boot_id=f"boot-{self.boot}"))
        if open_session is not None:
            for begin in open_session.open_interruptions:
                if begin.track != "all":
                    self.end(begin.interruption, "no")
            all_open = [one.interruption for one in open_session.open_interruptions if one.track == "all"]
            number = all_open[0] if all_open else self.begin("all")
            if too_long:
                self.end(number, "no")
                self.close("recovery")
        self.start()

    def of(self, kind: type[e.Entry]) -> list[e.Entry]:
        return [one for one in self.journal if isinstance(one, kind)]

    @property
    def raised(self) -> list[e.Alarm]:
        return [one for one in self.journal if isinstance(one, e.Alarm)]


def names(out: Out) -> list[str]:
    return [one.name for one in out if isinstance(one, m.Event)]


# --- when it is raised --------------------------------------------------------------------------------------


def test_a_track_that_does_not_come_back_raises_one_alarm_and_a_short_interruption_none() -> None:
    device = Device()
    device.end(device.begin())
    device.run(300)
    assert not device.raised
    device.begin("sound")
    device.run(LIMIT_S - 1)
    assert not device.raised
    device.run(1000)
    (alarm,) = device.raised
    assert (alarm.stream, alarm.alarm, alarm.interruption, alarm.track) == (S, 0, 1, "sound")
    assert (alarm.kind, alarm.cause, alarm.officer, alarm.since_us) == (
        "cannot_continue",
        "camera",
        "310101",
        1300 * 1_000_000,
    )
    assert "sound" in alarm.text
    assert device.private == [PLACE], "where it is, for the unit head alone"
    assert [event.name for event in device.events][:2] == ["alarm.cannot_continue", "alarm.report_now"]


def test_each_track_raises_its_own_alarm_and_numbers_go_on_over_sessions() -> None:
    device = Device()
    numbers = [device.begin("video"), device.begin("sound")]
    device.run(LIMIT_S)
    for number in numbers:
        device.end(number, "no")
    device.close("officer")
    device.open(2)
    device.begin()
    device.run(LIMIT_S)
    assert [(one.stream, one.alarm) for one in device.raised] == [(S, 0), (S, 1), ("s000002", 2)]


def test_the_time_before_a_start_does_not_count() -> None:
    """A recorder that was gone for a while has not tried to record in that time."""
    device = Device()
    device.begin("all")
    device.now_s += 10 * LIMIT_S
    device.start()
    device.run(LIMIT_S - 1)
    assert not device.raised
    device.run(1)
    assert len(device.raised) == 1


def test_a_session_that_recovery_ended_raises_one_at_the_next_start_and_no_second_one_later() -> None:
    device = Device()
    device.cut(too_long=True)
    device.cut(too_long=True)  # cut again, before the recorder said anything
    device.rotate()
    device.cut(too_long=True)
    device.run(1)
    (alarm,) = device.raised
    assert (alarm.stream, alarm.interruption, alarm.track) == (S, 0, "all")
    assert "end" in alarm.text
    device.cut(too_long=True)
    device.run(LIMIT_S)
    assert len(device.raised) == 1


def test_an_interruption_that_has_its_alarm_gets_none_when_recovery_ends_the_session() -> None:
    device = Device()
    device.begin("all")
    device.run(LIMIT_S)
    device.take(device.alarms.acknowledged(m.AlarmAcknowledged(0, "310109", "王五")))
    device.take(device.alarms.stated(m.StatementGiven(S, 0, "电池在检查中途耗尽,已更换。")))
    device.rotate()
    device.cut(too_long=True)
    device.run(LIMIT_S)
    assert len(device.raised) == 1
    assert not device.state.alarms.alarms, "settled, and its interruption is over"


def test_an_interruption_that_has_its_alarm_gets_none_after_a_start_that_does_not_end_it_either() -> None:
    device = Device()
    device.begin("all")
    device.run(LIMIT_S)
    device.rotate()
    device.cut(too_long=False)
    device.run(2 * LIMIT_S)
    assert len(device.raised) == 1


def test_a_stop_that_a_cut_tears_apart_raises_none() -> None:
    """The interruption's end was durable, the session's close was not."""
    device = Device()
    device.end(device.begin("all"), "no")
    device.cut(too_long=False)
    device.run(1)
    device.end(device.interruptions - 1)
    device.close("officer")
    device.cut(too_long=False)
    device.run(1)
    assert not device.raised


def test_the_officers_stop_of_an_interrupted_session_raises_none() -> None:
    device = Device()
    number = device.begin("all")
    device.run(5)
    device.end(number, "no")
    device.close("officer")
    device.cut(too_long=False)
    device.run(LIMIT_S)
    assert not device.raised


def test_it_is_raised_at_once_where_it_is_known_at_once_and_not_again() -> None:
    device = Device()
    number = device.begin("all")
    assert names(device.take(device.alarms.give_up(S, number))) == ["alarm.cannot_continue"]
    assert device.take(device.alarms.give_up(S, number)) == []
    device.run(2 * LIMIT_S)
    assert len(device.raised) == 1


# --- telling the officer ------------------------------------------------------------------------------------


def test_the_officer_is_told_in_the_lists_words_and_again_after_growing_pauses_until_it_is_reported() -> None:
    device = Device(language="zh")
    device.begin()
    device.run(LIMIT_S)
    moments = []
    for _ in range(5):
        moments.append(device.now_s)
        (said,) = device.said
        assert said.text == "无法继续记录,请立即向单位负责人报告,事后提交书面说明。"
        assert said.pattern == "cannot_continue"
        assert device.alarms.speaking
        device.say()
        device.said.clear()
        while not device.said:
            device.run(1)
    assert [b - a for a, b in pairwise(moments)] == [60, 120, 240, 240]
    device.say()
    told = [one for one in device.journal if isinstance(one, e.AlarmTold)]
    assert [one.request for one in told] == [1, 2, 3, 4, 5, 6]
    assert {(one.how, one.prompt_sha256) for one in told} == {("sound", "hash")}
    out = device.take(device.alarms.reported(m.AlarmReported(device.now_s * NS_PER_S, "phone", "向张队长报告")))
    assert names(out) == ["accepted", "alarm.reported"]
    device.said.clear()
    device.run(2000)
    assert not device.said
    assert (device.alarms.open, device.alarms.unreported, device.alarms.statements) == (1, 0, 1)


def test_without_a_speaker_the_lamp_tells_and_a_speaker_that_hangs_is_not_waited_for() -> None:
    device = Device()
    device.begin()
    device.run(LIMIT_S)
    device.say("")
    device.run(60 + SETTINGS.prompt_s + 2)
    told = [one for one in device.journal if isinstance(one, e.AlarmTold)]
    assert [(one.how, one.words, one.prompt_sha256) for one in told] == [("lamp", "", "")] * 2
    assert not device.alarms.speaking


def test_a_question_under_way_is_not_spoken_into_but_the_alarm_stands_at_once() -> None:
    device = Device(quiet=False)
    device.begin()
    device.run(LIMIT_S + 30)
    assert [event.name for event in device.events] == ["alarm.cannot_continue"]
    device.quiet = True
    device.run(1)
    assert len(device.said) == 1


def test_a_new_alarm_is_told_at_once_though_another_was_told_just_now() -> None:
    device = Device()
    device.begin("video")
    device.run(30)
    device.begin("sound")
    device.run(31)
    device.say()
    device.run(LIMIT_S - 31)
    assert len(device.raised) == 2
    assert len(device.said) == 2


def test_what_was_not_reported_is_told_after_a_start() -> None:
    device = Device()
    device.end(device.begin("all"))
    device.begin()
    device.run(LIMIT_S)
    device.rotate()
    device.said.clear()
    device.cut(too_long=False)
    device.run(1)
    assert len(device.said) == 1
    device.say()
    assert len(device.of(e.AlarmTold)) == 1


def test_answers_to_questions_are_not_taken_for_its_own() -> None:
    device = Device()
    device.begin()
    device.run(LIMIT_S)
    assert device.alarms.owns(device.said[-1].number)
    assert not device.alarms.owns(1)
    assert device.alarms.said(1, "hash", 0) == []
    assert device.alarms.speaking


# --- what people say ----------------------------------------------------------------------------------------


def alarmed() -> Device:
    """A device with one alarm, whose interruption is over."""
    device = Device()
    number = device.begin()
    device.run(LIMIT_S)
    device.end(number)
    return device


def test_it_is_open_until_somebody_takes_note_by_name() -> None:
    device = alarmed()
    device.take(device.alarms.stated(m.StatementGiven(S, 0, "摄像头接口松动,已更换设备继续检查。")))
    assert (device.alarms.open, device.alarms.statements) == (1, 0)
    for said in (m.AlarmAcknowledged(0, "", "王五"), m.AlarmAcknowledged(0, "310109", " ")):
        assert names(device.alarms.acknowledged(said)) == ["refused"]
    assert device.alarms.open == 1
    out = device.take(device.alarms.acknowledged(m.AlarmAcknowledged(0, "310109", "王五")))
    assert names(out) == ["accepted", "alarm.acknowledged"]
    (entry,) = device.of(e.AlarmAcknowledged)
    assert isinstance(entry, e.AlarmAcknowledged)
    assert (entry.stream, entry.by, entry.key, entry.number) == (S, "310109", "", -1)
    assert device.private[-1] == "王五"
    assert device.alarms.open == 0 and not device.state.alarms.alarms


def test_a_signed_command_acknowledges_it_where_it_stands_and_one_for_no_alarm_stays_with_the_device() -> None:
    device = alarmed()

    def note(alarm: int) -> m.Draft:
        return m.Draft(e.AlarmAcknowledged(alarm=alarm, number=3, key="bureau+0+0", private=SEALED), "the note")

    device.take(device.alarms.acknowledged_by_note(note(7)))
    device.take(device.alarms.acknowledged_by_note(note(0)))
    assert [(one.stream, one.alarm) for one in device.journal if isinstance(one, e.AlarmAcknowledged)] == [
        ("device", 7),
        (S, 0),
    ]
    assert device.alarms.open == 0


def test_the_statement_is_owed_until_there_is_one_and_there_is_one() -> None:
    device = alarmed()
    text = "摄像头接口松动,已更换设备继续检查。"
    for said in (m.StatementGiven("s000009", 0, text), m.StatementGiven(S, 5, text), m.StatementGiven(S, 0, " 短 ")):
        assert names(device.alarms.stated(said)) == ["refused"]
    assert device.alarms.statements == 1
    device.take(device.alarms.stated(m.StatementGiven(S, 0, text)))
    assert names(device.alarms.stated(m.StatementGiven(S, 0, text))) == ["refused"]
    (entry,) = device.of(e.Statement)
    assert isinstance(entry, e.Statement)
    assert (entry.stream, entry.language, entry.officer) == (S, "zh", "310101")
    assert device.private[-1] == text


def test_one_report_may_be_for_all_and_a_further_one_for_a_named_alarm() -> None:
    device = Device()
    device.begin("video")
    device.begin("sound")
    device.run(LIMIT_S)
    device.take(device.alarms.reported(m.AlarmReported(device.now_s * NS_PER_S, "radio")))
    assert device.alarms.unreported == 0
    assert names(device.alarms.reported(m.AlarmReported(0, "phone"))) == ["refused"]
    device.take(device.alarms.reported(m.AlarmReported(device.now_s * NS_PER_S, "phone", "再次报告", alarm=1)))
    assert names(device.alarms.reported(m.AlarmReported(0, "phone", alarm=9))) == ["refused"]
    reports = [one for one in device.journal if isinstance(one, e.AlarmReported)]
    assert [(one.alarm, one.how) for one in reports] == [(0, "radio"), (1, "radio"), (1, "phone")]
    assert {one.at_us for one in reports} == {device.now_s * NS_PER_S // NS_PER_US}


def test_after_damage_an_alarm_stands_on_and_what_is_said_of_it_stands_in_the_devices_stream() -> None:
    old = Device()
    old.begin("all")
    old.run(LIMIT_S)
    device = Device()
    device.state = DeviceState(known={"s000002"})
    for carry in old.state.alarms.carried_over():
        device.put(carry)
    device.start()
    device.run(1)
    device.say()
    device.take(device.alarms.reported(m.AlarmReported(0, "phone")))
    device.take(device.alarms.acknowledged(m.AlarmAcknowledged(0, "310109", "王五")))
    device.take(device.alarms.stated(m.StatementGiven(S, 0, "日志损坏前摄像头故障,已更换设备。")))
    said = [one.stream for one in device.journal if isinstance(one, e.AlarmTold | e.AlarmReported | e.Statement)]
    assert said == ["device"] * 3
    assert not device.state.alarms.alarms, "its interruption ended with the generation"
    device.open(2)
    device.begin()
    device.run(LIMIT_S)
    assert [(one.stream, one.alarm) for one in device.raised] == [("s000002", 1)]


def test_a_position_in_words_is_where_the_fix_says() -> None:
    fix = Fix(0, 306_000_000, -1_040_000_001, 4_600, "gnss", 1_772_330_400_999_999, 0)
    assert where_of(fix) == "WGS 84 30.6000000, -104.0000001 (±5 m), 2026-03-01 02:00:00 UTC"
    assert where_of(replace(fix, utc_us=2**60)) == "WGS 84 30.6000000, -104.0000001 (±5 m)"


# --- any sequence of events ---------------------------------------------------------------------------------

TRACKS: tuple[Track, ...] = ("video", "sound", "all")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("begin"), st.sampled_from(TRACKS)),
        st.tuples(st.just("end"), st.integers(0, 2)),
        st.tuples(st.just("pass"), st.sampled_from([1, 20, LIMIT_S, 300])),
        st.tuples(st.just("stop"), st.just(0)),
        st.tuples(st.just("rotate"), st.just(0)),
        st.tuples(st.just("cut"), st.booleans()),
        st.tuples(st.just("give_up"), st.integers(0, 2)),
        st.tuples(st.just("report"), st.integers(-1, 4)),
        st.tuples(st.just("acknowledge"), st.integers(0, 4)),
        st.tuples(st.just("note"), st.integers(0, 4)),
        st.tuples(st.just("state"), st.integers(0, 4)),
        st.tuples(st.just("say"), st.sampled_from(["hash", ""])),
        st.tuples(st.just("quiet"), st.booleans()),
    ),
    max_size=40,
)


@dataclass
class Expected:
    """What the journal as a whole says, counted without any fold of the recorder's."""

    device: Device

    def check(self) -> None:
        device, journal = self.device, self.device.journal
        raised = {one.alarm for one in device.raised}
        of = Counter((one.stream, one.interruption) for one in device.raised)
        assert all(count == 1 for count in of.values()), "at most one alarm an interruption"
        assert sorted(raised) == list(range(len(device.raised))), "numbers are the device's, without a gap"
        acknowledged = {one.alarm for one in journal if isinstance(one, e.AlarmAcknowledged)}
        stated = {one.alarm for one in journal if isinstance(one, e.Statement)}
        reported = {one.alarm for one in journal if isinstance(one, e.AlarmReported)}
        open_now, owed = raised - acknowledged, raised - stated
        known = device.state.alarms
        assert {one.alarm for one in known.unacknowledged} == open_now, "open until acknowledged by name"
        assert {one.alarm for one in known.unstated} == owed, "owed until there is a statement"
        assert {one.alarm for one in known.unreported} == open_now - reported
        assert (device.alarms.open, device.alarms.statements) == (len(open_now), len(owed))
        assert device.alarms.unreported == len(open_now - reported)
        assert len(device.of(e.Statement)) == len(stated)
        for one in journal:
            if isinstance(one, e.AlarmTold | e.AlarmReported | e.AlarmAcknowledged | e.Statement):
                assert one.stream == device.raised[one.alarm].stream

    def must_be_raised(self, seconds: int) -> None:
        """After so long without a break every interruption that goes on has its alarm."""
        session = self.device.state.sessions.get(self.device.session)
        if seconds >= LIMIT_S and session is not None:
            of = {(one.stream, one.interruption) for one in self.device.raised}
            assert {(session.session, one.interruption) for one in session.open_interruptions} <= of


def carried_out(device: Device, what: str, how: object) -> None:
    session = device.state.sessions.get(device.session)
    running = session.open_interruptions if session is not None else []
    alarms = device.alarms
    if what == "begin" and how not in [one.track for one in running]:
        if session is None:
            device.open(device.number + 1)
        device.begin(how)  # type: ignore[arg-type]
    elif what == "end" and running:
        device.end(running[int(str(how)) % len(running)].interruption)
    elif what == "pass":
        device.run(int(str(how)))
    elif what == "stop" and session is not None:
        for one in running:
            device.end(one.interruption, "no")
        device.close("officer")
    elif what == "rotate":
        device.rotate()
    elif what == "cut":
        device.cut(bool(how))
    elif what == "give_up" and running:
        device.take(alarms.give_up(device.session, running[int(str(how)) % len(running)].interruption))
    elif what == "report":
        device.take(alarms.reported(m.AlarmReported(device.now_s * NS_PER_S, "phone", "", int(str(how)))))
    elif what == "acknowledge":
        device.take(alarms.acknowledged(m.AlarmAcknowledged(int(str(how)), "310109", "王五")))
    elif what == "note" and any(one.alarm == how for one in device.raised):
        entry = e.AlarmAcknowledged(alarm=int(str(how)), number=1, key="k", private=SEALED)
        if device.state.alarms.numbered(entry.alarm) is not None:
            device.take(alarms.acknowledged_by_note(m.Draft(entry, "note")))
    elif what == "state":
        found = device.state.alarms.numbered(int(str(how)))
        if found is not None:
            device.take(alarms.stated(m.StatementGiven(found.session, found.alarm, "设备故障,已更换后继续检查。")))
    elif what == "say" and device.said:
        device.say(str(how))
    elif what == "quiet":
        device.quiet = bool(how)


@settings(deadline=None, max_examples=150)
@given(STEPS)
def test_whatever_happens_an_alarm_stands_until_a_person_ends_it_by_name(steps: list[tuple[str, object]]) -> None:
    device = Device()
    expected = Expected(device)
    for what, how in steps:
        carried_out(device, what, how)
        if what == "cut":
            device.run(1)
            for close in device.of(e.SessionClose):
                if isinstance(close, e.SessionClose) and close.by == "recovery":
                    assert close.stream in {one.stream for one in device.raised}
        expected.check()
        if what == "pass":
            expected.must_be_raised(int(str(how)))


@pytest.mark.parametrize("count", [0, 1, 100, 101, 250])
def test_any_number_of_alarms_is_carried_in_entries_that_fit(count: int) -> None:
    device = Device()
    for _ in range(count):
        device.take(device.alarms.give_up(S, device.begin()))
        device.end(device.interruptions - 1)
    before = device.state.alarms.copy()
    carries = [one for one in device.state.carries() if isinstance(one, e.AlarmsCarry)]
    assert len(carries) == -(-count // 100)
    for carry in carries:
        carry.salt = SALT
        assert len(encode_entry(carry)) < 40_000
    device.rotate()
    assert device.state.alarms == before
