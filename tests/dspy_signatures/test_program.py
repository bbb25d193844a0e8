"""Programs as a user of the first design writes them: its imports, its node shapes, its errors."""

import asyncio
import pickle
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel

from lift_sys import Graph
from lift_sys.dspy_signatures import (
    AbstractBaseNode,
    BaseNode,
    End,
    MergeError,
    MergeStrategy,
    NextNode,
    NodeResult,
    ParallelExecutionError,
    ParallelExecutor,
    RunContext,
)
from lift_sys.testing import run_virtual, virtual


class Draft(BaseModel):
    prompt: str
    counter: int = 0
    candidates: list[str] = []
    spec: str = ""


class Plain:
    """No base class at all."""

    async def run(self, ctx: RunContext[Draft]) -> End:
        ctx.state.counter += 1
        return End()


@dataclass
class Data:
    """A dataclass; its fields are how it is set up."""

    step: int = 10

    async def run(self, ctx: RunContext[Draft]) -> Plain:
        ctx.state.counter += self.step
        return Plain()


class Model(BaseModel):
    """A pydantic model."""

    step: int = 100

    async def run(self, ctx: RunContext[Draft]) -> Data:
        ctx.state.counter += self.step
        return Data()


class Contract:
    """The four members of the node interface (H6), written out."""

    signature: Any = "prompt -> spec"

    def extract_inputs(self, state: Draft) -> dict[str, Any]:
        return {"prompt": state.prompt}

    def update_state(self, state: Draft, result: Any) -> None:
        state.spec = result["spec"]

    async def run(self, ctx: RunContext[Draft]) -> BaseNode[Draft] | End:
        inputs = self.extract_inputs(ctx.state)
        self.update_state(ctx.state, {"spec": f"spec of {inputs['prompt']}"})
        ctx.add_provenance(type(self).__name__, self.signature)
        return Model()


class Derived(AbstractBaseNode[Draft]):
    """A subclass of the abstract node, by its generic name."""

    async def run(self, ctx: RunContext[Draft]) -> NextNode[Draft]:
        ctx.state.candidates.append("derived")
        return Contract()


class Failing(BaseNode[Draft]):
    def __init__(self, error: Exception) -> None:
        self.error = error

    async def run(self, ctx: RunContext[Draft]) -> End:
        ctx.state.counter = -1
        raise self.error


def draft() -> RunContext[Draft]:
    return RunContext(state=Draft(prompt="sort"), execution_id="run-1")


async def failed_group() -> list[NodeResult[Draft]]:
    nodes = [Failing(ValueError("no key")), Failing(KeyError("plan"))]
    return await ParallelExecutor(max_concurrent=2).execute_parallel(nodes, draft())


@pytest.mark.parametrize(
    "node", [Plain(), Data(), Model(), Contract(), Derived()], ids=lambda node: type(node).__name__
)
async def test_each_shape_of_node_runs_on_a_copy(node):
    """A node needs a `run` and no base class; the context that it was given stays as it was."""
    ctx = draft()

    result = await ParallelExecutor(max_concurrent=4).execute_single_with_isolation(node, ctx)

    assert result.is_success
    assert result.node is node
    assert result.error is None
    assert result.context.state != ctx.state
    assert ctx.state == Draft(prompt="sort")
    assert ctx.provenance == []


async def test_shapes_of_nodes_follow_each_other_in_a_graph():
    """A walk from shape to shape does what each of them does, in order."""
    graph = Graph(Derived)

    result = await graph.run(state=Draft(prompt="sort"), execution_id="run-1")

    assert graph.state_type is Draft
    assert result.state.counter == 111
    assert result.state.candidates == ["derived"]
    assert result.state.spec == "spec of sort"
    (entry,) = result.context.provenance
    assert (entry["node"], entry["signature"]) == ("Contract", "prompt -> spec")
    assert entry["execution_id"] == "run-1"


