"""The recorder's threads and its door: watchdog, lock, refused file systems, SIGTERM, the local interface.

Real threads, real sockets, a real process where a signal or another user is needed.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.evidence import age
from agent.keys import create_key
from agent.local import LocalRecorder, RecorderAbsent, RecorderRefused
from agent.recorder import api, service, spool_lock
from agent.recorder import messages as m
from agent.recorder.clock import boottime_ns
from agent.verify.run import read_evidence, sessions
from agent.verify.session import Session
from tests.support.cards import LoopUnavailable, make_image, mounted
from tests.support.http import call
from tests.support.live import Diet, History, Live, SlowDisk
from tests.support.rig import SOUND_ONLY

NOBODY = 65534
LIUHEN = (sys.executable, "-P", "-c", "from agent.cli import main; main()")
STUCK_S = 1.5
"""In place of the 5 s of the product: longer than an idle turn of the writer."""


@contextmanager
def _running(spool: Path, witness: History | None = None) -> Iterator[tuple[Live, SlowDisk]]:
    disk = SlowDisk(spool)
    live = Live(disk, SOUND_ONLY, Diet(0), witness or History(), "boot-0")
    live.begin()
    try:
        yield live, disk
    finally:
        disk.may_go_on.set()
        live.shut_down()


def _sessions(spool: Path) -> list[Session]:
    return sessions(read_evidence(spool, None))


def _wait(until: object, timeout_s: float = 10.0) -> None:
    assert callable(until)
    end = time.monotonic() + timeout_s
    while not until():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)


# --- the watchdog -------------------------------------------------------------------------------------------


def test_a_recorder_thread_that_is_stuck_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "ALIVE_NS", int(STUCK_S * 1e9))
    free = threading.Event()
    with _running(tmp_path) as (live, _):
        threading.Thread(target=lambda: live.ask(lambda _: free.wait()), daemon=True).start()
        _wait(lambda: live.status is not None)
        free.set()
        assert live.status == 1


def test_a_writer_inside_a_call_to_the_disk_is_not_blamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "ALIVE_NS", int(STUCK_S * 1e9))
    with _running(tmp_path) as (live, disk):
        disk.may_go_on.clear()
        live.service.command(m.Issue("assign", "12345"))
        time.sleep(2 * STUCK_S)
        assert live.status is None


class _Brooding(History):
    """A writer's step that thinks instead of writing."""

    def __init__(self) -> None:
        super().__init__()
        self.done = threading.Event()

    def flushing(self, handed_ns: int) -> None:
        super().flushing(handed_ns)
        self.done.wait()


def test_a_writer_that_is_stuck_outside_the_disk_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "ALIVE_NS", int(STUCK_S * 1e9))
    witness = _Brooding()
    with _running(tmp_path, witness) as (live, _):
        live.service.command(m.Issue("assign", "12345"))
        _wait(lambda: live.status is not None)
        witness.done.set()
        assert live.status == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_recorder_thread_that_died_ends_the_service(tmp_path: Path) -> None:
    def fail(_: object) -> object:
        raise RuntimeError("for this test")

    with _running(tmp_path) as (live, _):
        with pytest.raises(service.RecorderSilent):
            live.service.ask(fail, 0.5)
        _wait(lambda: live.status is not None)
        assert live.status == 1


def test_systemd_is_told_ready_alive_and_stopping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        (tmp_path / "spool").mkdir()
        with _running(tmp_path / "spool"):
            assert systemd.recv(100) == b"READY=1"
            assert systemd.recv(100) == b"WATCHDOG=1"
        told = b""
        while told != b"STOPPING=1":
            told = systemd.recv(100)
            assert told in (b"WATCHDOG=1", b"STOPPING=1")


# --- the spool ----------------------------------------------------------------------------------------------


