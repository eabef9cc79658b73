"""Every cause at every time: what comes of it stands in ``fault_matrix.md``, which this test reads (R8, R19b).

The real recorder and writer over a real folder; a fault of four seconds (or as its row says) strikes a device that is
in the column's state; then the session is ended, and the journal is read by the formats alone. Whatever happens, the
verdict has nothing against the spool but owed reasons.
"""

import errno
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.evidence import entries as e
from agent.recorder import messages as m
from agent.recorder.disk import FolderDisk
from drivers.camera import PictureFigures
from drivers.position import Fix, NoFix
from tests.support import streams
from tests.support.reading import Reading, faultless
from tests.support.rig import NS_PER_S, SETTINGS, Rig

TABLE = Path(__file__).with_name("fault_matrix.md")
STATES = ("standby", "starting", "recording", "asking", "closing", "recovering")
SECONDS = 4
GOOD_PICTURE = (110, 2_000, 500, 900)
"""Mean, variance, difference, sharpness."""


class Stubborn(FolderDisk):
    """A folder that can refuse every write with an error of its own."""

    code = 0

    def write(self, file: int, offset: int, pieces: Sequence[bytes]) -> None:
        if self.code:
            raise OSError(self.code, errno.errorcode[self.code])
        super().write(file, offset, pieces)


