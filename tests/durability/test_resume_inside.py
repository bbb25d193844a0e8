"""A step that is done again with another past uses nothing of what its runs inside had left."""

import asyncio
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from lift_sys import BaseNode, End, Fork, Graph, RetryPolicy, RunContext, Stop
from lift_sys.durability import MemoryStore
from lift_sys.errors import LiftError
from lift_sys.reducers import Append


class World:
    """What the inner runs are given, one after the other, and what ran."""

    def __init__(self, *inputs: Any, crashes: int = 1) -> None:
        self.inputs, self.crashes = list(inputs), crashes
        self.ran: list[str] = []


class Work(BaseModel):
    done: Annotated[list[str], Append()] = []
    #: The branch that stops; none if it is not there.
    stopping: str = ""


class Outer(BaseNode[Work]):
    """Runs the inner graph on the next input, and fails as often as it is told to."""

    async def run(self, ctx: RunContext[Work]) -> End[bool]:
        world = ctx.deps
        inner = Work(stopping=world.inputs.pop(0))
        result = await INNER.run_inside(ctx, inner)
        if world.crashes:
            world.crashes -= 1
            raise ConnectionError
        ctx.state.done = result.state.done
        return End(result.stopped)


class Begin(BaseNode[Work]):
    async def run(self, ctx: RunContext[Work]) -> Fork["Branch", End]:
        ctx.deps.ran.append("begin")
        return Fork([Branch("a"), Branch("b"), Branch("c")], then=End())


class Branch(BaseNode[Work]):
    def __init__(self, name: str) -> None:
        self.name = name

    async def run(self, ctx: RunContext[Work]) -> "Leaf":
        ctx.deps.ran.append(self.name)
        # What follows is the same whatever was before, so that only the past tells them apart.
        return Leaf(self.name)


class Leaf(BaseNode[Work]):
    def __init__(self, name: str) -> None:
        self.name = name

    async def run(self, ctx: RunContext[Work]) -> End | Stop:
        ctx.deps.ran.append(f"leaf {self.name}")
        ctx.state.done.append(self.name)
        return Stop() if ctx.state.stopping == self.name else End()


INNER = Graph(Begin)

#: What runs where nothing stops: each step once.
ALL = ["begin", "a", "b", "c", "leaf a", "leaf b", "leaf c"]


async def resumed(world, graph):
    async with MemoryStore() as store:
        options = {"store": store, "deps": world}
        with pytest.raises(LiftError):
            await graph.run(state=Work(), execution_id="run", **options)
        world.ran.clear()
        return await graph.resume("run", **options)


async def test_a_stop_of_another_input_is_nothing_to_this_one():
    """Or its branch would run by itself first, and then again beside the others."""
    world = World("b", "")

    result = await resumed(world, Graph(Outer))

    assert sorted(world.ran) == sorted(ALL)
    assert (result.state.done, result.output) == (["a", "b", "c"], False)


async def test_a_stop_of_the_same_input_is_found_again():
    world = World("b", "b")

    result = await resumed(world, Graph(Outer))

    assert world.ran == []
    assert (result.state.done, result.output) == (["b"], True)


class Retrying(Outer):
    retry = RetryPolicy(max_attempts=2, first_delay=0)


async def test_a_stop_is_found_once():
    """What an attempt of this process has used already, the next one does again."""
    world = World("b", "b", "b", "", crashes=3)

    result = await resumed(world, Graph(Retrying))

    assert sorted(world.ran) == sorted(ALL)
    assert (result.state.done, result.output) == (["a", "b", "c"], False)


class Note(BaseModel):
    text: str = ""


class Write(BaseNode[Note]):
    def __init__(self, text: str, client: object = None) -> None:
        self.text, self.client = text, client

    async def run(self, ctx: RunContext[Note]) -> End:
        ctx.deps.ran.append(self.text)
        ctx.state.text = self.text
        return End()


class WriteOther(Write):
    async def run(self, ctx: RunContext[Note]) -> End:
        ctx.deps.ran.append(self.text)
        ctx.state.text = f"other {self.text}"
        return End()


GRAPHS = {"graph": Graph(Write("own")), "other graph": Graph(WriteOther("own"))}
TEXTS = {
    "graph": "own",
    "other graph": "other own",
    **{name: name for name in ("a", "b", "with a lock")},
}


class Together(BaseNode[Note]):
    """Runs graphs beside each other; which of them begins first is a matter of luck."""

    async def run(self, ctx: RunContext[Note]) -> End[dict[str, str]]:
        world, found = ctx.deps, {}

        async def run(name: str, turns: int) -> None:
            for _ in range(turns):
                await asyncio.sleep(0)
            client = asyncio.Lock() if name == "with a lock" else None
            start = None if name in GRAPHS else Write(name, client)
            graph = GRAPHS.get(name, GRAPHS["graph"])
            found[name] = (await graph.run_inside(ctx, Note(), start_node=start)).state.text

        order = world.inputs.pop(0)
        await asyncio.gather(*[run(name, 3 * turns) for turns, name in enumerate(order)])
        if world.crashes:
            world.crashes -= 1
            raise ConnectionError
        return End(found)


orders = st.permutations(list(TEXTS))


@given(before=orders, after=orders)
async def test_runs_beside_each_other_may_change_places(before, after):
    world = World(before, after)
    async with MemoryStore() as store:
        options = {"store": store, "deps": world, "execution_id": "run"}
        graph = Graph(Together)
        with pytest.raises(LiftError):
            await graph.run(state=Note(), **options)
        world.ran.clear()
        result = await graph.run(state=Note(), **options)

    assert result.output == TEXTS
    assert len(world.ran) == sum(one != other for one, other in zip(before, after, strict=True))
