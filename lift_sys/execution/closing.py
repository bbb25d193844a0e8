"""Ending tasks so that none is left behind, however often the one who waits is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Any


async def end_tasks(tasks: Sequence[asyncio.Task[Any] | asyncio.Future[Any]]) -> None:
    """Cancel `tasks` and wait until all have ended; what they raise is dropped.

    Raises:
        asyncio.CancelledError: As `wait_out`.
    """

    def running() -> list[asyncio.Task[Any] | asyncio.Future[Any]]:
        return [task for task in tasks if not task.done()]

    def cancel() -> None:
        for task in running():
            task.cancel()

    cancel()
    try:
        await wait_out(running, cancel)
    finally:
        for task in tasks:
            if not task.cancelled():
                task.exception()  # or asyncio would complain that nobody looked


async def wait_out(
    running: Callable[[], Collection[asyncio.Task[Any] | asyncio.Future[Any]]],
    cancel: Callable[[], None],
) -> None:
    """Wait until nothing is `running` any more.

    Each cancellation of the waiting one is passed on, by `cancel`, to those that still run, and is
    raised when all have ended.

    Raises:
        asyncio.CancelledError: This was cancelled meanwhile.
    """
    cancelled = False
    while left := running():
        try:
            await asyncio.wait(left)
            await asyncio.sleep(0)  # the tasks' own callbacks come first
        except asyncio.CancelledError:
            cancelled = True
            cancel()
    if cancelled:
        raise asyncio.CancelledError
