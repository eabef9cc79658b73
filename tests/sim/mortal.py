"""The recorder as a process that may be killed: ``python -P -m tests.sim.mortal SPOOL MODE SYNC_S NOTES``.

Records in a mode of ``tests.sim.cuts``, says ``ready`` once a session is recording, and ends when its standard input
does, so that it never outlives the test. What the recorder had reached is in the mapped file NOTES.
"""

import select
import sys
import time
from pathlib import Path

from tests.sim.modes import MODES, Mode
from tests.support.live import Live, SharedNotes, SlowDisk

SETTLE_S = 1.2


def main(spool: Path, mode: Mode, sync_s: float, notes: SharedNotes) -> None:
    """Resume, or start; then press as the mode asks until standard input ends."""
    live = Live(SlowDisk(spool, sync_s), mode.settings, mode.diet, notes, "boot-0")
    resuming = bool(live.state.sessions)
    live.begin(burst=not resuming)  # sensors that start anew have no past
    if resuming:
        live.wait_for("session.resumed")
    else:
        live.ask(lambda _: None)
        time.sleep(SETTLE_S)
        live.start()
        live.wait_for("session.open")
    print("ready", flush=True)
    while not _ended(mode.session_s):
        notes.pressed(live.stop())
        live.wait_for("session.close")
        if _ended(mode.pause_s):
            return
        notes.pressed(-1)
        live.start()
        live.wait_for("session.open")


def _ended(wait_s: float) -> bool:
    """Whether standard input ends within a time; 0: wait for that alone."""
    return bool(select.select([sys.stdin], [], [], wait_s or None)[0])


if __name__ == "__main__":
    main(Path(sys.argv[1]), MODES[int(sys.argv[2])], float(sys.argv[3]), SharedNotes(Path(sys.argv[4])))
