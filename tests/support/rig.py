"""The real recorder and writer, stepped by hand: a clock that tests advance, seeded randomness, any disk.

``Rig`` is one device: ``boot`` recovers and starts, ``run`` lets sensors send for some seconds, ``kill`` forgets all
that was in memory. Messages are delivered at their moments; the writer answers at once, or late by ``disk_ns``.
"""

import random
from collections.abc import Callable, Iterator
from heapq import merge
from pathlib import Path

from agent.evidence import age
from agent.evidence.note import Signer
from agent.recorder import messages as m
from agent.recorder.disk import Disk, FolderDisk
from agent.recorder.journal_file import ROTATE_BYTES
from agent.recorder.recorder import Recorder
from agent.recorder.recovery import Device, Recovered, Recovery
from agent.recorder.settings import Settings
from agent.recorder.writer import Identity, Writer
from drivers.microphone import SoundFigures
from drivers.signals import NotSaid, Said
from tests.support import streams

NS_PER_S = 1_000_000_000
FIGURES_NS = 500_000_000
SPEAKING_NS = 2 * NS_PER_S
SETTINGS = Settings(
    prerecord_s=5,
    prerecord_sound=True,
    segment_s=10,
    flush_ms=400,
    queue_s=20,
    required_tracks=("video", "sound"),
    sensors=frozenset({"camera", "microphone"}),
    items_sha256="i" * 43,
    config_sha256="c" * 43,
)
SOUND_ONLY = Settings(
    prerecord_s=5,
    prerecord_sound=True,
    segment_s=10,
    flush_ms=400,
    queue_s=20,
    required_tracks=("sound",),
    sensors=frozenset({"microphone"}),
    items_sha256="i" * 43,
    config_sha256="c" * 43,
)


