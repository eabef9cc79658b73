"""The lists that ship: powers with their stages, links, situations, foci, long-term kinds, words on the device.

Ids are stable: entries carry them for ever, so none is changed or given a second meaning; a list only grows at its
end. Each item has the regulation's Chinese and an English rendering. The session's first entry names
``items_sha256()``, so that a reader years later knows which list an id came from (R2, R7).

Left to others: which item demands what (signed item lists come from the fleet), what is shown in which language.
"""

import base64
import hashlib
from typing import Literal

import msgspec
from msgspec import Struct


class Item(Struct, frozen=True):
    """One line of a list."""

    id: str
    zh: str
    en: str


class Power(Struct, frozen=True):
    """A power (article 5) and its stages in order; ``other`` has none, its stages are free text."""

    id: str
    zh: str
    en: str
    stages: tuple[Item, ...]


_ACCEPT = Item("accept", "受理案件", "case accepted")
_FILE = Item("file", "立案", "case opened")
_INVESTIGATE = Item("investigate", "调查取证", "investigation, evidence")
_SERVE = Item("serve", "送达执法文书", "service")

POWERS = (
    Power(
        "penalty",
        "行政处罚",
        "penalty",
        (_ACCEPT, _FILE, _INVESTIGATE, Item("decide", "作出处罚决定", "penalty decision"), _SERVE),
    ),
    Power(
        "coercion",
        "行政强制",
        "coercion",
        (
            _ACCEPT,
            _FILE,
            _INVESTIGATE,
            Item("decide", "作出强制决定", "coercion decision"),
            _SERVE,
            Item("enforce", "强制执行", "forced execution"),
        ),
    ),
    Power(
        "permit",
        "行政许可",
        "permit",
        (
            Item("accept", "受理申请", "application accepted"),
            Item("review", "审查审核", "review"),
            Item("survey", "现场踏勘", "site survey"),
            Item("serve", "送达许可文书", "service of permit"),
        ),
    ),
    Power(
        "inspection",
        "行政检查",
        "inspection",
        (
            Item("inspect", "现场检查", "on-site inspection"),
            Item("recheck", "整改复查", "re-inspection after rectification"),
            Item("serve", "送达整改文书", "service of rectification notice"),
        ),
    ),
    Power(
        "levy",
        "行政征收",
        "levy",
        (
            Item("serve", "送达征收文书", "service of levy notice"),
            Item("collect", "收缴费用", "collection"),
        ),
    ),
    Power("other", "其他", "other", ()),
)
"""R2, R5. A stage's id counts within its power."""

LINKS = (
    Item("1", "现场执法检查", "on-site inspection"),
    Item("2", "案件登记", "registration"),
    Item("3", "立案", "opening"),
    Item("4", "调查取证", "investigation"),
    Item("5", "案件审查", "case review"),
    Item("6", "事先告知", "prior notice"),
    Item("7", "听取陈述申辩", "hearing statement and defence"),
    Item("8", "听证", "formal hearing"),
    Item("9", "处理决定", "decision"),
    Item("10", "送达", "service"),
    Item("11", "执行", "execution"),
    Item("12", "催告", "demand notice"),
    Item("13", "申请法院强制执行", "application to court for enforcement"),
    Item("14", "结案", "closing"),
)
"""R18: the fourteen links of article 18, for all powers."""

SITUATIONS = (
    Item(
        "1",
        "接受投诉举报或执法巡查发现违法案件至现场处理",
        "complaint or report received, or violation found on patrol, to handling at the scene",
    ),
    Item("2", "受理行政许可申请", "accepting a permit application"),
    Item("3", "实施现场检查、勘验", "on-site inspection, survey"),
    Item("4", "实施简易程序行政处罚", "summary-procedure penalty"),
    Item("5", "实施先行登记保存", "prior registration and preservation of evidence"),
    Item("6", "实施查封、扣押物品等行政强制措施", "sealing, seizing and other coercive measures"),
    Item("7", "询问当事人和证人", "questioning parties and witnesses"),
    Item("8", "举行行政处罚、行政许可、行政征收听证", "hearings on penalty, permit, levy"),
    Item(
        "9",
        "送达核查通知书、改正通知书等执法文书以及处罚决定、强制执行决定、许可批准决定等行政执法决定文件",
        "serving notices and decisions",
    ),
    Item(
        "10",
        "以排除妨碍、恢复原状、强制拆除的方式实施行政强制执行行为",
        "forced execution by removing obstruction, restoring, demolishing",
    ),
    Item("11", "当事人或者有关人员不配合执法的", "party or other person concerned does not cooperate"),
    Item("12", "处理重大复杂案件、突发事件或紧急行动等", "major or complex case, emergency, urgent operation"),
    Item("13", "其他应当采取音像记录的情况", "others that should be recorded"),
)
"""R11: the thirteen situations of article 11."""