class World:
    """A device with all sensors, and what they say of picture, sound and position each second."""

    def __init__(self, folder: Path, required: tuple[e.Track, ...] = ("video", "sound", "position")) -> None:
        self.folder, self.disk = folder, Stubborn(folder)
        sensors = frozenset({"camera", "microphone", "position"})
        settings = replace(SETTINGS, sensors=sensors, required_tracks=required, duties=True)
        self.rig = Rig(self.disk, settings)
        self.picture, self.has_fix, self.turns = GOOD_PICTURE, True, 0

    def boot(self) -> None:
        self.rig.boot()

    def go(self, seconds: float) -> None:
        """Time, second by second."""
        for _ in range(round(seconds * 2)):
            self.rig.run(0.5)
            now_ns = self.rig.now_ns
            self.turns += 1
            if self.rig.camera_on and self.turns % 2:
                self.rig.tell(m.Heard("camera", PictureFigures(now_ns - NS_PER_S // 25, *self.picture)))
            where = Fix(now_ns, 311_000_000, 1_213_000_000, 4_000, "gnss", 1_780_000_000_000_000 + now_ns // 1_000, 50)
            self.rig.tell(m.Heard("position", where if self.has_fix else NoFix(now_ns, "no sky")))

    def lose_camera(self) -> None:
        self.rig.tell(m.SensorDown("camera", "its process ended"))
        self.rig.camera_on = False

    def find_camera(self) -> None:
        self.rig.camera_on = True
        self.rig.tell(m.Heard("camera", streams.CAMERA))


# --- causes ---------------------------------------------------------------------------------------------------

Fault = Callable[[World], None]


def camera_gone(world: World) -> None:
    world.lose_camera()
    world.go(SECONDS)
    world.find_camera()


def camera_stalled(world: World) -> None:
    """It sends nothing, and nobody says so."""
    world.rig.camera_on = False
    world.go(SECONDS)
    world.rig.camera_on = True


def seen(*picture: int) -> Fault:
    def fault(world: World) -> None:
        world.picture = picture  # type: ignore[assignment]
        world.go(SECONDS)
        world.picture = GOOD_PICTURE

    return fault


def microphone_gone(world: World) -> None:
    world.rig.tell(m.SensorDown("microphone", "its process ended"))
    world.rig.sound = None
    world.go(SECONDS)
    world.rig.new_microphone()


def microphone_stalled(world: World) -> None:
    """Likewise; a sound server that comes back begins a stream of its own."""
    world.rig.sound = None
    world.go(SECONDS)
    world.rig.new_microphone()


def heard(level_cdb: int, clipped: int) -> Fault:
    def fault(world: World) -> None:
        world.rig.level_cdb, world.rig.clipped = level_cdb, clipped
        world.go(SECONDS)
        world.rig.level_cdb, world.rig.clipped = -2_000, 0

    return fault


def position_lost(world: World) -> None:
    world.has_fix = False
    world.go(SECONDS)
    world.has_fix = True


def disk_slow(seconds: float) -> Fault:
    def fault(world: World) -> None:
        world.rig.disk_ns = lambda: round(seconds * NS_PER_S)
        world.go(2)
        world.rig.disk_ns = lambda: 0
        world.go(seconds)

    return fault


def disk_refuses(code: int) -> Fault:
    def fault(world: World) -> None:
        world.disk.code = code
        world.go(SECONDS)
        world.disk.code = 0

    return fault


def process_killed(world: World) -> None:
    world.rig.kill()
    world.rig.now_ns += SECONDS * NS_PER_S
    world.boot()


def power_cut(world: World) -> None:
    world.rig.kill()
    world.rig.now_ns += SECONDS * NS_PER_S
    world.rig.boot_id += "+"
    world.boot()


def shut_down(world: World) -> None:
    world.rig.tell(m.Shutdown())
    world.rig.run(1)
    process_killed(world)


def put_to_sleep(world: World) -> None:
    from_ns = world.rig.now_ns
    world.rig.now_ns = world.rig.fed_until_ns = from_ns + SECONDS * NS_PER_S
    world.rig.at_once(m.Suspended(from_ns, world.rig.now_ns))


CAUSES: dict[str, Fault] = {
    "camera gone": camera_gone,
    "camera stalled": camera_stalled,
    "camera covered": seen(60, 3, 100, 12),
    "camera dark": seen(12, 60, 300, 300),
    "camera frozen": seen(110, 2_000, 0, 900),
    "camera blurred": seen(110, 2_000, 500, 10),
    "microphone gone": microphone_gone,
    "microphone stalled": microphone_stalled,
    "microphone silent": heard(-10_000, 0),
    "microphone clipping": heard(-100, 400),
    "position lost": position_lost,
    "storage slow (5 s)": disk_slow(5),
    "storage stalled (60 s)": disk_slow(60),
    "storage failing (EIO)": disk_refuses(errno.EIO),
    "storage full (ENOSPC)": disk_refuses(errno.ENOSPC),
    "storage read-only (EROFS)": disk_refuses(errno.EROFS),
    "process killed": process_killed,
    "power cut": power_cut,
    "shut down": shut_down,
    "put to sleep": put_to_sleep,
}


# --- states ---------------------------------------------------------------------------------------------------


def strike(world: World, state: str, fault: Fault) -> None:
    """Bring the device into the state, let the fault happen, let things settle, end the session."""
    world.boot()
    world.go(6)
    rig = world.rig
    if state == "standby":
        fault(world)
        world.go(6)
        rig.start()
        world.go(4)
    elif state == "starting":
        rig.disk_ns = lambda: NS_PER_S  # the pre-record is on its way to a slow disk
        rig.start()
        rig.run(0.5)
        rig.disk_ns = lambda: 0
        fault(world)
        world.go(12)
    else:
        rig.start()
        world.go(4)
        if state == "asking":
            camera_gone(world)
            world.go(6)
            assert rig.recorder.status()["asking"] == "listening"
        elif state == "closing":
            rig.tell(m.Stop(rig.now_ns))
        elif state == "recovering":
            rig.kill()
            rig.now_ns += NS_PER_S
            rig.boot_id += "'"
            world.boot()
        fault(world)
        world.go(12)
    for _ in range(2):
        rig.tell(m.Stop(rig.now_ns))
        world.go(2)
    world.go(4)
    rig.kill()


def outcome(world: World, state: str) -> str:
    """What the journal says came of it, in the table's words."""
    reading = Reading(world.folder)
    begins = reading.of(e.InterruptionBegin)
    if state == "asking":
        begins = begins[1:]  # the camera's, which is asked about
    if state == "recovering":
        begins = begins[1:]  # the power cut from which it recovers
    told = [f"{one.track} {one.cause}" for one in begins]
    told += [one.kind for one in reading.of(e.ImpairmentBegin)]
    told += [f"fault {one.part} {one.kind}" for one in reading.of(e.Fault)]
    return ", ".join(dict.fromkeys(told)) or "nothing"


def table() -> list[tuple[str, str, str]]:
    """(cause, state, outcome) of every cell."""
    rows = [
        line.strip("|").split("|")
        for line in TABLE.read_text("utf-8").splitlines()
        if line.startswith("| ") and "---" not in line
    ]
    names, *cells = [[re.sub(r"\s+", " ", cell.strip()) for cell in row] for row in rows]
    assert tuple(names[1:]) == STATES
    return [(row[0], state, said) for row in cells for state, said in zip(STATES, row[1:], strict=True)]


def test_the_table_has_every_cause() -> None:
    assert list(dict.fromkeys(cause for cause, _, _ in table())) == list(CAUSES)


@pytest.mark.parametrize(("cause", "state", "said"), table())
def test_what_comes_of_a_fault(tmp_path: Path, cause: str, state: str, said: str) -> None:
    world = World(tmp_path)
    strike(world, state, CAUSES[cause])
    assert outcome(world, state) == said
    faultless(tmp_path)
    assert not _owed_twice(Reading(tmp_path))


def _owed_twice(reading: Reading) -> list[Any]:
    """Interruptions with two ends or two reasons."""
    keys = [("end", one.stream, one.interruption) for one in reading.of(e.InterruptionEnd)]
    keys += [("reason", one.stream, one.interruption) for one in reading.of(e.Explanation)]
    return [key for key in keys if keys.count(key) > 1]
