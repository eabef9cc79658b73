"""The real recorder, writer and service in their threads, fed with prepared packets instead of sensors' processes.

``Live`` is one device on a folder in real time. It leaves to the code under test everything that the product does,
and only watches: which packet reached the recorder's step when, and how long each flush took from its hand-over to
the return of the journal's sync. Packets carry their number, counted from CLOCK_BOOTTIME 0, over restarts too.
"""

import contextlib
import mmap
import os
import queue
import random
import struct
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from agent.evidence import age
from agent.evidence.note import Signer
from agent.recorder import messages as m
from agent.recorder.clock import boottime_ns
from agent.recorder.disk import FolderDisk
from agent.recorder.recorder import Recorder
from agent.recorder.recovery import Device, Recovery
from agent.recorder.service import Service, WatchedDisk, as_disk
from agent.recorder.settings import Settings
from agent.recorder.state import DeviceState
from agent.recorder.writer import Identity, Writer
from drivers.camera import VideoPacket
from drivers.microphone import SoundPacket
from tests.support import streams

NS_PER_S = 1_000_000_000
SIGNER_SEED = bytes(range(32))
IDENTITY = age.Identity(bytes(range(1, 33)))
FEED_EVERY_S = 0.01
RESERVED_BYTES = 4 << 20


class Witness(Protocol):
    """Who is told what the recorder saw and the disk took."""

    def reached(self, track: str, number: int, now_ns: int) -> None:
        """A packet is in the recorder's step."""

    def flushing(self, handed_ns: int) -> None:
        """A flush was handed over."""

    def flushed(self, done_ns: int) -> None:
        """The flush handed over last has returned from the journal's sync."""


class History:
    """A witness that keeps everything, for a process that survives the cut."""

    def __init__(self) -> None:
        self.packets: dict[str, list[tuple[int, int]]] = {"video": [], "sound": []}
        """(moment, number), in order."""
        self.flushes: list[list[int]] = []
        """[handed over] or [handed over, done]."""

    def reached(self, track: str, number: int, now_ns: int) -> None:
        self.packets[track].append((now_ns, number))

    def flushing(self, handed_ns: int) -> None:
        self.flushes.append([handed_ns])

    def flushed(self, done_ns: int) -> None:
        self.flushes[-1].append(done_ns)

    def last(self, track: str, at_ns: int) -> int:
        """Number of the last packet that had reached the recorder at a moment; -1 for none."""
        return next((number for ns, number in reversed(self.packets[track]) if ns <= at_ns), -1)

    def longest_flush_s(self, began_ns: int, ended_ns: int) -> float:
        """The longest of the last two flushes before a cut that took from began to ended, and of the one under way."""
        known = [(flush[0], min([*flush[1:], ended_ns])) for flush in self.flushes if flush[0] <= ended_ns]
        return longest_flush_s(known, began_ns)


def longest_flush_s(flushes: Sequence[tuple[int, int]], cut_ns: int) -> float:
    """The longest of the last two flushes (handed over, done) before a cut, and of the one under way at it."""
    kept = 3 if flushes and flushes[-1][1] >= cut_ns else 2
    return max((done_ns - handed_ns for handed_ns, done_ns in flushes[-kept:]), default=0) / NS_PER_S


class SharedNotes:
    """A witness in a mapped file: what it was told last outlives a SIGKILL of its process."""

    LAYOUT = struct.Struct("<9q")
    KEPT = 3

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(self.LAYOUT.size))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), self.LAYOUT.size)
        self._flush = 0

    def _put(self, index: int, value: int) -> None:
        struct.pack_into("<q", self._map, 8 * index, value)

    def clear(self) -> None:
        """Forget an earlier life."""
        self.LAYOUT.pack_into(self._map, 0, *([-1] * 9))

    def reached(self, track: str, number: int, now_ns: int) -> None:
        self._put(0 if track == "video" else 1, number)

    def flushing(self, handed_ns: int) -> None:
        self._flush += 1
        slot = 2 + 2 * (self._flush % self.KEPT)
        self._put(slot + 1, -1)
        self._put(slot, handed_ns)

    def flushed(self, done_ns: int) -> None:
        self._put(3 + 2 * (self._flush % self.KEPT), done_ns)

    def pressed(self, stop_ns: int) -> None:
        """The last press was a stop at that moment; -1: a start."""
        self._put(8, stop_ns)

    def last(self, track: str) -> int:
        """Number of the last packet that had reached the recorder; -1 for none."""
        return self._values()[0 if track == "video" else 1]

    def stopped_ns(self) -> int:
        """Moment of the last press if it was a stop, else -1."""
        return self._values()[8]

    def longest_flush_s(self, cut_ns: int) -> float:
        """As ``History.longest_flush_s``."""
        values = self._values()
        pairs = [values[i : i + 2] for i in range(2, 8, 2) if values[i] >= 0]
        known = sorted((handed, done if done >= 0 else cut_ns) for handed, done in pairs)
        return longest_flush_s(known, cut_ns)

    def _values(self) -> tuple[int, ...]:
        return self.LAYOUT.unpack_from(self._map, 0)


