"""What a demo leaves behind, and when it may be thrown away.

    DIR/config.toml   DIR/keys/   DIR/spool/   DIR/export/<session>/   DIR/verdict.json   DIR/recorder.log
    DIR/store/identity.txt, device.vkey, mirror.vkey, checkpoint   DIR/opened/ (whatever ``liuhen open`` put there)

Rules: a folder that holds anything else is never touched; a demo's own is emptied, unless a demo or a recorder is at
work in it. The marker file tells a demo's folder and is locked while one runs.
"""

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from agent.demo.errors import FolderRefused
from agent.keys import VKEY_FILE, create_key
from agent.recorder import spool_lock

MARKER = ".liuhen-demo"
DEVICE, UNIT = "demo-1", "demo"
SEGMENT_S = 20
"""Short, so that a demo of a minute shows several segments."""
MAX_SOCKET_PATH_BYTES = 100
SPOKEN = "spoken"
"""What the device said, as sound files."""
_OWN = {MARKER, SPOKEN, "config.toml", "keys", "spool", "export", "store", "opened", "recorder.log", "recorder.sock"}


@dataclass(frozen=True, slots=True)
class Folder:
    """A demo's folder, held for it; ``lock`` is the marker's open file."""

    root: Path
    lock: int
    socket: Path

    @property
    def spool(self) -> Path:
        return self.root / "spool"

    @property
    def keys(self) -> Path:
        return self.root / "keys"

    @property
    def config(self) -> Path:
        return self.root / "config.toml"

    @property
    def store(self) -> Path:
        return self.root / "store"

    @property
    def device_key(self) -> Path:
        """The device's public key as it was enrolled."""
        return self.store / VKEY_FILE

    @property
    def log(self) -> Path:
        """What recorder and sensors said."""
        return self.root / "recorder.log"

    def export(self, session: str) -> Path:
        return self.root / "export" / session

    def release(self) -> None:
        """Let others have it; a socket beside it is removed."""
        if self.socket.parent != self.root:
            shutil.rmtree(self.socket.parent, ignore_errors=True)
        os.close(self.lock)


def prepare(root: Path) -> Folder:
    """An empty folder for a demo. Raises FolderRefused."""
    root = root.resolve()
    if root.exists() and not root.is_dir():
        raise FolderRefused(f"{root} is no folder; choose another one with --dir")
    names = {path.name for path in root.iterdir()} if root.exists() else set()
    foreign = sorted(name for name in names if name not in _OWN and not name.startswith("verdict"))
    if names and (MARKER not in names or foreign):
        held = ", ".join(foreign[:3] or sorted(names)[:3])
        raise FolderRefused(f"{root} holds other things ({held}); choose an empty or new folder with --dir")
    root.mkdir(parents=True, exist_ok=True)
    lock = _lock(root)
    _empty(root)
    for name in ("spool", "export", "store"):
        (root / name).mkdir(mode=0o750)
    return Folder(root, lock, _socket(root))


def clear_spool(folder: Folder) -> None:
    """Forget what was recorded: the demo begins anew."""
    shutil.rmtree(folder.spool)
    folder.spool.mkdir(mode=0o750)


def enrol(folder: Folder, device: str = DEVICE) -> str:
    """Make the device's key and hand its public half to the store; gives the vkey."""
    key = create_key(folder.keys, device, os.urandom).vkey.line()
    folder.device_key.write_text(key + "\n")
    return key


def write_config(folder: Folder, trust: Mapping[str, object], sensors: Mapping[str, Mapping[str, object]]) -> None:
    """The device's file: ``trust`` as in [trust], ``sensors`` the sections of the sensors."""
    device = {"id": DEVICE, "unit": UNIT, "key_dir": "keys", "spool": "spool", "socket": str(folder.socket)}
    sections = {"device": device, "trust": trust, **sensors, "record": {"segment_s": SEGMENT_S}}
    text = "# Written by liuhen demo; what each key means is in config/README.md.\n"
    for name, section in sections.items():
        lines = [f"{key} = {_toml(value)}" for key, value in section.items()]
        text += "\n".join(["", f"[{name}]", *lines, ""])
    folder.config.write_text(text, encoding="utf-8")


def _toml(value: object) -> str:
    """Text, whole numbers and lists of text are written in TOML as in JSON."""
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)


def _lock(root: Path) -> int:
    file = os.open(root / MARKER, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        raise FolderRefused(f"a demo is at work in {root}; wait for it, or choose another folder with --dir") from None
    if (root / "spool").is_dir() and spool_lock.is_held(root / "spool"):
        os.close(file)
        raise FolderRefused(f"a recorder is at work in {root}; end it, or choose another folder with --dir")
    return file


def _empty(root: Path) -> None:
    for path in root.iterdir():
        if path.name == MARKER:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _socket(root: Path) -> Path:
    """Beside the rest, or where the path is too long for a socket, in a short place of its own."""
    beside = root / "recorder.sock"
    if len(os.fsencode(beside)) <= MAX_SOCKET_PATH_BYTES:
        return beside
    return Path(tempfile.mkdtemp(prefix="liuhen-")) / "recorder.sock"
