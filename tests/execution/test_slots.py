"""Slots: never more nodes than slots, none lost, none idle, and no deadlock however calls nest."""

import asyncio
import threading
from contextvars import ContextVar
from typing import Any

import pytest
from execution.nodes import Board, Ctx, Split, Watch, Work, board, run_fork, workers
from hypothesis import example, given
from hypothesis import strategies as st

from lift_sys import BaseNode, End, Fork, Graph, ParallelExecutor, Subgraph
from lift_sys.execution.slots import Slots
from lift_sys.testing import VirtualClock, run_virtual, virtual

moments = st.sampled_from([0, 1, 2, 3])
# When it asks, how long it holds, when somebody cancels it (after asking), and its priority.
customers = st.tuples(moments, moments, st.none() | moments, st.integers(0, 2))


@given(capacity=st.integers(1, 3), customers=st.lists(customers, max_size=8))
def test_slots_are_never_lost_or_shared(capacity: int, customers: list[tuple[Any, ...]]):
    """Whoever asks, holds, or is cancelled at whatever moment."""
    slots = Slots(capacity)
    holding = most = 0

    async def customer(asks: int, holds: int, priority: int) -> None:
        nonlocal holding, most
        await asyncio.sleep(asks)
        await slots.acquire(priority=priority)
        holding += 1
        most = max(most, holding)
        try:
            await asyncio.sleep(holds)
        finally:
            holding -= 1
            slots.release()

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        tasks = []
        for asks, holds, cancelled, priority in customers:
            tasks.append(asyncio.ensure_future(customer(asks, holds, priority)))
            if cancelled is not None:
                loop.call_later(asks + cancelled, tasks[-1].cancel)
        await asyncio.gather(*tasks, return_exceptions=True)

    run_virtual(scenario())

    assert most <= capacity
    assert slots.free == capacity


@given(
    limit=st.integers(1, 4),
    fork_limit=st.none() | st.integers(1, 3),
    seconds=st.lists(st.integers(0, 3), min_size=1, max_size=8),
)
def test_no_slot_is_idle_while_a_branch_waits(
    limit: int, fork_limit: int | None, seconds: list[int]
):
    """The time is that of list scheduling in declared order, with the tighter of both limits."""
    executor = ParallelExecutor[Board](limit)
    watch = Watch()
    lanes = [0] * min(limit, fork_limit or limit)
    for length in seconds:
        lanes[lanes.index(min(lanes))] += length

    result, _ = run_virtual(
        run_fork(workers(*seconds), watch=watch, executor=executor, max_concurrent=fork_limit)
    )

    assert watch.most <= len(lanes)
    assert result.elapsed == max(lanes)
    assert watch.started == [str(index) for index in range(len(seconds))]


@virtual
async def test_waiting_nodes_go_by_priority_then_by_age():
    """Higher priority first; within one, a branch under way goes before one that did not start."""
    watch = Watch()
    urgent = type("Urgent", (Work,), {"priority": 5})
    nodes = [
        Work("0", 1, then=Work("0/1", 1)),
        Work("1", 1),
        urgent("2", 1),
        type("Modest", (Work,), {"priority": -1})("3", 1),
        Work("4", 1),
    ]

    await run_fork(nodes, watch=watch, executor=ParallelExecutor[Board](1))

    assert watch.started == ["2", "0", "1", "0/1", "4", "3"]


@virtual
async def test_a_limit_is_shared_by_all_calls_on_an_executor():
    """Two runs and a plain call on one executor: never more than two nodes at a time."""
    executor = ParallelExecutor[Board](2)
    watch = Watch()

    await asyncio.gather(
        run_fork(workers(1, 1, 1), watch=watch, executor=executor),
        run_fork(workers(1, 1, 1), watch=watch, executor=executor),
        executor.execute_parallel(workers(1, 1, 1), board(watch)),
    )

    assert watch.most == 2
    assert len(watch.ended) == 9
    assert executor.slots().free == 2


user: ContextVar[str] = ContextVar("user", default="nobody")


@virtual
async def test_a_branch_runs_in_the_context_of_its_own_run():
    """Whoever gives the slot back, context variables are those of the one who called."""
    executor = ParallelExecutor[Board](1)
    seen: dict[str, list[str]] = {"ada": [], "bob": []}

    async def call(name: str) -> None:
        user.set(name)
        nodes = [Work(f"{n}", 1, act=lambda ctx: seen[name].append(user.get())) for n in range(3)]
        await asyncio.gather(
            run_fork(nodes, executor=executor), executor.execute_parallel(nodes, board())
        )

    await asyncio.gather(call("ada"), call("bob"))

    assert seen == {"ada": ["ada"] * 6, "bob": ["bob"] * 6}


# --- nesting ------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [1, 5])
@virtual
async def test_a_node_may_call_its_own_executor(depth: int):
    """With a single slot, a node that waits for others on it would wait for ever."""
    executor = ParallelExecutor[Board](1)
    watch = Watch()

    def nested(level: int) -> Work:
        async def call(ctx: Ctx) -> None:
            if level < depth:
                await executor.execute_parallel([nested(level + 1), Work("leaf", 1)], ctx)

        return Work(f"level {level}", 1, act=call)

    await executor.execute_parallel([nested(0)], board(watch))

    assert watch.started.count("leaf") == depth
    assert executor.slots().free == 1


