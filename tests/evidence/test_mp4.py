"""Fragmented MP4: what is written is read back, what was changed is refused, what was cut is kept, and stock
tools see every frame at its tick."""

import base64
import json
import re
import subprocess
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.evidence import aac, mp4
from agent.evidence.mp4 import (
    CHUNK_BYTES,
    SOUND_TRACK,
    VIDEO_TRACK,
    Mp4Malformed,
    Mp4Unwritable,
    PositionFix,
    Run,
    SampleView,
    SoundConfig,
    VideoConfig,
    fragment,
    free_box,
    init_segment,
    padding_for,
    parse_boxes,
    parse_init,
    parse_segment,
)
from tests.evidence import coded
from tests.support.samples import Sample, run_of

SPS = bytes.fromhex("6742c00cda0505ecfbff0081008044000003000400000300c83c50a9e0")
PPS = bytes.fromhex("68ce0f2c80")
VIDEO = VideoConfig((SPS,), (PPS,), 320, 180)
SOUND = SoundConfig(aac.audio_specific_config(48_000, 1))
INIT = init_segment(VIDEO, SOUND)
FIX = PositionFix(400, 311_234_567, 1_214_567_890, 2500, "gnss", 1_760_000_000_000_000)

# --- init segment -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("video", "sound"), [(VIDEO, SOUND), (VIDEO, None), (None, SOUND)])
def test_an_init_segment_says_what_was_put_in(video: VideoConfig | None, sound: SoundConfig | None) -> None:
    init = init_segment(video, sound)
    length, tracks = parse_init(init + b"more")
    assert length == len(init)
    assert [tracks[track].config for track in sorted(tracks)] == [config for config in (video, sound) if config]
    assert [box.kind for box in parse_boxes(init)] == [b"ftyp", b"moov"]


def test_only_a_file_of_one_track_claims_to_be_a_cmaf_track() -> None:
    assert b"cmfc" not in INIT[:64]
    assert b"cmfc" in init_segment(None, SOUND)[:64]


configs = st.tuples(
    st.none() | st.builds(VideoConfig, st.just((SPS,)), st.just((PPS, PPS)), *[st.integers(1, 65_535)] * 2,
                          st.integers(0, 1 << 40)),
    st.none() | st.builds(lambda rate, channels, shift: SoundConfig(
        aac.audio_specific_config(rate, channels), rate, channels, shift),
        st.sampled_from([8000, 44_100, 48_000, 96_000]), st.integers(1, 7), st.integers(0, 5000)),
).filter(any)  # fmt: skip


@settings(deadline=None)
@given(configs)
def test_every_configuration_is_read_back(both: tuple[VideoConfig | None, SoundConfig | None]) -> None:
    init = init_segment(*both)
    view = parse_segment(init)
    assert view.problem == ""
    assert {track: seen.config for track, seen in view.tracks.items()} == {
        track: config for track, config in zip((VIDEO_TRACK, SOUND_TRACK), both, strict=True) if config
    }


@pytest.mark.parametrize(
    ("video", "sound"),
    [
        (None, None),
        (VideoConfig((SPS,), (PPS,), 70_000, 180), None),
        (VideoConfig((SPS,), (PPS,), 320, 180, 1 << 64), None),
        (None, SoundConfig(b"", 48_000)),
        (None, SoundConfig(SOUND.asc, 1 << 32)),
        (None, SoundConfig(SOUND.asc, 48_000, -1)),
    ],
    ids=["no track", "too wide", "a shift of 65 bits", "no AAC configuration", "a rate of 33 bits", "minus a channel"],
)
def test_a_configuration_that_does_not_fit_is_not_written(video: VideoConfig | None, sound: SoundConfig | None) -> None:
    with pytest.raises(Mp4Unwritable):
        init_segment(video, sound)


# --- fragments: written and read back -----------------------------------------------------------------

