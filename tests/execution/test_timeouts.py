"""Deadlines in four layers, on the event loop and in threads, and what they leave behind."""

import asyncio
from typing import Any

import pytest
from execution.nodes import (
    Board,
    Ctx,
    Split,
    Stubborn,
    Watch,
    Work,
    board,
    no_other_tasks,
    run_fork,
    workers,
)

from lift_sys import (
    BaseNode,
    BestEffort,
    End,
    Graph,
    MergeStrategy,
    ParallelExecutor,
    RetryPolicy,
    Timeouts,
)
from lift_sys.core.events import BranchFinished, Event
from lift_sys.errors import (
    NodeError,
    ParallelExecutionError,
    StepTimeoutError,
)
from lift_sys.testing import virtual


def timed(seconds: float, *, retry: RetryPolicy | None = None, **timeouts: float) -> Work:
    """A node with deadlines of its own."""
    fields = {"timeouts": Timeouts(**timeouts), "retry": retry}
    return type("Timed", (Work,), fields)("timed", seconds, cleanup=0.25)


async def run(node: Any, watch: Watch | None = None, **options: Any) -> Any:
    graph = Graph(node, executor=ParallelExecutor[Board](**options))
    return await graph.run(state=Board(), deps=watch or Watch())


def now() -> float:
    return asyncio.get_running_loop().time()


@pytest.mark.parametrize("layer", ["attempt", "node"])
@virtual
async def test_a_node_that_takes_too_long_is_cancelled_and_awaited(layer: str):
    """The error says which deadline, of which step; the cancellation was let finish."""
    watch = Watch()

    with pytest.raises(NodeError, match=rf"The {layer} timeout of 2 s passed at step 0 \(Timed\)"):
        await run(timed(60, **{layer: 2}), watch)

    assert watch.ended == [("timed", "cancelled", 2.25)]


@pytest.mark.parametrize("layer", ["attempt", "node", "group", "run"])
@virtual
async def test_whoever_is_in_time_notices_no_deadline(layer: str):
    """A deadline that is not reached changes nothing."""
    result = await run(Split([Work("0", 1), Work("1", 2)]), timeouts=Timeouts(**{layer: 2.5}))

    assert result.state.trail == ["0", "1"]
    assert no_other_tasks()


@virtual
async def test_a_timed_out_attempt_is_tried_again():
    """An attempt that took too long counts as transient; attempts never overlap."""
    watch = Watch()
    node = timed(60, attempt=2, retry=RetryPolicy(max_attempts=3, first_delay=1, jitter=0))

    with pytest.raises(NodeError, match="failed in attempt 3") as caught:
        await run(node, watch)

    assert isinstance(caught.value.error, StepTimeoutError)
    assert caught.value.error.layer == "attempt"
    assert watch.ended == [("timed", "cancelled", end) for end in (2.25, 5.5, 9.75)]
    assert watch.most == 1


@virtual
async def test_the_node_layer_covers_all_attempts_and_the_waits_between():
    """The deadline strikes while the second attempt is waited for."""
    node = timed(1, node=4.5, retry=RetryPolicy(max_attempts=9, first_delay=10, jitter=0))
    node.then = ConnectionError()

    with pytest.raises(NodeError, match=r"The node timeout of 4\.5 s passed"):
        await run(node)

    assert now() == 4.5


@virtual
async def test_waiting_for_the_first_slot_does_not_count_for_the_node():
    """Behind a slow one it waits 5 s for its slot, and still has its 2 s."""
    nodes = [Work("0", 5), timed(1, node=2, attempt=2)]

    result = await run_fork(nodes, executor=ParallelExecutor[Board](1))

    assert result.state.trail == ["0", "timed"]


# --- groups -------------------------------------------------------------------------------------


@pytest.mark.parametrize("on_fork", [True, False])
@virtual
async def test_a_group_that_takes_too_long_keeps_its_survivors(on_fork: bool):
    """BEST_EFFORT: who was done by 2 s is merged; the rest has failed, by the group's deadline."""
    watch = Watch()
    events: list[Event] = []
    executor = ParallelExecutor[Board](2, timeouts=Timeouts(group=None if on_fork else 2))
    nodes = [Work("0", 1), Work("1", 60, cleanup=0.25), Work("2", 0.5), Work("never", 1)]

    result = await run_fork(
        nodes,
        watch=watch,
        executor=executor,
        run={"on_event": events.append},
        strategy=MergeStrategy.BEST_EFFORT,
        **({"timeout": 2} if on_fork else {}),
    )

    assert result.output == ["0", "StepTimeoutError", "2", "StepTimeoutError"]
    assert result.state.trail == ["0", "2"]
    assert result.elapsed == 2.25
    ended = [event for event in events if isinstance(event, BranchFinished)]
    assert sorted((event.index, event.status) for event in ended) == [
        (0, "succeeded"),
        (1, "failed"),
        (2, "succeeded"),
        (3, "failed"),
    ]
    assert [event.done for event in ended] == [1, 2, 3, 4]


