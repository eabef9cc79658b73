"""A device's journal as its recorder writes it, without media: sessions, files, interruptions, reasons, in any order.

``Life`` keeps the journal's rules (numbers go on, a file is closed before the next one opens), so that a test may
draw its deeds at random; a deed that makes no sense now does nothing.
"""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from agent.evidence import entries as e
from agent.evidence.journal import Log
from agent.evidence.note import Signer
from agent.evidence.tree import Frontier
from agent.recorder.disk import FolderDisk
from agent.recorder.journal_file import JournalFile
from agent.recorder.ledger import Ledger
from agent.recorder.spool import session_id
from agent.recorder.state import DeviceState

DEVICE = "D1"
SIGNER = Signer(f"liuhen/{DEVICE}", bytes(range(32)))
HASH = "h" * 43
DEEDS = (
    "open",
    "close",
    "film",
    "film",
    "film",
    "cut",
    "fail",
    "mend",
    "ask",
    "explain",
    "add",
    "mark",
    "fault",
    "store",
)


class Life:
    """One generation, in the spool ``root``; its files are rotated at ``rotate_bytes``."""

    def __init__(self, root: Path, seed: int = 1, rotate_bytes: int = 20_000, generation: int = 1) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.disk, self.generation = FolderDisk(root), generation
        self.origin = f"liuhen/{DEVICE}/{generation}"
        self.now_us = 100_000_000
        self.journal = JournalFile(self.disk, Log(self.origin, SIGNER), generation, rotate_bytes)
        draw = random.Random(seed).randbytes
        self.ledger = Ledger(self.journal, DeviceState(), lambda: self.now_us * 1000, draw)
        self.sessions = 0
        self.open = ""
        self.segment = self.interruption = -1
        self.next_segment = self.next_interruption = 0
        self.fragments = self.sealed = 0
        begin = e.JournalBegin(device=DEVICE, unit="U1", generation=generation, vkey=SIGNER.vkey.line(), reason="new")
        self.ledger.append([begin, e.Boot(boot_id="boot-0")])

    @property
    def size(self) -> int:
        """Entries in the tree."""
        return self.ledger.attested_size

    @property
    def tree(self) -> Frontier:
        """Of what is durable."""
        return self.journal.log.frontier.copy()

    def live(self, deeds: Sequence[str]) -> None:
        """Do them one by one, each in a flush of its own."""
        for deed in deeds:
            self.now_us += 400_000
            if deed in ("open", "fault") or self.open or (deed in ("ask", "explain", "add") and self.sessions):
                getattr(self, f"do_{deed}")()

    def write(self, *entries: e.Entry) -> None:
        """One flush."""
        self.ledger.append([self.ledger.made_now(entry) for entry in entries])

    # --- deeds ----------------------------------------------------------------------------------------------

    def do_open(self) -> None:
        if self.open:
            return
        self.sessions += 1
        self.open = session_id(self.sessions)
        self.next_segment = self.next_interruption = 0
        opening = e.SessionOpen(
            stream=self.open, number=self.sessions, pressed_us=self.now_us, from_us=self.now_us - 5, prerecord_ms=0,
            prerecord_sound="yes", required_tracks=["video"], power="other", officer=f"A{self.sessions}",
            items_sha256=HASH, config_sha256=HASH,
        )  # fmt: skip
        self.write(opening)

    def do_film(self) -> None:
        entries: list[e.Entry] = []
        if self.segment < 0:
            self.segment, self.next_segment, self.fragments, self.sealed = (
                self.next_segment,
                self.next_segment + 1,
                0,
                0,
            )
            file = f"{self.open}/D1_A_0_{self.segment:06d}.mp4.age"
            entries.append(
                e.SegmentOpen(
                    stream=self.open,
                    segment=self.segment,
                    file=file,
                    cause="start",
                    init_length=700,
                    init_sha256=HASH,
                    recipients=["age1"],
                    tracks=[],
                )
            )
        self.fragments += 1
        self.sealed = self.fragments * 65_552
        us, tick = self.now_us, self.fragments * 36_000
        span = e.TrackSpan(
            track="video", tick=tick, end_tick=tick + 36_000, count=10, first_us=us, last_us=us + 400_000
        )
        entries.append(
            e.Fragment(
                stream=self.open,
                segment=self.segment,
                index=self.fragments - 1,
                tracks=[span],
                end=700 + self.fragments * 65_000,
                sha256=HASH,
                sealed=self.sealed,
                sealed_sha256=HASH,
                lag_ms=7,
                fix="no",
                accuracy="none",
            )
        )
        self.write(*entries)

    def do_cut(self) -> None:
        if self.segment < 0:
            return
        end = 700 + self.fragments * 65_000
        closing = e.SegmentClose(
            stream=self.open, segment=self.segment, by="recorder", end=end, final_length=8, final_sha256=HASH,
            length=self.sealed + 40, sha256=HASH,
        )  # fmt: skip
        self.segment = -1
        self.write(closing)

    def do_fail(self) -> None:
        if self.interruption >= 0:
            return
        self.interruption, self.next_interruption = self.next_interruption, self.next_interruption + 1
        begin = e.InterruptionBegin(
            stream=self.open, interruption=self.interruption, track="video", cause="camera", text="gone",
            last_boot=0, last_us=self.now_us,
        )  # fmt: skip
        self.write(begin)

    def do_mend(self) -> None:
        if self.interruption < 0:
            return
        end = e.InterruptionEnd(
            stream=self.open, interruption=self.interruption, resumed="yes", first_boot=0, first_us=self.now_us,
            shortest_us=400_000, longest_us=400_000,
        )  # fmt: skip
        self.interruption = -1
        self.write(end)

    def do_ask(self) -> None:
        for session, interruption in list(self.ledger.state.owed)[:1]:
            asked = e.ExplanationAsked(
                stream=session, interruption=interruption, request=1, why="again", how="lamp", words="",
                prompt_sha256="",
            )  # fmt: skip
            self.write(asked)

    def do_explain(self) -> None:
        for session, interruption in list(self.ledger.state.owed)[:1]:
            self.write(e.Explanation(stream=session, interruption=interruption, how="written", officer="A1"))

    def do_add(self) -> None:
        stream = session_id(self.sessions)
        self.write(e.ExplanationAddendum(stream=stream, interruption=0, how="written", officer="A1"))

    def do_mark(self) -> None:
        self.write(e.Mark(stream=self.open, at_us=self.now_us, label=""), e.Fault(part="camera", kind="k", text=""))

    def do_fault(self) -> None:
        self.write(e.Fault(part="camera", kind="k", text="x" * (self.now_us // 400_000 % 50)))

    def do_store(self) -> None:
        """The newest closed file is received; the one before it goes; the session is held, and no longer."""
        closed = self.next_segment - (2 if self.segment >= 0 else 1)
        private = e.Private(sha256=HASH, age="")
        receipt = e.Receipt(stream=self.open, segment=closed, key="store", note="")
        held: Literal["yes", "no"] = "yes" if closed % 2 else "no"
        hold = e.Hold(stream=self.open, session=self.open, held=held, number=1, key="unit", private=private)
        deletion = e.Deletion(
            stream=self.open, origin=self.origin, segment=closed - 1, file="", length=1, sha256=HASH, receipt=HASH,
            cosignature=HASH, waiver="", free_bytes=0, wanted_bytes=1,
        )  # fmt: skip
        if closed >= 0:
            self.write(receipt, hold, *([deletion] if closed else []))

    def do_close(self) -> None:
        self.do_cut()
        self.do_mend()
        closing = e.SessionClose(stream=self.open, by="officer", until_boot=0, until_us=self.now_us, late_frames=0)
        self.write(closing)
        self.open = ""
