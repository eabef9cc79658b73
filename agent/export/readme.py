"""The README of an export: what is in it and how to check it without us, in Chinese and English.

It names stock tools only (sha256sum, age, truncate, ffprobe, any C2SP tlog tool) and gives the numbers that they
need: each file's attested length and the length of its init segment. Of each interruption it says where its reason
is: here, in another session, after an excerpt's end, or nowhere yet.
"""

from agent.evidence.entries import SessionOpen, Spoken
from agent.export.excerpt import Part
from agent.verify import facts
from agent.verify.facts import Log
from agent.verify.reasons import shown
from agent.verify.session import Interruption

_CHINESE = """# 执法记录 {session} 导出件

设备 {origin}；检查点规模 {size}；{scope}

| 文件 | 内容 |
| --- | --- |
| `segments/` | 加密媒体原件（age 格式），逐字节复制 |
| `session.jsonl` | 本次执法记录的日志条目，每行一条 |
| `device.jsonl` | 设备自身的日志条目（开机、时钟、配置、记录的开始与长度） |
| `session.tlog-proof`、`device.tlog-proof` | 两个日志流最后一条的包含证明（C2SP tlog-proof） |
| `checkpoint`、`device.vkey` | 签名检查点与设备公钥；请与登记的公钥核对 |
| `SHA256SUMS` | 全部文件的 SHA-256 |

经签名证明的只有日志条目和媒体；本说明与 `SHA256SUMS` 未经签名，仅供参考，不能作为依据。

{reasons}## 用我们的程序核验
    liuhen verify . --key 登记的公钥 --identity identity.txt

## 不用我们的程序核验
1. `sha256sum -c SHA256SUMS`
2. 每行的叶哈希为 SHA-256(0x00 ‖ 该行字节，不含换行)；条目 n+1 的 `prev` 是条目 n 叶哈希的 base64url。
   最后一条：`(printf '\\0'; tail -n 1 session.jsonl | tr -d '\\n') | sha256sum`
3. 用任一 C2SP tlog 工具，以 `device.vkey` 核验两个 `.tlog-proof` 文件与各自最后一行。
4. 解密：`age -d -i identity.txt -o 1.mp4 segments/…`，其密文前缀的 SHA-256 见各 `fragment` 条目。
5. 截至已证明的长度（下表“截至”）：`truncate -s 截至 1.mp4`，每个文件都可单独播放。
6. 连接：第一个文件之后的文件去掉初始化段：`tail -c +$((初始化段+1)) 2.mp4 >> 1.mp4`
   （仅当 `segment.open` 中 `init_sha256` 相同）。
7. `ffprobe -show_packets 1.mp4`：每个时间戳等于前一个加其时长；空缺处见 `interruption` 条目。
"""

_ENGLISH = """# Export of session {session}

Device {origin}; checkpoint of size {size}; {scope}

| file | what it is |
| --- | --- |
| `segments/` | the encrypted media (age format), copied byte for byte |
| `session.jsonl` | the session's journal entries, one a line |
| `device.jsonl` | the device's own entries (boots, clock, configuration, each session's start and length) |
| `session.tlog-proof`, `device.tlog-proof` | inclusion proofs of each stream's last entry (C2SP tlog-proof) |
| `checkpoint`, `device.vkey` | the signed checkpoint and the device's key; compare it with the key as enrolled |
| `SHA256SUMS` | SHA-256 of every file |

Only the entries and the media are attested. Nobody signed this page and `SHA256SUMS`: they help, they prove nothing.

{reasons}## Checking it with our program
    liuhen verify . --key VKEY-AS-ENROLLED --identity identity.txt

## Checking it without us
1. `sha256sum -c SHA256SUMS`
2. A line's leaf hash is SHA-256(0x00 || the line's bytes without its newline); `prev` of entry n+1 is the base64url of
   entry n's leaf hash. The last one: `(printf '\\0'; tail -n 1 session.jsonl | tr -d '\\n') | sha256sum`
3. With any C2SP tlog tool and `device.vkey`, verify the two `.tlog-proof` files for the last line of each stream.
4. Decrypt: `age -d -i identity.txt -o 1.mp4 segments/...`; the SHA-256 of its sealed bytes stands in each `fragment`.
5. Cut to what is attested (column "attested"): `truncate -s ATTESTED 1.mp4`. Each file plays by itself.
6. Join: of every file but the first leave out the init segment: `tail -c +$((INIT+1)) 2.mp4 >> 1.mp4`
   (only where `init_sha256` in `segment.open` is the same).
7. `ffprobe -show_packets 1.mp4`: each time stamp is the one before it plus its duration; for a jump see the
   `interruption` entries.

| file | init 初始化段 | attested 截至 |
| --- | ---: | ---: |
{files}"""


