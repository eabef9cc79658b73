"""The verdict on good, odd and hostile folders, and the command around it."""

import json
import os
import re
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.commands.verify import command
from agent.evidence import age, canonical
from agent.evidence.note import Signer
from agent.export import open_media
from agent.verify import Options, Unusable, verify, words
from agent.verify.accounting import holes
from agent.verify.axis import Range
from agent.verify.moments import MomentMalformed, Wanted, parse_moment, rfc3339
from agent.verify.words import KINDS as WORDS
from tests.verify.folders import FLUSH_S, SESSION, Folder, World, options
from tests.verify.spools import SECOND, Device, Recording, interrupted_session, plain_session, small_spool

ANSWERS = ("bytes_intact", "nothing_missing", "signer", "time")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


def answers(verdict: dict[str, dict[str, str]]) -> list[str]:
    return [verdict[name]["answer"] for name in ANSWERS]


def kinds(verdict: dict[str, list[dict[str, str]]]) -> set[str]:
    return {problem["kind"] for problem in verdict["problems"]}


def make(tmp_path: Path) -> Device:
    return Device(tmp_path / "spool")


# --- good spools -----------------------------------------------------------------------------------------


def test_a_session_without_an_interruption_gives_four_good_answers_and_exit_0(tmp_path: Path) -> None:
    device = make(tmp_path)
    plain_session(device, 1)
    verdict = verify(device.root, options(device, device.cosigned()))
    assert answers(verdict.json) == ["yes"] * 4
    assert (verdict.status, verdict.json["problems"]) == (0, [])
    assert verdict.json["counts"]["opened_files"] == 2


def test_an_owed_explanation_leaves_nothing_missing_and_exits_1(tmp_path: Path) -> None:
    device = make(tmp_path)
    interrupted_session(device, 1, explained=False)
    verdict = verify(device.root, options(device))
    assert answers(verdict.json) == ["yes"] * 4
    assert verdict.status == 1
    assert kinds(verdict.json) == {"explanation_owed"}
    assert {i["explained"] for s in verdict.json["sessions"] for i in s["interruptions"]} == {"no"}


