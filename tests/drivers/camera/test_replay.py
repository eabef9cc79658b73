"""Replay: another encoder's pictures as they are, time going on, B-frames kept apart, the unusable named."""

import hashlib
import itertools
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from drivers import Log, Message
from drivers.camera import CameraParameters, VideoPacket
from drivers.child import make
from drivers.errors import ClipEnded, ClipUnusable
from drivers.scenario import PREROLL_S
from tests.drivers import decoded

FRAMES = 30


def encode(path: Path, codec: str = "libx264", rate: Fraction = Fraction(25), **options: str) -> Path:
    """A clip of moving noise."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate, options={"sc_threshold": "0", **_spelled(options)})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for number in range(FRAMES):
            picture = np.random.default_rng(number // 3).integers(0, 255, (96, 96), np.uint8)
            picture[:, : 2 * number] = 128
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "yuv420p")))
        container.mux(stream.encode(None))
    return path


def _spelled(options: Mapping[str, str]) -> dict[str, str]:
    """x264's own names: a Python keyword has no dash."""
    return {
        {"b_pyramid": "b-pyramid", "x264_params": "x264-params"}.get(name, name): text for name, text in options.items()
    }


def with_b_frames(path: Path) -> Path:
    return encode(path, bf="3", g="10", b_pyramid="normal", b_strategy="0")


def replayed(path: Path, count: int, **options: object) -> list[Message]:
    return decoded.first("camera", count, {"driver": "simulated", "file": str(path), **options})


def remuxed(path: Path, to: Path, first: int) -> Path:
    """The same packets without the ones before number ``first``."""
    with av.open(str(path)) as source, av.open(str(to), "w") as container:
        stream = container.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(source.demux(video=0)):
            if number >= first and packet.size:
                packet.stream = stream
                container.mux(packet)
    return to


def demuxed(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def pictures(path: Path) -> list[str]:
    with av.open(str(path)) as container:
        return [digest(frame) for frame in container.decode(video=0)]


def digest(frame: av.VideoFrame) -> str:
    return hashlib.sha256(frame.to_ndarray().tobytes()).hexdigest()


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.ts"])
def test_pictures_are_given_byte_for_byte_whatever_the_container(tmp_path: Path, name: str) -> None:
    path = with_b_frames(tmp_path / name)
    parameters, *messages = replayed(path, 1 + FRAMES)
    packets = decoded.video(messages)
    assert [packet.data for packet in packets] == demuxed(path)
    assert {packet.format for packet in packets} == {"annexb" if name.endswith("ts") else "avcc"}
    assert [digest(frame) for frame in decoded.pictures(parameters, packets)] == pictures(path)


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30_000, 1001)])
def test_time_goes_on_evenly_across_the_loops_end(tmp_path: Path, rate: Fraction) -> None:
    path = encode(tmp_path / "clip.mp4", rate=rate, bf="3", g="10")
    parameters, *messages = replayed(path, 1 + 3 * FRAMES)
    assert isinstance(parameters, CameraParameters)
    assert Fraction(parameters.fps_num, parameters.fps_den) == rate
    packets = decoded.video(messages)
    shown = sorted(packets, key=lambda packet: packet.capture_ns)
    steps = [later.capture_ns - earlier.capture_ns for earlier, later in itertools.pairwise(shown)]
    assert all(abs(step - 10**9 / rate) <= 1 for step in steps)
    assert [packet.number for packet in shown] == list(range(shown[0].number, shown[0].number + 3 * FRAMES))
    assert shown[0].capture_ns == decoded.NOW_NS


def test_looped_pictures_with_b_frames_decode_to_the_clip_three_times(tmp_path: Path) -> None:
    path = with_b_frames(tmp_path / "clip.mp4")
    parameters, *messages = replayed(path, 1 + 3 * FRAMES)
    packets = decoded.video(messages)
    frames = decoded.pictures(parameters, packets)
    assert [digest(frame) for frame in frames] == pictures(path) * 3
    assert [frame.pts for frame in frames] == sorted(packet.capture_ns for packet in packets)


def test_decoding_and_presentation_are_kept_apart(tmp_path: Path) -> None:
    parameters, *messages = replayed(with_b_frames(tmp_path / "clip.mp4"), 1 + 2 * FRAMES)
    packets = decoded.video(messages)
    assert isinstance(parameters, CameraParameters)
    assert parameters.reorder_ns > 0
    assert packets[0].decode_ns == packets[0].capture_ns - parameters.reorder_ns
    assert all(packet.decode_ns <= packet.capture_ns for packet in packets)
    assert all(earlier.decode_ns < later.decode_ns for earlier, later in itertools.pairwise(packets))
    assert any(earlier.capture_ns > later.capture_ns for earlier, later in itertools.pairwise(packets))


def test_without_b_frames_both_are_the_same(tmp_path: Path) -> None:
    parameters, *messages = replayed(encode(tmp_path / "clip.mp4", bf="0"), 1 + FRAMES)
    assert isinstance(parameters, CameraParameters)
    assert parameters.reorder_ns == 0
    assert all(packet.decode_ns == packet.capture_ns for packet in decoded.video(messages))


def test_a_picture_is_not_given_before_a_live_encoder_could(tmp_path: Path) -> None:
    clock = decoded.clock_at()
    options = {"driver": "simulated", "file": str(with_b_frames(tmp_path / "clip.mp4"))}
    for message in itertools.islice(make("camera", options, clock).messages(), 2 * FRAMES):
        if isinstance(message, VideoPacket):
            assert message.capture_ns <= clock.now_ns()


