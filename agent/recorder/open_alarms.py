"""The alarms of which something is still wanted, as the journal's entries add up to them (R19c). Pure.

Rules: an alarm is open until somebody acknowledges it by name; a statement is owed until there is one; it is forgotten
when both are there and its interruption has ended, since an interruption has at most one. Where recovery ends a
session that could not go on, no alarm tells of that yet: such an interruption is kept until one does.

One fold serves the journal's state (``state``) and the recorder's own view (``alarms``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from msgspec import structs

from agent.evidence import entries as e

IN_ENTRY = 100
"""Alarms, or interruptions, in one ``alarms.carry``, which so keeps far below the greatest entry."""
Key = tuple[str, int]
"""A session, and the number of an alarm or of an interruption."""
_T = TypeVar("_T")


@dataclass(slots=True)
class OpenAlarms:
    """``alarms`` by session and alarm, oldest first; ``unresumed`` by session and interruption."""

    next_alarm: int = 0
    alarms: dict[Key, e.OpenAlarm] = field(default_factory=dict)
    unresumed: dict[Key, e.Owed] = field(default_factory=dict)
    """Interruptions of everything that ended without resuming: recovery's, or, until its close, the officer's."""

    def copy(self) -> "OpenAlarms":
        """One that goes its own way."""
        return OpenAlarms(self.next_alarm, dict(self.alarms), dict(self.unresumed))

    # --- what is wanted -------------------------------------------------------------------------------------

    @property
    def unreported(self) -> list[e.OpenAlarm]:
        """The officer is to report these; who has acknowledged one needs no report."""
        return [one for one in self.alarms.values() if one.reported == "no" and one.acknowledged == "no"]

    @property
    def unacknowledged(self) -> list[e.OpenAlarm]:
        """The open ones."""
        return [one for one in self.alarms.values() if one.acknowledged == "no"]

    @property
    def unstated(self) -> list[e.OpenAlarm]:
        """Their statement is owed."""
        return [one for one in self.alarms.values() if one.stated == "no"]

    def numbered(self, alarm: int) -> e.OpenAlarm | None:
        """The alarm with that number, which is the device's."""
        return next((one for one in self.alarms.values() if one.alarm == alarm), None)

    def of_interruption(self, session: str, interruption: int) -> e.OpenAlarm | None:
        """The alarm of an interruption."""
        same = (session, interruption)
        return next((one for one in self.alarms.values() if (one.session, one.interruption) == same), None)

    # --- the fold -------------------------------------------------------------------------------------------

    def apply(self, entry: e.Entry) -> None:
        """Take the journal's next entry; what is no alarm's business changes nothing."""
        match entry:
            case e.Alarm():
                self._raise(entry)
            case e.AlarmReported():
                self._change(entry.alarm, reported="yes")
            case e.AlarmAcknowledged():
                self._change(entry.alarm, acknowledged="yes")
            case e.Statement():
                self._change(entry.alarm, stated="yes")
            case e.SessionClose(by="officer"):
                self.unresumed = {key: one for key, one in self.unresumed.items() if key[0] != entry.stream}
            case e.AlarmsCarry():
                self.next_alarm = max(self.next_alarm, entry.next_alarm)
                self.alarms.update({(one.session, one.alarm): one for one in entry.alarms})
                self.unresumed.update({(one.session, one.interruption): one for one in entry.unresumed})
            case _:
                return

    def interruption_ended(self, owed: e.Owed, resumed: bool) -> None:
        """An interruption has ended; an alarm tells of it already, or one may have to."""
        told = self.of_interruption(owed.session, owed.interruption)
        if told is not None:
            self._change(told.alarm, ended="yes")
        elif owed.track == "all" and not resumed:
            self.unresumed[owed.session, owed.interruption] = owed

    def _raise(self, entry: e.Alarm) -> None:
        ended = self.unresumed.pop((entry.stream, entry.interruption), None) is not None
        self.next_alarm = max(self.next_alarm, entry.alarm + 1)
        self.alarms[entry.stream, entry.alarm] = e.OpenAlarm(
            session=entry.stream,
            alarm=entry.alarm,
            kind=entry.kind,
            interruption=entry.interruption,
            track=entry.track,
            cause=entry.cause,
            since_boot=entry.since_boot,
            since_us=entry.since_us,
            ended="yes" if ended else "no",
            reported="no",
            acknowledged="no",
            stated="no",
        )

    def _change(self, alarm: int, **changed: str) -> None:
        found = self.numbered(alarm)
        if found is None:
            return
        new = structs.replace(found, **changed)
        if new.acknowledged == new.stated == new.ended == "yes":
            del self.alarms[found.session, alarm]
        else:
            self.alarms[found.session, alarm] = new

    # --- carrying -------------------------------------------------------------------------------------------

    def carries(self) -> list[e.AlarmsCarry]:
        """What a new journal file repeats; nothing where there never was an alarm."""
        if not (self.next_alarm or self.unresumed):
            return []
        alarms, unresumed = _parts(self.alarms), _parts(self.unresumed)
        return [
            e.AlarmsCarry(
                next_alarm=self.next_alarm,
                alarms=alarms[at] if at < len(alarms) else [],
                unresumed=unresumed[at] if at < len(unresumed) else [],
            )
            for at in range(max(len(alarms), len(unresumed), 1))
        ]

    def carried_over(self) -> list[e.AlarmsCarry]:
        """What a new generation repeats of a damaged one: its sessions have ended, and none of them can be added to.

        An interruption of which no alarm tells yet is left out: the alarm would stand in the session's stream.
        """
        ended = {key: structs.replace(one, ended="yes") for key, one in self.alarms.items()}
        return OpenAlarms(self.next_alarm, ended).carries()


def _parts(found: Mapping[Key, _T]) -> list[list[_T]]:
    values = list(found.values())
    return [values[at : at + IN_ENTRY] for at in range(0, len(values), IN_ENTRY)]
