"""What a camera does to H.264: start codes become lengths, and no byte of a NAL unit is lost."""

from hypothesis import given
from hypothesis import strategies as st

from drivers.camera.h264 import from_start_codes

UNITS = st.lists(st.binary(min_size=1, max_size=40).map(lambda body: b"\x65" + body.replace(b"\0", b"\1")), min_size=1)


@given(UNITS, st.lists(st.booleans(), min_size=1))
def test_every_nal_unit_stands_behind_its_length_whatever_its_start_code(units: list[bytes], long: list[bool]) -> None:
    codes = [b"\0\0\0\1" if long[i % len(long)] else b"\0\0\1" for i in range(len(units))]
    coded = b"".join(code + unit for code, unit in zip(codes, units, strict=True))
    assert from_start_codes(coded) == b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)
