"""From the device's TOML file to checked Structs; every refusal names the key and what would be right.

Rules: a section or key that is not in ``models`` is refused, with the nearest one that is; a value is checked for
type and bounds key by key, so that the message names it; relative paths count from the file's folder; without an
age recipient there is no start (R10); a required track needs its sensor (R8). Nothing is ever filled in for a
value that was given wrongly.

Left to others: whether a recipient's checksum holds (``agent.evidence.age``), whether a path exists.
"""

import base64
import difflib
import hashlib
import os
import re
import stat
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import msgspec
from msgspec import NODEFAULT, structs

from config.errors import (
    ConfigMalformed,
    ConfigMissing,
    ConfigUnreadable,
    DriverUnknown,
    KeyMissing,
    KeyUnknown,
    RecipientsMissing,
    TrackWithoutSensor,
    ValueRefused,
)
from config.explain import kind, metadata, unit
from config.models import DRIVERS, REQUIRED_SECTIONS, SECTIONS, Check, Config, Device, Record, Section, Storage, Trust

MAX_FILE_BYTES = 1_048_576
MAX_SOCKET_PATH_BYTES = 107
"""Length of ``sun_path`` on Linux without its final zero."""

_RECIPIENT = re.compile(r"age1[qpzry9x8gf2tvdw0s3jn54khce6mua7l]{58}")
_VKEY = re.compile(r"[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]{44,}={0,2}")
_PATHS = {"key_dir", "spool", "socket", "file", "scenario", "folder"}
_SENSOR_OF = {"video": "camera", "sound": "microphone", "position": "position"}

S = TypeVar("S", bound=Section)


def load_config(path: Path) -> Config:
    """The configuration in the file at ``path``.

    Raises a ``ConfigError`` of the kind that fits; its message begins with the file's name.
    """
    data = _read(path)
    return parse_config(data, path.absolute().parent, str(path))


def config_sha256(data: bytes) -> str:
    """SHA-256 of a configuration file's bytes, unpadded base64url, as the journal carries it."""
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def parse_config(data: bytes, folder: Path, name: str = "configuration") -> Config:
    """The configuration in ``data``; relative paths count from ``folder``, messages begin with ``name``."""
    table = _toml(data, name)
    _refuse_unknown(table, SECTIONS, f"{name}: section", "[{}]")
    for section in REQUIRED_SECTIONS:
        if section not in table:
            raise KeyMissing(f"{name}: section [{section}] is missing; add it (config/README.md lists its keys)")
    sections = {key: _section(SECTIONS[key], key, value, folder, name) for key, value in table.items()}
    config = Config(**{"record": Record(), **sections}, sha256=config_sha256(data))  # type: ignore[arg-type]
    _check_device(config.device, name)
    _check_trust(config.trust, name)
    _check_drivers(config, name)
    _check_tracks(config, name)
    _check_storage(config.storage, name)
    _check_check(config.check, name)
    _check_folder(config, name)
    return config


def _read(path: Path) -> bytes:
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ConfigUnreadable(f"{path}: no ordinary file; give the device's configuration with --config FILE")
            data = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise ConfigMissing(f"{path}: no such file; give the device's configuration with --config FILE") from None
    except OSError as error:
        raise ConfigUnreadable(f"{path}: cannot be read ({error.strerror}); check its name and permissions") from error
    if len(data) > MAX_FILE_BYTES:
        raise ConfigUnreadable(f"{path}: longer than {MAX_FILE_BYTES} bytes; this is no device configuration")
    return data


