"""The 24 hours of a session: told once for each change, derived from the journal, moved by no clock."""

from dataclasses import dataclass, field, replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.evidence import entries as e
from agent.evidence.canonical import b64
from agent.evidence.note import Signer
from agent.evidence.receipt import Receipt, sign_statement
from agent.recorder import messages as m
from agent.recorder.deadline import (
    KINDS,
    US_PER_H,
    US_PER_S,
    Deadlines,
    DeadlineSettings,
    Elapsed,
    Terms,
    Unsynced,
    judge,
    unsynced,
)
from tests.evidence.journals import salt

STORE = Signer("store.example/receipt", bytes(range(32)))
SETTINGS = DeadlineSettings()
UTC_US = 1_790_000_000 * US_PER_S
MB = 1_000_000
S1, S2 = "s000001", "s000002"


def clock(boot: int, at_us: int, utc_us: int, error_us: int = 10_000) -> e.Clock:
    return e.Clock(boot=boot, boot_us=at_us, at_us=at_us, utc_us=utc_us, source="ntp", error_us=error_us)


def closed_segment(segment: int, length: int, at_us: int = 0, session: str = S1, boot: int = 0) -> e.SegmentClose:
    return e.SegmentClose(
        stream=session,
        boot=boot,
        boot_us=at_us,
        segment=segment,
        by="recorder",
        end=1,
        final_length=0,
        final_sha256="",
        length=length,
        sha256="",
    )


def close(until_us: int, session: str = S1, boot: int = 0, made_us: int = -1, made_boot: int = -1) -> e.SessionClose:
    return e.SessionClose(
        stream=session,
        boot=boot if made_boot < 0 else made_boot,
        boot_us=until_us if made_us < 0 else made_us,
        by="officer",
        until_boot=boot,
        until_us=until_us,
        late_frames=0,
    )


def receipt(segment: int, length: int, at_us: int = 0, session: str = S1, boot: int = 0) -> e.Receipt:
    file = f"{session}/D1_0_20260101000000_{segment:04}.mp4.age"
    said = Receipt("liuhen/D1/1", file, length, bytes(32), 1_790_000_000, True)
    return e.Receipt(
        stream=session,
        boot=boot,
        boot_us=at_us,
        segment=segment,
        key="store",
        note=sign_statement(said, STORE).decode(),
    )


def one_session(segments: int = 3, length: int = MB, until_us: int = US_PER_H, session: str = S1) -> list[e.Entry]:
    """A session of boot 0 that ends after an hour, its clock known."""
    opened = [e.Boot(boot=0, boot_id="b0"), clock(0, 0, UTC_US)]
    return [*opened, *(closed_segment(n, length, session=session) for n in range(segments)), close(until_us, session)]


def folded(*entries: e.Entry) -> Terms:
    terms = Terms()
    for entry in entries:
        terms.apply(entry)
    return terms


@dataclass
class Device:
    """A recorder's deadlines over a journal that takes what they tell."""

    boot: int = 0
    journal: list[e.Entry] = field(default_factory=list)
    settings: DeadlineSettings = SETTINGS
    told: list[e.Deadline] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.deadlines = self._made()

    def _made(self) -> Deadlines:
        return Deadlines(self.settings, folded(*self.journal).copy(), self.boot, lambda _: True)

    def add(self, *entries: e.Entry) -> None:
        for entry in entries:
            self.journal.append(entry)
            if isinstance(entry, KINDS):
                self.deadlines.note(entry)

    def look(self, hours: float, rate: int | None = None, utc: tuple[int, int] | None = None) -> list[str]:
        """The states told at so many hours of the boot's clock; their entries go into the journal."""
        now_us = round(hours * US_PER_H)
        out = self.deadlines.look(now_us, utc, rate)
        drafts = [one.entry for one in out if isinstance(one, m.Draft)]
        events = [one for one in out if isinstance(one, m.Event)]
        assert len(drafts) == len(events)
        for entry in drafts:
            assert isinstance(entry, e.Deadline)
            entry.boot, entry.boot_us = self.boot, now_us
            self.told.append(entry)
            self.add(entry)
        return [f"{entry.session} {entry.state}" for entry in drafts if isinstance(entry, e.Deadline)]

    def restart(self, boot: int | None = None) -> None:
        self.boot = self.boot if boot is None else boot
        self.deadlines = self._made()


# --- a session's life -----------------------------------------------------------------------------------------


