"""The device's key: made once, kept to itself, refused where it cannot be trusted."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.evidence.note import parse_vkey
from agent.keys import (
    DeviceKeyError,
    KeyExists,
    KeyExposed,
    KeyMismatch,
    KeyMissing,
    KeyUnreadable,
    create_key,
    decode_key,
    encode_key,
    load_signer,
)

SEED = bytes(range(32))


def fixed(count: int) -> bytes:
    return SEED[:count]


def test_a_new_key_is_secret_and_its_public_half_is_beside_it(tmp_path: Path) -> None:
    folder = tmp_path / "etc" / "key"
    signer = create_key(folder, "car-7", fixed)
    assert signer.vkey.name == "liuhen/car-7"
    assert (folder / "device.key").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    assert parse_vkey((folder / "device.vkey").read_text().strip()) == signer.vkey
    assert load_signer(folder, "car-7").vkey == signer.vkey
    assert load_signer(folder).sign(b"x") == signer.sign(b"x")


def test_the_key_file_is_the_note_tools_text_form() -> None:
    text = encode_key("liuhen/car-7", SEED)
    prefix, name, key_id, _ = text.replace("PRIVATE+KEY", "PRIVATE KEY").split("+", 3)
    assert (prefix, name) == ("PRIVATE KEY", "liuhen/car-7")
    assert decode_key(text).vkey.key_id.hex() == key_id


@pytest.mark.parametrize("left", ["device.key", "device.vkey"])
def test_a_key_is_never_overwritten(tmp_path: Path, left: str) -> None:
    create_key(tmp_path, "car-7", fixed)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    for file in set(before) - {left}:
        (tmp_path / file).unlink()
    with pytest.raises(KeyExists, match=left):
        create_key(tmp_path, "car-7", os.urandom)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {left: before[left]}


@pytest.mark.parametrize("device", ["", "car 7", "car/7", "车7", "a+b", "x" * 33, "car\n"])
def test_a_device_id_that_breaks_the_keys_name_leaves_no_file(tmp_path: Path, device: str) -> None:
    with pytest.raises(DeviceKeyError, match="no device id"):
        create_key(tmp_path / "key", device, fixed)
    assert not (tmp_path / "key").exists()


def test_no_key_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(KeyMissing, match=f"liuhen key init {tmp_path} --device ID"):
        load_signer(tmp_path)


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    create_key(tmp_path, "car-7", fixed)
    (tmp_path / "device.key").chmod(0o640)
    with pytest.raises(KeyExposed, match="0640"):
        load_signer(tmp_path)


def test_the_key_of_another_device_is_refused(tmp_path: Path) -> None:
    create_key(tmp_path, "car-7", fixed)
    with pytest.raises(KeyMismatch, match="car-8"):
        load_signer(tmp_path, "car-8")


def test_a_public_half_of_another_key_is_refused(tmp_path: Path) -> None:
    create_key(tmp_path / "a", "car-7", fixed)
    create_key(tmp_path / "b", "car-7", os.urandom)
    (tmp_path / "a" / "device.vkey").write_bytes((tmp_path / "b" / "device.vkey").read_bytes())
    with pytest.raises(KeyMismatch, match=r"device\.vkey"):
        load_signer(tmp_path / "a")


def test_a_missing_public_half_stops_nothing(tmp_path: Path) -> None:
    create_key(tmp_path, "car-7", fixed)
    (tmp_path / "device.vkey").unlink()
    assert load_signer(tmp_path, "car-7").vkey.name == "liuhen/car-7"


DAMAGED = {
    "empty": b"",
    "a public key": b"liuhen/car-7+0123abcd+AAAA",
    "not ASCII": b"PRIVATE+KEY+\xff\xfe+00000000+AAAA\n",
    "endless": b"PRIVATE+KEY+" + b"x" * 100_000,
    "cut short": encode_key("liuhen/car-7", SEED).encode()[:-9],
    "another name over it": encode_key("liuhen/car-7", SEED).replace("car-7", "car-8").encode(),
    "two lines": encode_key("liuhen/car-7", SEED).encode() + b"\n",
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_key_is_named_and_not_repeated(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "device.key"
    file.write_bytes(DAMAGED[damage])
    file.chmod(0o600)
    with pytest.raises(KeyUnreadable, match=r"device\.key: .*restore the key file") as caught:
        load_signer(tmp_path)
    secret = encode_key("liuhen/car-7", SEED).strip().rsplit("+", 1)[1]
    assert secret[:20] not in str(caught.value)


def test_a_pipe_in_the_keys_place_does_not_hang_the_start(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "device.key", 0o600)
    with pytest.raises(KeyUnreadable, match="no ordinary file"):
        load_signer(tmp_path)


@given(st.binary(min_size=32, max_size=32))
def test_every_seed_comes_back(seed: bytes) -> None:
    assert decode_key(encode_key("liuhen/x", seed)).sign(b"m") == decode_key(encode_key("liuhen/x", seed)).sign(b"m")
    assert encode_key("liuhen/x", seed).count("\n") == 1
