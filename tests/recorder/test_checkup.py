"""The check before use: a table of what passes, what is warned of, what fails; and what the sentence says."""

from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from agent.evidence import entries as e
from agent.recorder.checkup import (
    _ITEMS,
    _PARTS_OF,
    NAMES,
    TITLES,
    CheckFacts,
    CheckSettings,
    ClockNow,
    Configured,
    Item,
    Journal,
    Keys,
    Owing,
    Picture,
    Place,
    Room,
    Sound,
    Speaker,
    Writing,
    check,
    entry_of,
    faults,
    sentence,
    unchecked,
    worst,
)
from agent.recorder.deadline import Unsynced
from config.models import Check
from drivers.power import PowerFigures

SETTINGS = CheckSettings()
POWER = PowerFigures(0, 950, 4100, 500, False, False, 52_000)
GOOD = CheckFacts(
    picture=Picture(True, frozenset(), 25_000, 25_000),
    sound=Sound(True, frozenset(), -4500),
    speaker=Speaker(),
    place=Place(True, True, 4_000),
    clock=ClockNow("gnss", 10_000),
    room=Room(900),
    writing=Writing(False, 9_000),
    power=POWER,
    keys=Keys("", 1),
    configured=Configured(),
    journal=Journal(),
    unsynced=Unsynced(),
    owing=Owing(),
)


def power(**changed: Any) -> PowerFigures:
    return structs.replace(POWER, **changed)


def seen(*kinds: e.ImpairmentKind) -> Picture:
    return Picture(True, frozenset(kinds), 25_000, 25_000)


TABLE: list[tuple[e.CheckName, e.CheckResult, str, Any]] = [
    # item, result, the fact that changes, to what
    ("picture", "pass", "picture", seen()),
    ("picture", "warn", "picture", seen("picture.dark")),
    ("picture", "warn", "picture", seen("picture.blurred")),
    ("picture", "fail", "picture", seen("picture.covered")),
    ("picture", "fail", "picture", seen("picture.frozen", "picture.dark")),
    ("picture", "fail", "picture", Picture(False)),
    ("picture_rate", "pass", "picture", Picture(True, frozenset(), 22_500, 25_000)),
    ("picture_rate", "warn", "picture", Picture(True, frozenset(), 22_400, 25_000)),
    ("picture_rate", "warn", "picture", Picture(True, frozenset(), 12_500, 25_000)),
    ("picture_rate", "fail", "picture", Picture(True, frozenset(), 12_400, 25_000)),
    ("sound", "pass", "sound", Sound(True, frozenset(), -6999)),
    ("sound", "warn", "sound", Sound(True, frozenset(), -7000)),
    ("sound", "warn", "sound", Sound(True, frozenset({"sound.clipping"}), -100)),
    ("sound", "fail", "sound", Sound(True, frozenset(), -8000)),
    ("sound", "fail", "sound", Sound(True, frozenset({"sound.silent"}), -7500)),
    ("sound", "fail", "sound", Sound(False)),
    ("speaker", "pass", "speaker", Speaker()),
    ("speaker", "fail", "speaker", Speaker("this device has no speaker")),
    ("position", "pass", "place", Place(True, True, 50_999)),
    ("position", "warn", "place", Place(True, True, 51_000)),
    ("position", "warn", "place", Place(True, False)),
    ("position", "warn", "place", Place(False)),
    ("position", "fail", "place", Place(False, required=True)),
    ("clock", "pass", "clock", ClockNow("ntp", 1_000_000)),
    ("clock", "warn", "clock", ClockNow("rtc", 1_000_001)),
    ("clock", "warn", "clock", ClockNow("rtc", 60_000_000)),
    ("clock", "fail", "clock", ClockNow("rtc", 60_000_001)),
    ("clock", "fail", "clock", ClockNow("none", -1)),
    ("space", "pass", "room", Room(480)),
    ("space", "warn", "room", Room(479)),
    ("space", "warn", "room", Room(60)),
    ("space", "fail", "room", Room(59)),
    ("write", "pass", "writing", Writing(False, 200_000)),
    ("write", "warn", "writing", Writing(False, 200_001)),
    ("write", "fail", "writing", Writing(False, 2_000_001)),
    ("write", "fail", "writing", Writing(True)),
    ("write", "fail", "writing", Writing(False, -1, "Input/output error")),
    ("battery", "pass", "power", power(charge_permille=800)),
    ("battery", "pass", "power", power(charge_permille=-1)),
    ("battery", "warn", "power", power(charge_permille=799)),
    ("battery", "warn", "power", power(charge_permille=200)),
    ("battery", "fail", "power", power(charge_permille=199)),
    ("battery", "fail", "power", power(under_voltage=True)),
    ("temperature", "pass", "power", power(temperature_mdeg=70_000)),
    ("temperature", "warn", "power", power(temperature_mdeg=70_001)),
    ("temperature", "warn", "power", power(throttled=True)),
    ("temperature", "fail", "power", power(temperature_mdeg=80_001)),
    ("keys", "pass", "keys", Keys("", 1)),
    ("keys", "warn", "keys", Keys("", 0)),
    ("keys", "fail", "keys", Keys("no such file")),
    ("configuration", "pass", "configured", Configured()),
    ("configuration", "warn", "configured", Configured(in_force=False)),
    ("configuration", "fail", "configured", Configured("section [camara] is unknown")),
    ("journal", "pass", "journal", Journal()),
    ("journal", "fail", "journal", Journal("byte 7: no entry")),
    ("unsynced", "pass", "unsynced", Unsynced(on_time=19, bytes_left=7)),
    ("unsynced", "warn", "unsynced", Unsynced(on_time=20)),
    ("unsynced", "warn", "unsynced", Unsynced(at_risk=1)),
    ("unsynced", "fail", "unsynced", Unsynced(at_risk=3, late=1)),
    ("owed", "pass", "owing", Owing()),
    ("owed", "warn", "owing", Owing(reasons=1)),
    ("owed", "warn", "owing", Owing(statements=9)),
    ("owed", "fail", "owing", Owing(reasons=5, statements=5)),
    ("owed", "fail", "owing", Owing(alarms=1)),
]
CANNOT_WARN = {"speaker", "journal"}
"""They are there or not."""


