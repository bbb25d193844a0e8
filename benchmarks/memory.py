"""Bytes for each branch while 10,000 of them are alive at the same time, by tracemalloc's peak."""

from __future__ import annotations

import asyncio
import tracemalloc

from fanout import Spread, State, gather
from figures import Figure

from lift_sys import Graph, ParallelExecutor

BRANCHES = 10_000


async def measure() -> list[Figure]:
    """Ours and bare, both with everything that a branch needs: task, frames, state."""
    graph = Graph(Spread(BRANCHES), executor=ParallelExecutor(BRANCHES))
    default = Graph(Spread(BRANCHES))
    await graph.run(state=State())
    peaks = []
    for work in (
        lambda: graph.run(state=State()),
        lambda: default.run(state=State()),
        lambda: gather(BRANCHES),
    ):
        tracemalloc.start()
        await work()
        peaks.append(tracemalloc.get_traced_memory()[1] / BRANCHES)
        tracemalloc.stop()
    ours, limited, bare = peaks
    return [
        Figure(
            name="memory a branch of 10,000, all alive",
            value=ours / 1024,
            unit="KB",
            goal=2.0,
            note=f"max_concurrent=10000; bare gather {bare / 1024:.2f} KB",
        ),
        Figure(
            name="memory a branch of 10,000, default executor",
            value=limited / 1024,
            unit="KB",
            goal=2.0,
            note="64 alive at a time; those that wait or have ended cost an entry",
        ),
    ]


if __name__ == "__main__":
    print(asyncio.run(measure()))
