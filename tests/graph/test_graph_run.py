"""Ways to run a graph: at once, step by step, as a stream of events, without a loop."""

import asyncio
import logging
from contextlib import aclosing
from datetime import datetime
from typing import Any

import pytest
from execution.nodes import Board, Ctx, Outputs, Split, Watch, Work, no_other_tasks, workers

from lift_sys import End, Graph, MergeStrategy, ParallelExecutor, Stop
from lift_sys.core.events import (
    BranchFinished,
    Emitted,
    Event,
    GroupFinished,
    GroupStarted,
    NodeFailed,
    NodeFinished,
    NodeStarted,
    Progress,
    RunFinished,
    RunStarted,
    TokenDelta,
    UsageReported,
    Voted,
)
from lift_sys.core.usage import Usage
from lift_sys.errors import NodeError, RunningLoopError
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
    result = await Graph(Split(nodes, strategy=MergeStrategy.RACE)).run(
        state=Board(), deps=Watch()
    )

    assert {address: usage.calls for address, usage in result.usage.items()} == {
        "0.0": 1,
        "0.1": 1,
        "0.2": 1,
    }
    assert (result.usage.total.tokens, result.usage.total.cost) == (30, 1.5)


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
        "forks": 1,
        "branches": 3,
        "failed_branches": 1,
        "cancelled_branches": 0,
        "sequential_seconds": 5,
        "elapsed_seconds": 3,
        "estimated_speedup": pytest.approx(5 / 3),
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


@virtual
async def test_steps_of_branches_come_one_at_a_time():
    """In the order in which they finish; a failure is raised to who iterates."""
    addresses = []
    graph = Graph(Split([Work("0", 2), Work("1", 1), Work("2", 3, ValueError("x"))]))

    with pytest.raises(Exception, match="ValueError: x"):
        async with graph.iter(state=Board(), deps=Watch()) as steps:
            async for step in steps:
                addresses.append(step.address)

    assert addresses == ["0", "0.1", "0.0"]
    assert no_other_tasks()


# --- events -------------------------------------------------------------------------------------


@virtual
async def test_a_stream_tells_everything_in_order():
    """Each event after its cause; the last has the result; times are seconds of the run."""

    def act(ctx: Ctx) -> None:
        ctx.emit({"at": ctx.address})
        ctx.report_progress(1, 2)
        ctx.emit_tokens("he")
        ctx.emit_tokens("llo")
        ctx.add_usage(Usage(calls=1))

    graph = Graph(Split([Work("0", 1, act=act), Work("1", 2, ValueError())], strategy=MergeStrategy.BEST_EFFORT))

    events = [event async for event in graph.stream(state=Board(), deps=Watch(), seed=9)]

    told = [(type(event), event.address, event.time) for event in events]
    assert told == [
        (RunStarted, "", 0),
        (NodeStarted, "0", 0),
        (NodeFinished, "0", 0),
        (GroupStarted, "0", 0),
        (NodeStarted, "0.0", 0),
        (NodeStarted, "0.1", 0),
        (Emitted, "0.0", 1),
        (Progress, "0.0", 1),
        (TokenDelta, "0.0", 1),
        (UsageReported, "0.0", 1),
        (NodeFinished, "0.0", 1),
        (BranchFinished, "0.0", 1),
        (NodeFailed, "0.1", 2),
        (BranchFinished, "0.1", 2),
        (GroupFinished, "0", 2),
        (RunFinished, "", 2),
    ]
    assert events[0].seed == 9
    assert events[8].text == "hello"
    assert events[-1].result.state.trail == ["0"]
    assert len({event.execution_id for event in events}) == 1


@virtual
async def test_every_branch_of_a_group_is_told_to_end_once():
    """Cancelled ones, too, before the group ends; the numbers add up."""
    events: list[Event] = []
    nodes = [Work("0", 1), Work("1", 60), Work("2", 0.5, ValueError()), Work("3", 60)]
    graph = Graph(Split(nodes, strategy=MergeStrategy.RACE), executor=ParallelExecutor(3))

    await graph.run(state=Board(), deps=Watch(), on_event=events.append)

    ended = [event for event in events if isinstance(event, BranchFinished)]
    assert {event.index: event.status for event in ended} == {
        0: "succeeded",
        1: "cancelled",
        2: "failed",
        3: "cancelled",
    }
    assert [event.done for event in ended] == [1, 2, 3, 4]
    (group,) = [event for event in events if isinstance(event, GroupFinished)]
    assert (group.succeeded, group.failed, group.cancelled) == (1, 1, 2)
    assert events.index(group) > events.index(ended[-1])