samples = st.builds(
    Sample,
    st.binary(max_size=12),
    st.integers(0, (1 << 32) - 1),
    st.booleans(),
    st.just(0) | st.integers(-(1 << 31), (1 << 31) - 1),
)
runs = st.builds(
    run_of, st.sampled_from([1, 2]), st.integers(0, (1 << 64) - 1), st.lists(samples, min_size=1, max_size=6)
)
fixes = st.builds(
    PositionFix,
    st.integers(0, (1 << 53) - 1),
    st.integers(-900_000_000, 900_000_000),
    st.integers(-1_800_000_000, 1_800_000_000),
    st.integers(0, 1 << 40),
    st.text(max_size=12),
    st.none() | st.integers(0, 1 << 52),
)
pieces = st.tuples(st.integers(0, (1 << 32) - 1), st.lists(runs, min_size=1, max_size=4), st.lists(fixes, max_size=2))


@settings(deadline=None)
@given(st.lists(pieces, max_size=3), st.sampled_from([0, 8, 500]))
def test_whatever_is_written_is_read_back(parts: list[tuple[int, list[Run], list[PositionFix]]], padding: int) -> None:
    free = free_box(padding) if padding else b""
    data = INIT + b"".join(fragment(*part) + free for part in parts)
    view = parse_segment(data)
    assert (view.problem, view.end) == ("", len(data))
    assert len(view.fragments) == len(parts)
    for seen, (sequence, given_runs, given_fixes) in zip(view.fragments, parts, strict=True):
        assert (seen.sequence, seen.fixes, seen.padding) == (sequence, given_fixes, padding)
        for run, put in zip(seen.runs, given_runs, strict=True):
            columns = (map(len, put.datas), put.durations, put.keys, put.offsets)
            expected = [SampleView(*sample) for sample in zip(*columns, strict=True)]
            assert (run.track_id, run.tick, run.samples) == (put.track_id, put.tick, expected)
            payload = b"".join(put.datas)
            assert data[run.data_offset : run.data_offset + len(payload)] == payload


def test_a_run_ends_where_its_durations_say() -> None:
    view = parse_segment(INIT + fragment(1, [run_of(2, 1 << 40, [Sample(b"x", n, True) for n in (1023, 1024, 1025)])]))
    assert view.fragments[0].runs[0].end_tick == (1 << 40) + 3 * 1024


def test_composition_offsets_and_flags_cost_bytes_only_where_needed() -> None:
    def table(*kinds: tuple[bool, int]) -> int:
        data = fragment(1, [run_of(1, 0, [Sample(b"", 1, key, offset) for key, offset in kinds])])
        return len(data) - len(fragment(1, [run_of(1, 0, [Sample(b"", 1, False)])])) + 8

    assert table((False, 0), (False, 0)) == 16
    assert table((True, 0), (False, 0)) == 20
    assert table((True, 0), (False, -5)) == 28
    assert table((False, 0), (True, 0)) == 32


@pytest.mark.parametrize(
    ("sequence", "given_runs", "given_fixes"),
    [
        (1, [], []),
        (1, [run_of(1, 0, [])], []),
        (1, [run_of(3, 0, [Sample(b"x", 1, True)])], []),
        (1, [run_of(1, -1, [Sample(b"x", 1, True)])], []),
        (1, [run_of(1, 1 << 64, [Sample(b"x", 1, True)])], []),
        (1, [run_of(1, 0, [Sample(b"x", -1, True)])], []),
        (1, [run_of(1, 0, [Sample(b"x", 1, True, 1 << 31)])], []),
        (1 << 32, [run_of(1, 0, [Sample(b"x", 1, True)])], []),
        (1, [run_of(1, 0, [Sample(b"x", 1, True)])], [PositionFix(-1, 0, 0, 0, "gnss")]),
        (1, [run_of(1, 0, [Sample(b"x", 1, True)])], [PositionFix(0, 900_000_001, 0, 0, "gnss")]),
        (1, [run_of(1, 0, [Sample(b"x", 1, True)])], [PositionFix(0, 0, 0, -1, "gnss")]),
        (1, [run_of(1, 0, [Sample(b"x", 1, True)])], [PositionFix(0, 0, 0, 0, "x" * 65)]),
        (1, [run_of(1, 0, [Sample(b"x", 1, True)])], [PositionFix(0, 0, 0, 0, "\ud800")]),
    ],
    ids=[
        "no run", "an empty run", "a third track", "a tick before zero", "a tick of 65 bits", "a negative duration",
        "an offset of 33 bits", "a sequence of 33 bits", "a fix before the start", "beyond the pole",
        "a negative accuracy", "an endless source", "a source that is no text",
    ],
)  # fmt: skip
def test_what_has_no_place_in_a_fragment_is_refused_by_name(
    sequence: int, given_runs: list[Run], given_fixes: list[PositionFix]
) -> None:
    with pytest.raises(Mp4Unwritable):
        fragment(sequence, given_runs, given_fixes)


