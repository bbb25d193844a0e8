"""One step: a node is run, with retries and deadlines, and what it did is checked.

Everything that runs a node goes through `step`: the executor for its groups, the graph's runner for
its walks. Before editing: this is the path that every step of every run takes, so what nobody asked
for (events, deadlines, retries) must cost next to nothing here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import nullcontext
from random import Random
from typing import Any, NoReturn

from lift_sys.core.context import RunContext
from lift_sys.core.events import NodeFailed, NodeStarted, RetryScheduled
from lift_sys.core.node import node_name
from lift_sys.core.policies import Isolation, RetryPolicy
from lift_sys.errors import (
    AbandonedThreadError,
    DurabilityError,
    NodeError,
    SelfCancelledError,
    SharedWriteError,
    StateValidationError,
    StepLimitError,
    StepTimeoutError,
    UndeclaredReadError,
    UndeclaredSuccessorError,
    UndeclaredWriteError,
)
from lift_sys.execution.cached import cached_step
from lift_sys.execution.calling import call, failure_in, within
from lift_sys.execution.contract import Contract, Done, check
from lift_sys.execution.engine import Engine
from lift_sys.execution.retry import delay_before, is_transient
from lift_sys.execution.rollback import Rollback
from lift_sys.execution.slots import Holder
from lift_sys.execution.telling import tell_finished
from lift_sys.execution.witness import watching
from lift_sys.state.snapshot import Snapshot

#: Errors that name the step themselves; any other is wrapped in a `NodeError`, which does.
_LOCATED = (
    *(StateValidationError, UndeclaredReadError, UndeclaredSuccessorError, UndeclaredWriteError),
)


def step(
    engine: Engine,
    holder: Holder,
    node: Any,
    ctx: RunContext[Any],
    before: Snapshot[Any],
    contract: Contract,
) -> Coroutine[Any, Any, Done]:
    """Run `node` on `ctx` with a slot, and check what it did. Await the result at once.

    Args:
        engine: What the steps of the run share.
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
    counting: Engine | None = engine
    while counting is not None:
        counting.steps += 1
        if counting.steps > counting.max_steps:
            limit = counting.max_steps
            raise StepLimitError(address=ctx.address, node=node_name(node), max_steps=limit)
        counting = counting.outer
    if contract.is_quick and (holder.holding or engine.slots.take()):
        holder.holding = True
        return _attempt(engine, holder, node, ctx, before, contract)
    return _careful_step(engine, holder, node, ctx, before, contract)


async def _careful_step(
    engine: Engine,
    holder: Holder,
    node: Any,
    ctx: RunContext[Any],
    before: Snapshot[Any],
    contract: Contract,
) -> Done:
    """As `step`, where a slot is waited for, attempts are repeated or timed, or all is watched."""
    if contract.caching is not None:
        return await cached_step(engine, holder, node, ctx, before, contract, _careful_step)
    if not holder.holding:
        await engine.slots.acquire(priority=contract.priority)
        holder.holding = True
    policy, limit = contract.retry, contract.timeouts.node
    attempts = _attempt if policy is None else _attempts
    work = attempts(engine, holder, node, ctx, before, contract, keep=False)
    watched = watching(node, ctx) if engine.isolation is Isolation.STRICT else nullcontext()
    started = engine.time()
    try:
        with watched:
            try:
                done = await (
                    work if limit is None else within(limit, "node", holder, node, ctx, work)
                )
            except StepTimeoutError as error:
                if error.layer != "node":
                    raise
                _fail(engine, node, ctx, error, engine.time() - started)
    finally:
        holder.ended = engine.time()  # its last attempt may have ended before, in a wait
        holder.release()
    # No deadline of the node's is for that.
    done = await _keep(engine, holder, node, ctx, before, done)
    return *done[:3], holder.ended - started


