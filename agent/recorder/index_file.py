"""The file of the index: tables, a check over every row, and a sum over every table's checks.

Why the checks: nothing else says that bytes on a card changed, that a power cut left old pages between new ones, or
that a row is gone. A row that is not what was written is noticed where it is read, a lost or an old one where its
table is looked through, each as IndexDamaged. ``pragma quick_check`` finds none of these, and takes 0.13 s for each
million of entries. Against accident only: whoever may write the spool can write an index.

WAL with ``locking_mode=EXCLUSIVE``: a commit costs no sync, a power cut loses the newest rows and no more, and there
is no shared memory file, whose pages a full or a pulled card turns into SIGBUS. Other processes therefore read the
main file alone, without a lock (``read``): what they see is old or half written, and the checks say so.

Left to others: what the rows mean (``catalogue``), what is believed, and when to write (``index``).
"""

import contextlib
import os
import sqlite3
import stat
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import msgspec
from msgspec import Struct, structs

from agent.evidence import tree
from agent.evidence.errors import EvidenceError
from agent.recorder.catalogue import KEYS, TYPES, Interruption, Key, Row, Segment, Session, key_of

if TYPE_CHECKING:
    from sqlite_utils import Database

SCHEMA = 1
"""To be raised whenever rows come to mean something else."""
SEEN_ROWS = 500
"""Rows that are looked at in one piece: some milliseconds."""
WAL_PAGES = 256
"""The main file takes over the WAL at so many pages (1 MiB): what other processes see is minutes old at most."""

R = TypeVar("R", bound=Row)
S = TypeVar("S", bound=Struct)
PlaceRow = tuple[int, ...]
"""Index in the tree, file (by its first index), offset, length, stream (a session's number; 0: the device's), ``n``,
number of its type; and the check."""
Node = tuple[int, int, bytes]
"""Level, number, hash of a complete subtree."""
TYPE_NUMBERS = {name: number for number, name in enumerate(TYPES)}
_TABLES: dict[type[Row], str] = {Session: "sessions", Segment: "segments", Interruption: "interruptions"}
_PLACE = struct.Struct("<7q")
_PLACES = ("leaf", "file", "offset", "length", "stream", "n", "type", "crc")
_PLACE_COLUMNS = ", ".join(_PLACES)
_NO_FRAGMENT = f"type <> {TYPE_NUMBERS['fragment']}"
"""Nine of ten entries are fragments, which nobody looks for by their type."""
_ENTRIES_VIEW = """
select p.leaf, printf('%s/%012d.log', (select folder from state), p.file) as file, p.offset, p.length,
       iif(p.stream, printf('s%06d', p.stream), 'device') as stream, p.n, t.name as type
from places p join types t on t.id = p.type
"""


class IndexDamaged(EvidenceError):
    """The index is not what was written, or not ours; it is made anew from the journal."""


class State(Struct, array_like=True):
    """The one row that says what the index is over, and how far."""

    version: str
    origin: str
    folder: str
    """Of the generation's journal files."""
    starts_at: int
    size: int
    hashes: bytes
    """The tree's frontier at ``size``."""
    first: int
    offset: int
    """Where the next entry will be: the file, by its first index, and the offset in it."""
    device_first: int
    device_entries: int
    counts: str
    """Entries of each type, as JSON."""
    sums: str
    """Of each table the number of rows and the sum of their checks, as JSON."""


_SHAPES: tuple[type[Struct], ...] = (*KEYS, State)
VERSION = f"{SCHEMA}/{zlib.crc32(repr([TYPES, _PLACES, *[one.__struct_fields__ for one in _SHAPES]]).encode()):08x}"
"""Of tables and kinds of entries: another program's index is made anew."""


