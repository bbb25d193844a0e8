"""Which step of which run is asking: the part of a cassette's keys that is not the request.

Before editing: all of it is read from context variables, which a task copies from its parent, so
that it holds in gathered tasks and worker threads, too. Two runs of one graph have the same
addresses; what tells them apart is their `RunScope`, of which each run has one of its own.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import FrameType
from typing import Any, TypeAlias

from lift_sys.core.address import declared_order, inner_address
from lift_sys.core.node import is_node, node_name
from lift_sys.execution.slots import Holder, current_holder
from lift_sys.llm.cassette.current import node_in

__all__ = ["Place", "Stand", "at", "locate", "new_run", "place_order", "selects", "stand"]

Stand: TypeAlias = tuple[object, Holder | None, str]
"""A step of a run, without the names that `at` gives: what tasks are counted in."""

#: What `locate` gives as the run of calls that belong to none.
OUTSIDE = object()

_ADDRESS = re.compile(r"\d+([./>~]\d+)*(@.*)?")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a call is made.

    Attributes:
        run: An object that is the same for all calls of one run, and no other's.
        address: Address of the step, with `@name` for each `at(name)`; empty outside a run.
        node: Name of its node; empty where it can't be told.
        ctx: The step's context, or None.
    """

    run: object
    address: str
    node: str
    ctx: Any


@dataclass(frozen=True, slots=True)
class _Frame:
    """What `at` and `new_run` say; it holds until a step further inside begins."""

    holder: Holder | None
    run: object
    address: str


_frame: ContextVar[_Frame | None] = ContextVar("lift_sys_cassette_frame", default=None)


def locate() -> Place:
    """Return where the running code stands."""
    holder = current_holder.get()
    run, address = _stand(holder, _frame.get())
    ctx = None if holder is None else holder.ctx
    if holder is None or ctx is None:
        return Place(run, address, node_in(None), None)
    return Place(run, address, ctx._node or node_in(ctx) or _running_node(holder), ctx)


def stand() -> Stand:
    """Return the step that runs."""
    holder = current_holder.get()
    run, _ = _stand(holder, _frame.get())
    step = "" if holder is None or holder.ctx is None else holder.ctx.address
    return run, holder, step


def _stand(holder: Holder | None, frame: _Frame | None) -> tuple[object, str]:
    """The run and the address of what `holder`'s node does."""
    if frame is not None and frame.holder is holder:
        return frame.run, frame.address
    if holder is None or holder.ctx is None:
        return OUTSIDE, ""
    # A run that a step starts anew, by `graph.run`, has addresses of its own; two steps that both
    # do so could not be told apart. So it stands inside of its step, as a `Subgraph` does.
    outer = holder.outer
    while outer is not None and outer.ctx is not None and outer.ctx.scope is holder.ctx.scope:
        outer = outer.outer
    if outer is None or outer.ctx is None:
        if frame is not None and frame.holder is None and frame.address:
            return frame.run, f"{inner_address(frame.address)}{holder.ctx.address}"
        return holder.ctx.scope, holder.ctx.address
    run, step = _stand(outer, frame)
    address = holder.ctx.address
    return run, f"{inner_address(step)}{address}" if step else address


@contextmanager
def at(name: str) -> Iterator[None]:
    """Tell calls inside apart from other calls of the same step.

    Parallel tasks that ask the same thing are told apart by the order in which they are made. Where
    that changes, and in code outside a graph, a name does it, so that each gets its own answer
    again. The address becomes `0.2@name`. Code that runs graphs side by side names each run so;
    their steps are at `@name>0.2`.

    Raises:
        ValueError: The name is empty.
    """
    if not name:
        raise ValueError("`at` needs a name, such as at('judge 1')")
    place = locate()
    with _framed(_Frame(current_holder.get(), place.run, f"{place.address}@{name}")):
        yield


@contextmanager
def new_run() -> Iterator[None]:
    """Make what is called inside a run of its own, for code outside a graph.

    Each run plays a cassette from its beginning; a run of a graph is one by itself. Addresses
    begin anew, too: a function that is repeated in branches finds the answers of a single call.
    """
    with _framed(_Frame(current_holder.get(), object(), "")):
        yield


@contextmanager
def session() -> Iterator[None]:
    """Make what is called inside, at the same place, a run of its own."""
    with _framed(_Frame(current_holder.get(), object(), locate().address)):
        yield


@contextmanager
def _framed(frame: _Frame) -> Iterator[None]:
    token = _frame.set(frame)
    try:
        yield
    finally:
        _frame.reset(token)


def _running_node(holder: Holder) -> str:
    """Name of the node whose `run(ctx)` has led here, for runs to which nobody listens."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if name := _node_of(frame, holder.ctx):
            return name
        frame = frame.f_back
    # In a task that the node has started: then the walk's own is suspended below `run`.
    waiting: Any = holder.task.get_coro() if holder.task is not None else None
    while waiting is not None:
        if name := _node_of(getattr(waiting, "cr_frame", None), holder.ctx):
            return name
        waiting = getattr(waiting, "cr_await", None)
    return ""


def _node_of(frame: FrameType | None, ctx: Any) -> str:
    if frame is None or frame.f_code.co_name != "run" or frame.f_code.co_argcount < 2:
        return ""
    node, given = (frame.f_locals.get(name) for name in frame.f_code.co_varnames[:2])
    return node_name(node) if given is ctx and is_node(node) else ""


def selects(wanted: Sequence[str], address: str, node: str) -> bool:
    """Whether a call is one of `wanted`: addresses of steps, names of nodes, or names after `@`.

    An address stands for its step and for what runs inside of it (`3>0`, `3~0.1`, `3@judge`), not
    for the steps that follow.
    """
    for want in wanted:
        if want == address or (node and want == node):
            return True
        if _ADDRESS.fullmatch(want):
            if address.startswith(want) and address[len(want)] in ">~@":
                return True
        elif want in (name.partition(">")[0] for name in address.split("@")[1:]):
            return True
    return False


def place_order(address: str) -> tuple[list[tuple[int, int]], str]:
    """Sort key: steps in declared order, then names given by `at`."""
    step, _, names = address.partition("@")
    return declared_order(step), names
