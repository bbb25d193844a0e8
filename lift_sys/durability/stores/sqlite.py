"""Runs in one SQLite file, with nothing to install and nothing to start."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from lift_sys.durability import sqlite_file
from lift_sys.durability.stores.base import ThreadedStore
from lift_sys.durability.stores.database import Row, Value
from lift_sys.durability.stores.schema import NEWEST, migrate, read_version
from lift_sys.errors import StoreError
from lift_sys.execution.plugged import refuse_no_file

#: Says that a file is ours, in its header; "lift" in ASCII.
APPLICATION_ID: Final = 0x6C696674
#: Pages after which SQLite writes its log back; measured, see `docs/decisions/0008`.
LOG_PAGES: Final = 40
OLDEST: Final = (3, 35, 0)  # has RETURNING; of 2021

_REASONS: Final = {
    "SQLITE_FULL": "there is no space left on its disk. What was committed before is safe, this "
    "was not kept. Make room, then resume the run.",
    "SQLITE_IOERR": "its disk refuses to read or write ({error}). What was committed before is "
    "safe. Look at the disk, its space and its quota, then resume the run.",
    "SQLITE_BUSY": "another process has kept it locked for {patience:g} s. End that process, then "
    "resume the run.",
    "SQLITE_CORRUPT": "it is damaged ({error}). Restore a copy, or save what can be read with "
    "`sqlite3 FILE .recover`.",
    "SQLITE_ERROR": "its tables are not as lift_sys made them ({error}), so somebody has changed "
    "them. Restore a copy, or name another file.",
}


class SqliteStore(ThreadedStore):
    """Keeps runs in an SQLite file, which is made at the first use.

    A commit is on the disk when it returns (write-ahead log, `synchronous=FULL`). Several processes
    may use one file; it has to be on a disk of this machine, as SQLite's log needs shared memory.

    Args:
        path: The file. Its folder has to exist.

    Raises:
        UsageError: It is a URL, or ":memory:".
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        refuse_no_file(path, "MemoryStore()")
        self.path = Path(path).absolute()
        super().__init__(SqliteDatabase(self.path))


class SqliteDatabase:
    """Opens the file, and knows SQLite's errors."""

    begin = "BEGIN IMMEDIATE"
    begin_read = "BEGIN"

    def __init__(self, path: Path) -> None:
        self._path = path
        self.store = f"the store {path}"

    def connect(self) -> SqliteConnection:
        """Open the file; make its tables if there are none."""
        if sqlite3.sqlite_version_info < OLDEST:
            raise StoreError(
                store=self.store,
                reason=f"this Python has SQLite {sqlite3.sqlite_version}, and 3.35 is the oldest "
                f"that will do. Take a newer Python, or a PostgresStore.",
            )
        connection = SqliteConnection(str(self._path), self.store)
        try:
            prepare(connection)
            connection.remember_file()
        except BaseException:
            connection.close()
            raise
        return connection

    def explain(self, error: Exception) -> StoreError | None:
        """Say it in words."""
        if not isinstance(error, sqlite3.Error):
            return None
        return StoreError(store=self.store, reason=sqlite_file.reason_of(error, _REASONS))

    def is_lost(self, error: Exception) -> bool:
        """Never: a file is no connection."""
        return False

    def is_of_one(self, error: Exception) -> bool:
        """A value that can't be bound, or is too large, is one job's; a disk is everybody's."""
        if isinstance(error, sqlite3.Error):
            return not isinstance(error, sqlite3.OperationalError) and (
                type(error) is not sqlite3.DatabaseError
            )
        return not isinstance(error, StoreError)


class SqliteConnection:
    """An open file."""

    row_lock = ""

    def __init__(self, path: str, store: str) -> None:
        self.store = store
        self._path = path
        self._file: tuple[int, int] | None = None
        self._raw = sqlite3.connect(
            path, timeout=sqlite_file.PATIENCE, isolation_level=None, check_same_thread=False
        )
        # FULL keeps commits through a power cut; macOS has a call of its own for that.
        self._raw.execute("PRAGMA synchronous = FULL")
        self._raw.execute("PRAGMA fullfsync = ON")
        # A log that is short is soon written over. One that grows lets each commit wait for the
        # file system's own journal, too, which takes half as long again as the rest of it; to
        # write a log back takes as long as four commits.
        self._raw.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")

    def execute(self, statement: str, values: Sequence[Value] = ()) -> list[Row]:
        """Run one statement."""
        return self._raw.execute(statement, values).fetchall()

    def execute_many(self, statement: str, rows: Sequence[Sequence[Value]]) -> None:
        """Run one statement for each row."""
        self._raw.executemany(statement, rows)

    def write_ahead(self) -> None:
        """Let others read while one writes."""
        sqlite_file.write_ahead(self._raw)

    def remember_file(self) -> None:
        """Know the file again that was opened."""
        self._file = _identity(self._path)

    def verify(self) -> None:
        """A file that was removed would take commits that nobody finds again."""
        if self._file is not None and _identity(self._path) != self._file:
            raise StoreError(
                store=self.store,
                reason="its file was removed or replaced while it was in use, so this was not "
                "kept. Put it back, or start the run again.",
            )

    def examine(self) -> list[str]:
        """`PRAGMA integrity_check`."""
        found = [str(row[0]) for row in self.execute("PRAGMA integrity_check(10)")]
        return [] if found == ["ok"] else found

    def close(self) -> None:
        """Close the file."""
        self._raw.close()


def prepare(db: SqliteConnection) -> None:
    """Make or migrate the tables; a foreign file is not touched.

    Raises:
        StoreError: The file belongs to another program, or to a newer version.
    """
    if _version(db) == NEWEST:  # the usual case, which also works on a file that is read-only
        return
    db.write_ahead()
    db.execute("BEGIN IMMEDIATE")
    migrate(db, _version(db), number="INTEGER PRIMARY KEY")
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute("COMMIT")


def _version(db: SqliteConnection) -> int:
    # First the tables: whoever has made them meanwhile has signed them, too.
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
    [(application,)] = db.execute("PRAGMA application_id")
    if application != APPLICATION_ID and (application or tables):
        raise StoreError(
            store=db.store,
            reason="it is a database of another program. Name another file; this one was not "
            "touched.",
        )
    return read_version(db) if tables else 0


def _identity(path: str) -> tuple[int, int] | None:
    with suppress(OSError):
        found = os.stat(path)
        return found.st_dev, found.st_ino
    return None
