"""``liuhen check``: the device checked before use (R19a), by its recorder, or as far as can be without one.

A running recorder is asked for a check, which it also speaks and journals; who may only look sees its last one.
Without a recorder the spool and the configuration are looked at: keys, configuration, clock, room, writing, journal,
what is to be uploaded and what is owed; what only a recorder knows is named as not checked. Exit codes: 0 nothing
failed, 1 something did, 2 nothing failed and not all could be checked.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
import msgspec

from agent.commands import Exit, either, json_option, print_json, spool_option
from agent.commands.configuration import DEVICE_CONFIG
from agent.keys import DeviceKeyError, load_signer
from agent.local import LocalRecorder, RecorderAbsent, RecorderRefused
from agent.recorder import clock
from agent.recorder.checking import LONGEST_NS, as_report
from agent.recorder.checkup import (
    TITLES,
    CheckFacts,
    CheckSettings,
    ClockNow,
    Configured,
    Journal,
    Keys,
    Owing,
    Room,
    Writing,
    check,
    unchecked,
)
from agent.recorder.compose import reserved_bytes
from agent.recorder.deadline import Deadlines, DeadlineSettings, Terms, unsynced
from agent.recorder.glance import Glance, glance
from agent.recorder.keeping import Keeping, keep_settings, load_of
from agent.recorder.observed import absent
from config.errors import ConfigError
from config.load import load_config
from config.models import Config
from drivers.clock import SystemClock
from drivers.errors import StorageGone
from drivers.storage import StorageFigures, linux

PATIENCE_S = LONGEST_NS / 1e9 + 5
POLL_S = 0.2
PARTS = ("camera", "microphone", "position", "signals", "power")
_RESULTS = {"pass": ("合格", "pass"), "warn": ("注意", "warn"), "fail": ("不合格", "FAIL")}

Sleep = Callable[[float], object]


@click.command("check")
@click.option("--offline", is_flag=True, help="Look at spool and configuration only, also where a recorder runs.")
@click.option("--socket", type=click.Path(path_type=Path), help="The recorder's socket.")
@click.option("--config", "named", type=click.Path(dir_okay=False, path_type=Path), help="The device's configuration.")
@spool_option
@json_option
def check_command(offline: bool, socket: Path | None, named: Path | None, spool: Path | None, as_json: bool) -> int:
    """Check the device before use: sensors, clock, storage, power, keys, what is owed."""
    path = _configuration(named, spool)
    try:
        config, problem = load_config(path), ""
    except ConfigError as error:
        config, problem = None, str(error)
    report = None if offline else _asked(socket or (Path(config.device.socket) if config else None))
    by = "recorder" if report is not None else "offline"
    if report is None:
        report = look(config, problem, spool)
    _print(by, report, as_json)
    return _exit(report)


def _configuration(named: Path | None, spool: Path | None) -> Path:
    """The file that was named, the one beside the spool, or the device's own."""
    beside = spool.resolve().parent / "config.toml" if spool else DEVICE_CONFIG
    path = named or (beside if beside.exists() else DEVICE_CONFIG)
    if not path.exists():
        raise click.UsageError(f"Which device? Give --config FILE or --spool DIR; there is no {path}.")
    return path


# --- by the recorder ------------------------------------------------------------------------------------


def _asked(socket: Path | None) -> dict[str, Any] | None:
    """The report of a running recorder; None where there is none."""
    if socket is None:
        return None
    try:
        return ask(LocalRecorder(socket), time.sleep)
    except RecorderAbsent:
        text = f"no recorder at {socket}; looking at spool and configuration only"
        click.echo(f"liuhen: {either(f'{socket} 没有录制程序,只检查存储与配置', text)}", err=True)
        return None


def ask(recorder: LocalRecorder, sleep: Sleep) -> dict[str, Any]:
    """Have the recorder check, and wait for it; its last check where only looking is allowed."""
    before = recorder.check_report()
    try:
        recorder.post("check", {})
    except RecorderRefused:
        if not before["number"]:
            raise
        return before
    waited_s = 0.0
    while (now := recorder.check_report())["number"] == before["number"]:
        if waited_s >= PATIENCE_S:
            raise RecorderRefused("the recorder has not ended its check; see liuhen events, and try again")
        sleep(POLL_S)
        waited_s += POLL_S
    return now


# --- without one ----------------------------------------------------------------------------------------


