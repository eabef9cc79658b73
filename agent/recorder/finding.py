"""Which journal a start goes on with: the newest generation, if nothing that was signed in it is gone.

A generation is gone on with only if it is the newest folder, its header names that folder, and its files are whole
but for a torn tail. Otherwise a new one begins: never a second history under an origin that may have been used. A
folder that holds nothing signed (a cut in its very first moments, or an emptied file) is begun again only while
nothing else in the spool (a session's folder, a file in ``aside/``) shows that it was in use.

Damage is left as it lies; what can still be read of the state (next number, assigned, open session) is carried on.
Reads the newest file, and older ones only where that one does not begin with the carried state. Leaves to others:
beginning the new generation (``recovery``).
"""

import errno
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice, zip_longest

from agent.evidence import entries as e
from agent.evidence.checkpoint import Checkpoint, open_checkpoint
from agent.evidence.errors import EvidenceError
from agent.evidence.journal import MAX_FILE_BYTES, FileReading, decode_checkpoint_line, read_file
from agent.evidence.note import VerifierKey, parse_vkey
from agent.evidence.tree import EMPTY_ROOT
from agent.recorder import spool
from agent.recorder.aside import AsideFolder, session_numbers
from agent.recorder.disk import Disk, NotAFile
from agent.recorder.state import DeviceState, SessionState

VKEY = "device.vkey"
MAX_KEY_BYTES = 10_000
_GENERATION = re.compile(r"\d{4}|[1-9]\d{4,8}", re.ASCII)
_LOG_NAME = re.compile(r"\d{12,18}\.log", re.ASCII)


class SpoolForeign(EvidenceError):
    """The spool's journal is signed by another key."""


