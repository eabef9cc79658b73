"""The simulated walk: told each second, honest about its loss, the same wherever it is begun."""

import itertools
import math
from pathlib import Path

from drivers.position import Fix, NoFix
from drivers.position.simulated import METRES_PER_DEGREE, walked
from tests.drivers import decoded


def distance_m(one: Fix, other: Fix) -> float:
    north = (one.lat_e7 - other.lat_e7) / 1e7 * METRES_PER_DEGREE
    east = (one.lon_e7 - other.lon_e7) / 1e7 * METRES_PER_DEGREE * math.cos(math.radians(one.lat_e7 / 1e7))
    return math.hypot(north, east)


def test_a_fix_comes_at_each_whole_second_and_moves_at_walking_pace() -> None:
    fixes = [message for message in decoded.first("position", 400, {"driver": "simulated"}) if isinstance(message, Fix)]
    assert len(fixes) == 400
    assert all(fix.capture_ns % 10**9 == 0 for fix in fixes)
    assert all(distance_m(earlier, later) < 3 for earlier, later in itertools.pairwise(fixes))
    assert max(distance_m(fixes[0], fix) for fix in fixes) > 30
    assert all(1000 <= fix.accuracy_mm <= 10_000 for fix in fixes)


def test_utc_belongs_to_the_moment_of_the_fix() -> None:
    for fix in decoded.first("position", 5, {"driver": "simulated"}):
        assert isinstance(fix, Fix)
        expected_us = (decoded.UTC_NS + fix.capture_ns - decoded.NOW_NS) // 1000
        assert abs(fix.utc_us - expected_us) <= fix.utc_error_us


def test_a_longer_interval_gives_fewer_fixes() -> None:
    fixes = decoded.first("position", 4, {"driver": "simulated", "interval_s": 5})
    moments = [fix.capture_ns for fix in fixes if isinstance(fix, Fix)]
    assert all(later - earlier == 5 * 10**9 for earlier, later in itertools.pairwise(moments))


def test_a_lost_fix_is_said_for_as_long_as_the_scenario_says(tmp_path: Path) -> None:
    (tmp_path / "play.toml").write_text('[[event]]\nat_s = 3\nwhat = "position.lose"\nfor_s = 4\n')
    started_ns = decoded.NOW_NS // 10**9 * 10**9
    options = {"driver": "simulated", "scenario": str(tmp_path / "play.toml"), "scenario_started_ns": started_ns}
    told = decoded.first("position", 10, options)
    assert [type(message) for message in told] == [Fix, Fix, NoFix, NoFix, NoFix, NoFix, Fix, Fix, Fix, Fix]
    assert all("scenario" in message.reason for message in told if isinstance(message, NoFix))


def test_a_fix_lost_without_an_end_stays_lost(tmp_path: Path) -> None:
    (tmp_path / "play.toml").write_text('[[event]]\nat_s = 0\nwhat = "position.lose"\n')
    told = decoded.first("position", 100, {"driver": "simulated", "scenario": str(tmp_path / "play.toml")})
    assert all(isinstance(message, NoFix) for message in told)


def test_a_source_that_starts_again_stands_where_the_walker_stands() -> None:
    later = decoded.clock_at(decoded.NOW_NS + 60 * 10**9)
    (fix,) = decoded.first("position", 1, {"driver": "simulated"}, later)
    assert isinstance(fix, Fix)
    assert (fix.lat_e7, fix.lon_e7, fix.accuracy_mm) == walked(fix.capture_ns)
    whole = [message for message in decoded.first("position", 61, {"driver": "simulated"}) if isinstance(message, Fix)]
    assert (whole[60].lat_e7, whole[60].lon_e7) == (fix.lat_e7, fix.lon_e7)
