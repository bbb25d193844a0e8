"""Values that are equal, but that show a node something else: each is an input of its own."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import pytest
from cached_nodes import Desk
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from lift_sys import BaseNode, End, Graph, RunContext
from lift_sys.durability import CachePolicy, MemoryCache


class Loose(BaseModel):
    """Takes anything; all that it was not given has a default."""

    model_config = ConfigDict(extra="allow")

    text: str = ""


@dataclass
class Bag:
    """No model: what it holds is compared as a whole."""

    table: dict[str, Any] = field(default_factory=dict)


class Shelf(BaseModel):
    table: dict[str, Any] = {}
    loose: Loose = Loose()
    bag: Bag = Bag()
    many: list[Any] = []


def keys_of(value: Any) -> list[str]:
    """All keys and extras in `value`, as a node that walks through it meets them."""
    if isinstance(value, Bag):
        value = value.table
    if isinstance(value, Loose):
        value = value.model_dump(exclude_unset=True)
    if isinstance(value, list):
        return [key for each in value for key in keys_of(each)]
    if not isinstance(value, dict):
        return []
    return [found for key, each in value.items() for found in (key, *keys_of(each))]


TABLE: Any = {}


@dataclass
class Configured(BaseNode[Desk]):
    given: Any

    cache = True

    async def run(self, ctx: RunContext[Desk]) -> End[list[str]]:
        return End(keys_of(self.given))


class Noted(BaseNode[Desk]):
    cache = CachePolicy(inputs=("metadata",))

    async def run(self, ctx: RunContext[Desk]) -> End[list[str]]:
        return End(keys_of(ctx.metadata["given"]))


class Served(BaseNode[Desk]):
    cache = CachePolicy(inputs=("deps.given",))

    async def run(self, ctx: RunContext[Desk]) -> End[list[str]]:
        return End(keys_of(ctx.deps.given))


class OfClass(BaseNode[Desk]):
    cache = True
    table: Any = None

    async def run(self, ctx: RunContext[Desk]) -> End[list[str]]:
        return End(keys_of(self.table))


class OfModule(BaseNode[Desk]):
    cache = True

    async def run(self, ctx: RunContext[Desk]) -> End[list[str]]:
        return End(keys_of(TABLE))


class OfState(BaseNode[Shelf]):
    cache = True

    async def run(self, ctx: RunContext[Shelf]) -> End[list[str]]:
        state = ctx.state
        return End([*keys_of(state.table), *keys_of(state.loose), *keys_of(state.bag)])


@dataclass
class Services:
    given: Any


class Place:
    """A place where a node finds a value: each method runs a node that lists the keys in it."""

    def __init__(self, cache: MemoryCache | None) -> None:
        self.cache = cache

    async def _run(self, node: Any, *, state: Any = None, **options: Any) -> Any:
        return await Graph(node).run(state=state or Desk(), cache=self.cache, **options)

    async def attribute(self, value: Any) -> Any:
        return await self._run(Configured(value))

    async def metadata(self, value: Any) -> Any:
        return await self._run(Noted, metadata={"given": value})

    async def deps(self, value: Any) -> Any:
        return await self._run(Served, deps=Services(value))

    async def of_class(self, value: Any) -> Any:
        OfClass.table = value
        return await self._run(OfClass)

    async def closure(self, value: Any) -> Any:
        class Closes(BaseNode[Desk]):
            cache = True

            async def run(self, ctx: RunContext[Desk]) -> End[list[str]]:
                return End(keys_of(value))

        return await self._run(Closes)

    async def module(self, value: Any) -> Any:
        global TABLE
        TABLE = value
        return await self._run(OfModule)

    async def state(self, value: Any) -> Any:
        shelf = {
            dict: lambda: Shelf(table=value),
            Loose: lambda: Shelf(loose=value),
            Bag: lambda: Shelf(bag=value),
            list: lambda: Shelf(table={"many": value}),
        }
        return await self._run(OfState, state=shelf[type(value)]())


PLACES = ["attribute", "metadata", "deps", "of_class", "closure", "module", "state"]

orders = st.permutations("abc")
tables = orders.map(lambda order: dict.fromkeys(order, 1))
values = st.recursive(
    tables, lambda inner: st.builds(lambda table, key: {**table, "d": key}, tables, inner)
)
plain = values | st.lists(values, min_size=1, max_size=2)
objects = st.builds(Bag, values) | values.map(lambda table: Loose(**table))


@given(place=st.sampled_from(PLACES), data=st.data())
async def test_a_hit_equals_a_miss(place, data):
    """Wherever a node finds a value: what it says of it is what it says without a cache."""
    given = data.draw(st.lists(plain if place == "module" else plain | objects, max_size=5))
    cache = MemoryCache()
    for value in given:
        found = await getattr(Place(cache), place)(value)
        plainly = await getattr(Place(None), place)(value)
        assert found.output == plainly.output


@pytest.mark.parametrize("place", PLACES)
async def test_the_same_value_again_is_a_hit(place):
    """Also a copy of it, where the order is the same."""
    hits = []
    cache = MemoryCache()
    for order in ("ab", "ba", "ab", "ba"):
        result = await getattr(Place(cache), place)({key: {"x": 1} for key in order})
        hits.append(result.statistics["cache_hits"])

    assert hits == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda: Loose(), lambda: Loose(text="")),
        (lambda: [Loose()], lambda: [Loose(text="")]),
        (lambda: {"a": Loose()}, lambda: {"a": Loose(text="")}),
        (lambda: defaultdict(int), lambda: defaultdict(list)),
        (lambda: Bag(defaultdict(int)), lambda: Bag(defaultdict(list))),
    ],
)
async def test_what_else_equal_values_show(one, other):
    """Which fields were given, and how a defaultdict grows."""
    for place in ("attribute", "metadata", "deps", "of_class", "closure"):
        hits, cache = [], MemoryCache()
        for make in (one, other, one, other):
            result = await getattr(Place(cache), place)(make())
            hits.append(result.statistics["cache_hits"])

        assert hits == [0, 0, 1, 1], place


async def test_a_value_that_contains_itself():
    """It has a key like any other, in which the order counts."""

    def knotted(order: str) -> dict[str, Any]:
        table: dict[str, Any] = dict.fromkeys(order, 1)
        return table | {"again": [table]} | {"d": table.setdefault("self", table)}

    @dataclass
    class First(Configured):
        async def run(self, ctx: RunContext[Desk]) -> End[str]:
            return End(next(iter(self.given)))

    outcomes, cache = [], MemoryCache()
    for order in ("ab", "ba", "ab"):
        result = await Graph(First).run(First(knotted(order)), state=Desk(), cache=cache)
        outcomes.append((result.output, result.statistics["cache_hits"]))

    assert outcomes == [("a", 0), ("b", 0), ("a", 1)]