@dataclass(slots=True)
class Found:
    """What there is. ``generation`` is 0 where nothing could be read."""

    generation: int = 0
    empty: bool = False
    """Nothing in it is signed."""
    next_generation: int = 1
    """To be begun where ``sound`` is false."""
    origin: str = ""
    size: int = 0
    root: bytes = EMPTY_ROOT
    """The last tree that our key signed there, as far as it could still be read."""
    state: DeviceState = field(default_factory=DeviceState)
    ended: dict[str, set[str]] = field(default_factory=dict)
    """Sessions that begin and end in what was read, and all media files that their entries name."""
    path: str = ""
    length: int = 0
    reading: FileReading = field(default_factory=FileReading)
    problems: list[str] = field(default_factory=list)
    asides: list[e.Aside] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Recording goes on in this generation."""
        return self.generation > 0 and not self.problems


@dataclass(slots=True)
class _File:
    """One journal file, read."""

    path: str
    reading: FileReading
    signed: Checkpoint | None
    signed_bytes: int
    problem: str = ""

    @property
    def attests(self) -> bool:
        return bool(self.problem or self.reading.attested_bytes or self.reading.damage)

    def entries(self) -> Iterator[tuple[int | None, e.AnyEntry]]:
        """With their index, without the torn tail; of a damaged file all that can be read before its last signature."""
        damaged = self.problem or self.reading.damage
        end = self.signed_bytes if damaged else self.reading.attested_bytes
        for line in self.reading.lines:
            if line.offset < end and (entry := line.entry) is not None:
                yield line.index, entry


class Finder:
    """See the module. ``device_id`` and ``key`` are ours."""

    def __init__(self, disk: Disk, key: VerifierKey, device_id: str, aside: AsideFolder) -> None:
        self._disk, self._key, self._device_id, self._aside = disk, key, device_id, aside
        self._asides: list[e.Aside] = []

    def find(self) -> Found:
        """Raises SpoolForeign."""
        self._clear_way()
        numbers, found, passed = self._generations(), Found(), list[Found]()
        for number in numbers:
            one = self._read_generation(number)
            if one.generation:
                found = one
                break
            passed.append(one)
        empty = not numbers or any(one.empty for one in passed[:1])
        found = replace(found, problems=[text for one in passed for text in one.problems] + found.problems)
        if not found.sound:
            self._choose(found, numbers, empty)
        found.asides = self._asides
        return found

    def _clear_way(self) -> None:
        """A file where only folders of generations belong would be in the way of one."""
        for name in self._disk.names(spool.JOURNAL):
            if not name.endswith("/"):
                self._asides.append(self._aside.put(f"{spool.JOURNAL}/{name}", "unnamed_file"))

    def _generations(self) -> list[int]:
        """Newest first."""
        names = [name.rstrip("/") for name in self._disk.names(spool.JOURNAL)]
        return sorted((int(name) for name in names if _GENERATION.fullmatch(name) and int(name)), reverse=True)

    def _choose(self, found: Found, numbers: list[int], empty: bool) -> None:
        """The number of the generation to begin; without problems it is the first.

        ``empty``: nothing in the newest is signed.
        """
        taken, newest = taken_sessions(self._disk), max([1, *numbers])
        again = empty and max([0, *taken]) < found.state.next_session
        found.next_generation = newest if again else newest + 1
        if again:
            self._clear(newest)
        if again and newest == 1:
            found.problems.clear()
        elif not numbers:
            found.problems.append("there are sessions, and no journal")
        if not found.generation:
            found.origin = self._origin(newest)
        found.state.next_session = max([found.state.next_session, *(number + 1 for number in taken)])

    def _clear(self, generation: int) -> None:
        folder = spool.journal_folder(generation)
        for name in self._logs(folder):
            self._asides.append(self._aside.put(f"{folder}/{name}", "failed_journal"))

    def _origin(self, generation: int) -> str:
        return f"liuhen/{self._device_id}/{generation}"

    def _logs(self, folder: str) -> list[str]:
        return [name for name in self._disk.names(folder) if _LOG_NAME.fullmatch(name)]

    # --- one generation -------------------------------------------------------------------------------------

    def _read_generation(self, generation: int) -> Found:
        """What it holds; its number is 0 where nothing can be taken from it."""
        folder = spool.journal_folder(generation)
        nothing = Found(empty=True, problems=[f"{folder} holds nothing that is signed"])
        names = self._logs(folder)
        if not names:
            return nothing
        self._refuse_foreign(folder, names)
        newest = self._read_file(f"{folder}/{names[-1]}")
        failed: list[str] = []
        while not newest.attests and len(names) > 1:
            failed.append(newest.path)
            names.pop()
            newest = self._read_file(f"{folder}/{names[-1]}")
        if not newest.problem and not newest.reading.damage and not newest.reading.attested_size:
            return nothing
        header = newest.reading.header
        if not newest.problem and header is not None and header.origin != self._origin(generation):
            return Found(problems=[f"{folder} holds the journal of {header.origin}"])
        found = self._fold(generation, folder, names, newest)
        if failed and max([0, *taken_sessions(self._disk)]) > found.state.next_session:
            found.problems.append(f"{failed[-1]} holds nothing, and sessions behind it do")
        if not found.problems:
            self._asides += [self._aside.put(path, "failed_journal") for path in failed]
        return found

    def _fold(self, generation: int, folder: str, names: list[str], newest: _File) -> Found:
        files = [newest]
        for name in reversed(names[:-1]):
            if _stands_alone(files[0]):
                break
            files.insert(0, self._read_file(f"{folder}/{name}"))
        found = Found(generation, path=newest.path, length=newest.reading.attested_bytes, reading=newest.reading)
        found.problems = [file.problem for file in files if file.problem]
        found.problems += [f"{file.path}: {one.text}" for file in files for one in file.reading.damage]
        found.origin = self._origin(generation)
        if newest.signed is not None:
            found.size, found.root = newest.signed.size, newest.signed.root
        found.state, found.ended = _fold_entries(files, damaged=bool(found.problems))
        return found

    def _read_file(self, path: str) -> _File:
        if self._disk.size(path) > MAX_FILE_BYTES:
            text = f"{path}: {self._disk.size(path)} bytes; no journal file grows beyond {MAX_FILE_BYTES}"
            return _File(path, FileReading(), None, 0, text)
        try:
            data = self._disk.read(path)
        except NotAFile:
            return _File(path, FileReading(), None, 0, f"{path} is no regular file")
        reading = read_file(data, self._key, "last")
        if reading.attested_bytes:
            return _File(path, reading, reading.signed, reading.signed_bytes)
        signed, end = _last_signed(data, self._key)
        file = _File(path, reading, signed, end)
        if signed is not None and signed.size > _first(path):
            # entries are written only after the header's sync: it was there
            file.problem = f"{path}: the header is not the one that was signed"
        return file

    def _refuse_foreign(self, folder: str, names: list[str]) -> None:
        """Another device's journal is not ours to go on with, nor to put aside. A damaged key file is mended.

        Where the key file says another key, or none, what signed the journal decides.
        """
        text = self._key_text(folder)
        if text == f"{self._key.line()}\n":
            return
        if any(self._read_file(f"{folder}/{name}").signed for name in names):
            self._mend_key(folder)
            return
        if not _is_key(text.strip()):
            return
        raise SpoolForeign(
            f"{folder} is signed by {text.strip()[:100]!r}, and this device's key is {self._key.line()}; "
            "use the spool's own key_dir, or an empty spool for a new key"
        )

    def _key_text(self, folder: str) -> str:
        if VKEY not in self._disk.names(folder):
            return ""
        try:
            return self._disk.read(f"{folder}/{VKEY}", 0, MAX_KEY_BYTES).decode("utf-8", errors="replace")
        except NotAFile:
            return ""

    def _mend_key(self, folder: str) -> None:
        if VKEY in self._disk.names(folder):
            self._asides.append(self._aside.put(f"{folder}/{VKEY}", "unnamed_file"))
        write_key(self._disk, folder, self._key)


def write_key(disk: Disk, folder: str, key: VerifierKey) -> None:
    """The device's public key beside its journal, anew."""
    names = disk.names(folder)
    if f"{VKEY}/" in names:
        raise NotAFile(
            errno.EISDIR, "a folder is in the way of the device's public key; move it away", f"{folder}/{VKEY}"
        )
    if VKEY in names:
        disk.unlink(f"{folder}/{VKEY}")
    file = disk.create(f"{folder}/{VKEY}")
    disk.write(file, 0, [f"{key.line()}\n".encode()])
    disk.sync(file)
    disk.close(file)
    disk.sync_folder(folder)


