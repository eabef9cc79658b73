"""What every driver promises, whatever it drives; real ones join the table when they come."""

import itertools
from collections.abc import Mapping
from pathlib import Path

import av
import pytest

from drivers import Message
from drivers.camera import CameraParameters, VideoPacket
from drivers.child import DRIVERS, make
from drivers.clock import InstantClock
from drivers.errors import BadOptions, UnknownDriver
from drivers.microphone import SoundPacket, SoundParameters
from drivers.position import Fix, NoFix
from drivers.power import PowerFigures
from drivers.storage import StorageFigures, VolumeFound
from tests.drivers import decoded

KINDS: Mapping[str, Mapping[str, object]] = {
    "camera": decoded.SMALL,
    "microphone": {"driver": "simulated"},
    "position": {"driver": "simulated"},
    "power": {"driver": "simulated"},
    "storage": {"driver": "simulated"},
}
REAL = {("power", "linux"), ("storage", "linux")}
"""Of this machine: held to the same contract beside their own tests, over a machine that a test sets up."""
UNASKED_SILENT = ("signals",)
"""Kinds that say nothing unless they are told to; their own tests hold them to their contract."""
PARAMETERS = {"camera": CameraParameters, "microphone": SoundParameters, "storage": VolumeFound}
MOMENTS = VideoPacket | SoundPacket | Fix | NoFix | PowerFigures | StorageFigures


@pytest.fixture(params=sorted(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def timed(kind: str, count: int, clock: InstantClock) -> list[tuple[int, Message]]:
    """(time when it was given, message)."""
    messages = make(kind, KINDS[kind], clock).messages()
    return [(clock.now_ns(), message) for message in itertools.islice(messages, count)]


def test_every_driver_that_can_be_named_is_held_to_the_contract() -> None:
    named = {(kind, name) for kind in DRIVERS for name in DRIVERS[kind]}
    assert named == {(kind, "simulated") for kind in (*KINDS, *UNASKED_SILENT)} | REAL


def test_parameters_come_first_and_once(kind: str) -> None:
    messages = decoded.first(kind, 40, KINDS[kind])
    expected = PARAMETERS.get(kind)
    assert [isinstance(message, PARAMETERS.get(kind, ())) for message in messages] == [
        expected is not None,
        *[False] * 39,
    ]


def test_nothing_is_given_before_it_can_exist(kind: str) -> None:
    for given_ns, message in timed(kind, 60, decoded.clock_at()):
        if isinstance(message, MOMENTS):
            assert message.capture_ns <= given_ns
            assert message.capture_ns >= decoded.NOW_NS - 30_000_000


def test_moments_grow(kind: str) -> None:
    moments = [message.capture_ns for message in decoded.first(kind, 60, KINDS[kind]) if isinstance(message, MOMENTS)]
    assert all(earlier < later for earlier, later in itertools.pairwise(moments))


def test_messages_survive_the_link(kind: str) -> None:
    for message in decoded.first(kind, 5, KINDS[kind]):
        assert decoded.through_the_link(message) == message


def test_the_same_world_at_the_same_time_gives_the_same_messages(kind: str) -> None:
    assert decoded.first(kind, 8, KINDS[kind]) == decoded.first(kind, 8, KINDS[kind])


def test_closing_is_allowed_twice_and_without_having_begun(kind: str) -> None:
    driver = make(kind, KINDS[kind], decoded.clock_at())
    driver.close()
    driver.close()


def test_an_unknown_option_is_refused_by_name(kind: str) -> None:
    with pytest.raises(BadOptions, match="colour"):
        make(kind, {**KINDS[kind], "colour": "blue"}, decoded.clock_at())


def test_an_unknown_driver_is_refused_by_name_with_the_nearest(kind: str) -> None:
    with pytest.raises(UnknownDriver, match="'simulatd'; did you mean 'simulated'"):
        make(kind, {"driver": "simulatd"}, decoded.clock_at())


def test_an_unknown_kind_of_sensor_is_refused_by_name() -> None:
    with pytest.raises(UnknownDriver, match="'camra'; did you mean 'camera'"):
        make("camra", {"driver": "simulated"}, decoded.clock_at())


def test_a_replayed_clip_keeps_the_contract_too(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "clip.mp4"), "w") as container:
        stream = container.add_stream("libx264", 25)
        stream.width, stream.height = 64, 48
        for _ in range(10):
            container.mux(stream.encode(av.VideoFrame(64, 48, "yuv420p")))
        container.mux(stream.encode(None))
    clock = decoded.clock_at()
    messages = make("camera", {"driver": "simulated", "file": str(tmp_path / "clip.mp4")}, clock).messages()
    assert isinstance(next(messages), CameraParameters)
    for message in itertools.islice(messages, 30):
        assert isinstance(message, VideoPacket)
        assert message.capture_ns <= clock.now_ns()