def test_program_of_alternatives_merges_and_counts():
    """Try three ways at once, take the first declared one that worked, and look at the numbers."""

    class Attempt(BaseNode[Draft]):
        def __init__(self, name: str, seconds: float, *, works: bool = True) -> None:
            self.name, self.seconds, self.works = name, seconds, works

        async def run(self, ctx: RunContext[Draft]) -> BaseNode[Draft] | End:
            await asyncio.sleep(self.seconds)
            if not self.works:
                raise RuntimeError(f"{self.name} gave up")
            ctx.state.candidates.append(self.name)
            ctx.metadata["winner"] = self.name
            ctx.add_provenance(self.name, "prompt -> code")
            return End()

    async def program() -> None:
        executor: ParallelExecutor[Draft] = ParallelExecutor(max_concurrent=4)
        ctx = RunContext(
            state=Draft(prompt="sort"),
            execution_id="run-1",
            user_id="user-1",
            metadata={"language": "python"},
            provenance=[{"node": "Read", "signature": "text -> prompt"}],
        )
        nodes = [Attempt("quick", 0.1, works=False), Attempt("sound", 0.4), Attempt("third", 0.2)]

        results = await executor.execute_parallel(nodes, ctx)

        assert [result.is_success for result in results] == [False, True, True]
        assert isinstance(results[0].error, RuntimeError)
        assert [result.is_end for result in results] == [False, True, True]
        merged = executor.merge_states(results, MergeStrategy.FIRST_SUCCESS)
        assert merged.state.candidates == ["sound"]
        assert merged.metadata == {"language": "python", "winner": "sound"}
        assert [entry["node"] for entry in merged.provenance] == ["Read", "sound"]
        assert (merged.execution_id, merged.user_id) == ("run-1", "user-1")
        statistics = executor.get_statistics(results)
        assert (statistics["total_nodes"], statistics["successful"], statistics["failed"]) == (
            3,
            2,
            1,
        )
        assert results[1].execution_time_ms == pytest.approx(400)

    _, elapsed = run_virtual(program())

    assert elapsed == pytest.approx(0.4)


@pytest.mark.parametrize("strategy", MergeStrategy)
@pytest.mark.parametrize("kind", [ParallelExecutionError, MergeError])
async def test_group_of_failures_does_not_merge(strategy, kind):
    """Whichever of the two errors the caller guards by, every strategy says that all failed."""
    executor = ParallelExecutor()
    results = await failed_group()

    with pytest.raises(kind, match=r"^All parallel nodes failed") as caught:
        executor.merge_states(results, strategy)

    assert [node for node, _ in caught.value.failed_nodes] == [result.node for result in results]
    assert [type(error) for _, error in caught.value.failed_nodes] == [ValueError, KeyError]
    assert caught.value.partial_results == results


async def test_unmet_strategy_says_what_was_asked():
    """One failure among three is no failure of all, and the survivors are in the error."""
    nodes = [Plain(), Failing(ValueError("no key")), Plain()]
    executor = ParallelExecutor()
    results = await executor.execute_parallel(nodes, draft())

    with pytest.raises(MergeError, match=r"^Parallel nodes failed.*(?s:.*)no key") as caught:
        executor.merge_states(results, MergeStrategy.ALL_SUCCESS)

    assert isinstance(caught.value, ParallelExecutionError)
    assert len(caught.value.failed_nodes) == 1
    assert len(caught.value.partial_results) == 3


async def test_unmet_strategy_crosses_process_borders():
    """The error that is two kinds at once pickles like all others."""
    results = await failed_group()
    with pytest.raises(ParallelExecutionError) as caught:
        ParallelExecutor().merge_states(results)

    copy = pickle.loads(pickle.dumps(caught.value))

    assert type(copy) is type(caught.value)
    assert str(copy) == str(caught.value)
    assert isinstance(copy, MergeError)


def test_error_is_made_as_the_first_design_makes_it():
    """All three arguments by name, and the values as attributes."""
    node, failure = Plain(), ValueError("no key")

    error = ParallelExecutionError(
        message="All parallel nodes failed", failed_nodes=[(node, failure)], partial_results=[]
    )

    assert str(error).startswith("All parallel nodes failed")
    assert "Plain: ValueError: no key" in str(error)
    assert error.message == "All parallel nodes failed"
    assert error.failed_nodes == [(node, failure)]
    assert error.partial_results == []


@pytest.mark.parametrize("limit", [0, -3])
def test_executor_without_slots_is_refused(limit):
    """A limit below one would never run anything."""
    with pytest.raises(ValueError, match="max_concurrent must be ≥1"):
        ParallelExecutor(max_concurrent=limit)


@virtual
async def test_default_strategy_is_first_success():
    """`merge_states(results)` takes the lowest declared success, whoever was quickest."""

    class Wait(BaseNode[Draft]):
        def __init__(self, seconds: float) -> None:
            self.seconds = seconds

        async def run(self, ctx: RunContext[Draft]) -> End:
            await asyncio.sleep(self.seconds)
            ctx.state.spec = str(self.seconds)
            return End()

    executor = ParallelExecutor(max_concurrent=3)
    results = await executor.execute_parallel([Wait(3), Wait(1), Wait(2)], draft())

    assert executor.merge_states(results).state.spec == "3"
