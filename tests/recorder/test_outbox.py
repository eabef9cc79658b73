"""An outbox never drops an entry, gives up whole GOPs only, and its holes cover exactly what is missing."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from agent.evidence.entries import Mark, TrackSpan
from agent.recorder.messages import Draft, Item, MediaFragment, SegmentEnd, SegmentStart
from agent.recorder.outbox import SLACK_MS, Hole, Outbox

PIECE_US = 200_000
QUEUE_S = 3


def start(session: str) -> SegmentStart:
    return SegmentStart(session, "start", b"init", [], "0", False, -1)


def fragment(session: str, first_us: int, key: bool) -> MediaFragment:
    span = TrackSpan(track="video", tick=0, end_tick=1, count=5, first_us=first_us, last_us=first_us + PIECE_US)
    return MediaFragment(session, [b"x"], [span], key, False, "none", 0)


def told(hole: Hole) -> list[Item]:
    return [
        Draft(Mark(stream=hole.session, at_us=hole.last_us, label="from")),
        Draft(Mark(stream=hole.session, at_us=hole.first_us, label="to")),
    ]


@dataclass
class Device:
    """Fills an outbox as a recorder does: sessions of segments of GOPs, entries in between."""

    outbox: Outbox = field(default_factory=lambda: Outbox(QUEUE_S))
    now_us: int = 0
    number: int = 1
    recording: bool = False
    drafts: int = 0
    media: dict[str, list[int]] = field(default_factory=dict)
    got: list[Item] = field(default_factory=list)
    unattested: int = 0

    @property
    def session(self) -> str:
        return f"s{self.number:06d}"

    def do(self, what: str) -> None:
        if what == "gop":
            self.gop()
        elif what == "entry":
            self.outbox.add([Draft(Mark(stream=self.session, at_us=self.drafts, label="mark"))])
            self.drafts += 1
        elif what == "segment" and self.recording:
            self.outbox.add([SegmentEnd(self.session), start(self.session)])
            self.gop()
        elif what == "stop" and self.recording:
            self.outbox.add([SegmentEnd(self.session)])
            self.recording, self.number = False, self.number + 1
        elif what == "write":
            taken = self.outbox.take(told)
            self.got += taken
            self.unattested += sum(isinstance(item, MediaFragment) for item in taken)
        elif what == "attest":
            self.outbox.attested(self.unattested)
            self.unattested = 0
        self.outbox.give_up_oldest()

    def gop(self) -> None:
        if not self.recording:
            self.outbox.add([start(self.session)])
            self.recording = True
        for i in range(5):
            self.outbox.add([fragment(self.session, self.now_us, key=i == 0)])
            self.media.setdefault(self.session, []).append(self.now_us)
            self.now_us += PIECE_US


words = st.sampled_from(["gop", "gop", "gop", "entry", "segment", "stop", "write", "attest"])
lives = st.lists(words, max_size=60)


def lived(life: list[str]) -> Device:
    device = Device()
    for word in life:
        device.do(word)
    device.do("write")
    return device


@given(lives)
def test_no_entry_is_ever_dropped_and_their_order_stays(life: list[str]) -> None:
    device = lived(life)
    marks = [
        item.entry.at_us
        for item in device.got
        if isinstance(item, Draft) and isinstance(item.entry, Mark) and item.entry.label == "mark"
    ]
    assert marks == list(range(device.drafts))


@given(lives)
def test_holes_cover_exactly_the_media_that_is_missing(life: list[str]) -> None:
    device = lived(life)
    for session, captured in device.media.items():
        got = [
            item.spans[0].first_us for item in device.got if isinstance(item, MediaFragment) and item.session == session
        ]
        edges = [
            (item.entry.at_us, item.entry.label)
            for item in device.got
            if isinstance(item, Draft)
            and isinstance(item.entry, Mark)
            and item.entry.stream == session
            and item.entry.label != "mark"
        ]
        holes = list(zip([at for at, _ in edges[::2]], [at for at, _ in edges[1::2]], strict=True))
        missing = [us for us in captured if us not in got]
        inside = [us for us in captured if any(first <= us < end for first, end in holes)]
        assert missing == inside
        assert got == sorted(got)


@given(lives)
def test_the_writer_gets_segments_that_begin_at_a_key_frame_and_are_closed_once(life: list[str]) -> None:
    open_session, fresh, previous = "", False, None
    for item in lived(life).got:
        if isinstance(item, SegmentStart):
            assert not open_session, "a segment begins while one is open"
            open_session, fresh = item.session, True
        elif isinstance(item, SegmentEnd):
            assert open_session == item.session and not fresh, "a segment without media, or none, is closed"
            open_session = ""
        elif isinstance(item, MediaFragment):
            assert open_session == item.session
            assert item.key or not fresh
            if not fresh and previous is not None and previous.session == item.session:
                assert item.spans[0].first_us == previous.spans[0].last_us, "a hole inside a segment"
            fresh, previous = False, item


@given(lives)
def test_what_waits_stays_within_the_budget_and_one_gop_for_each_segment(life: list[str]) -> None:
    device = Device()
    for word in life:
        device.do(word)
        in_hand = device.unattested * PIECE_US
        assert device.outbox.media_us <= max(in_hand, (QUEUE_S * 1000 + SLACK_MS) * 1000) + 2 * 5 * PIECE_US


def test_a_stall_of_the_budget_loses_nothing() -> None:
    device = lived(["gop"] * QUEUE_S)
    assert not any(isinstance(item, Draft) for item in device.got)


def test_the_segment_behind_a_hole_says_so() -> None:
    device = lived(["gop", "write", *["gop"] * 12])
    causes = [item.cause for item in device.got if isinstance(item, SegmentStart)]
    assert causes == ["start", "after_drop"]
