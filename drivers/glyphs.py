"""Letters for the picture: our own bitmaps of 5 x 7 pixels, as a numpy atlas that is copied into luma planes.

GA/T 947 wants time and device burnt into the picture. PyAV's FFmpeg has no drawtext, and a font library costs
more than the encoder, so this draws what a device name and a clock need: digits, capital letters (small ones are
shown as capitals), ``- : . / _`` and space; anything else is a chequered box. Each glyph stands in a dark cell of
6 x 9, scaled by a whole number, so that it is legible on any picture, and ``read`` gives it back from a decoded one.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Luma = NDArray[np.uint8]

CELL_WIDTH, CELL_HEIGHT = 6, 9
INK, PAPER = 235, 16
"""White and black of limited-range video."""

_ROWS = {
    " ": "..... ..... ..... ..... ..... ..... .....",
    "0": ".###. #...# #..## #.#.# ##..# #...# .###.",
    "1": "..#.. .##.. ..#.. ..#.. ..#.. ..#.. .###.",
    "2": ".###. #...# ....# ...#. ..#.. .#... #####",
    "3": "####. ....# ....# .###. ....# ....# ####.",
    "4": "#..#. #..#. #..#. ##### ...#. ...#. ...#.",
    "5": "##### #.... ####. ....# ....# #...# .###.",
    "6": ".###. #.... #.... ####. #...# #...# .###.",
    "7": "##### ....# ...#. ...#. ..#.. ..#.. ..#..",
    "8": ".###. #...# #...# .###. #...# #...# .###.",
    "9": ".###. #...# #...# .#### ....# ....# .###.",
    "A": "..#.. .#.#. #...# #...# ##### #...# #...#",
    "B": "####. #...# #...# ####. #...# #...# ####.",
    "C": ".#### #.... #.... #.... #.... #.... .####",
    "D": "###.. #..#. #...# #...# #...# #..#. ###..",
    "E": "##### #.... #.... ####. #.... #.... #####",
    "F": "##### #.... #.... ####. #.... #.... #....",
    "G": ".#### #.... #.... #..## #...# #...# .####",
    "H": "#...# #...# #...# ##### #...# #...# #...#",
    "I": "##### ..#.. ..#.. ..#.. ..#.. ..#.. #####",
    "J": "..### ...#. ...#. ...#. ...#. #..#. .##..",
    "K": "#...# #..#. #.#.. ##... #.#.. #..#. #...#",
    "L": "#.... #.... #.... #.... #.... #.... #####",
    "M": "#...# ##.## #.#.# #.#.# #...# #...# #...#",
    "N": "#...# ##..# ##..# #.#.# #..## #..## #...#",
    "O": "##### #...# #...# #...# #...# #...# #####",
    "P": "####. #...# #...# ####. #.... #.... #....",
    "Q": ".###. #...# #...# #...# #.#.# #..#. .##.#",
    "R": "####. #...# #...# ####. #.#.. #..#. #...#",
    "S": ".#### #.... #.... .###. ....# ....# ####.",
    "T": "##### ..#.. ..#.. ..#.. ..#.. ..#.. ..#..",
    "U": "#...# #...# #...# #...# #...# #...# .###.",
    "V": "#...# #...# #...# #...# .#.#. .#.#. ..#..",
    "W": "#...# #...# #...# #.#.# #.#.# ##.## #...#",
    "X": "#...# .#.#. .#.#. ..#.. .#.#. .#.#. #...#",
    "Y": "#...# #...# .#.#. ..#.. ..#.. ..#.. ..#..",
    "Z": "##### ....# ...#. ..#.. .#... #.... #####",
    "-": "..... ..... ..... ##### ..... ..... .....",
    ":": "..... ..##. ..##. ..... ..##. ..##. .....",
    ".": "..... ..... ..... ..... ..... .##.. .##..",
    "/": "....# ...#. ...#. ..#.. .#... .#... #....",
    "_": "..... ..... ..... ..... ..... ..... #####",
}
_BOX = "##### ##.## #.#.# ##.## #.#.# ##.## #####"
CHARACTERS = "".join(_ROWS)
"""What can be drawn and read back."""


class Atlas:
    """All glyphs at one size."""

    def __init__(self, scale: int) -> None:
        self.width, self.height = CELL_WIDTH * scale, CELL_HEIGHT * scale
        drawn = [_glyph(rows, scale) for rows in (*_ROWS.values(), _BOX)]
        self._glyphs = np.stack(drawn)

    def strip(self, text: str) -> Luma:
        """``text`` as one picture, ``height`` high and ``len(text) * width`` wide."""
        glyphs = [self._glyphs[_index(character)] for character in text.upper()]
        return np.concatenate(glyphs, axis=1) if glyphs else np.zeros((self.height, 0), np.uint8)

    def read(self, luma: Luma, x: int, y: int, length: int) -> str:
        """The ``length`` characters whose strip stands at (x, y) of a decoded picture: for each cell the glyph
        that differs least. ``?`` where that is the box."""
        cells = [luma[y : y + self.height, x + i * self.width : x + (i + 1) * self.width] for i in range(length)]
        return "".join((CHARACTERS + "?")[self._nearest(cell)] for cell in cells)

    def _nearest(self, cell: Luma) -> int:
        differences = np.abs(self._glyphs.astype(np.int16) - cell.astype(np.int16)).sum(axis=(1, 2))
        return int(differences.argmin())


def _index(character: str) -> int:
    found = CHARACTERS.find(character)
    return found if found >= 0 else len(CHARACTERS)


def _glyph(rows: str, scale: int) -> Luma:
    cell = np.full((CELL_HEIGHT, CELL_WIDTH), PAPER, np.uint8)
    cell[1:8, 0:5] = _pixels(rows.split())
    return cell.repeat(scale, axis=0).repeat(scale, axis=1)


def _pixels(rows: Sequence[str]) -> Luma:
    return np.array([[INK if dot == "#" else PAPER for dot in row] for row in rows], np.uint8)