def test_each_gap_is_listed_with_its_length_and_reason(world: World) -> None:
    verdict = verify(world.root / "spool", world.options).json
    session = next(session for session in verdict["sessions"] if session["id"] == SESSION)
    gaps = [(gap["track"], gap["at_ms"] // 1000, gap["length_ms"] // 1000, gap["reason"]) for gap in session["gaps"]]
    assert ("video", 2 * FLUSH_S, 2 * FLUSH_S, "camera") in gaps
    assert ("video", 6 * FLUSH_S, 9, "power") in gaps


def test_moments_are_rfc_3339_and_go_on_across_a_boot(world: World) -> None:
    session = verify(world.root / "spool", world.options).json["sessions"][1]
    start, end = (datetime.fromisoformat(session[name]) for name in ("from", "to"))
    assert start.tzinfo == UTC
    assert (end - start).total_seconds() == 8 * FLUSH_S + 9


def test_without_a_key_nobody_vouches_and_the_exit_is_2(world: World) -> None:
    verdict = verify(world.root / "spool", Options())
    assert answers(verdict.json) == ["yes", "yes", "unknown", "yes"]
    assert verdict.json["signer"]["vouched_by"] == "nobody"
    assert verdict.json["signer"]["cosigned_size"] == 0
    assert verdict.status == 2


def test_the_cosigned_size_and_the_time_since_it_are_told(tmp_path: Path) -> None:
    device = make(tmp_path)
    plain_session(device, 1)
    cosigned, size = device.cosigned(), device.log.size
    device.wait(90)
    device.tell_time()
    signer = verify(device.root, options(device, cosigned)).json["signer"]
    assert (signer["cosigned_size"], signer["device_size"], signer["between_s"]) == (size, size + 1, 90)


def test_without_a_clock_the_time_is_unknown_and_moments_are_null(tmp_path: Path) -> None:
    device = make(tmp_path)
    device.boot += 1
    plain_session(device, 1)
    verdict = verify(device.root, options(device))
    assert verdict.json["time"] | {"text": ""} == {"answer": "unknown", "text": "", "source": "none", "error_ms": None}
    assert verdict.json["sessions"][0]["from"] is None
    assert verdict.status == 2


def test_an_audio_session_is_judged_by_its_required_tracks_only(tmp_path: Path) -> None:
    device = make(tmp_path)
    recording = Recording(device, 1)
    recording.open_segment()
    recording.flush("sound")
    recording.close_segment()
    recording.close()
    assert kinds(verify(device.root, options(device)).json) == {"gap_unexplained"}


def test_two_interruptions_that_overlap_cover_what_either_covers(tmp_path: Path) -> None:
    device = make(tmp_path)
    recording = Recording(device, 1)
    recording.open_segment()
    recording.flush()
    camera = recording.interrupt("video", "camera")
    recording.flush("sound")
    recording.close_segment("recovery")
    process = recording.interrupt("all", "process")
    device.wait(3)
    recording.resume(process, tracks="sound")
    recording.open_segment("resume")
    recording.flush("sound")
    recording.close_segment()
    recording.resume(camera, tracks="video")
    recording.open_segment("encoder")
    recording.flush()
    recording.close_segment()
    recording.close()
    verdict = verify(device.root, options(device)).json
    assert answers(verdict) == ["yes"] * 4
    video = next(gap for gap in verdict["sessions"][0]["gaps"] if gap["track"] == "video")
    assert (video["reason"], video["interruptions"], video["length_ms"]) == ("camera, process", [0, 1], 5000)


def test_an_abandoned_file_may_hold_more_than_is_attested(tmp_path: Path) -> None:
    device = make(tmp_path)
    recording = Recording(device, 1)
    recording.open_segment()
    recording.flush()
    recording.close_segment("error")
    with (device.root / "segments" / recording.name).open("ab") as file:
        file.write(b"half a chunk")
    recording.open_segment("after_error")
    recording.flush()
    recording.close_segment()
    recording.close()
    verdict = verify(device.root, options(device))
    assert (answers(verdict.json), verdict.json["problems"]) == (["yes"] * 4, [])
    assert verdict.json["counts"]["unattested_bytes"] == 12


def test_a_file_abandoned_before_anything_in_it_was_attested_is_empty(tmp_path: Path) -> None:
    device = make(tmp_path)
    recording = Recording(device, 1)
    recording.open_segment()
    recording.sealed = b""
    recording.close_segment("error")
    recording.open_segment("after_error")
    recording.flush()
    recording.close_segment()
    recording.close()
    verdict = verify(device.root, options(device))
    assert (answers(verdict.json), verdict.json["problems"]) == (["yes"] * 4, [])
    assert len(open_media(device.root, [device.identity], tmp_path / "out")) == 1


# --- a spool that is being written ---------------------------------------------------------------------------


def live(tmp_path: Path) -> tuple[Device, Recording]:
    device = make(tmp_path)
    recording = Recording(device, 1)
    recording.open_segment()
    recording.flush()
    return device, recording


def test_an_open_session_is_told_and_passes(tmp_path: Path) -> None:
    device, _ = live(tmp_path)
    verdict = verify(device.root, options(device))
    assert verdict.status == 0
    assert "s000001" in verdict.json["nothing_missing"]["text"]


def test_lines_after_the_last_checkpoint_and_a_torn_one_are_in_progress(tmp_path: Path) -> None:
    device, recording = live(tmp_path)
    recording.flush()
    device.file.write_bytes(device.file.read_bytes().rsplit(b'"', 2)[0] + b'"half of a checkpoi')
    verdict = verify(device.root, options(device))
    assert (verdict.status, verdict.json["problems"]) == (0, [])
    assert verdict.json["counts"]["in_progress_lines"] == 1
    assert verdict.json["counts"]["in_progress_bytes"] > 0


def test_preallocated_zeros_are_no_problem(tmp_path: Path) -> None:
    device, recording = live(tmp_path)
    for path in (device.file, device.root / "segments" / recording.name):
        with path.open("ab") as file:
            file.write(bytes(100_000))
    assert verify(device.root, options(device)).json["problems"] == []


def test_a_page_lost_in_the_last_flush_is_a_torn_tail_and_a_changed_letter_is_not(tmp_path: Path) -> None:
    device, recording = live(tmp_path)
    size = len(device.file.read_bytes())
    recording.flush()
    whole = device.file.read_bytes()
    device.file.write_bytes(whole[: size + 100] + bytes(50) + whole[size + 150 :])
    assert verify(device.root, options(device)).json["problems"] == []
    device.file.write_bytes(whole.replace(b'"lag_ms":12', b'"lag_ms":13'))
    assert "journal_damage" in kinds(verify(device.root, options(device)).json)


def test_a_new_file_that_is_not_named_yet_is_in_progress_but_a_second_one_is_not(tmp_path: Path) -> None:
    device, _ = live(tmp_path)
    folder = device.root / "segments/s000001"
    (folder / "cam-1_210013_20260225060100_0002.mp4.age").write_bytes(bytes(1000))
    verdict = verify(device.root, options(device)).json
    assert (verdict["problems"], verdict["counts"]["new_files"]) == ([], 1)
    (folder / "cam-1_210013_20260225060200_0003.mp4.age").write_bytes(bytes(1000))
    assert kinds(verify(device.root, options(device)).json) == {"file_unnamed"}


def test_an_open_interruption_in_an_open_session_passes(tmp_path: Path) -> None:
    device, recording = live(tmp_path)
    recording.interrupt("all", "power")
    device.wait(5)
    device.tell_time()
    verdict = verify(device.root, options(device))
    assert answers(verdict.json) == ["yes"] * 4
    assert kinds(verdict.json) == {"explanation_owed"}


def test_entries_that_stand_before_the_media_captured_before_them_are_no_gap(tmp_path: Path) -> None:
    """An interruption is journalled at once, media a flush later; between the two a spool may be looked at."""
    device, recording = live(tmp_path)
    device.wait(0.6)
    hole = recording.interrupt("sound", "microphone")
    device.wait(0.3)
    recording.resume(hole, tracks="sound")
    verdict = verify(device.root, options(device)).json
    assert kinds(verdict) == {"explanation_owed"}
    assert 900 < verdict["sessions"][0]["length_ms"] <= 1000


def test_a_track_that_silently_stays_away_is_a_gap_in_an_open_session_too(tmp_path: Path) -> None:
    device, recording = live(tmp_path)
    for _ in range(15):
        recording.flush("sound")
    (problem,) = verify(device.root, options(device)).json["problems"]
    assert (problem["kind"], problem["entry"]) == ("gap_unexplained", "s000001#2")


def test_what_an_older_file_repeats_of_the_newer_is_superseded(tmp_path: Path) -> None:
    """After a failed sync the writer writes the same lines again into a new file."""
    device = make(tmp_path)
    recording = Recording(device, 1)
    recording.open_segment()
    old, header = device.file, device.log.header_lines()
    at, size = len(old.read_bytes()), device.log.size
    recording.flush()
    again = old.read_bytes()[at:]
    device.file = old.with_name(f"{size:012}.log")
    device.file.write_bytes(header + again)
    recording.flush()
    recording.close_segment()
    recording.close()
    verdict = verify(device.root, options(device))
    assert (answers(verdict.json), verdict.json["problems"]) == (["yes"] * 4, [])


# --- a part of the time --------------------------------------------------------------------------------------


def test_a_range_is_judged_by_itself(world: World) -> None:
    def gaps(start: str, end: str) -> list[str]:
        asked = replace(world.options, start=parse_moment(start), end=parse_moment(end))
        verdict = verify(world.root / "export", asked)
        assert answers(verdict.json) == ["yes"] * 4
        return [gap["reason"] for gap in verdict.json["sessions"][0]["gaps"]]

    assert gaps("+0", "+30") == []
    assert gaps("+30", "+50") == ["camera"]
    assert gaps("+125", "+127") == ["power", "power"]


def test_a_range_in_utc_finds_the_same_moments(world: World) -> None:
    whole = verify(world.root / "export", world.options).json["sessions"][0]
    asked = replace(world.options, start=parse_moment(whole["from"]), end=parse_moment(whole["to"]))
    session = verify(world.root / "export", asked).json["sessions"][0]
    assert session["gaps"] == whole["gaps"]


def test_a_range_in_utc_is_found_on_either_side_of_a_boot(world: World) -> None:
    whole = verify(world.root / "export", world.options).json["sessions"][0]
    begun = parse_moment(whole["from"]).utc_us or 0
    for kind, start, end in (("export", 125, 127), ("export", 5, 7), ("export", 140, 150), ("excerpt", 100, 110)):
        asked = [Wanted(utc_us=begun + seconds * SECOND) for seconds in (start, end)]
        session = verify(world.root / kind, replace(world.options, start=asked[0], end=asked[1])).json["sessions"][0]
        assert session["length_ms"] == (end - start) * 1000
        assert parse_moment(session["from"]).utc_us == asked[0].utc_us


def test_a_range_beyond_an_excerpt_cannot_be_told(world: World) -> None:
    asked = replace(world.options, start=Wanted(since_start_us=0), end=Wanted(since_start_us=40 * SECOND))
    verdict = verify(world.root / "excerpt", asked)
    assert "range_outside" in kinds(verdict.json)
    assert (verdict.json["nothing_missing"]["answer"], verdict.status) == ("unknown", 2)


def test_a_range_that_ends_after_what_is_recorded_so_far_cannot_be_told(tmp_path: Path) -> None:
    device, _ = live(tmp_path)
    asked = replace(options(device), start=Wanted(since_start_us=0), end=Wanted(since_start_us=900 * SECOND))
    assert "range_ends_later" in kinds(verify(device.root, asked).json)


def test_only_files_that_meet_the_range_are_read(world: World) -> None:
    asked = replace(world.options, start=parse_moment("+0"), end=parse_moment("+10"))
    assert verify(world.root / "export", asked).json["counts"]["opened_files"] == 1


@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 3_000)), max_size=12))
def test_holes_and_what_covers_make_up_what_was_asked(pieces: list[tuple[int, int]]) -> None:
    ranges = [Range(start * 1000, (start + length) * 1000) for start, length in pieces]
    asked = Range(0, 12_000_000)
    left = holes(ranges, asked)
    assert all(asked.start_us <= hole.start_us < hole.end_us <= asked.end_us for hole in left)
    assert not any(hole.overlaps(piece) for hole in left for piece in ranges if piece.start_us < piece.end_us)
    assert holes([*ranges, *left], asked) == []


