"""A shift of eight hours with a sound card that is 200 ppm off: picture and sound stay together (no encoders).

The stamps are those of the simulated drivers, fit and jitter included; the time is kept by the real fragmenter. The
offset is judged against when each sample was truly captured.
"""

from collections.abc import Iterator
from heapq import merge

import pytest

from agent.evidence import mp4
from agent.recorder.formats import Formats
from agent.recorder.fragmenter import Fragmenter
from agent.recorder.ring import Packet
from agent.recorder.timeline import SessionTime
from drivers.simulated_stamps import BLOCK_SAMPLES, RATE, sound_stamps, video_stamps

HOUR_S = 3600
START_NS = 500_000_000_000
FORMATS = Formats(mp4.VideoConfig((b"\x67\x42\xc0\x1f",), (b"\x68",), 64, 64), mp4.SoundConfig(b"\x11\x88"), 1, 1)
FRAME_NS, SOUND_NS = 40_000_000, BLOCK_SAMPLES * 1_000_000_000 // RATE
BUILD_EVERY = 200
"""Packets to a flush; how many does not matter to the time."""


def packets(ppm: float, seconds: int) -> Iterator[tuple[int, Packet]]:
    """(truth, packet) in order of their stamps, both tracks."""
    video = (
        (ns, ns, Packet("video", ns, ns, FRAME_NS, number % 25 == 0, b"", 1, ns))
        for number, ns in video_stamps(START_NS, seconds)
    )
    sound = (
        (s.capture_ns, s.true_ns, Packet("sound", s.capture_ns, s.capture_ns, SOUND_NS, True, b"", 1, s.capture_ns))
        for s in sound_stamps(START_NS, seconds, ppm)
    )
    for _, true_ns, packet in merge(video, sound, key=lambda stamped: stamped[0]):
        yield true_ns, packet


def worst_ms(ppm: float, seconds: int) -> tuple[float, float]:
    """(sound's worst error, picture's worst error) in milliseconds between presentation and capture, all along."""
    fragmenter = Fragmenter("s000001", SessionTime(START_NS // 1000), {})
    worst: dict[str, float] = {"video": 0.0, "sound": 0.0}
    truth: dict[str, list[int]] = {"video": [], "sound": []}
    scales = {"video": (mp4.VIDEO_TIMESCALE, 0), "sound": (RATE, FORMATS.sound.shift_ticks if FORMATS.sound else 0)}
    waiting = 0

    def judge() -> None:
        for built in fragmenter.build(video_live=True):
            for span in built.fragment.spans:
                scale, shift = scales[span.track]
                shown_ns = (span.tick - shift) * 1_000_000_000 // scale
                off_ms = abs(shown_ns - (truth[span.track][0] - START_NS)) / 1e6
                worst[span.track] = max(worst[span.track], off_ms)
                del truth[span.track][: span.count]

    for true_ns, packet in packets(ppm, seconds):
        assert fragmenter.add(packet, FORMATS) == (True, None), "no hole, however far the clocks run apart"
        truth[packet.track].append(true_ns)
        waiting += 1
        if waiting == BUILD_EVERY:
            judge()
            waiting = 0
    judge()
    return worst["sound"], worst["video"]


@pytest.mark.parametrize(("ppm", "hours"), [(200, 8), (-200, 1)])
def test_a_shift_with_a_sound_clock_200_ppm_off_stays_within_20_ms(ppm: int, hours: int) -> None:
    sound_ms, video_ms = worst_ms(ppm, hours * HOUR_S)
    print(f"{ppm} ppm, {hours} h: sound off by at most {sound_ms:.2f} ms, picture by {video_ms:.2f} ms")
    assert sound_ms + video_ms <= 20
