"""What the scenario does to the camera: covered, dark, frozen, stalled, pulled; number and time stay readable."""

import itertools
from collections.abc import Sequence

import numpy as np
import pytest

from drivers import Message
from drivers.camera import CameraParameters, PictureFigures, VideoPacket
from drivers.camera.scene import TEXT_X, TEXT_Y, Scene, read_number
from drivers.camera.simulated import Options, SimulatedCamera
from drivers.camera.story import Story
from drivers.clock import InstantClock
from drivers.errors import CameraGone
from drivers.scenario import FOR_GOOD_NS, Event
from tests.drivers import decoded

S = 1_000_000_000
FPS = 25
BEGAN_NS = 86_400 * S
"""The story's 0: a whole second, so that figures come with it."""


def camera(events: Sequence[Event], clock: InstantClock) -> SimulatedCamera:
    options = Options(driver="simulated", width=640, height=288, bitrate_kbit=600, device="DEV-0071")
    return SimulatedCamera(options, clock, Story(events, BEGAN_NS))


def watched(seconds: float, *events: Event, at_s: float = 0.0) -> tuple[list[Message], InstantClock]:
    """All that the camera sends up to ``seconds`` of the story, started at ``at_s`` of it."""
    clock = InstantClock(BEGAN_NS + round(at_s * S), decoded.UTC_NS)
    messages = camera(events, clock).messages()
    until_ns = BEGAN_NS + round(seconds * S)
    return list(itertools.takewhile(lambda m: getattr(m, "capture_ns", 0) < until_ns, messages)), clock


def told_figures(messages: Sequence[Message]) -> list[PictureFigures]:
    return [message for message in messages if isinstance(message, PictureFigures)]


def test_what_happens_happens_at_its_time_and_no_longer() -> None:
    story = Story([Event(1, "camera.cover", 2), Event(4, "camera.dark"), Event(2, "camera.stall", 1)], 10 * S)
    assert [story.view(moment * S) for moment in (10, 11, 12, 13, 14, 10**6)] == [
        "day",
        "covered",
        "covered",
        "day",
        "night",
        "night",
    ]
    assert [story.stalled_until_ns(moment * S) for moment in (11, 12, 13)] == [None, 13 * S, None]
    assert not any(story.is_pulled(moment * S) for moment in range(20))


