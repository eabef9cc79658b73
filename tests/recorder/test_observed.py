"""What a check knows of the device's parts: fresh figures only, rates from whole seconds."""

import pytest

from agent.recorder.checkup import Picture, Place, Sound, Speaker, Writing
from agent.recorder.observed import ITEMS_OF, Observed, absent
from drivers.camera import CameraParameters, VideoPacket
from drivers.microphone import SoundFigures
from drivers.position import Fix, NoFix
from drivers.power import PowerFigures
from drivers.signals import NotSaid, Said
from drivers.storage import StorageFigures, VolumeFound

S = 10**9
NOW = 1_000 * S
PARTS = ("camera", "microphone", "position", "signals", "power", "storage")
UP = {"camera": False, "microphone": False, "position": False}
PARAMETERS = CameraParameters(b"", b"", 640, 480, 25, 1, 0)
POWER = PowerFigures(NOW, 950, 4100, 500, False, False, 52_000)


def observed(*parts: str) -> Observed:
    return Observed(parts or PARTS, position_required=False)


def packets(from_s: float, until_s: float, rate: float = 25) -> list[VideoPacket]:
    """Pictures captured in a stretch of time counted from NOW, as they are sent."""
    count = round((until_s - from_s) * rate)
    moments = [NOW + round((from_s + number / rate) * S) for number in range(count)]
    return [VideoPacket(at, at, False, b"", "avcc", number) for number, at in enumerate(moments)]


def figures(level_cdb: int) -> SoundFigures:
    return SoundFigures(NOW, S // 2, level_cdb, 0, 0, -1)


def storage(write_us: int = -1, error: str = "", read_only: bool = False) -> StorageFigures:
    return StorageFigures(NOW, 7, 9, read_only, write_us, error)


def rate(device: Observed, now_s: float) -> int:
    facts = device.facts(UP, (), NOW, NOW + round(now_s * S))
    assert facts.picture is not None
    return facts.picture.rate_mfps


# --- the camera -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fps", [25, 12.5, 5])
def test_the_rate_is_that_of_the_last_whole_seconds(fps: float) -> None:
    device = observed()
    device.heard(PARAMETERS, NOW)
    device.pictures(packets(0, 20, fps))
    assert abs(rate(device, 20.5) - fps * 1000) <= 200  # one picture more or less in five seconds
    assert device.facts(UP, (), NOW, NOW).picture == Picture(True, frozenset(), -1, 25_000)


def test_a_rate_is_not_told_before_a_whole_second_has_come() -> None:
    device = observed()
    device.pictures(packets(0.5, 0.9))
    assert rate(device, 1.4) == -1
    device.pictures(packets(0.9, 3))
    assert rate(device, 3) == 25_000


def test_a_camera_that_stops_has_no_rate_in_the_end() -> None:
    device = observed()
    device.pictures(packets(0, 10))
    assert 0 < rate(device, 14) < 25_000
    assert rate(device, 30) == 0


def test_a_camera_that_is_started_anew_is_counted_anew() -> None:
    device = observed()
    device.pictures(packets(0, 10))
    device.gone("camera", "pulled")
    assert rate(device, 11) == -1
    device.pictures(packets(11, 14, 10))
    assert rate(device, 14) == 10_000


def test_only_the_newest_seconds_are_kept() -> None:
    device = observed()
    device.pictures(packets(0, 1000, 1))
    assert len(device._seconds) <= 10


def test_what_stands_of_the_picture_is_passed_on() -> None:
    facts = observed().facts({"camera": True}, ["picture.dark"], NOW, NOW)
    assert facts.picture == Picture(False, frozenset({"picture.dark"}), -1, -1)


# --- the others -----------------------------------------------------------------------------------------------


def test_the_loudest_of_the_last_blocks_counts_while_it_is_fresh() -> None:
    device = observed()
    assert device.facts(UP, (), NOW, NOW).sound == Sound(True, frozenset(), None)
    for level in (-1000, -9000, -5000, -9000, -9000):
        device.heard(figures(level), NOW)
    assert device.facts(UP, (), NOW, NOW + 3 * S).sound == Sound(True, frozenset(), -5000)
    assert device.facts(UP, (), NOW, NOW + 4 * S).sound == Sound(True, frozenset(), None)


def test_a_position_is_known_while_it_is_fresh_and_lost_when_that_is_said() -> None:
    device = Observed(PARTS, position_required=True)
    device.heard(Fix(NOW, 0, 0, 4_000, "gnss", 0, 0), NOW)
    assert device.facts(UP, (), NOW, NOW).place == Place(True, True, 4_000, True)
    assert device.facts(UP, (), NOW, NOW + 121 * S).place == Place(True, required=True)
    device.heard(NoFix(NOW, "roof"), NOW)
    assert device.facts(UP, (), NOW, NOW).place == Place(True, required=True)
    assert device.facts({"position": True}, (), NOW, NOW).place == Place(False, required=True)


def test_power_is_known_while_it_is_fresh() -> None:
    device = observed()
    device.heard(POWER, NOW)
    assert device.facts(UP, (), NOW, NOW + S).power == POWER
    assert device.facts(UP, (), NOW, NOW + 121 * S).power is None
    device.heard(POWER, NOW)
    device.gone("power", "unplugged")
    assert device.facts(UP, (), NOW, NOW).power is None


def test_a_trial_write_counts_only_for_the_check_that_asked_for_it() -> None:
    device = observed()
    assert device.facts(UP, (), NOW, NOW).writing is None
    device.heard(storage(write_us=5_000), NOW - 1)
    assert device.facts(UP, (), NOW, NOW).writing == Writing(False, -1)
    device.heard(storage(write_us=6_000), NOW + 1)
    device.heard(storage(), NOW + 2)
    assert device.facts(UP, (), NOW, NOW + 3).writing == Writing(False, 6_000)
    device.heard(storage(error="Input/output error", read_only=True), NOW + 4)
    assert device.facts(UP, (), NOW, NOW + 5).writing == Writing(True, -1, "Input/output error")


def test_a_pulled_card_fails_until_it_is_back() -> None:
    device = observed()
    device.heard(storage(), NOW)
    device.gone("storage", "the card was pulled")
    assert device.facts(UP, (), NOW, NOW).writing == Writing(error="the card was pulled")
    device.heard(VolumeFound("1", "", "xfs", "", "", 9), NOW)
    assert device.facts(UP, (), NOW, NOW).writing is None


def test_the_speaker_answers_for_this_check() -> None:
    device = observed()
    device.heard(Said(-1, "", 9), NOW)
    assert device.facts(UP, (), NOW, NOW).speaker == Speaker()
    device.asked()
    assert device.facts(UP, (), NOW, NOW).speaker is None
    device.heard(NotSaid(-2, "mute"), NOW)
    assert device.facts(UP, (), NOW, NOW).speaker == Speaker("mute")
    device.gone("signals", "it crashed")
    assert device.facts(UP, (), NOW, NOW).speaker == Speaker("it crashed")


@pytest.mark.parametrize("part", sorted(ITEMS_OF))
def test_what_the_device_does_not_have_is_absent(part: str) -> None:
    rest = [one for one in PARTS if one != part]
    facts = observed(*rest).facts(UP, (), NOW, NOW)
    assert facts.absent == set(ITEMS_OF[part]) == absent(rest)
    field = {"camera": "picture", "microphone": "sound", "position": "place", "signals": "speaker", "power": "power"}
    assert getattr(facts, field[part]) is None
