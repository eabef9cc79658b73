"""Power and heat: both drivers under one contract, the simulated battery's story, and another machine's /sys."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from drivers.errors import PowerUnmeasured
from drivers.power import Power, PowerFigures, linux, simulated
from tests.drivers import decoded

Make = Callable[[int], Power]


def machine(sys: Path, **files: str) -> Path:
    """A Raspberry Pi with a battery; ``files`` change what a file of the battery says."""
    battery = {
        "type": "Battery",
        "capacity": "73",
        "voltage_now": "3912345",
        "time_to_empty_now": "14520",
        **files,
    }
    texts = {f"class/power_supply/bat0/{name}": text for name, text in battery.items()}
    texts |= {
        "class/power_supply/ac/type": "Mains",
        "class/power_supply/AA-mouse/type": "Battery",
        "class/power_supply/AA-mouse/scope": "Device",
        "class/power_supply/AA-mouse/capacity": "3",
        "class/thermal/thermal_zone0/temp": "48312",
        "class/thermal/thermal_zone1/temp": "51200",
        linux.FIRMWARE: "0",
    }
    for name, text in texts.items():
        (sys / name).parent.mkdir(parents=True, exist_ok=True)
        (sys / name).write_text(text + "\n")
    return sys


def of_linux(sys: Path, interval_s: int = 1) -> Power:
    return linux.make(linux.Options(driver="linux", interval_s=interval_s), decoded.clock_at(), sys)


@pytest.fixture(params=["linux", "simulated"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    if request.param == "linux":
        machine(tmp_path)
        return lambda interval_s: of_linux(tmp_path, interval_s)
    return lambda interval_s: simulated.make(
        simulated.Options(driver="simulated", interval_s=interval_s), decoded.clock_at()
    )


def figures(power: Power, count: int) -> list[PowerFigures]:
    given = list(itertools.islice(power.messages(), count))
    assert all(isinstance(one, PowerFigures) for one in given)
    return [one for one in given if isinstance(one, PowerFigures)]


# --- the contract ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("interval_s", [1, 5])
def test_a_reading_comes_each_interval(make: Make, interval_s: int) -> None:
    moments = [one.capture_ns for one in figures(make(interval_s), 5)]
    assert all(later - earlier == interval_s * 10**9 for earlier, later in itertools.pairwise(moments))
    assert moments[0] >= decoded.NOW_NS


def test_figures_are_in_their_bounds_and_survive_the_link(make: Make) -> None:
    for one in figures(make(1), 5):
        assert 0 <= one.charge_permille <= 1000
        assert 2500 < one.voltage_mv < 6000
        assert one.minutes_left >= -1
        assert one.temperature_mdeg is not None and 0 < one.temperature_mdeg < 120_000
        assert decoded.through_the_link(one) == one


def test_closing_is_allowed_twice_and_without_having_begun(make: Make) -> None:
    power = make(1)
    power.close()
    power.close()


# --- the simulated battery ------------------------------------------------------------------------------------


def story(tmp_path: Path, text: str, seconds: int) -> list[PowerFigures]:
    (tmp_path / "play.toml").write_text(text)
    options = simulated.Options(
        driver="simulated", scenario=str(tmp_path / "play.toml"), scenario_started_ns=86_400 * 10**9
    )
    return figures(simulated.make(options, decoded.clock_at(86_400 * 10**9)), seconds)


def test_a_low_battery_sags_and_holds_the_processor_back_for_as_long_as_the_scenario_says(tmp_path: Path) -> None:
    told = story(tmp_path, '[[event]]\nat_s = 3\nwhat = "power.low"\nfor_s = 2', 7)
    assert [one.under_voltage for one in told] == [False, False, False, True, True, False, False]
    assert [one.throttled for one in told] == [one.under_voltage for one in told]
    assert told[3].charge_permille == simulated.LOW_PERMILLE < told[5].charge_permille
    assert told[3].minutes_left < 30 and told[3].voltage_mv < simulated.EMPTY_MV


def test_heat_holds_the_processor_back_and_leaves_the_battery_alone(tmp_path: Path) -> None:
    told = story(tmp_path, '[[event]]\nat_s = 2\nwhat = "heat.high"', 4)
    assert [one.temperature_mdeg for one in told] == [simulated.USUAL_MDEG] * 2 + [simulated.HOT_MDEG] * 2
    assert [one.throttled for one in told] == [False, False, True, True]
    assert not any(one.under_voltage for one in told)


def test_the_battery_empties_over_a_shift_and_never_below_nothing() -> None:
    clock = decoded.clock_at(86_400 * 10**9)
    battery = simulated.make(simulated.Options(driver="simulated", interval_s=60), clock)
    charges = [one.charge_permille for one in figures(battery, 700)]
    assert charges == sorted(charges, reverse=True)
    assert (charges[0], charges[-1]) == (simulated.FULL_PERMILLE, 0)
    assert 0 < charges[8 * 60] < 200


# --- another machine's /sys -----------------------------------------------------------------------------------


def test_a_battery_and_the_hottest_zone_are_read_and_a_mouse_is_not(tmp_path: Path) -> None:
    (one,) = figures(of_linux(machine(tmp_path)), 1)
    assert (one.charge_permille, one.voltage_mv, one.minutes_left, one.temperature_mdeg) == (730, 3912, 242, 51_200)
    assert not (one.under_voltage or one.throttled)


@pytest.mark.parametrize(
    ("word", "under_voltage", "throttled"),
    [("0", False, False), ("1", True, False), ("4", False, True), ("50005", True, True), ("50000", False, False)],
)
def test_the_firmwares_word_counts_for_now_not_for_what_has_been(
    tmp_path: Path, word: str, under_voltage: bool, throttled: bool
) -> None:
    machine(tmp_path)
    (tmp_path / linux.FIRMWARE).write_text(word + "\n")
    (one,) = figures(of_linux(tmp_path), 1)
    assert (one.under_voltage, one.throttled) == (under_voltage, throttled)


def test_what_a_gauge_does_not_tell_is_unknown_not_zero(tmp_path: Path) -> None:
    machine(tmp_path, capacity="", voltage_now="busy", time_to_empty_now="0")
    (one,) = figures(of_linux(tmp_path), 1)
    assert (one.charge_permille, one.voltage_mv, one.minutes_left) == (-1, -1, -1)


def test_a_device_on_mains_has_no_charge(tmp_path: Path) -> None:
    machine(tmp_path, type="Mains")
    (one,) = figures(of_linux(tmp_path), 1)
    assert one.charge_permille == -1
    assert one.temperature_mdeg == 51_200


def test_a_machine_that_measures_nothing_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(PowerUnmeasured, match=r"remove \[power\]"):
        next(iter(of_linux(tmp_path).messages()))
