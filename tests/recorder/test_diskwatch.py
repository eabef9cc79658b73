"""A flush that takes longer than 2 s is told once while it lasts, and its end with the worst of it (promise 3)."""

from agent.recorder.diskwatch import SLOW_NS, DiskWatch

MS = 1_000_000


def test_a_free_writer_is_never_slow() -> None:
    watch = DiskWatch()
    assert watch.under_way_ms(10**12) == 0
    assert watch.begin(10**12, 0) is None
    assert watch.end(10**12, 5) is None


def test_a_flush_is_slow_from_two_seconds_on_and_told_once() -> None:
    watch = DiskWatch(handed_ns=5_000 * MS)
    assert watch.begin(5_000 * MS + SLOW_NS, 4) is None
    begun = watch.begin(7_001 * MS, 4)
    assert begun is not None
    assert (begun.impairment, begun.kind, begun.since_us) == (4, "storage.slow", 5_000_000)
    assert watch.begin(9_000 * MS, 5) is None
    assert watch.under_way_ms(9_000 * MS) == 4_000


def test_its_end_tells_the_worst() -> None:
    watch = DiskWatch(handed_ns=0)
    watch.begin(3_000 * MS, 1)
    ended = watch.end(4_000 * MS, 3_900)
    assert ended is not None
    assert (ended.impairment, ended.until_us, ended.worst_ms) == (1, 4_000_000, 4_000)
    assert watch.end(5_000 * MS, 1) is None
