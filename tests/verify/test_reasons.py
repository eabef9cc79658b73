"""Reasons of interruptions: which hold, what the verdict says of them, where their sound lies, hostile ones."""

import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from agent.commands.verify import command
from agent.evidence import entries as e
from agent.evidence.canonical import MAX_INT
from agent.export import export_session
from agent.verify import verify
from agent.verify.accounting import holes
from agent.verify.axis import Range
from agent.verify.facts import Line, Segment
from agent.verify.moments import EPOCH, Wanted
from agent.verify.reasons import Sound
from agent.verify.session import Session
from agent.verify.verdict import Verdict
from tests.verify.folders import options
from tests.verify.spools import SECOND, Device, Recording, interrupted_session

SPEECH = "speech is present, its content was not judged"


def begun(tmp_path: Path) -> tuple[Device, Recording]:
    """A session with one second of sound and pictures."""
    device = Device(tmp_path / "spool")
    recording = Recording(device, 1)
    recording.open_segment()
    recording.flush()
    return device, recording


def fails(recording: Recording, track: str = "video", cause: str = "camera") -> int:
    """The track fails for a second and comes back for another."""
    hole = recording.interrupt(track, cause)
    if track == "all":
        recording.device.wait(1)
    else:
        recording.flush("sound" if track == "video" else "video")
    recording.resume(hole, tracks="video sound" if track == "all" else track)
    recording.flush()
    return hole[0]


def finished(device: Device, recording: Recording) -> Verdict:
    recording.close_segment()
    recording.close()
    return verify(device.root, options(device))


def interruptions(verdict: Verdict) -> list[dict[str, Any]]:
    return [known for session in verdict.json["sessions"] for known in session["interruptions"]]


def kinds(verdict: Verdict) -> list[str]:
    return [problem["kind"] for problem in verdict.json["problems"]]


def no_answer_is_no(verdict: Verdict) -> bool:
    return "no" not in [verdict.json[name]["answer"] for name in ("bytes_intact", "nothing_missing", "signer", "time")]


# --- those that hold ------------------------------------------------------------------------------------------


def test_a_spoken_reason_is_told_with_where_it_can_be_heard(tmp_path: Path) -> None:
    device, recording = begun(tmp_path)
    number = fails(recording)
    recording.ask(number)
    recording.ask(number, request=2)
    spoken = recording.spoken()
    recording.explain(number, spoken)
    until = EPOCH + timedelta(microseconds=device.utc_us)
    verdict = finished(device, recording)
    (known,) = interruptions(verdict)
    assert (known["explained"], verdict.status, verdict.json["problems"]) == ("yes", 0, [])
    told = known["explanation"]
    assert datetime.fromisoformat(told.pop("to")) == until.astimezone(UTC)
    assert datetime.fromisoformat(told.pop("from")) == until.astimezone(UTC) - timedelta(seconds=0.5)
    assert told == {"how": "spoken", "officer": "210013", "session": "s000001", "speech_ms": 250, "asked": 2}


def test_the_words_say_that_the_content_was_not_judged_and_who_owes_is_named(tmp_path: Path) -> None:
    device, recording = begun(tmp_path)
    recording.explain(fails(recording))
    fails(recording)
    verdict = finished(device, recording)
    assert [known["explained"] for known in interruptions(verdict)] == ["yes", "no"]
    assert [known["explanation"] is None for known in interruptions(verdict)] == [False, True]
    assert (kinds(verdict), verdict.status) == (["explanation_owed"], 1)
    assert verdict.json["nothing_missing"]["answer"] == "yes"
    assert f"Reasons given by voice: 1; {SPEECH}." in verdict.json["nothing_missing"]["text"]
    chinese = verify(device.root, replace(options(device), language="zh")).json
    assert "口述原因 1 处：检出语音，未判断其内容。" in chinese["nothing_missing"]["text"]


def test_without_a_clock_the_moments_of_a_reason_are_null(tmp_path: Path) -> None:
    device = Device(tmp_path / "spool")
    device.boot += 1
    recording = Recording(device, 1)
    recording.open_segment()
    recording.flush()
    recording.explain(fails(recording))
    (known,) = interruptions(finished(device, recording))
    assert (known["explanation"]["from"], known["explanation"]["to"]) == (None, None)


