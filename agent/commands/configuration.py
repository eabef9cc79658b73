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


def socket_of(spool: Path | None, named: Path | None) -> Path:
    """The recorder's socket."""
    if spool is not None:
        return Path(load_for_spool(spool, named).device.socket)
    return Path(load_config(named or DEVICE_CONFIG).device.socket)
