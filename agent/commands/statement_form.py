"""The form 音像记录中断情况说明, filled in from the journal as far as that knows (R19c). Pure.

Rules: what the journal says is filled in, in local time; what only a person knows is marked ``TO_FILL``, and what is
signed on paper is a line. No name is filled in: the journal holds them sealed. A finished statement has no
``TO_FILL`` left. Where older journal files were removed, what stands in the repeated state is taken.

The form is Chinese, as the rule that asks for it is; left to others: printing, sending (``statement``).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from agent.evidence import entries as e
from agent.recorder.prompts import CAUSES
from agent.verify.facts import Line, Log
from agent.verify.moments import MAX_UTC_US, Clocks
from config.items import words

TO_FILL = "【待填写】"
"""What a person has still to say."""
LINE = "________________"
"""What is written by hand."""
NOT_SAID = "日志无记载"
TRACKS: Mapping[str, str] = {"video": "画面", "sound": "声音", "position": "定位", "all": "全部(画面、声音)"}
HOW: Mapping[str, str] = {"phone": "电话", "radio": "对讲机(电台)", "person": "当面", "other": "其他方式"}
_EPOCH = datetime(1970, 1, 1)
_SECOND_US = 1_000_000
_MINUTE_US = 60 * _SECOND_US


@dataclass(slots=True)
class Told:
    """All that one generation's journal says of an alarm."""

    alarm: e.Alarm | e.OpenAlarm
    """The entry, or, where it was removed with its file, what was repeated of it."""
    session: str
    device: str = ""
    unit: str = ""
    raised: Line | None = None
    opened: e.SessionOpen | None = None
    closed: e.SessionClose | None = None
    begin: e.InterruptionBegin | None = None
    end: e.InterruptionEnd | None = None
    explanation: e.Explanation | None = None
    requests: list[e.AlarmTold] = field(default_factory=list)
    reports: list[e.AlarmReported] = field(default_factory=list)
    acknowledged: e.AlarmAcknowledged | None = None
    stated: bool = False

    @property
    def number(self) -> int:
        """Of the alarm."""
        return self.alarm.alarm


def told_of(log: Log) -> list[Told]:
    """Every alarm that a generation's journal tells of, oldest first."""
    found: dict[int, Told] = {}
    for line in log.lines:
        entry = line.entry
        match entry:
            case e.Alarm():
                found[entry.alarm] = Told(entry, entry.stream, raised=line)
            case e.AlarmsCarry():
                for one in entry.alarms:
                    known = found.setdefault(one.alarm, Told(one, one.session))
                    known.stated = known.stated or one.stated == "yes"
            case e.AlarmTold() | e.AlarmReported() | e.AlarmAcknowledged() | e.Statement():
                if entry.alarm in found:
                    _follow(found[entry.alarm], entry)
            case _:
                pass
    _add_sessions(found.values(), log)
    return list(found.values())


def _follow(told: Told, entry: e.AlarmTold | e.AlarmReported | e.AlarmAcknowledged | e.Statement) -> None:
    match entry:
        case e.AlarmTold():
            told.requests.append(entry)
        case e.AlarmReported():
            told.reports.append(entry)
        case e.AlarmAcknowledged():
            told.acknowledged = told.acknowledged or entry
        case _:
            told.stated = True


def _add_sessions(found: Iterable[Told], log: Log) -> None:
    """Device, unit, and what the alarms' sessions say of themselves and of the interruptions."""
    begun = [line.entry for line in log.lines if isinstance(line.entry, e.JournalBegin)]
    streams = log.streams()
    for told in found:
        told.device = begun[0].device if begun else log.origin.split("/")[1]
        told.unit = begun[0].unit if begun else ""
        for line in streams.get(told.session, []):
            _take(told, line.entry)


def _take(told: Told, entry: e.Entry) -> None:
    number = told.alarm.interruption
    match entry:
        case e.SessionOpen():
            told.opened = entry
        case e.SessionClose():
            told.closed = entry
        case e.InterruptionBegin(interruption=one) if one == number:
            told.begin = entry
        case e.InterruptionEnd(interruption=one) if one == number:
            told.end = entry
        case e.Explanation(interruption=one) if one == number:
            told.explanation = entry
        case _:
            pass


