"""The local interface lets nobody do more than he may, and nothing in that would not fit into an entry."""

import contextlib
import io
import json
import logging
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.evidence import age
from agent.evidence import entries as e
from agent.evidence.canonical import MAX_INT, b64
from agent.evidence.journal import decode_entry, encode_entry
from agent.evidence.private import seal_private
from agent.local import LocalRecorder, RecorderAbsent
from agent.recorder import api, notes
from agent.recorder.api import Api
from agent.recorder.log import Log
from agent.recorder.service import Service
from tests.support.http import call
from tests.support.live import Diet, History, Live, SlowDisk
from tests.support.rig import SOUND_ONLY

COURIER, STRANGERS = 65533, 65534


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Path, Live]]:
    """A recorder's socket, short enough for AF_UNIX."""
    folder = Path(tempfile.mkdtemp(prefix="liuhen-"))
    folder.chmod(0o755)
    (folder / "spool").mkdir()
    live = Live(SlowDisk(folder / "spool"), SOUND_ONLY, Diet(0), History(), "boot-0")
    live.begin()
    api.serve(live.service, str(folder / "rec.sock"))
    try:
        _until_it_answers(LocalRecorder(folder / "rec.sock"))
        yield folder / "rec.sock", live
    finally:
        live.shut_down()
        shutil.rmtree(folder)


def _until_it_answers(recorder: LocalRecorder) -> None:
    end = time.monotonic() + 10
    while True:
        try:
            recorder.status()
            return
        except RecorderAbsent:
            assert time.monotonic() < end
            time.sleep(0.05)


@pytest.fixture
def door(running: tuple[Path, Live]) -> Path:
    return running[0]


# --- bodies -------------------------------------------------------------------------------------------------


def _ranges(count: int, **more: object) -> bytes:
    return json.dumps({"ranges": [{"kind": "focus", "id": "1", **more}] * count}).encode()


BAD = {
    "a moment above 2^53 - 1": ("/annotate", _ranges(1, from_us=MAX_INT + 1), "from_us"),
    "a moment of a hundred digits": ("/annotate", _ranges(1, until_us=10**100), ""),
    "a negative moment": ("/annotate", _ranges(1, from_us=-1), "from_us"),
    "a moment with a fraction": ("/annotate", _ranges(1, from_us=1.5), "from_us"),
    "a range that ends before it begins": ("/annotate", _ranges(1, from_us=2, until_us=1), "before it begins"),
    "fifty-one ranges": ("/annotate", _ranges(51), "ranges"),
    "fifty-one officers": ("/annotate", json.dumps({"officers": ["1"] * 51}).encode(), "officers"),
    "an officer's number without end": ("/annotate", json.dumps({"officers": ["1" * 60_000]}).encode(), "officers"),
    "an empty officer": ("/annotate", b'{"officers":[""]}', "officer"),
    "a stage without a name": ("/annotate", b'{"power":"other","ranges":[{"kind":"stage","id":""}]}', "id"),
    "a stage's name without end": (
        "/annotate",
        json.dumps({"power": "other", "ranges": [{"kind": "stage", "id": "x" * 33}]}).encode(),
        "id",
    ),
    "a control character in a free stage": (
        "/annotate",
        b'{"power":"other","ranges":[{"kind":"stage","id":"a\\u0000"}]}',
        "item list",
    ),
    "a session that cannot be one": ("/annotate", b'{"session":"../../etc"}', "session"),
    "a session with a line end": ("/annotate", b'{"session":"s000001\\n"}', "session"),
    "a label without end": ("/mark", json.dumps({"label": "x" * 60_000}).encode(), "label"),
    "a null in a private text": ("/start", b'{"private":"a\\u0000"}', "U+0000"),
    "an escape sequence in a private text": ("/annotate", b'{"private":"\\u001b[2J"}', "U+001B"),
    "a carriage return in a private text": ("/assign", b'{"private":"a\\rb"}', "U+000D"),
    "a C1 control in a private text": ("/assign", b'{"private":"\\u0085"}', "U+0085"),
    "half a character": ("/start", b'{"private":"\\ud800"}', ""),
    "more UTF-8 than an entry takes": (
        "/start",
        json.dumps({"private": "𠮷" * 7000}, ensure_ascii=False).encode(),
        "28000",
    ),
    "brackets without end": ("/annotate", b'{"ranges":' + b"[" * 60_000, ""),
}