# --- padding ------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.integers(0, 1 << 40))
def test_padding_reaches_a_chunk_boundary_and_can_always_be_written(offset: int) -> None:
    length = padding_for(offset)
    assert (offset + length) % CHUNK_BYTES == 0
    assert length == 0 or 8 <= length < CHUNK_BYTES + 8
    assert length == 0 or len(free_box(length)) == length


@pytest.mark.parametrize(("gap", "length"), [(0, 0), (1, CHUNK_BYTES + 1), (7, CHUNK_BYTES + 7), (8, 8), (9, 9)])
def test_a_gap_too_small_for_a_box_takes_a_chunk_more(gap: int, length: int) -> None:
    assert padding_for(3 * CHUNK_BYTES - gap) == length


@pytest.mark.parametrize("length", [-1, 0, 7, 1 << 32])
def test_a_free_box_without_room_for_its_header_is_refused(length: int) -> None:
    with pytest.raises(Mp4Unwritable):
        free_box(length)


# --- cut and changed files ----------------------------------------------------------------------------

KEY_RUN = run_of(1, 0, [Sample(b"key", 3600, True), Sample(b"p", 3600, False)])
B_RUN = run_of(1, 7200, [Sample(b"one", 3600, False, 3600), Sample(b"two", 3600, True, -1)])
FRAGMENTS = [
    fragment(1, [KEY_RUN, run_of(2, 0, [Sample(b"s", 1024, True)] * 3)], [FIX]) + free_box(20),
    fragment(2, [B_RUN], [FIX, FIX]),
    fragment(3, [run_of(2, 3072, [Sample(b"last", 1025, True)])]) + free_box(8),
]
WHOLE = INIT + b"".join(FRAGMENTS)


def test_a_file_cut_at_any_byte_gives_every_whole_fragment_and_says_where_it_ends() -> None:
    ends = [len(INIT)]
    for piece in FRAGMENTS:
        ends.append(ends[-1] + len(piece))
    for length in range(len(WHOLE)):
        view = parse_segment(WHOLE[:length])
        media_ends = [start.end - start.padding for start in parse_segment(WHOLE).fragments]
        assert len(view.fragments) == sum(end <= length for end in media_ends)
        assert view.init_length == (len(INIT) if length >= len(INIT) else 0)
        assert view.end <= length
        assert (view.problem == "") == (view.end == length and length >= len(INIT))
        again = parse_segment(WHOLE[: view.end])
        assert again == view._replace(problem=again.problem)


def test_a_cut_is_told_with_box_and_byte() -> None:
    whole = parse_segment(WHOLE)
    problem = parse_segment(WHOLE[: whole.fragments[1].end - 2]).problem
    assert re.fullmatch(r"the data end inside the box 'mdat' at byte \d+: 12 of its 14 bytes are there", problem)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_random_bytes_are_a_named_error_or_a_cut_file(data: bytes) -> None:
    for start in (b"", INIT[:32], INIT, WHOLE):
        only_named_errors(start + data)


@settings(max_examples=600, deadline=None)
@given(st.integers(0, len(WHOLE) * 8 - 1))
def test_a_flipped_bit_is_a_named_error_or_payload(bit: int) -> None:
    data = bytearray(WHOLE)
    data[bit // 8] ^= 1 << bit % 8
    only_named_errors(bytes(data))


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(WHOLE)), st.integers(0, len(WHOLE)), st.binary(max_size=12))
def test_bytes_replaced_dropped_or_doubled_are_a_named_error_or_a_cut_file(a: int, b: int, new: bytes) -> None:
    only_named_errors(WHOLE[:a] + new + WHOLE[b:])


