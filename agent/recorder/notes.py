"""What people say: what they add to a session (R2), and who carries the device (R20a).

``Notes`` owns that state: notes that wait for the next session, the sessions that may be added to, the officer.
Pure. The recorder stamps the drafts and puts them among the others.
"""

from agent.evidence import canonical
from agent.evidence import entries as e
from agent.recorder.messages import AnnotateSession, Draft, Event, Issue
from agent.recorder.state import DeviceState

MOST_PENDING_NOTES = 20
"""They wait in memory; more of them is no preparation of one act."""
NOBODY, UNKNOWN_OFFICER = "0", "unknown"
"""Nobody is assigned; somebody is, whose number is sealed and was in the memory of an earlier start (R10, R20a)."""
_ISSUES = {"assign": e.Assign, "handover": e.Handover, "return": e.Return}


class Notes:
    """``officer``: the certificate number for new sessions; ``assigned``: somebody carries the device."""

    def __init__(self, state: DeviceState) -> None:
        self.assigned = state.assigned
        self.officer = UNKNOWN_OFFICER if state.assigned else NOBODY
        self._known = set(state.known)
        self._pending: list[AnnotateSession] = []

    def opened(self, session: str) -> list[Draft]:
        """A session has begun: what waited for it."""
        self._known.add(session)
        waiting, self._pending = self._pending, []
        return [draft for note in waiting for draft in drafts_of(note, session)]

    def annotate(self, note: AnnotateSession, open_session: str) -> tuple[list[Draft], Event]:
        """Before (kept for the next session), during and after (R2); ``open_session`` is empty where there is none."""
        target = note.session or open_session
        if not target:
            if len(self._pending) >= MOST_PENDING_NOTES:
                return [], Event("refused", f"{MOST_PENDING_NOTES} notes wait for the next session; start it first")
            self._pending.append(note)
            return [], Event("accepted", "kept in memory for the next session, not yet safe")
        if target not in self._known:
            return [], Event("refused", f"no session {target} in this journal (one from before damage takes no notes)")
        return drafts_of(note, target), Event("accepted", "", target)

    def knows(self, session: str) -> bool:
        """Whether the session is in this journal, and so may be added to."""
        return session in self._known

    def issue(self, said: Issue) -> Draft:
        """The readable part says that a change took place; the person stands in ``private`` only."""
        self.assigned = said.how != "return"
        self.officer = (said.officer or UNKNOWN_OFFICER) if self.assigned else NOBODY
        text = canonical.encode({"officer": said.officer, "text": said.private}).decode()
        return Draft(_ISSUES[said.how](private=e.Private(sha256="", age="")), text)


def drafts_of(note: AnnotateSession, session: str) -> list[Draft]:
    """What the note says, as entries of the session."""
    drafts: list[Draft] = []
    if note.important:
        drafts.append(Draft(e.Importance(stream=session, important=note.important)))
    if note.power or note.ranges or note.officers or note.private:
        drafts.append(annotation(note, session))
    return drafts


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