@pytest.mark.parametrize("what", BAD)
def test_a_member_out_of_bounds_is_refused_and_named(door: Path, what: str) -> None:
    path, body, named = BAD[what]
    status, answer = call(door, "POST", path, body)
    assert status == 400
    assert named in answer["error"]
    assert LocalRecorder(door).status()["state"] == "standby"


GOOD = {
    "new lines and tabs": ("/annotate", {"private": "第一行\n\t第二行"}),
    "eight thousand characters": ("/annotate", {"private": "案" * api.MAX_PRIVATE_CHARACTERS}),
    "the most that may be listed": (
        "/annotate",
        {
            "ranges": [{"kind": "focus", "id": "1", "from_us": 0, "until_us": MAX_INT}] * 50,
            "officers": ["1" * 32] * 50,
        },
    ),
}


@pytest.mark.parametrize("what", GOOD)
def test_what_lies_within_bounds_is_taken(door: Path, what: str) -> None:
    path, body = GOOD[what]
    assert call(door, "POST", path, json.dumps(body, ensure_ascii=False).encode())[0] == 200


RECIPIENTS = [age.Identity(bytes([number] * 32)).recipient() for number in range(1, 21)]
RANGES = st.lists(
    st.builds(
        api.RangeBody,
        kind=st.just("stage"),
        id=st.text(min_size=1, max_size=api.MAX_WORD),
        from_us=st.integers(0, MAX_INT),
        until_us=st.integers(0, MAX_INT),
    ),
    max_size=api.MAX_LISTED,
)
TEXTS = st.one_of(
    st.text(max_size=100),
    st.integers(0, api.MAX_PRIVATE_CHARACTERS).map(lambda length: "\t" * length),
    st.integers(0, api.MAX_PRIVATE_BYTES // 3).map(lambda length: "案" * length),
)


def _annotation(body: bytes) -> bytes | None:
    """The line of an annotation, sealed for twenty recipients; None where the interface refuses it."""
    try:
        checked = msgspec.json.decode(body, type=api.AnnotateBody)
        draft = notes.annotation(Api(_NO_SERVICE)._annotate(checked), "s000001")
    except (msgspec.DecodeError, ValueError):
        return None
    entry = draft.entry
    assert isinstance(entry, e.Annotate)
    if draft.private:
        entry.private = seal_private(draft.private, RECIPIENTS, os.urandom)
    entry.n = entry.boot = entry.boot_us = MAX_INT
    entry.salt, entry.prev = b64(bytes(16)), b64(bytes(32))
    return encode_entry(entry)


_NO_SERVICE = Service.__new__(Service)  # what makes messages of bodies asks no service


@given(ranges=RANGES, officers=st.lists(st.text("0123456789-", max_size=33), max_size=51), private=TEXTS)
@settings(max_examples=60, deadline=None)
def test_whatever_the_interface_takes_fits_into_an_entry(
    ranges: list[api.RangeBody], officers: list[str], private: str
) -> None:
    body = api.AnnotateBody(power="other", ranges=ranges, officers=officers, private=private)
    line = _annotation(msgspec.json.encode(body))
    assert line is None or decode_entry(line)


def test_the_largest_body_fits_into_an_entry() -> None:
    ranges = [api.RangeBody("stage", "\N{CJK UNIFIED IDEOGRAPH-20000}" * 32, MAX_INT, MAX_INT)] * api.MAX_LISTED
    largest = api.AnnotateBody("s" + "9" * 15, "other", ranges, ["1" * 32] * 50, "案" * api.MAX_PRIVATE_CHARACTERS)
    line = _annotation(msgspec.json.encode(largest))
    assert line is not None
    assert 32_000 < len(line) < e.MAX_ENTRY_BYTES


# --- who may ------------------------------------------------------------------------------------------------

CALLER = """
import os, socket, sys
path, method, where, user, group, more = sys.argv[1:7]
os.setgroups([int(one) for one in more.split(",") if one]); os.setgid(int(group)); os.setuid(int(user))
caller = socket.socket(socket.AF_UNIX)
try:
    caller.connect(path)
    head = f"{method} {where} HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\n"
    caller.sendall(head.encode() + b"{}")
    print(caller.recv(12)[9:].decode() or "closed")
except OSError:
    print("closed")
"""
OURS = str(os.getegid())


@pytest.mark.skipif(os.geteuid() != 0, reason="another user's process needs root")
@pytest.mark.parametrize(
    ("call", "user", "group", "more", "answer"),
    [
        ("GET /status", COURIER, OURS, "", "200"),
        ("GET /status", COURIER, STRANGERS, f"7,{OURS}", "200"),
        ("GET /status", COURIER, STRANGERS, "7,8", "closed"),
        ("POST /stop", COURIER, OURS, "", "403"),
        ("POST /start", COURIER, STRANGERS, f"7,{OURS}", "403"),
        ("PUT /status", COURIER, OURS, "", "403"),
        ("POST /stop", 0, STRANGERS, "", "409"),
    ],
    ids=[
        "one whose group it is may look",
        "a member of the group may look",
        "a member of other groups may not",
        "one whose group it is may not stop",
        "a member of the group may not start",
        "nor any other method",
        "root may whatever its group",
    ],
)
def test_the_courier_may_look_and_not_touch(
    door: Path, call: str, user: int, group: object, more: str, answer: str
) -> None:
    door.chmod(0o666)  # the check must not rest on the file's mode
    words = [sys.executable, "-c", CALLER, str(door), *call.split(), str(user), str(group), more]
    assert subprocess.run(words, capture_output=True, text=True, timeout=20).stdout.strip() == answer
    assert LocalRecorder(door).status()["state"] == "standby"


# --- listeners ----------------------------------------------------------------------------------------------


def test_many_listeners_keep_no_command_waiting_and_one_too_many_is_told(door: Path) -> None:
    listening = [LocalRecorder(door).events() for _ in range(api.LISTENERS)]
    assert {next(events)["name"] for events in listening} == {"listening"}
    assert call(door, "GET", "/events")[0] == 503
    answers: list[int] = []
    asked = [threading.Thread(target=lambda: answers.append(call(door, "GET", "/status")[0])) for _ in range(8)]
    for one in asked:
        one.start()
    for one in asked:
        one.join(10)
    assert answers == [200] * 8
    pool = {thread.name for thread in threading.enumerate() if thread.name.startswith("listener")}
    assert len(pool) == api.LISTENERS
    del listening
    end = time.monotonic() + 10
    while "error" in next(LocalRecorder(door).events()):
        assert time.monotonic() < end, "those who left still listen"
        time.sleep(0.05)


# --- the log ------------------------------------------------------------------------------------------------


@pytest.fixture
def said(running: tuple[Path, Live], monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """What has gone through the service's log, once it is written."""
    sink = io.StringIO()
    log = Log(sink)
    monkeypatch.setattr(running[1].service, "log", log)

    def written() -> str:
        log.close()
        return sink.getvalue()

    return written


def test_what_the_http_server_says_goes_through_the_log_and_nowhere_else(
    door: Path, said: Callable[[], str], capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(door))
        connection.sendall(b"no HTTP\r\n\r\n")
        while connection.recv(65536):
            pass
    assert said() == "liuhen: local interface: Invalid HTTP request received.\n"
    assert capfd.readouterr() == ("", "")


def test_a_fault_of_the_interface_is_one_line_with_the_error_and_recording_goes_on(
    running: tuple[Path, Live],
    said: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    door, live = running

    def broken(_: object) -> object:
        raise RuntimeError("first line\nsecond line")

    with monkeypatch.context() as patch:
        patch.setattr(live.service, "ask", broken)
        with contextlib.suppress(ValueError):  # the answer is no JSON
            call(door, "GET", "/status")
    text = said()
    assert text.count("\n") == 1 and "RuntimeError" in text and "second line" in text
    assert capfd.readouterr() == ("", "")
    assert call(door, "GET", "/status")[0] == 200


def test_what_its_event_loop_says_goes_the_same_way(said: Callable[[], str], capfd: pytest.CaptureFixture[str]) -> None:
    logging.getLogger("asyncio").error("Task exception was never retrieved")
    assert said() == "liuhen: local interface: Task exception was never retrieved\n"
    assert capfd.readouterr() == ("", "")


# --- the socket ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["a path that is too long", "a folder in its place", "a file for its folder"])
def test_a_socket_that_cannot_be_there_is_an_error_of_the_system(tmp_path: Path, what: str) -> None:
    (tmp_path / "file").write_text("")
    paths = {
        "a path that is too long": tmp_path / ("x" * 120),
        "a folder in its place": tmp_path,
        "a file for its folder": tmp_path / "file" / "rec.sock",
    }
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(OSError):
        api.serve(_NO_SERVICE, str(paths[what]))
    assert len(list(Path("/proc/self/fd").iterdir())) == before
