"""The order of keys in a dict is no part of its value, but nodes see it: it outlives a process, too."""

from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from lift_sys import BaseNode, End, Graph, ParallelExecutor, RunContext
from lift_sys.core.policies import Isolation
from lift_sys.durability import CachePolicy, MemoryCache, MemoryStore
from lift_sys.errors import NodeError


class Inner(BaseModel):
    scores: dict[str, int] = {}


class Board(BaseModel):
    scores: dict[str, int] = {}
    inner: Inner = Inner()
    rows: list[Any] = []
    pair: tuple[dict[str, int], ...] = ()


dicts = st.permutations("abc").flatmap(
    lambda keys: st.integers(0, 3).map(lambda count: dict.fromkeys(keys[:count], 1))
)
boards = st.builds(
    Board,
    scores=dicts,
    inner=st.builds(Inner, scores=dicts),
    rows=st.lists(dicts | st.builds(Inner, scores=dicts), max_size=3),
    pair=st.tuples(dicts),
)


def orders(value: Any) -> Any:
    """A value in which the order of keys is told."""
    if isinstance(value, BaseModel):
        return [orders(getattr(value, name)) for name in type(value).model_fields]
    if isinstance(value, dict):
        return [[key, orders(each)] for key, each in value.items()]
    return [orders(each) for each in value] if isinstance(value, (list, tuple)) else value


class Change(BaseNode[Board]):
    async def run(self, ctx: RunContext[Board]) -> "Look":
        new, state = ctx.deps.new, ctx.state
        for old, now in ((state.scores, new.scores), (state.inner.scores, new.inner.scores)):
            old.clear()
            old.update(now)
        state.pair = new.pair
        ctx.metadata.clear()
        ctx.metadata.update(new.scores)
        for row, now in zip(state.rows, new.rows, strict=False):
            if isinstance(row, dict) and isinstance(now, dict):
                row.clear()
                row.update(now)
        state.rows += new.rows[len(state.rows) :]
        return Look()


class Look(BaseNode[Board]):
    async def run(self, ctx: RunContext[Board]) -> End:
        ctx.deps.looks.append([orders(ctx.state), orders(ctx.metadata)])
        if len(ctx.deps.looks) == 1:
            raise ConnectionError
        return End()


class World:
    def __init__(self, new: Board) -> None:
        self.new = new
        self.looks: list[Any] = []


@pytest.mark.parametrize("isolation", [Isolation.COPY, Isolation.LAZY])
@given(old=boards, new=boards)
async def test_what_follows_sees_keys_in_the_same_order(isolation, old, new):
    world = World(new)
    graph = Graph(Change, executor=ParallelExecutor(isolation=isolation))
    async with MemoryStore() as store:
        options = {"store": store, "deps": world}
        with pytest.raises(NodeError):
            await graph.run(state=old, execution_id="run", metadata=old.scores, **options)
        await graph.resume("run", **options)

    assert world.looks[0] == world.looks[1]


class Grow(BaseNode[Board]):
    """Lets a dict grow in another way; it holds what it held."""

    async def run(self, ctx: RunContext[Board]) -> "Grown":
        for place, old in enumerate(ctx.state.rows):
            ctx.state.rows[place] = defaultdict(list, old)
        ctx.metadata["by name"] = defaultdict(list, ctx.metadata["by name"])
        return Grown()


class Grown(BaseNode[Board]):
    async def run(self, ctx: RunContext[Board]) -> End[list[Any]]:
        if ctx.deps == "broken":
            raise ConnectionError
        dicts = [*ctx.state.rows, ctx.metadata["by name"]]
        return End([each["new"] for each in dicts])


@pytest.mark.parametrize("rows", [[], [{"a": 1}], [{}, {"a": 1, "b": 2}]])
async def test_a_dict_goes_on_growing_as_a_step_has_left_it(rows):
    old = [defaultdict(int, each) for each in rows]
    options = {"store": MemoryStore(), "execution_id": "run", "state": Board(rows=old)}
    options["metadata"] = {"by name": defaultdict(int)}
    with pytest.raises(NodeError):
        await Graph(Grow).run(**options, deps="broken")

    assert (await Graph(Grow).run(**options)).output == [[]] * (len(rows) + 1)


async def test_a_cached_step_changes_how_a_dict_grows():
    class Cached(Grow):
        cache = CachePolicy(inputs=("metadata",))

    cache = MemoryCache()
    for hits in (0, 1):
        state, metadata = Board(rows=[defaultdict(int)]), {"by name": defaultdict(int)}
        result = await Graph(Cached).run(state=state, metadata=metadata, cache=cache)
        assert (result.output, result.statistics["cache_hits"]) == ([[], []], hits)