def look(config: Config | None, problem: str, spool: Path | None) -> dict[str, Any]:
    """What can be checked of a configuration and a spool; ``problem``: why there is no configuration."""
    root = spool or (Path(config.device.spool) if config else None)
    found = glance(root) if root is not None and root.is_dir() else None
    settings = CheckSettings() if config is None else settings_of(config)
    facts = _facts(config, problem, root, found)
    items = check(settings, facts)
    return as_report(items, unchecked(items, facts))


def settings_of(config: Config) -> CheckSettings:
    """``[check]``, as the check takes it."""
    section = msgspec.to_builtins(config.check)
    return CheckSettings(**{name: section[name] for name in CheckSettings.__dataclass_fields__})


def _facts(config: Config | None, problem: str, root: Path | None, found: Glance | None) -> CheckFacts:
    reading = clock.system_utc()
    storage = _storage(root)
    parts = PARTS if config is None else [part for part in PARTS if getattr(config, part) is not None]
    return CheckFacts(
        clock=ClockNow(reading.source, reading.error_us),
        room=_room(config, storage) if isinstance(storage, StorageFigures) else None,
        writing=storage if isinstance(storage, Writing) or storage is None else _writing(storage),
        keys=_keys(config, found.vkey if found else "") if config else None,
        configured=Configured(problem),
        journal=Journal(found.problem) if found else None,
        unsynced=unsynced(_terms_now(config, found)) if found else None,
        owing=_owing(found) if found else None,
        absent=absent(parts),
    )


def _storage(root: Path | None) -> StorageFigures | Writing | None:
    """The volume with a trial write; a ``Writing`` that says why there is none."""
    if root is None:
        return None
    try:
        return linux.figures(root, SystemClock(), trial=True)
    except StorageGone as error:
        return Writing(error=str(error))


def _writing(figures: StorageFigures) -> Writing:
    return Writing(figures.read_only, figures.write_us, figures.error)


def _room(config: Config | None, figures: StorageFigures) -> Room | None:
    if config is None:
        return None
    keeping = Keeping(keep_settings(config), load_of(config, reserved_bytes(config)))
    keeping.look(figures.free_bytes)
    return Room(keeping.left_min)


def _keys(config: Config, vkey: str) -> Keys:
    """``vkey``: by which the spool's journal is signed; "" where there is none."""
    try:
        signer = load_signer(Path(config.device.key_dir), config.device.id)
    except (DeviceKeyError, OSError) as error:
        return Keys(str(error))
    if vkey not in ("", signer.vkey.line()):
        return Keys(f"the spool is signed by {vkey}, not by this key; use the spool's own key_dir, or an empty spool")
    return Keys("", len(config.trust.receipt_keys))


def _terms_now(config: Config | None, found: Glance) -> Terms:
    """The terms as they stand at this moment: the recorder may have been off since it told of them."""
    boot_id, _ = clock.boot()
    boot = found.state.boot + (boot_id != found.state.boot_id)
    section = msgspec.to_builtins(config.deadline) if config else {}
    reading = clock.system_utc()
    utc = None if reading.source == "none" else (reading.utc_us, reading.error_us)
    terms = found.terms.copy()
    Deadlines(DeadlineSettings(**section), terms, boot, lambda _: True).look(reading.at_ns // 1000, utc, None)
    return terms


def _owing(found: Glance) -> Owing:
    alarms = found.state.alarms
    return Owing(len(found.state.owed), len(alarms.unstated), len(alarms.unacknowledged))


# --- telling --------------------------------------------------------------------------------------------


def _print(by: str, report: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        print_json({"by": by, **report})
        return
    for item in report["items"]:
        result, title = either(*_RESULTS[item["result"]]), either(*_title(item["name"]))
        click.echo(f"{result}  {title}  {either(item['text_zh'], item['text_en'])}")
    for name in report["unchecked"]:
        click.echo(f"{either('未检查', 'not checked')}  {either(*_title(name))}")
    click.echo(either(report["words_zh"], report["words_en"]))


def _title(name: str) -> tuple[str, str]:
    titles = TITLES.get(name)  # type: ignore[call-overload]
    return (titles["zh"], titles["en"]) if titles else (name, name)


def _exit(report: Mapping[str, Any]) -> int:
    if report["result"] == "fail":
        return Exit.SHORT
    return Exit.UNKNOWN if report["unchecked"] else Exit.GOOD
