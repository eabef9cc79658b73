"""H.264 framing, parameter sets and the avcC record, with real encoders and with bytes meant to hurt."""

import io

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.evidence import h264
from agent.evidence.h264 import H264Malformed, SpsInfo
from agent.evidence.mp4 import VideoConfig
from tests.evidence import coded


def escaped(payload: bytes) -> bytes:
    """Emulation prevention (H.264, 7.4.1) and a last byte that is not zero, as any encoder writes."""
    out = bytearray(b"\x65")
    for byte in payload + b"\x80":
        if out[-2:] == b"\0\0" and byte <= 3:
            out.append(3)
        out.append(byte)
    return bytes(out)


payloads = st.binary(max_size=40) | st.lists(st.sampled_from([0, 1, 3]), max_size=30).map(bytes)
units = payloads.map(escaped)
codes = st.sampled_from([b"\0\0\1", b"\0\0\0\1"])
framed = st.lists(st.tuples(codes, units, st.integers(0, 5)), min_size=1, max_size=6)


@settings(deadline=None)
@given(framed)
def test_every_nal_unit_comes_out_as_it_went_in(parts: list[tuple[bytes, bytes, int]]) -> None:
    packet = b"".join(code + unit + bytes(zeros) for code, unit, zeros in parts)
    whole = [unit for _, unit, _ in parts]
    assert h264.split_annexb(packet) == whole
    assert h264.split_prefixed(h264.to_length_prefixed(packet)) == whole


def test_emulation_prevention_bytes_stay_where_they_are() -> None:
    unit = b"\x65\0\0\3\1\0\0\3\0\x80"
    assert h264.to_length_prefixed(b"\0\0\1" + unit) == b"\0\0\0\x0a" + unit


@pytest.mark.parametrize("data", [b"", b"\0\0", b"\x65\x88", b"\x01\0\0\1\x65\x88", b"\0\0\0\0", b"\0\0\1\0\0\1"])
def test_bytes_without_a_nal_unit_are_refused(data: bytes) -> None:
    with pytest.raises(H264Malformed):
        h264.to_length_prefixed(data)


@pytest.mark.parametrize("data", [b"\0\0", b"\0\0\0\0", b"\0\0\0\2a", b"\0\0\0\1a\0", b"\xff\xff\xff\xffabc"])
def test_lengths_that_do_not_fit_the_packet_are_refused(data: bytes) -> None:
    with pytest.raises(H264Malformed):
        h264.split_prefixed(data)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_no_packet_makes_the_framing_fail_in_another_way(data: bytes) -> None:
    for read in (h264.split_annexb, h264.to_length_prefixed, h264.split_prefixed, h264.parameter_sets):
        try:
            read(data)
        except H264Malformed:
            continue
    assert h264.is_key(data) in (True, False)
    assert h264.is_key(data, "avcc") in (True, False)


def test_a_key_frame_is_known_by_its_first_slice_in_both_framings() -> None:
    key = b"\0\0\0\1\x09\x10\0\0\1\x67abc\0\0\1\x68abc\0\0\1\x65slice"
    other = b"\0\0\0\1\x09\x10\0\0\1\x41slice\0\0\1\x65never"
    for packet, expected in ((key, True), (other, False)):
        assert h264.is_key(packet) is expected
        assert h264.is_key(h264.to_length_prefixed(packet), "avcc") is expected


def test_parameter_sets_are_found_once_each_in_both_framings() -> None:
    packet = b"\0\0\1\x67abc\0\0\1\x68de1\0\0\1\x67abc\0\0\1\x68de2\0\0\1\x65slice"
    expected = ((b"\x67abc",), (b"\x68de1", b"\x68de2"))
    assert h264.parameter_sets(packet) == expected
    assert h264.parameter_sets(h264.to_length_prefixed(packet), "avcc") == expected


# --- sequence parameter sets --------------------------------------------------------------------------


