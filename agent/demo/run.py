"""A demo from an empty folder to a verdict, step by step.

Keys, identity and configuration; the recorder; a few seconds in which it is seen whether the machine makes the pictures
in time; the scenario; the stop; the store's co-signature; the export; ``liuhen verify`` on spool and export. Rules:
pictures that the machine cannot make in time begin the demo anew at 720p, with a word, and are never held against
the recorder; the demo ends every process that it started.
"""

import json
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from agent.demo import folder as folders
from agent.demo import script
from agent.demo.device import Device, boottime_ns, liuhen
from agent.demo.errors import CameraFailed, DemoError, StartedLate, TooSlow
from agent.demo.folder import Folder
from agent.demo.script import Script, Tell
from agent.demo.store import CHECKPOINT, IDENTITY, StoreProcess
from drivers import scenario
from drivers.clock import SECOND_NS

LEAD_S = 4.0
"""From the recorder's start to the scenario's 0: sensors and recovery, then two seconds in which lateness shows."""
LONGEST_LEAD_S = 32.0
SMALLER = (1280, 720)
FPS = 25
LATE_SHARE = 0.2
"""Of the frames of the last seconds: above it the machine does not keep up, below it hiccups."""
LATE_WINDOW_S = 4.0
STATUS_GOOD, STATUS_SHORT, STATUS_UNKNOWN = 0, 1, 2

Progress = Callable[[float, float, str], None]
"""Seconds done, seconds in all, the recorder's state."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the user asked for."""

    root: Path
    seconds: float = 60.0
    scenario: Path | None = None
    camera: Path | None = None
    size: tuple[int, int] = (1920, 1080)
    """Of the drawn picture; a clip has its own."""


@dataclass(frozen=True, slots=True)
class _Stage:
    """What stays the same when a demo begins anew."""

    folder: Folder
    store: StoreProcess
    events: Sequence[scenario.Event]
    tell: Tell
    progress: Progress


@dataclass(slots=True)
class Outcome:
    """What came of it: the verdict on the spool, those on the exports, and the exit status that they mean."""

    folder: Path
    spool: Mapping[str, Any]
    exports: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    status: int = STATUS_GOOD

    @property
    def owed(self) -> int:
        """Interruptions whose reason is still to be given."""
        return sum(problem["kind"] == "explanation_owed" for problem in self.spool["problems"])


def run(plan: Plan, tell: Tell, progress: Progress) -> Outcome:
    """Do it all. Raises DemoError, DriverError (a scenario that cannot be read), ConfigError."""
    events = scenario.load(plan.scenario) if plan.scenario else []
    script.check(events, plan.seconds)
    folder = folders.prepare(plan.root)
    store: StoreProcess | None = None
    try:
        store = StoreProcess(folder.store)
        device_key = folders.enrol(folder)
        _record(plan, _Stage(folder, store, events, tell, progress))
        size = store.deliver(folder.spool, device_key)
        tell(f"平台已会签 {size} 个条目", f"the store co-signed {size} entries")
        return _verify(folder)
    finally:
        if store is not None:
            store.end()
        folder.release()


# --- recording -----------------------------------------------------------------------------------------


def _record(plan: Plan, stage: _Stage) -> None:
    """Record; with smaller pictures and a longer lead where the machine is slow."""
    lead_s = LEAD_S
    while True:
        try:
            _attempt(plan, stage, lead_s)
            return
        except StartedLate as error:
            if lead_s >= LONGEST_LEAD_S:
                raise
            lead_s *= 2
            stage.tell(f"{error}，重新开始", f"{error}; beginning anew")
        except TooSlow as error:
            plan = replace(plan, size=SMALLER)
            size = f"{plan.size[1]}p"
            stage.tell(f"本机跟不上（{error}），改用 {size} 重新开始", f"{error}; beginning anew at {size}")
        folders.clear_spool(stage.folder)


def _attempt(plan: Plan, stage: _Stage, lead_s: float) -> None:
    """One recording, from the recorder's start to its end."""
    started_ns = boottime_ns() + round(lead_s * SECOND_NS)
    keys = stage.store.keys
    trust = {"recipients": [keys.recipient], "mirror_keys": [keys.mirror_key]}
    folders.write_config(stage.folder, trust, _sensors(plan, started_ns))
    device = Device(stage.folder)
    late = _Lateness(can_shrink=plan.camera is None and plan.size != SMALLER)

    def watch(now_s: float, status: Mapping[str, Any]) -> None:
        late.look(now_s, status)
        stage.progress(now_s, plan.seconds, status.get("state", "off"))

    try:
        device.start()
        # A clip may have one key frame only: sound must be there before it begins, so that both begin together.
        _wait_for(device, started_ns, late, scenario.PREROLL_S if plan.camera else 0.0)
        _check_camera(device, stage.folder)
        picture = plan.camera.name if plan.camera else f"{plan.size[0]}x{plan.size[1]}"
        stage.tell(f"录制 {plan.seconds:g} 秒，{picture}", f"recording {plan.seconds:g} s, {picture}")
        Script(device, stage.events, started_ns, stage.tell).run(plan.seconds, watch)
        device.shut_down()
    finally:
        if device.is_on:
            device.cut_power()


