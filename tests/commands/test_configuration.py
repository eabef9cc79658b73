"""Device and spool are those of the configuration where a command line leaves them out."""

import os
from collections.abc import Sequence
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from agent.commands import configuration
from agent.commands.export import export
from agent.commands.journal import journal
from agent.commands.key import key
from agent.evidence import age
from tests.verify.folders import SESSION
from tests.verify.spools import Device, small_spool


def configure(folder: Path, device: str, spool: Path) -> Path:
    recipient = age.Identity.generate(os.urandom).recipient().text()
    path = folder / "config.toml"
    path.write_text(
        f'[device]\nid = "{device}"\nunit = "U1"\nkey_dir = "keys"\nspool = "{spool}"\nsocket = "rec.sock"\n'
        f'[trust]\nrecipients = ["{recipient}"]\n[camera]\ndriver = "simulated"\n[microphone]\ndriver = "simulated"\n'
    )
    return path


def run(command: click.Command, arguments: Sequence[str | Path]) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


@pytest.fixture
def etc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the device's own configuration would be; nothing is there."""
    folder = tmp_path / "etc"
    folder.mkdir()
    monkeypatch.setattr(configuration, "DEVICE_CONFIG", folder / "config.toml")
    return folder


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return small_spool(tmp_path / "spool")


def test_a_key_is_made_for_the_device_of_the_configuration_beside_it(tmp_path: Path, etc: Path) -> None:
    configure(etc, "other", tmp_path / "spool")
    configure(tmp_path, "cam-7", tmp_path / "spool")
    assert run(key, ["init", tmp_path / "keys"]).exit_code == 0
    assert (tmp_path / "keys/device.vkey").read_text().startswith("liuhen/cam-7+")


def test_a_key_is_made_for_the_device_that_this_is_unless_another_is_named(tmp_path: Path, etc: Path) -> None:
    configure(etc, "cam-8", tmp_path / "spool")
    assert run(key, ["init", tmp_path / "one"]).exit_code == 0
    assert run(key, ["init", tmp_path / "two", "--device", "cam-9"]).exit_code == 0
    assert (tmp_path / "one/device.vkey").read_text().startswith("liuhen/cam-8+")
    assert (tmp_path / "two/device.vkey").read_text().startswith("liuhen/cam-9+")


def test_export_and_journal_take_the_spool_of_the_device_that_this_is(
    tmp_path: Path, etc: Path, device: Device
) -> None:
    configure(etc, "cam-1", device.root)
    assert run(export, [SESSION, tmp_path / "export"]).exit_code == 0
    assert (tmp_path / "export/SHA256SUMS").exists()
    assert run(journal, ["show"]).output == run(journal, ["show", "--spool", device.root]).output


def test_without_any_configuration_what_to_give_is_said(tmp_path: Path, etc: Path) -> None:
    cases: list[tuple[click.Command, list[str | Path], str]] = [
        (key, ["init", tmp_path / "keys"], "--device"),
        (journal, ["show"], "--spool"),
        (export, [SESSION, tmp_path / "export"], "--spool"),
    ]
    for command, arguments, option in cases:
        result = run(command, arguments)
        assert result.exit_code == 2  # click's own; the root command turns usage errors into 64
        assert option in result.output
    assert not (tmp_path / "keys").exists()
