"""``liuhen demo`` as a user calls it: from nothing to a verdict, with and without things going wrong; and again."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from agent.demo import folder as folders
from agent.demo.device import liuhen
from agent.demo.errors import FolderRefused, ScenarioTooLong, StoreRefused, TooSlow
from agent.demo.run import Plan, _Lateness, run
from agent.demo.store import StoreProcess
from agent.evidence.checkpoint import cosigned_at, open_checkpoint
from agent.evidence.note import parse_note, parse_vkey

ANSWERS = ("bytes_intact", "nothing_missing", "signer", "time")
TROUBLE = """
[[event]]
at_s = 1.5
what = "process.kill"
name = "microphone"

[[event]]
at_s = 3
what = "button.mark"

[[event]]
at_s = 3.5
what = "power.cut"
for_s = 1.5
"""


def demo(*arguments: str | Path, language: str = "C.UTF-8") -> subprocess.CompletedProcess[str]:
    command = [*liuhen(), "demo", *map(str, arguments)]
    environment = {**os.environ, "LANG": language, "LC_ALL": language}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def answers(verdict: dict[str, Any]) -> list[str]:
    return [verdict[name]["answer"] for name in ANSWERS]


def entries(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "export/s000001/session.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_a_killed_microphone_and_a_power_cut_owe_their_reasons_and_nothing_else(tmp_path: Path) -> None:
    scenario = tmp_path / "trouble.toml"
    scenario.write_text(TROUBLE)
    done = demo("--seconds", "8", "--dir", tmp_path / "demo", "--scenario", scenario)
    verdict = json.loads((tmp_path / "demo/verdict.json").read_text())
    assert answers(verdict) == ["yes"] * 4
    assert [problem["kind"] for problem in verdict["problems"]] == ["explanation_owed"] * 2
    causes = [(i["track"], i["cause"]) for i in verdict["sessions"][0]["interruptions"]]
    assert causes == [("sound", "microphone"), ("all", "power")]
    assert done.returncode == 1
    assert "2 interruptions still owe a reason" in done.stdout
    assert "exit code 1" in done.stdout
    assert [entry["label"] for entry in entries(tmp_path / "demo") if entry["type"] == "mark"] == ["mark"]
    boots = {entry["boot"] for entry in entries(tmp_path / "demo")}
    assert len(boots) == 2, "after the cut it is another boot"


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[subprocess.CompletedProcess[str]]]:
    """A demo in a deep folder, twice; the second time in Chinese."""
    folder = tmp_path_factory.mktemp("a-folder-whose-path-is-longer-than-what-a-socket-may-have") / ("deep-" * 10)
    first = demo("--seconds", "2", "--dir", folder)
    return folder, [first, demo("--seconds", "2", "--dir", folder, language="zh_CN.UTF-8")]


Twice = tuple[Path, list[subprocess.CompletedProcess[str]]]


def test_a_plain_demo_ends_in_four_good_answers_and_works_twice(plain: Twice) -> None:
    folder, runs = plain
    assert [(done.returncode, done.stderr) for done in runs] == [(0, "")] * 2
    assert runs[0].stdout.count(": yes\n") == 4
    assert "exit code 0" in runs[0].stdout
    assert runs[1].stdout.count(": 是\n") == 4
    assert "退出码 0" in runs[1].stdout
    verdict = json.loads((folder / "verdict.json").read_text())
    assert (answers(verdict), verdict["problems"]) == (["yes"] * 4, [])
    assert len(verdict["sessions"]) == 1, "nothing of the first demo is left"


def test_the_folder_holds_what_it_promises(plain: Twice) -> None:
    folder, _ = plain
    store = folder / "store"
    for path in ("config.toml", "verdict.json", "spool/journal", "export/s000001/README.md"):
        assert (folder / path).exists(), path
    assert {path.name for path in store.iterdir()} == {"identity.txt", "device.vkey", "mirror.vkey", "checkpoint"}
    assert (store / "identity.txt").stat().st_mode & 0o777 == 0o600
    assert "AGE-SECRET-KEY" not in (folder / "config.toml").read_text()


def test_the_checkpoint_bears_both_signatures(plain: Twice) -> None:
    store = plain[0] / "store"
    data = (store / "checkpoint").read_bytes()
    mirror = parse_vkey((store / "mirror.vkey").read_text().strip())
    assert open_checkpoint(data, parse_vkey((store / "device.vkey").read_text().strip())).size > 0
    assert list(cosigned_at(parse_note(data), [mirror])) == [mirror.name]


def test_the_store_co_signs_nothing_that_is_not_whole(plain: Twice, tmp_path: Path) -> None:
    """The spool was sealed to another store, which is why this one cannot open it; one byte less, and it sees that."""
    folder, _ = plain
    spool = tmp_path / "spool"
    shutil.copytree(folder / "spool", spool)
    media = next(spool.glob("segments/*/*.age"))
    data = bytearray(media.read_bytes())
    data[len(data) // 2] ^= 1
    media.write_bytes(data)
    (tmp_path / "store").mkdir()
    store = StoreProcess(tmp_path / "store")
    try:
        with pytest.raises(StoreRefused, match="not whole"):
            store.deliver(spool, (folder / "store/device.vkey").read_text().strip())
    finally:
        store.end()
    assert not (tmp_path / "store/checkpoint").exists()


def test_a_folder_with_other_things_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(FolderRefused, match=r"thesis\.txt"):
        folders.prepare(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_what_a_user_put_into_a_demos_folder_is_not_thrown_away(tmp_path: Path) -> None:
    folders.prepare(tmp_path).release()
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FolderRefused, match=r"notes\.txt"):
        folders.prepare(tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_second_demo_in_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    held = folders.prepare(tmp_path)
    with pytest.raises(FolderRefused, match="at work"):
        folders.prepare(tmp_path)
    held.release()
    folders.prepare(tmp_path).release()


def test_an_event_after_the_end_is_refused_before_anything_begins(tmp_path: Path) -> None:
    scenario = tmp_path / "late.toml"
    scenario.write_text('[[event]]\nat_s = 70\nwhat = "button.mark"\n')
    with pytest.raises(ScenarioTooLong, match=r"button\.mark at 70 s"):
        run(Plan(tmp_path / "demo", 60, scenario), lambda *_: None, lambda *_: None)
    assert not (tmp_path / "demo").exists()


def test_an_unknown_word_is_refused_by_name_with_exit_64(tmp_path: Path) -> None:
    (tmp_path / "odd.toml").write_text('[[event]]\nat_s = 1\nwhat = "power.cutt"\n')
    done = demo("--dir", tmp_path / "demo", "--scenario", tmp_path / "odd.toml")
    assert done.returncode == 64
    assert "power.cutt" in done.stderr
    assert "did you mean 'power.cut'" in done.stderr


def test_a_machine_that_makes_many_frames_late_gets_smaller_ones() -> None:
    late = _Lateness(can_shrink=True)
    late.look(-3.0, {"sim_overrun": 0})
    late.look(-2.0, {"sim_overrun": 8})
    with pytest.raises(TooSlow, match="late"):
        late.look(-1.0, {"sim_overrun": 30})


def test_hiccups_a_killed_camera_and_the_smallest_pictures_are_borne() -> None:
    late = _Lateness(can_shrink=True)
    for second in range(60):
        late.look(second, {"sim_overrun": 3 * second})
    late.look(60, {"sim_overrun": 0})
    smallest = _Lateness(can_shrink=False)
    smallest.look(0, {"sim_overrun": 0})
    smallest.look(1, {"sim_overrun": 25})
