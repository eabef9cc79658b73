"""Recorded on, but is it of use? Impairments of picture and sound, judged from the drivers' figures. Pure.

A lens that is covered, a picture that is dark, frozen or blurred, sound that is silent or clipped: the track goes on,
so it is no interruption, but it is told and journalled (R11, R19b). Rules: what is bad must have been bad for a while
before an impairment begins, and good for a while before it ends; begin and end alternate for each kind; the moments
that are told are those of the first bad and the first good figures, not those of the verdict. Figures that come after
a pause prove nothing of the time between: a run of bad or good ones begins anew behind it. A sensor gone mad can send
any number: moments are held between the last figures' and now, values are bounded, nothing raises.

``covered`` goes before the others: of a picture that shows nothing it is not asked whether it stands still or is sharp.
In the dark nothing is sharp, so ``blurred`` is not asked there. A smooth wall in even light is told as covered, since
to the camera it is the same. A track whose source ended has an interruption; ``gone`` ends its impairments there.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from agent.evidence import entries as e
from agent.recorder.timeline import NS_PER_MS, NS_PER_S, NS_PER_US
from drivers.camera import PictureFigures
from drivers.microphone import SoundFigures

PAUSE_NS = 2_500_000_000
"""Figures come once a second (picture) and twice (sound); further apart they are not of one run."""
MOST = 1 << 31
"""Bound of what is told of a figure."""
PICTURE: tuple[e.ImpairmentKind, ...] = ("picture.covered", "picture.dark", "picture.frozen", "picture.blurred")
SOUND: tuple[e.ImpairmentKind, ...] = ("sound.silent", "sound.clipping")
KINDS: dict[str, tuple[e.ImpairmentKind, ...]] = {"video": PICTURE, "sound": SOUND}


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """From ``[watch]``, where the reasons stand."""

    covered_variance: int = 25
    covered_sharpness: int = 200
    dark_mean: int = 40
    frozen_difference: int = 1
    blurred_variance: int = 400
    blurred_sharpness: int = 40
    picture_bad_ms: int = 900
    blurred_bad_ms: int = 2_900
    silent_cdb: int = -9_000
    silent_bad_ms: int = 1_000
    clipped_samples: int = 10
    clipped_blocks: int = 3
    clipped_of_blocks: int = 6
    good_ms: int = 1_900


@dataclass(frozen=True, slots=True)
class Begun:
    """An impairment began: with the first bad figures, some time ago."""

    kind: e.ImpairmentKind
    since_us: int
    text: str
    """For a person: what was measured."""


@dataclass(frozen=True, slots=True)
class Ended:
    """It is over since the first good figures, or where its source ended."""

    kind: e.ImpairmentKind
    until_us: int
    worst: int
    """What was measured at worst: the least variance (covered), mean (dark), difference in hundredths (frozen),
    sharpness (blurred), level in 1/100 dB (silent); the most clipped samples in a block (clipping)."""


Told = Begun | Ended


@dataclass(slots=True)
class _Judge:
    """One kind of impairment: begins after ``bad_ns`` of bad figures, ends after ``good_ns`` of good ones."""

    kind: e.ImpairmentKind
    bad_ns: int
    good_ns: int
    worse: Callable[[int, int], int] = min
    begun: Begun | None = None
    worst: int = 0
    bad_from_ns: int | None = None
    good_from_ns: int | None = None

    def bad(self, from_ns: int, until_ns: int, value: int, text: str) -> Sequence[Told]:
        """Bad figures of that time."""
        self.good_from_ns = None
        value = max(-MOST, min(MOST, value))
        if self.bad_from_ns is None:
            self.bad_from_ns = from_ns
            self.worst = value if self.begun is None else self.worst
        self.worst = self.worse(self.worst, value)
        if self.begun is not None or until_ns - self.bad_from_ns < self.bad_ns:
            return []
        self.begun = Begun(self.kind, self.bad_from_ns // NS_PER_US, text)
        return [self.begun]

    def good(self, from_ns: int, until_ns: int) -> Sequence[Told]:
        """Good figures of that time."""
        if self.begun is None:
            self.bad_from_ns = None
            return []
        if self.good_from_ns is None:
            self.good_from_ns = from_ns
        return self.end(self.good_from_ns) if until_ns - self.good_from_ns >= self.good_ns else []

    def end(self, until_ns: int) -> list[Ended]:
        """Over, if it had begun."""
        had_begun, self.begun = self.begun is not None, None
        self.pause()
        return [Ended(self.kind, until_ns // NS_PER_US, self.worst)] if had_begun else []

    def pause(self) -> None:
        """Nothing is known of some time: what is to begin or to end begins to count anew."""
        self.bad_from_ns = self.good_from_ns = None


class Watch:
    """All kinds. ``picture`` and ``sound`` take figures as they come and give what began and what ended."""

    def __init__(self, settings: WatchSettings) -> None:
        self._settings = s = settings
        bad_ms = {"picture.blurred": s.blurred_bad_ms, "sound.silent": s.silent_bad_ms, "sound.clipping": 0}
        self._judges = {
            kind: _Judge(kind, bad_ms.get(kind, s.picture_bad_ms) * NS_PER_MS, s.good_ms * NS_PER_MS)
            for kind in (*PICTURE, *SOUND)
        }
        self._judges["sound.clipping"].worse = max
        self._seen_ns: dict[str, int] = {}
        """Up to when there are figures, by track."""
        self._clipped: deque[tuple[int, int]] = deque(maxlen=max(1, s.clipped_of_blocks))
        """(from, clipped samples) of the last blocks."""

    def standing(self) -> list[Begun]:
        """What has begun and not ended, as it was told: for a session that starts meanwhile."""
        return [judge.begun for judge in self._judges.values() if judge.begun is not None]

    def picture(self, figures: PictureFigures, now_ns: int) -> list[Told]:
        """Once a second of picture."""
        floor_ns, at_ns = self._turn("video", figures.capture_ns, now_ns)
        still_ns = max(floor_ns, at_ns - NS_PER_S)  # compared with the plane of a second before
        text = f"brightness {figures.mean}, variance {figures.variance}, sharpness {figures.sharpness}"
        told: list[Told] = []
        for kind, is_bad, value in self._seen(figures):
            judge = self._judges[kind]
            from_ns = still_ns if kind == "picture.frozen" else at_ns
            told += judge.bad(from_ns, at_ns, value, text) if is_bad else judge.good(at_ns, at_ns)
        return told

    def sound(self, figures: SoundFigures, now_ns: int) -> list[Told]:
        """Each block of sound."""
        floor_ns, until_ns = self._turn("sound", figures.capture_ns + figures.length_ns, now_ns)
        from_ns = min(max(floor_ns, figures.capture_ns), until_ns)
        return [*self._silence(figures, from_ns, until_ns), *self._clipping(figures, from_ns, until_ns)]

    def gone(self, track: e.Track) -> list[Ended]:
        """The track's source ended: from here on an interruption tells it."""
        if track == "sound":
            self._clipped.clear()
        last_ns = self._seen_ns.get(track, 0)
        return [ended for kind in KINDS.get(track, ()) for ended in self._judges[kind].end(last_ns)]

    def _seen(self, figures: PictureFigures) -> Iterator[tuple[e.ImpairmentKind, bool, int]]:
        """(kind, whether it is bad, how bad) of a picture."""
        s = self._settings
        covered = figures.variance <= s.covered_variance and figures.sharpness <= s.covered_sharpness
        dark = figures.mean <= s.dark_mean
        frozen = 0 <= figures.difference <= s.frozen_difference
        blurred = figures.variance >= s.blurred_variance and figures.sharpness <= s.blurred_sharpness
        yield "picture.covered", covered, figures.variance
        yield "picture.dark", dark and not covered, figures.mean
        yield "picture.frozen", frozen and not covered, figures.difference
        yield "picture.blurred", blurred and not covered and not dark, figures.sharpness

    def _silence(self, figures: SoundFigures, from_ns: int, until_ns: int) -> Sequence[Told]:
        judge, level_cdb = self._judges["sound.silent"], figures.level_cdb
        if level_cdb > self._settings.silent_cdb:
            return judge.good(from_ns, until_ns)
        return judge.bad(from_ns, until_ns, level_cdb, f"level {level_cdb / 100:.0f} dB")

    def _clipping(self, figures: SoundFigures, from_ns: int, until_ns: int) -> Sequence[Told]:
        """Bad where so many of the last blocks are clipped; once begun, each clipped block keeps it from ending."""
        judge, s = self._judges["sound.clipping"], self._settings
        self._clipped.append((from_ns, figures.clipped))
        clipped = [(at_ns, count) for at_ns, count in self._clipped if count >= s.clipped_samples]
        enough = judge.begun is not None or len(clipped) >= min(s.clipped_blocks, s.clipped_of_blocks)
        if enough and figures.clipped >= s.clipped_samples:
            text = f"{len(clipped)} of the last {len(self._clipped)} blocks are clipped"
            return judge.bad(clipped[0][0], until_ns, max(count for _, count in clipped), text)
        told = judge.good(from_ns, until_ns)
        if told:
            self._clipped.clear()  # what was told is not told again
        return told

    def _turn(self, track: str, until_ns: int, now_ns: int) -> tuple[int, int]:
        """(moment before which these figures say nothing, their own moment): never back, never beyond now."""
        last_ns = self._seen_ns.get(track)
        at_ns = max(0, min(until_ns, now_ns), last_ns or 0)
        self._seen_ns[track] = at_ns
        if last_ns is not None and at_ns - last_ns <= PAUSE_NS:
            return last_ns, at_ns
        for kind in KINDS[track]:
            self._judges[kind].pause()
        if track == "sound":
            self._clipped.clear()
        return max(last_ns or 0, at_ns - PAUSE_NS), at_ns