def _toml(data: bytes, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ConfigUnreadable(f"{name}: not UTF-8 at byte {error.start}; save the file as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigMalformed(f"{name}: not TOML: {error}; correct that line") from None
    except (RecursionError, ValueError) as error:
        # tomllib lets these through: arrays nested a thousand deep, integers of ten thousand digits.
        raise ConfigMalformed(
            f"{name}: not usable as TOML ({type(error).__name__}); this is no configuration"
        ) from None


def _refuse_unknown(given: Iterable[str], known: Iterable[str], what: str, shape: str) -> None:
    names = list(known)
    for key in given:
        if key in names:
            continue
        homes = [f"[{section}]" for section, model in SECTIONS.items() if key in model.__struct_fields__]
        near = difflib.get_close_matches(key, names, n=1, cutoff=0.5)
        hint = f"did you mean {shape.format(near[0])}?" if near else f"known are {', '.join(names)}"
        hint = f"it belongs into {' or '.join(homes)}" if homes else hint
        raise KeyUnknown(f"{what} {shape.format(key[:80])} is unknown; {hint}")


def _section(model: type[S], section: str, value: object, folder: Path, name: str) -> S:
    if not isinstance(value, dict):
        raise ValueRefused(f"{name}: {section} must be a section; write [{section}] on a line of its own")
    fields = {field.name: field for field in structs.fields(model)}
    _refuse_unknown(value, fields, f"{name}: [{section}]", "{}")
    hints = get_type_hints(model, include_extras=True)
    for field in fields.values():
        if field.default is NODEFAULT and field.name not in value:
            raise KeyMissing(f"{name}: [{section}] {field.name} is missing; add it (config/README.md says what it is)")
    checked = {key: _value(hints[key], item, f"{name}: [{section}] {key}") for key, item in value.items()}
    return model(**{key: _resolve(key, item, folder) for key, item in checked.items()})


def _value(hint: Any, value: object, where: str) -> Any:
    try:
        return msgspec.convert(value, hint)
    except msgspec.ValidationError:
        meta = metadata(hint)
    given = repr(value)[:80]
    if "AGE-SECRET-KEY-" in str(value).upper():
        given = "an age identity, which no device may hold"
    if meta.pattern and isinstance(value, str):
        raise ValueRefused(f"{where} cannot be {given}. What it is: {meta.description}")
    counted = f" ({unit(meta)})" if unit(meta) else ""
    raise ValueRefused(f"{where} must be {kind(hint)}{counted}; given was {given}")


def _resolve(key: str, value: Any, folder: Path) -> Any:
    if key not in _PATHS or not value:
        return value
    return os.path.normpath(folder / value)


def _check_device(device: Device, name: str) -> None:
    for key in ("key_dir", "spool", "socket"):
        path = getattr(device, key)
        if not path or "\0" in path:
            raise ValueRefused(f"{name}: [device] {key} must be a path; name a folder or file")
    if Path(device.key_dir).is_relative_to(device.spool):
        raise ValueRefused(
            f"{name}: [device] key_dir lies inside the spool; keep the signing key elsewhere, so that a copy of the "
            "card cannot sign"
        )
    if len(os.fsencode(device.socket)) > MAX_SOCKET_PATH_BYTES:
        raise ValueRefused(
            f"{name}: [device] socket is longer than {MAX_SOCKET_PATH_BYTES} bytes, more than a UNIX socket's path "
            "may have; choose a shorter one"
        )


def _check_trust(trust: Trust, name: str) -> None:
    if not trust.recipients:
        raise RecipientsMissing(
            f"{name}: [trust] recipients is empty: nobody could ever open the recording; "
            "add the store's age recipient (a line that begins with age1)"
        )
    for number, recipient in enumerate(trust.recipients, 1):
        _check_recipient(recipient, f"{name}: [trust] recipients, number {number},")
    vkeys = {role: getattr(trust, role) for role in ("mirror_keys", "receipt_keys", "command_keys")}
    for role, keys in vkeys.items():
        for number, key in enumerate(keys, 1):
            if not _VKEY.fullmatch(key):
                raise ValueRefused(
                    f"{name}: [trust] {role}, number {number}, is no verifier key; copy the whole line name+id+key "
                    "that its owner published"
                )
    for role, values in {"recipients": trust.recipients, "unopened_keys": trust.unopened_keys, **vkeys}.items():
        _refuse_twice(values, f"{name}: [trust] {role}")
    names = [key.partition("+")[0] for key in trust.receipt_keys]
    for key in trust.unopened_keys:
        if key not in names:
            raise ValueRefused(
                f"{name}: [trust] unopened_keys names {key[:80]!r}, and no key of receipt_keys has that name; known "
                f"are {', '.join(names) or 'none'}"
            )


def _check_recipient(recipient: str, where: str) -> None:
    if recipient.upper().startswith("AGE-SECRET-KEY-"):
        # Not quoted: the message ends in a log.
        raise ValueRefused(
            f"{where} is an age identity, which opens media; the device must not hold one: put the recipient (age1…) "
            "here, and make new keys, since this one has lain on a device"
        )
    if not _RECIPIENT.fullmatch(recipient):
        raise ValueRefused(f"{where} is no age recipient; one is age1 and 58 more characters, all lower case")


def _refuse_twice(values: tuple[str, ...], where: str) -> None:
    for value in values:
        if values.count(value) > 1:
            raise ValueRefused(f"{where} names {value} twice; once is enough")


def _check_drivers(config: Config, name: str) -> None:
    for sensor, drivers in DRIVERS.items():
        section = getattr(config, sensor)
        if section is not None and section.driver not in drivers:
            raise DriverUnknown(
                f"{name}: [{sensor}] driver {section.driver[:80]!r} is not there; this version has {', '.join(drivers)}"
            )


def _check_folder(config: Config, name: str) -> None:
    folder = config.signals.folder if config.signals else ""
    if folder and Path(folder).is_relative_to(config.device.spool):
        raise ValueRefused(
            f"{name}: [signals] folder lies inside the spool, where every file is one that the journal names; keep it "
            "elsewhere, for instance in /var/cache/liuhen"
        )


def _check_storage(storage: Storage, name: str) -> None:
    if not storage.low_min < storage.warn_min <= storage.room_min:
        raise ValueRefused(
            f"{name}: [storage] low_min, warn_min and room_min are {storage.low_min}, {storage.warn_min} and "
            f"{storage.room_min}; low_min must be less than warn_min, and room_min at least warn_min"
        )


def _check_check(check: Check, name: str) -> None:
    """What fails must be worse than what is warned of."""
    for better, worse in (
        ("rate_warn_percent", "rate_fail_percent"),
        ("level_warn_cdb", "level_fail_cdb"),
        ("clock_fail_ms", "clock_warn_ms"),
        ("space_warn_min", "space_fail_min"),
        ("write_fail_ms", "write_warn_ms"),
        ("battery_warn_percent", "battery_fail_percent"),
        ("heat_fail_c", "heat_warn_c"),
    ):
        greater, less = getattr(check, better), getattr(check, worse)
        if greater < less:
            raise ValueRefused(
                f"{name}: [check] {better} is {greater} and {worse} is {less}; {better} must be at least {worse}, or "
                "what is worse would count for less"
            )


def _check_tracks(config: Config, name: str) -> None:
    tracks = config.record.required_tracks
    if not tracks:
        raise ValueRefused(f'{name}: [record] required_tracks is empty; name at least one, for instance ["sound"]')
    _refuse_twice(tracks, f"{name}: [record] required_tracks")
    for track in tracks:
        if getattr(config, _SENSOR_OF[track]) is None:
            raise TrackWithoutSensor(
                f"{name}: [record] required_tracks has {track}, and there is no [{_SENSOR_OF[track]}]; "
                "add that section, or leave the track out of required_tracks"
            )
