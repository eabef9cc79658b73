"""Fragmented MP4 (ISO/IEC 14496-12, CMAF-like): init segment and fragments, written and read back.

Written here because every ready muxer loses time at a cut or waits on a sparse track. Rules kept (see mp4.md):
track time is 64-bit and explicit, so the start of a run is the previous start plus its durations; the edit list
takes ``shift_ticks`` off once (AAC priming, reordering of frames); a position fix stands before its fragment in
an ``emsg`` box; a ``free`` box of zeros stands only after an ``mdat``. There is one layout: the reader refuses
whatever the writer would not have written, so nothing can hide between boxes. A file that was cut is no hostile
file: the reader gives every whole fragment and says where the rest begins.

Left to others: the ticks themselves (the recorder), whether runs tile (the verifier), hashes and encryption.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, NoReturn

import msgspec

from agent.evidence import aac, canonical, h264
from agent.evidence.errors import EvidenceError

VIDEO_TRACK, SOUND_TRACK = 1, 2
VIDEO_TIMESCALE = 90_000
MOVIE_TIMESCALE = 1000
CHUNK_BYTES = 65_536
"""Plaintext bytes of one age chunk, to which padding fills."""
SCHEME = b"urn:liuhen:position:1"
MAX_FIX_BYTES = 1024
MAX_SOURCE_LETTERS = 64
MAX_INIT_BYTES = 1 << 21
MAX_LAT_E7, MAX_LON_E7 = 900_000_000, 1_800_000_000

_KEY, _NON_KEY = 0x0200_0000, 0x0101_0000
"""sample_depends_on = 2; sample_depends_on = 1 and sample_is_non_sync_sample."""
_NON_SYNC_BIT = 0x0001_0000
_DEFAULT_FLAGS = {VIDEO_TRACK: _NON_KEY, SOUND_TRACK: _KEY}

_BOX = struct.Struct(">I4s")
_MOOF = struct.Struct(">I4s I4sII")
_TRAF = struct.Struct(">I4s I4sII I4sIQ I4sIIi")
_EMSG = struct.Struct(">I4sI")
_EMSG_TIMES = struct.Struct(">IQII")
_EMSG_HEAD_BYTES = _EMSG.size + _EMSG_TIMES.size + len(SCHEME) + 2
_TFHD = (16, b"tfhd", 0x02_0000)
"""default-base-is-moof, nothing else."""
_TFDT = (20, b"tfdt", 0x0100_0000)
_TRUN_BASE = 0x301
"""data offset, sample durations, sample sizes."""
_TRUN_FIRST_FLAGS, _TRUN_FLAGS, _TRUN_OFFSETS = 0x4, 0x400, 0x0100_0800
_KEY_WORD = _KEY.to_bytes(4, "big")
_ROW = struct.Struct(">II")
_ROW_OFFSETS = struct.Struct(">IIi")
_ROW_ALL = struct.Struct(">IIIi")
"""Rows of a trun's table: duration, size, flags where each sample has them, composition offset."""
_TRUN_AT = 8 + 16 + 20
"""Where a traf's trun begins."""


class Mp4Error(EvidenceError):
    """Fragmented MP4 that cannot be written or read."""


class Mp4Unwritable(Mp4Error):
    """What was asked for has no place in a fragment: a number out of range, an empty run."""


class Mp4Malformed(Mp4Error):
    """Bytes that our writer would never have written, at ``offset``."""

    def __init__(self, offset: int, text: str) -> None:
        super().__init__(f"{text} (at byte {offset}); compare these bytes with their hash in the journal")
        self.offset = offset


# --- what goes in -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class VideoConfig:
    """How the video track is coded; sizes in pixels, ``shift_ticks`` in 1/90000 s."""

    sps: tuple[bytes, ...]
    pps: tuple[bytes, ...]
    width: int
    height: int
    shift_ticks: int = 0

    @property
    def codec(self) -> str:
        """RFC 6381 string, for instance ``avc1.42c01f``."""
        return f"avc1.{self.sps[0][1:4].hex()}"

    @property
    def timescale(self) -> int:
        """Ticks a second."""
        return VIDEO_TIMESCALE


