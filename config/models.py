"""The device's configuration as Structs: every key with its type, bounds, default, unit and reason.

The reason stands in the key's annotation (``about``), so that the table in ``README.md`` beside this file is
generated from here and cannot drift from what the loader enforces. A section that may be left out is a sensor
that the device does not have. Paths are absolute once loaded. Bounds are checked by ``load`` only: a test that
builds a Struct itself may choose what it likes.

Left to others: reading the file and naming what is wrong (``load``); what a driver does with its options.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct


def about(unit: str, reason: str, **bounds: int | str) -> Meta:
    """A key's unit ("" for none), reason and bounds (``ge``, ``le``, ``multiple_of``, ``pattern``)."""
    # msgspec tells numeric from textual bounds by overloads; which fits is the annotated type's matter.
    return Meta(description=reason, extra={"unit": unit}, **bounds)  # type: ignore[call-overload, no-any-return]


DEVICE_ID = r"^[A-Za-z0-9][A-Za-z0-9-]{0,31}\Z"
"""What a device's id looks like (a regular expression)."""
Track = Literal["video", "sound", "position"]
Driver = Annotated[
    str, about("", "Which module of drivers/ serves this sensor; a missing one stops the start and is named.")
]
Scenario = Annotated[
    str,
    about("path", "A simulated sensor finds its own events (words spoken, fix lost) in this file; empty: none."),
]
ScenarioStarted = Annotated[
    int,
    about(
        "ns",
        "CLOCK_BOOTTIME at which the scenario's at_s is 0; 0: when the sensor starts. A sensor that is started "
        "again must find itself at the right place of the story.",
        ge=0,
    ),
]

DRIVERS: dict[str, tuple[str, ...]] = {
    "camera": ("simulated",),
    "microphone": ("simulated",),
    "position": ("simulated",),
}
"""Drivers by kind of sensor."""


