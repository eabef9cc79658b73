"""What the recorder runs by: the configuration's values in the units of use. ``compose`` makes it."""

from dataclasses import dataclass

from agent.evidence.entries import Track


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
