"""What a sensor's process and the recorder say to each other, whatever the sensor.

Every message is a frozen Struct with a tag; ``drivers.camera``, ``drivers.microphone`` and ``drivers.position``
add their own. Messages come from the process, a ``Command`` goes to it: neither is understood the other way. A
driver lives in a child process (``drivers.child``), so that one that hangs can be ended while the rest records on.
Messages carry moments of CLOCK_BOOTTIME in nanoseconds and nothing that depends on when they arrive. Importing
this package, or a kind's ``__init__``, loads neither av nor numpy nor a hardware library (the recorder imports
them); implementations are imported in the child, by name.
"""

from msgspec import Struct


class Message(Struct, frozen=True, array_like=True, gc=False, tag_field="type"):
    """Base of all that crosses a link; fields are positional on the wire, both ends are one installation."""


class Command(Message, frozen=True):
    """Base of what the recorder wants of a sensor's process; small, and never answered as such: what it does shows."""


class Fault(Message, frozen=True, tag="fault"):
    """The sensor cannot go on, or could not begin; the process ends after it."""

    kind: str
    """Short and stable, for instance ``driver.unknown``, ``driver.options``, ``camera.file``, ``scenario``."""
    text: str
    """What is wrong and what to do, for a person."""


class Counter(Message, frozen=True, tag="counter"):
    """A running total since the process began, sent when it has grown."""

    name: str
    """For instance ``sim.overrun``: frames the simulation made late (late, not lost)."""
    value: int


class Log(Message, frozen=True, tag="log"):
    """A line for the device's log; never a person, a place or a case."""

    text: str
