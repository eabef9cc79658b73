"""The simulated speaker and lamp: speech is really rendered; to play it is to wait for as long as it lasts.

With a folder it leaves what a witness would have heard and seen: ``spoken/NNN.wav``, numbered on, and a line of JSON
in ``signals.jsonl`` for everything said, not said and shown. Rules: ``Said`` is given, and written, at the moment at
which the sound ends; a device that is ``mute``, or has no speech, or is asked too late, shows the pattern instead; a
folder that cannot be written is told once, and nothing else depends on it.
"""

import base64
import hashlib
import queue
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from config.models import Signals as SignalsSection
from drivers import Log
from drivers.clock import Clock
from drivers.signals import NotSaid, Pattern, Said, Say, Signals, SignalsCommand, SignalsMessage
from drivers.signals.speech import NotRendered, Voice, keep, length_ms

NOTES_FILE = "signals.jsonl"
SPOKEN_FOLDER = "spoken"
NS_PER_MS = 1_000_000
NS_PER_US = 1_000
BYTES_PER_MB = 1_000_000


class Options(SignalsSection, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The configuration's [signals]."""


def make(options: Options, clock: Clock) -> Signals:
    """The speaker and lamp that the options describe."""
    return SimulatedSignals(options, clock)


class SimulatedSignals:
    """Speaks, shows, and writes down what it did."""

    def __init__(self, options: Options, clock: Clock) -> None:
        self._clock = clock
        self._mute = options.mute
        self._folder = Path(options.folder) if options.folder else None
        self._most_bytes = options.cache_mb * BYTES_PER_MB
        self._voice = Voice(self._folder and self._folder / "cache", self._most_bytes, self._log)
        self._waiting: queue.SimpleQueue[Say | Log | None] = queue.SimpleQueue()
        self._last_file = _last_file(self._folder)
        self._told = False
        """That the folder cannot be written."""

    def messages(self) -> Iterator[SignalsMessage]:
        """``Said`` or ``NotSaid`` for each ``Say``, until ``close``."""
        while (work := self._waiting.get()) is not None:
            yield self._say(work) if isinstance(work, Say) else work

    def command(self, command: SignalsCommand) -> None:
        """A pattern is shown at once, words wait for those before them."""
        if isinstance(command, Say):
            self._waiting.put(command)
        else:
            self._show(command.pattern)

    def close(self) -> None:
        """End ``messages``."""
        self._waiting.put(None)

    def _say(self, say: Say) -> Said | NotSaid:
        try:
            return self._play(say, self._sound(say))
        except NotRendered as error:
            self._show(say.pattern)
            self._note({"event": "not_said", "number": say.number, "text": say.text, "why": str(error)})
            return NotSaid(say.number, str(error))

    def _sound(self, say: Say) -> bytes:
        if self._mute:
            raise NotRendered("this device has no speaker (mute = true in [signals])")
        wav = self._voice.wav(say.text, say.language)
        if say.until_ns and self._clock.now_ns() + length_ms(wav) * NS_PER_MS > say.until_ns:
            raise NotRendered("too late: it would be heard as the answer that is listened for by then")
        return wav

    def _play(self, say: Say, wav: bytes) -> Said:
        said = Said(say.number, _sha256(wav), length_ms(wav))
        from_ns = self._clock.now_ns()
        self._clock.sleep_until_ns(from_ns + said.length_ms * NS_PER_MS)
        self._note(
            {
                "event": "said",
                "number": say.number,
                "language": say.language,
                "text": say.text,
                "file": self._left_behind(wav),
                "sha256": said.sha256,
                "length_ms": said.length_ms,
                "from_us": from_ns // NS_PER_US,
            }
        )
        return said

    def _show(self, pattern: Pattern) -> None:
        self._note({"event": "shown", "pattern": pattern})

    def _left_behind(self, wav: bytes) -> str:
        """Path below the folder of what was played; empty where there is none."""
        if self._folder is None:
            return ""
        self._last_file += 1
        file = f"{SPOKEN_FOLDER}/{self._last_file:03}.wav"
        try:
            keep(self._folder / file, wav, self._most_bytes)
        except OSError as error:
            self._cannot_write(error)
            return ""
        return file

    def _note(self, line: Mapping[str, str | int]) -> None:
        """Both threads write: a line is one write at the file's end."""
        if self._folder is None:
            return
        data = msgspec.json.encode({"at_us": self._clock.now_ns() // NS_PER_US, **line}) + b"\n"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with open(self._folder / NOTES_FILE, "ab", buffering=0) as file:
                file.write(data)
        except OSError as error:
            self._cannot_write(error)

    def _cannot_write(self, error: OSError) -> None:
        if not self._told:
            self._told = True
            self._log(
                f"what is said and shown cannot be written to {self._folder} ({error.strerror}); mend [signals] folder"
            )

    def _log(self, text: str) -> None:
        self._waiting.put(Log(text))


def _last_file(folder: Path | None) -> int:
    """The highest number that an earlier process gave."""
    if folder is None:
        return 0
    stems = [path.stem for path in (folder / SPOKEN_FOLDER).glob("*.wav")]
    return max((int(stem) for stem in stems if stem.isdecimal()), default=0)


def _sha256(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
