"""What a proof is made of: a journal whose whole tree is there, and the exact bytes of its entries."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from agent.evidence import tree
from agent.verify.facts import Line, Log


def why_unprovable(log: Log) -> str | None:
    """Why no proof can be made from a journal and what to do; None where its whole signed tree is there."""
    if log.first:
        return f"The journal before entry {log.first} was removed; ask the store, which has all of it."
    if not log.checkpoint or tree.root_of([line.leaf for line in log.lines]) != log.checkpoint.root or not log.key:
        return "The journal is damaged, nothing can be proved from it; `liuhen verify` names the place."
    return None


def raw_lines(root: Path, lines: Iterable[Line]) -> Iterator[bytes]:
    """The entries' bytes as the journal has them."""
    data, name = b"", ""
    for line in lines:
        if line.file != name:
            data, name = (root / line.file).read_bytes(), line.file
        yield data[line.offset : line.offset + line.length]
