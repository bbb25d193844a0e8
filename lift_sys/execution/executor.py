"""The executor: runs nodes in parallel on copies of one context, and merges them (hole H4).

It runs each node once and follows no successor; a `Graph` walks. One executor may be used from
several event loops and threads: what belongs to a loop is kept by loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from lift_sys.core.cache_ports import Cache
from lift_sys.core.caching import is_caching
from lift_sys.core.context import RunContext, RunScope
from lift_sys.core.node import AbstractBaseNode, is_node
from lift_sys.core.policies import CachePolicy, Isolation, RetryPolicy, Timeouts, at_least_one
from lift_sys.core.strategies import MergeStrategy, Strategy, as_strategy
from lift_sys.errors import EmptyGroupError, MergeError, StrategyNotMetError
from lift_sys.execution.closing import end_tasks
from lift_sys.execution.deciders import Decider, decider_for
from lift_sys.execution.engine import Engine
from lift_sys.execution.group import Group
from lift_sys.execution.isolation import Base
from lift_sys.execution.join import check_met, is_accepted, join, joined_context, vote_of
from lift_sys.execution.log import log_observer
from lift_sys.execution.plugged import refuse_no_cache
from lift_sys.execution.pool import DaemonPool
from lift_sys.execution.results import NodeResult, Statistics, statistics_of
from lift_sys.execution.single import SingleNodes
from lift_sys.execution.slots import Holder, Slots, current_holder, while_lent
from lift_sys.execution.withheld import run_of
from lift_sys.state.reducers import Reducer

if TYPE_CHECKING:
    from pydantic import BaseModel
    from typing_extensions import TypeVar as DefaultTypeVar

    StateT = TypeVar("StateT", bound=BaseModel)
    # What states an executor is for matters to readers only, as in `ParallelExecutor[Review]`: it
    # may serve several graphs, so a bare one is for any state, and contravariance says so.
    ServedT_contra = DefaultTypeVar(
        "ServedT_contra", bound=BaseModel, contravariant=True, default=BaseModel
    )
else:
    StateT = TypeVar("StateT")
    ServedT_contra = TypeVar("ServedT_contra", contravariant=True)


class ParallelExecutor(Generic[ServedT_contra]):
    """Runs nodes in parallel, each on its own copy of the context.

    Args:
        max_concurrent: Most nodes that run at the same time, over all calls in one event loop.
        retry: Policy for nodes that declare none; None tries once.
        timeouts: Deadlines for nodes, groups and runs that declare none.
        isolation: How branches get their own state, see `Isolation`.
        max_steps: Most steps of one run, as a guard against endless cycles.
        metadata_reducers: How keys of `ctx.metadata` are reduced in a merge.
        cache: Where results of nodes are kept that ask for it (`cache = True` in their class).
        cache_policy: Policy for nodes that declare none; None keeps nothing of theirs.

    Raises:
        ValueError: `max_concurrent` or `max_steps` is below 1.
        TypeError: One of them is no whole number.
    """

    def __init__(
        self,
        max_concurrent: int = 4,
        *,
        retry: RetryPolicy | None = None,
        timeouts: Timeouts | None = None,
        isolation: Isolation = Isolation.COPY,
        max_steps: int = 100_000,
        metadata_reducers: Mapping[str, Reducer] | None = None,
        cache: Cache | None = None,
        cache_policy: CachePolicy | None = None,
    ) -> None:
        at_least_one("max_concurrent", max_concurrent)
        at_least_one("max_steps", max_steps)
        refuse_no_cache(cache)
        self.max_concurrent = max_concurrent
        self.retry = retry
        self.timeouts = timeouts or Timeouts()
        self.isolation = Isolation(isolation)
        self.max_steps = max_steps
        self.metadata_reducers = dict(metadata_reducers or {})
        self.cache = cache
        self.cache_policy = cache_policy
        self._pool = DaemonPool()
        self._slots: WeakKeyDictionary[asyncio.AbstractEventLoop, Slots] = WeakKeyDictionary()

    def __repr__(self) -> str:
        return f"ParallelExecutor(max_concurrent={self.max_concurrent})"

    def engine(self, scope: RunScope, execution_id: str, *, outer: Engine | None = None) -> Engine:
        """What the steps of one call share, in the running event loop.

        `outer` is the engine of the run that the call is a part of.
        """
        cache = self.cache if scope.cache is None else scope.cache
        return Engine(
            slots=self.slots(),
            pool=self._pool,
            scope=scope,
            execution_id=execution_id,
            retry=self.retry,
            timeouts=self.timeouts,
            isolation=self.isolation,
            max_steps=self.max_steps,
            metadata_reducers=self.metadata_reducers,
            outer=outer,
            cache=cache if is_caching() else None,
            cache_policy=self.cache_policy,
        )

    def slots(self) -> Slots:
        """The slots of the running event loop."""
        loop = asyncio.get_running_loop()
        slots = self._slots.get(loop)
        if slots is None:
            slots = self._slots.setdefault(loop, Slots(self.max_concurrent))
        return slots

    async def execute_parallel(
        self, nodes: Sequence[AbstractBaseNode[StateT]], ctx: RunContext[StateT]
    ) -> list[NodeResult[StateT]]:
        """Run each of `nodes` once, all on copies of `ctx`, which itself is not changed.

        Args:
            nodes: Anything with a `run(ctx)`.
            ctx: What every node gets a copy of.

        Returns:
            One result for each node, in the order of `nodes`. A node's failure is in its result;
            successors are returned, not run.

        Raises:
            EmptyGroupError: `nodes` is empty.
            TypeError: One of `nodes` has no `run`.
            UncopyableStateError: `ctx` can't be copied; the error names the path.
            NotAModelError: The state is no pydantic model.
        """
        return await _counted(self._call(nodes, ctx, Decider(len(nodes))))

    async def execute_single_with_isolation(
        self, node: AbstractBaseNode[StateT], ctx: RunContext[StateT]
    ) -> NodeResult[StateT]:
        """Run one node on a copy of `ctx`; as `execute_parallel([node], ctx)`."""
        (result,) = await self.execute_parallel([node], ctx)
        return result

    async def stream_parallel(
        self, nodes: Sequence[AbstractBaseNode[StateT]], ctx: RunContext[StateT]
    ) -> AsyncGenerator[NodeResult[StateT], None]:
        """As `execute_parallel`, but yield each result as soon as it is there.

        The order is that of completion; merge what you have so far with `merge_states`. Leaving
        the iteration early cancels the nodes that still run (close the iterator, or use
        `contextlib.aclosing`).
        """
        queue: asyncio.Queue[NodeResult[StateT] | None] = asyncio.Queue()
        call = self._call(nodes, ctx, Decider(len(nodes)), finished=queue.put_nowait)

        async def run() -> None:
            try:
                await _counted(call)
            finally:
                queue.put_nowait(None)

        task = asyncio.ensure_future(run())
        try:
            while (result := await queue.get()) is not None:
                yield result
            await task
        finally:
            await end_tasks([task])

    def merge_states(
        self,
        results: Sequence[NodeResult[StateT]],
        strategy: MergeStrategy | Strategy = MergeStrategy.FIRST_SUCCESS,
    ) -> RunContext[StateT]:
        """Combine results of one group into one context, in declared order.

        Args:
            results: Results of the same `execute_parallel` (or a part of them, as streamed).
            strategy: How, see `MergeStrategy`.

        Returns:
            A context of its own: changing it changes no result.

        Raises:
            StrategyNotMetError: The strategy was not met. It holds every failure, and is both a
                ParallelExecutionError and a MergeError.
            MergeConflictError: Two branches changed one path to unequal values.
            MergeError: The results do not stem from the same context, or there are none.
            StateValidationError: The changes are not valid together.
        """
        if not results:
            raise EmptyGroupError(call="merge_states")
        base = results[0]._base
        if base is None or any(result._base is not base for result in results):
            raise MergeError(
                "These results do not start from the same context. Merge the results of one "
                "`execute_parallel` call, in this process."
            )
        chosen = as_strategy(strategy)
        results = sorted(results, key=lambda result: result.index)
        decider = decider_for(chosen, len(results))
        for position in sorted(range(len(results)), key=lambda at: results[at].rank):
            result = results[position]
            refused = is_accepted(chosen, result) if result.is_success else None
            if refused is not None:
                result = results[position] = result.failing(refused)
            success = result.is_success
            vote = vote_of(chosen, result) if success and result._ending else None
            decider.add(position, success=success, vote=vote)
        check_met(decider, results, "", kind=StrategyNotMetError)
        joined = join(base, results, decider, metadata_reducers=self.metadata_reducers)
        return joined_context(base, joined, results)

    def get_statistics(self, results: Sequence[NodeResult[StateT]]) -> Statistics:
        """Count results, and estimate what running them in parallel has saved."""
        return statistics_of(results)

    def _call(
        self, nodes: Sequence[Any], ctx: RunContext[StateT], decider: Decider, **options: Any
    ) -> Group[Holder]:
        if not nodes:
            raise EmptyGroupError(call="execute_parallel")
        for node in nodes:
            if not is_node(node):
                hint = f"{node.__name__}()" if isinstance(node, type) else "an object with `run`"
                raise TypeError(f"{node!r} is no node: give {hint}, with a method `run(ctx)`.")
        engine = self.engine(_audible(ctx.scope), run_of(ctx))
        base = Base.of(ctx)
        place = ctx._next_call()

        branches = SingleNodes(engine, base, nodes, place)
        options |= {"address": place, "timeout": self.timeouts.group}
        return Group(engine, base, nodes, branches, decider, None, **options)


async def _counted(call: Group[Holder]) -> list[NodeResult[Any]]:
    """Run a group; if a node has asked for it, what its nodes took is a part of that node's time."""
    engine = call.engine
    started = engine.time()
    try:
        return await while_lent(engine.slots, call.run())
    finally:
        holder = current_holder.get()
        if holder is not None:
            busy = sum(result.busy_ms for result in call.results if result is not None)
            holder.busy += busy / 1000 - (engine.time() - started)


def _audible(scope: RunScope) -> RunScope:
    """`scope`, with the log as listener where nobody listens and the log is on."""
    if scope.publish is not None or (observer := log_observer()) is None:
        return scope
    return RunScope(
        seed=scope.seed,
        clock=scope.clock,
        ledger=scope.ledger,
        publish=observer,
        cache=scope.cache,
    )
