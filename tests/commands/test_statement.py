"""The written statement: filled in from the journal as far as it knows, listed while it is owed, never half-finished.

The journal is written by the formats themselves; the clocks say that boot 1 began at 2026-03-01 02:00:00 UTC.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from agent.commands import Exit, statement
from agent.commands.statement_form import TO_FILL, LocalTime, form, told_of
from agent.evidence import entries as e
from agent.evidence.errors import EvidenceError
from agent.local import LocalRecorder
from agent.verify.facts import Line, Log
from agent.verify.moments import Clocks
from agent.verify.spool import read_spool
from tests.evidence.journals import SIGNER, a_file, salt

S = "s000001"
BEGAN_US = 1_772_330_400_000_000
SECOND = 1_000_000
SEALED = e.Private(sha256="c" * 43, age="")


def at(entry: e.Entry, seconds: float) -> e.Entry:
    entry.boot, entry.boot_us = 1, int(seconds * SECOND)
    return entry


def opened(session: str = S, officer: str = "310101") -> e.Entry:
    return at(
        e.SessionOpen(
            stream=session,
            number=int(session[1:]),
            pressed_us=0,
            from_us=100 * SECOND,
            prerecord_ms=0,
            prerecord_sound="yes",
            required_tracks=["video", "sound"],
            power="inspection",
            officer=officer,
            items_sha256="",
            config_sha256="",
        ),
        100,
    )


def begin(session: str = S, text: str = "the camera's process ended") -> e.Entry:
    moment = 120 * SECOND
    return at(
        e.InterruptionBegin(
            stream=session, interruption=2, track="video", cause="camera", text=text, last_boot=1, last_us=moment
        ),
        122,
    )


def end(resumed: e.YesNo = "yes", shortest_s: int = 185, longest_s: int = 185) -> e.Entry:
    return at(
        e.InterruptionEnd(
            stream=S,
            interruption=2,
            resumed=resumed,
            first_boot=1,
            first_us=305 * SECOND,
            shortest_us=shortest_s * SECOND,
            longest_us=longest_s * SECOND if longest_s >= 0 else -1,
        ),
        305,
    )


def close() -> e.Entry:
    return at(e.SessionClose(stream=S, by="officer", until_boot=1, until_us=400 * SECOND, late_frames=0), 400)


def alarm(number: int = 0, session: str = S) -> e.Entry:
    return at(
        e.Alarm(
            stream=session,
            alarm=number,
            kind="cannot_continue",
            interruption=2,
            cause="camera",
            track="video",
            since_boot=1,
            since_us=120 * SECOND,
            officer="310101",
            text="自最后正常时刻起画面未记录,尚未恢复。",
        ),
        180,
    )


def clock() -> e.Entry:
    return at(e.Clock(at_us=0, utc_us=BEGAN_US, source="ntp", error_us=1000), 1)


def device() -> e.Entry:
    return at(
        e.JournalBegin(device="D1", unit="城管三队", generation=1, vkey=SIGNER.vkey.line(), reason="new"),
        0,
    )


FULL: list[e.Entry] = [
    at(e.AlarmTold(stream=S, alarm=0, request=1, how="lamp", words="", prompt_sha256=""), 181),
    at(e.AlarmTold(stream=S, alarm=0, request=2, how="sound", words="w", prompt_sha256="p"), 241),
    at(e.AlarmReported(stream=S, alarm=0, how="radio", at_us=250 * SECOND, private=SEALED), 251),
    at(e.AlarmAcknowledged(stream=S, alarm=0, by="310109", private=SEALED), 260),
    at(e.Explanation(stream=S, interruption=2, how="spoken", officer="310101"), 330),
]


def log_of(*entries: e.Entry, first: int = 0) -> Log:
    lines = [Line(entry, b"", first + n, "journal/0001/000000000000.log", 0, 0) for n, entry in enumerate(entries)]
    return Log(origin="liuhen/D1/1", first=first, lines=lines)


TIME = LocalTime(Clocks([(1, e.Clock(at_us=0, utc_us=BEGAN_US, source="ntp", error_us=1000))]), 480)


def filled(*entries: e.Entry, time: LocalTime = TIME) -> dict[str, str]:
    """The form's lines by name."""
    told = told_of(log_of(*entries))
    lines = [line.split(":", 1) for line in form(told[-1], time).splitlines() if ":" in line]
    return {name: value for name, value in lines}  # noqa: C416 -- each line has two parts


