"""What a camera may see, and what is to be told of it: the table that the tests read and a person can print.

``python -P -m tests.support.sights`` prints each sight with its figures and what the watch tells of it. Some sights are
the simulated camera's own pictures under its scenario's events, the others are drawn here; noise is a sensor's, new in
each picture. Seeded.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.recorder.watch import Begun, Watch, WatchSettings
from drivers.camera import PictureFigures
from drivers.camera.quality import Quality, reduced
from drivers.camera.simulated import Options, SimulatedCamera
from drivers.camera.story import Story
from drivers.clock import SECOND_NS, InstantClock
from drivers.glyphs import Luma
from drivers.scenario import Event

WIDTH, HEIGHT = 640, 360
SECONDS = 8
BEGAN_NS = 1000 * SECOND_NS
Light = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sight:
    """One row: eight seconds of it."""

    name: str
    figures: Callable[[], list[PictureFigures]]
    told: str
    """The kinds that begin, separated by blanks; empty: nothing."""


def camera(*events: Event, seconds: int = SECONDS) -> list[PictureFigures]:
    """The simulated camera's figures of so many seconds."""
    options = Options(driver="simulated", width=640, height=288, bitrate_kbit=600, device="DEV-0071")
    messages = SimulatedCamera(options, InstantClock(BEGAN_NS, 0), Story(events, BEGAN_NS)).messages()
    figures = (message for message in messages if isinstance(message, PictureFigures))
    return list(itertools.islice(figures, seconds))


def drawn(picture: Callable[[int], Light], noise: float) -> list[PictureFigures]:
    """The figures of a picture each second, with a sensor's noise of that standard deviation."""
    quality, random = Quality(), np.random.default_rng(7)
    figures = []
    for second in range(SECONDS):
        sensed = picture(second) + random.normal(0, noise, (HEIGHT, WIDTH))
        luma: Luma = np.clip(sensed, 16, 235).astype(np.uint8)
        figures.append(quality.of(BEGAN_NS + second * SECOND_NS, reduced(luma)))
    return figures


def street(_: int = 0) -> Light:
    """Nothing moves: house fronts, windows, a road, kerbs."""
    light = np.full((HEIGHT, WIDTH), 120.0)
    light[: HEIGHT // 3] = 180
    light[2 * HEIGHT // 3 :] = 80
    for row, column in itertools.product(range(30, 230, 40), range(20, WIDTH, 36)):
        light[row : row + 24, column : column + 18] = 60 + (row * 7 + column) % 90
    light[260:268] = 150
    return light


def blurred(light: Light, radius: int) -> Light:
    """Out of focus: the mean of a square, three times over."""
    for axis in (0, 1, 0, 1, 0, 1):
        wide = np.pad(light, [(radius + 1, radius) if a == axis else (0, 0) for a in (0, 1)], mode="edge")
        sums = np.cumsum(wide, axis=axis)
        low, high = (np.take(sums, range(at, at + light.shape[axis]), axis=axis) for at in (0, 2 * radius + 1))
        light = (high - low) / (2 * radius + 1)
    return light


def _wall(_: int) -> Light:
    """White, lit from one side, darker towards the corners."""
    across = np.linspace(225, 190, WIDTH)[None, :]
    down = np.linspace(0, -15, HEIGHT)[:, None]
    return across + down


def _even(value: int) -> Callable[[int], Light]:
    return lambda _: np.full((HEIGHT, WIDTH), float(value))


def _moving_noise(second: int) -> Light:
    """Leaves in the wind."""
    cells = np.random.default_rng(second).uniform(40, 200, (HEIGHT // 8, WIDTH // 8))
    return cells.repeat(8, axis=0).repeat(8, axis=1)


def _lamp(_: int) -> Light:
    """A street lamp at night, and what stands in its light."""
    down, across = np.mgrid[0:HEIGHT, 0:WIDTH]
    far = np.hypot(down - 100, across - 350)
    light: Light = 18 + (street() - 16) * 0.9 * np.exp(-far / 130) + np.where(far < 15, 200.0, 0.0)
    return light


def _walked_past(second: int) -> Light:
    """A street with somebody in it."""
    light = street()
    light[125:300, 50 + 60 * second : 100 + 60 * second] = 45
    return light


def _covered_and_frozen() -> list[PictureFigures]:
    return camera(Event(1, "camera.cover"), Event(4, "camera.freeze"))


SIGHTS: Sequence[Sight] = (
    Sight("the simulated camera, an ordinary day", lambda: camera(), ""),
    Sight("the simulated camera, camera.cover", lambda: camera(Event(1.2, "camera.cover")), "picture.covered"),
    Sight("the simulated camera, camera.dark", lambda: camera(Event(1.2, "camera.dark")), "picture.dark"),
    Sight("the simulated camera, camera.freeze", lambda: camera(Event(1.2, "camera.freeze")), "picture.frozen"),
    Sight("the simulated camera, covered, then frozen", _covered_and_frozen, "picture.covered"),
    Sight("a street in which nothing moves, little noise", lambda: drawn(street, 0.8), ""),
    Sight("a street with a walker", lambda: drawn(_walked_past, 2), ""),
    Sight("the same street, repeated without noise", lambda: drawn(street, 0), "picture.frozen"),
    Sight("the same street out of focus", lambda: drawn(lambda _: blurred(street(), 12), 2), "picture.blurred"),
    Sight("the same street a little soft", lambda: drawn(lambda _: blurred(street(), 2), 2), ""),
    Sight("leaves in the wind", lambda: drawn(_moving_noise, 2), ""),
    Sight("a white wall in slanting light", lambda: drawn(_wall, 1.5), ""),
    Sight("a white sticker on the lens", lambda: drawn(_even(200), 1.5), "picture.covered"),
    Sight("a lens cap, no noise at all", lambda: drawn(_even(16), 0), "picture.covered"),
    Sight("a night with a lamp", lambda: drawn(_lamp, 4), ""),
    Sight("a night without one", lambda: drawn(lambda _: 16 + (street() - 16) * 0.15, 4), "picture.dark"),
)


def told(figures: Sequence[PictureFigures]) -> list[Begun]:
    """What the watch, with its defaults, tells of them."""
    watch = Watch(WatchSettings())
    return [said for one in figures for said in watch.picture(one, one.capture_ns) if isinstance(said, Begun)]


def table() -> Iterator[str]:
    """One line a sight: the figures of its last second, what is told, and what was expected."""
    yield f"{'sight':<48} {'mean':>5} {'variance':>9} {'difference':>11} {'sharpness':>10}  told"
    for sight in SIGHTS:
        figures = sight.figures()
        last, kinds = figures[-1], " ".join(begun.kind for begun in told(figures)) or "-"
        wrong = "" if kinds == (sight.told or "-") else f"   EXPECTED {sight.told or '-'}"
        counts = f"{last.mean:>5} {last.variance:>9} {last.difference:>11} {last.sharpness:>10}"
        yield f"{sight.name:<48} {counts}  {kinds}{wrong}"


if __name__ == "__main__":
    print("\n".join(table()))