def test_played_once_it_says_that_it_ended(tmp_path: Path) -> None:
    path = encode(tmp_path / "clip.mp4")
    with pytest.raises(ClipEnded, match="shown once"):
        replayed(path, 1000, loop=False)


def test_a_group_of_pictures_longer_than_any_segment_is_fine(tmp_path: Path) -> None:
    packets = decoded.video(replayed(encode(tmp_path / "clip.mp4", g="1000"), 1 + 2 * FRAMES))
    assert [number for number, packet in enumerate(packets) if packet.key] == [0, FRAMES]


def test_sound_in_the_clip_is_ignored(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "clip.mp4"), "w") as container:
        video, sound = container.add_stream("libx264", 25), container.add_stream("aac", 48_000, layout="mono")
        video.width, video.height = 64, 48
        for _ in range(FRAMES):
            container.mux(video.encode(av.VideoFrame(64, 48, "yuv420p")))
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 1920), np.float32), "fltp", "mono")
            silence.sample_rate = 48_000
            container.mux(sound.encode(silence))
        for stream in (video, sound):
            container.mux(stream.encode(None))
    parameters, *messages = replayed(tmp_path / "clip.mp4", 1 + FRAMES)
    assert len(decoded.pictures(parameters, decoded.video(messages))) == FRAMES


def test_pictures_before_the_first_key_frame_are_left_out_and_told(tmp_path: Path) -> None:
    whole = encode(tmp_path / "whole.mp4", bf="0", g="10")
    told, _, *messages = replayed(remuxed(whole, tmp_path / "cut.ts", first=4), 2 + FRAMES - 10)
    packets = decoded.video(messages)
    assert isinstance(told, Log)
    assert "6 pictures" in told.text
    assert packets[0].key
    assert packets[0].data == demuxed(tmp_path / "cut.ts")[6]


def test_pictures_shown_before_the_first_key_frame_are_left_out_too(tmp_path: Path) -> None:
    whole = encode(tmp_path / "whole.mp4", bf="2", g="12", b_strategy="0", x264_params="open-gop=1")
    cut = remuxed(whole, tmp_path / "cut.mkv", first=5)
    parameters, *messages = (message for message in replayed(cut, 40) if not isinstance(message, Log))
    packets = decoded.video(messages)
    assert [number for number, packet in enumerate(packets) if packet.key] == [0, 18, 36]
    assert packets[0].capture_ns == min(packet.capture_ns for packet in packets)
    frames = decoded.pictures(parameters, packets)
    assert len(frames) == len(packets)
    assert not {digest(frame) for frame in frames} - set(pictures(whole))


def test_a_clip_cut_off_by_a_full_card_plays_what_is_there_or_is_named(tmp_path: Path) -> None:
    for name in ("clip.mp4", "clip.mkv", "clip.ts"):
        path = encode(tmp_path / name)
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
        if name == "clip.mp4":
            with pytest.raises(ClipUnusable, match="no media file"):
                replayed(path, 1)
        else:
            assert len(decoded.video(replayed(path, 50))) >= 10


def test_what_is_not_h264_is_named_with_the_command_that_helps(tmp_path: Path) -> None:
    with pytest.raises(ClipUnusable, match=r"holds mpeg4; only H.264.*ffmpeg -i clip.mp4"):
        replayed(encode(tmp_path / "clip.mp4", "mpeg4"), 1)


def test_a_file_without_pictures_without_meaning_or_without_existence_is_named(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Sehr geehrte Damen und Herren")
    with pytest.raises(ClipUnusable, match=r"letter.txt is no media file"):
        replayed(tmp_path / "letter.txt", 1)
    with pytest.raises(ClipUnusable, match=r"there is no file .*gone.mp4"):
        replayed(tmp_path / "gone.mp4", 1)
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", 48_000, layout="mono")
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), "fltp", "mono")
        silence.sample_rate = 48_000
        container.mux([*stream.encode(silence), *stream.encode(None)])
    with pytest.raises(ClipUnusable, match=r"sound.mp4 has no pictures"):
        replayed(tmp_path / "sound.mp4", 1)


def test_pictures_without_time_stamps_are_refused_with_the_command_that_helps(tmp_path: Path) -> None:
    with pytest.raises(ClipUnusable, match=r"when its pictures are shown; convert it: ffmpeg -i clip.h264"):
        replayed(with_b_frames(tmp_path / "clip.h264"), 1)


def test_only_pictures_that_decode_alone_are_called_key(tmp_path: Path) -> None:
    path = encode(tmp_path / "clip.mp4", bf="2", g="12", b_strategy="0", x264_params="open-gop=1")
    with av.open(str(path)) as container:
        assert sum(packet.is_keyframe for packet in container.demux(video=0)) >= 1
    packets = decoded.video(replayed(path, 1 + FRAMES))
    assert [number for number, packet in enumerate(packets) if packet.key] == [0]
    for name in ("closed.mp4", "closed.ts"):
        packets = decoded.video(replayed(encode(tmp_path / name, bf="2", g="12", b_strategy="0"), 1 + FRAMES))
        assert [number for number, packet in enumerate(packets) if packet.key] == [0, 12, 24]


def test_a_clip_begins_shortly_before_the_story_does_and_at_once_when_that_is_past(tmp_path: Path) -> None:
    path, preroll_ns = encode(tmp_path / "clip.mp4"), round(PREROLL_S * 10**9)
    for begins_ns, expected_ns in (
        (decoded.NOW_NS + 5 * 10**9, decoded.NOW_NS + 5 * 10**9),
        (decoded.NOW_NS - 10**9, decoded.NOW_NS),
    ):
        packets = decoded.video(replayed(path, 3, scenario_started_ns=begins_ns + preroll_ns))
        assert packets[0].capture_ns == expected_ns
