"""What the device says and shows to the people around it: speech, lamp, vibration.

The Protocol, the commands and the messages only; ``simulated`` and the real drivers stand beside it. Rules: words
are said in the order in which they were commanded, each is answered by exactly one ``Said`` or ``NotSaid`` with its
number, unless the process ends before; ``Said`` means that all of it was played. A pattern is shown at once, also
while something is being said. Words that cannot be said are shown instead, by their pattern, so that nobody has to
hear to know that something is wanted.

Left to others: which words (``agent.recorder.prompts``), when, and how long an answer is waited for.
"""

from collections.abc import Iterator
from typing import Literal, Protocol

from drivers import Command, Counter, Fault, Log, Message

Language = Literal["zh", "en"]
Pattern = Literal["ask", "recording", "fault", "cannot_continue"]
"""What lamp and vibration motor can say, the same on every device:

``ask``: a reason is wanted, please speak (blue, slow blinking; two short vibrations).
``recording``: sound and picture are being recorded (red, steady; one short vibration).
``fault``: something does not work, recording goes on (yellow, slow blinking; three short vibrations).
``cannot_continue``: nothing is recorded any more, report at once (red, fast blinking; vibration until seen).
"""


class Say(Command, frozen=True, tag="signals.say"):
    """Say ``text`` aloud."""

    number: int
    """Chosen by who commands; the answer carries it."""
    text: str
    language: Language
    pattern: Pattern = "ask"
    """Shown instead where the words cannot be said."""
    until_ns: int = 0
    """CLOCK_BOOTTIME by which all of it must have been said, or else none of it may be: a question that is spoken
    late is heard by the microphone as its own answer. 0: whenever."""


class Show(Command, frozen=True, tag="signals.show"):
    """Show a pattern until the next one is shown."""

    pattern: Pattern


SignalsCommand = Say | Show


class Said(Message, frozen=True, tag="signals.said"):
    """The words were played to their end."""

    number: int
    sha256: str
    """Of the WAV file that was played, unpadded base64url."""
    length_ms: int


class NotSaid(Message, frozen=True, tag="signals.not_said"):
    """The words were not heard; their pattern is shown instead."""

    number: int
    text: str
    """Why not and what to do, for a person."""


SignalsMessage = Said | NotSaid | Fault | Counter | Log


class Signals(Protocol):
    """Speaker, lamp and vibration motor."""

    def messages(self) -> Iterator[SignalsMessage]:
        """Open the devices, carry out the commands, and tell how each ``Say`` went; waits where there is none.

        Raises ``drivers.errors.DriverError`` for what a person must mend.
        """
        ...

    def command(self, command: SignalsCommand) -> None:
        """Take a command; returns at once, from any thread."""
        ...

    def close(self) -> None:
        """Give the devices back and end ``messages``; may be called twice, and without ``messages`` having run."""
        ...
