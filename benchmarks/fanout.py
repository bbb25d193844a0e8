"""A fork of N branches, ÷ `asyncio.gather` of N coroutines that do what the nodes do.

A node awaits `asyncio.sleep(0)`, so that each branch is really scheduled. Ours is a whole run of a
graph: node made, state copied for each branch, compared and validated after it, joined in declared
order. The other side shares everything and keeps nothing: it is a floor, not a framework. Where
max_concurrent is N, both sides have all N alive at the same time. At 10 branches what starting a
run costs, once, is as much as what two branches cost; the figure with the goal is that of a fork
in a run that is under way, and the whole run is shown beside.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from figures import Figure, least_cpu
from pydantic import BaseModel

from lift_sys import BaseNode, End, Fork, Graph, ParallelExecutor, RunContext

SIZES = (10, 100, 1000, 10_000)
FORKS = 200


class State(BaseModel):
    """Three plain fields."""

    done: int = 0
    label: str = "fan-out"
    active: bool = True


class Leaf(BaseNode[State]):
    """One turn of the event loop."""

    async def run(self, ctx: RunContext[State]) -> End:
        """Yield once."""
        await asyncio.sleep(0)
        return End()


class Join(BaseNode[State]):
    """The end."""

    async def run(self, ctx: RunContext[State]) -> End:
        """Nothing more."""
        return End()


@dataclass
class Spread(BaseNode[State]):
    """Forks."""

    width: int

    async def run(self, ctx: RunContext[State]) -> Fork[Leaf, Join]:
        """`width` branches, each with a node of its own, as users write it."""
        return Fork([Leaf() for _ in range(self.width)], then=Join())


@dataclass
class Again(BaseNode[State]):
    """Forks ten wide, many times in one run."""

    left: int

    async def run(self, ctx: RunContext[State]) -> Fork[Leaf, Again] | End:
        """The next fork."""
        if not self.left:
            return End()
        return Fork([Leaf() for _ in range(10)], then=Again(self.left - 1))


async def one() -> None:
    """The bare side of a leaf."""
    await asyncio.sleep(0)


async def gather(width: int) -> None:
    """The bare side of a fork."""
    await asyncio.gather(*[one() for _ in range(width)])


async def gathers() -> None:
    """The bare side of many forks."""
    for _ in range(FORKS):
        await gather(10)


async def measure() -> list[Figure]:
    """Ours ÷ bare per branch, with the default executor and with no limit."""
    figures = []
    ratios, costs = {}, {}
    for width in SIZES:
        default = Graph(Spread(width))
        unlimited = Graph(Spread(width), executor=ParallelExecutor(width))
        bare, ours, wide = await least_cpu(
            [
                lambda w=width: gather(w),  # type: ignore[misc]
                lambda g=default: g.run(state=State()),  # type: ignore[misc]
                lambda g=unlimited: g.run(state=State()),  # type: ignore[misc]
            ],
            rounds=max(8, 6000 // width),
        )
        ratios[width], costs[width] = ours / bare, ours / width
        note = f"{ours / width * 1e6:.1f} us ÷ {bare / width * 1e6:.1f} us a branch"
        figures += [
            Figure(
                name=f"fan-out of {width}, whole run",
                value=ours / bare,
                goal=3.0 if width > 10 else None,
                note=note,
            ),
            Figure(
                name=f"fan-out of {width}, all at once",
                value=wide / bare,
                note=f"max_concurrent={width} instead of the default 64",
            ),
        ]
    graph = Graph(Again(FORKS))
    ours, bare = await least_cpu([lambda: graph.run(state=State()), gathers], rounds=30)
    name = f"fan-out of 10, each of {FORKS} forks in one run"
    note = f"{ours / FORKS / 10 * 1e6:.1f} us ÷ {bare / FORKS / 10 * 1e6:.1f} us a branch"
    figures += [
        Figure(name=name, value=ours / bare, goal=3.0, note=note),
        Figure(
            name="fan-out, flat: 10,000 ÷ 100",
            value=ratios[10_000] / ratios[100],
            goal=1.3,
            # The ratio alone would hide it if both sides grew.
            note=f"ours alone {costs[10_000] / costs[100]:.2f}",
        ),
    ]
    return figures
