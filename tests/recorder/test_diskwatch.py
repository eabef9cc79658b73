"""A flush that takes longer than 2 s is told once while it lasts, and its end with the worst of it (promise 3)."""

from agent.recorder.diskwatch import SLOW_NS, DiskWatch

MS = 1_000_000


def test_a_free_writer_is_never_slow() -> None:
    watch = DiskWatch()
    assert watch.under_way_ms(10**12) == 0
    assert watch.begin(10**12) is None
    assert watch.end(10**12, 5) is None


def test_a_flush_is_slow_from_two_seconds_on_and_told_once() -> None:
    watch = DiskWatch(handed_ns=5_000 * MS)
    assert watch.begin(5_000 * MS + SLOW_NS) is None
    assert watch.begin(7_001 * MS) == 5_000 * MS
    assert watch.begin(9_000 * MS) is None
    assert watch.under_way_ms(9_000 * MS) == 4_000


def test_its_end_tells_the_worst() -> None:
    watch = DiskWatch(handed_ns=0)
    watch.begin(3_000 * MS)
    assert watch.end(4_000 * MS, 3_900) == 4_000
    assert watch.end(5_000 * MS, 1) is None