# --- the form -----------------------------------------------------------------------------------------------


def test_what_the_journal_knows_is_filled_in_in_local_time() -> None:
    said = filled(device(), opened(), begin(), alarm(), *FULL, end(), close())
    assert said["单位"] == "城管三队"
    assert said["设备编号"] == "D1"
    assert said["记录编号"] == "s000001(第0号报警)"
    assert said["执法证号"] == "310101"
    assert said["记录起止"] == "2026年3月1日10时01分40秒至2026年3月1日10时06分40秒"
    assert said["中断内容"] == "画面"
    assert said["中断起止"] == "2026年3月1日10时02分00秒至2026年3月1日10时05分05秒"
    assert said["中断时长"] == "3分5秒"
    assert said["设备检测原因"] == "摄像头故障(the camera's process ended)"
    assert said["缺失情况"] == "自最后正常时刻起画面未记录,尚未恢复。"
    assert said["设备报警时间"] == "2026年3月1日10时03分00秒"
    assert said["设备提示报告"] == "共2次(语音1次),首次2026年3月1日10时03分01秒"
    assert said["向单位负责人报告"] == "2026年3月1日10时04分10秒,对讲机(电台)"
    assert said["单位负责人知悉"] == "2026年3月1日10时04分20秒,执法证号310109"
    assert said["中断原因说明"] == "已口述,2026年3月1日10时05分30秒"


def test_what_only_a_person_knows_is_left_to_a_person() -> None:
    text = form(told_of(log_of(device(), opened(), begin(), alarm()))[0], TIME)
    assert text.startswith("音像记录中断情况说明\n")
    for name in ("中断经过和原因", "中断期间的执法活动", "采取的措施", "向何人报告、如何答复", "其他证明材料"):
        assert f"{name}:{TO_FILL}\n" in text
    assert "执法人员签名:____" in text and "单位负责人意见:____" in text


def test_what_did_not_happen_is_said_so() -> None:
    said = filled(device(), opened(), begin(), alarm())
    assert said["中断起止"].endswith("至尚未恢复")
    assert said["中断时长"] == TO_FILL
    assert (said["设备提示报告"], said["向单位负责人报告"], said["单位负责人知悉"]) == ("日志无记载",) * 3
    assert said["中断原因说明"] == "未说明"
    assert said["记录起止"].endswith("至尚未结束")


@pytest.mark.parametrize(
    ("shortest_s", "longest_s", "said"),
    [(0, 0, "不到1秒"), (59, 59, "59秒"), (3600, 3600, "1小时"), (60, 300, "1分至5分"), (60, -1, "至少1分,最长不明")],
)
def test_a_length_is_as_sure_as_the_journal_is(shortest_s: int, longest_s: int, said: str) -> None:
    assert filled(device(), opened(), begin(), alarm(), end("yes", shortest_s, longest_s))["中断时长"] == said


def test_a_session_that_never_went_on_is_said_so() -> None:
    said = filled(device(), opened(), begin(), alarm(), end("no", 0, 0), close())
    assert said["中断起止"].endswith("至记录结束,未恢复")
    assert said["中断时长"] == "未恢复,时长不计"


def test_without_a_clock_no_time_is_made_up() -> None:
    said = filled(device(), opened(), begin(), alarm(), time=LocalTime(Clocks([]), 480))
    assert said["中断起止"] == "时间不明(第1次开机后120秒)至尚未恢复"


def test_nobody_and_somebody_unknown_are_left_to_a_person() -> None:
    for officer in ("0", "unknown"):
        raised = alarm()
        assert isinstance(raised, e.Alarm)
        raised.officer = officer
        assert filled(device(), opened(officer=officer), begin(), raised)["执法证号"] == TO_FILL


