"""The local interface: HTTP on a UNIX socket, for the button's page, the courier and ``liuhen start|stop|…``.

Who may call is decided by the kernel's word on the caller: root and the recorder's own user give commands, members of
its group (the courier) may only look (GET): who takes over the courier can delay, and nothing else. Bodies are small
JSON objects whose every member is bounded, so that each makes an entry that fits; a wrong one is answered with what is
wrong (400), an unknown path with 404. Everything is carried out in the recorder thread, which answers while the disk
stands still.
"""

import asyncio
import contextlib
import errno
import logging
import os
import queue
import socket
import stat
import struct
import threading
import unicodedata
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, Literal, TypeVar

import msgspec
import uvicorn
from msgspec import UNSET, Meta, UnsetType
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from agent.evidence.canonical import MAX_INT
from agent.evidence.entries import StageRange
from agent.recorder import messages as m
from agent.recorder.clock import boottime_ns
from agent.recorder.service import RecorderSilent, Service, event_line
from config.items import known

MAX_BODY_BYTES = 64 * 1024
MAX_PRIVATE_CHARACTERS, MAX_PRIVATE_BYTES = 8_000, 24_000
"""Of a private text, the latter in UTF-8: sealed for twenty recipients, in base64, beside fifty ranges and fifty
officers, its entry has less than 65,535 bytes."""
MAX_LISTED = 50
MAX_WORD = 32
EVENT_WAIT_S = 1.0
LISTENERS = 16
"""How many may listen to events at a time; each holds a thread of a pool that nobody else waits for."""
_PEER_GROUPS = 59
"""SO_PEERGROUPS: the caller's supplementary groups when it connected; Python has no name for it."""
_MOST_OPTION_BYTES = 1024
"""What Python's getsockopt takes: 256 groups."""

Powers = Literal["penalty", "coercion", "permit", "inspection", "levy", "other"]
PrivateText = Annotated[str, Meta(max_length=MAX_PRIVATE_CHARACTERS)]
Word = Annotated[str, Meta(max_length=MAX_WORD)]
SessionName = Annotated[str, Meta(pattern=r"^(s[0-9]{6,15})?\Z", max_length=MAX_WORD)]
Moment = Annotated[int, Meta(ge=0, le=MAX_INT)]
"""Microseconds of CLOCK_BOOTTIME."""


class Body(msgspec.Struct, forbid_unknown_fields=True):
    """What all requests have in common: unknown members are refused by name."""


class StartBody(Body):
    power: Powers = "inspection"
    private: PrivateText = ""


class MarkBody(Body):
    label: Word = "mark"


class ImportantBody(Body):
    important: bool = True


class RangeBody(Body):
    kind: Literal["stage", "situation", "focus"]
    id: Annotated[str, Meta(min_length=1, max_length=MAX_WORD)]
    from_us: Moment | UnsetType = UNSET
    until_us: Moment | UnsetType = UNSET


class AnnotateBody(Body):
    session: SessionName = ""
    power: Powers | Literal[""] = ""
    ranges: Annotated[list[RangeBody], Meta(max_length=MAX_LISTED)] = []
    officers: Annotated[list[Word], Meta(max_length=MAX_LISTED)] = []
    private: PrivateText = ""
    important: Literal["", "yes", "no"] = ""


class ExplainBody(Body):
    """Nothing said: the press that begins or ends a spoken reason."""

    session: SessionName = ""
    interruption: Annotated[int, Meta(ge=0, le=MAX_INT)] = 0
    text: PrivateText = ""
    addendum: bool = False


class ReportBody(Body):
    """``alarm`` left out: all that wait for it."""

    how: Literal["phone", "radio", "person", "other"] = "phone"
    private: PrivateText = ""
    alarm: Annotated[int, Meta(ge=0, le=MAX_INT)] | UnsetType = UNSET


class AcknowledgeBody(Body):
    alarm: Annotated[int, Meta(ge=0, le=MAX_INT)]
    by: Word
    private: PrivateText
    """The name."""


class StatementBody(Body):
    session: SessionName
    alarm: Annotated[int, Meta(ge=0, le=MAX_INT)]
    text: PrivateText
    language: Literal["zh", "en"] = "zh"


class AssignBody(Body):
    how: Literal["assign", "handover", "return"] = "assign"
    officer: Word = ""
    private: PrivateText = ""


_B = TypeVar("_B", bound=Body)


class _PeerChecked(H11Protocol):
    """Closes connections of callers who may not call; from those who may only look it takes no commands."""

    def connection_made(self, transport: Any) -> None:
        rights = rights_of(transport.get_extra_info("socket"))
        if rights == "none":
            transport.abort()
            return
        if rights == "look":
            self.app: ASGIApp = _only_looking(self.app)
        super().connection_made(transport)


