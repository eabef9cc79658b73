"""A session begins whole although its sensors did not start in one instant; what is missing at its begin is told."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.evidence import entries as e
from agent.evidence.journal import read_file
from agent.verify import Options, verify
from tests.support.rig import SETTINGS, Rig


def recorded(folder: Path, camera_alone_s: float, before_press_s: float, sound_before: bool = True) -> Rig:
    """A session of a device whose microphone starts ``camera_alone_s`` after its camera."""
    rig = Rig(folder, replace(SETTINGS, prerecord_sound=sound_before))
    rig.boot()
    rig.sound = None
    rig.run(camera_alone_s)
    rig.new_microphone()
    rig.run(before_press_s)
    rig.start()
    rig.run(6)
    rig.stop()
    rig.kill()
    return rig


def verdict(rig: Rig, folder: Path) -> dict[str, Any]:
    return verify(folder, Options(key=rig.signer.vkey, identities=(rig.identity,))).json


def of(rig: Rig, folder: Path, kind: type[e.Entry]) -> list[Any]:
    data = b"".join(path.read_bytes() for path in sorted(folder.glob("journal/*/*.log")))
    lines = read_file(data, rig.signer.vkey).entries()
    return [line.entry for line in lines if isinstance(line.entry, kind)]


@pytest.mark.parametrize("camera_alone_s", [0.03, 0.173, 0.5, 0.99, 1.4])
def test_a_microphone_that_starts_a_little_later_costs_pre_record_and_no_reason(
    tmp_path: Path, camera_alone_s: float
) -> None:
    rig = recorded(tmp_path, camera_alone_s, 3)
    found = verdict(rig, tmp_path)
    assert (found["nothing_missing"]["answer"], found["problems"]) == ("yes", [])
    assert of(rig, tmp_path, e.InterruptionBegin) == []
    assert of(rig, tmp_path, e.SessionOpen)[0].prerecord_ms >= 1900


def test_a_microphone_that_was_away_long_is_told_and_the_pictures_are_kept(tmp_path: Path) -> None:
    rig = recorded(tmp_path, 4, 2)
    found = verdict(rig, tmp_path)
    assert found["nothing_missing"]["answer"] == "yes"
    assert [(i["track"], i["resumed"]) for i in found["sessions"][0]["interruptions"]] == [("sound", "yes")]
    assert of(rig, tmp_path, e.SessionOpen)[0].prerecord_ms >= 4000


@pytest.mark.parametrize("before_press_s", [0.0, 0.1, 0.3])
def test_a_press_right_after_the_start_keeps_every_picture(tmp_path: Path, before_press_s: float) -> None:
    rig = recorded(tmp_path, 0.3, before_press_s)
    found = verdict(rig, tmp_path)
    assert found["nothing_missing"]["answer"] == "yes"
    assert {problem["kind"] for problem in found["problems"]} <= {"explanation_owed"}
    opened = of(rig, tmp_path, e.SessionOpen)[0]
    assert opened.from_us <= opened.pressed_us


@pytest.mark.parametrize("camera_alone_s", [0.0, 0.3, 4.0])
def test_sound_from_before_the_press_that_may_not_be_kept_is_not_missing(tmp_path: Path, camera_alone_s: float) -> None:
    rig = recorded(tmp_path, camera_alone_s, 3, sound_before=False)
    found = verdict(rig, tmp_path)
    assert (found["nothing_missing"]["answer"], found["problems"]) == ("yes", [])
