"""``liuhen journal``: read the journal as text, prove one entry of it, lay it out as tiles for a store or an auditor.

All three go by the last signed checkpoint and only read; what stands behind it is in progress and left out. ``prove``
and ``tiles`` write the formats of C2SP (tlog-proof, tlog-tiles) and refuse where the journal cannot give a proof:
damaged, or its first files removed.
"""

import json
from pathlib import Path
from typing import Any

import click
import msgspec

from agent.commands import Exit, json_option, print_json, spool_option
from agent.commands.configuration import spool_of
from agent.commands.indexed import indexed
from agent.evidence import canonical, proof, tree
from agent.evidence.entries import DEVICE_STREAM
from agent.evidence.errors import EvidenceError
from agent.evidence.tiles import bundles, tiles
from agent.export.originals import raw_lines, why_unprovable
from agent.recorder.lookup import INDEX_ERRORS
from agent.verify.facts import JOURNAL, Evidence, Line, Log
from agent.verify.moments import Clocks, rfc3339
from agent.verify.run import device_clocks
from agent.verify.spool import is_spool, read_spool

_PLACE = ("stream", "n", "prev", "salt", "boot", "boot_us", "type")
"""Members that each line shows in its own way, or that say nothing to a reader."""
GENERATION = click.option("--generation", type=click.IntRange(1), help="Which one; the newest where left out.")
MAX_NAMED = 5
"""Streams that an error names: a device has thousands."""


class JournalRefused(EvidenceError):
    """The journal cannot give what is asked for."""


@click.group()
def journal() -> None:
    """Read the journal, prove an entry, write tiles."""


@journal.command("show")
@click.option("--stream", help="Only this stream: device, or a session such as s000001.")
@spool_option
@json_option
def show(stream: str | None, spool: Path | None, as_json: bool) -> int:
    """Print the entries, one line each: index, UTC (~ where no clock said), stream and number, type, members."""
    if stream is not None and _show_indexed(stream, spool, as_json):
        return Exit.GOOD
    evidence = _read(spool)
    found = [(log, line) for log in evidence.logs for line in log.lines if stream in (None, line.entry.stream)]
    if stream is not None and not found:
        raise _no_stream(stream, evidence)
    if as_json:
        print_json([_as_json(line) for _, line in found])
    else:
        clocks = {log.origin: device_clocks(log) for log in evidence.logs}
        for log, line in found:
            click.echo(_as_text(line, clocks[log.origin]))
    for problem in evidence.problems:
        click.echo(f"liuhen: {problem.file}: {problem.kind}; see liuhen verify", err=True)
    return Exit.SHORT if evidence.problems else Exit.GOOD


@journal.command("prove")
@click.argument("index", type=click.IntRange(0))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the proof into this file.")
@click.option("--entry", type=click.Path(dir_okay=False, path_type=Path), help="Write the entry's bytes into this one.")
@GENERATION
@spool_option
def prove(index: int, out: Path | None, entry: Path | None, generation: int | None, spool: Path | None) -> int:
    """Prove that entry INDEX is in the signed tree: a C2SP tlog-proof, on standard output or in --out.

    Who checks it needs the entry's exact bytes (--entry) and the device's vkey.
    """
    line, data = _proved_indexed(index, generation, spool) or _proved(index, generation, spool)
    if entry:
        entry.write_bytes(line)
    if out:
        out.write_bytes(data)
    else:
        click.echo(data, nl=False)
    return Exit.GOOD


@journal.command("tiles")
@click.argument("dest", type=click.Path(file_okay=False, path_type=Path))
@GENERATION
@spool_option
@json_option
def tiles_command(dest: Path, generation: int | None, spool: Path | None, as_json: bool) -> int:
    """Write the tree into the new folder DEST: checkpoint, tile/…, device.vkey, as C2SP tlog-tiles lays them out."""
    evidence = _read(spool)
    log = _whole(evidence, generation)
    if dest.exists() and any(dest.iterdir()):
        raise JournalRefused(f"{dest} is not empty; choose a new folder, tiles are never written over others.")
    written = 0
    raw = list(raw_lines(evidence.root, log.lines))
    for path, data in [*tiles([line.leaf for line in log.lines]), *bundles(raw)]:
        target = dest / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        written += 1
    assert log.key is not None
    (dest / "device.vkey").write_text(log.key.line() + "\n")
    # Last, so that a reader never finds a checkpoint whose tiles are not there yet.
    (dest / "checkpoint").write_bytes(log.note)
    if as_json:
        print_json({"folder": str(dest), "size": log.size, "tiles": written})
    else:
        click.echo(f"{dest}: {log.size} entries in {written} tiles")
    return Exit.GOOD