@pytest.mark.parametrize(("track", "cause"), [("sound", "microphone"), ("sound", "storage"), ("all", "microphone")])
def test_a_written_reason_holds_where_the_microphone_or_the_sound_failed(
    track: str, cause: str, tmp_path: Path
) -> None:
    device, recording = begun(tmp_path)
    recording.explain(fails(recording, track, cause), text="麦克风线被扯断")
    verdict = finished(device, recording)
    (known,) = interruptions(verdict)
    told = {"how": "written", "officer": "210013", "session": None, "from": None, "to": None, "speech_ms": None}
    assert (known["explanation"], verdict.status) == (told | {"asked": 0}, 0)
    assert "Reasons given in writing: 1." in verdict.json["nothing_missing"]["text"]
    assert SPEECH not in verdict.json["nothing_missing"]["text"]


def test_a_reason_over_two_segments_names_the_fragments_of_both(tmp_path: Path) -> None:
    device, recording = begun(tmp_path)
    number = fails(recording)
    from_us = device.now_us - SECOND // 2
    recording.close_segment()
    recording.open_segment("length")
    recording.flush()
    spoken = recording.spoken(from_us)
    assert [ref.segment for ref in spoken.fragments] == [0, 1]
    recording.explain(number, spoken)
    assert finished(device, recording).json["problems"] == []


def test_one_answer_may_explain_several_interruptions(tmp_path: Path) -> None:
    device, recording = begun(tmp_path)
    numbers = [fails(recording), fails(recording)]
    spoken = recording.spoken()
    for number in numbers:
        recording.explain(number, spoken)
    assert finished(device, recording).status == 0


def test_any_number_of_addenda_in_writing_too_may_follow_a_reason(tmp_path: Path) -> None:
    device, recording = begun(tmp_path)
    number = fails(recording)
    recording.explain(number)
    recording.add(number)
    recording.add(number, text="镜头后来更换")
    recording.close_segment()
    recording.close()
    recording.add(number, text="更换单号另附")
    recording.tell_head()
    assert verify(device.root, options(device)).json["problems"] == []


@pytest.mark.parametrize("resumed", ["no", "never"])
def test_a_reason_before_the_end_counts_where_recording_did_not_restart(resumed: str, tmp_path: Path) -> None:
    """A microphone that stays dead: the reason is written while it is, the interruption ends with the session."""
    device, recording = begun(tmp_path)
    number, boot, last_us = recording.interrupt("sound", "microphone")
    device.wait(1)
    recording.explain(number, text="麦克风被水浸坏")
    if resumed == "no":
        length = device.now_us - last_us
        recording.tell(
            e.InterruptionEnd(
                interruption=number,
                resumed="no",
                first_boot=boot,
                first_us=device.now_us,
                shortest_us=length,
                longest_us=length,
            )
        )
    verdict = verify(device.root, options(device))
    assert [known["explained"] for known in interruptions(verdict)] == ["yes"]
    assert (verdict.json["problems"], verdict.status) == ([], 0)


def test_a_reason_that_breaks_a_rule_explains_nothing_and_one_more_takes_nothing(tmp_path: Path) -> None:
    device, recording = begun(tmp_path)
    first, second = fails(recording), fails(recording)
    recording.explain(first, recording.spoken(speech_ms=0))
    recording.explain(second)
    recording.add(second, recording.spoken(speech_ms=0))
    verdict = finished(device, recording)
    assert [known["explained"] for known in interruptions(verdict)] == ["no", "yes"]
    assert sorted(kinds(verdict)) == ["explanation_owed", "explanation_speech", "explanation_speech"]
    assert verdict.json["nothing_missing"]["answer"] == "no"
    assert f"Reasons given by voice: 1; {SPEECH}." in verdict.json["nothing_missing"]["text"]


# --- sound that lies elsewhere -----------------------------------------------------------------------------------


def owed_then_spoken(tmp_path: Path, **changed: Any) -> Device:
    """The reason of session 1's interruption is given in session 2, after a boot."""
    device, first = begun(tmp_path)
    fails(first)
    first.close_segment()
    first.close()
    device.new_boot(off_s=60)
    second = Recording(device, 2)
    second.open_segment()
    second.flush()
    second.flush()
    first.explain(0, structs.replace(second.spoken(), **changed))
    first.tell_head()
    second.close_segment()
    second.close()
    return device