def of(facts: CheckFacts, name: str) -> Item:
    (item,) = [item for item in check(SETTINGS, facts) if item.name == name]
    return item


@pytest.mark.parametrize(("name", "result", "fact", "value"), TABLE)
def test_each_item_passes_warns_and_fails(name: e.CheckName, result: e.CheckResult, fact: str, value: Any) -> None:
    facts = replace(GOOD, **{fact: value})
    item = of(facts, name)
    assert item.result == result
    assert item.text_zh and item.text_en
    said = {language: sentence(check(SETTINGS, facts), [], language) for language in ("zh", "en")}
    assert (TITLES[name]["zh"] in said["zh"]) == (TITLES[name]["en"] in said["en"]) == (result != "pass")
    assert ("仍可记录" in said["zh"]) == ("recording is possible" in said["en"])
    if result == "fail":
        assert "仍可记录" in said["zh"]


def test_the_table_has_every_item_with_every_result() -> None:
    wanted = {(name, result) for name in NAMES for result in get_args(e.CheckResult)}
    missing = wanted - {(name, result) for name, result, _, _ in TABLE}
    assert missing == {(name, "warn") for name in CANNOT_WARN}


def test_a_good_device_has_every_item_in_order_and_all_pass() -> None:
    items = check(SETTINGS, GOOD)
    assert [item.name for item in items] == list(NAMES) == list(_ITEMS)
    assert {item.result for item in items} == {"pass"}
    assert sentence(items, [], "zh") == "设备检查合格。"
    assert sentence(items, [], "en") == "Device check: all is well."


def test_one_fact_changes_its_own_items_only() -> None:
    for name, _, fact, value in TABLE:
        changed = {item.name for item in check(SETTINGS, replace(GOOD, **{fact: value})) if item.result != "pass"}
        related = {"picture": {"picture", "picture_rate"}, "power": {"battery", "temperature"}}.get(fact, {name})
        assert changed <= related


