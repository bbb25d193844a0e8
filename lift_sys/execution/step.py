"""One step: a node is run, with retries and deadlines, and what it did is checked.

Everything that runs a node goes through `Engine.step`: the executor for its groups, the graph's
runner for its walks. Before editing: this is the path that every step of every run takes, so what
nobody asked for (events, deadlines, retries) must cost next to nothing here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from random import Random
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias

from lift_sys.core.address import located
from lift_sys.core.context import RunContext, RunScope
from lift_sys.core.events import Event, NodeFailed, NodeFinished, NodeStarted, RetryScheduled
from lift_sys.core.node import is_node, node_name
from lift_sys.core.policies import Isolation, RetryPolicy, Timeouts
from lift_sys.core.successors import End, Fork
from lift_sys.errors import (
    AbandonedThreadError,
    NodeError,
    SelfCancelledError,
    StateValidationError,
    StepLimitError,
    StepTimeoutError,
    UndeclaredSuccessorError,
    UndeclaredWriteError,
)
from lift_sys.execution.calling import call, runs_async, within
from lift_sys.execution.pool import DaemonPool
from lift_sys.execution.retry import delay_before, is_transient
from lift_sys.execution.slots import Holder, Slots
from lift_sys.state.snapshot import Snapshot
from lift_sys.state.validation import is_plainly_right, validate_changes
from lift_sys.state.writes import changed_paths, changes

#: Errors that name the step themselves; any other is wrapped in a `NodeError`, which does.
_LOCATED = (StateValidationError, UndeclaredSuccessorError, UndeclaredWriteError)


#: What a step did: what the node returned, the snapshot of the state as it left it (the one before
#: if it changed nothing), how many attempts it took, and how many seconds from the first one's
#: start. A bare tuple, because there is one for each step.
Done: TypeAlias = tuple[Any, Snapshot[Any], int, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """How a node is run, and what is checked afterwards: what it declares, or else the executor.

    Attributes:
        kinds: Types of successors that it may return.
        admits: Whether it may return a successor of another type.
        declared: The successors that it may return, as text for the error.
        is_async: Whether `run` is `async def`.
        retry, timeouts: The policies that hold for it.
        is_quick: Whether it is tried once and only its attempt may have a deadline.
        priority: Among nodes that wait for a slot, higher goes first.
        writes: Fields that it may change; None is all.
    """

    kinds: frozenset[type]
    admits: Callable[[Any], bool]
    declared: tuple[str, ...]
    is_async: bool
    retry: RetryPolicy | None
    timeouts: Timeouts
    is_quick: bool
    priority: int
    writes: tuple[str, ...] | None

    @classmethod
    def of(
        cls,
        node: Any,
        engine: Engine,
        *,
        kinds: frozenset[type] = frozenset({End}),
        admits: Callable[[Any], bool] | None = None,
        declared: tuple[str, ...] = ("a node", "End", "Stop", "Fork"),
    ) -> Contract:
        """Read it off a node; by default it may return any successor."""
        retry = getattr(node, "retry", None) or engine.retry
        timeouts = getattr(node, "timeouts", None) or engine.timeouts
        return cls(
            kinds=kinds,
            admits=is_successor if admits is None else admits,
            declared=declared,
            is_async=runs_async(node),
            retry=retry,
            timeouts=timeouts,
            is_quick=retry is None and timeouts.node is None,
            priority=getattr(node, "priority", 0),
            writes=getattr(node, "writes", None),
        )


def is_successor(value: Any) -> bool:
    """Whether `value` is something that `run` may return at all."""
    return isinstance(value, (End, Fork)) or is_node(value)


class Engine:
    """What the steps of one call or run share.

    Attributes:
        slots: How many nodes may run at the same time.
        pool: Threads for nodes with a plain `def run`.
        retry, timeouts: What holds for nodes that declare none of their own.
        scope: Seed, clock, ledger and way out for events.
        steps: How many steps were begun.
    """

    __slots__ = (
        "execution_id",
        "isolation",
        "loop",
        "max_steps",
        "pool",
        "retry",
        "scope",
        "slots",
        "steps",
        "time",
        "timeouts",
    )

    def __init__(
        self,
        *,
        slots: Slots,
        pool: DaemonPool,
        scope: RunScope,
        execution_id: str,
        retry: RetryPolicy | None,
        timeouts: Timeouts,
        isolation: Isolation,
        max_steps: int,
    ) -> None:
        self.slots = slots
        self.pool = pool
        self.scope = scope
        self.execution_id = execution_id
        self.retry = retry
        self.timeouts = timeouts
        self.isolation = isolation
        self.max_steps = max_steps
        self.steps = 0
        self.loop = asyncio.get_running_loop()
        # The loop's clock, without its method call where that is all it does.
        plain = type(self.loop).time is asyncio.BaseEventLoop.time
        self.time = time.monotonic if plain else self.loop.time

    def tell(self, kind: type[Event], address: str = "", node: str = "", **fields: Any) -> None:
        """Publish an event, if anybody listens."""
        if self.scope.publish is not None:
            self.scope.publish(
                kind(
                    execution_id=self.execution_id,
                    address=address,
                    node=node,
                    time=self.time() - self.scope.started,
                    **fields,
                )
            )

    def step(
        self,
        holder: Holder,
        node: Any,
        ctx: RunContext[Any],
        before: Snapshot[Any],
        contract: Contract,
    ) -> Coroutine[Any, Any, Done]:
        """Run `node` on `ctx` with a slot, and check what it did. Await the result at once.

        Args:
            holder: Who holds the slot; it is taken if not held, and given back at the end.
            node: Anything with a `run(ctx)`.
            ctx: The context that the node may change.
            before: Snapshot of the context's state.
            contract: What the node declares.

        Raises:
            NodeError: The node failed for good; the original exception is its cause.
            StateValidationError, UndeclaredSuccessorError, UndeclaredWriteError: It broke its
                contract.
            StepLimitError: The run has taken too many steps.
        """
        self.steps += 1
        if self.steps > self.max_steps:
            raise StepLimitError(
                address=ctx.address, node=node_name(node), max_steps=self.max_steps
            )
        if contract.is_quick and (holder.holding or self.slots.take()):
            holder.holding = True
            return self._attempt(holder, node, ctx, before, contract)
        return self._careful_step(holder, node, ctx, before, contract)

    async def _careful_step(
        self,
        holder: Holder,
        node: Any,
        ctx: RunContext[Any],
        before: Snapshot[Any],
        contract: Contract,
    ) -> Done:
        """As `step`, where a slot has to be waited for, or attempts repeated, or all timed."""
        if not holder.holding:
            await self.slots.acquire(priority=contract.priority)
            holder.holding = True
        try:
            policy, limit = contract.retry, contract.timeouts.node
            if policy is None:
                work = self._attempt(holder, node, ctx, before, contract)
            else:
                work = self._attempts(holder, node, ctx, before, contract, policy)
            if limit is None:
                return await work
            started = self.time()
            try:
                return await within(limit, "node", node, ctx, work)
            except StepTimeoutError as error:
                if error.layer != "node":
                    raise
                self._fail(node, ctx, error, self.time() - started)
        finally:
            holder.release()

    async def _attempt(
        self,
        holder: Holder,
        node: Any,
        ctx: RunContext[Any],
        before: Snapshot[Any],
        contract: Contract,
        *,
        final: bool = True,
    ) -> Done:
        """Run `node` once; if it fails for good, say so and raise what it is to be known by."""
        heard = self.scope.publish is not None
        limit = contract.timeouts.attempt
        if heard:
            ctx._node = node_name(node)
            self.tell(NodeStarted, ctx.address, ctx._node, attempt=ctx.attempt)
        begun = self.time()
        try:
            if limit is None and contract.is_async:
                successor = await node.run(ctx)
            else:
                successor = await call(self.loop, self.pool, holder, node, ctx, limit)
            after = self._check(node, ctx, before, successor, contract)
        except asyncio.CancelledError:
            if holder.was_cancelled():
                raise
            failure: Exception = SelfCancelledError(address=ctx.address, node=node_name(node))
        except Exception as error:
            failure = error
        else:
            seconds = self.time() - begun
            if heard:
                self._tell_finished(ctx, before, after, successor, seconds)
            return successor, after, ctx.attempt, seconds
        finally:
            if final and holder.holding:
                holder.holding = False
                self.slots.release()
        if final:
            self._fail(node, ctx, failure, self.time() - begun)
        raise failure

    async def _attempts(
        self,
        holder: Holder,
        node: Any,
        ctx: RunContext[Any],
        before: Snapshot[Any],
        contract: Contract,
        policy: RetryPolicy,
    ) -> Done:
        """Run `node` until it succeeds or its policy gives up."""
        rollback = _Rollback(ctx, before)
        started = self.time()
        while True:
            begun = self.time()
            try:
                successor, after, attempts, _ = await self._attempt(
                    holder, node, ctx, before, contract, final=False
                )
                return successor, after, attempts, self.time() - started
            except Exception as error:
                failure = error
            delay = self._delay(policy, failure, ctx)
            if delay is None:
                self._fail(node, ctx, failure, self.time() - started)
            self._tell_retry(node, ctx, failure, self.time() - begun, delay)
            del failure
            holder.release()  # others may run while this one waits
            await asyncio.sleep(delay)
            await self.slots.acquire(priority=contract.priority)
            holder.holding = True
            rollback(ctx)
            ctx.attempt += 1

    def _check(
        self,
        node: Any,
        ctx: RunContext[Any],
        before: Snapshot[Any],
        successor: Any,
        contract: Contract,
    ) -> Snapshot[Any]:
        """Hold the node to its contract; return the snapshot of the state it left."""
        if type(successor) not in contract.kinds and not contract.admits(successor):
            name = type(successor).__name__ if is_successor(successor) else repr(successor)
            raise UndeclaredSuccessorError(
                address=ctx.address,
                node=node_name(node),
                returned=name,
                declared=contract.declared,
            )
        after = before.refresh(ctx.state)
        if after is before:
            return after
        if contract.writes is not None:
            for field in sorted(changes(before, after).fields - {*contract.writes}):
                raise UndeclaredWriteError(
                    address=ctx.address,
                    node=node_name(node),
                    path=field,
                    declared=contract.writes,
                )
        if not is_plainly_right(before, after):
            writer = located(ctx.address, node_name(node))
            if after.root.cls is not before.root.cls:
                now, due = after.root.cls.__name__, before.root.cls.__name__
                problem = ("state", f"is now a {now}; it must stay a {due}")
                raise StateValidationError(problems=[problem], writers=[writer])
            validate_changes(ctx.state, before, after, writers=(writer,))
        return after

    def _delay(
        self, policy: RetryPolicy, error: Exception, ctx: RunContext[Any]
    ) -> float | None:
        """Seconds until the next attempt, or None if there is none."""
        if ctx.attempt >= policy.max_attempts:
            return None
        if isinstance(error, AbandonedThreadError) or not is_transient(policy, error):
            return None
        # A generator of its own: what retries draw must not shift what the node draws.
        random = Random(f"{self.scope.seed}:{ctx.address}:retry:{ctx.attempt}")
        return delay_before(policy, attempt=ctx.attempt + 1, error=error, random=random)

    def _fail(
        self, node: Any, ctx: RunContext[Any], error: BaseException, elapsed: float
    ) -> NoReturn:
        name = node_name(node)
        self.tell(
            NodeFailed,
            ctx.address,
            name,
            attempt=ctx.attempt,
            elapsed=elapsed,
            error=error,
            final=True,
        )
        if isinstance(error, _LOCATED):
            raise error
        raise NodeError(
            address=ctx.address, node=name, attempt=ctx.attempt, elapsed=elapsed, error=error
        ) from error

    def _tell_retry(
        self, node: Any, ctx: RunContext[Any], error: Exception, elapsed: float, delay: float
    ) -> None:
        if self.scope.publish is None:
            return
        name = node_name(node)
        common = {"attempt": ctx.attempt, "error": error}
        self.tell(NodeFailed, ctx.address, name, elapsed=elapsed, final=False, **common)
        self.tell(RetryScheduled, ctx.address, name, delay=delay, **common)

    def _tell_finished(
        self,
        ctx: RunContext[Any],
        before: Snapshot[Any],
        after: Snapshot[Any],
        successor: Any,
        elapsed: float,
    ) -> None:
        ended = isinstance(successor, (End, Fork))
        self.tell(
            NodeFinished,
            ctx.address,
            ctx._node,
            attempt=ctx.attempt,
            elapsed=elapsed,
            successor=type(successor).__name__ if ended else node_name(successor),
            writes=changed_paths(before, after),
        )


class _Rollback:
    """The context as it was before the first attempt."""

    __slots__ = ("metadata", "provenance", "state")

    def __init__(self, ctx: RunContext[Any], state: Snapshot[Any]) -> None:
        self.state = state
        self.metadata = Snapshot.take(ctx.metadata, name="metadata")
        self.provenance = Snapshot.take(ctx.provenance, name="provenance")

    def __call__(self, ctx: RunContext[Any]) -> None:
        ctx.state = self.state.restore()
        ctx.metadata = self.metadata.restore()
        ctx.provenance = self.provenance.restore()
        ctx._random = None
