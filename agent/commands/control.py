"""The commands that speak to a running recorder: start, stop, mark, annotate, explain, report, acknowledge, assign,
status, events.

They say what the officer's button and page say. Names of persons, cases and places go into ``--private`` and are
sealed before they reach the disk (R10).
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from agent.commands import Exit, either, json_option, print_json, spool_option
from agent.commands.configuration import socket_of
from agent.local import LocalRecorder

F = TypeVar("F", bound=Callable[..., Any])


def _recorder_options(command: F) -> F:
    file = click.Path(exists=True, dir_okay=False, path_type=Path)
    command = click.option("--socket", type=click.Path(path_type=Path), help="The recorder's socket.")(command)
    command = click.option("--config", type=file, help="The device's configuration.")(command)
    return json_option(spool_option(command))


def _recorder(socket: Path | None, config: Path | None, spool: Path | None) -> LocalRecorder:
    return LocalRecorder(socket or socket_of(spool, config))


def _send(command: str, body: dict[str, object], as_json: bool, **where: Path | None) -> int:
    answer = _recorder(**where).post(command, body)
    if as_json:
        print_json(answer)
    else:
        click.echo(" ".join(word for word in (answer["session"], answer["text"] or either("好", "done")) if word))
    return Exit.GOOD


_POWER = click.Choice(["penalty", "coercion", "permit", "inspection", "levy", "other"])
_PRIVATE = click.option("--private", default="", help="Text about persons, cases, places; encrypted.")


@click.command("start")
@click.option("--power", type=_POWER, default="inspection", help="The power exercised (article 5).")
@_PRIVATE
@_recorder_options
def start(power: str, private: str, as_json: bool, **where: Path | None) -> int:
    """Begin a session."""
    return _send("start", {"power": power, "private": private}, as_json, **where)


@click.command("stop")
@_recorder_options
def stop(as_json: bool, **where: Path | None) -> int:
    """End the session."""
    return _send("stop", {}, as_json, **where)


@click.command("mark")
@click.argument("label", default="mark")
@_recorder_options
def mark(label: str, as_json: bool, **where: Path | None) -> int:
    """Mark this moment."""
    return _send("mark", {"label": label}, as_json, **where)


@click.command("annotate")
@click.argument("session", default="")
@click.option("--power", type=_POWER, default=None)
@click.option("--stage", "stages", multiple=True, help="ID[:FROM_US[:UNTIL_US]] of a stage.")
@click.option("--situation", "situations", multiple=True, help="Number of article 11, likewise.")
@click.option("--focus", "foci", multiple=True, help="Number of article 12, likewise.")
@click.option("--officer", "officers", multiple=True, help="Certificate number of a further officer.")
@click.option("--important/--not-important", default=None)
@_PRIVATE
@_recorder_options
def annotate(
    session: str,
    power: str | None,
    stages: Sequence[str],
    situations: Sequence[str],
    foci: Sequence[str],
    officers: Sequence[str],
    important: bool | None,
    private: str,
    as_json: bool,
    **where: Path | None,
) -> int:
    """Add to SESSION (the open or next one where left out): power, stages, officers, private text."""
    ranges = [
        _range(kind, text)
        for kind, texts in (("stage", stages), ("situation", situations), ("focus", foci))
        for text in texts
    ]
    body: dict[str, object] = {
        "session": session,
        "power": power or "",
        "ranges": ranges,
        "officers": list(officers),
        "important": "" if important is None else ("yes" if important else "no"),
        "private": private,
    }
    return _send("annotate", body, as_json, **where)


def _range(kind: str, text: str) -> dict[str, object]:
    parts = text.split(":")
    try:
        moments = [int(part) for part in parts[1:]]
    except ValueError:
        raise click.BadParameter(f"{text!r}: give ID, ID:FROM_US or ID:FROM_US:UNTIL_US") from None
    return {"kind": kind, "id": parts[0], **dict(zip(("from_us", "until_us"), moments, strict=False))}


@click.command("assign")
@click.argument("officer", default="")
@click.option("--how", type=click.Choice(["assign", "handover", "return"]), default="assign")
@_PRIVATE
@_recorder_options
def assign(officer: str, how: str, private: str, as_json: bool, **where: Path | None) -> int:
    """Issue the device to OFFICER (certificate number), hand it over, or take it back (R20a)."""
    return _send("assign", {"how": how, "officer": officer, "private": private}, as_json, **where)


@click.command("explain")
@click.argument("session", default="")
@click.argument("interruption", type=int, default=0)
@click.option("--written", "text", default="", help="A written reason, where the microphone failed; encrypted.")
@click.option("--addendum", is_flag=True, help="Adds to a reason that was given.")
@_recorder_options
def explain(session: str, interruption: int, text: str, addendum: bool, as_json: bool, **where: Path | None) -> int:
    """Begin or end the spoken reason of an interruption, as the officer's press does (R19b).

    With --written: the reason of INTERRUPTION of SESSION in writing.
    """
    body: dict[str, object] = {"session": session, "interruption": interruption, "text": text, "addendum": addendum}
    return _send("explain", body, as_json, **where)


@click.command("report")
@click.argument("alarm", type=click.IntRange(0), required=False)
@click.option("--how", type=click.Choice(["phone", "radio", "person", "other"]), default="phone")
@click.option("--private", default="", help="To whom, and what was said; encrypted.")
@_recorder_options
def report(alarm: int | None, how: str, private: str, as_json: bool, **where: Path | None) -> int:
    """Enter that the unit head was told of ALARM (where left out: of all that wait for it; R19c)."""
    body: dict[str, object] = {"how": how, "private": private}
    return _send("report", body if alarm is None else {**body, "alarm": alarm}, as_json, **where)


@click.command("acknowledge")
@click.argument("alarm", type=click.IntRange(0))
@click.option("--by", required=True, help="Certificate number of who takes note.")
@click.option("--private", required=True, help="The name; encrypted.")
@_recorder_options
def acknowledge(alarm: int, by: str, private: str, as_json: bool, **where: Path | None) -> int:
    """Take note of ALARM, by name (R19c)."""
    return _send("acknowledge", {"alarm": alarm, "by": by, "private": private}, as_json, **where)


@click.command("status")
@_recorder_options
def status(as_json: bool, **where: Path | None) -> int:
    """What the recorder does now."""
    found = _recorder(**where).status()
    if as_json:
        print_json(found)
    else:
        for name, value in found.items():
            click.echo(f"{name}: {json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value}")
    return Exit.GOOD


@click.command("events")
@_recorder_options
def events(as_json: bool, **where: Path | None) -> int:
    """Events as they happen, one line of JSON each."""
    for event in _recorder(**where).events():
        click.echo(json.dumps(event, ensure_ascii=False))
    return Exit.GOOD
