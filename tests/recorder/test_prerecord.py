"""Pre-record goes to the writer oldest first, in pieces of at most 2 s, and is given up before live media (design)."""

from dataclasses import replace
from pathlib import Path

import pytest

from agent.evidence import entries as e
from agent.recorder import messages as m
from tests.support.reading import Reading, faultless
from tests.support.rig import NS_PER_S, SETTINGS, Rig

LONG = replace(SETTINGS, prerecord_s=20, queue_s=10)


class Seen(Rig):
    """Notes what each hand-over holds."""

    def _write(self, handover: m.Handover) -> None:
        self.handed.append([item for item in handover.items if isinstance(item, m.MediaFragment)])
        super()._write(handover)

    handed: list[list[m.MediaFragment]]


def device(folder: Path) -> Seen:
    rig = Seen(folder, LONG)
    rig.handed = []
    rig.bytes_per_frame = 1_000
    rig.boot()
    rig.run(21)
    return rig


def video_us(fragments: list[m.MediaFragment]) -> tuple[int, int]:
    spans = [span for fragment in fragments for span in fragment.spans if span.track == "video"]
    return spans[0].first_us, spans[-1].last_us


def test_it_goes_out_oldest_first_in_pieces_of_two_seconds_each_when_the_last_is_attested(tmp_path: Path) -> None:
    rig = device(tmp_path)
    rig.disk_ns = lambda: 300_000_000
    rig.start()
    rig.run(5)
    pieces = [video_us(handed) for handed in rig.handed if handed][:10]
    assert all(end - begin <= 2_040_000 for begin, end in pieces)
    assert [begin for begin, _ in pieces[1:]] == [end for _, end in pieces[:-1]]
    rig.run(3)
    rig.stop()
    rig.run(2)
    rig.kill()
    faultless(tmp_path)
    seen = Reading(tmp_path)
    numbers = seen.frames()
    assert numbers == list(range(numbers[0], numbers[-1] + 1)), "what came meanwhile follows without a hole"
    written = seen.one(e.PrerecordWritten)
    assert written.written_ms == seen.one(e.SessionOpen).prerecord_ms >= 19_000
    flush = seen.entries[: seen.index(written) + 4]  # its own flush attests the last of it, behind it
    spans = [span for one in flush if isinstance(one, e.Fragment) for span in one.tracks if span.track == "video"]
    assert max(span.last_us for span in spans) >= seen.one(e.SessionOpen).pressed_us - 100_000


@pytest.mark.parametrize("sensor", ["camera", "microphone"])
def test_a_sensor_that_ends_meanwhile_is_interrupted_behind_what_it_had_sent(tmp_path: Path, sensor: str) -> None:
    rig = device(tmp_path)
    rig.disk_ns = lambda: 400_000_000
    rig.start()
    rig.run(1)
    ended_us = rig.now_ns // 1000
    rig.tell(m.SensorDown(sensor, "ended"))  # type: ignore[arg-type]
    if sensor == "camera":
        rig.camera_on = False
    else:
        rig.sound = None
    rig.run(9)
    rig.stop()
    rig.run(2)
    rig.kill()
    faultless(tmp_path)
    begin = Reading(tmp_path).one(e.InterruptionBegin)
    assert (begin.track, begin.cause) == ("video" if sensor == "camera" else "sound", sensor)
    assert ended_us - 100_000 <= begin.last_us <= ended_us + 50_000


def test_what_was_given_up_is_one_interruption_of_storage_and_its_length_is_told(tmp_path: Path) -> None:
    rig = device(tmp_path)
    rig.disk_ns = lambda: 16 * NS_PER_S
    rig.start()
    rig.run(36)
    rig.disk_ns = lambda: 0
    rig.run(12)
    rig.stop()
    rig.run(1)
    rig.kill()
    faultless(tmp_path)
    seen = Reading(tmp_path)
    written = seen.one(e.PrerecordWritten)
    first = seen.of(e.InterruptionBegin)[0]
    assert (first.track, first.cause) == ("all", "storage")
    assert first.last_us < seen.one(e.SessionOpen).pressed_us
    assert written.given_up_ms > 10_000
    assert written.given_up_ms + written.written_ms == seen.one(e.SessionOpen).prerecord_ms
    drops = [media.opened.cause for media in seen.media()]
    assert "after_drop" in drops
