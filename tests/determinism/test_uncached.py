"""Checks of determinism are never answered by a cache."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

from pydantic import BaseModel

from lift_sys import BaseNode, End, Graph, ParallelExecutor, RunContext, Subgraph
from lift_sys.determinism import check_determinism, explore
from lift_sys.durability import CachePolicy, MemoryCache

COUNT = itertools.count()
CACHE = MemoryCache()


class Number(BaseModel):
    value: int = 0


class Draw(BaseNode[Number]):
    """Another value each time, and cached."""

    cache = CachePolicy(version="1")

    async def run(self, ctx: RunContext[Number]) -> End:
        ctx.state.value = next(COUNT)
        return End()


INNER = Graph(Draw, executor=ParallelExecutor(cache=CACHE))


class Nested(BaseNode[Number]):
    """A subgraph whose executor has a cache of its own."""

    async def run(self, ctx: RunContext[Number]) -> Subgraph[Number, Number]:
        return Subgraph(INNER, enter=lambda state: state.model_copy(), leave=_leave)


def _leave(state: Number, result: Any) -> None:
    state.value = result.state.value


async def by_hand(state: Number) -> Number:
    return (await INNER.run(state=state)).state


async def warm() -> None:
    assert (await INNER.run(state=Number())).state == (await INNER.run(state=Number())).state


def test_repeats_are_not_answered_by_a_cache():
    """A graph, a subgraph, a node and a function: that the cache would repeat itself proves nothing."""
    asyncio.run(warm())
    for target in (INNER, Graph(Nested), by_hand):
        report = asyncio.run(check_determinism(target, Number(), 4))
        assert len(report.digests) == 4


def test_exploration_runs_the_nodes():
    """Two schedules of one program see two values, also where a cache knows one."""
    asyncio.run(warm())
    before = next(COUNT)
    explore(INNER, Number())
    assert next(COUNT) > before + 2
