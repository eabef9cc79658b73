"""The verdict's sentences, in English and Chinese, for a clerk; and which answer each kind of problem spoils.

One row for each kind: the answer it counts against, what it makes of that answer, and its two sentences. ``{file}``,
``{entry}`` and ``{offset}`` stand for the place, other names for the problem's values. Nothing here says
"admissible": the verdict states facts (R13).
"""

# ruff: noqa: E501 -- a table: sentences in both languages

from typing import Literal, NamedTuple

from agent.verify.facts import Problem

Language = Literal["en", "zh"]
Effect = Literal["no", "unknown", "owed"]
Question = Literal["bytes_intact", "nothing_missing", "signer", "time"]


class Kind(NamedTuple):
    question: Question
    effect: Effect
    en: str
    zh: str


_BYTES: Question = "bytes_intact"
_MISSING: Question = "nothing_missing"
_SIGNER: Question = "signer"

KINDS: dict[str, Kind] = {
    # --- files and folders
    "file_missing": Kind(_BYTES, "no", "The file {file} is not there.", "文件 {file} 不存在。"),
    "not_plain": Kind(
        _BYTES, "no", "{file} is no plain file and was not opened ({why}).", "{file} 不是普通文件，未打开（{why}）。"
    ),
    "file_unnamed": Kind(
        _BYTES, "no", "No entry names the file {file}; somebody added it.", "没有任何条目记载文件 {file}，属于添加。"
    ),
    "file_unlisted": Kind(
        _BYTES, "no", "The file {file} is not in SHA256SUMS; it was added.", "SHA256SUMS 中没有文件 {file}，属于添加。"
    ),
    "sum_differs": Kind(
        _BYTES, "no", "The file {file} is not the one that SHA256SUMS lists.", "文件 {file} 与 SHA256SUMS 所列不符。"
    ),
    "file_shared": Kind(_BYTES, "no", "Two segments name the same file {file}.", "两个分段记载了同一文件 {file}。"),
    # --- journal
    "journal_damage": Kind(
        _BYTES,
        "no",
        "The journal {file} is damaged at byte {offset}: {why}",
        "日志 {file} 在第 {offset} 字节处受损：{why}",
    ),
    "journal_name": Kind(
        _BYTES,
        "no",
        "The journal file {file} begins at entry {first}, not where its name says.",
        "日志文件 {file} 从条目 {first} 开始，与文件名不符。",
    ),
    "no_checkpoint": Kind(
        _BYTES,
        "no",
        "{file} holds no checkpoint that the key signed; nothing in it can be relied on.",
        "{file} 中没有该密钥签署的检查点，内容均不可信。",
    ),
    "generation_unlinked": Kind(
        _BYTES, "no", "The journal {origin} does not continue {previous}.", "日志 {origin} 未能接续 {previous}。"
    ),
    "generation_moved": Kind(
        _BYTES,
        "no",
        "The journal in {file} says that it is {origin}: it was copied or moved there.",
        "{file} 中的日志自称 {origin}，属于复制或移动而来。",
    ),
    "generation_missing": Kind(
        _MISSING,
        "no",
        "The journal {origin} goes on after one that was lost or damaged, and that one is not here: what it attested cannot be told.",
        "日志 {origin} 接续一份已丢失或损坏的日志，而该日志不在此处：其所载内容无从得知。",
    ),
    "aside_untold": Kind(
        _MISSING,
        "unknown",
        "No entry says what {file} is: a power cut prevented it and the device's next start tells it, or somebody put it there.",
        "没有条目说明 {file} 的来历：或因断电未及记载（设备下次启动时补记），或被人放入。",
    ),
    "journal_begin": Kind(_BYTES, "no", "The journal does not begin with its first entry.", "日志不是从首条目开始。"),
    "begin_key_differs": Kind(
        _BYTES,
        "no",
        "The journal's first entry names another key than the one that signed it.",
        "日志首条目记载的密钥与签名密钥不同。",
    ),
    "origin_differs": Kind(
        _BYTES,
        "no",
        "The journal says that it is {origin}; that is not this device's.",
        "日志自称 {origin}，不属于该设备。",
    ),
    "line_malformed": Kind(
        _BYTES,
        "no",
        "The line at byte {offset} of {file} cannot be read: {why}",
        "{file} 第 {offset} 字节处的行无法读取：{why}",
    ),
    "stream_empty": Kind(_MISSING, "no", "{file} holds no entry.", "{file} 中没有条目。"),
    "stream_late": Kind(
        _MISSING, "no", "{missing} entries before {entry} were withheld.", "{entry} 之前的 {missing} 个条目缺失。"
    ),
    "stream_gap": Kind(
        _MISSING,
        "no",
        "Entries between {before} and {entry} are missing or out of order.",
        "条目 {before} 与 {entry} 之间有缺失或乱序。",
    ),
    "stream_broken": Kind(
        _BYTES,
        "no",
        "Entry {entry} does not follow the one before it: one of the two was changed.",
        "条目 {entry} 与前一条目不衔接，其中之一被改动。",
    ),
    "foreign_entry": Kind(
        _BYTES, "no", "Entry {entry} in {file} belongs to another stream.", "{file} 中的条目 {entry} 属于其他记录。"
    ),
    "session_missing": Kind(
        _MISSING,
        "no",
        "The device announced session {session}, and nothing of it is there.",
        "设备记载了执法记录 {session}，但其内容不存在。",
    ),
    "session_unannounced": Kind(
        _MISSING,
        "no",
        "The device's own stream never announced session {session}.",
        "设备日志未记载执法记录 {session} 的开始。",
    ),
    "session_short": Kind(
        _MISSING,
        "no",
        "Session {session} had {told} entries, only {have} are there.",
        "执法记录 {session} 应有 {told} 个条目，仅存 {have} 个。",
    ),
    "session_head_differs": Kind(
        _BYTES,
        "no",
        "Entry {entry} is not the one that the device's stream names at {told}.",
        "条目 {entry} 与设备日志 {told} 所记载的不同。",
    ),
    "session_not_opened": Kind(_MISSING, "no", "The session's first entry is not there.", "执法记录的首条目不存在。"),
    "session_twice": Kind(
        _BYTES,
        "no",
        "Entry {entry} opens or closes the session a second time.",
        "条目 {entry} 重复开始或结束了执法记录。",
    ),
    # --- proofs and checkpoints
    "checkpoint_forged": Kind(_BYTES, "no", "The checkpoint's signature does not hold: {why}", "检查点签名无效：{why}"),
    "proof_forged": Kind(_BYTES, "no", "The proof {file} does not hold: {why}", "证明文件 {file} 无效：{why}"),
    "proof_other_checkpoint": Kind(
        _BYTES,
        "no",
        "The proof {file} leads to another checkpoint (size {size}) than the folder's.",
        "证明文件 {file} 指向另一检查点（规模 {size}）。",
    ),
    "excerpt_malformed": Kind(_BYTES, "no", "{file} cannot be read: {why}", "{file} 无法读取：{why}"),
    "rolled_back": Kind(
        _MISSING,
        "no",
        "The checkpoint that you gave counts {size} entries of {origin}, here are {have}: an older state was put back, or the end was removed.",
        "所给检查点记载 {origin} 有 {size} 个条目，此处仅 {have} 个：被恢复为旧状态，或末尾被删除。",
    ),
    "checkpoint_differs": Kind(
        _BYTES,
        "no",
        "At {size} entries the checkpoint that you gave has another root: there are two histories of {origin}.",
        "在 {size} 个条目处，所给检查点的根不同：{origin} 存在两份历史。",
    ),
    "checkpoint_foreign": Kind(
        _SIGNER,
        "no",
        "The checkpoint that you gave belongs to {origin}, not to this device's journal.",
        "所给检查点属于 {origin}，不是本设备的日志。",
    ),
    "checkpoint_unsigned": Kind(
        _SIGNER,
        "no",
        "The checkpoint that you gave is not signed by this device's key: {why}",
        "所给检查点不是由本设备密钥签署：{why}",
    ),
    "checkpoint_not_comparable": Kind(
        _SIGNER,
        "unknown",
        "The checkpoint that you gave has {size} entries, this folder's {have}; they cannot be compared without the whole journal.",
        "所给检查点有 {size} 个条目，本文件夹的有 {have} 个；没有完整日志无法比较。",
    ),
    "cosignature_forged": Kind(_SIGNER, "no", "A co-signature does not hold: {why}", "共同签名无效：{why}"),
    "key_malformed": Kind(_SIGNER, "no", "{file} holds no key: {why}", "{file} 中没有密钥：{why}"),
    "key_differs": Kind(
        _SIGNER,
        "no",
        "The device's key is {found}, not the one that you gave ({given}).",
        "设备密钥为 {found}，与所给密钥（{given}）不同。",
    ),
    # --- media
    "bytes_differ": Kind(
        _BYTES,
        "no",
        "{file} was changed between byte {offset} and byte {until}.",
        "{file} 在第 {offset} 至 {until} 字节之间被改动。",
    ),
    "file_cut": Kind(
        _BYTES,
        "no",
        "{file} ends at byte {offset}, the journal attests {attested}.",
        "{file} 止于第 {offset} 字节，日志记载为 {attested} 字节。",
    ),
    "file_longer": Kind(
        _BYTES,
        "no",
        "{extra} bytes were added to {file} at byte {offset}.",
        "{file} 在第 {offset} 字节处多出 {extra} 字节。",
    ),
    "fragment_order": Kind(
        _BYTES,
        "no",
        "Entry {entry} says fragment {index} where {expected} belongs, or its offsets go back.",
        "条目 {entry} 的片段号为 {index}（应为 {expected}），或其偏移倒退。",
    ),
    "close_differs": Kind(
        _BYTES,
        "no",
        "Entry {entry} closes the file at {end}, its fragments end at {expected}.",
        "条目 {entry} 记载文件止于 {end}，片段止于 {expected}。",
    ),
    "not_for_identity": Kind(
        _BYTES, "unknown", "{file} cannot be opened with this identity: {why}", "用此身份无法打开 {file}：{why}"
    ),
    "not_openable": Kind(_BYTES, "no", "{file} cannot be opened: {why}", "{file} 无法打开：{why}"),
    "init_differs": Kind(
        _BYTES,
        "no",
        "The beginning (init segment) of {file} is not the one that the journal attests.",
        "{file} 的起始部分（初始化段）与日志记载不符。",
    ),
    "fragment_differs": Kind(
        _BYTES,
        "no",
        "The decrypted media of {file} from byte {offset} to {until} are not those of entry {entry}.",
        "{file} 解密后第 {offset} 至 {until} 字节与条目 {entry} 不符。",
    ),
    "plaintext_cut": Kind(
        _BYTES,
        "no",
        "{file} can be decrypted up to byte {offset} only, entry {entry} attests {attested}.",
        "{file} 只能解密到第 {offset} 字节，条目 {entry} 记载为 {attested}。",
    ),
    "media_malformed": Kind(
        _BYTES,
        "no",
        "The media of {file} at byte {offset} (entry {entry}) are malformed: {why}",
        "{file} 第 {offset} 字节处（条目 {entry}）的媒体格式有误：{why}",
    ),
    "media_time": Kind(
        _BYTES,
        "no",
        "In {file} the {track} time stamps are not those of entry {entry} ({why}).",
        "{file} 中 {track} 的时间戳与条目 {entry} 不符（{why}）。",
    ),
    "no_key_frame": Kind(_BYTES, "no", "{file} does not begin with a key frame.", "{file} 不是以关键帧开始。"),
    "final_differs": Kind(
        _BYTES,
        "no",
        "The last bytes of {file} are not those of entry {entry}.",
        "{file} 的末尾字节与条目 {entry} 不符。",
    ),
    "padding_filled": Kind(
        _BYTES,
        "no",
        "The padding of {file} is not zeros; something is hidden in it.",
        "{file} 的填充不为零，其中藏有内容。",
    ),
    # --- accounting
    "segment_order": Kind(
        _MISSING, "no", "Segment {number} does not follow the one before it.", "分段 {number} 与前一分段不衔接。"
    ),
    "segment_not_closed": Kind(
        _MISSING,
        "no",
        "Segment {number} was never closed, and the recording went on.",
        "分段 {number} 未关闭，而记录仍在继续。",
    ),
    "segment_closed": Kind(
        _MISSING,
        "no",
        "Entry {entry} adds to segment {number}, which was closed.",
        "条目 {entry} 写入已关闭的分段 {number}。",
    ),
    "segment_unknown": Kind(
        _MISSING,
        "no",
        "Entry {entry} speaks of segment {number}, which was never opened.",
        "条目 {entry} 提到从未打开的分段 {number}。",
    ),
    "segment_name": Kind(
        _BYTES,
        "no",
        "Entry {entry} names a file outside its session's folder: {name}",
        "条目 {entry} 记载的文件不在其文件夹内：{name}",
    ),
    "after_close": Kind(
        _MISSING, "no", "Entry {entry} records media after the session's end.", "条目 {entry} 在记录结束后仍写入媒体。"
    ),
    "interruption_twice": Kind(_MISSING, "no", "Interruption {number} was begun twice.", "中断 {number} 重复开始。"),
    "interruption_unknown": Kind(
        _MISSING, "no", "Interruption {number} ends without having begun.", "中断 {number} 未开始而结束。"
    ),
    "interruption_open": Kind(_MISSING, "no", "Interruption {number} has no end.", "中断 {number} 没有结束。"),
    "interruption_length": Kind(
        _MISSING,
        "no",
        "The length of interruption {number} contradicts its moments.",
        "中断 {number} 的时长与其时刻矛盾。",
    ),
    "gap_unexplained": Kind(
        _MISSING,
        "no",
        "{length_ms} ms of {track} are missing without a reason, {at_ms} ms after the start.",
        "开始后 {at_ms} 毫秒处，{track} 缺失 {length_ms} 毫秒且无原因。",
    ),
    "moment_differs": Kind(
        _MISSING,
        "no",
        "The {track} time of entry {entry} is {by_ms} ms off the moment of its capture.",
        "条目 {entry} 的 {track} 时间与采集时刻相差 {by_ms} 毫秒。",
    ),
    "span_length": Kind(
        _MISSING,
        "no",
        "The {track} length of entry {entry} contradicts its moments.",
        "条目 {entry} 的 {track} 时长与其时刻矛盾。",
    ),
    "time_overlap": Kind(
        _MISSING,
        "no",
        "The {track} of entry {entry} begins {ticks} ticks before the one before it ends.",
        "条目 {entry} 的 {track} 早于前一条目结束 {ticks} 个刻度开始。",
    ),
    "ticks_jump": Kind(
        _MISSING,
        "no",
        "The {track} of entry {entry} begins {ticks} ticks late, and no interruption says why.",
        "条目 {entry} 的 {track} 晚 {ticks} 个刻度开始，且无中断说明。",
    ),
    "range_outside": Kind(
        _MISSING,
        "unknown",
        "The time that you asked for is not, or not wholly, in what is here.",
        "所询时间不在（或不全在）此处内容之中。",
    ),
    "range_ends_later": Kind(
        _MISSING,
        "unknown",
        "The session is still open; what you asked for ends later than what is recorded.",
        "执法记录尚未结束，所询时间晚于已记录部分。",
    ),
    "range_unknown": Kind(
        _MISSING,
        "unknown",
        "Without a clock the time that you asked for cannot be found; use +SECONDS.",
        "没有时钟无法定位所询时间，请用 +秒数。",
    ),
    "explanation_owed": Kind(
        _MISSING,
        "owed",
        "The reason of interruption {number} ({cause}) has not been explained yet.",
        "中断 {number}（{cause}）的原因尚未说明。",
    ),
    "explanation_not_here": Kind(
        _MISSING,
        "owed",
        "The reason of interruption {number} ({cause}) is not in this excerpt; the whole session shows whether it was given later.",
        "中断 {number}（{cause}）的原因不在本节选之内，是否已在其后说明须查看完整记录。",
    ),
    # --- reasons
    "asked_unknown": Kind(
        _MISSING,
        "no",
        "Entry {entry} asks for the reason of interruption {number}, which had not begun.",
        "条目 {entry} 询问中断 {number} 的原因，而该中断此前并未开始。",
    ),
    "explanation_unknown": Kind(
        _MISSING,
        "no",
        "Entry {entry} explains interruption {number}, which had not begun.",
        "条目 {entry} 说明中断 {number} 的原因，而该中断此前并未开始。",
    ),
    "explanation_twice": Kind(
        _MISSING,
        "no",
        "Entry {entry} explains interruption {number} a second time; a reason is added to, never replaced.",
        "条目 {entry} 再次说明中断 {number}；原因只可补充，不可替换。",
    ),
    "explanation_early": Kind(
        _MISSING,
        "no",
        "Entry {entry} explains interruption {number} before its end, though recording went on after it.",
        "条目 {entry} 在中断 {number} 结束前即作说明，而其后记录已恢复。",
    ),
    "explanation_form": Kind(
        _MISSING,
        "no",
        "The reason in entry {entry} is said to be {how}, and what it holds is not.",
        "条目 {entry} 自称 {how}（口述或书面），其内容与此不符。",
    ),
    "explanation_written": Kind(
        _MISSING,
        "no",
        "Entry {entry} explains interruption {number} in writing, though the microphone is not what failed ({track}, {cause}).",
        "条目 {entry} 以书面说明中断 {number}，而故障并非麦克风（{track}，{cause}）。",
    ),
    "explanation_reversed": Kind(
        _MISSING,
        "no",
        "The range of sound in entry {entry} does not begin before it ends.",
        "条目 {entry} 所指录音的起点不早于终点。",
    ),
    "explanation_speech": Kind(
        _MISSING,
        "no",
        "Entry {entry} says that of {length_ms} ms of sound {speech_ms} ms are speech.",
        "条目 {entry} 称 {length_ms} 毫秒的录音中有 {speech_ms} 毫秒语音。",
    ),
    "explanation_foretold": Kind(
        _MISSING,
        "no",
        "The reason in entry {entry} was spoken before interruption {number} began.",
        "条目 {entry} 的口述早于中断 {number} 的开始。",
    ),
    "explanation_session": Kind(
        _MISSING,
        "no",
        "Entry {entry} names the sound of session {session}, which is not there.",
        "条目 {entry} 所指录音属于执法记录 {session}，而该记录不存在。",
    ),
    "explanation_fragments": Kind(
        _MISSING,
        "no",
        "Entry {entry} names fragments of session {session} that are not there, hold no sound, or are out of order.",
        "条目 {entry} 所指的执法记录 {session} 的片段不存在、没有声音或次序有误。",
    ),
    "explanation_outside": Kind(
        _MISSING,
        "no",
        "{length_ms} ms of the range in entry {entry} do not lie in the sound of the fragments of session {session} that it names.",
        "条目 {entry} 所指录音有 {length_ms} 毫秒不在其所列执法记录 {session} 的片段之内。",
    ),
    "addendum_alone": Kind(
        _MISSING,
        "no",
        "Entry {entry} adds to the reason of interruption {number}, which had not been given.",
        "条目 {entry} 补充中断 {number} 的原因，而该原因此前并未说明。",
    ),
}