def test_moments_need_an_offset_from_utc() -> None:
    assert parse_moment("1970-01-01T08:00:01+08:00") == Wanted(utc_us=SECOND)
    assert parse_moment("+1.5") == Wanted(since_start_us=1_500_000)
    assert rfc3339(SECOND) == "1970-01-01T00:00:01.000Z"
    for text in ("2026-01-01T00:00:00", "yesterday", "+soon", "+1e999"):
        with pytest.raises(MomentMalformed):
            parse_moment(text)


# --- keys, checkpoints, identities ------------------------------------------------------------------------------


def test_another_key_than_the_devices_is_said_to_differ(world: World) -> None:
    other = Signer("liuhen/cam-1", bytes(32))
    verdict = verify(world.root / "export", replace(world.options, key=other.vkey))
    assert verdict.json["signer"]["answer"] == "no"
    assert verdict.json["bytes_intact"]["answer"] == "yes"
    assert verdict.status == 1


def test_the_key_that_was_given_and_fits_vouches_whatever_else_is_open(world: World) -> None:
    folder = world.root / "export"
    old = replace(world.options, checkpoint=small_checkpoint(world))
    for asked, vouched in ((old, "argument"), (replace(old, key=None), "nobody")):
        signer = verify(folder, asked).json["signer"]
        assert (signer["answer"], signer["vouched_by"]) == ("unknown", vouched)
        assert ("the key that you gave" in signer["text"]) == (vouched == "argument")
    differs = verify(folder, replace(old, key=Signer("liuhen/cam-1", bytes(32)).vkey)).json["signer"]
    assert (differs["answer"], differs["vouched_by"]) == ("no", "nobody")


