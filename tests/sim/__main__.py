"""``python -P -m tests.sim --seeds 200``: device lives from seeds; ``--seed S`` replays one and tells its story.

``--cuts N`` adds N power cuts of the real recorder on a loop device (``tests.sim.cuts``).
"""

import argparse
import importlib
import importlib.util
import time
import traceback

from tests.sim.life import Life, live

SECONDS_SHOWN = 10


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.sim", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many lives")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="replay this one and tell its story")
    parser.add_argument("--cuts", type=int, default=0, help="power cuts of the real recorder")
    options = parser.parse_args()
    if options.seed is not None:
        return replay(options.seed)
    failed = simulate(options.first, options.seeds)
    return 1 if failed or (options.cuts and cut(options.cuts)) else 0


def replay(seed: int) -> int:
    life = Life(seed, fine=seed % 10 == 9)
    try:
        life.run()
    except Exception:
        print("\n".join(life.told))
        traceback.print_exc()
        return 1
    print("\n".join(life.told))
    print(f"seed {seed} holds: {len(life.checker.sessions)} sessions, {len(life.checker.leaves)} entries")
    return 0


def simulate(first: int, count: int) -> int:
    """Lives one after the other; how many failed."""
    failed, entries, sessions, began, slowest = 0, 0, 0, time.process_time(), (0.0, first)
    for seed in range(first, first + count):
        before = time.process_time()
        outcome = live(seed)
        slowest = max(slowest, (time.process_time() - before, seed))
        entries, sessions = entries + outcome.entries, sessions + outcome.sessions
        if outcome.problem:
            failed += 1
            print(f"seed {seed} FAILED: {outcome.problem}")
            print("  " + "\n  ".join(outcome.told[-SECONDS_SHOWN:]))
            print(f"  replay: python -P -m tests.sim --seed {seed}")
    used = time.process_time() - began
    print(f"{count} lives, {sessions} sessions, {entries} entries, {failed} failed; {used:.0f} s of CPU, ", end="")
    print(f"at most {slowest[0]:.1f} s (seed {slowest[1]})")
    return failed


def cut(count: int) -> int:
    """Power cuts of the real recorder; 0 where all hold."""
    if importlib.util.find_spec("tests.sim.cuts") is None:
        print("tests.sim.cuts is not there: no power cuts")
        return 1
    return int(importlib.import_module("tests.sim.cuts").main(count) or 0)


if __name__ == "__main__":
    raise SystemExit(main())
