"""One object in two places: a run that went on does with it what the run would have done."""

from typing import Any

import pytest
from pydantic import BaseModel

from lift_sys import BaseNode, End, Fork, Graph, RunContext
from lift_sys.durability import MemoryStore
from lift_sys.errors import LiftError, UnkeptValueError


class Lists(BaseModel):
    one: list[int] = []
    other: list[int] = []


class Share(BaseNode[Lists]):
    """Puts one list into two places."""

    def __init__(self, place: str) -> None:
        self.place = place

    async def run(self, ctx: RunContext[Lists]) -> "Change | Fork[Change, End]":
        shared = ctx.state.one = [1]
        match self.place:
            case "metadata":
                ctx.metadata["list"] = {"inner": shared}
            case "provenance":
                ctx.provenance.append({"list": shared})
            case "state":
                ctx.state.other = shared
            case "node":
                return Change(shared)
            case "nodes":
                return Fork([Change(shared), Change(shared)], then=End())
            case "metadata and node":
                ctx.metadata["list"] = own = [1]
                return Change(own)
        return Change([])


class Change(BaseNode[Lists]):
    """Changes it in each of them."""

    def __init__(self, own: list[int]) -> None:
        self.own = own

    async def run(self, ctx: RunContext[Lists]) -> End[Any]:
        ctx.deps.fail()
        ctx.state.one.append(2)
        self.own.append(3)
        for notes in (ctx.metadata.get("list"), *ctx.provenance):
            lists = notes.values() if isinstance(notes, dict) else [notes or []]
            for each in lists:
                each.append(4)
        return End(self.own)


class Failing:
    def __init__(self, times: int) -> None:
        self.times = times

    def fail(self) -> None:
        self.times -= 1
        if self.times >= 0:
            raise ConnectionError


async def ended(place, *, times):
    graph, service = Graph(Share("")), Failing(times)
    async with MemoryStore() as store:
        options: Any = {"store": store, "deps": service}
        try:
            result = await graph.run(Share(place), state=Lists(), execution_id="run", **options)
        except LiftError:
            if not times:
                raise
            result = await graph.resume("run", **options)
    return result.state, result.output, result.context.metadata, result.context.provenance


@pytest.mark.parametrize("place", ["metadata", "provenance", "node", "nodes", "metadata and node"])
async def test_what_shares_an_object_goes_on_the_same(place):
    assert await ended(place, times=1) == await ended(place, times=0)


async def test_in_one_state_it_is_refused():
    """There both places are known, and the state is what is meant to be kept."""
    with pytest.raises(UnkeptValueError, match=r"state.other .* the same object as state.one"):
        await ended("state", times=0)


async def test_what_is_shared_is_parted_at_the_end_of_the_step():
    state, output, metadata, _ = await ended("metadata", times=0)

    assert (state.one, metadata["list"]) == ([1, 2], {"inner": [1, 4]})
    state, output, _, _ = await ended("node", times=0)
    assert (state.one, output) == ([1, 2], [1, 3])