def small_checkpoint(world: World) -> bytes:
    """An earlier checkpoint of the same journal, which an export cannot be compared with."""
    lines = (world.root / "spool/journal/0001/000000000000.log").read_bytes().splitlines()
    return str(json.loads(next(line for line in lines if line.startswith(b'"liuhen/')))).encode()


def test_a_checkpoint_of_another_device_is_refused(world: World) -> None:
    asked = replace(world.options, checkpoint=world.other.cosigned())
    assert {"checkpoint_foreign"} <= kinds(verify(world.root / "spool", asked).json)


def test_a_later_generations_checkpoint_tells_a_roll_back(world: World) -> None:
    later = world.device.log.last_checkpoint.replace(b"cam-1/1\n", b"cam-1/2\n", 1)
    asked = replace(world.options, checkpoint=later)
    assert {"rolled_back"} <= kinds(verify(world.root / "spool", asked).json)


def test_a_forged_cosignature_is_named(world: World) -> None:
    forged = world.brought.replace(b"mirror.example ", b"mirror.example ", 1)
    at = forged.rindex(b"=\n") - 30
    forged = forged[:at] + (b"A" if forged[at : at + 1] != b"A" else b"B") + forged[at + 1 :]
    verdict = verify(world.root / "spool", replace(world.options, checkpoint=forged))
    assert {"cosignature_forged"} <= kinds(verdict.json)


