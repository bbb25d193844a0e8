"""A run that went on gives exactly what it would have given: all of its result but the times."""

import asyncio
import itertools

import pytest
from durability.mortal import Mortal
from durability.random_runs import (
    PATIENT,
    Ask,
    Board,
    Fail,
    Fan,
    Go,
    Halt,
    Inside,
    Walk,
    Work,
    all_told,
    carried_on,
    walks,
)
from hypothesis import example, given, settings

from lift_sys import BaseNode, End, Fork, Graph, MergeStrategy, ParallelExecutor, RunContext
from lift_sys.durability import MemoryCache, MemoryStore
from lift_sys.errors import LiftError, StepLimitError, StoreError
from lift_sys.testing import run_virtual

FAILING = Fan(((Work(), Fail()), (Work(),)), MergeStrategy.BEST_EFFORT)
STOPPED = Inside(((Work(), Fan(((Work(),), (Halt(),)), MergeStrategy.ALL_SUCCESS)),))
FAILED_INSIDE = Inside(((Work(), Fail()), (Work(),)))


async def outcome(graph, name, store):
    """All that a run comes to; of one that fails, by what."""
    try:
        result, _ = await carried_on(graph, name, store)
    except LiftError as error:
        return type(error), getattr(error, "address", None)
    return all_told(result)


async def begun(graph, store):
    """All of a first run, as far as it comes at once; or by what it failed."""
    ran: list[str] = []
    options = {"state": Board(), "seed": 3, "execution_id": "one", "deps": ran}
    try:
        return all_told(await graph.run(store=store, **options))
    except LiftError as error:
        return type(error), getattr(error, "address", None)


def check_finished(walk: Walk) -> None:
    """A finished run gives its result again."""

    async def scenario() -> None:
        graph, store = Graph(Go(walk)), MemoryStore()
        first = await begun(graph, store)
        if not isinstance(first, tuple):
            assert await outcome(graph, "one", store) == first
        await store.close()

    run_virtual(scenario())


@given(walk=walks(asking=False, failing=True, strategies=list(MergeStrategy)))
@settings(max_examples=60)
@example(walk=(FAILING, Work()))
@example(walk=(STOPPED, Work()))
@example(walk=(FAILED_INSIDE, Work()))
def test_a_finished_run_gives_all_of_its_result_again(walk: Walk):
    check_finished(walk)


# Whether a failure or a `Stop` beside it is first is a matter of time, and decides the run.
TIMELESS = walks(asking=False, failing=True, strategies=PATIENT).filter(
    lambda walk: not ("Fail()" in repr(walk) and "Halt()" in repr(walk))
)


class Slow(MemoryStore):
    """Whoever stops is told late that this is kept."""

    async def commit(self, execution_id, epoch, facts):
        await super().commit(execution_id, epoch, facts)
        if "stops" in facts[0].body:
            await asyncio.sleep(1)


async def decided_before_a_stop() -> None:
    graph, store = Graph(Go((Fan(((Work(),), (Halt(),)), MergeStrategy.FIRST_SUCCESS),))), Slow()
    first = await begun(graph, store)
    _, facts = await store.load("one")

    assert first["stopped"] is False
    assert "stops" in [name for fact in facts for name in fact.body]
    assert await outcome(graph, "one", store) == first
    await store.close()


def test_a_stop_that_was_kept_after_the_fork_was_decided_does_not_count_later():
    run_virtual(decided_before_a_stop())


def settled(told, other):
    """Without what branches did before they were cancelled: that is a matter of time."""
    both = [each for each in (told, other) if not isinstance(each, tuple)]
    if not any(each["statistics"]["cancelled_branches"] for each in both):
        return told
    if isinstance(told, tuple):
        return told
    unsure = ("usage", "statistics", "discarded")
    return {name: value for name, value in told.items() if name not in unsure}


def check_every_crash(walk: Walk) -> None:
    """Killed at each of its writes, whether that is heard of or not, it comes to the same."""

    async def scenario() -> None:
        graph, store = Graph(Go(walk)), MemoryStore()
        await begun(graph, store)
        expected = await outcome(graph, "one", store)
        await store.close()
        alive, numbers = False, itertools.count(2)
        while not alive:
            number = next(numbers)
            lives, heard = number // 2, number % 2 == 0
            store = MemoryStore()
            died = await begun(graph, Mortal(store, lives, heard=heard))
            alive = heard and died != (StoreError, None)
            again = await outcome(graph, "one", store)
            assert settled(again, expected) == settled(expected, again), (lives, heard)
            await store.close()

    run_virtual(scenario())


@given(walk=TIMELESS)
@settings(max_examples=8)
@example(walk=(FAILING, Work()))
@example(walk=(FAILED_INSIDE, Work()))
def test_a_run_that_is_killed_comes_to_the_same(walk: Walk):
    check_every_crash(walk)


@pytest.mark.slow
@given(walk=TIMELESS)
@settings(max_examples=100)
def test_many_runs_that_are_killed_come_to_the_same(walk: Walk):
    check_every_crash(walk)


class Cached(BaseNode[Board]):
    """Does the same twice, the second time from the cache, and runs two steps inside."""

    cache = True

    def __init__(self, number: int) -> None:
        self.number = number

    async def run(self, ctx: RunContext[Board]) -> "Twice":
        return Twice(self.number)


class Twice(BaseNode[Board]):
    def __init__(self, number: int) -> None:
        self.number = number

    async def run(self, ctx: RunContext[Board]) -> Cached | End:
        await Graph(Go((Work(), Work()))).run_inside(ctx, Board(), start_node=Go((Work(), Work())))
        return Cached(1) if self.number == 0 else End()


class Again(BaseNode[Board]):
    async def run(self, ctx: RunContext[Board]) -> "Fork[Cached, End]":
        return Fork([Cached(1), Cached(1), Cached(0)], then=End(), max_concurrent=1)


async def test_hits_of_the_cache_and_steps_inside_are_counted_again():
    graph = Graph(Again)
    async with MemoryStore() as store:
        options = {"store": store, "execution_id": "one", "deps": [], "cache": MemoryCache()}
        first = await graph.run(state=Board(), **options)

        again = await graph.resume("one", store=store, deps=[])

        assert first.statistics["cache_hits"] == 2
        assert first.statistics["steps"] == 1 + 3 * 2 + 2 + 4 * 2
        assert all_told(again) == all_told(first)


async def test_steps_that_were_done_before_count_for_the_limit():
    """Also those inside of steps: a run is limited as a whole, not each of its processes."""
    walk: Walk = (Inside(((Work(), Work()),)), Work(), Work(), Ask())

    def of(steps):
        return Graph(Go(walk), executor=ParallelExecutor(max_steps=steps))

    async with MemoryStore() as store:
        begun = await of(6).run(state=Board(), store=store, execution_id="one", deps=[])
        assert begun.suspended

        with pytest.raises(StepLimitError):
            await carried_on(of(6), "one", store)