class IndexFile:
    """An open index. Whatever is called may raise IndexDamaged or an error of SQLite's; then it is of no use."""

    def __init__(self, connection: sqlite3.Connection, state: State | None) -> None:
        self._connection, self.state = connection, state
        self._sums: dict[str, list[int]] = {name: [0, 0] for name in _TABLES.values()}
        self._unseen: dict[type[Row], Iterator[None]] = {}
        """Tables that were not looked through since the file was opened, each being looked through."""
        if state is not None:
            self._sums = msgspec.json.decode(state.sums, type=dict[str, list[int]])
            self._unseen = {kind: self._look_through(kind) for kind in _TABLES}

    @classmethod
    def create(cls, path: Path) -> "IndexFile":
        """An empty one, in place of whatever is there. Raises OSError too."""
        remove(path)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640))
        file = cls(_connect(path, writing=True), None)
        file._make_tables()
        return file

    @classmethod
    def open(cls, path: Path, origin: str, writing: bool) -> "IndexFile":
        """The one that is there; not ``writing``: as another process may, nothing is locked or changed."""
        if not _is_plain(path):
            raise IndexDamaged("there is none")
        connection = _connect(path, writing)
        try:
            rows = connection.execute(f"select {_columns_of(State)} from state").fetchall()
            state = _checked(State, rows[0]) if len(rows) == 1 else None
            if state is None or (state.version, state.origin) != (VERSION, origin):
                raise IndexDamaged("it is another program's or another journal's")
            return cls(connection, state)
        except BaseException:
            connection.close()
            raise

    def close(self) -> None:
        """Let go of the file."""
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()

    def _make_tables(self) -> None:
        database = _utils(self._connection)
        with database.atomic():
            numbers: dict[str, Any] = dict.fromkeys(_PLACES, int)
            database.table("places").create(numbers, pk="leaf")
            database.table("places").create_index(["stream", "n"])
            self._connection.execute(f"create index places_by_type on places (type, leaf) where {_NO_FRAGMENT}")
            database.table("nodes").create({"level": int, "number": int, "hash": bytes}, pk=("level", "number"))
            for kind, name in _TABLES.items():
                database.table(name).create(_columns(kind), pk=kind.__struct_fields__[: KEYS[kind]])
            database.table("state").create(_columns(State), pk="origin")
            database.table("types").insert_all({"id": number, "name": name} for name, number in TYPE_NUMBERS.items())
            database.create_view("entries", _ENTRIES_VIEW)

    def write(self, places: Iterable[PlaceRow], nodes: Iterable[Node], rows: Iterable[Row], state: State) -> None:
        """All of it, or nothing; ``sums`` of the state are filled in."""
        marks = ",".join("?" * len(_PLACES))
        with _transaction(self._connection):
            self._connection.executemany(f"insert into places values ({marks})", places)
            self._connection.executemany("insert into nodes values (?,?,?)", nodes)
            for row in rows:
                self._write_row(row)
            state.sums = msgspec.json.encode(self._sums).decode()
            self._connection.execute("delete from state")
            self._insert("state", state)

    def _write_row(self, row: Row) -> None:
        name = _TABLES[type(row)]
        old = self._connection.execute(f"select crc from {name} where {_where(type(row))}", key_of(row)).fetchone()
        sums = self._sums[name]
        sums[0] += old is None
        sums[1] += _check(row) - (int(old[0]) if old else 0)
        self._insert(name, row)

    def _insert(self, name: str, row: Struct) -> None:
        values = (*structs.astuple(row), _check(row))
        self._connection.execute(f"insert or replace into {name} values ({','.join('?' * len(values))})", values)

    # --- places, nodes --------------------------------------------------------------------------------------

    def places(self, start: int, stop: int) -> list[PlaceRow]:
        """Of entries by their index in the tree. These and the next two: as they are, to be checked by the caller."""
        query = f"select {_PLACE_COLUMNS} from places where leaf >= ? and leaf < ? order by leaf"
        return self._connection.execute(query, (start, stop)).fetchall()

    def places_in(self, stream: int) -> Iterator[PlaceRow]:
        """Of a stream's entries, in order."""
        query = f"select {_PLACE_COLUMNS} from places where stream = ? order by n"
        return iter(self._connection.execute(query, (stream,)))

    def places_of(self, types: Sequence[int]) -> list[PlaceRow]:
        """Of all entries of some types, in order; of fragments none."""
        marks = ",".join("?" * len(types))
        query = f"select {_PLACE_COLUMNS} from places where {_NO_FRAGMENT} and type in ({marks}) order by leaf"
        return self._connection.execute(query, types).fetchall()

    def nodes(self, level: int, start: int, stop: int) -> dict[int, bytes]:
        """Hashes of a level's nodes, by number, those that are there. Whether they are right, a root says."""
        query = "select number, hash from nodes where level = ? and number >= ? and number < ?"
        found = self._connection.execute(query, (level, start, stop)).fetchall()
        return {number: node for number, node in found if isinstance(node, bytes) and len(node) == tree.HASH_BYTES}

    # --- rows -----------------------------------------------------------------------------------------------

    @property
    def seen(self) -> bool:
        """All rows of the small tables have been looked at since the file was opened: none is lost, changed or old."""
        return not self._unseen

    def look(self) -> None:
        """Look at some of the rows that were not seen."""
        for kind, rows in self._unseen.items():
            if next(rows, self) is self:
                del self._unseen[kind]
            return

    def load(self, kind: type[R], key: Key) -> R | None:
        """The written row with this key. That there is none is believed only after all were looked at."""
        self._see(kind)
        rows = self._select(kind, f"where {_where(kind)}", key)
        if [key_of(row) for row in rows] == [key]:
            return rows[0]
        if rows or any(key_of(row) == key for row in self._select(kind)):
            raise IndexDamaged(f"the table {_TABLES[kind]} is out of order")
        return None

    def load_all(self, kind: type[R], session: str) -> list[R]:
        """The written rows of a kind, only those of one session where that is not empty."""
        self._see(kind)
        if kind is Segment and session:  # there are many; the catalogue knows how many of this session
            return self._select(kind, "where session = ?", (session,))
        return [row for row in self._select(kind) if session in ("", key_of(row)[0])]

    def _select(self, kind: type[R], where: str = "", values: Key = ()) -> list[R]:
        rows = self._connection.execute(f"select {_columns_of(kind)} from {_TABLES[kind]} {where}", values).fetchall()
        return [_checked(kind, row) for row in rows]

    def _see(self, kind: type[Row]) -> None:
        for _ in self._unseen.pop(kind, ()):
            pass

    def _look_through(self, kind: type[Row]) -> Iterator[None]:
        """All rows of a table, some at a time; IndexDamaged where they are not those that were written."""
        cursor, count, total = self._connection.execute(f"select {_columns_of(kind)} from {_TABLES[kind]}"), 0, 0
        while rows := cursor.fetchmany(SEEN_ROWS):
            count, total = count + len(rows), total + sum([_check(_checked(kind, row)) for row in rows])
            yield
        if [count, total] != self._sums[_TABLES[kind]]:
            raise IndexDamaged(f"the table {_TABLES[kind]} has lost rows, or holds old ones")