class WitnessedRecorder(Recorder):
    """The recorder; each packet is told when its step begins."""

    witness: Witness

    def step(self, message: m.Message, now_ns: int) -> list[m.Effect]:
        if isinstance(message, m.Heard):
            packet = message.message
            if isinstance(packet, VideoPacket):
                self.witness.reached("video", packet.number, now_ns)
            elif isinstance(packet, SoundPacket):
                self.witness.reached("sound", int.from_bytes(packet.data[:8], "big"), now_ns)
        return super().step(message, now_ns)


class WitnessedWriter(Writer):
    """The writer; each flush is told with its hand-over and its end."""

    witness: Witness

    def step(self, handover: m.Handover) -> m.Written | m.WriteFailed:
        self.witness.flushing(handover.handed_ns)
        answer = super().step(handover)
        self.witness.flushed(boottime_ns())
        return answer


class SlowDisk(FolderDisk):
    """A folder whose every sync takes ``sync_s`` longer, and stands still while ``stalled`` is set."""

    def __init__(self, root: Path, sync_s: float = 0.0) -> None:
        super().__init__(root)
        self.sync_s = sync_s
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def sync(self, file: int) -> None:
        self.may_go_on.wait()
        if self.sync_s:
            time.sleep(self.sync_s)
        super().sync(file)


@dataclass(frozen=True, slots=True)
class Diet:
    """What the sensors send: bytes a frame (0: no camera), bytes a sound packet, seconds of past stamps in a burst."""

    frame_bytes: int
    sound_bytes: int = 160
    burst_s: int = 0


class Feeder(threading.Thread):
    """Posts packets as their moment comes."""

    def __init__(self, service: Service, diet: Diet) -> None:
        super().__init__(name="feeder", daemon=True)
        self._service, self._diet = service, diet
        self._sound = streams.Sound(0, size_bytes=diet.sound_bytes)
        self._ended = threading.Event()
        self.burst_s = diet.burst_s

    def run(self) -> None:
        fed_ns = boottime_ns() - self.burst_s * NS_PER_S
        if self._diet.frame_bytes:
            self._service.post(m.Heard("camera", streams.CAMERA))
        self._service.post(m.Heard("microphone", streams.MICROPHONE))
        while not self._ended.is_set():
            until_ns = boottime_ns()
            for _, heard in streams.heard(fed_ns, until_ns, self._sound, self._diet.frame_bytes):
                self._service.post(heard)
            fed_ns = until_ns
            self._ended.wait(FEED_EVERY_S)

    def end(self) -> None:
        """No more packets."""
        self._ended.set()
        self.join()


class Live:
    """One device in real time; ``disk`` and ``witness`` are the test's."""

    def __init__(self, disk: FolderDisk, settings: Settings, diet: Diet, witness: Witness, boot_id: str) -> None:
        self.settings, self.diet = settings, diet
        device = Device(id="D1", unit="U1", boot_id=boot_id, resume_s=1800)
        signer = Signer("liuhen/D1", SIGNER_SEED)
        watched = WatchedDisk(disk)
        dice = random.SystemRandom().randbytes
        recovered = Recovery(as_disk(watched), signer, device, None, boottime_ns, dice).run(for_recording=True)
        self.state: DeviceState = recovered.ledger.state
        identity = Identity("D1", [IDENTITY.recipient()])
        writer = WitnessedWriter(as_disk(watched), recovered.ledger, identity, boottime_ns, dice, RESERVED_BYTES)
        recorder = WitnessedRecorder(settings, self.state, recovered.resume, boottime_ns())
        writer.witness = recorder.witness = witness
        self.service = Service(recorder, writer, watched)
        self.events = self.service.hub.listen()
        self.status: int | None = None
        self._runner = threading.Thread(target=self._run, name="service", daemon=True)
        self._feeder = Feeder(self.service, diet)

    def _run(self) -> None:
        self.status = self.service.run(lambda: None)

    def begin(self, burst: bool = True) -> None:
        """Start the threads and the packets; ``burst``: those with past stamps, too."""
        self._feeder.burst_s *= burst
        self._runner.start()
        self._feeder.start()

    def start(self) -> int:
        """Press; the moment."""
        pressed_ns = boottime_ns()
        assert self.service.command(m.Start(pressed_ns)).name == "accepted"
        return pressed_ns

    def stop(self) -> int:
        """Press again; the moment."""
        pressed_ns = boottime_ns()
        assert self.service.command(m.Stop(pressed_ns)).name == "accepted"
        return pressed_ns

    def wait_for(self, event: str, timeout_s: float = 30.0) -> m.Event:
        """The next event of that name; those before it are forgotten."""
        until = time.monotonic() + timeout_s
        while (left := until - time.monotonic()) > 0:
            with contextlib.suppress(queue.Empty):
                found = self.events.get(timeout=left)
                if found.name == event:
                    return found
        raise TimeoutError(f"no event {event} within {timeout_s} s")

    def ask(self, ask: Callable[[Recorder], object]) -> object:
        """Something that the recorder thread answers once it has taken all messages before."""
        return self.service.ask(ask, 30.0)

    def shut_down(self) -> int | None:
        """SIGTERM, without a process: flush, close, end; the exit status."""
        self._feeder.end()
        self.service.stop()
        self._runner.join(60)
        return self.status


def peak_rss_mb() -> float:
    """Highest resident memory of this process so far, MB."""
    status = Path(f"/proc/{os.getpid()}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024
