"""Steps, forks and joins of pydantic-graph, each at a place that no order of completion moves."""

import asyncio
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from lift_sys.determinism import check_determinism
from lift_sys.determinism.adapters import foreign_target
from lift_sys.errors import UsageError

pytestmark = pytest.mark.extra("pydantic_graph")


def check(target, state, **options):
    return asyncio.run(check_determinism(target, state, **options))


@dataclass
class Seen:
    names: list[str] = field(default_factory=list)


def test_node_classes_of_pydantic_graph_are_steps_in_their_order():
    """State and the node to start with are given together."""
    from pydantic_graph import BaseNode, End, GraphBuilder, GraphRunContext

    @dataclass
    class Halve(BaseNode[Seen, None, int]):
        number: int

        async def run(self, ctx: GraphRunContext[Seen]) -> "Halve | End[int]":
            ctx.state.names.append(str(self.number))
            return End(self.number) if self.number < 2 else Halve(self.number // 2)

    Halve.run.__annotations__["return"] = Halve | End[int]
    build = GraphBuilder(name="halving", state_type=Seen, input_type=Halve, output_type=int)
    build.add(build.edge_from(build.start_node).to(Halve), build.node(Halve))
    graph = build.build()

    report = check(graph, {"state": Seen(), "inputs": Halve(9)}, runs=3)

    assert report.deterministic
    assert report.target == "halving"
    assert report.modal_output == 1
    assert report.modal_state == Seen(["9", "4", "2", "1"])
    assert [step.label for step in report.steps] == [
        "0:Halve",
        "1:Halve",
        "2:Halve",
        "3:Halve",
        "4:end",
    ]


def nested_maps():
    """Map over rows, and in each over its cells; both are joined in the order of completion."""
    from pydantic_graph import GraphBuilder, StepContext, reduce_list_append

    build = GraphBuilder(name="nested", deps_type=Random, input_type=Any, output_type=Any)

    @build.step
    async def row(ctx: StepContext[None, Random, list[int]]) -> list[int]:
        return ctx.inputs

    @build.step
    async def cell(ctx: StepContext[None, Random, int]) -> int:
        await asyncio.sleep(ctx.deps.uniform(0.0, 0.002))
        return ctx.inputs

    cells = build.join(
        reduce_list_append, initial_factory=list, node_id="cells", preferred_parent_fork="closest"
    )
    table = build.join(reduce_list_append, initial_factory=list, node_id="table")

    @build.step
    async def in_order(ctx: StepContext[None, Random, list[int]]) -> list[int]:
        return sorted(ctx.inputs)

    build.add(
        build.edge_from(build.start_node).map().to(row),
        build.edge_from(row).map().to(cell),
        build.edge_from(cell).to(cells),
        build.edge_from(cells).to(in_order),
        build.edge_from(in_order).to(table),
        build.edge_from(table).to(build.end_node),
    )
    return build.build()


def test_forks_inside_of_forks_get_addresses_of_their_own():
    """Each step has its place whatever the order, also behind a join that nobody announces."""
    graph = nested_maps()

    report = check(graph, [[1001, 1002], [1003, 1004]], runs=10, deps=Random)

    labels = {step.label for step in report.steps}
    assert {"0:table", "0.0:row", "0.1:row", "0.0/1:cells", "0.1/1.1:cell", "1:end"} <= labels
    assert {"0.0/2:in_order", "0.1/2:in_order"} <= labels
    cells = [step for step in report.steps if step.node == "cell"]
    assert len(cells) == 4
    assert all(step.runs == 10 and step.agreement == 1.0 for step in cells)


def test_the_users_graph_is_left_as_it_was():
    """What is watched is a copy: the graph has the same steps before and after."""
    graph = nested_maps()
    before = {key: (node, getattr(node, "_call", None)) for key, node in graph.nodes.items()}

    check(graph, [[1], [2]], runs=2, deps=Random)

    assert {
        key: (node, getattr(node, "_call", None)) for key, node in graph.nodes.items()
    } == before
    assert all("reduce" not in vars(node) for node in graph.nodes.values())


def test_a_graph_that_is_not_built_is_refused_with_what_to_do():
    from pydantic_graph import GraphBuilder

    with pytest.raises(UsageError, match=r"builder\.build\(\)"):
        foreign_target(GraphBuilder())


def test_an_error_of_a_step_is_an_outcome_with_its_type():
    from pydantic_graph import GraphBuilder, StepContext

    build = GraphBuilder(input_type=int, output_type=int)

    @build.step
    async def divide(ctx: StepContext[None, None, int]) -> int:
        return 1 // ctx.inputs

    build.add(
        build.edge_from(build.start_node).to(divide), build.edge_from(divide).to(build.end_node)
    )

    report = check(build.build(), 0, runs=3)

    assert report.modal_error.type == "ZeroDivisionError"
    assert [step.runs for step in report.steps] == [3]
