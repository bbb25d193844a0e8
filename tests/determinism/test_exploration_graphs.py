"""The engine's own bookkeeping multiplies no schedules, and hides no order that matters."""

import asyncio
import random
from types import SimpleNamespace

import pytest
from determinism.exhaustive import all_outcomes, compare, reduced_outcomes
from determinism.random_graphs import Begin as Forks
from determinism.random_graphs import GraphProgram
from pydantic import BaseModel

from lift_sys import AllSuccess, BaseNode, End, Fork, Graph, ParallelExecutor, RunContext
from lift_sys.determinism.exploration import explore, shared
from lift_sys.determinism.exploration.primitives import instrumented


def test_reduction_finds_every_outcome_of_random_graphs():
    """Slots, limits, failures and all strategies, on cells that are declared or only watched."""
    _, several, wrong = compare(10, seed=5, most=200, kind=GraphProgram)

    assert wrong == []
    assert several >= 2


@pytest.mark.slow
@pytest.mark.parametrize(("programs", "seed"), [(40, 5), (200, 6)])
def test_reduction_finds_every_outcome_of_many_random_graphs(programs, seed):
    _, several, wrong = compare(programs, seed=seed, kind=GraphProgram)

    assert wrong == []
    assert several >= programs / 8


def graph_program(branches, *, strategy, slots=64):
    """A `GraphProgram` that is not drawn."""
    program = GraphProgram(random.Random(0))
    program.branches, program.strategy, program.slots = branches, strategy, slots
    program.at_a_time, program.declared = None, False
    program.graph = Graph(Forks(program), executor=ParallelExecutor(slots))
    return program


def assert_nothing_is_missed(program):
    with instrumented():
        expected = all_outcomes(program)
        found, _ = reduced_outcomes(program)

    assert expected is not None
    assert expected <= found
    assert len(expected) > 1


def test_a_failure_that_waits_to_be_counted_can_still_cut_off_who_ends_first():
    """The third branch is given its slot in the step that the failure may come before."""
    branches = [
        ([("read", 1), ("sleep", 0)], [("write", 0)]),
        ([("sleep", 1), ("write", 0), ("fail", 1)], []),
        ([("write", 1), ("read", 1)], [("read", 0)]),
    ]

    assert_nothing_is_missed(graph_program(branches, strategy=AllSuccess(), slots=1))


def test_a_failure_can_cut_off_the_last_step_of_who_ended_before_it():
    branches = [
        ([("sleep", 0), ("write", 0)], []),
        ([("sleep", 0), ("sleep", 0), ("fail", 0)], []),
    ]

    assert_nothing_is_missed(graph_program(branches, strategy=AllSuccess()))


class Cancelled:
    """A task waits for others by `gather` or a `TaskGroup`, and is cancelled at some time."""

    def __init__(self, *, group):
        self.group = group

    async def run(self):
        cell = shared("cell", 0)

        async def write(seconds):
            await asyncio.sleep(seconds)
            cell.value += 1

        async def wait():
            if self.group:
                async with asyncio.TaskGroup() as group:
                    group.create_task(write(1))
                    group.create_task(write(2))
            else:
                await asyncio.gather(write(1), write(2))

        task = asyncio.get_running_loop().create_task(wait())
        await asyncio.sleep(3)
        task.cancel()
        await asyncio.wait([task])
        return cell.value, task.cancelled()


@pytest.mark.parametrize("group", [True, False])
def test_a_cancellation_is_tried_before_each_of_those_who_are_waited_for(group):
    assert_nothing_is_missed(Cancelled(group=group))


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
