"""500 sleeps of lognormal length at limit 50, ÷ the ideal schedule of the same sleeps.

Real time, since waiting is what is measured; the ways take turns and the least of each counts. The
ideal gives each sleep, in order, to the first of 50 places that is free, and costs nothing itself.
"""

from __future__ import annotations

import asyncio
import heapq
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from figures import Figure
from pydantic import BaseModel

from lift_sys import BaseNode, End, Fork, Graph, ParallelExecutor, RunContext

SLEEPS, LIMIT, ROUNDS = 500, 50, 3


class Empty(BaseModel):
    """No fields."""


@dataclass
class Sleep(BaseNode[Empty]):
    """Waits."""

    seconds: float

    async def run(self, ctx: RunContext[Empty]) -> End:
        """Wait."""
        await asyncio.sleep(self.seconds)
        return End()


class Join(BaseNode[Empty]):
    """The end."""

    async def run(self, ctx: RunContext[Empty]) -> End:
        """Nothing more."""
        return End()


@dataclass
class Spread(BaseNode[Empty]):
    """Forks."""

    durations: list[float]

    async def run(self, ctx: RunContext[Empty]) -> Fork[Sleep, Join]:
        """A branch for each sleep."""
        return Fork([Sleep(seconds) for seconds in self.durations], then=Join())


def lengths() -> list[float]:
    """Seconds that each sleep takes, always the same ones."""
    generator = random.Random(7)
    return [min(generator.lognormvariate(-2.5, 0.8), 1.5) for _ in range(SLEEPS)]


def ideal(durations: list[float]) -> float:
    """Seconds that greedy list scheduling in this order takes."""
    places = [0.0] * LIMIT
    for seconds in durations:
        heapq.heappush(places, heapq.heappop(places) + seconds)
    return max(places)


async def measure() -> list[Figure]:
    """Ours by the executor and by a graph, bare by a semaphore."""
    durations = lengths()
    best = ideal(durations)
    executor: ParallelExecutor[Empty] = ParallelExecutor(LIMIT)
    graph = Graph(Spread(durations), executor=executor)

    async def bare() -> None:
        semaphore = asyncio.Semaphore(LIMIT)

        async def one(seconds: float) -> None:
            async with semaphore:
                await asyncio.sleep(seconds)

        await asyncio.gather(*[one(seconds) for seconds in durations])

    def nodes() -> list[Sleep]:
        return [Sleep(seconds) for seconds in durations]

    ways: dict[str, Callable[[], Awaitable[object]]] = {
        "executor": lambda: executor.execute_parallel(nodes(), RunContext(Empty())),
        "graph": lambda: graph.run(state=Empty()),
        "bare semaphore": bare,
    }
    spent = dict.fromkeys(ways, float("inf"))
    for _ in range(ROUNDS):
        for name, way in ways.items():
            started = time.perf_counter()
            await way()
            spent[name] = min(spent[name], time.perf_counter() - started)
    return [
        Figure(
            name=f"{SLEEPS} sleeps at limit {LIMIT}, {name}",
            value=seconds / best,
            goal=1.03 if name in {"executor", "graph"} else None,
            note=f"{seconds:.3f} s ÷ ideal {best:.3f} s",
        )
        for name, seconds in spent.items()
    ]
