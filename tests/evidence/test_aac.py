"""AudioSpecificConfig and ADTS, with a real encoder and with bytes meant to hurt."""

import io

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.evidence import aac
from agent.evidence.aac import AacMalformed, AudioSpecificConfig
from agent.evidence.mp4 import SoundConfig
from tests.evidence import coded


@settings(deadline=None)
@given(st.sampled_from(aac.RATES) | st.integers(1, (1 << 24) - 1), st.integers(1, 7))
def test_a_configuration_is_read_back(rate: int, channels: int) -> None:
    asc = aac.audio_specific_config(rate, channels)
    assert len(asc) == (2 if rate in aac.RATES else 5)
    assert aac.parse_asc(asc) == AudioSpecificConfig(2, rate, channels, 1024)


def test_the_configuration_is_that_of_a_real_encoder() -> None:
    config = coded.sound().config
    assert isinstance(config, SoundConfig)
    assert config.asc.startswith(aac.audio_specific_config(48_000, 1))
    assert aac.parse_asc(config.asc) == AudioSpecificConfig(2, 48_000, 1, 1024)
    assert config.codec == "mp4a.40.2"


@pytest.mark.parametrize(("rate", "channels"), [(0, 1), (1 << 24, 1), (48_000, 0), (48_000, 8), (-1, 1)])
def test_a_configuration_that_cannot_be_described_is_refused(rate: int, channels: int) -> None:
    with pytest.raises(AacMalformed):
        aac.audio_specific_config(rate, channels)


@pytest.mark.parametrize(
    "asc",
    [b"", b"\x11", b"\x29\x88", b"\x17\x80\x00", b"\x11\x80", b"\x16\x88", bytes(65)],
    ids=["empty", "one byte", "SBR first", "a rate cut off", "no channel", "a reserved rate", "65 bytes"],
)
def test_a_strange_configuration_is_refused(asc: bytes) -> None:
    with pytest.raises(AacMalformed):
        aac.parse_asc(asc)


@settings(deadline=None)
@given(st.binary(max_size=70))
def test_random_configurations_give_a_rate_or_a_named_error(asc: bytes) -> None:
    try:
        config = aac.parse_asc(asc)
    except AacMalformed:
        return
    assert config.rate > 0
    assert 1 <= config.channels <= 7


def adts_of(packets: list[bytes], with_crc: bool = False) -> bytes:
    out = b""
    for packet in packets:
        length = len(packet) + (9 if with_crc else 7)
        header = 0xFFF << 44 | (not with_crc) << 40 | 1 << 38 | 3 << 34 | 1 << 30 | length << 13 | 0x7FF << 2
        out += header.to_bytes(7, "big") + (b"\xab\xcd" if with_crc else b"") + packet
    return out


@settings(deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=100), min_size=1, max_size=4), st.booleans())
def test_adts_headers_come_off_with_and_without_a_checksum(packets: list[bytes], with_crc: bool) -> None:
    assert aac.split_adts(adts_of(packets, with_crc)) == packets


def test_what_a_real_muxer_wraps_comes_out_as_the_encoder_gave_it() -> None:
    packets = [sample.data for sample in coded.sound().samples]
    sink = io.BytesIO()
    with av.open(sink, "w", format="adts") as container:
        stream = container.add_stream("aac", rate=48_000, layout="mono")
        stream.codec_context.open()
        for number, packet in enumerate(packets):
            wrapped = av.Packet(packet)
            wrapped.stream, wrapped.pts, wrapped.dts = stream, number * 1024, number * 1024
            container.mux(wrapped)
    assert aac.split_adts(sink.getvalue()) == packets


@settings(deadline=None)
@given(st.binary(max_size=60), st.integers(0, 30))
def test_cut_or_foreign_adts_is_a_named_error(data: bytes, cut: int) -> None:
    whole = adts_of([b"packet of sound"])
    for hostile in (data or b"x", whole[: min(cut, len(whole) - 1)] or b"x", whole + data + b"x"):
        with pytest.raises(AacMalformed):
            aac.strip_adts(hostile)
