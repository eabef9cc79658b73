"""The sensor's process, really started: it speaks, does as it is told, and never outlives its recorder."""

import contextlib
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import pytest

from drivers import Fault, Log, child, link
from drivers.camera import CameraParameters, VideoPacket
from drivers.microphone import Listen, SoundFigures, SoundPacket, SoundParameters
from drivers.position import Fix
from drivers.signals import NotSaid, Say
from drivers.spawn import OPTIONS_VARIABLE, Sensor, spawn
from tests.drivers import decoded

PATIENCE_S = 30.0
"""A bound against hanging for ever, not an expectation."""
SILENT: Mapping[str, object] = {"driver": "simulated", "interval_s": 60}


@contextlib.contextmanager
def running(kind: str, options: Mapping[str, object]) -> Iterator[Sensor]:
    sensor = spawn(kind, options)
    try:
        yield sensor
    finally:
        sensor.end()


def received(sensor: Sensor, count: int) -> list[link.AnyMessage]:
    messages = []
    for _ in range(count):
        message = sensor.reader.receive(PATIENCE_S)
        assert message is not None, "the sensor is silent"
        messages.append(message)
    return messages


@contextlib.contextmanager
def stubborn(name: str) -> Iterator[tuple[Sensor, socket.socket]]:
    """A process whose driver is ``tests.drivers.stubborn``'s of that name, and our end of its link."""
    ours, theirs = link.pair()
    command = [sys.executable, "-P", "-m", "tests.drivers.stubborn", str(theirs.fileno())]
    options = {OPTIONS_VARIABLE: f'{{"driver":"{name}"}}'}
    process = subprocess.Popen(command, env={**os.environ, **options}, pass_fds=(theirs.fileno(),))
    theirs.close()
    sensor = Sensor(process, link.Reader(ours), link.CommandSender(ours))
    try:
        assert isinstance(received(sensor, 1)[0], Log)
        yield sensor, ours
    finally:
        sensor.end()


def the_fault(sensor: Sensor) -> Fault:
    """What it says at its end, whatever else it says before."""
    while not isinstance(message := sensor.reader.receive(PATIENCE_S), Fault):
        assert message is not None, "the sensor is silent"
    with pytest.raises(link.LinkClosed):
        while sensor.reader.receive(PATIENCE_S) is not None:
            pass
    return message


def is_alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


def ends(pid: int) -> bool:
    deadline_s = time.monotonic() + PATIENCE_S
    while is_alive(pid) and time.monotonic() < deadline_s:
        time.sleep(0.02)
    return not is_alive(pid)


def test_a_camera_in_its_own_process_sends_stamped_pictures() -> None:
    before_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    with running("camera", {**decoded.SMALL, "device": "DEV-1"}) as sensor:
        parameters, *messages = received(sensor, 8)
    packets = decoded.video(messages)
    assert isinstance(parameters, CameraParameters)
    assert all(isinstance(packet, VideoPacket) and packet.capture_ns > before_ns for packet in packets)
    assert len({packet.number for packet in packets}) == len(packets) >= 3


def test_microphone_and_position_run_beside_it() -> None:
    options = {"driver": "simulated"}
    with running("microphone", options) as microphone, running("position", options) as position:
        parameters, *packets = received(microphone, 3)
        (fix,) = received(position, 1)
    assert isinstance(parameters, SoundParameters)
    assert all(isinstance(packet, SoundPacket) for packet in packets)
    assert isinstance(fix, Fix)


def test_a_killed_sensor_is_seen_as_the_links_end() -> None:
    with running("position", SILENT) as sensor:
        sensor.process.kill()
        with pytest.raises(link.LinkClosed):
            sensor.reader.receive(PATIENCE_S)
        assert sensor.process.wait(PATIENCE_S) == -signal.SIGKILL


def test_sigterm_ends_it_cleanly() -> None:
    with running("camera", decoded.SMALL) as sensor:
        received(sensor, 2)
        sensor.process.terminate()
        assert sensor.process.wait(PATIENCE_S) == 0


def test_a_silent_sensor_ends_when_its_link_is_closed() -> None:
    sensor = spawn("position", SILENT)
    sensor.reader.close()
    assert sensor.process.wait(PATIENCE_S) == 0


def test_a_stopped_sensor_that_hears_nothing_is_killed() -> None:
    sensor = spawn("position", SILENT)
    os.kill(sensor.process.pid, signal.SIGSTOP)
    assert sensor.end(grace_s=0.1) == -signal.SIGKILL


