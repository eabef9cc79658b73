"""The shipped scenarios in simulated time: each fault is found within two seconds, told, journalled, and explained.

The same files that ``liuhen demo --scenario NAME`` plays in real time, with prepared packets and figures in the place
of encoders (R8, R19b).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent.demo import run
from agent.evidence import entries as e
from agent.recorder import messages as m
from drivers import scenario
from drivers.scenario import Event
from tests.recorder.test_fault_matrix import GOOD_PICTURE, World
from tests.support.reading import Reading, faultless

SHIPPED = Path(run.__file__).with_name("scenarios")
FOUND_US = 2_500_000
"""Two seconds, and the half second between two looks of this world."""
SPEECH_S = 5.0
STEP_S = 0.5


@dataclass(frozen=True)
class Ending:
    """Something that is over at a moment of the story."""

    at_s: float
    end: Callable[[], None]


class Story:
    """A scenario's events, happening to a device of the fault matrix."""

    def __init__(self, folder: Path, name: str) -> None:
        self.world = World(folder, ("video", "sound"))
        self.events = scenario.load(SHIPPED / f"{name}.toml")
        self.endings: list[Ending] = []
        self.now_s = 0.0
        self.struck_us: dict[int, tuple[str, int]] = {}
        """Moment of each fault by its place in the file."""

    def play(self, seconds: float) -> None:
        world = self.world
        world.boot()
        world.go(6)
        world.rig.start()
        waiting = list(enumerate(self.events))
        while self.now_s < seconds:
            while waiting and waiting[0][1].at_s <= self.now_s:
                self._happen(*waiting.pop(0))
            for one in [one for one in self.endings if one.at_s <= self.now_s]:
                self.endings.remove(one)
                one.end()
            world.go(STEP_S)
            self.now_s += STEP_S
        for _ in range(2):
            world.rig.stop()
            world.go(2)
        world.go(4)
        world.rig.kill()

    def _until(self, event: Event, end: Callable[[], None], length_s: float = 5.0) -> None:
        self.endings.append(Ending(self.now_s + (event.for_s or length_s), end))

    def _happen(self, number: int, event: Event) -> None:
        world, rig = self.world, self.world.rig
        if event.what != "microphone.speak":
            self.struck_us[number] = (event.what, rig.now_ns // 1_000)
        match event.what, event.arguments.get("name"):
            case "camera.pull", _:
                world.lose_camera()
                self._until(event, world.find_camera)
            case "process.kill", "camera":
                world.lose_camera()
                self._until(event, world.find_camera, 1.0)
            case "camera.cover" | "camera.dark", _:
                world.picture = (60, 3, 100, 12) if event.what == "camera.cover" else (12, 60, 300, 300)
                self._until(event, lambda: setattr(world, "picture", GOOD_PICTURE))
            case "microphone.stall", _:
                rig.sound = None
                self._until(event, rig.new_microphone)
            case "process.kill", "microphone":
                self._lose_microphone()
                self._until(event, rig.new_microphone, 1.0)
            case "microphone.silence", _:
                rig.level_cdb = -10_000
                self._until(event, lambda: setattr(rig, "level_cdb", -2_000))
            case "microphone.speak", _:
                rig.somebody_speaks = True
                self._until(event, lambda: setattr(rig, "somebody_speaks", False), SPEECH_S)
            case "power.cut" | "process.kill", _:
                self._die(event)
            case what:
                raise AssertionError(f"this world knows no {what}")

    def _lose_microphone(self) -> None:
        self.world.rig.tell(m.SensorDown("microphone", "its process ended"))
        self.world.rig.sound = None

    def _die(self, event: Event) -> None:
        rig = self.world.rig
        rig.kill()
        rig.now_ns += round((event.for_s or 1) * 1e9)
        if event.what == "power.cut":
            rig.boot_id += "+"
        self.world.boot()


def explained(verdict: dict[str, Any]) -> list[str]:
    return [one["explained"] for session in verdict["sessions"] for one in session["interruptions"]]


def test_eight_faults_in_five_minutes_are_found_told_and_explained(tmp_path: Path) -> None:
    story = Story(tmp_path, "faults")
    faults = {(event.what, event.arguments.get("name")) for event in story.events if event.what != "microphone.speak"}
    assert len(faults) == 8
    story.play(300)
    verdict, reading = faultless(tmp_path), Reading(tmp_path)
    assert explained(verdict) == ["yes"] * 5, verdict["problems"]
    assert verdict["problems"] == []
    kinds = {one.kind for one in reading.of(e.ImpairmentBegin)}
    assert kinds == {"picture.covered", "picture.dark", "sound.silent"}
    told_us = [one.boot_us for one in [*reading.of(e.InterruptionBegin), *reading.of(e.ImpairmentBegin)]]
    for what, struck_us in story.struck_us.values():
        assert any(0 <= us - struck_us <= FOUND_US + 4_000_000 * (what in ("power.cut",)) for us in told_us), what
    frames = reading.frames()
    assert frames == sorted(set(frames))


def test_an_officer_who_never_answers_is_asked_and_recorded_all_the_same(tmp_path: Path) -> None:
    story = Story(tmp_path, "unanswered")
    story.play(300)
    verdict, reading = faultless(tmp_path), Reading(tmp_path)
    assert set(explained(verdict)) == {"no"}
    assert len(explained(verdict)) == 3
    assert len(reading.of(e.SessionOpen)) == len(reading.of(e.SessionClose)) == 1
    asked = {one.interruption for one in reading.of(e.ExplanationAsked)}
    assert asked == {0, 1, 2}


def test_a_bystanders_words_are_taken_and_the_verdict_says_what_they_are(tmp_path: Path) -> None:
    Story(tmp_path, "bystander").play(60)
    verdict = faultless(tmp_path)
    assert explained(verdict) == ["yes"]
    assert "content was not judged" in verdict["nothing_missing"]["text"]


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda path: path.stem)
def test_every_shipped_scenario_can_be_read(path: Path) -> None:
    assert scenario.load(path)
