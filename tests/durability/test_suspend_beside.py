"""Runs that ask beside each other, in tasks: each question gets its own answer."""

import asyncio

import hypothesis.strategies as st
from hypothesis import given
from pydantic import BaseModel

from lift_sys import BaseNode, End, Graph, RunContext, Suspend
from lift_sys.durability import MemoryStore
from lift_sys.testing import run_virtual


class Wait(BaseModel):
    seconds: int = 0


async def together(how, runs):
    """What several runs return; a question of one of them comes out of here."""
    if how == "group":
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(run) for run in runs]
        return [task.result() for task in tasks]
    results = await asyncio.gather(*runs, return_exceptions=how == "gather all")
    if asked := [each for each in results if isinstance(each, BaseException)]:
        raise BaseExceptionGroup("asked", asked)
    return results


class Delayed(BaseNode[Wait]):
    """Asks after a time."""

    async def run(self, ctx: RunContext[Wait]) -> "Suspend[Told]":
        await asyncio.sleep(ctx.state.seconds)
        return Suspend(f"after {ctx.state.seconds}?", key="it", schema=int, then=Told())


class Told(BaseNode[Wait]):
    async def run(self, ctx: RunContext[Wait]) -> End[int]:
        return End(ctx.answer)


class Together(BaseNode[Wait]):
    """Asks in runs inside that take their times."""

    async def run(self, ctx: RunContext[Wait]) -> End[list[int]]:
        how, times = ctx.deps
        runs = [DELAYED.run_inside(ctx, Wait(seconds=each)) for each in times]
        return End([result.output for result in await together(how, runs)])


DELAYED = Graph(Delayed)


@given(
    how=st.sampled_from(["gather", "gather all", "group"]),
    times=st.lists(st.integers(0, 3), min_size=2, max_size=3),
    pause=st.integers(0, 4),
)
def test_runs_that_ask_beside_each_other_all_get_their_answers(how, times, pause):
    """Also those that `gather` leaves alone when the first one asks; none is asked twice."""

    async def answered():
        graph, asked = Graph(Together), []
        async with MemoryStore() as store:
            options = {"store": store, "deps": (how, times)}
            result = await graph.run(state=Wait(), execution_id="run", **options)
            while result.suspended:
                await asyncio.sleep(pause)
                asked += [question.address for question in result.questions]
                answers = {each: asked.index(each) for each in asked}
                result = await graph.resume("run", answers=answers, **options)
            return result.output, asked

    (output, asked), _ = run_virtual(answered())

    assert len(asked) == len({*asked}) == len(times)
    assert sorted(output) == [*range(len(times))]


async def test_whole_runs_that_are_gathered_both_wait():
    """Nothing is raised where a run is suspended as a whole, so `gather` leaves none alone."""
    async with MemoryStore() as store:
        begun = [
            DELAYED.run(state=Wait(), store=store, execution_id=name) for name in ("one", "two")
        ]
        waiting = await asyncio.gather(*begun)
        answers = {"one": 1, "two": 2}
        resumed = [
            DELAYED.resume(name, store=store, answers={"it": each})
            for name, each in answers.items()
        ]
        done = await asyncio.gather(*resumed)

    assert [result.suspended for result in waiting] == [True, True]
    assert [result.output for result in done] == [1, 2]
