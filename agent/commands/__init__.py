"""What the commands share: exit codes, machine-readable output, the reader's language, the spool's option.

A module in this folder holds click commands; ``pyproject.toml`` maps each command's name to its module
(entry-point group ``liuhen.commands``), and the root command imports the module when the name is asked for. A
command says how it went by returning an ``Exit`` or by ``ctx.exit(code)``; errors of the project's own trees pass
through: ``agent.cli`` prints them as one line.
"""

import json
import os
from collections.abc import Callable, Mapping
from enum import IntEnum
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


class Exit(IntEnum):
    """The four ways in which a command ends."""

    GOOD = 0
    SHORT = 1
    """Something falls short: a byte altered, a hole, a reason owed."""
    UNKNOWN = 2
    """It cannot be told from what is here."""
    USAGE = 64
    """Wrong arguments or unreadable input (EX_USAGE)."""


def json_option(command: F) -> F:
    """``--json``: one JSON value on standard output, nothing else there."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")(command)


def spool_option(command: F) -> F:
    """``--spool DIR``, wherever a spool is meant."""
    folder = click.Path(exists=True, file_okay=False, path_type=Path)
    return click.option("--spool", type=folder, help="The spool to use.")(command)


def print_json(value: object) -> None:
    """One JSON value with its text as it is, Chinese included."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def reads_chinese(environment: Mapping[str, str] | None = None) -> bool:
    """Whether the reader's locale is Chinese: the first of LC_ALL, LC_MESSAGES, LANG that is set decides."""
    environment = os.environ if environment is None else environment
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if environment.get(name):
            return environment[name].lower().startswith("zh")
    return False


def either(zh: str, en: str) -> str:
    """The sentence in the reader's language."""
    return zh if reads_chinese() else en
