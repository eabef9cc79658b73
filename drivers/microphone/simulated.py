"""The simulated microphone: a world of sound, a card whose clock is off, one AAC encoder for life, real time.

The card captures what is heard at each of its samples' true moments and calls back late by a jitter; the driver
knows only those callbacks and stamps packets from its sample count fitted to them, as a real one must. Rules:
nothing is skipped while the process lives, but for a stall that the scenario asks for; the first packet is the
encoder's priming and is stamped one packet before the first real sample. The world is in ``heard``, what happens to
the device in ``story``, the card in ``drivers.simulated_stamps``, the fit in ``drivers.stamps``, figures and speech
detector in ``speech``.
"""

import itertools
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.codec.context import Flags

from config.models import Microphone as MicrophoneSection
from drivers import Command, scenario
from drivers.clock import SECOND_NS, Clock
from drivers.errors import MicrophoneGone
from drivers.microphone import Microphone, MicrophoneMessage, SoundPacket, SoundParameters
from drivers.microphone.heard import Speech, World, read_wav, rendered_speech
from drivers.microphone.speech import Ears, Sound
from drivers.microphone.story import SPEAK, Story
from drivers.signals import Language
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


@dataclass(frozen=True, slots=True)
class _Block:
    """What the card gives at one callback, with the moments that the fit believes."""

    capture_ns: int
    until_ns: int
    sound: Sound


class SimulatedMicrophone:
    """Hears, encodes and stamps."""

    def __init__(self, options: Options, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        started_ns = options.scenario_started_ns or clock.now_ns()
        events = scenario.load(Path(options.scenario)) if options.scenario else []
        self._story = Story(events, started_ns)
        speeches = [_speech(event, started_ns) for event in scenario.of(events, SPEAK)]
        self._world = World(speeches, options.seed, self._story.silences, self._story.clippings)
        self._ears = Ears(options.speech_permille)

    def messages(self) -> Iterator[MicrophoneMessage]:
        """Parameters, then a packet every 1024 samples for ever, the priming packet first, and figures among them."""
        self._open()
        encoder = encoder_of(self._options.bitrate_kbit * 1000)
        yield SoundParameters(encoder.extradata or b"", RATE, 1, PRIMING)
        stamps_ns: deque[int] = deque()
        for number, block in enumerate(self._blocks()):
            if number == 0:
                stamps_ns.append(block.capture_ns - PRIMING * SECOND_NS // RATE)
            stamps_ns.append(block.capture_ns)
            for data in packets_of(encoder, block.sound, number * BLOCK_SAMPLES):
                yield SoundPacket(stamps_ns.popleft(), BLOCK_SAMPLES, data)
            yield from self._ears.hear(block.capture_ns, block.until_ns, block.sound)

    def command(self, message: Command) -> None:
        """``Listen``."""
        self._ears.command(message)

    def close(self) -> None:
        """Nothing to give back."""

    def _open(self) -> None:
        """Wait while the device stalls. Raises MicrophoneGone while it is pulled."""
        while True:
            now_ns = self._clock.now_ns()
            if self._story.is_pulled(now_ns):
                raise MicrophoneGone("the microphone is not there; plug it in, or name another in [microphone]")
            stalled_until_ns = self._story.stalled_until_ns(now_ns)
            if stalled_until_ns is None:
                return
            self._clock.sleep_until_ns(stalled_until_ns)

    def _blocks(self) -> Iterator[_Block]:
        """All that is captured; after a stall the card begins anew, and what it missed is a hole."""
        while True:
            yield from self._captured(Card(self._clock.now_ns(), self._options.clock_error_ppm, self._options.seed))
            self._ears.forget()
            self._open()

    def _captured(self, card: Card) -> Iterator[_Block]:
        """Each block, once the card has called back for it and the fit knows, until the device stops working."""
        fit, works_until_ns = SampleClock(RATE), self._story.works_until_ns(card.start_ns)
        for first in itertools.count(0, BLOCK_SAMPLES):
            end = first + BLOCK_SAMPLES
            called_ns = card.callback_ns(end)
            self._clock.sleep_until_ns(min(called_ns, works_until_ns))
            if called_ns >= works_until_ns:
                return
            fit.callback(end, called_ns)
            sound = self._world.heard(card.captured_ns(first), card.period_ns, BLOCK_SAMPLES)
            yield _Block(fit.stamp_ns(first), fit.stamp_ns(end), sound)


def encoder_of(bit_rate: int) -> AudioCodecContext:
    """FFmpeg's AAC-LC, mono; its delay is one packet of priming."""
    encoder = av.CodecContext.create("aac", "w")
    assert isinstance(encoder, AudioCodecContext)
    encoder.sample_rate, encoder.format, encoder.layout = RATE, "fltp", "mono"
    encoder.time_base, encoder.bit_rate = Fraction(1, RATE), bit_rate
    encoder.flags |= Flags.global_header
    encoder.open()
    return encoder


def packets_of(encoder: AudioCodecContext, sound: Sound, first: int) -> Iterator[bytes]:
    """The access units that ``sound``, which begins with sample number ``first``, completes."""
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound[None, :]), format="fltp", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = RATE, first, Fraction(1, RATE)
    for packet in encoder.encode(frame):
        yield bytes(packet)


def _speech(event: scenario.Event, started_ns: int) -> Speech:
    """What is said, read or rendered before anything is recorded: a missing WAV, or synthesizer, is told at once."""
    if "file" in event.arguments:
        samples, rate = read_wav(Path(event.arguments["file"]))
    else:
        language: Language = "en" if event.arguments["language"] == "en" else "zh"
        samples, rate = rendered_speech(event.arguments["text"], language)
    if event.for_s is not None:
        samples = samples[: round(event.for_s * rate)]
    return Speech(event.begins_ns(started_ns), samples, rate)
