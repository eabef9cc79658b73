"""Speed of ``liuhen verify`` (every root, every checkpoint's signature, no identity) against ``sha256sum``.

Both as processes from exec to exit, over the same spool with its files in the page cache; the least of the rounds.
"""

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from tests.bench.device import SIGNER
from tests.bench.limits import Measured
from tests.bench.live import LIUHEN


def measure(spool: Path, rounds: int) -> dict[str, Measured]:
    """``verify_vs_sha256sum``."""
    files = sorted(path for path in spool.rglob("*") if path.is_file())
    size_mb = sum(path.stat().st_size for path in files) / 1e6
    verify = [*LIUHEN, "verify", str(spool), "--key", SIGNER.vkey.line(), "--json"]
    sums, verifies = [], []
    for _ in range(rounds):
        sums.append(_wall_s(["sha256sum", *map(str, files)]))
        verifies.append(_wall_s(verify))
    note = f"{size_mb:.0f} MB; least of {rounds} in turn: verify {min(verifies):.2f} s, sha256sum {min(sums):.2f} s"
    return {"verify_vs_sha256sum": Measured(min(sums) / min(verifies), note)}


def _wall_s(command: Sequence[str]) -> float:
    """Seconds from exec to exit; RuntimeError with what it said where it found something wrong."""
    began_s = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True)
    taken_s = time.monotonic() - began_s
    if done.returncode not in (0, 2):  # 2: a spool without a store's co-signature cannot be told to be whole
        raise RuntimeError(
            f"{command[0]} {command[-4:]} gave {done.returncode}: {done.stdout[-600:]}{done.stderr[-600:]}"
        )
    return taken_s
