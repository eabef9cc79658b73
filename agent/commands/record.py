"""``liuhen record``: the recorder itself; ``liuhen recover``: what its start does to a spool, without recording."""

import os
from pathlib import Path

import click
import msgspec

from agent.commands import Exit, either, json_option, print_json
from agent.commands.configuration import config_option, load_for_spool
from config.load import load_config


@click.command("record")
@config_option
def record(config: Path) -> int:
    """Record, until SIGTERM."""
    from agent.recorder.compose import record as run

    return run(load_config(config))


@click.command("recover")
@click.argument("spool", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--config", type=click.Path(dir_okay=False, path_type=Path), help="The device's configuration.")
@json_option
def recover(spool: Path, config: Path | None, as_json: bool) -> int:
    """Make SPOOL whole after a power cut, as a start does, without recording."""
    from agent.recorder import compose, spool_lock
    from agent.recorder.disk import FolderDisk
    from agent.recorder.service import WatchedDisk

    _refuse_other_folders(spool)
    loaded = load_for_spool(spool, config)
    held = spool_lock.lock(spool)
    done = compose.recover(loaded, WatchedDisk(FolderDisk(spool)), for_recording=False).done
    os.close(held)
    if as_json:
        print_json({"done": done})
    else:
        click.echo("\n".join(done) if done else "nothing to do")
    return Exit.GOOD


def _refuse_other_folders(folder: Path) -> None:
    """A folder that is no spool is not made one."""
    if not any((folder / name).is_dir() for name in ("journal", "segments")):
        raise click.UsageError(f"{folder} is no spool: it has neither journal/ nor segments/; give the spool's folder")


@click.command("fsck")
@click.argument("spool", type=click.Path(exists=True, file_okay=False, path_type=Path))
@json_option
def fsck(spool: Path, as_json: bool) -> int:
    """Check a device's invariants over SPOOL, read-only."""
    from agent import fsck as checker

    _refuse_other_folders(spool)
    report = checker.check(spool)
    if as_json:
        print_json(msgspec.to_builtins(report))
    else:
        for finding in report.findings:
            click.echo(f"{finding.kind}: {finding.file or spool}: {finding.text}")
        click.echo(f"{report.entries} entries, {report.files} files, {len(report.findings)} findings")
        for owed in report.owed:
            click.echo(either(f"{owed}:中断原因未说明", f"{owed}: the reason of this interruption is owed"))
    return Exit.SHORT if report.findings else Exit.GOOD
