"""Pictures that are stored in another order than they are shown in: time still adjoins, and the stop loses none."""

import itertools

from agent.evidence import mp4
from agent.recorder.formats import Formats
from agent.recorder.fragmenter import Fragmenter
from agent.recorder.ring import Packet
from agent.recorder.session import Session
from agent.recorder.state import SessionState
from agent.recorder.timeline import SessionTime

FRAME_NS, START_NS = 40_000_000, 5_000_000_000
REORDER_NS = 2 * FRAME_NS
FORMATS = Formats(mp4.VideoConfig((b"\x67\x4d\x00\x1f",), (b"\x68",), 64, 64, shift_ticks=7200), None, 1, 0)


def pictures(groups: int) -> list[Packet]:
    """I P B B, four to a group: shown 0, 3, 1, 2, decoded two frames ahead of time."""
    found = []
    for group in range(groups):
        for order, shown in enumerate((0, 3, 1, 2)):
            capture_ns = START_NS + (4 * group + shown) * FRAME_NS
            decode_ns = START_NS + (4 * group + order) * FRAME_NS - REORDER_NS
            found.append(Packet("video", capture_ns, decode_ns, FRAME_NS, order == 0, b"\0\0\0\1e", 1, capture_ns))
    return found


def test_spans_adjoin_in_ticks_and_in_moments() -> None:
    fragmenter = Fragmenter("s000001", SessionTime(START_NS // 1000), {})
    for packet in pictures(20):
        assert fragmenter.add(packet, FORMATS) == (True, None)
    spans = [built.fragment.spans[0] for built in fragmenter.build(video_live=True)]
    assert len(spans) > 5
    for one, other in itertools.pairwise(spans):
        assert (one.end_tick, one.last_us) == (other.tick, other.first_us)
    for span in spans:
        assert span.first_us - START_NS // 1000 == span.tick * 1_000_000 // 90_000
    assert spans[-1].last_us == (START_NS + 80 * FRAME_NS) // 1000


def test_a_stop_keeps_every_picture_that_is_shown_before_one_that_it_kept() -> None:
    session = Session(SessionState("s000001", 1, 0, START_NS // 1000, 0, ["video"], "0"), 0, 60)
    packets = pictures(20)
    stop_ns = START_NS + 42 * FRAME_NS + 1
    kept = []
    for packet in packets:
        if session.is_behind(packet, stop_ns):
            session.reached("video", packet.capture_ns, stop_ns)
            break
        kept.append(packet)
        session.add(packet, FORMATS)
        assert session.waits_for("video")
    assert not session.waits_for("video")
    shown = sorted((packet.capture_ns - START_NS) // FRAME_NS for packet in kept)
    assert shown == list(range(len(shown)))
    assert shown[-1] >= 42
