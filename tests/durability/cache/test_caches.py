"""What every cache does: keeps, forgets by node, version, tag and age, and hands out copies."""

from datetime import timedelta

import pytest
from cached_nodes import Ask, Desk, Halt, Shout, Spread, Whole, run

from lift_sys import ParallelExecutor
from lift_sys.durability import CachePolicy, MemoryCache, NoOpCache
from lift_sys.errors import UsageError
from lift_sys.testing import context_for


async def test_second_run_is_found(cache):
    """The node runs once; state, output and statistics of the second run say the same and why."""
    ran = []
    first = await run(Ask, Desk(question="why"), cache=cache, deps=ran)
    second = await run(Ask, Desk(question="why"), cache=cache, deps=ran)

    assert ran == ["Ask"]
    assert second.state == first.state
    assert second.output == "WHY"
    assert (first.statistics["cache_hits"], second.statistics["cache_hits"]) == (0, 1)
    assert (second.statistics["steps"], second.statistics["attempts"]) == (1, 0)


async def test_hit_costs_nothing_and_says_so(cache):
    """The ledger has the calls as cached ones, without tokens; the provenance is this run's."""
    await run(Ask, Desk(question="why"), cache=cache, deps=[], execution_id="first")
    hit = await run(Ask, Desk(question="why"), cache=cache, deps=[], execution_id="second")

    total = hit.usage.total
    assert (total.calls, total.cached_calls, total.tokens, total.cost) == (1, 1, 0, 0.0)
    [entry] = hit.context.provenance
    assert entry == {
        "node": "Ask",
        "signature": "question -> answer",
        "execution_id": "second",
        "address": "0",
        "model": "m",
        "cached": True,
    }


async def test_entries_expire_by_policy_then_by_cache(make_cache, clock):
    """The policy's `ttl` goes before the cache's."""

    class Fleeting(Ask):
        cache = CachePolicy(ttl=10)

    ran, cache = [], make_cache(ttl=100)
    for _ in range(2):
        await run(Ask, Desk(), cache=cache, deps=ran)
        await run(Fleeting, Desk(), cache=cache, deps=ran)
    assert len(ran) == 2

    clock.advance(10)
    await run(Ask, Desk(), cache=cache, deps=ran)
    assert len(ran) == 2
    await run(Fleeting, Desk(), cache=cache, deps=ran)
    assert len(ran) == 3

    clock.advance(90)
    await run(Ask, Desk(), cache=cache, deps=ran)
    assert len(ran) == 4


async def test_least_recent_entries_go_first(make_cache, clock):
    """No more than `max_size` are kept."""
    ran, cache = [], make_cache(max_size=2)
    for question in ("a", "b", "c"):
        clock.advance(1)
        await run(Ask, Desk(question=question), cache=cache, deps=ran)
    ran.clear()

    for question in ("c", "b", "a"):
        await run(Ask, Desk(question=question), cache=cache, deps=ran)

    assert ran == ["Ask"]


async def filled(cache, ran, clock):
    """Three kinds of nodes, of two ages."""
    for question in ("a", "b"):
        await run(Ask, Desk(question=question), cache=cache, deps=ran)
    clock.advance(60)
    await run(Shout(), Desk(question="a"), cache=cache, deps=ran)
    await run(Halt, Desk(question="a"), cache=cache, deps=ran)


async def test_invalidation(cache, clock):
    """By class, by name, by tag, by version, by age, by several at once, and all."""
    await filled(cache, [], clock)
    assert await cache.invalidate(tag="nothing") == 0
    assert await cache.invalidate(node=Ask, version="2") == 0
    assert await cache.invalidate(node=Ask) == 2
    await filled(cache, [], clock)
    assert await cache.invalidate(tag="asked") == 2
    await filled(cache, [], clock)
    assert await cache.invalidate(version="1") == 2
    await filled(cache, [], clock)
    assert await cache.invalidate(older_than=30, node="Ask") == 2
    await filled(cache, [], clock)
    assert await cache.invalidate(node="cached_nodes:Shout") == 1
    assert await cache.invalidate() == 3
    ran = []
    await filled(cache, ran, clock)

    assert ran == ["Ask", "Ask", "Shout", "Halt"]


async def test_an_instance_is_not_taken_for_its_class(cache, clock):
    """Results of other instances would go, too."""
    await filled(cache, [], clock)

    with pytest.raises(UsageError, match="Ask means the results of all its instances"):
        await cache.invalidate(node=Ask())


@pytest.mark.parametrize("ttl", [timedelta(days=1), "60", True])
def test_a_time_that_is_no_number_of_seconds_is_refused(ttl):
    for make in (MemoryCache, CachePolicy):
        with pytest.raises(TypeError, match="ttl is a number of seconds"):
            make(ttl=ttl)


async def test_an_age_of_less_than_nothing_is_refused(cache, clock):
    """It would mean all entries, also those that are made just now."""
    ran: list[str] = []
    await filled(cache, ran, clock)

    for age in (-1, float("nan"), timedelta(days=1), "30d"):
        with pytest.raises(UsageError, match="older_than="):
            await cache.invalidate(older_than=age)

    assert await cache.invalidate() > 0


async def test_forks_and_stops_are_kept(cache):
    """A hit goes on as the node did: the branches run, `Stop` stops."""
    ran = []
    for _ in range(2):
        result = await run(Spread, Desk(question="one three"), cache=cache, deps=ran)
        stopped = await run(Halt, Desk(), cache=cache, deps=ran)

    assert ran == ["Spread", "Ask", "Halt"]
    assert result.state.index == {"one": 3, "three": 5}
    assert result.statistics["cache_hits"] == 2
    assert (stopped.stopped, stopped.output) == (True, [1])


async def test_what_a_caller_does_to_a_result_changes_no_entry(cache):
    """State and output of a hit are copies."""
    for _ in range(3):
        result = await run(Whole, Desk(question="q"), cache=cache, deps=[])
        stopped = await run(Halt, Desk(), cache=cache, deps=[])
        assert result.state.log == ["q"]
        assert stopped.output == [1]
        result.state.log.append("mine")
        stopped.output.append(2)


async def test_groups_of_an_executor_use_it(cache):
    """`ParallelExecutor(cache=)`; a result that was found took no attempt."""
    executor = ParallelExecutor(cache=cache)
    ran = []
    ctx = context_for(Desk(question="q"), deps=ran)

    await executor.execute_parallel([Ask(), Shout()], ctx)
    results = await executor.execute_parallel([Ask(), Shout()], ctx)

    assert sorted(ran) == ["Ask", "Shout"]
    assert [result.attempts for result in results] == [0, 0]
    assert results[0].context.state.answer == "Q"


async def test_nothing_is_kept_without_a_cache_or_by_one_that_keeps_nothing():
    """The node's wish alone does nothing."""
    ran = []
    for options in ({}, {"cache": NoOpCache()}):
        for _ in range(2):
            result = await run(Ask, Desk(), deps=ran, **options)
            assert result.statistics["cache_hits"] == 0

    assert len(ran) == 4
    assert await NoOpCache().invalidate() == 0
