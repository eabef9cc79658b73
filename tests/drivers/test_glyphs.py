"""Burnt-in letters: told apart from each other, at every size, on every background."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.glyphs import CHARACTERS, Atlas


def test_no_two_glyphs_look_alike() -> None:
    atlas = Atlas(1)
    glyphs = {character: atlas.strip(character) for character in CHARACTERS}
    for one in CHARACTERS:
        for other in CHARACTERS:
            dots = np.count_nonzero(glyphs[one] != glyphs[other])
            assert (one == other) == (dots == 0)
            assert one == other or dots >= 2, f"{one!r} and {other!r} differ in {dots} dots"


@given(st.text(CHARACTERS, max_size=40), st.integers(1, 4))
def test_what_is_drawn_is_read_back(text: str, scale: int) -> None:
    atlas = Atlas(scale)
    assert atlas.read(atlas.strip(text), 0, 0, len(text)) == text


def test_small_letters_are_shown_as_capitals_and_the_unknown_as_a_box() -> None:
    atlas = Atlas(2)
    assert atlas.read(atlas.strip("dev-71 é"), 0, 0, 8) == "DEV-71 ?"


@pytest.mark.parametrize("noise", [0, 40, 60])
def test_a_noisy_picture_is_still_read(noise: int) -> None:
    atlas, text = Atlas(4), "2026-11-24 23:59:59 DEV-0071"
    strip = atlas.strip(text).astype(int) + np.random.default_rng(1).integers(-noise, noise + 1, (36, 28 * 24))
    assert atlas.read(np.clip(strip, 0, 255).astype(np.uint8), 0, 0, len(text)) == text
