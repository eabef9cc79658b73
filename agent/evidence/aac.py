"""AAC as an encoder gives it: the AudioSpecificConfig and the ADTS header (ISO/IEC 14496-3).

The fragmenter needs two things of sound: the few bytes that tell a player how to decode it, and packets without
transport headers. Both are read strictly and within bounds, since they come from another process.

Left to others: the sample table and the edit list that takes the priming off (``mp4``), the time of a packet
(the recorder), decoding (nobody here).
"""

from collections.abc import Iterator
from typing import NamedTuple

from agent.evidence.errors import EvidenceError

FRAME_SAMPLES = 1024
"""Samples that one AAC-LC packet decodes to."""
PRIMING_SAMPLES = 1024
"""Samples that an AAC-LC encoder puts before the first real one."""
RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
MAX_ASC_BYTES = 64
_AAC_LC = 2
_EXPLICIT_RATE = 15
_ADTS_HEADER_BYTES = 7


class AacMalformed(EvidenceError):
    """Bytes that are no AudioSpecificConfig, no ADTS frame, or a kind of AAC that is not recorded here."""


class AudioSpecificConfig(NamedTuple):
    """What a decoder must know before the first packet."""

    object_type: int
    rate: int
    channels: int
    frame_samples: int


def audio_specific_config(rate: int, channels: int) -> bytes:
    """The AudioSpecificConfig of AAC-LC, 2 bytes (5 where the rate in Hz is not one of the listed ones)."""
    if not 1 <= channels <= 7 or not 1 <= rate < 1 << 24:
        raise AacMalformed(f"AAC with {channels} channels at {rate} Hz cannot be described; use 1 to 7 channels")
    if rate in RATES:
        bits, length = _AAC_LC << 4 | RATES.index(rate), 2
    else:
        bits, length = (_AAC_LC << 4 | _EXPLICIT_RATE) << 24 | rate, 5
    return ((bits << 4 | channels) << 3).to_bytes(length, "big")


def parse_asc(asc: bytes) -> AudioSpecificConfig:
    """Read an AudioSpecificConfig of AAC-LC; bytes after the first (a backward-compatible SBR hint) are let be."""
    if not 2 <= len(asc) <= MAX_ASC_BYTES:
        raise AacMalformed(f"an AudioSpecificConfig has 2 to {MAX_ASC_BYTES} bytes, this one {len(asc)}")
    bits, left = int.from_bytes(asc, "big"), len(asc) * 8

    def take(count: int) -> int:
        nonlocal left
        left -= count
        if left < 0:
            raise AacMalformed("the AudioSpecificConfig ends too early; take it from the encoder anew")
        return bits >> left & ((1 << count) - 1)

    object_type, index = take(5), take(4)
    rate = take(24) if index == _EXPLICIT_RATE else RATES[index] if index < len(RATES) else 0
    channels, short_frame = take(4), take(1)
    if object_type != _AAC_LC or not 1 <= channels <= 7 or rate == 0:
        raise AacMalformed(
            f"only AAC-LC with 1 to 7 channels is recorded, not object type {object_type} with {channels} channels "
            f"at rate index {index}; set the encoder to AAC-LC"
        )
    return AudioSpecificConfig(object_type, rate, channels, 960 if short_frame else FRAME_SAMPLES)


def split_adts(data: bytes) -> list[bytes]:
    """The raw AAC packets of whole ADTS frames, headers taken off."""
    return list(_adts_payloads(data))


def strip_adts(data: bytes) -> bytes:
    """The raw AAC packet of exactly one ADTS frame."""
    packets = split_adts(data)
    if len(packets) != 1:
        raise AacMalformed(f"expected one ADTS frame, found {len(packets)}; split them with split_adts")
    return packets[0]


def _adts_payloads(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        header = data[at : at + _ADTS_HEADER_BYTES]
        if len(header) < _ADTS_HEADER_BYTES or header[0] != 0xFF or header[1] & 0xF6 != 0xF0:
            raise AacMalformed(f"no ADTS header at byte {at}; is this raw AAC already?")
        if header[6] & 3:
            raise AacMalformed(f"the ADTS frame at byte {at} holds several packets; set the encoder to one a frame")
        length = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
        body = _ADTS_HEADER_BYTES if header[1] & 1 else _ADTS_HEADER_BYTES + 2
        if length <= body or at + length > len(data):
            raise AacMalformed(f"the ADTS frame at byte {at} claims {length} bytes of {len(data) - at}; it was cut")
        yield data[at + body : at + length]
        at += length
