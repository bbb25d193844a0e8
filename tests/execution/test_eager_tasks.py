"""Event loops that run a task's first turn at once, before who made the task has it in hand."""

import asyncio
import sys
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from lift_sys import BaseNode, End, Fork, Graph, ParallelExecutor, RunContext
from lift_sys.errors import NodeError, ParallelExecutionError
from lift_sys.reducers import Append

pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 12), reason="eager tasks came with Python 3.12"
)


class Log(BaseModel):
    seen: Annotated[list[int], Append()] = []


class Note(BaseNode[Log]):
    """Ends in its first turn if its number is odd."""

    def __init__(self, number: int) -> None:
        self.number = number

    async def run(self, ctx: RunContext[Log]) -> End:
        if self.number % 2 == 0:
            await asyncio.sleep(0)
        ctx.state.seen.append(self.number)
        return End()


class Refuse(BaseNode[Log]):
    async def run(self, ctx: RunContext[Log]) -> End:
        raise ValueError("no")


class Joined(BaseNode[Log]):
    async def run(self, ctx: RunContext[Log]) -> End[int]:
        return End(len(ctx.branches))


class Spread(BaseNode[Log]):
    async def run(self, ctx: RunContext[Log]) -> Fork[Note, Joined]:
        return Fork([Note(number) for number in range(100)], then=Joined(), max_concurrent=7)


class Risk(BaseNode[Log]):
    async def run(self, ctx: RunContext[Log]) -> Fork[Note | Refuse, Joined]:
        return Fork([Note(0), Refuse(), Note(1)], then=Joined())


async def eagerly(work: Any) -> Any:
    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
    return await work


@pytest.mark.parametrize("limit", [1, 3, 64])
def test_a_fork_loses_nothing_under_eager_tasks(limit: int) -> None:
    graph = Graph(Spread, executor=ParallelExecutor(limit))
    result = asyncio.run(eagerly(graph.run(state=Log())))
    assert result.output == 100
    assert result.state.seen == list(range(100))


def test_a_failure_under_eager_tasks_is_reported_with_its_address() -> None:
    with pytest.raises(ParallelExecutionError) as caught:
        asyncio.run(eagerly(Graph(Risk).run(state=Log())))
    (failure,) = (error for _, error in caught.value.failed_nodes)
    assert isinstance(failure, NodeError)
    assert failure.address == "0.1"


def test_an_executors_nodes_all_end_under_eager_tasks() -> None:
    nodes = [Note(number) for number in range(20)]
    work = ParallelExecutor(2).execute_parallel(nodes, RunContext(Log()))
    assert [result.is_success for result in asyncio.run(eagerly(work))] == [True] * 20


class Pause(BaseNode[Log]):
    async def run(self, ctx: RunContext[Log]) -> Spread:
        await asyncio.sleep(0.01)
        return Spread()


async def many(runs: int) -> int:
    executor = ParallelExecutor[Log](4)
    graph = Graph(Pause, executor=executor)
    results = await asyncio.gather(*[graph.run(state=Log()) for _ in range(runs)])
    assert [result.output for result in results] == [100] * runs
    return executor.slots().free


def test_runs_that_wait_for_each_others_slots_all_end_under_eager_tasks() -> None:
    """A slot that is given back starts who waits, which gives it back in turn: not recursively."""
    assert asyncio.run(eagerly(many(300))) == 4
