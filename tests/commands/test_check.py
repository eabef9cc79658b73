"""``liuhen check``: by a recorder where there is one, else as far as spool and configuration tell."""

import json
import os
import random
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from agent.commands import Exit, check, configuration
from agent.commands.check import ask, check_command
from agent.evidence import age
from agent.keys import encode_key
from agent.local import LocalRecorder, RecorderRefused
from agent.recorder import clock
from agent.recorder.checkup import NAMES
from agent.recorder.messages import ClockReading
from drivers.storage import linux
from tests.verify.spools import UTC_START_US, small_spool

OFFLINE = {"clock", "space", "write", "keys", "configuration", "journal", "unsynced", "owed"}


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with config.toml, keys and a spool in which a session is still open; its clock is set."""
    monkeypatch.setattr(configuration, "DEVICE_CONFIG", tmp_path / "none")
    monkeypatch.setattr(check, "DEVICE_CONFIG", tmp_path / "none")
    set_clock(monkeypatch, hours=2)
    (tmp_path / "keys").mkdir()
    key = tmp_path / "keys/device.key"
    key.write_text(encode_key("liuhen/cam-1", random.Random(1).randbytes(32)))
    key.chmod(0o600)
    (tmp_path / "spool").mkdir()
    small_spool(tmp_path / "spool")
    recipient = age.Identity.generate(os.urandom).recipient().text()
    with tempfile.TemporaryDirectory(prefix="liuhen-") as short:
        (tmp_path / "config.toml").write_text(
            f'[device]\nid = "cam-1"\nunit = "U1"\nkey_dir = "keys"\nspool = "spool"\nsocket = "{short}/rec.sock"\n'
            f'[trust]\nrecipients = ["{recipient}"]\n[camera]\ndriver = "simulated"\n[microphone]\n'
            'driver = "simulated"\n[check]\nspace_warn_min = 1\nspace_fail_min = 1\nwrite_warn_ms = 60000\n'
            "write_fail_ms = 60000\n"
        )
        yield tmp_path


def set_clock(monkeypatch: pytest.MonkeyPatch, hours: float, source: Any = "ntp") -> None:
    reading = ClockReading(10**9, UTC_START_US + round(hours * 3_600_000_000), source, 1_000)
    monkeypatch.setattr(clock, "system_utc", lambda: reading)


def run(*arguments: str | Path, chinese: bool = False) -> Result:
    environment = {"LANG": "zh_CN.UTF-8" if chinese else "C.UTF-8", "LC_ALL": "", "LC_MESSAGES": ""}
    return CliRunner().invoke(
        check_command, [str(argument) for argument in arguments], env=environment, standalone_mode=False
    )


def report(*arguments: str | Path) -> dict[str, Any]:
    done = run(*arguments, "--json")
    assert done.exception is None, done.exception
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def results(told: Mapping[str, Any]) -> dict[str, str]:
    return {item["name"]: item["result"] for item in told["items"]}


# --- without a recorder ---------------------------------------------------------------------------------------


def test_without_a_recorder_it_checks_what_it_can_and_names_the_rest(device: Path) -> None:
    told = report("--config", device / "config.toml")
    assert told["by"] == "offline"
    assert set(results(told)) == OFFLINE
    assert set(told["unchecked"]) == {"picture", "picture_rate", "sound"}
    assert set(NAMES) - OFFLINE - set(told["unchecked"]) == {"speaker", "position", "battery", "temperature"}
    assert results(told) == {**dict.fromkeys(OFFLINE, "pass"), "keys": "warn"}
    assert run("--config", device / "config.toml").return_value == Exit.UNKNOWN
    assert "no recorder at" in run("--config", device / "config.toml").stderr


def test_the_spool_alone_is_enough_where_a_configuration_lies_beside_it(device: Path) -> None:
    assert results(report("--spool", device / "spool"))["journal"] == "pass"


def test_it_says_so_in_the_readers_language(device: Path) -> None:
    chinese, english = (run("--spool", device / "spool", chinese=yes) for yes in (True, False))
    assert "设备检查:密钥需注意,画面、帧率、麦克风未能检查,其余合格。" in chinese.stdout
    assert "注意  密钥  未配置存储回执密钥" in chinese.stdout
    assert "Device check: to be looked at: keys; not checked: picture, picture rate, microphone" in english.stdout
    assert "not checked  microphone" in english.stdout


def test_nothing_of_the_spool_is_changed(device: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (device / "spool").rglob("*")}
    report("--spool", device / "spool")
    assert {path: path.stat().st_mtime_ns for path in (device / "spool").rglob("*")} == before


@pytest.mark.parametrize(("hours", "result"), [(2, "pass"), (14, "warn"), (40, "fail")])
def test_sessions_that_are_not_in_the_store_count_by_the_time_that_it_is_now(
    device: Path, monkeypatch: pytest.MonkeyPatch, hours: float, result: str
) -> None:
    set_clock(monkeypatch, hours)
    assert results(report("--spool", device / "spool"))["unsynced"] == result


def test_without_a_clock_nobody_knows_how_late_it_is(device: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_clock(monkeypatch, 2, "none")
    told = results(report("--spool", device / "spool"))
    assert (told["clock"], told["unsynced"]) == ("fail", "warn")


def expect_failure(device: Path, name: str, *more: str | Path) -> str:
    done = run("--spool", device / "spool", *more)
    assert done.return_value == Exit.SHORT, done.output
    told = report("--spool", device / "spool", *more)
    assert results(told)[name] == "fail"
    return str(next(item["text_en"] for item in told["items"] if item["name"] == name))


def test_a_key_that_others_may_read_fails(device: Path) -> None:
    (device / "keys/device.key").chmod(0o644)
    assert "0600" in expect_failure(device, "keys")


def test_a_spool_signed_by_another_key_fails(device: Path) -> None:
    (device / "keys/device.key").write_text(encode_key("liuhen/cam-1", bytes(32)))
    assert "the spool is signed by" in expect_failure(device, "keys")


def test_a_configuration_that_cannot_be_used_fails_and_the_spool_is_still_looked_at(device: Path) -> None:
    (device / "config.toml").write_text("[camara]\n")
    assert "camara" in expect_failure(device, "configuration")
    told = report("--spool", device / "spool")
    assert results(told)["journal"] == "pass" and {"keys", "space", "position"} <= set(told["unchecked"])


def test_a_damaged_journal_fails(device: Path) -> None:
    newest = max((device / "spool/journal/0001").glob("*.log"))
    data = bytearray(newest.read_bytes())
    data[data.index(b'"sha256":"') + 12] ^= 1  # of the first fragment in it
    newest.write_bytes(data)
    assert newest.name in expect_failure(device, "journal")


def test_a_card_that_is_not_there_fails(device: Path) -> None:
    (device / "spool").rename(device / "away")
    done = run("--config", device / "config.toml", "--json")
    told = json.loads(done.stdout)
    assert (done.return_value, results(told)["write"]) == (Exit.SHORT, "fail")
    assert {"space", "journal", "unsynced", "owed"} <= set(told["unchecked"])


def test_a_card_that_cannot_be_written_fails(device: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(linux, "_write_nameless", refuse)
    assert "Input/output error" in expect_failure(device, "write")


def test_too_little_room_fails(device: Path) -> None:
    text = (device / "config.toml").read_text()
    (device / "config.toml").write_text(text.replace("space_warn_min = 1\n", "space_warn_min = 10080\n"))
    (device / "config.toml").write_text(
        (device / "config.toml").read_text().replace("space_fail_min = 1\n", "space_fail_min = 10080\n")
        + "[storage]\nstandby_h = 720\nreserve_s = 3600\n"
    )
    told = report("--spool", device / "spool")
    left = next(item for item in told["items"] if item["name"] == "space")
    minutes = int("".join(character for character in left["text_en"] if character.isdecimal()))
    assert left["result"] == ("pass" if minutes >= 10_080 else "fail")


def test_where_there_is_no_device_it_says_what_to_give(tmp_path: Path, device: Path) -> None:
    done = run()
    assert done.exception is not None and "--config FILE" in str(done.exception)


# --- by a recorder --------------------------------------------------------------------------------------------


def answer(number: int, result: str = "pass", unchecked: Sequence[str] = ()) -> dict[str, Any]:
    words = {"words_zh": "好", "words_en": "well"}
    return {"under_way": "no", "number": number, "result": result, "items": [], "unchecked": list(unchecked), **words}


class Recorder(LocalRecorder):
    """Ends a check after two looks; ``may``: whether commands are taken."""

    def __init__(self, may: bool = True, last: int = 0, never: bool = False) -> None:
        self.may, self.number, self.never, self.looks = may, last, never, -1

    def check_report(self) -> dict[str, Any]:
        if self.looks >= 0 and not self.never:
            self.looks += 1
        return answer(self.number + (self.looks >= 2))

    def post(self, command: str, body: Mapping[str, object]) -> dict[str, Any]:
        if not self.may:
            raise RecorderRefused("others of its group may look (GET)")
        assert (command, dict(body)) == ("check", {})
        self.looks = 0
        return {"answer": "accepted"}


def test_a_recorder_is_asked_and_waited_for() -> None:
    slept: list[float] = []
    assert ask(Recorder(last=3), slept.append)["number"] == 4
    assert len(slept) == 1


def test_who_may_only_look_sees_the_last_check() -> None:
    assert ask(Recorder(may=False, last=3), lambda _: None)["number"] == 3
    with pytest.raises(RecorderRefused, match="may look"):
        ask(Recorder(may=False), lambda _: None)


def test_a_check_that_does_not_end_is_told() -> None:
    slept: list[float] = []
    with pytest.raises(RecorderRefused, match="has not ended its check"):
        ask(Recorder(never=True), slept.append)
    assert 15 < sum(slept) < 20


@pytest.mark.parametrize(
    ("told", "code"),
    [
        (answer(1), Exit.GOOD),
        (answer(1, "warn"), Exit.GOOD),
        (answer(1, "fail"), Exit.SHORT),
        (answer(1, "pass", ["speaker"]), Exit.UNKNOWN),
        (answer(1, "fail", ["speaker"]), Exit.SHORT),
    ],
)
def test_its_result_is_the_exit_code(
    device: Path, monkeypatch: pytest.MonkeyPatch, told: dict[str, Any], code: Exit
) -> None:
    monkeypatch.setattr(check, "ask", lambda *_: told)
    done = run("--config", device / "config.toml", "--json")
    assert (done.return_value, json.loads(done.stdout)["by"]) == (code, "recorder")
    assert results(report("--config", device / "config.toml", "--offline"))["journal"] == "pass"
