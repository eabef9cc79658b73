"""Stock tools on a recording made in real time: age, ffprobe, ffmpeg, a browser.

One recording of three quarters of a minute serves all: simulated sensors with real encoders, the microphone's process
killed near the end, so that there are over 30 marks before it and some behind it.
"""

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page

from agent.demo.device import liuhen
from agent.demo.run import Outcome, Plan, run
from drivers.camera.scene import TEXT_X, TEXT_Y, Scene
from tests.evidence.test_mp4_in_chromium import PLAY, page
from tests.media import measured

__all__ = ["page"]
SIZE = WIDTH, HEIGHT = (1280, 720)
KILLED_S, SECONDS = 34, 42
FRAME_TICKS = 3600
MOST_MS = 20.0


@dataclass
class Recording:
    """A finished demo, its segments opened by ``age`` and joined."""

    root: Path
    work: Path
    outcome: Outcome

    @cached_property
    def entries(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.export / "session.jsonl").read_text().splitlines()]

    @property
    def export(self) -> Path:
        return self.root / "export" / "s000001"

    @cached_property
    def segments(self) -> list[Path]:
        """Each segment as age opens it."""
        files = [entry["file"] for entry in self.of("segment.open")]
        out = [self.work / f"{number}.mp4" for number in range(len(files))]
        for file, target in zip(files, out, strict=True):
            measured.opened_by_age(self.root / "store/identity.txt", self.export / "segments" / file, target)
        return out

    @cached_property
    def joined(self) -> Path:
        """The segments one after the other, the init once, each up to what is attested."""
        target, opens = self.work / "joined.mp4", self.of("segment.open")
        with target.open("wb") as sink:
            for number, path in enumerate(self.segments):
                end = [e["end"] for e in self.of("fragment") if e["segment"] == number][-1]
                sink.write(path.read_bytes()[opens[number]["init_length"] if number else 0 : end])
        return target

    @cached_property
    def shown(self) -> list[tuple[float, int]]:
        """(presentation time, number) of each picture."""
        moments = sorted(packet["pts"] for packet in measured.packets(self.joined, "v"))
        numbers = measured.numbers(self.joined, HEIGHT)
        return [(pts / 90_000, number) for pts, number in zip(moments, numbers, strict=True)]

    @cached_property
    def offsets(self) -> list[tuple[float, float]]:
        """(presentation time, ms that sound is late) at each mark."""
        return list(measured.offsets_ms(measured.sound(self.joined), self.shown))

    @property
    def gap_s(self) -> tuple[float, float]:
        """Where the sound's interruption lies on the session's line of time."""
        zero_us = self.of("session.open")[0]["from_us"]
        begin, end = self.of("interruption.begin")[0], self.of("interruption.end")[0]
        return (begin["last_us"] - zero_us) / 1e6, (end["first_us"] - zero_us) / 1e6

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [entry for entry in self.entries if entry["type"] == kind]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recording]:
    folder = tmp_path_factory.mktemp("stock")
    scenario = folder / "world.toml"
    scenario.write_text(f'[[event]]\nat_s = {KILLED_S}\nwhat = "process.kill"\nname = "microphone"\n')
    plan = Plan(folder / "demo", SECONDS, scenario, size=SIZE)
    outcome = run(plan, lambda zh, en: print(en, file=sys.stderr), lambda *_: None)
    work = folder / "opened"
    work.mkdir()
    yield Recording(folder / "demo", work, outcome)


def test_the_recording_has_one_interruption_and_it_is_the_microphone(recording: Recording) -> None:
    begun = [(entry["track"], entry["cause"]) for entry in recording.of("interruption.begin")]
    assert begun == [("sound", "microphone")]
    verdict = recording.outcome.spool
    answers = [verdict[name]["answer"] for name in ("bytes_intact", "nothing_missing", "signer", "time")]
    assert answers == ["yes"] * 4
    assert {problem["kind"] for problem in verdict["problems"]} == {"explanation_owed"}


def test_age_opens_each_segment_and_each_plays_alone(recording: Recording) -> None:
    assert len(recording.segments) >= 3
    for path in recording.segments:
        assert measured.packets(path, "v")
        assert measured.packets(path, "a")


@pytest.mark.parametrize("track", ["v", "a"])
def test_each_start_is_the_previous_start_plus_its_duration(recording: Recording, track: str) -> None:
    """Inside and across segments, by ffprobe's starts; only the interruption may lie between."""
    starts: list[int] = []
    durations: list[int] = []
    for path in recording.segments:
        starts += [packet["dts"] for packet in measured.packets(path, track)]
        told = measured.written(path, track)
        assert [start for start, _ in told] == starts[len(durations) :]
        durations += [duration for _, duration in told]
    off = [i for i, (one, other) in enumerate(pairwise(starts)) if other != one + durations[i]]
    assert len(off) == (0 if track == "v" else 1)
    for i in off:
        begin_s, end_s = recording.gap_s
        assert starts[i + 1] - starts[i] - durations[i] <= (end_s - begin_s + 0.06) * measured.RATE
        assert starts[i] / measured.RATE == pytest.approx(begin_s, abs=0.06)
    if track == "v":
        assert set(durations) == {FRAME_TICKS}