FOCI = (
    Item("1", "执法现场环境", "the scene"),
    Item("2", "当事人和证人等现场人员的体貌特征和言行举止", "people: appearance, words, conduct"),
    Item("3", "涉案物品及其主要特征以及其他可以证明违法行为的证据", "objects, main features, other proof"),
    Item("4", "执法人员开展现场调查,送达法律文书和对有关财物采取措施等情况", "the officers' acts"),
    Item("5", "其他应当记录的重要内容", "other important matter"),
)
"""R12: what the picture must show."""

LONG_TERM_KINDS = (
    Item("1", "作为行政处罚、行政强制案件证据使用的", "evidence in a penalty or coercion case"),
    Item("2", "当事人或者现场其他人员有阻碍执法、妨害公务行为的", "obstruction"),
    Item("3", "处置重大复杂案件、重大突发事件的", "major or complex case, major emergency"),
    Item("4", "其他重大、疑难、复杂的情形", "other"),
)
"""R22: the four kinds without a term; everything else is kept 12 months."""

WORDS = (
    Item("start", "开始录音录像。", "Recording begins."),
    Item(
        "script",
        "您好,我们是{unit}执法人员,这是我们的执法证件。本次执法全程录音录像。",
        "Good day. We are enforcement officers of {unit}; these are our certificates. All of this is recorded in "
        "sound and picture.",
    ),
    Item("stop", "录制已停止,尚未上传。", "Recording has stopped; not delivered yet."),
    Item(
        "resumed",
        "记录已恢复。{begin}至{end}记录中断,设备检测原因:{cause}。请口述中断原因。",
        "Recording goes on. It was interrupted from {begin} to {end}; the device found: {cause}. Please say why.",
    ),
    Item(
        "owed",
        "还有{count}次记录中断未说明原因,请现在口述。",
        "{count} interruptions are still without a reason; please say it now.",
    ),
    Item(
        "cannot_continue",
        "无法继续记录,请立即向单位负责人报告,事后提交书面说明。",
        "Recording cannot go on. Report to the unit head at once, and hand in a written statement afterwards.",
    ),
    Item(
        "call",
        "我是{unit}执法人员{name},执法证号{certificate}。本次通话正在录音。",
        "I am enforcement officer {name} of {unit}, certificate {certificate}. This call is being recorded.",
    ),
    Item("title.statement", "音像记录中断情况说明", "statement on an interruption of the recording"),
    Item("title.impairment", "画面或声音异常", "picture or sound impaired"),
    Item("title.exempt", "涉及国家秘密,不作音像记录", "state secret, not recorded"),
    Item("title.mark", "标记", "mark"),
    Item("title.important", "重点标记", "important"),
    Item("title.reason_missing", "中断原因未说明", "reason not given"),
)
"""What the device says and shows; names in braces are filled in."""


def power(id: str) -> Power | None:
    """The power with that id, or None."""
    return next((item for item in POWERS if item.id == id), None)


def known(kind: Literal["stage", "situation", "focus"], id: str, of_power: str = "") -> bool:
    """Whether a range of that kind may carry that id.

    A stage counts within its power; with ``of_power`` left out, any power's stage will do (the power may be told
    later). Stages of ``other`` are free.
    """
    if kind == "situation":
        return any(item.id == id for item in SITUATIONS)
    if kind == "focus":
        return any(item.id == id for item in FOCI)
    if of_power == "other":
        return bool(id)
    return any(item.id == id for one in POWERS if of_power in ("", one.id) for item in one.stages)


def words(id: str, language: Literal["zh", "en"], **values: object) -> str:
    """A sentence of ``WORDS`` with its gaps filled; KeyError for an id or a gap that is not there."""
    item = next((item for item in WORDS if item.id == id), None)
    if item is None:
        raise KeyError(f"no words with the id {id!r}; config/items.py lists them")
    return (item.zh if language == "zh" else item.en).format_map(values)


def canonical() -> bytes:
    """All lists as one line of JSON with sorted keys: the bytes that ``items_sha256`` covers."""
    lists = {
        "foci": FOCI,
        "links": LINKS,
        "long_term_kinds": LONG_TERM_KINDS,
        "powers": POWERS,
        "situations": SITUATIONS,
        "words": WORDS,
    }
    return msgspec.json.encode(lists, order="sorted")


def items_sha256() -> str:
    """SHA-256 of the shipped lists, unpadded base64url, as ``session.open`` carries it."""
    return base64.urlsafe_b64encode(hashlib.sha256(canonical()).digest()).rstrip(b"=").decode()
