"""A disk that keeps nothing but the sequence of calls, for the floor to do again."""

from collections.abc import Sequence

from agent.recorder.spool import SEGMENTS

Call = tuple[str | int, ...]


class TracingDisk:
    """See the module; satisfies ``agent.recorder.disk.Disk`` for a spool that begins empty."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._segments: set[int] = set()
        self._files = 0

    def create(self, path: str) -> int:
        self._files += 1
        if path.startswith(SEGMENTS):
            self._segments.add(self._files)
        self.calls.append(("create", self._files))
        return self._files

    def open(self, path: str) -> int:
        raise FileNotFoundError(path)

    def write(self, file: int, offset: int, pieces: Sequence[bytes]) -> None:
        self.calls.append(("seal" if file in self._segments else "write", file, offset, sum(map(len, pieces))))

    def extend(self, file: int, offset: int, length: int) -> None:
        self.calls.append(("extend", file, offset, length))

    def truncate(self, file: int, length: int) -> None:
        self.calls.append(("truncate", file, length))

    def sync(self, file: int) -> None:
        self.calls.append(("sync", file))

    def close(self, file: int) -> None:
        self.calls.append(("close", file))

    def make_folder(self, path: str) -> None:
        """Folders cost nothing worth repeating."""

    def sync_folder(self, path: str) -> None:
        """As ``make_folder``."""

    def rename(self, old: str, new: str) -> None:
        raise FileNotFoundError(old)

    def unlink(self, path: str) -> None:
        raise FileNotFoundError(path)

    def read(self, path: str, offset: int = 0, length: int = -1) -> bytes:
        raise FileNotFoundError(path)

    def size(self, path: str) -> int:
        raise FileNotFoundError(path)

    def names(self, folder: str) -> list[str]:
        return []
