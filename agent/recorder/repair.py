"""A session that was cut off, made whole: its segment closed, its interruption begun, or its end written.

Gives entries and changes nothing attested: of a segment only zeros behind the last written chunk are cut. A file that
is shorter than what was attested, or gone, is closed as it is, and a fault says so: recovery signs no loss without a
word. A session known to be interrupted for longer than ``resume_s`` ends where its media ended (invariant 4).

Leaves to others: writing the entries (``recovery``), going on with the session (``recorder``).
"""

from collections.abc import Callable
from dataclasses import dataclass

from agent.evidence import age
from agent.evidence import entries as e
from agent.evidence.errors import EvidenceError
from agent.recorder import spool
from agent.recorder.aside import hash_file
from agent.recorder.disk import Disk
from agent.recorder.messages import ClockReading
from agent.recorder.state import DeviceState, SessionState, gap_us
from agent.recorder.timeline import NS_PER_US


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
class Repair:
    """``done`` takes what was done, in words; ``now_ns`` reads CLOCK_BOOTTIME."""

    disk: Disk
    device: Device
    clock: ClockReading | None
    now_ns: Callable[[], int]
    done: list[str]

    def session(self, session: SessionState, state: DeviceState) -> list[e.Entry]:
        """Entries that make one open session whole."""
        entries: list[e.Entry] = []
        if session.segment >= 0:
            entries += self._close_segment(session)
        entries += [
            e.ImpairmentEnd(stream=session.session, impairment=one.impairment, until_us=session.last_us(), worst=0)
            for one in session.open_impairments
        ]
        interruption = open_all(session)
        if interruption is None:
            interruption, begun = self._interrupt(session, state)
            entries += begun
        if self.too_long(session, interruption, state):
            entries += self._end(session, interruption)
        return entries

    def too_long(self, session: SessionState, interruption: e.InterruptionBegin, state: DeviceState) -> bool:
        """Whether an interruption up to now is known to be longer than a session outlasts."""
        return self.gap_us(interruption, state, session.latest_us()) > self.device.resume_s * 1_000_000

    def gap_us(self, interruption: e.InterruptionBegin, state: DeviceState, latest_us: int) -> int:
        """The shortest that an interruption up to now can have been."""
        now_us, clock = self.now_ns() // NS_PER_US, self.clock
        boot = state.boot if state.boot_id == self.device.boot_id else state.boot + 1
        then = state.utc_of(interruption.last_boot, interruption.last_us)
        now = None
        if clock is not None and clock.source != "none":
            now = clock.utc_us + now_us - clock.at_ns // NS_PER_US, clock.error_us
        return gap_us(interruption, boot, now_us, self.device.boot_began_us, then, now, latest_us)[0]

    # --- the open segment -----------------------------------------------------------------------------------

    def _close_segment(self, session: SessionState) -> list[e.Entry]:
        path = f"{spool.SEGMENTS}/{session.segment_file}"
        faults: list[e.Entry] = []
        try:
            length = self._cut_zeros(path, session.segment_sealed)
            if length < session.segment_sealed:
                faults.append(self._fault("short", f"{path} has {length} of {session.segment_sealed} attested bytes"))
        except FileNotFoundError:
            length = 0
            faults.append(self._fault("missing", f"{path} is missing; {session.segment_sealed} bytes were attested"))
        self.done.append(f"segment {session.segment} of {session.session} closed at {length} bytes")
        close = e.SegmentClose(
            stream=session.session,
            segment=session.segment,
            by="recovery",
            end=session.segment_end,
            final_length=0,
            final_sha256="",
            length=length,
            sha256=hash_file(self.disk, path)[1],
        )
        return [*faults, close]

    def _fault(self, kind: str, text: str) -> e.Fault:
        self.done.append(text)
        return e.Fault(part="storage", kind=f"segment.{kind}", text=text)

    def _cut_zeros(self, path: str, attested: int) -> int:
        """Length of the file without the zeros that were reserved behind the last written chunk."""
        size = self.disk.size(path)
        try:
            header = age.header_length(self.disk.read(path, 0, age.MAX_HEADER_BYTES))
            length = age.written_length(size, header, lambda offset, count: self.disk.read(path, offset, count))
        except EvidenceError:
            length = 0  # not even the header was written
        length = min(size, max(length, attested))
        file = self.disk.open(path)
        if length < size:
            self.disk.truncate(file, length)
        self.disk.sync(file)  # a killed process may have left in the cache what is about to be attested
        self.disk.close(file)
        return length

    # --- its interruption -----------------------------------------------------------------------------------

    def _interrupt(self, session: SessionState, state: DeviceState) -> tuple[e.InterruptionBegin, list[e.Entry]]:
        same_boot = state.boot_id == self.device.boot_id
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
        self.done.append(f"{session.session} interrupted ({begin.cause})")
        return begin, [*ends, begin]

    def _end(self, session: SessionState, interruption: e.InterruptionBegin) -> list[e.Entry]:
        self.done.append(f"{session.session} closed: interrupted for longer than {self.device.resume_s} s")
        boot, us = interruption.last_boot, interruption.last_us
        close = e.SessionClose(stream=session.session, by="recovery", until_boot=boot, until_us=us, late_frames=0)
        return [_not_resumed(session, interruption, boot, us), close]


def open_all(session: SessionState) -> e.InterruptionBegin | None:
    """The open interruption of the whole session."""
    return next((begin for begin in session.open_interruptions if begin.track == "all"), None)


def since(boot: int, us: int) -> e.InterruptionBegin:
    """What has lasted since a moment, to be measured like an interruption."""
    return e.InterruptionBegin(interruption=0, track="all", cause="process", text="", last_boot=boot, last_us=us)


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
