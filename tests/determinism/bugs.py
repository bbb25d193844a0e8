"""Seeded concurrency bugs: each as an async function, and as a graph with nodes of a user's.

All of them pass on a plain event loop, whatever its load, as long as sleeps end in order; that is how
they get into production. A healthy outcome of each is `True`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from lift_sys import BaseNode, End, Fork, Graph, RunContext


@dataclass
class World:
    """What the tasks of one run share; undeclared, as such things are."""

    count: int = 0
    window: list[bool] = field(default_factory=lambda: [False, False])
    seen: list[bool] = field(default_factory=list)
    order: list[int] = field(default_factory=list)
    last: int = -1
    when: int = -1
    first: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))
    second: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))


Task = Callable[[World], Awaitable[None]]


async def noise(world: World) -> None:
    """Takes a few turns and touches nothing."""
    for _ in range(3):
        await asyncio.sleep(2)


def updates(late: float) -> Task:
    """Read, wait, write: two of them lose an update if they overlap."""

    async def update(world: World) -> None:
        await asyncio.sleep(late)
        count = world.count
        await asyncio.sleep(1)
        world.count = count + 1

    return update


async def opens_windows(world: World) -> None:
    """Two invariants are broken for a moment, one after the other."""
    for place in (0, 1):
        world.window[place] = True
        await asyncio.sleep(1)
        world.window[place] = False
        await asyncio.sleep(1)


async def looks_twice(world: World) -> None:
    """Only who looks into both windows sees something wrong."""
    await asyncio.sleep(50)
    first = world.window[0]
    await asyncio.sleep(50)
    world.seen.append(first and world.window[1])


def appends(number: int) -> Task:
    """Merges in order of completion."""

    async def append(world: World) -> None:
        await asyncio.sleep(number + 1)
        world.order.append(number)

    return append


def overwrites(number: int) -> Task:
    """The last one wins."""

    async def overwrite(world: World) -> None:
        await asyncio.sleep(number + 1)
        await asyncio.sleep(0.5)
        world.last = number

    return overwrite


def locks(late: float, *, backwards: bool) -> Task:
    """Takes two semaphores, in one order or in the other."""

    async def lock(world: World) -> None:
        pair = [world.first, world.second]
        if backwards:
            pair.reverse()
        await asyncio.sleep(late)
        async with pair[0]:
            await asyncio.sleep(1)
            async with pair[1]:
                await asyncio.sleep(1)

    return lock


async def quick(world: World) -> None:
    """One step, which is soon enough unless it starves."""
    await asyncio.sleep(0.1)
    world.when = world.count


async def counts(world: World) -> None:
    """One of the many."""
    await asyncio.sleep(1)
    world.count += 1


@dataclass(frozen=True)
class Bug:
    """A seeded bug: the tasks that run side by side, and what must hold after them."""

    name: str
    tasks: tuple[Task, ...]
    holds: Callable[[World], bool]
    ends: bool = True

    async def function(self, state: Any = None) -> bool:
        """All tasks, gathered."""
        world = World()
        await asyncio.gather(*[task(world) for task in self.tasks])
        return self.holds(world)

    def graph(self) -> Graph[Held]:
        """All tasks, as branches of a fork that share `ctx.deps`."""
        return Graph(Start(self), name=self.name)


class Held(BaseModel):
    holds: bool = False


@dataclass
class Branch(BaseNode[Held]):
    task: Task

    async def run(self, ctx: RunContext[Held]) -> End:
        await self.task(ctx.deps)
        return End()


@dataclass
class Check(BaseNode[Held]):
    bug: Bug

    async def run(self, ctx: RunContext[Held]) -> End:
        ctx.state.holds = self.bug.holds(ctx.deps)
        return End()


@dataclass
class Start(BaseNode[Held]):
    bug: Bug

    async def run(self, ctx: RunContext[Held]) -> Fork[Branch, Check]:
        return Fork([Branch(task) for task in self.bug.tasks], then=Check(self.bug))


BUGS = [
    Bug("lost_update", (updates(0), noise, noise, updates(9)), lambda world: world.count == 2),
    Bug("torn_window", (opens_windows, looks_twice), lambda world: not any(world.seen)),
    Bug(
        "completion_order",
        tuple(appends(number) for number in range(4)),
        lambda world: world.order == [0, 1, 2, 3],
    ),
    Bug(
        "last_wins",
        tuple(overwrites(number) for number in range(6)),
        lambda world: world.last != 0,
    ),
    Bug(
        "deadlock",
        (locks(0, backwards=False), locks(9, backwards=True), noise),
        lambda world: True,
        ends=False,
    ),
    Bug("starvation", (quick, *[counts] * 16), lambda world: world.when < 16),
]