async def _attempt(
    engine: Engine,
    holder: Holder,
    node: Any,
    ctx: RunContext[Any],
    before: Snapshot[Any],
    contract: Contract,
    *,
    final: bool = True,
    keep: bool = True,
) -> Done:
    """Run `node` once; if it fails for good, say so and raise what it is to be known by.

    What it did is kept and announced, unless whoever calls does that (`keep`).
    """
    heard = engine.scope.publish is not None
    limit = contract.timeouts.attempt
    if heard:
        ctx._node = node_name(node)
        engine.tell(NodeStarted, ctx.address, ctx._node, attempt=ctx.attempt)
    failure: Exception | None = None
    log = holder.log
    if log is not None:
        log.begin(ctx, node)
    begun = engine.time()
    if holder.started is None:
        holder.started = begun
    try:
        given = ctx if contract.call is None else contract.call.begin(before)
        if limit is None and contract.is_async:
            successor = await node.run(given)
        else:
            successor = await call(engine.loop, engine.pool, holder, node, given, limit)
        after = check(node, ctx, before, successor, contract)
    except asyncio.CancelledError:
        if holder.was_cancelled():
            raise
        failure = SelfCancelledError(address=ctx.address, node=node_name(node))
    except Exception as error:
        failure = error
    except BaseExceptionGroup as raised:
        failure = failure_in(raised)
    finally:
        holder.ended = ended = engine.time()
        seconds = ended - begun
        holder.busy += seconds
        if final and holder.holding:
            holder.holding = False
            engine.slots.release()
    if failure is None:
        done = successor, after, ctx.attempt, seconds
        if keep and (heard or log is not None):
            done = await _keep(engine, holder, node, ctx, before, done)
        return done
    if final:
        _fail(engine, node, ctx, failure, seconds)
    raise failure


async def _attempts(
    engine: Engine,
    holder: Holder,
    node: Any,
    ctx: RunContext[Any],
    before: Snapshot[Any],
    contract: Contract,
    *,
    keep: bool,
) -> Done:
    """Run `node` until it succeeds or its policy gives up."""
    policy = contract.retry
    assert policy is not None
    rollback = Rollback(ctx, before)
    started = engine.time()
    while True:
        begun = engine.time()
        try:
            return await _attempt(
                engine, holder, node, ctx, before, contract, final=False, keep=keep
            )
        except Exception as error:
            failure = error
        delay = None
        if not holder.was_cancelled():
            delay = _delay(engine, policy, failure, ctx)
        if delay is None:
            _fail(engine, node, ctx, failure, engine.time() - started)
        _tell_retry(engine, node, ctx, failure, engine.time() - begun, delay)
        del failure
        holder.release()  # others may run while this one waits
        paused = engine.time()
        try:
            await asyncio.sleep(delay)
        finally:
            holder.busy += engine.time() - paused  # one at a time, it would have waited, too
        await engine.slots.acquire(priority=contract.priority)
        holder.holding = True
        rollback(ctx)
        ctx.attempt += 1


def _delay(
    engine: Engine, policy: RetryPolicy, error: Exception, ctx: RunContext[Any]
) -> float | None:
    """Seconds until the next attempt, or None if there is none."""
    if ctx.attempt >= policy.max_attempts or _ends_the_run(engine, error):
        return None
    if isinstance(error, AbandonedThreadError) or not is_transient(policy, error):
        return None
    # A generator of its own: what retries draw must not shift what the node draws.
    random = Random(f"{engine.scope.seed}:{ctx.address}:retry:{ctx.attempt}")
    return delay_before(policy, attempt=ctx.attempt + 1, error=error, random=random)


def _fail(
    engine: Engine, node: Any, ctx: RunContext[Any], error: BaseException, elapsed: float
) -> NoReturn:
    name = node_name(node)
    engine.tell(
        NodeFailed,
        ctx.address,
        name,
        attempt=ctx.attempt,
        elapsed=elapsed,
        error=error,
        final=True,
    )
    if isinstance(error, _LOCATED) or _ends_the_run(engine, error):
        raise error
    raise NodeError(
        address=ctx.address, node=name, attempt=ctx.attempt, elapsed=elapsed, error=error
    ) from error


def _ends_the_run(engine: Engine, error: BaseException) -> bool:
    """Whether an error of a run inside the step is one of this whole run."""
    if not isinstance(error, StepLimitError):
        return isinstance(error, (SharedWriteError, DurabilityError))
    each: Engine | None = engine
    while each is not None:
        if each.steps > each.max_steps:
            return True
        each = each.outer
    return False  # a limit that the inner graph was given


def _tell_retry(
    engine: Engine, node: Any, ctx: RunContext[Any], error: Exception, elapsed: float, delay: float
) -> None:
    name = node_name(node)
    common = {"attempt": ctx.attempt, "error": error}
    engine.tell(NodeFailed, ctx.address, name, elapsed=elapsed, final=False, **common)
    engine.warn(RetryScheduled, ctx.address, name, delay=delay, **common)


async def _keep(
    engine: Engine,
    holder: Holder,
    node: Any,
    ctx: RunContext[Any],
    before: Snapshot[Any],
    done: Done,
) -> Done:
    """Keep what a node did, and announce it: in this order."""
    if holder.log is not None:
        successor, after, attempt, seconds = done
        kept = await holder.log.finished(ctx, node, before, after, successor, seconds, attempt)
        done = kept, after, attempt, seconds
    if engine.scope.publish is not None:
        tell_finished(engine, ctx, before, done)
    return done
