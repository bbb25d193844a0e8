"""The framework alone: one run's recorded node results, played again in other orders of arrival.

Every node is replaced by one that leaves the state which the recorded step left and returns what it
returned, after a number of turns of the loop that each playback draws anew. No code of the user's
runs, and no model is asked; what is left is walking and joining. If the final state moves, the
framework (or a strategy that goes by order, as RACE does) is what moves it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from random import Random
from typing import Any

from lift_sys.core.context import RunContext, RunScope
from lift_sys.core.successors import End, Fork, NextNode
from lift_sys.determinism.runs.runtrace import RunTrace, StepTrace
from lift_sys.determinism.runs.targets import GraphTarget, NodesTarget, Target
from lift_sys.errors import LiftError
from lift_sys.execution.executor import ParallelExecutor
from lift_sys.graph.graph import Graph
from lift_sys.graph.launch import launch
from lift_sys.state.snapshot import Snapshot

# Turns of the loop by which a result may come late: enough to reorder the branches of a fork.
_MOST_TURNS = 12
_LONGEST = 10.0  # seconds, for one playback; it awaits nothing but turns of the loop


@dataclass(frozen=True, slots=True, kw_only=True)
class Playback:
    """What playing one run's results came to.

    Attributes:
        orders: In how many different orders of arrival.
        digests: The different final states; of one that failed, the type of its error.
        recorded: The final state of the run that was played.
    """

    orders: int
    digests: frozenset[str]
    recorded: str

    @property
    def is_faithful(self) -> bool:
        """Whether every order gave the state that the run itself had."""
        return self.digests == {self.recorded}


class _Played:
    """A node, for a state of any type, that does what the step at its address did."""

    def __init__(self, trace: RunTrace, order: int) -> None:
        self.trace = trace
        self.order = order
        self.arrived: list[str] = []

    async def run(self, ctx: Any) -> NextNode[Any]:
        """Wait for this playback's number of turns, then do as recorded."""
        step = self.trace.steps.get(ctx.address)
        if step is None or not step.is_finished:
            await asyncio.Event().wait()  # it was cancelled then, and will be now
        assert step is not None
        if self.order:
            for _ in range(Random(f"{self.order}:{ctx.address}").randrange(_MOST_TURNS)):
                await asyncio.sleep(0)
        self.arrived.append(ctx.address)
        if step.error is not None:
            raise RuntimeError(str(step.error))
        if step.after is not None and step.after is not step.before:
            ctx.state = step.after.restore()
        return self._successor(step)

    def _successor(self, step: StepTrace) -> NextNode[Any]:
        given = step.given
        if isinstance(given, End):
            ended: End[Any] = given
            return ended
        if not isinstance(given, Fork):
            return self
        return Fork(
            [self] * len(given.nodes),
            then=given.then if isinstance(given.then, End) else self,
            strategy=given.strategy,
            max_concurrent=given.max_concurrent,
            fail_fast=given.fail_fast,
            accept=given.accept,
        )


async def play_back(target: Target, trace: RunTrace, orders: int) -> Playback | None:
    """Play the results of a run in up to `orders` orders of arrival; None if it can't be played.

    Orders are drawn, so some come twice: these are counted once.

    A run can be played if it succeeded, joined branches, and no deadline cut branches off.
    """
    first = next(iter(trace.in_declared_order()), None)
    if first is None or first.before is None or not isinstance(trace.ending, Snapshot):
        return None
    if not (trace.has_forks or (isinstance(target, NodesTarget) and target.strategy is not None)):
        return None
    if any(isinstance(s.given, Fork) and s.given.timeout is not None for s in trace.steps.values()):
        return None
    digests, seen = set(), set()
    try:
        for order in range(orders):
            node = _Played(trace, order)
            digests.add(await _ending_of(target, first.before, node))
            seen.add(tuple(node.arrived))
    except TimeoutError:
        return None
    return Playback(orders=len(seen), digests=frozenset(digests), recorded=trace.ending.digest)


async def _ending_of(target: Target, before: Snapshot[Any], node: _Played) -> str:
    try:
        async with asyncio.timeout(_LONGEST):
            state = await _play_once(target, before, node)
    except LiftError as error:
        return type(error).__name__
    return Snapshot.take(state).digest


async def _play_once(target: Target, before: Snapshot[Any], node: _Played) -> Any:
    context = RunContext(before.restore(), execution_id="playback", scope=RunScope(seed=0))
    if isinstance(target, GraphTarget):
        graph: Graph[Any] = Graph(node, executor=_without_policies(target.graph.executor))
        engine = graph.executor.engine(context.scope, context.execution_id)
        return (await launch(graph, None, context, engine=engine)).state
    assert isinstance(target, NodesTarget)
    assert target.strategy is not None
    executor: ParallelExecutor[Any] = ParallelExecutor(len(target.nodes))
    results = await executor.execute_parallel([node] * len(target.nodes), context)
    return executor.merge_states(results, target.strategy).state


def _without_policies(own: ParallelExecutor[Any]) -> ParallelExecutor[Any]:
    """The same limits and reducers, but no attempts and deadlines: results are there already."""
    return ParallelExecutor(
        own.max_concurrent,
        isolation=own.isolation,
        max_steps=own.max_steps,
        metadata_reducers=own.metadata_reducers,
    )
