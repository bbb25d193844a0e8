"""Streams and step-by-step runs that somebody leaves early: what still runs is ended first."""

import asyncio
from contextlib import aclosing

import pytest
from execution.nodes import (
    Board,
    Split,
    Stubborn,
    Watch,
    Work,
    board,
    no_other_tasks,
)

from lift_sys import (
    Graph,
    ParallelExecutor,
)
from lift_sys.testing import virtual


@pytest.mark.parametrize("again", [False, True])
@virtual
async def test_leaving_a_stream_early_ends_the_run(again: bool):
    """Also when the one who leaves is cancelled while the branches still clean up."""
    watch = Watch()
    graph = Graph(Split([Work("0", 60, cleanup=5), Stubborn("1", 60)]))

    async def look_at_one() -> None:
        async with aclosing(graph.stream(state=Board(), deps=watch)) as events:
            async for _ in events:
                await asyncio.sleep(1)
                break

    looking = asyncio.ensure_future(look_at_one())
    await asyncio.sleep(2)
    if again:
        looking.cancel()
    await asyncio.wait([looking])

    assert no_other_tasks()
    assert watch.running == []
    assert looking.cancelled() == again


@pytest.mark.parametrize("again", [False, True])
@virtual
async def test_leaving_a_stream_of_results_early_ends_the_nodes(again: bool):
    """`stream_parallel` cancels and awaits what still runs, and gives the slots back."""
    watch = Watch()
    executor = ParallelExecutor[Board](3)
    nodes = [Work("0", 1), Work("1", 60, cleanup=5), Stubborn("2", 60), Work("3", 60)]

    async def take_one() -> None:
        async with aclosing(executor.stream_parallel(nodes, board(watch))) as results:
            async for result in results:
                assert result.output == "0"
                break

    taking = asyncio.ensure_future(take_one())
    await asyncio.sleep(2)
    if again:
        taking.cancel()
    await asyncio.wait([taking])

    assert no_other_tasks()
    assert watch.running == []
    assert executor.slots().free == 3


@pytest.mark.parametrize("again", [False, True])
@virtual
async def test_leaving_a_step_by_step_run_early_ends_it(again: bool):
    """Whether it was left by `break` or cancelled on the way out."""
    watch = Watch()
    graph = Graph(Split([Work("0", 1), Work("1", 60, cleanup=5)]))

    async def look_at_two() -> None:
        async with graph.iter(state=Board(), deps=watch, on_event=lambda event: None) as steps:
            seen = 0
            async for _ in steps:
                seen += 1
                if seen == 2:
                    break

    looking = asyncio.ensure_future(look_at_two())
    await asyncio.sleep(2)
    if again:
        looking.cancel()
    await asyncio.wait([looking])

    assert no_other_tasks()
    assert watch.running == []
