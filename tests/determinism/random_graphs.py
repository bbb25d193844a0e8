"""Random graphs with user nodes that share cells, for the differential test of the explorer.

Run it for a long hunt: `python tests/determinism/random_graphs.py 500 [seed]`.
"""

from __future__ import annotations

import asyncio
import random
import sys
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

from pydantic import BaseModel

from lift_sys import (
    AllSuccess,
    BaseNode,
    BestEffort,
    End,
    FirstSuccess,
    Fork,
    Graph,
    Majority,
    ParallelExecutor,
    Race,
    RunContext,
)
from lift_sys.determinism.exploration.footprint import shared


class Seen(BaseModel):
    value: int = 0
    values: list[int] = []


@dataclass
class Walk(BaseNode[Seen]):
    """A branch: some steps on the cells in `ctx.deps`, over one node or two."""

    steps: list[tuple[str, int]]
    second: list[tuple[str, int]]

    async def run(self, ctx: RunContext[Seen]) -> Walk | End[int]:
        for kind, which in self.steps:
            cell = ctx.deps[which]
            match kind:
                case "read":
                    ctx.state.value = cell.value
                case "write":
                    cell.value = cell.value * 2 + which + 1
                case "sleep":
                    await asyncio.sleep(1)
                case "fail":
                    raise ValueError(which)
        if self.second:
            return replace(self, steps=self.second, second=[])
        return End(ctx.state.value)


@dataclass
class Collect(BaseNode[Seen]):
    async def run(self, ctx: RunContext[Seen]) -> End[Any]:
        ctx.state.values = [branch.output or -1 for branch in ctx.branches]
        return End(tuple(cell.value for cell in ctx.deps))


@dataclass
class Begin(BaseNode[Seen]):
    program: GraphProgram

    async def run(self, ctx: RunContext[Seen]) -> Fork[Walk, Collect]:
        program = self.program
        walks = [Walk(steps, second) for steps, second in program.branches]
        return Fork(
            walks, then=Collect(), strategy=program.strategy, max_concurrent=program.at_a_time
        )


class GraphProgram:
    """A fork of two or three branches."""

    def __init__(self, generator: random.Random) -> None:
        count = generator.choice((2, 3, 3))
        self.branches = [
            (self._steps(generator, 2), self._steps(generator, generator.choice((0, 0, 1))))
            for _ in range(count)
        ]
        self.strategy = generator.choice(
            [
                AllSuccess(),
                AllSuccess(fail_fast=False),
                BestEffort(min_success=1),
                BestEffort(min_success=2),
                FirstSuccess(),
                Majority(),
                Race(),
            ]
        )
        self.at_a_time = generator.choice((None, None, 1, 2))
        self.slots = generator.choice((1, 2, 64))
        self.declared = generator.random() < 0.5
        self.graph = Graph(Begin(self), executor=ParallelExecutor(self.slots))

    def __repr__(self) -> str:
        return f"{self.branches} {self.strategy} at_a_time={self.at_a_time} slots={self.slots} declared={self.declared}"

    @staticmethod
    def _steps(generator: random.Random, most: int) -> list[tuple[str, int]]:
        kinds = generator.choices(("read", "write", "sleep", "sleep"), k=most)
        if generator.random() < 0.15:
            kinds.append("fail")
        return [(kind, generator.randrange(2)) for kind in kinds]

    async def run(self) -> object:
        """One run; the result is the state, and what is in the cells."""
        cells: list[Any] = [SimpleNamespace(value=0), SimpleNamespace(value=0)]
        if self.declared:
            cells = [shared("a", 0), shared("b", 0)]
        try:
            result = await self.graph.run(state=Seen(), deps=cells, execution_id="x", seed=0)
        except Exception as error:
            return type(error).__name__, [cell.value for cell in cells]
        return result.state, result.output


if __name__ == "__main__":
    from determinism.exhaustive import compare  # run with PYTHONPATH=tests

    searched, several, wrong = compare(
        int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0, kind=GraphProgram
    )
    print(f"{searched} graphs, {several} with several outcomes, {len(wrong)} wrong")
    print("\n".join(wrong))