def test_a_second_recorder_on_the_same_spool_is_refused(tmp_path: Path) -> None:
    held = spool_lock.lock(tmp_path)
    assert spool_lock.is_held(tmp_path)
    with pytest.raises(spool_lock.SpoolBusy, match="stop it first"):
        spool_lock.lock(tmp_path)
    os.close(held)
    os.close(spool_lock.lock(tmp_path))
    assert not spool_lock.is_held(tmp_path)


def test_asking_whether_a_spool_is_held_makes_no_file(tmp_path: Path) -> None:
    assert not spool_lock.is_held(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_spool_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(spool_lock.SpoolMissing, match="no such folder"):
        spool_lock.lock(tmp_path / "spool")


SUPERBLOCK = bytes(1024 + 0x5C)
UNSAFE = {
    "an option in force": ("rw\nfast_commit\ncommit=5\n", "", b""),
    "an option as a kernel with debugging shows it": ("rw\nfc_debug_force\n", "", b""),
    "fast commits since it was mounted": ("rw\n", "fc stats:\n12 commits\n0 ineligible\n", b""),
    "the superblock": ("rw\n", "fc stats:\n0 commits\n", SUPERBLOCK + b"\x3c\x04\0\0"),
}
SAFE = {
    "an option that is not in force": ("rw\ncommit=5\nno_fast_commit\n", "fc stats:\n0 commits\n0 ineligible\n", b""),
    "a superblock without it": ("rw\n", "", SUPERBLOCK + b"\x3c\0\0\0"),
    "a device that ends early": ("rw\n", "", b"short"),
}


def _kernel(folder: Path, options: str, counts: str, card: bytes) -> tuple[Path, Path, Path]:
    """Folders like /proc, /sys and /dev, for the file system on which ``folder`` lies."""
    device = os.stat(folder).st_dev
    block = folder / f"sys/dev/block/{os.major(device)}:{os.minor(device)}"
    for made in (folder / "sys/devices/sda1", block.parent, folder / "proc/fs/ext4/sda1", folder / "dev"):
        made.mkdir(parents=True)
    block.symlink_to(folder / "sys/devices/sda1")
    (folder / "proc/fs/ext4/sda1/options").write_text(options)
    (folder / "proc/fs/ext4/sda1/fc_info").write_text(counts)
    (folder / "dev/sda1").write_bytes(card)
    return folder / "proc", folder / "sys", folder / "dev"


@pytest.mark.parametrize("what", UNSAFE)
def test_fast_commit_is_seen_by(tmp_path: Path, what: str) -> None:
    with pytest.raises(spool_lock.SpoolUnsafe, match=r"tune2fs -O \^fast_commit /dev/sda1"):
        spool_lock.refuse_unsafe(tmp_path, *_kernel(tmp_path, *UNSAFE[what]))


@pytest.mark.parametrize("what", SAFE)
def test_fast_commit_is_not_seen_in(tmp_path: Path, what: str) -> None:
    spool_lock.refuse_unsafe(tmp_path, *_kernel(tmp_path, *SAFE[what]))


@pytest.mark.parametrize(("kind", "refused"), [("fast_commit", True), ("ext4", False)])
def test_a_card_with_fast_commit_is_refused_and_plain_ext4_is_not(tmp_path: Path, kind: str, refused: bool) -> None:
    try:
        make_image(tmp_path / "card.img", kind, 64)
        with mounted(tmp_path / "card.img", kind) as spool:
            if refused:
                with pytest.raises(spool_lock.SpoolUnsafe):
                    spool_lock.refuse_unsafe(spool)
            else:
                spool_lock.refuse_unsafe(spool)
    except LoopUnavailable as error:
        pytest.skip(f"no loop device: {error}")


# --- a real process -----------------------------------------------------------------------------------------


def _configured(folder: Path) -> Path:
    create_key(folder / "keys", "D1", os.urandom)
    recipient = age.Identity.generate(os.urandom).recipient().text()
    config = folder / "config.toml"
    config.write_text(
        f'[device]\nid = "D1"\nunit = "U1"\nkey_dir = "keys"\nspool = "spool"\nsocket = "{folder}/rec.sock"\n'
        f'[trust]\nrecipients = ["{recipient}"]\n[microphone]\ndriver = "simulated"\n'
        '[record]\nrequired_tracks = ["sound"]\nprerecord_s = 0\n'
    )
    return config


@contextmanager
def _process(config: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """``liuhen record``, from the moment at which its interface answers; ended whatever happens."""
    with subprocess.Popen([*LIUHEN, "record", "--config", config]) as child:
        try:
            recorder = LocalRecorder(config.parent / "rec.sock")
            _wait(lambda: _answers(recorder), 20)
            yield child
        finally:
            child.kill()


def _answers(recorder: LocalRecorder) -> bool:
    try:
        return bool(recorder.status())
    except RecorderAbsent:
        return False


def test_sigterm_leaves_a_shutdown_and_the_next_start_goes_on_with_the_same_session(tmp_path: Path) -> None:
    config, recorder = _configured(tmp_path), LocalRecorder(tmp_path / "rec.sock")
    with _process(config) as child:
        assert recorder.post("start", {})["session"] == "s000001"
        _wait(lambda: recorder.status()["safe"] == "yes")
        child.send_signal(signal.SIGTERM)
        assert child.wait(20) == 0
    [session] = _sessions(tmp_path / "spool")
    assert session.close is None
    assert [known.begin.cause for known in session.interruptions] == ["shutdown"]
    assert session.segments[-1].close is not None
    with _process(config):
        _wait(lambda: recorder.status()["state"] == "recording")
        assert recorder.status()["session"] == "s000001"
        recorder.post("stop", {})  # the reason of the shutdown is asked for first
        recorder.post("stop", {})
        _wait(lambda: _sessions(tmp_path / "spool")[-1].close is not None)
    [session] = _sessions(tmp_path / "spool")
    assert session.close is not None
    [interruption] = session.interruptions
    assert interruption.end is not None
    assert interruption.end.resumed == "yes"


def test_a_second_process_on_the_same_spool_is_refused_by_name(tmp_path: Path) -> None:
    config = _configured(tmp_path)
    with _process(config):
        second = subprocess.run([*LIUHEN, "record", "--config", config], capture_output=True, text=True, timeout=30)
    assert second.returncode != 0
    assert "a recorder holds this spool" in second.stderr
    assert "Traceback" not in second.stderr


# --- the local interface ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def door() -> Iterator[Path]:
    """The socket of a running device, in a folder that every user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="liuhen-door-"))
    folder.chmod(0o755)
    (folder / "spool").mkdir()
    try:
        with _running(folder / "spool") as (live, _):
            api.serve(live.service, str(folder / "rec.sock"))
            _wait(lambda: _answers(LocalRecorder(folder / "rec.sock")))
            yield folder / "rec.sock"
    finally:
        shutil.rmtree(folder)


def _post(door: Path, path: str, body: bytes) -> tuple[int, dict[str, str]]:
    return call(door, "POST", path, body)


BAD_BODIES = {
    "no JSON": ("/start", b"{", "truncated"),
    "an array": ("/start", b"[]", "object"),
    "an unknown member": ("/start", b'{"colour":"red"}', "colour"),
    "a power that the law does not know": ("/start", b'{"power":"might"}', "power"),
    "a number for a text": ("/start", b'{"private":7}', "private"),
    "not UTF-8": ("/start", b'{"private":"\xff"}', ""),
    "a name in a label": ("/mark", '{"label":"王某"}'.encode(), "label"),
    "an unknown member of stop": ("/stop", b'{"why":"home"}', "why"),
    "a certificate number with a slash": ("/assign", b'{"officer":"a/b"}', "a/b"),
    "text that is too long": ("/start", b'{"private":"' + b"a" * 9000 + b'"}', "private"),
    "a body that is too long": ("/start", b'{"private":"' + b"a" * 70_000 + b'"}', "larger"),
    "a stage that does not exist": ("/annotate", b'{"ranges":[{"stage":1}]}', ""),
}


@pytest.mark.parametrize("what", BAD_BODIES)
def test_a_wrong_body_is_refused_and_named(door: Path, what: str) -> None:
    path, body, named = BAD_BODIES[what]
    status, answer = _post(door, path, body)
    assert status == 400
    assert named in answer["error"]
    assert LocalRecorder(door).status()["state"] == "standby"


def test_the_button_of_a_running_session(door: Path) -> None:
    recorder = LocalRecorder(door)
    with pytest.raises(RecorderRefused, match="not recording"):
        recorder.post("stop", {})
    with pytest.raises(RecorderRefused, match="not recording"):
        recorder.post("mark", {})
    session = recorder.post("start", {"power": "penalty", "private": "案由"})["session"]
    assert _post(door, "/start", b"{}")[0] == 409
    _wait(lambda: recorder.status()["safe"] == "yes")
    assert recorder.status()["session"] == session
    recorder.post("mark", {"label": "evidence"})
    recorder.post("important", {"important": True})
    recorder.post("annotate", {"officers": ["12345"], "private": "当事人"})
    recorder.post("stop", {})
    _wait(lambda: _sessions(door.parent / "spool")[-1].close is not None)
    kinds = [type(line.entry).__name__ for line in _sessions(door.parent / "spool")[-1].lines]
    assert {"SessionOpen", "Mark", "Importance", "Annotate", "SessionClose"} <= set(kinds)


def test_status_names_no_person_case_or_place(door: Path) -> None:
    LocalRecorder(door).post("assign", {"officer": "12345", "private": "李某"})
    assert "李某" not in json.dumps(LocalRecorder(door).status(), ensure_ascii=False)


def test_events_come_as_they_happen(door: Path) -> None:
    recorder = LocalRecorder(door)
    events = recorder.events()
    assert next(events)["name"] == "listening"
    recorder.post("start", {})
    assert next(event for event in events if event["name"] == "session.open")["text"] == "recording, not yet safe"
    assert next(event for event in events if event["name"] == "safe")
    recorder.post("stop", {})
    assert next(event for event in events if event["name"] == "session.close")


def test_an_unknown_path_is_not_found(door: Path) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(door))
        connection.sendall(b"GET /keys HTTP/1.0\r\n\r\n")
        assert b" 404 " in connection.recv(65536)


CALLER = """
import os, socket, sys
if sys.argv[2] != "-": os.setgroups([]); os.setgid(int(sys.argv[3])); os.setuid(int(sys.argv[2]))
caller = socket.socket(socket.AF_UNIX)
caller.connect(sys.argv[1])
try:
    caller.sendall(b"GET /status HTTP/1.0\\r\\n\\r\\n")
    print(caller.recv(15).decode() or "closed")
except OSError:
    print("closed")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="another user's process needs root")
@pytest.mark.parametrize(
    ("user", "group", "answer"),
    [("-", "-", "HTTP/1.1 200 OK"), (NOBODY, NOBODY, "closed"), (NOBODY, 0, "HTTP/1.1 200 OK")],
    ids=["root", "another user", "another user of the recorder's group"],
)
def test_the_kernel_says_who_calls(door: Path, user: object, group: object, answer: str) -> None:
    door.chmod(0o666)  # the check must not rest on the file's mode
    words = [sys.executable, "-c", CALLER, str(door), str(user), str(group)]
    assert subprocess.run(words, capture_output=True, text=True, timeout=20).stdout.strip() == answer


def test_a_command_to_a_recorder_that_does_not_answer_says_so(door: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "ANSWER_S", 0.0)
    status, answer = _post(door, "/mark", b"{}")
    assert status == 503
    assert "does not answer" in answer["error"]
    assert boottime_ns() > 0
