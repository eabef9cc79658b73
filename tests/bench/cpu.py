"""CPU of packets in to durable, sealed, journalled and signed, against the floor and against stock tools.

*Ours*: the real recorder and writer, fed with prepared packets as fast as they take them; real files, real syncs, one
hand-over each 0.4 s of media. *The floor*: exactly the file calls that ours makes (sizes, order, syncs; recorded in a
run over a disk that throws all away), SHA-256 over plaintext and over sealed bytes, ChaCha20-Poly1305 for each 64 KiB;
no JSON, tree, signature. *Tools*: ``ffmpeg -c copy -f segment`` into fragmented MP4 of 60 s, then ``sha256sum``,
``age``, ``sha256sum``. User and system time; what the kernel does later for a file is in none of them.

Ours and the floor are timed minute by minute of media, and of each minute the least of the rounds counts: a neighbour
on the machine disturbs minutes, not whole rounds.
"""

import gc
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from agent.evidence import age
from agent.recorder.disk import FolderDisk
from agent.recorder.messages import Heard
from tests.bench import child, media
from tests.bench.device import BEGAN_NS, BenchDevice
from tests.bench.limits import Measured
from tests.bench.trace import Call, TracingDisk

RECIPIENT = age.Identity(bytes(range(1, 33))).recipient().text()


def measure(folder: Path, packets: Path, seconds: int, rounds: int, where: str) -> dict[str, Measured]:
    """All of them in turn, ``rounds`` times; the last spool stays as ``folder/spool``."""
    calls = str(folder / "calls.json")
    child.run(trace, packets=str(packets), seconds=seconds, calls=calls)
    source = folder / "source.mp4"
    media.write_mp4(media.load(packets), folder / "joined.mp4", seconds)
    child.cpu_s(["ffmpeg", "-v", "error", "-i", "joined.mp4", "-c", "copy", source], folder)
    (folder / "joined.mp4").unlink()
    ours: list[list[float]] = []
    floors: list[list[float]] = []
    ffmpegs: list[float] = []
    tools: list[float] = []
    for _ in range(rounds):
        ours.append(fill(folder, packets, seconds))
        floors.append(child.run(floor, folder=str(_fresh(folder / "floor")), packets=str(packets), calls=calls))
        shutil.rmtree(folder / "floor")
        ffmpegs.append(_ffmpeg(_fresh(folder / "segments"), source))
        tools.append(ffmpegs[-1] + _hash_and_seal(folder / "segments"))
        shutil.rmtree(folder / "segments")
    source.unlink()
    least, least_floor = _least(ours), _least(floors)
    note = f"{seconds} s of media on {where}; least of {rounds} rounds: {least:.2f} s CPU"
    return {
        "cpu_vs_floor": Measured(least / least_floor, f"{note}, floor {least_floor:.2f} s"),
        "cpu_vs_tools": Measured(least / min(tools), f"tools {_each(tools)} s; ours {_each(map(sum, ours))} s"),
        "cpu_vs_ffmpeg": Measured(least / min(ffmpegs), f"ffmpeg {_each(ffmpegs)} s"),
    }


def fill(folder: Path, packets: Path, seconds: int) -> list[float]:
    """Record ``folder/spool`` anew; CPU seconds of each minute."""
    laps: list[float] = child.run(record, folder=str(_fresh(folder / "spool")), packets=str(packets), seconds=seconds)
    return laps


def _least(rounds: list[list[float]]) -> float:
    return float(sum(min(minute) for minute in zip(*rounds, strict=True)))


def _each(values: Iterable[float]) -> str:
    return ", ".join(f"{value:.2f}" for value in values)


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    os.sync()
    return folder


# --- ours -------------------------------------------------------------------------------------------------


def record(folder: str, packets: str, seconds: int) -> list[float]:
    """CPU seconds of each minute of a session of ``seconds``; making its packets is not among them."""
    prepared, watch = media.load(packets), _Watch()
    device = BenchDevice(FolderDisk(Path(folder)), prepared)
    watch.start()
    device.begin()
    watch.lap()
    for minute in _minutes(media.heard(prepared, BEGAN_NS, seconds)):
        watch.start()
        device.hear(minute)
        watch.lap()
    device.end()
    watch.lap()
    return watch.laps


