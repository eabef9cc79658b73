"""Figures of a plane: known planes give known figures, and planes too far apart are not compared."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.camera.quality import COMPARED_NS, NOT_COMPARED, Quality, figures, reduced
from drivers.glyphs import Luma

S = 1_000_000_000


def flat(value: int, height: int = 90, width: int = 160) -> Luma:
    return np.full((height, width), value, np.uint8)


def random_plane(seed: int, height: int = 90, width: int = 160) -> Luma:
    return np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)


def chequered() -> Luma:
    plane = flat(100)
    plane[::2, ::2] = plane[1::2, 1::2] = 110
    return plane


def test_a_flat_plane_has_a_mean_and_nothing_else() -> None:
    said = figures(7, flat(93), flat(93))
    assert (said.capture_ns, said.mean, said.variance, said.difference, said.sharpness) == (7, 93, 0, 0, 0)


def test_a_chequered_plane_is_as_sharp_as_can_be() -> None:
    said = figures(0, chequered(), None)
    assert (said.mean, said.variance) == (105, 25)
    assert said.sharpness == 40 * 40  # each inner pixel differs by 10 from four neighbours
    assert said.difference == NOT_COMPARED


def test_a_slope_has_variance_and_no_sharpness() -> None:
    slope = np.broadcast_to(np.arange(160, dtype=np.uint8), (90, 160))
    said = figures(0, slope, None)
    assert (said.variance, said.sharpness) == (round((160**2 - 1) / 12), 0)


def test_the_difference_counts_hundredths() -> None:
    before, plane = flat(50), flat(50)
    plane[0, 0] = 50 + 144  # 144 of 14,400 pixels
    assert figures(0, plane, before).difference == figures(0, before, plane).difference == 1
    assert figures(0, flat(53), before).difference == 300


@settings(max_examples=50)
@given(st.integers(0, 1000), st.integers(0, 1000), st.integers(1, 60), st.integers(1, 60))
def test_figures_are_what_floating_point_would_say(seed: int, other: int, height: int, width: int) -> None:
    plane, before = random_plane(seed, height, width), random_plane(other, height, width)
    said, exact = figures(0, plane, before), plane.astype(np.float64)
    assert said.mean == pytest.approx(exact.mean(), abs=0.51)
    assert said.variance == pytest.approx(exact.var(), abs=0.51)
    assert said.difference == pytest.approx(100 * np.abs(exact - before).mean(), abs=0.51)
    assert said.difference == figures(0, before, plane).difference
    assert all(type(value) is int for value in (said.mean, said.variance, said.difference, said.sharpness))


@pytest.mark.parametrize(
    ("width", "height", "plane"),
    [(1920, 1080, (90, 160)), (1280, 720, (90, 160)), (640, 288, (72, 160)), (512, 64, (21, 170)), (99, 50, (50, 99))],
)
def test_a_picture_is_reduced_to_about_160_pixels_across(width: int, height: int, plane: tuple[int, int]) -> None:
    picture = np.broadcast_to((np.arange(width) * 200 // width).astype(np.uint8), (height, width))
    small = reduced(picture)
    assert small.shape == (plane if width > 160 else (height, width))
    assert small.dtype == np.uint8
    assert abs(int(small.mean()) - int(picture.mean())) <= 2


def test_a_reduced_picture_is_a_copy_that_the_next_frame_does_not_change() -> None:
    picture = random_plane(1, 288, 640)
    small = reduced(picture)
    kept = small.copy()
    picture[:] = 0
    assert (small == kept).all()


def test_only_planes_of_about_a_second_apart_are_compared() -> None:
    quality = Quality()
    assert quality.of(5 * S, flat(10)).difference == NOT_COMPARED
    assert quality.of(6 * S, flat(12)).difference == 200
    assert quality.of(6 * S + COMPARED_NS, flat(12)).difference == 0
    assert quality.of(6 * S + 2 * COMPARED_NS + 1, flat(12)).difference == NOT_COMPARED
    assert quality.of(11 * S, flat(12, 45, 80)).difference == NOT_COMPARED
