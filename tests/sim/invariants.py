"""What must hold of a spool at any time, checked entry by entry, without a line of the recorder or the verifier.

``Checker`` reads the journal as it grows, only what the writer acknowledged (that is never taken back), and follows
every promise: streams and tree, ``begin``/``end`` pairs, segments and their bytes, ticks, and that each moment of a
required track lies in media or in an interruption. It reads each attested byte when its entry appears, and again
after a cut (``after_cut``). ``files_are_named`` compares folders with the journal, ``plaintext`` opens what is sealed.

Anything wrong raises ``Broken`` and names the entry. Numbers are as in the entries: microseconds and ticks.
"""

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, field

from agent.evidence import age
from agent.evidence import entries as e
from agent.evidence.canonical import b64
from agent.evidence.checkpoint import open_checkpoint
from agent.evidence.journal import Streams, decode_checkpoint_line, decode_entry, decode_header
from agent.evidence.note import VerifierKey
from agent.evidence.tree import Frontier, leaf_hash
from agent.recorder.disk import Disk

TOLERANCE_US = 60_000
TIMESCALE = {"video": 90_000, "sound": 48_000}


LATE = (
    e.Annotate, e.Explanation, e.ExplanationAddendum, e.ExplanationAsked,
    e.Alarm, e.AlarmTold, e.AlarmReported, e.AlarmAcknowledged, e.Statement,
)  # fmt: skip
"""What may still come into a closed session's stream."""


class Broken(AssertionError):
    """An invariant does not hold."""


@dataclass(slots=True)
class Range:
    """Microseconds of presentation time."""

    start: int
    end: int


@dataclass(slots=True)
class Segment:
    """A media file as the journal tells it, and what was hashed of it."""

    open: e.SegmentOpen
    digest: "hashlib._Hash"
    read: int = 0
    end: int = 0
    fragments: list[e.Fragment] = field(default_factory=list)
    close: e.SegmentClose | None = None

    @property
    def path(self) -> str:
        return f"segments/{self.open.file}"


@dataclass(slots=True)
class Session:
    """A session as the journal tells it."""

    id: str
    open: e.SessionOpen
    zero: dict[int, int]
    """CLOCK_BOOTTIME of presentation 0, by boot."""
    segments: list[Segment] = field(default_factory=list)
    begins: dict[int, e.InterruptionBegin] = field(default_factory=dict)
    ends: dict[int, e.InterruptionEnd] = field(default_factory=dict)
    impairments: dict[int, bool] = field(default_factory=dict)
    explained: dict[int, e.Explanation] = field(default_factory=dict)
    media: dict[str, list[Range]] = field(default_factory=dict)
    ticks: dict[str, int] = field(default_factory=dict)
    jumps: list[tuple[str, Range]] = field(default_factory=list)
    head: e.SessionHead | None = None
    begun: bool = False
    close: e.SessionClose | None = None

    def at(self, boot: int, us: int) -> int:
        if boot not in self.zero:
            raise Broken(f"{self.id}: nothing ties boot {boot} to the session's start")
        return us - self.zero[boot]

    def owed_from(self, track: str) -> int:
        """Presentation time; sound is owed from the press on where the pre-record may have none."""
        no_sound = track == "sound" and self.open.prerecord_sound == "no"
        return max(0, self.open.pressed_us - self.open.from_us) if no_sound else 0

    def interrupted(self) -> list[str]:
        """Tracks with an open interruption."""
        return [begin.track for number, begin in self.begins.items() if number not in self.ends]

    def holes(self, track: str) -> list[Range]:
        """Presentation times that interruptions account for."""
        found = []
        for number, begin in self.begins.items():
            if begin.track in (track, "all"):
                end = self.ends.get(number)
                until = self.at(end.first_boot, end.first_us) if end else 1 << 60
                found.append(Range(self.at(begin.last_boot, begin.last_us), until))
        return found


def check(truth: bool, text: str) -> None:
    if not truth:
        raise Broken(text)


