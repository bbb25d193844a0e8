"""What every peer is asked, so that all are asked the same.

A peer is a module with `chain(steps)` and `fan_out(width, work, limit=...)`: each builds a graph and
gives a function that runs it once. Graphs are built outside what is timed, as ours are. Nodes are
`async` everywhere, since a plain function would go through a thread in some frameworks. They all
share one state among branches, where ours copies, compares, validates and merges.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from chain import Count, bare
from fanout import gather
from figures import Figure, least_cpu
from memory import kilobytes
from schedule import LIMIT, SLEEPS, ideal, lengths

STEPS = 200
WIDTHS = (10, 100, 1000)

Run = Callable[[], Awaitable[object]]


class FanOut(Protocol):
    """Builds a fan-out of `width` branches that await `work(index)`, at most `limit` at a time."""

    def __call__(
        self, width: int, work: Callable[[int], Awaitable[object]], *, limit: int | None = None
    ) -> Run:
        """Build it."""
        ...


async def _yield_once(index: int) -> None:
    await asyncio.sleep(0)


async def compare(
    name: str, module: str, chain: Callable[[int], Run], fan_out: FanOut
) -> list[Figure]:
    """Theirs ÷ bare: chain, fan-out, 500 sleeps, memory."""
    theirs, alone = await least_cpu([chain(STEPS), lambda: bare(Count(), STEPS)], rounds=12)
    note = f"{theirs / STEPS * 1e6:.0f} us a step, {STEPS} steps"
    figures = [Figure(name=f"chain, {name}", value=theirs / alone, note=note)]
    for width in WIDTHS:
        theirs, alone = await least_cpu(
            [fan_out(width, _yield_once), lambda w=width: gather(w)],  # type: ignore[misc]
            rounds=4,
        )
        note = f"{theirs / width * 1e6:.0f} us a branch"
        figures.append(Figure(name=f"fan-out of {width}, {name}", value=theirs / alone, note=note))
    durations = lengths()
    sleeps = fan_out(SLEEPS, lambda index: asyncio.sleep(durations[index]), limit=LIMIT)
    least = float("inf")
    for _ in range(2):
        started = time.perf_counter()
        await sleeps()
        least = min(least, time.perf_counter() - started)
    value = least / ideal(durations)
    figures.append(Figure(name=f"{SLEEPS} sleeps at limit {LIMIT}, {name}", value=value))
    value = kilobytes(module)
    name = f"memory a branch of 10,000, all alive, {name}"
    return [*figures, Figure(name=name, value=value, unit="KB")]
