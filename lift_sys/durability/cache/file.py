"""The file of an SQLite cache: what is in it, whose it is, and what is wrong with it in words."""

from __future__ import annotations

import sqlite3
from typing import Final

from lift_sys.durability import sqlite_file
from lift_sys.errors import StoreError

#: Says that a file is a cache of ours, in its header; "lifc" in ASCII.
APPLICATION_ID: Final = 0x6C696663
#: Of the tables. A file of an older version is emptied: it is a cache.
VERSION: Final = 1
_TABLE = """
CREATE TABLE results (
    digest TEXT PRIMARY KEY,
    node TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    tags TEXT NOT NULL,
    made REAL NOT NULL,
    expires REAL,
    body TEXT NOT NULL
)
"""
_INDEXES = ("node", "name", "made", "expires")


def prepare(connection: sqlite3.Connection, store: str) -> None:
    """Make the table if there is none; a foreign file is not touched.

    Raises:
        StoreError: The file belongs to another program, or to a newer version.
    """
    connection.execute("BEGIN")
    is_ready = _is_ready(connection, store)
    connection.execute("ROLLBACK")
    if is_ready:
        return
    sqlite_file.write_ahead(connection)
    connection.execute("BEGIN IMMEDIATE")
    if not _is_ready(connection, store):  # or another process has made it meanwhile
        connection.execute("DROP TABLE IF EXISTS results")
        connection.execute(_TABLE)
        for column in _INDEXES:
            connection.execute(f"CREATE INDEX results_{column} ON results ({column})")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")


def _is_ready(connection: sqlite3.Connection, store: str) -> bool:
    """Whether it has this version's table; one look, inside of a transaction."""
    [(application,)] = connection.execute("PRAGMA application_id").fetchall()
    [(version,)] = connection.execute("PRAGMA user_version").fetchall()
    tables = connection.execute("SELECT name FROM sqlite_master").fetchall()
    if application != APPLICATION_ID and (application or tables):
        raise StoreError(
            store=store,
            reason="it is a database of another program. Name another file; this one was "
            "not touched.",
        )
    if application == APPLICATION_ID and version > VERSION:
        raise StoreError(
            store=store,
            reason="a newer lift_sys has made it. Update this one, or name another file.",
        )
    return bool(tables) and version == VERSION


_REASONS: Final = {
    "SQLITE_CORRUPT": "it is damaged ({error}). Remove it; a new one is made.",
    "SQLITE_FULL": "there is no space left on its disk. Make room; what was kept before is safe.",
    "SQLITE_IOERR": "its disk refuses to read or write ({error}). Look at the disk, its space and "
    "its quota; what was kept before is safe.",
    "SQLITE_BUSY": "another process has kept it locked for {patience:g} s. End that process.",
}


def reason_of(error: sqlite3.Error) -> str:
    """What is wrong, and what to do."""
    return sqlite_file.reason_of(error, _REASONS)
