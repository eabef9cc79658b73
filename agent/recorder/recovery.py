"""What a power cut, a kill or a failing card left behind, made whole again without touching what is attested.

Steps, each of which may be cut and done again: choose the newest generation and file; cut a torn tail and keep it
aside; fold the entries into the state; move files aside that no entry names; close the open segment (only zeros
behind the last written chunk are cut); begin the interruption; end a session that is known to be too old (invariants 3
and 4). Damage below a signed checkpoint is not mended: a new generation begins and says so. Run twice it changes
nothing. Reads the newest journal file, and older ones only where that one does not begin with the carried state.

Leaves to others: going on recording (``recorder``), judging what is there (``fsck``, ``verify``).
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from agent.evidence import age
from agent.evidence import entries as e
from agent.evidence.canonical import b64
from agent.evidence.errors import EvidenceError
from agent.evidence.journal import FileReading, Log, read_file
from agent.evidence.note import Signer
from agent.recorder import spool
from agent.recorder.disk import Disk
from agent.recorder.journal_file import ROTATE_BYTES, JournalFile
from agent.recorder.ledger import Ledger
from agent.recorder.messages import ClockReading
from agent.recorder.recorder import Resume
from agent.recorder.state import DeviceState, SessionState, gap_us

NS_PER_US = 1_000
READ_BYTES = 1024 * 1024


class SpoolForeign(EvidenceError):
    """The spool's journal is signed by another key."""


@dataclass(frozen=True, slots=True)
class Device:
    """Whose spool it is, and which boot this is."""

    id: str
    unit: str
    boot_id: str
    resume_s: int
    """An interruption known to be longer ends the session (invariant 4)."""
    boot_began_us: int = 0
    """CLOCK_BOOTTIME at which this boot began: 0 but in a simulation."""


@dataclass(slots=True)
class Recovered:
    """A spool ready for the writer; ``done`` says in words what recovery changed."""

    ledger: Ledger
    resume: Resume | None
    done: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Found:
    """The newest readable journal."""

    generation: int
    log: Log
    state: DeviceState
    path: str
    length: int
    damage: str = ""
    asides: list[e.Aside] = field(default_factory=list)


