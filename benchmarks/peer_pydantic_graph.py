"""pydantic-graph: a loop of `BaseNode`s, a fan-out by `map`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import dataclass

from chain import Count
from figures import Figure
from peers import Run, compare
from pydantic_graph import (
    BaseNode,
    End,
    GraphBuilder,
    GraphRunContext,
    StepContext,
    reduce_list_append,
)


@dataclass
class Step(BaseNode[Count, None, None]):
    """The node of chain.py."""

    left: int

    async def run(self, ctx: GraphRunContext[Count, None]) -> Step | End[None]:
        """One step."""
        ctx.state.done += 1
        return Step(self.left - 1) if self.left else End(None)


def chain(steps: int) -> Run:
    """One node that follows itself."""
    builder = GraphBuilder(
        state_type=Count, input_type=Step, output_type=type(None), auto_instrument=False
    )
    builder.add(builder.node(Step), builder.edge_from(builder.start_node).to(Step))
    graph = builder.build()
    return lambda: graph.run(state=Count(), inputs=Step(steps))


def fan_out(
    width: int, work: Callable[[int], Awaitable[object]], *, limit: int | None = None
) -> Run:
    """A branch for each item of the input, and a join; the limit is a semaphore, it has none."""
    gate = asyncio.Semaphore(limit) if limit else None
    free = nullcontext()
    builder = GraphBuilder(
        state_type=Count, input_type=list[int], output_type=list[int], auto_instrument=False
    )

    @builder.step
    async def leaf(ctx: StepContext[Count, None, int]) -> int:
        async with gate or free:
            await work(ctx.inputs)
        return 1

    join = builder.join(reduce_list_append, initial_factory=list[int])
    builder.add(
        builder.edge_from(builder.start_node).map().to(leaf),
        builder.edge_from(leaf).to(join),
        builder.edge_from(join).to(builder.end_node),
    )
    graph = builder.build()
    return lambda: graph.run(state=Count(), inputs=list(range(width)))


async def measure() -> list[Figure]:
    """Theirs ÷ bare."""
    return await compare("pydantic-graph", "peer_pydantic_graph", chain, fan_out)