def test_without_a_courier_a_session_becomes_at_risk_and_late_each_told_once() -> None:
    device = Device(journal=one_session())
    told = {hours: device.look(hours) for hours in (1, 5, 12.9, 13, 14, 24.9, 25, 26, 100)}
    assert told[13] == [f"{S1} at_risk"] and told[25] == [f"{S1} late"]
    assert sum(len(states) for states in told.values()) == 2
    at_risk, late = device.told
    assert (at_risk.stream, at_risk.until_us, at_risk.elapsed_least_us) == (S1, US_PER_H, 12 * US_PER_H)
    assert (late.bytes_left, late.bytes_per_s, late.term_min) == (3 * MB, -1, 24 * 60)


def test_a_session_that_the_store_has_acknowledged_in_time_is_told_as_delivered_and_forgotten() -> None:
    device = Device(journal=one_session())
    device.add(*(receipt(n, MB, 2 * US_PER_H) for n in range(3)))
    assert device.look(2) == [f"{S1} delivered"]
    assert device.look(99) == []
    assert device.deadlines.unsynced == Unsynced()
    assert folded(*device.journal).terms == {}


def test_a_late_session_is_delivered_late_and_the_event_says_by_how_much() -> None:
    device = Device(journal=one_session(segments=1))
    assert device.look(26) == [f"{S1} late"]
    device.add(receipt(0, MB, 27 * US_PER_H))
    out = device.deadlines.look(27 * US_PER_H, None, 10 * MB)
    (event,) = [one for one in out if isinstance(one, m.Event)]
    assert (event.name, event.value) == ("deadline.delivered", -120) and "120 min late" in event.text


def test_an_open_session_has_no_term_yet_and_one_without_media_never_has() -> None:
    entries = one_session()
    device = Device(journal=entries[:-1])
    assert device.look(40) == []
    assert unsynced(folded(*entries[:-1])) == Unsynced()
    assert folded(*one_session(segments=0)).terms == {}


def test_a_receipt_for_a_segment_of_another_session_changes_nothing() -> None:
    terms = folded(*one_session(), receipt(0, MB, session=S2))
    assert terms.terms[S1].left == {0, 1, 2}
    spoiled = receipt(0, MB)
    spoiled.note = "no note"
    terms.apply(spoiled)
    assert (terms.terms[S1].left, terms.terms[S1].bytes_left) == ({0, 1, 2}, 3 * MB)


def test_a_session_of_an_earlier_generation_is_told_in_the_devices_stream() -> None:
    deadlines = Deadlines(SETTINGS, folded(*one_session()), 0, lambda _: False)
    (draft, _) = deadlines.look(30 * US_PER_H, None, None)
    assert isinstance(draft, m.Draft) and draft.entry.stream == "device"


# --- the forecast ---------------------------------------------------------------------------------------------


def test_a_measured_rate_counts_for_all_that_is_due_before() -> None:
    """Two sessions of 3.6 GB each at 100 kB/s: ten hours each, fifteen with the margin."""
    first, second = (
        one_session(1, 3600 * MB),
        [closed_segment(0, 3600 * MB, session=S2), close(2 * US_PER_H, session=S2)],
    )
    device = Device(journal=[*first, *second])
    assert device.look(3, rate=100_000) == [f"{S2} at_risk"]
    assert device.look(9, rate=100_000) == []
    assert device.look(11, rate=100_000) == [f"{S1} at_risk"]


def test_a_faster_network_makes_it_on_time_again_but_not_by_a_hair() -> None:
    device = Device(journal=one_session(1, 3600 * MB))
    assert device.look(2, rate=50_000) == [f"{S1} at_risk"]
    assert device.look(2, rate=80_000) == []  # it would be in time, with the margin once
    assert device.look(2, rate=200_000) == [f"{S1} on_time"]


def test_receipts_bring_the_bytes_down() -> None:
    device = Device(journal=one_session(4, 1000 * MB))
    assert device.look(2, rate=60_000) == [f"{S1} at_risk"]
    device.add(*(receipt(n, 1000 * MB, 2 * US_PER_H) for n in range(3)))
    assert device.look(2, rate=60_000) == [f"{S1} on_time"]
    assert device.deadlines.unsynced == Unsynced(on_time=1, bytes_left=1000 * MB)


def test_a_network_that_sends_nothing_is_none() -> None:
    device = Device(journal=one_session())
    assert [device.look(hours, rate=0) for hours in (2, 13)] == [[], [f"{S1} at_risk"]]