@pytest.mark.parametrize("death", [signal.SIGKILL, signal.SIGTERM])
def test_a_sensor_does_not_outlive_the_process_that_started_it(death: signal.Signals) -> None:
    script = (
        "import time; from drivers.spawn import spawn\n"
        "sensor = spawn('position', {'driver': 'simulated', 'interval_s': 60})\n"
        "print(sensor.process.pid, flush=True); time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_alive(pid)
        parent.send_signal(death)
    assert ends(pid)


def test_a_sensor_blocked_by_a_recorder_that_stopped_reading_ends_with_it() -> None:
    script = (
        "import time; from drivers.spawn import spawn\n"
        "options = {'driver': 'simulated', 'width': 512, 'height': 64, 'bitrate_kbit': 20000, 'fps': 60}\n"
        "sensor = spawn('camera', options)\n"
        "print(sensor.process.pid, flush=True); sensor.reader.receive(30); time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        time.sleep(0.5)
        parent.kill()
    assert ends(pid)


@pytest.mark.parametrize(
    ("kind", "options", "fault"),
    [
        ("camera", {"driver": "picamra"}, "driver.unknown"),
        ("radar", {"driver": "simulated"}, "driver.unknown"),
        ("camera", {"driver": "simulated", "widht": 640}, "driver.options"),
        ("camera", {"driver": "simulated", "file": "/gone.mp4"}, "camera.file"),
        ("microphone", {"driver": "simulated", "scenario": "/gone.toml"}, "scenario"),
    ],
)
def test_what_a_person_must_mend_comes_as_a_fault_and_the_process_ends(
    kind: str, options: Mapping[str, object], fault: str
) -> None:
    with running(kind, options) as sensor:
        (message,) = received(sensor, 1)
        assert isinstance(message, Fault)
        assert message.kind == fault
        with pytest.raises(link.LinkClosed):
            sensor.reader.receive(PATIENCE_S)
        assert sensor.process.wait(PATIENCE_S) == 64


def test_the_speech_detector_runs_only_while_it_is_wanted() -> None:
    with running("microphone", {"driver": "simulated"}) as sensor:

        def speech_ms() -> int:
            while not isinstance(message := sensor.reader.receive(PATIENCE_S), SoundFigures):
                assert isinstance(message, SoundParameters | SoundPacket)
            return message.speech_ms

        assert speech_ms() == -1
        sensor.send(Listen(True))
        assert any(speech_ms() >= 0 for _ in range(40))
        sensor.send(Listen(False))
        assert any(speech_ms() == -1 for _ in range(40))


def test_signals_answer_what_they_are_told() -> None:
    with running("signals", {"driver": "simulated", "mute": True}) as sensor:
        sensor.send(Say(7, "请口述中断原因。", "zh"))
        (answer,) = received(sensor, 1)
        assert isinstance(answer, NotSaid)
        assert answer.number == 7


def test_a_driver_that_takes_no_commands_goes_on() -> None:
    with stubborn("deaf") as (sensor, _):
        for _ in range(40):
            sensor.send(Listen(True))
            assert received(sensor, 1) == [Log("here")]


@pytest.mark.parametrize("data", [b"\0\0\0\4oops", b"\xff\xff\xff\xff", b"\0\0\0\0"], ids=["body", "length", "empty"])
def test_garbage_from_the_recorder_ends_the_process_with_a_fault(data: bytes) -> None:
    with stubborn("deaf") as (sensor, ours):
        ours.send(data)
        assert the_fault(sensor).kind == "link.garbage"
        assert sensor.process.wait(PATIENCE_S) == 1


def test_a_message_of_a_sensor_is_no_command() -> None:
    with stubborn("deaf") as (sensor, ours):
        body = msgspec.msgpack.encode(Log("here"))
        ours.send(struct.pack(">I", len(body)) + body)
        assert "the recorder sent" in the_fault(sensor).text


def test_a_driver_stuck_in_a_command_ends_with_the_recorder() -> None:
    with stubborn("stuck") as (sensor, _):
        sensor.send(Listen(True))
        assert received(sensor, 3) == [Log("here")] * 3
        sensor.reader.close()
        assert sensor.process.wait(PATIENCE_S) == 0


def test_a_driver_that_lets_commands_pile_up_is_ended_with_a_fault() -> None:
    with stubborn("stuck") as (sensor, _):
        for _ in range(child.MOST_WAITING + 2):
            sensor.send(Listen(True))
        assert the_fault(sensor).kind == "driver.stuck"
        assert sensor.process.wait(PATIENCE_S) == 1


def test_a_fault_of_a_process_that_nobody_reads_does_not_keep_it_alive() -> None:
    with stubborn("loud") as (sensor, ours):
        ours.send(b"\xff\xff\xff\xff")
        assert sensor.process.wait(PATIENCE_S) == 1


@pytest.mark.parametrize(
    ("name", "kind", "status"), [("failing", "driver.failed", 1), ("refusing", "microphone.gone", 64)]
)
def test_what_fails_in_a_command_comes_as_a_fault_and_the_process_ends(name: str, kind: str, status: int) -> None:
    with stubborn(name) as (sensor, _):
        sensor.send(Listen(True))
        assert the_fault(sensor).kind == kind
        assert sensor.process.wait(PATIENCE_S) == status


def test_options_do_not_stand_in_the_command_line() -> None:
    with running("position", SILENT) as sensor:
        assert b"interval_s" not in Path(f"/proc/{sensor.process.pid}/cmdline").read_bytes()


def test_started_by_hand_it_says_how_it_is_meant() -> None:
    done = subprocess.run([sys.executable, "-m", "drivers.child"], capture_output=True, text=True, check=False)
    assert done.returncode == 64
    assert "drivers.spawn" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_the_recorder_imports_loads_no_codec_and_no_numpy() -> None:
    script = (
        "import sys, drivers.link, drivers.spawn, drivers.camera, drivers.microphone, drivers.position\n"
        "import drivers.scenario, drivers.stamps, drivers.simulated_stamps\n"
        "print(sorted({'av', 'numpy', 'picamera2', 'sounddevice'} & sys.modules.keys()))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