def only_named_errors(data: bytes) -> None:
    try:
        view = parse_segment(data)
    except Mp4Malformed as error:
        assert 0 <= error.offset <= len(data)
        return
    assert 0 <= view.init_length <= view.end <= len(data)
    assert (view.problem == "") == (view.end == len(data) and bool(data))


def test_every_single_bit_of_the_structure_matters() -> None:
    """Outside of sample data, ticks, durations, keys, sequence and fixes every flip is refused or is a cut."""
    data = INIT + fragment(1, [KEY_RUN]) + free_box(16)
    free_to_change = set()
    run = parse_segment(data).fragments[0].runs[0]
    free_to_change |= set(range(run.data_offset, run.data_offset + 4))
    moof = data.index(b"moof") - 4
    free_to_change |= set(range(moof + 20, moof + 24)) | set(range(moof + 60, moof + 68))
    table = data.index(b"trun") + 20
    free_to_change |= set(range(table, table + 4)) | set(range(table + 8, table + 12))
    unseen = []
    for position in sorted(set(range(len(INIT), len(data))) - free_to_change):
        for bit in range(8):
            changed = data[:position] + bytes((data[position] ^ 1 << bit,)) + data[position + 1 :]
            try:
                if parse_segment(changed).problem == "":
                    unseen.append((position - moof, bit))
            except Mp4Malformed:
                continue
    assert unseen == []


# --- vectors ------------------------------------------------------------------------------------------

VECTORS = Path(__file__).parent.parent / "vectors" / "mp4"


class Vector(NamedTuple):
    expect: str
    fields: dict[str, str]
    data: bytes


def vector(path: Path) -> Vector:
    head, _, body = path.read_text().partition("\n\n")
    fields = dict(line.split(": ", 1) for line in head.splitlines())
    return Vector(fields["expect"], fields, base64.b64decode(body))


def as_json(view: mp4.SegmentView) -> Any:
    """What a reader must have understood, in the words of the vectors."""
    tracks = {t: [v.config.codec, v.config.timescale, v.config.shift_ticks] for t, v in view.tracks.items()}
    parts = [
        {
            "from": part.offset,
            "to": part.end,
            "sequence": part.sequence,
            "padding": part.padding,
            "runs": [[r.track_id, r.tick, [[s.size, s.duration, int(s.key), s.offset] for s in r.samples]]
                     for r in part.runs],
            "fixes": [[f.presentation_ms, f.lat_e7, f.lon_e7, f.accuracy_mm, f.source, f.utc_us] for f in part.fixes],
        }
        for part in view.fragments
    ]  # fmt: skip
    return json.loads(json.dumps({"init": view.init_length, "end": view.end, "tracks": tracks, "fragments": parts}))


@pytest.mark.parametrize("path", sorted(VECTORS.glob("*.txt")), ids=lambda path: path.stem)
def test_vector(path: Path) -> None:
    expect, fields, data = vector(path)
    if expect == "malformed":
        with pytest.raises(Mp4Malformed) as caught:
            parse_segment(data)
        assert caught.value.offset == int(fields["offset"])
        return
    view = parse_segment(data)
    assert ("cut" if view.problem else "whole") == expect
    assert as_json(view) == json.loads(fields["says"])


def test_there_are_vectors_of_each_outcome() -> None:
    outcomes = [vector(path).expect for path in VECTORS.glob("*.txt")]
    assert outcomes.count("whole") >= 8
    assert outcomes.count("cut") >= 5
    assert outcomes.count("malformed") >= 20


def test_the_page_shows_the_bytes_of_its_vector() -> None:
    page = (Path(mp4.__file__).parent / "mp4.md").read_text(encoding="utf-8")
    example = page.split("```")[1]
    shown = bytes.fromhex("".join(line.split("|")[0] for line in example.splitlines() if "|" in line))
    data = vector(VECTORS / "a_fragment_with_video_sound_and_a_position.txt").data
    assert shown == data[parse_segment(data).init_length :]


# --- stock tools --------------------------------------------------------------------------------------


class Packet(NamedTuple):
    """Times in ticks after the edit list."""

    pts: int
    dts: int
    duration: int
    key: bool


