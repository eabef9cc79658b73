"""The simulated microphone: a world of sound, a card whose clock is off, one AAC encoder for life, real time.

The card captures what is heard at each of its samples' true moments and calls back late by a jitter; the driver
knows only those callbacks and stamps packets from its sample count fitted to them, as a real one must. Rules:
nothing is skipped while the process lives; the first packet is the encoder's priming and is stamped one packet
before the first real sample. The world is in ``heard``, the card in ``drivers.simulated_stamps``, the fit in
``drivers.stamps``.
"""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.codec.context import Flags

from config.models import Microphone as MicrophoneSection
from drivers import scenario
from drivers.clock import SECOND_NS, Clock
from drivers.microphone import Microphone, MicrophoneMessage, SoundPacket, SoundParameters
from drivers.microphone.heard import Sound, Speech, World, read_wav
from drivers.simulated_stamps import BLOCK_SAMPLES, RATE, Card
from drivers.stamps import SampleClock

PRIMING = 1024


class Options(MicrophoneSection, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The configuration's [microphone]."""

    seed: int = 1
    """Of noise and jitter."""


def make(options: Options, clock: Clock) -> Microphone:
    """The microphone that the options describe."""
    return SimulatedMicrophone(options, clock)


class SimulatedMicrophone:
    """Hears, encodes and stamps."""

    def __init__(self, options: Options, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._speeches = _speeches(options, clock)

    def messages(self) -> Iterator[MicrophoneMessage]:
        """Parameters, then a packet every 1024 samples for ever, the priming packet first."""
        encoder = _encoder(self._options.bitrate_kbit * 1000)
        yield SoundParameters(encoder.extradata or b"", RATE, 1, PRIMING)
        world = World(self._speeches, self._options.seed)
        card = Card(self._clock.now_ns(), self._options.clock_error_ppm, self._options.seed)
        fit, packet = SampleClock(RATE), 0
        for block in _blocks(card, fit, self._clock):
            sound = world.heard(card.captured_ns(block), card.period_ns, BLOCK_SAMPLES)
            for data in _encoded(encoder, sound, block):
                yield SoundPacket(_stamp_ns(fit, packet), BLOCK_SAMPLES, data)
                packet += 1

    def close(self) -> None:
        """Nothing to give back."""


def _blocks(card: Card, fit: SampleClock, clock: Clock) -> Iterator[int]:
    """First sample of each block, once the card has called back for it and the fit knows."""
    first = 0
    while True:
        called_ns = card.callback_ns(first + BLOCK_SAMPLES)
        clock.sleep_until_ns(called_ns)
        fit.callback(first + BLOCK_SAMPLES, called_ns)
        yield first
        first += BLOCK_SAMPLES


def _stamp_ns(fit: SampleClock, packet: int) -> int:
    """Packet 1 begins with sample 0; the priming packet lies before it, at the nominal rate."""
    if packet == 0:
        return fit.stamp_ns(0) - BLOCK_SAMPLES * SECOND_NS // RATE
    return fit.stamp_ns((packet - 1) * BLOCK_SAMPLES)


def _encoder(bit_rate: int) -> AudioCodecContext:
    """FFmpeg's AAC-LC, mono; its delay is one packet of priming."""
    encoder = av.CodecContext.create("aac", "w")
    assert isinstance(encoder, AudioCodecContext)
    encoder.sample_rate, encoder.format, encoder.layout = RATE, "fltp", "mono"
    encoder.time_base, encoder.bit_rate = Fraction(1, RATE), bit_rate
    encoder.flags |= Flags.global_header
    encoder.open()
    return encoder


def _encoded(encoder: AudioCodecContext, sound: Sound, first: int) -> Iterator[bytes]:
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound[None, :]), format="fltp", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = RATE, first, Fraction(1, RATE)
    for packet in encoder.encode(frame):
        yield bytes(packet)


def _speeches(options: Options, clock: Clock) -> list[Speech]:
    """What the scenario lets be said, read before anything is recorded, so that a missing WAV is told at once."""
    if not options.scenario:
        return []
    started_ns = options.scenario_started_ns or clock.now_ns()
    events = scenario.of(scenario.load(Path(options.scenario)), "microphone.speak")
    return [_speech(event, started_ns) for event in events]


def _speech(event: scenario.Event, started_ns: int) -> Speech:
    samples, rate = read_wav(Path(event.arguments["file"]))
    if event.for_s is not None:
        samples = samples[: round(event.for_s * rate)]
    return Speech(event.begins_ns(started_ns), samples, rate)