def test_what_nobody_looked_at_is_named_and_no_result_is_made_up() -> None:
    facts = replace(GOOD, speaker=None, power=None, picture=Picture(True), writing=Writing(False, -1))
    items = check(SETTINGS, facts)
    left = unchecked(items, facts)
    assert left == ["picture_rate", "speaker", "write", "battery", "temperature"]
    assert sentence(items, left, "en") == (
        "Device check: not checked: picture rate, speaker, storage writing, power, temperature; all else is well."
    )
    assert sentence(items, left, "zh") == "设备检查:帧率、扬声器、存储写入、供电、温度未能检查,其余合格。"


def test_what_the_device_does_not_have_is_neither_checked_nor_missed() -> None:
    facts = replace(GOOD, place=None, speaker=None, absent=frozenset({"position", "speaker"}))
    items = check(SETTINGS, facts)
    assert unchecked(items, facts) == []
    assert sentence(items, [], "en") == "Device check: all is well."
    assert len(items) == len(NAMES) - 2


def test_a_camera_that_is_down_has_no_rate_of_its_own() -> None:
    names = [item.name for item in check(SETTINGS, replace(GOOD, picture=Picture(False, frozenset(), 0, 25_000)))]
    assert "picture" in names and "picture_rate" not in names


def test_the_sentence_names_what_failed_first_and_says_that_recording_is_possible() -> None:
    facts = replace(GOOD, picture=Picture(False), room=Room(3), place=Place(True, False))
    items = check(SETTINGS, facts)
    assert sentence(items, [], "zh") == "设备检查:画面、存储空间不合格,定位需注意,仍可记录。"
    assert sentence(items, [], "en") == (
        "Device check: failed: picture, storage space; to be looked at: position; recording is possible all the same."
    )


def test_nobody_has_to_listen_to_a_long_list() -> None:
    items = [Item(name, "fail", "x", "x") for name in NAMES]
    assert "画面、帧率、麦克风、扬声器、定位等15项不合格" in sentence(items, [], "zh")
    assert "speaker, position and 10 more" in sentence(items, [], "en")


@given(st.lists(st.sampled_from(["pass", "warn", "fail"]), max_size=15))
def test_the_whole_is_as_bad_as_its_worst_item(results: list[e.CheckResult]) -> None:
    items = [Item(name, result, "x", "x") for name, result in zip(NAMES, results, strict=False)]
    order = ["pass", "warn", "fail"]
    assert worst(items) == order[max([order.index(result) for result in results], default=0)]


def test_the_entry_has_names_and_results_and_what_was_said() -> None:
    facts = replace(GOOD, speaker=None, clock=ClockNow("none", -1))
    items = check(SETTINGS, facts)
    left = unchecked(items, facts)
    entry = entry_of(items, left, "start", sentence(items, left, "zh"))
    assert (entry.stream, entry.why, entry.result, entry.unchecked) == ("device", "start", "fail", ["speaker"])
    assert e.CheckedItem(name="clock", result="fail") in entry.items
    assert len(entry.items) == len(NAMES) - 1
    assert entry.words == "设备检查:时间不合格,扬声器未能检查,仍可记录。"


def test_faults_of_the_equipment_are_told_when_they_are_news() -> None:
    facts = replace(GOOD, picture=Picture(False), room=Room(0), owing=Owing(alarms=2), speaker=Speaker("mute"))
    items = check(SETTINGS, facts)
    told = faults(items)
    assert [(fault.part, fault.kind) for fault in told] == [("camera", "check.picture"), ("signals", "check.speaker")]
    assert told[1].text == "the speaker says nothing: mute"
    assert [fault.kind for fault in faults(items, {"picture"})] == ["check.speaker"]
    assert faults(check(SETTINGS, GOOD)) == []


def test_every_item_is_of_the_equipment_or_a_duty() -> None:
    assert set(NAMES) - set(_PARTS_OF) == {"space", "unsynced", "owed"}


def test_the_settings_are_those_of_the_configuration() -> None:
    defaults = {field.name: field.default for field in structs.fields(Check)}
    assert {name: getattr(SETTINGS, name) for name in CheckSettings.__dataclass_fields__} == defaults
