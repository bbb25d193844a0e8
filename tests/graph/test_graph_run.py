"""Ways to run a graph: at once, step by step, as a stream of events, without a loop."""

import asyncio
import pickle
from datetime import datetime
from types import MappingProxyType
from typing import Any

import pytest
from execution.nodes import Board, Ctx, Outputs, Split, Watch, Work, no_other_tasks, workers

from lift_sys import BaseNode, End, Graph, MergeStrategy
from lift_sys.core.events import Event, RunFinished
from lift_sys.core.usage import Usage
from lift_sys.errors import (
    GraphError,
    LiftError,
    ParallelExecutionError,
    RunningLoopError,
    UsageError,
)
from lift_sys.testing import EPOCH, VirtualClock, virtual


def forked(**options: Any) -> Graph[Board]:
    return Graph(Split([Work("0", 2, then=Work("0/1", 1)), Work("1", 1)], **options))


# --- run ----------------------------------------------------------------------------------------


@virtual
async def test_a_run_does_not_touch_what_it_was_given():
    """State and metadata are copied; `deps` is the very object."""
    state, metadata, watch = Board(notes={"a": [1]}), {"deep": [1]}, Watch()

    def act(ctx: Ctx) -> None:
        ctx.state.notes["a"].append(2)
        ctx.metadata["deep"].append(2)
        assert ctx.deps is watch
        assert (ctx.execution_id, ctx.user_id) == ("run", "ada")

    result = await Graph(Work(act=act)).run(
        state=state, metadata=metadata, deps=watch, execution_id="run", user_id="ada"
    )

    assert (state.notes, metadata) == ({"a": [1]}, {"deep": [1]})
    assert result.state.notes["a"] == result.context.metadata["deep"] == [1, 2]
    assert result.execution_id == "run"


@virtual
async def test_a_run_may_start_elsewhere():
    """At another node of the graph, given as an instance."""
    graph = Graph(Work("start", then=Outputs()))

    assert (await graph.run(Outputs(), state=Board(), deps=Watch())).output == []
    with pytest.raises(TypeError, match="is no node"):
        await graph.run("start", state=Board())


async def test_a_start_that_needs_arguments_is_told_how_to_be_given():
    """A class stands for an instance of it only where there is nothing to say."""

    class Named(BaseNode[Board]):
        def __init__(self, name: str) -> None:
            self.name = name

        async def run(self, ctx: Ctx) -> End[str]:
            return End(self.name)

    with pytest.raises(GraphError, match=r"give an instance, `Graph\(Named\(...\)\)`"):
        await Graph(Named).run(state=Board())
    assert (await Graph(Named).run(Named("x"), state=Board())).output == "x"


@virtual
async def test_a_seed_reproduces_what_nodes_draw():
    """By address: in any order of execution; and a run that was given none tells its own."""

    async def draws(seed: int | None, *seconds: float) -> tuple[dict[str, float], int]:
        def act(ctx: Ctx) -> None:
            ctx.state.notes[ctx.address] = ctx.random.random()

        nodes = [Work(str(i), length, act=act, notes=False) for i, length in enumerate(seconds)]
        result = await Graph(Split(nodes)).run(state=Board(), deps=Watch(), seed=seed)
        return result.state.notes, result.seed

    drawn, seed = await draws(None, 1, 2, 3)
    again, _ = await draws(seed, 3, 1, 2)
    other, _ = await draws(seed + 1, 1, 2, 3)

    assert drawn == again
    assert len({*drawn.values(), *other.values()}) == 6


def test_the_clock_of_a_run_is_what_nodes_ask():
    """A virtual one tells virtual time."""
    clock = VirtualClock()
    told: list[datetime] = []
    node = Work(seconds=90, act=lambda ctx: told.append(ctx.now()))

    clock.run(Graph(node).run(state=Board(), deps=Watch(), clock=clock))

    assert (told[0] - EPOCH).total_seconds() == 90


@virtual
async def test_one_graph_serves_many_runs_at_once():
    """Nothing of a run stays in it."""
    graph = forked()

    results = await asyncio.gather(
        *(graph.run(state=Board(count=count), deps=Watch()) for count in range(5))
    )

    assert [result.state.count for result in results] == [0, 1, 2, 3, 4]
    assert all(result.state.trail == ["0", "0/1", "1"] for result in results)
    assert len({result.execution_id for result in results}) == 5


@virtual
async def test_what_was_spent_stays_in_the_ledger():
    """By address; the cost of failed and cancelled branches, too."""

    async def spend(ctx: Ctx) -> None:
        ctx.add_usage(Usage(calls=1, input_tokens=10, cost=0.5))
        await asyncio.sleep(5)

    nodes = [Work("0", act=spend), Work("1", 1, act=spend), Work("2", then=ValueError(), act=spend)]
    result = await Graph(Split(nodes, strategy=MergeStrategy.RACE)).run(state=Board(), deps=Watch())

    assert {address: usage.calls for address, usage in result.usage.items()} == {
        "0.0": 1,
        "0.1": 1,
        "0.2": 1,
    }
    assert (result.usage.total.tokens, result.usage.total.cost) == (30, 1.5)


