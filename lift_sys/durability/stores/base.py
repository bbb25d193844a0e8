"""What `Store` promises, as jobs for a database; and the stores whose jobs a thread does."""

from __future__ import annotations

import asyncio
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

from pydantic import ValidationError

from lift_sys.durability.facts import Fact, RunRecord, Status
from lift_sys.durability.history import Statistics
from lift_sys.durability.opening import KeepsRuns
from lift_sys.durability.query import RunQuery
from lift_sys.durability.stores import statements
from lift_sys.durability.stores.batches import Batch, Batches
from lift_sys.durability.stores.database import Connection, Database
from lift_sys.durability.stores.rows import fact_row
from lift_sys.durability.stores.transactions import Job
from lift_sys.durability.stores.writer import Order, Writer
from lift_sys.errors import StoreError

ResultT = TypeVar("ResultT")


class DatabaseStore(KeepsRuns, ABC):
    """Keeps runs in a database; see `Store` for what each method promises."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __repr__(self) -> str:
        return f"<{self._database.store}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def create(self, run: RunRecord, facts: Sequence[Fact] = ()) -> bool:
        """Add a run; False if there is one of this id."""
        facts = tuple(facts)
        return await self._do(run.execution_id, lambda db: statements.create(db, run, facts))

    async def load(self, execution_id: str) -> tuple[RunRecord, list[Fact]]:
        """A run and its facts, in the order in which they were committed."""
        return await self._do(
            execution_id, lambda db: statements.load(db, execution_id), writes=False
        )

    async def take_over(self, execution_id: str) -> int:
        """Fence off whoever works on this run; return the new epoch."""
        return await self._do(execution_id, lambda db: statements.take_over(db, execution_id))

    async def rewrite(self, run: RunRecord, epoch: int, facts: Sequence[Fact]) -> None:
        """Put another version in the place of a run's start and facts."""
        facts = tuple(facts)
        await self._do(run.execution_id, lambda db: statements.rewrite(db, run, epoch, facts))

    @abstractmethod
    async def commit(self, execution_id: str, epoch: int, facts: Sequence[Fact]) -> None:
        """Keep facts, for good when this returns."""

    @abstractmethod
    def mark(self, execution_id: str, epoch: int, fact: Fact) -> None:
        """Note that an attempt is under way; what is wrong is told by the commit that follows."""

    async def finish(
        self,
        execution_id: str,
        epoch: int,
        status: Status,
        *,
        elapsed: float = 0.0,
        error: str | None = None,
    ) -> None:
        """Say how the run stands now."""
        await self._do(
            execution_id,
            lambda db: statements.finish(db, execution_id, epoch, status, elapsed, error),
        )

    async def runs(self, query: RunQuery | None = None) -> list[RunRecord]:
        """Runs that the query asks for, without `start`, `state`, `shape` and `metadata`."""
        asked = query or RunQuery()
        return await self._do("", lambda db: statements.runs(db, asked), writes=False)

    async def statistics(self, query: RunQuery | None = None) -> Statistics:
        """Counts, times and costs of the runs that the query asks for, and of their nodes.

        Raises:
            StoreError: They can't be added up, as a row holds no number.
        """
        asked = query or RunQuery()
        by_status, by_node = await self._do(
            "",
            lambda db: (statements.by_status(db, asked), statements.by_node(db, asked)),
            writes=False,
        )
        try:
            return Statistics.of(by_status, by_node)
        except ValidationError as error:
            raise StoreError(
                store=self._database.store,
                reason="times, tokens or costs in it are no numbers, so somebody has edited it. "
                "Restore a copy; `lift show` says of a run whether it can be read.",
            ) from error

    async def delete(self, execution_id: str) -> None:
        """Remove a run and its facts."""
        await self._do(execution_id, lambda db: statements.delete(db, execution_id))

    async def check(self) -> None:
        """Let the database examine itself."""
        await self._do("", statements.check, writes=False)

    @abstractmethod
    async def close(self) -> None:
        """Wait for what is under way, and let go of the database."""

    async def _do(
        self, run: str, work: Callable[[Connection], ResultT], *, writes: bool = True
    ) -> ResultT:
        result: ResultT = await self._send(Job(run, work, writes))
        return result

    @abstractmethod
    async def _send(self, job: Job) -> Any:
        """Have a job done, and return its result."""


class ThreadedStore(DatabaseStore):
    """A store with a writer thread; nothing is opened, and no thread started, before it is used."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._writer = Writer(database)
        self._batches = Batches(self._begin_batch)
        # A store that is forgotten, not closed, gives its thread and its files back, too.
        weakref.finalize(self, self._writer.abandon).atexit = False

    async def commit(self, execution_id: str, epoch: int, facts: Sequence[Fact]) -> None:
        """Keep facts, for good when this returns."""
        await self._batches.commit(execution_id, epoch, [fact_row(fact) for fact in facts])

    def mark(self, execution_id: str, epoch: int, fact: Fact) -> None:
        """Note that an attempt is under way, if its step is not committed at once."""
        self._writer.hold(execution_id, epoch, fact)

    async def close(self) -> None:
        """Wait for what is under way, and let go of the database."""
        await self._wait(self._writer.close)

    async def _send(self, job: Job) -> Any:
        return await self._wait(partial(self._writer.put, job))

    async def _wait(self, begin: Callable[[], Future[Any]]) -> Any:
        self._batches.flush(asyncio.get_running_loop())  # what was asked for before comes before
        return await self._begun(begin)

    def _begin_batch(self, batch: Batch) -> None:
        try:
            if batch.is_followed:
                self._begun(partial(self._writer.put, batch)).add_done_callback(batch.tell)
            else:
                self._writer.queue(batch)
        except StoreError as error:
            batch.refuse(error)

    def _begun(self, begin: Callable[[], Future[Any]]) -> asyncio.Future[Any]:
        """Begin it in the way that loops with a clock or an order of their own know about."""
        return asyncio.get_running_loop().run_in_executor(self._writer, Order(begin))
