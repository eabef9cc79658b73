"""Talking to the recorder on this machine: HTTP over its UNIX socket.

Used by the commands and by the demo. A recorder that is not there is a named error.
"""

import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from agent.evidence.errors import EvidenceError

TIMEOUT_S = 10.0


class RecorderAbsent(EvidenceError):
    """Nobody answers at the socket."""


class RecorderRefused(EvidenceError):
    """The recorder said no, and why."""


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("recorder", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class LocalRecorder:
    """The recorder that listens at ``path``."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def post(self, command: str, body: Mapping[str, object]) -> dict[str, Any]:
        """Give a command; its answer. Raises RecorderRefused with the recorder's words."""
        status, answer = self._call("POST", command, json.dumps(body).encode())
        if status >= 400:
            raise RecorderRefused(f"the recorder refused: {answer.get('error') or answer.get('text')}")
        return answer

    def status(self) -> dict[str, Any]:
        """What the recorder does now."""
        status, answer = self._call("GET", "status", b"")
        if status != 200:
            raise RecorderAbsent(f"{self._path}: {answer.get('error') or f'HTTP {status}'}")
        return answer

    def check_report(self) -> dict[str, Any]:
        """How the recorder's last check of the device went; ``number`` is 0 where there was none (R19a)."""
        status, answer = self._call("GET", "check", b"")
        if status != 200 or not isinstance(answer.get("number"), int):
            raise RecorderRefused(f"the recorder tells of no check: {answer.get('error') or f'HTTP {status}'}")
        return answer

    def events(self) -> Iterator[dict[str, Any]]:
        """Events as they come, without end."""
        connection = self._connect(None)
        try:
            connection.request("GET", "/events")
            response = connection.getresponse()
            if response.status != 200:
                raise RecorderRefused(f"the recorder refused: {_object(response.read()).get('error')}")
            for line in response:
                yield _object(line)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise RecorderAbsent(f"{self._path}: the recorder stopped answering ({error}); see its log") from error

    def _call(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        connection = self._connect(TIMEOUT_S)
        try:
            connection.request(method, f"/{path}", body)
            response = connection.getresponse()
            return response.status, _object(response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise RecorderAbsent(f"{self._path}: the recorder does not answer ({error}); see its log") from error
        finally:
            connection.close()

    def _connect(self, timeout_s: float | None) -> _Connection:
        connection = _Connection(self._path, timeout_s or 86_400)
        try:
            connection.connect()
        except PermissionError as error:
            raise RecorderAbsent(f"{self._path}: you may not use this recorder's socket; ask its owner") from error
        except OSError as error:
            what = error.strerror or str(error)
            raise RecorderAbsent(
                f"{self._path}: no recorder there ({what}); start it with liuhen record --config FILE"
            ) from error
        return connection


def _object(data: bytes) -> dict[str, Any]:
    """A JSON object; ValueError for anything else."""
    answer = json.loads(data)
    if not isinstance(answer, dict):
        raise ValueError("the answer is no JSON object")
    return answer
