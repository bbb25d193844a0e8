"""What holds for each SQLite file of ours: how other processes are waited for, and its errors."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from typing import Final

#: Seconds to wait for another process that writes.
PATIENCE: Final = 30.0
_REASONS: Final = {
    "SQLITE_NOTADB": "it is no SQLite database. Name another file; this one was not touched.",
    "SQLITE_CANTOPEN": "it can't be opened. Its folder has to exist, and this user must be allowed "
    "to read and write the file and its folder.",
    "SQLITE_READONLY_DIRECTORY": "this user may not write its folder, where SQLite keeps its log, "
    "also to read. Give this user that right; or, to read only, copy the file to a folder of your "
    "own and name the copy.",
    "SQLITE_READONLY": "it is read-only. Give this user the right to write the file, its folder, "
    "and its companions -wal and -shm if they are there; or name another file.",
}


def write_ahead(connection: sqlite3.Connection) -> None:
    """Let readers and a writer work at the same time; SQLite does not wait here by itself."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another process keeps the file locked."""
    return _code(error).startswith("SQLITE_BUSY")


def reason_of(error: sqlite3.Error, own: Mapping[str, str]) -> str:
    """What is wrong, and what to do.

    Args:
        error: What SQLite says.
        own: What its errors mean for this kind of file, by the beginning of their names; `{error}`
            and `{patience}` stand for its words, and for seconds.
    """
    code = _code(error)
    for start, reason in {**own, **_REASONS}.items():
        if code.startswith(start):
            return reason.format(error=error, patience=PATIENCE)
    return f"SQLite says: {error} ({code or 'no code'})."


def _code(error: sqlite3.Error) -> str:
    return getattr(error, "sqlite_errorname", None) or ""
