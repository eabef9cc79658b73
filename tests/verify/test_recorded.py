"""What the recorder itself writes: verified live, cut, resumed, exported, tampered with.

The other tests here run on spools that a second, independent writer made; these hold the two together.
"""

import dataclasses
import random
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from agent import fsck
from agent.evidence import mp4
from agent.export import export_session, open_media
from agent.recorder import messages as m
from agent.recorder.asking import AskSettings
from agent.verify import Options, verify
from agent.verify.moments import Wanted
from tests.support.rig import SETTINGS, Rig
from tests.verify.spools import SECOND

ANSWERS = ("bytes_intact", "nothing_missing", "signer", "time")
OWED = {"explanation_owed", "explanation_not_here"}


def options(rig: Rig) -> Options:
    return Options(key=rig.signer.vkey, identities=(rig.identity,))


def judged(path: Path, rig: Rig) -> dict[str, Any]:
    """The verdict, which must be four times yes, with no problem but a reason that is owed."""
    verdict = verify(path, options(rig)).json
    assert {problem["kind"] for problem in verdict["problems"]} <= OWED, verdict["problems"]
    assert [verdict[name]["answer"] for name in ANSWERS] == ["yes"] * 4
    return verdict


def new_rig(spool: Path) -> Rig:
    """Small segments and journal files, so that a short life has several of each."""
    spool.mkdir()
    rig = Rig(spool)
    rig.rotate_bytes, rig.bytes_per_frame = 12_000, 2_000
    return rig


def life(rig: Rig) -> Iterator[str]:
    """A session with an interrupted camera, a dead microphone, a kill and a power cut; stops after each step."""
    rig.boot()
    rig.run(2.5)
    yield "standby"
    rig.start()
    rig.run(3)
    yield "recording"
    rig.tell(m.SensorDown("camera", "ended"))
    rig.camera_on = False
    rig.run(2.3)
    yield "camera down"
    rig.camera_on = True
    rig.run(3)
    yield "camera back"
    rig.kill()
    rig.now_ns += 2 * 1_000_000_000
    rig.boot()
    rig.run(3)
    yield "killed and resumed"
    rig.kill()
    rig.now_ns += 7 * 1_000_000_000
    rig.boot_id = "boot-1"
    yield "cut"
    rig.boot()
    rig.run(3)
    yield "another boot"
    rig.stop()
    rig.run(1)
    yield "stopped"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Rig, Path]:
    spool = tmp_path_factory.mktemp("recorded") / "spool"
    rig = new_rig(spool)
    assert list(life(rig))[-1] == "stopped"
    return rig, spool


def test_a_spool_verifies_at_every_step_of_its_life(tmp_path: Path) -> None:
    rig = new_rig(tmp_path / "spool")
    for _ in life(rig):
        judged(tmp_path / "spool", rig)


def test_a_session_is_exported_at_every_step_of_its_life(tmp_path: Path) -> None:
    rig = new_rig(tmp_path / "spool")
    for number, step in enumerate(life(rig)):
        if step != "standby":
            export_session(tmp_path / "spool", "s000001", tmp_path / f"{number}")
            judged(tmp_path / f"{number}", rig)


def test_the_interruptions_are_told_with_their_causes(recorded: tuple[Rig, Path]) -> None:
    rig, spool = recorded
    (session,) = judged(spool, rig)["sessions"]
    assert [known["cause"] for known in session["interruptions"]] == ["camera", "process", "power"]
    assert {gap["reason"] for gap in session["gaps"]} == {"camera", "process", "power"}


@pytest.mark.parametrize("start", [0.0, 2.5, 4.0, 6.7, 9.0, 12.0])
def test_an_excerpt_from_anywhere_verifies(start: float, recorded: tuple[Rig, Path], tmp_path: Path) -> None:
    rig, spool = recorded
    first, last = (Wanted(since_start_us=round(second * SECOND)) for second in (start, start + 3))
    export_session(spool, "s000001", tmp_path / "x", first, last)
    (session,) = judged(tmp_path / "x", rig)["sessions"]
    assert session["length_ms"] == 3000


