"""Ending and starting sensors' processes when the machine does not do as it is told."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from drivers import link, spawn

STUBBORN = "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(600)"


class _Unkillable(subprocess.Popen[bytes]):
    """A process in uninterruptible sleep, as far as its parent can see: SIGKILL is pending, nothing happens."""

    def kill(self) -> None:
        self.kills = getattr(self, "kills", 0) + 1


def test_a_process_that_cannot_be_killed_is_left_behind_and_reaped_once_it_goes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(spawn, "KILLED_S", 0.1)
    ours, theirs = link.pair()
    process = _Unkillable([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        sensor = spawn.Sensor(process, link.Reader(ours), link.CommandSender(ours))
        left = spawn.reap()
        assert sensor.end(grace_s=0.1) is None
        assert process.kills == 1
        assert spawn.reap() == left + 1
    finally:
        theirs.close()
        subprocess.Popen.kill(process)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert spawn.reap() == left
    assert process.returncode == -9
    process.stdout.close()


def test_a_failed_start_keeps_no_descriptor_open() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    kept = []  # with its frames, so that nothing is closed by being forgotten
    for _ in range(5):
        with pytest.raises(OSError) as failed:
            spawn.spawn("position", {"driver": "a" * 200_000})  # more than execve takes
        kept.append(failed)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
