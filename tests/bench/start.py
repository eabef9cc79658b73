"""From exec of ``liuhen record`` until the first signed fragment entry is in the journal's file.

The spool holds a session that a kill cut, so the start recovers it and goes on by itself; the simulated camera has
to be started too, which is most of it.
"""

import statistics
import time
from pathlib import Path

from tests.bench import live
from tests.bench.limits import Measured


def measure(folder: Path, starts: int) -> dict[str, Measured]:
    """``start_s``."""
    config = live.write_config(folder, 0)
    with live.running(config):
        live.press_start(folder)
        if not live.wait_for_fragments(folder, 5, 30):
            return {"start_s": Measured(None, "the recorder wrote nothing")}
    taken = [_start(folder, config) for _ in range(starts)]
    note = f"median of {starts} starts that resume a killed session: " + ", ".join(f"{s:.2f}" for s in taken)
    return {"start_s": Measured(statistics.median(taken), note)}


def _start(folder: Path, config: Path) -> float:
    before = live.fragments(folder)
    began_s = time.monotonic()
    with live.running(config):
        live.wait_for_fragments(folder, before, 30)
        taken_s = time.monotonic() - began_s
        time.sleep(0.5)
    return taken_s
