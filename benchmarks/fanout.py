"""A fork of N branches, ÷ `asyncio.gather` of N coroutines that do what the nodes do.

A node awaits `asyncio.sleep(0)`, so that each branch is really scheduled. Ours is a whole run of a
graph: state copied for each branch, compared and validated after it, joined in declared order.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from figures import Figure, least_cpu
from pydantic import BaseModel

from lift_sys import BaseNode, End, Fork, Graph, ParallelExecutor, RunContext

SIZES = (10, 100, 1000, 10_000)
FORKS = 100


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
        """`width` branches."""
        leaf = Leaf()
        return Fork([leaf] * self.width, then=Join())


@dataclass
class Again(BaseNode[State]):
    """Forks ten wide, many times in one run."""

    left: int

    async def run(self, ctx: RunContext[State]) -> Fork[Leaf, Again] | End:
        """The next fork."""
        leaf = Leaf()
        return Fork([leaf] * 10, then=Again(self.left - 1)) if self.left else End()


async def one() -> None:
    """The bare side of a leaf."""
    await asyncio.sleep(0)


async def gather(width: int) -> None:
    """The bare side of a fork."""
    await asyncio.gather(*[one() for _ in range(width)])


async def measure() -> list[Figure]:
    """Ours ÷ bare per branch, with the default executor and with no limit."""
    figures = []
    ratios = {}
    for width in SIZES:
        rounds = max(6, 4000 // width)
        default = Graph(Spread(width))
        unlimited = Graph(Spread(width), executor=ParallelExecutor(width))
        bare, ours, wide = await least_cpu(
            [
                lambda w=width: gather(w),
                lambda g=default: g.run(state=State()),
                lambda g=unlimited: g.run(state=State()),
            ],
            rounds=rounds,
        )
        ratios[width] = ours / bare
        note = f"{ours / width * 1e6:.1f} us ÷ {bare / width * 1e6:.1f} us a branch"
        figures.append(
            Figure(name=f"fan-out of {width}, whole run", value=ours / bare, goal=3.0, note=note)
        )
        figures.append(
            Figure(
                name=f"fan-out of {width}, all at once",
                value=wide / bare,
                note=f"max_concurrent={width} instead of the default 64",
            )
        )
    graph = Graph(Again(FORKS))

    async def gathers() -> None:
        for _ in range(FORKS):
            await gather(10)

    ours, bare = await least_cpu([lambda: graph.run(state=State()), gathers], rounds=30)
    figures.append(
        Figure(name="fan-out of 10, each of 100 forks in one run", value=ours / bare, goal=3.0)
    )
    figures.append(Figure(name="flat: 10,000 ÷ 100", value=ratios[10_000] / ratios[100], goal=1.3))
    return figures