# --- the form ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LocalTime:
    """Moments of a device in words, by its ``clock`` entries; ``utc_offset_min``: local time less UTC."""

    clocks: Clocks
    utc_offset_min: int

    def words(self, boot: int, us: int) -> str:
        """A moment to the second."""
        utc_us = self.clocks.utc_us(boot, us)
        if utc_us is None or not 0 <= utc_us <= MAX_UTC_US:
            return f"时间不明(第{boot}次开机后{us // _SECOND_US}秒)"
        at = _EPOCH + timedelta(seconds=(utc_us + self.utc_offset_min * _MINUTE_US) // _SECOND_US)
        return f"{at.year}年{at.month}月{at.day}日{at.hour:02}时{at.minute:02}分{at.second:02}秒"


def form(told: Told, time: LocalTime) -> str:
    """The whole form, with what the journal knows filled in."""
    parts = [words("title.statement", "zh"), ""]
    for heading, lines in (
        ("一、基本情况", _facts(told, time)),
        ("二、设备日志所载情况", _logged(told, time)),
        ("三、由执法人员填写", _asked()),
    ):
        parts += [heading, *(f"{name}:{value}" for name, value in lines), ""]
    parts += [f"执法人员签名:{LINE}    日期:{LINE}", f"单位负责人意见:{LINE}", f"签名:{LINE}    日期:{LINE}"]
    return "\n".join(parts) + "\n"


def _facts(told: Told, time: LocalTime) -> Iterator[tuple[str, str]]:
    opened, closed = told.opened, told.closed
    yield "单位", told.unit or TO_FILL
    yield "设备编号", told.device
    yield "记录编号", f"{told.session}(第{told.number}号报警)"
    yield "执法证号", _officer(told)
    start = time.words(opened.boot, opened.from_us) if opened else NOT_SAID
    end = time.words(closed.until_boot, closed.until_us) if closed else "尚未结束"
    yield "记录起止", f"{start}至{end}"


def _officer(told: Told) -> str:
    """Who recorded; "0" is nobody, and a name the journal does not know."""
    known = [told.opened.officer if told.opened else "", told.alarm.officer if isinstance(told.alarm, e.Alarm) else ""]
    return next((one for one in known if one not in ("", "0", "unknown")), TO_FILL)


def _logged(told: Told, time: LocalTime) -> Iterator[tuple[str, str]]:
    alarm, begin = told.alarm, told.begin
    yield "中断内容", TRACKS[alarm.track]
    yield "中断起止", f"{time.words(alarm.since_boot, alarm.since_us)}至{_end(told, time)}"
    yield "中断时长", _length(told.end)
    yield "设备检测原因", CAUSES[alarm.cause]["zh"] + (f"({begin.text})" if begin and begin.text else "")
    yield "缺失情况", alarm.text if isinstance(alarm, e.Alarm) else NOT_SAID
    yield "设备报警时间", time.words(told.raised.entry.boot, told.raised.entry.boot_us) if told.raised else NOT_SAID
    yield "设备提示报告", _requests(told.requests, time)
    yield "向单位负责人报告", _reports(told.reports, time)
    yield "单位负责人知悉", _acknowledged(told.acknowledged, time)
    yield "中断原因说明", _explained(told.explanation, time)


def _end(told: Told, time: LocalTime) -> str:
    end = told.end
    if end is None:
        return "尚未恢复" if told.closed is None else NOT_SAID
    if end.resumed == "yes":
        return time.words(end.first_boot, end.first_us)
    return "记录结束,未恢复"


def _length(end: e.InterruptionEnd | None) -> str:
    if end is None:
        return TO_FILL
    if end.resumed == "no" and not end.shortest_us:
        return "未恢复,时长不计"
    if end.longest_us < 0:
        return f"至少{_duration(end.shortest_us)},最长不明"
    if end.longest_us - end.shortest_us <= _SECOND_US:
        return _duration(end.shortest_us)
    return f"{_duration(end.shortest_us)}至{_duration(end.longest_us)}"


def _duration(us: int) -> str:
    minutes, seconds = divmod(-(-us // _SECOND_US), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "小时"), (minutes, "分"), (seconds, "秒")]
    return "".join(f"{number}{unit}" for number, unit in parts if number) or "不到1秒"


def _requests(requests: Sequence[e.AlarmTold], time: LocalTime) -> str:
    if not requests:
        return NOT_SAID
    spoken = sum(one.how == "sound" for one in requests)
    first = requests[0]
    return f"共{len(requests)}次(语音{spoken}次),首次{time.words(first.boot, first.boot_us)}"


def _reports(reports: Sequence[e.AlarmReported], time: LocalTime) -> str:
    said = [f"{time.words(one.boot, one.at_us)},{HOW[one.how]}" for one in reports]
    return ";".join(said) or NOT_SAID


def _acknowledged(entry: e.AlarmAcknowledged | None, time: LocalTime) -> str:
    if entry is None:
        return NOT_SAID
    by = "签名指令" if entry.key else f"执法证号{entry.by}"
    return f"{time.words(entry.boot, entry.boot_us)},{by}"


def _explained(entry: e.Explanation | None, time: LocalTime) -> str:
    if entry is None:
        return "未说明"
    how = "已口述" if entry.how == "spoken" else "已书面说明"
    return f"{how},{time.words(entry.boot, entry.boot_us)}"


def _asked() -> Iterator[tuple[str, str]]:
    for name in ("中断经过和原因", "中断期间的执法活动", "采取的措施", "向何人报告、如何答复", "其他证明材料"):
        yield name, TO_FILL
