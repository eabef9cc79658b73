"""A bar on a terminal's standard error; nothing elsewhere, so that logs and pipes stay clean."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, Protocol


class Update(Protocol):
    def __call__(self, done: float, total: float, text: str | None = None) -> None: ...


class Say(Protocol):
    def __call__(self, text: str) -> None: ...


class ShownBar(NamedTuple):
    update: Update
    say: Say
    """Print a line above the bar."""


@contextmanager
def progress_bar(title: str, quiet: bool = False) -> Iterator[ShownBar | None]:
    """None where ``quiet`` or where no terminal looks on."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)

        def update(done: float, total: float, text: str | None = None) -> None:
            bar.update(task, completed=done, total=total, description=text)

        def say(text: str) -> None:
            bar.console.print(text, highlight=False, markup=False)

        yield ShownBar(update, say)
