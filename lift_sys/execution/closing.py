"""Ending tasks so that none is left behind, however often the one who waits is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any


async def end_tasks(tasks: Sequence[asyncio.Task[Any] | asyncio.Future[Any]]) -> None:
    """Cancel `tasks` and wait until all have ended.

    Each further cancellation of the waiting one is passed on to those that still run, and is
    raised when all have ended. What the tasks raise is dropped.

    Raises:
        asyncio.CancelledError: This was cancelled meanwhile.
    """
    cancelled = False
    running = set(tasks)
    for task in running:
        task.cancel()
    while running:
        try:
            _, running = await asyncio.wait(running)
        except asyncio.CancelledError:
            cancelled = True
            for task in running:
                task.cancel()
    for task in tasks:
        if not task.cancelled():
            task.exception()  # or asyncio would complain that nobody looked
    if cancelled:
        raise asyncio.CancelledError