@pytest.mark.parametrize("strategy", list(MergeStrategy))
@pytest.mark.parametrize("late", ["returns", "raises"])
@virtual
async def test_whoever_resists_the_deadline_has_missed_it(strategy: MergeStrategy, late: str):
    """It goes on after the deadline; what it returns is not taken, what it raises is reported."""
    then = ValueError("too late") if late == "raises" else None
    nodes = [Stubborn("0", 10, then=then), Work("1", 1)]
    lost = "ValueError" if late == "raises" else "StepTimeoutError"

    if strategy in (MergeStrategy.ALL_SUCCESS,):
        with pytest.raises(ParallelExecutionError, match=lost):
            await run_fork(nodes, strategy=strategy, timeout=5)
    elif strategy is MergeStrategy.RACE:
        result = await run_fork(nodes, strategy=strategy, timeout=5)
        assert result.output[1] == "1"
    else:
        result = await run_fork(nodes, strategy=strategy, timeout=5)
        assert result.output == [lost, "1"]
        assert result.state.notes == {"1": "0.1"}


@virtual
async def test_a_deadline_after_the_decision_is_none():
    """The race is won at 1 s; that its loser resists until after the deadline is no failure."""
    result = await run_fork(
        [Work("0", 1), Stubborn("1", 10)], strategy=MergeStrategy.RACE, timeout=5
    )

    assert result.output == ["0", "CancelledError"]
    assert result.statistics["failed_branches"] == 0


@virtual
async def test_a_group_without_survivors_names_the_deadline():
    """All branches were late: each is in the error, with its own address."""
    with pytest.raises(ParallelExecutionError, match=r"^All parallel nodes failed") as caught:
        await run_fork([Work("0", 60), Work("1", 60)], strategy=BestEffort(), timeout=1)

    errors = [error for _, error in caught.value.failed_nodes]
    assert [type(error) for error in errors] == [StepTimeoutError, StepTimeoutError]
    assert "The group timeout of 1 s passed at step 0.0 (Work)." in str(errors[0])


@virtual
async def test_results_that_miss_the_deadline_of_a_call_are_there_all_the_same():
    """`execute_parallel` and `stream_parallel` give one result for each node, late or not."""
    executor = ParallelExecutor[Board](timeouts=Timeouts(group=2))
    nodes = [Stubborn("0", 60), Work("1", 1)]

    results = await executor.execute_parallel(nodes, board())
    streamed = [result async for result in executor.stream_parallel(nodes, board())]

    assert [type(result.error) for result in results] == [StepTimeoutError, type(None)]
    assert [(result.index, type(result.error)) for result in streamed] == [
        (1, type(None)),
        (0, StepTimeoutError),
    ]


# --- runs ---------------------------------------------------------------------------------------


@virtual
async def test_a_run_has_a_deadline():
    """All of it is cancelled and awaited, and the error names the graph."""
    watch = Watch()

    with pytest.raises(StepTimeoutError, match="The run timeout of 3 s passed") as caught:
        await run(Split([Work("0", 60, cleanup=1)]), watch, timeouts=Timeouts(run=3))

    assert caught.value.layer == "run"
    assert watch.ended == [("0", "cancelled", 4)]
    assert no_other_tasks()


@pytest.mark.parametrize("layer", ["attempt", "node", "group", "run"])
@virtual
async def test_a_nodes_own_timeout_error_is_its_own(layer: str):
    """A node that raises TimeoutError in time is not taken for one that was late."""
    node = Work("0", 1, TimeoutError("the database is slow"))

    with pytest.raises((NodeError, ParallelExecutionError), match="the database is slow"):
        await run(Split([node]) if layer == "group" else node, timeouts=Timeouts(**{layer: 60}))


@pytest.mark.parametrize("layer", ["attempt", "node", "group", "run"])
@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_a_deadline_is_a_positive_number(layer: str, seconds: float):
    """Zero would let nothing run."""
    with pytest.raises(ValueError, match=f"the {layer} timeout must be more than 0"):
        Timeouts(**{layer: seconds})


class Branches(BaseNode[Board]):
    """Ends with where, why and after how many seconds each branch ended."""

    async def run(self, ctx: Ctx) -> End[list[tuple[str, BaseException | None, float]]]:
        return End([(branch.address, branch.error, branch.elapsed) for branch in ctx.branches])


@virtual
async def test_who_was_cut_off_says_how_far_it_was():
    """Attempts, seconds and place of branches that a deadline or a winner ended."""
    policy = RetryPolicy(max_attempts=9, first_delay=1, factor=1, jitter=0)
    again = type("Again", (Work,), {"retry": policy})
    nodes = [again("0", 1, ConnectionError()), Work("1", then=Work("2", 60)), *workers(60, 60)]
    forgiving = BestEffort(min_success=0)

    late = await run_fork(nodes, max_concurrent=3, timeout=4.5, strategy=forgiving, then=Branches())
    raced = await run_fork([Work("w", 4.5), *nodes], strategy=MergeStrategy.RACE)
    executor = ParallelExecutor[Board](1, timeouts=Timeouts(group=3))
    results = await executor.execute_parallel([Work("0", 60), Work("never")], board())
    results += await executor.execute_parallel([again("1", 1, ConnectionError())], board())

    assert [(address, seconds) for address, _, seconds in late.output] == [
        ("0.0", 4.5),
        ("0.1", 4.5),
        ("0.2", 4.5),
        ("0.3", 0),
    ]
    assert [str(error).partition(" passed ")[2] for _, error, _ in late.output] == [
        "at step 0.0 (Again).",
        "at step 0.1 (Work).",
        "at step 0.2 (Work).",
        "at step 0.3 (Work).",
    ]
    assert raced.statistics["sequential_seconds"] == 5 * 4.5
    assert [(r.attempts, r.execution_time_ms, r.busy_ms) for r in results] == [
        (1, 3000, 3000),
        (0, 0, 0),
        (2, 3000, 3000),
    ]
