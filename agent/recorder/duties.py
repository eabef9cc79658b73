"""What people owe because of what happened: reasons to speak, alarms to report, statements to write (R19b, R19c). Pure.

One place where the recorder tells what goes on and takes what is to be done: entries for the writer, words for the
speaker, events. Rule kept here: one voice at a time; the officer is told to report before he is asked for a reason.

Leaves to others: each duty's own rules (``reasons``, ``alarms``); a stop that is held up for a reason (``recorder``).
"""

from collections.abc import Callable, Sequence

from agent.recorder import messages as m
from agent.recorder.alarms import Alarms
from agent.recorder.checkup import Owing
from agent.recorder.outbox import Hole, Outbox
from agent.recorder.reasons import Out, Reasons, UtcOf
from agent.recorder.settings import Settings
from agent.recorder.state import DeviceState
from drivers.microphone import SoundFigures
from drivers.signals import NotSaid, Said

Command = m.Explain | m.ExplainInWriting | m.AlarmReported | m.AlarmAcknowledged | m.StatementGiven


class Duties:
    """``sounding`` in calls: the open session whose sound is recorded, or ""."""

    def __init__(
        self,
        settings: Settings,
        state: DeviceState,
        officer: Callable[[], str],
        where: Callable[[], str],
        utc_of: UtcOf,
        now_ns: int,
    ) -> None:
        self._reasons = Reasons(
            settings.ask, settings.language, settings.utc_offset_min, state, officer, utc_of, now_ns
        )
        self._alarms = Alarms(settings.alarm, settings.language, state, officer, where, now_ns)

    def status(self) -> dict[str, object]:
        """For lamp and page."""
        return {
            "owed_reasons": self._reasons.owed,
            "asking": self._reasons.phase,
            "open_alarms": self._alarms.open,
            "unreported_alarms": self._alarms.unreported,
            "owed_statements": self._alarms.statements,
        }

    @property
    def quiet(self) -> bool:
        """Nobody is asked for anything, and nothing is being said."""
        return self._reasons.phase == "quiet" and not self._alarms.speaking

    @property
    def owing(self) -> Owing:
        """What people owe, for the check before use."""
        return Owing(self._reasons.owed, self._alarms.statements, self._alarms.open)

    # --- what the recorder tells ----------------------------------------------------------------------------

    def note(self, items: Sequence[m.Item], now_ns: int) -> None:
        """What is on its way to the journal."""
        for item in items:
            if isinstance(item, m.Draft):
                self._reasons.note(item.entry, now_ns)
                self._alarms.note(item.entry, now_ns)

    def step(self, sounding: str, now_ns: int) -> Out:
        """Time passed."""
        out = self._alarms.step(self._reasons.phase == "quiet", now_ns)
        if self._alarms.speaking and self._reasons.phase == "quiet":
            return out
        return out + self._reasons.step(sounding, now_ns)

    def said(self, said: Said | NotSaid, now_ns: int) -> Out:
        """The speaker's child said something, or could not."""
        sha256 = said.sha256 if isinstance(said, Said) else ""
        if self._alarms.owns(said.number):
            return self._alarms.said(said.number, sha256, now_ns)
        return self._reasons.said(said.number, sha256, now_ns)

    def heard(self, figures: SoundFigures, sounding: str, now_ns: int) -> Out:
        """Half a second of sound was looked at."""
        return self._reasons.heard(figures, sounding, now_ns)

    def built(self, outbox: Outbox, now_ns: int, last: bool = False) -> None:
        """Fragments have been built of all that came; ``last``: of this session no more will."""
        self._reasons.built(outbox, now_ns, last)

    def written(self, written: m.Written, outbox: Outbox, now_ns: int) -> Out:
        """A flush is on the disk."""
        self._reasons.unbound(written.unbound, now_ns)
        return self._reasons.bound(outbox)

    def dropped(self, hole: Hole, now_ns: int) -> None:
        """Media was given up."""
        self._reasons.dropped(hole, now_ns)

    def before_stop(self, sounding: str, now_ns: int) -> tuple[bool, Out]:
        """Whether a session may end now, and what is asked before."""
        return self._reasons.before_stop(sounding, now_ns)

    def ended(self, session: str, now_ns: int) -> Out:
        """The session ends; its last fragments are still to be built."""
        return self._reasons.ended(session, now_ns)

    # --- what people say ------------------------------------------------------------------------------------

    def command(self, said: Command, knows: Callable[[str], bool], sounding: str, now_ns: int) -> Out:
        """``knows``: whether a session is in this journal."""
        match said:
            case m.AlarmReported():
                return self._alarms.reported(said)
            case m.AlarmAcknowledged():
                return self._alarms.acknowledged(said)
            case m.StatementGiven():
                return self._alarms.stated(said)
            case m.ExplainInWriting():
                if not knows(said.session):
                    return [m.Event("refused", f"no session {said.session} in this journal")]
                return self._reasons.written(said)
            case m.Explain():
                return self._press(sounding, now_ns)

    def acknowledged_by_note(self, draft: m.Draft) -> Out:
        """A signed acknowledgement of an alarm has come, checked and drafted by ``notes_in``."""
        return self._alarms.acknowledged_by_note(draft)

    def give_up(self, session: str, interruption: int) -> Out:
        """It is known at once that an interruption cannot be ended: storage at its reserve, battery at its floor."""
        return self._alarms.give_up(session, interruption)

    def _press(self, sounding: str, now_ns: int) -> Out:
        reasons = self._reasons
        if self._alarms.speaking:
            return [m.Event("refused", "wait until the device has spoken, then press again")]
        out = reasons.press(sounding, now_ns)
        if reasons.phase == "quiet" and not out:
            why = "no reason is owed" if not reasons.owed else "no sound is recorded now; start, then speak the reason"
            return [m.Event("refused", why)]
        return [m.Event("accepted", reasons.phase), *out]
