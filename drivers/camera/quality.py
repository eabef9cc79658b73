"""What a picture is worth, in four figures of a small luma plane. Pure: numpy arrays in, integers out.

A plane is some 160 x 90 pixels of luma: the real driver's small second stream, or ``reduced`` from a whole picture. It
is taken before time and number are burnt in, which go on over a picture that stands still. Each figure is computed in
integers, so that one plane gives the same figures on every machine. What they mean is judged by the recorder
(``agent.recorder.watch``), which never sees a pixel.

Limits: at this size a blur shows only where it is wider than about a hundredth of the picture; and a lens behind clean,
clear glass, or turned to the wrong side, is sharp.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.camera import PictureFigures
from drivers.clock import SECOND_NS
from drivers.glyphs import Luma

PLANE_WIDTH = 160
"""About; a picture is reduced by a whole number."""
COMPARED_NS = 3 * SECOND_NS // 2
"""Planes further apart are not compared: what came between them is not known."""
NOT_COMPARED = -1


class Quality:
    """The figures of one camera's planes in order; remembers the last plane only."""

    def __init__(self) -> None:
        self._before: Luma | None = None
        self._before_ns = 0

    def of(self, capture_ns: int, plane: Luma) -> PictureFigures:
        """The figures of ``plane``, which was captured at ``capture_ns``; it is kept, not copied."""
        compared = capture_ns - self._before_ns <= COMPARED_NS
        said = figures(capture_ns, plane, self._before if compared else None)
        self._before, self._before_ns = plane, capture_ns
        return said


def figures(capture_ns: int, plane: Luma, before: Luma | None) -> PictureFigures:
    """The figures of ``plane``; ``before`` is the plane of a second before, if there is one of the same size."""
    return PictureFigures(
        capture_ns=capture_ns,
        mean=_rounded(int(plane.sum(dtype=np.int64)), plane.size),
        variance=_variance(plane),
        difference=NOT_COMPARED if before is None or before.shape != plane.shape else _difference(plane, before),
        sharpness=_variance(_laplacian(plane)),
    )


def reduced(luma: Luma) -> Luma:
    """A whole picture as a plane: of each cell the mean of four pixels; a tenth of a millisecond at 1080p."""
    step = max(1, luma.shape[1] // PLANE_WIDTH)
    half = step // 2
    height, width = luma.shape[0] // step * step, luma.shape[1] // step * step
    corners = [luma[y:height:step, x:width:step] for y in (0, half) for x in (0, half)]
    total = corners[0].astype(np.uint16)
    for corner in corners[1:]:
        total += corner
    return (total + 2 >> 2).astype(np.uint8)


def _laplacian(plane: Luma) -> NDArray[np.int16]:
    """Four times each inner pixel less its four neighbours."""
    wide = plane.astype(np.int16)
    return 4 * wide[1:-1, 1:-1] - wide[:-2, 1:-1] - wide[2:, 1:-1] - wide[1:-1, :-2] - wide[1:-1, 2:]


def _difference(plane: Luma, before: Luma) -> int:
    """Mean absolute difference in hundredths."""
    apart = np.maximum(plane, before) - np.minimum(plane, before)
    return _rounded(100 * int(apart.sum(dtype=np.int64)), plane.size)


def _variance(values: NDArray[Any]) -> int:
    """Rounded; 0 of nothing."""
    wide = values.ravel().astype(np.int64)
    total, squares, count = int(wide.sum()), int(np.dot(wide, wide)), wide.size
    return _rounded(count * squares - total * total, count * count)


def _rounded(dividend: int, divisor: int) -> int:
    return (2 * dividend + divisor) // (2 * divisor) if divisor else 0
