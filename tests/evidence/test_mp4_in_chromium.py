"""Chromium plays what we write, by MediaSource: the players of a review station are browsers.

Each picture carries its number, so a frame drawn at a moment proves that decode order, edit list and track time
are understood. Needs Chromium (``apt-get install chromium``), driven by Playwright; nothing is fetched.
"""

import base64
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright

from agent.evidence.mp4 import PositionFix, SoundConfig, VideoConfig, fragment, free_box, init_segment
from tests.evidence import coded

ARGUMENTS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync"]  # fmt: skip

PLAY = """async ({codecs, parts, at, expected}) => {
  const type = `${codecs.some(c => c.startsWith('avc1')) ? 'video' : 'audio'}/mp4; codecs="${codecs.join(', ')}"`;
  if (!MediaSource.isTypeSupported(type)) return {error: `not supported: ${type}`};
  const video = document.createElement('video');
  video.muted = true;
  document.body.replaceChildren(video);
  const source = new MediaSource();
  video.src = URL.createObjectURL(source);
  const once = (target, name) => new Promise((good, bad) => {
    target.addEventListener(name, good, {once: true});
    video.addEventListener('error', () => bad(new Error(video.error.message)), {once: true});
    setTimeout(() => bad(new Error(`no ${name} in 30 s at ${video.currentTime}, state ${video.readyState}`)), 30000);
  });
  await once(source, 'sourceopen');
  const buffer = source.addSourceBuffer(type);
  for (const part of parts) {
    const done = once(buffer, 'updateend');
    buffer.appendBuffer(Uint8Array.from(atob(part), c => c.charCodeAt(0)));
    await done;
  }
  source.endOfStream();
  const buffered = [...Array(video.buffered.length).keys()].map(i => [video.buffered.start(i), video.buffered.end(i)]);
  const canvas = document.createElement('canvas');
  const numberShown = () => {
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    const pen = canvas.getContext('2d', {willReadFrequently: true});
    pen.drawImage(video, 0, 0);
    const bits = [...Array(8).keys()].map(bit => pen.getImageData(bit * 16 + 8, 24, 1, 1).data[1] > 126 ? 1 : 0);
    return parseInt(bits.join(''), 2);
  };
  const numbers = [], sizes = [];
  for (const [index, moment] of at.entries()) {
    const done = once(video, 'seeked');
    video.currentTime = moment;
    await done;
    if (!video.videoWidth) continue;
    // On a busy machine the picture of the seek before may still be shown; a wrong one stays wrong.
    for (let turn = 0; turn < 200 && numberShown() !== expected[index]; turn++) {
      await new Promise(wait => setTimeout(wait, 10));
    }
    numbers.push(numberShown());
    sizes.push([video.videoWidth, video.videoHeight]);
  }
  const playing = once(video, 'playing');
  video.play();
  await playing;
  await new Promise(wait => setTimeout(wait, 100));
  return {error: video.error && video.error.message, buffered, numbers, sizes};
}"""


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    chromium = shutil.which("chromium")
    assert chromium, "Chromium is not there: apt-get install chromium"
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS) as found:
        yield found.new_page()


def played(page: Page, codecs: list[str], parts: list[bytes], at: list[float], expected: list[int]) -> dict[str, Any]:
    """Appends the parts, seeks to each moment, and gives what is buffered and the sizes; the numbers must be right."""
    encoded = [base64.b64encode(part).decode() for part in parts]
    result: dict[str, Any] = page.evaluate(PLAY, {"codecs": codecs, "parts": encoded, "at": at, "expected": expected})
    assert result["error"] is None
    assert result["numbers"] == expected
    return result


def init_of(video: coded.Coded | None, sound: coded.Coded | None) -> bytes:
    seen, heard = video.config if video else None, sound.config if sound else None
    assert not isinstance(seen, SoundConfig)
    assert not isinstance(heard, VideoConfig)
    return init_segment(seen, heard)


def covers(ranges: list[list[float]], start: float, end: float) -> None:
    assert len(ranges) == 1, ranges
    assert ranges[0] == [pytest.approx(start, abs=0.025), pytest.approx(end, abs=0.025)]


MIDDLES = [(n + 0.5) / coded.FPS for n in (0, 1, 2, 3, 12, 24, 25, 26, 47, 48, 49)]
NUMBERS = [0, 1, 2, 3, 12, 24, 25, 26, 47, 48, 49]


