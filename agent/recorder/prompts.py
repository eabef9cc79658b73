"""The words with which the device asks for the reason of an interruption, in Chinese and English (R19b). Pure.

Rules: it says when the interruption was, what the device itself found, and what is wanted, in one breath: at most
``MAX_CHARACTERS``. Interruptions that are asked about together are one span and a count. Times are local ones, to
the minute, or to the second where begin and end lie in the same minute, the end rounded up; the day is said where
it may be another one. Where UTC is not known, the length is said instead, and where that is not known either (two
boots without a clock), just that. The sentences of the fixed list come from ``config.items``.

Left to others: whether, when and about which to ask (``asking``), and saying it (``drivers.signals``).
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal

from agent.evidence import entries as e
from config.items import words

Language = Literal["zh", "en"]
UtcOf = Callable[[int, int], int | None]
"""Boot and CLOCK_BOOTTIME to UTC since 1970, all in microseconds; None where nothing says."""

MAX_CHARACTERS: Mapping[Language, int] = {"zh": 110, "en": 260}
"""Some 15 s of speech."""

CAUSES: Mapping[e.Cause, Mapping[Language, str]] = {
    "power": {"zh": "断电", "en": "power cut"},
    "process": {"zh": "程序故障", "en": "program fault"},
    "shutdown": {"zh": "关机", "en": "device shut down"},
    "camera": {"zh": "摄像头故障", "en": "camera fault"},
    "microphone": {"zh": "麦克风故障", "en": "microphone fault"},
    "position": {"zh": "定位丢失", "en": "position lost"},
    # True for full, read-only, failing and stalled alike.
    "storage": {"zh": "存储无法写入", "en": "storage could not be written"},
    "suspend": {"zh": "设备休眠", "en": "device asleep"},
    "officer_stop": {"zh": "人工停止", "en": "stopped by hand"},
}
"""What the device found, by cause."""

_AFTER_LENGTH: Mapping[Language, str] = {
    "zh": "记录已恢复。记录中断{length},设备检测原因:{found}。请口述中断原因。",
    "en": "Recording goes on. It was interrupted for {length}; the device found: {found}. Please say why.",
}
_ABOUT_SPAN: Mapping[Language, str] = {
    "zh": "请说明{begin}至{end}的中断,设备检测原因:{found}。",
    "en": "It is the one from {begin} to {end}; the device found: {found}.",
}
_ABOUT_LENGTH: Mapping[Language, str] = {
    "zh": "请说明最早的一次,中断{length},设备检测原因:{found}。",
    "en": "It is the oldest one, which lasted {length}; the device found: {found}.",
}
_ONE_OWED_EN = "One interruption is still without a reason; please say it now."
_UNKNOWN: Mapping[Language, str] = {"zh": "时长不明", "en": "an unknown time"}
_MONTHS_EN = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_EPOCH = datetime(1970, 1, 1)
_SECOND_US = 1_000_000
_MINUTE_US = 60 * _SECOND_US


def question(
    owed: Sequence[e.Owed], left: int, why: str, language: Language, utc_of: UtcOf, utc_offset_min: int
) -> str:
    """The request for the reason of ``owed`` (at least one; several are asked about together, in order of time).

    ``left``: how many reasons are owed in all. ``why``: ``resumed`` says that recording goes on again; with any
    other (``again``, ``start``, ``stop``) it may have done so long ago. ``utc_offset_min``: local time less UTC.
    """
    resumed = why == "resumed"
    found = _found(owed, language)
    span = _span(owed, utc_of, utc_offset_min)
    if span is None:
        sentence = (_AFTER_LENGTH if resumed else _ABOUT_LENGTH)[language]
        said = sentence.format(length=_length(owed, language), found=found)
    else:
        begin, end = _times(*span, not resumed, language)
        if resumed:
            return words("resumed", language, begin=begin, end=end, cause=found)
        said = _ABOUT_SPAN[language].format(begin=begin, end=end, found=found)
    return said if resumed else f"{_still_owed(left, language)}{'' if language == 'zh' else ' '}{said}"


def _still_owed(left: int, language: Language) -> str:
    return _ONE_OWED_EN if language == "en" and left == 1 else words("owed", language, count=left)


def _found(owed: Sequence[e.Owed], language: Language) -> str:
    """The cause, and how often where more than once."""
    cause = CAUSES[owed[0].cause][language]
    if len(owed) == 1:
        return cause
    return f"{cause},共{len(owed)}次" if language == "zh" else f"{cause}, {len(owed)} times"


def _span(owed: Sequence[e.Owed], utc_of: UtcOf, utc_offset_min: int) -> tuple[int, int] | None:
    """Local time of the last good moment before and of the first one after, in microseconds; None where unknown."""
    begin_us = utc_of(owed[0].last_boot, owed[0].last_us)
    end_us = utc_of(owed[-1].first_boot, owed[-1].first_us)
    if begin_us is None or end_us is None or end_us < begin_us:
        return None  # an end before the begin: the clock was set between two boots, so neither is to be said
    return begin_us + utc_offset_min * _MINUTE_US, end_us + utc_offset_min * _MINUTE_US


def _times(begin_us: int, end_us: int, dated: bool, language: Language) -> tuple[str, str]:
    seconds = begin_us // _MINUTE_US == end_us // _MINUTE_US
    begin = _EPOCH + timedelta(microseconds=begin_us)
    end = _EPOCH + timedelta(seconds=-(-end_us // _SECOND_US) if seconds else end_us // _SECOND_US)
    other_day = begin.date() != end.date()
    return _time(begin, dated or other_day, seconds, language), _time(end, other_day, seconds, language)


def _time(moment: datetime, dated: bool, seconds: bool, language: Language) -> str:
    hour, minute, second = f"{moment.hour:02}", f"{moment.minute:02}", f"{moment.second:02}"
    if language == "zh":
        day = f"{moment.month}月{moment.day}日" if dated else ""
        return f"{day}{hour}时{minute}分" + (f"{second}秒" if seconds else "")
    day = f"{moment.day} {_MONTHS_EN[moment.month - 1]}, " if dated else ""
    return f"{day}{hour}:{minute}" + (f":{second}" if seconds else "")


def _length(owed: Sequence[e.Owed], language: Language) -> str:
    """How long it lasted, in words; known without UTC where all of it lies in one boot."""
    length_us = owed[-1].first_us - owed[0].last_us
    if owed[0].last_boot != owed[-1].first_boot or length_us < 0:
        return _UNKNOWN[language]
    length_s = (length_us + _SECOND_US // 2) // _SECOND_US
    length_min = (length_s + 30) // 60
    if length_s == 0:
        return "不到1秒" if language == "zh" else "less than a second"
    if length_s < 60:
        return f"{length_s}秒" if language == "zh" else _counted(length_s, "second")
    if length_min < 60:
        return f"约{length_min}分钟" if language == "zh" else f"about {_counted(length_min, 'minute')}"
    hours, minutes = divmod(length_min, 60)
    if language == "zh":
        return f"约{hours}小时" + (f"{minutes}分钟" if minutes else "")
    return f"about {_counted(hours, 'hour')}" + (f" {_counted(minutes, 'minute')}" if minutes else "")


def _counted(number: int, unit: str) -> str:
    return f"{number} {unit}" + ("" if number == 1 else "s")
