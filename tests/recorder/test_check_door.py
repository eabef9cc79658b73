"""The local interface tells how the last check went, and who asks for one commands it (R19a)."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, cast

import pytest
from starlette.requests import Request

from agent.recorder import messages as m
from agent.recorder.api import Api
from agent.recorder.service import Service


class Checked:
    """A recorder that has checked the device."""

    def check_report(self) -> dict[str, object]:
        return {"under_way": "no", "number": 3, "result": "pass"}


class Stub:
    """Runs what is asked over a recorder, and takes commands."""

    def __init__(self, recorder: object) -> None:
        self.recorder, self.commands = recorder, list[m.Message]()

    def ask(self, ask: Callable[[Any], Any]) -> Any:
        return ask(self.recorder)

    def command(self, message: m.Message) -> m.Event:
        self.commands.append(message)
        return m.Event("accepted", "checking")


def routed(service: Stub, method: str) -> tuple[int, Any]:
    """Status and body of a request to /check."""
    app, sent = Api(cast(Service, service)).app(), list[dict[str, Any]]()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": "/check", "headers": [], "query_string": b""}
    asyncio.run(app(scope, receive, send))
    body = b"".join(one.get("body", b"") for one in sent)
    return sent[0]["status"], json.loads(body)


def test_the_last_check_is_told() -> None:
    assert routed(Stub(Checked()), "GET") == (200, Checked().check_report())


def test_looking_commands_nothing_and_asking_does() -> None:
    service = Stub(Checked())
    routed(service, "GET")
    assert service.commands == []
    assert routed(service, "POST") == (200, {"answer": "accepted", "text": "checking", "session": ""})
    assert service.commands == [m.CheckNow()]


@pytest.mark.parametrize("recorder", [object()])
def test_a_recorder_that_does_not_check_says_so(recorder: object) -> None:
    status, body = routed(Stub(recorder), "GET")
    assert status == 404 and "does not check" in body["error"]


def test_the_request_is_not_looked_at() -> None:
    request = Request({"type": "http", "method": "GET", "path": "/check", "headers": [], "query_string": b""})
    assert asyncio.run(Api(cast(Service, Stub(Checked()))).check(request)).status_code == 200