def test_a_reason_given_in_a_later_session_is_held_against_that_session_s_sound(tmp_path: Path) -> None:
    device = owed_then_spoken(tmp_path)
    verdict = verify(device.root, options(device))
    (known,) = interruptions(verdict)
    assert (known["explanation"]["session"], verdict.status) == ("s000002", 0)
    assert "the sound lies" not in verdict.json["nothing_missing"]["text"]


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"until_us": 60 * SECOND}, "explanation_outside"),
        ({"session": "s000001"}, "explanation_outside"),
        ({"fragments": [e.FragmentRef(segment=0, first=0, last=9)]}, "explanation_fragments"),
        ({"session": "s000003"}, "explanation_session"),
    ],
)
def test_a_range_that_does_not_lie_in_the_later_session_s_sound_is_found(
    changed: dict[str, Any], kind: str, tmp_path: Path
) -> None:
    device = owed_then_spoken(tmp_path, **changed)
    verdict = verify(device.root, options(device))
    assert kinds(verdict) == [kind, "explanation_owed"]
    assert (verdict.json["problems"][0]["entry"] or "").startswith("s000001#")


def test_in_an_export_the_other_session_is_named_and_not_held_against_the_reason(tmp_path: Path) -> None:
    device = owed_then_spoken(tmp_path)
    export_session(device.root, "s000001", tmp_path / "export")
    verdict = verify(tmp_path / "export", options(device))
    (known,) = interruptions(verdict)
    assert (known["explained"], verdict.json["problems"], verdict.status) == ("yes", [], 0)
    assert known["explanation"]["from"] is not None
    assert "Of 1 the sound lies in session s000002, which is not here" in verdict.json["nothing_missing"]["text"]
    assert "spoken in session s000002" in (tmp_path / "export/README.md").read_text()
    chinese = verify(tmp_path / "export", replace(options(device), language="zh")).json
    assert "其中 1 处的录音在执法记录 s000002 中" in chinese["nothing_missing"]["text"]


def test_an_export_says_in_both_languages_where_each_reason_is(tmp_path: Path) -> None:
    device, recording = begun(tmp_path)
    recording.explain(fails(recording))
    recording.explain(fails(recording, "sound", "microphone"), text="麦克风线被扯断")
    fails(recording)
    recording.explain(fails(recording), recording.spoken(speech_ms=0))
    recording.close_segment()
    recording.close()
    export_session(device.root, "s000001", tmp_path / "export")
    readme = (tmp_path / "export/README.md").read_text()
    for text in (
        "- Interruption 0: spoken, its sound is here.",
        "- 中断 0：口述，录音在此处。",
        "- Interruption 1: explained in writing.",
        "- 中断 1：书面说明。",
        "- Interruption 2: no reason had been given by then.",
        "- 中断 2：导出时尚未说明。",
        "- Interruption 3: the reason does not hold;",
        "- 中断 3：所作说明不成立",
    ):
        assert text in readme


def test_an_excerpt_cannot_show_a_reason_that_was_given_after_it_and_says_so(tmp_path: Path) -> None:
    device, recording = begun(tmp_path)
    number = fails(recording)
    recording.close_segment()
    recording.open_segment("length")
    recording.flush()
    recording.explain(number)
    recording.close_segment()
    recording.close()
    export_session(device.root, "s000001", tmp_path / "x", None, Wanted(since_start_us=2 * SECOND))
    verdict = verify(tmp_path / "x", options(device))
    assert (kinds(verdict), verdict.status) == (["explanation_not_here"], 1)
    assert [known["explained"] for known in interruptions(verdict)] == ["no"]
    readme = (tmp_path / "x/README.md").read_text()
    assert "Interruption 0: its reason was given after this excerpt's end" in readme
    assert "中断 0：原因在本节选结束之后说明" in readme


