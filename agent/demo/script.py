"""The scenario's events at their moments: buttons, killed processes, power cuts.

Words spoken and lost fixes are found by the sensors themselves (``drivers.scenario``). Rules: where the scenario
presses no start, the demo does, at 0; at the end a session that is recorded is stopped; who presses a button of a
device without power is told so. Nothing happens after the end: such a scenario is refused before anything begins.
"""

import heapq
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from agent.demo.device import POLL_S, READY_S, Device, boottime_ns
from agent.demo.errors import RecorderFailed, ScenarioTooLong
from agent.local import RecorderAbsent, RecorderRefused
from drivers.clock import SECOND_NS
from drivers.scenario import Event

POWER_OFF_S = 2.0
"""A cut of no given length."""
ASKED_S = 60.0
"""How much longer where a reason is asked for first: the question, and nobody who answers."""
SETTLE_S = 60.0
"""How long a session may take to be closed on the disk after the stop."""

Tell = Callable[[str, str], None]
"""Says a sentence, in Chinese and English."""
Watch = Callable[[float, Mapping[str, Any]], None]
"""Called several times a second with seconds since the beginning and the recorder's status."""

SENSORS = ("camera", "microphone", "position", "heat", "storage")
"""What happens to them they find in the scenario themselves."""
_DONE: dict[str, tuple[str, str]] = {
    "button.start": ("按下开始", "start pressed"),
    "button.stop": ("按下停止", "stop pressed"),
    "button.mark": ("做了标记", "marked"),
    "power.cut": ("断电", "power cut"),
    "power.on": ("通电，新的启动", "power on, a new boot"),
    "process.kill": ("进程被杀", "process killed"),
    "microphone.speak": ("有人说话", "somebody speaks"),
    "microphone.silence": ("麦克风无声", "the microphone is silent"),
    "microphone.clip": ("声音过载", "the sound is distorted"),
    "microphone.stall": ("麦克风无响应", "the microphone hangs"),
    "microphone.pull": ("麦克风被拔出", "the microphone is pulled"),
    "camera.pull": ("摄像头被拔出", "the camera is pulled"),
    "camera.stall": ("摄像头无响应", "the camera hangs"),
    "camera.freeze": ("画面冻结", "the picture stands still"),
    "camera.cover": ("镜头被遮挡", "the lens is covered"),
    "camera.dark": ("光线熄灭", "the light goes out"),
    "position.lose": ("失去定位", "the position is lost"),
    "power.low": ("电量将尽", "the battery is nearly empty"),
    "heat.high": ("设备过热", "the device is too hot"),
    "storage.fill": ("存储卡已满", "the card is full"),
    "storage.fail": ("存储卡写入出错", "the card fails"),
    "storage.readonly": ("存储卡变为只读", "the card is read-only"),
    "storage.slow": ("存储卡变慢", "the card is slow"),
    "storage.pull": ("存储卡被拔出", "the card is pulled"),
}


def check(events: Sequence[Event], seconds: float) -> None:
    """Raises ScenarioTooLong for events that the demo would not live to see."""
    late = [event for event in events if event.at_s >= seconds]
    if late:
        raise ScenarioTooLong(
            f"{late[0].what} at {late[0].at_s:g} s comes after the demo's end at {seconds:g} s; raise --seconds"
        )


class Script:
    """Runs events over a device; moments count from ``started_ns``."""

    def __init__(self, device: Device, events: Sequence[Event], started_ns: int, tell: Tell) -> None:
        self._device = device
        self._started_ns = started_ns
        self._tell = tell
        self._number = itertools.count()
        self._queue: list[tuple[float, int, Event]] = []
        if not any(event.what == "button.start" for event in events):
            self._put(Event(0.0, "button.start"))
        for event in events:
            self._put(event)

    def run(self, seconds: float, watch: Watch) -> None:
        """Let ``seconds`` go by with all that happens in them; then stop what is recorded."""
        while (now_s := self._now_s()) < seconds:
            while self._queue and self._queue[0][0] <= now_s:
                self._carry_out(heapq.heappop(self._queue)[2])
            self._look(watch)
            following_s = self._queue[0][0] if self._queue else seconds
            time.sleep(max(0.0, min(POLL_S, following_s - self._now_s(), seconds - self._now_s())))
        if not self._device.is_on:
            self._device.power_on()
            self._say("power.on", "")
        self._stop()

    def _put(self, event: Event) -> None:
        heapq.heappush(self._queue, (event.at_s, next(self._number), event))

    def _now_s(self) -> float:
        return (boottime_ns() - self._started_ns) / SECOND_NS

    def _look(self, watch: Watch) -> None:
        if not self._device.is_on:
            watch(self._now_s(), {})
            return
        try:
            watch(self._now_s(), self._device.status())
        except RecorderAbsent:  # it has just been started
            watch(self._now_s(), {})

    def _carry_out(self, event: Event) -> None:
        """Do it, then say so; words and fixes are the sensors' own business."""
        note = ("", "")
        match event.what:
            case "power.on":
                self._device.power_on()
            case what if what.partition(".")[0] in SENSORS or what == "power.low":
                pass
            case _ if not self._device.is_on:
                note = ("（无电）", "(without power)")
            case "power.cut":
                self._device.cut_power()
                self._put(Event(self._now_s() + (event.for_s or POWER_OFF_S), "power.on"))
            case "process.kill":
                self._device.kill(event.arguments["name"])
            case _:
                note = self._press(event.what)
        self._say(event.what, event.arguments.get("name", ""), note)

    def _say(self, what: str, name: str, note: tuple[str, str] = ("", "")) -> None:
        at, (zh, en) = f"+{self._now_s():.1f}", _DONE[what]
        self._tell(f"{at} 秒  {zh} {name}{note[0]}".rstrip(), f"{at} s  {en} {name}{note[1]}".rstrip())

    def _press(self, button: str) -> tuple[str, str]:
        self._device.wait_ready()
        try:
            self._device.api.post(button.removeprefix("button."), {})
        except RecorderRefused as error:
            return f"（{error}）", f"({error})"
        return "", ""

    def _stop(self) -> None:
        """Stop, and wait until everything is on the disk."""
        status = self._device.wait_ready()
        until = time.monotonic() + READY_S
        while status["state"] in ("starting", "resuming") and time.monotonic() < until:
            time.sleep(POLL_S)
            status = self._device.wait_ready()
        if status["state"] != "standby":
            self._device.api.post("stop", {})
            self._say("button.stop", "")
        until = time.monotonic() + SETTLE_S + ASKED_S
        while status["state"] != "standby" or status["not_attested_ms"]:
            if time.monotonic() > until:
                raise RecorderFailed(f"the session is not closed after {SETTLE_S:.0f} s; see the recorder's log")
            time.sleep(POLL_S)
            status = self._device.wait_ready()
