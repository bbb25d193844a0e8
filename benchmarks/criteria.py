"""The first design's criteria in real time, and two small costs that it named."""

from __future__ import annotations

import asyncio
import copy
import random
import time
from dataclasses import dataclass
from typing import Annotated

from figures import Figure, least_cpu, least_cpu_of
from pydantic import BaseModel

from lift_sys import BaseNode, End, MergeStrategy, ParallelExecutor, RunContext
from lift_sys.reducers import Append, Sum
from lift_sys.state.canonical import digest
from lift_sys.state.snapshot import Snapshot

RUNS, FAILURES = 100, 500


class Item(BaseModel):
    """About 60 bytes as JSON."""

    id: int
    name: str
    tags: list[str]


class Small(BaseModel):
    """About 6 KB as JSON."""

    value: Annotated[int, Sum()] = 0
    log: Annotated[list[str], Append()] = []
    found: dict[str, float] = {}
    items: list[Item] = []


class Sleep(BaseNode[Small]):
    """100 ms."""

    async def run(self, ctx: RunContext[Small]) -> End:
        """Wait, then write."""
        await asyncio.sleep(0.1)
        ctx.state.value += 1
        return End()


@dataclass
class Shuffled(BaseNode[Small]):
    """Writes in four ways, after as many turns of the loop as chance will have it."""

    number: int
    turns: int

    async def run(self, ctx: RunContext[Small]) -> End:
        """Wait, then write."""
        for _ in range(self.turns):
            await asyncio.sleep(0)
        ctx.state.value += self.number
        ctx.state.log.append(f"node {self.number}")
        ctx.state.found[f"n{self.number}"] = self.number / 3
        ctx.metadata[f"node {self.number}"] = self.number
        return End()


class Empty(BaseModel):
    """No fields: a node that raises skips the look at its state, which would hide what it costs."""


@dataclass
class Work(BaseNode[Empty]):
    """Fails if told to."""

    fail: bool

    async def run(self, ctx: RunContext[Empty]) -> End:
        """Fail or end."""
        if self.fail:
            raise ValueError("on purpose")
        return End()


async def _speed_up(context: RunContext[Small]) -> Figure:
    executor: ParallelExecutor[Small] = ParallelExecutor(4)
    started = time.perf_counter()
    for _ in range(4):
        await executor.execute_single_with_isolation(Sleep(), context)
    sequential = time.perf_counter() - started
    started = time.perf_counter()
    results = await executor.execute_parallel([Sleep() for _ in range(4)], context)
    parallel = time.perf_counter() - started
    merged = executor.merge_states(results, MergeStrategy.ALL_SUCCESS)
    assert merged.state.value == context.state.value + 4
    note = f"{sequential:.3f} s ÷ {parallel:.3f} s; ideal 4"
    value = sequential / parallel
    return Figure(
        name="4 nodes of 100 ms, speed-up", value=value, goal=2.0, at_least=True, note=note
    )


async def _determinism(context: RunContext[Small]) -> Figure:
    executor: ParallelExecutor[Small] = ParallelExecutor(8)
    # Another order of completion each time, the same ones whenever this is run.
    chance = random.Random(5)
    digests, orders = set(), set()
    for _ in range(RUNS):
        nodes = [Shuffled(number, chance.randrange(20)) for number in range(8)]
        results = await executor.execute_parallel(nodes, context)
        orders.add(tuple(result.rank for result in results))
        merged = executor.merge_states(results, MergeStrategy.ALL_SUCCESS)
        assert len(merged.state.log) == 8
        # The order of keys too, which the digest does not look at.
        digests.add((digest(merged.state), merged.state.model_dump_json(), str(merged.metadata)))
    name, note = f"{RUNS} runs, distinct results", f"from {len(orders)} orders of completion"
    return Figure(name=name, value=len(digests), unit="", goal=1, note=note)


def _copying(small: Small) -> list[Figure]:
    snapshot = Snapshot.take(small)
    first, further, deep = least_cpu_of(
        [
            lambda: Snapshot.take(small).restore(),
            snapshot.restore,
            lambda: copy.deepcopy(small),
        ],
        rounds=200,
    )
    note = f"{len(small.model_dump_json())} bytes as JSON; aim 0.2; deepcopy {deep * 1000:.3f} ms"
    return [
        Figure(name="copy a state of 6 KB", value=first * 1000, unit="ms", goal=10.0, note=note),
        Figure(
            name="copy it for each further branch",
            value=further * 1000,
            unit="ms",
            note="the snapshot is taken once for all branches",
        ),
    ]


async def _capture() -> Figure:
    context = RunContext(Empty())
    executor: ParallelExecutor[Empty] = ParallelExecutor(FAILURES)
    results = await executor.execute_parallel([Work(True)] * FAILURES, context)
    assert all(isinstance(result.error, ValueError) for result in results)  # none was cancelled
    failing, fine = await least_cpu(
        [
            lambda: executor.execute_parallel([Work(True)] * FAILURES, context),
            lambda: executor.execute_parallel([Work(False)] * FAILURES, context),
        ],
        rounds=20,
    )
    whole, quiet = failing / FAILURES * 1000, fine / FAILURES * 1000
    note = f"{whole:.4f} ms for one that raises - {quiet:.4f} ms for one that does not"
    value = (failing - fine) / FAILURES * 1000
    return Figure(name="capture an error, per node", value=value, unit="ms", goal=1.0, note=note)


async def measure() -> list[Figure]:
    """Speed-up, determinism, copying and error capture."""
    items = [Item(id=i, name=f"item number {i}", tags=["first", f"b{i}"]) for i in range(100)]
    small = Small(value=41, items=items)
    context = RunContext(small)
    speed_up = await _speed_up(context)
    determinism = await _determinism(context)
    return [speed_up, determinism, *_copying(small), await _capture()]