class Recovery:
    """See the module; ``now_ns`` reads CLOCK_BOOTTIME, ``random`` gives salts."""

    def __init__(
        self,
        disk: Disk,
        signer: Signer,
        device: Device,
        clock: ClockReading | None,
        now_ns: Callable[[], int],
        random: Callable[[int], bytes],
        rotate_bytes: int = ROTATE_BYTES,
    ) -> None:
        self._rotate_bytes = rotate_bytes
        self._disk, self._signer, self._device, self._clock = disk, signer, device, clock
        self._now_ns, self._random = now_ns, random
        self._done: list[str] = []

    def run(self, for_recording: bool) -> Recovered:
        """Recover; ``for_recording`` also gives a new boot its entry where nothing else had to be written."""
        found = self._find()
        if found is None:
            ledger = self._begin_generation(1, "new", None)
        elif found.damage:
            self._done.append(f"damaged journal: {found.damage}; a new generation begins")
            ledger = self._begin_generation(found.generation + 1, "damage", found.log)
        else:
            journal = JournalFile(self._disk, found.log, found.generation, self._rotate_bytes)
            journal.continue_file(found.path, found.length)
            ledger = Ledger(journal, found.state, self._now_ns, self._random)
        entries: list[e.Entry] = list(found.asides) if found is not None else []
        entries += self._unnamed_files(ledger.state)
        for session in list(ledger.state.sessions.values()):
            entries += self._repair(session, ledger.state)
        new_boot = ledger.state.boot_id != self._device.boot_id
        if (entries or for_recording) and new_boot:
            entries = [*self._boot(ledger.state), *entries]
        if entries:
            ledger.append(
                [entry if isinstance(entry, e.Boot) else self._stamped(entry, ledger, new_boot) for entry in entries]
            )
        return Recovered(ledger, self._resume(ledger.state), self._done)

    # --- finding the journal ----------------------------------------------------------------------------------

    def _find(self) -> _Found | None:
        folders = [name for name in self._disk.names(spool.JOURNAL) if name.rstrip("/").isdigit()]
        for folder in sorted(folders, reverse=True):
            found = self._find_in(int(folder.rstrip("/")))
            if found is not None:
                return found
        return None

    def _find_in(self, generation: int) -> _Found | None:
        folder = spool.journal_folder(generation)
        self._refuse_foreign(folder)
        names = sorted(name for name in self._disk.names(folder) if name.endswith(".log"))
        asides: list[e.Aside] = []
        while names:
            path = f"{folder}/{names[-1]}"
            data = self._disk.read(path)
            reading = read_file(data, self._signer.vkey, "last")
            if reading.attested_bytes or reading.damage or len(names) == 1:
                break
            asides.append(self._put_aside(path, data, "failed_journal"))
            names.pop()
        if not names or (not reading.attested_bytes and not reading.damage):
            self._nothing_attested(folder, names)
            return None
        found = self._read_state(generation, folder, names, reading)
        found.asides = asides
        if reading.tail is not None and not found.damage:
            found.asides.append(self._cut_tail(path, data, reading.attested_bytes))
        found.path, found.length = path, reading.attested_bytes
        return found

    def _refuse_foreign(self, folder: str) -> None:
        """Another device's journal is not ours to go on with, nor to put aside."""
        if "device.vkey" not in self._disk.names(folder):
            return
        line = self._disk.read(f"{folder}/device.vkey").decode("utf-8", errors="replace").strip()
        if line and line != self._signer.vkey.line():
            raise SpoolForeign(
                f"{folder} is signed by {line[:100]!r}, and this device's key is {self._signer.vkey.line()}; "
                "use the spool's own key_dir, or an empty spool for a new key"
            )

    def _nothing_attested(self, folder: str, names: list[str]) -> None:
        """A generation whose first file was cut before its first checkpoint: it holds nothing."""
        for name in names:
            self._put_aside(f"{folder}/{name}", self._disk.read(f"{folder}/{name}"), "failed_journal")

    def _read_state(self, generation: int, folder: str, names: list[str], newest: FileReading) -> _Found:
        readings = [newest]
        for name in reversed(names[:-1]):
            if _stands_alone(readings[0]):
                break
            readings.insert(0, read_file(self._disk.read(f"{folder}/{name}"), self._signer.vkey, "last"))
        state = DeviceState()
        for i, reading in enumerate(readings):
            end = readings[i + 1].header.first if i + 1 < len(readings) and readings[i + 1].header else None  # type: ignore[union-attr]
            for line in reading.entries():
                if line.entry is not None and (end is None or (line.index is not None and line.index < end)):
                    state.apply(line.entry)
        damage = "; ".join(str(one) for reading in readings for one in reading.damage)
        origin = newest.header.origin if newest.header else ""
        log = Log(origin, self._signer, newest.frontier, newest.streams)
        return _Found(generation, log, state, "", 0, damage)

    def _begin_generation(self, generation: int, reason: Literal["new", "damage"], before: Log | None) -> Ledger:
        folder = spool.journal_folder(generation)
        self._disk.make_folder(folder)
        vkey = self._signer.vkey.line()
        if "device.vkey" in self._disk.names(folder):
            self._disk.unlink(f"{folder}/device.vkey")
        file = self._disk.create(f"{folder}/device.vkey")
        self._disk.write(file, 0, f"{vkey}\n".encode())
        self._disk.sync(file)
        self._disk.close(file)
        self._disk.sync_folder(folder)
        log = Log(f"liuhen/{self._device.id}/{generation}", self._signer)
        state = DeviceState()
        journal = JournalFile(self._disk, log, generation, self._rotate_bytes)
        ledger = Ledger(journal, state, self._now_ns, self._random)
        begin = e.JournalBegin(
            device=self._device.id, unit=self._device.unit, generation=generation, vkey=vkey, reason=reason
        )
        if before is not None:
            begin.previous_origin, begin.previous_size = before.origin, before.size
            begin.previous_root = b64(before.frontier.root())
            state.next_session = self._next_session_by_folders()
        boot = e.Boot(boot=0, boot_us=self._now_ns() // NS_PER_US, boot_id=self._device.boot_id)
        begin.boot_us = boot.boot_us
        ledger.append([begin, boot])
        return ledger

    def _next_session_by_folders(self) -> int:
        """The old stream cannot be believed; the folders say which numbers are taken."""
        numbers = [spool.session_number(name.rstrip("/")) for name in self._disk.names(spool.SEGMENTS)]
        return max([0, *numbers]) + 1

    # --- putting aside ----------------------------------------------------------------------------------------

    def _cut_tail(self, path: str, data: bytes, keep: int) -> e.Aside:
        """Lines after the last checkpoint: kept, then cut."""
        tail = data[keep:]
        kept = self._free_name(path)
        self._disk.make_folder(spool.ASIDE)
        file = self._disk.create(f"{spool.ASIDE}/{kept}")
        self._disk.write(file, 0, tail)
        self._disk.sync(file)
        self._disk.close(file)
        self._disk.sync_folder(spool.ASIDE)
        journal = self._disk.open(path)
        self._disk.truncate(journal, keep)
        self._disk.sync(journal)
        self._disk.close(journal)
        self._done.append(f"{len(tail)} bytes after the last checkpoint of {path} kept as aside/{kept}")
        return e.Aside(file=path, kept_as=kept, length=len(tail), sha256=_sha256(tail), why="torn_tail")

    def _put_aside(self, path: str, data: bytes, why: Literal["unnamed_file", "failed_journal"]) -> e.Aside:
        kept = self._free_name(path)
        self._disk.make_folder(spool.ASIDE)
        self._disk.rename(path, f"{spool.ASIDE}/{kept}")
        self._disk.sync_folder(spool.ASIDE)
        self._disk.sync_folder(path.rsplit("/", 1)[0])
        self._done.append(f"{path} moved to aside/{kept}")
        return e.Aside(file=path, kept_as=kept, length=len(data), sha256=_sha256(data), why=why)

    def _free_name(self, path: str) -> str:
        taken = set(self._disk.names(spool.ASIDE))
        name = path.replace("/", "-")
        return next(k for i in range(len(taken) + 1) if (k := f"{name}.{i}") not in taken)

    def _unnamed_files(self, state: DeviceState) -> list[e.Entry]:
        """Files made in the moment of a cut: nothing in them is attested (invariant 3)."""
        entries: list[e.Entry] = []
        for folder in self._disk.names(spool.SEGMENTS):
            session = folder.rstrip("/")
            number = spool.session_number(session)
            if number >= state.next_session or session in state.sessions:
                known = state.sessions.get(session)
                entries += self._unnamed_in(session, known)
        return entries

    def _unnamed_in(self, session: str, known: SessionState | None) -> Iterator[e.Entry]:
        for name in self._disk.names(spool.session_folder(session)):
            number = spool.segment_number(name)
            named = known is not None and 0 <= number < known.next_segment
            if named and known is not None and number == known.segment:
                named = known.segment_file == f"{session}/{name}"
            if not named and not name.endswith("/"):
                path = f"{spool.session_folder(session)}/{name}"
                yield self._put_aside(path, self._disk.read(path), "unnamed_file")

    # --- repairing a session ----------------------------------------------------------------------------------

    def _repair(self, session: SessionState, state: DeviceState) -> list[e.Entry]:
        entries: list[e.Entry] = []
        if session.segment >= 0:
            entries.append(self._close_segment(session))
        if session.open_impairment >= 0:
            entries.append(
                e.ImpairmentEnd(
                    stream=session.session, impairment=session.open_impairment, until_us=session.last_us(), worst_ms=0
                )
            )
        interruption = _open_all(session)
        if interruption is None:
            interruption, begun = self._interrupt(session, state)
            entries += begun
        shortest_us, _ = self._gap(interruption, state)
        if shortest_us > self._device.resume_s * 1_000_000:
            entries += self._end(session, interruption)
        return entries

    def _close_segment(self, session: SessionState) -> e.SegmentClose:
        path = f"{spool.SEGMENTS}/{session.segment_file}"
        length, digest = 0, hashlib.sha256()
        try:
            length = self._cut_zeros(path, session.segment_sealed)
            for offset in range(0, length, READ_BYTES):
                digest.update(self._disk.read(path, offset, min(READ_BYTES, length - offset)))
        except FileNotFoundError:
            self._done.append(f"{path} is missing")
        self._done.append(f"segment {session.segment} of {session.session} closed at {length} bytes")
        return e.SegmentClose(
            stream=session.session,
            segment=session.segment,
            by="recovery",
            end=session.segment_end,
            final_length=0,
            final_sha256="",
            length=length,
            sha256=b64(digest.digest()),
        )

    def _cut_zeros(self, path: str, attested: int) -> int:
        """Length of the file without the zeros that were reserved behind the last written chunk."""
        size = self._disk.size(path)
        try:
            header = age.header_length(self._disk.read(path, 0, age.MAX_HEADER_BYTES))
            length = age.written_length(size, header, lambda offset, count: self._disk.read(path, offset, count))
        except EvidenceError:
            length = 0  # not even the header was written
        length = min(size, max(length, attested))
        if length < size:
            file = self._disk.open(path)
            self._disk.truncate(file, length)
            self._disk.sync(file)
            self._disk.close(file)
        return length

    def _interrupt(self, session: SessionState, state: DeviceState) -> tuple[e.InterruptionBegin, list[e.Entry]]:
        same_boot = state.boot_id == self._device.boot_id
        last_us = session.last_us()
        begin = e.InterruptionBegin(
            stream=session.session,
            interruption=session.next_interruption,
            track="all",
            cause="process" if same_boot else "power",
            text="the recorder's process ended" if same_boot else "the device lost power or was restarted",
            last_boot=session.origin_boot,
            last_us=last_us,
        )
        ends: list[e.Entry] = [
            _not_resumed(session, one, one.last_boot, max(one.last_us, last_us)) for one in session.open_interruptions
        ]
        self._done.append(f"{session.session} interrupted ({begin.cause})")
        return begin, [*ends, begin]

    def _end(self, session: SessionState, interruption: e.InterruptionBegin) -> list[e.Entry]:
        self._done.append(f"{session.session} closed: interrupted for longer than {self._device.resume_s} s")
        boot, us = interruption.last_boot, interruption.last_us
        close = e.SessionClose(stream=session.session, by="recovery", until_boot=boot, until_us=us, late_frames=0)
        return [_not_resumed(session, interruption, boot, us), close]

    def _gap(self, interruption: e.InterruptionBegin, state: DeviceState) -> tuple[int, int]:
        now_us, clock = self._now_ns() // NS_PER_US, self._clock
        boot = state.boot if state.boot_id == self._device.boot_id else state.boot + 1
        then = state.utc_of(interruption.last_boot, interruption.last_us)
        now = None
        if clock is not None and clock.source != "none":
            now = clock.utc_us + now_us - clock.at_ns // NS_PER_US, clock.error_us
        return gap_us(interruption, boot, now_us, self._device.boot_began_us, then, now)

    def _resume(self, state: DeviceState) -> Resume | None:
        for session in state.sessions.values():
            interruption = _open_all(session)
            if interruption is not None:
                then = state.utc_of(interruption.last_boot, interruption.last_us)
                return Resume(session, interruption, then, self._device.boot_began_us)
        return None

    # --- stamps -----------------------------------------------------------------------------------------------

    def _boot(self, state: DeviceState) -> list[e.Entry]:
        boot, now_us = state.boot + 1, self._now_ns() // NS_PER_US
        entries: list[e.Entry] = [e.Boot(boot=boot, boot_us=now_us, boot_id=self._device.boot_id)]
        if self._clock is not None:
            clock = self._clock
            entries.append(
                e.Clock(
                    at_us=clock.at_ns // NS_PER_US, utc_us=clock.utc_us, source=clock.source, error_us=clock.error_us
                )
            )
        return entries

    def _stamped(self, entry: e.Entry, ledger: Ledger, new_boot: bool) -> e.Entry:
        entry.boot = ledger.state.boot + (1 if new_boot else 0)
        entry.boot_us = self._now_ns() // NS_PER_US
        return entry


def _stands_alone(reading: FileReading) -> bool:
    """A file from which the state can be read: the first of a generation, or one that begins with the carried state."""
    first = next(iter(reading.entries()), None)
    return first is not None and (first.index == 0 or isinstance(first.entry, e.DeviceCarry))


def _open_all(session: SessionState) -> e.InterruptionBegin | None:
    return next((begin for begin in session.open_interruptions if begin.track == "all"), None)


def _not_resumed(session: SessionState, begin: e.InterruptionBegin, boot: int, us: int) -> e.InterruptionEnd:
    length = max(0, us - begin.last_us)
    return e.InterruptionEnd(
        stream=session.session,
        interruption=begin.interruption,
        resumed="no",
        first_boot=boot,
        first_us=us,
        shortest_us=length,
        longest_us=length,
    )


def _sha256(data: bytes) -> str:
    return b64(hashlib.sha256(data).digest())
