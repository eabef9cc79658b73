"""``liuhen journal``: what an auditor gets can be checked with the formats alone."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agent.cli import run as run_liuhen
from agent.commands import Exit
from agent.commands.journal import JournalRefused, journal
from agent.evidence import canonical, tree
from agent.evidence.checkpoint import open_checkpoint
from agent.evidence.note import parse_vkey
from agent.evidence.proof import ProofForged, decode_proof, verify_proof
from agent.evidence.tiles import TileHashes, decode_bundle, parse_path
from tests.support.rig import Rig


@pytest.fixture(scope="module")
def spool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal of more than 256 entries, so that it has a full tile and a partial one."""
    folder = tmp_path_factory.mktemp("journal") / "spool"
    folder.mkdir()
    rig = Rig(folder)
    rig.bytes_per_frame = 500
    rig.boot()
    rig.run(1)
    rig.start()
    rig.run(110)
    rig.stop()
    rig.kill()
    return folder


def run(*arguments: str | int | Path) -> Result:
    return CliRunner().invoke(journal, [str(argument) for argument in arguments])


def lines(spool: Path) -> Sequence[bytes]:
    data = b"".join(path.read_bytes() for path in sorted(spool.glob("journal/0001/*.log")))
    return [line for line in data.split(b"\n") if line.startswith(b"{")]


def test_show_gives_each_entry_one_line(spool: Path) -> None:
    shown = run("show", "--spool", spool)
    assert shown.exit_code == 0
    assert len(shown.output.splitlines()) == len(lines(spool))
    assert "journal.begin" in shown.output.splitlines()[0]


def test_show_of_one_stream_as_json_has_the_entries_as_they_are(spool: Path) -> None:
    found = json.loads(run("show", "--spool", spool, "--stream", "s000001", "--json").output)
    own = [json.loads(line) for line in lines(spool) if b'"stream":"s000001"' in line]
    assert [one["entry"] for one in found] == own
    assert found[0]["leaf"] == canonical.b64(tree.leaf_hash(lines(spool)[found[0]["index"]]))


@pytest.mark.parametrize("json_or_not", [[], ["--json"]])
def test_a_stream_that_does_not_exist_is_an_error_that_names_those_that_do(
    spool: Path, json_or_not: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    asked = ["journal", "show", "--spool", str(spool), "--stream", "s999999", *json_or_not]
    assert run_liuhen(asked) == Exit.USAGE
    out, err = capfd.readouterr()
    assert (out, err) == ("", "liuhen: There is no stream s999999; there are: device, s000001.\n")


def test_of_many_streams_a_handful_is_named_and_a_damaged_journal_is_mentioned(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.bytes_per_frame = 500
    rig.boot()
    rig.run(1)
    for _ in range(7):
        rig.start()
        rig.run(0.5)
        rig.stop()
    rig.kill()
    told = str(run("show", "--spool", tmp_path, "--stream", "\x1b[2J").exception)
    assert told.startswith(r'There is no stream "\u001b[2J"; there are: s000003, ')
    assert told.endswith("s000007 and 3 older ones.")
    path = next(tmp_path.glob("journal/0001/*.log"))
    path.write_bytes(path.read_bytes().replace(b'"label"', b'"lapel"').replace(b'"type":"boot"', b'"type":"boat"'))
    assert "liuhen verify" in str(run("show", "--spool", tmp_path, "--stream", "s000009").exception)


@pytest.mark.parametrize("index", [0, 100, 255, 256])
def test_a_proof_leads_from_the_entrys_bytes_to_the_signed_root(spool: Path, tmp_path: Path, index: int) -> None:
    out, entry = tmp_path / "proof", tmp_path / "entry"
    assert run("prove", index, "--spool", spool, "--out", out, "--entry", entry).exit_code == 0
    key = parse_vkey((spool / "journal/0001/device.vkey").read_text().strip())
    assert entry.read_bytes() == lines(spool)[index]
    proof = decode_proof(out.read_bytes())
    assert proof.index == index
    assert verify_proof(proof, entry.read_bytes(), key).size == len(lines(spool))
    with pytest.raises(ProofForged):
        verify_proof(proof, entry.read_bytes() + b" ", key)
    assert run("prove", index, "--spool", spool).stdout_bytes == out.read_bytes()


def test_there_is_no_proof_of_an_entry_that_is_not_there(spool: Path) -> None:
    result = run("prove", len(lines(spool)), "--spool", spool)
    assert isinstance(result.exception, JournalRefused)


def test_tiles_give_the_signed_root_and_every_entry(spool: Path, tmp_path: Path) -> None:
    dest = tmp_path / "tiles"
    assert run("tiles", dest, "--spool", spool).exit_code == 0
    key = parse_vkey((dest / "device.vkey").read_text().strip())
    checkpoint = open_checkpoint((dest / "checkpoint").read_bytes(), key)
    hashes = TileHashes(lambda path: (dest / path).read_bytes(), checkpoint.size)
    assert tree.root_from(hashes.read_hash, checkpoint.size) == checkpoint.root
    paths = [path.relative_to(dest).as_posix() for path in dest.rglob("*") if path.is_file()]
    named = {path: parse_path(path) for path in paths if path.startswith("tile/")}
    assert set(paths) - set(named) == {"checkpoint", "device.vkey"}
    bundles = sorted((tile.index, path) for path, tile in named.items() if tile.level is None)
    entries = [entry for _, path in bundles for entry in decode_bundle((dest / path).read_bytes())]
    assert entries == list(lines(spool))


def test_tiles_are_never_written_over_others(spool: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("kept")
    result = run("tiles", tmp_path, "--spool", spool)
    assert isinstance(result.exception, JournalRefused)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_damaged_journal_proves_nothing_and_is_still_shown(spool: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "spool"
    (damaged / "journal/0001").mkdir(parents=True)
    for path in (spool / "journal/0001").iterdir():
        data = path.read_bytes()
        (damaged / "journal/0001" / path.name).write_bytes(data.replace(b'"lag_ms":', b'"lag_mz":', 1))
    assert isinstance(run("prove", 0, "--spool", damaged).exception, JournalRefused)
    assert isinstance(run("tiles", tmp_path / "tiles", "--spool", damaged).exception, JournalRefused)
    shown = run("show", "--spool", damaged)
    assert shown.exit_code is not None
    assert "journal.begin" in shown.output


def test_what_is_no_spool_is_refused_with_what_to_give(tmp_path: Path) -> None:
    result = run("show", "--spool", tmp_path)
    assert result.exit_code == 2  # click's own; the root command turns usage errors into 64
    assert "no spool" in result.output
