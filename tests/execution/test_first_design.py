"""What the first design asked of the executor, in virtual time."""

import asyncio

import pytest
from execution.nodes import Board, Ctx, Watch, Work, board, workers

from lift_sys import BaseNode, End, Fork, Graph, MergeStrategy, ParallelExecutor
from lift_sys.errors import ParallelExecutionError
from lift_sys.state.canonical import digest
from lift_sys.testing import run_virtual, virtual


class Increment(BaseNode[Board]):
    """Reads, lets everybody else run, and writes: the classic lost update."""

    async def run(self, ctx: Ctx) -> End[int]:
        seen = ctx.state.count
        await asyncio.sleep(0)
        ctx.state.count = seen + 1
        return End(ctx.state.count)


def test_four_nodes_take_the_time_of_one():
    """Four nodes of 100 ms are done after 100 ms, and the statistics say how much that saved."""
    executor = ParallelExecutor[Board]()

    results, elapsed = run_virtual(executor.execute_parallel(workers(0.1, 0.1, 0.1, 0.1), board()))

    assert elapsed == 0.1
    assert all(result.is_success and result.is_end for result in results)
    statistics = executor.get_statistics(results)
    assert statistics["estimated_speedup"] == pytest.approx(4)
    assert statistics["total_nodes"] == statistics["successful"] == 4
    assert statistics["success_rate"] == 1
    assert statistics["max_time_ms"] == pytest.approx(100)


def test_a_hundred_runs_are_identical():
    """State, metadata and provenance come out the same, however the work is shuffled in time."""

    class Note(Work):
        async def run(self, ctx: Ctx) -> End[str]:
            await asyncio.sleep(self.seconds)
            ctx.metadata[self.name] = ctx.random.random()
            ctx.add_provenance(self.name, "note", draw=ctx.random.random())
            ctx.state.trail.append(self.name)
            return End(self.name)

    async def outcome(turn: int) -> tuple[str, ...]:
        executor = ParallelExecutor[Board](max_concurrent=1 + turn % 5)
        durations = [(turn * step) % 7 for step in (1, 2, 3, 4, 5)]
        nodes = [Note(str(index), seconds) for index, seconds in enumerate(durations)]
        ctx = board()
        merged = executor.merge_states(
            await executor.execute_parallel(nodes, ctx), MergeStrategy.ALL_SUCCESS
        )
        return digest(merged.state), digest(merged.metadata), digest(merged.provenance)

    outcomes = {run_virtual(outcome(turn))[0] for turn in range(100)}

    assert len(outcomes) == 1


@virtual
async def test_racing_increments_each_see_their_own_state():
    """Ten increments that interleave each count from 0 to 1, and the caller still has 0."""
    ctx = board()

    results = await ParallelExecutor[Board](10).execute_parallel([Increment()] * 10, ctx)

    assert [result.output for result in results] == [1] * 10
    assert [result.context.state.count for result in results] == [1] * 10
    assert ctx.state.count == 0


def test_a_hundred_nodes_finish_four_at_a_time():
    """The limit holds, everybody gets a turn, and no slot stands idle meanwhile."""
    watch = Watch()

    results, elapsed = run_virtual(
        ParallelExecutor[Board](4).execute_parallel(workers(*[1] * 100), board(watch))
    )

    assert [result.output for result in results] == [str(index) for index in range(100)]
    assert watch.most == 4
    assert elapsed == 25


@virtual
async def test_a_failure_is_in_its_result_and_harms_nobody_else():
    """`execute_parallel` does not raise; each failure comes with its node, where it stood."""
    broken = Work("broken", then=ValueError("no such page"))
    executor = ParallelExecutor[Board]()

    results = await executor.execute_parallel([Work("fine"), broken, Work("good")], board())

    assert [result.is_success for result in results] == [True, False, True]
    assert results[1].node is broken
    assert isinstance(results[1].error, ValueError)
    assert executor.get_statistics(results)["failed"] == 1
    assert executor.merge_states(results).state.notes == {"fine": "0"}
    with pytest.raises(ParallelExecutionError, match="ValueError: no such page") as caught:
        executor.merge_states(results, MergeStrategy.ALL_SUCCESS)
    assert caught.value.failed_nodes == [(broken, results[1].error)]
    assert caught.value.partial_results == results


@pytest.mark.parametrize("strategy", list(MergeStrategy))
@virtual
async def test_when_all_fail_every_strategy_says_so(strategy: MergeStrategy):
    """The text begins with the sentence that users of the first design look for."""
    executor = ParallelExecutor[Board]()
    nodes = [Work(str(index), then=OSError(str(index))) for index in range(3)]

    results = await executor.execute_parallel(nodes, board())

    with pytest.raises(ParallelExecutionError, match=r"^All parallel nodes failed") as caught:
        executor.merge_states(results, strategy)
    assert [str(error) for _, error in caught.value.failed_nodes] == ["0", "1", "2"]


@virtual
async def test_the_whole_design_in_a_graph():
    """The same by a fork: four branches, one merge, declared order, one step's time."""

    class Start(BaseNode[Board]):
        async def run(self, ctx: Ctx) -> Fork[Work, End]:
            return Fork(workers(0.1, 0.1, 0.1, 0.1), then=End("joined"))

    result = await Graph(Start).run(state=Board(), deps=Watch())

    assert result.output == "joined"
    assert result.elapsed == 0.1
    assert result.state.trail == ["0", "1", "2", "3"]
    assert result.statistics["estimated_speedup"] == pytest.approx(4)


@pytest.mark.parametrize("limit", [0, -1])
def test_no_slots_is_refused(limit: int):
    """An executor without a slot would wait for ever."""
    with pytest.raises(ValueError, match="max_concurrent must be ≥1"):
        ParallelExecutor[Board](limit)