# --- boots and clocks -----------------------------------------------------------------------------------------


def test_after_a_restart_in_the_same_boot_nothing_is_told_twice() -> None:
    device = Device(journal=one_session())
    device.look(13)
    device.restart()
    assert device.look(14) == []
    assert device.look(25) == [f"{S1} late"]
    device.restart()
    assert device.look(26) == []


def test_in_another_boot_the_clocks_of_both_tell_how_much_time_has_passed() -> None:
    device = Device(journal=one_session())
    device.add(e.Boot(boot=1, boot_id="b1", boot_us=0))
    device.restart(boot=1)
    ended_us = UTC_US + US_PER_H
    assert device.look(0.1, utc=(ended_us + 11 * US_PER_H, 10_000)) == []
    assert device.look(0.2, utc=(ended_us + 12 * US_PER_H, 10_000)) == [f"{S1} at_risk"]
    assert device.look(0.3, utc=(ended_us + 24 * US_PER_H - 1, 10_000)) == []  # perhaps, not for certain
    assert device.look(0.4, utc=(ended_us + 24 * US_PER_H + 30_000, 10_000)) == [f"{S1} late"]


def test_where_nobody_knows_how_long_the_device_was_off_it_is_at_risk_and_never_late_for_that() -> None:
    device = Device(journal=one_session())
    device.add(e.Boot(boot=1, boot_id="b1", boot_us=0))
    device.restart(boot=1)
    assert device.look(0.1) == [f"{S1} at_risk"]
    assert device.told[-1].elapsed_most_us == -1
    assert device.look(23.9) == []
    assert device.look(24) == [f"{S1} late"]  # this boot alone is longer than the term


def test_time_that_was_on_in_earlier_boots_counts_though_no_clock_says_so() -> None:
    on = [e.Boot(boot=1, boot_id="b1", boot_us=0), e.Mark(boot=1, boot_us=20 * US_PER_H, at_us=0, label="")]
    device = Device(journal=[*one_session(), *on])
    device.add(e.Boot(boot=2, boot_id="b2", boot_us=0))
    device.restart(boot=2)
    assert device.look(1) == [f"{S1} at_risk"]
    assert device.look(4) == [f"{S1} late"]


def test_a_better_clock_of_the_boot_that_ended_it_is_believed_later() -> None:
    entries = [e.Boot(boot=0, boot_id="b0"), closed_segment(0, MB), close(US_PER_H)]
    terms = folded(*entries)
    assert terms.terms[S1].utc is None
    terms.apply(clock(0, 2 * US_PER_H, UTC_US, error_us=5_000_000))
    assert terms.terms[S1].utc == (UTC_US - US_PER_H, 5_000_000)
    terms.apply(clock(0, 2 * US_PER_H, UTC_US + 7, error_us=10_000))
    terms.apply(clock(0, 2 * US_PER_H, UTC_US + 99, error_us=20_000))
    assert terms.terms[S1].utc == (UTC_US + 7 - US_PER_H, 10_000)


def test_a_clock_that_was_set_back_between_two_boots_takes_no_time_away() -> None:
    terms = folded(*one_session(), e.Boot(boot=1, boot_id="b1", boot_us=0))
    term = terms.terms[S1]
    assert terms.elapsed(term, 1, 3 * US_PER_H, (UTC_US - 99 * US_PER_H, 10_000)) == Elapsed(3 * US_PER_H, 3 * US_PER_H)


def test_a_clock_without_a_source_says_nothing() -> None:
    terms = folded(*one_session())
    terms.apply(e.Clock(boot=0, at_us=0, utc_us=7, source="none", error_us=-1))
    assert terms.terms[S1].utc == (UTC_US + US_PER_H, 10_000)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(-(10**15), 10**15)), max_size=6))
def test_a_clock_that_steps_in_the_same_boot_changes_no_state_and_no_recorded_moment(
    steps: list[tuple[int, int]],
) -> None:
    plain, stepped = Device(journal=one_session()), Device(journal=one_session())
    for hours in range(31):
        for at, by_us in steps:
            if at == hours:
                stepped.add(clock(0, hours * US_PER_H, UTC_US + by_us))
        utc = (UTC_US + sum(by_us for at, by_us in steps if at <= hours), 10_000)
        assert stepped.look(hours, utc=utc) == plain.look(hours)
    assert [(one.state, one.until_boot, one.until_us) for one in stepped.told] == [
        (one.state, one.until_boot, one.until_us) for one in plain.told
    ]


