"""The device's configuration as Structs: every key with its type, bounds, default, unit and reason.

The reason stands in the key's annotation (``about``), so that the table in ``README.md`` beside this file is
generated from here and cannot drift from what the loader enforces. A section that may be left out is a sensor (or
the speaker) that the device does not have, or has defaults throughout. Paths are absolute once loaded. Bounds are
checked by ``load`` only: a test that builds a Struct itself may choose what it likes.

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
Language = Literal["zh", "en"]
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
    "signals": ("simulated",),
    "power": ("simulated", "linux"),
    "storage": ("simulated", "linux"),
}
"""Drivers by kind of device."""


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
    """Who may open the media, and whose signatures count for what."""

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
    receipt_keys: Annotated[
        tuple[str, ...],
        about(
            "",
            "Verifier keys of the stores whose receipts count: a segment is deleted only on one of them (R21a). Others "
            "than mirror_keys: no key has two roles. Empty: nothing is ever deleted.",
        ),
    ] = ()
    command_keys: Annotated[
        tuple[str, ...],
        about(
            "",
            "Verifier keys of those who may hold a session as evidence, waive its carrier (R17), acknowledge an alarm "
            "by name (R19c). Others than the stores': who keeps the media shall not also release it. Empty: nobody.",
        ),
    ] = ()
    unopened_keys: Annotated[
        tuple[str, ...],
        about(
            "",
            "Names of those receipt keys whose receipts are enough though the store did not open the file (opened: "
            "no), since it holds no identity. Empty: each file must have been decrypted and compared.",
        ),
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
    speech_permille: Annotated[
        int,
        about(
            "1/1000",
            "Above this probability, as the voice activity detector gives it, 32 ms of sound count as speech (R19b). "
            "500 is what its makers use; far below, wind and music pass for an answer, far above, soft voices do not.",
            ge=50,
            le=950,
        ),
    ] = 500
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


class Power(Section, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Battery, supply and temperature. Without it none of them is watched or checked."""

    driver: Driver
    interval_s: Annotated[
        int,
        about(
            "s",
            "Under-voltage and throttling come and go within a second; read less often, a card or camera that fails of "
            "them gets the blame.",
            ge=1,
            le=60,
        ),
    ] = 1
    scenario: Scenario = ""
    scenario_started_ns: ScenarioStarted = 0