def test_an_alarm_whose_file_was_removed_is_known_from_what_was_repeated() -> None:
    def carried(stated: e.YesNo) -> e.Entry:
        one = e.OpenAlarm(
            session=S,
            alarm=4,
            kind="cannot_continue",
            interruption=2,
            track="video",
            cause="camera",
            since_boot=1,
            since_us=120 * SECOND,
            ended="yes",
            reported="no",
            acknowledged="no",
            stated=stated,
        )
        return at(e.AlarmsCarry(next_alarm=5, alarms=[one], unresumed=[]), 500)

    (told,) = told_of(log_of(carried("no"), first=900))
    assert (told.session, told.number, told.device, told.stated) == (S, 4, "D1", False)
    assert "缺失情况:日志无记载" in form(told, TIME)
    (told,) = told_of(log_of(carried("no"), carried("yes"), first=900))
    assert told.stated


def test_of_a_damaged_journal_what_is_there_is_used() -> None:
    """Without its beginning, without the session, without the interruption."""
    assert f"单位:{TO_FILL}" in form(told_of(log_of(alarm(), first=7))[0], TIME)
    assert told_of(log_of(*FULL, first=7)) == []


# --- the command --------------------------------------------------------------------------------------------


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    """Two alarms; one has its statement."""
    stated = at(e.Statement(stream=S, alarm=0, language="zh", officer="310101", private=SEALED), 500)
    entries = [device(), clock(), opened(), begin(), alarm(), *FULL, end(), alarm(1), close(), stated]
    return write(tmp_path / "spool", entries)


def write(root: Path, entries: list[e.Entry]) -> Path:
    folder = root / "journal/0001"
    folder.mkdir(parents=True)
    (root / "segments").mkdir()
    (folder / "device.vkey").write_text(SIGNER.vkey.line() + "\n")
    for number, entry in enumerate(entries):
        entry.salt = salt(number)
    (folder / "000000000000.log").write_bytes(a_file([entries]))
    return root


def run(*arguments: str) -> Result:
    return CliRunner().invoke(statement.command, list(arguments), standalone_mode=False)


def test_owed_ones_are_listed_with_exit_code_1_and_none_with_0(spool: Path, tmp_path: Path) -> None:
    done = run("--list", "--spool", str(spool), "--json")
    assert (done.return_value, json.loads(done.stdout)) == (Exit.SHORT, [{"session": S, "alarm": 1, "track": "video"}])
    assert "s000001 1" in run("--list", "--spool", str(spool)).stdout
    empty = write(tmp_path / "empty", [device(), clock()])
    done = run("--list", "--spool", str(empty))
    assert (done.return_value, done.stdout) == (Exit.GOOD, "")


def test_an_alarm_of_a_damaged_generation_is_filled_in_from_there_and_stated_in_the_next() -> None:
    one = e.OpenAlarm(
        session=S,
        alarm=0,
        kind="cannot_continue",
        interruption=2,
        track="video",
        cause="camera",
        since_boot=1,
        since_us=120 * SECOND,
        ended="yes",
        reported="no",
        acknowledged="no",
        stated="no",
    )
    older = log_of(device(), opened(), begin(), alarm())
    newer = log_of(at(e.AlarmsCarry(next_alarm=1, alarms=[one], unresumed=[]), 5))
    assert statement._list([older, newer], False) == Exit.SHORT
    assert statement._find([older, newer], S, 0) == (older, told_of(older)[0])
    stated = e.Statement(alarm=0, language="zh", officer="310101", private=SEALED)
    newer.lines.append(Line(at(stated, 6), b"", 1, "", 0, 0))
    assert statement._list([older, newer], False) == Exit.GOOD


def test_the_form_is_printed_or_written_into_a_new_file(spool: Path, tmp_path: Path) -> None:
    printed = run(S, "1", "--spool", str(spool))
    assert printed.return_value == Exit.GOOD
    assert "记录编号:s000001(第1号报警)" in printed.stdout
    assert "2026年3月1日10时02分00秒" in printed.stdout
    out = tmp_path / "form.txt"
    assert run(S, "1", "--spool", str(spool), "--out", str(out)).return_value == Exit.GOOD
    assert out.read_text("utf-8") == printed.stdout
    out.write_text("half an hour's work", "utf-8")
    again = run(S, "1", "--spool", str(spool), "--out", str(out))
    assert isinstance(again.exception, EvidenceError)
    assert out.read_text("utf-8") == "half an hour's work"


