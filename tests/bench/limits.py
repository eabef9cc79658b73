"""The numbers that the bench must show, with their limits, and the table that says whether they hold.

A key without a limit is reported only. A number that could not be measured (no loop device) is null; it does not fail
the run, the table says why.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Limit:
    """One key of the last line."""

    bound: float | None
    sense: Literal["at most", "at least", ""]
    what: str
    goal: float | None = None

    def holds(self, value: float | None) -> bool:
        """Whether a value keeps the limit; one that is missing or only reported does."""
        if value is None or self.bound is None:
            return True
        return value <= self.bound if self.sense == "at most" else value >= self.bound

    def words(self) -> str:
        """The limit as the table shows it."""
        if self.bound is None:
            return "reported"
        return f"{self.sense} {self.bound:g}" + (f" (goal {self.goal:g})" if self.goal is not None else "")


@dataclass(frozen=True, slots=True)
class Measured:
    """A number, and how it came about."""

    value: float | None
    note: str


LIMITS: Mapping[str, Limit] = {
    "cpu_vs_floor": Limit(1.4, "at most", "CPU of packets in to durable and signed / the floor", 1.25),
    "cpu_vs_tools": Limit(1.0, "at most", "the same / ffmpeg segment, sha256sum, age, sha256sum"),
    "cpu_vs_ffmpeg": Limit(None, "", "the same / ffmpeg segment alone"),
    "peak_rss_mb": Limit(120, "at most", "peak memory of the recorder's process, MB"),
    "start_s": Limit(2, "at most", "from exec to the first signed fragment, s"),
    "card_bytes_xfs": Limit(1.10, "at most", "bytes that reach the block device / media byte, xfs"),
    "card_bytes_ext4": Limit(1.15, "at most", "the same, ext4"),
    "verify_vs_sha256sum": Limit(0.35, "at least", "speed of verify / speed of sha256sum"),
    "append_growth": Limit(1.3, "at most", "CPU of an append at 10,000,000 entries / at 10,000"),
    "start_growth": Limit(1.3, "at most", "CPU of a start at 10,000,000 entries / at 10,000"),
}


def shortfalls(results: Mapping[str, Measured]) -> list[str]:
    """Keys whose limit does not hold."""
    return [key for key, measured in results.items() if not LIMITS[key].holds(measured.value)]


def table(results: Mapping[str, Measured], judged: bool = True) -> str:
    """One line a number, and below it how it was measured."""
    lines = []
    for key, measured in results.items():
        limit, value = LIMITS[key], measured.value
        verdict = "not judged" if not judged else _verdict(limit, value)
        shown = "-" if value is None else f"{value:.3f}"
        lines.append(f"{key:<20} {shown:>9}  {limit.words():<24} {verdict:<12} {limit.what}")
        lines.append(f"{'':<20} {'':>9}  {measured.note}")
    return "\n".join(lines)


def _verdict(limit: Limit, value: float | None) -> str:
    if value is None:
        return "not measured"
    if limit.bound is None:
        return ""
    return "holds" if limit.holds(value) else "FALLS SHORT"