def demuxed(path: Path) -> dict[str, list[Packet]]:
    """Every packet as two generations of FFmpeg see it, by kind of track.

    PyAV's takes each duration from the file; that of Debian 12 (ffprobe 5.1) shows the codec's nominal one for
    any fragmented file, so only its starts and keys are compared.
    """
    found: dict[str, list[Packet]] = {"video": [], "audio": []}
    with av.open(str(path)) as container:
        for packet in container.demux():
            if packet.size:
                times = (packet.pts or 0, packet.dts or 0, packet.duration or 0)
                found[packet.stream.type].append(Packet(*times, packet.is_keyframe))
    probed = ffprobe(path)
    assert probed == {kind: [(p.pts, p.dts, p.key) for p in packets] for kind, packets in found.items()}
    return found


def ffprobe(path: Path) -> dict[str, list[tuple[int, int, bool]]]:
    """Presentation tick, decode tick and key of every packet as stock ffprobe sees it."""
    entries = ["-show_entries", "packet=codec_type,pts,dts,flags"]
    command = ["ffprobe", "-v", "error", "-show_packets", *entries, "-of", "json", str(path)]
    done = subprocess.run(command, capture_output=True, check=True)
    assert done.stderr == b""
    found: dict[str, list[tuple[int, int, bool]]] = {"video": [], "audio": []}
    for packet in json.loads(done.stdout)["packets"]:
        found[packet["codec_type"]].append((packet["pts"], packet["dts"], packet["flags"].startswith("K")))
    return found


def decodes_without_a_word(path: Path) -> None:
    done = subprocess.run(["ffmpeg", "-v", "error", "-i", path, "-f", "null", "-"], capture_output=True, check=True)
    assert done.stderr == b""