@dataclass(frozen=True)
class SoundConfig:
    """How the sound track is coded; ``shift_ticks`` in samples."""

    asc: bytes
    rate: int = 48_000
    channels: int = 1
    shift_ticks: int = aac.PRIMING_SAMPLES

    @property
    def codec(self) -> str:
        """RFC 6381 string, for instance ``mp4a.40.2``."""
        return f"mp4a.40.{self.asc[0] >> 3}"

    @property
    def timescale(self) -> int:
        """Ticks a second."""
        return self.rate


class Run(msgspec.Struct):
    """Samples of one track without a gap, in columns; the first at decode time ``tick``, times in ticks."""

    track_id: int
    tick: int
    durations: Sequence[int]
    keys: Sequence[bool]
    offsets: Sequence[int]
    """Composition offsets: presentation minus decode time, before the edit list."""
    datas: Sequence[bytes]
    """Frames of video (NAL units with lengths of 4 bytes) or packets of sound."""


@dataclass(frozen=True, slots=True)
class PositionFix:
    """Where the device was; ``presentation_ms`` counts from the session's start, after the edit list."""

    presentation_ms: int
    lat_e7: int
    lon_e7: int
    accuracy_mm: int
    source: str
    utc_us: int | None = None


# --- writing: boxes -----------------------------------------------------------------------------------


def _box(kind: bytes, *body: bytes) -> bytes:
    content = b"".join(body)
    return _BOX.pack(8 + len(content), kind) + content


def _full(kind: bytes, version: int, flags: int, *body: bytes) -> bytes:
    return _box(kind, (version << 24 | flags).to_bytes(4, "big"), *body)


def _words(*numbers: int) -> bytes:
    return struct.pack(f">{len(numbers)}I", *numbers)


def free_box(length: int) -> bytes:
    """A ``free`` box of ``length`` bytes, at least 8, header included, filled with zeros."""
    if not 8 <= length < 1 << 32:
        raise Mp4Unwritable(f"a free box of {length} bytes is impossible; its header alone has 8")
    return _BOX.pack(length, b"free") + bytes(length - 8)


def padding_for(offset: int, chunk: int = CHUNK_BYTES) -> int:
    """Bytes of ``free`` box from ``offset`` to a chunk boundary: 0 on one, else at least 8."""
    gap = -offset % chunk
    return gap if gap == 0 or gap >= 8 else gap + chunk


# --- writing: the init segment ------------------------------------------------------------------------

_MATRIX = _words(0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x4000_0000)


def init_segment(video: VideoConfig | None, sound: SoundConfig | None) -> bytes:
    """``ftyp`` and ``moov`` of a file with video, sound or both."""
    if video is None and sound is None:
        raise Mp4Unwritable("an init segment needs a track; give it video, sound or both")
    try:
        traks = [_video_trak(video)] if video else []
        traks += [_sound_trak(sound)] if sound else []
        present = [track for track, config in ((VIDEO_TRACK, video), (SOUND_TRACK, sound)) if config]
        trexes = [_full(b"trex", 0, 0, _words(track, 1, 0, 0, _DEFAULT_FLAGS[track])) for track in present]
        moov = _box(b"moov", _movie_header(max(present) + 1), *traks, _box(b"mvex", *trexes))
    except (struct.error, OverflowError, ValueError) as error:
        raise Mp4Unwritable(f"a number does not fit the init segment ({error}); check sizes, rate and shift") from error
    brands = b"iso6isommp41" if len(present) > 1 else b"iso6isommp41cmfc"
    return _box(b"ftyp", b"iso6", _words(0), brands) + moov


def _movie_header(next_track: int) -> bytes:
    rate_and_volume = _words(0x10000) + b"\x01\0" + bytes(10)
    return _full(
        b"mvhd", 0, 0, _words(0, 0, MOVIE_TIMESCALE, 0), rate_and_volume, _MATRIX, bytes(24), _words(next_track)
    )


