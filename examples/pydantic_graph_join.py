"""A graph of pydantic-graph, unported, whose join takes results in the order of completion.

`reduce_list_append` appends what branches return as it comes, so that the list depends on who is
quicker. A reducer that does not care about order gives the same result every time.

    python examples/pydantic_graph_join.py
"""

import asyncio
from dataclasses import dataclass
from importlib.util import find_spec
from random import Random
from typing import Any

from lift_sys.determinism import DeterminismReport, check_determinism, explore, replay


@dataclass
class Offer:
    """What one supplier asks for."""

    supplier: str
    price: int


def market(*, careful: bool) -> Any:
    """Ask all suppliers at the same time, and take the first of the cheapest."""
    from pydantic_graph import GraphBuilder, reduce_list_append

    build = GraphBuilder(
        name="careful_market" if careful else "careless_market",
        deps_type=Random,
        input_type=list[str],
        output_type=str,
    )

    @build.step
    async def ask(ctx: Any) -> Offer:
        await asyncio.sleep(ctx.deps.uniform(0.001, 0.003))  # a service that takes a while
        return Offer(ctx.inputs, price=len(ctx.inputs))

    offers = build.join(reduce_list_append, initial_factory=list[Offer], node_id="offers")

    @build.step
    async def choose(ctx: Any) -> str:
        offers: list[Offer] = ctx.inputs
        if careful:  # the name decides where the price does not
            return min(offers, key=lambda offer: (offer.price, offer.supplier)).supplier
        return min(offers, key=lambda offer: offer.price).supplier

    build.add(
        build.edge_from(build.start_node).map().to(ask),
        build.edge_from(ask).to(offers),
        build.edge_from(offers).to(choose),
        build.edge_from(choose).to(build.end_node),
    )
    return build.build()


async def repeats(graph: Any, suppliers: list[str]) -> DeterminismReport:
    """Run it 30 times, as slow as chance will have it."""
    return await check_determinism(graph, suppliers, runs=30, deps=Random)


def main() -> None:
    """Find the difference by repeating, and by exploring orders of completion."""
    suppliers = ["Ada", "Bob", "Clio"]
    for careful in (False, True):
        graph = market(careful=careful)
        report = asyncio.run(repeats(graph, suppliers))
        where = "" if report.deterministic else f" from {report.first_divergent_node}"
        print(f"{report.target}, repeated: {report.verdict}{where}")

        # Always as slow as before, so that nothing but the order is left to chance.
        found = explore(graph, suppliers, deps=lambda: Random(7), budget=60)
        print(f"{report.target}, explored: {found.verdict} in {found.schedules} schedules")
        if found.counterexample is not None:
            schedule = found.counterexample.schedule
            again = replay(graph, suppliers, schedule=schedule, deps=lambda: Random(7))
            print(f"  {schedule} gives {again}")


if __name__ == "__main__":
    if find_spec("pydantic_graph") is None:
        print("This example needs pydantic-graph: pip install pydantic-graph")
    else:
        main()