def place_check() -> Callable[[tuple[int, ...]], int]:
    """Gives what goes behind the seven numbers of a place; made once, since it is asked for each entry."""
    pack, crc32 = _PLACE.pack, zlib.crc32
    return lambda place: crc32(pack(*place))


def checked_place(row: PlaceRow) -> PlaceRow:
    """The seven numbers of a place that is as it was written."""
    *place, check = row
    try:
        if zlib.crc32(_PLACE.pack(*place)) == check:
            return tuple(place)
    except struct.error as error:
        raise IndexDamaged(f"the place of an entry is not what was written: {error}") from error
    raise IndexDamaged(f"the place of entry {place[0]} is not what was written")


def remove(path: Path) -> None:
    """The index and what SQLite may have left beside it. Raises OSError."""
    for ending in ("", "-wal", "-shm", "-journal"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{path}{ending}")


def _connect(path: Path, writing: bool) -> sqlite3.Connection:
    options = "mode=rw" if writing else "mode=ro&immutable=1"
    connection = sqlite3.connect(f"file:{quote(str(path))}?{options}", timeout=0, isolation_level=None, uri=True)
    try:
        # The file is not believed: nothing that stands in its schema is run, every cell is looked at.
        for setting in ("trusted_schema=off", "cell_size_check=on", *(_WRITING if writing else ())):
            connection.execute(f"pragma {setting}")
    except BaseException:
        connection.close()
        raise
    return connection


def _utils(connection: sqlite3.Connection) -> "Database":
    """For who makes the tables, once: its import costs 0.16 s and 27 MB."""
    from sqlite_utils import Database

    return Database(connection)


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("begin immediate")
    try:
        yield
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("rollback")
        raise
    connection.execute("commit")


_WRITING = (
    "locking_mode=exclusive",
    "journal_mode=wal",
    "synchronous=normal",
    f"wal_autocheckpoint={WAL_PAGES}",
    f"journal_size_limit={WAL_PAGES * 4096}",
    "temp_store=memory",
)


def _is_plain(path: Path) -> bool:
    """A pipe or a link in the index's place is not opened."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def _columns(kind: type[Struct]) -> dict[str, Any]:
    types = {field.name: field.type for field in structs.fields(kind)}
    return {**types, "crc": int}


def _columns_of(kind: type[Struct]) -> str:
    return ", ".join([*kind.__struct_fields__, "crc"])


def _where(kind: type[Row]) -> str:
    return " and ".join(f"{name} = ?" for name in kind.__struct_fields__[: KEYS[kind]])


def _check(row: Struct) -> int:
    """CRC-32 of all of a row."""
    return zlib.crc32(msgspec.msgpack.encode(row))


def _checked(kind: type[S], row: tuple[Any, ...]) -> S:
    try:
        made = msgspec.convert(row[:-1], kind)
    except msgspec.ValidationError as error:
        raise IndexDamaged(f"a row is not what was written: {error}") from error
    if _check(made) != row[-1]:
        raise IndexDamaged("a row is not what was written")
    return made
