"""The chain and the fan-out in langgraph: the same nodes' work, ÷ the same bare asyncio."""

import asyncio
import operator
from typing import Annotated

from chain import STEPS, Count, bare
from fanout import gather
from figures import Figure, least_cpu
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send
from typing_extensions import TypedDict

LENGTH = 200


class Shared(TypedDict):
    """What branches write to, by a reducer."""

    done: Annotated[list[int], operator.add]


async def _step(state: Count) -> dict[str, int]:
    return {"done": state.done + 1}


async def _leaf(state: Shared) -> Shared:
    await asyncio.sleep(0)
    return {"done": [1]}


async def measure() -> list[Figure]:
    """Theirs ÷ bare."""
    chain = StateGraph(Count)
    chain.add_node("step", _step)
    chain.add_edge(START, "step")
    chain.add_conditional_edges("step", lambda state: "step" if state.done < LENGTH else END)
    walked = chain.compile()
    config = {"recursion_limit": LENGTH + 10}
    theirs, alone = await least_cpu(
        [lambda: walked.ainvoke(Count(), config), lambda: bare(Count())], rounds=4
    )
    value = (theirs / LENGTH) / (alone / STEPS)
    figures = [Figure(name="chain, langgraph", value=value)]
    for width in (10, 100, 1000):
        fork = StateGraph(Shared)
        fork.add_node("leaf", _leaf)
        sends = [Send("leaf", {"done": []})] * width
        fork.add_conditional_edges(START, lambda _, s=sends: s, ["leaf"])
        fork.add_edge("leaf", END)
        forked = fork.compile()
        theirs, alone = await least_cpu(
            [lambda g=forked: g.ainvoke({"done": []}), lambda w=width: gather(w)], rounds=4
        )
        figures.append(Figure(name=f"fan-out of {width}, langgraph", value=theirs / alone))
    return figures
