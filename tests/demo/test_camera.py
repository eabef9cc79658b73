"""``liuhen demo --camera``: the pictures in the evidence are the clip's, one for one, B-frames and all."""

import contextlib
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from agent.demo.device import liuhen
from agent.demo.errors import CameraFailed
from agent.demo.run import Outcome, Plan, run
from agent.evidence.age import parse_identities
from agent.export import open_media
from tests.media.measured import tool

FPS, B_FRAMES = 25, 2


def clip(path: Path, frames: int) -> Path:
    """A clip with B-frames of which each picture is another one."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt, stream.time_base = 320, 192, "yuv420p", Fraction(1, FPS)
        stream.options = {"preset": "veryfast", "x264-params": f"keyint=50:bframes={B_FRAMES}:b-adapt=0"}
        for number in range(frames):
            picture = np.full((192, 320, 3), 40, np.uint8)
            picture[(number * 3) % 160 : (number * 3) % 160 + 32, (number * 7) % 280 : (number * 7) % 280 + 40] = 220
            picture[:16, : 2 + number] = 250
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    assert any(packet["pts"] != packet["dts"] for packet in _packets(path)), "the clip was to have B-frames"
    return path


def _packets(path: Path) -> list[dict[str, int]]:
    with av.open(str(path)) as container:
        found = [packet for packet in container.demux(video=0) if packet.size]
        return [{"pts": packet.pts or 0, "dts": packet.dts or 0} for packet in found]


def pictures(path: Path) -> list[str]:
    """The MD5 of each decoded picture, in order of presentation."""
    told = tool("ffmpeg", "-v", "error", "-i", path, "-map", "0:v", "-fps_mode", "passthrough", "-f", "framemd5", "-")
    return [line.rpartition(",")[2].strip() for line in told.decode().splitlines() if not line.startswith("#")]


def recorded(outcome: Outcome, out: Path) -> list[str]:
    """The pictures of the exported session."""
    identities = parse_identities((outcome.folder / "store/identity.txt").read_text())
    opened = open_media(outcome.folder / "export/s000001", identities, out)
    assert [file.path.name for file in opened] == ["s000001.mp4"]
    return pictures(opened[0].path)


def is_looped(found: list[str], of: list[str]) -> bool:
    """Whether ``found`` goes round and round in ``of``, beginning anywhere, up to its last picture."""
    begin = of.index(found[0])
    return found == [of[(begin + i) % len(of)] for i in range(len(found))]


def test_a_looped_clip_with_b_frames_is_in_the_evidence_picture_for_picture(tmp_path: Path) -> None:
    source = clip(tmp_path / "clip.mp4", 60)
    outcome = run(Plan(tmp_path / "demo", 4, camera=source), lambda *_: None, lambda *_: None)
    assert (outcome.status, outcome.spool["problems"]) == (0, [])
    original, found = pictures(source), recorded(outcome, tmp_path / "opened")
    assert len(set(original)) == 60
    assert len(found) >= 100, "a clip that is shorter than the recording begins again"
    assert is_looped(found, original)


def test_a_clip_longer_than_the_recording_is_shown_in_part(tmp_path: Path) -> None:
    source = clip(tmp_path / "clip.mp4", 260)
    outcome = run(Plan(tmp_path / "demo", 1, camera=source), lambda *_: None, lambda *_: None)
    original, found = pictures(source), recorded(outcome, tmp_path / "opened")
    assert outcome.status == 0
    assert 25 <= len(found) < len(original)
    assert is_looped(found, original)


def test_a_clip_that_cannot_be_replayed_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_text("no clip")
    with pytest.raises(CameraFailed, match="convert it: ffmpeg"):
        run(Plan(tmp_path / "demo", 1, camera=tmp_path / "clip.mp4"), lambda *_: None, lambda *_: None)


def test_no_process_outlives_a_demo_that_failed(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_text("no clip")
    command = [*liuhen(), "demo", "--seconds", "1", "--dir", str(tmp_path / "demo")]
    with subprocess.Popen(
        [*command, "--camera", str(tmp_path / "clip.mp4")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as demo:
        _, said = demo.communicate()
    assert demo.returncode == 64
    assert "clip.mp4" in said
    assert "Traceback" not in said
    assert _of_session(demo.pid) == []


def _of_session(session: int) -> list[str]:
    """The processes that were started in a session and are alive, by name."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # one that has just ended
            name, _, facts = path.read_text().rpartition(") ")
            state, _, _, own = facts.split()[:4]
            if int(own) == session and state != "Z":
                found.append(name)
    return found
