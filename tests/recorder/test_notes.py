"""Entries that people make keep persons in ``private``, and say nothing that was not said."""

import pytest
from msgspec import UNSET

from agent.evidence import canonical
from agent.evidence import entries as e
from agent.recorder import notes
from agent.recorder.messages import AnnotateSession, Issue


def test_what_is_not_said_is_left_out() -> None:
    entry = notes.annotation(AnnotateSession(private="x"), "s000001").entry
    assert isinstance(entry, e.Annotate)
    assert (entry.stream, entry.power, entry.ranges, entry.officers) == ("s000001", UNSET, UNSET, UNSET)


def test_what_is_said_is_there() -> None:
    ranges = [e.StageRange(kind="focus", id="2", from_us=5)]
    draft = notes.annotation(AnnotateSession("", "levy", ranges, ["1", "2"], "who"), "s000001")
    assert isinstance(draft.entry, e.Annotate)
    assert (draft.entry.power, draft.entry.ranges, draft.entry.officers) == ("levy", ranges, ["1", "2"])
    assert draft.private == "who"


@pytest.mark.parametrize(("how", "kind"), [("assign", e.Assign), ("handover", e.Handover), ("return", e.Return)])
def test_an_issue_says_readably_only_that_it_took_place(how: str, kind: type[e.Entry]) -> None:
    """R20a."""
    draft = notes.issue(Issue(how, "310101", "王小明"))  # type: ignore[arg-type]
    assert isinstance(draft.entry, kind)
    assert b"310101" not in canonical.encode(draft.entry)
    assert "王小明" in draft.private
    assert '"officer":"310101"' in draft.private
