"""A kept run, run again: step by step the same, or the first step that is not."""

import pytest
from durability.random_runs import Board as Random
from durability.random_runs import Go, carried_on, walks
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from lift_sys import BaseNode, End, Fork, Graph, MergeStrategy, RunContext, Suspend
from lift_sys.durability import MemoryStore, replay, rewind
from lift_sys.errors import UnknownRunError
from lift_sys.testing import run_virtual


@given(walk=walks())
@settings(max_examples=15)
def test_runs_that_depend_on_nothing_else_are_identical(walk):
    """With forks, runs inside and answers; and the stored run is not touched."""

    async def scenario():
        graph, store = Graph(Go(walk)), MemoryStore()
        await graph.run(state=Random(), store=store, execution_id="one", seed=3, deps=[])
        await carried_on(graph, "one", store)
        kept = await store.load("one")

        again = await replay(store, graph, "one", deps=[])

        assert again.identical, str(again.first)
        assert again.error is None
        assert again.steps == kept[0].steps
        assert await store.load("one") == kept
        await store.close()

    run_virtual(scenario())


class Note(BaseModel):
    words: dict[str, str] = {}


class Begin(BaseNode[Note]):
    async def run(self, ctx: RunContext[Note]) -> "Fork[Say, Ask]":
        strategy = MergeStrategy.ALL_SUCCESS
        return Fork([Say("a"), Say("b")], then=Ask(), strategy=strategy)


class Say(BaseNode[Note]):
    def __init__(self, name: str) -> None:
        self.name = name

    async def run(self, ctx: RunContext[Note]) -> End:
        if ctx.deps.get(self.name) == "broken":
            raise ConnectionError("no line")
        ctx.state.words[self.name] = ctx.deps.get(self.name, "word")
        return End()


class Ask(BaseNode[Note]):
    async def run(self, ctx: RunContext[Note]) -> "Suspend[Close]":
        return Suspend("well?", key="well", schema=int, then=Close())


class Close(BaseNode[Note]):
    async def run(self, ctx: RunContext[Note]) -> End[str]:
        return End(f"{ctx.answer} {ctx.deps.get('end', 'done')}")


@pytest.fixture
async def stored():
    graph = Graph(Begin)
    async with MemoryStore() as store:
        await graph.run(state=Note(), store=store, execution_id="one", deps={})
        await graph.resume("one", store=store, answers={"well": 7}, deps={})
        yield graph, store


@pytest.mark.parametrize(
    ("deps", "text"),
    [
        (
            {"b": "other"},
            'step 0.1:Say, writes: was [["set", ["words", ["b"]], "word"]], is [["set"',
        ),
        (
            {"end": "gone"},
            'step 2:Close, successor: was {"$": "End", "v": "7 done"}, is {"$": "End"',
        ),
        ({"a": "broken"}, "step 0.0:Say ran then, but not now"),
    ],
)
async def test_the_first_difference_is_named(stored, deps, text):
    graph, store = stored

    again = await replay(store, graph, "one", deps=deps)

    assert not again.identical
    assert str(again.first).startswith(text)
    assert (again.error is not None) == ("broken" in deps.values())


async def test_answers_and_changes_are_given_again(stored):
    graph, store = stored
    await rewind(store, graph, "one", at="1", changes={"words": {"c": "d"}}, new_id="two")
    await graph.resume("two", store=store, deps={})
    await graph.resume("two", store=store, deps={}, answers={"well": 8})

    assert (await replay(store, graph, "one", deps={})).identical
    again = await replay(store, graph, "two", deps={})
    assert again.identical, str(again.first)


async def test_a_run_that_failed_is_replayed_up_to_there():
    graph = Graph(Begin)
    async with MemoryStore() as store:
        with pytest.raises(Exception, match="no line"):
            await graph.run(state=Note(), store=store, execution_id="one", deps={"b": "broken"})

        again = await replay(store, graph, "one", deps={"b": "broken"})

        assert again.identical, str(again.first)
        assert "no line" in str(again.error)


async def test_an_unknown_run_is_said(stored):
    with pytest.raises(UnknownRunError):
        await replay(stored[1], stored[0], "nobody")


class Box(BaseModel):
    value: object = None


class Give(BaseNode[Box]):
    async def run(self, ctx: RunContext[Box]) -> End[object]:
        ctx.state.value = ctx.deps[0]
        return End(ctx.deps[1])


@pytest.mark.parametrize(("then", "now"), [(1, True), (1, 1.0), (0.0, -0.0), ([0], [False])])
async def test_what_python_calls_equal_is_a_difference(then, now):
    store, graph = MemoryStore(), Graph(Give)
    await graph.run(state=Box(), store=store, execution_id="run", deps=(then, then))

    assert (await replay(store, graph, "run", deps=(then, then))).identical
    for deps, part in (((now, then), "writes"), ((then, now), "successor")):
        first = (await replay(store, graph, "run", deps=deps)).first
        assert first is not None
        assert first.part == part


@given(walk=walks(asking=False), place=st.integers(0, 20))
@settings(max_examples=15)
def test_a_run_that_was_rewound_is_identical(walk, place):
    """What it shares has run under another name, which the entries of its provenance say."""

    async def scenario():
        graph, store = Graph(Go(walk)), MemoryStore()
        await graph.run(state=Random(), store=store, execution_id="one", seed=3, deps=[])
        _, facts = await store.load("one")
        at = facts[place % len(facts)].address
        await rewind(store, graph, "one", at=at, new_id="two")
        await graph.resume("two", store=store, deps=[])

        again = await replay(store, graph, "two", deps=[])

        assert again.identical, str(again.first)
        await store.close()

    run_virtual(scenario())
