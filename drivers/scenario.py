"""The script of the simulated world: a TOML file of events, each at a time after the scenario began.

    [[event]]
    at_s = 12.5
    what = "position.lose"
    for_s = 20

``WORDS`` is the whole language. An unknown word, key or value is refused by name, with the nearest known one: a
misspelt event that silently does not happen would make a test pass that shows nothing. Each sensor's process
takes its own events from the file (``microphone.speak``, ``position.lose``); buttons, ``process.kill`` and
``power.cut`` are carried out by who runs the scenario. Parsing is pure; ``load`` reads the file.

What a sensor's words do (without ``for_s``: for good):
``pull``: the driver ends with a ``Fault`` and cannot be opened until the device is back; ``stall``: its process lives
and sends nothing, and what happens meanwhile is lost; ``microphone.silence``: digital silence; ``microphone.clip``:
an amplifier at its limits; ``camera.freeze``, ``cover``, ``dark``: pictures that go on and show nothing.
``power.low``: a battery nearly empty, its voltage not holding; ``heat.high``: a processor too hot, held back;
``storage.fill``, ``fail``, ``readonly``, ``slow``: what the simulated probe of the volume tells (``drivers.storage``).
``microphone.speak`` has a WAV ``file``, or a ``text`` (and ``language``, zh or en) for espeak-ng.
"""

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from drivers.clock import SECOND_NS
from drivers.errors import ScenarioRefused

PROCESSES = ("recorder", "camera", "microphone", "position", "signals")
LANGUAGES = ("zh", "en")
"""Of a spoken text; the first where nothing is said."""
FOR_GOOD_NS = 1 << 62
"""A moment that no device lives to see."""
PREROLL_S = 2.0
"""A replayed clip begins so long before the story's 0: after the other sensors have started, in time for pre-record."""


@dataclass(frozen=True, slots=True)
class Word:
    """What may stand beside ``at_s`` and ``what``."""

    lasts: bool = False
    """``for_s`` may stand."""
    arguments: tuple[str, ...] = ()
    """Text arguments, all required."""
    one_of: tuple[str, ...] = ()
    """Text arguments, exactly one of them required."""
    beside: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Arguments that may stand beside one of ``one_of``."""

    def known(self) -> tuple[str, ...]:
        """Every key of an event with this word."""
        lasting = ("for_s",) if self.lasts else ()
        beside = [name for names in self.beside.values() for name in names]
        return ("at_s", "what", *lasting, *self.arguments, *self.one_of, *beside)


WORDS: Mapping[str, Word] = {
    "button.start": Word(),
    "button.stop": Word(),
    "button.mark": Word(),
    "camera.pull": Word(lasts=True),
    "camera.stall": Word(lasts=True),
    "camera.freeze": Word(lasts=True),
    "camera.cover": Word(lasts=True),
    "camera.dark": Word(lasts=True),
    "microphone.speak": Word(lasts=True, one_of=("file", "text"), beside={"text": ("language",)}),
    "microphone.silence": Word(lasts=True),
    "microphone.clip": Word(lasts=True),
    "microphone.stall": Word(lasts=True),
    "microphone.pull": Word(lasts=True),
    "position.lose": Word(lasts=True),
    "process.kill": Word(arguments=("name",)),
    "power.cut": Word(lasts=True),
    "power.low": Word(lasts=True),
    "heat.high": Word(lasts=True),
    "storage.fill": Word(lasts=True),
    "storage.fail": Word(lasts=True),
    "storage.readonly": Word(lasts=True),
    "storage.slow": Word(lasts=True),
    "storage.pull": Word(lasts=True),
}


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happens."""

    at_s: float
    what: str
    for_s: float | None = None
    """None: a speech to its end, what a sensor suffers for good, a power cut of no length."""
    arguments: Mapping[str, str] = field(default_factory=dict)

    def begins_ns(self, started_ns: int) -> int:
        """When, if the scenario began at ``started_ns``."""
        return started_ns + round(self.at_s * SECOND_NS)

    def ends_ns(self, started_ns: int) -> int | None:
        """When it is over; None for what has no length."""
        return None if self.for_s is None else self.begins_ns(started_ns) + round(self.for_s * SECOND_NS)


