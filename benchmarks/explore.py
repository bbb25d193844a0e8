"""Schedules that the explorer runs in a second, and how many a proof and a seeded bug take.

A schedule is a whole run of the target: event loop made, tasks run, state copied, joined and
compared. Each branch awaits three times. Rates are per second of CPU time of this process, the best
of some rounds; `watched` looks for undeclared writes after each step, as is the default.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from figures import Figure
from pydantic import BaseModel

from lift_sys import BaseNode, End, Fork, Graph, RunContext
from lift_sys.determinism.exploration import Exploration, explore, shared
from lift_sys.determinism.merging.proof import prove_merge
from lift_sys.reducers import Append

BUDGET, ROUNDS = 300, 3


class State(BaseModel):
    """What the branches write."""

    found: Annotated[list[int], Append()] = []


@dataclass
class Branch(BaseNode[State]):
    """Awaits three times, then writes."""

    number: int

    async def run(self, ctx: RunContext[State]) -> End:
        """Work."""
        for _ in range(3):
            await asyncio.sleep(self.number)
        ctx.state.found.append(self.number)
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

    async def run(self, ctx: RunContext[State]) -> Fork[Branch, Join]:
        """`width` branches."""
        return Fork([Branch(number) for number in range(self.width)], then=Join())


async def gathered() -> list[int]:
    """The same without a framework."""

    async def branch(number: int) -> int:
        for _ in range(3):
            await asyncio.sleep(number)
        return number

    return await asyncio.gather(*[branch(number) for number in range(4)])


async def lost_update() -> int:
    """Two tasks read, wait and write."""
    cell = shared("cell", 0)

    async def update(late: float) -> None:
        await asyncio.sleep(late)
        value = cell.value
        await asyncio.sleep(1)
        cell.value = value + 1

    await asyncio.gather(update(0), update(9))
    return cell.value


def rate(run: Callable[[], Exploration]) -> float:
    """Runs per second of CPU time."""
    best = 0.0
    for _ in range(ROUNDS):
        started = time.process_time()
        found = run()
        best = max(best, found.runs / (time.process_time() - started))
    return best


def measure() -> list[Figure]:
    """Rates, and counts that do not depend on the machine."""
    graph, wide = Graph(Spread(4)), Graph(Spread(8))
    figures = []
    options: dict[str, Any] = {"strategy": "urw", "budget": BUDGET}
    for name, target, state, more in (
        ("graph of 4 branches", graph, State(), {}),
        ("graph of 4 branches, ready", graph, State(), {"space": "ready"}),
        ("graph of 4 branches, not watched", graph, State(), {"watch": False}),
        ("graph of 8 branches", wide, State(), {}),
        ("function of 4 tasks", gathered, None, {}),
        ("function of 4 tasks, ready", gathered, None, {"space": "ready"}),
    ):
        value = rate(lambda t=target, s=state, m=more: explore(t, s, **options, **m))  # type: ignore[misc]
        goal = 300 if name.startswith("graph of 4 branches") else None
        figures.append(
            Figure(name=f"explore, {name}", value=value, unit="/s", goal=goal, at_least=True)
        )
    proof = explore(Graph(Spread(16)), State())
    bug = explore(lost_update)
    assert proof.grade == "proven"
    assert bug.counterexample is not None
    merges = max(prove_merge(Append()).seconds for _ in range(ROUNDS))
    return [
        *figures,
        Figure(
            name="explore, schedules to prove 16 isolated branches",
            value=proof.schedules,
            unit="runs",
            goal=1,
            note=f"{proof.seconds * 1000:.0f} ms",
        ),
        Figure(
            name="explore, schedules to find a lost update",
            value=bug.counterexample.found_after,
            unit="runs",
            goal=500,
            note=f"told by {len(bug.counterexample.constraints)} constraint",
        ),
        Figure(name="prove_merge, 6 branches", value=merges * 1000, unit="ms", goal=1000),
    ]
