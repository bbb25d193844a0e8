"""Nodes that a cached node returns: a hit hands out what it kept as if it had just been made."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic import BaseModel

from lift_sys import BaseNode, End, Fork, Graph, RunContext, Subgraph
from lift_sys.core.events import CacheFailed
from lift_sys.durability import MemoryCache


class Basket(BaseModel):
    items: list[str] = []
    seen: list[list[str]] = []


Ctx = RunContext[Basket]


@dataclass
class Pack(BaseNode[Basket]):
    """Changes what it holds, and also puts it into the state."""

    items: list[str] = field(default_factory=list)

    async def run(self, ctx: Ctx) -> End[list[str]]:
        self.items.append(str(ctx.user_id))
        ctx.state.seen.append(self.items)
        return End(self.items)


class Find(BaseNode[Basket]):
    cache = True

    async def run(self, ctx: Ctx) -> Pack:
        return Pack(["found"])


class FindInState(BaseNode[Basket]):
    cache = True

    async def run(self, ctx: Ctx) -> Pack:
        ctx.state.items.append("found")
        return Pack(ctx.state.items)


class Spread(BaseNode[Basket]):
    cache = True

    async def run(self, ctx: Ctx) -> Fork[Pack, Pack]:
        return Fork([Pack(["found"])], then=Pack(["found"]))


USERS = ("ann", "bob", "cid")


@pytest.mark.parametrize("start", [Find, FindInState, Spread])
async def test_users_share_no_data_of_a_kept_node(start, cache):
    """What one user's run puts into a node that was kept is not in another's."""
    outputs, hits = [], 0
    for user in USERS:
        result = await Graph(start).run(state=Basket(), cache=cache, user_id=user)
        outputs.append(result.output)
        hits += result.statistics["cache_hits"]
        assert all(each == ["found", user] for each in result.state.seen)

    assert outputs == [["found", user] for user in USERS]
    assert hits == 2


async def test_a_miss_equals_a_hit_where_state_and_node_hold_one_list(cache):
    """The node that comes next never changes the state through its own attribute."""
    states = []
    for user in ("ann", "ann"):
        result = await Graph(FindInState).run(state=Basket(), cache=cache, user_id=user)
        states.append(result.state)

    assert states[0] == states[1]
    assert states[0].items == ["found"]


@dataclass
class Locked(BaseNode[Basket]):
    lock: Any

    async def run(self, ctx: Ctx) -> End:
        return End()


class Lock(BaseNode[Basket]):
    cache = True

    async def run(self, ctx: Ctx) -> Locked:
        return Locked(threading.Lock())


async def test_a_node_that_can_t_be_copied_is_not_kept(cache):
    """It would be shared by all users: it runs each time, and the warning says why."""
    events: list[Any] = []
    for _ in range(2):
        result = await Graph(Lock).run(state=Basket(), cache=cache, on_event=events.append)

    assert result.statistics["cache_hits"] == 0
    failed = [event.error for event in events if isinstance(event, CacheFailed)]
    assert len(failed) == 2
    assert "attributes of Locked can't be copied" in str(failed[0])


INNER = Graph(Pack)


class Within(BaseNode[Basket]):
    cache = True

    async def run(self, ctx: Ctx) -> Subgraph[Basket, Basket]:
        return Subgraph(INNER, enter=lambda state: state.model_copy(), leave=lambda *_: None)


async def test_graphs_in_kept_nodes_are_shared():
    """A graph is never changed, so a subgraph can be kept in memory."""
    cache = MemoryCache()
    for _ in range(2):
        result = await Graph(Within).run(state=Basket(), cache=cache)

    assert result.statistics["cache_hits"] == 1
