"""One open segment file: plaintext in, sealed 64 KiB chunks out, and the facts that the journal will attest.

Pure: no disk, no clock. A counter of the file key is used once (``ChunkSealer`` refuses otherwise), and a file
whose bytes may not have reached the disk is never written again: its ``Sealer`` is thrown away with it and what
it held goes into another file under another key (design, encryption at rest).

A *group* is what one flush handed over, up to a hole in one of its tracks. It becomes attestable when every byte of it
lies in sealed chunks; one that has waited too long is brought to the chunk boundary by a ``free`` box.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from agent.evidence import age, mp4
from agent.evidence.entries import Accuracy, TrackSpan
from agent.recorder.messages import MediaFragment


@dataclass(slots=True)
class Group:
    """The fragments of one flush: where they end, their hash so far, what lies in them."""

    digest: "hashlib._Hash"
    """Over what is sealed of it."""
    start: int
    end: int
    since_ns: int
    """Its oldest media is on the device, and not durable, since then."""
    fragments: list[MediaFragment] = field(default_factory=list)


@dataclass(slots=True)
class Whole:
    """A group that is sealed to its last byte: the facts of a ``fragment`` entry."""

    group: Group
    sealed: int
    sealed_sha256: bytes


@dataclass(slots=True)
class Closing:
    """The end of a file: the last chunks, and the facts of ``segment.close``."""

    data: list[bytes]
    whole: list[Whole]
    final_length: int
    final_sha256: bytes
    length: int
    sha256: bytes


class Sealer:
    """Seals one segment file; ``init`` is its first plaintext."""

    def __init__(self, init: bytes, recipients: Sequence[age.Recipient], random: Callable[[int], bytes]) -> None:
        header, key = age.header_and_payload_key(recipients, random)
        self._chunks = age.ChunkSealer(key)
        self._sealed_sha = hashlib.sha256(header)
        self._out = [header]
        self._held: list[bytes | memoryview] = [init]
        """Plaintext that is not sealed yet, in parts: each byte is joined once, with those that are sealed with it."""
        self._held_bytes = len(init)
        self.sealed = len(header)
        self.end = len(init)
        self.groups: list[Group] = []

    def add(self, fragments: Sequence[MediaFragment], since_ns: int) -> None:
        """Take one flush's fragments, the oldest of which waits since ``since_ns``."""
        ends: dict[str, int] = {}
        for fragment in fragments:
            if not ends or any(ends.get(span.track, span.tick) != span.tick for span in fragment.spans):
                self.groups.append(Group(hashlib.sha256(), self.end, self.end, since_ns))
                ends = {}
            self.groups[-1].fragments.append(fragment)
            self._extend(self.groups[-1], fragment.parts)
            ends.update((span.track, span.end_tick) for span in fragment.spans)

    def seal(self, before_ns: int) -> list[Whole]:
        """Seal whole chunks; where media that waits since before ``before_ns`` is left, make all whole by padding."""
        whole = self._seal_chunks()
        if any(group.since_ns < before_ns for group in self.groups):
            self._extend(self.groups[-1], [mp4.free_box(mp4.padding_for(self.end))])
            whole += self._seal_chunks()
        return whole

    def finish(self) -> Closing:
        """Seal what is left, ended by a ``free`` box, so that the last chunk is never empty."""
        free = mp4.free_box(8)
        self._held.append(free)
        self._held_bytes += len(free)
        whole, attested_groups = self._seal_chunks(least_left=1), self.groups
        self._take(b"".join(self._held), last=True)
        self.groups = []
        sha = self._sealed_sha.digest()
        whole += [Whole(group, self.sealed, sha) for group in attested_groups]
        return Closing(self.taken(), whole, len(free), hashlib.sha256(free).digest(), self.sealed, sha)

    def taken(self) -> list[bytes]:
        """Sealed chunks since the last call, to be written where the last ones ended."""
        out, self._out = self._out, []
        return out

    def _extend(self, group: Group, parts: Sequence[bytes]) -> None:
        self._held += parts
        length = sum(map(len, parts))
        self._held_bytes += length
        self.end += length
        group.end = self.end

    def _seal_chunks(self, least_left: int = 0) -> list[Whole]:
        """Whole chunks of what is held, as long as ``least_left`` bytes are left behind them."""
        most, whole, at = self._held_bytes - least_left, list[Whole](), 0
        if most < age.CHUNK_BYTES:
            return whole
        held = memoryview(b"".join(self._held))
        while most - at >= age.CHUNK_BYTES:
            whole += self._take(held[at : at + age.CHUNK_BYTES], last=False)
            at += age.CHUNK_BYTES
        self._held, self._held_bytes = [held[at:]], self._held_bytes - at
        return whole

    def _take(self, chunk: age.Buffer, last: bool) -> list[Whole]:
        """Hash, seal, hash: while the chunk is in the processor's cache."""
        at, length = self._chunks.counter * age.CHUNK_BYTES, len(chunk)
        for group in self.groups:
            first, end = max(0, group.start - at), min(length, group.end - at)
            if first < end:
                group.digest.update(chunk[first:end])
        sealed = self._chunks.seal(chunk, last=last)
        self._sealed_sha.update(sealed)
        self._out.append(sealed)
        self.sealed += len(sealed)
        done = [group for group in self.groups if group.end <= at + length]
        self.groups = self.groups[len(done) :]
        return [Whole(group, self.sealed, self._sealed_sha.digest()) for group in done]


def spans_of(group: Group) -> list[TrackSpan]:
    """Each track's fragments of a group as one span."""
    spans: dict[str, TrackSpan] = {}
    for fragment in group.fragments:
        for span in fragment.spans:
            first = spans.get(span.track)
            spans[span.track] = span if first is None else joined(first, span)
    return list(spans.values())


def joined(first: TrackSpan, last: TrackSpan) -> TrackSpan:
    """Two adjoining spans of a track as one."""
    return TrackSpan(
        track=first.track,
        tick=first.tick,
        end_tick=last.end_tick,
        count=first.count + last.count,
        first_us=first.first_us,
        last_us=last.last_us,
    )


def fix_of(group: Group) -> tuple[bool, Accuracy]:
    """Whether a fix lies in the group, and how accurate the last one is."""
    classes = [fragment.accuracy for fragment in group.fragments if fragment.fix]
    return (True, classes[-1]) if classes else (False, "none")
