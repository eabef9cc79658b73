"""The watch: what is of no use is told once, found in 2 s, and never flickers; any figures at all are taken."""

from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.evidence import entries as e
from agent.recorder.watch import MOST, PAUSE_NS, PICTURE, SOUND, Begun, Ended, Told, Watch, WatchSettings
from config.models import Watch as WatchSection
from drivers.camera import PictureFigures
from drivers.microphone import SoundFigures
from drivers.scenario import Event
from tests.support import sights

MS, S = 1_000_000, 1_000_000_000
BLOCK_NS = 512 * MS
T0 = 5000 * S
SETTINGS = WatchSettings()
GOOD = PictureFigures(0, mean=120, variance=1500, difference=200, sharpness=400)
BAD: dict[e.ImpairmentKind, PictureFigures] = {
    "picture.covered": PictureFigures(0, mean=37, variance=4, difference=110, sharpness=22),
    "picture.dark": PictureFigures(0, mean=30, variance=60, difference=140, sharpness=80),
    "picture.frozen": PictureFigures(0, mean=120, variance=1500, difference=0, sharpness=400),
    "picture.blurred": PictureFigures(0, mean=120, variance=1200, difference=90, sharpness=12),
}
QUIET = SoundFigures(0, BLOCK_NS, level_cdb=-5400, peak_cdb=-4200, clipped=0, speech_ms=-1)
BAD_SOUND: dict[e.ImpairmentKind, SoundFigures] = {
    "sound.silent": SoundFigures(0, BLOCK_NS, level_cdb=-10_000, peak_cdb=-10_000, clipped=0, speech_ms=-1),
    "sound.clipping": SoundFigures(0, BLOCK_NS, level_cdb=-100, peak_cdb=0, clipped=900, speech_ms=-1),
}
KINDS = [*BAD, *BAD_SOUND]


def seen(watch: Watch, shown: Iterable[PictureFigures], from_ns: int = T0) -> list[Told]:
    """What is told of pictures that come each second."""
    told: list[Told] = []
    for number, figures in enumerate(shown):
        at_ns = from_ns + number * S
        told += watch.picture(msgspec.structs.replace(figures, capture_ns=at_ns), at_ns + 20 * MS)
    return told


def heard(watch: Watch, blocks: Iterable[SoundFigures], from_ns: int = T0) -> list[Told]:
    """What is told of blocks that follow each other."""
    told: list[Told] = []
    for number, figures in enumerate(blocks):
        at_ns = from_ns + number * BLOCK_NS
        told += watch.sound(msgspec.structs.replace(figures, capture_ns=at_ns), at_ns + BLOCK_NS + 20 * MS)
    return told


def run(kind: e.ImpairmentKind, bad: Sequence[bool], watch: Watch | None = None, from_ns: int = T0) -> list[Told]:
    """What is told of figures that are bad in that way, or good."""
    watch = watch or Watch(SETTINGS)
    if kind in BAD:
        return seen(watch, [BAD[kind] if is_bad else GOOD for is_bad in bad], from_ns)
    return heard(watch, [BAD_SOUND[kind] if is_bad else QUIET for is_bad in bad], from_ns)


def at_us(kind: e.ImpairmentKind, number: int) -> int:
    """The moment of figures number ``number``."""
    return (T0 + number * (S if kind in BAD else BLOCK_NS)) // 1000


def alternates(told: Iterable[Told]) -> bool:
    """Begin and end by turns for each kind, in time."""
    last: dict[str, Told] = {}
    for said in told:
        before = last.get(said.kind)
        if isinstance(said, Begun):
            if isinstance(before, Begun) or (before is not None and said.since_us < before.until_us):
                return False
        elif not isinstance(before, Begun) or said.until_us < before.since_us:
            return False
        last[said.kind] = said
    return True


# --- each kind ----------------------------------------------------------------------------------------------


def test_all_kinds_but_the_disks_are_watched() -> None:
    assert {*PICTURE, *SOUND} == set(KINDS) == set(get_args(e.ImpairmentKind)) - {"storage.slow"}