def test_the_joined_file_has_the_same_packets_as_its_segments(recording: Recording) -> None:
    for track in "va":
        apart = [packet for path in recording.segments for packet in measured.packets(path, track)]
        assert [p["dts"] for p in measured.packets(recording.joined, track)] == [p["dts"] for p in apart]


def test_liuhen_open_joins_to_the_same_bytes(recording: Recording) -> None:
    out = recording.work / "by-liuhen"
    identity = recording.root / "store/identity.txt"
    command = [*liuhen(), "open", str(recording.export), "--identity", str(identity), "--out", str(out)]
    subprocess.run(command, check=True, capture_output=True)
    assert (out / "s000001.mp4").read_bytes() == recording.joined.read_bytes()


def test_every_frame_number_is_there_in_order_and_none_is_missing(recording: Recording) -> None:
    numbers = [number for _, number in recording.shown]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert len(numbers) >= SECONDS * 25


def test_every_frame_stands_at_its_moment_of_capture(recording: Recording) -> None:
    zero_us = recording.of("session.open")[0]["from_us"]
    off_ms = [1000 * at_s - (number * 40 - zero_us / 1000) for at_s, number in recording.shown]
    assert max(map(abs, off_ms)) < 0.1


def test_sound_and_picture_are_together_at_start_and_end(recording: Recording) -> None:
    before = [off for at_s, off in recording.offsets if at_s < recording.gap_s[0]]
    print("A/V ms: first", before[:3], "last", before[-3:], "worst", max(before, key=abs), "marks", len(before))
    assert len(before) >= 30
    assert max(map(abs, before)) <= MOST_MS


def test_sound_and_picture_are_together_behind_a_killed_microphone(recording: Recording) -> None:
    behind = [off for at_s, off in recording.offsets if at_s > recording.gap_s[1]]
    print("A/V ms behind the kill:", behind)
    assert len(behind) >= 4
    assert max(map(abs, behind)) <= MOST_MS


def test_the_time_burnt_into_the_picture_can_be_read_and_is_right(recording: Recording) -> None:
    device = [json.loads(line) for line in (recording.export / "device.jsonl").read_text().splitlines()]
    clock = next(entry for entry in device if entry["type"] == "clock" and entry["source"] == "gnss")
    scene = Scene(WIDTH, HEIGHT, "demo-1")
    at_s, number = recording.shown[len(recording.shown) // 2]
    raw = measured.tool("ffmpeg", "-v", "error", "-ss", f"{at_s:.3f}", "-i", recording.joined, "-frames:v", "1",
                        "-pix_fmt", "gray", "-f", "rawvideo", "-")  # fmt: skip
    luma = np.frombuffer(raw, np.uint8).reshape(HEIGHT, WIDTH)
    utc_ns = (clock["utc_us"] - clock["at_us"] + number * 40_000) * 1000
    expected = {scene.text(utc_ns + slack_ns) for slack_ns in (-20_000_000, 0, 20_000_000)}
    assert scene.atlas.read(luma, TEXT_X, TEXT_Y, len(scene.text(utc_ns))) in expected


def test_chromium_plays_it_by_media_source(recording: Recording, page: Page) -> None:
    """Every sixth second by seeking, and it plays; sound's interruption is a gap in what is buffered."""
    codecs = [track["codec"] for track in recording.of("segment.open")[0]["tracks"]]
    at = [recording.shown[i] for i in range(30, len(recording.shown) - 30, 150)]
    script = PLAY.replace("Array(8)", "Array(32)").replace("bit * 16 + 8, 24,", f"bit * 16 + 8, {HEIGHT - 8},")
    begin_s, end_s = recording.gap_s
    # A player fills its sound decoder before it shows anything: a second before a gap it waits for what is not there.
    at = [(at_s, number) for at_s, number in at if not begin_s - 1 < at_s < end_s + 0.1]
    parts = [base64.b64encode(path.read_bytes()).decode() for path in recording.segments]
    moments, expected = [at_s + 0.02 for at_s, _ in at], [number for _, number in at]
    found = page.evaluate(script, {"codecs": codecs, "parts": parts, "at": moments, "expected": expected})
    assert found["error"] is None
    assert found["numbers"] == expected
    assert found["buffered"][0][0] == pytest.approx(0, abs=0.05)
    assert found["buffered"][-1][1] == pytest.approx(recording.shown[-1][0], abs=0.1)
    assert len(found["buffered"]) == 2
