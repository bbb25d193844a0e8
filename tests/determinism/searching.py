"""A graph whose branches search side by side, and a function that loses an update."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel

from lift_sys import BaseNode, End, Fork, MergeStrategy, RunContext
from lift_sys.determinism.exploration import shared
from lift_sys.reducers import Append, Sum


class State(BaseModel):
    found: Annotated[list[int], Append()] = []
    total: Annotated[int, Sum()] = 0
    best: int = 0


@dataclass
class Search(BaseNode[State]):
    number: int

    async def run(self, ctx: RunContext[State]) -> End:
        for _ in range(3):
            await asyncio.sleep(self.number)
        ctx.state.found.append(self.number)
        ctx.state.total += self.number
        return End()


@dataclass
class Best(BaseNode[State]):
    number: int

    async def run(self, ctx: RunContext[State]) -> End:
        await asyncio.sleep(self.number)
        ctx.state.best = self.number
        return End()


class Join(BaseNode[State]):
    async def run(self, ctx: RunContext[State]) -> End[int]:
        return End(len(ctx.state.found))


@dataclass
class Spread(BaseNode[State]):
    width: int
    strategy: MergeStrategy = MergeStrategy.ALL_SUCCESS

    async def run(self, ctx: RunContext[State]) -> Fork[Search | Best, Join]:
        kind = Search if self.strategy is MergeStrategy.ALL_SUCCESS else Best
        nodes = [kind(number) for number in range(1, self.width + 1)]
        return Fork(nodes, then=Join(), strategy=self.strategy)


async def lost_update():
    cell = shared("cell", 0)

    async def update(late):
        await asyncio.sleep(late)
        value = cell.value
        await asyncio.sleep(1)
        cell.value = value + 1

    await asyncio.gather(update(0), update(9))
    return cell.value
