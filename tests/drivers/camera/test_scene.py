"""The drawn world: each frame tells its number and its time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.camera.scene import TEXT_X, TEXT_Y, Scene, draw_number, number_top, read_number
from drivers.glyphs import INK, PAPER


@given(st.integers(0, 2**32 - 1), st.sampled_from([(512, 64), (1280, 720), (1920, 1080)]))
def test_a_frames_number_is_read_back(number: int, size: tuple[int, int]) -> None:
    luma = np.full((size[1], size[0]), 90, np.uint8)
    draw_number(luma, number)
    assert read_number(luma) == number


def test_the_blocks_stand_where_the_format_says() -> None:
    luma = np.full((1080, 1920), 90, np.uint8)
    draw_number(luma, 0b101)
    assert number_top(1080) == 1056
    assert number_top(720) == 704
    assert [int(luma[1056, 16 * block]) for block in range(29, 32)] == [INK, PAPER, INK]
    assert {int(value) for value in luma[1056:1072, :464].ravel()} == {PAPER}
    assert (luma[:1056] == 90).all()
    assert (luma[1072:] == 90).all()
    assert (luma[:, 512:] == 90).all()


def test_a_number_above_32_bits_wraps() -> None:
    luma = np.zeros((64, 512), np.uint8)
    draw_number(luma, 2**32 + 7)
    assert read_number(luma) == 7


@pytest.mark.parametrize(("offset_min", "shown"), [(480, "2026-09-21 22:13:20 A-1"), (0, "2026-09-21 14:13:20 A-1")])
def test_the_burnt_in_clock_shows_the_zone_asked_for(offset_min: int, shown: str) -> None:
    assert Scene(640, 288, "a-1", offset_min).text(1_790_000_000 * 10**9 + 999_999_999) == shown


def test_a_name_too_long_for_the_picture_is_cut_not_an_error() -> None:
    scene, luma = Scene(512, 288, "X" * 200), np.zeros((288, 512), np.uint8)
    scene.begin(luma)
    scene.draw(luma, 1, 0)
    assert scene.atlas.read(luma, TEXT_X, TEXT_Y, 23).startswith("1970-01-01 08:00:00 XXX")


def test_drawing_on_top_of_the_last_frame_leaves_nothing_of_it() -> None:
    scene, luma, fresh = Scene(640, 288, "A-1"), np.zeros((288, 640), np.uint8), np.zeros((288, 640), np.uint8)
    scene.begin(luma)
    for number in range(1000, 1200):
        scene.draw(luma, number, number * 40_000_000)
    alone = Scene(640, 288, "A-1")
    alone.begin(fresh)
    alone.draw(fresh, 1199, 1199 * 40_000_000)
    assert (luma == fresh).all()
