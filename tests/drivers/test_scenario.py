"""The scenario file: what is written happens, what nobody understands is refused by name."""

from pathlib import Path

import pytest

from drivers.errors import ScenarioRefused
from drivers.scenario import WORDS, Event, happens, load, of, parse

WHOLE = """
[[event]]
at_s = 30
what = "power.cut"
for_s = 2.5

[[event]]
at_s = 0
what = "button.start"

[[event]]
at_s = 5.5
what = "microphone.speak"
file = "reason.wav"

[[event]]
at_s = 6
what = "position.lose"
for_s = 20

[[event]]
at_s = 8
what = "process.kill"
name = "microphone"

[[event]]
at_s = 9
what = "button.mark"

[[event]]
at_s = 10
what = "microphone.silence"
for_s = 3

[[event]]
at_s = 14
what = "microphone.clip"
for_s = 3

[[event]]
at_s = 18
what = "microphone.stall"
for_s = 3

[[event]]
at_s = 22
what = "microphone.pull"
for_s = 3

[[event]]
at_s = 31
what = "camera.pull"
for_s = 3

[[event]]
at_s = 35
what = "camera.stall"
for_s = 3

[[event]]
at_s = 39
what = "camera.freeze"
for_s = 3

[[event]]
at_s = 43
what = "camera.cover"
for_s = 3

[[event]]
at_s = 47
what = "camera.dark"
for_s = 3

[[event]]
at_s = 50
what = "power.low"
for_s = 1

[[event]]
at_s = 51
what = "heat.high"
for_s = 1

[[event]]
at_s = 52
what = "storage.fill"
for_s = 1

[[event]]
at_s = 53
what = "storage.fail"
for_s = 1

[[event]]
at_s = 54
what = "storage.readonly"
for_s = 1

[[event]]
at_s = 55
what = "storage.slow"
for_s = 1

[[event]]
at_s = 56
what = "storage.pull"

[[event]]
at_s = 60
what = "button.stop"
"""


def one(**members: object) -> str:
    lines = [f"{name} = {value!r}" for name, value in members.items()]
    return "\n".join(["[[event]]", *lines]).replace("'", '"')


def test_every_word_is_understood_and_events_come_by_time() -> None:
    events = parse(WHOLE, Path("/stage"))
    assert [event.at_s for event in events] == [
        0,
        5.5,
        6,
        8,
        9,
        10,
        14,
        18,
        22,
        30,
        31,
        35,
        39,
        43,
        47,
        *range(50, 57),
        60,
    ]
    assert {event.what for event in events} == set(WORDS)
    assert events[1] == Event(5.5, "microphone.speak", None, {"file": "/stage/reason.wav"})
    assert events[3].arguments == {"name": "microphone"}


def test_a_text_is_spoken_in_chinese_unless_another_language_is_named() -> None:
    (words,) = parse(one(at_s=1, what="microphone.speak", text="电池脱落"))
    assert words.arguments == {"text": "电池脱落", "language": "zh"}
    (words,) = parse(one(at_s=1, what="microphone.speak", text="the battery fell out", language="en", for_s=2))
    assert words.arguments == {"text": "the battery fell out", "language": "en"}


def test_moments_are_counted_from_the_scenarios_start() -> None:
    (lost,) = of(parse(WHOLE), "position.lose")
    assert (lost.begins_ns(10**12), lost.ends_ns(10**12)) == (10**12 + 6 * 10**9, 10**12 + 26 * 10**9)
    (mark,) = of(parse(WHOLE), "button.mark")
    assert mark.ends_ns(10**12) is None


def test_an_event_happens_from_its_moment_to_its_end_or_for_good() -> None:
    events, begun_ns = parse(WHOLE), 10**12
    inside = {49.9: False, 50: True, 50.9: True, 51: False}
    assert {at_s: happens(events, "power.low", begun_ns, begun_ns + round(at_s * 10**9)) for at_s in inside} == inside
    assert not happens(events, "storage.pull", begun_ns, begun_ns + 55 * 10**9)
    assert happens(events, "storage.pull", begun_ns, begun_ns + 10**18)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (one(at_s=1, what="microphone.speek", file="a.wav"), "did you mean 'microphone.speak'"),
        (one(at_s=1, what="elephant"), "known are button.start"),
        (one(at_s=1), "needs what"),
        (one(at_s=1, what=3), "needs what"),
        (one(at_s=1, what="button.stop", form_s=2), "unknown argument 'form_s'"),
        (one(at_s=1, what="button.start", for_s=2), "unknown argument 'for_s'"),
        (one(at_s=1, what="position.lose", fors=2), "did you mean 'for_s'"),
        (one(at_s=1, what="position.lose", for_s="long"), "needs for_s"),
        (one(at_s=-1, what="button.start"), "needs at_s"),
        (one(at_s="soon", what="button.start"), "needs at_s"),
        ('[[event]]\nat_s = true\nwhat = "button.start"', "needs at_s"),
        ('[[event]]\nat_s = nan\nwhat = "button.start"', "needs at_s"),
        (one(what="button.start"), "needs at_s"),
        (one(at_s=1, what="process.kill", name="camara"), "did you mean 'camera'"),
        (one(at_s=1, what="process.kill"), "needs name"),
        (one(at_s=1, what="microphone.speak"), "needs file or text, one of them"),
        (one(at_s=1, what="microphone.speak", file="a.wav", text="a"), "needs file or text, one of them"),
        (one(at_s=1, what="microphone.speak", file="a.wav", language="zh"), "language belongs to text, not to file"),
        (one(at_s=1, what="microphone.speak", text="a", language="fr"), "nobody speaks 'fr'.*known are zh, en"),
        (one(at_s=1, what="microphone.speak", text=""), "needs text"),
        (one(at_s=1, what="microphone.speak", text=3), "needs text"),
        (one(at_s=1, what="microphone.speak", text="a", lang="zh"), "did you mean 'language'"),
        (one(at_s=1, what="microphone.pul"), "did you mean 'microphone.pull'"),
        (one(at_s=1, what="camera.cover", file="hat.png"), "unknown argument 'file'"),
        ('[event]\nat_s = 1\nwhat = "button.start"', "two brackets"),
        ("[[events]]\nat_s = 1", "unknown key 'events'; did you mean 'event'"),
        ("event = [3]", "two brackets"),
        ("[[event", "no TOML"),
    ],
)
def test_what_nobody_understands_is_refused_by_name(text: str, told: str) -> None:
    with pytest.raises(ScenarioRefused, match=told.replace("[", r"\[")):
        parse(text)


def test_the_refusal_says_which_event() -> None:
    with pytest.raises(ScenarioRefused, match="event 2"):
        parse(one(at_s=1, what="button.start") + "\n" + one(at_s=2, what="button.stopp"))


def test_an_empty_scenario_is_one_in_which_nothing_happens() -> None:
    assert parse("") == []


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ScenarioRefused, match=r"missing\.toml cannot be read"):
        load(tmp_path / "missing.toml")
    (tmp_path / "latin.toml").write_bytes(b'what = "\xe9"')
    with pytest.raises(ScenarioRefused, match=r"latin\.toml cannot be read"):
        load(tmp_path / "latin.toml")


def test_files_are_looked_for_beside_the_scenario(tmp_path: Path) -> None:
    (tmp_path / "play.toml").write_text(one(at_s=1, what="microphone.speak", file="say.wav"))
    assert load(tmp_path / "play.toml")[0].arguments["file"] == str(tmp_path / "say.wav")
