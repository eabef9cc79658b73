"""Thresholds of the check before use, and of the store's term, that would turn a rule round are refused by name."""

from pathlib import Path

import pytest

from config.errors import ValueRefused
from config.load import parse_config
from config.models import Check, Config, Deadline

GOOD = """
[device]
id = "D1"
unit = "U1"
key_dir = "keys"
spool = "spool"
[trust]
recipients = ["age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"]
[camera]
driver = "simulated"
[microphone]
driver = "simulated"
"""


def parse(more: str) -> Config:
    return parse_config((GOOD + more).encode(), Path("/etc/liuhen"), "device.toml")


def test_both_sections_may_be_left_out() -> None:
    assert (parse("").check, parse("").deadline) == (Check(), Deadline())
    assert parse("").storage.driver == "linux" and parse("").power is None


@pytest.mark.parametrize(
    "section",
    [
        "rate_warn_percent = 40",
        "level_fail_cdb = -6000",
        "clock_fail_ms = 999",
        "space_warn_min = 59",
        "write_fail_ms = 199",
        "battery_warn_percent = 19",
        "heat_fail_c = 69",
    ],
)
def test_what_is_worse_cannot_count_for_less(section: str) -> None:
    with pytest.raises(ValueRefused, match=rf"\[check\].*{section.split()[0]}"):
        parse(f"[check]\n{section}\n")


def test_equal_thresholds_leave_no_warning_and_are_allowed() -> None:
    assert parse("[check]\nspace_warn_min = 60\n").check.space_warn_min == 60


@pytest.mark.parametrize("hours", [0, 25])
def test_the_articles_term_may_be_shortened_and_never_lengthened(hours: int) -> None:
    with pytest.raises(ValueRefused, match=r"term_h must be 1 to 24 \(h\)"):
        parse(f"[deadline]\nterm_h = {hours}\n")
