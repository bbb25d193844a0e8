"""The five strategies at work: when they stop, whom they take, what is left of the others."""

import asyncio
from typing import Any

import pytest
from execution.nodes import Board, Split, Stubborn, Watch, Work, run_fork, workers

from lift_sys import (
    AllSuccess,
    BestEffort,
    End,
    FirstSuccess,
    Fork,
    Graph,
    Majority,
    MergeStrategy,
    Race,
)
from lift_sys.errors import BranchRejectedError, NodeError, ParallelExecutionError
from lift_sys.testing import virtual


def now() -> float:
    return asyncio.get_running_loop().time()


def failing(name: str, seconds: float = 0.0) -> Work:
    return Work(name, seconds, ValueError(name))


@virtual
async def test_first_success_waits_for_lower_indices_only():
    """Index 1 wins at 2 s, when 0 has failed; 2 succeeded sooner, 3 is cancelled and awaited."""
    watch = Watch()
    nodes = [failing("0", 2), Work("1", 1), Work("2", 0.5), Work("3", 60, cleanup=0.25)]

    result = await run_fork(nodes, watch=watch, strategy=MergeStrategy.FIRST_SUCCESS)

    assert result.output == ["ValueError", "1", "2", "CancelledError"]
    assert result.state.notes == {"1": "0.1"}
    assert watch.ended[-1] == ("3", "cancelled", 2.25)
    assert [(each.label, each.writes.fields) for each in result.discarded] == [
        ("0.2:Work", {"notes", "trail"})
    ]


@virtual
async def test_race_takes_the_first_in_time():
    """The losers are cancelled at once, and have ended before the join."""
    watch = Watch()
    nodes = [Work("0", 9, cleanup=0.5), Work("1", 1), failing("2", 0.5)]

    result = await run_fork(nodes, watch=watch, strategy=MergeStrategy.RACE)

    assert result.output == ["CancelledError", "1", "ValueError"]
    assert result.state.notes == {"1": "0.1"}
    assert watch.ended[-1] == ("0", "cancelled", 1.5)
    assert result.elapsed == 1.5


@virtual
async def test_all_success_fails_fast():
    """One failure at 1 s cancels the others; the error has it, and says who survived."""
    watch = Watch()
    nodes = [Work("0", 0.5), failing("1", 1), Work("2", 60, cleanup=0.25)]

    with pytest.raises(ParallelExecutionError, match="ValueError: 1") as caught:
        await run_fork(nodes, watch=watch)

    assert now() == 1.25
    assert watch.how("2") == "cancelled"
    assert [node.name for node, _ in caught.value.failed_nodes] == ["1"]
    states = [(each.is_success, each.is_cancelled) for each in caught.value.partial_results]
    assert states == [(True, False), (False, False), (False, True)]


@pytest.mark.parametrize(
    "options", [{"fail_fast": False}, {"strategy": AllSuccess(fail_fast=False)}]
)
@virtual
async def test_all_success_can_let_everybody_finish(options: dict[str, Any]):
    """Without fail_fast all failures are found, and reported together in declared order."""
    watch = Watch()

    with pytest.raises(ParallelExecutionError) as caught:
        await run_fork([failing("0", 3), Work("1", 5), failing("2", 1)], watch=watch, **options)

    assert now() == 5
    assert [node.name for node, _ in caught.value.failed_nodes] == ["0", "2"]
    assert watch.how("1") == "done"


@virtual
async def test_failures_of_one_moment_are_all_reported():
    """Both failed before the first could cancel the second."""
    with pytest.raises(ParallelExecutionError) as caught:
        await run_fork([failing("0"), failing("1"), Work("2", 1)])

    assert [node.name for node, _ in caught.value.failed_nodes] == ["0", "1"]


@virtual
async def test_a_failure_while_being_cancelled_is_reported_too():
    """Cancelled is not failed, but a node whose clean-up raises has failed."""

    class Untidy(Work):
        async def run(self, ctx: Any) -> End:
            try:
                await asyncio.sleep(60)
            finally:
                raise OSError("disk full")

    with pytest.raises(ParallelExecutionError) as caught:
        await run_fork([failing("0", 1), Untidy("1")])

    assert [type(error.error) for _, error in caught.value.failed_nodes] == [ValueError, OSError]


@virtual
async def test_best_effort_merges_the_survivors():
    """Whoever succeeds is merged, however late; who failed is told to the next node."""
    result = await run_fork(
        [Work("0", 5), failing("1"), Work("2", 1)], strategy=MergeStrategy.BEST_EFFORT
    )

    assert result.output == ["0", "ValueError", "2"]
    assert result.state.trail == ["0", "2"]
    assert result.elapsed == 5


