"""The device checked before use (R19a): facts in, one item each out, and one sentence that names what is wrong. Pure.

Rules: an item is made only of what was looked at, all else is named as unchecked; what the device does not have is
neither. A failed check forbids nothing, for recording comes first (article 8): the sentence says so. Every threshold
is in ``[check]``. Items and sentence hold no names of persons. A fault of the equipment is told once more as a
``fault`` entry, when it was not failing before.

Leaves to others: gathering the facts (``observed`` in the recorder, ``agent.commands.check`` without one), when to
check, saying it (``checking``), alarms.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from agent.evidence import entries as e
from agent.recorder.deadline import Unsynced
from agent.recorder.prompts import Language
from drivers.power import PowerFigures

NAMES: tuple[e.CheckName, ...] = get_args(e.CheckName)
"""In the order in which they are told."""
MOST_NAMED = 5
"""Items that the sentence names for each result: nobody listens to more."""
UNKNOWN = -1


@dataclass(frozen=True, slots=True)
class CheckSettings:
    """From ``[check]``; what each is for stands there."""

    at_start: bool = True
    settle_s: int = 10
    rate_warn_percent: int = 90
    rate_fail_percent: int = 50
    level_warn_cdb: int = -7000
    level_fail_cdb: int = -8000
    accuracy_warn_m: int = 50
    clock_warn_ms: int = 1000
    clock_fail_ms: int = 60_000
    space_warn_min: int = 480
    space_fail_min: int = 60
    write_warn_ms: int = 200
    write_fail_ms: int = 2000
    battery_warn_percent: int = 80
    battery_fail_percent: int = 20
    heat_warn_c: int = 70
    heat_fail_c: int = 80
    unsynced_warn: int = 20
    owed_fail: int = 10


# --- facts ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Picture:
    """The camera now."""

    up: bool
    impaired: frozenset[e.ImpairmentKind] = frozenset()
    rate_mfps: int = UNKNOWN
    """Pictures in a thousand seconds, as they came; -1: not long enough to say."""
    wanted_mfps: int = UNKNOWN
    """As the camera itself says."""


@dataclass(frozen=True, slots=True)
class Sound:
    """The microphone now."""

    up: bool
    impaired: frozenset[e.ImpairmentKind] = frozenset()
    level_cdb: int | None = None
    """Of the loudest of the last blocks, 1/100 dB relative to full scale; None: none came yet."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """What became of the words that were said last."""

    problem: str = ""
    """Why they were not; empty where they were."""


@dataclass(frozen=True, slots=True)
class Place:
    """The position source now."""

    up: bool
    fix: bool = False
    accuracy_mm: int = 0
    required: bool = False
    """The position is a required track."""


@dataclass(frozen=True, slots=True)
class ClockNow:
    """Where UTC comes from, and its greatest error."""

    source: str
    error_us: int


@dataclass(frozen=True, slots=True)
class Room:
    """Room for recording on the spool's volume."""

    left_min: int
    """Minutes of recording until only the reserve is left."""


@dataclass(frozen=True, slots=True)
class Writing:
    """Whether the volume takes what is written."""

    read_only: bool = False
    write_us: int = UNKNOWN
    """Of a trial write with its sync; -1: none was made."""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Keys:
    """The signing key and whose keys are trusted."""

    problem: str = ""
    """Why the signing key cannot be used; empty where it can."""
    receipt_keys: int = 0


@dataclass(frozen=True, slots=True)
class Configured:
    """The configuration file."""

    problem: str = ""
    """Why it cannot be used; empty where it can."""
    in_force: bool = True
    """The recorder runs by the file as it is now."""


@dataclass(frozen=True, slots=True)
class Journal:
    """The journal's newest file."""

    problem: str = ""


@dataclass(frozen=True, slots=True)
class Owing:
    """What people owe."""

    reasons: int = 0
    statements: int = 0
    alarms: int = 0
    """That nobody has acknowledged."""