def rights_of(sock: socket.socket) -> Literal["command", "look", "none"]:
    """What the process at the other end may do, by its user and groups when it connected."""
    pid, uid, gid = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    if pid <= 0:
        return "none"
    if uid in (0, os.geteuid()):
        return "command"
    return "look" if os.getegid() in (gid, *_groups(sock)) else "none"


def _groups(sock: socket.socket) -> tuple[int, ...]:
    """The caller's supplementary groups; none where the kernel does not tell, or they are too many to be told."""
    try:
        told = sock.getsockopt(socket.SOL_SOCKET, _PEER_GROUPS, _MOST_OPTION_BYTES)
    except OSError:
        return ()
    return struct.unpack(f"{len(told) // 4}I", told)


def _only_looking(app: ASGIApp) -> ASGIApp:
    """The application for callers of the group: GET and nothing else."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in ("GET", "HEAD"):
            text = "only root and the recorder's own user give commands; others of its group may look (GET)"
            await JSONResponse({"error": text}, status_code=403)(scope, receive, send)
        else:
            await app(scope, receive, send)

    return guarded


class Api:
    """The routes over one service."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._listening = ThreadPoolExecutor(LISTENERS, thread_name_prefix="listener")
        self._listeners = 0

    def app(self) -> Starlette:
        """The ASGI application."""
        return Starlette(
            routes=[
                Route("/status", self.status),
                Route("/events", self.events),
                Route("/check", self.check),
                Route("/check", self._command(Body, lambda _: m.CheckNow()), methods=["POST"]),
                Route("/start", self._command(StartBody, self._start), methods=["POST"]),
                Route("/stop", self._command(Body, lambda _: m.Stop(boottime_ns())), methods=["POST"]),
                Route("/mark", self._command(MarkBody, self._mark), methods=["POST"]),
                Route("/important", self._command(ImportantBody, lambda b: m.Important(b.important)), methods=["POST"]),
                Route("/annotate", self._command(AnnotateBody, self._annotate), methods=["POST"]),
                Route("/explain", self._command(ExplainBody, self._explain), methods=["POST"]),
                Route("/report", self._command(ReportBody, self._report), methods=["POST"]),
                Route("/acknowledge", self._command(AcknowledgeBody, self._acknowledge), methods=["POST"]),
                Route("/statement", self._command(StatementBody, self._statement), methods=["POST"]),
                Route("/assign", self._command(AssignBody, self._assign), methods=["POST"]),
            ],
            exception_handlers={RecorderSilent: _silent},
        )

    async def status(self, _: Request) -> Response:
        """What the recorder does now."""
        status: dict[str, object] = await asyncio.to_thread(self._service.ask, lambda recorder: recorder.status())
        pids = {reader.kind: reader.pid for reader in self._service.readers if reader.pid is not None}
        return JSONResponse({**status, "pids": {"recorder": os.getpid(), **pids}})

    async def check(self, _: Request) -> Response:
        """How the last check of the device went, and whether one is under way; POST asks for one (R19a)."""
        report: dict[str, object] | None = await asyncio.to_thread(
            self._service.ask, lambda recorder: getattr(recorder, "check_report", lambda: None)()
        )
        if report is None:
            return JSONResponse({"error": "this recorder does not check the device"}, status_code=404)
        return JSONResponse(report)

    async def events(self, _: Request) -> Response:
        """A stream of JSON lines."""
        if self._listeners >= LISTENERS:
            text = f"{LISTENERS} listen already, more may not; end one of them, or look at /status"
            return JSONResponse({"error": text}, status_code=503)
        return StreamingResponse(self._lines(), media_type="application/x-ndjson")

    async def _lines(self) -> AsyncIterator[bytes]:
        mine, loop = self._service.hub.listen(), asyncio.get_running_loop()
        self._listeners += 1
        try:
            yield event_line(m.Event("listening"))
            while True:
                with contextlib.suppress(queue.Empty):
                    yield event_line(await loop.run_in_executor(self._listening, mine.get, True, EVENT_WAIT_S))
        finally:
            self._listeners -= 1
            self._service.hub.leave(mine)

    def _command(self, kind: type[_B], make: Callable[[_B], m.Message]) -> Callable[[Request], Awaitable[Response]]:
        async def handle(request: Request) -> Response:
            try:
                body = await _body(request, kind)
                message = make(body)
            except (msgspec.DecodeError, ValueError, ClientDisconnect) as error:
                return JSONResponse({"error": str(error) or "the request ended in its body"}, status_code=400)
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

    def _annotate(self, body: AnnotateBody) -> m.AnnotateSession:
        ranges, officers = [_range(one, body.power) for one in body.ranges], _officers(body.officers)
        private = _private(body.private)
        if not (body.power or ranges or officers or body.important or private):
            raise ValueError("nothing is said: give power, ranges, officers, important or private")
        return m.AnnotateSession(body.session, body.power, ranges, officers, private, body.important)

    def _explain(self, body: ExplainBody) -> m.Message:
        if not body.text and not body.session:
            return m.Explain(boottime_ns())
        if not (body.text and body.session):
            raise ValueError("a written reason needs session, interruption and text; a spoken one nothing at all")
        return m.ExplainInWriting(body.session, body.interruption, _private(body.text), body.addendum)

    def _report(self, body: ReportBody) -> m.Message:
        alarm = body.alarm if isinstance(body.alarm, int) else -1
        return m.AlarmReported(boottime_ns(), body.how, _private(body.private), alarm)

    def _acknowledge(self, body: AcknowledgeBody) -> m.Message:
        if not body.private.strip():
            raise ValueError("an alarm is acknowledged by name: give it in private")
        return m.AlarmAcknowledged(body.alarm, _officers([body.by])[0], _private(body.private))

    def _statement(self, body: StatementBody) -> m.Message:
        return m.StatementGiven(body.session, body.alarm, _private(body.text), body.language)

    def _assign(self, body: AssignBody) -> m.Message:
        private = _private(body.private)
        if (body.how == "return") == bool(body.officer):
            wanted = "no officer: nobody has it then" if body.officer else "the officer's certificate number"
            raise ValueError(f"{body.how}: give {wanted}")
        officer = _officers([body.officer])[0] if body.officer else ""
        return m.Issue(body.how, officer, private)


