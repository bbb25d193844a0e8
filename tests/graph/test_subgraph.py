"""A graph as a node of another: addresses, events, slots, failures and stops across the border."""

import asyncio
from typing import Any

import pytest
from execution.nodes import (
    Board,
    Ctx,
    Outputs,
    Split,
    Watch,
    Work,
    no_other_tasks,
    run_fork,
    workers,
)
from pydantic import BaseModel

from lift_sys import (
    BaseNode,
    End,
    Graph,
    Majority,
    MergeStrategy,
    ParallelExecutor,
    RetryPolicy,
    RunContext,
    Stop,
    Subgraph,
    Timeouts,
)
from lift_sys.core.events import Event, NodeFinished, RunFinished, RunStarted
from lift_sys.core.usage import Usage
from lift_sys.errors import NodeError, NotAModelError, StepLimitError
from lift_sys.graph.result import RunResult
from lift_sys.testing import virtual


class Count(BaseModel):
    """A state of another type."""

    number: int = 0


class Double(BaseNode[Count]):
    async def run(self, ctx: RunContext[Count]) -> End[int]:
        ctx.state.number *= 2
        ctx.add_usage(Usage(calls=1))
        return End(ctx.state.number)


def doubling(then: Any = None, graph: Graph[Count] | None = None) -> Subgraph[Board, Count]:
    """Doubles the board's count by a graph on `Count`."""

    def leave(state: Board, result: RunResult[Count]) -> Any:
        state.count = result.state.number
        return then

    return Subgraph(
        graph or Graph(Double), enter=lambda state: Count(number=state.count), leave=leave
    )


def boards(graph: Graph[Board], then: Any = None) -> Subgraph[Board, Board]:
    """Runs a graph on the board itself."""

    def leave(state: Board, result: RunResult[Board]) -> Any:
        state.notes |= result.state.notes
        return then

    return Subgraph(graph, enter=lambda state: state, leave=leave)


@virtual
async def test_a_graph_runs_inside_another_on_a_state_of_its_own():
    """`enter` makes its state, `leave` brings the result back, and may say what follows."""
    last = await Graph(doubling()).run(state=Board(count=4))
    more = await Graph(doubling(then=doubling())).run(state=Board(count=4))

    assert (last.state.count, last.output) == (8, 8)
    assert (more.state.count, more.output) == (16, 16)
    assert dict(more.blame) == {"count": ("1:Subgraph",)}


@virtual
async def test_addresses_go_on_below_the_step():
    """`>` enters the inner graph, also from inside a branch, and again inside of that."""
    innermost = Graph(Split([Work("deep")]))
    inner = Graph(Work("a", then=Split([Work("b"), boards(innermost)], then=Work("c"))))

    result = await run_fork([boards(inner, then=Work("d")), Work("e")])

    assert result.state.notes == {
        "a": "0.0>0",
        "b": "0.0>1.0",
        "deep": "0.0>1.1>0.0",
        "c": "0.0>2",
        "d": "0.0/1",
        "e": "0.1",
    }


@virtual
async def test_events_usage_and_seed_are_the_outer_runs():
    """One stream, one ledger, one execution id; the inner run is told with its address."""
    events: list[Event] = []

    result = await Graph(doubling()).run(state=Board(count=1), seed=6, on_event=events.append)

    told = [
        (type(event).__name__, event.address, event.node)
        for event in events
        if isinstance(event, (RunStarted, NodeFinished, RunFinished))
    ]
    assert told == [
        ("RunStarted", "", ""),
        ("RunStarted", "0>", ""),
        ("NodeFinished", "0>0", "Double"),
        ("RunFinished", "0>", ""),
        ("NodeFinished", "0", "Subgraph"),
        ("RunFinished", "", ""),
    ]
    assert {event.execution_id for event in events} == {result.execution_id}
    assert {event.seed for event in events if isinstance(event, RunStarted)} == {6}
    assert dict(result.usage) == {"0>0": Usage(calls=1)}


@virtual
async def test_a_failure_inside_is_the_steps_failure():
    """It names the inner step; siblings are cancelled as for any other failure."""
    watch = Watch()
    inner = Graph(Split([Work("bad", 1, ValueError("x")), Work("cousin", 60)]))

    with pytest.raises(Exception, match=r"Step 0\.0>0\.0 \(Work\) failed.*ValueError: x"):
        await run_fork([boards(inner), Work("sibling", 60)], watch=watch)

    assert watch.how("cousin") == watch.how("sibling") == "cancelled"
    assert no_other_tasks()


