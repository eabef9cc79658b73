"""What a power cut, a kill or a failing card left behind, made whole again without touching what is attested.

Steps, each of which may be cut and done again: find the journal to go on with (``finding``); cut a torn tail and keep
it aside (``aside``); move files aside that no entry names, out of the open session and of those that ended last, as far
as the journal's newest file tells them from their begin; close the open segment, begin the interruption, end a
session that is known to be too old (``repair``; invariants 3 and 4). Run twice it changes nothing.

Damage below a signed checkpoint is not mended: a new generation begins and carries on what could be read (next
number, assigned). A session that was open there cannot go on, since its stream cannot: recording begins unasked as a
new session, with power ``other`` (the device does not decide which power is exercised; an annotation may say it), and
a fault in the device's stream, written before it, names the old one. Media of the old generation stay where they are.

Leaves to others: going on recording (``recorder``), judging what is there (``fsck``, ``verify``).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from agent.evidence import entries as e
from agent.evidence.canonical import b64
from agent.evidence.journal import Log
from agent.evidence.note import Signer
from agent.recorder import spool
from agent.recorder.aside import AsideFolder
from agent.recorder.disk import Disk
from agent.recorder.finding import Finder, Found, SpoolForeign, write_key
from agent.recorder.journal_file import ROTATE_BYTES, JournalFile
from agent.recorder.ledger import Ledger
from agent.recorder.messages import ClockReading, Start
from agent.recorder.repair import Device, Repair, open_all, since
from agent.recorder.state import UNFINISHED, DeviceState, Resume, SessionState
from agent.recorder.timeline import NS_PER_US

ENDED_SESSIONS = 100
"""So many of the newest are looked into. What a cut can bring back is seconds old, and each folder costs a cold disk a
read: 2,000 of them 0.16 s on ext4 on a fast disk (0.02 s from the cache), more on a card; 100 of them 0.008 s."""

__all__ = ["Device", "Recovered", "Recovery", "SpoolForeign"]

MOST_NAMED = 20
"""Interruptions that a sentence names."""


@dataclass(slots=True)
class Recovered:
    """A spool ready for the writer; ``done`` says in words what recovery changed."""

    ledger: Ledger
    resume: Resume | None
    done: list[str] = field(default_factory=list)
    begin_unasked: str = ""
    """The session that damage cut off while it was recording: the recorder is to begin another at once."""

    def unasked(self, now_ns: int) -> list[Start]:
        """The recorder's first message: nobody pressed, so recording begins now, and no power is claimed."""
        return [Start(now_ns, power="other")] if self.begin_unasked else []


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
        self._aside = AsideFolder(disk, self._done)
        self._repair = Repair(disk, device, clock, now_ns, self._done)

    def run(self, for_recording: bool) -> Recovered:
        """Recover; ``for_recording`` also gives a new boot its entry where nothing else had to be written."""
        self._settle()
        untold = self._aside.untold()
        found = Finder(self._disk, self._signer.vkey, self._device.id, self._aside).find()
        if found.sound and found.reading.tail is not None:
            found.asides.append(self._aside.keep_tail(found.path, found.length))
        ledger = self._go_on(found) if found.sound else self._begin(found)
        state = ledger.state
        entries: list[e.Entry] = [*untold, *found.asides, *self._unnamed_files(state, found)]
        for session in list(state.sessions.values()):
            entries += self._repair.session(session, state)
        if entries or for_recording:
            self._write(entries, ledger)
        return Recovered(ledger, self._resume(state), self._done, self._unfinished(state))

    def _settle(self) -> None:
        """Names that a killed process left in the cache are made durable before anything is built on them."""
        for folder in ("", spool.JOURNAL, spool.SEGMENTS):
            if self._disk.names(folder):
                self._disk.sync_folder(folder)

    def _write(self, entries: list[e.Entry], ledger: Ledger) -> None:
        state = ledger.state
        boot = self._boot(state) if state.boot_id != self._device.boot_id else []
        now_us, ordinal = self._now_ns() // NS_PER_US, state.boot + (1 if boot else 0)
        for entry in entries:
            entry.boot, entry.boot_us = ordinal, now_us
        if boot or entries:
            ledger.append([*boot, *entries])

    # --- the journal ----------------------------------------------------------------------------------------

    def _go_on(self, found: Found) -> Ledger:
        """In the newest file."""
        log = Log(found.origin, self._signer, found.reading.frontier, found.reading.streams)
        journal = JournalFile(self._disk, log, found.generation, self._rotate_bytes)
        journal.continue_file(found.path, found.length)
        return Ledger(journal, found.state, self._now_ns, self._random)

    def _begin(self, found: Found) -> Ledger:
        """A generation: the first, or one that goes on after damage."""
        generation, begin = found.next_generation, self._journal_begin(found)
        folder = spool.journal_folder(generation)
        self._disk.make_folder(folder)
        write_key(self._disk, folder, self._signer.vkey)
        log, state = Log(f"liuhen/{self._device.id}/{generation}", self._signer), DeviceState()
        ledger = Ledger(JournalFile(self._disk, log, generation, self._rotate_bytes), state, self._now_ns, self._random)
        ledger.append([begin, *self._boot(state), *self._carried(found)])
        return ledger

    def _journal_begin(self, found: Found) -> e.JournalBegin:
        begin = e.JournalBegin(
            device=self._device.id,
            unit=self._device.unit,
            generation=found.next_generation,
            vkey=self._signer.vkey.line(),
            reason="damage" if found.problems else "new",
            boot_us=self._now_ns() // NS_PER_US,
        )
        if found.problems:
            begin.previous_origin, begin.previous_size = found.origin, found.size
            begin.previous_root = b64(found.root)
            self._done.append(f"damaged journal: {'; '.join(found.problems)}; a new generation begins")
        return begin

    def _carried(self, found: Found) -> list[e.Entry]:
        """What a new generation knows of the one before."""
        if not found.problems:
            return []
        old, now_us = found.state, self._now_ns() // NS_PER_US
        carry = e.DeviceCarry(
            boot_us=now_us,
            boot_id=self._device.boot_id,
            next_session=old.next_session,
            assigned="yes" if old.assigned else "no",
            clock_at_us=0,
            clock_utc_us=0,
            clock_source="none",
            clock_error_us=-1,
        )
        carried: list[e.Entry] = [*old.alarms.carried_over(), *old.terms.into_new_generation()]
        if old.owed:  # their streams stay behind; what was given, or not, is in the damaged journal
            names = ", ".join(f"{session} {number}" for session, number in list(old.owed)[:MOST_NAMED])
            text = f"{len(old.owed)} reasons owed in {found.origin} can only be given in writing now: {names}"
            carried.append(e.Fault(part="journal", kind="reasons.left_behind", text=text))
        for one in carried:
            one.boot_us = now_us
        return [carry, *carried, *(self._cut_off(session, old, found.origin) for session in old.sessions.values())]

    def _cut_off(self, session: SessionState, state: DeviceState, origin: str) -> e.Fault:
        """Tells of a session that was open in a damaged journal; whether recording goes on in another."""
        interruption = open_all(session) or since(session.origin_boot, session.last_us())
        ended = self._repair.too_long(session, interruption, state)
        what = "ended with it" if ended else "recording goes on as another session"
        self._done.append(f"{session.session} was open in the damaged journal; {what}")
        return e.Fault(
            boot_us=self._now_ns() // NS_PER_US,
            part="journal",
            kind="session.ended" if ended else UNFINISHED,
            text=f"{session.session} was open in {origin}, whose journal is damaged; {what}",
        )

    def _boot(self, state: DeviceState) -> list[e.Entry]:
        boot, now_us = state.boot + 1, self._now_ns() // NS_PER_US
        entries: list[e.Entry] = [e.Boot(boot=boot, boot_us=now_us, boot_id=self._device.boot_id)]
        if self._clock is not None:
            clock = self._clock
            entries.append(
                e.Clock(
                    boot=boot,
                    boot_us=now_us,
                    at_us=clock.at_ns // NS_PER_US,
                    utc_us=clock.utc_us,
                    source=clock.source,
                    error_us=clock.error_us,
                )
            )
        return entries

    # --- files ----------------------------------------------------------------------------------------------

    def _unnamed_files(self, state: DeviceState, found: Found) -> list[e.Entry]:
        """Files made in the moment of a cut: nothing in them is attested (invariant 3)."""
        entries: list[e.Entry] = []
        ended = dict(list(found.ended.items())[-ENDED_SESSIONS:]) if found.sound else {}
        for folder in self._disk.names(spool.SEGMENTS):
            session = folder.rstrip("/")
            if spool.session_number(session) >= state.next_session or session in state.sessions:
                entries += self._unnamed_in(session, state.sessions.get(session))
            elif session in ended:
                entries += self._unnamed_in_ended(session, ended[session])
        return entries

    def _unnamed_in_ended(self, session: str, named: set[str]) -> Iterator[e.Entry]:
        """A file whose removal was not yet durable comes back in a cut, into a session that has ended meanwhile."""
        for name in self._disk.names(spool.session_folder(session)):
            if f"{session}/{name}" not in named and not name.endswith("/"):
                yield self._aside.put(f"{spool.session_folder(session)}/{name}", "unnamed_file")

    def _unnamed_in(self, session: str, known: SessionState | None) -> Iterator[e.Entry]:
        for name in self._disk.names(spool.session_folder(session)):
            number = spool.segment_number(name)
            named = known is not None and 0 <= number < known.next_segment
            if named and known is not None and number == known.segment:
                named = known.segment_file == f"{session}/{name}"
            if not named and not name.endswith("/"):
                yield self._aside.put(f"{spool.session_folder(session)}/{name}", "unnamed_file")

    # --- going on -------------------------------------------------------------------------------------------

    def _resume(self, state: DeviceState) -> Resume | None:
        for session in state.sessions.values():
            interruption = open_all(session)
            if interruption is not None:
                then = state.utc_of(interruption.last_boot, interruption.last_us)
                return Resume(session, interruption, then, self._device.boot_began_us)
        return None

    def _unfinished(self, state: DeviceState) -> str:
        """The session to be followed by another at once, as long as it would have been resumed itself."""
        fault = state.unfinished
        if fault is None or state.sessions:
            return ""
        lasted_us = self._repair.gap_us(since(fault.boot, fault.boot_us), state, fault.boot_us)
        return fault.text.partition(" ")[0] if lasted_us <= self._device.resume_s * 1_000_000 else ""
