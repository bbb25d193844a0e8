"""METG(50 %) of Task Bench (Slaughter et al., SC 2020), ÷ bare asyncio on the same pattern.

METG is the smallest task at which at least half of the time is still work. A task sleeps, so work
needs no core and only the scheduling is measured. A pattern is a series of layers, each a fork whose
branches are its tasks; a task is given what the layer before has returned, reads its dependences in
it and returns a value of its own, on both sides, and both have to come to the same values. A layer
waits for all of the one before, on both sides. Widths and dependences are those of Task Bench's core.
The same with values that are written into a shared state, and merged from the branches' copies of
it, is shown beside; gather merges nothing, so that has no goal.

The event loop's selector rounds sleeps up to whole milliseconds, so efficiency is a saw of the
grain and not monotonic: the grains are tried from below, on both sides in turns, and never bisected.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache

from figures import Figure
from pydantic import BaseModel

from lift_sys import BaseNode, End, Fork, Graph, RunContext

WIDTH, LAYERS, REPEATS = 16, 12, 4
FIRST, FACTOR, MOST = 0.5e-3, 1.02, 5e-3
PATTERNS = ("stencil", "tree", "fft", "random")


def width_of(pattern: str, layer: int) -> int:
    """How many tasks a layer has."""
    return min(WIDTH, 2**layer) if pattern == "tree" else WIDTH


@cache
def dependences(pattern: str, layer: int, point: int) -> tuple[int, ...]:
    """Which tasks of the layer before a task reads."""
    if pattern == "tree":
        return (point // 2,)
    if pattern == "random":  # of the nearest five, itself always
        chance = random.Random(f"{layer} {point}")
        near = range(max(0, point - 2), min(WIDTH, point + 3))
        return tuple(other for other in near if other == point or chance.random() < 0.25)
    distance = 1 if pattern == "stencil" else 2 ** ((layer - 1) % 4)  # fft: log2(16) distances
    three = (point - distance, point, point + distance)
    return tuple(other for other in three if 0 <= other < WIDTH)


def value_of(pattern: str, layer: int, point: int, before: dict[int, int]) -> int:
    """What a task gives; cheap, and different if it read anything else."""
    if layer == 0:
        return point
    return (sum(before[other] for other in dependences(pattern, layer, point)) + point) % 10_007


class Values(BaseModel):
    """What the last layer gave, by point."""

    values: dict[int, int] = {}


@dataclass
class Task(BaseNode[Values]):
    """One task."""

    pattern: str
    layer: int
    point: int
    seconds: float
    before: dict[int, int]

    async def run(self, ctx: RunContext[Values]) -> End[int]:
        """Read, work, give."""
        value = value_of(self.pattern, self.layer, self.point, self.before)
        await asyncio.sleep(self.seconds)
        return End(value)


@dataclass
class Layer(BaseNode[Values]):
    """One layer, and what is left."""

    pattern: str
    layer: int
    seconds: float

    async def run(self, ctx: RunContext[Values]) -> Fork[Task, Layer] | End:
        """Fork the next layer."""
        pattern, layer, seconds = self.pattern, self.layer, self.seconds
        values = {point: branch.output for point, branch in enumerate(ctx.branches)}
        if layer == LAYERS:
            ctx.state.values = values
            return End()
        points = range(width_of(pattern, layer))
        tasks = [Task(pattern, layer, point, seconds, values) for point in points]
        return Fork(tasks, then=Layer(pattern, layer + 1, seconds))


@dataclass
class Writer(BaseNode[Values]):
    """One task that reads and writes the state."""

    pattern: str
    layer: int
    point: int
    seconds: float

    async def run(self, ctx: RunContext[Values]) -> End:
        """Read, work, write."""
        values = ctx.state.values
        value = value_of(self.pattern, self.layer, self.point, values)
        await asyncio.sleep(self.seconds)
        values[self.point] = value
        return End()


@dataclass
class Written(BaseNode[Values]):
    """One layer of writers, and what is left."""

    pattern: str
    layer: int
    seconds: float

    async def run(self, ctx: RunContext[Values]) -> Fork[Writer, Written] | End:
        """Fork the next layer."""
        pattern, layer, seconds = self.pattern, self.layer, self.seconds
        if layer == LAYERS:
            return End()
        points = range(width_of(pattern, layer))
        tasks = [Writer(pattern, layer, point, seconds) for point in points]
        return Fork(tasks, then=Written(pattern, layer + 1, seconds))


async def bare(pattern: str, seconds: float) -> dict[int, int]:
    """The same tasks with gather, all on one dict."""
    values: dict[int, int] = {}

    async def task(layer: int, point: int) -> int:
        value = value_of(pattern, layer, point, values)
        await asyncio.sleep(seconds)
        return value

    for layer in range(LAYERS):
        points = range(width_of(pattern, layer))
        found = await asyncio.gather(*[task(layer, point) for point in points])
        values = dict(zip(points, found, strict=True))
    return values


async def _elapsed(work: Callable[[], Awaitable[object]]) -> float:
    started = time.perf_counter()
    await work()
    return time.perf_counter() - started


async def smallest_grains(ways: list[Callable[[float], Awaitable[object]]]) -> list[float]:
    """The first grain of each way, from below, at which its efficiency is at least one half."""
    grains = [float("inf")] * len(ways)
    grain = FIRST
    while grain < MOST and float("inf") in grains:
        best = [float("inf")] * len(ways)
        for _ in range(REPEATS):  # the least, as other work on the machine only ever adds
            for index, way in enumerate(ways):
                if grains[index] == float("inf"):
                    best[index] = min(best[index], await _elapsed(lambda w=way: w(grain)))  # type: ignore[misc]  # noqa: B023  used at once
        for index, seconds in enumerate(best):
            if LAYERS * grain >= seconds / 2:
                grains[index] = min(grains[index], grain)
        grain *= FACTOR
    return grains


async def measure() -> list[Figure]:
    """Ours ÷ bare for each pattern."""
    figures = [await _figure(pattern, Layer, f"METG(50%), {pattern}", 1.2) for pattern in PATTERNS]
    name = "METG(50%), stencil, through a merged state"
    return [*figures, await _figure("stencil", Written, name, None)]


async def _figure(
    pattern: str, layers: type[Layer | Written], name: str, goal: float | None
) -> Figure:
    graph = Graph(layers(pattern, 0, 0.0))

    async def ours(grain: float) -> None:
        await graph.run(layers(pattern, 0, grain), state=Values())

    async def alone(grain: float) -> None:
        await bare(pattern, grain)

    result = await graph.run(layers(pattern, 0, 0.0), state=Values())
    assert result.state.values == await bare(pattern, 0.0), pattern
    # Of three sweeps the middle one: a single disturbed one can be off by a millisecond.
    sweeps = [await smallest_grains([ours, alone]) for _ in range(3)]
    value, mine, theirs = sorted((mine / theirs, mine, theirs) for mine, theirs in sweeps)[1]
    note = f"{mine * 1e3:.2f} ms ÷ {theirs * 1e3:.2f} ms"
    return Figure(name=name, value=value, goal=goal, note=note)