def test_an_excerpt_that_holds_a_reason_s_entry_without_its_media_says_so(tmp_path: Path) -> None:
    """A position source that fails for long: the excerpt runs to the interruption's end, its media do not."""
    device, recording = begun(tmp_path)
    hole = recording.interrupt("position", "position")
    camera = fails(recording)
    recording.close_segment()
    recording.open_segment("length")
    recording.flush()
    recording.explain(camera)
    recording.resume(hole, tracks="")
    recording.close_segment()
    recording.close()
    export_session(device.root, "s000001", tmp_path / "x", None, Wanted(since_start_us=round(2.5 * SECOND)))
    assert "spoken in media that this excerpt does not hold" in (tmp_path / "x/README.md").read_text()
    verdict = verify(tmp_path / "x", options(device))
    assert [known["explained"] for known in interruptions(verdict)] == ["no", "yes"]
    assert (
        "Of 1 the sound lies in session s000001, which is not here, or not wholly"
        in (verdict.json["nothing_missing"]["text"])
    )


def test_a_reason_of_an_interruption_before_an_excerpt_is_not_held_against_it(tmp_path: Path) -> None:
    device, recording = begun(tmp_path)
    number = fails(recording)
    recording.close_segment()
    recording.open_segment("length")
    recording.flush()
    recording.ask(number)
    recording.explain(number)
    recording.add(number)
    recording.explain(fails(recording))
    recording.close_segment()
    recording.close()
    export_session(device.root, "s000001", tmp_path / "x", Wanted(since_start_us=round(3.5 * SECOND)), None)
    verdict = verify(tmp_path / "x", options(device))
    assert (verdict.json["problems"], verdict.status) == ([], 0)
    assert [known["interruption"] for known in interruptions(verdict)] == [1]


def test_where_the_older_journal_was_removed_its_sound_is_elsewhere(tmp_path: Path) -> None:
    device, recording = begun(tmp_path)
    fails(recording)
    device.rotate()
    recording.close_segment()
    recording.open_segment("length")
    number = fails(recording)
    recording.explain(0)
    recording.explain(number, recording.spoken(fragments=[e.FragmentRef(segment=0, first=0, last=2)]))
    recording.close_segment()
    recording.close()
    (device.root / "journal/0001/000000000000.log").unlink()
    verdict = verify(device.root, options(device))
    assert not [kind for kind in kinds(verdict) if kind.startswith("explanation")]
    assert "the sound lies in session s000001" in verdict.json["nothing_missing"]["text"]


# --- hostile ones -----------------------------------------------------------------------------------------------

ABSURD = (0, 1, -1, 60_000, MAX_INT, -MAX_INT)


@pytest.mark.parametrize("number", ABSURD)
def test_absurd_numbers_are_judged_and_nothing_raises(number: int, tmp_path: Path) -> None:
    device, recording = begun(tmp_path)
    holes_ = [fails(recording) for _ in range(6)]
    spoken = recording.spoken()
    ref = e.FragmentRef(segment=number, first=number, last=number)
    absurd = [
        structs.replace(spoken, boot=number),
        structs.replace(spoken, from_us=number),
        structs.replace(spoken, until_us=number),
        structs.replace(spoken, fragments=[ref]),
        structs.replace(spoken, fragments=[structs.replace(ref, segment=0, first=0)]),
        structs.replace(spoken, speech_ms=number, level_db=number),
    ]
    for interruption, one in zip(holes_, absurd, strict=True):
        recording.explain(interruption, one)
    recording.explain(number if number not in holes_ else 99)
    recording.ask(number if number not in holes_ else 99)
    recording.add(number if number not in holes_ else 99)
    verdict = finished(device, recording)
    assert verdict.status == 1
    assert {"explanation_unknown", "asked_unknown"} <= set(kinds(verdict))
    assert all(problem["text"].isprintable() for problem in verdict.json["problems"])
    assert json.dumps(verdict.json)


def test_thousands_of_fragments_named_again_and_again_cost_no_time(tmp_path: Path) -> None:
    device, recording = begun(tmp_path)
    for _ in range(60):
        fails(recording)
    most = [e.FragmentRef(segment=0, first=0, last=120) for _ in range(1_500)]
    single = [e.FragmentRef(segment=0, first=number % 121, last=number % 121) for number in range(1_500)]
    absent = [e.FragmentRef(segment=0, first=0, last=MAX_INT - number) for number in range(1_000)]
    for number in range(60):
        named = (most, single, absent)[number % 3]
        recording.explain(number, recording.spoken(recording.zero_us, fragments=named))
    recording.close_segment()
    recording.close()
    before = time.process_time()
    verdict = verify(device.root, replace(options(device), identities=()))
    assert time.process_time() - before < 5
    assert kinds(verdict).count("explanation_fragments") == 60


