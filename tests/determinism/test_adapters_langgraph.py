"""LangGraph's tasks as steps: supersteps, subgraphs, retries, interrupts, models, failures."""

import asyncio
import operator
import random
from typing import Annotated, Any, TypedDict

import pytest

from lift_sys.determinism import check_determinism
from lift_sys.determinism.adapters import foreign_target
from lift_sys.errors import UsageError

# It is in the development group only, as nothing of ours needs it.
pytestmark = pytest.mark.extra("langgraph")


class Notes(TypedDict, total=False):
    lines: Annotated[list[str], operator.add]


def check(target, state, **options):
    return asyncio.run(check_determinism(target, state, **options))


def compiled(*nodes, edges, **options):
    from langgraph.graph import StateGraph

    graph = StateGraph(Notes)
    for node in nodes:
        graph.add_node(node.__name__, node)
    for source, target in edges:
        graph.add_edge(source, target)
    return graph.compile(**options)


def test_a_node_that_draws_is_named_with_what_it_wrote():
    """The origin is the node that did something else on equal inputs, and not who passed it on."""

    async def start(state: Notes) -> Notes:
        return {"lines": ["start"]}

    async def draw(state: Notes) -> Notes:
        return {"lines": [str(random.random())]}

    async def last(state: Notes) -> Notes:
        return {"lines": [*state["lines"]]}

    graph = compiled(
        start,
        draw,
        last,
        edges=[
            ("__start__", "start"),
            ("start", "draw"),
            ("draw", "last"),
            ("last", "__end__"),
        ],
    )

    report = check(graph, {"lines": []}, runs=5)

    assert report.first_divergent_node == "1:draw"
    assert report.first_divergence.kind == "node"
    assert [step.label for step in report.steps] == ["0:start", "1:draw", "2:last"]
    assert report.divergences.passed_on == ("2:last",)


def test_steps_of_a_subgraph_stand_inside_of_its_step():
    """A compiled graph that is a node of another one is looked into."""

    async def inner(state: Notes) -> Notes:
        return {"lines": [str(random.random())]}

    async def outer(state: Notes) -> Notes:
        return {}

    from langgraph.graph import StateGraph

    inside = compiled(inner, edges=[("__start__", "inner"), ("inner", "__end__")])
    graph = StateGraph(Notes)
    graph.add_node("outer", outer)
    graph.add_node("group", inside)
    graph.add_edge("__start__", "outer")
    graph.add_edge("outer", "group")

    report = check(graph.compile(), {"lines": []}, runs=3)

    assert report.first_divergent_node == "1>0:inner"
    assert [step.label for step in report.steps] == ["0:outer", "1:group", "1>0:inner"]


def test_a_checkpointer_is_not_written_to_and_an_interrupt_is_an_outcome():
    """Repeats leave the user's own store alone, and start afresh each."""
    from langgraph.checkpoint.memory import InMemorySaver
    from langgraph.types import interrupt

    async def ask(state: Notes) -> Notes:
        return {"lines": [interrupt("go on?")]}

    kept = InMemorySaver()
    graph = compiled(ask, edges=[("__start__", "ask"), ("ask", "__end__")], checkpointer=kept)

    report = check(graph, {"lines": ["a"]}, runs=3)

    assert report.deterministic
    assert report.modal_state == {"lines": ["a"]}
    assert report.modal_output == ["go on?"]
    assert not list(kept.list(None))


def test_a_failing_node_is_an_outcome_with_its_place():
    """A run that always fails in the same way is deterministic, and says where."""

    async def fail(state: Notes) -> Notes:
        raise ValueError("no such file")

    graph = compiled(fail, edges=[("__start__", "fail"), ("fail", "__end__")])

    report = check(graph, {"lines": []}, runs=3)

    assert report.deterministic
    assert report.modal_error.type == "ValueError"
    assert "no such file" in report.modal_error.text
    assert [step.agreement for step in report.steps] == [1.0]


def test_a_node_that_asks_a_model_is_judged_as_a_model():
    """LangChain's own callbacks say that a model was called inside of the node."""
    from langchain_core.language_models import FakeListChatModel

    model = FakeListChatModel(responses=["yes", "yes", "no"])

    async def ask(state: Notes) -> Notes:
        answer = await model.ainvoke("Will it rain?")
        return {"lines": [answer.content]}

    graph = compiled(ask, edges=[("__start__", "ask"), ("ask", "__end__")])

    report = check(graph, {"lines": []}, runs=6)

    assert report.first_divergent_node == "0:ask"
    assert report.first_divergence.kind == "model"
    assert report.model_stable is False
    assert (report.model.calls, report.model.agreeing) == (6, 4)


def test_a_node_that_is_tried_again_is_one_step():
    from langgraph.graph import StateGraph
    from langgraph.types import RetryPolicy

    tries = []

    async def flaky(state: Notes) -> Notes:
        tries.append(state)
        if len(tries) % 2:
            raise ConnectionError("not there yet")
        return {"lines": ["here"]}

    graph = StateGraph(Notes)
    graph.add_node("flaky", flaky, retry_policy=RetryPolicy(initial_interval=0.001, jitter=False))
    graph.add_edge("__start__", "flaky")

    report = check(graph.compile(), {"lines": []}, runs=2)

    assert report.deterministic
    assert report.modal_state["lines"] == ["here"]
    assert [step.label for step in report.steps] == ["0:flaky"]
    assert len(tries) == 4


def test_nodes_that_are_sent_to_are_steps_in_the_order_of_sending():
    from langgraph.graph import StateGraph
    from langgraph.types import Send

    async def visit(state: Any) -> Notes:
        await asyncio.sleep(random.uniform(0.0, 0.001))
        return {"lines": [state["place"]]}

    graph = StateGraph(Notes)
    graph.add_node("visit", visit)
    places = [f"place {number}" for number in range(11)]
    graph.add_conditional_edges(
        "__start__", lambda state: [Send("visit", {"place": place}) for place in places], ["visit"]
    )

    report = check(graph.compile(), {"lines": []}, runs=4)

    assert report.deterministic
    assert report.modal_state["lines"] == places
    assert [step.label for step in report.steps][:3] == ["0:visit ×11", "0.0:visit", "0.1:visit"]
    assert all(step.agreement == 1.0 for step in report.steps)


def test_a_graph_that_is_not_compiled_is_refused_with_what_to_do():
    from langgraph.graph import StateGraph

    with pytest.raises(UsageError, match=r"graph\.compile\(\)"):
        foreign_target(StateGraph(Notes))


def test_drawing_of_langgraph_has_its_nodes_and_edges():
    async def write(state: Notes) -> Notes:
        return {}

    async def edit(state: Notes) -> Notes:
        return {}

    graph = compiled(
        write, edit, edges=[("__start__", "write"), ("write", "edit"), ("edit", "__end__")]
    )

    drawing = foreign_target(graph).drawing

    names = dict(drawing.nodes)
    edges = {(names[source], names[target]) for source, target, _ in drawing.edges}
    assert edges == {("start", "write"), ("write", "edit"), ("edit", "end")}