class _Values(dict[str, str | int]):
    """A value that a problem lacks is told as a question mark: a verdict never fails over its words."""

    def __missing__(self, name: str) -> str:
        return "?"


def render(problem: Problem, language: Language) -> str:
    """The problem's sentence; whatever a value holds, control characters do not reach a terminal."""
    kind = KINDS[problem.kind]
    places = {"file": problem.file, "entry": problem.entry, "offset": problem.offset}
    values = {name: value for name, value in places.items() if value is not None} | dict(problem.values)
    text = (kind.zh if language == "zh" else kind.en).format_map(_Values(values))
    return "".join(letter if letter.isprintable() else "?" for letter in text)


ANSWERS: dict[str, tuple[str, str]] = {
    "bytes_yes": (
        "All {bytes} bytes of {segments} media files, all {entries} entries and {checkpoints} signatures are as they were signed.",
        "{segments} 个媒体文件共 {bytes} 字节、{entries} 个条目、{checkpoints} 个签名均与签署时一致。",
    ),
    "bytes_opened": (
        " {opened} files were decrypted; pictures' and sound's time stamps are those of the journal.",
        "已解密 {opened} 个文件，画面与声音的时间戳与日志一致。",
    ),
    "bytes_asked": (
        " The media files are those of what you asked for; no others were read.",
        "媒体文件仅指所询时间内的文件，其余未读取。",
    ),
    "bytes_no": (
        "Something was altered, removed or added; see the problems.",
        "有内容被改动、删除或添加，见问题清单。",
    ),
    "bytes_unknown": ("The files' inside could not be looked at; see the problems.", "无法查看文件内容，见问题清单。"),
    "missing_yes": (
        "Every moment of {sessions} session(s) is recorded or lies in a journalled interruption ({gaps} of them).",
        "{sessions} 次执法记录的每一时刻均已录制，或属于已记载的中断（{gaps} 处）。",
    ),
    "missing_open": (" Still open: {open}.", "尚未结束：{open}。"),
    "missing_asked": (" This is said of what you asked for, and of nothing else.", "以上仅就所询时间而言。"),
    "reasons_spoken": (
        " Reasons given by voice: {count}; speech is present, its content was not judged.",
        "口述原因 {count} 处：检出语音，未判断其内容。",
    ),
    "reasons_written": (" Reasons given in writing: {count}.", "书面原因 {count} 处。"),
    "reasons_elsewhere": (
        " Of {count} the sound lies in session {sessions}, which is not here, or not wholly.",
        "其中 {count} 处的录音在执法记录 {sessions} 中，不在（或不全在）此处。",
    ),
    "missing_none": ("There is no session in it.", "其中没有执法记录。"),
    "missing_no": ("Something is missing without a reason; see the problems.", "有内容无故缺失，见问题清单。"),
    "missing_unknown": (
        "It cannot be told whether something is missing; see the problems.",
        "无法判断是否有缺失，见问题清单。",
    ),
    "signer_yes": ("Signed by the key that you gave, {key}.", "由所给密钥 {key} 签署。"),
    "signer_unknown": (
        "Signed by {key}, the key that lies in the folder itself; nobody vouches for it. Give the key as enrolled: --key.",
        "由文件夹内自带的密钥 {key} 签署，无人为其作保。请用 --key 给出登记的密钥。",
    ),
    "signer_cosigned": (
        " A mirror co-signed {cosigned_size} of its {device_size} entries.",
        "共 {device_size} 个条目，其中 {cosigned_size} 个由镜像方共同签署。",
    ),
    "signer_between": (
        " For what was recorded in the {between_s} s after them the device's key alone vouches.",
        "其后 {between_s} 秒的内容仅由设备密钥作保。",
    ),
    "signer_alone": (
        " For all of its {device_size} entries the device's key alone vouches: no co-signature was shown (co-signed size 0).",
        "共 {device_size} 个条目均仅由设备密钥作保：未出示共同签名（共同签署规模为 0）。",
    ),
    "signer_compare": (
        "It cannot be told how far others vouch for it; see the problems.",
        "无法判断他方作保的范围，见问题清单。",
    ),
    "signer_key": (" It is signed by the key that you gave, {key}.", "由所给密钥 {key} 签署。"),
    "signer_no": (
        "The key, or what others signed, does not fit; see the problems.",
        "密钥或他方签名不符，见问题清单。",
    ),
    "signer_nobody": ("No valid signature was found.", "未发现有效签名。"),
    "time_yes": (
        "UTC by {source}, at most {error_ms} ms off.",
        "协调世界时来源为 {source}，误差不超过 {error_ms} 毫秒。",
    ),
    "time_unknown": (
        "The device had no clock that it could rely on; moments are relative to its start.",
        "设备没有可靠时钟，时刻均相对于开机。",
    ),
}


def answer(name: str, language: Language, **values: str | int) -> str:
    english, chinese = ANSWERS[name]
    return (chinese if language == "zh" else english).format(**values)
