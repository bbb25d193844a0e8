"""Commits that are asked for in the same turn of an event loop go to the writer together.

Each of them would else wake the thread, and be told of by a wake-up of the loop: for the branches
of a fork that costs more than writing does.
"""

from __future__ import annotations

import asyncio
from asyncio.base_events import BaseEventLoop
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from weakref import WeakKeyDictionary

from lift_sys.durability.stores.database import Row
from lift_sys.durability.stores.transactions import Commit
from lift_sys.errors import StoreError


class Outcome:
    """What becomes of one commit of a batch: as much of a `Future` as the writer needs."""

    __slots__ = ("error", "waiter")

    def __init__(self, waiter: asyncio.Future[None]) -> None:
        self.waiter = waiter
        self.error: BaseException | None = None

    def set_running_or_notify_cancel(self) -> bool:
        """It is wanted whoever stops waiting: what it says has happened, and may have been paid for."""
        return True

    def set_result(self, result: None) -> None:
        """It is kept; who waits is told when all of the batch are done."""

    def set_exception(self, error: BaseException | None) -> None:
        """It is not."""
        self.error = error


class Batch:
    """Commits of one turn of a loop.

    Attributes:
        commits: What to keep.
        is_followed: Whether its loop has a clock or an order of its own, and has to know of what
            threads do for it.
        future: For such a loop only: done when all are kept or have failed.
    """

    future: Future[None]

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        ended: Callable[[asyncio.AbstractEventLoop], None],
    ) -> None:
        self.commits: list[Commit] = []
        self._loop, self._ended = loop, ended
        self._outcomes: list[Outcome] = []
        # Other loops are woken without what a `Future` of a thread costs, which is two more turns.
        self.is_followed = type(loop).run_in_executor is not BaseEventLoop.run_in_executor
        if self.is_followed:
            self.future = Future()
            self.future.set_running_or_notify_cancel()  # a loop that ends can't cancel it

    def add(self, run: str, epoch: int, rows: Sequence[Row], waiter: asyncio.Future[None]) -> None:
        """One more."""
        outcome = Outcome(waiter)
        self._outcomes.append(outcome)
        self.commits.append(Commit(run, epoch, rows, outcome))

    def wake(self) -> None:
        """All are done; for the writer's thread."""
        if self.is_followed:
            self.future.set_result(None)
        else:
            with suppress(RuntimeError):  # the loop is closed, so nobody waits
                self._loop.call_soon_threadsafe(self.tell)

    def tell(self, done: object = None) -> None:
        """Tell everybody; for the loop."""
        self._ended(self._loop)
        for outcome in self._outcomes:
            if outcome.waiter.done():
                continue
            if outcome.error is None:
                outcome.waiter.set_result(None)
            else:
                outcome.waiter.set_exception(outcome.error)

    def refuse(self, error: StoreError) -> None:
        """Tell everybody that the store took none of it; each gets an error of its own."""
        for outcome in self._outcomes:
            outcome.error = StoreError(store=error.store, reason=error.reason)
        self.tell()


class Batches:
    """What goes to the writer from each loop: at once while it writes nothing else of that loop.

    Args:
        send: Sends one to the writer.
    """

    def __init__(self, send: Callable[[Batch], None]) -> None:
        self._send = send
        self._open: dict[asyncio.AbstractEventLoop, Batch] = {}
        # Weak: a loop that is closed meanwhile hears of nothing any more.
        self._under_way: WeakKeyDictionary[asyncio.AbstractEventLoop, int] = WeakKeyDictionary()

    async def commit(self, run: str, epoch: int, rows: Sequence[Row]) -> None:
        """Keep facts, for good when this returns."""
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        batch = self._open.get(loop)
        if batch is not None:
            batch.add(run, epoch, rows, waiter)
        else:
            batch = self._open[loop] = Batch(loop, self._ended)
            batch.add(run, epoch, rows, waiter)
            if loop in self._under_way:
                loop.call_soon(self.flush, loop)
            else:
                self.flush(loop)
        await waiter

    def flush(self, loop: asyncio.AbstractEventLoop) -> None:
        """Send what waits in a loop; it may have been sent before."""
        batch = self._open.pop(loop, None)
        if batch is not None:
            self._under_way[loop] = self._under_way.get(loop, 0) + 1
            self._send(batch)

    def _ended(self, loop: asyncio.AbstractEventLoop) -> None:
        left = self._under_way.pop(loop) - 1
        if left:
            self._under_way[loop] = left
