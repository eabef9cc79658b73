"""``liuhen verify``: what the user brings is looked at before anything is judged."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from agent.commands.verify import command, read_mirror_key
from tests.verify.spools import Device, plain_session


def test_a_devices_key_given_as_a_mirrors_is_a_usage_error_and_no_verdict(tmp_path: Path) -> None:
    device = Device(tmp_path / "spool")
    plain_session(device, 1)
    result = CliRunner().invoke(command, [str(device.root), "--mirror-key", device.signer.vkey.line()])
    assert result.exit_code == 2  # click's own; the root command turns usage errors into 64
    assert "no store's key" in result.output
    assert "Bytes intact" not in result.output
    with pytest.raises(click.UsageError):
        read_mirror_key(device.signer.vkey.line())
    assert read_mirror_key(device.mirror.vkey.line()) == device.mirror.vkey
