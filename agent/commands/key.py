"""``liuhen key``: the device's signing key, made on the device and never taken from it."""

import os
from pathlib import Path

import click

from agent.commands import Exit, json_option, print_json
from agent.commands.configuration import device_of
from agent.evidence.note import Signer
from agent.keys import KEY_FILE, VKEY_FILE, create_key, load_signer

FOLDER = click.Path(path_type=Path)


@click.group()
def key() -> None:
    """Make or show the device's signing key."""


@key.command()
@click.argument("folder", metavar="DIR", type=FOLDER)
@click.option("--device", metavar="ID", help="The device's id; [device] id of its configuration where left out.")
@json_option
def init(folder: Path, device: str | None, as_json: bool) -> Exit:
    """Make DIR/device.key (secret) and DIR/device.vkey (to enrol the device with).

    A key that is there already is never overwritten. Without --device the configuration is config.toml beside DIR, or
    /etc/liuhen/config.toml.
    """
    signer = create_key(folder, device or device_of(folder), os.urandom)
    if not as_json:
        click.echo(f"{folder / KEY_FILE}: the secret key; it stays on this device")
        click.echo(f"{folder / VKEY_FILE}: give this to whoever will check the recordings:")
    _tell(signer, as_json)
    return Exit.GOOD


@key.command()
@click.argument("folder", metavar="DIR", type=FOLDER)
@json_option
def show(folder: Path, as_json: bool) -> Exit:
    """Print the public half of the key in DIR."""
    _tell(load_signer(folder), as_json)
    return Exit.GOOD


def _tell(signer: Signer, as_json: bool) -> None:
    if as_json:
        print_json({"name": signer.vkey.name, "vkey": signer.vkey.line()})
    else:
        click.echo(signer.vkey.line())
