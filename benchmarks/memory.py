"""Bytes for each branch while 10,000 of them are alive at the same time, by tracemalloc's peak.

Each side runs in a fresh interpreter, so that nobody profits from what another has left behind, and
warms up with a small run. Branches wait at one gate that the last to arrive opens: all are alive
then, in fact and not by luck. What the user's own objects take, the node and the branch's copy of
the state, is measured alone and shown apart.
"""

from __future__ import annotations

import asyncio
import importlib
import subprocess
import sys
import tracemalloc
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from fanout import Join, State
from fanout import Spread as Yields
from figures import Figure

from lift_sys import BaseNode, End, Fork, Graph, ParallelExecutor, RunContext

BRANCHES = 10_000


class Gate:
    """Opens for all when the last of `width` has come; one future, as cheap as waiting can be."""

    def __init__(self, width: int) -> None:
        self.missing = width
        self.open = asyncio.get_running_loop().create_future()

    def arrive(self) -> asyncio.Future[None]:
        """What to await."""
        self.missing -= 1
        if not self.missing:
            self.open.set_result(None)
        return self.open


class Waits(BaseNode[State]):
    """Waits for all others."""

    async def run(self, ctx: RunContext[State]) -> End:
        """Wait."""
        await ctx.deps.arrive()
        return End()


@dataclass
class Spread(BaseNode[State]):
    """Forks."""

    width: int

    async def run(self, ctx: RunContext[State]) -> Fork[Waits, Join]:
        """`width` branches."""
        return Fork([Waits() for _ in range(self.width)], then=Join())


async def _ours(width: int) -> None:
    graph = Graph(Spread(width), executor=ParallelExecutor(width))
    await graph.run(state=State(), deps=Gate(width))


async def _default(width: int) -> None:
    # No gate: 64 at a time would wait for ever.
    await Graph(Yields(width)).run(state=State())


async def _bare(width: int) -> None:
    gate = Gate(width)

    async def one() -> None:
        await gate.arrive()

    await asyncio.gather(*[one() for _ in range(width)])


async def _own(width: int) -> None:
    kept = [(Waits(), State()) for _ in range(width)]
    del kept


def _peer(module: str) -> Callable[[int], Awaitable[object]]:
    async def run(width: int) -> None:
        gate = Gate(width)

        async def work(_: int) -> None:
            await gate.arrive()

        await importlib.import_module(module).fan_out(width, work)()

    return run


async def peak(side: str) -> float:
    """Bytes for each branch of one side, or of the peer in module `side`, in this process."""
    sides = {"ours": _ours, "default": _default, "bare": _bare, "own": _own}
    work = sides.get(side) or _peer(side)
    await work(100)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    await work(BRANCHES)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return (most - before) / BRANCHES


def kilobytes(side: str) -> float:
    """KB for each branch of one side, in a fresh interpreter."""
    code = f"import asyncio, memory; print(asyncio.run(memory.peak({side!r})))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent,
    )
    return float(done.stdout) / 1024


def measure() -> list[Figure]:
    """Ours, with bare beside."""
    ours, limited, bare, own = (kilobytes(side) for side in ("ours", "default", "bare", "own"))
    return [
        Figure(
            name="memory a branch of 10,000, all alive",
            value=ours,
            unit="KB",
            note=f"max_concurrent=10000; bare gather {bare:.2f} KB",
        ),
        Figure(
            name="memory a branch, all alive, over the user's own",
            value=ours - own,
            unit="KB",
            note=f"node and copy of the state take {own:.2f} KB",
        ),
        Figure(
            name="memory a branch of 10,000, default executor",
            value=limited,
            unit="KB",
            goal=2.0,
            note="64 alive at a time; those that wait or have ended cost an entry",
        ),
    ]
