"""A segment file opens with stock age rules, tells exactly what of it is sealed, and ends with a ``free`` box."""

import hashlib
import io
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.evidence import age, mp4
from agent.evidence.entries import TrackSpan
from agent.recorder.messages import MediaFragment
from agent.recorder.sealer import Closing, Sealer, Whole, spans_of
from tests.support.reading import IDENTITY
from tests.support.samples import Sample, run_of

INIT = mp4.init_segment(None, mp4.SoundConfig(bytes.fromhex("1188"), 48_000, 1, 1024))
LATER_NS = 1 << 62


def fragment(sequence: int, size: int, tick: int = -1) -> MediaFragment:
    tick = sequence * 1024 if tick < 0 else tick
    parts = mp4.fragment_parts(sequence, [run_of(mp4.SOUND_TRACK, tick, [Sample(bytes(size), 1024, True)])])
    span = TrackSpan(track="sound", tick=tick, end_tick=tick + 1024, count=1, first_us=tick, last_us=tick + 1)
    return MediaFragment(
        session="s000001", parts=parts, spans=[span], key=True, fix=False, accuracy="none", arrived_ns=0
    )  # fmt: skip


def length(one: MediaFragment) -> int:
    return sum(map(len, one.parts))


def run(sizes: list[list[int]], padded: list[bool]) -> tuple[bytes, list[Whole], Closing]:
    """The file that some flushes make, what became whole on the way, and its end."""
    sealer = Sealer(INIT, [IDENTITY.recipient()], lambda count: bytes(range(count)))
    sealed, whole, sequence = b"", [], 0
    for flush, pad in zip(sizes, padded, strict=False):
        fragments = [fragment(sequence + i, size) for i, size in enumerate(flush)]
        sequence += len(flush)
        sealer.add(fragments, 0)
        whole += sealer.seal(1 if pad else 0)
        if pad:
            assert sealer.groups == [], "what is padded is whole"
        sealed += b"".join(sealer.taken())
    closing = sealer.finish()
    return sealed + b"".join(closing.data), whole + closing.whole, closing


FLUSHES = st.lists(st.lists(st.integers(1, 150_000), max_size=3), max_size=6)


@given(FLUSHES, st.lists(st.booleans(), min_size=6, max_size=6))
@settings(max_examples=60, deadline=None)
def test_any_flushes_make_a_whole_age_file_whose_entries_tile_it(sizes: list[list[int]], padded: list[bool]) -> None:
    sealed, whole, closing = run(sizes, padded)
    opened = age.read(io.BytesIO(sealed), [IDENTITY])
    assert (opened.complete, opened.sealed_end, closing.length) == (True, len(sealed), len(sealed))
    assert closing.sha256 == hashlib.sha256(sealed).digest()
    ends = [len(INIT), *(one.group.end for one in whole)]
    for one, (start, end) in zip(whole, pairwise(ends), strict=True):
        assert one.group.digest.digest() == hashlib.sha256(opened.plaintext[start:end]).digest()
        assert one.sealed_sha256 == hashlib.sha256(sealed[: one.sealed]).digest()
        assert one.sealed >= end, "an entry never covers more than what is on disk"
    final = opened.plaintext[ends[-1] :]
    assert (final, closing.final_length) == (mp4.free_box(8), 8)
    view = mp4.parse_segment(opened.plaintext)
    assert (view.problem, len(view.fragments)) == ("", sum(map(len, sizes)))


@given(st.integers(1, 70_000))
@settings(max_examples=40, deadline=None)
def test_padding_fills_the_chunk_with_zeros_and_no_more(size: int) -> None:
    sealer = Sealer(INIT, [IDENTITY.recipient()], lambda count: bytes(count))
    sealer.add([fragment(1, size)], 0)
    (whole,) = sealer.seal(1)
    assert whole.group.end % age.CHUNK_BYTES == 0
    gap = whole.group.end - len(INIT) - length(fragment(1, size))
    assert gap == 0 or 8 <= gap < age.CHUNK_BYTES + 8


def test_what_does_not_wait_too_long_is_not_padded() -> None:
    sealer = Sealer(INIT, [IDENTITY.recipient()], lambda count: bytes(count))
    sealer.add([fragment(1, 1000)], 50)
    assert sealer.seal(50) == []
    assert len(sealer.seal(51)) == 1


def test_the_closing_box_alone_may_open_a_chunk_of_its_own() -> None:
    """The last chunk is never empty: where the media ends on the boundary, the box stands alone in the last chunk."""
    empty = length(fragment(0, 0))
    sealed, whole, closing = run([[age.CHUNK_BYTES - len(INIT) - empty]], [False])
    assert whole[0].group.end == age.CHUNK_BYTES
    opened = age.read(io.BytesIO(sealed), [IDENTITY])
    assert opened.plaintext[age.CHUNK_BYTES :] == mp4.free_box(8)
    for short in range(1, 9):
        sealed, _, closing = run([[age.CHUNK_BYTES - len(INIT) - empty - short]], [False])
        assert age.read(io.BytesIO(sealed), [IDENTITY]).complete
        assert closing.length == len(sealed)


def test_a_hole_in_a_track_begins_another_group() -> None:
    """An entry's span of a track is without a hole."""
    sealer = Sealer(INIT, [IDENTITY.recipient()], lambda count: bytes(count))
    sealer.add([fragment(1, 10, 0), fragment(2, 10, 1024), fragment(3, 10, 9000)], 0)
    spans = [spans_of(one.group)[0] for one in sealer.seal(LATER_NS)]
    assert [(span.tick, span.end_tick, span.count) for span in spans] == [(0, 2048, 2), (9000, 10024, 1)]
