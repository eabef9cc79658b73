"""Sounds for the speech detector, made here, with what it has to say of each: the table that a person can read.

``python -P -m tests.drivers.microphone.clips`` prints it with what the detector finds. A clip is answered with speech
where at least ``ANSWER_MS`` of it are found, which is what an answer must have (``least_speech_ms`` of ``[ask]``).
Speech is espeak-ng's: no person spoke for it, so it says nothing about dialects, coughs, or a crowd.
"""

from collections.abc import Callable, Mapping
from functools import cache

import numpy as np

from config.models import Ask, Microphone
from drivers.microphone.heard import World, rendered_speech
from drivers.microphone.speech import BLOCK_SAMPLES, INPUT_HZ, Detector, Meter, Sound, Wide, silero
from drivers.signals import Language

ANSWER_MS = Ask().least_speech_ms
SECONDS = 10
SAMPLES = SECONDS * INPUT_HZ
THRESHOLD = Microphone(driver="simulated").speech_permille / 1000
SENTENCES: Mapping[Language, str] = {
    "zh": "记录中断的原因是存储卡写满了，已经更换了新的存储卡，现在继续执法。",
    "en": "The recording stopped because the card was full. I have put in a new one, and we go on.",
}
SPEECH_LEVEL = 0.05
"""RMS of somebody who speaks half a metre from the device: -26 dB."""


def noise(seed: int) -> Wide:
    """White, RMS 1."""
    return np.random.default_rng(seed).standard_normal(SAMPLES)


def limited(sound: Wide) -> Wide:
    """Within full scale."""
    within: Wide = np.clip(sound, -1, 1)
    return within


@cache
def spoken(language: Language) -> Wide:
    """The sentence, a second after the clip's beginning, at SPEECH_LEVEL while it lasts."""
    samples, rate = rendered_speech(SENTENCES[language], language)
    offsets = np.arange(round(len(samples) / rate * INPUT_HZ)) * rate / INPUT_HZ
    sentence = np.interp(offsets, np.arange(len(samples)), samples)
    clip = np.zeros(SAMPLES)
    room = clip[INPUT_HZ : INPUT_HZ + len(sentence)]
    room[:] = sentence[: len(room)] * SPEECH_LEVEL / np.sqrt(np.mean(sentence**2))
    return clip


def spoken_in_noise(language: Language, snr_db: float) -> Wide:
    """The sentence in white noise that is ``snr_db`` below it."""
    return spoken(language) + noise(1) * SPEECH_LEVEL * 10 ** (-snr_db / 20)


def tone(hz: float, level: float = 0.3) -> Wide:
    """A steady sine."""
    return level * np.sin(2 * np.pi * hz * np.arange(SAMPLES) / INPUT_HZ)


def mains_hum() -> Wide:
    """50 Hz with its harmonics, as from a bad supply."""
    hum: Wide = np.stack([tone(50 * n, 0.2 / n) for n in range(1, 12)]).sum(axis=0)
    return hum


def siren() -> Wide:
    """A tone that goes up and down between 600 and 1,400 Hz in 3 s."""
    seconds = np.arange(SAMPLES) / INPUT_HZ
    return 0.3 * np.sin(2 * np.pi * np.cumsum(1000 - 400 * np.cos(2 * np.pi * seconds / 3)) / INPUT_HZ)


def simulated_world() -> Wide:
    """What the simulated microphone hears when nobody speaks: quiet noise and a short tone each second."""
    step_ns = 1e9 / INPUT_HZ
    world, firsts = World(), range(0, SAMPLES, BLOCK_SAMPLES)
    return np.concatenate([world.heard(round(first * step_ns), step_ns, BLOCK_SAMPLES) for first in firsts])[:SAMPLES]


def wind() -> Wide:
    """Noise below some 150 Hz that comes in gusts, at times as loud as the scale goes."""
    smooth = np.exp(-np.arange(2048) * 2 * np.pi * 150 / INPUT_HZ)
    rumble: Wide = np.convolve(noise(2), smooth / smooth.sum(), "same")
    seconds = np.arange(SAMPLES) / INPUT_HZ
    gusts = np.clip(0.4 + 0.6 * np.sin(2 * np.pi * 0.35 * seconds) + 0.3 * np.sin(2 * np.pi * 1.1 * seconds), 0, 1)
    return limited(0.25 * gusts * rumble / rumble.std())


def handling() -> Wide:
    """Three knocks and scratches a second: short, sharp, of many frequencies."""
    random, clip = np.random.default_rng(3), 0.001 * noise(4)
    for start in random.integers(0, SAMPLES - 4800, 3 * SECONDS):
        length = int(random.integers(200, 4800))
        fading = np.exp(-6 * np.arange(length) / length)
        clip[start : start + length] += random.uniform(0.2, 0.8) * fading * random.standard_normal(length)
    return limited(clip)


def overdriven() -> Wide:
    """What an amplifier at its limits makes of quiet."""
    return limited(2 * noise(5))


CLIPS: Mapping[str, tuple[bool, Callable[[], Wide]]] = {
    "a Chinese sentence": (True, lambda: spoken("zh")),
    "a Chinese sentence, noise 20 dB below": (True, lambda: spoken_in_noise("zh", 20)),
    "a Chinese sentence, noise 10 dB below": (True, lambda: spoken_in_noise("zh", 10)),
    "an English sentence": (True, lambda: spoken("en")),
    "an English sentence, noise 20 dB below": (True, lambda: spoken_in_noise("en", 20)),
    "an English sentence, noise 10 dB below": (True, lambda: spoken_in_noise("en", 10)),
    "a Chinese sentence from four metres away": (True, lambda: spoken("zh") / 8),
    "silence": (False, lambda: np.zeros(SAMPLES)),
    "white noise, quiet": (False, lambda: 0.002 * noise(6)),
    "white noise, loud": (False, lambda: 0.2 * noise(7)),
    "a tone of 1 kHz": (False, lambda: tone(1000)),
    "the simulated world's tones": (False, simulated_world),
    "the hum of a bad supply": (False, mains_hum),
    "a siren": (False, siren),
    "wind in gusts": (False, wind),
    "knocks and scratches of handling": (False, handling),
    "an amplifier at its limits": (False, overdriven),
}
"""Name, whether it is answered with speech, and the sound at 48 kHz."""


def speech_ms(clip: Wide, detector: Detector) -> int:
    """How much speech a microphone's driver finds in ``clip``."""
    meter = Meter(detector, THRESHOLD)
    sound: Sound = clip.astype(np.float32)
    return sum(meter.hear(sound[first : first + BLOCK_SAMPLES]) for first in range(0, len(sound), BLOCK_SAMPLES))


def table() -> str:
    """All clips, one a line."""
    detector = silero()
    lines = [f"{'clip of 10 s':<44}{'speech ms':>10}  found  wanted"]
    for name, (wanted, made) in CLIPS.items():
        found_ms = speech_ms(made(), detector)
        lines.append(f"{name:<44}{found_ms:>10}  {_word(found_ms >= ANSWER_MS):<5}  {_word(wanted)}")
    return "\n".join(lines)


def _word(speech: bool) -> str:
    return "speech" if speech else "none"


if __name__ == "__main__":
    print(table())
