"""The chain and the fan-out in pydantic-graph's builder, ÷ the same bare asyncio."""

import asyncio

from chain import STEPS, Count, bare
from fanout import gather
from figures import Figure, least_cpu
from pydantic_graph import GraphBuilder, StepContext, reduce_list_append

LENGTH = 200


async def measure() -> list[Figure]:
    """Theirs ÷ bare."""
    chain = GraphBuilder(state_type=Count, output_type=int)

    @chain.step
    async def step(ctx: StepContext[Count, None, None]) -> int:
        ctx.state.done += 1
        return ctx.state.done

    decision = chain.decision()
    again = chain.match(int, matches=lambda done: done < LENGTH).to(step)
    over = chain.match(int).to(chain.end_node)
    chain.add(
        chain.edge_from(chain.start_node).to(step),
        chain.edge_from(step).to(decision.branch(again).branch(over)),
    )
    walked = chain.build()
    theirs, alone = await least_cpu(
        [lambda: walked.run(state=Count()), lambda: bare(Count())], rounds=4
    )
    value = (theirs / LENGTH) / (alone / STEPS)
    figures = [Figure(name="chain, pydantic-graph", value=value)]
    for width in (10, 100, 1000):
        fork = GraphBuilder(state_type=Count, output_type=list[int])

        @fork.step
        async def spread(ctx: StepContext[Count, None, None], width: int = width) -> list[int]:
            return list(range(width))

        @fork.step
        async def leaf(ctx: StepContext[Count, None, int]) -> int:
            await asyncio.sleep(0)
            return 1

        join = fork.join(reduce_list_append, initial_factory=list[int])
        fork.add(
            fork.edge_from(fork.start_node).to(spread),
            fork.edge_from(spread).map().to(leaf),
            fork.edge_from(leaf).to(join),
            fork.edge_from(join).to(fork.end_node),
        )
        forked = fork.build()
        theirs, alone = await least_cpu(
            [lambda g=forked: g.run(state=Count()), lambda w=width: gather(w)], rounds=4
        )
        figures.append(Figure(name=f"fan-out of {width}, pydantic-graph", value=theirs / alone))
    return figures
