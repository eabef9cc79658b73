"""The commands over a real recorder process with simulated sensors: what a script sees, and the exit codes it gets.

One recorder is started once for all tests here; they run in order, as a day does.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from agent.commands import Exit
from agent.evidence import age
from agent.evidence import entries as e
from agent.evidence.journal import join, read_file
from agent.evidence.note import parse_vkey
from agent.keys import create_key

LIUHEN = [str(Path(sys.executable).parent / "liuhen")]
PERSON = "李四方"


@dataclass
class Device:
    """A configured device's folder; ``child`` is its recorder while that runs."""

    root: Path
    child: "subprocess.Popen[bytes] | None" = None
    listener: "subprocess.Popen[str] | None" = None
    heard: list[dict[str, Any]] = field(default_factory=list)

    @property
    def config(self) -> Path:
        return self.root / "config.toml"

    @property
    def spool(self) -> Path:
        return self.root / "spool"

    def liuhen(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command in a process of its own, as a person does."""
        environment = {**os.environ, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
        return subprocess.run([*LIUHEN, *arguments], capture_output=True, text=True, env=environment, check=False)

    def say(self, command: str, *arguments: str) -> dict[str, Any]:
        """A command to the recorder that must go well; its JSON."""
        done = self.liuhen(command, *arguments, "--config", str(self.config), "--json")
        assert done.returncode == Exit.GOOD, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def status(self) -> dict[str, Any]:
        return self.say("status")

    def entries(self) -> list[Any]:
        folder = self.spool / "journal/0001"
        key = parse_vkey((folder / "device.vkey").read_text().strip())
        joined = join([read_file(path.read_bytes(), key) for path in sorted(folder.glob("*.log"))])
        assert joined.damage == []
        return [placed.entry for placed in joined.entries]


def wait(until: Callable[[], object], seconds: float = 15.0) -> None:
    limit = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < limit, "it did not happen"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    root = tmp_path_factory.mktemp("device")
    create_key(root / "keys", "D1", os.urandom)
    recipient = age.Identity.generate(os.urandom).recipient().text()
    (root / "spool").mkdir()
    (root / "config.toml").write_text(
        f'[device]\nid = "D1"\nunit = "U1"\nkey_dir = "keys"\nspool = "spool"\nsocket = "{root}/rec.sock"\n'
        f'[trust]\nrecipients = ["{recipient}"]\n'
        '[camera]\ndriver = "simulated"\nwidth = 1280\nheight = 720\nbitrate_kbit = 1000\n'
        '[microphone]\ndriver = "simulated"\n[position]\ndriver = "simulated"\n[record]\nprerecord_s = 1\n'
    )
    device = Device(root)
    yield device
    for child in (device.child, device.listener):
        if child is not None and child.poll() is None:
            child.kill()
            child.wait()


@pytest.mark.parametrize(
    "command", [["start"], ["stop"], ["mark"], ["annotate"], ["assign"], ["status"], ["events"]], ids=lambda c: c[0]
)
def test_without_a_recorder_a_command_says_what_to_do(device: Device, command: list[str]) -> None:
    done = device.liuhen(*command, "--config", str(device.config))
    assert (done.returncode, done.stdout) == (Exit.USAGE, "")
    assert "liuhen record --config" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_recorder_comes_up_and_answers(device: Device) -> None:
    device.child = subprocess.Popen([*LIUHEN, "record", "--config", device.config], stderr=subprocess.PIPE)
    wait(lambda: device.liuhen("status", "--config", str(device.config)).returncode == Exit.GOOD)
    wait(lambda: set(device.status()["sensors"].values()) == {"up"})
    status = device.status()
    assert (status["state"], status["session"], status["assigned"]) == ("standby", "", "no")
    assert set(status["pids"]) == {"recorder", "camera", "microphone", "position", "storage"}


def test_a_sensor_whose_process_hangs_is_ended_and_comes_back(device: Device) -> None:
    hanging = device.status()["pids"]["microphone"]
    os.kill(hanging, signal.SIGSTOP)
    wait(lambda: device.status()["pids"].get("microphone", hanging) != hanging)
    wait(lambda: device.status()["sensors"]["microphone"] == "up")


def test_a_spool_is_named_instead_of_a_configuration(device: Device) -> None:
    done = device.liuhen("status", "--spool", str(device.spool), "--json")
    assert done.returncode == Exit.GOOD
    assert json.loads(done.stdout)["state"] == "standby"


def test_events_are_listened_to(device: Device) -> None:
    device.listener = subprocess.Popen(
        [*LIUHEN, "events", "--config", str(device.config)], stdout=subprocess.PIPE, text=True
    )
    assert device.listener.stdout is not None
    assert json.loads(device.listener.stdout.readline())["name"] == "listening"


def test_a_session_is_started_once(device: Device) -> None:
    device.say("assign", "310101", "--private", PERSON)
    answer = device.say("start", "--power", "penalty", "--private", PERSON)
    assert (answer["answer"], answer["session"]) == ("accepted", "s000001")
    again = device.liuhen("start", "--config", str(device.config))
    assert (again.returncode, again.stdout) == (Exit.USAGE, "")
    assert "already recording" in again.stderr
    wait(lambda: device.status()["safe"] == "yes")


def test_marks_and_notes_are_taken_and_wrong_ones_refused(device: Device) -> None:
    assert device.say("mark", "credential_shown")["session"] == "s000001"
    assert (
        device.say("annotate", "--situation", "3", "--officer", "310102", "--private", PERSON)["answer"] == "accepted"
    )
    assert device.say("annotate", "--important")["answer"] == "accepted"
    wrong = [
        ["mark", "free text with blanks"],
        ["annotate", "--situation", "99"],
        ["annotate", "--situation", "3:soon"],
        ["annotate", "s000009", "--private", "x"],
        ["annotate", "--officer", PERSON],
        ["assign", PERSON],
        ["start", "--power", "none"],
    ]
    for arguments in wrong:
        done = device.liuhen(*arguments, "--config", str(device.config))
        assert (done.returncode, done.stdout) == (Exit.USAGE, ""), arguments
        assert done.stderr.strip()
        assert "Traceback" not in done.stderr


def test_status_tells_what_is_recorded_and_no_person(device: Device) -> None:
    status = device.status()
    assert (status["state"], status["session"], status["assigned"]) == ("recording", "s000001", "yes")
    shown = device.liuhen("status", "--config", str(device.config)).stdout
    assert "state: recording" in shown
    assert PERSON not in shown + json.dumps(status, ensure_ascii=False)


def test_recovery_is_refused_while_a_recorder_holds_the_spool_and_fsck_only_reads(device: Device) -> None:
    done = device.liuhen("recover", str(device.spool))
    assert done.returncode == Exit.USAGE
    assert "stop it first" in done.stderr
    second = device.liuhen("record", "--config", str(device.config))
    assert second.returncode == Exit.USAGE
    assert "holds this spool" in second.stderr
    live = device.liuhen("fsck", str(device.spool), "--json")
    assert (live.returncode, json.loads(live.stdout)["live"]) == (Exit.GOOD, True)
    assert device.status()["state"] == "recording"


def test_a_stop_ends_the_session_and_a_second_one_is_refused(device: Device) -> None:
    assert device.say("stop")["answer"] == "accepted"
    wait(lambda: device.status()["state"] == "standby")
    again = device.liuhen("stop", "--config", str(device.config))
    assert (again.returncode, "not recording" in again.stderr) == (Exit.USAGE, True)
    assert device.say("annotate", "s000001", "--private", PERSON)["session"] == "s000001"


def test_the_listener_heard_the_session(device: Device) -> None:
    listener = device.listener
    assert listener is not None
    assert listener.stdout is not None
    names: list[str] = []
    while "session.close" not in names:
        names.append(json.loads(listener.stdout.readline())["name"])
    assert names.index("session.open") < names.index("safe") < names.index("session.close")
    listener.terminate()  # not SIGINT: a shell's background jobs ignore it
    listener.wait(10)


def test_a_recorder_that_was_killed_leaves_a_spool_that_recovers_once(device: Device) -> None:
    device.say("start")
    wait(lambda: device.status()["safe"] == "yes")
    child = device.child
    assert child is not None
    pids = device.status()["pids"]
    child.kill()
    child.wait(10)
    wait(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids.values()))
    cut = device.liuhen("fsck", str(device.spool))
    assert (cut.returncode, "not_recovered" in cut.stdout) == (Exit.SHORT, True)
    first = device.liuhen("recover", str(device.spool), "--json")
    assert first.returncode == Exit.GOOD
    assert any("s000002 interrupted (process)" in line for line in json.loads(first.stdout)["done"])
    files = {path: path.read_bytes() for path in device.spool.rglob("*") if path.is_file()}
    second = device.liuhen("recover", str(device.spool), "--json")
    assert (second.returncode, json.loads(second.stdout)) == (Exit.GOOD, {"done": []})
    assert {path: path.read_bytes() for path in device.spool.rglob("*") if path.is_file()} == files
    assert device.liuhen("fsck", str(device.spool)).returncode == Exit.GOOD


def test_what_was_said_stands_in_the_journal_and_the_person_nowhere(device: Device) -> None:
    entries = device.entries()
    opened = [one for one in entries if isinstance(one, e.SessionOpen)]
    assert [(one.power, one.officer) for one in opened] == [("penalty", "310101"), ("inspection", "310101")]
    assert [one.label for one in entries if isinstance(one, e.Mark)] == ["credential_shown"]
    notes = [one for one in entries if isinstance(one, e.Annotate)]
    assert [(one.stream, bool(one.ranges)) for one in notes] == [("s000001", True), ("s000001", False)]
    for path in device.spool.rglob("*"):
        assert PERSON.encode() not in (path.read_bytes() if path.is_file() else b""), path
        assert PERSON not in path.name


def test_a_folder_that_is_no_spool_is_named(device: Device, tmp_path: Path) -> None:
    for command in (["fsck", str(tmp_path / "none")], ["recover", str(tmp_path / "none")]):
        done = device.liuhen(*command)
        assert (done.returncode, "Traceback" in done.stderr) == (Exit.USAGE, False)
    (tmp_path / "other").mkdir()
    (tmp_path / "other/a.txt").write_text("a person's own")
    for name in ("fsck", "recover"):
        refused = device.liuhen(name, str(tmp_path / "other"))
        assert (refused.returncode, "no spool" in refused.stderr) == (Exit.USAGE, True)
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["a.txt"], "nothing was made there"