@pytest.mark.parametrize("kind", KINDS)
def test_what_stays_bad_begins_once_with_the_first_bad_figures_and_ends_with_the_first_good_ones(
    kind: e.ImpairmentKind,
) -> None:
    begun, ended = run(kind, [False] * 3 + [True] * 20 + [False] * 20)
    first = at_us(kind, 2 if kind == "picture.frozen" else 3)  # the plane that it is compared with stood still, too
    assert isinstance(begun, Begun) and isinstance(ended, Ended)
    assert (begun.kind, begun.since_us) == (kind, first)
    assert (ended.kind, ended.until_us) == (kind, at_us(kind, 23))


@pytest.mark.parametrize(
    ("kind", "figures"),
    [
        ("picture.covered", 2),
        ("picture.dark", 2),
        ("picture.frozen", 1),  # the second before stood still, too
        ("picture.blurred", 4),
        ("sound.silent", 2),
        ("sound.clipping", 3),
    ],
)
def test_so_many_bad_figures_in_a_row_are_told_and_one_less_is_not(kind: e.ImpairmentKind, figures: int) -> None:
    bad = [True] * figures
    assert run(kind, [False] * 9 + bad[1:] + [False] * 9) == []
    assert [type(said) for said in run(kind, [False] * 9 + bad)] == [Begun]


@pytest.mark.parametrize("kind", KINDS)
def test_one_good_figure_does_not_end_it(kind: e.ImpairmentKind) -> None:
    [begun] = run(kind, [False] + [True] * 10 + [False, True] * 10)
    assert isinstance(begun, Begun)


@pytest.mark.parametrize(
    ("kind", "worst"),
    [
        ("picture.covered", 4),
        ("picture.dark", 30),
        ("picture.frozen", 0),
        ("picture.blurred", 12),
        ("sound.silent", -10_000),
        ("sound.clipping", 900),
    ],
)
def test_the_worst_is_told_at_the_end(kind: e.ImpairmentKind, worst: int) -> None:
    [_, ended] = run(kind, [True] * 8 + [False] * 8)
    assert isinstance(ended, Ended) and ended.worst == worst


def test_of_several_figures_the_worst_counts() -> None:
    watch = Watch(SETTINGS)
    dark = [msgspec.structs.replace(BAD["picture.dark"], mean=mean) for mean in (33, 22, 39)]
    [_, ended] = seen(watch, [*dark, GOOD, GOOD, GOOD])
    assert isinstance(ended, Ended) and ended.worst == 22
    clipped = [msgspec.structs.replace(BAD_SOUND["sound.clipping"], clipped=count) for count in (20, 20, 20, 7000, 50)]
    [_, ended] = heard(watch, [*clipped, *[QUIET] * 5])
    assert isinstance(ended, Ended) and ended.worst == 7000


def test_a_covered_lens_is_not_asked_whether_it_is_dark_frozen_or_blurred() -> None:
    black = PictureFigures(0, mean=16, variance=0, difference=0, sharpness=0)
    assert [said.kind for said in seen(Watch(SETTINGS), [black] * 30)] == ["picture.covered"]


def test_in_the_dark_nothing_is_asked_to_be_sharp() -> None:
    far_light = PictureFigures(0, mean=30, variance=600, difference=90, sharpness=20)
    assert [said.kind for said in seen(Watch(SETTINGS), [far_light] * 30)] == ["picture.dark"]


def test_a_dark_picture_that_stands_still_is_both() -> None:
    night = msgspec.structs.replace(BAD["picture.dark"], difference=0)
    assert {said.kind for said in seen(Watch(SETTINGS), [night] * 30)} == {"picture.dark", "picture.frozen"}


def test_a_first_picture_is_compared_with_nothing() -> None:
    first = msgspec.structs.replace(GOOD, difference=-1)
    assert seen(Watch(SETTINGS), [first] * 10) == []


def test_three_clipped_blocks_of_six_are_told_two_are_not() -> None:
    assert run("sound.clipping", [True, False, False, True, False, False] * 5) == []
    begun, *_ = run("sound.clipping", [True, False, True, False, True, False] + [False] * 9)
    assert isinstance(begun, Begun)
    assert (begun.since_us, begun.text) == (at_us("sound.clipping", 0), "3 of the last 5 blocks are clipped")


