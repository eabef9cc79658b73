"""The root command: lists all, loads only what is asked for, and ends with the exit code that was promised."""

import os
import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import click
import pytest

from agent.cli import READER_GONE, LazyGroup, root, run
from agent.commands import Exit, reads_chinese

PROJECT = Path(__file__).parents[1]
LISTED: dict[str, str] = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]["entry-points"][
    "liuhen.commands"
]


def own_process(*code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-P", "-c", "\n".join(code)], capture_output=True, text=True, check=False)


def test_help_lists_every_command_with_a_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == Exit.GOOD
    lines = [line.split() for line in capsys.readouterr().out.split("Commands:\n")[1].splitlines()]
    described = {words[0] for words in lines if len(words) > 1}
    assert set(LISTED) <= described


@pytest.mark.parametrize("name", sorted(LISTED))
def test_every_listed_command_is_there(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "--help"]) == Exit.GOOD
    shown = capsys.readouterr()
    assert f"liuhen {name}" in shown.out
    assert "cannot be loaded" not in shown.out + shown.err


def test_the_readme_names_every_command() -> None:
    text = (PROJECT / "README.md").read_text("utf-8")
    for name in LISTED:
        assert f"liuhen {name}" in text, name


def test_the_root_command_imports_no_command_and_nothing_heavy() -> None:
    done = own_process(
        "import sys",
        "from agent.cli import run",
        "run(['--version'])",
        "heavy = {'av', 'numpy', 'rich', 'uvicorn', 'starlette', 'cryptography', 'agent.commands.key'}",
        "print(sorted(heavy & set(sys.modules)))",
    )
    assert done.stdout.splitlines()[-1] == "[]", done


@pytest.mark.parametrize(
    "line",
    [["kez"], ["key"], ["key", "init"], ["key", "init", "x", "--devise", "y"], ["--nothing"], []],
)
def test_a_wrong_command_line_is_64(line: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(line) == Exit.USAGE
    assert list(tmp_path.iterdir()) == []


def test_unreadable_input_is_one_line_and_64(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["key", "show", str(tmp_path)]) == Exit.USAGE
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("liuhen: ")


def test_an_error_of_the_operating_system_is_one_line_and_64(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert run(["key", "init", str(tmp_path / "file" / "key"), "--device", "car-7"]) == Exit.USAGE
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert "Not a directory" in captured.err


def test_the_traceback_is_shown_with_verbose_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["--verbose", "key", "show", str(tmp_path)])
    assert "Traceback" in capsys.readouterr().err


def test_a_key_is_made_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["key", "init", str(tmp_path), "--device", "car-7", "--json"]) == Exit.GOOD
    made = capsys.readouterr().out
    assert run(["key", "show", str(tmp_path), "--json"]) == Exit.GOOD
    assert capsys.readouterr().out == made
    assert "PRIVATE" not in made


@pytest.mark.parametrize("how", ["return 1", "raise SystemExit(1)", "click.get_current_context().exit(1)"])
def test_a_command_may_say_in_three_ways_that_something_falls_short(how: str) -> None:
    done = own_process(
        "import click, sys",
        "from agent.cli import root, run",
        "@root.command()",
        f"def short(): {how}",
        "root.get_command = lambda ctx, name: short",
        "sys.exit(run(['short']))",
    )
    assert done.returncode == 1, done


def test_a_fault_of_ours_is_no_verdict() -> None:
    done = own_process(
        "import sys",
        "from agent.cli import root, run",
        "@root.command()",
        "def broken(): raise ZeroDivisionError('by zero')",
        "root.get_command = lambda ctx, name: broken",
        "sys.exit(run(['broken']))",
    )
    assert done.returncode == Exit.UNKNOWN
    assert done.stderr.count("\n") == 1
    assert "by zero" in done.stderr


def test_a_reader_that_has_enough_ends_it_quietly() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as output:
        done = subprocess.run(
            [sys.executable, "-P", "-c", "from agent.cli import main; main()", "--help"],
            stdout=output,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (done.returncode, done.stderr) == (READER_GONE, b"")


def test_a_command_that_cannot_be_loaded_stops_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    group = LazyGroup(
        found=[
            EntryPoint("key", "agent.commands.key", "liuhen.commands"),
            EntryPoint("gone", "agent.no_such_module", "liuhen.commands"),
            EntryPoint("empty", "agent.keys", "liuhen.commands"),
        ]
    )
    group.main(["--help"], standalone_mode=False)
    listed = capsys.readouterr().out
    assert "Make or show the device's signing key." in listed
    assert "gone cannot be loaded" in listed
    for name in ("gone", "empty"):
        with pytest.raises(click.ClickException, match=f"{name} cannot be loaded"):
            group.main([name, "--any", "x"], standalone_mode=False)


LOCALES: list[tuple[dict[str, str], bool]] = [
    ({}, False),
    ({"LANG": "C.UTF-8"}, False),
    ({"LANG": "zh_CN.UTF-8"}, True),
    ({"LANG": "zh_CN.UTF-8", "LC_ALL": "en_GB.UTF-8"}, False),
    ({"LANG": "en_GB.UTF-8", "LC_MESSAGES": "zh_TW"}, True),
    ({"LC_ALL": "", "LANG": "zh"}, True),
]


@pytest.mark.parametrize(("environment", "chinese"), LOCALES)
def test_the_first_locale_that_is_set_decides_the_language(environment: dict[str, str], chinese: bool) -> None:
    assert reads_chinese(environment) is chinese


def test_the_root_command_is_named_in_the_project() -> None:
    assert isinstance(root, LazyGroup)
    assert root.modules() == LISTED