def test_an_identity_that_does_not_fit_leaves_the_inside_unknown(world: World) -> None:
    stranger = age.Identity(bytes(range(32)))
    verdict = verify(world.root / "export", replace(world.options, identities=(stranger,)))
    assert verdict.json["bytes_intact"]["answer"] == "unknown"
    assert kinds(verdict.json) == {"not_for_identity"}
    assert verdict.status == 2


def test_a_new_generation_that_quotes_another_past_is_named(tmp_path: Path) -> None:
    device = make(tmp_path)
    plain_session(device, 1)
    old = device.log
    for root, expected in ((canonical.b64(old.frontier.root()), set()), ("A" * 43, {"generation_unlinked"})):
        device.new_generation(previous_root=root)
        assert kinds(verify(device.root, options(device)).json) == expected
        shutil.rmtree(device.root / "journal/0002")
        device.log = old


# --- hostile folders ----------------------------------------------------------------------------------------------


def test_a_folder_with_nothing_to_verify_is_unusable(tmp_path: Path) -> None:
    with pytest.raises(Unusable):
        verify(tmp_path, Options())


def test_an_empty_journal_folder_has_no_signature(tmp_path: Path) -> None:
    (tmp_path / "journal/0001").mkdir(parents=True)
    verdict = verify(tmp_path, Options())
    assert verdict.status == 1
    assert verdict.json["signer"]["answer"] == "no"


def test_a_journal_of_garbage_is_named_and_nothing_raises(tmp_path: Path) -> None:
    device = make(tmp_path)
    for garbage in (b"", b"\0" * 5000, b"[[[[[" * 1000, b"\xff" * 100 + b"\n", b"{}\n" * 50, b'"x"\n'):
        device.file.write_bytes(garbage)
        assert verify(device.root, options(device)).status == 1


def test_a_link_loop_below_segments_is_named_and_not_followed(tmp_path: Path) -> None:
    device = make(tmp_path)
    plain_session(device, 1)
    (device.root / "segments/s000001/loop").symlink_to(device.root)
    assert kinds(verify(device.root, options(device)).json) == {"not_plain"}


def test_a_file_name_that_is_no_text_is_told(tmp_path: Path) -> None:
    device = make(tmp_path)
    plain_session(device, 1)
    (device.root / "segments" / os.fsdecode(b"\xff\n.mp4.age")).write_bytes(b"x")
    (problem,) = verify(device.root, options(device)).json["problems"]
    assert problem["file"] == "segments/\\xff\n.mp4.age"
    assert json.dumps(problem).encode() and problem["text"].isprintable()


def test_the_kinds_of_problems_are_those_that_the_modules_name_and_the_page_lists() -> None:
    folder = Path(words.__file__).parent
    text = "".join(path.read_text() for path in sorted(folder.glob("*.py")) if path.name != "words.py")
    assert {kind for kind in WORDS if f'"{kind}"' not in text} == set()
    named = set(re.findall(r'[Pp]roblem\(\s*"([a-z_]+)"', text))
    assert named <= set(WORDS)
    rows = [f"| `{name}` | {kind.question} | {kind.effect} | {kind.en} |" for name, kind in WORDS.items()]
    assert "\n".join(rows) in (folder / "verdict.md").read_text()