# --- for any order of events ----------------------------------------------------------------------------------

RANK = {"on_time": 0, "at_risk": 1, "late": 2, "delivered": 3}
_rates = st.none() | st.integers(0, 10**7)
_elapsed = st.integers(0, 30 * US_PER_H).flatmap(
    lambda least: st.just(Elapsed(least, -1)) | st.integers(least, 40 * US_PER_H).map(lambda most: Elapsed(least, most))
)


@given(st.sampled_from(["on_time", "at_risk", "late"]), _elapsed, st.integers(0, 10**11))
def test_without_a_courier_the_state_can_only_run_out(before: e.DeadlineState, at: Elapsed, bytes_due: int) -> None:
    assert RANK[judge(SETTINGS, before, at, bytes_due, None)] >= RANK[before]


@given(
    st.sampled_from(["on_time", "at_risk", "late"]), _elapsed, st.integers(0, 10**11), _rates, st.integers(0, 10**12)
)
def test_more_time_never_makes_it_better(
    before: e.DeadlineState, at: Elapsed, bytes_due: int, rate: int | None, more_us: int
) -> None:
    later = Elapsed(at.least + more_us, at.most + more_us if at.most >= 0 else -1)
    assert RANK[judge(SETTINGS, before, later, bytes_due, rate)] >= RANK[judge(SETTINGS, before, at, bytes_due, rate)]


@given(_elapsed, st.integers(0, 10**11), _rates)
def test_late_means_late_and_on_time_means_known_to_be(at: Elapsed, bytes_due: int, rate: int | None) -> None:
    state = judge(SETTINGS, "on_time", at, bytes_due, rate)
    assert (state == "late") == (at.least >= SETTINGS.term_us)
    if state == "on_time":
        assert 0 <= at.most < SETTINGS.term_us or (at.most == SETTINGS.term_us and not bytes_due)


@given(st.sampled_from(["on_time", "at_risk"]), _elapsed, st.integers(0, 10**11), _rates)
def test_a_state_that_was_just_told_is_not_told_again_for_the_same_facts(
    before: e.DeadlineState, at: Elapsed, bytes_due: int, rate: int | None
) -> None:
    state = judge(SETTINGS, before, at, bytes_due, rate)
    assert judge(SETTINGS, state, at, bytes_due, rate) == state


_acts = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.integers(1, 9)),
        st.tuples(st.just("receipt"), st.tuples(st.sampled_from([S1, S2]), st.integers(0, 3))),
        st.tuples(st.just("rate"), _rates),
        st.tuples(st.just("restart"), st.none()),
        st.tuples(st.just("rotate"), st.none()),
        st.tuples(st.just("boot"), st.none()),
    ),
    max_size=25,
)


def lived(acts: list[tuple[str, object]], restarts: bool) -> Device:
    """Two sessions, and what is told of them; with ``restarts`` the recorder starts anew before every look."""
    second = [*(closed_segment(n, MB, session=S2) for n in range(4)), close(2 * US_PER_H, session=S2)]
    device = Device(journal=[*one_session(4), *second])
    hours, boot, before, rate = 2, 0, 0, None
    for act, value in acts:
        if act == "wait":
            assert isinstance(value, int)
            hours += value
        elif act == "receipt":
            assert isinstance(value, tuple)
            device.add(receipt(value[1], MB, hours * US_PER_H, value[0], boot))
        elif act == "rate":
            rate = value if isinstance(value, int) else None
        elif act == "boot":
            before, boot, hours = before + hours, boot + 1, 0
            device.add(e.Boot(boot=boot, boot_id=f"b{boot}", boot_us=0), clock(boot, 0, UTC_US + before * US_PER_H))
            device.restart(boot)
        elif act == "rotate":
            # time is known up to the newest entry, which is a minute old at most
            device.add(e.Mark(stream=S1, at_us=0, label="mark", boot=boot, boot_us=hours * US_PER_H))
            # a start then reads the newest file only, which begins with what is carried
            carried = folded(*device.journal).carries()
            for entry in carried:
                entry.boot, entry.boot_us = boot, hours * US_PER_H
            if restarts:
                device.journal = list(carried)
        if act == "restart" or restarts:
            device.restart()
        device.look(hours, rate, (UTC_US + (before + hours) * US_PER_H, 10_000))
    return device