def trace(packets: str, seconds: int, calls: str) -> int:
    """Write the file calls of such a session to ``calls``; how many there are."""
    prepared, disk = media.load(packets), TracingDisk()
    device = BenchDevice(disk, prepared)
    device.begin()
    disk.calls.append(("lap",))
    for minute in _minutes(media.heard(prepared, BEGAN_NS, seconds)):
        device.hear(minute)
        disk.calls.append(("lap",))
    device.end()
    disk.calls.append(("lap",))
    Path(calls).write_text(json.dumps(disk.calls))
    return len(disk.calls)


def _minutes(feed: Iterator[tuple[int, Heard]]) -> Iterator[list[tuple[int, Heard]]]:
    """The feed minute by minute of arrival."""
    minute_ns = 60 * media.NS_PER_S
    for _, minute in groupby(feed, key=lambda pair: (pair[0] - BEGAN_NS) // minute_ns):
        yield list(minute)


class _Watch:
    """CPU of this process, lap by lap."""

    def __init__(self) -> None:
        self.laps: list[float] = []
        self._since_s = 0.0

    def start(self) -> None:
        """From here on; no collection shall look through the prepared packets, which are the bench's."""
        gc.collect()
        gc.freeze()
        self._since_s = time.process_time()

    def lap(self) -> None:
        """A lap ends."""
        now_s = time.process_time()
        self.laps.append(now_s - self._since_s)
        self._since_s = now_s


# --- the floor ----------------------------------------------------------------------------------------------


def floor(folder: str, packets: str, calls: str) -> list[float]:
    """CPU seconds of each minute of what no recorder can leave out."""
    planned: list[Call] = json.loads(Path(calls).read_text())
    work = _Floor(folder, b"".join(media.load(packets).pictures), planned)
    work.watch.start()
    work.run()
    return work.watch.laps


class _Floor:
    def __init__(self, folder: str, plaintext: bytes, calls: list[Call]) -> None:
        self._folder, self._calls = folder, calls
        self._plaintext, self._at = memoryview(plaintext), 0
        self._encrypt, self._counter = ChaCha20Poly1305(bytes(32)).encrypt, 0
        self._plain_sha, self._sealed_sha = hashlib.sha256(), hashlib.sha256()
        self._files: dict[int, int] = {}
        self.watch = _Watch()

    def run(self) -> None:
        """All calls in order."""
        does: dict[str, Callable[..., Any]] = {
            "create": self._create,
            "seal": lambda file, offset, length: os.pwritev(self._files[file], self._sealed(length), offset),
            "write": lambda file, offset, length: os.pwrite(self._files[file], self._plaintext[:length], offset),
            "extend": lambda file, offset, length: os.posix_fallocate(self._files[file], offset, length),
            "truncate": lambda file, length: os.ftruncate(self._files[file], length),
            "sync": lambda file: os.fdatasync(self._files[file]),
            "lap": self.watch.lap,
            "close": lambda file: os.close(self._files.pop(file)),
        }
        for name, *arguments in self._calls:
            does[str(name)](*arguments)

    def _create(self, file: int) -> None:
        self._files[file] = os.open(f"{self._folder}/{file}", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o640)

    def _sealed(self, length: int) -> list[bytes]:
        """Sealed chunks of together ``length`` bytes."""
        pieces = []
        while length > 0:
            plain_length = max(1, min(length, age.SEALED_CHUNK_BYTES) - age.TAG_BYTES)
            if self._at + plain_length > len(self._plaintext):
                self._at = 0
            plain = self._plaintext[self._at : self._at + plain_length]
            self._plain_sha.update(plain)
            sealed = self._encrypt(self._counter.to_bytes(12, "big"), plain, None)
            self._sealed_sha.update(sealed)
            pieces.append(sealed)
            self._at, self._counter, length = self._at + plain_length, self._counter + 1, length - len(sealed)
        return pieces


# --- tools ---------------------------------------------------------------------------------------------------


def _ffmpeg(folder: Path, source: Path) -> float:
    cut = ["-f", "segment", "-segment_time", "60", "-segment_format", "mp4"]
    cut += ["-segment_format_options", "movflags=frag_keyframe+empty_moov+default_base_moof"]
    return child.cpu_s(["ffmpeg", "-v", "error", "-i", source, "-c", "copy", *cut, "%05d.mp4"], folder)


def _hash_and_seal(folder: Path) -> float:
    names = sorted(path.name for path in folder.iterdir())
    used = child.cpu_s(["sha256sum", *names], folder)
    used += sum(child.cpu_s(["age", "-r", RECIPIENT, "-o", f"{name}.age", name], folder) for name in names)
    return used + child.cpu_s(["sha256sum", *(f"{name}.age" for name in names)], folder)
