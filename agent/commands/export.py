"""``liuhen export`` and ``liuhen open``: hand out a session, and open media with an identity."""

from pathlib import Path

import click

from agent.commands import Exit, either, json_option, print_json, spool_option
from agent.commands.configuration import spool_of
from agent.commands.progress import progress_bar
from agent.commands.verify import read_identities, read_moment
from agent.export import export_session, open_media
from agent.verify import Unusable


@click.command("export")
@click.argument("session")
@click.argument("dest", type=click.Path(path_type=Path))
@click.option("--from", "start", metavar="T", help="RFC 3339 with offset, or +SECONDS from the session's start.")
@click.option("--to", "end", metavar="T", help="As --from.")
@spool_option
@json_option
def export(session: str, dest: Path, start: str | None, end: str | None, spool: Path | None, as_json: bool) -> int:
    """Write SESSION (such as s000001) into the new folder DEST, which proves itself.

    DEST holds the encrypted originals, the session's and the device's entries, two proofs, and a README that says how
    to check them without this program. No entry of another session is in it.
    """
    spool = spool_of(spool)
    with progress_bar(either("导出", "Exporting"), as_json) as bar:
        summary = export_session(spool, session, dest, read_moment(start), read_moment(end), bar and bar.update)
    if as_json:
        print_json(
            {
                "folder": str(summary.folder),
                "session": summary.session,
                "entries": summary.entries,
                "files": summary.files,
                "media_bytes": summary.media_bytes,
            }
        )
    else:
        told = f"{summary.folder}: {summary.entries} entries, {summary.files} files, {summary.media_bytes} bytes"
        click.echo(either(f"{dest}：{summary.entries} 个条目，{summary.files} 个文件", told))
    return Exit.GOOD


@click.command("open")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--identity", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder for the result.")
@json_option
def open_command(path: Path, identity: Path, out: Path, as_json: bool) -> int:
    """Decrypt an export, a spool or one .mp4.age file and join its whole fragments.

    Gives SESSION.mp4 (SESSION-2.mp4 where the picture's or sound's parameters changed); bytes that nothing attests
    stand beside as *.unattested. It opens; it does not judge: that is `liuhen verify`. Exit code 1 where a media file
    that the journal names is not there (what is there is opened), or where there is none at all.
    """
    missing: list[str] = []
    try:
        with progress_bar(either("解密", "Opening"), as_json) as bar:
            written = open_media(path, read_identities(identity), out, bar and bar.update, missing.append)
    except Unusable as error:
        raise click.UsageError(str(error)) from error
    if as_json:
        print_json([_told(str(file.path), file.plaintext_bytes, file.attested) for file in written])
    else:
        for file in written:
            note = "" if file.attested else either("（未经证明）", " (nothing attests it)")
            click.echo(f"{file.path}: {file.plaintext_bytes} bytes{note}")
    for name in missing:
        shown = ascii(name)[1:-1]
        click.echo(either(f"liuhen: 文件 {shown} 不存在", f"liuhen: the file {shown} is not there"), err=True)
    if not (written or missing):
        told = "liuhen: no media here that a journal names; see liuhen verify"
        click.echo(either("liuhen: 这里没有日志所列的媒体文件，见 liuhen verify", told), err=True)
    return Exit.GOOD if written and not missing else Exit.SHORT


def _told(path: str, plaintext_bytes: int, attested: bool) -> dict[str, str | int]:
    return {"path": path, "bytes": plaintext_bytes, "attested": "yes" if attested else "no"}
