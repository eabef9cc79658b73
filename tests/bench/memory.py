"""Peak memory of the recorder's process, sensors' processes apart: a full pre-record, a press, a stalled sync.

The process is ``liuhen record`` with the real service, in real time; the stall is put into its disk's syncs.
"""

import sys
import time
from pathlib import Path

from tests.bench import live
from tests.bench.limits import Measured

STALLING = [sys.executable, "-P", "-c", "from tests.bench.live import record_stalling; record_stalling()"]


def measure(folder: Path, prerecord_s: int, stall_s: int) -> dict[str, Measured]:
    """``peak_rss_mb``."""
    config = live.write_config(folder, prerecord_s)
    with live.running(config, STALLING) as process:
        time.sleep(prerecord_s + 3)
        full_mb = live.peak_rss_mb(process.pid)
        live.press_start(folder)
        written = live.wait_for_fragments(folder, 5, 20)
        pressed_mb = live.peak_rss_mb(process.pid)
        (folder / "stall").touch()
        time.sleep(stall_s)
        before = live.fragments(folder)
        (folder / "stall").unlink()
        went_on = live.wait_for_fragments(folder, before, 20)
        time.sleep(2)
        peak_mb = live.peak_rss_mb(process.pid)
    if not (written and went_on):
        return {"peak_rss_mb": Measured(None, "the recorder did not record or did not go on after the stall")}
    note = f"pre-record of {prerecord_s} s full: {full_mb:.0f}, pressed: {pressed_mb:.0f}, sync stalled {stall_s} s: "
    return {"peak_rss_mb": Measured(peak_mb, f"{note}{peak_mb:.0f} MB; simulated camera, 1080p at 4 Mbit/s")}
