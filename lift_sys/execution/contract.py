"""What a node has promised, and whether it kept it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from lift_sys.core.address import located
from lift_sys.core.context import RunContext
from lift_sys.core.node import DECLARED_BY_CLASS, is_node, node_name
from lift_sys.core.policies import CachePolicy, Isolation, RetryPolicy, Timeouts
from lift_sys.core.successors import End, Fork, Suspend
from lift_sys.errors import (
    StateValidationError,
    UndeclaredSuccessorError,
    UndeclaredWriteError,
    UsageError,
)
from lift_sys.execution.cached_call import CachedCall, Caching
from lift_sys.execution.calling import runs_async
from lift_sys.execution.engine import Engine
from lift_sys.state.parts import Part
from lift_sys.state.snapshot import Snapshot
from lift_sys.state.validation import is_plainly_right, validate_changes
from lift_sys.state.writes import changes

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
        is_quick: Whether it is tried once, unwatched, and only its attempt may have a deadline.
        priority: Among nodes that wait for a slot, higher goes first.
        writes: Fields that it may change; None is all.
        caching: How its results are kept, if they are.
        call: The call of a cached node that is under way.
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
    caching: Caching | None = None
    call: CachedCall | None = None

    @classmethod
    def of(
        cls,
        node: Any,
        engine: Engine,
        *,
        kinds: frozenset[type] = frozenset({End}),
        admits: Callable[[Any], bool] | None = None,
        declared: tuple[str, ...] = ("a node", "End", "Stop", "Fork"),
        home: Any = None,
    ) -> Contract:
        """Read it off a node's class; by default it may return any successor.

        `home` is the structure that the node stands in, if it is in a graph.

        Raises:
            UsageError: The instance declares what belongs to its class.
        """
        kind = type(node)
        refuse_own(node)
        _refuse_wrong(kind)
        retry = getattr(kind, "retry", None) or engine.retry
        timeouts = getattr(kind, "timeouts", None) or engine.timeouts
        caching = Caching.of(node, engine, home)
        return cls(
            kinds=kinds,
            admits=is_successor if admits is None else admits,
            declared=declared,
            is_async=runs_async(node),
            retry=retry,
            timeouts=timeouts,
            is_quick=(
                retry is None
                and timeouts.node is None
                and caching is None
                and engine.isolation is not Isolation.STRICT
            ),
            priority=getattr(kind, "priority", 0),
            writes=getattr(kind, "writes", None),
            caching=caching,
        )


def _refuse_wrong(kind: type) -> None:
    for name, due in (("retry", RetryPolicy), ("timeouts", Timeouts), ("priority", int)):
        value = getattr(kind, name, None)
        if value is not None and not isinstance(value, due):
            raise UsageError(
                f"{kind.__name__}.{name} is {value!r}; it has to be of type {due.__name__}."
            )
    cache = getattr(kind, "cache", None)
    if cache is not None and not isinstance(cache, (bool, CachePolicy)):
        raise UsageError(
            f"{kind.__name__}.cache is {cache!r}; it has to be True, False or a CachePolicy."
        )


def refuse_own(node: Any) -> None:
    """Refuse an instance that sets what belongs to its class.

    Raises:
        UsageError: It does; it names what.
    """
    own = getattr(node, "__dict__", {})
    for name in sorted(DECLARED_BY_CLASS):
        if name in own or hasattr(getattr(type(node), name, None), "__get__"):
            kind = type(node).__name__
            raise UsageError(
                f"{kind} sets `{name}` on an instance; all instances of a node class share it. "
                f"Write `{name} = ...` in the body of {kind}, or of a subclass that differs."
            )


def is_successor(value: Any) -> bool:
    """Whether `value` is something that `run` may return at all."""
    return isinstance(value, (End, Fork, Suspend)) or is_node(value)


def _described(successor: Any) -> str:
    if isinstance(successor, Fork):
        branches = list(dict.fromkeys(map(_described, successor.nodes)))
        then = _described(successor.then)
        return f"Fork([{', '.join(branches)}], then={then})"
    if isinstance(successor, Suspend):
        return f"Suspend(then={_described(successor.then)})"
    if isinstance(successor, type):
        return f"{successor.__name__} (the class: write `{successor.__name__}(...)`)"
    return f"{node_name(successor)}()" if is_successor(successor) else repr(successor)


def check(
    node: Any,
    ctx: RunContext[Any],
    before: Snapshot[Any],
    successor: Any,
    contract: Contract,
) -> Snapshot[Any]:
    """Hold the node to its contract; return the snapshot of the state it left."""
    if contract.call is not None:
        contract.call.end()
    if type(successor) not in contract.kinds and not contract.admits(successor):
        raise UndeclaredSuccessorError(
            address=ctx.address,
            node=node_name(node),
            returned=_described(successor),
            declared=contract.declared,
        )
    after = before.refresh(ctx.state)
    if after is before:
        return after
    now = after.root
    if not isinstance(now, Part) or now.cls is not before.root.cls:
        kind, due = now.cls if isinstance(now, Part) else type(now), before.root.cls
        raise StateValidationError(
            problems=[("state", f"is now a {kind.__name__}; it must stay a {due.__name__}")],
            writers=[located(ctx.address, node_name(node))],
        )
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
        validate_changes(ctx.state, before, after, writers=(writer,))
    return after
