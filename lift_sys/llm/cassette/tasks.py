"""Which task of a step is asking: `2.1` is the first task that the second task of the step made.

Before editing: parallel tasks may ask the same, and reach the cassette in any order (OpenAI's client
goes through a thread first). What stays the same is the order in which a program makes its tasks,
so they are numbered as they are made, which only the event loop's task factory can do. The number
stands in a context variable: threads that a task starts have it, too.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar, copy_context
from typing import Any

from lift_sys.execution.engine import on_loop
from lift_sys.llm.cassette.location import Stand, stand

__all__ = ["current_task_path", "distance", "numbering", "numbering_on", "task_order"]


class _Place:
    """A task, as the tasks that it makes see it.

    Attributes:
        stand: Run and step that it is counted in; elsewhere counting begins anew.
        path: Its number after that of the task that made it; empty for a step's own task.
        made: How many tasks it has made there.
    """

    __slots__ = ("made", "path", "stand")

    def __init__(self, stand: Stand, path: str) -> None:
        self.stand = stand
        self.path = path
        self.made = 0


_place: ContextVar[_Place | None] = ContextVar("lift_sys_cassette_task", default=None)


def _here() -> _Place:
    here, standing = _place.get(), stand()
    if here is None or here.stand != standing:
        here = _Place(standing, "")
        _place.set(here)
    return here


def current_task_path() -> str:
    """Number of the task that is asking, in its step; empty for the step's own."""
    return _here().path


class _Factory:
    """Makes tasks as `inner` does, each with its number; `inner` is what the loop had before."""

    def __init__(self, inner: Callable[..., Any] | None) -> None:
        self.inner = inner
        self.users = 0

    def __call__(self, loop: Any, coro: Any, **options: Any) -> Any:
        make = self.inner or _make
        if options.get("context") is not None:
            # It is somebody's own, maybe one that other tasks run in: it keeps its number.
            return make(loop, coro, **options)
        here = _here()
        here.made += 1
        number = _Place(here.stand, f"{here.path}.{here.made}" if here.path else str(here.made))
        context = copy_context()
        context.run(_place.set, number)
        # The task copies the context that it is made in, whatever `inner` takes as arguments.
        return context.run(make, loop, coro, **options)


def _make(loop: Any, coro: Any, **options: Any) -> Any:
    return asyncio.Task(coro, loop=loop, **options)


@contextmanager
def numbering_on(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Number the tasks that `loop` makes until the end of the block."""
    found = loop.get_task_factory()
    factory = found if isinstance(found, _Factory) else _Factory(found)
    if factory is not found:
        loop.set_task_factory(factory)
    factory.users += 1
    try:
        yield
    finally:
        factory.users -= 1
        if not factory.users and loop.get_task_factory() is factory:
            loop.set_task_factory(factory.inner)


@contextmanager
def numbering() -> Iterator[None]:
    """Number the tasks of the running loop, and of every loop that a graph brings meanwhile."""
    with ExitStack() as stack:
        loops: set[asyncio.AbstractEventLoop] = set()

        def number(loop: asyncio.AbstractEventLoop) -> None:
            if loop not in loops:
                loops.add(loop)
                stack.enter_context(numbering_on(loop))

        running = asyncio._get_running_loop()
        if running is not None:
            number(running)
        token = on_loop.set(number)
        try:
            yield
        finally:
            on_loop.reset(token)


def distance(one: str, other: str) -> float:
    """How many tasks made one another from one task to the other; infinite if they did not."""
    above, below = sorted((task_order(one), task_order(other)), key=len)
    return len(below) - len(above) if below[: len(above)] == above else math.inf


def task_order(task: str) -> list[int]:
    """Sort key: tasks in the order in which a step makes them."""
    return [int(number) for number in task.split(".")] if task else []
