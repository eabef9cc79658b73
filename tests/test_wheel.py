"""The four folders become import names, so they must be ours alone, and the wheel must hold nothing else."""

import subprocess
import sys
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
OURS = {"agent", "drivers", "sync", "config"}


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an installation of the built wheel puts on the import path."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=PROJECT, check=True, capture_output=True)
    (wheel,) = folder.glob("liuhen-*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder / "site"


def test_no_other_distribution_ships_our_import_names(unpacked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Another distribution with a folder `config` would overwrite ours without a word.
    monkeypatch.syspath_prepend(str(unpacked))
    distributions = packages_distributions()
    assert {name: set(distributions[name]) for name in OURS} == {name: {"liuhen"} for name in OURS}


def test_the_wheel_holds_our_folders_and_its_metadata_only(unpacked: Path) -> None:
    top = {path.name for path in unpacked.iterdir() if not path.name.endswith(".dist-info")}
    assert top == OURS


def test_the_wheel_carries_licence_and_pages(unpacked: Path) -> None:
    (metadata,) = unpacked.glob("*.dist-info")
    assert "Apache License" in (metadata / "licenses" / "LICENSE").read_text("utf-8")
    assert (unpacked / "config" / "README.md").is_file()
