"""Runs in memory, for tests: SQLite without a file and without a thread."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from threading import Lock
from typing import Any

from lift_sys.durability.facts import Fact
from lift_sys.durability.stores.base import DatabaseStore
from lift_sys.durability.stores.rows import fact_row
from lift_sys.durability.stores.sqlite import SqliteConnection, SqliteDatabase, prepare
from lift_sys.durability.stores.transactions import Commit, Job, Transactions
from lift_sys.errors import StoreError


class MemoryStore(DatabaseStore):
    """Keeps runs as long as it lives, and does each thing at once: nothing waits, nothing overlaps.

    For tests, also those with virtual time or chosen orders: what it does depends on no thread. A
    mark is there at once.
    """

    def __init__(self) -> None:
        self._memory = _MemoryDatabase()
        super().__init__(self._memory)
        self._transactions = Transactions(self._memory)
        self._lock = Lock()

    async def commit(self, execution_id: str, epoch: int, facts: Sequence[Fact]) -> None:
        """Keep facts as long as it lives."""
        kept: Future[None] = Future()
        rows = [fact_row(fact) for fact in facts]
        with self._lock:
            self._transactions.perform([Commit(execution_id, epoch, rows, kept)])
        kept.result()

    def mark(self, execution_id: str, epoch: int, fact: Fact) -> None:
        """Note that an attempt is under way."""
        with self._lock:
            # What is wrong is told by the commit that follows.
            self._transactions.perform([Commit(execution_id, epoch, [fact_row(fact)])])

    async def close(self) -> None:
        """Forget everything."""
        with self._lock:
            self._transactions.close()
            self._memory.close()

    async def _send(self, job: Job) -> Any:
        with self._lock:
            self._transactions.perform([job])
        return job.future.result()


class _MemoryDatabase(SqliteDatabase):
    """One connection for good, as the runs are in it."""

    def __init__(self) -> None:
        self.store = "the store in memory"
        self._connection: _MemoryConnection | None = None
        self._closed = False

    def connect(self) -> SqliteConnection:
        if self._closed:
            raise StoreError(
                store=self.store, reason="it was closed before, and has forgotten its runs."
            )
        if self._connection is None:
            self._connection = _MemoryConnection(":memory:", self.store)
            prepare(self._connection)
        return self._connection

    def close(self) -> None:
        self._closed = True
        if self._connection is not None:
            SqliteConnection.close(self._connection)


class _MemoryConnection(SqliteConnection):
    def verify(self) -> None:
        """There is no file."""

    def close(self) -> None:
        """Undo what is under way; the runs stay."""
        self._raw.rollback()
