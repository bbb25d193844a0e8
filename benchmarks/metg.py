"""METG(50 %) of Task Bench (Slaughter et al., SC 2020): the smallest task at which half of the time
is still work, for four patterns of dependencies, ÷ bare asyncio on the same pattern.

A task sleeps, so work needs no core and only the scheduling is measured. A pattern is a series of
layers; each layer is a fork whose branches are its tasks, and a layer waits for the one before, on
both sides.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from figures import Figure
from pydantic import BaseModel

from lift_sys import BaseNode, End, Fork, Graph, ParallelExecutor, RunContext

WIDTH, LAYERS = 16, 12


def layers_of(pattern: str) -> list[int]:
    """How many tasks each layer has."""
    if pattern == "tree":
        return [2**level for level in range(5)] + [2**level for level in range(3, -1, -1)]
    if pattern == "random":
        generator = random.Random(3)
        return [generator.randint(1, WIDTH) for _ in range(LAYERS)]
    return [WIDTH] * (LAYERS if pattern == "stencil" else 5)  # fft: log2(16) + 1 layers


class Empty(BaseModel):
    """No fields."""


@dataclass
class Task(BaseNode[Empty]):
    """One task."""

    seconds: float

    async def run(self, ctx: RunContext[Empty]) -> End:
        """Work."""
        await asyncio.sleep(self.seconds)
        return End()


@dataclass
class Layer(BaseNode[Empty]):
    """One layer, and what is left."""

    sizes: list[int]
    seconds: float

    async def run(self, ctx: RunContext[Empty]) -> Fork[Task, Layer] | End:
        """Fork the next layer."""
        if not self.sizes:
            return End()
        size, *rest = self.sizes
        return Fork([Task(self.seconds)] * size, then=Layer(rest, self.seconds))


async def bare(sizes: list[int], seconds: float) -> None:
    """The same layers with gather."""
    for size in sizes:
        await asyncio.gather(*[asyncio.sleep(seconds) for _ in range(size)])


async def _efficiency(
    work: Callable[[float], Awaitable[object]], layers: int, grain: float
) -> float:
    """Part of the elapsed time that the critical path's work takes; the best of five."""
    best = float("inf")
    for _ in range(5):
        started = time.perf_counter()
        await work(grain)
        best = min(best, time.perf_counter() - started)
    return layers * grain / best


async def smallest_grain(work: Callable[[float], Awaitable[object]], layers: int) -> float:
    """The first of ever larger grains at which efficiency is one half.

    Not by bisection: the event loop waits in whole milliseconds, so efficiency is a saw-tooth.
    """
    grain = 2.5e-4
    while await _efficiency(work, layers, grain) < 0.5:
        grain *= 1.05
    return grain


async def measure() -> list[Figure]:
    """Ours ÷ bare for each pattern."""
    executor: ParallelExecutor[Empty] = ParallelExecutor(WIDTH)
    figures = []
    for pattern in ("stencil", "tree", "fft", "random"):
        sizes = layers_of(pattern)
        graph = Graph(Layer([], 0.0), executor=executor)

        async def ours(grain: float, sizes: list[int] = sizes) -> None:
            await graph.run(Layer(sizes, grain), state=Empty())  # noqa: B023  used at once

        async def alone(grain: float, sizes: list[int] = sizes) -> None:
            await bare(sizes, grain)

        ratios = []
        for _ in range(3):
            mine = await smallest_grain(ours, len(sizes))
            theirs = await smallest_grain(alone, len(sizes))
            ratios.append((mine / theirs, mine, theirs))
        value, mine, theirs = sorted(ratios)[len(ratios) // 2]
        note = f"{mine * 1e3:.2f} ms ÷ {theirs * 1e3:.2f} ms"
        figures.append(Figure(name=f"METG(50%), {pattern}", value=value, goal=1.2, note=note))
    return figures
