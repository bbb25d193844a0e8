"""Caches beside a journal: a hit is a finished step like others, and questions are never kept."""

from __future__ import annotations

import pytest
from cached_nodes import Ask, Ctx, Desk, Spread

from lift_sys import BaseNode, End, Graph
from lift_sys.core.successors import Suspend
from lift_sys.durability import CachePolicy, MemoryCache, MemoryStore
from lift_sys.errors import UndeclaredReadError


async def test_a_hit_is_kept_in_the_journal():
    """A run whose steps were all found gives its result again from the store alone."""
    cache, ran = MemoryCache(), []
    graph = Graph(Spread)
    for _ in range(2):
        async with MemoryStore() as store:
            run = await graph.run(
                state=Desk(question="one two"),
                store=store,
                cache=cache,
                deps=ran,
                execution_id="run",
                metadata={"a": 1},
            )
            again = await graph.resume("run", store=store, deps=ran)

    assert ran == ["Spread", "Ask"]
    assert run.statistics["cache_hits"] == 2
    assert again.state == run.state
    assert again.output == run.output == "ONE TWO"
    assert again.context.metadata == {"a": 1}
    assert again.context.provenance == run.context.provenance
    assert again.statistics["cache_hits"] == 2


class Answered(BaseNode[Desk]):
    cache = CachePolicy(inputs=("answer",))
    reads = ("question",)

    async def run(self, ctx: Ctx) -> End[str]:
        ctx.deps.append(f"answered {ctx.answer}")
        ctx.state.answer = ctx.answer
        return End(ctx.answer)


class Question(BaseNode[Desk]):
    """Is cached, but what it returns is nothing that can be returned again."""

    cache = True

    async def run(self, ctx: Ctx) -> Suspend[Answered]:
        ctx.deps.append("asked")
        return Suspend("really?", key="ok", then=Answered())


async def test_questions_are_asked_again_and_answers_are_inputs():
    """Two runs ask twice; the same answer is the same input, another one is not."""
    cache, ran, outputs = MemoryCache(), [], []
    graph = Graph(Question)
    for number, answer in enumerate(["yes", "no", "yes"]):
        async with MemoryStore() as store:
            name = f"run{number}"
            await graph.run(
                state=Desk(question="q"), store=store, cache=cache, deps=ran, execution_id=name
            )
            result = await graph.resume(
                name, store=store, answers={"ok": answer}, deps=ran, cache=cache
            )
            outputs.append((result.output, result.state.answer))

    assert outputs == [("yes", "yes"), ("no", "no"), ("yes", "yes")]
    assert ran == ["asked", "answered yes", "asked", "answered no", "asked"]


async def test_an_answer_that_is_no_input_can_t_be_seen():
    """A cached node would give one person's answer to the next."""

    class Peeks(Answered):
        cache = True

    class Asks(BaseNode[Desk]):
        async def run(self, ctx: Ctx) -> Suspend[Peeks]:
            return Suspend("really?", key="ok", then=Peeks())

    async with MemoryStore() as store:
        await Graph(Asks).run(state=Desk(), store=store, execution_id="run", deps=[])
        with pytest.raises(UndeclaredReadError, match=r"ctx\.answer"):
            await Graph(Asks).resume(
                "run", store=store, answers={"ok": "y"}, deps=[], cache=MemoryCache()
            )


async def test_steps_that_are_cached_and_fail_can_be_resumed():
    """The journal has the finished steps; the cache does not come between."""

    class Breaks(Ask):
        cache = CachePolicy(version="b")

        async def run(self, ctx: Ctx) -> End[str]:
            if not ctx.deps:
                ctx.deps.append("broke")
                raise ValueError
            return await super().run(ctx)

    ran, cache = [], MemoryCache()
    async with MemoryStore() as store:
        with pytest.raises(Exception, match="Breaks"):
            await Graph(Breaks).run(
                state=Desk(question="q"), store=store, cache=cache, deps=ran, execution_id="r"
            )
        result = await Graph(Breaks).resume("r", store=store, cache=cache, deps=ran)

    assert result.output == "Q"
    assert ran == ["broke", "Ask"]
