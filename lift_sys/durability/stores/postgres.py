"""Runs in PostgreSQL, for several machines that work on the same runs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from lift_sys.core.extras import require
from lift_sys.durability.stores.base import ThreadedStore
from lift_sys.durability.stores.database import Row, Value
from lift_sys.durability.stores.schema import NEWEST, migrate, read_version
from lift_sys.errors import StoreError

if TYPE_CHECKING:
    import psycopg

#: Seconds to wait for the server, until we ask whether it answers anybody, and for another worker
#: that holds a run.
PATIENCE: Final = 30
_LOCK: Final = 0x6C696674  # "lift" in ASCII: whoever makes the tables holds it
# What a URL may say otherwise. A server or network that falls silent is noticed, and a worker that
# was frozen in the middle of a transaction does not keep its run locked.
_SETTINGS: Final = {
    "application_name": "lift_sys",
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
}
_SESSION: Final = (
    f"SET lock_timeout = '{PATIENCE}s'",
    f"SET idle_in_transaction_session_timeout = '{PATIENCE}s'",
)

_REASONS: Final = {
    "28": "the server refuses this user or password ({error}). Look at the URL.",
    "3D": "there is no such database ({error}). Make it with `createdb`, or look at the URL.",
    "3F": "the schema of its search_path is not there, or not for this user ({error}).",
    "42501": "this user may not do that ({error}). Grant the right to make and change tables.",
    "25006": "the database is read-only. Name the primary server, not a replica of it.",
    "53100": "the server's disk is full. What was committed before is safe, this was not kept. "
    "Make room, then resume the run.",
    "53300": "the server takes no more connections ({error}). Close some, then resume the run.",
    "55P03": f"another worker has kept this run locked for {PATIENCE} s. End it, then resume the "
    "run.",
    "XX": "it is damaged ({error}). Restore a copy.",
    "57P": "the server closed the connection ({error}). Resume the run once it is back.",
    "": "PostgreSQL says: {error} (code {code}).",
}


class PostgresStore(ThreadedStore):
    """Keeps runs in a PostgreSQL database, in tables whose names begin with `lift_`.

    A commit is kept when it returns, as safely as the server's `synchronous_commit` says.

    Args:
        url: Such as `postgresql://user:password@host:5432/name`, or whatever else libpq takes.

    Raises:
        MissingExtraError: psycopg is not installed.
        StoreError: The URL is none.
    """

    def __init__(self, url: str) -> None:
        super().__init__(PostgresDatabase(url))


class PostgresDatabase:
    """Opens connections to a server, and knows its errors."""

    # A server may have another default. What is read after a lock was waited for has to be new.
    begin = "BEGIN ISOLATION LEVEL READ COMMITTED"
    begin_read = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

    def __init__(self, url: str) -> None:
        self._psycopg = require("psycopg", extra="postgres", purpose="A PostgresStore")
        try:
            _refuse_stray_signs(url)
            given = self._psycopg.conninfo.conninfo_to_dict(url)
        except (self._psycopg.Error, ValueError):
            # A message would quote the URL, in which there may be a password.
            reason = (
                "the URL can't be read; it looks like postgresql://user:password@host/name, and "
                "in a password / is %2F, @ is %40, ? is %3F."
            )
            raise StoreError(store="the store in PostgreSQL", reason=reason) from None
        self._settings: dict[str, Any] = _SETTINGS | {"client_encoding": "utf8"} | given
        self.store = f"the store {_shown(given)}"

    def connect(self) -> PostgresConnection:
        """Connect; make the tables if there are none."""
        connection = PostgresConnection(self._connected(), self.store)
        try:
            prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _connected(self) -> psycopg.Connection[Any]:
        from lift_sys.durability.stores.silence import WatchedConnection

        raw = WatchedConnection.connect(**self._settings, autocommit=True)
        raw.patience = PATIENCE
        raw.probe = lambda: self._psycopg.connect(**self._settings).close()
        return raw

    def explain(self, error: Exception) -> StoreError | None:
        """Say it in words, without the password."""
        if not isinstance(error, self._psycopg.Error):
            return None
        text = str(error).strip().partition("\n")[0] or type(error).__name__
        password = self._settings.get("password")
        for secret in {str(password), quote(str(password))} if password else ():
            text = text.replace(secret, "***")
        code = error.sqlstate or ""
        if not code and self.is_lost(error):
            reason = (
                f"the server can't be reached: {text}. See that it runs, and look at the URL. A run "
                "that was under way goes on when it is resumed."
            )
        else:
            known = next(reason for start, reason in _REASONS.items() if code.startswith(start))
            reason = known.format(error=text, code=code or "none")
        return StoreError(store=self.store, reason=reason)

    def is_lost(self, error: Exception) -> bool:
        """The server went away, or the way to it."""
        if not isinstance(error, self._psycopg.OperationalError):
            return False
        code = error.sqlstate
        # 25P03: this process was frozen in a transaction, and the server gave it up.
        return code is None or code.startswith(("08", "57P", "25P03"))

    def is_of_one(self, error: Exception) -> bool:
        """A value that text can't hold is one job's; two that wait for each other do well alone."""
        if isinstance(error, self._psycopg.errors.DeadlockDetected):
            return True
        environment = self._psycopg.OperationalError, self._psycopg.InterfaceError, StoreError
        return not isinstance(error, environment)


class PostgresConnection:
    """An open connection."""

    row_lock = " FOR UPDATE"

    def __init__(self, raw: psycopg.Connection[Any], store: str) -> None:
        self.store = store
        self._raw = raw
        for statement in _SESSION:
            self.execute(statement)

    def execute(self, statement: str, values: Sequence[Value] = ()) -> list[Row]:
        """Run one statement."""
        cursor = self._raw.execute(_placed(statement), values or None)
        return cursor.fetchall() if cursor.description else []

    def execute_many(self, statement: str, rows: Sequence[Sequence[Value]]) -> None:
        """Run one statement for each row, without waiting for the answers in between."""
        if rows:
            self._raw.cursor().executemany(_placed(statement), rows)

    def verify(self) -> None:
        """The server looks after its files."""

    def examine(self) -> list[str]:
        """Read every row; the server reports pages that are damaged."""
        self.execute("SELECT sum(length(body)) FROM lift_facts")
        self.execute("SELECT sum(length(body)) FROM lift_starts")
        return []

    def close(self) -> None:
        """Disconnect; what is under way is undone."""
        self._raw.close()


def prepare(db: PostgresConnection) -> None:
    """Make or migrate the tables, while no other worker does."""
    if _version(db) == NEWEST:
        return
    # Before the transaction: what it knows of tables is of the moment when it begins. A connection
    # that fails gives the lock back by closing.
    db.execute("SELECT pg_advisory_lock(?)", (_LOCK,))
    db.execute("BEGIN")
    migrate(db, _version(db), number="BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY")
    db.execute("COMMIT")
    db.execute("SELECT pg_advisory_unlock(?)", (_LOCK,))


def _version(db: PostgresConnection) -> int:
    [(table,)] = db.execute("SELECT to_regclass('lift_schema')::text")
    return read_version(db) if table is not None else 0


@lru_cache(maxsize=128)
def _placed(statement: str) -> bytes:
    """With the marks for values that psycopg knows; our texts hold no other `?` and no `%`."""
    return statement.replace("?", "%s").encode()


def _refuse_stray_signs(url: str) -> None:
    """Of a password that is written as it is, libpq takes the rest for a host, or for a database."""
    _, is_url, rest = url.partition("://")
    server, _, database = rest.partition("?")[0].partition("/")
    if is_url and ("@" in database or server.count("@") > 1):
        raise ValueError("an @ that ends no password")


def _shown(given: dict[str, Any]) -> str:
    """A URL for people: who and where, and nothing secret."""
    user = f"{given['user']}@" if given.get("user") else ""
    port = f":{given['port']}" if given.get("port") else ""
    return f"postgresql://{user}{given.get('host', '')}{port}/{given.get('dbname', '')}"
