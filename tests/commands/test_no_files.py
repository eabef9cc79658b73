"""A folder or a pipe where a file belongs: each command says so, and waits for nobody."""

import os
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.cli import run
from agent.commands import Exit
from agent.evidence.checkpoint import Cosigner
from agent.export import export_session
from agent.keys import encode_key
from agent.verify.exported import NAMES
from agent.verify.facts import EXCERPT
from tests.support.rig import Rig

LIMIT_S = 10
CONFIG = """
[device]
id = "D1"
unit = "U1"
spool = "spool"
key_dir = "keys"
socket = "socket"
[trust]
recipients = ["{recipient}"]
[camera]
driver = "simulated"
[microphone]
driver = "simulated"
"""
JUDGE = "verify export --key device.vkey --mirror-key mirror.vkey --checkpoint checkpoint --identity identity.txt"
OPEN = "open spool --identity identity.txt --out out"
SPOOL = ["verify spool", "fsck spool", "export s000001 out --spool spool", OPEN, "journal tiles out --spool spool"]
COMMANDS = {
    "device.vkey": [JUDGE],
    "mirror.vkey": [JUDGE],
    "checkpoint": [JUDGE],
    "identity.txt": [JUDGE, OPEN],
    "config.toml": ["recover spool", "record --config config.toml", "status --spool spool", "key init new"],
    "keys/device.key": ["recover spool", "key show keys", "key init keys --device D1"],
    "keys/device.vkey": ["recover spool", "key show keys", "key init keys --device D1"],
    "spool/journal/0001/device.vkey": SPOOL,
    "spool/journal/0001/000000000000.log": SPOOL,
    "spool/journal/0001": SPOOL,
    **{f"export/{name}": [JUDGE] for name in (*NAMES, EXCERPT)},
}


class Waited(BaseException):
    """A command waits for a pipe that nobody writes to; no handler of errors may catch this."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("world")
    (root / "spool").mkdir()
    rig = Rig(root / "spool")
    rig.bytes_per_frame = 500
    rig.boot()
    rig.run(1)
    rig.start()
    rig.run(3)
    rig.stop()
    rig.kill()
    export_session(root / "spool", "s000001", root / "export")
    shutil.copy(root / "export/checkpoint", root / "checkpoint")
    (root / "device.vkey").write_text(rig.signer.vkey.line() + "\n")
    (root / "mirror.vkey").write_text(Cosigner("test/store", bytes(32)).vkey.line() + "\n")
    (root / "identity.txt").write_text(rig.identity.text() + "\n")
    (root / "config.toml").write_text(CONFIG.format(recipient=rig.identity.recipient().text()))
    (root / "keys").mkdir(mode=0o700)
    (root / "keys/device.key").write_text(encode_key("liuhen/D1", bytes(range(32))))
    (root / "keys/device.key").chmod(0o600)
    (root / "keys/device.vkey").write_text(rig.signer.vkey.line() + "\n")
    return root


@pytest.fixture
def here(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the world to spoil, with an end to all waiting."""
    shutil.copytree(world, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)

    def end(*_: object) -> None:
        raise Waited

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(LIMIT_S)
    yield tmp_path
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def put(path: Path, kind: str) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path, 0o600)
    else:
        path.mkdir()


@pytest.mark.parametrize("kind", ["folder", "pipe"])
@pytest.mark.parametrize(
    ("name", "command"), [(name, command) for name, commands in COMMANDS.items() for command in commands]
)
def test_what_is_no_file_is_told(
    here: Path, name: str, command: str, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    put(here / name, kind)
    code = run(command.split())
    out, err = capfd.readouterr()
    assert code in (Exit.SHORT, Exit.USAGE), f"{out}{err}"
    assert "fault of liuhen" not in err
    assert err if code == Exit.USAGE else out + err


def test_fsck_neither_waits_at_a_lock_that_is_a_pipe_nor_overlooks_aside_that_is_no_folder(
    here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(here / "spool/lock")
    assert run(["fsck", "spool"]) == Exit.GOOD
    os.mkfifo(here / "spool/aside")
    assert run(["fsck", "spool"]) == Exit.SHORT
    assert "aside: a folder belongs here" in capfd.readouterr().out


def test_a_start_says_that_a_folder_is_in_the_way_of_the_public_key(
    here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    put(here / "spool/journal/0001/device.vkey", "folder")
    assert run(["recover", "spool"]) == Exit.USAGE
    assert "a folder is in the way" in capfd.readouterr().err


def test_an_identity_may_come_through_a_pipe_that_somebody_writes_to(here: Path) -> None:
    text = (here / "identity.txt").read_bytes()
    reads, writes = os.pipe()

    def give() -> None:
        threading.Event().wait(0.1)  # so that the reader finds the pipe empty first
        os.write(writes, text)
        os.close(writes)

    giver = threading.Thread(target=give)
    giver.start()
    assert run(["open", "spool", "--identity", f"/dev/fd/{reads}", "--out", "out"]) == Exit.GOOD
    giver.join()
    os.close(reads)
