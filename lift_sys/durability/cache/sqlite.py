"""A cache in an SQLite file: results outlive the process, and several processes share them.

A look-up is done at once, on the event loop: it takes microseconds, a thread a hundred times that.
Only where it would have to wait for another process it waits in a thread, as all writes do. What is
lost in a power cut is no more than some last results (`synchronous=NORMAL`).
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Final, TypeVar

from lift_sys.core.cache_ports import CacheEntry, CacheKey
from lift_sys.core.policies import at_least_one
from lift_sys.core.ports import Clock
from lift_sys.durability.cache.ages import Ages
from lift_sys.durability.cache.file import prepare, reason_of
from lift_sys.durability.cache.matching import names_of, own_name
from lift_sys.durability.cache.records import Records
from lift_sys.durability.forks import Parted
from lift_sys.durability.sqlite_file import PATIENCE, is_busy
from lift_sys.errors import StoreError
from lift_sys.execution.plugged import refuse_no_file

ResultT = TypeVar("ResultT")

_THREADS: Final = 4


class SqliteCache(Parted):
    """Keeps results of nodes in an SQLite file, which is made if it is not there.

    It is opened at once, so that a wrong file is known before anything runs. Values are kept as
    typed JSON; a node whose result can't be kept as such runs each time, with a warning.

    Args:
        path: The file. Its folder has to exist.
        max_size: Most entries; the oldest ones go first. None is as many as come.
        ttl: Seconds for which entries are good whose policy does not say; None is for ever.
        clock: Tells how old entries are; the wall clock by default.

    Raises:
        StoreError: The file can't be opened, is damaged, or belongs to another program.
        UsageError: It is a URL, or ":memory:".
        ValueError: `max_size` is below 1, or `ttl` is not positive.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        max_size: int | None = None,
        ttl: float | None = None,
        clock: Clock | None = None,
    ) -> None:
        if max_size is not None:
            at_least_one("max_size", max_size)
        refuse_no_file(path, "MemoryCache()")
        self._ages = Ages(ttl, clock)
        self.path = Path(path).absolute()
        self.max_size = max_size
        self.ttl = ttl
        self._records = Records()
        self._closed = False
        self._begin_anew()
        super().__init__()
        self._explained(self._prepare)

    def __repr__(self) -> str:
        return f"SqliteCache({str(self.path)!r})"

    async def get(self, key: CacheKey) -> CacheEntry | None:
        """As `Cache.get`.

        Raises:
            StoreError: The file can't be read.
            ValueError: What is kept is not what this program can take.
        """
        self._check_open()
        now = self._ages.now()
        try:
            body = self._explained(self._find, key.digest, now, patience=0.0)
        except _BusyError:
            body = await self._in_thread(self._find, key.digest, now)
        return None if body is None else self._records.read(key, body)

    async def put(self, key: CacheKey, entry: CacheEntry) -> None:
        """As `Cache.put`.

        Raises:
            StoreError: The file can't be written.
            UnkeptValueError: Something can't be kept as JSON; it names the path.
        """
        body = self._records.write(key, entry)
        tags = json.dumps(key.tags)
        row = (
            key.digest,
            key.node,
            own_name(key.node),
            key.version,
            tags,
            *self._ages.span(key),
            body,
        )
        await self._in_thread(self._keep, row)

    async def invalidate(
        self,
        *,
        node: type | str | None = None,
        version: str | None = None,
        tag: str | None = None,
        older_than: float | None = None,
    ) -> int:
        """As `Cache.invalidate`.

        Raises:
            StoreError: The file can't be written.
        """
        conditions: list[tuple[str, Any]] = []
        if node is not None:
            wanted, is_whole = names_of(node)
            conditions.append(("node = ?" if is_whole else "name = ?", wanted))
        if version is not None:
            conditions.append(("version = ?", version))
        if tag is not None:
            conditions.append(("EXISTS (SELECT 1 FROM json_each(tags) WHERE value = ?)", tag))
        if older_than is not None:
            conditions.append(("made < ?", self._ages.ago(older_than)))
        where = " AND ".join(text for text, _ in conditions) or "1"
        return await self._in_thread(
            self._change, f"DELETE FROM results WHERE {where}", [value for _, value in conditions]
        )

    def close(self) -> None:
        """Let go of the file; the cache can't be used any more."""
        self._closed = True
        self._threads.shutdown()
        with self._at_work:
            self._let_go()

    def _let_go(self) -> None:
        """Close the file; it is opened again when it is needed."""
        self._own = threading.local()
        while self._connections:
            self._connections.pop().close()

    def _begin_anew(self) -> None:
        """Begin without threads and connections."""
        self._connections: list[sqlite3.Connection] = []
        self._own = threading.local()
        self._writing = threading.Lock()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="lift-cache")

    def __enter__(self) -> SqliteCache:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def _in_thread(self, act: Callable[..., ResultT], *arguments: Any) -> ResultT:
        self._check_open()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._explained, act, *arguments)

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError(store=self._name, reason="it was closed. Make a new SqliteCache.")

    def _explained(self, act: Callable[..., ResultT], *arguments: Any, **options: Any) -> ResultT:
        try:
            with self._at_work:
                return act(*arguments, **options)
        except sqlite3.Error as error:
            if "patience" in options and is_busy(error):
                raise _BusyError from error
            raise StoreError(store=self._name, reason=reason_of(error)) from error

    @property
    def _name(self) -> str:
        return f"the cache {self.path}"

    def _connection(self, patience: float = PATIENCE) -> sqlite3.Connection:
        """The connection of this thread that waits so long for other processes."""
        known: dict[float, sqlite3.Connection] | None = getattr(self._own, "known", None)
        if known is None:
            known = self._own.known = {}
        found = known.get(patience)
        if found is None:
            found = known[patience] = self._connect(patience)
            self._connections.append(found)
        return found

    def _connect(self, patience: float = PATIENCE) -> sqlite3.Connection:
        connection = sqlite3.connect(
            str(self.path), timeout=patience, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    def _prepare(self) -> None:
        with closing(self._connect()) as connection:
            prepare(connection, self._name)

    def _find(self, digest: str, now: float, patience: float = PATIENCE) -> str | None:
        rows = self._connection(patience).execute(
            "SELECT body FROM results WHERE digest = ? AND (expires IS NULL OR expires > ?)",
            (digest, now),
        )
        found = rows.fetchone()
        return None if found is None else found[0]

    def _keep(self, row: tuple[Any, ...]) -> None:
        with self._writing:
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                connection.execute("DELETE FROM results WHERE expires <= ?", (row[5],))
                marks = ", ".join("?" * len(row))
                connection.execute(f"INSERT OR REPLACE INTO results VALUES ({marks})", row)
                if self.max_size is not None:
                    connection.execute(
                        "DELETE FROM results WHERE digest IN (SELECT digest FROM results "
                        "ORDER BY made DESC, rowid DESC LIMIT -1 OFFSET ?)",
                        (self.max_size,),
                    )
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def _change(self, statement: str, values: list[Any]) -> int:
        with self._writing:
            return self._connection().execute(statement, values).rowcount


class _BusyError(Exception):
    """Another process keeps the file locked; a look-up on the event loop does not wait for it."""
