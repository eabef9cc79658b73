"""What listening costs: ``python -P -m tests.bench.ears`` prints CPU a second of sound, and ratios to encoding it.

The same sound (speech in quiet noise) is encoded to AAC as the microphone does it, measured for figures alone, and
measured with the speech detector running; round by round in one process, the least of the rounds counts. The last line
is one JSON object.
"""

import json
import time
from collections.abc import Callable

import click
import numpy as np

from drivers.microphone import Listen
from drivers.microphone.heard import rendered_speech
from drivers.microphone.simulated import encoder_of, packets_of
from drivers.microphone.speech import BLOCK_SAMPLES, INPUT_HZ, Ears, Sound, silero

BITRATE = 64_000
LOAD = "detector_load_ms"


def blocks(seconds: int) -> list[Sound]:
    """So much sound: one sentence again and again, in quiet noise."""
    samples, rate = rendered_speech("存储卡写满了，已经更换了新的存储卡，现在继续执法。", "zh")
    offsets = np.arange(round(len(samples) / rate * INPUT_HZ)) * rate / INPUT_HZ
    sentence = np.interp(offsets, np.arange(len(samples)), samples)
    count = seconds * INPUT_HZ // BLOCK_SAMPLES * BLOCK_SAMPLES
    sound = 0.3 * np.resize(sentence, count) + 0.002 * np.random.default_rng(1).standard_normal(count)
    return list(sound.astype(np.float32).reshape(-1, BLOCK_SAMPLES))


def encoding(sound: list[Sound]) -> None:
    """As the simulated microphone does it."""
    encoder = encoder_of(BITRATE)
    for number, block in enumerate(sound):
        for _ in packets_of(encoder, block, number * BLOCK_SAMPLES):
            pass


def figures(sound: list[Sound]) -> None:
    """Level and clipping."""
    _listen(sound, Ears(500))


def figures_and_speech(sound: list[Sound]) -> None:
    """Level, clipping, and whether somebody speaks."""
    ears = Ears(500)
    ears.command(Listen(True))
    _listen(sound, ears)


def _listen(sound: list[Sound], ears: Ears) -> None:
    for number, block in enumerate(sound):
        for _ in ears.hear(number, number + 1, block):
            pass


def measure(seconds: int, rounds: int) -> dict[str, float]:
    """Microseconds of CPU a second of sound, by work, and the ratios."""
    began_s = time.process_time()
    silero()
    load_ms = 1000 * (time.process_time() - began_s)
    sound = blocks(seconds)
    works: list[Callable[[list[Sound]], None]] = [encoding, figures, figures_and_speech]
    least_us = {work.__name__: min(_cpu_us(work, sound) for _ in range(rounds)) / seconds for work in works}
    return {
        **{f"{name}_us_per_s": round(us, 1) for name, us in least_us.items()},
        "figures_vs_aac": round(least_us["figures"] / least_us["encoding"], 4),
        "speech_vs_aac": round(least_us["figures_and_speech"] / least_us["encoding"], 2),
        LOAD: round(load_ms, 1),
    }


def _cpu_us(work: Callable[[list[Sound]], None], sound: list[Sound]) -> float:
    began_s = time.process_time()
    work(sound)
    return 1e6 * (time.process_time() - began_s)


@click.command()
@click.option("--seconds", default=60, show_default=True, help="Of sound.")
@click.option("--rounds", default=3, show_default=True, help="The least of them counts.")
def main(seconds: int, rounds: int) -> None:
    """Measure and print."""
    results = measure(seconds, rounds)
    for name, number in results.items():
        click.echo(f"{name:<28}{number:>12}")
    click.echo(json.dumps(results))


if __name__ == "__main__":
    main()