class Signals(Section, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What the device says and shows to people. Without it nothing is said; reasons are owed all the same."""

    driver: Driver
    language: Annotated[
        Language,
        about("", "In which language the device speaks: Chinese, as the regulation's words are, or English."),
    ] = "zh"
    folder: Annotated[
        str,
        about(
            "path",
            "Where spoken words are kept, so that the same words are rendered once; the simulated driver also leaves "
            "there what was said and shown. Not inside the spool. Empty: nothing is kept.",
        ),
    ] = ""
    cache_mb: Annotated[
        int,
        about(
            "MB",
            "Bound on the sound files kept in the folder; the longest unused go. Ten seconds of speech are 0.4 MB, so "
            "64 hold some 150 questions; each has its own times in it, so more would be of little use.",
            ge=1,
            le=1024,
        ),
    ] = 64
    mute: Annotated[
        bool,
        about("", "A device without a speaker (simulated driver): lamp and vibration ask instead of the voice."),
    ] = False


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


class Ask(Section, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """How the reason of an interruption is asked for, and what counts as an answer (R19b)."""

    settle_ms: Annotated[
        int,
        about(
            "ms",
            "From the resumption to the question: a loose plug comes and goes, and shall not be asked about in "
            "between.",
            ge=0,
            le=30_000,
        ),
    ] = 2000
    prompt_s: Annotated[
        int,
        about(
            "s",
            "The longest that speaking a question may take; then the lamp asks, and an answer is listened for. "
            "Rendering may take 3 s and the longest question 16 s.",
            ge=5,
            le=60,
        ),
    ] = 20
    listen_s: Annotated[
        int,
        about(
            "s",
            "How long an answer is waited for after a question: long enough to finish a sentence to the person in "
            "front of the officer.",
            ge=5,
            le=300,
        ),
    ] = 30
    silence_ms: Annotated[
        int,
        about(
            "ms",
            "So much silence ends an answer. Below 2 s a pause for thought would end it, above 5 s the next "
            "conversation joins it.",
            ge=1000,
            le=10_000,
        ),
    ] = 3000
    longest_s: Annotated[
        int,
        about(
            "s",
            "An answer ends here by itself: where people go on talking, silence never comes. A reason takes a "
            "sentence or two.",
            ge=10,
            le=600,
        ),
    ] = 120
    least_speech_ms: Annotated[
        int,
        about(
            "ms",
            "Less speech than this is no answer, and it is asked again: a cough or a word is shorter, the shortest "
            "sentence that gives a reason takes two seconds.",
            ge=200,
            le=10_000,
        ),
    ] = 1000
    again_s: Annotated[
        int,
        about(
            "s",
            "Pause before the question is put again where no answer came; it doubles each time up to most_again_s, "
            "so that asking does not get in the way of the act.",
            ge=10,
            le=600,
        ),
    ] = 60
    most_again_s: Annotated[
        int,
        about("s", "The longest pause between two questions: twice an hour nobody forgets it.", ge=600, le=14_400),
    ] = 1800
    join_s: Annotated[
        int,
        about(
            "s",
            "Interruptions of the same track and cause that follow each other within this are asked about once, and "
            "the answer counts for all: a loose plug fails ten times in a minute. 0: each alone.",
            ge=0,
            le=3600,
        ),
    ] = 60
    at_stop: Annotated[
        bool,
        about(
            "",
            "Whether a press of stop first asks for what is owed, each once, and waits for the answers; another press "
            "stops at once. If not, it is asked at the next start.",
        ),
    ] = True
    utc_offset_min: Annotated[
        int,
        about(
            "min",
            "Local time less UTC, for times that are spoken. China has one, eight hours ahead, without summer time.",
            ge=-720,
            le=840,
        ),
    ] = 480


class Alarm(Section, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """When recording cannot go on, and how the officer is told to report it (R19c)."""

    cannot_continue_s: Annotated[
        int,
        about(
            "s",
            "A required track that is not back after so long raises an alarm: report to the unit head at once. A "
            "sensor's process that ends is started again after 5 s at most, so a dozen times in a minute; what has "
            "not helped by then needs a person.",
            ge=10,
            le=1800,
        ),
    ] = 60
    again_s: Annotated[
        int,
        about(
            "s",
            "Pause before the officer is told again where no report was entered; it doubles each time up to "
            "most_again_s. A call to the unit head takes a minute.",
            ge=10,
            le=600,
        ),
    ] = 60
    most_again_s: Annotated[
        int,
        about("s", "The longest pause between two of them: twice an hour nobody forgets it.", ge=600, le=14_400),
    ] = 1800


class Storage(Section, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """When room for recording is short (R19b), and when what the store has signed for goes."""

    driver: Driver = "linux"
    scenario: Scenario = ""
    scenario_started_ns: ScenarioStarted = 0
    warn_min: Annotated[
        int,
        about(
            "min",
            "Room left when it is told first: time to fetch another device or to go to the dock.",
            ge=10,
            le=1440,
        ),
    ] = 60
    low_min: Annotated[
        int,
        about("min", "Room left when it is told again, as urgent: an inspection can still be ended.", ge=5, le=720),
    ] = 30
    back_min: Annotated[
        int,
        about(
            "min",
            "So much more room than a level's before it counts as left: the forecast moves with the bit rate, and "
            "nobody shall be told ten times.",
            ge=1,
            le=60,
        ),
    ] = 5
    resume_min: Annotated[
        int,
        about(
            "min",
            "Room above the reserve at which recording that stopped for want of it goes on. Less would stop it again "
            "within seconds.",
            ge=1,
            le=120,
        ),
    ] = 5
    room_min: Annotated[
        int,
        about(
            "min",
            "Below so much room, segments go that the store has signed for, oldest receipt first (invariant 2). Above "
            "warn_min, so that nobody is told of a shortage that can be mended.",
            ge=20,
            le=10_080,
        ),
    ] = 120
    reserve_s: Annotated[
        int,
        about(
            "s",
            "Recording that the reserve holds above what is computed for closing the session, its journal, an alarm "
            "and a spoken reason: other programs write too, and an encoder may exceed its bit rate.",
            ge=0,
            le=3600,
        ),
    ] = 60
    standby_h: Annotated[
        int,
        about(
            "h",
            "Time without recording for which the reserve holds the journal that goes on meanwhile, a clock entry a "
            "minute: a long weekend until somebody fetches the device.",
            ge=1,
            le=720,
        ),
    ] = 96
    look_s: Annotated[
        int,
        about(
            "s", "How often the free space is looked at. What is recorded in between is in the reserve.", ge=1, le=60
        ),
    ] = 5
    rate_min: Annotated[
        int,
        about(
            "min",
            "The forecast goes by what was written in so many last minutes of recording, before that by the configured "
            "bit rate. Shorter follows the scene, longer is calmer.",
            ge=1,
            le=60,
        ),
    ] = 10
    shift_min: Annotated[
        int,
        about(
            "min",
            "Length of a shift from the recorder's start. Room for less than what is left of it is told once. 0: a "
            "shift has no known end.",
            ge=0,
            le=1440,
        ),
    ] = 480


class Watch(Section, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """When a picture or sound that is there is of no use: told and journalled as an impairment, recorded on."""

    covered_variance: Annotated[
        int,
        about(
            "luma²",
            "Lens covered: variance of brightness (0 to 255) at most this, and sharpness at most the next. Nothing but "
            "noise and a shade is below 10, a white wall in slanting light has 120, scenes with people 600 to 3500.",
            ge=0,
            le=1000,
        ),
    ] = 25
    covered_sharpness: Annotated[
        int,
        about(
            "luma²",
            "Sharpness (variance of the Laplacian) of a covered lens comes from the sensor's noise, 20 times its "
            "variance: 200 allow for 3 steps of brightness in the small picture. Fine texture has more.",
            ge=0,
            le=10_000,
        ),
    ] = 200
    dark_mean: Annotated[
        int,
        about(
            "luma",
            "Dark: mean brightness at most this, where black is 16 (0 in full range) and a usual picture has 80 to "
            "140. A lamp that lights what stands before it brings the mean above it.",
            ge=0,
            le=128,
        ),
    ] = 40
    frozen_difference: Annotated[
        int,
        about(
            "1/100 luma",
            "Frozen: mean difference to a second before at most this. A picture that is repeated has 0; where nothing "
            "moves the sensor's noise still shows: 50 for 0.8 steps of brightness.",
            ge=0,
            le=100,
        ),
    ] = 1
    blurred_variance: Annotated[
        int,
        about(
            "luma²",
            "Blurred is judged only of a picture with at least this variance: a wall or the sky has no edges that "
            "could be sharp.",
            ge=1,
            le=20_000,
        ),
    ] = 400
    blurred_sharpness: Annotated[
        int,
        about(
            "luma²",
            "Blurred: sharpness at most this. Films of streets, cars and people have 170 to 2900; blurred over a "
            "fiftieth of the picture's width they have 6 to 28, over a hundredth 19 to 220.",
            ge=0,
            le=10_000,
        ),
    ] = 40
    picture_bad_ms: Annotated[
        int,
        about(
            "ms",
            "So long must a picture be covered, dark or frozen. Figures come once a second: 900 are two in a row, so "
            "that it is found in 2 s, and a sleeve before the lens is not told.",
            ge=0,
            le=60_000,
        ),
    ] = 900
    blurred_bad_ms: Annotated[
        int,
        about(
            "ms", "So long must it be blurred: four in a row, since who runs blurs the picture, too.", ge=0, le=60_000
        ),
    ] = 2900
    silent_cdb: Annotated[
        int,
        about(
            "1/100 dB",
            "Silent: level (RMS) at most this, relative to full scale. A microphone that works hears a quiet room's "
            "ventilation at -85 dB or louder; one that is cut off gives the converter's last bit, -96 dB, or nothing.",
            ge=-10_000,
            le=0,
        ),
    ] = -9000
    silent_bad_ms: Annotated[
        int,
        about("ms", "So long must it be silent: two blocks of half a second, found in 2 s.", ge=0, le=60_000),
    ] = 1000
    clipped_samples: Annotated[
        int,
        about(
            "samples",
            "So many samples at full scale in a block of half a second make it a clipped one; a knock makes fewer.",
            ge=1,
            le=24_576,
        ),
    ] = 10
    clipped_blocks: Annotated[
        int,
        about("blocks", "Clipping: so many clipped blocks of the last clipped_of_blocks.", ge=1, le=60),
    ] = 3
    clipped_of_blocks: Annotated[
        int,
        about("blocks", "See clipped_blocks. Six are three seconds: shouting, not one shout.", ge=1, le=60),
    ] = 6
    good_ms: Annotated[
        int,
        about(
            "ms",
            "An impairment is over when it has been good for so long: three pictures in a row, so that what comes and "
            "goes is told once.",
            ge=0,
            le=60_000,
        ),
    ] = 1900


class Check(Section, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Before use: what passes, what is warned of, what fails (R19a). Nothing of it ever forbids recording."""

    at_start: Annotated[
        bool,
        about("", "Whether the device checks itself at each start, unasked: who takes it out hears what is wrong."),
    ] = True
    settle_s: Annotated[
        int,
        about(
            "s",
            "From the start to that check: sensors need seconds to come up, a receiver longer to find satellites, "
            "whose want is a warning only.",
            ge=2,
            le=120,
        ),
    ] = 10
    rate_warn_percent: Annotated[
        int,
        about(
            "%",
            "Pictures a second, of the configured ones: below this a warning. A camera that lengthens its exposure in "
            "the dark gives fewer.",
            ge=1,
            le=100,
        ),
    ] = 90
    rate_fail_percent: Annotated[
        int,
        about("%", "Below this a failure: half the pictures do not show what hands do.", ge=1, le=100),
    ] = 50
    level_warn_cdb: Annotated[
        int,
        about(
            "1/100 dB",
            "Level of the sound (RMS, relative to full scale) at most this: a warning, something covers the "
            "microphone. A quiet room has -60 dB and louder; speech at arm's length -40 to -20 dB.",
            ge=-10_000,
            le=0,
        ),
    ] = -7000
    level_fail_cdb: Annotated[
        int,
        about("1/100 dB", "At most this: a failure; as [watch] silent_cdb has it.", ge=-10_000, le=0),
    ] = -8000
    accuracy_warn_m: Annotated[
        int,
        about(
            "m",
            "Radius of the position's error (68 %) above which a warning is given: the house is no longer certain.",
            ge=1,
            le=10_000,
        ),
    ] = 50
    clock_warn_ms: Annotated[
        int,
        about(
            "ms",
            "Bound of the clock's error above which a warning is given: a second is what other cameras show.",
            ge=1,
            le=86_400_000,
        ),
    ] = 1000
    clock_fail_ms: Annotated[
        int,
        about(
            "ms",
            "Above this it fails: the minute that is said, and stands on a sheet of evidence, may be wrong (R16c).",
            ge=1,
            le=86_400_000,
        ),
    ] = 60_000
    space_warn_min: Annotated[
        int,
        about("min", "Room for recording below which a warning is given: less than a shift.", ge=1, le=10_080),
    ] = 480
    space_fail_min: Annotated[
        int,
        about("min", "Below this it fails: as [storage] warn_min, where it is told while recording.", ge=1, le=10_080),
    ] = 60
    write_warn_ms: Annotated[
        int,
        about(
            "ms",
            "Time of a trial write of 256 KiB with its sync above which a warning is given: promise 3 (a power cut "
            "costs a second at most) holds while a flush takes 200 ms.",
            ge=1,
            le=60_000,
        ),
    ] = 200
    write_fail_ms: Annotated[
        int,
        about("ms", "Above this it fails: such a flush is an impairment (storage.slow).", ge=1, le=60_000),
    ] = 2000
    battery_warn_percent: Annotated[
        int,
        about("%", "Charge below which a warning is given: a shift needs eight tenths of it.", ge=0, le=100),
    ] = 80
    battery_fail_percent: Annotated[
        int,
        about("%", "Below this it fails: enough for two hours.", ge=0, le=100),
    ] = 20
    heat_warn_c: Annotated[
        int,
        about(
            "°C",
            "Temperature of the processor above which a warning is given; a case in the sun adds 20.",
            ge=20,
            le=150,
        ),
    ] = 70
    heat_fail_c: Annotated[
        int,
        about("°C", "Above this it fails: a Raspberry Pi is held back at 80 to 85 °C.", ge=20, le=150),
    ] = 80
    unsynced_warn: Annotated[
        int,
        about(
            "sessions",
            "So many sessions not wholly in the store are a warning; one whose term of 24 h is at risk always is one, "
            "one that is late a failure.",
            ge=1,
            le=10_000,
        ),
    ] = 20
    owed_fail: Annotated[
        int,
        about(
            "matters",
            "So many reasons and statements owed are a failure; one is a warning. An alarm that nobody has "
            "acknowledged always is a failure.",
            ge=1,
            le=1000,
        ),
    ] = 10


class Deadline(Section, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The term in which a session must be in the store, counted from its end (R21a)."""

    term_h: Annotated[
        int,
        about("h", "The article's 24 hours; a unit may ask for less, never for more.", ge=1, le=24),
    ] = 24
    at_risk_percent: Annotated[
        int,
        about(
            "%",
            "Of the term: while no network is known, a session is at risk from here on. Half of it is the evening "
            "after a morning's session, when somebody can still bring the device to the dock.",
            ge=1,
            le=100,
        ),
    ] = 50
    margin_percent: Annotated[
        int,
        about(
            "%",
            "Of the time that the upload needs at the measured rate: so much is reckoned with, since a rate measured "
            "at a window is not the one of the cellar. A session counts as on time again only with twice as much.",
            ge=100,
            le=1000,
        ),
    ] = 150
    look_s: Annotated[
        int,
        about("s", "How often the terms are looked at: a minute late in the telling harms nobody.", ge=1, le=600),
    ] = 60


class Config(Struct, kw_only=True, frozen=True):
    """A whole configuration file, checked."""

    device: Device
    trust: Trust
    record: Record
    camera: Camera | None = None
    microphone: Microphone | None = None
    position: Position | None = None
    power: Power | None = None
    signals: Signals | None = None
    ask: Ask = Ask()
    alarm: Alarm = Alarm()
    storage: Storage = Storage()
    watch: Watch = Watch()
    check: Check = Check()
    deadline: Deadline = Deadline()
    sha256: str = ""
    """SHA-256 of the file's bytes as they were read, unpadded base64url."""


SECTIONS: dict[str, type[Section]] = {
    "device": Device,
    "trust": Trust,
    "camera": Camera,
    "microphone": Microphone,
    "position": Position,
    "power": Power,
    "signals": Signals,
    "record": Record,
    "ask": Ask,
    "alarm": Alarm,
    "storage": Storage,
    "watch": Watch,
    "check": Check,
    "deadline": Deadline,
}
"""Sections of the file by name, in the order in which they are explained."""

REQUIRED_SECTIONS = ("device", "trust")