@settings(max_examples=150)
@given(_acts)
def test_what_is_told_survives_every_restart_and_a_journal_of_which_only_the_newest_file_is_read(
    acts: list[tuple[str, object]],
) -> None:
    assert [(one.session, one.state) for one in lived(acts, restarts=True).told] == [
        (one.session, one.state) for one in lived(acts, restarts=False).told
    ]


@settings(max_examples=150)
@given(_acts)
def test_each_transition_is_told_once_and_late_is_for_good(acts: list[tuple[str, object]]) -> None:
    told = lived(acts, restarts=True).told
    for session in (S1, S2):
        states = [one.state for one in told if one.session == session]
        assert all(earlier != later for earlier, later in zip(["on_time", *states], states, strict=False))
        if "late" in states:
            assert states[states.index("late") + 1 :] in ([], ["delivered"])
        assert "delivered" not in states[:-1]


# --- carrying -------------------------------------------------------------------------------------------------


def test_a_long_list_is_carried_over_several_terms_and_entries_that_all_fit() -> None:
    terms = Terms()
    for number in range(1, 60):
        session = f"s{number:06}"
        for segment in range(0, 2_000 if number < 4 else 30, 2):  # every other one: the longest list of ranges
            terms.apply(closed_segment(segment, MB, session=session))
        terms.apply(close(US_PER_H, session=session))
    carries = terms.carries()
    assert len(carries) > 2
    for entry in carries:
        entry.salt, entry.prev = salt(1), b64(bytes(32))
        assert isinstance(entry, e.DeadlineCarry)
        assert len(msgspec.json.encode(entry)) < e.MAX_ENTRY_BYTES - 1000
    again = folded(*carries)
    assert {name: (term.left, term.bytes_left, term.segments) for name, term in again.terms.items()} == {
        name: (term.left, term.bytes_left, term.segments) for name, term in terms.terms.items()
    }


def test_carrying_what_is_known_already_changes_nothing() -> None:
    terms = folded(*one_session(), receipt(1, MB))
    before = terms.copy()
    for entry in terms.carries():
        entry.boot_us = US_PER_H
        terms.apply(entry)
    assert terms == before


def test_an_open_session_is_carried_with_its_segments() -> None:
    entries = one_session()
    again = folded(*folded(*entries[:-1]).carries(), entries[-1])
    assert (again.terms[S1].left, again.terms[S1].until_us, again.terms[S1].closed) == ({0, 1, 2}, US_PER_H, True)


def test_in_a_new_generation_boots_are_counted_anew_and_only_clocks_tell() -> None:
    old = folded(*one_session(), e.Mark(boot=0, boot_us=3 * US_PER_H, at_us=0, label=""))
    new = folded(*old.into_new_generation())
    assert new.terms[S1].until_boot == -1 and new.terms[S1].left == {0, 1, 2}
    assert new.elapsed(new.terms[S1], 0, US_PER_H, None) == Elapsed(2 * US_PER_H + US_PER_H, -1)
    utc = (UTC_US + 8 * US_PER_H, 10_000)
    assert new.elapsed(new.terms[S1], 0, US_PER_H, utc).most == 7 * US_PER_H + 20_000


# --- how often ------------------------------------------------------------------------------------------------


def test_terms_are_looked_at_now_and_then_and_at_once_after_a_close_or_a_receipt() -> None:
    deadlines = Deadlines(SETTINGS, folded(), 0, lambda _: True)
    deadlines.step(0, None, None)
    for entry in one_session(1):
        deadlines.note(entry)
    assert deadlines.step(1, None, None) == []
    deadlines.note(receipt(0, MB))
    assert len(deadlines.step(2, None, None)) == 2
    quick = Deadlines(replace(SETTINGS, at_risk_percent=1), folded(*one_session(1)), 0, lambda _: True)
    quick.step(US_PER_H, None, None)
    assert quick.step(US_PER_H + 59 * US_PER_S, None, None) == []
    assert len(quick.step(3 * US_PER_H, None, None)) == 2


@pytest.mark.parametrize("term_h", [8, 24])
def test_a_unit_may_ask_for_less(term_h: int) -> None:
    device = Device(journal=one_session(), settings=DeadlineSettings(term_h=term_h))
    assert device.look(1 + term_h - 0.1) == [f"{S1} at_risk"]
    assert device.look(1 + term_h) == [f"{S1} late"]