def test_local_time_is_the_configurations(spool: Path, tmp_path: Path) -> None:
    keys, recipient = tmp_path / "keys", "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
    keys.mkdir()
    (tmp_path / "config.toml").write_text(
        f'[device]\nid = "D1"\nunit = "U1"\nkey_dir = "keys"\nspool = "spool"\n[trust]\nrecipients = ["{recipient}"]\n'
        '[camera]\ndriver = "simulated"\n[microphone]\ndriver = "simulated"\n[ask]\nutc_offset_min = 0\n'
    )
    assert "2026年3月1日02时02分00秒" in run(S, "1", "--spool", str(spool)).stdout
    assert "2026年3月1日02时02分00秒" in run(S, "1", "--config", str(tmp_path / "config.toml")).stdout


@pytest.mark.parametrize(
    "line",
    [[], [S], ["--list", S], ["--list", "--out", "x"], [S, "1", "--out", "x", "--finish", __file__], [S, "no"]],
    ids=" ".join,
)
def test_a_wrong_command_line_is_refused(spool: Path, line: list[str]) -> None:
    done = run(*line, "--spool", str(spool))
    assert type(done.exception).__name__ in ("UsageError", "BadParameter"), done.output


def test_an_alarm_that_is_not_there_and_a_folder_that_is_no_spool_are_named(spool: Path, tmp_path: Path) -> None:
    for session, number in ((S, "7"), ("s000009", "1")):
        done = run(session, number, "--spool", str(spool))
        assert isinstance(done.exception, EvidenceError) and number in str(done.exception)
    assert "no spool" in str(run("--list", "--spool", str(tmp_path)).exception)


# --- handing in ---------------------------------------------------------------------------------------------


@pytest.fixture
def posted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What a recorder would have got."""
    found: list[tuple[str, dict[str, Any]]] = []

    def post(_: LocalRecorder, command: str, body: dict[str, Any]) -> dict[str, Any]:
        found.append((command, body))
        return {"answer": "accepted", "text": "", "session": S}

    monkeypatch.setattr(LocalRecorder, "post", post)
    return found


def test_a_finished_statement_is_handed_to_the_recorder(tmp_path: Path, posted: list[Any]) -> None:
    file = tmp_path / "form.txt"
    file.write_bytes("\ufeff音像记录中断情况说明\r\n摄像头接口松动。\r\n".encode())
    done = run(S, "1", "--finish", str(file), "--socket", str(tmp_path / "rec.sock"))
    assert done.return_value == Exit.GOOD
    text = "音像记录中断情况说明\n摄像头接口松动。\n"
    assert posted == [("statement", {"session": S, "alarm": 1, "text": text, "language": "zh"})]


def test_an_unfinished_one_is_not_handed_in(spool: Path, tmp_path: Path, posted: list[Any]) -> None:
    out = tmp_path / "form.txt"
    run(S, "1", "--spool", str(spool), "--out", str(out))
    done = run(S, "1", "--finish", str(out), "--socket", str(tmp_path / "rec.sock"))
    assert isinstance(done.exception, EvidenceError) and TO_FILL in str(done.exception)
    out.write_text(out.read_text("utf-8").replace(TO_FILL, "无"), "utf-8")
    assert run(S, "1", "--finish", str(out), "--socket", str(tmp_path / "rec.sock")).return_value == Exit.GOOD
    assert len(posted) == 1


@pytest.mark.parametrize(
    ("data", "named"), [("中断".encode("gb18030"), "UTF-8"), ("字".encode() * 8001, "24000")], ids=["gb18030", "long"]
)
def test_a_file_that_is_no_statement_is_named(tmp_path: Path, posted: list[Any], data: bytes, named: str) -> None:
    file = tmp_path / "form.txt"
    file.write_bytes(data)
    done = run(S, "1", "--finish", str(file), "--socket", str(tmp_path / "rec.sock"))
    assert isinstance(done.exception, EvidenceError) and named in str(done.exception)
    assert posted == []


def test_the_journal_of_the_tests_is_whole(spool: Path) -> None:
    assert read_spool(spool, None).problems == []