def _video_trak(video: VideoConfig) -> bytes:
    size = struct.pack(">HH", video.width, video.height)
    entry = _box(
        b"avc1",
        *(bytes(6), b"\0\1", bytes(16), size, _words(0x48_0000, 0x48_0000, 0), b"\0\1", bytes(32), b"\0\x18\xff\xff"),
        _box(b"avcC", h264.avcc_record(video.sps, video.pps)),
    )
    media_header = _full(b"vmhd", 0, 1, bytes(8))
    shown = _words(video.width << 16, video.height << 16)
    return _trak(VIDEO_TRACK, VIDEO_TIMESCALE, video.shift_ticks, b"vide", media_header, entry, bytes(4), shown)


def _sound_trak(sound: SoundConfig) -> bytes:
    entry = _box(
        b"mp4a",
        *(bytes(6), b"\0\1", bytes(8), struct.pack(">HHI", sound.channels, 16, 0)),
        *((sound.rate << 16 if sound.rate < 1 << 16 else 0).to_bytes(4, "big"), _esds(sound.asc)),
    )
    media_header = _full(b"smhd", 0, 0, bytes(4))
    volume = b"\x01\0\0\0"
    return _trak(SOUND_TRACK, sound.rate, sound.shift_ticks, b"soun", media_header, entry, volume, bytes(8))


def _esds(asc: bytes) -> bytes:
    """Elementary stream descriptor (ISO/IEC 14496-1) of AAC; every length fits one byte."""
    if not 2 <= len(asc) <= aac.MAX_ASC_BYTES:
        raise Mp4Unwritable(f"an AudioSpecificConfig of {len(asc)} bytes; take it from the encoder")
    decoder = b"\x40\x15" + bytes(11) + bytes((5, len(asc))) + asc
    stream = bytes(3) + bytes((4, len(decoder))) + decoder + b"\x06\x01\x02"
    return _full(b"esds", 0, 0, bytes((3, len(stream))), stream)


def _trak(
    track: int, timescale: int, shift: int, handler: bytes, header: bytes, entry: bytes, volume: bytes, size: bytes
) -> bytes:
    tkhd = _full(b"tkhd", 0, 3, _words(0, 0, track, 0, 0), bytes(12), volume, _MATRIX, size)
    elst = _full(b"elst", 1, 0, struct.pack(">IQqI", 1, 0, shift, 0x10000))
    mdhd = _full(b"mdhd", 0, 0, _words(0, 0, timescale, 0), b"\x55\xc4\0\0")
    hdlr = _full(b"hdlr", 0, 0, bytes(4), handler, bytes(12), b"liuhen\0")
    dinf = _box(b"dinf", _full(b"dref", 0, 0, _words(1), _full(b"url ", 0, 1)))
    empty = [_full(kind, 0, 0, bytes(4)) for kind in (b"stts", b"stsc")]
    empty += [_full(b"stsz", 0, 0, bytes(8)), _full(b"stco", 0, 0, bytes(4))]
    stbl = _box(b"stbl", _full(b"stsd", 0, 0, _words(1), entry), *empty)
    mdia = _box(b"mdia", mdhd, hdlr, _box(b"minf", header, dinf, stbl))
    return _box(b"trak", tkhd, _box(b"edts", elst), mdia)


# --- writing: fragments (hot path: five times a second, for hours) ----------------------------------------


def fragment(sequence: int, runs: Sequence[Run], fixes: Sequence[PositionFix] = ()) -> bytes:
    """The bytes of ``fragment_parts``."""
    return b"".join(fragment_parts(sequence, runs, fixes))


