"""What a hit of the node cache costs, beside a node of 50 ms and beside a step that is not cached.

Wall time: a hit from a file waits for a thread. The state is one of 6 KB, of which the node reads
one field; all of the run's start and end is in every figure.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median

from figures import Figure
from pydantic import BaseModel

from lift_sys import BaseNode, End, Graph, ParallelExecutor, RunContext
from lift_sys.durability import Cache, MemoryCache, SqliteCache

SECONDS, ROUNDS, CALLS = 0.05, 200, 1000


class Item(BaseModel):
    """About 60 bytes as JSON."""

    id: int
    name: str
    tags: list[str]


class Prompt(BaseModel):
    """About 6 KB as JSON."""

    question: str = "What is the answer?"
    answer: str = ""
    items: list[Item] = []


class Ask(BaseNode[Prompt]):
    """Waits as long as a quick model, unless it is cached."""

    cache = True
    reads = ("question",)

    async def run(self, ctx: RunContext[Prompt]) -> End[str]:
        """Wait, then answer."""
        await asyncio.sleep(SECONDS)
        ctx.state.answer = "42"
        return End("because")


class Quick(Ask):
    """Does the same at once, and is never cached."""

    cache = False

    async def run(self, ctx: RunContext[Prompt]) -> End[str]:
        """Answer."""
        ctx.state.answer = "42"
        return End("because")


async def measure() -> list[Figure]:
    """A hit from memory and from a file, and a thousand identical calls."""
    items = [Item(id=i, name=f"item number {i}", tags=["first", f"b{i}"]) for i in range(100)]
    state = Prompt(items=items)
    slow, quick = Graph(Ask), Graph(Quick)
    plain = await _median(lambda: quick.run(state=state))
    bare = await _median(lambda: slow.run(state=state), rounds=10)
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        for name, cache in (
            ("memory", MemoryCache()),
            ("a file", SqliteCache(Path(folder) / "cache.db")),
        ):
            hit = await _median(_cached(slow, state, cache))
            note = (
                f"{bare * 1e3:.1f} ms ÷ {hit * 1e3:.3f} ms; the step uncached {plain * 1e3:.3f} ms"
            )
            figures.append(
                Figure(
                    name=f"cache, a hit from {name}",
                    value=bare / hit,
                    goal=20.0,
                    at_least=True,
                    note=note,
                )
            )
            if isinstance(cache, SqliteCache):
                cache.close()
    return [*figures, await _identical(Prompt())]


def _cached(graph: Graph[Prompt], state: Prompt, cache: Cache) -> Callable[[], Awaitable[object]]:
    return lambda: graph.run(state=state, cache=cache)


async def _median(way: Callable[[], Awaitable[object]], *, rounds: int = ROUNDS) -> float:
    await way()
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        await way()
        times.append(time.perf_counter() - started)
    return median(times)


async def _identical(state: Prompt) -> Figure:
    executor: ParallelExecutor[Prompt] = ParallelExecutor(CALLS, cache=MemoryCache())
    started = time.perf_counter()
    results = await executor.execute_parallel([Ask()] * CALLS, RunContext(state))
    elapsed = time.perf_counter() - started
    ran = sum(result.attempts for result in results)
    note = f"{elapsed * 1e3:.0f} ms in all, {elapsed / CALLS * 1e6:.0f} us a call"
    name = f"cache, times that {CALLS} identical calls run the node"
    return Figure(name=name, value=ran, unit="", goal=1, note=note)
