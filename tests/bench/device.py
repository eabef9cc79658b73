"""The real recorder and writer in one thread under a clock that the packets' arrival moves.

As ``tests.support.rig``, with the shipped settings and without its ticks: in the service, packets come so close that
hardly a turn is a tick.
"""

import os
import time
from collections.abc import Iterable, Iterator

from agent.evidence import age
from agent.evidence.note import Signer
from agent.recorder import messages as m
from agent.recorder.disk import Disk
from agent.recorder.recorder import Recorder
from agent.recorder.recovery import Device, Recovery
from agent.recorder.settings import Settings
from agent.recorder.writer import Identity, Writer
from tests.bench.media import BIT_RATE_KBIT, NS_PER_S, Media

SEGMENT_S = 60
SETTINGS = Settings(
    prerecord_s=0,
    prerecord_sound=True,
    segment_s=SEGMENT_S,
    flush_ms=400,
    queue_s=20,
    required_tracks=("video", "sound"),
    sensors=frozenset({"camera", "microphone"}),
    items_sha256="i" * 43,
    config_sha256="c" * 43,
)
RESERVED_BYTES = (BIT_RATE_KBIT + 64) * 1000 // 8 * SEGMENT_S * 11 // 10
"""As ``compose.reserved_bytes`` has it."""
SIGNER = Signer("liuhen/BENCH", bytes(range(32)))
BEGAN_NS = 100 * NS_PER_S


class BenchDevice:
    """One device over a disk; ``paced``: in real time."""

    def __init__(self, disk: Disk, media: Media, paced: bool = False) -> None:
        self._media, self._paced = media, paced
        self._began_s = time.monotonic()
        self.now_ns = BEGAN_NS
        device = Device(id="BENCH", unit="U1", boot_id="bench", resume_s=1800)
        clock = m.ClockReading(self.now_ns, 1_780_000_000_000_000, "ntp", 50_000)
        recovered = Recovery(disk, SIGNER, device, clock, self._now, os.urandom).run(for_recording=True)
        recipient = age.Identity(bytes(range(1, 33))).recipient()
        self.writer = Writer(
            disk, recovered.ledger, Identity("BENCH", [recipient]), self._now, os.urandom, RESERVED_BYTES
        )
        self.recorder = Recorder(SETTINGS, recovered.ledger.state, recovered.resume, self.now_ns)

    def begin(self) -> None:
        """The sensors say what they are, and somebody presses."""
        self._tell(m.Heard("camera", self._media.camera))
        self._tell(m.Heard("microphone", self._media.microphone))
        self._tell(m.Start(self.now_ns))

    def hear(self, packets: Iterable[tuple[int, m.Heard]]) -> None:
        """Packets at their moments of arrival."""
        step = self.recorder.step
        for at_ns, message in self._in_time(packets) if self._paced else packets:
            self.now_ns = at_ns
            for effect in step(message, at_ns):
                self._do(effect)

    def end(self) -> None:
        """The session's close, and all that is then to be written."""
        self._tell(m.Stop(self.now_ns))
        for _ in range(40):
            self.now_ns += NS_PER_S // 20
            self._tell(m.Tick())
        self.writer.close()

    def _now(self) -> int:
        return self.now_ns

    def _tell(self, message: m.Message) -> None:
        for effect in self.recorder.step(message, self.now_ns):
            self._do(effect)

    def _do(self, effect: m.Effect) -> None:
        if isinstance(effect, m.Handover):
            self._tell(self.writer.step(effect))

    def _in_time(self, packets: Iterable[tuple[int, m.Heard]]) -> Iterator[tuple[int, m.Heard]]:
        for at_ns, message in packets:
            time.sleep(max(0.0, self._began_s + (at_ns - BEGAN_NS) / NS_PER_S - time.monotonic()))
            yield at_ns, message
