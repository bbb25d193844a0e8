"""langgraph: a loop by a conditional edge, a fan-out by `Send`."""

from __future__ import annotations

import operator
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from chain import Count
from figures import Figure
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send
from peers import Run, compare
from typing_extensions import TypedDict


class Shared(TypedDict):
    """What branches write to, by a reducer; a plain dict is the cheapest state that it knows."""

    done: Annotated[list[int], operator.add]


def chain(steps: int) -> Run:
    """One node that follows itself."""

    async def step(state: Count) -> dict[str, int]:
        return {"done": state.done + 1}

    async def path(state: Count) -> str:
        return "step" if state.done <= steps else END

    builder = StateGraph(Count)
    builder.add_node("step", step)
    builder.add_edge(START, "step")
    builder.add_conditional_edges("step", path, ["step", END])
    graph = builder.compile()
    return lambda: graph.ainvoke(Count(), {"recursion_limit": steps + 10})


def fan_out(
    width: int, work: Callable[[int], Awaitable[object]], *, limit: int | None = None
) -> Run:
    """A branch for each `Send`, and a join."""

    async def leaf(task: Any) -> dict[str, list[int]]:
        await work(task["index"])
        return {"done": [1]}

    async def join(state: Shared) -> dict[str, list[int]]:
        return {"done": []}

    async def spread(state: Shared) -> list[Send]:
        return [Send("leaf", {"index": index}) for index in range(width)]

    builder = StateGraph(Shared)
    builder.add_node("leaf", leaf)
    builder.add_node("join", join)
    builder.add_conditional_edges(START, spread, ["leaf"])
    builder.add_edge("leaf", "join")
    builder.add_edge("join", END)
    graph = builder.compile()
    config: Any = {"max_concurrency": limit} if limit else {}
    return lambda: graph.ainvoke({"done": []}, config)


async def measure() -> list[Figure]:
    """Theirs ÷ bare."""
    return await compare("langgraph", "peer_langgraph", chain, fan_out)
