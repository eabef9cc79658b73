"""``liuhen report`` and ``liuhen acknowledge`` say to the recorder what a person said, and nothing of their own."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from agent.commands import Exit, control
from agent.local import LocalRecorder

SOCKET = ("--socket", "rec.sock", "--json")


@pytest.fixture
def posted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What a recorder would have got."""
    found: list[tuple[str, dict[str, Any]]] = []

    def post(_: LocalRecorder, command: str, body: dict[str, Any]) -> dict[str, Any]:
        found.append((command, body))
        return {"answer": "accepted", "text": "", "session": "s000001"}

    monkeypatch.setattr(LocalRecorder, "post", post)
    return found


def run(command: Any, *arguments: str) -> Result:
    return CliRunner().invoke(command, [*arguments, *SOCKET], standalone_mode=False)


def test_a_report_names_one_alarm_or_none(posted: list[Any]) -> None:
    assert run(control.report, "3", "--how", "radio", "--private", "向张队长报告").return_value == Exit.GOOD
    assert run(control.report).return_value == Exit.GOOD
    assert posted == [
        ("report", {"how": "radio", "private": "向张队长报告", "alarm": 3}),
        ("report", {"how": "phone", "private": ""}),
    ]


def test_an_acknowledgement_has_number_and_name(posted: list[Any]) -> None:
    assert run(control.acknowledge, "0", "--by", "310109", "--private", "王五").return_value == Exit.GOOD
    assert posted == [("acknowledge", {"alarm": 0, "by": "310109", "private": "王五"})]


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (control.report, ["--how", "letter"]),
        (control.report, ["-1"]),
        (control.report, ["all"]),
        (control.acknowledge, []),
        (control.acknowledge, ["0"]),
        (control.acknowledge, ["0", "--by", "310109"]),
        (control.acknowledge, ["0", "--private", "王五"]),
    ],
)
def test_a_wrong_command_line_reaches_no_recorder(command: Any, line: list[str], posted: list[Any]) -> None:
    assert run(command, *line).exception is not None
    assert posted == []


def test_without_a_recorder_it_is_said_what_to_do(tmp_path: Path) -> None:
    done = CliRunner().invoke(control.report, ["--socket", str(tmp_path / "none.sock")], standalone_mode=False)
    assert "liuhen record --config" in str(done.exception)
