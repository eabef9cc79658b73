"""The question names when, what was found and what is wanted, truly and shortly, whatever happened."""

import re
import subprocess
from collections.abc import Callable
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.evidence import entries as e
from agent.recorder.prompts import CAUSES, MAX_CHARACTERS, Language, question
from config.models import Ask
from drivers.signals.speech import PROGRAM, RENDER_S, VOICES, length_ms, rendered

LANGUAGES: tuple[Language, ...] = get_args(Language)
WHYS = ("resumed", "again", "start", "stop", "officer")
CHINA_MIN = 480
TEN_US = 1_795_572_000_000_000
"""2026-11-25 02:00:00 UTC: ten o'clock in China."""
SECOND_US = 1_000_000
DAY_S = 86_400


def owed(begin_s: float, end_s: float, cause: e.Cause = "camera", boots: tuple[int, int] = (1, 1)) -> e.Owed:
    return e.Owed(
        session="s", interruption=0, track="video", cause=cause,
        last_boot=boots[0], last_us=round(begin_s * SECOND_US), first_boot=boots[1], first_us=round(end_s * SECOND_US),
    )  # fmt: skip


def at_ten(boot: int, us: int) -> int | None:
    """UTC where every boot begins at ten o'clock."""
    return TEN_US + us


def no_clock(boot: int, us: int) -> int | None:
    return None


def asked(
    *of: e.Owed,
    left: int = 1,
    why: str = "resumed",
    language: Language = "zh",
    utc_of: Callable[[int, int], int | None] = at_ten,
) -> str:
    return question(of, left, why, language, utc_of, CHINA_MIN)


