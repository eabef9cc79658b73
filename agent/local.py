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
        return self._call("GET", "status", b"")[1]

    def events(self) -> Iterator[dict[str, Any]]:
        """Events as they come, without end."""
        connection = self._connect(None)
        connection.request("GET", "/events")
        for line in connection.getresponse():
            yield json.loads(line)

    def _call(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        connection = self._connect(TIMEOUT_S)
        try:
            connection.request(method, f"/{path}", body)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise RecorderAbsent(f"{self._path}: the recorder does not answer ({error}); see its log") from error
        finally:
            connection.close()

    def _connect(self, timeout_s: float | None) -> _Connection:
        connection = _Connection(self._path, timeout_s or 86_400)
        try:
            connection.connect()
        except OSError as error:
            raise RecorderAbsent(
                f"{self._path}: no recorder there ({error.strerror}); start it with liuhen record --config FILE"
            ) from error
        return connection
