"""The link: whatever is cut, late, too large or garbage is named, and nothing whole is lost."""

import socket
import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import Counter, Fault, Log, link
from drivers.camera import CameraParameters, VideoPacket
from drivers.microphone import SoundPacket, SoundParameters
from drivers.position import Fix, NoFix

MOMENT_NS = 86_400 * 10**9 * 400
MESSAGES: list[link.AnyMessage] = [
    CameraParameters(b"\x67sps", b"\x68pps", 1920, 1080, 25, 1, 80_000_000),
    VideoPacket(MOMENT_NS, MOMENT_NS - 1, True, b"\0\0\0\1\x65" + bytes(700), "annexb", 2**32 + 5),
    SoundParameters(b"\x11\x88", 48_000, 1, 1024),
    SoundPacket(MOMENT_NS, 1024, b"aac"),
    Fix(MOMENT_NS, -302_741_000, 1_201_551_000, 4000, "gnss", 1_790_000_000_000_000, 1000),
    NoFix(MOMENT_NS, "under a roof"),
    Fault("camera.file", "there is no file 夜.mp4"),
    Counter("sim.overrun", 3),
    Log("first light"),
]


def framed(*messages: link.AnyMessage) -> bytes:
    encoded = [msgspec.msgpack.encode(message) for message in messages]
    return b"".join(struct.pack(">I", len(data)) + data for data in encoded)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_every_message_arrives_as_it_was_sent(message: link.AnyMessage) -> None:
    ours, theirs = link.pair()
    with ours, theirs:
        link.Sender(theirs).send(message)
        assert link.Reader(ours).receive(1) == message


@given(st.lists(st.sampled_from(MESSAGES), min_size=1, max_size=12), st.lists(st.integers(1, 900), min_size=1))
def test_messages_cut_anywhere_on_their_way_arrive_whole_and_in_order(
    messages: list[link.AnyMessage], sizes: list[int]
) -> None:
    ours, theirs = link.pair()
    with ours, theirs:
        reader, data, arrived, turn = link.Reader(ours), framed(*messages), [], 0
        while data:
            size = sizes[turn % len(sizes)]
            theirs.sendall(data[:size])
            data, turn = data[size:], turn + 1
            while (message := reader.receive(0)) is not None:
                arrived.append(message)
        assert arrived == messages


def test_a_message_larger_than_the_first_buffer_arrives_whole() -> None:
    ours, theirs = link.pair()
    with ours, theirs:
        large = VideoPacket(1, 1, True, bytes(range(256)) * 6000, "annexb", 1)
        data, reader, message = framed(MESSAGES[0], large, MESSAGES[1]), link.Reader(ours), None
        theirs.setblocking(False)
        arrived = []
        while data or message is not None:
            if data:
                data = data[theirs.send(data[:60_000]) :]
            message = reader.receive(0)
            arrived += [message] if message is not None else []
        assert arrived == [MESSAGES[0], large, MESSAGES[1]]


def test_silence_is_no_error_and_the_part_that_came_is_kept() -> None:
    ours, theirs = link.pair()
    with ours, theirs:
        reader, data = link.Reader(ours), framed(MESSAGES[1])
        theirs.sendall(data[:40])
        assert reader.receive(0.01) is None
        theirs.sendall(data[40:])
        assert reader.receive(1) == MESSAGES[1]


def test_what_came_whole_before_the_sensor_died_is_given_before_its_end_is_told() -> None:
    ours, theirs = link.pair()
    with ours:
        theirs.sendall(framed(MESSAGES[7], MESSAGES[8]))
        theirs.close()
        reader = link.Reader(ours)
        assert [reader.receive(1), reader.receive(1)] == [MESSAGES[7], MESSAGES[8]]
        with pytest.raises(link.LinkClosed, match="closed its link"):
            reader.receive(1)


def test_a_sensor_that_dies_inside_a_message_is_told_apart() -> None:
    ours, theirs = link.pair()
    with ours:
        theirs.sendall(framed(MESSAGES[1])[:-1])
        theirs.close()
        with pytest.raises(link.LinkTorn, match="inside a message"):
            link.Reader(ours).receive(1)


def test_an_announced_length_above_the_bound_is_refused_before_memory_is_taken() -> None:
    ours, theirs = link.pair()
    with ours, theirs:
        theirs.sendall(struct.pack(">I", link.MAX_MESSAGE_BYTES + 1))
        with pytest.raises(link.LinkGarbage, match="announced"):
            link.Reader(ours).receive(1)


@pytest.mark.parametrize(
    "body",
    [b"", b"\xc1", b"\x93\xa6camera", msgspec.msgpack.encode(["log", 5]), msgspec.msgpack.encode(["robot", "x"])],
    ids=["empty", "no msgpack", "cut", "wrong type", "unknown message"],
)
def test_a_body_that_is_no_message_is_named_garbage(body: bytes) -> None:
    ours, theirs = link.pair()
    with ours, theirs:
        theirs.sendall(struct.pack(">I", len(body)) + body)
        with pytest.raises(link.LinkGarbage):
            link.Reader(ours).receive(1)


@given(st.binary(min_size=1, max_size=300))
def test_random_bytes_raise_nothing_but_link_errors(data: bytes) -> None:
    ours, theirs = link.pair()
    with ours:
        theirs.sendall(data)
        theirs.close()
        reader = link.Reader(ours)
        with pytest.raises(link.LinkError):
            while reader.receive(1) is not None:
                pass


def test_a_message_above_the_bound_is_not_sent_at_all() -> None:
    ours, theirs = link.pair()
    with ours, theirs:
        with pytest.raises(link.LinkGarbage, match="above"):
            link.Sender(theirs).send(SoundPacket(1, 1024, bytes(link.MAX_MESSAGE_BYTES)))
        link.Sender(theirs).send(MESSAGES[7])
        assert link.Reader(ours).receive(1) == MESSAGES[7]


def test_sending_to_a_recorder_that_is_gone_says_so() -> None:
    ours, theirs = link.pair()
    ours.close()
    with theirs, pytest.raises(link.LinkClosed, match="recorder closed"):
        link.Sender(theirs).send(MESSAGES[7])


def test_neither_end_is_inherited_by_other_processes() -> None:
    ours, theirs = link.pair()
    with ours, theirs:
        assert [end.get_inheritable() for end in (ours, theirs)] == [False, False]
        assert ours.family == socket.AF_UNIX