@pytest.mark.parametrize(
    ("b_frames", "shift_frames"),
    [(0, None), (2, None), (2, 0)],
    ids=["without B-frames", "B-frames as the encoder delays them", "B-frames with negative offsets"],
)
def test_both_tracks_play_with_every_frame_at_its_moment(page: Page, b_frames: int, shift_frames: int | None) -> None:
    video, sound = coded.video(50, b_frames, shift_frames), coded.sound()
    parts = coded.fragments(coded.in_pieces(video, 1, 18_000), coded.in_pieces(sound, 2, 9600))
    found = played(page, [video.config.codec, sound.config.codec], [init_of(video, sound), *parts], MIDDLES, NUMBERS)
    covers(found["buffered"], 0, 2)
    assert found["sizes"][0] == [320, 180]


def test_the_init_and_a_middle_run_of_fragments_play_at_their_own_time(page: Page) -> None:
    video, sound = coded.video(50, 2), coded.sound()
    parts = coded.fragments(coded.in_pieces(video, 1, 18_000), coded.in_pieces(sound, 2, 9600))
    codecs = [video.config.codec, sound.config.codec]
    found = played(page, codecs, [init_of(video, sound), *parts[5:]], MIDDLES[-5:], NUMBERS[-5:])
    covers(found["buffered"], 1, 2)


def test_joined_bytes_with_positions_and_padding_play_as_one_file(page: Page) -> None:
    video, sound = coded.video(), coded.sound()
    both = zip(coded.in_pieces(video, 1, 18_000), coded.in_pieces(sound, 2, 9600), strict=False)
    parts = [
        fragment(n + 1, runs, [PositionFix(n * 200, 311_234_567, 1_214_567_890, 2500, "gnss")]) + free_box(9000)
        for n, runs in enumerate(both)
    ]
    codecs = [video.config.codec, sound.config.codec]
    found = played(page, codecs, [init_of(video, sound) + b"".join(parts)], MIDDLES, NUMBERS)
    covers(found["buffered"], 0, 2)


def test_a_second_segment_with_its_own_init_continues(page: Page) -> None:
    first, second = coded.video(25), coded.video(25, height=240)
    parts = [
        init_of(first, None) + b"".join(coded.fragments(coded.in_pieces(first, 1, 18_000))),
        init_of(second, None) + b"".join(coded.fragments(coded.in_pieces(second, 1, 18_000, 90_000), first=6)),
    ]
    found = played(page, [first.config.codec], parts, [0.02, 0.98, 1.02, 1.98], [0, 24, 0, 24])
    covers(found["buffered"], 0, 2)
    assert found["sizes"] == [[320, 180]] * 2 + [[320, 240]] * 2


def test_sound_alone_plays_from_zero(page: Page) -> None:
    sound = coded.sound()
    parts = coded.fragments(coded.in_pieces(sound, 2, 19_200))
    found = played(page, [sound.config.codec], [init_of(None, sound), *parts], [1.0], [])
    assert found["buffered"] == [[0, pytest.approx(93 * 1024 / 48_000, abs=2e-6)]]


def test_an_interruption_inside_a_fragment_is_a_gap_of_its_length(page: Page) -> None:
    video = coded.video()
    before, after = list(coded.in_pieces(video, 1, 90_000))
    after.tick += 36_000
    parts = [init_of(video, None), fragment(1, [before, after])]
    found = played(page, [video.config.codec], parts, [0.02, 0.98, 1.42, 2.38], [0, 24, 25, 49])
    assert found["buffered"] == [[0, pytest.approx(1)], [pytest.approx(1.4), pytest.approx(2.4)]]


def test_a_day_into_a_session_the_time_is_still_exact(page: Page) -> None:
    video, sound = coded.video(50, 2), coded.sound(94, (1024, 1025, 1023))
    start_s = 24 * 3600
    parts = coded.fragments(
        coded.in_pieces(video, 1, 18_000, start_s * 90_000), coded.in_pieces(sound, 2, 9600, start_s * 48_000)
    )
    codecs = [video.config.codec, sound.config.codec]
    found = played(page, codecs, [init_of(video, sound), *parts], [start_s + moment for moment in MIDDLES], NUMBERS)
    covers(found["buffered"], start_s, start_s + 2)
