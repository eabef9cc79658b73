"""Pre-record on its way from the ring to the disk, and the live packets that wait behind it.

Oldest first, in pieces of at most 2 s, outside the budget; where the disk is so slow that the live media fill the
budget, what is not written yet is given up first, and said (design, a flush). Pure.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from agent.evidence import entries as e
from agent.recorder.formats import Formats
from agent.recorder.messages import Item
from agent.recorder.ring import Packet
from agent.recorder.session import Session
from agent.recorder.timeline import NS_PER_MS, NS_PER_US

PIECE_NS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class _Down:
    """A source ended here."""

    track: e.Track
    text: str
    now_us: int


class Prerecord:
    """``told`` false: after a resumption, where there is no press to count from."""

    def __init__(self, packets: Sequence[Packet], formats: Formats, length_ms: int, told: bool) -> None:
        self._packets = deque(packets)
        self._formats = formats
        self._length_ms = length_ms
        self._told = told
        self._live: list[tuple[Packet, Formats] | _Down] = []

    def add_live(self, packet: Packet, formats: Formats) -> None:
        """A packet that waits behind."""
        self._live.append((packet, formats))

    def add_down(self, track: e.Track, text: str, now_us: int) -> None:
        """A source that ended, behind the packets that it sent before."""
        self._live.append(_Down(track, text, now_us))

    def live_us(self) -> int:
        """How much waits behind, by the longer track."""
        return max(sum(p.duration_ns for p in self._live_packets(track)) for track in ("video", "sound")) // NS_PER_US

    def _live_packets(self, track: str) -> list[Packet]:
        return [one[0] for one in self._live if not isinstance(one, _Down) and one[0].track == track]

    @property
    def is_written(self) -> bool:
        """Everything from the ring has gone to the writer."""
        return not self._packets

    def next_piece(self, session: Session, utc_us: int) -> list[Item]:
        """The next 2 s."""
        items: list[Item] = []
        until_ns = self._packets[0].decode_ns + PIECE_NS
        while self._packets and self._packets[0].decode_ns < until_ns:
            items += session.add(self._packets.popleft(), self._formats)
        return items + session.flush(utc_us)

    def finish(self, session: Session, utc_us: int, given_up_ms: int = 0) -> list[Item]:
        """Its end is an entry, from which promise 3 counts; then what came meanwhile."""
        items: list[Item] = []
        if self._told:
            written = e.PrerecordWritten(written_ms=self._length_ms - given_up_ms, given_up_ms=given_up_ms)
            items.append(session.draft(written))
        for one in self._live:
            items += (
                session.sensor_down(one.track, one.text, one.now_us) if isinstance(one, _Down) else session.add(*one)
            )
        return items + session.flush(utc_us)

    def give_up(self, session: Session, utc_us: int) -> list[Item]:
        """Give up what is not written, up to the first live key frame; nothing where there is none yet."""
        keys = [p for p in self._live_packets("video") or self._live_packets("sound") if p.key]
        if not keys:
            return []
        first_ns = keys[0].capture_ns
        given_up_ms = (self._packets[-1].capture_ns - self._packets[0].capture_ns) // NS_PER_MS
        self._packets.clear()
        kept_ns = min(first_ns, keys[0].decode_ns)
        self._live = [one for one in self._live if isinstance(one, _Down) or one[0].decode_ns >= kept_ns]
        jumped = session.jump(first_ns // NS_PER_US)
        return jumped + self.finish(session, utc_us, min(given_up_ms, self._length_ms))
