"""Who is down, who fell silent, what was told once."""

from agent.recorder.health import Health
from agent.recorder.timeline import NS_PER_MS

SENSORS = ("camera", "microphone", "position")


def heard_at_zero() -> Health:
    health = Health(SENSORS, 2_000, 5_000, 0)
    for sensor in ("camera", "microphone", "position"):
        health.heard(sensor, 0)
    return health


def test_a_sensor_is_down_until_it_is_heard_and_after_it_ended() -> None:
    health = Health(SENSORS, 2_000, 5_000, 0)
    health.heard("camera", 1)
    assert health.words() == {"camera": "up", "microphone": "down", "position": "down"}
    health.ended("camera")
    assert health.words()["camera"] == "down"


def test_silence_is_told_and_never_of_a_sensor_that_is_down() -> None:
    health = heard_at_zero()
    assert health.fell_silent(2_000 * NS_PER_MS) == []
    assert health.fell_silent(2_000 * NS_PER_MS + 1) == ["camera", "microphone"]
    health.ended("camera")
    assert health.fell_silent(3_000 * NS_PER_MS) == ["microphone"]
    assert health.fell_silent(5_000 * NS_PER_MS + 1) == ["microphone", "position"]


def test_no_sensor_is_to_blame_for_the_machine_s_sleep() -> None:
    health = heard_at_zero()
    health.slept(60_000 * NS_PER_MS)
    assert health.fell_silent(61_000 * NS_PER_MS) == []


def test_late_frames_are_counted_on_when_the_camera_s_process_begins_anew() -> None:
    health = heard_at_zero()
    assert [health.count_late(value) for value in (2, 2, 5)] == [2, 0, 3]
    health.ended("camera")
    assert health.count_late(1) == 1
    assert health.overruns == 6


def test_a_packet_that_cannot_be_used_is_news_once() -> None:
    health = heard_at_zero()
    assert [health.first_unusable("camera"), health.first_unusable("camera")] == [True, False]
    health.unusable.discard("camera")
    assert health.first_unusable("camera")


def test_a_process_that_hangs_is_ended_at_once_and_then_with_growing_pauses() -> None:
    health = heard_at_zero()
    assert health.hanging(1_000 * NS_PER_MS) == []
    struck: list[int] = []
    for at_s in range(2, 400):
        if "camera" in health.fell_silent(at_s * 1_000 * NS_PER_MS):
            health.ended("camera")
        health.heard("microphone", at_s * 1_000 * NS_PER_MS)
        health.heard("position", at_s * 1_000 * NS_PER_MS)
        if health.hanging(at_s * 1_000 * NS_PER_MS) == ["camera"]:
            struck.append(at_s)
    assert struck == [3, 23, 63, 143, 303]
    health.heard("camera", 400_000 * NS_PER_MS)
    assert health.hanging(401_000 * NS_PER_MS) == []


def test_a_fault_that_each_try_tells_again_is_news_once() -> None:
    health = heard_at_zero()
    told = [health.first_fault("camera", kind) for kind in ("gone", "gone", "options", "gone")]
    assert told == [True, False, True, True]
    health.heard("camera", 1)
    assert health.first_fault("camera", "gone")