SAID: dict[str, tuple[str, str]] = {
    "after a resumption, from the minute to the minute": (
        asked(owed(130, 345, "storage")),
        "记录已恢复。10时02分至10时05分记录中断,设备检测原因:存储无法写入。请口述中断原因。",
    ),
    "the same in English": (
        asked(owed(130, 345, "storage"), language="en"),
        "Recording goes on. It was interrupted from 10:02 to 10:05; the device found: storage could not be written. "
        "Please say why.",
    ),
    "within one minute, with seconds, the end rounded up": (
        asked(owed(130.4, 131.2)),
        "记录已恢复。10时02分10秒至10时02分12秒记录中断,设备检测原因:摄像头故障。请口述中断原因。",
    ),
    "an end that rounds into the next minute": (
        asked(owed(130.4, 179.5), language="en"),
        "Recording goes on. It was interrupted from 10:02:10 to 10:03:00; the device found: camera fault. "
        "Please say why.",
    ),
    "over midnight, with both days": (
        asked(owed(13 * 3600 + 3599, 14 * 3600 + 60, "power")),
        "记录已恢复。11月25日23时59分至11月26日00时01分记录中断,设备检测原因:断电。请口述中断原因。",
    ),
    "several as one span and a count": (
        asked(owed(60, 62), owed(70, 75), owed(100, 190), left=3),
        "记录已恢复。10时01分至10时03分记录中断,设备检测原因:摄像头故障,共3次。请口述中断原因。",
    ),
    "without UTC, how long it was": (
        asked(owed(60, 60 + 185, "microphone"), utc_of=no_clock),
        "记录已恢复。记录中断约3分钟,设备检测原因:麦克风故障。请口述中断原因。",
    ),
    "without UTC and over two boots, that nobody knows": (
        asked(owed(5, 60, "power", boots=(1, 2)), utc_of=no_clock),
        "记录已恢复。记录中断时长不明,设备检测原因:断电。请口述中断原因。",
    ),
    "a clock set back between two boots is not believed": (
        asked(owed(60, 5, "power", boots=(1, 2))),
        "记录已恢复。记录中断时长不明,设备检测原因:断电。请口述中断原因。",
    ),
    "again: how many are owed, and which is meant": (
        asked(owed(130, 345, "process"), left=2, why="again"),
        "还有2次记录中断未说明原因,请现在口述。请说明11月25日10时02分至10时05分的中断,设备检测原因:程序故障。",
    ),
    "at the stop, in English": (
        asked(owed(130, 345, "suspend"), left=2, why="stop", language="en"),
        "2 interruptions are still without a reason; please say it now. It is the one from 25 November, 10:02 to "
        "10:05; the device found: device asleep.",
    ),
    "at a start, one alone, without UTC": (
        asked(owed(1, 2, "officer_stop"), why="start", language="en", utc_of=no_clock),
        "One interruption is still without a reason; please say it now. It is the oldest one, which lasted 1 second; "
        "the device found: stopped by hand.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", SAID)
def test_it_is_said(what: str) -> None:
    said, meant = SAID[what]
    assert said == meant


@pytest.mark.parametrize(
    ("length_s", "zh", "en"),
    [
        (0, "不到1秒", "less than a second"),
        (0.4, "不到1秒", "less than a second"),
        (1, "1秒", "1 second"),
        (59.4, "59秒", "59 seconds"),
        (59.6, "约1分钟", "about 1 minute"),
        (90, "约2分钟", "about 2 minutes"),
        (3590, "约1小时", "about 1 hour"),
        (2 * 3600 + 60, "约2小时1分钟", "about 2 hours 1 minute"),
    ],
)
def test_lengths_are_said_as_people_say_them(length_s: float, zh: str, en: str) -> None:
    of = owed(5, 5 + length_s)
    assert f"记录中断{zh},设备检测原因" in asked(of, utc_of=no_clock)
    assert f"interrupted for {en}; the device" in asked(of, language="en", utc_of=no_clock)


def test_no_cause_is_without_words() -> None:
    assert set(CAUSES) == set(get_args(e.Cause))
    for said in CAUSES.values():
        assert set(said) == set(LANGUAGES)
        assert re.fullmatch("[\u4e00-\u9fff]+", said["zh"])
        assert said["en"].isascii() and said["en"]


MOMENTS_US = st.integers(0, (1 << 53) - 1)
INTERRUPTIONS = st.builds(
    e.Owed,
    session=st.just("s"),
    interruption=st.integers(0, 10_000),
    track=st.sampled_from(["video", "sound", "position", "all"]),
    cause=st.sampled_from(get_args(e.Cause)),
    last_boot=st.integers(0, 3),
    last_us=MOMENTS_US,
    first_boot=st.integers(0, 3),
    first_us=MOMENTS_US,
)
UTC = st.none() | st.integers(-(1 << 53), 1 << 53)


@given(
    of=st.lists(INTERRUPTIONS, min_size=1, max_size=5),
    left=st.integers(1, 100_000),
    why=st.sampled_from(WHYS),
    language=st.sampled_from(LANGUAGES),
    utcs=st.tuples(UTC, UTC),
    offset_min=st.integers(-720, 840),
)
def test_whatever_happened_it_is_one_breath_of_plain_words(
    of: list[e.Owed], left: int, why: str, language: Language, utcs: tuple[int | None, int | None], offset_min: int
) -> None:
    answers = iter(utcs)
    said = question(of, left, why, language, lambda boot, us: next(answers), offset_min)
    assert 20 < len(said) <= MAX_CHARACTERS[language]
    assert not set("{}[]<>\n") & set(said)
    assert CAUSES[of[0].cause][language] in said
    assert said.isascii() == (language == "en")


@given(begin_us=st.integers(0, 2 * DAY_S * SECOND_US), length_us=st.integers(0, DAY_S * SECOND_US))
def test_the_times_said_are_those_of_the_interruption(begin_us: int, length_us: int) -> None:
    said = asked(owed(begin_us / SECOND_US, (begin_us + length_us) / SECOND_US))
    (begin, end) = re.findall(r"(\d\d)时(\d\d)分(?:(\d\d)秒)?", said)
    for (hour, minute, second), moment_us in ((begin, begin_us), (end, begin_us + length_us)):
        seconds = 36_000 + moment_us // SECOND_US  # the day begins at ten
        told = int(hour) * 3600 + int(minute) * 60 + int(second or 0)
        assert (seconds - told) % DAY_S in (range(60) if not second else (0, DAY_S - 1))
    whole_minutes = (begin_us // (60 * SECOND_US)) != (begin_us + length_us) // (60 * SECOND_US)
    assert (begin[2] == "") == whole_minutes


@pytest.mark.parametrize("cause", get_args(e.Cause))
@pytest.mark.parametrize("utc_of", [at_ten, no_clock])
def test_chinese_is_read_as_chinese(cause: e.Cause, utc_of: Callable[[int, int], int | None]) -> None:
    """Some voices read characters as English letters and a number for the tone."""
    of = [owed(1, 2, cause), owed(3, 4000, cause)]
    said = question(of, 2, "start", "zh", utc_of, CHINA_MIN) + question(of, 2, "resumed", "zh", utc_of, CHINA_MIN)
    reading = [PROGRAM, "-q", "-x", "-b", "1", "--stdin", "-v", VOICES["zh"][0]]
    sounds = subprocess.run(reading, input=said.encode(), capture_output=True, check=True).stdout.decode()
    assert sounds.count("_|") > len(said) // 2
    assert "(en)" not in sounds


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_longest_question_is_spoken_before_the_lamp_asks(language: Language) -> None:
    slowest = max(get_args(e.Cause), key=lambda cause: len(CAUSES[cause][language]))
    of = [owed(47 * 60 + 47, DAY_S + 57 * 60 + 57, slowest)] * 12
    said = question(of, 12, "stop", language, at_ten, CHINA_MIN)
    assert length_ms(rendered(said, language)) / 1000 < Ask().prompt_s - RENDER_S
