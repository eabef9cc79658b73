"""``make`` on a fresh machine: what is missing is installed once and named, the second run touches nothing.

The machine here is a folder of commands. Its apt-get really puts commands there, its python really makes an
environment, both of paper; the script under test is the real one.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
PLAIN_TOOLS = ("sh", "dirname", "cat", "sha256sum", "head", "grep", "env", "flock", "sleep", "mkdir", "chmod")

PYTHON = """#!{sh}
case "$*" in
    *"import ensurepip"*) [ -e "{world}/installed/python3-venv" ] ;;
    *"-m venv"*) echo "python $*" >> "{world}/log"; mkdir -p .venv/bin
        printf '#!%s/.venv/bin/python\\n' "$PWD" > .venv/bin/pip
        printf '#!{sh}\\n[ "$1" = -m ] && echo "python $*" >> "{world}/log"\\nexit 0\\n' > .venv/bin/python
        chmod +x .venv/bin/python ;;
esac
"""
APT_GET = """#!{sh}
echo "apt-get $*" >> "{world}/log"
for word in "$@"; do
    case "$word" in
        python3-venv | espeak-ng | ffmpeg | age | chromium | jq)
            mkdir -p "{world}/installed"; : > "{world}/installed/$word"
            for tool in "$word" ffprobe; do
                printf '#!{sh}\\n' > "{world}/bin/$tool"
                chmod +x "{world}/bin/$tool"
            done ;;
    esac
done
"""
SUDO = """#!{sh}
echo "sudo" >> "{world}/log"
exec "$@"
"""


class Machine:
    """A fresh Debian, as far as the script looks."""

    def __init__(self, world: Path, user: int = 0) -> None:
        self.world = world
        self.system_python = str(world / "bin" / "python3")
        (world / "bin").mkdir()
        for tool in PLAIN_TOOLS:
            (world / "bin" / tool).symlink_to(str(shutil.which(tool)))
        for tool, text in {"python3": PYTHON, "apt-get": APT_GET, "id": f"#!{{sh}}\necho {user}\n"}.items():
            self.add(tool, text)
        self.checkout = world / "checkout"
        (self.checkout / ".ci").mkdir(parents=True)
        for file in ("pyproject.toml", ".ci/setup.sh"):
            shutil.copy(PROJECT / file, self.checkout / file)

    def add(self, tool: str, text: str) -> None:
        file = self.world / "bin" / tool
        file.write_text(text.replace("{sh}", str(shutil.which("sh"))).replace("{world}", str(self.world)))
        file.chmod(0o755)

    def set_up(self, purpose: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", ".ci/setup.sh", purpose],
            cwd=self.checkout,
            env={"PATH": str(self.world / "bin"), "HOME": os.fspath(self.world), "SYSTEM_PYTHON": self.system_python},
            capture_output=True,
            text=True,
            check=False,
        )

    def log(self) -> list[str]:
        log = self.world / "log"
        return log.read_text().splitlines() if log.exists() else []


def test_a_fresh_machine_gets_what_the_demo_needs_and_no_more(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    done = machine.set_up("demo")
    assert done.returncode == 0, done
    assert "setup: installing with apt: python3-venv espeak-ng\n" in done.stdout
    installs = [line for line in machine.log() if " install " in line]
    assert len(installs) == 2
    assert installs[0].endswith("--no-install-recommends python3-venv espeak-ng")
    assert installs[1].endswith("-e .[device,store,tests]")


def test_a_second_run_installs_nothing(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    assert machine.set_up("test").returncode == 0
    before = machine.log()
    done = machine.set_up("test")
    assert (done.returncode, done.stdout, done.stderr) == (0, "setup: nothing is missing\n", "")
    assert machine.log() == before


def test_the_distributions_interpreter_comes_before_another_that_the_path_names(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    (tmp_path / "installed").mkdir()
    (tmp_path / "installed" / "python3-venv").touch()
    machine.add("debians", PYTHON.replace('"python $*"', '"debian $*"'))
    machine.system_python = str(tmp_path / "bin" / "debians")
    assert machine.set_up("demo").returncode == 0
    assert [line for line in machine.log() if "-m venv" in line] == ["debian -m venv --clear .venv"]


def test_the_tests_add_the_stock_tools(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.set_up("demo")
    done = machine.set_up("test")
    assert done.returncode == 0, done
    (line,) = (line for line in done.stdout.splitlines() if "apt" in line)
    assert {"ffmpeg", "age", "chromium", "jq"} <= set(line.split())
    assert not {"python3-venv", "espeak-ng"} & set(line.split())
    assert sum("-m pip" in line for line in machine.log()) == 1


def test_changed_dependencies_are_installed_into_the_environment_that_is_there(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.set_up("demo")
    with (machine.checkout / "pyproject.toml").open("a") as file:
        file.write("# one more\n")
    assert machine.set_up("demo").returncode == 0
    assert sum("-m pip" in line for line in machine.log()) == 2
    assert sum("-m venv" in line for line in machine.log()) == 1


def test_a_checkout_that_was_moved_gets_a_new_environment(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.set_up("demo")
    machine.checkout = machine.checkout.rename(tmp_path / "moved")
    assert machine.set_up("demo").returncode == 0
    assert sum("-m venv" in line for line in machine.log()) == 2


def test_an_ordinary_user_installs_with_sudo(tmp_path: Path) -> None:
    machine = Machine(tmp_path, user=1000)
    machine.add("sudo", SUDO)
    assert machine.set_up("demo").returncode == 0
    assert machine.log()[:2] == ["sudo", "apt-get -qq -o DPkg::Lock::Timeout=600 update"]


@pytest.mark.parametrize(("user", "lacking", "said"), [(1000, "sudo", "install sudo"), (0, "apt-get", "no Debian")])
def test_what_cannot_be_installed_is_named(tmp_path: Path, user: int, lacking: str, said: str) -> None:
    machine = Machine(tmp_path, user=user)
    (tmp_path / "bin" / lacking).unlink(missing_ok=True)
    done = machine.set_up("demo")
    assert done.returncode != 0
    assert said in done.stderr
    assert not (machine.checkout / ".venv").exists()


def test_bare_make_lists_every_command() -> None:
    done = subprocess.run(["make"], cwd=PROJECT, capture_output=True, text=True, check=True)
    listed = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("make ")}
    assert listed >= {"demo", "test", "check", "bench", "sim", "setup"}
