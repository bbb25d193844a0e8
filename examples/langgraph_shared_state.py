"""A LangGraph graph, unported, whose two branches write into one object of the state.

LangGraph merges what nodes return, but gives all of them the same nested objects: a node that
changes one in place goes past the reducers, and the result depends on who comes first.

    python examples/langgraph_shared_state.py
"""

import asyncio
import operator
from importlib.util import find_spec
from random import Random
from typing import Annotated, Any, TypedDict

from lift_sys.determinism import DeterminismReport, check_determinism, explore, replay


class Review(TypedDict, total=False):
    """What both graphs work on: the careless one uses `draft`, the careful one `remarks`."""

    draft: dict[str, list[str]]
    remarks: Annotated[list[str], operator.add]


def review_graph(*, careful: bool) -> Any:
    """Two reviewers side by side, and an editor who counts their remarks."""
    from langgraph.graph import END, START, StateGraph
    from langgraph.runtime import Runtime

    def reviewer(remark: str) -> Any:
        async def review(state: Review, runtime: Runtime[Any]) -> Review:
            # A service that takes a while.
            await asyncio.sleep(runtime.context.uniform(0.001, 0.003))
            if careful:
                return {"remarks": [remark]}
            state["draft"]["remarks"].append(remark)  # the same list for all branches
            return {}

        return review

    async def edit(state: Review) -> Review:
        remarks = state["remarks"] if careful else state["draft"]["remarks"]
        return {"draft": {"remarks": [f"{len(remarks)} remarks", *remarks]}}

    services: Any = Random
    graph = StateGraph(Review, context_schema=services)
    graph.add_node("style", reviewer("shorter sentences"))
    graph.add_node("facts", reviewer("two dates are wrong"))
    graph.add_node("edit", edit)
    graph.add_edge(START, "style")
    graph.add_edge(START, "facts")
    graph.add_edge(["style", "facts"], "edit")
    graph.add_edge("edit", END)
    return graph.compile(name="careful_review" if careful else "careless_review")


async def repeats(graph: Any, start: Review) -> DeterminismReport:
    """Run it 30 times, as slow as chance will have it."""
    return await check_determinism(graph, start, runs=30, deps=Random)


def main() -> None:
    """Find the difference by repeating, and by exploring orders of completion."""
    start: Review = {"draft": {"remarks": []}, "remarks": []}
    for careful in (False, True):
        graph = review_graph(careful=careful)
        report = asyncio.run(repeats(graph, start))
        where = "" if report.deterministic else f" from {report.first_divergent_node}"
        print(f"{report.target}, repeated: {report.verdict}{where}")

        # Always as slow as before, so that nothing but the order is left to chance.
        found = explore(graph, start, deps=lambda: Random(7), budget=60)
        print(f"{report.target}, explored: {found.verdict} in {found.schedules} schedules")
        if found.counterexample is not None:
            schedule = found.counterexample.schedule
            again = replay(graph, start, schedule=schedule, deps=lambda: Random(7))
            print(f"  {schedule} gives {again}")


if __name__ == "__main__":
    if find_spec("langgraph") is None:
        print("This example needs LangGraph: pip install langgraph")
    else:
        main()
