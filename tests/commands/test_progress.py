"""The bar is seen on a terminal only."""

import io
import sys

import pytest

from agent.commands.progress import progress_bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_nothing_is_shown_where_no_terminal_looks_on(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    with progress_bar("Checking") as bar:
        assert bar is None
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress_bar("Checking", quiet=True) as bar:
        assert bar is None
    assert terminal.getvalue() == ""


def test_a_terminal_sees_what_is_done_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with progress_bar("Checking") as bar:
        assert bar is not None
        bar.update(1, 2, "s000001.mp4")
        bar.update(2, 2)
        bar.say("[the camera] came back")
    assert "s000001.mp4" in terminal.getvalue()
    assert "[the camera] came back" in terminal.getvalue()
