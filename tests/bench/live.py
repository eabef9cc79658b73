"""``liuhen record`` as it is started on a device: configuration, process, button, journal, memory.

``StallingDisk`` runs the same command with a disk whose syncs stand still while a certain file is there: a real stall
of a real card cannot be had on demand.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from agent.evidence import age
from agent.keys import create_key
from agent.recorder.disk import FolderDisk
from tests.bench.media import BIT_RATE_KBIT

LIUHEN = [sys.executable, "-P", "-c", "from agent.cli import main; main()"]
"""The console script's one line, whichever way it was installed."""
STALL = "BENCH_STALL"
POLL_S = 0.005


class StallingDisk(FolderDisk):
    """Syncs wait while the file that ``BENCH_STALL`` names exists."""

    def sync(self, file: int) -> None:
        while os.path.exists(os.environ[STALL]):
            time.sleep(0.05)
        super().sync(file)


def record_stalling() -> None:
    """The process: ``liuhen record`` over a StallingDisk."""
    from agent.cli import main
    from agent.recorder import compose

    vars(compose)["FolderDisk"] = StallingDisk
    main()


def write_config(folder: Path, prerecord_s: int) -> Path:
    """A device in ``folder``, 1080p at 4 Mbit/s and sound; its configuration file."""
    recipient = age.Identity(bytes(range(1, 33))).recipient().text()
    create_key(folder / "keys", "BENCH", os.urandom)
    config = folder / "config.toml"
    config.write_text(
        f'[device]\nid = "BENCH"\nunit = "U1"\nkey_dir = "{folder}/keys"\nspool = "{folder}/spool"\n'
        f'socket = "{folder}/socket"\n[trust]\nrecipients = ["{recipient}"]\n'
        f'[camera]\ndriver = "simulated"\nwidth = 1920\nheight = 1080\nbitrate_kbit = {BIT_RATE_KBIT}\n'
        f'[microphone]\ndriver = "simulated"\n[record]\nprerecord_s = {prerecord_s}\n'
    )
    return config


@contextlib.contextmanager
def running(config: Path, program: list[str] = LIUHEN) -> Iterator["subprocess.Popen[bytes]"]:
    """The recorder's process; killed at the end, as by a power cut."""
    environment = {**os.environ, STALL: str(config.parent / "stall")}
    process = subprocess.Popen([*program, "record", "--config", str(config)], env=environment, stdin=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def press_start(folder: Path) -> None:
    """``liuhen start``, once the local interface is there."""
    until_s = time.monotonic() + 30
    while not (folder / "socket").exists() and time.monotonic() < until_s:
        time.sleep(0.05)
    time.sleep(0.5)
    subprocess.run([*LIUHEN, "start", "--socket", str(folder / "socket")], check=True, stdout=subprocess.DEVNULL)


def fragments(folder: Path) -> int:
    """Signed fragment entries in the device's journal: those that a checkpoint follows."""
    count = 0
    for file in sorted(folder.glob("spool/journal/*/*.log")):
        lines = file.read_bytes().split(b"\n")[:-1]
        signed = max((i for i, line in enumerate(lines) if line.startswith(b'"')), default=-1)
        count += sum(b'"type":"fragment"' in line for line in lines[:signed])
    return count


def wait_for_fragments(folder: Path, more_than: int, timeout_s: float) -> bool:
    """Until more fragments than so many are signed."""
    until_s = time.monotonic() + timeout_s
    while time.monotonic() < until_s:
        if fragments(folder) > more_than:
            return True
        time.sleep(POLL_S)
    return False


def peak_rss_mb(pid: int) -> float:
    """The most memory that a running process ever had resident, MB (10^6 bytes)."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    peak_kib = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    return peak_kib * 1024 / 1e6
