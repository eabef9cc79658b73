"""Composes small valid spools straight from ``agent.evidence``: the format's second, independent writer.

It shares no line with the recorder, so that what verifies here and what verifies there is held together by the
formats alone. A flush is ``flush_s`` seconds: frames of made-up NAL units in two fragments, the sound packets that
fit, a ``free`` box up to the chunk's end. Time moves only by ``flush`` and ``wait``.
"""

import hashlib
import random
from pathlib import Path
from typing import Any

from msgspec import UNSET, structs

from agent.evidence import aac, age, canonical, mp4, private
from agent.evidence import entries as e
from agent.evidence.checkpoint import Cosigner
from agent.evidence.journal import Log
from agent.evidence.note import Signer
from agent.evidence.tree import leaf_hash
from tests.support.samples import Sample, run_of

UTC_START_US = 1_772_000_000_000_000
FRAME_TICKS, PACKET = 3_600, 1_024
SECOND = 1_000_000


def sha(data: bytes) -> str:
    return canonical.b64(hashlib.sha256(data).digest())


class Device:
    """A device that writes its spool; the whole of it follows from the seed."""

    def __init__(self, root: Path, seed: int = 1, name: str = "cam-1") -> None:
        self.root, self.name = root, name
        self.random = random.Random(seed).randbytes
        self.signer = Signer(f"liuhen/{name}", self.random(32))
        self.mirror = Cosigner("mirror.example", self.random(32))
        self.identity = age.Identity.generate(self.random)
        self.log = Log(f"liuhen/{name}/1", self.signer)
        self.boot, self.now_us, self.utc_us = 0, 0, UTC_START_US
        self.last: dict[str, tuple[int, bytes]] = {}
        (root / "journal/0001").mkdir(parents=True)
        (root / "segments").mkdir()
        (root / "journal/0001/device.vkey").write_text(self.signer.vkey.line() + "\n")
        self.rotate()
        vkey = self.signer.vkey.line()
        self.write(e.JournalBegin(device=name, unit="u1", generation=1, vkey=vkey, reason="new"))
        self.new_boot()

    def new_generation(self, previous_root: str) -> None:
        """Go on in generation 2, as after damage."""
        old, vkey = self.log, self.signer.vkey.line()
        self.log = Log(f"liuhen/{self.name}/2", self.signer)
        (self.root / "journal/0002").mkdir()
        (self.root / "journal/0002/device.vkey").write_text(vkey + "\n")
        self.file = self.root / "journal/0002/000000000000.log"
        self.file.write_bytes(self.log.header_lines())
        begin = e.JournalBegin(device=self.name, unit="u1", generation=2, vkey=vkey, reason="damage")
        begin.previous_origin, begin.previous_size, begin.previous_root = old.origin, old.size, previous_root
        self.write(begin)

    def rotate(self) -> None:
        self.file = self.root / f"journal/0001/{self.log.size:012}.log"
        self.file.write_bytes(self.log.header_lines())

    def write(self, *entries: e.Entry) -> None:
        for entry in entries:
            entry.boot, entry.boot_us, entry.salt = self.boot, self.now_us, canonical.b64(self.random(16))
        with self.file.open("ab") as journal:
            journal.write(self.log.append(entries))
        for entry in entries:
            self.last[entry.stream] = (entry.n, leaf_hash(canonical.encode(entry)))

    def new_boot(self, off_s: int = 0) -> None:
        """The device comes up; its clock starts anew."""
        self.utc_us += off_s * SECOND
        self.boot, self.now_us = self.boot + 1, 5 * SECOND
        self.write(e.Boot(boot_id=self.random(16).hex()))
        tracks: list[e.Track] = ["video", "sound"]
        recipients = [self.identity.recipient().text()]
        self.write(e.Start(version="0.1.0", config_sha256=sha(b"c"), recipients=recipients, required_tracks=tracks))
        self.tell_time()

    def tell_time(self) -> None:
        self.write(e.Clock(at_us=self.now_us, utc_us=self.utc_us, source="ntp", error_us=20_000))

    def wait(self, seconds: float) -> None:
        self.now_us += round(seconds * SECOND)
        self.utc_us += round(seconds * SECOND)

    def cosigned(self, time_s: int = 1_772_000_100) -> bytes:
        """The last checkpoint with the mirror's co-signature."""
        text = self.log.last_checkpoint.split(b"\n\n")[0].decode() + "\n"
        return self.log.last_checkpoint + self.mirror.cosign(text, time_s).encode()

    def seal(self, text: str) -> e.Private:
        return private.seal_private(text, [self.identity.recipient()], self.random)


