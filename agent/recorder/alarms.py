"""Recording cannot go on: the officer is told to report, an alarm stands until somebody has taken note (R19c). Pure.

Rules: an interruption that cannot be ended for ``cannot_continue_s`` raises an alarm, and so does one after which
recovery has ended the session, and one of which it is known at once (``give_up``); each at most one. The officer is
told to report to the unit head as soon as nothing else is being said or listened for, and again after growing pauses,
until it is reported or acknowledged. An alarm whose interruption ends stays. Nothing here holds up the recording.

An interruption that a start found open counts from that start: only then has anybody tried to end it.

Leaves to others: what is still wanted (``open_alarms``), the way to the unit head (the courier), the statement's form
(``agent.commands.statement``).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from agent.evidence import entries as e
from agent.recorder import messages as m
from agent.recorder.open_alarms import Key
from agent.recorder.prompts import Language
from agent.recorder.reasons import LEAST_CHARACTERS, Out
from agent.recorder.state import DeviceState, owed_of
from agent.recorder.timeline import NS_PER_S, NS_PER_US
from config.items import words
from drivers.position import Fix

FIRST_NUMBER = 1_000_000_000
"""Of what is said here: questions count from 1, and the speaker answers both by number."""

_EPOCH, _LAST_UTC_US = datetime(1970, 1, 1), 253_402_300_799_000_000
"""No calendar goes on behind the year 9999."""

_LOST: Mapping[str, Mapping[Language, str]] = {
    "video": {"zh": "画面", "en": "the picture"},
    "sound": {"zh": "声音", "en": "the sound"},
    "position": {"zh": "定位", "en": "the position"},
    "all": {"zh": "全部内容", "en": "everything"},
}
_STILL: Mapping[Language, str] = {
    "zh": "自最后正常时刻起{lost}未记录,尚未恢复。",
    "en": "From the last good moment on {lost} is not recorded, and still is not.",
}
_FOR_GOOD: Mapping[Language, str] = {
    "zh": "自最后正常时刻起{lost}未记录,至记录结束未恢复。",
    "en": "From the last good moment on {lost} was not recorded, up to the session's end.",
}


@dataclass(frozen=True, slots=True)
class AlarmSettings:
    """From ``[alarm]``, where the reasons stand; ``prompt_s`` from ``[ask]``."""

    cannot_continue_s: int = 60
    again_s: int = 60
    most_again_s: int = 1_800
    prompt_s: int = 20


@dataclass(slots=True)
class _Running:
    """An interruption that is not over, and since when its end was tried for."""

    begin: e.InterruptionBegin
    since_ns: int


@dataclass(slots=True)
class _Telling:
    """Words are on their way to the officer."""

    number: int
    about: list[Key]
    since_ns: int


@dataclass(slots=True)
class _Reminding:
    """When the officer is told next."""

    next_ns: int
    pause_s: int
    requests: dict[Key, int] = field(default_factory=dict)
    """How often of each since the start."""


class Alarms:
    """``officer`` gives the certificate number of who carries the device now, ``where`` the last position in words.

    ``where`` becomes private text; "" where nothing is known. ``state``: what the journal said at the start.
    """

    def __init__(
        self,
        settings: AlarmSettings,
        language: Language,
        state: DeviceState,
        officer: Callable[[], str],
        where: Callable[[], str],
        now_ns: int,
    ) -> None:
        self._settings, self._language, self._boot = settings, language, state.boot
        self._officer, self._where = officer, where
        self._open = state.alarms.copy()
        self._elsewhere = {session for session, _ in self._open.alarms} - state.known
        """Sessions of an earlier generation: nothing can be added to their streams, the device's takes it."""
        self._begun = {
            (session.session, begin.interruption): begin
            for session in state.sessions.values()
            for begin in session.open_interruptions
        }
        self._running = {
            key: _Running(begin, now_ns)
            for key, begin in self._begun.items()
            if self._open.of_interruption(*key) is None
        }
        self._ended = [one for one in self._open.unresumed.values() if one.session not in state.sessions]
        """Sessions that recovery has ended, each by its interruption."""
        self._reminding = _Reminding(now_ns, settings.again_s)
        self._telling: _Telling | None = None
        self._number = FIRST_NUMBER

    @property
    def open(self) -> int:
        """Alarms that nobody has acknowledged."""
        return len(self._open.unacknowledged)

    @property
    def unreported(self) -> int:
        """Alarms that the officer is still to report."""
        return len(self._open.unreported)

    @property
    def statements(self) -> int:
        """Statements that are owed."""
        return len(self._open.unstated)

    @property
    def speaking(self) -> bool:
        """Words are being said: a question would be spoken into them."""
        return self._telling is not None

    # --- what the recorder tells ----------------------------------------------------------------------------

    def note(self, entry: e.Entry, now_ns: int) -> None:
        """An entry is on its way to the journal: an interruption begins or ends."""
        if isinstance(entry, e.InterruptionBegin):
            since_ns = entry.last_us * NS_PER_US if entry.last_boot == self._boot else now_ns
            key = entry.stream, entry.interruption
            self._begun[key], self._running[key] = entry, _Running(entry, since_ns)
        elif isinstance(entry, e.InterruptionEnd):
            key = entry.stream, entry.interruption
            self._running.pop(key, None)
            begin = self._begun.pop(key, None)
            if begin is not None:
                self._open.interruption_ended(owed_of(begin, entry), entry.resumed == "yes")
        elif isinstance(entry, e.SessionClose):
            self._open.apply(entry)

    def step(self, quiet: bool, now_ns: int) -> Out:
        """Time passed; ``quiet``: no question is being put, and no answer listened for."""
        out: Out = []
        ended, self._ended = self._ended, []
        for owed in ended:
            out += self._raise_ended(owed)
        longest_ns = self._settings.cannot_continue_s * NS_PER_S
        for key, one in list(self._running.items()):
            if now_ns - one.since_ns >= longest_ns:
                out += self._raise(key)
        return out + self._tell(quiet, now_ns)

    def give_up(self, session: str, interruption: int) -> Out:
        """It is known at once that it cannot be ended: storage at its reserve, battery at its floor."""
        key = session, interruption
        return self._raise(key) if key in self._running else []

    # --- raising --------------------------------------------------------------------------------------------

    def _raise(self, key: Key) -> Out:
        begin = self._running.pop(key).begin
        entry = self._alarm(*key, begin.track, begin.cause, begin.last_boot, begin.last_us, _STILL)
        return self._raised(entry)

    def _raise_ended(self, owed: e.Owed) -> Out:
        at = owed.last_boot, owed.last_us
        entry = self._alarm(owed.session, owed.interruption, owed.track, owed.cause, *at, _FOR_GOOD)
        return self._raised(entry)

    def _alarm(
        self,
        session: str,
        interruption: int,
        track: Literal["video", "sound", "position", "all"],
        cause: e.Cause,
        since_boot: int,
        since_us: int,
        sentence: Mapping[Language, str],
    ) -> e.Alarm:
        return e.Alarm(
            stream=session,
            alarm=self._open.next_alarm,
            kind="cannot_continue",
            interruption=interruption,
            cause=cause,
            track=track,
            since_boot=since_boot,
            since_us=since_us,
            officer=self._officer(),
            text=sentence[self._language].format(lost=_LOST[track][self._language]),
        )

    def _raised(self, entry: e.Alarm) -> Out:
        self._open.apply(entry)
        self._reminding.pause_s = self._settings.again_s
        told = m.Event("alarm.cannot_continue", entry.text, entry.stream, entry.alarm)
        return [m.Draft(entry, self._where()), told]

    # --- telling the officer --------------------------------------------------------------------------------

    def owns(self, number: int) -> bool:
        """Whether what was said, or not, was said here."""
        return number > FIRST_NUMBER

    def said(self, number: int, sha256: str, now_ns: int) -> Out:
        """The words were spoken; ``sha256`` of what was played, or "" where there is no voice: the lamp tells."""
        telling = self._telling
        if telling is None or telling.number != number:
            return []
        self._telling = None
        reminding = self._reminding
        reminding.next_ns = now_ns + reminding.pause_s * NS_PER_S
        reminding.pause_s = min(2 * reminding.pause_s, self._settings.most_again_s)
        return [m.Draft(self._told(key, sha256)) for key in telling.about]

    def _told(self, key: Key, sha256: str) -> e.AlarmTold:
        requests = self._reminding.requests
        return e.AlarmTold(
            stream=self._stream(key[0]),
            alarm=key[1],
            request=requests[key],
            how="sound" if sha256 else "lamp",
            words=self._words() if sha256 else "",
            prompt_sha256=sha256,
        )

    def _tell(self, quiet: bool, now_ns: int) -> Out:
        telling, reminding = self._telling, self._reminding
        if telling is not None:
            late = now_ns - telling.since_ns > self._settings.prompt_s * NS_PER_S
            return self.said(telling.number, "", now_ns) if late else []  # no speaker, or it hangs
        about = [(one.session, one.alarm) for one in self._open.unreported]
        if now_ns < reminding.next_ns:  # of those that were told, later
            about = [key for key in about if key not in reminding.requests]
        if not (about and quiet):
            return []
        for key in about:
            reminding.requests[key] = reminding.requests.get(key, 0) + 1
        self._number += 1
        self._telling = _Telling(self._number, about, now_ns)
        say = m.Say(self._number, self._words(), self._language, "cannot_continue")
        return [say, m.Event("alarm.report_now", self._words(), about[0][0], len(about))]

    def _words(self) -> str:
        return words("cannot_continue", self._language)

    # --- what people say ------------------------------------------------------------------------------------

    def reported(self, said: m.AlarmReported) -> Out:
        """The officer has reported to the unit head: one alarm, or all that wait for it."""
        if said.alarm < 0:
            told = self._open.unreported
            if not told:
                return [m.Event("refused", "no alarm waits to be reported; name one to report it again")]
        else:
            found = self._open.numbered(said.alarm)
            if found is None:
                return [_unknown(said.alarm)]
            told = [found]
        out: Out = [m.Event("accepted", "", told[0].session)]
        for one in told:
            at_us = said.at_ns // NS_PER_US
            out.append(self._drafted(one, e.AlarmReported(alarm=one.alarm, how=said.how, at_us=at_us), said.private))
            out.append(m.Event("alarm.reported", said.how, one.session, one.alarm))
        return out

    def acknowledged(self, said: m.AlarmAcknowledged) -> Out:
        """Somebody at the device has taken note, by name."""
        found = self._open.numbered(said.alarm)
        if found is None:
            return [_unknown(said.alarm)]
        if found.acknowledged == "yes":
            return [m.Event("refused", f"alarm {said.alarm} is acknowledged already", found.session)]
        if not said.by or not said.private.strip():
            return [m.Event("refused", "an alarm is acknowledged by name: give certificate number and name")]
        entry = e.AlarmAcknowledged(alarm=said.alarm, by=said.by, private=_SEALED_LATER)
        draft = self._drafted(found, entry, said.private)
        told = m.Event("alarm.acknowledged", "", found.session, said.alarm)
        return [m.Event("accepted", "", found.session), draft, told]

    def acknowledged_by_note(self, draft: m.Draft) -> Out:
        """A signed command has come, checked and drafted by ``notes_in``: it goes where its alarm stands."""
        entry = draft.entry
        assert isinstance(entry, e.AlarmAcknowledged)
        found = self._open.numbered(entry.alarm)
        if found is None:
            return [draft]
        told = m.Event("alarm.acknowledged", "by a signed command", found.session, entry.alarm)
        return [self._drafted(found, entry, draft.private), told]

    def stated(self, said: m.StatementGiven) -> Out:
        """The statement was finished."""
        found = self._open.numbered(said.alarm)
        if found is None or found.session != said.session:
            return [_unknown(said.alarm, said.session)]
        if found.stated == "yes":
            text = f"alarm {said.alarm} has its statement; add what is missing with liuhen annotate"
            return [m.Event("refused", text, found.session)]
        if len(said.text.strip()) < LEAST_CHARACTERS:
            return [m.Event("refused", f"a statement has at least {LEAST_CHARACTERS} characters; finish the form")]
        officer = self._officer()
        entry = e.Statement(alarm=said.alarm, language=said.language, officer=officer, private=_SEALED_LATER)
        draft = self._drafted(found, entry, said.text)
        told = m.Event("alarm.stated", "", found.session, said.alarm)
        return [m.Event("accepted", "", found.session), draft, told]

    def _stream(self, session: str) -> str:
        return e.DEVICE_STREAM if session in self._elsewhere else session

    def _drafted(self, alarm: e.OpenAlarm, entry: e.Entry, private: str) -> m.Draft:
        entry.stream = self._stream(alarm.session)
        self._open.apply(entry)
        return m.Draft(entry, private)


def where_of(fix: Fix) -> str:
    """A position in words, for an alarm's private text: WGS 84 degrees, the radius of its accuracy, and when."""
    lat, lon = fix.lat_e7 / 10**7, fix.lon_e7 / 10**7
    known = 0 <= fix.utc_us <= _LAST_UTC_US
    at = f", {_EPOCH + timedelta(seconds=fix.utc_us // 1_000_000)} UTC" if known else ""
    return f"WGS 84 {lat:.7f}, {lon:.7f} (±{fix.accuracy_mm / 1000:.0f} m){at}"


_SEALED_LATER = e.Private(sha256="", age="")
"""The writer puts the sealed text in its place."""


def _unknown(alarm: int, session: str = "") -> m.Event:
    of = f" of {session}" if session else ""
    return m.Event("refused", f"no alarm {alarm}{of} stands here; liuhen statement --list and liuhen status list them")