def test_every_problem_has_words_in_both_languages(world: World, tmp_path: Path) -> None:
    folder = world.copy("spool", tmp_path / "spool")
    folder.edit(folder.media(), lambda data: data[:-1])
    texts = [verify(folder.root, replace(world.options, language=language)).json for language in ("en", "zh")]
    assert texts[0]["problems"][-1]["text"].isascii()
    assert "文件" in texts[1]["bytes_intact"]["text"] or "内容" in texts[1]["bytes_intact"]["text"]
    assert not any("admissible" in kind.en for kind in WORDS.values())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_one_byte_changed_anywhere_is_found_and_nothing_raises(
    data: st.DataObject, world: World, tmp_path: Path
) -> None:
    kind = data.draw(st.sampled_from(("spool", "export", "excerpt")))
    files = sorted(p for p in (world.root / kind).rglob("*") if p.is_file())
    path = data.draw(st.sampled_from(files))
    at = data.draw(st.integers(0, path.stat().st_size - 1))
    change = data.draw(st.integers(1, 255))
    shutil.rmtree(tmp_path / "copy", ignore_errors=True)
    folder = world.copy(kind, tmp_path / "copy")
    name = path.relative_to(world.root / kind).as_posix()
    folder.edit(name, lambda old: old[:at] + bytes([old[at] ^ change]) + old[at + 1 :])
    verdict = world.verdict(folder)
    assert kinds(verdict) or verdict["counts"]["in_progress_bytes"]


def test_verifying_changes_nothing(world: World) -> None:
    def state() -> list[tuple[str, int, int]]:
        paths = sorted((world.root / "spool").rglob("*"))
        return [(str(p), p.stat().st_mtime_ns, p.stat().st_size) for p in paths]

    before = state()
    verify(world.root / "spool", world.options)
    assert state() == before


# --- the command ------------------------------------------------------------------------------------------------------


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, list(arguments), standalone_mode=False)


def files_of(world: World, tmp_path: Path) -> list[str]:
    (tmp_path / "key").write_text(world.device.signer.vkey.line() + "\n")
    (tmp_path / "mirror").write_text(world.device.mirror.vkey.line() + "\n")
    (tmp_path / "checkpoint").write_bytes(world.brought)
    (tmp_path / "identity").write_text(world.device.identity.text() + "\n")
    names = ("key", "mirror-key", "checkpoint", "identity")
    paths = ("key", "mirror", "checkpoint", "identity")
    return [part for name, path in zip(names, paths, strict=True) for part in (f"--{name}", str(tmp_path / path))]


def test_the_command_prints_the_verdict_as_json(world: World, tmp_path: Path) -> None:
    result = run(str(world.root / "export"), "--json", *files_of(world, tmp_path))
    verdict = json.loads(result.output)
    assert list(verdict) == [*ANSWERS, "sessions", "problems", "counts"]
    assert list(verdict["signer"])[2:] == ["key", "vouched_by", "device_size", "cosigned_size", "between_s"]
    assert (verdict["problems"], result.return_value) == ([], 0)
    folder = world.copy("export", tmp_path / "export")
    folder.edit(folder.media(), lambda data: data[:-1])
    result = run(str(folder.root), "--json", *files_of(world, tmp_path))
    assert set(json.loads(result.output)["problems"][0]) == {"kind", "file", "entry", "offset", "text"}
    assert result.return_value == 1


def test_the_command_speaks_chinese_where_the_locale_does(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LC_ALL", raising=False)
    monkeypatch.setenv("LC_MESSAGES", "zh_CN.UTF-8")
    assert "字节完整: 是" in run(str(world.root / "export")).output


def test_the_command_refuses_what_it_cannot_read(world: World, tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(b"\xff\xfe")
    good = str(world.root / "export")
    for arguments in (
        [str(tmp_path)],
        [good, "--key", "nonsense"],
        [good, "--key", str(tmp_path / "bad")],
        [good, "--identity", str(tmp_path / "bad")],
        [good, "--checkpoint", str(tmp_path / "bad")],
        [good, "--from", "2026-01-01T00:00:00"],
    ):
        assert run(*arguments).exception is not None


def test_a_spool_with_all_its_parts_is_the_same_verdict_twice(world: World) -> None:
    first, second = (verify(world.root / "spool", world.options).json for _ in range(2))
    assert first == second
    assert Folder("spool", world.root / "spool").files()


def test_the_builder_makes_the_same_spool_from_the_same_seed(tmp_path: Path) -> None:
    one, two = (small_spool(tmp_path / name) for name in ("one", "two"))
    assert one.log.last_checkpoint == two.log.last_checkpoint