@dataclass(frozen=True, slots=True)
class CheckFacts:
    """All that was looked at; None: it was not. ``absent``: what the device does not have."""

    picture: Picture | None = None
    sound: Sound | None = None
    speaker: Speaker | None = None
    place: Place | None = None
    clock: ClockNow | None = None
    room: Room | None = None
    writing: Writing | None = None
    power: PowerFigures | None = None
    keys: Keys | None = None
    configured: Configured | None = None
    journal: Journal | None = None
    unsynced: Unsynced | None = None
    owing: Owing | None = None
    absent: frozenset[e.CheckName] = frozenset()


# --- items ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Item:
    """How one thing was found; the texts say it to a person."""

    name: e.CheckName
    result: e.CheckResult
    text_zh: str
    text_en: str


def check(settings: CheckSettings, facts: CheckFacts) -> list[Item]:
    """What was looked at, in the order of ``NAMES``."""
    found = [item(settings, facts) for name, item in _ITEMS.items() if name not in facts.absent]
    return [one for one in found if one is not None]


def unchecked(items: Iterable[Item], facts: CheckFacts) -> list[e.CheckName]:
    """What the device has and nobody could look at."""
    looked_at = {item.name for item in items}
    return [name for name in NAMES if name not in looked_at and name not in facts.absent]


def worst(items: Iterable[Item]) -> e.CheckResult:
    """``pass`` where there is none."""
    results = {item.result for item in items}
    return "fail" if "fail" in results else "warn" if "warn" in results else "pass"


def _picture(_: CheckSettings, facts: CheckFacts) -> Item | None:
    seen = facts.picture
    if seen is None:
        return None
    if not seen.up:
        return Item("picture", "fail", "摄像头没有画面", "the camera gives no picture")
    for kind, result, zh, en in _PICTURE_WORDS:
        if kind in seen.impaired:
            return Item("picture", result, zh, en)
    return Item("picture", "pass", "画面正常", "the picture is as it should be")


_PICTURE_WORDS: tuple[tuple[e.ImpairmentKind, e.CheckResult, str, str], ...] = (
    ("picture.covered", "fail", "镜头被遮挡", "the lens is covered"),
    ("picture.frozen", "fail", "画面静止不动", "the picture stands still"),
    ("picture.dark", "warn", "画面过暗", "the picture is dark"),
    ("picture.blurred", "warn", "画面模糊", "the picture is blurred"),
)


def _picture_rate(settings: CheckSettings, facts: CheckFacts) -> Item | None:
    seen = facts.picture
    if seen is None or not seen.up or seen.rate_mfps < 0 or seen.wanted_mfps <= 0:
        return None
    percent = seen.rate_mfps * 100 // seen.wanted_mfps
    result = _below(percent, settings.rate_warn_percent, settings.rate_fail_percent)
    rate, wanted = _thousandths(seen.rate_mfps), _thousandths(seen.wanted_mfps)
    return Item(
        "picture_rate", result, f"每秒{rate}帧,应为{wanted}帧", f"{rate} pictures a second, {wanted} are expected"
    )


def _sound(settings: CheckSettings, facts: CheckFacts) -> Item | None:
    heard = facts.sound
    if heard is None or (heard.up and heard.level_cdb is None):
        return None
    if not heard.up or heard.level_cdb is None:
        return Item("sound", "fail", "麦克风没有声音信号", "the microphone gives no sound")
    level = f"{heard.level_cdb / 100:.0f}"
    if "sound.silent" in heard.impaired or heard.level_cdb <= settings.level_fail_cdb:
        return Item("sound", "fail", f"麦克风无声({level}分贝)", f"the microphone is silent ({level} dB)")
    if "sound.clipping" in heard.impaired:
        return Item("sound", "warn", "声音过载失真", "the sound is distorted")
    if heard.level_cdb <= settings.level_warn_cdb:
        return Item("sound", "warn", f"声音很弱({level}分贝)", f"the sound is very low ({level} dB)")
    return Item("sound", "pass", f"声音正常({level}分贝)", f"the sound is as it should be ({level} dB)")


