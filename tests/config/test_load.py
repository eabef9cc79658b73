"""A device's file is taken as it is meant, or refused with the key named and the right one near."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import drivers.child
from config.errors import (
    ConfigError,
    ConfigMalformed,
    ConfigMissing,
    ConfigUnreadable,
    DriverUnknown,
    KeyMissing,
    KeyUnknown,
    RecipientsMissing,
    TrackWithoutSensor,
    ValueRefused,
)
from config.load import config_sha256, load_config, parse_config
from config.models import DRIVERS, Config

RECIPIENT = "age1" + "q" * 58
VKEY = "store/mirror+0123abcd+" + "A" * 44
FOLDER = Path("/etc/liuhen")

GOOD = f"""
[device]
id = "car-7"
unit = "住建局"
key_dir = "key"
spool = "/srv/spool"
socket = "run/recorder.sock"
[trust]
recipients = ["{RECIPIENT}"]
mirror_keys = ["{VKEY}"]
[camera]
driver = "simulated"
[microphone]
driver = "simulated"
[position]
driver = "simulated"
[signals]
driver = "simulated"
folder = "spoken"
"""


def parse(text: str) -> Config:
    return parse_config(text.encode(), FOLDER, "device.toml")


def with_line(section: str, line: str) -> str:
    """The good file with a line added at the head of a section, which is made where it is missing."""
    head = f"[{section}]\n"
    return GOOD.replace(head, head + line + "\n") if head in GOOD else GOOD + head + line + "\n"


def test_defaults_are_those_of_the_design() -> None:
    record = parse(GOOD).record
    assert (record.prerecord_s, record.prerecord_sound, record.segment_s) == (30, True, 60)
    assert (record.flush_ms, record.queue_s, record.resume_s) == (400, 20, 1800)
    assert record.required_tracks == ("video", "sound")


def test_a_reason_is_asked_for_as_the_design_says_unless_the_file_says_otherwise() -> None:
    ask = parse(GOOD).ask
    assert (ask.settle_ms, ask.prompt_s, ask.listen_s, ask.silence_ms, ask.longest_s) == (2000, 20, 30, 3000, 120)
    assert (ask.least_speech_ms, ask.again_s, ask.most_again_s, ask.join_s) == (1000, 60, 1800, 60)
    assert (ask.at_stop, ask.utc_offset_min) == (True, 480)
    other = parse(with_line("ask", "at_stop = false\nutc_offset_min = -210")).ask
    assert (other.at_stop, other.utc_offset_min, other.listen_s) == (False, -210, 30)


def test_a_device_without_signals_says_nothing_and_one_with_them_speaks_chinese() -> None:
    signals = parse(GOOD).signals
    assert signals is not None
    assert (signals.language, signals.mute, signals.cache_mb) == ("zh", False, 64)
    assert signals.folder == "/etc/liuhen/spoken"
    assert parse(GOOD[: GOOD.index("[signals]")]).signals is None


def test_relative_paths_count_from_the_files_folder() -> None:
    device = parse(GOOD.replace('"key"', '"../key"')).device
    assert (device.key_dir, device.spool, device.socket) == ("/etc/key", "/srv/spool", "/etc/liuhen/run/recorder.sock")
    camera = parse(with_line("camera", 'scenario = "day.toml"')).camera
    assert camera is not None
    assert (camera.scenario, camera.file) == ("/etc/liuhen/day.toml", "")


def test_a_section_that_is_left_out_is_a_sensor_that_is_not_there() -> None:
    text = GOOD.replace('[camera]\ndriver = "simulated"\n', "") + '[record]\nrequired_tracks = ["sound"]\n'
    config = parse(text)
    assert config.camera is None
    assert config.microphone is not None


def test_the_hash_is_over_the_files_bytes(tmp_path: Path) -> None:
    file = tmp_path / "device.toml"
    file.write_text(GOOD, encoding="utf-8")
    assert load_config(file).sha256 == config_sha256(GOOD.encode())
    assert config_sha256(b"") == "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
    assert config_sha256(GOOD.encode() + b"\n") != config_sha256(GOOD.encode())


REFUSED: dict[str, tuple[str, type[ConfigError], tuple[str, ...]]] = {
    "a mistyped key is named, and the nearest right one": (
        with_line("record", "prerecord = 3"),
        KeyUnknown,
        ("device.toml", "[record] prerecord ", "did you mean prerecord_s?"),
    ),
    "a key of another section is named, and those that are known": (
        with_line("position", "zzz = 3"),
        KeyUnknown,
        ("[position] zzz", "driver, interval_s"),
    ),
    "a key in the wrong section is sent to the right one": (
        with_line("device", "segment_s = 60"),
        KeyUnknown,
        ("[device] segment_s is unknown; it belongs into [record]",),
    ),
    "a mistyped section is named": (with_line("microfone", "x = 1"), KeyUnknown, ("[microfone]", "[microphone]?")),
    "a key outside any section is named": (
        "flush_ms = 400\n" + GOOD,
        KeyUnknown,
        ("[flush_ms] is unknown", "it belongs into [record]"),
    ),
    "a section that must be there is missing": ('[device]\nid = "a"\n', KeyMissing, ("[trust]", "add it")),
    "a key that must be there is missing": (GOOD.replace('id = "car-7"', ""), KeyMissing, ("[device] id",)),
    "a sensor without a driver": (GOOD + "[camera2]\n", KeyUnknown, ("[camera2]", "[camera]?")),
    "a text where a number is meant": (
        with_line("record", 'segment_s = "60"'),
        ValueRefused,
        ("[record] segment_s must be 10 to 600 (s)", "'60'"),
    ),
    "true where a number is meant": (with_line("record", "segment_s = true"), ValueRefused, ("segment_s",)),
    "a fraction where a whole number is meant": (
        with_line("record", "queue_s = 7.5"),
        ValueRefused,
        ("queue_s", "7.5"),
    ),
    "a number where yes or no is meant": (
        with_line("record", "prerecord_sound = 1"),
        ValueRefused,
        ("prerecord_sound must be true or false",),
    ),
    "pre-record longer than the ring": (with_line("record", "prerecord_s = 121"), ValueRefused, ("0 to 120",)),
    "a flush so slow that a power cut costs more than a second": (
        with_line("record", "flush_ms = 500"),
        ValueRefused,
        ("flush_ms must be 200 to 400 (ms)",),
    ),
    "a number that no machine holds": (with_line("record", f"queue_s = {10**30}"), ValueRefused, ("queue_s",)),
    "a picture too narrow for the frame's number": (with_line("camera", "width = 320"), ValueRefused, ("512",)),
    "an odd picture width": (with_line("camera", "width = 1281"), ValueRefused, ("a multiple of 2",)),
    "a device id that would break a file name": (
        GOOD.replace("car-7", "car/7"),
        ValueRefused,
        ("[device] id", "letters, digits and hyphens"),
    ),
    "a device id that would break an origin line": (GOOD.replace("car-7", "car 7"), ValueRefused, ("[device] id",)),
    "a device id with a line break at its end": (GOOD.replace("car-7", "car-7\\n"), ValueRefused, ("[device] id",)),
    "a unit that would break a topic": (GOOD.replace("住建局", "a/+/b"), ValueRefused, ("[device] unit",)),
    "a section that is a value": ('device = "x"\ntrust = 1\n', ValueRefused, ("device must be a section",)),
    "a signing key inside the spool": (
        GOOD.replace('"key"', '"/srv/spool/key"'),
        ValueRefused,
        ("key_dir lies inside the spool",),
    ),
    "a signing key inside the spool by a detour": (
        GOOD.replace('"key"', '"/srv/x/../spool"'),
        ValueRefused,
        ("key_dir lies inside the spool",),
    ),
    "a socket path that no UNIX socket can have": (
        GOOD.replace("run/recorder.sock", "x" * 120),
        ValueRefused,
        ("[device] socket", "107"),
    ),
    "nobody to encrypt to": (GOOD.replace(f'"{RECIPIENT}"', ""), RecipientsMissing, ("recipients", "age1")),
    "recipients left out": (GOOD.replace(f'recipients = ["{RECIPIENT}"]', ""), RecipientsMissing, ("recipients",)),
    "a recipient cut short": (GOOD.replace(RECIPIENT, RECIPIENT[:-1]), ValueRefused, ("number 1", "58 more")),
    "a recipient with a letter that bech32 lacks": (
        GOOD.replace(RECIPIENT, RECIPIENT[:-1] + "b"),
        ValueRefused,
        ("no age recipient",),
    ),
    "a recipient twice": (
        GOOD.replace(f'"{RECIPIENT}"', f'"{RECIPIENT}", "{RECIPIENT}"'),
        ValueRefused,
        ("twice",),
    ),
    "a mirror key that is no vkey": (
        GOOD.replace(VKEY, "store"),
        ValueRefused,
        ("mirror_keys, number 1", "name+id+key"),
    ),
    "a receipt key that is no vkey": (
        with_line("trust", 'receipt_keys = ["store"]'),
        ValueRefused,
        ("receipt_keys, number 1", "name+id+key"),
    ),
    "a command key twice": (
        with_line("trust", f'command_keys = ["{VKEY}", "{VKEY}"]'),
        ValueRefused,
        ("command_keys", "twice"),
    ),
    "an unopened receipt of a store that is not known": (
        with_line("trust", f'receipt_keys = ["{VKEY}"]\nunopened_keys = ["other.example"]'),
        ValueRefused,
        ("unopened_keys names 'other.example'", VKEY.partition("+")[0]),
    ),
    "storage levels that change places": (
        GOOD + "[storage]\nlow_min = 60\nwarn_min = 60\n",
        ValueRefused,
        ("low_min must be less than warn_min",),
    ),
    "room that is wanted below what is warned of": (
        GOOD + "[storage]\nroom_min = 45\n",
        ValueRefused,
        ("room_min at least warn_min",),
    ),
    "a driver that this version lacks": (
        GOOD.replace('[camera]\ndriver = "simulated"', '[camera]\ndriver = "picamera2"'),
        DriverUnknown,
        ("[camera] driver 'picamera2'", "simulated"),
    ),
    "a language that nobody speaks here": (
        with_line("signals", 'language = "fr"'),
        ValueRefused,
        ("[signals] language must be zh or en", "'fr'"),
    ),
    "a speaker driver that this version lacks": (
        GOOD.replace('[signals]\ndriver = "simulated"', '[signals]\ndriver = "alsa"'),
        DriverUnknown,
        ("[signals] driver 'alsa'", "simulated"),
    ),
    "spoken words inside the spool": (
        GOOD.replace('"spoken"', '"/srv/spool/spoken"'),
        ValueRefused,
        ("[signals] folder lies inside the spool",),
    ),
    "silence so short that a pause for thought ends an answer": (
        with_line("ask", "silence_ms = 500"),
        ValueRefused,
        ("[ask] silence_ms must be 1000 to 10000 (ms)", "500"),
    ),
    "an offset that no place on earth has": (
        with_line("ask", "utc_offset_min = 900"),
        ValueRefused,
        ("[ask] utc_offset_min must be -720 to 840 (min)",),
    ),
    "video required without a camera": (
        GOOD.replace('[camera]\ndriver = "simulated"\n', ""),
        TrackWithoutSensor,
        ("has video", "no [camera]"),
    ),
    "no track required": (with_line("record", "required_tracks = []"), ValueRefused, ("required_tracks is empty",)),
    "a track required twice": (
        with_line("record", 'required_tracks = ["sound", "sound"]'),
        ValueRefused,
        ("names sound twice",),
    ),
    "a track that does not exist": (
        with_line("record", 'required_tracks = ["vidio"]'),
        ValueRefused,
        ("required_tracks must be a list of video, sound, position", "vidio"),
    ),
    "no TOML": ("[device\n", ConfigMalformed, ("line 1",)),
    "the same key twice": (with_line("device", 'id = "b"'), ConfigMalformed, ("not TOML",)),
    "nested a thousand deep": (f"x = {'[' * 5000}{']' * 5000}", ConfigMalformed, ("not usable",)),
    "a number of ten thousand digits": ("x = " + "9" * 10_000, ConfigMalformed, ("not usable",)),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused_with_words_that_help(what: str) -> None:
    text, kind, words = REFUSED[what]
    with pytest.raises(kind) as caught:
        parse(text)
    assert type(caught.value) is kind
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("replaced", [RECIPIENT, f'["{RECIPIENT}"]', "car-7"])
def test_an_age_identity_is_refused_and_not_repeated(replaced: str) -> None:
    secret = "AGE-SECRET-KEY-1" + "Q" * 58
    text = GOOD.replace(replaced, f'"{secret}"' if replaced.startswith("[") else secret)
    with pytest.raises(ValueRefused, match="identity") as caught:
        parse(text)
    assert secret not in str(caught.value)


def test_a_file_that_is_missing_or_unreadable_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigMissing, match=r"gone\.toml"):
        load_config(tmp_path / "gone.toml")
    with pytest.raises(ConfigUnreadable, match="cannot be read"):
        load_config(tmp_path)
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b'[device]\nunit = "B\xfcro"\n')
    with pytest.raises(ConfigUnreadable, match="not UTF-8 at byte 18"):
        load_config(latin)
    endless = tmp_path / "endless.toml"
    endless.write_bytes(b"#" * 2_000_000)
    with pytest.raises(ConfigUnreadable, match="longer than"):
        load_config(endless)


def test_every_driver_that_the_configuration_knows_is_there() -> None:
    assert {kind: set(names) for kind, names in DRIVERS.items()} == {
        kind: set(modules) for kind, modules in drivers.child.DRIVERS.items()
    }


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_by_an_error_of_ours(data: bytes) -> None:
    with pytest.raises(ConfigError):
        parse_config(data, FOLDER)


KEYS = [key for section in tomllib.loads(GOOD).values() for key in section]
VALUES = st.one_of(st.integers(), st.booleans(), st.floats(allow_nan=False, allow_infinity=False))


@given(section=st.sampled_from(sorted(tomllib.loads(GOOD))), key=st.sampled_from(KEYS), value=VALUES)
def test_any_value_of_another_type_is_refused_by_an_error_of_ours(section: str, key: str, value: object) -> None:
    literal = str(value).lower() if isinstance(value, bool) else str(value)
    text = "\n".join(line for line in GOOD.splitlines() if not line.startswith(f"{key} ="))
    with pytest.raises(ConfigError):
        parse(text.replace(f"[{section}]", f"[{section}]\n{key} = {literal}"))