def fragment_parts(sequence: int, runs: Sequence[Run], fixes: Sequence[PositionFix] = ()) -> list[bytes]:
    """``emsg`` boxes, one ``moof`` with all runs, one ``mdat`` with their samples in the same order, in parts.

    The samples' bytes are not copied: what is joined once, where it is sealed, need not be joined here.

    Raises Mp4Unwritable for an empty run or a number out of range; nothing is rounded or wrapped.
    """
    if not runs:
        raise Mp4Unwritable("a fragment without a run of samples; keep its fixes for the next one")
    try:
        tables = [_sample_table(run, list(map(len, run.datas))) for run in runs]
        moof_bytes = _MOOF.size + sum([_TRAF.size + len(table) for _, table, _ in tables])
        parts = [_emsg(fix) for fix in fixes]
        parts.append(_MOOF.pack(moof_bytes, b"moof", 16, b"mfhd", 0, sequence))
        data_offset = moof_bytes + 8
        for run, (flags, table, data_bytes) in zip(runs, tables, strict=True):
            size = _TRAF.size + len(table)
            trun = (size - _TRUN_AT, b"trun", flags, len(run.datas), data_offset)
            parts += (_TRAF.pack(size, b"traf", *_TFHD, run.track_id, *_TFDT, run.tick, *trun), table)
            data_offset += data_bytes
        parts.append(_BOX.pack(data_offset - moof_bytes, b"mdat"))
        for run in runs:
            parts += run.datas
    except struct.error as error:
        raise Mp4Unwritable(f"a number does not fit fragment {sequence} ({error}); check ticks and durations") from None
    return parts


def _sample_table(run: Run, sizes: Sequence[int]) -> tuple[int, bytes, int]:
    """Version and flags of the run's ``trun``, its bytes behind the data offset, and how long its data are."""
    default, keys = _DEFAULT_FLAGS.get(run.track_id), run.keys
    if default is None or not keys:
        raise Mp4Unwritable(f"a run of track {run.track_id} with {len(keys)} samples; tracks are 1 and 2, not empty")
    flags, row, first = _TRUN_BASE, _ROW, b""
    columns = [run.durations, sizes]
    each_flags = True in keys[1:] if run.track_id == VIDEO_TRACK else False in keys
    if each_flags:
        flags, row = flags | _TRUN_FLAGS | _TRUN_OFFSETS, _ROW_ALL
        columns += [[_KEY if key else _NON_KEY for key in keys], run.offsets]
    else:
        if default == _NON_KEY and keys[0]:
            flags, first = flags | _TRUN_FIRST_FLAGS, _KEY_WORD
        if any(run.offsets):
            flags, row = flags | _TRUN_OFFSETS, _ROW_OFFSETS
            columns.append(run.offsets)
    return flags, first + _rows(columns, row), sum(sizes)


def _rows(columns: Sequence[Sequence[int]], row: struct.Struct) -> bytes:
    """A ``trun``'s table, packed at once."""
    width, count = len(columns), len(columns[0])
    numbers = [0] * (width * count)
    for at, column in enumerate(columns):
        numbers[at::width] = column
    return _table(row, count).pack(*numbers)


@lru_cache(maxsize=256)
def _table(row: struct.Struct, rows: int) -> struct.Struct:
    """So many rows; a recorder's fragments have few different lengths."""
    return struct.Struct(">" + row.format[1:] * rows)


