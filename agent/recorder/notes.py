"""Entries that people make: what they add to a session (R2), and who carries the device (R20a). Pure."""

from agent.evidence import canonical
from agent.evidence import entries as e
from agent.recorder.messages import AnnotateSession, Draft, Issue

_ISSUES = {"assign": e.Assign, "handover": e.Handover, "return": e.Return}


def annotation(note: AnnotateSession, session: str) -> Draft:
    """What the note says, as an entry of the session; what is not said is left out."""
    entry = e.Annotate(stream=session)
    if note.power:
        entry.power = note.power
    if note.ranges:
        entry.ranges = note.ranges
    if note.officers:
        entry.officers = note.officers
    return Draft(entry, note.private)


def issue(said: Issue) -> Draft:
    """The readable part says that a change took place; the person stands in ``private`` only."""
    text = canonical.encode({"officer": said.officer, "text": said.private}).decode()
    return Draft(_ISSUES[said.how](private=e.Private(sha256="", age="")), text)