def text(session: str, log: Log, part: Part) -> str:
    """The whole README."""
    rows = [f"| `{s.path}` | {s.open.init_length} | {s.end} |\n" for s in part.segments]
    values = {"session": session, "origin": log.origin, "size": log.size, "files": "".join(rows)}
    opened = part.lines[0].entry
    officer = opened.officer if isinstance(opened, SessionOpen) else "?"
    if part.excerpt:
        span = f"{part.excerpt.from_us / 1e6:.3f} s - {part.excerpt.to_us / 1e6:.3f} s"
        chinese = f"证件号 {officer}；节选 {span}（自记录开始），范围见 `{facts.EXCERPT}`。"
        english = f"officer {officer}; an excerpt, {span} from its start, as `{facts.EXCERPT}` says."
    else:
        chinese, english = f"证件号 {officer}；完整记录。", f"officer {officer}; the whole session."
    reasons = [_reason(known, part) for known in part.account.interruptions]
    chinese_reasons = _section("中断的原因", [chinese for chinese, _ in reasons])
    english_reasons = _section("Reasons of interruptions", [english for _, english in reasons])
    return (
        _CHINESE.format(**values, scope=chinese, reasons=chinese_reasons)
        + "\n"
        + _ENGLISH.format(**values, scope=english, reasons=english_reasons)
    )


def _section(title: str, rows: list[str]) -> str:
    return f"## {title}\n" + "".join(f"- {row}\n" for row in rows) + "\n" if rows else ""


def _reason(known: Interruption, part: Part) -> tuple[str, str]:
    """Where the reason of one interruption is, in Chinese and English."""
    number, entry = known.begin.interruption, known.explanation
    if entry is None or known.explained is None:
        return f"中断 {number}：导出时尚未说明。", f"Interruption {number}: no reason had been given by then."
    if not known.holds:
        return (
            f"中断 {number}：所作说明不成立，见 `liuhen verify`。",
            f"Interruption {number}: the reason does not hold; `liuhen verify` of the spool says why.",
        )
    if known.explained.entry.n > part.lines[-1].entry.n:
        return (
            f"中断 {number}：原因在本节选结束之后说明，节选无法显示，请导出完整记录。",
            f"Interruption {number}: its reason was given after this excerpt's end, so the excerpt cannot show it; "
            "export the whole session.",
        )
    if not isinstance(entry.spoken, Spoken):
        return f"中断 {number}：书面说明。", f"Interruption {number}: explained in writing."
    return _spoken(number, entry.spoken, part)


def _spoken(number: int, spoken: Spoken, part: Part) -> tuple[str, str]:
    """Whether its sound is among the media of this folder."""
    if spoken.session != part.account.session.id:
        name = shown(spoken.session)
        return (
            f"中断 {number}：口述，录音在执法记录 {name} 中，不在此处，请导出该记录。",
            f"Interruption {number}: spoken in session {name}, not in this one; export it to hear it.",
        )
    if {ref.segment for ref in spoken.fragments} - {segment.open.segment for segment in part.segments}:
        return (
            f"中断 {number}：口述，录音不在本节选的媒体之内，请导出完整记录。",
            f"Interruption {number}: spoken in media that this excerpt does not hold; export the whole session.",
        )
    return f"中断 {number}：口述，录音在此处。", f"Interruption {number}: spoken, its sound is here."