def _speaker(_: CheckSettings, facts: CheckFacts) -> Item | None:
    if facts.speaker is None:
        return None
    if facts.speaker.problem:
        return Item("speaker", "fail", "扬声器没有声音", f"the speaker says nothing: {facts.speaker.problem}")
    return Item("speaker", "pass", "扬声器正常", "the speaker speaks")


def _position(settings: CheckSettings, facts: CheckFacts) -> Item | None:
    place = facts.place
    if place is None:
        return None
    if not place.up:
        result: e.CheckResult = "fail" if place.required else "warn"
        return Item("position", result, "定位模块无响应", "the position source does not answer")
    if not place.fix:
        return Item("position", "warn", "尚无定位", "there is no position yet")
    metres = place.accuracy_mm // 1000
    result = "warn" if metres > settings.accuracy_warn_m else "pass"
    return Item("position", result, f"定位误差{metres}米", f"the position is known to {metres} m")


def _clock(settings: CheckSettings, facts: CheckFacts) -> Item | None:
    clock = facts.clock
    if clock is None:
        return None
    if clock.source == "none" or clock.error_us < 0:
        return Item("clock", "fail", "时间未校准", "nothing sets the clock")
    ms = clock.error_us // 1000
    result = _above(clock.error_us, settings.clock_warn_ms * 1000, settings.clock_fail_ms * 1000)
    source = clock.source.upper()
    return Item(
        "clock", result, f"时间来源{source},误差至多{ms}毫秒", f"the clock is set by {source}, at most {ms} ms off"
    )


def _space(settings: CheckSettings, facts: CheckFacts) -> Item | None:
    if facts.room is None:
        return None
    left = facts.room.left_min
    result = _below(left, settings.space_warn_min, settings.space_fail_min)
    return Item("space", result, f"还可录制{left}分钟", f"there is room for {left} min")


def _write(settings: CheckSettings, facts: CheckFacts) -> Item | None:
    writing = facts.writing
    if writing is None:
        return None
    if writing.read_only:
        return Item("write", "fail", "存储卡只读", "the storage is read-only")
    if writing.error:
        return Item("write", "fail", "存储卡无法写入", f"the storage cannot be written: {writing.error}")
    if writing.write_us < 0:
        return None
    ms = writing.write_us // 1000
    result = _above(writing.write_us, settings.write_warn_ms * 1000, settings.write_fail_ms * 1000)
    return Item("write", result, f"写入用时{ms}毫秒", f"a write takes {ms} ms")


def _battery(settings: CheckSettings, facts: CheckFacts) -> Item | None:
    power = facts.power
    if power is None:
        return None
    if power.under_voltage:
        return Item("battery", "fail", "供电电压过低", "the supply does not hold its voltage")
    if power.charge_permille < 0:
        return Item("battery", "pass", "供电正常", "the supply holds its voltage")
    result = _below(power.charge_permille, settings.battery_warn_percent * 10, settings.battery_fail_percent * 10)
    percent = power.charge_permille // 10
    left = power.minutes_left
    zh, en = (f",约可用{left}分钟", f", about {left} min") if left >= 0 else ("", "")
    return Item("battery", result, f"电量{percent}%{zh}", f"the battery has {percent} %{en}")


def _temperature(settings: CheckSettings, facts: CheckFacts) -> Item | None:
    power = facts.power
    if power is None or power.temperature_mdeg is None:
        return None
    degrees = power.temperature_mdeg // 1000
    result = _above(power.temperature_mdeg, settings.heat_warn_c * 1000, settings.heat_fail_c * 1000)
    if result == "pass" and power.throttled:
        return Item("temperature", "warn", f"处理器已降频({degrees}度)", f"the processor is held back ({degrees} °C)")
    return Item("temperature", result, f"温度{degrees}度", f"the processor has {degrees} °C")


