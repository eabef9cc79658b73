"""The device's signing key on its disk: made once, read at every start, never in the spool.

``device.key`` is one line in the text form that the signed-note tools use for a secret key:
``PRIVATE+KEY+<name>+<key id, 8 hex digits>+<base64 of 0x01 and the 32-byte Ed25519 seed>``. ``device.vkey`` is the
public half, as a vkey line, for whoever enrols the device. The key's name is ``liuhen/<device>``.

Rules: a key is never overwritten; a key file that others may read is refused, since whoever copied it can sign;
both files must belong together. Random bytes are an argument. Left to others: a key's change (an entry signed by
both keys), keeping it in hardware.
"""

import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

from agent.evidence.errors import EvidenceError
from agent.evidence.note import ED25519, SEED_BYTES, KeyMalformed, Signer, decode_base64, encode_base64
from config.models import DEVICE_ID

KEY_FILE = "device.key"
VKEY_FILE = "device.vkey"
MAX_KEY_FILE_BYTES = 1024
_PREFIX = "PRIVATE+KEY+"


class DeviceKeyError(EvidenceError):
    """The device's signing key cannot be used; recording unsigned is no choice, so the start is refused."""


class KeyMissing(DeviceKeyError):
    """There is no key in the folder."""


class KeyExists(DeviceKeyError):
    """There is one already, and it is never overwritten."""


class KeyUnreadable(DeviceKeyError):
    """The file is there and its bytes cannot be had, or are no key."""


class KeyExposed(DeviceKeyError):
    """Group or others may read the key."""


class KeyMismatch(DeviceKeyError):
    """The public half beside it, or the device's name, is another's."""


def key_name(device: str) -> str:
    """The name under which a device signs."""
    return f"liuhen/{device}"


def encode_key(signer_name: str, seed: bytes) -> str:
    """The key file's one line, newline included."""
    key_id = Signer(signer_name, seed).vkey.key_id.hex()
    return f"{_PREFIX}{signer_name}+{key_id}+{encode_base64(bytes((ED25519,)) + seed)}\n"


def decode_key(text: str) -> Signer:
    """The signer in a key file's text; KeyUnreadable says what is wrong and never quotes the secret."""
    parts = text.removesuffix("\n").removeprefix(_PREFIX).split("+", 2)
    if not text.startswith(_PREFIX) or len(parts) != 3:
        raise KeyUnreadable(f"no line {_PREFIX}name+id+key; restore the key file")
    name, key_id, encoded = parts
    try:
        raw = decode_base64(encoded)
        signer = Signer(name, raw[1:])
    except (ValueError, KeyMalformed):
        raise KeyUnreadable("the key is damaged; restore the key file") from None
    if raw[0] != ED25519 or signer.vkey.key_id.hex() != key_id:
        raise KeyUnreadable("name, id and key do not belong together; restore the key file")
    return signer


def create_key(key_dir: Path, device: str, random: Callable[[int], bytes]) -> Signer:
    """Make ``device.key`` (0600) and ``device.vkey`` in ``key_dir``, which is made (0700) where it is missing.

    Both are on the medium when this returns. KeyExists where either is there already.
    """
    if not re.fullmatch(DEVICE_ID, device):
        raise DeviceKeyError(f"{device[:80]!r} is no device id; use ASCII letters, digits and hyphens, at most 32")
    key_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in (KEY_FILE, VKEY_FILE):
        if os.path.lexists(key_dir / name):
            raise KeyExists(f"{key_dir / name} exists; a device keeps its key: choose another folder for a new one")
    name, seed = key_name(device), random(SEED_BYTES)
    signer = Signer(name, seed)
    _write_new(key_dir / KEY_FILE, encode_key(name, seed), 0o600)
    _write_new(key_dir / VKEY_FILE, signer.vkey.line() + "\n", 0o644)
    _sync_folder(key_dir)
    return signer


def load_signer(key_dir: Path, device: str | None = None) -> Signer:
    """The device's signer; with ``device`` its name must be that device's.

    Raises a ``DeviceKeyError``: KeyMissing, KeyExposed, KeyUnreadable, KeyMismatch.
    """
    path = key_dir / KEY_FILE
    try:
        signer = decode_key(_read_secret(path))
    except KeyUnreadable as error:
        raise KeyUnreadable(f"{path}: {error}") from None
    if device is not None and signer.vkey.name != key_name(device):
        raise KeyMismatch(
            f"{path} is the key of {signer.vkey.name}, and the configuration's device is {device}; "
            "set [device] id or key_dir right"
        )
    _check_vkey(key_dir / VKEY_FILE, signer)
    return signer


def _read_secret(path: Path) -> str:
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise KeyMissing(f"{path}: no such file; make a key with: liuhen key init {path.parent} --device ID") from None
    except OSError as error:
        raise KeyUnreadable(f"cannot be opened ({error.strerror}); it must belong to the recorder's user") from None
    facts = os.fstat(file)
    if not stat.S_ISREG(facts.st_mode):
        os.close(file)
        raise KeyUnreadable("no ordinary file; restore the key file")
    with open(file, "rb") as opened:
        if facts.st_mode & 0o077:
            raise KeyExposed(
                f"{path}: others than its owner may use it (mode {stat.S_IMODE(facts.st_mode):04o}); "
                "set it to 0600, and ask yourself who has read it"
            )
        data = opened.read(MAX_KEY_FILE_BYTES + 1)
    # Anything else than ASCII is damage; it must not be quoted in an error.
    return data.decode("ascii", errors="replace")


def _check_vkey(path: Path, signer: Signer) -> None:
    if not path.exists():
        return  # It serves those who enrol the device; the recorder signs without it.
    if not path.is_file():
        raise KeyUnreadable(f"{path}: no ordinary file; restore it, or remove it")
    line = path.read_text("utf-8", errors="replace").strip()
    if line != signer.vkey.line():
        raise KeyMismatch(f"{path} is not the public half of {KEY_FILE} beside it; find out which device each is from")


def _write_new(path: Path, text: str, mode: int) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with open(file, "w", encoding="ascii") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
