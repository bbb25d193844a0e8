"""Plain functions that hang: nobody can stop their threads, and nobody waits for them."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from execution.nodes import (
    Board,
    Ctx,
    Watch,
    Work,
    board,
    run_fork,
)

from lift_sys import (
    BaseNode,
    End,
    Graph,
    MergeStrategy,
    ParallelExecutor,
    RetryPolicy,
    Timeouts,
)
from lift_sys.errors import (
    AbandonedThreadError,
)
from lift_sys.testing import VirtualClock


def now() -> float:
    return asyncio.get_running_loop().time()


class Stuck(BaseNode[Board]):
    """A plain function that hangs until it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.calls = 0

    def run(self, ctx: Ctx) -> End[str]:
        self.calls += 1
        self.go.wait(10)
        ctx.state.label = "written by a ghost"
        return End("ghost")


@contextmanager
def stuck() -> Iterator[Stuck]:
    node = Stuck()
    try:
        yield node
    finally:
        node.go.set()


@pytest.mark.parametrize("layer", ["attempt", "node"])
def test_a_thread_that_takes_too_long_is_abandoned(layer: str):
    """Not retried; its slot stays taken until it ends; what it writes is nowhere."""
    executor = ParallelExecutor[Board](
        1, timeouts=Timeouts(**{layer: 2}), retry=RetryPolicy(max_attempts=5)
    )
    clock = VirtualClock(thread_patience=0.02)

    async def scenario(node: Stuck) -> None:
        (result,) = await executor.execute_parallel([node], board())
        assert now() == 2
        assert isinstance(result.error, AbandonedThreadError)
        assert result.error.layer == layer
        assert "its thread goes on" in str(result.error)

        waiting = asyncio.ensure_future(executor.execute_parallel([Work("next")], board()))
        await asyncio.sleep(5)
        assert not waiting.done()
        assert executor.slots().free == 0
        with clock.hold():
            node.go.set()
            (following,) = await waiting
        assert following.is_success
        assert executor.slots().free == 1
        assert node.calls == 1

    with stuck() as node:
        clock.run(scenario(node))


@pytest.mark.parametrize("strategy", [MergeStrategy.BEST_EFFORT, MergeStrategy.RACE])
def test_a_group_does_not_wait_for_an_abandoned_thread(strategy: MergeStrategy):
    """By a deadline or as a loser: the join goes on without the thread, and its writes."""
    executor = ParallelExecutor[Board](2)

    async def scenario(node: Stuck) -> None:
        result = await run_fork(
            [node, Work("1", 1)], executor=executor, strategy=strategy, timeout=2
        )
        lost = "CancelledError" if strategy is MergeStrategy.RACE else "AbandonedThreadError"
        assert result.output == [lost, "1"]
        assert result.state.label == ""
        assert executor.slots().free == 1
        with clock.hold():
            node.go.set()
            await executor.slots().acquire()
            await executor.slots().acquire()  # both are free in the end
        assert result.state.label == ""

    with stuck() as node:
        clock = VirtualClock(thread_patience=0.02)
        clock.run(scenario(node))


def test_a_program_ends_although_a_thread_hangs():
    """A run with a deadline comes back from its loop while the thread still sleeps."""
    executor = ParallelExecutor[Board](timeouts=Timeouts(run=1))

    with stuck() as node, pytest.raises(AbandonedThreadError, match="The run timeout of 1 s"):
        VirtualClock(thread_patience=0.02).run(
            Graph(node, executor=executor).run(state=Board(), deps=Watch())
        )

    assert node.calls == 1


def test_a_thread_that_has_lent_its_slot_takes_none_with_it():
    """It is abandoned while it waits for its own executor: no slot is lost or given back twice."""
    executor = ParallelExecutor[Board](1, timeouts=Timeouts(attempt=2))
    clock = VirtualClock(thread_patience=0.02)
    slow = type("Patient", (Work,), {"timeouts": Timeouts(attempt=60)})

    class Calling(BaseNode[Board]):
        def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
            self.loop, self.ended = loop, threading.Event()

        def run(self, ctx: Ctx) -> End:
            call = executor.execute_parallel([slow("inner", 5)], ctx)
            asyncio.run_coroutine_threadsafe(call, self.loop).result(10)
            self.ended.set()
            return End()

    async def scenario() -> None:
        node = Calling(asyncio.get_running_loop())
        (result,) = await executor.execute_parallel([node], board())
        assert isinstance(result.error, AbandonedThreadError)
        await asyncio.sleep(10)
        with clock.hold():
            await asyncio.to_thread(node.ended.wait, 10)
            await executor.slots().acquire()
        assert executor.slots().free == 0
        executor.slots().release()
        assert executor.slots().free == 1

    clock.run(scenario())
