"""Which configuration a command means: the one named, the one beside the spool, or the device's own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from config.load import load_config
from config.models import Config

DEVICE_CONFIG = Path("/etc/liuhen/config.toml")
F = TypeVar("F", bound=Callable[..., Any])


def config_option(command: F) -> F:
    """``--config FILE``, needed."""
    kind = click.Path(exists=True, dir_okay=False, path_type=Path)
    return click.option("--config", type=kind, required=True, help="The device's configuration.")(command)


def load_for_spool(spool: Path, named: Path | None) -> Config:
    """The configuration of the device that a spool belongs to, its spool set to this folder."""
    beside = spool.resolve().parent / "config.toml"
    path = named or (beside if beside.exists() else DEVICE_CONFIG)
    config = load_config(path)
    device = msgspec.structs.replace(config.device, spool=str(spool.resolve()))
    return msgspec.structs.replace(config, device=device)


def spool_of(named: Path | None) -> Path:
    """The spool that was named, or the one of the device that this is."""
    if named is not None:
        return named
    if not DEVICE_CONFIG.exists():
        raise click.UsageError(f"Which spool? Give it with --spool DIR; this is no device (no {DEVICE_CONFIG}).")
    return Path(load_config(DEVICE_CONFIG).device.spool)


def device_of(key_folder: Path) -> str:
    """The id of the device whose key belongs into a folder, by the configuration beside it or the device's own."""
    beside = key_folder.resolve().parent / "config.toml"
    path = beside if beside.exists() else DEVICE_CONFIG
    if not path.exists():
        raise click.UsageError(f"Which device? Give its id with --device ID; there is no {beside} and no {path}.")
    return load_config(path).device.id


def socket_of(spool: Path | None, named: Path | None) -> Path:
    """The recorder's socket."""
    if spool is not None:
        return Path(load_for_spool(spool, named).device.socket)
    return Path(load_config(named or DEVICE_CONFIG).device.socket)
