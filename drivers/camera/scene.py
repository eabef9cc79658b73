"""What the simulated camera sees, as a function of the frame's number: pure, and apart from pacing and encoding.

A still gradient, a block that wanders, a band of noise that gives the encoder enough to do for its bit rate, the
burnt-in clock and device name (GA/T 947), and the frame's number as 32 blocks of 16 x 16 pixels in the lowest
whole row of macroblocks, most significant first, white for 1: who decodes the picture can prove that no frame is
missing. Only what changes is drawn again, into the same plane: 0.2 % of a core at 1080p25.

``draw_view`` gives what the sensor sees, by day, by night or behind a hand; ``draw_overlay`` burns in what a recorder
adds. Figures of the picture's quality are taken between the two.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import numpy as np

from drivers.camera.story import View
from drivers.clock import SECOND_NS
from drivers.glyphs import INK, PAPER, Atlas, Luma

NUMBER_BLOCKS = 32
BLOCK_PIXELS = 16
NOISE_SHARE = 0.1
"""Of the picture's height. Less cannot fill 4 Mbit/s, more costs encoding time."""
NOISE_AMPLITUDE = 20
_SPARE = 512
NIGHT_SHARE = 0.16
"""Of the day's brightness above black."""
NIGHT_NOISE, COVER_NOISE = 4, 3
"""Amplitude of the sensor's noise at the gain that darkness asks for."""
COVER_LEVEL = 34
TINTS: Mapping[View, tuple[int, int]] = {"day": (128, 128), "night": (128, 128), "covered": (122, 140)}
"""(Cb, Cr) of each view: light that comes through a hand is reddish."""
CLOCK_FORMAT = "%Y-%m-%d %H:%M:%S"
TEXT_X, TEXT_Y = 16, 16


