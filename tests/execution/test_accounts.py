"""Times and counts are those of what happened, also where something was cut off in its middle."""

import asyncio
from typing import Any

import pytest
from execution.nodes import Board, Ctx, Split, Stubborn, Watch, Work, board, run_fork

from lift_sys import (
    BaseNode,
    End,
    Graph,
    MergeStrategy,
    NextNode,
    ParallelExecutor,
    RetryPolicy,
    Timeouts,
)
from lift_sys.errors import NodeError, StepTimeoutError
from lift_sys.testing import virtual

PATIENT = RetryPolicy(first_delay=30, max_delay=30, jitter=0)


class Fails(BaseNode[Board]):
    retry = PATIENT

    async def run(self, ctx: Ctx) -> End:
        raise ConnectionError


class FailsInTime(BaseNode[Board]):
    retry = PATIENT
    timeouts = Timeouts(node=1)

    async def run(self, ctx: Ctx) -> End:
        raise ConnectionError


@virtual
async def test_a_wait_for_a_retry_that_is_cut_short_counts_as_long_as_it_was():
    result = await run_fork([Fails(), Work("quick", 1)], strategy=MergeStrategy.RACE)

    assert result.statistics["sequential_seconds"] == 2
    assert result.statistics["estimated_speedup"] == 2


@virtual
async def test_a_nodes_deadline_in_a_wait_for_a_retry_ends_its_time():
    (result,) = await ParallelExecutor().execute_parallel([FailsInTime()], board())

    assert isinstance(result.error, StepTimeoutError)
    assert (result.execution_time_ms, result.busy_ms) == (1000, 1000)


@virtual
async def test_the_branches_inside_a_branch_that_was_cut_off_are_counted():
    inner = Split([Work("a", 1), Work("b", 2), Work("c", 9)])
    result = await run_fork([inner, Work("winner", 3)], strategy=MergeStrategy.RACE)

    assert result.statistics["forks"] == 2
    assert result.statistics["branches"] == 5
    assert result.statistics["cancelled_branches"] == 2  # "c", and the branch that it was in
    assert result.statistics["sequential_seconds"] == 1 + 2 + 3 + 3


class Asks(BaseNode[Board]):
    """Runs nodes on an executor of its own."""

    async def run(self, ctx: Ctx) -> End:
        await ParallelExecutor().execute_parallel([Work("x", 1) for _ in range(4)], ctx)
        return End()


@virtual
async def test_nodes_that_a_node_runs_by_itself_are_a_part_of_its_time():
    result = await Graph(Asks()).run(state=Board(), deps=Watch())

    assert result.statistics["sequential_seconds"] == 4
    assert result.statistics["elapsed_seconds"] == 1


@virtual
async def test_one_that_resists_its_groups_deadline_was_tried_and_took_its_time():
    executor = ParallelExecutor[Board](timeouts=Timeouts(group=1))
    (result,) = await executor.execute_parallel([Stubborn("mule", 2)], board())

    assert isinstance(result.error, StepTimeoutError)
    assert result.attempts == 1
    assert result.execution_time_ms == 3000


class Swallows(BaseNode[Board]):
    async def run(self, ctx: Ctx) -> End:
        try:
            await asyncio.sleep(9)
        except asyncio.CancelledError:
            ctx.state.count = 9
        return End()


class SwallowsAttempt(Swallows):
    timeouts = Timeouts(attempt=1)


class SwallowsNode(Swallows):
    timeouts = Timeouts(node=1)


@pytest.mark.parametrize("node", [SwallowsAttempt(), SwallowsNode()])
@virtual
async def test_a_deadline_that_a_node_has_swallowed_has_passed(node: Any):
    with pytest.raises(NodeError) as caught:
        await Graph(node).run(state=Board(), deps=Watch())
    assert isinstance(caught.value.error, StepTimeoutError)


class OwnDeadline(BaseNode[Board]):
    """Gives up on its own executor's call, and works on."""

    def __init__(self, executor: ParallelExecutor[Board], name: str) -> None:
        self.executor, self.name = executor, name

    async def run(self, ctx: Ctx) -> NextNode[Board]:
        try:
            async with asyncio.timeout(1):
                await self.executor.execute_parallel([Work("inner", 5, notes=False)], ctx)
        except TimeoutError:
            pass
        with ctx.deps.seeing(self.name):
            await asyncio.sleep(5)
        return End()


@virtual
async def test_the_limit_holds_for_nodes_that_give_up_on_a_call_of_their_own():
    executor, watch = ParallelExecutor[Board](1), Watch()
    nodes = [OwnDeadline(executor, str(index)) for index in range(3)]
    await run_fork(nodes, executor=executor, watch=watch)

    assert watch.most == 1
    assert executor.slots().free == 1
