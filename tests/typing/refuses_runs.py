"""Mistakes with graphs, executors and results: the marked lines must be errors, no others."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from lift_sys import (
    AllSuccess,
    BaseNode,
    BestEffort,
    End,
    FirstSuccess,
    Graph,
    Majority,
    MergeStrategy,
    NodeResult,
    ParallelExecutor,
    Race,
    RunContext,
    Subgraph,
)
from lift_sys.durability import MemoryStore
from lift_sys.graph.result import RunResult
from lift_sys.reducers import Reducer, UnionBy


class Plan(BaseModel):
    goal: str
    steps: list[str] = []


class Order(BaseModel):
    price: float = 0.0


class Think(BaseNode[Plan]):
    async def run(self, ctx: RunContext[Plan]) -> End[str]:
        return End(ctx.state.goal)


class Pay(BaseNode[Order]):
    async def run(self, ctx: RunContext[Order]) -> End:
        return End()


class PlainPay:
    async def run(self, ctx: RunContext[Order]) -> End:
        return End()


class NoNode:
    async def walk(self, ctx: RunContext[Plan]) -> End:
        return End()


graph = Graph(Think)
executor = ParallelExecutor()
plan, order = Plan(goal="x"), Order()

# --- graphs ----------------------------------------------------------------------------------

Graph(NoNode)  # E: NoNode
Graph(NoNode())  # E: NoNode
Graph(plan)  # E: Plan
Graph(Think, "think")  # E: positional
Graph(Think, executor=4)  # E: arg-type
of_plans: Graph[Plan] = Graph(Pay)  # E: Pay
of_plain_plans: Graph[Plan] = Graph(PlainPay())  # E: PlainPay
for_orders: ParallelExecutor[Order] = ParallelExecutor()
limited: Graph[Plan] = Graph(Think, executor=for_orders)  # E: arg-type


async def run() -> None:
    await graph.run(plan)  # E: state
    await graph.run(state=order)  # E: arg-type
    await graph.run(state={"goal": "x"})  # E: arg-type
    await graph.run(Pay(), state=plan)  # E: Pay
    await graph.run(Think, state=plan)  # E: Think
    await graph.run(state=plan, seed="seven")  # E: arg-type
    await graph.run(state=plan, sed=7)  # E: sed
    await graph.run(state=plan, on_event=7)  # E: arg-type
    graph.run_sync(state=order)  # E: arg-type
    graph.run_sync(state=plan, sed=7)  # E: sed
    graph.run_sync(state=plan, seed="seven")  # E: arg-type
    graph.resume_sync("x")  # E: store
    graph.resume_sync("x", store=MemoryStore(), seed=7)  # E: seed
    async for event in graph.stream(state=plan, on_event=print):  # E: on_event
        print(event.adress)  # E: attr-defined
    async for event in graph.stream(state=order):  # E: arg-type
        print(event.address)
    async with graph.iter(state=plan, execution_id=7) as steps:  # E: arg-type
        async for step in steps:
            print(step.adress)  # E: attr-defined

    result = await graph.run(state=plan)
    print(result.state.price)  # E: attr-defined
    print(result.final_state)  # E: attr-defined
    print(result.statistics["speed"])  # E: typeddict-item
    result.elapsed = 0.0  # E: misc
    wrong: RunResult[Order] = result  # E: assignment
    price: Order = result.context.state  # E: assignment
    print(wrong, price)
    for _ in graph.run_sync(state=plan):  # E: attr-defined
        pass


def enter(plan: Plan) -> Order:
    return Order()


def leave(plan: Plan, result: RunResult[Order]) -> None:
    plan.steps.append(str(result.state.price))


def leave_to_pay(plan: Plan, result: RunResult[Order]) -> Pay:
    return Pay()


class Buy(BaseNode[Plan]):
    async def run(self, ctx: RunContext[Plan]) -> Subgraph[Plan, Order]:
        if ctx.state.steps:
            return Subgraph(graph, enter=enter, leave=leave)  # E: arg-type
        if ctx.state.goal:
            return Subgraph(Graph(Pay), enter=enter, leave=leave_to_pay)  # E: arg-type
        return Subgraph(Graph(Pay), enter=leave, leave=leave)  # E: arg-type


# --- the executor alone ----------------------------------------------------------------------

ParallelExecutor(max_concurrent="4")  # E: arg-type
ParallelExecutor(max_concurrency=4)  # E: max_concurrency
ParallelExecutor(4, None)  # E: positional
ParallelExecutor(isolation="strict")  # E: arg-type


async def execute() -> None:
    ctx = RunContext(state=plan)
    await executor.execute_parallel(Think(), ctx)  # E: arg-type
    await executor.execute_parallel([Think], ctx)  # E: list-item
    await executor.execute_parallel([NoNode()], ctx)  # E: list-item
    await executor.execute_parallel([Think(), Pay()], ctx)  # E: list-item
    await executor.execute_parallel([Think()], plan)  # E: arg-type
    await executor.execute_single_with_isolation(PlainPay(), ctx)  # E: StateT
    results = await executor.execute_parallel([Think()], ctx)
    await executor.merge_states(results)  # E: misc
    executor.merge_states(results[0])  # E: arg-type
    executor.merge_states(results, "majority")  # E: arg-type
    executor.merge_states(results, Majority)  # E: arg-type
    merged = executor.merge_states(results, MergeStrategy.ALL_SUCCESS)
    print(merged.state.price)  # E: attr-defined
    of_orders: RunContext[Order] = merged  # E: assignment
    result: NodeResult[Order] = results[0]  # E: assignment
    error: Exception = results[0].error  # E: assignment
    print(results[0].context.state.price, of_orders, result, error)  # E: attr-defined
    print(results[0].is_sucess)  # E: attr-defined
    print(executor.get_statistics(results)["speedup"])  # E: typeddict-item


# --- strategies ------------------------------------------------------------------------------


def accepts_states(state: Plan) -> bool:
    return bool(state.goal)


def accepts_two(result: NodeResult[Any], state: Plan) -> bool:
    return bool(state.goal)


def unhashable(state: Plan) -> list[str]:
    return state.steps


Majority(quorum="most")  # E: arg-type
Majority("majority")  # E: positional
Majority(key=3)  # E: arg-type
Majority(key=unhashable)  # E: arg-type
Majority(accept=accepts_states)  # E: arg-type
FirstSuccess(accept=accepts_two)  # E: arg-type
FirstSuccess(accept=True)  # E: arg-type
Race(quorum=2)  # E: quorum
AllSuccess(fail_fast="no")  # E: arg-type
BestEffort(min_success="one")  # E: arg-type
BestEffort(minimum=1)  # E: minimum

# --- reducers --------------------------------------------------------------------------------


def of_values(values: Sequence[str]) -> str:
    return values[0]


def of_three(base: str, values: Sequence[str], names: Sequence[str]) -> str:
    return base


def of_numbers(base: str, values: int) -> str:
    return base * values


def by_keyword(*, base: str, values: Sequence[str]) -> str:
    return base


class NoReducer:
    def reduce(self, base: str, values: Sequence[str]) -> str:
        return base


one: Reducer = of_values  # E: assignment
two: Reducer = of_three  # E: assignment
three: Reducer = by_keyword  # E: assignment
four: Reducer = NoReducer()  # E: assignment
five: Reducer = UnionBy  # E: assignment
six: Reducer = of_numbers  # E: assignment
UnionBy()  # E: key
ParallelExecutor(metadata_reducers={"notes": of_values})  # E: dict-item
ParallelExecutor(metadata_reducers={"notes": "append"})  # E: dict-item
ParallelExecutor(metadata_reducers=[one])  # E: arg-type