def parse(text: str, folder: Path = Path()) -> list[Event]:
    """The events by time; files named in them are looked for below ``folder``.

    Raises ScenarioRefused with the event's number and what to write instead.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioRefused(f"the scenario is no TOML: {error}") from error
    _refuse_unknown("key", document, ("event",), "the scenario")
    events = document.get("event", [])
    if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
        raise ScenarioRefused("the scenario's events must be written as [[event]], with two brackets")
    parsed = [_event(event, f"event {number}", folder) for number, event in enumerate(events, 1)]
    return sorted(parsed, key=lambda event: event.at_s)


def load(path: Path) -> list[Event]:
    """``parse`` the file; raises ScenarioRefused, also for a file that cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioRefused(f"the scenario {path} cannot be read ({error}); give the path of a TOML file") from error
    return parse(text, path.parent)


def of(events: Iterable[Event], *words: str) -> list[Event]:
    """Those whose ``what`` is one of ``words``."""
    return [event for event in events if event.what in words]


def happens(events: Iterable[Event], word: str, started_ns: int, moment_ns: int) -> bool:
    """Whether a moment lies in one of the events of that word; one without ``for_s`` lasts for good."""
    for event in of(events, word):
        ends_ns = event.ends_ns(started_ns)
        if event.begins_ns(started_ns) <= moment_ns < (FOR_GOOD_NS if ends_ns is None else ends_ns):
            return True
    return False


def _event(raw: Mapping[str, object], where: str, folder: Path) -> Event:
    what = raw.get("what")
    if not isinstance(what, str):
        raise ScenarioRefused(f"{where} of the scenario needs what = one of {', '.join(WORDS)}")
    if what not in WORDS:
        raise ScenarioRefused(f"{where} of the scenario: nobody knows the word {what!r}; {nearest(what, WORDS)}")
    word, where = WORDS[what], f"{where} ({what}) of the scenario"
    _refuse_unknown("argument", raw, word.known(), where)
    return Event(
        at_s=_seconds(raw, "at_s", where),
        what=what,
        for_s=_seconds(raw, "for_s", where) if "for_s" in raw else None,
        arguments={name: _argument(raw, name, where, folder) for name in _wanted(word, raw, where)},
    )


def _wanted(word: Word, raw: Mapping[str, object], where: str) -> tuple[str, ...]:
    """The text arguments that ``raw`` must have, now that it has some."""
    if not word.one_of:
        return word.arguments
    chosen = [name for name in word.one_of if name in raw]
    if len(chosen) != 1:
        raise ScenarioRefused(f"{where} needs {' or '.join(word.one_of)}, one of them")
    for companion, names in word.beside.items():
        for name in names:
            if name in raw and companion != chosen[0]:
                raise ScenarioRefused(f"{where}: {name} belongs to {companion}, not to {chosen[0]}")
    return (*word.arguments, chosen[0], *word.beside.get(chosen[0], ()))


def _seconds(raw: Mapping[str, object], name: str, where: str) -> float:
    value = raw.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 10**9:
        raise ScenarioRefused(f"{where} needs {name} = seconds, a number from 0 on, not {value!r}")
    return float(value)


def _argument(raw: Mapping[str, object], name: str, where: str, folder: Path) -> str:
    value = raw.get(name, LANGUAGES[0] if name == "language" else None)
    if not isinstance(value, str) or not value:
        raise ScenarioRefused(f"{where} needs {name} = a text, not {value!r}")
    if name == "name" and value not in PROCESSES:
        raise ScenarioRefused(f"{where}: there is no process {value!r}; {nearest(value, PROCESSES)}")
    if name == "language" and value not in LANGUAGES:
        raise ScenarioRefused(f"{where}: nobody speaks {value!r} here; {nearest(value, LANGUAGES)}")
    return str(folder / value) if name == "file" else value


def _refuse_unknown(kind: str, raw: Mapping[str, object], known: Iterable[str], where: str) -> None:
    known = tuple(known)
    for key in raw:
        if key not in known:
            raise ScenarioRefused(f"{where} has the unknown {kind} {key!r}; {nearest(key, known)}")


def nearest(word: str, known: Iterable[str]) -> str:
    """What to tell who wrote ``word``: the known one most like it, else all."""
    known = list(known)
    close = difflib.get_close_matches(word, known, 1, 0.5)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"
