"""Identical calls at the same time run the node once, in whatever order they come, fail and stop."""

from __future__ import annotations

import asyncio

from cached_nodes import Ask, Ctx, Desk, Slow, run
from hypothesis import given
from hypothesis import strategies as st

from lift_sys import BaseNode, End, Fork, Graph, MergeStrategy, ParallelExecutor
from lift_sys.core.events import CacheHit
from lift_sys.durability import MemoryCache, SqliteCache
from lift_sys.errors import NodeError
from lift_sys.testing import context_for, run_virtual


async def test_a_thousand_identical_calls_run_the_node_once(cache):
    """In one group of an executor, with as many slots, and in a second one."""
    ran: list[str] = []
    executor = ParallelExecutor(1000, cache=cache)
    ctx = context_for(Desk(question="q"), deps=ran)
    for _ in range(2):
        results = await executor.execute_parallel([Ask() for _ in range(1000)], ctx)
        assert {result.context.state.answer for result in results} == {"Q"}

    assert ran == ["Ask"]


def test_runs_share_too_and_say_so():
    """A thousand runs of a graph take the time of one; one of them ran the node."""
    ran, events, cache = [], [], MemoryCache()

    async def main():
        graph = Graph(Slow, executor=ParallelExecutor(4))
        state = Desk(question="q")
        runs = (
            graph.run(state=state, cache=cache, deps=ran, on_event=events.append)
            for _ in range(1000)
        )
        return await asyncio.gather(*runs)

    results, elapsed = run_virtual(main())

    assert ran == ["started", "Ask"]
    assert elapsed == 1
    assert sum(result.statistics["cache_hits"] for result in results) == 999
    hits = [event for event in events if isinstance(event, CacheHit)]
    assert len(hits) == 999
    assert all(hit.shared and hit.saved == 1 and hit.elapsed == 1 for hit in hits)


class Other(BaseNode[Desk]):
    async def run(self, ctx: Ctx) -> End:
        ctx.deps.append("Other")
        return End()


class Both(BaseNode[Desk]):
    """Three identical slow branches, then one that is quick."""

    async def run(self, ctx: Ctx) -> Fork[Slow | Other, Other]:
        return Fork([Slow(), Slow(), Slow(), Other()], then=Other())


def test_who_waits_holds_no_slot():
    """With two slots the fourth branch runs while the second and third wait for the first."""
    ran = []

    async def main():
        graph = Graph(Both, executor=ParallelExecutor(2, cache=MemoryCache()))
        return await graph.run(state=Desk(question="q"), deps=ran)

    result, elapsed = run_virtual(main())

    assert ran == ["started", "Other", "Ask", "Other"]
    assert elapsed == 1
    assert result.statistics["cache_hits"] == 2
    assert result.state.answer == "Q"


class Trying(BaseNode[Desk]):
    """Fails as often as `ctx.deps` says first."""

    cache = True

    async def run(self, ctx: Ctx) -> End:
        ctx.deps.append("try")
        await asyncio.sleep(1)
        if len(ctx.deps) <= 2:
            raise ValueError("not yet")
        return End()


def test_after_a_failure_the_next_one_tries():
    """Two fail by themselves, one after the other; the third succeeds for all that still wait."""
    ran, cache = [], MemoryCache()

    async def main():
        graph = Graph(Trying)
        runs = (graph.run(state=Desk(), cache=cache, deps=ran) for _ in range(10))
        return await asyncio.gather(*runs, return_exceptions=True)

    results, elapsed = run_virtual(main())

    assert [isinstance(result, NodeError) for result in results] == [True] * 2 + [False] * 8
    assert len(ran) == 3
    assert elapsed == 3


def test_after_a_cancellation_the_next_one_works():
    """Whoever works is cancelled; nobody that waits is lost, and those cancelled are skipped."""
    ran, cache = [], MemoryCache()

    async def main():
        graph = Graph(Slow)
        runs = [
            asyncio.create_task(graph.run(state=Desk(question="q"), cache=cache, deps=ran))
            for _ in range(4)
        ]
        await asyncio.sleep(0.5)
        runs[1].cancel()
        runs[0].cancel()
        return await asyncio.gather(*runs, return_exceptions=True)

    results, elapsed = run_virtual(main())

    assert [type(result).__name__ for result in results] == [
        "CancelledError",
        "CancelledError",
        "RunResult",
        "RunResult",
    ]
    assert ran == ["started", "started", "Ask"]
    assert elapsed == 1.5


@given(
    ends=st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["", "cancel"])), max_size=6),
    fails=st.integers(0, 3),
)
def test_nobody_waits_for_ever(ends, fails):
    """However calls come, are cancelled and fail: each ends, and no two ran at the same time."""
    running = most = attempts = 0

    class Node(BaseNode[Desk]):
        cache = True

        async def run(self, ctx: Ctx) -> End:
            nonlocal running, most, attempts
            running += 1
            attempts += 1
            most = max(most, running)
            failing = attempts <= fails
            try:
                await asyncio.sleep(1)
            finally:
                running -= 1
            if failing:
                raise ValueError
            return End()

    async def main():
        graph, cache, runs = Graph(Node), MemoryCache(), []
        for delay, _ in ends:
            await asyncio.sleep(delay / 2)
            runs.append(asyncio.create_task(graph.run(state=Desk(), cache=cache)))
        await asyncio.sleep(0.25)
        for task, (_, how) in zip(runs, ends, strict=True):
            if how:
                task.cancel()
                await asyncio.sleep(0.25)
        return await asyncio.gather(*runs, return_exceptions=True)

    results, _ = run_virtual(main())

    assert most <= 1
    for result, (_, how) in zip(results, ends, strict=True):
        assert how or not isinstance(result, asyncio.CancelledError)


class Taking(BaseNode[Desk]):
    async def run(self, ctx: Ctx) -> Fork[Slow, Other]:
        return Fork([Slow(), Slow()], then=Other(), strategy=MergeStrategy.FIRST_SUCCESS)


def test_losers_of_a_strategy_hand_over_to_other_runs():
    """FIRST_SUCCESS cancels its second branch, which waited: the flight of the first goes on."""
    ran, cache = [], MemoryCache()

    async def main():
        graph = Graph(Taking)
        runs = (graph.run(state=Desk(question="q"), cache=cache, deps=ran) for _ in range(3))
        return await asyncio.gather(*runs)

    results, elapsed = run_virtual(main())

    assert ran.count("started") == 1
    assert elapsed == 1
    assert [result.state.answer for result in results] == ["Q"] * 3


def test_one_cache_in_several_event_loops():
    """Entries are shared; who works at the same time in another loop is not waited for."""
    ran, cache = [], MemoryCache()
    for _ in range(3):
        asyncio.run(run(Ask, Desk(question="q"), cache=cache, deps=ran))

    assert ran == ["Ask"]


async def test_look_ups_of_different_keys_run_side_by_side(tmp_path):
    """Fifty look-ups of a file at once come back with what belongs to each."""
    with SqliteCache(tmp_path / "c.db") as cache:
        ran, graph = [], Graph(Ask)

        async def ask(number):
            result = await graph.run(state=Desk(question=f"q{number}"), cache=cache, deps=ran)
            return result.output

        for _ in range(2):
            answers = await asyncio.gather(*map(ask, range(50)))
            assert answers == [f"Q{number}" for number in range(50)]
        assert len(ran) == 50
