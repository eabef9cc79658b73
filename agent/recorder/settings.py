"""What the recorder runs by: the configuration's values in the units of use. ``compose`` makes it."""

from dataclasses import dataclass, field

from agent.evidence.entries import Track
from agent.recorder.alarms import AlarmSettings
from agent.recorder.asking import AskSettings
from agent.recorder.care import CareSettings
from agent.recorder.keeping import KeepSettings, Load
from agent.recorder.prompts import Language
from agent.recorder.watch import WatchSettings


@dataclass(frozen=True, slots=True)
class Settings:
    """From the configuration, in the units of use."""

    prerecord_s: int
    prerecord_sound: bool
    segment_s: int
    flush_ms: int
    queue_s: int
    required_tracks: tuple[Track, ...]
    sensors: frozenset[str]
    items_sha256: str
    config_sha256: str
    silent_ms: int = 2_000
    """A camera or microphone that sends nothing for so long is interrupted; its stream has a packet every 40 ms."""
    position_silent_ms: int = 5_000
    """Likewise for the position: three times its interval, and not there at a start where the last fix is older."""
    watch: WatchSettings = field(default_factory=WatchSettings)
    """When picture and sound are of no use."""
    keep: KeepSettings | None = None
    """When room on the card is short; None where nobody looks."""
    load: Load | None = None
    """What the settings let the recorder write."""
    duties: bool = False
    """Reasons are asked for and alarms raised; off only in tests and simulations of other things."""
    ask: AskSettings = field(default_factory=AskSettings)
    """How the reasons of interruptions are asked for."""
    alarm: AlarmSettings = field(default_factory=AlarmSettings)
    """When recording cannot go on."""
    language: Language = "zh"
    """Of what is said."""
    utc_offset_min: int = 480
    """Of the times in it."""
    care: CareSettings | None = None
    """The check before use and the store's term; None only in tests and simulations of other things."""
