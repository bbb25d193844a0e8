"""Graphs, executors and results as users write them: no error anywhere."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any, assert_type

from pydantic import BaseModel

from lift_sys import (
    AllSuccess,
    BaseNode,
    BestEffort,
    End,
    FirstSuccess,
    Fork,
    Graph,
    Isolation,
    Majority,
    MergeStrategy,
    NodeResult,
    ParallelExecutor,
    Race,
    RetryPolicy,
    RunContext,
    Subgraph,
    Timeouts,
    node,
)
from lift_sys.core.events import Event, NodeFinished
from lift_sys.core.strategies import Strategy
from lift_sys.durability import MemoryStore
from lift_sys.errors import LiftError, MergeConflictError, ParallelExecutionError
from lift_sys.graph.result import RunResult
from lift_sys.reducers import Append, Last, Max, MergeDict, Min, Reducer, Sum, Union, UnionBy


class Plan(BaseModel):
    goal: str
    steps: list[str] = []


class Other(BaseModel):
    count: int = 0


class Finish(BaseNode[Plan]):
    async def run(self, ctx: RunContext[Plan]) -> End[str]:
        return End(ctx.state.goal)


class Split(BaseNode[Plan]):
    async def run(self, ctx: RunContext[Plan]) -> Fork[Finish, Finish]:
        nodes = [Finish(), Finish()]
        if ctx.state.steps:
            return Fork(nodes, then=Finish(), strategy=MergeStrategy.MAJORITY)
        return Fork(
            nodes,
            then=Finish(),
            strategy=AllSuccess(fail_fast=False, accept=took_long),
            max_concurrent=2,
            timeout=1.5,
            fail_fast=True,
            accept=lambda result: result.is_success,
        )


class Count(BaseNode[Other]):
    async def run(self, ctx: RunContext[Other]) -> End:
        ctx.state.count += 1
        return End()


class Plain:
    def run(self, ctx: RunContext[Plan]) -> End:
        return End()


@node
async def start(ctx: RunContext[Plan]) -> Finish:
    return Finish()


def took_long(result: NodeResult[Any]) -> bool:
    return result.execution_time_ms > 1000


def first_letter(state: Plan) -> str:
    return state.goal[:1]


strategies: list[Strategy] = [
    FirstSuccess(accept=took_long),
    Race(),
    BestEffort(min_success=0),
    Majority(),
    Majority(quorum="majority", key="goal"),
    Majority(quorum="all", key=("goal", "steps")),
    Majority(quorum=3, key=first_letter),
    Majority(quorum=0.6),
]


# --- graphs ----------------------------------------------------------------------------------

by_class = Graph(Split)
by_instance = Graph(Split(), name="split")
by_function = Graph(start)
by_plain_class = Graph(Plain)
assert_type(by_class, Graph[Plan])
assert_type(by_instance, Graph[Plan])
assert_type(by_function, Graph[Plan])
assert_type(by_plain_class, Graph[Plan])

# One executor serves graphs on any state.
shared = ParallelExecutor(max_concurrent=8, retry=RetryPolicy(), timeouts=Timeouts(run=60))
assert_type(Graph(Split, executor=shared), Graph[Plan])
assert_type(Graph(Count, executor=shared), Graph[Other])
assert_type(Graph(Split, executor=ParallelExecutor(2)), Graph[Plan])
limited: ParallelExecutor[Plan] = ParallelExecutor(2, isolation=Isolation.STRICT)
assert_type(Graph(Split, executor=limited), Graph[Plan])
assert_type(Graph(Split, executor=ParallelExecutor[Plan](2)), Graph[Plan])


class Service:
    lm = "model"


async def on_event(event: Event) -> None:
    print(event.address, event.time)


async def run() -> None:
    result = await by_class.run(state=Plan(goal="x"))
    assert_type(result, RunResult[Plan])
    assert_type(result.state, Plan)
    assert_type(result.context, RunContext[Plan])
    assert_type(result.state.steps, list[str])
    assert_type(result.seed, int)
    for path, writers in result.blame.items():
        print(path, ", ".join(writers))
    print(result.statistics["estimated_speedup"], result.usage, result.votes, result.discarded)

    await by_class.run(
        Finish(),
        state=Plan(goal="x"),
        deps=Service(),
        execution_id="run-1",
        user_id="user-1",
        metadata={"a": 1},
        seed=7,
        on_event=on_event,
    )
    async with by_class.iter(state=Plan(goal="x"), seed=1, deps=Service()) as steps:
        async for step in steps:
            print(step.address, step.state)
    assert_type(steps.result.state, Plan)
    async with aclosing(by_class.stream(state=Plan(goal="x"), seed=1)) as events:
        async for event in events:
            if isinstance(event, NodeFinished):
                print(event.successor)
    try:
        by_class.run_sync(state=Plan(goal="x"), on_event=print, seed=1)
        resumed = by_class.resume_sync(
            "x", store=MemoryStore(), answers={"go": True}, deps=Service()
        )
        assert_type(resumed.state, Plan)
    except MergeConflictError as error:
        print(error.path, error.branches)
    except LiftError:
        raise


# --- graphs in graphs ------------------------------------------------------------------------


def enter(plan: Plan) -> Other:
    return Other(count=len(plan.steps))


def leave(plan: Plan, result: RunResult[Other]) -> Finish:
    plan.steps.append(str(result.state.count))
    return Finish()


class Counted(BaseNode[Plan]):
    async def run(self, ctx: RunContext[Plan]) -> Subgraph[Plan, Other]:
        return Subgraph(Graph(Count), enter=enter, leave=leave)


# --- the executor alone ----------------------------------------------------------------------


async def execute() -> RunContext[Plan]:
    executor = ParallelExecutor(max_concurrent=4)
    ctx = RunContext(state=Plan(goal="x"), execution_id="run-1")
    results = await executor.execute_parallel([Finish(), Split(), Plain(), start], ctx)
    assert_type(results, list[NodeResult[Plan]])
    for result in results:
        assert_type(result.is_success, bool)
        assert_type(result.error, BaseException | None)
        assert_type(result.context.state.goal, str)
        assert_type(result.execution_time_ms, float)
    single = await executor.execute_single_with_isolation(Finish(), ctx)
    assert_type(single, NodeResult[Plan])
    async with aclosing(executor.stream_parallel([Finish(), Plain()], ctx)) as stream:
        async for result in stream:
            assert_type(result, NodeResult[Plan])
    assert_type(executor.get_statistics(results)["success_rate"], float)
    for strategy in strategies:
        try:
            assert_type(executor.merge_states(results, strategy), RunContext[Plan])
        except ParallelExecutionError as error:
            print(error.message, error.failed_nodes, error.partial_results)
    return executor.merge_states(results, MergeStrategy.FIRST_SUCCESS)


async def execute_on_a_base_class(nodes: Sequence[BaseNode[BaseModel]]) -> None:
    results = await ParallelExecutor().execute_parallel(nodes, RunContext(state=Other()))
    assert_type(results, list[NodeResult[Other]])


# --- reducers --------------------------------------------------------------------------------


def longest(base: str | None, values: Sequence[str]) -> str:
    return max(values, key=len)


class Concatenate:
    def __call__(self, base: list[int], values: Sequence[list[int]]) -> list[int]:
        return [number for value in values for number in value]


reducers: dict[str, Reducer] = {
    "longest": longest,
    "concatenated": Concatenate(),
    "first": lambda base, values: values[0],
    "list": Append(),
    "set": Union(),
    "items": UnionBy("id"),
    "sum": Sum(),
    "max": Max(),
    "min": Min(),
    "dict": MergeDict(),
    "last": Last(),
}
ParallelExecutor(metadata_reducers=reducers)
ParallelExecutor(metadata_reducers={"longest": longest, "sum": Sum()})

if __name__ == "__main__":
    asyncio.run(run())