class Rig:
    """One device, one spool."""

    def __init__(self, disk: Disk | Path, settings: Settings = SETTINGS, seed: int = 1, now_s: float = 100) -> None:
        self.disk: Disk = FolderDisk(disk) if isinstance(disk, Path) else disk
        self.settings = settings
        self.random = random.Random(seed)
        self.now_ns = int(now_s * NS_PER_S)
        self.signer = Signer("liuhen/D1", bytes(range(32)))
        self.identity = age.Identity(bytes(range(1, 33)))
        self.boot_id = "boot-0"
        self.resume_s = 1800
        self.bytes_per_frame = 20_000
        self.preallocate_bytes = 1 << 20
        self.rotate_bytes = ROTATE_BYTES
        self.sound: streams.Sound | None = None
        self.camera_on = "camera" in settings.sensors
        self.speaker_on = True
        """Questions are spoken, for two seconds each."""
        self.somebody_speaks = False
        """What the detector finds, while it runs."""
        self.detecting = False
        self.level_cdb, self.clipped = -2_000, 0
        self._said: tuple[int, m.SignalsHeard] | None = None
        self.events: list[m.Event] = []
        self.fed_until_ns = self.now_ns
        self.disk_ns: Callable[[], int] = lambda: 0
        self._answer: tuple[int, m.Written | m.WriteFailed] | None = None

    # --- life ---------------------------------------------------------------------------------------------

    def recover(self, for_recording: bool = False) -> Recovered:
        """What ``liuhen recover`` does."""
        device = Device(id="D1", unit="U1", boot_id=self.boot_id, resume_s=self.resume_s)
        clock = m.ClockReading(self.now_ns, 1_780_000_000_000_000 + self.now_ns // 1000, "ntp", 50_000)
        now, draw = lambda: self.now_ns, self.random.randbytes
        recovery = Recovery(self.disk, self.signer, device, clock, now, draw, self.rotate_bytes)
        return recovery.run(for_recording)

    def boot(self) -> list[str]:
        """Recover and start recording again; what recovery did."""
        recovered = self.recover(for_recording=True)
        self.writer = Writer(
            self.disk,
            recovered.ledger,
            Identity("D1", [self.identity.recipient()]),
            lambda: self.now_ns,
            self.random.randbytes,
            self.preallocate_bytes,
        )
        self.recorder = Recorder(self.settings, recovered.ledger.state, recovered.resume, self.now_ns)
        self._answer = None
        self.fed_until_ns = self.now_ns
        if "camera" in self.settings.sensors:
            self.tell(m.Heard("camera", streams.CAMERA))
        if "microphone" in self.settings.sensors:
            self.new_microphone()
        for message in recovered.unasked(self.now_ns):
            self.tell(message)
        return recovered.done

    def new_microphone(self) -> None:
        """A fresh encoder, as after the start of the microphone's process."""
        self.sound = streams.Sound(self.now_ns)
        self.tell(m.Heard("microphone", streams.MICROPHONE))

    def kill(self) -> None:
        """The process dies: memory is gone."""
        self.writer.close()

    # --- time ---------------------------------------------------------------------------------------------

    def run(self, seconds: float) -> None:
        """Let the world go on: packets arrive, ticks come, the writer answers."""
        until_ns = self.now_ns + int(seconds * NS_PER_S)
        frames = self.bytes_per_frame if self.camera_on else 0
        coming = streams.heard(self.fed_until_ns, until_ns, self.sound, frames)
        for at_ns, message in merge(coming, self._figures(until_ns), key=lambda pair: pair[0]):
            self._tick_until(at_ns)
            self.now_ns = max(self.now_ns, at_ns)
            self.tell(message)
        self.fed_until_ns = until_ns
        self._tick_until(until_ns)
        self.now_ns = max(self.now_ns, until_ns)

    def _figures(self, until_ns: int) -> Iterator[tuple[int, m.Heard]]:
        """What the microphone's process says of its sound, while there is one."""
        at_ns = self.fed_until_ns
        while self.settings.duties and self.sound is not None and at_ns + FIGURES_NS <= until_ns:
            at_ns += FIGURES_NS
            speech_ms = (480 if self.somebody_speaks else 0) if self.detecting else -1
            levels = self.level_cdb, self.level_cdb, self.clipped
            figures = SoundFigures(at_ns - FIGURES_NS, FIGURES_NS, *levels, speech_ms)
            yield at_ns + 1, m.Heard("microphone", figures)

    def _tick_until(self, until_ns: int) -> None:
        while self.now_ns + 50_000_000 <= until_ns:
            self.now_ns += 50_000_000
            self.tell(m.Tick())

    def tell(self, message: m.Message) -> list[m.Event]:
        """One message into the recorder; its events."""
        if self._answer is not None and self._answer[0] <= self.now_ns:
            answer, self._answer = self._answer[1], None
            self._take(self.recorder.step(answer, self.now_ns))
        if self._said is not None and self._said[0] <= self.now_ns:
            said, self._said = self._said[1], None
            self._take(self.recorder.step(said, self.now_ns))
        before = len(self.events)
        self._take(self.recorder.step(message, self.now_ns))
        return self.events[before:]

    def at_once(self, message: m.Message) -> None:
        """One message before all that waits, as the service has it with a sleep of the machine."""
        self._take(self.recorder.step(message, self.now_ns))

    def _take(self, effects: list[m.Effect]) -> None:
        for effect in effects:
            if isinstance(effect, m.Handover):
                self._write(effect)
            elif isinstance(effect, m.Event):
                self.events.append(effect)
            elif isinstance(effect, m.Say):
                said = Said(effect.number, "w" * 43, 2000) if self.speaker_on else NotSaid(effect.number, "no speaker")
                self._said = (self.now_ns + SPEAKING_NS, m.SignalsHeard(said))
            elif isinstance(effect, m.Detect):
                self.detecting = effect.on
            elif isinstance(effect, m.Trial | m.Restart):
                continue  # there are no processes here
            else:
                self.events.append(m.Event("finished"))

    def _write(self, handover: m.Handover) -> None:
        wait_ns = self.disk_ns()
        answer = self.writer.step(handover)
        if wait_ns:
            self._answer = (self.now_ns + wait_ns, answer)
        else:
            self._take(self.recorder.step(answer, self.now_ns))

    # --- people -------------------------------------------------------------------------------------------

    def start(self) -> None:
        """A press."""
        self.tell(m.Start(self.now_ns))

    def stop(self) -> None:
        """A press that ends the session, and what must still come."""
        self.tell(m.Stop(self.now_ns))
        self.run(1)
