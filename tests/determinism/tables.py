"""Random graphs in which one step, and no other, does something else in each run."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from pydantic import BaseModel

from lift_sys import BaseNode, End, Fork, NextNode, RunContext

#: A walk: each item is a step, or the walks of a fork that a step starts.
Plan = tuple[Any, ...]


class Table(BaseModel):
    cells: dict[str, int] = {}
    noise: int = 0
    start: int = 0


@dataclass
class Cell(BaseNode[Table]):
    """Fills the cell of its address with what it sees, and hands on."""

    then: Any
    draws: Iterator[int] | None = field(default=None, repr=False)

    async def run(self, ctx: RunContext[Table]) -> NextNode[Table]:
        if self.draws is not None:
            ctx.state.noise = next(self.draws)
        ctx.state.cells[ctx.address] = ctx.state.noise + len(ctx.address)
        return self.then


@dataclass
class Link(BaseNode[Table]):
    """A step of a chain whose successors are declared, so that a run is one walk."""

    left: int
    noisy: int
    draws: Iterator[int] = field(default_factory=itertools.count)

    async def run(self, ctx: RunContext[Table]) -> Link | End:
        if self.left == self.noisy:
            ctx.state.noise = next(self.draws)
        ctx.state.cells[ctx.address] = ctx.state.noise
        return Link(self.left - 1, self.noisy, self.draws) if self.left else End()


def plans() -> st.SearchStrategy[Plan]:
    """Walks of steps and forks, some of them nested."""
    steps = st.just("step")
    return st.recursive(
        st.lists(steps, min_size=1, max_size=3).map(tuple),
        lambda inner: st.lists(
            steps | st.lists(inner, min_size=1, max_size=3), min_size=1, max_size=3
        ).map(tuple),
        max_leaves=8,
    )


def addresses(plan: Plan, prefix: str = "") -> list[str]:
    """Addresses of all steps of a plan."""
    found = []
    for number, item in enumerate(plan):
        at = str(number) if not prefix else f"{prefix}/{number}" if number else prefix
        found.append(at)
        if item != "step":
            for index, walk in enumerate(item):
                found += addresses(walk, f"{at}.{index}")
    return found


def build(plan: Plan, noisy: str, draws: Iterator[int], prefix: str = "") -> Any:
    """The first node of a walk; the one at `noisy` draws."""
    then: Any = End()
    for number in reversed(range(len(plan))):
        item = plan[number]
        at = str(number) if not prefix else f"{prefix}/{number}" if number else prefix
        if item != "step":
            walks = [build(walk, noisy, draws, f"{at}.{index}") for index, walk in enumerate(item)]
            then = Fork(walks, then=then)
        then = Cell(then, draws if at == noisy else None)
    return then
