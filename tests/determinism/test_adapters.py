"""Programs of LangGraph and pydantic-graph are checked as they are; their order bugs are found."""

import asyncio
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from random import Random

import pytest

from lift_sys.determinism import check_determinism, explore, replay

# It is in the development group only, as nothing of ours needs it.
needs_langgraph = pytest.mark.extra("langgraph")
needs_pydantic_graph = pytest.mark.extra("pydantic_graph")


def example(project, name):
    """A program of examples/ as a module; its types are looked up in `sys.modules`."""
    spec = spec_from_file_location(name, project / "examples" / f"{name}.py")
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def fixed():
    """Services that are as slow in every run: nothing but the order is left to chance."""
    return Random(7)


def check(target, state, **options):
    return asyncio.run(check_determinism(target, state, **options))


def rows(report):
    return {step.label: step for step in report.steps}


# --- the two bugs --------------------------------------------------------------------------------


@needs_langgraph
def test_shared_nested_state_of_langgraph_is_found_by_repeating(project):
    """Branches that returned the same left different states: the join of the superstep is blamed."""
    graph = example(project, "langgraph_shared_state").review_graph(careful=False)

    report = check(graph, {"draft": {"remarks": []}, "remarks": []}, runs=30, deps=Random)

    assert not report.deterministic
    assert report.framework_deterministic is False
    assert report.first_divergence.kind == "join"
    assert report.first_divergent_node == "0:facts + style"
    assert report.first_divergent_field == "$.draft.remarks"
    assert "1:edit" in report.divergences.passed_on
    notes = [row.note for timeline in report.timelines for row in timeline.rows]
    assert any("its input was changed in place" in note for note in notes)


@needs_langgraph
def test_shared_nested_state_of_langgraph_is_found_by_exploring_and_replays(project):
    """The order of two branches is all it takes, and the string brings it back each time."""
    graph = example(project, "langgraph_shared_state").review_graph(careful=False)
    start = {"draft": {"remarks": []}, "remarks": []}

    found = explore(graph, start, deps=fixed, budget=100)

    assert found.verdict == "differs"
    assert len(found.counterexample.constraints) <= 2
    schedule = found.counterexample.schedule
    seen = [replay(graph, start, schedule=schedule, deps=fixed).digest for _ in range(5)]
    assert set(seen) == {found.counterexample.outcome.digest}
    assert found.counterexample.outcome.digest != found.counterexample.expected.digest


@needs_langgraph
def test_langgraph_with_reducers_only_is_no_false_alarm(project):
    """The same graph, with what the branches return joined by a reducer, agrees in all orders."""
    graph = example(project, "langgraph_shared_state").review_graph(careful=True)
    start = {"draft": {"remarks": []}, "remarks": []}

    assert check(graph, start, runs=10, deps=Random).deterministic
    assert explore(graph, start, deps=fixed, budget=60).is_deterministic


@needs_pydantic_graph
def test_completion_order_join_of_pydantic_graph_is_found_by_repeating(project):
    """Each branch returned the same, and the join made another list of it."""
    graph = example(project, "pydantic_graph_join").market(careful=False)

    report = check(graph, ["Ada", "Bob", "Clio"], runs=30, deps=Random)

    assert not report.deterministic
    assert report.framework_deterministic is False
    assert report.first_divergence.kind == "join"
    assert report.first_divergent_node == "0:offers"
    assert rows(report)["0.0:ask"].agreement == 1.0


@needs_pydantic_graph
def test_completion_order_join_of_pydantic_graph_is_found_by_exploring_and_replays(project):
    """The line to paste runs the graph under the order that was found."""
    graph = example(project, "pydantic_graph_join").market(careful=False)
    suppliers = ["Ada", "Bob", "Clio"]

    report = check(graph, suppliers, runs=2, deps=fixed, explore=100)

    found = report.exploration
    assert found.verdict == "differs"
    schedule = found.counterexample.schedule
    assert schedule in report.reproduce
    seen = [replay(graph, suppliers, schedule=schedule, deps=fixed).digest for _ in range(5)]
    assert set(seen) == {found.counterexample.outcome.digest}


@needs_pydantic_graph
def test_a_choice_that_ignores_the_order_is_no_false_alarm(project):
    """The list still comes in another order, but the result does not move."""
    graph = example(project, "pydantic_graph_join").market(careful=True)

    assert check(graph, ["Ada", "Bob"], runs=10, deps=Random).deterministic
    assert explore(graph, ["Ada", "Bob"], deps=fixed, budget=60).is_deterministic


# --- what is none of theirs ----------------------------------------------------------------------


def test_nothing_is_imported_to_find_out_what_a_target_is():
    """Asking for the adapter of a plain function loads no framework."""
    code = (
        "import sys\n"
        "from lift_sys.determinism.adapters import foreign_target\n"
        "assert foreign_target(print) is None\n"
        "loaded = {'langgraph', 'pydantic_graph', 'pydantic_ai', 'dspy'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )

    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
