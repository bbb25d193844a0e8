"""Cancelled from outside, from inside, twice, at any moment: nothing is orphaned, nothing hangs."""

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
)
from hypothesis import given
from hypothesis import strategies as st

from lift_sys import (
    End,
    Graph,
    MergeStrategy,
    ParallelExecutor,
    RetryPolicy,
)
from lift_sys.errors import NodeError, ParallelExecutionError, SelfCancelledError
from lift_sys.testing import VirtualClock, run_virtual, virtual


class Flaky(Work):
    """Fails until its last attempt, so that waits for retries can be cancelled, too."""

    retry = RetryPolicy(max_attempts=3, first_delay=0.5, jitter=0)

    async def run(self, ctx: Ctx) -> End:
        await super().run(ctx)
        if ctx.attempt < 3:
            raise ConnectionError
        return End()


def tangle() -> list[Any]:
    """Branches of all sorts, more than slots: nested forks, clean-up, retries, own executors."""
    executor = ParallelExecutor[Board](1)

    async def nested(ctx: Ctx) -> None:
        await executor.execute_parallel([Work("x", 1), Work("y", 1)], ctx)

    return [
        Work("0", 0.5, then=Work("0/1", 1, cleanup=0.25)),
        Split([Work("1.0", 1), Split([Work("1.1.0", 2), Flaky("1.1.1", 0.25)])]),
        Flaky("2", 0.5),
        Work("3", 0.25, act=nested),
        Split([Work("4.0", 1), Work("4.1", 3, cleanup=0.5)], strategy=MergeStrategy.RACE),
    ]


@given(
    after=st.sampled_from([step / 8 for step in range(60)]),
    again=st.none() | st.sampled_from([0, 0.125, 0.25]),
    limit=st.integers(1, 5),
)
def test_a_run_can_be_cancelled_at_any_moment(after: float, again: float | None, limit: int):
    """All has ended when the call has, nobody started later, and no slot is lost."""
    executor = ParallelExecutor[Board](limit)
    watch = Watch()

    async def scenario() -> None:
        run = asyncio.ensure_future(run_fork(tangle(), watch=watch, executor=executor))
        await asyncio.sleep(after)
        run.cancel()
        if again is not None:
            await asyncio.sleep(again)
            run.cancel()
        await asyncio.wait([run])

        assert no_other_tasks()
        assert watch.running == []
        assert executor.slots().free == limit
        assert run.cancelled() or run.exception() is None

    _, elapsed = run_virtual(scenario())

    assert elapsed <= after + 0.5 + (again or 0)


@given(after=st.sampled_from([step / 8 for step in range(24)]), limit=st.integers(1, 3))
def test_an_executor_call_can_be_cancelled_at_any_moment(after: float, limit: int):
    """The same for `execute_parallel`, with a deadline around it that cancels."""
    executor = ParallelExecutor[Board](limit)
    watch = Watch()
    nodes = [Work("0", 1, cleanup=0.25), Flaky("1", 0.5), Work("2", 0.5), Work("3", 1)]

    async def scenario() -> None:
        try:
            async with asyncio.timeout(after):
                await executor.execute_parallel(nodes, board(watch))
        except TimeoutError:
            pass
        assert no_other_tasks()
        assert watch.running == []
        assert executor.slots().free == limit

    run_virtual(scenario())


@virtual
async def test_a_second_cancellation_reaches_who_resisted_the_first():
    """A node swallows one cancellation and would run for an hour; the second one ends it."""
    watch = Watch()
    inner = Split([Stubborn("0.0", 3600), Work("0.1", 3600)])
    run = asyncio.ensure_future(run_fork([inner, Work("1", 3600)], watch=watch))

    await asyncio.sleep(1)
    run.cancel()
    await asyncio.sleep(1)
    assert watch.running == ["0.0"]
    run.cancel()
    await asyncio.wait([run])

    assert run.cancelled()
    assert watch.ended[-1] == ("0.0", "cancelled", 2)
    assert no_other_tasks()


@virtual
async def test_cancelling_a_decided_group_reaches_its_resisting_loser():
    """The race is won at 1 s; the loser resists until the run is cancelled at 2 s."""
    watch = Watch()
    nodes = [Work("0", 1), Stubborn("1", 3600)]

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(2):
            await run_fork(nodes, watch=watch, strategy=MergeStrategy.RACE)

    assert watch.ended[-1] == ("1", "cancelled", 2)
    assert no_other_tasks()