@virtual
async def test_a_weak_plurality_is_told_as_such():
    """A winner with half of the votes or less is worth a warning."""

    async def vote(*labels: str) -> Voted:
        nodes = [Work(label, label=label, notes=False) for label in labels]
        events: list[Event] = []
        graph = Graph(Split(nodes, strategy=MergeStrategy.MAJORITY))
        await graph.run(state=Board(), deps=Watch(), on_event=events.append)
        (voted,) = [event for event in events if isinstance(event, Voted)]
        return voted

    assert (await vote("x", "y", "x", "z")).weak
    assert not (await vote("x", "y", "x")).weak


@virtual
async def test_a_stream_raises_what_the_run_raised_after_its_last_event():
    """Who iterates learns of the failure both ways."""
    events = []

    with pytest.raises(NodeError, match="ValueError: x"):
        async for event in Graph(Work(then=ValueError("x"))).stream(state=Board(), deps=Watch()):
            events.append(event)  # noqa: PERF401  it raises

    assert isinstance(events[-1], RunFinished)
    assert isinstance(events[-1].error, NodeError)


@pytest.mark.parametrize("kind", ["sync", "async"])
@virtual
async def test_an_observer_that_fails_changes_nothing(
    kind: str, caplog: pytest.LogCaptureFixture
):
    """It is logged once and called no more."""
    calls = []

    def fail(event: Event) -> None:
        calls.append(event)
        raise ValueError("observer")

    async def fail_later(event: Event) -> None:
        await asyncio.sleep(0.1)
        fail(event)

    with caplog.at_level(logging.ERROR):
        result = await forked().run(
            state=Board(), deps=Watch(), on_event=fail if kind == "sync" else fail_later
        )

    assert result.state.trail == ["0", "0/1", "1"]
    assert result.elapsed == 3
    assert len(calls) == 1
    assert len(caplog.records) == 1
    assert no_other_tasks()


@virtual
async def test_a_slow_observer_does_not_hold_up_the_run(caplog: pytest.LogCaptureFixture):
    """The run waits a moment for it at its end, then leaves; what it got was in order."""
    seen: list[Event] = []

    async def slow(event: Event) -> None:
        await asyncio.sleep(1.5)
        seen.append(event)

    result = await forked().run(state=Board(), deps=Watch(), on_event=slow)

    assert result.elapsed == 3
    assert asyncio.get_running_loop().time() == 5
    assert [type(event) for event in seen] == [RunStarted, NodeStarted, NodeFinished]
    assert "too slow" in caplog.text
    assert no_other_tasks()


@virtual
async def test_news_for_a_slow_observer_are_coalesced_without_losing_text():
    """Tokens add up, progress keeps the newest, and no fact is lost or overtaken."""

    async def talk(ctx: Ctx) -> None:
        for piece in range(100):
            ctx.emit_tokens(f"{piece},")
            ctx.report_progress(piece)
            if piece == 50:
                ctx.emit("half")
            await asyncio.sleep(0.001)

    seen: list[Event] = []

    async def slow(event: Event) -> None:
        await asyncio.sleep(0.07)
        seen.append(event)

    await Graph(Work(act=talk)).run(state=Board(), deps=Watch(), on_event=slow)

    kinds = [type(event) for event in seen]
    pieces = [event.text for event in seen if isinstance(event, TokenDelta)]
    before = "".join(
        event.text for event in seen[: kinds.index(Emitted)] if isinstance(event, TokenDelta)
    )
    assert "".join(pieces) == "".join(f"{piece}," for piece in range(100))
    assert len(pieces) < 10
    assert before.endswith(",50,")
    assert [event.done for event in seen if isinstance(event, Progress)][-1] == 99
    assert kinds[-2:] == [NodeFinished, RunFinished]


@virtual
async def test_leaving_out_events_leaves_the_rest_alone():
    """A run that nobody watches has the same result as a watched one."""
    events: list[Event] = []
    watched = await forked().run(state=Board(), deps=Watch(), on_event=events.append, seed=1)
    silent = await forked().run(state=Board(), deps=Watch(), seed=1)

    assert watched.state == silent.state
    assert dict(watched.blame) == dict(silent.blame)
    assert watched.statistics == silent.statistics
    assert events


@virtual
async def test_a_stream_that_is_read_slowly_does_not_hold_up_the_run():
    """The run is over after 3 s, whenever its events are looked at."""
    async with aclosing(forked().stream(state=Board(), deps=Watch())) as events:
        async for event in events:
            await asyncio.sleep(10)

    assert isinstance(event, RunFinished)
    assert event.elapsed == 3


@virtual
async def test_stop_is_no_failure_to_who_listens():
    """`RunFinished` has the result and no error."""
    events = [e async for e in Graph(Work(then=Stop(5))).stream(state=Board(), deps=Watch())]

    assert events[-1].error is None
    assert events[-1].result.output == 5
    assert End(5) != Stop(5)