def test_a_frozen_sensor_shows_what_it_saw_when_it_froze() -> None:
    story = Story([Event(1, "camera.freeze", 4), Event(2, "camera.cover", 10), Event(7, "camera.freeze")], 0)
    assert [story.seen_ns(moment * S) // S for moment in (0, 1, 4, 5, 6, 7, 99)] == [0, 1, 1, 5, 6, 7, 7]
    assert story.view(story.seen_ns(3 * S)) == "day"
    assert story.view(story.seen_ns(99 * S)) == "covered"


def test_a_pull_ends_a_stall() -> None:
    story = Story([Event(1, "camera.stall"), Event(5, "camera.pull", 2)], 0)
    assert story.stalled_until_ns(2 * S) == 5 * S
    assert story.is_pulled(5 * S)
    assert story.stalled_until_ns(8 * S) == FOR_GOOD_NS


@pytest.mark.parametrize("word", ["camera.cover", "camera.dark", "camera.freeze"])
def test_number_time_and_device_are_readable_whatever_the_lens_sees(word: str) -> None:
    messages, _ = watched(4, Event(1, word, 2))
    packets = decoded.video(messages)
    assert [packet.number for packet in packets] == list(range(86_400 * FPS, 86_404 * FPS))
    scene = Scene(640, 288, "DEV-0071")
    for packet, frame in zip(packets, decoded.pictures(messages[0], packets), strict=True):
        luma = decoded.luma(frame)
        shown = scene.text(decoded.UTC_NS + packet.capture_ns - BEGAN_NS)
        assert read_number(luma) == packet.number
        assert scene.atlas.read(luma, TEXT_X, TEXT_Y, len(shown)) == shown


def test_a_frozen_picture_stands_still_and_what_is_burnt_in_goes_on() -> None:
    messages, _ = watched(5, Event(1.5, "camera.freeze", 2))
    packets = decoded.video(messages)
    lumas = [decoded.luma(frame) for frame in decoded.pictures(messages[0], packets)]
    middle = [luma[100:250].astype(int) for luma in lumas]  # between text and number: block and noise
    moved = [float(np.abs(now - before).mean()) for before, now in itertools.pairwise(middle)]
    # Frames 38 to 87 are captured in the freeze; a key frame is coded anew, which shows a little.
    still = [change for number, change in enumerate(moved[38:87], 39) if number % 25]
    assert 3 * max(still) < min(moved[:38] + moved[87:])
    assert len({read_number(luma) for luma in lumas}) == len(lumas)


def test_figures_come_each_second_before_the_packet_of_the_same_capture() -> None:
    messages, _ = watched(3)
    at = [number for number, message in enumerate(messages) if isinstance(message, PictureFigures)]
    assert len(at) == 3
    for number in at:
        figures, packet = messages[number], messages[number + 1]
        assert isinstance(figures, PictureFigures) and isinstance(packet, VideoPacket)
        assert figures.capture_ns == packet.capture_ns
        assert figures.capture_ns % S == 0


def test_figures_find_a_freeze_although_time_and_number_go_on() -> None:
    figures = told_figures(watched(6, Event(0.5, "camera.freeze", 3))[0])
    assert [said.difference == 0 for said in figures] == [False, False, True, True, False, False]


def test_figures_tell_the_views_apart() -> None:
    figures = told_figures(watched(6, Event(1, "camera.cover", 2), Event(3, "camera.dark", 2))[0])
    day, covered, night = figures[0], figures[2], figures[4]
    assert day.mean > 100 > 40 > covered.mean
    assert night.mean < 40
    assert covered.variance < 20 < 40 < night.variance < day.variance
    assert figures[5].variance == pytest.approx(day.variance, rel=0.2)


def test_a_stalled_camera_sends_nothing_and_goes_on_behind_the_hole() -> None:
    messages, _ = watched(5, Event(1, "camera.stall", 2.01))
    numbers = [packet.number - 86_400 * FPS for packet in decoded.video(messages)]
    assert numbers == [*range(25), *range(76, 125)]
    assert [said.capture_ns // S - 86_400 for said in told_figures(messages)] == [0, 4]
    assert told_figures(messages)[1].difference == -1
    packets = decoded.video(messages)
    frames = decoded.pictures(messages[0], packets)
    assert [read_number(decoded.luma(frame)) for frame in frames] == [packet.number for packet in packets]


def test_a_camera_that_is_opened_while_it_stalls_gives_its_first_word_behind_the_stall() -> None:
    clock = InstantClock(BEGAN_NS + 2 * S, decoded.UTC_NS)
    parameters, figures, packet = itertools.islice(camera([Event(1, "camera.stall", 4)], clock).messages(), 3)
    assert isinstance(parameters, CameraParameters)
    assert isinstance(figures, PictureFigures)
    assert isinstance(packet, VideoPacket)
    assert packet.capture_ns == BEGAN_NS + 5 * S
    assert packet.key


def test_a_pulled_camera_ends_at_that_moment_and_cannot_be_opened_before_it_is_back() -> None:
    pull = Event(1, "camera.pull", 3)
    clock = InstantClock(BEGAN_NS, decoded.UTC_NS)
    messages = camera([pull], clock).messages()
    seen: list[Message] = []
    with pytest.raises(CameraGone, match="plug it in"):
        for message in messages:
            seen.append(message)
    assert [packet.number - 86_400 * FPS for packet in decoded.video(seen)] == list(range(25))
    assert clock.now_ns() == BEGAN_NS + S
    for at_s in (1, 2, 3.99):
        with pytest.raises(CameraGone):
            watched(9, pull, at_s=at_s)
    back, _ = watched(5, pull, at_s=4)
    assert [packet.number - 86_400 * FPS for packet in decoded.video(back)] == list(range(100, 125))


def test_a_camera_is_pulled_out_of_its_stall() -> None:
    with pytest.raises(CameraGone):
        watched(99, Event(1, "camera.stall", 50), Event(3, "camera.pull", 1))


def test_a_restarted_camera_stands_at_the_same_place_of_the_story() -> None:
    events = Event(1, "camera.freeze", 9), Event(12, "camera.cover", 3)
    whole = told_figures(watched(14, *events)[0])
    again = told_figures(watched(14, *events, at_s=6)[0])
    assert [(said.mean, said.variance, said.sharpness) for said in again] == [
        (said.mean, said.variance, said.sharpness) for said in whole[6:]
    ]


def test_late_frames_are_late_and_never_a_stall() -> None:
    clock = InstantClock(BEGAN_NS, decoded.UTC_NS)
    messages = camera([Event(1, "camera.stall", 1)], clock).messages()
    seen = list(itertools.islice(messages, 10))
    clock.pass_ns(3 * S)
    seen += list(itertools.islice(messages, 130))
    numbers = [packet.number - 86_400 * FPS for packet in decoded.video(seen)]
    assert numbers == [*range(25), *range(50, 50 + len(numbers) - 25)]
