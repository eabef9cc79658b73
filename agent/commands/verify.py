"""``liuhen verify``: the verdict on a spool or an export, offline and read-only.

The command reads what the user brings (keys, a checkpoint, an identity), shows progress, prints. Everything that is
judged is judged in ``agent.verify``. What cannot be used as it is (no spool there, an unreadable key) exits 64.
"""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from agent.commands import Exit, either, json_option, print_json, reads_chinese
from agent.commands.progress import progress_bar
from agent.evidence import age
from agent.evidence.errors import EvidenceError
from agent.evidence.note import COSIGNATURE_V1, VerifierKey, parse_vkey
from agent.verify import Options, Unusable
from agent.verify import verify as verify_folder
from agent.verify.moments import MomentMalformed, Wanted, parse_moment
from agent.verify.run import Progress

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
MAX_INPUT_BYTES = 1 << 20
MAX_SHOWN = 100


@click.command("verify")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--key", metavar="VKEY", help="The device's key as enrolled: a vkey, or a file that holds it.")
@click.option("--mirror-key", "mirror_keys", metavar="VKEY", multiple=True, help="A store's key; may be repeated.")
@click.option("--checkpoint", type=FILE, help="A later or co-signed checkpoint; it must be of the same history.")
@click.option("--identity", type=FILE, help="An age identity: the media are decrypted and looked into.")
@click.option("--from", "start", metavar="T", help="RFC 3339 with offset, or +SECONDS from the session's start.")
@click.option("--to", "end", metavar="T", help="As --from.")
@json_option
def command(
    path: Path,
    key: str | None,
    mirror_keys: tuple[str, ...],
    checkpoint: Path | None,
    identity: Path | None,
    start: str | None,
    end: str | None,
    as_json: bool,
) -> int:
    """Check a spool or an export: bytes, gaps, signer, time.

    Four answers apart, and every problem with its place. Exit codes: 0 all good, 1 a "no" or an owed explanation,
    2 something cannot be told, 64 there is nothing to check.
    """
    options = Options(
        key=read_key(key) if key else None,
        mirror_keys=tuple(read_mirror_key(text) for text in mirror_keys),
        checkpoint=_read(checkpoint) if checkpoint else None,
        identities=read_identities(identity) if identity else (),
        start=read_moment(start),
        end=read_moment(end),
        language="zh" if reads_chinese() else "en",
    )
    try:
        with _progress(quiet=as_json) as progress:
            verdict = verify_folder(path, options, progress)
    except Unusable as error:
        raise click.UsageError(str(error)) from error
    if as_json:
        print_json(verdict.json)
    else:
        print_verdict(verdict.json)
    return Exit(verdict.status)


# --- what the user brings ------------------------------------------------------------------------------


def read_key(text: str) -> VerifierKey:
    """A vkey string, or the file that holds one."""
    try:
        if Path(text).is_file():
            text = _read(Path(text)).decode()
        return parse_vkey(text.strip())
    except (EvidenceError, UnicodeDecodeError, OSError, ValueError) as error:
        raise click.UsageError(f"No key: {error}") from error


def read_mirror_key(text: str) -> VerifierKey:
    """A store's key: of the kind that co-signs checkpoints, for a device's key never made a co-signature."""
    key = read_key(text)
    if key.algorithm != COSIGNATURE_V1:
        raise click.UsageError(f"{key.name} is no store's key (kind 0x04); give a device's key with --key.")
    return key


def read_identities(path: Path) -> tuple[age.Identity, ...]:
    """The identities in an age identity file."""
    try:
        return age.parse_identities(_read(path).decode())
    except (EvidenceError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{path} holds no age identity: {error}") from error


def read_moment(text: str | None) -> Wanted | None:
    try:
        return None if text is None else parse_moment(text)
    except MomentMalformed as error:
        raise click.UsageError(str(error)) from error


def _read(path: Path) -> bytes:
    """The file's first bytes. Of a pipe what its writer gives (``<(age -d …)``); without a writer it is empty."""
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(file, "rb", buffering=0) as stream:
        first = stream.read(MAX_INPUT_BYTES)  # None where a writer has not written yet
        if first == b"":
            return b""
        os.set_blocking(file, True)
        with io.BufferedReader(stream) as rest:
            return (first or b"") + rest.read(MAX_INPUT_BYTES - len(first or b""))


# --- what the user sees ----------------------------------------------------------------------------------


@contextmanager
def _progress(quiet: bool) -> Iterator[Progress | None]:
    """A bar that names the file."""
    with progress_bar(either("核验", "Checking"), quiet) as bar:
        yield (lambda name, done, total: bar.update(done, total, name[-40:])) if bar else None


_TITLES = {
    "bytes_intact": ("字节完整", "Bytes intact"),
    "nothing_missing": ("无缺失", "Nothing missing"),
    "signer": ("签署者", "Signed by"),
    "time": ("时间", "Time"),
}
_ANSWERS = {"yes": ("是", "yes"), "no": ("否", "NO"), "unknown": ("无法判断", "cannot tell")}


def print_verdict(verdict: dict[str, Any]) -> None:
    """The four answers, the sessions, the problems."""
    for name, title in _TITLES.items():
        given = verdict[name]
        click.echo(f"{either(*title)}: {either(*_ANSWERS[given['answer']])}\n    {given['text']}")
    for session in verdict["sessions"]:
        click.echo(f"\n{session['id']}  {session['from'] or '?'} - {session['to'] or '?'}")
        for gap in session["gaps"]:
            length = f"{gap['length_ms'] / 1000:.1f} s"
            click.echo(f"    {gap['track']}  +{gap['at_ms'] / 1000:.1f} s  {length}  {gap['reason']}")
        for one in session["impairments"]:
            click.echo(f"    {one['from']} - {one['to'] or '…'}  {one['kind']}")
    if verdict["problems"]:
        click.echo("\n" + either("问题：", "Problems:"))
    for problem in verdict["problems"][:MAX_SHOWN]:
        place = ", ".join(str(problem[name]) for name in ("file", "entry", "offset") if problem[name] is not None)
        click.echo(f"  - {problem['kind']}: {problem['text']}" + (f"  [{place}]" if place else ""))
    more = len(verdict["problems"]) - MAX_SHOWN
    if more > 0:
        click.echo(either(f"  另有 {more} 个问题，用 --json 查看全部", f"  and {more} more; --json lists them all"))