def _sensors(plan: Plan, started_ns: int) -> dict[str, dict[str, object]]:
    """The configuration's sections; each sensor finds its own events in the scenario."""
    world: dict[str, object] = {"driver": "simulated"}
    if plan.scenario:
        world |= {"scenario": str(plan.scenario.resolve()), "scenario_started_ns": started_ns}
    picture: dict[str, object] = {"width": plan.size[0], "height": plan.size[1]}
    if plan.camera:
        picture = {"file": str(plan.camera.resolve()), "scenario_started_ns": started_ns}
    signals: dict[str, object] = {"driver": "simulated", "folder": folders.SPOKEN}
    return {"camera": {**world, **picture}, "microphone": dict(world), "position": dict(world), "signals": signals}


def _wait_for(device: Device, started_ns: int, late: "_Lateness", sound_due_s: float) -> None:
    """Until the scenario's 0; raises StartedLate where there is no sound ``sound_due_s`` before."""
    while True:
        status = device.wait_ready()
        left_s = (started_ns - boottime_ns()) / SECOND_NS
        late.look(-left_s, status)
        if left_s <= sound_due_s and status["sensors"]["microphone"] == "down":
            raise StartedLate("the microphone needs longer to start")
        if left_s <= 0:
            return
        time.sleep(min(0.2, left_s))


@dataclass(slots=True)
class _Lateness:
    """Whether the machine makes the pictures in time, by the simulated camera's own count of late frames."""

    can_shrink: bool
    _seen: list[tuple[float, int]] = field(default_factory=list)

    def look(self, now_s: float, status: Mapping[str, Any]) -> None:
        """Raises TooSlow where too many of the last seconds' frames were late and smaller ones could be made."""
        if "sim_overrun" not in status or not self.can_shrink:
            return
        if self._seen and status["sim_overrun"] < self._seen[-1][1]:  # another camera counts from 0
            self._seen.clear()
        self._seen.append((now_s, status["sim_overrun"]))
        while self._seen[0][0] < now_s - LATE_WINDOW_S:
            self._seen.pop(0)
        late = self._seen[-1][1] - self._seen[0][1]
        if late > LATE_SHARE * LATE_WINDOW_S * FPS:
            raise TooSlow(f"{late} frames of the last {LATE_WINDOW_S:.0f} s were made late")


def _check_camera(device: Device, folder: Folder) -> None:
    """Raises CameraFailed with the camera's own words where there is no picture."""
    status = device.wait_ready()
    if status["sensors"]["camera"] == "up":
        return
    time.sleep(1.0)  # the entry that says why is in the next flush
    faults = [
        line
        for path in sorted(folder.spool.glob("journal/*/*.log"))
        for line in path.read_text(errors="replace").splitlines()
        if '"type":"fault"' in line
    ]
    told = [entry["text"] for entry in map(json.loads, faults) if entry.get("part") == "camera"]
    if told:
        raise CameraFailed(told[-1])
    raise StartedLate("the camera needs longer to start")


# --- the verdict ---------------------------------------------------------------------------------------


def _verify(folder: Folder) -> Outcome:
    """Export every session, verify spool and exports with all that the store knows."""
    verdict, status = _verdict(folder, folder.spool)
    (folder.root / "verdict.json").write_text(_json(verdict), encoding="utf-8")
    outcome = Outcome(folder.root, verdict, {}, status)
    for session in [session["id"] for session in verdict["sessions"]]:
        _ask(["export", session, str(folder.export(session)), "--spool", str(folder.spool)])
        found, status = _verdict(folder, folder.export(session))
        (folder.root / f"verdict-{session}.json").write_text(_json(found), encoding="utf-8")
        outcome.exports[session] = found
        outcome.status = _worse(outcome.status, status)
    return outcome


def _verdict(folder: Folder, path: Path) -> tuple[dict[str, Any], int]:
    store = folder.store
    keys = ["--key", str(folder.device_key), "--mirror-key", str(store / "mirror.vkey")]
    known = ["--checkpoint", str(store / CHECKPOINT), "--identity", str(store / IDENTITY)]
    answer, status = _ask(["verify", str(path), *keys, *known, "--json"])
    found: dict[str, Any] = json.loads(answer)
    return found, status


def _ask(arguments: Sequence[str]) -> tuple[str, int]:
    """What a command says, and its exit status. Raises DemoError where it could not be carried out."""
    done = subprocess.run([*liuhen(), *arguments], capture_output=True, text=True, check=False)
    if done.returncode not in (STATUS_GOOD, STATUS_SHORT, STATUS_UNKNOWN) or (
        "--json" in arguments and not done.stdout
    ):
        raise DemoError(f"liuhen {arguments[0]} failed ({done.returncode}): {done.stderr.strip()}")
    return done.stdout, done.returncode


def _worse(one: int, other: int) -> int:
    """A "no" outweighs "cannot tell", which outweighs "yes"."""
    return next(status for status in (STATUS_SHORT, STATUS_UNKNOWN, STATUS_GOOD) if status in (one, other))


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"