@virtual
async def test_a_subgraph_can_be_retried_and_timed():
    """It is a node like any other: each attempt starts from the state before."""
    calls: list[int] = []

    async def flaky(ctx: Ctx) -> None:
        calls.append(ctx.state.count)
        ctx.state.count += 1
        if len(calls) < 3:
            raise ConnectionError

    retried = type("Retried", (Subgraph,), {"retry": RetryPolicy(first_delay=1, jitter=0)})
    timed = type("Timed", (Subgraph,), {"timeouts": Timeouts(node=2)})
    copy = {"enter": lambda state: state, "leave": lambda state, result: None}

    result = await Graph(retried(Graph(Work("a", act=flaky)), **copy)).run(
        state=Board(), deps=Watch()
    )
    with pytest.raises(NodeError, match="The node timeout of 2 s passed"):
        await Graph(timed(Graph(Split(workers(60))), **copy)).run(state=Board(), deps=Watch())

    assert (calls, result.output) == ([0, 0, 0], "a")
    assert no_other_tasks()


@virtual
async def test_stop_inside_ends_the_outer_run():
    """From anywhere: `leave` takes the inner state in, what follows is not run, siblings end."""
    watch = Watch()
    inner = Graph(Split([Work("a", 1, Stop("found")), Work("b", 60)]))

    result = await run_fork([boards(inner, then=Work("never")), Work("c", 60)], watch=watch)

    assert (result.output, result.stopped, result.elapsed) == ("found", True, 1)
    assert result.state.notes == {"a": "0.0>0.0"}
    assert "never" not in watch.started
    assert watch.how("b") == watch.how("c") == "cancelled"


@virtual
async def test_what_happens_inside_is_in_the_outer_result():
    """Votes, discarded writes, counts, attempts and seconds; also where a branch is a fork."""
    voters = [Work(str(index), 1, label=label) for index, label in enumerate("aba")]
    inner = Graph(Split(voters, strategy=Majority(key="label")))

    result = await run_fork([boards(inner), Work("x", 1)])

    assert {at: vote.classes for at, vote in result.votes.items()} == {"0.0>0": ((0, 2), (1,))}
    assert [each.label for each in result.discarded] == ["0.0>0.1:Work", "0.0>0.2:Work"]
    statistics = result.statistics
    assert (statistics["steps"], statistics["attempts"]) == (8, 8)
    assert (statistics["forks"], statistics["branches"]) == (2, 5)
    assert (statistics["sequential_seconds"], statistics["estimated_speedup"]) == (4, 4)


@virtual
async def test_metadata_and_provenance_go_in_and_come_out():
    """The inner nodes see what was there, and what they add is kept, once."""

    def note(ctx: Ctx) -> None:
        ctx.metadata[ctx.address] = len(ctx.provenance)
        ctx.add_provenance("Work", "none")

    inner = Graph(Work("b", act=note))
    graph = Graph(Work("a", act=note, then=boards(inner, then=Work("c", act=note))))

    context = (await graph.run(state=Board(), deps=Watch())).context

    assert context.metadata == {"0": 0, "1>0": 1, "2": 2}
    assert [entry["address"] for entry in context.provenance] == ["0", "1>0", "2"]


@virtual
async def test_steps_inside_count_for_the_limit():
    """An endless chain of runs inside is stopped, and the limit is the whole run's failure."""

    class Again(Subgraph[Board, Board]):
        pass

    again: Any = None

    def leave(state: Board, result: RunResult[Board]) -> Any:
        return again

    again = Again(Graph(Work("in")), enter=lambda state: state, leave=leave)

    for inner in (again, boards(Graph(again))):
        with pytest.raises(StepLimitError):
            await run_fork(
                [inner, Work("x")],
                strategy=MergeStrategy.BEST_EFFORT,
                executor=ParallelExecutor(max_steps=50),
            )