def _keys(_: CheckSettings, facts: CheckFacts) -> Item | None:
    keys = facts.keys
    if keys is None:
        return None
    if keys.problem:
        return Item("keys", "fail", "签名密钥不可用", f"the signing key cannot be used: {keys.problem}")
    if not keys.receipt_keys:
        zh, en = "未配置存储回执密钥,任何记录都不会被清理", "no store's receipts are trusted: nothing is ever deleted"
        return Item("keys", "warn", zh, en)
    return Item("keys", "pass", "密钥正常", "the keys are there")


def _configuration(_: CheckSettings, facts: CheckFacts) -> Item | None:
    configured = facts.configured
    if configured is None:
        return None
    if configured.problem:
        return Item("configuration", "fail", "配置文件有误", f"the configuration: {configured.problem}")
    if not configured.in_force:
        zh, en = "配置文件已更改,重启后生效", "the configuration was changed and counts from the next start on"
        return Item("configuration", "warn", zh, en)
    return Item("configuration", "pass", "配置正常", "the configuration is in force")


def _journal(_: CheckSettings, facts: CheckFacts) -> Item | None:
    if facts.journal is None:
        return None
    if facts.journal.problem:
        return Item("journal", "fail", "日志有损坏", f"the journal: {facts.journal.problem}")
    return Item("journal", "pass", "日志正常", "the journal is whole")


def _unsynced(settings: CheckSettings, facts: CheckFacts) -> Item | None:
    left = facts.unsynced
    if left is None:
        return None
    if left.late:
        zh, en = f"{left.late}次记录超过期限未入库", f"{left.late} sessions are past their term and not in the store"
        return Item("unsynced", "fail", zh, en)
    if left.at_risk:
        zh, en = f"{left.at_risk}次记录可能逾期入库", f"{left.at_risk} sessions may come into the store too late"
        return Item("unsynced", "warn", zh, en)
    result: e.CheckResult = "warn" if left.sessions >= settings.unsynced_warn else "pass"
    return Item(
        "unsynced", result, f"{left.sessions}次记录尚未入库", f"{left.sessions} sessions are not in the store yet"
    )


def _owed(settings: CheckSettings, facts: CheckFacts) -> Item | None:
    owing = facts.owing
    if owing is None:
        return None
    if owing.alarms:
        return Item("owed", "fail", f"{owing.alarms}条警报未确认", f"{owing.alarms} alarms are not acknowledged")
    owed = owing.reasons + owing.statements
    zh = f"欠{owing.reasons}次中断原因,{owing.statements}份书面说明"
    en = f"{owing.reasons} reasons and {owing.statements} written statements are owed"
    if not owed:
        return Item("owed", "pass", "没有待补的说明", "nothing is owed")
    return Item("owed", "fail" if owed >= settings.owed_fail else "warn", zh, en)


_ITEMS: Mapping[e.CheckName, Callable[[CheckSettings, CheckFacts], Item | None]] = {
    "picture": _picture,
    "picture_rate": _picture_rate,
    "sound": _sound,
    "speaker": _speaker,
    "position": _position,
    "clock": _clock,
    "space": _space,
    "write": _write,
    "battery": _battery,
    "temperature": _temperature,
    "keys": _keys,
    "configuration": _configuration,
    "journal": _journal,
    "unsynced": _unsynced,
    "owed": _owed,
}


def _below(value: int, warn: int, fail: int) -> e.CheckResult:
    return "fail" if value < fail else "warn" if value < warn else "pass"


def _above(value: int, warn: int, fail: int) -> e.CheckResult:
    return "fail" if value > fail else "warn" if value > warn else "pass"


def _thousandths(value: int) -> str:
    return f"{value / 1000:.1f}".removesuffix(".0")


# --- the sentence ---------------------------------------------------------------------------------------