def test_the_export_opens_to_one_file_of_rising_time(recorded: tuple[Rig, Path], tmp_path: Path) -> None:
    rig, spool = recorded
    export_session(spool, "s000001", tmp_path / "x")
    written = [file for file in open_media(tmp_path / "x", [rig.identity], tmp_path / "out") if file.attested]
    for file in written:
        view = mp4.parse_segment(file.path.read_bytes())
        assert view.problem == ""
        for track in (mp4.VIDEO_TRACK, mp4.SOUND_TRACK):
            runs = [run for fragment in view.fragments for run in fragment.runs if run.track_id == track]
            assert all(after.tick >= before.end_tick for before, after in pairwise(runs))


# --- reasons ------------------------------------------------------------------------------------------------


def camera_fails(rig: Rig) -> None:
    rig.tell(m.SensorDown("camera", "ended"))
    rig.camera_on = False
    rig.run(2.3)
    rig.camera_on = True
    rig.run(3)


def answer(rig: Rig) -> None:
    """The officer speaks for three seconds when asked."""
    for _ in range(80):
        if rig.detecting:
            break
        rig.run(0.5)
    rig.somebody_speaks = True
    rig.run(3)
    rig.somebody_speaks = False
    rig.run(6)


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Rig, Path]:
    """Session 1: a camera that fails (explained), a power cut (not). Session 2, later: that is explained in it."""
    spool = tmp_path_factory.mktemp("asked") / "spool"
    spool.mkdir()
    rig = Rig(spool, dataclasses.replace(SETTINGS, duties=True, ask=AskSettings(again_s=10, most_again_s=20)))
    rig.rotate_bytes, rig.bytes_per_frame = 12_000, 2_000
    rig.boot()
    rig.run(2.5)
    rig.start()
    rig.run(3)
    camera_fails(rig)
    answer(rig)
    rig.kill()
    rig.now_ns += 7 * 1_000_000_000
    rig.boot_id = "boot-1"
    rig.boot()
    rig.run(40)
    rig.stop()
    rig.run(90)  # asked before the end, and in vain
    rig.start()
    answer(rig)
    rig.stop()
    rig.run(3)
    return rig, spool


def test_reasons_that_were_spoken_to_the_device_hold(asked: tuple[Rig, Path]) -> None:
    rig, spool = asked
    verdict = judged(spool, rig)
    known = verdict["sessions"][0]["interruptions"]
    told = [(one["cause"], one["explained"], one["explanation"]["session"]) for one in known]
    assert told == [("camera", "yes", "s000001"), ("power", "yes", "s000002")]
    assert all(1_000 <= one["explanation"]["speech_ms"] <= 5_000 for one in known)
    assert known[1]["explanation"]["asked"] > 1
    assert verdict["problems"] == []


def test_an_export_names_the_session_in_which_the_reason_was_spoken(asked: tuple[Rig, Path], tmp_path: Path) -> None:
    rig, spool = asked
    export_session(spool, "s000001", tmp_path / "x")
    verdict = judged(tmp_path / "x", rig)
    assert [one["explained"] for one in verdict["sessions"][0]["interruptions"]] == ["yes", "yes"]
    assert "Of 1 the sound lies in session s000002" in verdict["nothing_missing"]["text"]


def test_what_is_owed_is_carried_from_file_to_file(asked: tuple[Rig, Path]) -> None:
    _, spool = asked
    report = fsck.check(spool)
    assert (report.findings, report.owed) == ([], [])
    lines = [path.read_bytes() for path in sorted(spool.glob("journal/*/*.log"))]
    assert sum(b'"type":"owed.carry"' in text for text in lines) > 1


@pytest.mark.parametrize("seed", range(40))
def test_any_one_byte_changed_in_what_was_recorded_is_found(
    seed: int, recorded: tuple[Rig, Path], tmp_path: Path
) -> None:
    rig, spool = recorded
    draw = random.Random(seed)
    shutil.copytree(spool, tmp_path / "spool")
    path = draw.choice([path for path in sorted((tmp_path / "spool").rglob("*")) if is_attested(path)])
    data = bytearray(path.read_bytes())
    at = draw.randrange(len(data.rstrip(b"\0")))  # behind the last line a live journal has reserved zeros
    data[at] ^= draw.randrange(1, 256)
    path.write_bytes(data)
    verdict = verify(tmp_path / "spool", options(rig)).json
    assert {problem["kind"] for problem in verdict["problems"]} - OWED, (path, at)


def is_attested(path: Path) -> bool:
    """Not so: what recovery put aside because nothing attests it."""
    return path.is_file() and path.stat().st_size > 0 and path.parent.name != "aside"
