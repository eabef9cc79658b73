"""The link: whatever is cut, late, too large or garbage is named, and nothing whole is lost; both ways."""

import itertools
import socket
import struct
import threading
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import Counter, Fault, Log, link
from drivers.camera import CameraParameters, PictureFigures, VideoPacket
from drivers.microphone import Listen, SoundFigures, SoundPacket, SoundParameters
from drivers.position import Fix, NoFix
from drivers.signals import NotSaid, Said, Say, Show

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
    PictureFigures(MOMENT_NS, 128, 1500, -1, 900),
    SoundFigures(MOMENT_NS, 512_000_000, -5390, -4000, 0, -1),
    Said(3, "hash", 4200),
    NotSaid(4, "no speaker"),
]
COMMANDS: list[link.AnyCommand] = [Listen(True), Say(3, "请口述中断原因。", "zh"), Show("recording"), Listen(False)]


def framed(*messages: link.AnyMessage | link.AnyCommand) -> bytes:
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


def test_every_command_arrives_as_it_was_sent_and_in_order() -> None:
    ours, theirs = link.pair()
    with ours, theirs:
        sender, reader = link.CommandSender(ours), link.CommandReader(theirs)
        for command in COMMANDS:
            sender.send(command)
        assert [reader.receive(None) for _ in COMMANDS] == COMMANDS
        sender.close()


@given(st.lists(st.sampled_from(COMMANDS), min_size=1, max_size=12), st.lists(st.integers(1, 40), min_size=1))
def test_commands_cut_anywhere_on_their_way_arrive_whole_and_in_order(
    commands: list[link.AnyCommand], sizes: list[int]
) -> None:
    ours, theirs = link.pair()
    with ours, theirs:
        reader, data, arrived = link.CommandReader(theirs), framed(*commands), []
        for size in itertools.cycle(sizes):
            ours.sendall(data[:size])
            data = data[size:]
            while (command := reader.receive(0)) is not None:
                arrived.append(command)
            if not data:
                break
        assert arrived == commands


@pytest.mark.parametrize("message", [MESSAGES[1], MESSAGES[6], MESSAGES[8]], ids=lambda one: type(one).__name__)
def test_a_message_is_no_command_and_a_command_no_message(message: link.AnyMessage) -> None:
    ours, theirs = link.pair()
    with ours, theirs:
        ours.sendall(framed(message))
        with pytest.raises(link.LinkGarbage, match="the recorder sent"):
            link.CommandReader(theirs).receive(None)
        theirs.sendall(framed(COMMANDS[0]))
        with pytest.raises(link.LinkGarbage, match="the sensor's process sent"):
            link.Reader(ours).receive(1)


@pytest.mark.parametrize("length", [link.MAX_COMMAND_BYTES + 1, 2**32 - 1])
def test_a_command_announced_above_the_bound_is_refused_before_memory_is_taken(length: int) -> None:
    ours, theirs = link.pair()
    with ours, theirs:
        ours.sendall(struct.pack(">I", length))
        with pytest.raises(link.LinkGarbage, match="the recorder announced"):
            link.CommandReader(theirs).receive(None)


@given(st.binary(min_size=1, max_size=300))
def test_random_bytes_from_the_recorder_raise_nothing_but_link_errors(data: bytes) -> None:
    ours, theirs = link.pair()
    with theirs:
        ours.sendall(data)
        ours.close()
        reader = link.CommandReader(theirs)
        with pytest.raises(link.LinkError):
            while reader.receive(None) is not None:
                pass


def test_a_command_above_the_bound_is_not_sent_at_all() -> None:
    ours, theirs = link.pair()
    with ours, theirs:
        sender = link.CommandSender(ours)
        with pytest.raises(link.LinkGarbage, match="above"):
            sender.send(Say(1, "x" * link.MAX_COMMAND_BYTES, "en"))
        sender.send(COMMANDS[0])
        assert link.CommandReader(theirs).receive(None) == COMMANDS[0]
        sender.close()


def test_commands_to_a_process_that_does_not_read_are_refused_at_once_and_none_arrives_in_part() -> None:
    ours, theirs = link.pair()
    with ours, theirs:
        sender, sent = link.CommandSender(ours), 0
        began_s = time.monotonic()
        with pytest.raises(link.LinkBusy, match="does not read"):
            for number in range(100_000):
                sender.send(Say(number, "x" * 8000, "en"))
                sent += 1
        with pytest.raises(link.LinkBusy):
            sender.send(Say(sent, "x" * 8000, "en"))
        assert time.monotonic() - began_s < 10
        reader = link.CommandReader(theirs)
        assert [reader.receive(None) for _ in range(sent)] == [Say(n, "x" * 8000, "en") for n in range(sent)]
        sender.send(COMMANDS[0])
        assert reader.receive(None) == COMMANDS[0]
        sender.close()


def test_a_command_does_not_wait_for_the_reader_that_waits_for_a_message() -> None:
    ours, theirs = link.pair()
    with ours, theirs:
        reader, sender, heard = link.Reader(ours), link.CommandSender(ours), list[link.AnyMessage | None]()
        waiting = threading.Thread(target=lambda: heard.append(reader.receive(30)))
        waiting.start()
        began_s = time.monotonic()
        with pytest.raises(link.LinkBusy):
            while True:
                sender.send(Say(1, "x" * 8000, "en"))
        assert time.monotonic() - began_s < 10
        link.Sender(theirs).send(MESSAGES[7])
        waiting.join(30)
        assert heard == [MESSAGES[7]]
        sender.close()


def test_a_command_to_a_process_that_is_gone_says_so() -> None:
    ours, theirs = link.pair()
    theirs.close()
    with ours:
        sender = link.CommandSender(ours)
        with pytest.raises(link.LinkClosed, match="gone"):
            sender.send(COMMANDS[0])
        sender.close()
        with pytest.raises(link.LinkClosed, match="gone"):
            sender.send(COMMANDS[0])


def test_threads_that_send_at_once_do_not_mix_their_messages() -> None:
    ours, theirs = link.pair()
    with ours, theirs:
        sender, reader = link.Sender(theirs), link.Reader(ours)
        said = [[Log(f"{name}{number}" * 3000) for number in range(50)] for name in "ab"]

        def send_all(logs: list[Log]) -> None:
            for log in logs:
                sender.send(log)

        threads = [threading.Thread(target=send_all, args=(logs,)) for logs in said]
        for thread in threads:
            thread.start()
        arrived = [reader.receive(30) for _ in range(100)]
        assert [log for log in arrived if log in said[0]] == said[0]
        assert [log for log in arrived if log in said[1]] == said[1]


def test_neither_end_is_inherited_by_other_processes() -> None:
    ours, theirs = link.pair()
    with ours, theirs:
        assert [end.get_inheritable() for end in (ours, theirs)] == [False, False]
        assert ours.family == socket.AF_UNIX
