"""What a sensor says becomes packets, or is refused by name; whatever it says, the recorder's step raises nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from agent.evidence.errors import EvidenceError
from agent.recorder import messages as m
from agent.recorder.intake import Intake
from drivers import Counter, Fault, Log
from drivers.camera import CameraParameters, VideoPacket
from drivers.microphone import SoundPacket, SoundParameters
from drivers.position import Fix, NoFix
from tests.support import streams
from tests.support.reading import faultless
from tests.support.rig import Rig

NOW_NS = 100_000_000_000


def ready() -> Intake:
    intake = Intake()
    intake.parameters(streams.CAMERA)
    intake.parameters(streams.MICROPHONE)
    return intake


def picture(capture_ns: int = NOW_NS, decode_ns: int = NOW_NS, data: bytes = b"\0\0\0\1\x65") -> VideoPacket:
    return VideoPacket(capture_ns=capture_ns, decode_ns=decode_ns, key=True, data=data, format="avcc", number=1)


def test_packets_before_their_parameters_are_left_out() -> None:
    assert Intake().packet(picture(), NOW_NS) is None
    assert Intake().packet(SoundPacket(capture_ns=NOW_NS, samples=1024, data=b"x"), NOW_NS) is None


def test_annex_b_becomes_length_prefixed_and_keeps_its_units() -> None:
    message = structs.replace(picture(data=b"\0\0\0\1\x67abc\0\0\1\x65def"), format="annexb")
    packet = ready().packet(message, NOW_NS)
    assert packet is not None
    assert packet.data == b"\0\0\0\4\x67abc\0\0\0\4\x65def"


def test_parameters_count_epochs_each_track_for_itself() -> None:
    intake = ready()
    intake.parameters(streams.CAMERA)
    assert (intake.formats.video_epoch, intake.formats.sound_epoch) == (2, 1)


@pytest.mark.parametrize(
    "message",
    [
        picture(capture_ns=NOW_NS + 2_000_000_000),
        picture(capture_ns=-1),
        picture(decode_ns=-(10**15)),
        picture(decode_ns=10**15),
        picture(data=b""),
        SoundPacket(capture_ns=NOW_NS, samples=0, data=b"x"),
        SoundPacket(capture_ns=NOW_NS, samples=-5, data=b"x"),
        SoundPacket(capture_ns=NOW_NS, samples=1 << 40, data=b"x"),
        SoundPacket(capture_ns=1 << 62, samples=1024, data=b"x"),
    ],
)
def test_a_packet_that_no_fragment_can_carry_is_refused(message: VideoPacket | SoundPacket) -> None:
    with pytest.raises(EvidenceError):
        ready().packet(message, NOW_NS)


@pytest.mark.parametrize(
    "parameters",
    [
        structs.replace(streams.CAMERA, sps=b""),
        structs.replace(streams.CAMERA, fps_num=0),
        structs.replace(streams.CAMERA, fps_den=-1),
        structs.replace(streams.CAMERA, width=1 << 20),
        structs.replace(streams.CAMERA, reorder_ns=-1),
        structs.replace(streams.CAMERA, reorder_ns=1 << 62),
        structs.replace(streams.MICROPHONE, rate=0),
        structs.replace(streams.MICROPHONE, rate=1 << 40),
        structs.replace(streams.MICROPHONE, channels=0),
        structs.replace(streams.MICROPHONE, priming=-1),
        structs.replace(streams.MICROPHONE, priming=1 << 62),
        structs.replace(streams.MICROPHONE, asc=b""),
    ],
)
def test_refused_parameters_leave_the_old_ones_as_they_were(parameters: CameraParameters | SoundParameters) -> None:
    intake = ready()
    before = intake.formats
    with pytest.raises(EvidenceError):
        intake.parameters(parameters)
    assert intake.formats == before


NUMBERS = st.one_of(st.integers(-(1 << 63), (1 << 64) - 1), st.integers(-2, 3_000), st.just(NOW_NS + 4_000_000_000))
TEXTS = st.one_of(st.text(max_size=20), st.just("x" * 200_000), st.just("\0"))
DATA = st.one_of(st.binary(max_size=60), st.just(streams.SPS), st.just(streams.PPS))


def _built(kind: Callable[..., object], *fields: "st.SearchStrategy[object]") -> "st.SearchStrategy[object]":
    return st.tuples(*fields).map(lambda values: kind(*values))


ANYTHING: list[tuple[m.Sensor, "st.SearchStrategy[object]"]] = [
    ("camera", _built(CameraParameters, DATA, DATA, *[NUMBERS] * 5)),
    (
        "camera",
        _built(VideoPacket, NUMBERS, NUMBERS, st.booleans(), DATA, st.sampled_from(["annexb", "avcc"]), NUMBERS),
    ),
    ("microphone", _built(SoundParameters, DATA, NUMBERS, NUMBERS, NUMBERS)),
    ("microphone", _built(SoundPacket, NUMBERS, NUMBERS, DATA)),
    ("position", _built(Fix, NUMBERS, NUMBERS, NUMBERS, NUMBERS, TEXTS, NUMBERS, NUMBERS)),
    ("position", _built(NoFix, NUMBERS, TEXTS)),
    ("camera", _built(Counter, st.sampled_from(["sim.overrun", "x"]), NUMBERS)),
    ("microphone", _built(Fault, TEXTS, TEXTS)),
    ("position", _built(Log, TEXTS)),
]
MADNESS = st.one_of([st.tuples(st.just(sensor), said) for sensor, said in ANYTHING])


@given(st.lists(MADNESS, min_size=1, max_size=6))
@settings(max_examples=40, deadline=None)
def test_a_mad_sensor_cannot_stop_the_recorder_nor_break_the_evidence(
    tmp_path_factory: pytest.TempPathFactory, said: list[tuple[m.Sensor, object]]
) -> None:
    folder: Path = tmp_path_factory.mktemp("mad")
    rig = Rig(folder)
    rig.bytes_per_frame = 500
    rig.boot()
    rig.run(1.2)
    rig.start()
    rig.run(0.5)
    for sensor, message in said:
        rig.tell(m.Heard(sensor, message))  # type: ignore[arg-type]
        rig.run(0.5)
    rig.stop()
    assert rig.recorder.status()["state"] == "standby"
    rig.kill()
    faultless(folder)
