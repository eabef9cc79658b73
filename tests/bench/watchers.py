"""CPU of what watches picture and sound, against the recording path's: ``python -P -m tests.bench.watchers``.

Per recorded hour of 1080p25: in the camera's process one small plane, its figures and their message a second; in the
microphone's the figures of each half second (the speech detector is apart: it runs only while an answer is awaited);
in the recorder the messages decoded and judged. The recording path is ``tests.bench.cpu``'s: packets in to durable and
signed. The last line is one JSON object; exit 1 where the share is above its limit.

The drawn scene and the encoder are the simulated world's and count on neither side. Both sides are fed without a pause,
so caches are warm on both.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click
import msgspec
import numpy as np

from agent.recorder.watch import Watch, WatchSettings
from drivers.camera import PictureFigures
from drivers.camera.quality import Quality, reduced
from drivers.glyphs import Luma
from drivers.link import AnyMessage
from drivers.microphone import SoundFigures
from drivers.microphone.speech import BLOCK_SAMPLES, BLOCKS, Ears, Sound
from tests.bench import child, cpu, media

HOUR_S = 3600
PICTURES = HOUR_S
SOUNDS = HOUR_S * media.RATE // (BLOCK_SAMPLES * BLOCKS)
PACKETS = HOUR_S * media.RATE // BLOCK_SAMPLES
MOST_SHARE = 0.3
HEIGHT, WIDTH = 1080, 1920
SAMPLE, ROUNDS = 300, 5
MS = 1_000_000
Figures = PictureFigures | SoundFigures


def watchers() -> dict[str, float]:
    """CPU seconds of a recorded hour, by part."""
    picture, sound = _picture(), _sound()
    told: list[Figures] = [*_figures(picture), *_heard(sound)]
    return {
        "camera: plane and figures": _hour(_of_picture(picture), PICTURES),
        "microphone: figures": _hour(_of_sound(sound), PACKETS),
        "both: messages": _hour(_encoded(told), PICTURES + SOUNDS),
        "recorder: messages": _hour(_decoded(told), PICTURES + SOUNDS),
        "recorder: judged": _hour(_judged(told), PICTURES + SOUNDS),
    }


def _hour(do: Callable[[int], object], times: int) -> float:
    """The least of some rounds, for so many times an hour."""
    rounds = []
    for _ in range(ROUNDS):
        since_s = time.process_time()
        for number in range(SAMPLE):
            do(number)
        rounds.append(time.process_time() - since_s)
    return min(rounds) * times / SAMPLE


def _picture() -> Luma:
    return np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH), np.uint8)


def _sound() -> list[Sound]:
    blocks = np.random.default_rng(1).uniform(-1, 1, (BLOCKS, BLOCK_SAMPLES)).astype(np.float32)
    return list(blocks)


def _of_picture(picture: Luma) -> Callable[[int], object]:
    quality = Quality()
    return lambda number: quality.of(number * 1000 * MS, reduced(picture))


def _of_sound(blocks: list[Sound]) -> Callable[[int], object]:
    ears = Ears(500)
    return lambda number: list(ears.hear(number * 21 * MS, (number + 1) * 21 * MS, blocks[number % BLOCKS]))


def _figures(picture: Luma) -> list[PictureFigures]:
    quality = Quality()
    return [quality.of(second * 1000 * MS, reduced(picture)) for second in range(1, 101)]


def _heard(blocks: list[Sound]) -> list[SoundFigures]:
    ears, told = Ears(500), list[SoundFigures]()
    for number in range(200 * BLOCKS):
        said = ears.hear(number * 21 * MS, (number + 1) * 21 * MS, blocks[number % BLOCKS])
        told += [figures for figures in said if isinstance(figures, SoundFigures)]
    return told


def _encoded(told: list[Figures]) -> Callable[[int], object]:
    encoder = msgspec.msgpack.Encoder()
    return lambda number: encoder.encode(told[number % len(told)])


def _decoded(told: list[Figures]) -> Callable[[int], object]:
    coded = [msgspec.msgpack.encode(one) for one in told]
    decoder = msgspec.msgpack.Decoder(AnyMessage)
    return lambda number: decoder.decode(coded[number % len(coded)])


def _judged(told: list[Figures]) -> Callable[[int], object]:
    watch = Watch(WatchSettings())

    def judge(number: int) -> object:
        one = told[number % len(told)]
        now_ns = number * 500 * MS
        return watch.picture(one, now_ns) if isinstance(one, PictureFigures) else watch.sound(one, now_ns)

    return judge


def recording(seconds: int, rounds: int) -> float:
    """CPU seconds of a recorded hour from packets in to durable and signed; of each minute the least of the rounds."""
    with tempfile.TemporaryDirectory(prefix="liuhen-bench-") as folder:
        packets = Path(folder) / "packets"
        media.save(media.encode(), packets)
        laps = [cpu.fill(Path(folder), packets, seconds) for _ in range(rounds)]
    return float(sum(min(minute) for minute in zip(*laps, strict=True))) * HOUR_S / seconds


@click.command()
@click.option("--seconds", default=600, show_default=True, help="Media that the recording path is measured with.")
@click.option("--rounds", default=3, show_default=True, help="How often; the least counts.")
def main(seconds: int, rounds: int) -> None:
    """Measure what watching costs beside recording."""
    child.end_in_order()
    parts, path_s = watchers(), recording(seconds, rounds)
    share = sum(parts.values()) / path_s
    for name, used_s in parts.items():
        print(f"{name:<28} {used_s:8.3f} s CPU per recorded hour")
    print(f"{'recording path':<28} {path_s:8.3f} s CPU per recorded hour")
    print(f"{'share of the watchers':<28} {share:8.3f} at most {MOST_SHARE}: {_verdict(share)}")
    results = {"watchers_s": sum(parts.values()), "path_s": path_s, "share": share}
    print(json.dumps({key: round(value, 4) for key, value in results.items()}))
    sys.exit(share > MOST_SHARE)


def _verdict(share: float) -> str:
    return "holds" if share <= MOST_SHARE else "FALLS SHORT"


if __name__ == "__main__":
    main()
