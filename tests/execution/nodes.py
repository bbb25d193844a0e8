"""A state, and nodes that do what a test tells them: wait, write, fail, fork, resist.

`ctx.deps` of their runs is a `Watch`, which knows who runs, who was cancelled and how many ran at
the same time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

from pydantic import BaseModel

from lift_sys import BaseNode, End, Fork, Graph, NextNode, ParallelExecutor, RunContext
from lift_sys.graph.result import RunResult
from lift_sys.reducers import Append
from lift_sys.testing import context_for


class Board(BaseModel):
    """What the nodes of these tests write on."""

    count: int = 0
    label: str = ""
    notes: dict[str, Any] = {}
    trail: Annotated[list[str], Append()] = []


Ctx = RunContext[Board]


class Watch:
    """Sees nodes come and go.

    Attributes:
        running: Names of the nodes that run now.
        most: How many of them ran at the same time at most.
        ended: `(name, how, when)` in the order in which they ended; `how` is "done", "cancelled"
            or the name of an exception class, `when` is in virtual seconds.
    """

    def __init__(self) -> None:
        self.running: list[str] = []
        self.most = 0
        self.started: list[str] = []
        self.ended: list[tuple[str, str, float]] = []

    @contextmanager
    def seeing(self, name: str) -> Iterator[None]:
        self.running.append(name)
        self.started.append(name)
        self.most = max(self.most, len(self.running))
        how = "done"
        try:
            yield
        except asyncio.CancelledError:
            how = "cancelled"
            raise
        except BaseException as error:
            how = type(error).__name__
            raise
        finally:
            self.running.remove(name)
            self.ended.append((name, how, asyncio.get_running_loop().time()))

    def how(self, name: str) -> str:
        """How the node of that name ended last."""
        return next(how for who, how, _ in reversed(self.ended) if who == name)


class Work(BaseNode[Board]):
    """Waits `seconds`, writes, and returns `then` or raises it.

    Args:
        name: What the watch calls it; it notes itself under it, too, when `notes` is true.
        seconds: How long it takes.
        then: Successor, or an exception to raise.
        label: What it sets `label` to, if anything.
        act: Called with the context after the wait; may return an awaitable.
        cleanup: Seconds that it needs to end when it is cancelled.
        notes: Whether it writes its name into `notes` and `trail`.
    """

    def __init__(
        self,
        name: str = "work",
        seconds: float = 0.0,
        then: Any = None,
        *,
        label: str | None = None,
        act: Callable[[Ctx], Awaitable[None] | None] | None = None,
        cleanup: float = 0.0,
        notes: bool = True,
    ) -> None:
        self.name, self.seconds, self.then = name, seconds, then
        self.label, self.act, self.cleanup, self.notes = label, act, cleanup, notes

    async def run(self, ctx: Ctx) -> NextNode[Board]:
        with ctx.deps.seeing(self.name):
            try:
                if self.seconds:
                    await asyncio.sleep(self.seconds)
            finally:
                if self.cleanup:
                    await asyncio.sleep(self.cleanup)
            if self.notes:
                ctx.state.notes[self.name] = ctx.address
                ctx.state.trail.append(self.name)
            if self.label is not None:
                ctx.state.label = self.label
            if self.act is not None and (answer := self.act(ctx)) is not None:
                await answer
            if isinstance(self.then, BaseException):
                raise self.then
            return End(self.name) if self.then is None else self.then


class Stubborn(BaseNode[Board]):
    """Ignores that it is cancelled, `times` times, and then waits `seconds` again."""

    def __init__(self, name: str, seconds: float, *, times: int = 1, then: Any = None) -> None:
        self.name, self.seconds, self.times, self.then = name, seconds, times, then

    async def run(self, ctx: Ctx) -> NextNode[Board]:
        with ctx.deps.seeing(self.name):
            for _ in range(self.times):
                try:
                    await asyncio.sleep(self.seconds)
                    break
                except asyncio.CancelledError:
                    continue
            else:
                await asyncio.sleep(self.seconds)
            ctx.state.notes[self.name] = ctx.address
            if isinstance(self.then, BaseException):
                raise self.then
            return End(self.name) if self.then is None else self.then


class Split(BaseNode[Board]):
    """Forks; the arguments are those of `Fork`."""

    def __init__(self, nodes: Sequence[Any], *, then: Any = None, **options: Any) -> None:
        self.nodes, self.then, self.options = nodes, then or End("joined"), options

    async def run(self, ctx: Ctx) -> NextNode[Board]:
        return Fork(self.nodes, then=self.then, **self.options)


class Outputs(BaseNode[Board]):
    """Follows a join and ends with what the branches returned: output, or name of the error."""

    async def run(self, ctx: Ctx) -> End[list[Any]]:
        return End(
            [
                branch.output
                if branch.error is None
                else type(failures_in(branch.error)[0]).__name__
                for branch in ctx.branches
            ]
        )


async def run_fork(
    nodes: Sequence[Any],
    *,
    watch: Watch | None = None,
    executor: ParallelExecutor[Board] | None = None,
    run: dict[str, Any] | None = None,
    **options: Any,
) -> RunResult[Board]:
    """Run a graph that forks into `nodes`; `options` are those of `Fork`, `run` of `Graph.run`."""
    options.setdefault("then", Outputs())
    graph = Graph(Split(nodes, **options), executor=executor)
    return await graph.run(state=Board(), deps=watch or Watch(), seed=0, **run or {})


def board(watch: Watch | None = None, **fields: Any) -> Ctx:
    """A context with an empty board."""
    return context_for(Board(**fields), deps=watch or Watch())


def workers(*seconds: float, **options: Any) -> list[Work]:
    """Nodes "0", "1", ... that take so long."""
    return [Work(str(index), length, **options) for index, length in enumerate(seconds)]


def failures_in(error: BaseException) -> list[BaseException]:
    """The errors that nodes raised, found in an error of a run, however deep."""
    parts: Sequence[tuple[Any, BaseException]] | None = getattr(error, "failed_nodes", None)
    if parts is not None:
        return [leaf for _, part in parts for leaf in failures_in(part)]
    inner = getattr(error, "error", None)
    return failures_in(inner) if isinstance(inner, BaseException) else [error]


def no_other_tasks() -> bool:
    """Whether the calling task is the only one of its loop."""
    return asyncio.all_tasks() == {asyncio.current_task()}
