"""The first design's criteria in real time, and two small costs that it named."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from figures import Figure, least_cpu, least_cpu_of
from pydantic import BaseModel

from lift_sys import BaseNode, End, MergeStrategy, ParallelExecutor, RunContext
from lift_sys.state.canonical import digest
from lift_sys.state.snapshot import Snapshot


class Item(BaseModel):
    """About 60 bytes as JSON."""

    id: int
    name: str
    tags: list[str]


class Small(BaseModel):
    """About 6 KB as JSON."""

    value: int = 0
    items: list[Item] = []


class Sleep(BaseNode[Small]):
    """100 ms."""

    async def run(self, ctx: RunContext[Small]) -> End:
        """Wait, then write."""
        await asyncio.sleep(0.1)
        ctx.state.value += 1
        return End()


@dataclass
class Work(BaseNode[Small]):
    """Fails if told to."""

    fail: bool

    async def run(self, ctx: RunContext[Small]) -> End:
        """Fail or end."""
        if self.fail:
            raise ValueError("on purpose")
        return End()


async def measure() -> list[Figure]:
    """Speed-up, determinism, copying and error capture."""
    executor: ParallelExecutor[Small] = ParallelExecutor(4)
    context = RunContext(Small(value=41))
    started = time.perf_counter()
    for _ in range(4):
        await executor.execute_single_with_isolation(Sleep(), context)
    sequential = time.perf_counter() - started
    started = time.perf_counter()
    await executor.execute_parallel([Sleep() for _ in range(4)], context)
    parallel = time.perf_counter() - started

    digests = set()
    fast = ParallelExecutor[Small](100)
    for _ in range(100):
        results = await fast.execute_parallel([Work(False)] * 4, context)
        digests.add(digest(fast.merge_states(results, MergeStrategy.ALL_SUCCESS).state))

    items = [Item(id=i, name=f"item {i}", tags=["a", f"b{i}"]) for i in range(100)]
    small = Small(items=items)
    (copying,) = least_cpu_of([lambda: Snapshot.take(small).restore()], rounds=50)

    count = 500
    failing, fine = await least_cpu(
        [
            lambda: fast.execute_parallel([Work(True)] * count, context),
            lambda: fast.execute_parallel([Work(False)] * count, context),
        ],
        rounds=10,
    )
    return [
        Figure(
            name="4 nodes of 100 ms, speed-up", value=sequential / parallel, goal=2.0, at_least=True
        ),
        Figure(name="100 runs, distinct results", value=len(digests), unit="", goal=1),
        Figure(
            name="copy a state of 6 KB",
            value=copying * 1000,
            unit="ms",
            goal=10.0,
            note=f"{len(small.model_dump_json())} bytes as JSON; aim 0.2",
        ),
        Figure(
            name="capture an error, per node",
            value=(failing - fine) / count * 1000,
            unit="ms",
            goal=1.0,
        ),
    ]