@virtual
async def test_a_node_may_call_its_own_executor_many_times_at_once():
    """By gather: its slot is lent once, and taken back when the last call is over."""
    executor = ParallelExecutor[Board](1)
    watch = Watch()

    async def gather(ctx: Ctx) -> None:
        await asyncio.gather(*(executor.execute_parallel(workers(1, 2), ctx) for _ in range(3)))

    (result,) = await executor.execute_parallel([Work("outer", act=gather)], board(watch))

    assert result.is_success
    assert len(watch.ended) == 7
    assert executor.slots().free == 1


@given(
    pauses=st.lists(st.sampled_from([0, 0.5, 1, 1.5, 2]), min_size=2, max_size=4),
    rival=st.sampled_from([0.25 * step for step in range(20)]),
    limit=st.integers(1, 2),
)
@example(pauses=[0, 2], rival=0.25, limit=1)
def test_calls_from_one_node_may_overlap_in_any_way(pauses: list[float], rival: float, limit: int):
    """One call of a node waits to get its slot back while another begins: still no deadlock."""
    executor = ParallelExecutor[Board](limit)
    watch = Watch()

    async def overlap(ctx: Ctx) -> None:
        async def call(pause: float) -> None:
            await asyncio.sleep(pause)
            await executor.execute_parallel(workers(0.5, 1), ctx)

        await asyncio.gather(*map(call, pauses))

    async def scenario() -> None:
        async def compete() -> None:
            await asyncio.sleep(rival)
            await executor.execute_parallel(workers(2, 2, 2), board(watch))

        outer = executor.execute_parallel([Work("outer", act=overlap)], board(watch))
        (result,), _ = await asyncio.gather(outer, compete())
        assert result.is_success
        assert executor.slots().free == limit

    run_virtual(scenario())


@virtual
async def test_executors_may_wait_for_each_other():
    """One executor's node calls a second one, whose node calls the first: both have one slot."""
    one, two = ParallelExecutor[Board](1), ParallelExecutor[Board](1)

    async def call_one(ctx: Ctx) -> None:
        await one.execute_parallel([Work("leaf", 1)], ctx)

    async def call_two(ctx: Ctx) -> None:
        await two.execute_parallel([Work("inner", act=call_one)], ctx)

    (result,) = await one.execute_parallel([Work("outer", act=call_two)], board())

    assert result.is_success
    assert one.slots().free == two.slots().free == 1


@virtual
async def test_a_nested_graph_shares_the_slots_of_the_outer_one():
    """As a Subgraph, or run by hand on the same executor: one slot is enough."""
    executor = ParallelExecutor[Board](1)
    watch = Watch()
    inner = Graph(Split(workers(1, 1)), executor=executor)
    silent = Graph(Split(workers(1, 1)))

    async def by_hand(ctx: Ctx) -> None:
        await inner.run(state=ctx.state, deps=ctx.deps)

    def leave(state: Board, result: Any) -> None:
        state.count += 1

    nodes = [
        Subgraph(inner, enter=lambda state: state, leave=leave),
        Subgraph(silent, enter=lambda state: state, leave=leave),
        Work("by hand", act=by_hand),
    ]
    result = await run_fork(nodes[:1] + nodes[2:], watch=watch, executor=executor, then=nodes[1])

    assert result.state.count == 2
    assert watch.most <= 2  # the one that waits, and the one that has its slot
    assert executor.slots().free == 1


# --- event loops --------------------------------------------------------------------------------


def test_one_executor_works_in_one_loop_after_the_other():
    """Nothing of the first loop is left in it, not even after a cancelled call."""
    executor = ParallelExecutor[Board](1)

    async def cut_short() -> None:
        async with asyncio.timeout(0.5):
            await executor.execute_parallel(workers(1, 1), board())

    for _ in range(2):
        with pytest.raises(TimeoutError):
            run_virtual(cut_short())
        results, elapsed = run_virtual(executor.execute_parallel(workers(1, 1), board()))
        assert elapsed == 2
        assert all(result.is_success for result in results)
    assert Graph(Split(workers(0, 0)), executor=executor).run_sync(
        state=Board(), deps=Watch()
    ).state.trail == ["0", "1"]


def test_one_executor_works_in_two_loops_at_the_same_time():
    """Two threads with a loop each meet inside their nodes: each loop has its own limit."""
    executor = ParallelExecutor[Board](1)
    meeting = threading.Barrier(2, timeout=10)
    outputs: list[list[Any]] = []

    class Meet(BaseNode[Board]):
        def run(self, ctx: Ctx) -> End[str]:
            meeting.wait()
            return End("met")

    def work() -> None:
        results = VirtualClock().run(executor.execute_parallel([Meet(), Meet()], board()))
        outputs.append([result.output for result in results])

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert outputs == [["met", "met"]] * 2


@pytest.mark.parametrize("limit", [0, -3])
def test_a_fork_needs_a_lane(limit: int):
    """A fork that lets no branch run would never join."""
    with pytest.raises(ValueError, match="max_concurrent must be ≥1"):
        Fork([], then=End(), max_concurrent=limit)
