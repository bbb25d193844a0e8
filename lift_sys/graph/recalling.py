"""A fork that a journal knows the end of: its branches are walked again, and none of their steps runs."""

from __future__ import annotations

import asyncio
from typing import Any

from lift_sys.core.address import branch_address
from lift_sys.core.successors import End, Fork
from lift_sys.execution.deciders import Decider
from lift_sys.execution.join import vote_of
from lift_sys.execution.record import Record
from lift_sys.execution.results import NodeResult, lost_result
from lift_sys.execution.slots import current_holder
from lift_sys.graph.branches import WalkedBranches
from lift_sys.graph.walk import Stopped, Walk, blame_before


async def recalled(
    walk: Walk, fork: Fork[Any, Any], branches: WalkedBranches, decider: Decider
) -> list[NodeResult[Any]] | None:
    """How the branches ended, where the journal has their join; None if it has not.

    What has finished in them is done again to their contexts, and merged again.
    """
    assert walk.log is not None
    known = walk.log.joined_before()
    if known is None:
        return None
    width = len(fork.nodes)
    lost = known.lost or Record(forks=1, branches=width, cancelled=width - 1)
    walk.record.add(lost)
    branches.runner.engine.count(lost.steps)
    if known.stopping is not None:  # the others were cancelled by it, and are not begun again
        await _walked_again(walk, branches, known.stopping)
        raise AssertionError("a branch that had stopped the run did not stop it again")
    results: list[NodeResult[Any] | None] = [None] * len(fork.nodes)
    for index in known.succeeded:
        branch, end = await _walked_again(walk, branches, index)
        result = branches.conclude(branch, end, None)
        results[index] = result
        vote = vote_of(fork.rule, result) if result.error is None else None
        decider.add(index, success=result.error is None, vote=vote)
    for index, error in known.failed.items():
        place = branch_address(branches.address, index)
        results[index] = lost_result(branches.base, fork.nodes[index], index, place, error, None)
        if not isinstance(error, asyncio.CancelledError):
            decider.add(index, success=False)
    found = [result for result in results if result is not None]
    for result, elapsed in zip(found, known.elapsed, strict=True):
        result.execution_time_ms = elapsed * 1000
    return found


async def _walked_again(walk: Walk, branches: WalkedBranches, index: int) -> tuple[Walk, End[Any]]:
    """Walk a branch of which every step has finished before."""
    branch, steps = branches.start(index)
    branch.holding, branch.index, branch.task = False, index, walk.task
    try:
        return branch, await steps
    except Stopped as stop:
        blame_before(stop, walk)
        raise
    finally:
        current_holder.set(walk)
