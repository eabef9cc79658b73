"""An export proves itself, shows nobody else, and opens with stock tools."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from agent.commands.export import export, open_command
from agent.evidence import age, canonical, mp4
from agent.evidence.tree import leaf_hash
from agent.export import ExportRefused, export_session, open_media
from agent.export.excerpt import ExcerptImpossible
from agent.export.opening import OpeningFailed
from agent.verify import verify
from agent.verify.moments import Wanted, parse_moment
from tests.verify.folders import EXCERPT, SESSION, World, options
from tests.verify.spools import SECOND, Device, Recording, plain_session


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


def stock_age(world: World, sealed: Path, out: Path) -> bytes:
    identity = out.with_suffix(".identity")
    identity.write_text(world.device.identity.text() + "\n")
    subprocess.run(["age", "-d", "-i", identity, "-o", out, sealed], check=True)
    return out.read_bytes()


# --- what is in it -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["export", "excerpt"])
def test_no_entry_of_another_session_is_in_an_export(kind: str, world: World) -> None:
    folder = world.root / kind
    session = [json.loads(line) for line in (folder / "session.jsonl").read_bytes().splitlines()]
    device = [json.loads(line) for line in (folder / "device.jsonl").read_bytes().splitlines()]
    assert {entry["stream"] for entry in session} == {SESSION}
    assert {entry["stream"] for entry in device} == {"device"}
    assert {path.parent.name for path in folder.glob("segments/*/*")} == {SESSION}
    others = [line for line in journal_lines(world) if json.loads(line)["stream"] not in (SESSION, "device")]
    everything = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert others
    assert not any(line in everything for line in others)


def journal_lines(world: World) -> list[bytes]:
    files = sorted((world.root / "spool/journal/0001").glob("*.log"))
    return [line for file in files for line in file.read_bytes().splitlines() if line.startswith(b"{")]


def test_entries_and_media_are_the_originals_byte_for_byte(world: World) -> None:
    lines = set(journal_lines(world))
    for name in ("session.jsonl", "device.jsonl"):
        assert set((world.root / "export" / name).read_bytes().splitlines()) <= lines
    for path in (world.root / "export").glob("segments/*/*"):
        assert path.read_bytes() == (world.root / "spool" / path.relative_to(world.root / "export")).read_bytes()


def test_an_excerpt_holds_what_meets_its_time_and_no_more(world: World) -> None:
    types = [json.loads(line)["type"] for line in (world.root / "excerpt/session.jsonl").read_bytes().splitlines()]
    assert types[0] == "session.open"
    assert "session.close" not in types
    assert types.count("interruption.begin") == 2
    short = export_session(
        world.root / "spool", SESSION, world.root / "short", Wanted(since_start_us=0), Wanted(since_start_us=SECOND)
    )
    assert (short.files, short.entries) == (1, 9)


def test_private_texts_stay_sealed(world: World) -> None:
    opened = json.loads((world.root / "export/session.jsonl").read_bytes().splitlines()[0])
    assert canonical.unb64(opened["private"]["age"]).startswith(b"age-encryption.org/v1")


def test_sha256sum_checks_the_folder(world: World) -> None:
    for kind in ("export", "excerpt"):
        subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=world.root / kind, check=True)


def test_the_readme_is_in_both_languages_and_names_each_file_s_attested_length(world: World) -> None:
    text = (world.root / "export/README.md").read_text()
    assert "不用我们的程序核验" in text
    assert "Checking it without us" in text
    for path in (world.root / "export").glob("segments/*/*"):
        assert path.relative_to(world.root / "export").as_posix() in text


def test_the_readme_s_way_to_a_leaf_hash_is_right(world: World) -> None:
    command = "(printf '\\0'; tail -n 1 session.jsonl | tr -d '\\n') | sha256sum"
    assert command in (world.root / "export/README.md").read_text()
    told = subprocess.run(["sh", "-c", command], cwd=world.root / "export", capture_output=True, check=True).stdout
    last = (world.root / "export/session.jsonl").read_bytes().splitlines()[-1]
    assert told.split()[0].decode() == leaf_hash(last).hex()


# --- when it is made ---------------------------------------------------------------------------------------------


def test_a_session_is_exported_while_it_is_recorded(tmp_path: Path) -> None:
    device = Device(tmp_path / "spool")
    recording = Recording(device, 1)
    recording.open_segment()
    recording.flush()
    attested = device.root / "segments" / recording.name
    size = attested.stat().st_size
    with attested.open("ab") as file:
        file.write(bytes(100_000))
    with device.file.open("ab") as file:
        file.write(b'{"half":')
    summary = export_session(device.root, "s000001", tmp_path / "export")
    assert summary.media_bytes == size
    verdict = verify(tmp_path / "export", options(device))
    assert (verdict.status, verdict.json["problems"]) == (0, [])
    assert "s000001" in verdict.json["nothing_missing"]["text"]


def test_an_excerpt_of_a_session_that_is_still_open_reaches_to_its_last_entry(tmp_path: Path) -> None:
    device = Device(tmp_path / "spool")
    recording = Recording(device, 1)
    recording.open_segment()
    recording.flush()
    recording.flush()
    export_session(device.root, "s000001", tmp_path / "export", Wanted(since_start_us=SECOND), None)
    assert verify(tmp_path / "export", options(device)).json["problems"] == []


@pytest.mark.parametrize("start", range(0, 16))
def test_an_excerpt_from_any_second_on_verifies(start: int, world: World, tmp_path: Path) -> None:
    first, last = start * 10 * SECOND, (start * 10 + 7) * SECOND
    export_session(
        world.root / "spool", SESSION, tmp_path / "x", Wanted(since_start_us=first), Wanted(since_start_us=last)
    )
    verdict = verify(tmp_path / "x", world.options).json
    assert {problem["kind"] for problem in verdict["problems"]} <= {"explanation_not_here"}
    assert verdict["sessions"][0]["length_ms"] == 7000


def test_an_excerpt_by_utc_is_the_one_by_seconds(world: World, tmp_path: Path) -> None:
    begun = verify(world.root / "export", world.options).json["sessions"][0]["from"]
    start = Wanted(utc_us=(parse_moment(begun).utc_us or 0) + 30 * SECOND)
    export_session(world.root / "spool", SESSION, tmp_path / "x", start, EXCERPT[1])
    assert (tmp_path / "x/excerpt.json").read_bytes() == (world.root / "excerpt/excerpt.json").read_bytes()


def test_what_cannot_be_proved_is_refused_with_a_reason(world: World, tmp_path: Path) -> None:
    spool = world.root / "spool"
    for arguments, error in (
        ((spool, "s000099", tmp_path / "x"), "no session"),
        ((spool, "device", tmp_path / "x"), "no session"),
        ((tmp_path, SESSION, tmp_path / "x"), "no spool"),
        ((spool, SESSION, world.root / "export"), "exists already"),
    ):
        with pytest.raises(ExportRefused, match=error):
            export_session(*arguments)
    with pytest.raises(ExcerptImpossible):
        export_session(spool, SESSION, tmp_path / "x", Wanted(since_start_us=9000 * SECOND))
    assert not (tmp_path / "x").exists()


def test_a_damaged_journal_is_not_exported(world: World, tmp_path: Path) -> None:
    folder = world.copy("spool", tmp_path / "spool")
    folder.change(folder.entry("interruption.begin"), lambda line: line.replace(b"no packet", b"a hand was"))
    with pytest.raises(ExportRefused, match="damaged"):
        export_session(folder.root, SESSION, tmp_path / "x")


# --- opening ----------------------------------------------------------------------------------------------------------


def test_opened_media_are_what_stock_age_decrypts_cut_to_what_is_attested(world: World, tmp_path: Path) -> None:
    files = sorted((world.root / "export").glob("segments/*/*"))
    written = open_media(world.root / "export", [world.device.identity], tmp_path / "out")
    assert [file.path.name for file in written] == [f"{SESSION}.mp4"]
    joined = (tmp_path / f"out/{SESSION}.mp4").read_bytes()
    plain = stock_age(world, files[-1], tmp_path / "last.mp4")
    view = mp4.parse_segment(joined)
    assert not view.problem
    assert joined.endswith(plain[view.init_length : -8])
    starts = [run.tick for fragment in view.fragments for run in fragment.runs if run.track_id == mp4.VIDEO_TRACK]
    assert starts == sorted(starts)


def test_an_export_and_its_spool_open_to_the_same_bytes(world: World, tmp_path: Path) -> None:
    for name in ("export", "spool"):
        open_media(world.root / name, [world.device.identity], tmp_path / name)
    assert (tmp_path / f"export/{SESSION}.mp4").read_bytes() == (tmp_path / f"spool/{SESSION}.mp4").read_bytes()
    assert sorted(path.name for path in (tmp_path / "spool").iterdir()) == [f"s00000{n}.mp4" for n in (1, 2, 3)]


def test_another_init_begins_another_file(tmp_path: Path) -> None:
    device = Device(tmp_path / "spool")
    recording = Recording(device, 1)
    recording.open_segment()
    recording.flush()
    recording.close_segment()
    recording.init = mp4.init_segment(
        mp4.VideoConfig(recording.video.sps, recording.video.pps, 640, 360), recording.sound
    )
    recording.open_segment("parameters")
    recording.flush()
    recording.close_segment()
    recording.close()
    written = open_media(device.root, [device.identity], tmp_path / "out")
    assert [file.path.name for file in written] == ["s000001.mp4", "s000001-2.mp4"]
    assert all(mp4.parse_segment(file.path.read_bytes()).problem == "" for file in written)


def test_what_nothing_attests_is_kept_beside(tmp_path: Path) -> None:
    device = Device(tmp_path / "spool")
    recording = Recording(device, 1)
    recording.open_segment()
    recording.flush()
    tail = b"\0\0\xff\xffmdat and then the power went"
    recording.sealed += recording.sealer.seal(tail, last=True)
    recording._seal(b"")
    written = open_media(device.root, [device.identity], tmp_path / "out")
    assert [file.attested for file in written] == [True, False]
    assert written[1].path.name.endswith("_0001.mp4.unattested")
    assert written[1].path.read_bytes() == tail
    assert mp4.parse_segment(written[0].path.read_bytes()).problem == ""


def test_a_single_cut_file_opens_to_its_last_whole_fragment(tmp_path: Path) -> None:
    device = Device(tmp_path / "spool")
    plain_session(device, 1, segments=1, flushes=3)
    sealed = next((device.root / "segments/s000001").iterdir())
    cut = tmp_path / "cut.mp4.age"
    cut.write_bytes(sealed.read_bytes()[: -(65_552 + 24 + 40_000)])
    (opened,) = open_media(cut, [device.identity], tmp_path / "out")
    view = mp4.parse_segment(opened.path.read_bytes())
    assert (opened.path.name, view.problem, len(view.fragments)) == ("cut.mp4", "", 2)


def test_the_wrong_identity_opens_nothing_and_says_so(world: World, tmp_path: Path) -> None:
    with pytest.raises(OpeningFailed, match="identity"):
        open_media(world.root / "export", [age.Identity(bytes(range(32)))], tmp_path / "out")


def test_nothing_that_is_there_is_written_over(world: World, tmp_path: Path) -> None:
    (tmp_path / f"{SESSION}.mp4").write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        open_media(world.root / "export", [world.device.identity], tmp_path)
    assert (tmp_path / f"{SESSION}.mp4").read_bytes() == b"mine"


def test_an_opening_that_fails_leaves_nothing_and_can_be_made_again(world: World, tmp_path: Path) -> None:
    folder, out = world.copy("export", tmp_path / "export"), tmp_path / "out"
    name = folder.media(-1)
    whole = (folder.root / name).read_bytes()
    folder.edit(name, lambda data: data[: len(data) // 2])
    for source in (folder.root, folder.root / name):
        with pytest.raises(OpeningFailed):
            open_media(source, [age.Identity(bytes(range(32)))], out)
        assert list(out.iterdir()) == []
    with pytest.raises(OpeningFailed):
        open_media(folder.root, [world.device.identity], out)
    assert list(out.iterdir()) == []
    folder.edit(name, lambda _: whole)
    assert [file.path for file in open_media(folder.root, [world.device.identity], out)] == [out / f"{SESSION}.mp4"]
    assert [path.name for path in out.iterdir()] == [f"{SESSION}.mp4"]


def test_media_that_are_not_there_are_named_and_the_others_opened(world: World, tmp_path: Path) -> None:
    folder = world.copy("export", tmp_path / "export")
    gone = folder.media(1)
    (folder.root / gone).unlink()
    (tmp_path / "identity").write_text(world.device.identity.text() + "\n")
    arguments = [str(folder.root), "--identity", str(tmp_path / "identity"), "--out", str(tmp_path / "out"), "--json"]
    result = CliRunner().invoke(open_command, arguments, standalone_mode=False)
    assert result.return_value == 1
    assert f"{gone} is not there" in result.stderr
    assert [Path(file["path"]).name for file in json.loads(result.stdout)] == [f"{SESSION}.mp4"]


def test_an_export_says_that_its_readme_and_sums_prove_nothing(world: World, tmp_path: Path) -> None:
    """Both changed in step are not found out, so both places say so."""
    folder = world.copy("export", tmp_path / "export")
    assert b"Only the entries and the media are attested." in (folder.root / "README.md").read_bytes()
    before = world.verdict(folder)
    folder.edit("README.md", lambda data: data + b"another word")
    assert {problem["kind"] for problem in world.verdict(folder)["problems"]} >= {"sum_differs"}
    folder.repair_sums()
    assert world.verdict(folder) == before


# --- the commands ---------------------------------------------------------------------------------------


def test_the_commands_export_and_open(world: World, tmp_path: Path) -> None:
    (tmp_path / "identity.txt").write_text(world.device.identity.text() + "\n")
    folder, out = tmp_path / "export", tmp_path / "out"
    made = CliRunner().invoke(
        export, [SESSION, str(folder), "--spool", str(world.root / "spool"), "--json"], standalone_mode=False
    )
    assert json.loads(made.output)["files"] == 3
    arguments = [str(folder), "--identity", str(tmp_path / "identity.txt"), "--out", str(out), "--json"]
    opened = CliRunner().invoke(open_command, arguments, standalone_mode=False)
    assert [(Path(file["path"]).name, file["attested"]) for file in json.loads(opened.output)] == [
        (f"{SESSION}.mp4", "yes")
    ]


def test_an_export_leaves_a_folder_that_happens_to_be_named_part_alone(world: World, tmp_path: Path) -> None:
    (tmp_path / "x.part").mkdir()
    (tmp_path / "x.part/mine").write_text("kept")
    export_session(world.root / "spool", SESSION, tmp_path / "x")
    assert (tmp_path / "x.part/mine").read_text() == "kept"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x", "x.part"]


def test_an_interrupted_export_leaves_no_folder_and_can_be_made_again(world: World, tmp_path: Path) -> None:
    spool = world.copy("spool", tmp_path / "spool").root
    held = tmp_path / "held"
    name = sorted((spool / f"segments/{SESSION}").iterdir())[-1]
    shutil.move(name, held)
    with pytest.raises(ExportRefused, match="not there"):
        export_session(spool, SESSION, tmp_path / "x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["held", "spool"]
    shutil.move(held, name)
    export_session(spool, SESSION, tmp_path / "x")
    assert verify(tmp_path / "x", world.options).json["bytes_intact"]["answer"] == "yes"
