"""A run that waits after each step until somebody asks for the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from lift_sys.errors import UsageError
from lift_sys.execution.closing import end_tasks
from lift_sys.graph.result import RunResult
from lift_sys.graph.walk import Step

if TYPE_CHECKING:
    from pydantic import BaseModel

    StateT = TypeVar("StateT", bound=BaseModel)
else:
    StateT = TypeVar("StateT")


class StepByStep(Generic[StateT]):
    """Iterate over the steps of a run, in the order in which they finish.

    Attributes:
        result: The run's result, once the iteration has ended.
    """

    def __init__(self) -> None:
        self._offers: asyncio.Queue[tuple[Step, asyncio.Future[None]] | None] = asyncio.Queue()
        self._go_on: asyncio.Future[None] | None = None
        self._task: asyncio.Task[RunResult[StateT]] | None = None
        self._result: RunResult[StateT] | None = None

    @property
    def result(self) -> RunResult[StateT]:
        """The run's result, once the iteration has ended.

        Raises:
            UsageError: It has not.
        """
        if self._result is None:
            raise UsageError("The run has no result yet: iterate over its steps to the end.")
        return self._result

    def begin(self, run: Coroutine[Any, Any, RunResult[StateT]]) -> None:
        """Start the run; it stops at its first step's end."""
        self._task = asyncio.ensure_future(run)
        self._task.add_done_callback(lambda _: self._offers.put_nowait(None))

    async def offer(self, step: Step) -> None:
        """Called by the run: show `step` and wait until it was looked at."""
        go_on: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._offers.put_nowait((step, go_on))
        await go_on

    def __aiter__(self) -> StepByStep[StateT]:
        return self

    async def __anext__(self) -> Step:
        assert self._task is not None
        self._release()
        offer = await self._offers.get()
        if offer is None:
            self._offers.put_nowait(None)  # another `anext` ends at once, too
            self._result = await self._task
            raise StopAsyncIteration
        step, self._go_on = offer
        return step

    def _release(self) -> None:
        if self._go_on is not None and not self._go_on.done():
            self._go_on.set_result(None)
        self._go_on = None

    async def close(self) -> None:
        """Cancel the run if it is not over, and wait for it."""
        task = self._task
        if task is None:
            return
        await end_tasks([task])
