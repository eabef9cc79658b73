"""The simulated camera: decoded, every frame is there, numbered and stamped right, however late it was made."""

import itertools
from collections.abc import Mapping

import pytest

from drivers import Counter, Message
from drivers.camera import CameraParameters, PictureFigures, VideoPacket
from drivers.camera.scene import TEXT_X, TEXT_Y, Scene, read_number
from drivers.child import make
from drivers.clock import InstantClock
from drivers.errors import BadOptions
from drivers.glyphs import Atlas
from tests.drivers import decoded


def first(count: int, options: Mapping[str, object], clock: InstantClock | None = None) -> list[Message]:
    """The first ``count`` messages, figures left out."""
    messages = make("camera", options, clock or decoded.clock_at()).messages()
    return list(itertools.islice((m for m in messages if not isinstance(m, PictureFigures)), count))


def test_the_decoded_pictures_carry_every_number_in_order() -> None:
    parameters, *messages = first(101, decoded.SMALL)
    packets = decoded.video(messages)
    frames = decoded.pictures(parameters, packets)
    numbers = [read_number(decoded.luma(frame)) for frame in frames]
    assert numbers == list(range(packets[0].number, packets[0].number + 100))
    assert [frame.pts for frame in frames] == [number * 40_000_000 for number in numbers]


@pytest.mark.parametrize(("width", "height", "kbit"), [(1280, 720, 2000), (1920, 1080, 4000)])
def test_both_sizes_can_be_read_number_clock_and_device(width: int, height: int, kbit: int) -> None:
    options = {**decoded.SMALL, "width": width, "height": height, "bitrate_kbit": kbit, "device": "DEV-0071"}
    parameters, *messages = first(31, options)
    packets = decoded.video(messages)
    scene = Scene(width, height, "DEV-0071")
    for packet, frame in zip(packets, decoded.pictures(parameters, packets), strict=True):
        luma, utc_ns = decoded.luma(frame), decoded.UTC_NS + packet.capture_ns - decoded.NOW_NS
        shown = scene.text(utc_ns)
        assert read_number(luma) == packet.number
        assert scene.atlas.read(luma, TEXT_X, TEXT_Y, len(shown)) == shown
    assert shown.endswith("DEV-0071")


def test_parameters_say_what_the_pictures_are() -> None:
    parameters, packet = first(2, decoded.SMALL)
    assert isinstance(parameters, CameraParameters)
    assert (parameters.width, parameters.height) == (640, 288)
    assert (parameters.fps_num, parameters.fps_den, parameters.reorder_ns) == (25, 1, 0)
    assert (parameters.sps[0] & 31, parameters.pps[0] & 31) == (7, 8)
    assert isinstance(packet, VideoPacket)
    assert packet.format == "avcc"  # the recorder need not touch the picture


def test_a_key_frame_comes_each_second_and_first() -> None:
    packets = decoded.video(first(101, decoded.SMALL))
    assert [number for number, packet in enumerate(packets) if packet.key] == [0, 25, 50, 75]


def test_the_bit_rate_is_near_the_one_asked_for() -> None:
    options = {**decoded.SMALL, "width": 1280, "height": 720, "bitrate_kbit": 2000}
    packets = decoded.video(first(151, options))
    kbit = sum(len(packet.data) for packet in packets) * 8 / 6 / 1000
    assert kbit == pytest.approx(2000, rel=0.15)


def test_a_camera_that_starts_again_shows_its_hole_in_the_numbers() -> None:
    before = decoded.video(first(6, decoded.SMALL))
    after = decoded.video(first(6, decoded.SMALL, decoded.clock_at(decoded.NOW_NS + 10**10)))
    assert after[0].number - before[0].number == 250
    assert after[0].key


def test_late_frames_are_made_numbered_stamped_and_counted_none_is_skipped() -> None:
    clock = decoded.clock_at()
    messages = make("camera", decoded.SMALL, clock).messages()
    seen = list(itertools.islice(messages, 11))
    clock.pass_ns(410_000_000)
    seen += list(itertools.islice(messages, 40))
    packets = decoded.video(seen)
    counted = [message.value for message in seen if isinstance(message, Counter)]
    assert [packet.number for packet in packets] == [packets[0].number + i for i in range(len(packets))]
    assert all(packet.capture_ns == packet.number * 40_000_000 for packet in packets)
    assert counted == list(range(1, 10))


def test_another_frame_rate_keeps_number_and_time_together() -> None:
    packets = decoded.video(first(40, {**decoded.SMALL, "fps": 30}))
    assert all(round(packet.capture_ns * 30 / 10**9) == packet.number for packet in packets)
    assert [number for number, packet in enumerate(packets) if packet.key] == [0, 30]


def test_a_picture_too_narrow_for_its_number_is_refused() -> None:
    with pytest.raises(BadOptions, match=r"512.*width"):
        make("camera", {**decoded.SMALL, "width": 480}, decoded.clock_at())


def test_the_atlas_reads_what_the_scene_drew_at_any_size() -> None:
    assert [Scene(640, height, "A").atlas.height for height in (288, 720, 1080)] == [9, 18, 36]
    assert Atlas(1).height == 9
