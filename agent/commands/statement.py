"""``liuhen statement``: the written statement that an alarm asks for (R19c): filled in, listed, handed in.

The form is made from a spool's journal, offline. A person finishes it in any editor; ``--finish`` gives the finished
text to the running recorder, which seals it, so that no name reaches the disk in clear by this program.
"""

from pathlib import Path

import click

from agent.commands import Exit, either, json_option, print_json, spool_option
from agent.commands.configuration import DEVICE_CONFIG, socket_of, spool_of
from agent.commands.statement_form import TO_FILL, TRACKS, LocalTime, Told, form, told_of
from agent.evidence.errors import EvidenceError
from agent.local import LocalRecorder
from agent.verify.facts import Log
from agent.verify.run import device_clocks
from agent.verify.spool import is_spool, read_spool
from config.load import load_config
from config.models import Ask

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
MAX_STATEMENT_BYTES = 24_000
"""What the recorder takes as one private text."""


class StatementRefused(EvidenceError):
    """No such alarm, or a statement that is not finished."""


@click.command("statement")
@click.argument("session", default="")
@click.argument("alarm", type=click.IntRange(0), required=False)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the form into this new file.")
@click.option("--finish", type=FILE, help="Hand in the finished text; the running recorder seals it.")
@click.option(
    "--list", "as_list", is_flag=True, help="List the statements that are owed; exit code 1 if there are any."
)
@click.option("--config", type=FILE, help="The device's configuration.")
@click.option("--socket", type=click.Path(path_type=Path), help="The recorder's socket.")
@spool_option
@json_option
def command(
    session: str,
    alarm: int | None,
    out: Path | None,
    finish: Path | None,
    as_list: bool,
    config: Path | None,
    socket: Path | None,
    spool: Path | None,
    as_json: bool,
) -> int:
    """Print the form 音像记录中断情况说明 for ALARM of SESSION (such as s000001 0), filled in from the journal.

    What only a person knows is marked 【待填写】. Finish the text, then hand it in with --finish FILE.
    """
    if as_list:
        _refuse_more(session or out or finish, "--list stands alone")
        return _list(_read(spool, config), as_json)
    if not session or alarm is None:
        raise click.UsageError("Give SESSION and ALARM, or --list to see which statements are owed.")
    if finish is not None:
        _refuse_more(out, "--out writes the form, --finish hands it in; give one of them")
        return _hand_in(session, alarm, finish, socket or socket_of(spool, config), as_json)
    found = _find(_read(spool, config), session, alarm)
    text = form(found[1], LocalTime(device_clocks(found[0]), _utc_offset_min(spool, config)))
    _give(text, out, as_json)
    return Exit.GOOD


def _refuse_more(given: object, text: str) -> None:
    if given:
        raise click.UsageError(f"{text}.")


# --- the form ----------------------------------------------------------------------------------------------


def _read(spool: Path | None, config: Path | None) -> list[Log]:
    """The generations of the spool's journal; what is damaged is told, and the rest is used."""
    named = Path(load_config(config).device.spool) if spool is None and config is not None else spool_of(spool)
    if not is_spool(named):
        raise click.UsageError(f"{named} is no spool; give the folder that holds journal/ and segments/.")
    evidence = read_spool(named, None)
    for problem in evidence.problems:
        click.echo(f"liuhen: {problem.file}: {problem.kind}; see liuhen verify", err=True)
    return evidence.logs


def _find(logs: list[Log], session: str, alarm: int) -> tuple[Log, Told]:
    found = [(log, told) for log in logs for told in told_of(log) if (told.session, told.number) == (session, alarm)]
    if found:  # where damage began a new generation, the one that raised it knows most
        return next((one for one in found if one[1].raised is not None), found[-1])
    raise StatementRefused(f"there is no alarm {alarm} of {session[:40]!r} here; liuhen statement --list names them")


def _utc_offset_min(spool: Path | None, config: Path | None) -> int:
    """Local time less UTC, by the configuration that is named, beside the spool, or the device's own."""
    beside = spool.resolve().parent / "config.toml" if spool is not None else DEVICE_CONFIG
    path = config or (beside if beside.exists() else DEVICE_CONFIG)
    return load_config(path).ask.utc_offset_min if path.exists() else Ask().utc_offset_min


def _give(text: str, out: Path | None, as_json: bool) -> None:
    if out is not None:
        try:
            with out.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            raise StatementRefused(
                f"{out} is there already, and may hold somebody's work; choose another name"
            ) from None
    if as_json:
        print_json({"text": text, "file": str(out) if out else ""})
    else:
        click.echo(str(out) if out else text, nl=bool(out))


# --- the list ----------------------------------------------------------------------------------------------


def _list(logs: list[Log], as_json: bool) -> int:
    known: dict[tuple[str, int], Told] = {}
    for told in [told for log in logs for told in told_of(log)]:
        known.setdefault((told.session, told.number), told).stated |= told.stated
    owed = [told for told in known.values() if not told.stated]
    if as_json:
        print_json([{"session": one.session, "alarm": one.number, "track": one.alarm.track} for one in owed])
    else:
        for one in owed:
            track = either(TRACKS[one.alarm.track], one.alarm.track)
            text = either("未提交书面说明", "the written statement is owed")
            click.echo(f"{one.session} {one.number}: {track}: {text}")
    return Exit.SHORT if owed else Exit.GOOD


# --- handing in --------------------------------------------------------------------------------------------


def _hand_in(session: str, alarm: int, file: Path, socket: Path, as_json: bool) -> int:
    body: dict[str, object] = {"session": session, "alarm": alarm, "text": finished(file), "language": "zh"}
    answer = LocalRecorder(socket).post("statement", body)
    if as_json:
        print_json(answer)
    else:
        click.echo(either("已提交", "handed in"))
    return Exit.GOOD


def finished(file: Path) -> str:
    """A finished statement's text. Raises StatementRefused where something is still to be filled in."""
    with file.open("rb") as stream:
        data = stream.read(MAX_STATEMENT_BYTES + 1)
    if len(data) > MAX_STATEMENT_BYTES:
        raise StatementRefused(f"{file} is longer than {MAX_STATEMENT_BYTES} bytes; shorten the text")
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise StatementRefused(f"{file} is no UTF-8 text ({error}); save it as UTF-8") from error
    if left := text.count(TO_FILL):
        raise StatementRefused(f"{file}: {left} places are still marked {TO_FILL}; fill them in, or write 无")
    return text