async def _silent(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, status_code=503)


async def _body(request: Request, kind: type[_B]) -> _B:
    data = b""
    async for part in request.stream():
        data += part
        if len(data) > MAX_BODY_BYTES:
            raise ValueError(f"the body is larger than {MAX_BODY_BYTES} bytes; send less text")
    return msgspec.json.decode(data or b"{}", type=kind)


def _private(text: str) -> str:
    length = len(text.encode())
    if length > MAX_PRIVATE_BYTES:
        raise ValueError(f"private: {length} bytes of UTF-8, at most {MAX_PRIVATE_BYTES}; split the text")
    for at, character in enumerate(text):
        if unicodedata.category(character) == "Cc" and character not in "\n\t":
            raise ValueError(
                f"private: a control character (U+{ord(character):04X}) at {at}; only new line and tab may"
            )
    return text


def _range(said: RangeBody, power: str) -> StageRange:
    if not known(said.kind, said.id, power) or not said.id.isprintable():
        raise ValueError(f"{said.kind} {said.id!r} is not in the item list; see config/items.py (R5, R11, R12)")
    if isinstance(said.from_us, int) and isinstance(said.until_us, int) and said.until_us < said.from_us:
        raise ValueError(
            f"{said.kind} {said.id!r} ends before it begins: until_us {said.until_us}, from_us {said.from_us}"
        )
    return StageRange(kind=said.kind, id=said.id, from_us=said.from_us, until_us=said.until_us)


def _officers(numbers: list[str]) -> list[str]:
    for number in numbers:
        if not 0 < len(number) <= 32 or not number.isascii() or not number.replace("-", "").isalnum():
            raise ValueError(f"officer {number!r}: a certificate number has letters, digits and -, at most 32")
    return numbers


def serve(service: Service, path: str) -> threading.Thread:
    """Serve the interface on a socket at ``path``, in a thread of its own. Raises OSError where it cannot be there."""
    sock = _bound(path)
    _log_through(service)
    config = uvicorn.Config(
        Api(service).app(), http=_PeerChecked, ws="none", lifespan="off", log_config=None, access_log=False
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[sock])), name="api", daemon=True)
    thread.start()
    return thread


class _OneWay(logging.Handler):
    """What the HTTP server and its loop say goes through the service's log too, a line each, with the error's name."""

    def __init__(self, service: Service) -> None:
        super().__init__(logging.WARNING)
        self._service = service

    def emit(self, record: logging.LogRecord) -> None:
        error = f": {record.exc_info[1]!r}" if record.exc_info else ""
        self._service.log.line(f"local interface: {record.getMessage().strip()}{error}")


def _log_through(service: Service) -> None:
    """They would write to standard error themselves, and stand still with who does not read it (``log``)."""
    for name in ("uvicorn", "asyncio"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [_OneWay(service)], False


def _bound(path: str) -> socket.socket:
    os.makedirs(os.path.dirname(path) or ".", mode=0o750, exist_ok=True)
    _clear(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(path)
        os.chmod(path, 0o660)
    except OSError:
        sock.close()
        raise
    return sock


def _clear(path: str) -> None:
    """Remove the socket that an ended recorder left; nothing else that lies at ``path``, and no living one's."""
    try:
        is_socket = stat.S_ISSOCK(os.lstat(path).st_mode)
    except FileNotFoundError:
        return
    if not is_socket:
        raise OSError(errno.EEXIST, "something that is no socket is in the way; correct [device] socket", path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        try:
            other.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
    raise OSError(errno.EADDRINUSE, "another recorder listens there; correct [device] socket", path)
