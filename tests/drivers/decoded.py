"""What a stranger's decoder makes of the drivers' packets: pictures and sound, with their moments."""

import itertools
from collections.abc import Iterable, Mapping

import av
import msgspec
import numpy as np
from numpy.typing import NDArray

from drivers import Message
from drivers.camera import CameraParameters, VideoPacket
from drivers.child import make
from drivers.clock import InstantClock
from drivers.glyphs import Luma
from drivers.microphone import SoundPacket, SoundParameters
from drivers.microphone.speech import Sound

NOW_NS = 86_400 * 10**9 + 7_777_777
UTC_NS = 1_790_000_000 * 10**9
SMALL: Mapping[str, object] = {"driver": "simulated", "width": 640, "height": 288, "bitrate_kbit": 600}


def clock_at(now_ns: int = NOW_NS) -> InstantClock:
    return InstantClock(now_ns, UTC_NS)


def first(kind: str, count: int, options: Mapping[str, object], clock: InstantClock | None = None) -> list[Message]:
    """The first ``count`` messages of a driver in no time."""
    driver = make(kind, options, clock or clock_at())
    messages: Iterable[Message] = driver.messages()
    return list(itertools.islice(messages, count))


def video(messages: Iterable[Message]) -> list[VideoPacket]:
    return [message for message in messages if isinstance(message, VideoPacket)]


def sound(messages: Iterable[Message]) -> list[SoundPacket]:
    return [message for message in messages if isinstance(message, SoundPacket)]


def pictures(parameters: Message, packets: Iterable[VideoPacket]) -> list[av.VideoFrame]:
    """Decoded pictures in order of presentation; ``pts`` is the capture time."""
    assert isinstance(parameters, CameraParameters)
    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    frames = []
    for number, packet in enumerate(packets):
        if number == 0:
            decoder.extradata = extradata(parameters, packet.format)
        coded = av.Packet(packet.data)
        coded.pts, coded.dts = packet.capture_ns, packet.decode_ns
        frames += decoder.decode(coded)
    return frames + decoder.decode(None)


def luma(frame: av.VideoFrame) -> Luma:
    return frame.to_ndarray()[: frame.height].astype(np.uint8)


def extradata(parameters: CameraParameters, form: str) -> bytes:
    sps, pps = parameters.sps, parameters.pps
    if form == "annexb":
        return b"\0\0\0\1" + sps + b"\0\0\0\1" + pps
    counted = [len(unit).to_bytes(2, "big") + unit for unit in (sps, pps)]
    return b"\x01" + sps[1:4] + b"\xff\xe1" + counted[0] + b"\x01" + counted[1]


def heard(parameters: Message, packets: list[SoundPacket]) -> tuple[NDArray[np.float64], Sound]:
    """(moment of each sample in nanoseconds, samples); what the packets decode to, priming included."""
    assert isinstance(parameters, SoundParameters)
    decoder = av.CodecContext.create("aac", "r")
    assert isinstance(decoder, av.AudioCodecContext)
    decoder.extradata = parameters.asc
    blocks = [frame.to_ndarray()[0] for packet in packets for frame in decoder.decode(av.Packet(packet.data))]
    moments = [
        packet.capture_ns + np.arange(len(block)) * 1e9 / parameters.rate
        for packet, block in zip(packets, blocks, strict=True)
    ]
    return np.concatenate(moments), np.concatenate(blocks)


def onset_ns(moments: NDArray[np.float64], samples: Sound, second: int) -> float:
    """Where around ``second`` of capture time the tone begins, by correlation with the tone that is known."""
    from_sample = int(np.searchsorted(moments, second * 10**9 - 10**7))
    tone = np.sin(2 * np.pi * np.arange(1920) * 1000 / 48_000)
    near = samples[from_sample : from_sample + 960 + len(tone)]
    best = int(np.correlate(near, tone, "valid").argmax())
    return float(moments[from_sample + best])


def through_the_link(message: Message) -> Message:
    """As the recorder gets it."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(message), type=type(message))
