"""A field that is assigned the value it has is set from then on, also in a kept or cached step."""

from typing import Any

import hypothesis.strategies as st
from hypothesis import given
from pydantic import BaseModel

from lift_sys import BaseNode, End, Fork, Graph, RunContext
from lift_sys.durability import MemoryCache, MemoryStore, SqliteCache
from lift_sys.testing import run_virtual


class Item(BaseModel):
    a: int = 0
    b: int = 0


class State(BaseModel):
    x: int = 0
    y: int = 0
    item: Item = Item()
    named: dict[str, Item] = {"a": Item(), "b": Item(a=1)}
    rows: list[Item] = [Item() for _ in range(12)]


#: What a step does: which model, which field, and the value; 0 is what most fields have.
PLACES = {
    "state": (lambda state: state, ["x", "y"]),
    "item": (lambda state: state.item, ["a", "b"]),
    "named": (lambda state: state.named["a"], ["a", "b"]),
    "first row": (lambda state: state.rows[0], ["a", "b"]),
    "last row": (lambda state: state.rows[-1], ["a", "b"]),
}
ACT = st.sampled_from([*PLACES]).flatmap(
    lambda name: st.tuples(st.just(name), st.sampled_from(PLACES[name][1]), st.integers(0, 1))
)


def shown(state: State) -> Any:
    """What a dump tells of the fields that were set; a default of its own was given by nobody."""
    parts = [state, state.item, *state.named.values(), *state.rows]
    return [state.model_dump(), [sorted(each.model_fields_set) for each in parts]]


class Last(BaseNode[State]):
    async def run(self, ctx: RunContext[State]) -> End[Any]:
        if ctx.deps:
            raise ConnectionError("down")
        return End(shown(ctx.state))


class Act(BaseNode[State]):
    cache = True

    def __init__(self, acts: list[tuple[str, str, int]]) -> None:
        self.acts = acts

    async def run(self, ctx: RunContext[State]) -> Last:
        for name, field, value in self.acts:
            setattr(PLACES[name][0](ctx.state), field, value)
        return Last()


class Reading(Act):
    reads = ("y", "item", "rows")


class Branch(Act):
    async def run(self, ctx: RunContext[State]) -> End[None]:
        await super().run(ctx)
        return End()


class Split(BaseNode[State]):
    def __init__(self, acts: list[tuple[str, str, int]]) -> None:
        self.acts = acts

    async def run(self, ctx: RunContext[State]) -> Fork[Branch, Last]:
        half = len(self.acts) // 2
        return Fork([Branch(self.acts[:half]), Branch(self.acts[half:])], then=Last())


@given(
    kind=st.sampled_from([Act, Reading, Split]),
    acts=st.lists(ACT, max_size=4),
    given_fields=st.dictionaries(st.sampled_from("xy"), st.just(0)),
)
def test_kept_cached_and_live_steps_set_the_same_fields(kind, acts, given_fields, tmp_path_factory):
    """`model_dump(exclude_unset=True)` can't tell them apart."""
    if kind is Reading:
        acts = [each for each in acts if each[0] != "named"]
    if kind is Split:  # both halves may write to one place: what they write has to be equal
        acts = [(name, field, 0) for name, field, _ in acts]
    graph = Graph(kind(acts))

    async def scenario():
        live = await graph.run(state=State(**given_fields))
        async with MemoryStore() as store:
            try:
                await graph.run(
                    state=State(**given_fields), store=store, execution_id="one", deps="down"
                )
            except Exception as error:
                assert "down" in str(error)
            kept = await graph.resume("one", store=store)
        assert kept.output == live.output
        path = tmp_path_factory.mktemp("cache") / "cache.db"
        for cache in (MemoryCache(), SqliteCache(path)):
            for _ in range(2):
                found = await graph.run(state=State(**given_fields), cache=cache)
                assert found.output == live.output
            if isinstance(cache, SqliteCache):
                cache.close()

    run_virtual(scenario())
