"""The little that a camera must know of H.264: where its parameter sets stand.

The recorder reads the rest (``agent.evidence.h264``), which drivers may not import. Input is an encoder's or a
container's own header, not a stranger's stream; what does not fit is refused, nothing is mended.
"""

import re
from collections.abc import Iterator

from drivers.errors import ClipUnusable

SLICE, IDR, SPS, PPS = 1, 5, 7, 8
_START_CODE = re.compile(rb"\x00\x00\x01")


def annexb_parameter_sets(data: bytes) -> tuple[bytes, bytes]:
    """(SPS, PPS), the first of each, between start codes. Raises ClipUnusable where one is missing."""
    units = [unit.rstrip(b"\x00") for unit in _START_CODE.split(data)[1:]]
    return _first(units, SPS), _first(units, PPS)


def avcc_parameter_sets(record: bytes) -> tuple[bytes, bytes, int]:
    """(SPS, PPS, bytes a NAL length has) of an avcC record (ISO/IEC 14496-15). Raises ClipUnusable."""
    if len(record) < 7 or record[0] != 1:
        raise ClipUnusable("the file's H.264 header is neither an avcC record nor start codes; make the file anew")
    sps, at = _units(record, 6, record[5] & 31)
    pps, _ = _units(record, at + 1, record[at] if at < len(record) else 0)
    return _first(sps, SPS), _first(pps, PPS), (record[4] & 3) + 1


def is_idr(data: bytes, length_bytes: int) -> bool:
    """Whether an access unit is an IDR picture: nothing after it refers to anything before it, as pictures shown
    before a mere recovery point do. ``length_bytes`` of 0: start codes."""
    headers = _prefixed_headers(data, length_bytes) if length_bytes else _annexb_headers(data)
    return next((header & 31 for header in headers if SLICE <= header & 31 <= IDR), 0) == IDR


def with_four_byte_lengths(data: bytes, length_bytes: int) -> bytes:
    """The same NAL units behind lengths of four bytes; start codes (``length_bytes`` 0) are let be."""
    if length_bytes in (0, 4):
        return data
    pieces, at = [], 0
    while at + length_bytes <= len(data):
        length = int.from_bytes(data[at : at + length_bytes], "big")
        at += length_bytes
        pieces += [length.to_bytes(4, "big"), data[at : at + length]]
        at += length
    return b"".join(pieces)


def from_start_codes(data: bytes) -> bytes:
    """An encoder's access unit with lengths of four bytes in place of its start codes, as the recorder stores it."""
    units = [unit.rstrip(b"\x00") for unit in _START_CODE.split(data)[1:]]
    return b"".join([part for unit in units if unit for part in (len(unit).to_bytes(4, "big"), unit)])


def _annexb_headers(data: bytes) -> Iterator[int]:
    return (data[code.end()] for code in _START_CODE.finditer(data) if code.end() < len(data))


def _prefixed_headers(data: bytes, length_bytes: int) -> Iterator[int]:
    at = 0
    while at + length_bytes < len(data):
        yield data[at + length_bytes]
        at += length_bytes + int.from_bytes(data[at : at + length_bytes], "big")


def _units(record: bytes, at: int, count: int) -> tuple[list[bytes], int]:
    units = []
    for _ in range(count):
        length = int.from_bytes(record[at : at + 2], "big")
        units.append(record[at + 2 : at + 2 + length])
        at += 2 + length
    return units, at


def _first(units: list[bytes], kind: int) -> bytes:
    for unit in units:
        if unit and unit[0] & 31 == kind:
            return unit
    name = "sequence" if kind == SPS else "picture"
    raise ClipUnusable(
        f"the H.264 has no {name} parameter set in its header; write it anew: ffmpeg -i IN -c copy OUT.mp4"
    )