class Recording:
    """One session while it is recorded."""

    def __init__(self, device: Device, number: int, flush_s: int = 1) -> None:
        self.device, self.id, self.flush_s = device, f"s{number:06}", flush_s
        self.folder = self.id
        self.zero_us = device.now_us  # CLOCK_BOOTTIME of presentation 0 in this boot
        self.tick = {"video": 0, "sound": 0}
        self.segment, self.sequence, self.interruptions = -1, 0, 0
        self.heard: list[tuple[int, int, int, e.TrackSpan]] = []
        """Boot, segment, index and span of all sound."""
        config = mp4.VideoConfig((b"\x67\x42\xc0\x1f\x95",), (b"\x68\xce\x3c\x80",), 320, 180)
        self.sound = mp4.SoundConfig(aac.audio_specific_config(48_000, 1))
        self.video, self.init = config, mp4.init_segment(config, self.sound)
        (device.root / "segments" / self.id).mkdir()
        tracks: list[e.Track] = ["video", "sound"]
        opened = e.SessionOpen(
            stream=self.id, number=number, pressed_us=self.zero_us + 2 * SECOND, from_us=self.zero_us,
            prerecord_ms=2000, prerecord_sound="yes", required_tracks=tracks, power="penalty", officer="210013",
            items_sha256=sha(b"items"), config_sha256=sha(b"c"), private=device.seal("王某, 案件 17"),
        )  # fmt: skip
        device.write(opened)
        device.write(e.SessionBegin(session=self.id, number=number, leaf=canonical.b64(device.last[self.id][1])))

    @property
    def at_us(self) -> int:
        """Presentation time now."""
        return self.device.now_us - self.zero_us

    def tell(self, entry: e.Entry) -> None:
        entry.stream = self.id
        self.device.write(entry)

    def open_segment(self, cause: str = "start") -> None:
        device = self.device
        self.segment += 1
        self.index = 0
        header, key = age.header_and_payload_key([device.identity.recipient()], device.random)
        self.sealer, self.sealed, self.buffer, self.end = age.ChunkSealer(key), header, b"", len(self.init)
        self.name = f"{self.folder}/{device.name}_210013_20260225060000_{self.segment + 1:04}.mp4.age"
        (device.root / "segments" / self.name).write_bytes(header)
        self.buffer = self.init
        self.tell(
            e.SegmentOpen(
                segment=self.segment, file=self.name, cause=cause, init_length=len(self.init),  # type: ignore[arg-type]
                init_sha256=sha(self.init), recipients=[device.identity.recipient().text()],
                tracks=[
                    e.TrackFormat(track="video", codec=self.video.codec, timescale=90_000, shift_ticks=0),
                    e.TrackFormat(track="sound", codec=self.sound.codec, timescale=48_000, shift_ticks=1024),
                ],
            )
        )  # fmt: skip

    def flush(self, tracks: str = "video sound", hidden: bytes = b"", shift_ticks: int = 0) -> None:
        """Record one flush and make it durable; ``hidden`` goes into the padding, ``shift_ticks`` into tfdt."""
        start_us = self.at_us
        self.device.wait(self.flush_s)
        runs = [make() for name, make in (("video", self._video), ("sound", self._sound)) if name in tracks]
        spans = [self._span(run, start_us) for run in runs]
        for run in runs:
            run.tick += shift_ticks
        data = self._fragments(runs)
        data += mp4.free_box(mp4.padding_for(self.end + len(data)))
        data = data[: len(data) - len(hidden)] + hidden
        self.end += len(data)
        self._seal(data)
        self.tell(
            e.Fragment(
                segment=self.segment, index=self.index, tracks=spans, end=self.end, sha256=sha(data),
                sealed=len(self.sealed), sealed_sha256=sha(self.sealed), lag_ms=12, fix="no", accuracy="none",
            )
        )  # fmt: skip
        self.heard += [(self.device.boot, self.segment, self.index, span) for span in spans if span.track == "sound"]
        self.index += 1

    def _video(self) -> mp4.Run:
        frames = range(25 * self.flush_s)
        samples = [Sample(b"\0\0\0\x05\x41abcd", FRAME_TICKS, number % 25 == 0) for number in frames]
        return run_of(mp4.VIDEO_TRACK, self.tick["video"], samples)

    def _sound(self) -> mp4.Run:
        until = self.at_us * 48_000 // SECOND + PACKET
        count = (until - self.tick["sound"]) // PACKET
        return run_of(mp4.SOUND_TRACK, self.tick["sound"], [Sample(b"aac!", PACKET, True)] * count)

    def _span(self, run: mp4.Run, start_us: int) -> e.TrackSpan:
        name: e.MediaTrack = "video" if run.track_id == mp4.VIDEO_TRACK else "sound"
        rate, shift = (90_000, 0) if name == "video" else (48_000, PACKET)
        end = run.tick + sum(run.durations)
        self.tick[name] = end
        first, last = ((tick - shift) * SECOND // rate + self.zero_us for tick in (run.tick, end))
        count = len(run.datas)
        return e.TrackSpan(track=name, tick=run.tick, end_tick=end, count=count, first_us=first, last_us=last)

    def _fragments(self, runs: list[mp4.Run]) -> bytes:
        """Two fragments: the first ten frames and packets, and the others."""
        parts = []
        for piece in (slice(0, 10), slice(10, None)):
            self.sequence += 1
            before = [sum(run.durations[: piece.start]) for run in runs]
            halves = [
                mp4.Run(
                    run.track_id,
                    run.tick + ticks,
                    run.durations[piece],
                    run.keys[piece],
                    run.offsets[piece],
                    run.datas[piece],
                )
                for run, ticks in zip(runs, before, strict=True)
            ]
            parts.append(mp4.fragment(self.sequence, halves))
        return b"".join(parts)

    def _seal(self, data: bytes) -> None:
        self.buffer += data
        while len(self.buffer) >= age.CHUNK_BYTES:
            self.sealed += self.sealer.seal(self.buffer[: age.CHUNK_BYTES], last=False)
            self.buffer = self.buffer[age.CHUNK_BYTES :]
        (self.device.root / "segments" / self.name).write_bytes(self.sealed)

    def close_segment(self, by: str = "recorder") -> None:
        final = mp4.free_box(8) if by == "recorder" else b""
        if final:
            self.sealed += self.sealer.seal(final, last=True)
        (self.device.root / "segments" / self.name).write_bytes(self.sealed)
        self.tell(
            e.SegmentClose(
                segment=self.segment, by=by, end=self.end, final_length=len(final),  # type: ignore[arg-type]
                final_sha256=sha(final) if final else "", length=len(self.sealed), sha256=sha(self.sealed),
            )
        )  # fmt: skip

    def interrupt(self, track: str, cause: str) -> tuple[int, int, int]:
        """Begin an interruption now; give the result to ``resume``."""
        number, self.interruptions = self.interruptions, self.interruptions + 1
        moment = (self.device.boot, self.device.now_us)
        self.tell(
            e.InterruptionBegin(
                interruption=number, track=track, cause=cause, text="no packet for 2 s",  # type: ignore[arg-type]
                last_boot=moment[0], last_us=moment[1],
            )
        )  # fmt: skip
        return number, *moment

    def resume(self, interruption: tuple[int, int, int], shortest_us: int = -1, tracks: str = "video sound") -> None:
        """End it now; across boots the session's time goes on by ``shortest_us``."""
        number, boot, last_us = interruption
        now = self.device.now_us
        if boot != self.device.boot:
            self.zero_us = now - (last_us - self.zero_us) - shortest_us
        length = now - last_us if boot == self.device.boot else shortest_us
        for name, rate in (("video", 90_000), ("sound", 48_000)):
            if name in tracks:
                self.tick[name] = self.at_us * rate // SECOND
        self.tell(
            e.InterruptionEnd(
                interruption=number, resumed="yes", first_boot=self.device.boot, first_us=now,
                shortest_us=length, longest_us=length if boot == self.device.boot else length + SECOND,
            )
        )  # fmt: skip

    def ask(self, interruption: int, request: int = 1) -> None:
        self.tell(
            e.ExplanationAsked(
                interruption=interruption, request=request, why="resumed" if request == 1 else "again", how="sound",
                words="请口述中断原因。", prompt_sha256=sha(b"wav"),
            )
        )  # fmt: skip

    def spoken(self, from_us: int = -1, until_us: int = -1, **changed: Any) -> e.Spoken:
        """A range of this boot's sound, else the last half of the last flush; then anything may be changed."""
        until_us = self.device.now_us if until_us < 0 else until_us
        from_us = until_us - self.flush_s * SECOND // 2 if from_us < 0 else from_us
        rows: dict[int, list[int]] = {}
        for boot, segment, index, span in self.heard:
            if boot == self.device.boot and span.first_us < until_us and span.last_us > from_us:
                rows.setdefault(segment, []).append(index)
        spoken = e.Spoken(
            session=self.id, boot=self.device.boot, from_us=from_us, until_us=until_us,
            fragments=[e.FragmentRef(segment=s, first=min(row), last=max(row)) for s, row in rows.items()],
            opened_by="speech", ended_by="silence", detector="vad-1",
            speech_ms=(until_us - from_us) // 2000, level_db=-20,
        )  # fmt: skip
        return structs.replace(spoken, **changed)

    def explain(self, interruption: int, spoken: e.Spoken | None = None, text: str = "") -> None:
        """By voice, just now unless ``spoken`` says when; or with a text in writing."""
        private = self.device.seal(text) if text else UNSET
        told = UNSET if text else spoken or self.spoken()
        how = "written" if text else "spoken"
        self.tell(e.Explanation(interruption=interruption, how=how, officer="210013", spoken=told, private=private))  # type: ignore[arg-type]

    def add(self, interruption: int, spoken: e.Spoken | None = None, text: str = "") -> None:
        """More to a reason."""
        private = self.device.seal(text) if text else UNSET
        told = UNSET if text else spoken or self.spoken()
        how = "written" if text else "spoken"
        addendum = e.ExplanationAddendum(
            interruption=interruption, how=how, officer="210013", spoken=told, private=private  # type: ignore[arg-type]
        )  # fmt: skip
        self.tell(addendum)

    def tell_head(self) -> None:
        n, leaf = self.device.last[self.id]
        self.device.write(e.SessionHead(session=self.id, count=n + 1, leaf=canonical.b64(leaf)))

    def close(self) -> None:
        device = self.device
        self.tell(e.SessionClose(by="officer", until_boot=device.boot, until_us=device.now_us, late_frames=0))
        self.tell_head()


def plain_session(device: Device, number: int, segments: int = 2, flushes: int = 2) -> Recording:
    """A session without an interruption, closed."""
    recording = Recording(device, number)
    for segment in range(segments):
        recording.open_segment("length" if segment else "start")
        for _ in range(flushes):
            recording.flush()
        recording.close_segment()
    recording.close()
    return recording


def interrupted_session(device: Device, number: int, flush_s: int = 1, explained: bool = True) -> Recording:
    """A session of eight flushes whose camera fails for the third and fourth, and whose power fails after the sixth.

    ``explained``: the officer is asked, and answers in the sixth and in the eighth.
    """
    recording = Recording(device, number, flush_s)
    recording.open_segment()
    recording.flush()
    recording.tell(e.Mark(at_us=device.now_us, label="scene"))
    recording.flush()
    camera = recording.interrupt("video", "camera")
    recording.flush("sound")
    recording.flush("sound")
    recording.close_segment()
    recording.resume(camera, tracks="video")
    recording.open_segment("encoder")
    recording.flush()
    if explained:
        recording.ask(camera[0])
    recording.flush()
    if explained:
        recording.explain(camera[0])
    recording.close_segment("recovery")
    power = recording.interrupt("all", "power")
    device.new_boot(off_s=9)
    recording.resume(power, shortest_us=9 * SECOND)
    recording.open_segment("resume")
    recording.flush()
    if explained:
        recording.ask(power[0])
        recording.ask(power[0], request=2)
    recording.flush()
    if explained:
        recording.explain(power[0])
    recording.close_segment()
    recording.close()
    return recording


def small_spool(root: Path, seed: int = 1, name: str = "cam-1", flush_s: int = 1, still_open: bool = True) -> Device:
    """Three sessions: a plain one, one with two interruptions (s000002), one still open; two journal files."""
    device = Device(root, seed, name)
    first = plain_session(device, 1)
    device.wait(30)
    device.rotate()
    interrupted_session(device, 2, flush_s)
    first.tell(e.Annotate(power="penalty", private=device.seal("李某")))
    first.tell_head()
    device.tell_time()
    if still_open:
        third = Recording(device, 3)
        third.open_segment()
        third.flush()
    return device
