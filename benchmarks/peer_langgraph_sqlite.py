"""A step of a langgraph chain that is kept by its SQLite saver, ÷ a bare insert; see `stores`.

`durability="sync"`, so that a step is kept before the next begins, as ours is.
"""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypedDict

from figures import Figure
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, StateGraph
from stores import STEPS, compare, long_open


class Chain(TypedDict):
    """Its answer is as long as in the facts of ours."""

    left: int
    answer: str


async def step(state: Chain) -> Chain:
    """One step."""
    return {"left": state["left"] - 1, "answer": "x" * 480}


async def measure() -> list[Figure]:
    """Its whole step: langgraph has no commit that could be timed alone."""
    graph = StateGraph(Chain)
    graph.add_node("step", step)
    graph.add_edge(START, "step")
    graph.add_conditional_edges("step", lambda state: "step" if state["left"] else "__end__")
    names = itertools.count()
    with TemporaryDirectory() as folder:
        async with AsyncSqliteSaver.from_conn_string(f"{folder}/peer.db") as saver:
            compiled = graph.compile(checkpointer=saver)

            async def way() -> float:
                config = {"configurable": {"thread_id": str(next(names))}, "recursion_limit": 999}
                started = time.perf_counter()
                await compiled.ainvoke({"left": STEPS, "answer": ""}, config, durability="sync")
                return (time.perf_counter() - started) / STEPS

            with long_open(Path(folder) / "bare.db") as bare:
                ways = {"bare": bare, "langgraph, SQLite, chain": way}
                return await compare(ways, what="step")