@virtual
async def test_best_effort_stops_when_the_minimum_is_out_of_reach():
    """Two of three must succeed: after the second failure nobody waits for the third."""
    watch = Watch()

    with pytest.raises(ParallelExecutionError, match="0 of 3 branches succeeded, at least 2 must"):
        await run_fork(
            [failing("0", 1), failing("1", 2), Work("2", 60)],
            watch=watch,
            strategy=BestEffort(min_success=2),
        )

    assert now() == 2
    assert watch.how("2") == "cancelled"


@virtual
async def test_best_effort_may_do_without_anybody():
    """With min_success=0 the base goes on unchanged when all have failed."""
    result = await run_fork([failing("0"), failing("1")], strategy=BestEffort(min_success=0))

    assert result.output == ["ValueError", "ValueError"]
    assert result.state == Board()


@pytest.mark.parametrize(
    "strategy",
    [FirstSuccess, Race, AllSuccess, BestEffort, Majority],
    ids=lambda kind: kind.__name__,
)
@pytest.mark.parametrize("on_fork", [True, False], ids=["fork", "strategy"])
@virtual
async def test_accept_refuses_results(strategy: Any, on_fork: bool):
    """A refused branch has failed with an error of its own, in every strategy."""

    def accept(result: Any) -> bool:
        return result.output != "0"

    chosen = strategy() if on_fork else strategy(accept=accept)
    options = {"accept": accept} if on_fork else {}

    if strategy is AllSuccess:
        with pytest.raises(ParallelExecutionError, match="BranchRejectedError") as caught:
            await run_fork(workers(0, 1), strategy=chosen, **options)
        ((_, error),) = caught.value.failed_nodes
        assert isinstance(error, BranchRejectedError)
        assert (error.address, error.node) == ("0.0", "Work")
    else:
        result = await run_fork(workers(0, 1), strategy=chosen, **options)
        assert result.output == ["BranchRejectedError", "1"]
        assert result.state.trail == ["1"]


@pytest.mark.parametrize("strategy", [FirstSuccess(), Race(), BestEffort(), Majority()])
@virtual
async def test_fail_fast_belongs_to_all_success(strategy: Any):
    """The others decide by themselves when to stop."""
    with pytest.raises(TypeError, match="fail_fast belongs to ALL_SUCCESS"):
        Fork(workers(0), then=End(), strategy=strategy, fail_fast=True)
    with pytest.raises(NodeError, match=r"Step 0 .*fail_fast belongs to ALL_SUCCESS"):
        await run_fork(workers(0), strategy=strategy, fail_fast=True)


@pytest.mark.parametrize("strategy", list(MergeStrategy))
@virtual
async def test_an_empty_fork_joins_at_once(strategy: MergeStrategy):
    """A fan-out over no data is no mistake."""
    result = await run_fork([], strategy=strategy)

    assert result.output == []
    assert result.state == Board()


@virtual
async def test_a_loser_that_resists_is_awaited():
    """It ignores its cancellation once; the join waits, and takes nothing from it."""
    watch = Watch()

    result = await run_fork(
        [Work("0", 1), Stubborn("1", 10)], watch=watch, strategy=MergeStrategy.RACE
    )

    assert result.state.notes == {"0": "0.0"}
    assert watch.how("1") == "done"
    assert result.elapsed == 11


@virtual
async def test_a_loser_that_resists_walks_no_further():
    """What it returns after it was cancelled is not run: its walk is over."""
    watch = Watch()

    result = await run_fork(
        [Work("0", 1), Stubborn("1", 10, then=Work("2", 60))],
        watch=watch,
        strategy=MergeStrategy.RACE,
    )

    assert "2" not in watch.started
    assert result.output == ["0", "CancelledError"]


@virtual
async def test_an_inner_decision_leaves_the_outer_group_alone():
    """Cancelling the losers of a nested race is no failure of the branch that held it."""
    inner = Split([Work("a", 1), Work("b", 60)], strategy=MergeStrategy.RACE, then=End("inner"))

    result = await run_fork([inner, Work("c", 3)])

    assert result.output == ["inner", "c"]
    assert result.state.notes == {"a": "0.0.0", "c": "0.1"}
    assert result.elapsed == 3


def test_a_strategy_is_one_of_five():
    """Anything else is refused by name."""
    with pytest.raises(NodeError, match="strategy must be a MergeStrategy member"):
        Graph(Split([Work()], strategy="fastest")).run_sync(state=Board(), deps=Watch())
    with pytest.raises(ValueError, match="min_success must be ≥0"):
        BestEffort(min_success=-1)
    with pytest.raises(ValueError, match="timeout must be more than 0"):
        Fork([], then=End(), timeout=0)
