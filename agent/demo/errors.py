"""What can end a demo early; each says what to do."""

from agent.evidence.errors import EvidenceError


class DemoError(EvidenceError):
    """The demo cannot go on."""


class FolderRefused(DemoError):
    """The folder holds other things than an earlier demo's, or another demo is at work in it."""


class RecorderFailed(DemoError):
    """The recorder's process did not start, or ended by itself."""


class CameraFailed(DemoError):
    """The clip cannot be replayed."""


class ScenarioTooLong(DemoError):
    """The scenario has events after the demo's end."""


class StoreRefused(DemoError):
    """The store does not co-sign what it was given."""


class TooSlow(DemoError):
    """The machine cannot make the pictures in time; the demo begins anew with smaller ones."""


class StartedLate(DemoError):
    """A sensor was not there when the story began; the demo begins anew and gives it more time."""
