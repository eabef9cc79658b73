"""What others vouch for: the key that the user brings, a later checkpoint, the mirrors' co-signatures.

Above the last co-signed size the device's key alone vouches; below it, two parties. A checkpoint that the user
brings must be one of this device's history: a larger one means that the folder was put back to an older state, a
different root at the same size means that there are two histories.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from agent.evidence import checkpoint as checkpoints
from agent.evidence import tree
from agent.evidence.errors import EvidenceError
from agent.evidence.note import Note, VerifierKey, parse_note
from agent.verify.facts import Evidence, Log, Problem


@dataclass(slots=True)
class Anchors:
    """Sizes of the newest generation: what the device signed, and up to where somebody else did."""

    device_size: int = 0
    cosigned_size: int = 0
    cosigned_at_s: int | None = None
    problems: list[Problem] = field(default_factory=list)


def key_problems(evidence: Evidence, key: VerifierKey | None) -> list[Problem]:
    """The key that the user brought, the one in the folder and the one that signed must be one."""
    problems: list[Problem] = []
    for log in evidence.logs:
        signed_by = log.key or log.folder_key
        if key and signed_by and signed_by != key:
            problems.append(Problem("key_differs", values={"given": key.line(), "found": signed_by.line()}))
        elif key and log.folder_key and log.folder_key != key:
            problems.append(Problem("key_differs", values={"given": key.line(), "found": log.folder_key.line()}))
        if log.key and not log.origin.startswith(log.key.name + "/"):
            problems.append(Problem("origin_differs", values={"origin": log.origin}))
    return problems


def find_anchors(evidence: Evidence, brought: bytes | None, mirrors: Sequence[VerifierKey]) -> Anchors:
    """Sizes and co-signatures; ``brought`` is a checkpoint from elsewhere, else the folder's own is looked at.

    Raises NoteMalformed or CheckpointMalformed where ``brought`` is none.
    """
    anchors = Anchors()
    if not evidence.logs:
        return anchors
    newest = evidence.logs[-1]
    anchors.device_size = newest.size
    if brought is None:
        if newest.note:
            _take_cosignatures(anchors, parse_note(newest.note), newest.size, mirrors)
        return anchors
    note = parse_note(brought)
    checkpoint = checkpoints.parse_checkpoint(note.text)
    problem = _compare(evidence, brought, checkpoint)
    if problem:
        anchors.problems.append(problem)
    else:
        _take_cosignatures(anchors, note, checkpoint.size, mirrors)
    return anchors


def wanted_sizes(brought: bytes | None) -> frozenset[int]:
    """Tree sizes whose roots must be kept while reading."""
    if brought is None:
        return frozenset()
    return frozenset({checkpoints.parse_checkpoint(parse_note(brought).text).size})


def _compare(evidence: Evidence, brought: bytes, checkpoint: checkpoints.Checkpoint) -> Problem | None:
    """Why the brought checkpoint does not belong to what lies here, or None."""
    log = next((log for log in evidence.logs if log.origin == checkpoint.origin), None)
    values: dict[str, str | int] = {"size": checkpoint.size, "origin": checkpoint.origin}
    if log is None:
        later = _is_later_generation(checkpoint.origin, evidence.logs[-1].origin)
        return Problem("rolled_back" if later else "checkpoint_foreign", values=values | {"have": 0})
    try:
        if log.key:
            checkpoints.open_checkpoint(brought, log.key)
    except EvidenceError as error:
        return Problem("checkpoint_unsigned", values=values | {"why": str(error)})
    if evidence.kind == "export" and checkpoint.size != log.size:
        return Problem("checkpoint_not_comparable", values=values | {"have": log.size})
    if checkpoint.size > log.size:
        return Problem("rolled_back", values=values | {"have": log.size})
    root = _root_at(log, checkpoint.size)
    if root is None:
        return Problem("checkpoint_not_comparable", values=values | {"have": log.size})
    return None if root == checkpoint.root else Problem("checkpoint_differs", values=values)


def _root_at(log: Log, size: int) -> bytes | None:
    if log.checkpoint and size == log.size:
        return log.checkpoint.root
    return tree.EMPTY_ROOT if size == 0 else log.roots.get(size)


def _is_later_generation(brought: str, newest: str) -> bool:
    device, _, generation = brought.rpartition("/")
    own_device, _, own = newest.rpartition("/")
    return device == own_device and generation.isdecimal() and own.isdecimal() and int(generation) > int(own)


def _take_cosignatures(anchors: Anchors, note: Note, size: int, mirrors: Sequence[VerifierKey]) -> None:
    try:
        times = checkpoints.cosigned_at(note, mirrors)
    except EvidenceError as error:
        anchors.problems.append(Problem("cosignature_forged", values={"why": str(error)}))
        return
    if times:
        anchors.cosigned_size, anchors.cosigned_at_s = size, min(times.values())