def _proved(index: int, generation: int | None, spool: Path | None) -> tuple[bytes, bytes]:
    """The entry's line and its proof, out of the whole journal."""
    evidence = _read(spool)
    log = _whole(evidence, generation)
    if index >= log.size:
        raise _no_entry(index, log.size)
    levels = tree.Levels([line.leaf for line in log.lines])
    data = proof.encode_proof(index, tree.inclusion_proof_from(levels.read_hash, index, log.size), log.note)
    return next(raw_lines(evidence.root, [log.lines[index]])), data


def _no_entry(index: int, size: int) -> JournalRefused:
    return JournalRefused(f"There is no entry {index}; the checkpoint has {size}, counted from 0.")


# --- from the index --------------------------------------------------------------------------------------
# A device's journal has millions of entries: reading all of it takes minutes and gigabytes, this a second.


def _proved_indexed(index: int, generation: int | None, spool: Path | None) -> tuple[bytes, bytes] | None:
    known = indexed(spool_of(spool), generation)
    if known is None:
        return None
    if index >= known.checkpoint.size:
        raise _no_entry(index, known.checkpoint.size)
    try:
        return known.proof_of(index)
    except INDEX_ERRORS:
        return None


def _show_indexed(stream: str, spool: Path | None, as_json: bool) -> bool:
    """Whether it was shown. The device's stream goes through all generations, of which one is indexed."""
    root = spool_of(spool)
    known = indexed(root)
    if known is None or (stream == DEVICE_STREAM and len(list((root / JOURNAL).iterdir())) > 1):
        return False
    try:
        lines = known.stream(stream)
        clocks = known.clocks(set() if as_json else {line.entry.boot for line in lines})
    except INDEX_ERRORS:  # there is no such stream here, or the index is damaged: the files say it
        return False
    if as_json:
        print_json([_as_json(line) for line in lines])
    else:
        for line in lines:
            click.echo(_as_text(line, clocks))
    return True


# --- reading -------------------------------------------------------------------------------------------


def _read(spool: Path | None) -> Evidence:
    spool = spool_of(spool)
    if not is_spool(spool):
        raise click.UsageError(f"{spool} is no spool; give the folder that holds journal/ and segments/.")
    return read_spool(spool, None)


def _no_stream(stream: str, evidence: Evidence) -> JournalRefused:
    """Names the newest streams that there are; where the journal is damaged, the one asked for may be lost in it."""
    known = list(dict.fromkeys(line.entry.stream for log in evidence.logs for line in log.lines))
    older = len(known[:-MAX_NAMED])
    named = ", ".join(known[-MAX_NAMED:]) + (f" and {older} older ones" if older else "")
    damaged = "; the journal has problems, see liuhen verify" if evidence.problems else ""
    return JournalRefused(f"There is no stream {_value(stream)}; there are: {named or 'none'}{damaged}.")


def _whole(evidence: Evidence, generation: int | None) -> Log:
    """The generation's log, if its tree can be built from what is there. Raises JournalRefused."""
    log = _log(evidence, generation)
    if why := why_unprovable(log):
        raise JournalRefused(why)
    return log


def _log(evidence: Evidence, generation: int | None) -> Log:
    if generation is None and evidence.logs:
        return evidence.logs[-1]
    for log in evidence.logs:
        if log.origin.rpartition("/")[2] == str(generation):
            return log
    if generation is None:
        raise JournalRefused("There is no journal here that could be read; see liuhen verify.")
    raise JournalRefused(f"There is no generation {generation} here; there are {len(evidence.logs)}.")


# --- showing -------------------------------------------------------------------------------------------


def _as_json(line: Line) -> dict[str, Any]:
    entry = msgspec.json.decode(msgspec.json.encode(line.entry))
    return {
        "index": line.index,
        "leaf": canonical.b64(line.leaf),
        "file": line.file,
        "offset": line.offset,
        "entry": entry,
    }


def _as_text(line: Line, clocks: Clocks) -> str:
    entry: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(line.entry))
    index = "?" if line.index is None else str(line.index)
    members = " ".join(f"{name}={_value(value)}" for name, value in entry.items() if name not in _PLACE)
    return f"{index:>6}  {_moment(line, clocks)}  {line.name:<12} {entry['type']:<18} {members}".rstrip()


def _moment(line: Line, clocks: Clocks) -> str:
    """UTC of the entry, or its boot and seconds of CLOCK_BOOTTIME."""
    boot, boot_us = line.entry.boot, line.entry.boot_us
    return rfc3339(clocks.utc_us(boot, boot_us)) or f"~boot {boot:<3} {boot_us / 1e6:>13.3f} s"


def _value(value: object) -> str:
    if isinstance(value, str) and value and value.isprintable() and " " not in value:
        return value
    # A terminal is not told anything by what stands in a journal: control characters are written as escapes.
    return json.dumps(value, separators=(",", ":"))
