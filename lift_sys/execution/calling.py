"""Calling a node's `run`: on the event loop or in a thread, with a deadline if there is one."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import Awaitable
from concurrent.futures import Executor
from typing import Any, TypeVar

from lift_sys.core.address import declared_order
from lift_sys.core.context import RunContext
from lift_sys.core.node import FunctionNode, node_name
from lift_sys.core.successors import Question, Suspended
from lift_sys.errors import AbandonedThreadError, StepTimeoutError
from lift_sys.execution.slots import Holder
from lift_sys.state.leaves import per_key

ResultT = TypeVar("ResultT")


def runs_async(node: Any) -> bool:
    """Whether `run` is `async def`, so that it runs on the loop."""
    if isinstance(node, FunctionNode):
        return inspect.iscoroutinefunction(node.function)
    return _declares_async(type(node))


@per_key
def _declares_async(kind: type) -> bool:
    return inspect.iscoroutinefunction(getattr(kind, "run", None))


async def call(
    loop: asyncio.AbstractEventLoop,
    pool: Executor,
    holder: Holder,
    node: Any,
    ctx: RunContext[Any],
    limit: float | None,
) -> Any:
    """Run `node` once, at most `limit` seconds long.

    Raises:
        StepTimeoutError: It took longer, and its cancellation has been awaited.
        AbandonedThreadError: It took longer in a thread, which goes on.
    """
    running = node.run(ctx) if runs_async(node) else _in_thread(loop, pool, holder, node, ctx)
    if limit is None:
        return await running
    return await within(limit, "attempt", holder, node, ctx, running)


async def within(
    seconds: float,
    layer: str,
    holder: Holder,
    node: Any,
    ctx: RunContext[Any],
    work: Awaitable[ResultT],
) -> ResultT:
    """Await `work`, at most `seconds` long; raises as `call`, naming `layer`."""
    deadline = asyncio.timeout(seconds)
    outer = holder.deadlines
    holder.deadlines = (*outer, deadline)
    try:
        async with deadline:
            result = await work
        if not deadline.expired():  # or it has swallowed its cancellation
            return result
    except TimeoutError:
        if not deadline.expired():
            raise
    finally:
        holder.deadlines = outer
    place = (ctx.address, node_name(node))
    raise deadline_error(layer, seconds, *place, abandoned=not runs_async(node))


def failure_in(raised: BaseExceptionGroup[BaseException]) -> Exception:
    """What has failed of that which a node's tasks raised together, as `asyncio.TaskGroup` says it.

    Raises:
        Suspended: Nothing has: runs inside wait for answers.
    """
    asked, failed = raised.split(Suspended)
    if isinstance(failed, ExceptionGroup):
        return failed
    if failed is None and asked is not None:
        found = sorted(_questions(asked), key=lambda each: declared_order(each.address))
        raise Suspended(tuple(found))
    raise raised


def _questions(raised: BaseException) -> list[Question]:
    if isinstance(raised, BaseExceptionGroup):
        return [question for each in raised.exceptions for question in _questions(each)]
    return list(raised.questions) if isinstance(raised, Suspended) else []


def deadline_error(
    layer: str, seconds: float, address: str = "", node: str = "", *, abandoned: bool
) -> StepTimeoutError:
    """The error of a deadline that has passed; `abandoned` if a thread runs on."""
    kind = AbandonedThreadError if abandoned else StepTimeoutError
    return kind(layer=layer, seconds=seconds, address=address, node=node)


async def _in_thread(
    loop: asyncio.AbstractEventLoop,
    pool: Executor,
    holder: Holder,
    node: Any,
    ctx: RunContext[Any],
) -> Any:
    variables = contextvars.copy_context()
    thread = loop.run_in_executor(pool, variables.run, _run_plain, node, ctx)
    try:
        result = await asyncio.shield(thread)
    except asyncio.CancelledError:
        if not thread.done():
            # The thread can't be stopped. It keeps the slot, so that no more threads run than
            # there are slots, and nobody waits for what it returns.
            held, holder.holding = holder.holding, False
            holder.abandoned = True
            thread.add_done_callback(lambda ended: _abandoned(ended, holder, held))
        raise
    return await result if inspect.isawaitable(result) else result


def _run_plain(node: Any, ctx: RunContext[Any]) -> Any:
    try:
        return node.run(ctx)
    except StopIteration as error:
        # It can't be set on a future: the awaiting side would wait for ever.
        raise RuntimeError(f"{node_name(node)}.run raised StopIteration") from error


def _abandoned(thread: asyncio.Future[Any], holder: Holder, held: bool) -> None:
    if not thread.cancelled():
        thread.exception()  # or asyncio would warn that nobody looked
    if held:
        holder.slots.release()
    else:  # it had lent its slot when it was left, and may have taken one back since
        holder.release()
