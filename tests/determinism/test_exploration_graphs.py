"""The engine's own bookkeeping multiplies no schedules, and hides no order that matters."""

import asyncio
from types import SimpleNamespace

import pytest
from determinism.exhaustive import compare
from determinism.random_graphs import GraphProgram
from pydantic import BaseModel

from lift_sys import AllSuccess, BaseNode, End, Fork, Graph, ParallelExecutor, RunContext
from lift_sys.determinism.exploration import explore


def test_reduction_finds_every_outcome_of_random_graphs():
    """Slots, limits, failures and all strategies, on cells that are declared or only watched."""
    _, several, wrong = compare(40, seed=5, most=200, kind=GraphProgram)

    assert wrong == []
    assert several >= 5


@pytest.mark.slow
def test_reduction_finds_every_outcome_of_many_random_graphs():
    _, _, wrong = compare(200, seed=6, kind=GraphProgram)

    assert wrong == []


class Seen(BaseModel):
    value: int = 0


class Writes(BaseNode[Seen]):
    async def run(self, ctx: RunContext[Seen]) -> End:
        await asyncio.sleep(1)
        ctx.deps.value = 1
        return End()


class Idles(BaseNode[Seen]):
    async def run(self, ctx: RunContext[Seen]) -> End:
        await asyncio.sleep(60)
        return End()


class Reads(BaseNode[Seen]):
    async def run(self, ctx: RunContext[Seen]) -> End:
        ctx.state.value = ctx.deps.value
        return End()


class Join(BaseNode[Seen]):
    async def run(self, ctx: RunContext[Seen]) -> End:
        return End()


class Begin(BaseNode[Seen]):
    def __init__(self, at_a_time: int | None) -> None:
        self.at_a_time = at_a_time

    async def run(self, ctx: RunContext[Seen]) -> Fork[Writes | Idles | Reads, Join]:
        nodes = [Writes(), Idles(), Reads()]
        return Fork(nodes, then=Join(), strategy=AllSuccess(), max_concurrent=self.at_a_time)


@pytest.mark.parametrize(("slots", "at_a_time"), [(2, None), (64, 2)])
def test_whoever_makes_room_decides_when_the_next_one_starts(slots, at_a_time):
    """Nothing but the queue for a slot puts the read behind the write."""
    graph = Graph(Begin(at_a_time), executor=ParallelExecutor(slots))

    found = explore(graph, Seen(), deps=lambda: SimpleNamespace(value=0))

    assert found.verdict == "differs"
    assert {seen.outcome.example.state.value for seen in found.outcomes} == {0, 1}
    assert len(found.counterexample.constraints) == 1