def test_clipped_blocks_that_were_told_are_not_told_again() -> None:
    told = run("sound.clipping", [True] * 3 + [False] * 4 + [True] + [False] * 20)
    assert [type(said) for said in told] == [Begun, Ended]


# --- pauses, ends, sessions ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_bad_figures_with_pauses_between_them_are_no_run(kind: e.ImpairmentKind) -> None:
    watch, told = Watch(replace(SETTINGS, picture_bad_ms=1500)), list[Told]()
    for number in range(20):
        told += run(kind, [True], watch, T0 + number * (PAUSE_NS + S))
    assert told == []


@pytest.mark.parametrize("kind", KINDS)
def test_good_figures_with_pauses_between_them_end_nothing(kind: e.ImpairmentKind) -> None:
    watch = Watch(SETTINGS)
    [begun] = run(kind, [True] * 10, watch)
    for number in range(1, 20):
        assert run(kind, [False], watch, T0 + 10 * S + number * (PAUSE_NS + S)) == []
    assert watch.standing() == [begun]


@pytest.mark.parametrize("kind", KINDS)
def test_an_open_impairment_outlasts_a_pause_and_ends_where_the_source_ends(kind: e.ImpairmentKind) -> None:
    watch = Watch(SETTINGS)
    begun = run(kind, [True] * 10, watch)
    assert run(kind, [True] * 3, watch, T0 + 60 * S) == []
    assert watch.standing() == begun
    [ended] = [*watch.gone("video"), *watch.gone("sound")]
    last_ns = 2 * S if kind in BAD else 3 * BLOCK_NS  # a picture has its moment, a block its end
    assert (ended.kind, ended.until_us) == (kind, (T0 + 60 * S + last_ns) // 1000)
    assert [*watch.standing(), *watch.gone("video"), *watch.gone("sound"), *watch.gone("position")] == []
    assert [type(said) for said in run(kind, [True] * 10, watch, T0 + 70 * S)] == [Begun]


def test_the_end_of_one_track_says_nothing_of_the_other() -> None:
    watch = Watch(SETTINGS)
    run("picture.dark", [True] * 5, watch)
    run("sound.silent", [True] * 5, watch)
    assert [ended.kind for ended in watch.gone("sound")] == ["sound.silent"]
    assert [begun.kind for begun in watch.standing()] == ["picture.dark"]


def test_moments_are_held_between_the_last_figures_and_now() -> None:
    watch = Watch(replace(SETTINGS, picture_bad_ms=0))
    mad = msgspec.structs.replace(BAD["picture.covered"], capture_ns=1 << 62)
    [begun] = watch.picture(mad, T0)
    assert isinstance(begun, Begun) and begun.since_us == T0 // 1000
    [ended] = watch.gone("video")
    assert ended.until_us == begun.since_us
    early = msgspec.structs.replace(mad, capture_ns=7)  # the next source's clock is wrong, too
    [begun] = watch.picture(early, T0 + S)
    assert isinstance(begun, Begun) and begun.since_us == ended.until_us


# --- rules --------------------------------------------------------------------------------------------------

RUNS = st.lists(st.booleans(), max_size=60)
ANY_SETTINGS = st.builds(
    WatchSettings,
    picture_bad_ms=st.integers(0, 5000),
    blurred_bad_ms=st.integers(0, 5000),
    silent_bad_ms=st.integers(0, 5000),
    clipped_blocks=st.integers(1, 8),
    clipped_of_blocks=st.integers(1, 8),
    good_ms=st.integers(0, 5000),
)


@given(ANY_SETTINGS, st.sampled_from(KINDS), RUNS)
def test_begin_and_end_alternate_whatever_comes(
    settings: WatchSettings, kind: e.ImpairmentKind, bad: list[bool]
) -> None:
    told = run(kind, bad, Watch(settings))
    assert alternates(told)
    assert {said.kind for said in told} <= {kind}


@given(ANY_SETTINGS, st.sampled_from(KINDS), st.integers(0, 60))
def test_constant_good_figures_never_begin_anything(
    settings: WatchSettings, kind: e.ImpairmentKind, count: int
) -> None:
    assert run(kind, [False] * count, Watch(settings)) == []


@given(ANY_SETTINGS, st.sampled_from(KINDS))
def test_constant_bad_figures_begin_exactly_once_in_their_time(settings: WatchSettings, kind: e.ImpairmentKind) -> None:
    bad_ms = {
        "picture.blurred": settings.blurred_bad_ms,
        "sound.silent": settings.silent_bad_ms,
        "sound.clipping": 512 * min(settings.clipped_blocks, settings.clipped_of_blocks),
    }.get(kind, settings.picture_bad_ms)
    counted = bad_ms // (1000 if kind in BAD else 512) + 2
    assert [type(said) for said in run(kind, [True] * counted, Watch(settings))] == [Begun]
    assert [type(said) for said in run(kind, [True] * (counted + 40), Watch(settings))] == [Begun]


ANY = st.integers(-(1 << 63), (1 << 64) - 1)
MOMENTS = st.one_of(ANY, st.integers(T0, T0 + 20 * S))
ANY_FIGURES = st.one_of(
    st.builds(PictureFigures, MOMENTS, ANY, ANY, ANY, ANY),
    st.builds(PictureFigures, MOMENTS, *[st.integers(-1, 60)] * 4),
    st.builds(SoundFigures, MOMENTS, ANY, ANY, ANY, ANY, ANY),
    st.builds(SoundFigures, MOMENTS, st.just(BLOCK_NS), st.integers(-10_000, 0), ANY, st.integers(0, 99), ANY),
    st.sampled_from(["video", "sound", "position", "all"]),
)


@given(ANY_SETTINGS, st.lists(ANY_FIGURES, max_size=60))
def test_any_figures_are_taken_and_what_is_told_fits_into_an_entry(
    settings: WatchSettings, given: Sequence[PictureFigures | SoundFigures | e.Track]
) -> None:
    watch, told = Watch(settings), list[Told]()
    for number, one in enumerate(given):
        now_ns = T0 + number * S // 2
        if isinstance(one, PictureFigures):
            told += watch.picture(one, now_ns)
        elif isinstance(one, SoundFigures):
            told += watch.sound(one, now_ns)
        else:
            told += watch.gone(one)
    assert alternates(told)
    for said in told:
        moment_us = said.since_us if isinstance(said, Begun) else said.until_us
        assert 0 <= moment_us <= (T0 + len(given) * S) // 1000
        assert isinstance(said, Begun) or abs(said.worst) <= MOST
        assert isinstance(said, Ended) or len(said.text) < 200


# --- real pictures ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sight", sights.SIGHTS, ids=lambda sight: sight.name)
def test_each_sight_is_told_as_the_table_says(sight: sights.Sight) -> None:
    assert " ".join(begun.kind for begun in sights.told(sight.figures())) == sight.told


@pytest.mark.parametrize(
    ("word", "kind"),
    [("camera.cover", "picture.covered"), ("camera.dark", "picture.dark"), ("camera.freeze", "picture.frozen")],
)
@pytest.mark.parametrize("at_s", [3.04, 3.5, 4.0])
def test_what_the_scenario_does_is_found_in_two_seconds_and_is_over_after_it(
    word: str, kind: e.ImpairmentKind, at_s: float
) -> None:
    watch, found, over = Watch(SETTINGS), list[tuple[float, Begun]](), list[Ended]()
    for figures in sights.camera(Event(at_s, word, 4), seconds=12):
        for said in watch.picture(figures, figures.capture_ns):
            if isinstance(said, Begun):
                found.append(((figures.capture_ns - sights.BEGAN_NS) / S, said))
            else:
                over.append(said)
    [(found_s, begun)], [ended] = found, over
    assert begun.kind == ended.kind == kind
    assert found_s - at_s <= 2
    assert 0 <= (begun.since_us * 1000 - sights.BEGAN_NS) / S - at_s <= 1
    assert 0 <= (ended.until_us * 1000 - sights.BEGAN_NS) / S - (at_s + 4) <= 1


def test_the_configurations_defaults_are_the_watchs() -> None:
    section = WatchSection()
    assert {field.name for field in fields(WatchSettings)} == set(WatchSection.__struct_fields__)
    assert all(getattr(section, field.name) == getattr(SETTINGS, field.name) for field in fields(WatchSettings))