class Bits:
    """Writes a parameter set bit by bit."""

    def __init__(self) -> None:
        self.text = ""

    def u(self, count: int, value: int) -> "Bits":
        self.text += f"{value:0{count}b}"
        return self

    def ue(self, *values: int) -> "Bits":
        for value in values:
            digits = f"{value + 1:b}"
            self.text += "0" * (len(digits) - 1) + digits
        return self

    def se(self, *values: int) -> "Bits":
        return self.ue(*(2 * value - 1 if value > 0 else -2 * value for value in values))

    def sps(self, profile: int, level: int = 40) -> bytes:
        text = self.text + "1"
        text += "0" * (-len(text) % 8)
        return escaped_sps(bytes((profile, 0, level)) + int(text, 2).to_bytes(len(text) // 8, "big"))


def escaped_sps(body: bytes) -> bytes:
    return b"\x67" + escaped(body)[1:-1]


def test_sizes_of_real_encoders_are_read_with_cropping() -> None:
    assert h264.parse_sps(sps_of(180))[:2] == (320, 180)
    assert h264.parse_sps(sps_of(192))[:2] == (320, 192)
    assert h264.parse_sps(sps_of(180)).profile == 66


def sps_of(height: int) -> bytes:
    config = coded.video(frames=2, height=height).config
    assert isinstance(config, VideoConfig)
    return config.sps[0]


def test_1080_lines_are_1088_less_a_crop() -> None:
    bits = Bits().ue(0, 0, 2, 1).u(1, 0).ue(119, 67).u(1, 1).u(1, 1).u(1, 1).ue(0, 0, 0, 4).u(1, 0)
    assert h264.parse_sps(bits.sps(77)) == SpsInfo(1920, 1080, 77, 0, 40, 0, 1, 8, 8)


def test_fields_double_the_height_and_the_unit_of_the_crop() -> None:
    bits = Bits().ue(0, 0, 2, 1).u(1, 0).ue(119, 33).u(1, 0).u(1, 1).u(1, 1).u(1, 1).ue(0, 0, 0, 2).u(1, 0)
    assert h264.parse_sps(bits.sps(77))[:2] == (1920, 1080)


def test_scaling_lists_and_an_order_cycle_are_stepped_over() -> None:
    bits = Bits().ue(3, 1, 2, 2).u(1, 0).u(1, 1)
    bits.u(1, 1).se(*[1] * 16).u(1, 1).se(-8)
    for _ in range(4):
        bits.u(1, 0)
    bits.u(1, 1).se(*[0] * 64).u(1, 0)
    bits.ue(0, 1).u(1, 0).se(-3, 4).ue(2).se(5, -6).ue(4).u(1, 0).ue(19, 10).u(1, 1).u(1, 1).u(1, 0).u(1, 0)
    assert h264.parse_sps(bits.sps(110)) == SpsInfo(320, 176, 110, 0, 40, 3, 1, 10, 10)


@pytest.mark.parametrize(
    "bits",
    [
        Bits().ue(32),
        Bits().ue(0, 13),
        Bits().ue(0, 0, 3),
        Bits().ue(0, 0, 2, 17),
        Bits().ue(0, 0, 2, 1).u(1, 0).ue(100_000, 10),
        Bits().ue(0, 0, 2, 1).u(1, 0).ue(19, 10).u(1, 1).u(1, 1).u(1, 1).ue(80, 80, 0, 0),
        Bits().ue(0, 0, 1).u(1, 0).se(0, 0).ue(256),
        Bits().u(32, 0).u(32, 0).u(32, 0),
    ],
    ids=[
        "an id beyond 31",
        "a frame number of 17 bits",
        "an order type 3",
        "seventeen reference frames",
        "a picture of 1.6 million columns",
        "a crop that leaves nothing",
        "an order cycle of 256 frames",
        "an endless Exp-Golomb prefix",
    ],
)
def test_a_parameter_set_beyond_the_limits_is_refused(bits: Bits) -> None:
    with pytest.raises(H264Malformed):
        h264.parse_sps(bits.sps(66))


@settings(deadline=None)
@given(st.binary(max_size=80), st.sampled_from([66, 77, 100, 244, 0]))
def test_random_parameter_sets_give_a_size_or_a_named_error(body: bytes, profile: int) -> None:
    try:
        info = h264.parse_sps(bytes((0x67, profile, 0, 31)) + body)
    except H264Malformed:
        return
    assert 0 < info.width <= h264.MAX_SIDE_PIXELS
    assert 0 < info.height <= h264.MAX_SIDE_PIXELS


def test_a_parameter_set_cut_anywhere_before_its_size_is_refused() -> None:
    sps = Bits().ue(0, 0, 2, 1).u(1, 0).ue(119, 67).u(1, 1).u(1, 1).u(1, 1).ue(0, 0, 0, 4).sps(77)
    for length in range(len(sps) - 1):
        with pytest.raises(H264Malformed):
            h264.parse_sps(sps[:length])


# --- the avcC record ----------------------------------------------------------------------------------

HIGH = Bits().ue(0, 1, 0, 0).u(1, 0).u(1, 0).ue(0, 2, 1).u(1, 0).ue(19, 10).u(1, 1).u(1, 1).u(1, 0).u(1, 0).sps(100)
BASE = Bits().ue(0, 0, 2, 1).u(1, 0).ue(19, 10).u(1, 1).u(1, 1).u(1, 0).u(1, 0).sps(66)
PPS = b"\x68\xce\x3c\x80"


@pytest.mark.parametrize(("sps", "tail"), [(BASE, b""), (HIGH, b"\xfd\xf8\xf8\0")], ids=["baseline", "high"])
def test_the_record_of_real_sets_is_read_back(sps: bytes, tail: bytes) -> None:
    record = h264.avcc_record([sps, sps], [PPS])
    assert record[:6] == b"\x01" + sps[1:4] + b"\xff\xe2"
    assert record.endswith(PPS + tail)
    assert h264.parse_avcc(record) == ((sps, sps), (PPS,))


@pytest.mark.parametrize("profile", ["baseline", "high"])
def test_the_record_is_byte_for_byte_that_of_a_stock_muxer(profile: str) -> None:
    sink = io.BytesIO()
    with av.open(sink, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25, options={"profile": profile, "tune": "zerolatency"})
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        packets = [packet for number in range(3) for packet in stream.encode(coded.picture(number))]
        container.mux(packets)
    with av.open(io.BytesIO(sink.getvalue())) as container:
        record = bytes(container.streams.video[0].codec_context.extradata or b"")
    sps, pps = h264.parse_avcc(record)
    assert h264.avcc_record(sps, pps) == record
    assert h264.parse_sps(sps[0])[:3] == (320, 180, {"baseline": 66, "high": 100}[profile])


def test_a_record_without_a_set_or_with_a_huge_one_is_not_written() -> None:
    for sps, pps in (([], [PPS]), ([BASE], []), ([BASE], [b"\x68" * 5000]), ([BASE] * 32, [PPS]), ([b"\x67"], [PPS])):
        with pytest.raises(H264Malformed):
            h264.avcc_record(sps, pps)


def test_a_record_with_lengths_of_two_bytes_is_refused() -> None:
    record = bytearray(h264.avcc_record([BASE], [PPS]))
    record[4] = 0xFD
    with pytest.raises(H264Malformed, match="4 bytes"):
        h264.parse_avcc(bytes(record))


@settings(deadline=None)
@given(st.data())
def test_a_record_cut_or_changed_gives_sets_or_a_named_error(data: st.DataObject) -> None:
    record = bytearray(h264.avcc_record([BASE], [PPS]))
    record[data.draw(st.integers(0, len(record) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(record[: data.draw(st.integers(0, len(record)))])
    try:
        sps, pps = h264.parse_avcc(cut)
    except H264Malformed:
        return
    assert sps
    assert pps