@virtual
async def test_what_a_failed_run_has_spent_is_on_its_error():
    """And in its last event, which tells of cancelled runs, too."""
    events: list[Event] = []

    def spend(ctx: Ctx) -> None:
        ctx.add_usage(Usage(calls=1))

    failing = Work("0", act=spend, then=Split([Work("1", then=ValueError("x"), act=spend)]))
    with pytest.raises(LiftError) as caught:
        await Graph(failing).run(state=Board(), deps=Watch(), on_event=events.append)
    waiting = Graph(Work("0", act=spend, then=Work("1", 60)))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await waiting.run(state=Board(), deps=Watch(), on_event=events.append)

    assert dict(caught.value.usage) == {"0": Usage(calls=1), "1.0": Usage(calls=1)}
    assert pickle.loads(pickle.dumps(caught.value)).usage == caught.value.usage
    spent = [event.usage.total.calls for event in events if isinstance(event, RunFinished)]
    assert spent == [2, 1]


@virtual
async def test_statistics_of_a_run():
    """Steps, branches and the seconds that parallel work has saved."""
    nodes = [Work("0", 2), Work("1", 3), Work("2", 1, ValueError()), Work("3", 60)]
    graph = Graph(Split(nodes[:3], strategy=MergeStrategy.BEST_EFFORT, then=Outputs()))

    result = await graph.run(state=Board(), deps=Watch())

    assert result.elapsed == 3
    assert result.statistics == {
        "steps": 5,
        "attempts": 4,
        "cache_hits": 0,
        "forks": 1,
        "branches": 3,
        "failed_branches": 1,
        "cancelled_branches": 0,
        "sequential_seconds": 6,
        "elapsed_seconds": 3,
        "estimated_speedup": 2,
    }


# --- run_sync -----------------------------------------------------------------------------------


def test_run_sync_needs_no_loop():
    """It takes the arguments of `run`."""
    graph = Graph(Split(workers(0, 0)))

    result = graph.run_sync(state=Board(count=7), deps=Watch(), seed=3)

    assert (result.state.count, result.seed) == (7, 3)


@virtual
async def test_run_sync_inside_a_loop_says_what_to_write_instead():
    """In a notebook or a server it can't block."""
    with pytest.raises(RunningLoopError, match=r"Write `await graph\.run\(\.\.\.\)`"):
        forked().run_sync(state=Board())


# --- iter ---------------------------------------------------------------------------------------


@virtual
async def test_a_run_can_be_taken_step_by_step():
    """Each step is shown with the state it left, and the run waits until the next is asked for."""
    watch = Watch()
    seen = []

    async with Graph(Work("a", then=Work("b", then=Work("c")))).iter(
        state=Board(), deps=watch, seed=1, metadata={"x": 1}, user_id="ada"
    ) as steps:
        async for step in steps:
            await asyncio.sleep(10)
            seen.append((step.address, [*step.state.trail], watch.started[-1]))
            assert step.node.name == watch.started[-1]

    assert seen == [("0", ["a"], "a"), ("1", ["a", "b"], "b"), ("2", ["a", "b", "c"], "c")]
    assert steps.result.output == "c"
    assert steps.result.seed == 1
    assert steps.result.context.metadata == {"x": 1}


async def test_a_run_that_was_left_early_has_no_result():
    async with Graph(Work("a", then=Work("b"))).iter(state=Board(), deps=Watch()) as steps:
        await anext(steps)

    with pytest.raises(UsageError, match="no result yet: iterate over its steps to the end"):
        _ = steps.result
    assert no_other_tasks()


@virtual
async def test_steps_of_branches_come_one_at_a_time():
    """In the order in which they finish; a failure is raised to who iterates."""
    addresses = []
    graph = Graph(Split([Work("0", 2), Work("1", 1), Work("2", 3, ValueError("x"))]))

    async def look() -> None:
        async with graph.iter(state=Board(), deps=Watch()) as steps:
            async for step in steps:
                addresses.append(step.address)  # noqa: PERF401  it raises

    with pytest.raises(ParallelExecutionError, match="ValueError: x"):
        await look()

    assert addresses == ["0", "0.1", "0.0"]
    assert no_other_tasks()


@virtual
async def test_steps_are_logged_and_misspelt_options_refused(caplog: pytest.LogCaptureFixture):
    """`iter` takes what `run` takes, and does with it what `run` does."""
    metadata = MappingProxyType({"x": 1})

    with caplog.at_level("DEBUG", logger="lift_sys.execution"):
        async with Graph(Work("a")).iter(state=Board(), deps=Watch(), metadata=metadata) as steps:
            async for _ in steps:
                pass

    assert steps.result.context.metadata == {"x": 1}
    assert "run finished" in caplog.text
    with pytest.raises(TypeError, match="provenance"):
        async with Graph(Work("a")).iter(state=Board(), provenance=[]):
            pass
