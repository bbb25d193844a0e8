"""The caches of the first design, under its names, right where it was wrong (DESIGN.md section 11)."""

from __future__ import annotations

import asyncio

from pydantic import BaseModel

from lift_sys import BaseNode, End, ParallelExecutor, RunContext
from lift_sys.dspy_signatures import caching
from lift_sys.dspy_signatures.caching import (
    CachedParallelExecutor,
    CachingStrategy,
    InMemoryCache,
    NoOpCache,
)
from lift_sys.durability import Cache, MemoryCache
from lift_sys.testing import context_for, run_virtual


class Prompt(BaseModel):
    prompt: str = ""
    value: int = 0
    notes: list[str] = []


class Model(BaseNode[Prompt]):
    """Stands for a call of a model, as tests of the first design do: nothing about caches in it."""

    def __init__(self, value: int = 42) -> None:
        self.value = value

    async def run(self, ctx: RunContext[Prompt]) -> End:
        ctx.deps.append(ctx.state.prompt)
        await asyncio.sleep(0.1)
        ctx.state.value = self.value
        ctx.state.notes.append(ctx.state.prompt)
        return End()


def ask(executor, nodes, state, **fields):
    async def main():
        return await executor.execute_parallel_with_cache(nodes, context_for(state, **fields))

    return run_virtual(main())


def test_names_are_those_of_the_engine():
    """Nothing is defined in the facade."""
    assert caching.__all__ == [
        "CachedParallelExecutor",
        "CachingStrategy",
        "InMemoryCache",
        "NoOpCache",
    ]
    assert CachingStrategy is Cache
    assert InMemoryCache is MemoryCache
    assert issubclass(CachedParallelExecutor, ParallelExecutor)


def test_all_nodes_are_cached():
    """The first design's executor asks no node; a second call takes no time and is a success."""
    ran = []
    executor = CachedParallelExecutor(max_concurrent=4, cache=InMemoryCache(max_size=10))
    [first], slow = ask(executor, [Model()], Prompt(prompt="p"), deps=ran)
    [second], quick = ask(executor, [Model()], Prompt(prompt="p"), deps=ran)

    assert ran == ["p"]
    assert (slow, quick) == (0.1, 0)
    assert second.is_success
    assert second.context.state == first.context.state


def test_the_nodes_configuration_is_in_the_key():
    """It was not: two differently configured nodes got each other's results."""
    executor = CachedParallelExecutor()
    values = []
    for value in (1, 2, 1):
        [result], _ = ask(executor, [Model(value)], Prompt(prompt="p"), deps=[])
        values.append(result.context.state.value)

    assert values == [1, 2, 1]


def test_a_hit_is_no_context_of_another_user():
    """It was: a hit gave back the context of whoever had run the node first."""
    executor = CachedParallelExecutor()
    for user in ("ann", "bob"):
        [result], _ = ask(
            executor,
            [Model()],
            Prompt(prompt="p"),
            deps=[],
            user_id=user,
            execution_id=f"run of {user}",
            metadata={"user": user},
        )
        assert result.context.user_id == user
        assert result.context.execution_id == f"run of {user}"
        assert result.context.metadata == {"user": user}


def test_callers_can_t_corrupt_it():
    """They could: an entry was the very object that callers got."""
    executor = CachedParallelExecutor()
    for _ in range(3):
        [result], _ = ask(executor, [Model()], Prompt(prompt="p"), deps=[])
        assert result.context.state.notes == ["p"]
        result.context.state.notes.clear()


def test_identical_calls_run_once():
    """They ran five times."""
    ran = []
    results, elapsed = ask(
        CachedParallelExecutor(8), [Model() for _ in range(5)], Prompt(prompt="p"), deps=ran
    )

    assert ran == ["p"]
    assert elapsed == 0.1
    assert {result.context.state.value for result in results} == {42}


def test_an_empty_cache_is_used():
    """`cache or InMemoryCache()` would take another one, since an empty cache is false."""
    cache = InMemoryCache()
    ask(CachedParallelExecutor(cache=cache), [Model()], Prompt(), deps=[])

    assert len(cache) == 1


def test_switched_off():
    """`cache_enabled=False` and `NoOpCache` run everything, side by side."""
    for executor in (
        CachedParallelExecutor(8, cache_enabled=False),
        CachedParallelExecutor(8, cache=NoOpCache()),
    ):
        ran = []
        _, elapsed = ask(executor, [Model() for _ in range(5)], Prompt(), deps=ran)
        assert len(ran) == 5
        assert elapsed == 0.1


async def test_single_call():
    """`execute_with_cache` is the call of one node."""
    executor, ran = CachedParallelExecutor(), []
    for _ in range(2):
        result = await executor.execute_with_cache(Model(), context_for(Prompt(), deps=ran))

    assert len(ran) == 1
    assert result.attempts == 0
