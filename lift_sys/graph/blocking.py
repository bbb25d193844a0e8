"""Calls that block until a run is over, for code without an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from lift_sys.errors import RunningLoopError

ResultT = TypeVar("ResultT")


def run_to_end(work: Callable[[], Coroutine[Any, Any, ResultT]], method: str) -> ResultT:
    """Run `work()` in an event loop of its own.

    Args:
        work: Begins what the method of a graph does.
        method: That method, for the error: `run` for what `run_sync` does.

    Raises:
        RunningLoopError: An event loop is running already.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        raise RunningLoopError(
            call=f"graph.{method}_sync(...)", instead=f"await graph.{method}(...)"
        )
    return asyncio.run(work())