class Section(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What all sections have in common."""


class Device(Section, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Which device this is, and where it keeps what it owns."""

    id: Annotated[
        str,
        about(
            "",
            "Name of the device in the journal's origin, in file names, burnt into the picture: ASCII letters, "
            "digits and hyphens, at most 32.",
            pattern=DEVICE_ID,
        ),
    ]
    unit: Annotated[
        str,
        about(
            "",
            "The unit that the device belongs to (R20b). It becomes one level of a topic, so no / + # and no "
            "control characters, at most 64 characters.",
            pattern=r"^[^/+#\x00-\x1f\x7f]{1,64}\Z",
        ),
    ]
    key_dir: Annotated[str, about("path", "Folder of device.key. Not inside the spool: a card's image must not sign.")]
    spool: Annotated[str, about("path", "Folder of journal and segments; best a file system of its own.")]
    socket: Annotated[
        str,
        about("path", "The local interface. A UNIX socket's path has at most 107 bytes."),
    ] = "/run/liuhen/recorder.sock"


class Trust(Section, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Who may open the media, and whose co-signatures count."""

    recipients: Annotated[
        tuple[str, ...],
        about(
            "",
            "age recipients (age1…) to whom everything is encrypted: the store, and best an escrow. The device "
            "holds none of their identities (R10).",
        ),
    ] = ()
    mirror_keys: Annotated[
        tuple[str, ...],
        about("", "Verifier keys (name+id+key) of the stores whose co-signature counts. Empty: no store yet."),
    ] = ()


class Camera(Section, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The picture."""

    driver: Driver
    width: Annotated[
        int,
        about(
            "pixels",
            "The usual size for evidence is 1920 x 1080; 1280 x 720 where the machine cannot keep up. At least 512: "
            "the frame's number is drawn as 32 blocks of 16 pixels.",
            ge=512,
            le=3840,
            multiple_of=2,
        ),
    ] = 1920
    height: Annotated[int, about("pixels", "See width.", ge=64, le=2160, multiple_of=2)] = 1080
    fps: Annotated[
        int, about("1/s", "25 pictures a second, as PAL has it; a key frame comes each second.", ge=5, le=60)
    ] = 25
    bitrate_kbit: Annotated[
        int,
        about("kbit/s", "4000 keeps a face and a number plate readable at 1080p; 1.8 GB an hour.", ge=100, le=20_000),
    ] = 4000
    file: Annotated[str, about("path", "A media file whose pictures are replayed as they are; empty: drawn.")] = ""
    loop: Annotated[bool, about("", "Whether the replayed file begins again at its end.")] = True
    scenario: Scenario = ""
    scenario_started_ns: ScenarioStarted = 0


class Microphone(Section, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The sound: 48 kHz, one channel."""

    driver: Driver
    bitrate_kbit: Annotated[
        int, about("kbit/s", "Speech is clear at 64 in one channel; 29 MB an hour.", ge=16, le=320)
    ] = 64
    clock_error_ppm: Annotated[
        int,
        about(
            "ppm",
            "How far the simulated sound clock is off. Real ones are up to 100 off: 60 shows that picture and sound "
            "stay together.",
            ge=-1000,
            le=1000,
        ),
    ] = 60
    scenario: Scenario = ""
    scenario_started_ns: ScenarioStarted = 0


class Position(Section, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Where the device is."""

    driver: Driver
    interval_s: Annotated[
        int, about("s", "A receiver gives one fix a second; less often where power is short.", ge=1, le=60)
    ] = 1
    scenario: Scenario = ""
    scenario_started_ns: ScenarioStarted = 0


class Record(Section, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """How it is recorded."""

    prerecord_s: Annotated[
        int,
        about(
            "s", "What happened before the press often is why it was pressed (R14a). It rests in memory.", ge=0, le=120
        ),
    ] = 30
    prerecord_sound: Annotated[
        bool, about("", "Whether the pre-record has sound; a policy of its own, since nobody was told yet (R14a).")
    ] = True
    segment_s: Annotated[
        int,
        about("s", "Length of a media file. Short ones are delivered sooner, long ones are fewer.", ge=10, le=600),
    ] = 60
    flush_ms: Annotated[
        int,
        about(
            "ms",
            "Time between two flushes with video; with sound alone it is twice that. A power cut costs at most two "
            "flushes, so above 400 the promise of one second would not hold.",
            ge=200,
            le=400,
        ),
    ] = 400
    queue_s: Annotated[
        int,
        about(
            "s",
            "Media that may wait in memory while the disk stands still; past it whole groups of pictures are dropped "
            "and journalled as an interruption. 20 s at 4 Mbit/s are 10 MB.",
            ge=5,
            le=60,
        ),
    ] = 20
    resume_s: Annotated[
        int,
        about(
            "s",
            "An interrupted session goes on by itself (R8, R19b) unless it is known to have stood still longer than "
            "this: then the act is over and recovery closes it.",
            ge=0,
            le=86_400,
        ),
    ] = 1800
    silent_ms: Annotated[
        int,
        about(
            "ms",
            "A camera or microphone that sends nothing for so long is an interruption (R8): drivers give no error when "
            "they hang. Pictures come every 40 ms; below 1000 a busy machine would be taken for a broken sensor.",
            ge=1000,
            le=10_000,
        ),
    ] = 2000
    required_tracks: Annotated[
        tuple[Track, ...],
        about("", "Tracks of which every moment is accounted for (R8, R11: picture and sound together)."),
    ] = ("video", "sound")


class Config(Struct, kw_only=True, frozen=True):
    """A whole configuration file, checked."""

    device: Device
    trust: Trust
    record: Record
    camera: Camera | None = None
    microphone: Microphone | None = None
    position: Position | None = None
    sha256: str = ""
    """SHA-256 of the file's bytes as they were read, unpadded base64url."""


SECTIONS: dict[str, type[Section]] = {
    "device": Device,
    "trust": Trust,
    "camera": Camera,
    "microphone": Microphone,
    "position": Position,
    "record": Record,
}
"""Sections of the file by name, in the order in which they are explained."""

REQUIRED_SECTIONS = ("device", "trust")