class Scene:
    """Draws frames of ``width`` x ``height`` luma; chroma is neutral. One drawer, frames in growing order."""

    def __init__(self, width: int, height: int, device: str, utc_offset_min: int = 480, seed: int = 1) -> None:
        self.width, self.height = width, height
        self.atlas = Atlas(text_scale(height))
        self._device = device
        self._zone = timedelta(minutes=utc_offset_min)
        self._still = _background(width, height)
        self._band = range(height // 2, height // 2 + max(16, int(height * NOISE_SHARE) // 16 * 16))
        self._noise = np.random.default_rng(seed).integers(
            128 - NOISE_AMPLITUDE, 128 + NOISE_AMPLITUDE, (len(self._band) + _SPARE, width + _SPARE), np.uint8
        )
        self._block = height // 8 // 16 * 16
        self._text = ""
        self._strip = self.atlas.strip("")
        self._x = 0
        self._view: View = "day"
        self._seed = seed
        self._stages: dict[View, tuple[Luma, Luma]] = {}
        """(what stands, noise on it) of the views that are noisy all over; made when first needed."""

    def begin(self, luma: Luma) -> None:
        """Draw all that never changes."""
        luma[:] = self._still

    def draw(self, luma: Luma, number: int, utc_ns: int) -> None:
        """Turn ``luma`` (height x width), as the last call left it, into frame ``number`` of a usual day."""
        self.draw_view(luma, number)
        self.draw_overlay(luma, number, utc_ns)

    def draw_view(self, luma: Luma, number: int, view: View = "day") -> None:
        """Turn ``luma``, as the last call left it, into what the sensor gives as frame ``number``; nothing burnt in."""
        if view != "day":
            self._draw_all_noisy(luma, number, view)
        else:
            self._uncover(luma)
            self._draw_block(luma, number)
            self._draw_noise(luma, number)
        self._view = view

    def draw_overlay(self, luma: Luma, number: int, utc_ns: int) -> None:
        """Burn in time, device and number: readable on every view."""
        self._draw_text(luma, utc_ns)
        draw_number(luma, number)

    def text(self, utc_ns: int) -> str:
        """What is burnt in at ``utc_ns``: China's time by default, then the device."""
        shown = datetime.fromtimestamp(utc_ns // SECOND_NS, UTC) + self._zone
        return f"{shown.strftime(CLOCK_FORMAT)} {self._device}".rstrip().upper()

    def _uncover(self, luma: Luma) -> None:
        """Give back what is burnt in, or the whole day after another view."""
        if self._view != "day":
            luma[:] = self._still
            return
        for top, height in ((TEXT_Y, self.atlas.height), (number_top(self.height), BLOCK_PIXELS)):
            luma[top : top + height] = self._still[top : top + height]

    def _draw_all_noisy(self, luma: Luma, number: int, view: View) -> None:
        if view not in self._stages:
            self._stages[view] = self._stage(view)
        stands, noise = self._stages[view]
        down, right = number * 197 % _SPARE, number * 331 % _SPARE
        np.add(stands, noise[down : down + self.height, right : right + self.width], out=luma)

    def _stage(self, view: View) -> tuple[Luma, Luma]:
        amplitude = COVER_NOISE if view == "covered" else NIGHT_NOISE
        stands = _covered(self.width, self.height) if view == "covered" else _night(self._still, self._block)
        size = (self.height + _SPARE, self.width + _SPARE)
        noise = np.random.default_rng(self._seed).integers(0, 2 * amplitude, size, np.uint8, endpoint=True)
        return stands - np.uint8(amplitude), noise

    def _draw_block(self, luma: Luma, number: int) -> None:
        top, size = self.height // 4, self._block
        rows = slice(top, top + size)
        luma[rows, self._x : self._x + size] = self._still[rows, self._x : self._x + size]
        self._x = number * 6 % (self.width - size)
        luma[rows, self._x : self._x + size] = 200

    def _draw_noise(self, luma: Luma, number: int) -> None:
        down, right = number * 197 % _SPARE, number * 331 % _SPARE
        luma[self._band.start : self._band.stop, :] = self._noise[
            down : down + len(self._band), right : right + self.width
        ]

    def _draw_text(self, luma: Luma, utc_ns: int) -> None:
        text = self.text(utc_ns)
        if text != self._text:
            self._text, self._strip = text, self.atlas.strip(text)[:, : self.width - TEXT_X]
        strip = self._strip
        luma[TEXT_Y : TEXT_Y + strip.shape[0], TEXT_X : TEXT_X + strip.shape[1]] = strip


def text_scale(height: int) -> int:
    """How many pixels of the picture one pixel of a glyph has."""
    return max(1, height // 270)


def draw_number(luma: Luma, number: int) -> None:
    """Draw ``number`` modulo 2^32 as 32 blocks."""
    bits = np.array([number >> bit & 1 for bit in range(NUMBER_BLOCKS - 1, -1, -1)], np.uint8)
    blocks = np.where(bits, np.uint8(INK), np.uint8(PAPER)).repeat(BLOCK_PIXELS)
    top = number_top(luma.shape[0])
    luma[top : top + BLOCK_PIXELS, : NUMBER_BLOCKS * BLOCK_PIXELS] = blocks


def read_number(luma: Luma) -> int:
    """The number in a decoded picture (height x at least 512 of luma): each block's mean above or below grey."""
    top = number_top(luma.shape[0])
    strip = luma[top : top + BLOCK_PIXELS, : NUMBER_BLOCKS * BLOCK_PIXELS]
    means = strip.reshape(BLOCK_PIXELS, NUMBER_BLOCKS, BLOCK_PIXELS).mean(axis=(0, 2))
    return int.from_bytes(np.packbits(means > 128).tobytes(), "big")


def number_top(height: int) -> int:
    """First row of the blocks: the lowest row of whole macroblocks."""
    return 16 * (height // 16) - 16


def _background(width: int, height: int) -> Luma:
    across = np.linspace(0, 100, width)[None, :]
    waves = 40 * np.sin(np.arange(height) / 37.0)[:, None]
    background: Luma = np.clip(70 + across + waves, PAPER, INK).astype(np.uint8)
    return background


def _covered(width: int, height: int) -> Luma:
    """A little light from one side."""
    across = np.linspace(0, 6, width)[None, :]
    shaded: Luma = np.broadcast_to(COVER_LEVEL + across, (height, width)).astype(np.uint8)
    return shaded


def _night(still: Luma, block: int) -> Luma:
    """The day's scene in the dark, and two lit windows far away."""
    night: Luma = (PAPER + NIGHT_SHARE * (still - np.float32(PAPER))).astype(np.uint8)
    size, (height, width) = max(4, block // 3), still.shape
    for left in (width // 5, 3 * width // 5):
        night[height // 3 : height // 3 + size, left : left + size] = 160
    return night
