"""What every store promises; `tests/durability/test_stores.py` holds all of them to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from lift_sys.durability.facts import Fact, RunRecord, Status
from lift_sys.durability.query import RunQuery


class Store(Protocol):
    """Keeps runs and their facts. All methods may be called from any event loop, at the same time.

    Every method raises `StoreError` when the store can't be read or written (disk full, read-only,
    no permission, not reachable, a damaged or foreign file): it says which, and nothing that was
    announced is lost.
    """

    async def create(self, run: RunRecord, facts: Sequence[Fact] = ()) -> bool:
        """Add a run, with facts that it shares with another; False if there is one of this id."""
        ...

    async def load(self, execution_id: str) -> tuple[RunRecord, list[Fact]]:
        """A run and its facts, in the order in which they were committed.

        Raises:
            UnknownRunError: There is no such run.
            JournalError: A row is no fact.
        """
        ...

    async def take_over(self, execution_id: str) -> int:
        """Fence off whoever works on this run; return the new epoch. The run is `running` then.

        Raises:
            UnknownRunError: There is no such run.
        """
        ...

    async def rewrite(self, run: RunRecord, epoch: int, facts: Sequence[Fact]) -> None:
        """Put another version in the place of what a run began with, and of its facts.

        Raises:
            FencedError: Somebody has taken the run over; nothing was changed.
            UnknownRunError: There is no such run.
        """
        ...

    async def commit(self, execution_id: str, epoch: int, facts: Sequence[Fact]) -> None:
        """Keep facts, for good when this returns; commits of many steps share one transaction.

        A fact replaces one of the same kind and address; a `step` also replaces `started`.
        Once asked for, they are kept also if whoever waits is cancelled.

        Raises:
            FencedError: Somebody has taken the run over; nothing was kept.
        """
        ...

    def mark(self, execution_id: str, epoch: int, fact: Fact) -> None:
        """Note that an attempt is under way (`started`), soon, without anybody waiting for it.

        Not written at all if the step is committed first, within 50 ms.
        """
        ...

    async def finish(
        self,
        execution_id: str,
        epoch: int,
        status: Status,
        *,
        elapsed: float = 0.0,
        error: str | None = None,
    ) -> None:
        """Say how the run stands now; `elapsed` seconds are added to those it has.

        Raises:
            FencedError: Somebody has taken the run over.
        """
        ...

    async def runs(self, query: RunQuery | None = None) -> list[RunRecord]:
        """Runs that the query asks for, the newest first; without `state`, `shape` and `metadata`."""
        ...

    async def delete(self, execution_id: str) -> None:
        """Remove a run and its facts.

        Raises:
            UnknownRunError: There is no such run.
        """
        ...

    async def check(self) -> None:
        """Let the database examine itself.

        Raises:
            StoreError: It is damaged.
        """
        ...

    async def close(self) -> None:
        """Wait for what is under way, and let go of files and connections."""
        ...