@virtual
async def test_policies_of_the_outer_executor_hold_inside():
    """Retries, for one, unless the inner graph was given an executor."""
    policy = RetryPolicy(first_delay=1, jitter=0)
    calls: list[int] = []

    def flaky(ctx: Ctx) -> None:
        calls.append(ctx.attempt)
        if len(calls) < 2:
            raise ConnectionError

    inner = Graph(Work("a", act=flaky))
    await Graph(boards(inner), executor=ParallelExecutor(retry=policy)).run(
        state=Board(), deps=Watch()
    )
    alone = await inner.run(state=Board(), deps=Watch())

    assert (calls, alone.output) == ([1, 2, 1], "a")


@virtual
async def test_the_inner_graph_keeps_the_limits_it_was_given():
    """An executor of its own has its own slots and step limit; without one the outer slots hold."""
    watch = Watch()
    nodes = workers(1, 1, 1, notes=False)
    wide = Graph(Split(nodes), executor=ParallelExecutor(3))

    own = await run_fork([boards(wide)], watch=watch, executor=ParallelExecutor(1))
    shared = await run_fork([boards(Graph(Split(nodes)))], executor=ParallelExecutor(1))

    assert (own.elapsed, shared.elapsed) == (1, 3)
    with pytest.raises(NodeError) as caught:
        await Graph(boards(Graph(Split(nodes), executor=ParallelExecutor(max_steps=2)))).run(
            state=Board(), deps=Watch()
        )
    assert isinstance(caught.value.error, StepLimitError)


@virtual
async def test_enter_must_make_the_inner_graphs_state():
    """A wrong type is told before an inner node runs."""
    wrong = Subgraph(Graph(Double), enter=lambda state: state, leave=lambda state, result: None)

    with pytest.raises(NodeError) as caught:
        await Graph(wrong).run(state=Board())

    assert isinstance(caught.value.error, NotAModelError)
    assert "has to be a Count, not Board" in str(caught.value)


@virtual
async def test_branches_run_one_inner_graph_each():
    """One Graph object in several branches at once, each on its own state."""

    def setter(label: str) -> Any:
        def enter(state: Board) -> Board:
            return Board(label=label)

        def leave(state: Board, result: RunResult[Board]) -> Any:
            state.notes[label] = result.state.label

        return Subgraph(graph, enter=enter, leave=leave)

    graph = Graph(Work("x", 1))

    result = await run_fork(
        [setter("a"), setter("b")], strategy=MergeStrategy.ALL_SUCCESS, then=Outputs()
    )

    assert result.state.notes == {"a": "a", "b": "b"}
    assert result.elapsed == 1


class Notes(BaseModel):
    number: int = 0


class Note(BaseNode[Notes]):
    async def run(self, ctx: RunContext[Notes]) -> End:
        await asyncio.sleep(ctx.state.number)
        ctx.metadata[f"note {ctx.state.number}"] = ctx.address
        ctx.add_provenance("Note", "none", number=ctx.state.number)
        return End()


class Beside(BaseNode[Notes]):
    """Runs a graph three times at once, inside of one step."""

    async def run(self, ctx: RunContext[Notes]) -> End:
        ctx.metadata["before"] = True
        inner = Graph(Note)
        await asyncio.gather(*[inner.run_inside(ctx, Notes(number=3 - at)) for at in range(3)])
        return End()


@virtual
async def test_runs_side_by_side_inside_a_step_have_addresses_and_notes_of_their_own():
    result = await Graph(Beside).run(state=Notes())

    assert result.context.metadata == {
        "before": True,
        "note 3": "0>0",
        "note 2": "0~1>0",
        "note 1": "0~2>0",
    }
    entries = {entry["number"]: entry["address"] for entry in result.context.provenance}
    assert entries == {3: "0>0", 2: "0~1>0", 1: "0~2>0"}


async def test_the_first_entry_of_a_run_inside_comes_once():
    """An empty list of the outer run is not the inner one's own."""

    class First(BaseNode[Count]):
        async def run(self, ctx: RunContext[Count]) -> End:
            ctx.add_provenance("First", "none")
            ctx.metadata["first"] = 1
            return End()

    inner = Subgraph[Count, Count](
        Graph(First), enter=lambda state: Count(), leave=lambda state, result: None
    )

    context = (await Graph(inner).run(state=Count())).context

    assert [entry["node"] for entry in context.provenance] == ["First"]
    assert context.metadata == {"first": 1}
