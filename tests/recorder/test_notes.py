"""Entries that people make keep persons in ``private``, and say nothing that was not said."""

import pytest
from msgspec import UNSET

from agent.evidence import canonical
from agent.evidence import entries as e
from agent.recorder.messages import AnnotateSession, Draft, Issue
from agent.recorder.notes import MOST_PENDING_NOTES, NOBODY, UNKNOWN_OFFICER, Notes
from agent.recorder.state import DeviceState


def noted(note: AnnotateSession) -> Draft:
    """The note as it comes into the open session ``s000001``."""
    (draft,), answer = Notes(DeviceState(known={"s000001"})).annotate(note, "s000001")
    assert answer.name == "accepted"
    return draft


def test_what_is_not_said_is_left_out() -> None:
    entry = noted(AnnotateSession(private="x")).entry
    assert isinstance(entry, e.Annotate)
    assert (entry.stream, entry.power, entry.ranges, entry.officers) == ("s000001", UNSET, UNSET, UNSET)


def test_what_is_said_is_there() -> None:
    ranges = [e.StageRange(kind="focus", id="2", from_us=5)]
    draft = noted(AnnotateSession("", "levy", ranges, ["1", "2"], "who"))
    assert isinstance(draft.entry, e.Annotate)
    assert (draft.entry.power, draft.entry.ranges, draft.entry.officers) == ("levy", ranges, ["1", "2"])
    assert draft.private == "who"


def test_importance_goes_to_the_session_that_is_named() -> None:
    notes = Notes(DeviceState(known={"s000001", "s000002"}))
    drafts, _ = notes.annotate(AnnotateSession("s000001", important="yes", private="x"), "s000002")
    assert [(type(draft.entry), draft.entry.stream) for draft in drafts] == [
        (e.Importance, "s000001"),
        (e.Annotate, "s000001"),
    ]
    (only,), _ = notes.annotate(AnnotateSession(important="no"), "s000002")
    assert isinstance(only.entry, e.Importance)
    assert (only.entry.stream, only.entry.important) == ("s000002", "no")


def test_a_note_from_before_waits_for_the_next_session_and_goes_into_no_other() -> None:
    """R2."""
    notes = Notes(DeviceState())
    drafts, answer = notes.annotate(AnnotateSession(private="x"), "")
    assert not drafts
    assert "not yet safe" in answer.text
    assert [draft.entry.stream for draft in notes.opened("s000001")] == ["s000001"]
    assert notes.opened("s000002") == []


def test_only_so_many_notes_wait() -> None:
    notes = Notes(DeviceState())
    answers = [notes.annotate(AnnotateSession(private="x"), "")[1].name for _ in range(MOST_PENDING_NOTES + 1)]
    assert answers == ["accepted"] * MOST_PENDING_NOTES + ["refused"]


def test_a_session_that_this_journal_does_not_have_takes_no_note_until_it_begins() -> None:
    notes, note = Notes(DeviceState()), AnnotateSession("s000001", private="x")
    assert notes.annotate(note, "")[1].name == "refused"
    notes.opened("s000001")
    assert notes.annotate(note, "")[1].name == "accepted"


@pytest.mark.parametrize(("how", "kind"), [("assign", e.Assign), ("handover", e.Handover), ("return", e.Return)])
def test_an_issue_says_readably_only_that_it_took_place(how: str, kind: type[e.Entry]) -> None:
    """R20a."""
    draft = Notes(DeviceState()).issue(Issue(how, "310101", "王小明"))  # type: ignore[arg-type]
    assert isinstance(draft.entry, kind)
    assert b"310101" not in canonical.encode(draft.entry)
    assert "王小明" in draft.private
    assert '"officer":"310101"' in draft.private


def test_who_carries_the_device_is_known_until_it_is_returned_and_not_over_a_restart() -> None:
    notes = Notes(DeviceState())
    assert (notes.assigned, notes.officer) == (False, NOBODY)
    notes.issue(Issue("assign", "310101"))
    assert (notes.assigned, notes.officer) == (True, "310101")
    assert Notes(DeviceState(assigned=True)).officer == UNKNOWN_OFFICER
    notes.issue(Issue("return", "310101"))
    assert (notes.assigned, notes.officer) == (False, NOBODY)