def heard_from_zero(path: Path) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The sound from presentation time zero on, as stock ffmpeg decodes it."""
    command = ["ffmpeg", "-v", "error", "-copyts", "-i", str(path), "-map", "0:a", "-af", "atrim=start_pts=0"]
    return np.frombuffer(subprocess.run([*command, "-f", "f32le", "-"], capture_output=True, check=True).stdout, "<f4")


def numbers_seen(path: Path) -> list[tuple[int, int]]:
    """Presentation tick and burned-in number of every decoded picture."""
    with av.open(str(path)) as container:
        return [(frame.pts or 0, coded.number_in(frame)) for frame in container.decode(video=0)]


def ticks(samples_: Sequence[Sample], shift: int, first: int = 0) -> list[Packet]:
    """What a demuxer must show: each start is the previous start plus its duration."""
    packets, tick = [], first
    for s in samples_:
        packets.append(Packet(tick + s.offset - shift, tick - shift, s.duration, s.key))
        tick += s.duration
    return packets


def saved(path: Path, *parts: bytes) -> Path:
    path.write_bytes(b"".join(parts))
    return path


def both_tracks(video: coded.Coded, sound: coded.Coded, first: int = 1) -> list[bytes]:
    return coded.fragments(coded.in_pieces(video, 1, 18_000), coded.in_pieces(sound, 2, 9600), first=first)


def init_of(video: coded.Coded | None, sound: coded.Coded | None) -> bytes:
    seen, heard = video.config if video else None, sound.config if sound else None
    assert not isinstance(seen, SoundConfig)
    assert not isinstance(heard, VideoConfig)
    return init_segment(seen, heard)


@pytest.mark.parametrize(
    ("b_frames", "shift_frames"),
    [(0, None), (2, None), (2, 1)],
    ids=["without B-frames", "B-frames as the encoder delays them", "B-frames at the least delay"],
)
def test_a_demuxer_sees_every_tick_and_a_decoder_every_frame(
    b_frames: int, shift_frames: int | None, tmp_path: Path
) -> None:
    video, sound = coded.video(50, b_frames, shift_frames), coded.sound()
    assert (video.config.shift_ticks > 0) == (b_frames > 0)
    path = saved(tmp_path / "all.mp4", init_of(video, sound), *both_tracks(video, sound))
    seen = demuxed(path)
    assert seen["video"] == ticks(video.samples, video.config.shift_ticks)
    assert seen["audio"] == ticks(sound.samples, 1024)
    decodes_without_a_word(path)
    assert numbers_seen(path) == [(n * coded.FRAME_TICKS, n) for n in range(50)]


def test_with_the_encoders_delay_as_shift_no_composition_offset_is_negative() -> None:
    """FFmpeg would show the whole track late by the largest negative one (mp4.md, players)."""
    assert min(s.offset for s in coded.video(50, 2).samples) >= 0
    assert min(s.offset for s in coded.video(50, 2, 1).samples) == 0
    assert min(s.offset for s in coded.video(50, 2, 0).samples) < 0


def test_the_priming_is_cut_exactly_once_and_the_sound_is_where_it_was(tmp_path: Path) -> None:
    video, sound = coded.video(), coded.sound()
    heard = heard_from_zero(saved(tmp_path / "all.mp4", init_of(video, sound), *both_tracks(video, sound)))
    assert len(heard) == (len(sound.samples) - 1) * 1024
    assert lag_of(heard[10_000:40_000], 10_000) == 0


def lag_of(heard: np.ndarray[Any, np.dtype[np.float32]], at: int) -> int:
    """By how many samples ``heard`` is late against the chirp from ``at`` on."""
    wave = coded.chirp(200_000)
    return max(range(-1200, 1200), key=lambda late: float(np.dot(heard, wave[at - late : at - late + len(heard)])))


def test_the_init_and_a_middle_run_of_fragments_play_alone_at_their_own_time(tmp_path: Path) -> None:
    video, sound = coded.video(50, 2), coded.sound()
    parts = both_tracks(video, sound)
    path = saved(tmp_path / "middle.mp4", init_of(video, sound), *parts[5:])
    seen = demuxed(path)
    assert seen["video"] == ticks(video.samples, video.config.shift_ticks)[25:]
    skipped = sum(len(run.datas) for run in list(coded.in_pieces(sound, 2, 9600))[:5])
    assert seen["audio"] == ticks(sound.samples, 1024)[skipped:]
    decodes_without_a_word(path)
    assert numbers_seen(path) == [(n * coded.FRAME_TICKS, n) for n in range(25, 50)]
    with av.open(str(path)) as container:
        frames = [frame for frame in container.decode(audio=0) if (frame.pts or 0) >= skipped * 1024]
    late = [lag_of(frame.to_ndarray()[0], frame.pts or 0) for frame in frames[2:5]]
    assert late == [0, 0, 0]


def test_a_camera_whose_clock_wavers_keeps_every_start_and_duration(tmp_path: Path) -> None:
    steady = coded.video(50, 2)
    wavering = tuple(
        Sample(s.data, coded.FRAME_TICKS + (-14, 3, 0, 11)[n % 4], s.key, s.offset)
        for n, s in enumerate(steady.samples)
    )
    video = coded.Coded(steady.config, wavering)
    path = saved(tmp_path / "wavers.mp4", init_of(video, None), *coded.fragments(coded.in_pieces(video, 1, 18_000)))
    assert demuxed(path)["video"] == ticks(wavering, video.config.shift_ticks)
    decodes_without_a_word(path)


@pytest.mark.parametrize("first", [1 << 33, 90_000 * 3600 * 24], ids=["beyond 32 bits", "a day in"])
def test_a_late_segment_starts_at_its_time_and_not_at_zero(first: int, tmp_path: Path) -> None:
    video, sound = coded.video(50, 2), coded.sound()
    start_s = first // 90_000
    parts = coded.fragments(
        coded.in_pieces(video, 1, 18_000, start_s * 90_000), coded.in_pieces(sound, 2, 9600, start_s * 48_000)
    )
    seen = demuxed(saved(tmp_path / "late.mp4", init_of(video, sound), *parts))
    assert seen["video"] == ticks(video.samples, video.config.shift_ticks, start_s * 90_000)
    assert seen["audio"] == ticks(sound.samples, 1024, start_s * 48_000)


def test_two_segments_joined_without_the_second_init_are_the_one_file(tmp_path: Path) -> None:
    video, sound = coded.video(), coded.sound()
    init, parts = init_of(video, sound), both_tracks(video, sound)
    first, second = init + b"".join(parts[:5]), init + b"".join(parts[5:])
    view = parse_segment(second)
    joined = saved(tmp_path / "joined.mp4", first, second[view.init_length : view.end])
    assert joined.read_bytes() == init + b"".join(parts)
    assert [part.sequence for part in parse_segment(joined.read_bytes()).fragments] == list(range(1, len(parts) + 1))
    assert numbers_seen(joined) == [(n * coded.FRAME_TICKS, n) for n in range(50)]


def test_changed_parameter_sets_make_a_second_init_and_both_files_decode(tmp_path: Path) -> None:
    small, large = coded.video(25), coded.video(25, height=240)
    assert init_of(small, None) != init_of(large, None)
    for number, video in enumerate((small, large)):
        parts = coded.fragments(coded.in_pieces(video, 1, 18_000, number * 90_000))
        path = saved(tmp_path / f"{number}.mp4", init_of(video, None), *parts)
        decodes_without_a_word(path)
        assert demuxed(path)["video"] == ticks(video.samples, 0, number * 90_000)
        assert numbers_seen(path) == [(number * 90_000 + n * coded.FRAME_TICKS, n) for n in range(25)]


def test_sound_alone_is_a_file_too(tmp_path: Path) -> None:
    sound = coded.sound()
    parts = coded.fragments(coded.in_pieces(sound, 2, 19_200))
    path = saved(tmp_path / "sound.mp4", init_of(None, sound), *(part + free_box(padding_for(0x100)) for part in parts))
    assert demuxed(path) == {"video": [], "audio": ticks(sound.samples, 1024)}
    decodes_without_a_word(path)
    assert lag_of(heard_from_zero(path)[10_000:40_000], 10_000) == 0


def test_a_sound_clock_that_is_off_changes_durations_and_leaves_no_hole(tmp_path: Path) -> None:
    sound = coded.sound(94, (1024, 1025, 1023, 1025, 1024))
    parts = coded.fragments(coded.in_pieces(sound, 2, 9600))
    path = saved(tmp_path / "drift.mp4", init_of(None, sound), *parts)
    seen = demuxed(path)["audio"]
    assert seen == ticks(sound.samples, 1024)
    assert all(later.dts == earlier.dts + earlier.duration for earlier, later in pairwise(seen))
    decodes_without_a_word(path)


def test_an_interruption_inside_a_fragment_is_two_runs_and_keeps_both_times(tmp_path: Path) -> None:
    video = coded.video()
    before, after = list(coded.in_pieces(video, 1, 90_000))
    after.tick += 36_000
    path = saved(tmp_path / "interrupted.mp4", init_of(video, None), fragment(1, [before, after]))
    assert demuxed(path)["video"] == ticks(video.samples[:25], 0) + ticks(video.samples[25:], 0, 126_000)
    decodes_without_a_word(path)


def test_positions_and_padding_do_not_disturb_a_player(tmp_path: Path) -> None:
    video = coded.video()
    parts = [
        fragment(n + 1, [run], [PositionFix(n * 200, 311_234_567, 1_214_567_890, 2500, "gnss")])
        for n, run in enumerate(coded.in_pieces(video, 1, 18_000))
    ]
    path = saved(tmp_path / "fixes.mp4", init_of(video, None), *(p + free_box(8) + free_box(70_000) for p in parts))
    assert demuxed(path)["video"] == ticks(video.samples, 0)
    decodes_without_a_word(path)
    view = parse_segment(path.read_bytes())
    assert [fix.presentation_ms for part in view.fragments for fix in part.fixes] == list(range(0, 2000, 200))
    assert {part.padding for part in view.fragments} == {70_008}


def test_a_file_that_begins_without_a_key_frame_decodes_from_its_first_one(tmp_path: Path) -> None:
    video = coded.video()
    parts = coded.fragments(coded.in_pieces(video, 1, 18_000))
    path = saved(tmp_path / "after_error.mp4", init_of(video, None), *parts[2:])
    seen = demuxed(path)["video"]
    assert seen == ticks(video.samples, 0)[10:]
    assert [packet.key for packet in seen].index(True) == 15
    assert numbers_seen(path)[-25:] == [(n * coded.FRAME_TICKS, n) for n in range(25, 50)]
