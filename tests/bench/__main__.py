"""The command: measures, prints the table and, as the last line, one JSON object; exit 1 where a limit does not hold.

The two card measurements run in real time beside all others: they count bytes, and take a hundredth of a core.
Everything lies in one temporary folder, which goes at the end, mounts included.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from tests.bench import card, child, cpu, growth, media, memory, start, verifying
from tests.bench.limits import LIMITS, Measured, shortfalls, table
from tests.bench.volume import FileSystem, volume_or_folder

NAMES = ("cpu", "verify", "growth", "start", "memory", "card")
FILE_SYSTEMS: tuple[FileSystem, ...] = ("xfs", "ext4")


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    media_s: int
    rounds: int
    starts: int
    prerecord_s: int
    stall_s: int
    card_s: int
    appends: int
    disk_mb: int


FULL = Size(media_s=1808, rounds=3, starts=5, prerecord_s=30, stall_s=20, card_s=240, appends=2000, disk_mb=6000)
QUICK = Size(media_s=64, rounds=1, starts=1, prerecord_s=2, stall_s=2, card_s=8, appends=200, disk_mb=600)


@dataclass(frozen=True, slots=True)
class _Bench:
    size: Size
    folder: Path
    packets: Path

    def cpu_and_verify(self, wanted: frozenset[str]) -> dict[str, Measured]:
        """What is verified is the spool that the first leaves."""
        size, results = self.size, dict[str, Measured]()
        with volume_or_folder(self._sub("cpu"), size.disk_mb) as (disk, where):
            if "cpu" in wanted:
                results |= cpu.measure(disk, self.packets, size.media_s, size.rounds, where)
            else:
                cpu.fill(disk, self.packets, size.media_s)
            if "verify" in wanted:
                results |= verifying.measure(disk / "spool", 2 * size.rounds)
        return results

    def growth(self) -> dict[str, Measured]:
        return growth.measure(self._sub("growth"), 2 * self.size.rounds, self.size.appends)

    def start(self) -> dict[str, Measured]:
        return start.measure(self._sub("start"), self.size.starts)

    def memory(self) -> dict[str, Measured]:
        return memory.measure(self._sub("memory"), self.size.prerecord_s, self.size.stall_s)

    @contextmanager
    def cards(self) -> Iterator[Callable[[], dict[str, Measured]]]:
        """Begins both card measurements; what is given waits for them."""
        seconds, folder, packets = self.size.card_s, str(self._sub("card")), str(self.packets)
        begun = [
            child.begin(card.card_bytes, kind=kind, folder=folder, packets=packets, seconds=seconds)
            for kind in FILE_SYSTEMS
        ]
        try:
            yield lambda: {
                f"card_bytes_{kind}": card.measured(child.result(process), seconds)
                for kind, process in zip(FILE_SYSTEMS, begun, strict=True)
            }
        finally:
            for process in begun:
                process.terminate()
                process.wait()

    def _sub(self, name: str) -> Path:
        made = self.folder / name
        made.mkdir()
        return made


def measure(size: Size, wanted: frozenset[str], folder: Path) -> dict[str, Measured]:
    """All that is wanted, by key."""
    packets = folder / "packets"
    if wanted & {"cpu", "verify", "card"}:
        _tell("encoding")
        media.save(media.encode(), packets)
    bench, results = _Bench(size, folder, packets), dict[str, Measured]()
    with ExitStack() as stack:
        cards = stack.enter_context(bench.cards()) if "card" in wanted else dict
        if wanted & {"cpu", "verify"}:
            _tell("cpu, verify")
            results |= bench.cpu_and_verify(wanted)
        for name in ("growth", "start", "memory"):
            if name in wanted:
                _tell(name)
                results |= getattr(bench, name)()
        if "card" in wanted:
            _tell("card (in real time)")
        results |= cards()
    return {key: results[key] for key in LIMITS if key in results}


def _tell(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text} ...", file=sys.stderr, flush=True)


@click.command()
@click.option("--only", default=",".join(NAMES), show_default=True, help="Which measurements, separated by commas.")
@click.option("--quick", is_flag=True, help="Small sizes, to try the bench itself; nothing is judged.")
def main(only: str, quick: bool) -> None:
    """Measure what the recorder costs."""
    wanted = frozenset(only.split(","))
    if unknown := wanted - set(NAMES):
        raise click.UsageError(f"no measurement {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    child.end_in_order()
    with tempfile.TemporaryDirectory(prefix="liuhen-bench-") as folder:
        results = measure(QUICK if quick else FULL, wanted, Path(folder))
    print(table(results, judged=not quick))
    print(json.dumps({key: None if m.value is None else round(m.value, 4) for key, m in results.items()}))
    sys.exit(1 if shortfalls(results) and not quick else 0)


if __name__ == "__main__":
    main()
