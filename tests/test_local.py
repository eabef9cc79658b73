"""What a caller is told where the local socket is not what it should be."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.local import LocalRecorder, RecorderAbsent, RecorderRefused
from agent.recorder.api import _clear

ANSWER = "HTTP/1.1 {} X\r\nContent-Length: {}\r\n\r\n{}"


@contextmanager
def answering(path: Path, status: int, body: str) -> Iterator[LocalRecorder]:
    """Somebody who gives one answer to whatever is asked."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()

        def answer() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.recv(65_536)
                peer.sendall(ANSWER.format(status, len(body), body).encode())

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield LocalRecorder(path)
        thread.join(5)


def test_an_error_is_no_status(tmp_path: Path) -> None:
    with answering(tmp_path / "s", 503, '{"error": "busy"}') as recorder, pytest.raises(RecorderAbsent, match="busy"):
        recorder.status()


def test_an_error_is_no_event(tmp_path: Path) -> None:
    with answering(tmp_path / "s", 503, '{"error": "full"}') as recorder, pytest.raises(RecorderRefused, match="full"):
        next(recorder.events())


@pytest.mark.parametrize("body", ["[1]", "no json", ""])
def test_an_answer_that_is_no_object_is_named(tmp_path: Path, body: str) -> None:
    with answering(tmp_path / "s", 200, body) as recorder, pytest.raises(RecorderAbsent, match="does not answer"):
        recorder.post("stop", {})


def test_a_path_that_is_too_long_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(RecorderAbsent, match="too long"):
        LocalRecorder(tmp_path / ("x" * 200)).status()


def test_a_file_in_the_socket_s_place_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("mine")
    with pytest.raises(OSError, match="no socket is in the way"):
        _clear(str(tmp_path / "config.toml"))
    assert (tmp_path / "config.toml").read_text() == "mine"


def test_a_living_recorder_s_socket_is_left_alone_and_a_dead_one_s_removed(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(path)
        listener.listen()
        with pytest.raises(OSError, match="another recorder listens"):
            _clear(path)
    _clear(path)
    assert not os.path.lexists(path)