def test_a_session_s_name_full_of_control_characters_does_not_reach_a_terminal(tmp_path: Path) -> None:
    device, recording = begun(tmp_path)
    name = "\x1b[2Js000007\n" + "x" * 500
    for _ in range(8):
        recording.explain(number := fails(recording), recording.spoken(session=f"{number}{name}"))
    recording.close_segment()
    recording.close()
    spool = CliRunner().invoke(command, [str(device.root)])
    export_session(device.root, "s000001", tmp_path / "export")
    export = CliRunner().invoke(command, [str(tmp_path / "export")])
    for shown in (spool.output, export.output, (tmp_path / "export/README.md").read_text()):
        assert "\x1b" not in shown
        assert "x" * 41 not in shown
    assert "Of 8 the sound lies in session 0?[2Js000007?" in export.output


# --- the sound of fragments -----------------------------------------------------------------------------------------

PAUSES_MS = (0, 0, 0, 21, 60, 61, 100, 121, 2_000)
pieces = st.lists(
    st.tuples(st.sampled_from(PAUSES_MS), st.integers(1, 400), st.integers(0, 5).map(bool), st.integers(0, 5)),
    max_size=30,
)


def made(steps: list[tuple[int, int, bool, int]]) -> Session:
    """A session whose fragments follow each other after so many ms, for so many; some without sound, some new boots."""
    session = Session("s000001", [])
    opened = e.SegmentOpen(
        stream="s000001", segment=0, file="", cause="start", init_length=0, init_sha256="", recipients=[], tracks=[]
    )
    session.segments.append(Segment("s000001", Line(opened, b"", None, "", 0, 0)))
    boot, at_us = 1, 0
    for index, (pause_ms, length_ms, heard, boots) in enumerate(steps):
        boot += boots == 0 and index > 0
        at_us += pause_ms * 1000
        until_us = at_us + length_ms * 1000
        span = e.TrackSpan(track="sound", tick=0, end_tick=0, count=1, first_us=at_us, last_us=until_us)
        entry = e.Fragment(
            stream="s000001", segment=0, index=index, tracks=[span] if heard else [], end=0, sha256="", sealed=0,
            sealed_sha256="", lag_ms=0, fix="no", accuracy="none", boot=boot,
        )  # fmt: skip
        session.segments[0].fragments.append(Line(entry, b"", None, "", 0, 0))
        at_us = until_us
    return session


@given(
    pieces,
    st.integers(0, 29),
    st.integers(0, 29),
    st.tuples(st.integers(0, 9_000), st.integers(1, 5_000)),
)
def test_a_row_of_fragments_holds_what_each_of_them_holds(
    steps: list[tuple[int, int, bool, int]], first: int, last: int, from_for_ms: tuple[int, int]
) -> None:
    session, first, last = made(steps), first % max(1, len(steps)), last % max(1, len(steps))
    heard = [index for index, step in enumerate(steps) if step[2]]
    row = Sound(session).ranges(1, [e.FragmentRef(segment=0, first=first, last=last)])
    assert (row is not None) == (first in heard and last in heard and first <= last)
    if row is None:
        return
    one_by_one = [
        Range(span.first_us, span.last_us)
        for line, span in session.spans("sound")
        if isinstance(line.entry, e.Fragment) and first <= line.entry.index <= last and line.entry.boot == 1
    ]
    ends = [span for line, span in session.spans("sound") if line.entry.index in (first, last)]  # type: ignore[attr-defined]
    for asked in (
        Range(ends[0].first_us, ends[-1].last_us),
        Range(from_for_ms[0] * 1000, sum(from_for_ms) * 1000),
    ):
        assert holes(row, asked) == holes(one_by_one, asked)


def test_two_interrupted_sessions_of_one_device_keep_their_reasons_apart(tmp_path: Path) -> None:
    device = Device(tmp_path / "spool")
    interrupted_session(device, 1)
    interrupted_session(device, 2, explained=False)
    verdict = verify(device.root, options(device))
    assert [known["explained"] for known in interruptions(verdict)] == ["yes", "yes", "no", "no"]
    assert no_answer_is_no(verdict)
    assert [problem["entry"].partition("#")[0] for problem in verdict.json["problems"]] == ["s000002"] * 2
