"""The ways of recording that are cut and killed: bit rate, tracks, presses, pre-record."""

from dataclasses import dataclass, replace

from agent.recorder.settings import Settings
from tests.support.live import Diet
from tests.support.rig import SETTINGS, SOUND_ONLY


@dataclass(frozen=True, slots=True)
class Mode:
    """``session_s``, ``pause_s``: stop after so long, start again after so long (0: never stop).

    ``window_s``: cuts fall within so long after the first start.
    """

    name: str
    settings: Settings
    diet: Diet
    session_s: float = 0.0
    pause_s: float = 0.0
    window_s: float = 6.0


VIDEO, SOUND = replace(SETTINGS, segment_s=4), replace(SOUND_ONLY, segment_s=4)
"""Short segments: a cut should meet their ends, too."""
MODES = (
    Mode("4 Mbit/s", VIDEO, Diet(17_000)),
    Mode("1 Mbit/s", VIDEO, Diet(4_000)),
    Mode("audio only", SOUND, Diet(0)),
    Mode("start/stop", replace(VIDEO, prerecord_s=1), Diet(17_000), session_s=2.0, pause_s=1.0),
    Mode("pre-record", replace(VIDEO, prerecord_s=120), Diet(17_000, burst_s=120), window_s=3.0),
)
"""A frame of n bytes, every 25th five times as large, is 29 n bytes a second."""
