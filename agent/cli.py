"""``liuhen``: the root command, which finds all others by the entry-point group ``liuhen.commands``.

Rules: a command's module is imported only when the command is asked for (``--help`` asks for all); exit codes are
0 good, 1 falls short, 2 cannot tell, 64 usage or unreadable input; an error of the project or of the operating
system is one line that says what to do, its traceback shown with ``--verbose`` only. A fault of ours is 2, never 1:
nobody may take it for a verdict.

Left to others: what the commands do (``agent.commands`` and the folders that bring their own).
"""

import importlib
import os
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import click

from agent.commands import Exit
from agent.evidence.errors import EvidenceError
from config.errors import ConfigError
from drivers.errors import DriverError

COMMAND_GROUP = "liuhen.commands"
INTERRUPTED = 130
"""128 + SIGINT, as shells have it."""
READER_GONE = 141
"""128 + SIGPIPE, as shells have it."""


class CommandBroken(click.ClickException):
    """A command's module cannot be imported, or holds no command of that name."""

    exit_code = Exit.USAGE


class ReaderGone(Exception):
    """Who reads our output (head, less) has enough."""


class LazyGroup(click.Group):
    """A click group whose commands are modules named by entry points: ``name = "module"``."""

    def __init__(self, *args: Any, found: Iterable[EntryPoint] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._found = found

    def modules(self) -> dict[str, str]:
        """Module by command name, in the order in which the project lists them."""
        found = entry_points(group=COMMAND_GROUP) if self._found is None else self._found
        return {point.name: point.value for point in found}

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """As click has it; a reader that is gone is told apart (``--help`` prints here)."""
        with _watching_the_reader():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """As click has it; a reader that is gone is told apart."""
        with _watching_the_reader():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, without importing anything."""
        return list(self.modules())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, its module imported now; None for a name that nobody brings."""
        module = self.modules().get(cmd_name)
        if module is None:
            return None
        try:
            return _command_in(module, cmd_name)
        except (ImportError, CommandBroken) as error:
            return _broken(cmd_name, f"{cmd_name} cannot be loaded ({error}); install liuhen again with all it needs")


@contextmanager
def _watching_the_reader() -> Iterator[None]:
    # click itself would end the process with 1, which here means that something falls short.
    try:
        yield
    except BrokenPipeError as error:
        raise ReaderGone from error


def _command_in(module: str, name: str) -> click.Command:
    for value in vars(importlib.import_module(module)).values():
        if isinstance(value, click.Command) and value.name == name:
            return value
    raise CommandBroken(f"{module} holds no command {name}")


def _broken(name: str, why: str) -> click.Command:
    """Stands in for a command that cannot be loaded, so that the others still work and are still listed."""

    def fail(**_: object) -> None:
        raise CommandBroken(why)

    return click.Command(
        name,
        callback=fail,
        params=[click.Argument(["arguments"], nargs=-1)],
        help=why,
        context_settings={"ignore_unknown_options": True},
    )


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--verbose", is_flag=True, help="Show the traceback of an error.")
@click.version_option(package_name="liuhen", prog_name="liuhen")
def root(verbose: bool) -> None:
    """Record without a gap, and prove it.

    Exit codes: 0 good, 1 falls short, 2 cannot tell, 64 usage or unreadable input.
    """


def run(arguments: Sequence[str]) -> int:
    """Run one command line; returns its exit code, with errors told on standard error."""
    try:
        result = root.main(list(arguments), prog_name="liuhen", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return Exit.USAGE
    except (click.Abort, KeyboardInterrupt):
        click.echo("liuhen: interrupted", err=True)
        return INTERRUPTED
    except ReaderGone:
        # Python writes what is left at its end: it must not fail there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_GONE
    except (EvidenceError, ConfigError, DriverError) as error:
        return _told(error, str(error), arguments, Exit.USAGE)
    except OSError as error:
        return _told(error, _system_error(error), arguments, Exit.USAGE)
    except Exception as error:
        what = f"a fault of liuhen itself ({type(error).__name__}: {error}); report it with --verbose's output"
        return _told(error, what, arguments, Exit.UNKNOWN)
    return result if isinstance(result, int) else Exit.GOOD


def main() -> None:
    """The console script."""
    sys.exit(run(sys.argv[1:]))


def _told(error: Exception, what: str, arguments: Sequence[str], code: Exit) -> int:
    if arguments[:1] == ["--verbose"]:
        traceback.print_exception(error)
    click.echo(f"liuhen: {what}", err=True)
    return code


def _system_error(error: OSError) -> str:
    what = error.strerror or str(error)
    if not isinstance(error.filename, str | bytes):  # none, or a number where a file was opened by one
        return f"{what}; check the path that was given"
    return f"{os.fsdecode(error.filename)}: {what}; check the path and its permissions"
