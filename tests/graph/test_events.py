"""Events of a run: their order, slow and failing listeners, news that are coalesced."""

import asyncio
import logging
from contextlib import aclosing
from typing import Any

import pytest
from execution.nodes import Board, Ctx, Split, Watch, Work, no_other_tasks

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
from lift_sys.errors import NodeError
from lift_sys.testing import virtual


def forked(**options: Any) -> Graph[Board]:
    return Graph(Split([Work("0", 2, then=Work("0/1", 1)), Work("1", 1)], **options))


@virtual
async def test_a_stream_tells_everything_in_order():
    """Each event after its cause; the last has the result; times are seconds of the run."""

    def act(ctx: Ctx) -> None:
        ctx.emit({"at": ctx.address})
        ctx.report_progress(1, 2)
        ctx.emit_tokens("he")
        ctx.emit_tokens("llo")
        ctx.add_usage(Usage(calls=1))

    graph = Graph(
        Split(
            [Work("0", 1, act=act), Work("1", 2, ValueError())], strategy=MergeStrategy.BEST_EFFORT
        )
    )

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
    """A winner with less than half of the votes is worth a warning."""

    async def vote(*labels: str) -> Voted:
        nodes = [Work(label, label=label, notes=False) for label in labels]
        events: list[Event] = []
        graph = Graph(Split(nodes, strategy=MergeStrategy.MAJORITY))
        await graph.run(state=Board(), deps=Watch(), on_event=events.append)
        (voted,) = [event for event in events if isinstance(event, Voted)]
        return voted

    assert (await vote("x", "y", "x", "z", "w")).weak
    assert not (await vote("x", "y", "x", "z")).weak
    assert not (await vote("x", "y", "x")).weak


@virtual
async def test_a_stream_raises_what_the_run_raised_after_its_last_event():
    """Who iterates learns of the failure both ways."""
    events: list[Event] = []

    async def listen() -> None:
        async for event in Graph(Work(then=ValueError("x"))).stream(state=Board(), deps=Watch()):
            events.append(event)  # noqa: PERF401  it raises

    with pytest.raises(NodeError, match="ValueError: x"):
        await listen()

    assert isinstance(events[-1], RunFinished)
    assert isinstance(events[-1].error, NodeError)


@pytest.mark.parametrize("kind", ["sync", "async"])
@virtual
async def test_an_observer_that_fails_changes_nothing(kind: str, caplog: pytest.LogCaptureFixture):
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
async def test_a_slow_observer_gets_every_fact_and_holds_up_no_step():
    """The run is as quick as without it, and waits for it at its end."""
    quick: list[Event] = []
    await forked().run(state=Board(), deps=Watch(), on_event=quick.append)
    seen: list[Event] = []

    async def slow(event: Event) -> None:
        await asyncio.sleep(1.5)
        seen.append(event)

    result = await forked().run(state=Board(), deps=Watch(), on_event=slow)

    assert result.elapsed == 3
    assert list(map(type, seen)) == list(map(type, quick))
    assert no_other_tasks()


@virtual
async def test_an_observer_that_hangs_is_left(caplog: pytest.LogCaptureFixture):
    """What it got was in order; the run says that it has missed something."""
    seen: list[Event] = []

    async def hang(event: Event) -> None:
        seen.append(event)
        if len(seen) == 3:
            await asyncio.Event().wait()

    result = await forked().run(state=Board(), deps=Watch(), on_event=hang)

    assert result.elapsed == 3
    assert [type(event) for event in seen] == [RunStarted, NodeStarted, NodeFinished]
    assert "missed the last events" in caplog.text
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
    last: Event | None = None

    async with aclosing(forked().stream(state=Board(), deps=Watch())) as events:
        async for event in events:
            await asyncio.sleep(10)
            last = event

    assert isinstance(last, RunFinished)
    assert last.elapsed == 3


@virtual
async def test_stop_is_no_failure_to_who_listens():
    """`RunFinished` has the result and no error."""
    events = [e async for e in Graph(Work(then=Stop(5))).stream(state=Board(), deps=Watch())]

    assert events[-1].error is None
    assert events[-1].result.output == 5
    assert End(5) != Stop(5)