class _Position(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The payload of a position's ``emsg``, canonical JSON."""

    lat_e7: int
    lon_e7: int
    accuracy_mm: int
    source: str
    utc_us: int | None = None


def _fix_problem(fix: PositionFix) -> str:
    if not 0 <= fix.presentation_ms <= canonical.MAX_INT:
        return f"presentation_ms {fix.presentation_ms}"
    if abs(fix.lat_e7) > MAX_LAT_E7 or abs(fix.lon_e7) > MAX_LON_E7:
        return f"lat_e7 {fix.lat_e7}, lon_e7 {fix.lon_e7}"
    if not 0 <= fix.accuracy_mm <= canonical.MAX_INT or abs(fix.utc_us or 0) > canonical.MAX_INT:
        return f"accuracy_mm {fix.accuracy_mm}, utc_us {fix.utc_us}"
    return "" if len(fix.source) <= MAX_SOURCE_LETTERS else f"a source of {len(fix.source)} letters"


def check_fix(fix: PositionFix) -> None:
    """Raises Mp4Unwritable for a fix that no fragment can carry, so that none comes into one."""
    _emsg(fix)


def _emsg(fix: PositionFix) -> bytes:
    """Event message, version 1; its id is the time in ms, since equal ids would mean the same event."""
    if problem := _fix_problem(fix):
        raise Mp4Unwritable(f"a position fix with {problem} is out of range; check the position driver")
    try:
        payload = canonical.encode(_Position(fix.lat_e7, fix.lon_e7, fix.accuracy_mm, fix.source, fix.utc_us))
    except canonical.NotCanonical as error:
        raise Mp4Unwritable(f"a position fix with source {fix.source!r}: {error}") from None
    times = _EMSG_TIMES.pack(MOVIE_TIMESCALE, fix.presentation_ms, 0, fix.presentation_ms & 0xFFFF_FFFF)
    return _full(b"emsg", 1, 0, times, SCHEME, b"\0\0", payload)


# --- reading ------------------------------------------------------------------------------------------


class Box(NamedTuple):
    """A box: where it, its body and the next box begin."""

    kind: bytes
    offset: int
    body: int
    end: int


class SampleView(NamedTuple):
    """One sample as its ``trun`` tells it; bytes and ticks."""

    size: int
    duration: int
    key: bool
    offset: int


class RunView(NamedTuple):
    """One run of a fragment."""

    track_id: int
    tick: int
    samples: list[SampleView]
    data_offset: int
    """Where the first sample's bytes begin in the file."""

    @property
    def end_tick(self) -> int:
        """Decode time after the last sample."""
        return self.tick + sum(sample.duration for sample in self.samples)


class TrackView(NamedTuple):
    """One track of an init segment; ``config`` has codec, timescale and shift_ticks."""

    track_id: int
    config: VideoConfig | SoundConfig


class FragmentView(NamedTuple):
    """One fragment: all bytes from ``offset`` to ``end``, padding included."""

    offset: int
    end: int
    sequence: int
    runs: list[RunView]
    fixes: list[PositionFix]
    padding: int
    """Bytes of ``free`` boxes before ``end``."""


class SegmentView(NamedTuple):
    """A segment file as far as it is whole; ``problem`` is empty where that is all of it."""

    init_length: int
    tracks: dict[int, TrackView]
    fragments: list[FragmentView]
    end: int
    """After the last whole fragment and its whole padding: cut here before joining."""
    problem: str


class _Cut(Exception):
    """The data end inside a box; ``args`` tell where."""


def _malformed(offset: int, text: str) -> NoReturn:
    raise Mp4Malformed(offset, text)


def parse_boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """The boxes between two offsets, which they must fill; sizes of 32 bits only."""
    end = len(data) if end is None else end
    while start < end:
        if end - start < 8:
            _malformed(start, f"{end - start} bytes where a box should begin")
        size, kind = _BOX.unpack_from(data, start)
        if size < 8 or start + size > end:
            _malformed(start, f"the box {_name(kind)} claims {size} bytes, {end - start} are there")
        yield Box(kind, start, start + 8, start + size)
        start += size


def parse_init(data: bytes) -> tuple[int, dict[int, TrackView]]:
    """Length and tracks of the init segment at the beginning of ``data``; it must be one that we would write."""
    try:
        return _parse_init(data)
    except _Cut as cut:
        raise Mp4Malformed(len(data), str(cut)) from None


def parse_segment(data: bytes) -> SegmentView:
    """Read a segment file: init, fragments, padding.

    Data that end inside a box give everything before it and a ``problem``. Raises Mp4Malformed, and nothing
    else, for bytes that our writer would not have written.
    """
    try:
        init_length, tracks = _parse_init(data)
    except _Cut as cut:
        return SegmentView(0, {}, [], 0, str(cut))
    fragments, end, problem = parse_fragments(data, tracks, init_length)
    return SegmentView(init_length, tracks, fragments, end, problem)


def parse_fragments(
    data: bytes, tracks: Mapping[int, TrackView], start: int = 0
) -> tuple[list[FragmentView], int, str]:
    """Fragments from ``start`` on, as ``parse_segment`` gives them: fragments, end of what is whole, problem.

    A ``free`` box at ``start`` must be all that follows (a segment's last bytes).
    """
    fragments: list[FragmentView] = []
    at, length = start, len(data)
    try:
        if data[at + 4 : at + 8] == b"free":
            return [], _closing_free(data, at), ""
        while at < length:
            fragments.append(_parse_fragment(data, at, tracks))
            at = fragments[-1].end
            while data[at + 4 : at + 8] == b"free":
                box = _free(data, at)
                at = box.end
                last = fragments[-1]
                fragments[-1] = last._replace(end=at, padding=last.padding + at - box.offset)
    except _Cut as cut:
        return fragments, at, str(cut)
    return fragments, at, ""


def _name(kind: bytes) -> str:
    return repr(kind.decode("latin-1"))


def _top_box(data: bytes, at: int, allowed: tuple[bytes, ...]) -> Box:
    """The box at ``at`` of a file; _Cut if its end is not there."""
    have = len(data) - at
    if have < 8:
        raise _Cut(f"the data end {have} bytes into the header of a box at byte {at}")
    size, kind = _BOX.unpack_from(data, at)
    if kind not in allowed:
        _malformed(at, f"a box {_name(kind)} where only {', '.join(map(_name, allowed))} may stand")
    if size < 8:
        _malformed(at, f"the box {_name(kind)} claims {size} bytes, less than its header")
    if size > have:
        raise _Cut(f"the data end inside the box {_name(kind)} at byte {at}: {have} of its {size} bytes are there")
    return Box(kind, at, at + 8, at + size)


def _closing_free(data: bytes, at: int) -> int:
    """A segment that was closed without a fragment: nothing may follow its padding."""
    box = _free(data, at)
    if box.end != len(data):
        _malformed(at, "a free box that stands neither after an mdat nor at the end")
    return box.end


def _free(data: bytes, at: int) -> Box:
    box = _top_box(data, at, (b"free",))
    if data.count(0, box.body, box.end) != box.end - box.body:
        _malformed(at, "a free box that is not filled with zeros")
    return box


def _parse_fragment(data: bytes, start: int, tracks: Mapping[int, TrackView]) -> FragmentView:
    fixes: list[PositionFix] = []
    moof = _top_box(data, start, (b"moof", b"emsg"))
    while moof.kind == b"emsg":
        fixes.append(_parse_emsg(data, moof))
        moof = _top_box(data, moof.end, (b"moof", b"emsg"))
    sequence, runs, payload = _parse_moof(data, moof, tracks)
    mdat = _top_box(data, moof.end, (b"mdat",))
    if mdat.end - mdat.body != payload:
        _malformed(mdat.offset, f"the samples have {payload} bytes, the mdat {mdat.end - mdat.body}")
    return FragmentView(start, mdat.end, sequence, runs, fixes, 0)


def _parse_moof(data: bytes, moof: Box, tracks: Mapping[int, TrackView]) -> tuple[int, list[RunView], int]:
    """Sequence number, runs and the number of payload bytes that they claim."""
    if moof.end - moof.offset < _MOOF.size + _TRAF.size:
        _malformed(moof.offset, "a moof too short for a run of samples")
    _, _, *mfhd, sequence = _MOOF.unpack_from(data, moof.offset)
    if mfhd != [16, b"mfhd", 0]:
        _malformed(moof.body, "no mfhd of 16 bytes at the beginning of the moof")
    at, data_at = moof.offset + _MOOF.size, moof.end + 8
    runs: list[RunView] = []
    while at < moof.end:
        run, at, size = _parse_traf(data, at, moof, data_at, tracks)
        runs.append(run)
        data_at += size
    return sequence, runs, data_at - moof.end - 8


def _parse_traf(
    data: bytes, at: int, moof: Box, data_at: int, tracks: Mapping[int, TrackView]
) -> tuple[RunView, int, int]:
    """One run, where the next one begins, and the bytes of its samples."""
    if moof.end - at < _TRAF.size:
        _malformed(at, f"{moof.end - at} bytes where a traf should begin")
    size, kind, *head, trun_size, trun, flags, count, data_offset = _TRAF.unpack_from(data, at)
    tfhd, track, tfdt, tick = tuple(head[:3]), head[3], tuple(head[4:7]), head[7]
    if kind != b"traf" or tfhd != _TFHD or tfdt != _TFDT or trun != b"trun" or trun_size != size - _TRUN_AT:
        _malformed(at, "a traf that is not laid out as tfhd, tfdt, trun")
    if track not in tracks:
        _malformed(at, f"a run of track {track}, which the init segment does not have")
    layout = _LAYOUTS.get(flags)
    if layout is None:
        _malformed(at + _TRUN_AT, f"a trun with version and flags {flags:08x}")
    row, first_bytes = layout
    table = at + _TRAF.size + first_bytes
    if count < 1 or table + count * row.size != at + size or at + size > moof.end:
        _malformed(at + _TRUN_AT, f"a trun of {trun_size} bytes cannot hold {count} samples")
    if data_offset != data_at - moof.offset:
        _malformed(at + _TRUN_AT, f"the run's data are said to be at {data_offset}, not {data_at - moof.offset}")
    samples = _parse_samples(data, table, at + size, track, flags)
    return RunView(track, tick, samples, data_at), at + size, sum(sample.size for sample in samples)


_LAYOUTS = {
    _TRUN_BASE: (_ROW, 0),
    _TRUN_BASE | _TRUN_FIRST_FLAGS: (_ROW, 4),
    _TRUN_BASE | _TRUN_OFFSETS: (_ROW_OFFSETS, 0),
    _TRUN_BASE | _TRUN_FIRST_FLAGS | _TRUN_OFFSETS: (_ROW_OFFSETS, 4),
    _TRUN_BASE | _TRUN_FLAGS | _TRUN_OFFSETS: (_ROW_ALL, 0),
}
"""Version and flags of every trun that we write: a row's shape, bytes of first-sample flags."""


def _parse_samples(data: bytes, table: int, end: int, track: int, flags: int) -> list[SampleView]:
    default = track != VIDEO_TRACK
    rows = memoryview(data)[table:end]
    if flags & _TRUN_FLAGS:
        samples = _samples_with_flags(rows, table, default)
    elif flags & _TRUN_OFFSETS == _TRUN_OFFSETS:
        samples = [SampleView(size, ticks, default, shift) for ticks, size, shift in _ROW_OFFSETS.iter_unpack(rows)]
        if not any(sample.offset for sample in samples):
            _malformed(table, "composition offsets that are all zero")
    else:
        samples = [SampleView(size, ticks, default, 0) for ticks, size in _ROW.iter_unpack(rows)]
    if flags & _TRUN_FIRST_FLAGS:
        if default or data[table - 4 : table] != _KEY_WORD:
            _malformed(table - 4, "flags of a first sample that are not those of a key frame of video")
        samples[0] = samples[0]._replace(key=True)
    return samples


def _samples_with_flags(rows: memoryview, table: int, default: bool) -> list[SampleView]:
    """Samples with flags each: only where a key frame stands behind the first, or sound is none."""
    samples = []
    for ticks, size, mark, shift in _ROW_ALL.iter_unpack(rows):
        if mark not in (_KEY, _NON_KEY):
            _malformed(table, f"a sample with flags {mark:08x}")
        samples.append(SampleView(size, ticks, mark == _KEY, shift))
    keys = [sample.key for sample in samples]
    if all(keys) if default else True not in keys[1:]:
        _malformed(table, "flags for each sample where none are needed")
    return samples


def _parse_emsg(data: bytes, box: Box) -> PositionFix:
    if not _EMSG_HEAD_BYTES < box.end - box.offset <= _EMSG_HEAD_BYTES + MAX_FIX_BYTES:
        _malformed(box.offset, "an emsg of a length that no position fix has")
    _, presentation_ms, _, _ = _EMSG_TIMES.unpack_from(data, box.offset + _EMSG.size)
    raw = bytes(data[box.offset + _EMSG_HEAD_BYTES : box.end])
    try:
        payload = _POSITION.decode(raw)
        fix = PositionFix(presentation_ms, *(getattr(payload, name) for name in _Position.__struct_fields__))
        if _emsg(fix) != data[box.offset : box.end]:
            _malformed(box.offset, "an emsg that is not in canonical form")
    except (msgspec.DecodeError, UnicodeDecodeError, Mp4Unwritable) as error:
        raise Mp4Malformed(box.offset, f"an emsg that holds no position fix: {error}") from None
    return fix


_POSITION = msgspec.json.Decoder(_Position)


# --- reading: the init segment --------------------------------------------------------------------------


def _parse_init(data: bytes) -> tuple[int, dict[int, TrackView]]:
    ftyp = _top_box(data, 0, (b"ftyp",))
    moov = _top_box(data, ftyp.end, (b"moov",))
    if moov.end > MAX_INIT_BYTES:
        _malformed(0, f"an init segment of {moov.end} bytes")
    return moov.end, dict(_init_tracks(bytes(data[: moov.end]), moov.offset))


@lru_cache(maxsize=8)
def _init_tracks(init: bytes, moov_at: int) -> dict[int, TrackView]:
    """Tracks of a whole init segment: what is read must give the same bytes when written again."""
    video, sound = None, None
    for trak in parse_boxes(init, moov_at + 8):
        if trak.kind == b"trak":
            config = _track_config(init, trak)
            video, sound = (config, sound) if isinstance(config, VideoConfig) else (video, config)
    try:
        again = init_segment(video, sound)
    except EvidenceError as error:
        raise Mp4Malformed(moov_at, f"an init segment that nobody could have written: {error}") from None
    if again != init:
        at = next(
            (at for at, (ours, theirs) in enumerate(zip(again, init, strict=False)) if ours != theirs), len(again)
        )
        _malformed(at, "an init segment that differs from the one that its own tracks would give")
    configs = ((VIDEO_TRACK, video), (SOUND_TRACK, sound))
    return {track: TrackView(track, config) for track, config in configs if config is not None}


def _child(init: bytes, parent: Box, path: tuple[bytes, ...], skip: int = 0) -> Box:
    for kind in path:
        start = parent.body + skip
        found = next((box for box in parse_boxes(init, start, parent.end) if box.kind == kind), None)
        if found is None:
            _malformed(parent.offset, f"a box {_name(parent.kind)} without {_name(kind)}")
        parent = found
    return parent


def _track_config(init: bytes, trak: Box) -> VideoConfig | SoundConfig:
    """The track's configuration from where we would have put it; whether it was there, the comparison shows."""
    elst = _child(init, trak, (b"edts", b"elst"))
    shift = int.from_bytes(init[elst.body + 16 : elst.body + 24], "big")
    mdia = _child(init, trak, (b"mdia",))
    stsd = _child(init, mdia, (b"minf", b"stbl", b"stsd"))
    entry = next(parse_boxes(init, stsd.body + 8, stsd.end), None)
    if entry is None or entry.kind not in (b"avc1", b"mp4a"):
        _malformed(stsd.offset, "a track that is neither H.264 nor AAC")
    if entry.kind == b"avc1":
        return _video_config(init, entry, shift)
    mdhd = _child(init, mdia, (b"mdhd",))
    return _sound_config(init, entry, int.from_bytes(init[mdhd.body + 12 : mdhd.body + 16], "big"), shift)


def _video_config(init: bytes, entry: Box, shift: int) -> VideoConfig:
    avcc = _child(init, entry, (b"avcC",), skip=78)
    size = init[entry.body + 24 : entry.body + 28]
    try:
        sps, pps = h264.parse_avcc(init[avcc.body : avcc.end])
    except h264.H264Malformed as error:
        raise Mp4Malformed(avcc.offset, str(error)) from None
    return VideoConfig(sps, pps, int.from_bytes(size[:2], "big"), int.from_bytes(size[2:], "big"), shift)


def _sound_config(init: bytes, entry: Box, rate: int, shift: int) -> SoundConfig:
    esds = _child(init, entry, (b"esds",), skip=28)
    asc = init[esds.body + 26 : esds.end - 3]
    return SoundConfig(asc, rate, int.from_bytes(init[entry.body + 16 : entry.body + 18], "big"), shift)
