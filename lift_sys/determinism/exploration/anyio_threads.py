"""Worker threads of anyio, which it starts past the event loop, as jobs of the loop instead."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial
from typing import Any

from lift_sys.determinism.exploration.interface import ControlledBase


@contextmanager
def redirected() -> Iterator[None]:
    """Let `anyio.to_thread.run_sync` be a completion on controlled loops, inside of the block.

    Also where a call is recorded, which has a controlled loop of its own and touches nothing: a
    thread of anyio's would wait for that loop to be called from outside, and for ever.
    """
    if "anyio" not in sys.modules:
        yield
        return
    from anyio._backends._asyncio import AsyncIOBackend

    name = "run_sync_in_worker_thread"
    original = vars(AsyncIOBackend)[name]
    setattr(AsyncIOBackend, name, classmethod(_through_the_loop(original.__func__)))
    try:
        yield
    finally:
        setattr(AsyncIOBackend, name, original)


def _through_the_loop(original: Callable[..., Any]) -> Callable[..., Any]:
    async def run_sync(
        cls: Any,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        abandon_on_cancel: bool = False,
        limiter: Any = None,
    ) -> Any:
        loop = asyncio.get_running_loop()
        if not isinstance(loop, ControlledBase):
            return await original(cls, func, args, abandon_on_cancel, limiter)
        from anyio import CancelScope

        async with limiter or cls.current_default_thread_limiter():
            with CancelScope(shield=not abandon_on_cancel):
                job = partial(copy_context().run, func, *args)
                return await loop.run_in_executor(None, job)

    return run_sync
