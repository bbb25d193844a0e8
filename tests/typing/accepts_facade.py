"""A program against the names of the first design: no error anywhere."""

from typing import Any, Generic, TypeVar, assert_type

from pydantic import BaseModel

from lift_sys.dspy_signatures import (
    AbstractBaseNode,
    BaseNode,
    End,
    MergeError,
    MergeStrategy,
    NextNode,
    NodeResult,
    ParallelExecutionError,
    ParallelExecutor,
    RunContext,
    node_interface,
    parallel_executor,
)

StateT = TypeVar("StateT", bound=BaseModel)


class Draft(BaseModel):
    prompt: str
    spec: str = ""


class Contract:
    """The four members of the node interface, without a base class."""

    signature: Any = "prompt -> spec"

    def extract_inputs(self, state: Draft) -> dict[str, Any]:
        return {"prompt": state.prompt}

    def update_state(self, state: Draft, result: Any) -> None:
        state.spec = result

    async def run(self, ctx: RunContext[Draft]) -> BaseNode[Draft] | End:
        self.update_state(ctx.state, self.extract_inputs(ctx.state)["prompt"])
        return Last()


class Last(BaseNode[Draft]):
    async def run(self, ctx: RunContext[Draft]) -> NextNode[Draft]:
        return End()


class Abstract(AbstractBaseNode[Draft]):
    async def run(self, ctx: RunContext[Draft]) -> NextNode[Draft]:
        return Contract()


class Session(Generic[StateT]):
    """Holds an executor for its state."""

    def __init__(self, executor: ParallelExecutor[StateT]) -> None:
        self.executor = executor

    async def best(
        self, nodes: list[AbstractBaseNode[StateT]], state: StateT
    ) -> RunContext[StateT]:
        ctx = RunContext(state=state, execution_id="run-1")
        results = await self.executor.execute_parallel(nodes, ctx)
        return self.executor.merge_states(results, MergeStrategy.FIRST_SUCCESS)


async def program() -> None:
    executor: ParallelExecutor[Draft] = ParallelExecutor(max_concurrent=4)
    ctx = RunContext(state=Draft(prompt="sort"), execution_id="run-1")
    nodes: list[AbstractBaseNode[Draft]] = [Contract(), Last(), Abstract()]
    results: list[NodeResult[Draft]] = await executor.execute_parallel(nodes, ctx)
    try:
        merged = executor.merge_states(results, strategy=MergeStrategy.ALL_SUCCESS)
    except MergeError as error:
        raise ParallelExecutionError(
            message=str(error), failed_nodes=[(nodes[0], error)], partial_results=results
        ) from error
    assert_type(merged, RunContext[Draft])
    assert_type(await Session(executor).best(nodes, ctx.state), RunContext[Draft])
    session = Session[Draft](ParallelExecutor())
    assert_type(await session.best(nodes, ctx.state), RunContext[Draft])


assert_type(parallel_executor.ParallelExecutor(2).max_concurrent, int)
assert_type(node_interface.End("x"), End[str])
