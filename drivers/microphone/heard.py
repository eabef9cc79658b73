"""What the simulated microphone hears, as a function of capture time: pure, and apart from sample clocks and AAC.

Quiet noise; a tone of 1 kHz for 40 ms that begins at each whole second of CLOCK_BOOTTIME, the moment at which a
frame whose number is a multiple of the frame rate is captured, so that the offset between sound and picture can
be measured; and speech, from WAV files or from a synthesizer, when the scenario says so. Where it says that the wire
is broken there is digital silence, and where the amplifier is at its limits all of this is distorted at full scale. A
sample clock that runs fast simply asks for moments that lie closer together.
"""

import io
import wave
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from drivers.clock import SECOND_NS
from drivers.errors import SpeechUnusable
from drivers.microphone.speech import Sound, Wide
from drivers.microphone.story import Span
from drivers.signals import Language
from drivers.signals.speech import NotRendered, rendered

TONE_HZ = 1000
TONE_S = 0.040
TONE_LEVEL = 0.5
NOISE_LEVEL = 0.002
SPOKEN_PEAK = 0.45
"""Of rendered words: a synthesizer goes up to full scale, and together with the tone that would be distorted."""
OVERDRIVE = 1000.0
"""Gain of an amplifier at its limits: what is quiet noise otherwise is square at full scale."""
_NOISE_SAMPLES = 1 << 16
MAX_SPEECH_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Speech:
    """A WAV that is heard from ``begins_ns`` on."""

    begins_ns: int
    samples: Sound
    rate: int

    def at(self, offsets_s: Wide) -> Wide:
        """What is heard ``offsets_s`` after its beginning; silence before and after."""
        known = np.arange(len(self.samples))
        return np.interp(offsets_s * self.rate, known, self.samples, left=0.0, right=0.0)


class World:
    """All sound there is."""

    def __init__(
        self,
        speeches: Iterable[Speech] = (),
        seed: int = 1,
        silences: Iterable[Span] = (),
        clippings: Iterable[Span] = (),
    ) -> None:
        self._speeches = list(speeches)
        self._gains = [(span, OVERDRIVE) for span in clippings] + [(span, 0.0) for span in silences]
        noise = np.random.default_rng(seed).standard_normal(_NOISE_SAMPLES)
        self._noise = np.resize((NOISE_LEVEL * noise).astype(np.float32), 2 * _NOISE_SAMPLES)

    def heard(self, from_ns: int, step_ns: float, count: int) -> Sound:
        """``count`` samples (at most 65,536) at from_ns, from_ns + step_ns, ...; full scale is 1."""
        offsets_s = np.arange(count) * (step_ns / SECOND_NS)
        sound: Wide = self._noise_at(from_ns, step_ns, count)
        if _has_tone(from_ns, count * step_ns):
            sound = sound + _tone(from_ns, offsets_s)
        for speech in self._speeches:
            since_s = (from_ns - speech.begins_ns) / SECOND_NS
            if since_s + offsets_s[-1] >= 0 and since_s * speech.rate < len(speech.samples):
                sound = sound + speech.at(offsets_s + since_s)
        for (begins_ns, ends_ns), gain in self._gains:
            if begins_ns < from_ns + count * step_ns and from_ns < ends_ns:
                begin_s, end_s = (begins_ns - from_ns) / SECOND_NS, (ends_ns - from_ns) / SECOND_NS
                sound = np.where((begin_s <= offsets_s) & (offsets_s < end_s), gain * sound, sound)
        return np.clip(sound, -1.0, 1.0).astype(np.float32)

    def _noise_at(self, from_ns: int, step_ns: float, count: int) -> Sound:
        first = int(from_ns / step_ns) % _NOISE_SAMPLES
        return self._noise[first : first + count]


def _has_tone(from_ns: int, duration_ns: float) -> bool:
    in_second_ns = from_ns % SECOND_NS
    return in_second_ns < TONE_S * SECOND_NS or in_second_ns + duration_ns >= SECOND_NS


def _tone(from_ns: int, offsets_s: Wide) -> Wide:
    in_second = (from_ns % SECOND_NS / SECOND_NS + offsets_s) % 1.0
    return np.where(in_second < TONE_S, TONE_LEVEL * np.sin(2 * np.pi * TONE_HZ * in_second), 0.0)


def read_wav(path: Path) -> tuple[Sound, int]:
    """(samples of the first channel, rate) of a WAV with 16-bit PCM. Raises SpeechUnusable, which says what to do."""
    remedy = f"make it so: ffmpeg -i {path.name} -ac 1 -ar 48000 -c:a pcm_s16le OUT.wav"
    try:
        with path.open("rb") as file:
            return _samples(file)
    except (OSError, EOFError, wave.Error) as error:
        raise SpeechUnusable(f"{path} cannot be spoken ({error}); {remedy}") from error


def rendered_speech(text: str, language: Language) -> tuple[Sound, int]:
    """(samples, rate) of ``text`` as a synthesizer says it. Raises SpeechUnusable, which names the missing package."""
    try:
        samples, rate = _samples(io.BytesIO(rendered(text, language)))
    except (NotRendered, EOFError, wave.Error) as error:
        raise SpeechUnusable(f"the scenario's words {text!r} cannot be spoken: {error}") from error
    return samples * np.float32(SPOKEN_PEAK / max(float(np.abs(samples).max()), 1e-3)), rate


def _samples(file: BinaryIO) -> tuple[Sound, int]:
    with wave.open(file) as reader:
        width, channels, rate = reader.getsampwidth(), reader.getnchannels(), reader.getframerate()
        data = reader.readframes(MAX_SPEECH_BYTES // (width * channels))
    if width != 2:
        raise wave.Error(f"it has {8 * width} bits a sample, 16 are needed")
    samples = np.frombuffer(data, "<i2").reshape(-1, channels)[:, 0]
    return (samples / 32768).astype(np.float32), rate