@virtual
async def test_a_walk_ends_although_its_node_swallowed_the_cancellation():
    """The run is over after the step that resisted; its successor does not start."""
    watch = Watch()
    graph = Graph(Stubborn("0", 10, then=Work("1", 60)))
    run = asyncio.ensure_future(graph.run(state=Board(), deps=watch))

    await asyncio.sleep(1)
    run.cancel()
    await asyncio.wait([run])

    assert run.cancelled()
    assert watch.started == ["0"]


@virtual
async def test_a_failure_in_answer_to_a_cancellation_is_not_retried():
    """Its error looks transient, but nobody wants another attempt."""

    class Grudging(Work):
        retry = RetryPolicy(max_attempts=5)

        async def run(self, ctx: Ctx) -> End:
            try:
                return await super().run(ctx)
            except asyncio.CancelledError:
                raise ConnectionError("closed") from None

    watch = Watch()
    result = await run_fork(
        [Work("0", 1), Grudging("1", 60)], watch=watch, strategy=MergeStrategy.RACE
    )

    assert watch.started == ["0", "1"]
    assert result.output == ["0", "ConnectionError"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("where", ["walk", "branch", "thread"])
def test_an_interrupt_in_a_node_ends_everything(error: type[BaseException], where: str):
    """It comes out of `asyncio.run` as it is, after all branches were cancelled and awaited."""
    watch = Watch()

    class Interrupted(Work):
        def run(self, ctx: Ctx) -> End:
            raise error

    broken = Interrupted() if where == "thread" else Work("broken", 1, error())
    start = broken if where == "walk" else Split([Work("0", 60, cleanup=0.5), broken])

    with pytest.raises(error):
        VirtualClock().run(Graph(start).run(state=Board(), deps=watch))

    assert watch.running == []
    if where != "walk":
        assert watch.how("0") == "cancelled"


@pytest.mark.parametrize("is_branch", [True, False])
@virtual
async def test_a_node_that_raises_cancelled_error_has_failed(is_branch: bool):
    """Nobody cancelled it: a failure like any other, with an error that says so."""

    async def cancelled_elsewhere(ctx: Ctx) -> None:
        other = asyncio.ensure_future(asyncio.sleep(60))
        other.cancel()
        await other

    node = Work("0", act=cancelled_elsewhere)
    if is_branch:
        with pytest.raises(ParallelExecutionError, match=r"Step 0\.0 \(Work\).*by itself"):
            await run_fork([node, Work("1", 60)])
    else:
        with pytest.raises(NodeError, match=r"Step 0 \(Work\).*by itself") as caught:
            await Graph(node).run(state=Board(), deps=Watch())
        assert isinstance(caught.value.error, SelfCancelledError)
    assert no_other_tasks()


@pytest.mark.parametrize("strategy", list(MergeStrategy))
@virtual
async def test_a_node_that_cancels_its_own_task_has_failed(strategy: MergeStrategy):
    """The group did not ask for it, so the branch has failed, and the group goes on or fails."""

    async def cancel_myself(ctx: Ctx) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    nodes = [Work("0", 1, act=cancel_myself), Work("1", 2)]

    if strategy is MergeStrategy.ALL_SUCCESS:
        with pytest.raises(ParallelExecutionError) as caught:
            await run_fork(nodes, strategy=strategy)
        ((_, error),) = caught.value.failed_nodes
        assert isinstance(error, SelfCancelledError)
        assert (error.address, error.node) == ("0.0", "Work")
    else:
        result = await run_fork(nodes, strategy=strategy)
        assert result.output == ["SelfCancelledError", "1"]


@virtual
async def test_cancelling_does_not_wait_for_a_slot():
    """A node that lent its slot is cancelled while somebody else holds it for an hour."""
    executor = ParallelExecutor[Board](1)
    watch = Watch()

    async def nested(ctx: Ctx) -> None:
        await executor.execute_parallel([Work("inner", 10)], ctx)

    outer = asyncio.ensure_future(
        executor.execute_parallel([Work("outer", act=nested)], board(watch))
    )
    hog = asyncio.ensure_future(executor.execute_parallel([Work("hog", 3600)], board(watch)))
    await asyncio.sleep(1)
    outer.cancel()
    await asyncio.wait([outer])

    assert asyncio.get_running_loop().time() == 1
    hog.cancel()
    await asyncio.wait([hog])
    assert executor.slots().free == 1