def taken_sessions(disk: Disk) -> list[int]:
    """Session numbers that folders and files say are taken, whatever a journal says."""
    folders = [spool.session_number(name.rstrip("/")) for name in disk.names(spool.SEGMENTS)]
    return [number for number in [*folders, *session_numbers(disk)] if number > 0]


def _fold_entries(files: list[_File], damaged: bool) -> tuple[DeviceState, dict[str, set[str]]]:
    """All entries, each as its newest file has it: the state, and the media files of sessions told from end to end."""
    state, named = DeviceState(), dict[str, set[str]]()
    firsts = [_first(file.path) for file in files[1:]]
    for file, end in zip_longest(files, firsts):
        for index, entry in file.entries():
            if end is None or index is None or index < end:
                state.apply(entry)
                if isinstance(entry, e.SessionOpen):
                    named[entry.stream] = set()
                elif isinstance(entry, e.SegmentOpen) and entry.stream in named:
                    named[entry.stream].add(entry.file)
                if damaged:
                    _doubt(state, entry)
    return state, {session: names for session, names in named.items() if session not in state.sessions}


def _doubt(state: DeviceState, entry: e.AnyEntry) -> None:
    """Where entries may be missing, what others say of them counts too.

    A session's head says that it is closed; an entry of a session, that it was opened and its number is taken.
    """
    number = spool.session_number(entry.stream)
    state.next_session = max(state.next_session, number + 1)
    if isinstance(entry, e.SessionHead):
        state.sessions.pop(entry.session, None)
    elif number > 0 and entry.stream not in state.sessions and not isinstance(entry, e.SessionClose):
        opened = SessionState(entry.stream, number, entry.boot, entry.boot_us, 0, [], "0")
        state.sessions[entry.stream] = opened


def _stands_alone(file: _File) -> bool:
    """A file from which the state can be read: the first of a generation, or one that begins with the carried state."""
    if _first(file.path) == 0:
        return True
    return any(isinstance(entry, e.DeviceCarry) for _, entry in islice(file.entries(), 1))


def _first(path: str) -> int:
    """Index of a journal file's first entry, by its name."""
    return int(path.rpartition("/")[2].removesuffix(".log"))


def _is_key(line: str) -> bool:
    try:
        parse_vkey(line)
    except EvidenceError:
        return False
    return True


def _last_signed(data: bytes, key: VerifierKey) -> tuple[Checkpoint | None, int]:
    """The last checkpoint that the key signed, whatever stands around it, and the offset behind it."""
    end = len(data)
    while end > 0:
        start = data.rfind(b"\n", 0, end - 1) + 1 if end > 1 else 0
        line = data[start:end].rstrip(b"\n")
        if line[:1] == b'"':
            try:
                return open_checkpoint(decode_checkpoint_line(line), key), end
            except EvidenceError:
                pass  # not one of ours: look further up
        end = start
    return None, 0