TITLES: Mapping[e.CheckName, Mapping[Language, str]] = {
    "picture": {"zh": "画面", "en": "picture"},
    "picture_rate": {"zh": "帧率", "en": "picture rate"},
    "sound": {"zh": "麦克风", "en": "microphone"},
    "speaker": {"zh": "扬声器", "en": "speaker"},
    "position": {"zh": "定位", "en": "position"},
    "clock": {"zh": "时间", "en": "clock"},
    "space": {"zh": "存储空间", "en": "storage space"},
    "write": {"zh": "存储写入", "en": "storage writing"},
    "battery": {"zh": "供电", "en": "power"},
    "temperature": {"zh": "温度", "en": "temperature"},
    "keys": {"zh": "密钥", "en": "keys"},
    "configuration": {"zh": "配置", "en": "configuration"},
    "journal": {"zh": "日志", "en": "journal"},
    "unsynced": {"zh": "待上传记录", "en": "sessions to upload"},
    "owed": {"zh": "待补说明", "en": "matters owed"},
}
"""What each item is called."""

_PARTS: Mapping[Language, tuple[str, str, str]] = {
    "zh": ("{named}不合格", "{named}需注意", "{named}未能检查"),
    "en": ("failed: {named}", "to be looked at: {named}", "not checked: {named}"),
}
_BEGIN: Mapping[Language, str] = {"zh": "设备检查:", "en": "Device check: "}
_ALL_WELL: Mapping[Language, str] = {"zh": "设备检查合格。", "en": "Device check: all is well."}
_WELL_SO_FAR: Mapping[Language, str] = {"zh": "其余合格", "en": "all else is well"}
_STILL: Mapping[Language, str] = {"zh": "仍可记录", "en": "recording is possible all the same"}


def sentence(items: Sequence[Item], left_out: Sequence[e.CheckName], language: Language) -> str:
    """One sentence: what failed, what is to be looked at, what could not be checked; or that all is well."""
    failed = [item.name for item in items if item.result == "fail"]
    warned = [item.name for item in items if item.result == "warn"]
    if not (failed or warned or left_out):
        return _ALL_WELL[language]
    said = [
        part.format(named=_named(names, language))
        for part, names in zip(_PARTS[language], (failed, warned, left_out), strict=True)
        if names
    ]
    said.append(_STILL[language] if failed else _WELL_SO_FAR[language])
    return _BEGIN[language] + (",".join(said) + "。" if language == "zh" else "; ".join(said) + ".")


def _named(names: Sequence[e.CheckName], language: Language) -> str:
    titles, more = [TITLES[name][language] for name in names[:MOST_NAMED]], len(names) - MOST_NAMED
    if language == "zh":
        return "、".join(titles) + (f"等{len(names)}项" if more > 0 else "")
    return ", ".join(titles) + (f" and {more} more" if more > 0 else "")


# --- entries --------------------------------------------------------------------------------------------

_PARTS_OF: Mapping[e.CheckName, e.FaultPart] = {
    "picture": "camera",
    "picture_rate": "camera",
    "sound": "microphone",
    "speaker": "signals",
    "position": "position",
    "clock": "clock",
    "write": "storage",
    "battery": "power",
    "temperature": "power",
    "keys": "recorder",
    "configuration": "recorder",
    "journal": "journal",
}
"""Of the equipment; a full card, a session to upload and a reason owed are no faults of it."""


def entry_of(items: Sequence[Item], left_out: Sequence[e.CheckName], why: e.CheckWhy, words: str) -> e.Check:
    """The entry of a check; ``words``: the sentence that was said."""
    checked = [e.CheckedItem(name=item.name, result=item.result) for item in items]
    return e.Check(why=why, result=worst(items), items=checked, unchecked=list(left_out), words=words)


def faults(items: Iterable[Item], failing: Collection[e.CheckName] = ()) -> list[e.Fault]:
    """The faults of the equipment that are news; ``failing``: what failed in the check before."""
    return [
        e.Fault(part=_PARTS_OF[item.name], kind=f"check.{item.name}", text=item.text_en)
        for item in items
        if item.result == "fail" and item.name in _PARTS_OF and item.name not in failing
    ]
