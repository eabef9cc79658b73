"""The index made anew and followed: entries a CPU second, what an entry takes, and an hour's following."""

import time
from pathlib import Path

from agent.recorder.index import GATHERED, NAME, Index
from agent.recorder.index_keeper import IndexKeeper
from agent.recorder.timeline import NS_PER_S
from tests.bench.limits import Limit, Measured
from tests.support.lives import Life

FLUSH_NS = 400_000_000
INDEX_LIMITS = {
    "index_entries_per_s": Limit(50_000, "at least", "entries a CPU second while the index is made anew"),
    "index_bytes": Limit(64, "at most", "bytes of the index for each entry"),
    "index_cpu_per_h": Limit(1.5, "at most", "CPU seconds an hour of recording, for following its journal"),
}


def life(folder: Path, entries: int) -> Life:
    """A device that records hour after hour, with files as large as a recorder's, and syncs that cost nothing."""
    made = Life(folder, rotate_bytes=1 << 24)
    made.disk.sync = made.disk.sync_folder = lambda _: None  # type: ignore[method-assign,assignment]
    record(made, entries)
    return made


def record(made: Life, entries: int) -> None:
    """Until the journal has so many entries: a flush is a fragment, a file a minute, a session an hour."""
    while made.size < entries:
        number = made.size
        made.live(["open", "film"] if not made.open else ["film"])
        made.live([deed for deed, every in (("fault", 25), ("cut", 150), ("close", 9_000)) if number % every == 0])


def measure(folder: Path, entries: int) -> dict[str, Measured]:
    """``entries`` made anew, and an hour of flushes behind them."""
    made = life(folder, entries)
    began_s = time.process_time()
    index = Index.create(folder / NAME, made.disk, made.generation, made.origin)
    while index.step(made.size):
        if index.gathered >= GATHERED:
            index.commit()
    index.commit()
    index.close()
    took_s, length = time.process_time() - began_s, (folder / NAME).stat().st_size
    return {
        "index_entries_per_s": Measured(made.size / took_s, f"{made.size} entries in {took_s:.2f} s"),
        "index_bytes": Measured(length / made.size, f"{length} bytes"),
        "index_cpu_per_h": Measured(_follow(folder, made), "9,000 flushes of 0.4 s"),
    }


def _follow(folder: Path, made: Life) -> float:
    """CPU seconds for an hour of flushes, each followed by a turn of the keeper."""
    keeper, now_ns, taken_s = IndexKeeper(folder / NAME, made.disk, made.generation, made.origin), 0, 0.0
    for _ in range(3600 * NS_PER_S // FLUSH_NS):
        made.live(["open", "film"] if not made.open else ["film"])
        tree, began_s = made.tree, time.process_time()
        keeper.turn(tree, now_ns)
        taken_s += time.process_time() - began_s
        now_ns += FLUSH_NS
    keeper.close()
    assert not keeper.untold, keeper.untold
    return taken_s