class Checker:
    """Follows one generation's journal on ``disk`` (which a cut replaces: set it)."""

    def __init__(self, disk: Disk, key: VerifierKey, folder: str = "journal/0001") -> None:
        self.disk, self._key, self._folder = disk, key, folder
        self.frontier = Frontier()
        self.streams = Streams()
        self.leaves: list[bytes] = []
        self.sessions: dict[str, Session] = {}
        self.alarms: dict[int, tuple[str, int]] = {}
        """Session and interruption by the alarm's number."""
        self.acknowledged: set[int] = set()
        self.stated: set[int] = set()
        self.boot = -1
        self.entries = 0
        self.lead_us: int | None = None
        """How far one track's attested end may be ahead of an interruption of all; None where sensors fall silent."""
        self._path, self._offset = "", 0
        self._recent: list[Segment] = []

    # --- reading --------------------------------------------------------------------------------------------

    def catch_up(self, size: int) -> None:
        """Read and judge the entries below ``size``, which were acknowledged."""
        while len(self.leaves) < size:
            before = len(self.leaves)
            for line in self._lines():
                self._entry(line)
                if len(self.leaves) == size:
                    break
            check(len(self.leaves) > before, f"{size} entries are acknowledged, {before} are in the journal")

    def _lines(self) -> Iterator[bytes]:
        """Entry lines from the next index on, of the newest file that holds it."""
        names = [name for name in self.disk.names(self._folder) if name.endswith(".log")]
        firsts = [name for name in names if int(name.removesuffix(".log")) <= len(self.leaves)]
        limit = min((int(name.removesuffix(".log")) for name in names[len(firsts) :]), default=1 << 60)
        check(bool(firsts), f"no journal file holds entry {len(self.leaves)}")
        path = f"{self._folder}/{firsts[-1]}"
        if path != self._path:
            self._path, self._offset = path, 0
        index = int(firsts[-1].removesuffix(".log"))
        data = self.disk.read(path, self._offset)
        start = 0
        skip = self._offset == 0
        while len(self.leaves) < limit and (stop := data.find(b"\n", start)) >= 0:
            line, start = data[start:stop], stop + 1
            self._offset += len(line) + 1
            if line[:1] == b"[":
                self._header(line)
            elif line[:1] == b"{":
                if not skip or index >= len(self.leaves):
                    yield line
                else:
                    check(leaf_hash(line) == self.leaves[index], f"entry {index} was replaced in {path}")
                index += 1
            elif line[:1] == b'"':
                self._checkpoint(line)

    def _header(self, line: bytes) -> None:
        header = decode_header(line)
        if header.first == len(self.leaves):
            check(list(header.hashes) == self.frontier.hashes, f"{self._path}: another tree before it")
            check(header.streams == self.streams.heads, f"{self._path}: other stream heads before it")

    def _checkpoint(self, line: bytes) -> None:
        checkpoint = open_checkpoint(decode_checkpoint_line(line), self._key)
        if checkpoint.size == len(self.leaves):
            check(checkpoint.root == self.frontier.root(), f"the checkpoint of size {checkpoint.size} is wrong")

    def _entry(self, line: bytes) -> None:
        entry, leaf = decode_entry(line), leaf_hash(line)
        self.streams.check(entry, leaf)
        self.frontier.append(leaf)
        self.leaves.append(leaf)
        try:
            self._judge(entry, leaf)
        except Broken as broken:
            raise Broken(
                f"entry {len(self.leaves) - 1} ({type(entry).__name__} {entry.stream}#{entry.n}): {broken}"
            ) from None

    # --- the device's stream --------------------------------------------------------------------------------

    def _judge(self, entry: e.Entry, leaf: bytes) -> None:
        check(len(self.leaves) > 1 or isinstance(entry, e.JournalBegin), "a generation begins with journal.begin")
        if isinstance(entry, e.Boot):
            check(entry.boot == self.boot + 1, f"boot {entry.boot} after boot {self.boot}")
            self.boot = entry.boot
        check(entry.boot == max(self.boot, 0), f"an entry of boot {entry.boot} in boot {self.boot}")
        if isinstance(entry, e.SessionBegin):
            check(entry.session in self.sessions, "session.begin without session")
            self.sessions[entry.session].begun = True
        elif isinstance(entry, e.SessionHead):
            self._head(entry)
        elif entry.stream != e.DEVICE_STREAM:
            self._in_session(entry)

    def _head(self, entry: e.SessionHead) -> None:
        head = self.streams.head(entry.session)
        check(entry.count == head.count and entry.leaf == b64(head.leaf), f"{entry.session} is not as its head says")
        self.sessions[entry.session].head = entry

    # --- a session's stream ---------------------------------------------------------------------------------

    def _in_session(self, entry: e.Entry) -> None:
        if isinstance(entry, e.SessionOpen):
            check(entry.n == 0 and entry.number == len(self.sessions) + 1, "a session's number is the next one")
            check(all(s.close for s in self.sessions.values()), "a session begins while another is open")
            self.sessions[entry.stream] = Session(entry.stream, entry, {entry.boot: entry.from_us})
            return
        session = self.sessions[entry.stream]
        if session.close is not None:
            check(isinstance(entry, LATE), "after a session's close only notes, reasons and alarms come")
        match entry:
            case e.SegmentOpen():
                self._segment_open(session, entry)
            case e.Fragment():
                self._fragment(session, entry)
            case e.SegmentClose():
                self._segment_close(session, entry)
            case e.InterruptionBegin():
                self._begin(session, entry)
            case e.InterruptionEnd():
                self._end(session, entry)
            case e.ImpairmentBegin():
                check(entry.impairment not in session.impairments, "an impairment's number is used once")
                session.impairments[entry.impairment] = True
            case e.ImpairmentEnd():
                check(session.impairments.get(entry.impairment, False), "an impairment ends that did not begin")
                session.impairments[entry.impairment] = False
            case e.ExplanationAsked():
                check(entry.interruption in session.ends, "asked for the reason of what has not ended")
                check(entry.interruption not in session.explained, "asked for a reason that was given")
            case e.Explanation():
                check(entry.interruption in session.ends, "the reason of what has not ended")
                check(entry.interruption not in session.explained, "a second reason (invariant 5)")
                session.explained[entry.interruption] = entry
                self._reason(session.begins[entry.interruption], entry)
            case e.ExplanationAddendum():
                check(entry.interruption in session.explained, "more to a reason that was not given")
            case e.Alarm():
                check(entry.interruption in session.begins, "an alarm about no interruption")
                about = (session.id, entry.interruption)
                check(about not in self.alarms.values(), "a second alarm about one interruption")
                check(entry.alarm not in self.alarms, "an alarm's number is used once")
                self.alarms[entry.alarm] = about
            case e.AlarmTold() | e.AlarmReported() | e.AlarmAcknowledged() | e.Statement():
                self._about_alarm(session, entry)
            case e.SessionClose():
                self._close(session, entry)
            case e.SessionCarry():
                self._carry(session, entry)
            case _:
                pass

    def _segment_open(self, session: Session, entry: e.SegmentOpen) -> None:
        check(entry.segment == len(session.segments), "segments are numbered without a gap")
        check(not session.segments or session.segments[-1].close is not None, "the segment before is not closed")
        segment = Segment(entry, hashlib.sha256(), end=entry.init_length)
        session.segments.append(segment)
        self._recent.append(segment)
        self.disk.size(segment.path)

    def _current(self, session: Session, number: int) -> Segment:
        check(bool(session.segments) and session.segments[-1].close is None, "no segment is open")
        check(session.segments[-1].open.segment == number, "another segment is open")
        return session.segments[-1]

    def _fragment(self, session: Session, entry: e.Fragment) -> None:
        segment = self._current(session, entry.segment)
        check(entry.index == len(segment.fragments), "fragments are numbered without a gap")
        check(entry.end > segment.end, "a fragment has bytes")
        check(
            not any(b.track == "all" and n not in session.ends for n, b in session.begins.items()),
            "media while interrupted",
        )
        segment.fragments.append(entry)
        segment.end = entry.end
        self._hash(segment, entry.sealed, entry.sealed_sha256)
        for span in entry.tracks:
            self._span(session, entry.boot, span, segment.open)

    def _hash(self, segment: Segment, length: int, told: str) -> None:
        if length > segment.read:
            data = self.disk.read(segment.path, segment.read, length - segment.read)
            check(len(data) == length - segment.read, f"{segment.path} is shorter than attested (invariant 1)")
            segment.digest.update(data)
            segment.read = length
        if length == segment.read:
            check(b64(segment.digest.digest()) == told, f"{segment.path} is not as attested at {length}")

    def _segment_close(self, session: Session, entry: e.SegmentClose) -> None:
        segment = self._current(session, entry.segment)
        check(entry.end == segment.end, "segment.close has another attested end")
        segment.close = entry
        check(entry.length >= segment.read, "segment.close is shorter than what is attested")
        self._hash(segment, entry.length, entry.sha256)
        check(entry.by == "error" or self.disk.size(segment.path) == entry.length, "the closed file has another length")

    def _begin(self, session: Session, entry: e.InterruptionBegin) -> None:
        check(entry.interruption not in session.begins, "an interruption's number is used once")
        check(
            entry.track not in session.interrupted(), f"an interruption of {entry.track} is open already (invariant 5)"
        )
        session.begins[entry.interruption] = entry

    def _end(self, session: Session, entry: e.InterruptionEnd) -> None:
        begin = session.begins.get(entry.interruption)
        check(begin is not None and entry.interruption not in session.ends, "an interruption ends that is not open")
        assert begin is not None
        session.ends[entry.interruption] = entry
        check(entry.shortest_us >= 0, f"an interruption of {entry.shortest_us} us")
        check(entry.longest_us == -1 or entry.longest_us >= entry.shortest_us, "shortest is longer than longest")
        if begin.last_boot == entry.first_boot:
            length = entry.first_us - begin.last_us
            check(length == entry.shortest_us, f"it is {length} us long, told {entry.shortest_us}")
        elif begin.track == "all":
            last = session.at(begin.last_boot, begin.last_us)
            session.zero.setdefault(entry.first_boot, entry.first_us - last - entry.shortest_us)
        else:
            raise Broken("only an interruption of everything goes over boots")

    def _span(self, session: Session, boot: int, span: e.TrackSpan, opened: e.SegmentOpen) -> None:
        shift = next(form.shift_ticks for form in opened.tracks if form.track == span.track)
        scale = TIMESCALE[span.track]
        placed = Range(session.at(boot, span.first_us), session.at(boot, span.last_us))
        off = placed.start - (span.tick - shift) * 1_000_000 // scale
        check(abs(off) <= TOLERANCE_US, f"{span.track} ticks are {off} us off the capture clock")
        length = (span.end_tick - span.tick) * 1_000_000 // scale
        check(abs(placed.end - placed.start - length) <= TOLERANCE_US, f"a {span.track} span of {length} us of ticks")
        before = session.ticks.get(span.track)
        check(before is None or span.tick >= before, f"{span.track} ticks go back")
        if before is not None and span.tick > before:
            jump = (span.tick - before) * 1_000_000 // scale
            session.jumps.append((span.track, Range(placed.start - jump, placed.start)))
        session.ticks[span.track] = span.end_tick
        ranges = session.media.setdefault(span.track, [])
        if ranges and before == span.tick:
            ranges[-1].end = placed.end
        else:
            ranges.append(placed)

    def _carry(self, session: Session, entry: e.SessionCarry) -> None:
        check(entry.next_segment == len(session.segments), "the carried state has another next segment")
        open_numbers = sorted(n for n in session.begins if n not in session.ends)
        carried = sorted(begin.interruption for begin in entry.open_interruptions)
        check(carried == open_numbers, f"open interruptions {open_numbers}, carried {carried}")
        ticks = {span.track: span.end_tick for span in entry.ends if span.count}
        check(ticks == session.ticks, f"ticks {session.ticks}, carried {ticks}")

    def _close(self, session: Session, entry: e.SessionClose) -> None:
        session.close = entry
        check(not session.segments or session.segments[-1].close is not None, "a session closes with an open segment")
        left = [n for n in session.begins if n not in session.ends]
        check(not left, f"a closed session has open interruptions {left} (invariant 5)")
        check(not any(session.impairments.values()), "a closed session has an open impairment")
        self.accounted(session)

    def _reason(self, begin: e.InterruptionBegin, entry: e.Explanation) -> None:
        """Written where the microphone failed, otherwise speech whose sound is attested, all of it."""
        spoken = entry.spoken
        if not isinstance(spoken, e.Spoken):
            check(entry.how == "written" and isinstance(entry.private, e.Private), "a reason without words")
            check("microphone" in (begin.cause, begin.track) or begin.track == "sound", "written without need")
            return
        check(entry.how == "spoken" and spoken.speech_ms > 0, "a spoken reason without speech")
        heard = self.sessions[spoken.session]
        spans = []
        for ref in spoken.fragments:
            found = heard.segments[ref.segment].fragments[ref.first : ref.last + 1]
            check(len(found) == ref.last + 1 - ref.first, "a reason names fragments that are not attested")
            check(all(one.boot == spoken.boot for one in found), "a reason over boots")
            spans += [Range(s.first_us, s.last_us) for one in found for s in one.tracks if s.track == "sound"]
        left = _uncovered(spans, Range(spoken.from_us, spoken.until_us))
        check(left is None, f"{left} of a spoken reason is in no fragment")

    def _about_alarm(
        self, session: Session, entry: e.AlarmTold | e.AlarmReported | e.AlarmAcknowledged | e.Statement
    ) -> None:
        check(self.alarms.get(entry.alarm, ("",))[0] == session.id, "about an alarm that was not raised here")
        if isinstance(entry, e.AlarmAcknowledged):
            check(entry.alarm not in self.acknowledged, "acknowledged twice")
            self.acknowledged.add(entry.alarm)
        elif isinstance(entry, e.Statement):
            check(entry.alarm not in self.stated, "stated twice")
            self.stated.add(entry.alarm)

    def alarms_add_up(self, status: dict[str, object]) -> None:
        """An alarm is open until somebody has taken note by name; its statement is owed until it is there."""
        wanted = {"open_alarms": self.acknowledged, "owed_statements": self.stated}
        for name, done in wanted.items():
            left = len(self.alarms.keys() - done)
            check(left == status[name], f"{name}: {left} by the journal, {status[name]} by the recorder")

    def reasons_add_up(self, owed: object) -> None:
        """Every interruption that ended has its reason, or it is owed."""
        left = sum(len(s.ends.keys() - s.explained.keys()) for s in self.sessions.values())
        check(left == owed, f"{left} reasons are to be given, the recorder says {owed}")

    # --- promise 1 ------------------------------------------------------------------------------------------

    def accounted(self, session: Session) -> None:
        """Every moment of each required track lies in media or in an interruption."""
        for track in TIMESCALE.keys() & set(session.open.required_tracks):
            self._track_accounted(session, track)
        for track, jump in session.jumps:
            left = _uncovered(session.holes(track), jump)
            check(left is None, f"{session.id}: {track} ticks jump over {left} without an interruption")

    def _track_accounted(self, session: Session, track: str) -> None:
        media = session.media.get(track, [])
        start = session.owed_from(track)
        if session.close is not None:
            end = session.at(session.close.until_boot, session.close.until_us)
        else:
            end = media[-1].end if media else start
        left = _uncovered([*media, *session.holes(track)], Range(start, end))
        check(left is None, f"{session.id}: {track} is not accounted for: {left}, asked {start} to {end}")

    def open_session(self) -> Session | None:
        return next((session for session in self.sessions.values() if session.close is None), None)

    def after_recovery(self) -> None:
        """What recovery leaves: streams whole, an open session interrupted, nothing else in between."""
        for session in self.sessions.values():
            check(session.begun, f"{session.id} has no session.begin")
            if session.close is None:
                open_all = [n for n, b in session.begins.items() if b.track == "all" and n not in session.ends]
                check(len(open_all) == 1, f"{session.id}: {len(open_all)} interruptions of all are open")
                check(not session.segments or session.segments[-1].close is not None, "recovery left a segment open")
                self._until_interruption(session, session.begins[open_all[0]])
            else:
                self._has_head(session)

    def _until_interruption(self, session: Session, begin: e.InterruptionBegin) -> None:
        """An interrupted session is accounted for as if it ended at its interruption."""
        until = session.at(begin.last_boot, begin.last_us)
        for track in TIMESCALE.keys() & set(session.open.required_tracks):
            asked = Range(session.owed_from(track), until)
            left = _uncovered([*session.media.get(track, []), *session.holes(track)], asked)
            check(left is None, f"{session.id}: {track} before the interruption is not accounted for: {left}")
            last = max((r.end for r in session.media.get(track, [])), default=0)
            lead_us = 1 << 60 if self.lead_us is None else self.lead_us
            check(last - until <= lead_us, f"the interruption begins {last - until} us before the end of {track}")

    def _has_head(self, session: Session) -> None:
        head, told = self.streams.head(session.id), session.head
        check(told is not None and told.count == head.count, f"{session.id} has no head at its end")

    # --- files ----------------------------------------------------------------------------------------------

    def after_cut(self) -> None:
        """What was attested since the last cut is on the new disk, byte for byte."""
        for segment in self._recent:
            digest = hashlib.sha256(self.disk.read(segment.path, 0, segment.read))
            check(digest.digest() == segment.digest.digest(), f"{segment.path} lost attested bytes in the cut")
        self._recent = [segment for segment in self._recent if segment.close is None]
        self._path = ""  # the next look compares what the file holds with what was acknowledged

    def files_are_named(self) -> None:
        """Invariant 3, after recovery: every file is named, every segment is a file."""
        named = {segment.path for session in self.sessions.values() for segment in session.segments}
        there = {
            f"segments/{folder}{name}"
            for folder in self.disk.names("segments")
            for name in self.disk.names(f"segments/{folder}")
        }
        check(there <= named, f"files that no entry names: {sorted(there - named)}")
        check(named <= there, f"segments without a file: {sorted(named - there)}")

    def plaintext(self, identity: age.Identity) -> None:
        """Every attested fragment opens, and is as its entry says."""
        for session in self.sessions.values():
            for segment in session.segments:
                self._open(segment, identity)

    def _open(self, segment: Segment, identity: age.Identity) -> None:
        if not segment.fragments:
            return
        plain = age.read(io.BytesIO(self.disk.read(segment.path)), [identity]).plaintext
        start = segment.open.init_length
        check(b64(hashlib.sha256(plain[:start]).digest()) == segment.open.init_sha256, f"{segment.path}: another init")
        for fragment in segment.fragments:
            piece = plain[start : fragment.end]
            check(len(piece) == fragment.end - start, f"{segment.path}: plaintext ends before {fragment.end}")
            told = fragment.sha256
            check(b64(hashlib.sha256(piece).digest()) == told, f"{segment.path}: another fragment {fragment.index}")
            start = fragment.end


def _uncovered(ranges: list[Range], asked: Range) -> Range | None:
    """The first stretch of ``asked`` longer than the tolerance that no range covers."""
    covered = asked.start
    for piece in sorted(ranges, key=lambda piece: piece.start):
        if piece.start > covered + TOLERANCE_US:
            break
        covered = max(covered, piece.end)
    return Range(covered, asked.end) if covered < asked.end - TOLERANCE_US else None


class Counters:
    """Every use of a file key's counter, to find one that was used for two plaintexts."""

    def __init__(self) -> None:
        self.used: dict[tuple[bytes, int], bytes] = {}
        used = self.used

        class Recording(age.ChunkSealer):
            __slots__ = ("key",)

            def __init__(self, payload_key: bytes) -> None:
                super().__init__(payload_key)
                self.key = payload_key

            def seal(self, chunk: age.Buffer, last: bool) -> bytes:
                place, digest = (self.key, self.counter), hashlib.sha256(chunk).digest() + bytes([last])
                check(used.setdefault(place, digest) == digest, f"counter {self.counter} sealed two plaintexts")
                return super().seal(chunk, last)

        self.sealer = Recording
