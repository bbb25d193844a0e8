"""500 sleeps of lognormal length at limit 50, ÷ the ideal schedule of the same sleeps."""

from __future__ import annotations

import asyncio
import heapq
import random
import time
from dataclasses import dataclass

from figures import Figure
from pydantic import BaseModel

from lift_sys import BaseNode, End, ParallelExecutor, RunContext

SLEEPS, LIMIT = 500, 50


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


def ideal(durations: list[float]) -> float:
    """Each sleep, in order, on the first of `LIMIT` places that is free: no scheduler is faster."""
    places = [0.0] * LIMIT
    for seconds in durations:
        heapq.heappush(places, heapq.heappop(places) + seconds)
    return max(places)


async def measure() -> list[Figure]:
    """Real time, since waiting is what is measured."""
    generator = random.Random(7)
    durations = [min(generator.lognormvariate(-2.5, 0.8), 1.5) for _ in range(SLEEPS)]
    best = ideal(durations)
    semaphore = asyncio.Semaphore(LIMIT)

    async def bare(seconds: float) -> None:
        async with semaphore:
            await asyncio.sleep(seconds)

    started = time.perf_counter()
    await asyncio.gather(*[bare(seconds) for seconds in durations])
    alone = time.perf_counter() - started
    executor = ParallelExecutor(LIMIT)
    started = time.perf_counter()
    await executor.execute_parallel([Sleep(s) for s in durations], RunContext(Empty()))
    ours = time.perf_counter() - started
    note = f"bare semaphore {alone / best:.3f}, ideal {best:.2f} s"
    return [Figure(name="500 sleeps at limit 50 ÷ ideal", value=ours / best, goal=1.03, note=note)]
