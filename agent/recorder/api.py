"""The local interface: HTTP on a UNIX socket, for the button's page, the courier and ``liuhen start|stop|…``.

Who may call is decided by the kernel's word on the caller (peer credentials): root, the recorder's own user, and its
group. Bodies are small JSON objects, checked by Structs; a wrong one is answered with what is wrong (400), an unknown
path with 404. Everything is carried out in the recorder thread, which answers while the disk stands still.
"""

import asyncio
import contextlib
import os
import queue
import socket
import struct
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Literal, TypeVar

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from agent.evidence.entries import StageRange
from agent.recorder import messages as m
from agent.recorder.clock import boottime_ns
from agent.recorder.service import Service, event_line
from config.items import known

MAX_BODY_BYTES = 64 * 1024
MAX_PRIVATE_CHARACTERS = 8_000
"""A private text is sealed into one entry of at most 65,535 bytes, in base64."""
EVENT_WAIT_S = 1.0


class Body(msgspec.Struct, forbid_unknown_fields=True):
    """What all requests have in common: unknown members are refused by name."""


class StartBody(Body):
    power: Literal["penalty", "coercion", "permit", "inspection", "levy", "other"] = "inspection"
    private: str = ""


class MarkBody(Body):
    label: str = "mark"


class ImportantBody(Body):
    important: bool = True


class AnnotateBody(Body):
    session: str = ""
    power: Literal["", "penalty", "coercion", "permit", "inspection", "levy", "other"] = ""
    ranges: list[StageRange] = []
    officers: list[str] = []
    private: str = ""


class AssignBody(Body):
    how: Literal["assign", "handover", "return"] = "assign"
    officer: str = ""
    private: str = ""


_B = TypeVar("_B", bound=Body)


class _PeerChecked(H11Protocol):
    """Closes connections of callers who may not call."""

    def connection_made(self, transport: Any) -> None:
        if allowed(transport.get_extra_info("socket")):
            super().connection_made(transport)
        else:
            transport.abort()


def allowed(sock: socket.socket) -> bool:
    """Whether the process at the other end may use the interface."""
    pid, uid, gid = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return pid > 0 and (uid in (0, os.geteuid()) or gid == os.getegid())


class Api:
    """The routes over one service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def app(self) -> Starlette:
        """The ASGI application."""
        return Starlette(
            routes=[
                Route("/status", self.status),
                Route("/events", self.events),
                Route("/start", self._command(StartBody, self._start), methods=["POST"]),
                Route("/stop", self._command(Body, lambda _: m.Stop(boottime_ns())), methods=["POST"]),
                Route("/mark", self._command(MarkBody, self._mark), methods=["POST"]),
                Route("/important", self._command(ImportantBody, lambda b: m.Important(b.important)), methods=["POST"]),
                Route("/annotate", self._command(AnnotateBody, self._annotate), methods=["POST"]),
                Route("/assign", self._command(AssignBody, self._assign), methods=["POST"]),
            ]
        )

    async def status(self, _: Request) -> Response:
        """What the recorder does now."""
        status: dict[str, object] = await asyncio.to_thread(self._service.ask, lambda recorder: recorder.status())
        pids = {reader.kind: reader.pid for reader in self._service.readers}
        return JSONResponse({**status, "pids": {"recorder": os.getpid(), **pids}})

    async def events(self, _: Request) -> Response:
        """A stream of JSON lines."""
        return StreamingResponse(self._lines(), media_type="application/x-ndjson")

    async def _lines(self) -> AsyncIterator[bytes]:
        mine = self._service.hub.listen()
        try:
            yield event_line(m.Event("listening"))
            while True:
                with contextlib.suppress(queue.Empty):
                    yield event_line(await asyncio.to_thread(mine.get, True, EVENT_WAIT_S))
        finally:
            self._service.hub.leave(mine)

    def _command(self, kind: type[_B], make: Callable[[_B], m.Message]) -> Callable[[Request], Awaitable[Response]]:
        async def handle(request: Request) -> Response:
            try:
                body = await _body(request, kind)
                message = make(body)
            except (msgspec.DecodeError, ValueError) as error:
                return JSONResponse({"error": str(error)}, status_code=400)
            event: m.Event = await asyncio.to_thread(self._service.command, message)
            code = 200 if event.name == "accepted" else 409
            return JSONResponse({"answer": event.name, "text": event.text, "session": event.session}, status_code=code)

        return handle

    def _start(self, body: StartBody) -> m.Message:
        return m.Start(boottime_ns(), body.power, _private(body.private))

    def _mark(self, body: MarkBody) -> m.Message:
        if not 0 < len(body.label) <= 32 or not body.label.isascii() or not body.label.replace("_", "").isalnum():
            raise ValueError("label: letters, digits and _ only, at most 32; free text goes to annotate (private)")
        return m.MarkNow(boottime_ns(), body.label)

    def _annotate(self, body: AnnotateBody) -> m.Message:
        ranges, officers = _ranges(body.ranges, body.power), _officers(body.officers)
        return m.AnnotateSession(body.session, body.power, ranges, officers, _private(body.private))

    def _assign(self, body: AssignBody) -> m.Message:
        officer = _officers([body.officer])[0] if body.officer else ""
        return m.Issue(body.how, officer, _private(body.private))


async def _body(request: Request, kind: type[_B]) -> _B:
    data = b""
    async for part in request.stream():
        data += part
        if len(data) > MAX_BODY_BYTES:
            raise ValueError(f"the body is larger than {MAX_BODY_BYTES} bytes; send less text")
    return msgspec.json.decode(data or b"{}", type=kind)


def _private(text: str) -> str:
    if len(text) > MAX_PRIVATE_CHARACTERS:
        raise ValueError(f"private: {len(text)} characters, at most {MAX_PRIVATE_CHARACTERS}; split the text")
    return text


def _ranges(ranges: list[StageRange], power: str) -> list[StageRange]:
    for one in ranges:
        if not known(one.kind, one.id, power):
            raise ValueError(f"{one.kind} {one.id!r} is not in the item list; see config/items.py (R5, R11, R12)")
    return ranges


def _officers(numbers: list[str]) -> list[str]:
    for number in numbers:
        if not 0 < len(number) <= 32 or not number.isascii() or not number.replace("-", "").isalnum():
            raise ValueError(f"officer {number!r}: a certificate number has letters, digits and -, at most 32")
    return numbers


def serve(service: Service, path: str) -> threading.Thread:
    """Serve the interface on a socket at ``path``, in a thread of its own."""
    os.makedirs(os.path.dirname(path), mode=0o750, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.bind(path)
    os.chmod(path, 0o660)
    config = uvicorn.Config(
        Api(service).app(), http=_PeerChecked, ws="none", lifespan="off", log_level="warning", access_log=False
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[sock])), name="api", daemon=True)
    thread.start()
    return thread
