"""The device's body: power, boots, and a service manager that starts the recorder again when it was killed.

The recorder is ``liuhen record --config FILE``, a process like on a device. A power cut is SIGKILL to it and to its
sensors at once; what comes after it has a new boot id (``LIUHEN_SIMULATED_BOOT``), since the machine that plays the
device does not boot. Left to others: when these things happen (``script``).
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.demo.errors import RecorderFailed
from agent.demo.folder import Folder
from agent.local import LocalRecorder, RecorderAbsent

READY_S = 30.0
"""How long a start may take on a slow machine: Python, the sensors, the recovery."""
END_S = 60.0
"""A recorder that ends waits up to 30 s for its disk."""
POLL_S = 0.1
BOOT_VARIABLE = "LIUHEN_SIMULATED_BOOT"


def liuhen() -> list[str]:
    """The command that this demo was started with."""
    script = shutil.which("liuhen", path=str(Path(sys.executable).parent))
    return [script] if script else [sys.executable, "-P", "-c", "import agent.cli; agent.cli.main()"]


def boottime_ns() -> int:
    """CLOCK_BOOTTIME."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Device:
    """One device; ``api`` is its local interface."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._boot: dict[str, str] = {}
        self.api = LocalRecorder(folder.socket)

    @property
    def is_on(self) -> bool:
        """Whether the recorder's process was started and not ended."""
        return self._process is not None

    def start(self) -> None:
        """Start the recorder; does not wait for it."""
        self._folder.socket.unlink(missing_ok=True)
        with self._folder.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*liuhen(), "record", "--config", str(self._folder.config)],
                env={**os.environ, **self._boot},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def wait_ready(self, timeout_s: float = READY_S) -> Mapping[str, Any]:
        """The recorder's status once it answers. Raises RecorderFailed with its last words."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            with contextlib.suppress(RecorderAbsent):
                return self.status()
            time.sleep(POLL_S)
        raise RecorderFailed(f"the recorder does not answer after {timeout_s:.0f} s; {self._last_words()}")

    def status(self) -> Mapping[str, Any]:
        """What the recorder says now. Raises RecorderAbsent, or RecorderFailed where its process is gone."""
        self.keep_alive()
        status = self.api.status()
        if "state" not in status:
            raise RecorderAbsent(f"the recorder has no status to give: {status.get('error')}; see its log")
        return status

    def keep_alive(self) -> None:
        """Raises RecorderFailed where the recorder ended and nobody ended it."""
        if self._process is not None and self._process.poll() is not None:
            raise RecorderFailed(f"the recorder ended (exit status {self._process.returncode}); {self._last_words()}")

    def kill(self, name: str) -> None:
        """End one of its processes as a crash would; the recorder is started again, as a service manager would."""
        pids = self.wait_ready()["pids"]
        with contextlib.suppress(ProcessLookupError):
            os.kill(pids[name], signal.SIGKILL)
        if name == "recorder":
            self._reap()
            self.start()

    def cut_power(self) -> None:
        """Everything stops at once; the next start is another boot."""
        pids: list[int] = []
        with contextlib.suppress(RecorderAbsent):
            pids = list(self.api.status().get("pids", {}).values())
        if self._process is not None:
            self._process.kill()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._reap()

    def power_on(self) -> None:
        """Boot, with a boot id that was never seen."""
        self._boot = {BOOT_VARIABLE: f"{uuid.uuid4()}:{boottime_ns() // 1000}"}
        self.start()

    def shut_down(self) -> None:
        """End the recorder as a service manager does; raises RecorderFailed where it does not end well."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            status = self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.cut_power()
            raise RecorderFailed(f"the recorder did not end within {END_S:.0f} s; {self._last_words()}") from None
        self._process = None
        if status:
            raise RecorderFailed(f"the recorder ended with exit status {status}; {self._last_words()}")

    def _reap(self) -> None:
        if self._process is not None:
            self._process.wait(END_S)
            self._process = None

    def _last_words(self) -> str:
        log = self._folder.log
        lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
        return f"its last words, from {log}: {lines[-1]}" if lines else f"it said nothing; see {log}"
