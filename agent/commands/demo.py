"""``liuhen demo``: a device, a world and a store on this machine, and the verdict on what was recorded.

The command shows; everything else is in ``agent.demo``. Exit code: 0 when spool and exports have four good answers,
1 when something falls short, an interruption's reason still owed included, 2 when something cannot be told.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from agent.commands import Exit, either
from agent.commands.progress import progress_bar
from agent.commands.verify import print_verdict
from agent.demo import run as run_module
from agent.demo.run import Outcome, Plan, Progress, run
from agent.demo.script import Tell

SHIPPED = Path(run_module.__file__).with_name("scenarios")
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


class _Scenario(click.Path):
    """A file, or the name of a scenario that is shipped."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        shipped = {path.stem: path for path in SHIPPED.glob("*.toml")}
        if value in shipped:
            return shipped[value]
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            raise click.BadParameter(f"{error.message} Shipped are: {', '.join(sorted(shipped))}.") from None


SCENARIO = _Scenario(exists=True, dir_okay=False, path_type=Path)


@click.command("demo")
@click.option(
    "--seconds", type=click.FloatRange(1, 86_400), default=60.0, show_default=True, help="From start to stop."
)
@click.option("--dir", "root", type=click.Path(path_type=Path), default=Path("demo"), show_default=True)
@click.option(
    "--scenario", type=SCENARIO, help="What happens: a TOML file of [[event]] with at_s and what, or a shipped one."
)
@click.option("--camera", type=FILE, help="A media file whose H.264 pictures are replayed instead of drawn ones.")
def demo(seconds: float, root: Path, scenario: Path | None, camera: Path | None) -> int:
    """Record with simulated sensors, co-sign, export, verify.

    The folder is made, or emptied if it is an earlier demo's. A clip begins again at its end.
    """
    signal.signal(signal.SIGTERM, _terminated)
    with _shown() as (tell, progress):
        outcome = run(Plan(root, seconds, scenario, camera), tell, progress)
    _print(outcome)
    return Exit(outcome.status)


def _terminated(*_: object) -> None:
    raise KeyboardInterrupt


@contextmanager
def _shown() -> Iterator[tuple[Tell, Progress]]:
    """A bar on a terminal, and lines of what happens on standard output everywhere."""
    with progress_bar(either("准备", "preparing")) as bar:
        if bar is None:
            yield lambda zh, en: click.echo(either(zh, en)), lambda done, total, state: None
        else:
            shown = bar
            yield (
                lambda zh, en: shown.say(either(zh, en)),
                lambda done, total, state: shown.update(max(0.0, done), total, state),
            )


def _print(outcome: Outcome) -> None:
    """The four answers on the spool, one line for each export, where to look, the exit code."""
    click.echo()
    print_verdict(dict(outcome.spool))
    click.echo()
    for session, verdict in outcome.exports.items():
        answers = [verdict[name]["answer"] for name in ("bytes_intact", "nothing_missing", "signer", "time")]
        click.echo(f"export/{session}: {', '.join(answers)}")
    folder = outcome.folder
    click.echo(either("在这里看：", "Where to look:"))
    for path, zh, en in _places(outcome):
        click.echo(f"  {folder / path}  {either(zh, en)}")
    if outcome.owed:
        click.echo(
            either(f"还有 {outcome.owed} 次中断没有说明原因", f"{outcome.owed} interruptions still owe a reason")
        )
    click.echo(either(f"退出码 {outcome.status}", f"exit code {outcome.status}"))


def _places(outcome: Outcome) -> Iterator[tuple[str, str, str]]:
    yield "verdict.json", "核验结论", "the verdict"
    for session in outcome.exports:
        yield f"export/{session}/README.md", "如何用通用工具核验", "how to check it with stock tools"
    yield "spool", "设备存储卡上的内容", "what is on the device's card"
    yield "store/identity.txt", "打开音视频的密钥", "opens the media"
