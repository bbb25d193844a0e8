"""One call of a cached node: what it is given, what it may look at, and what is kept of it."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

from lift_sys.core.cache_ports import Cache, CacheEntry, CacheKey
from lift_sys.core.context import RunContext
from lift_sys.core.node import FunctionNode, is_node, node_name
from lift_sys.core.policies import CachePolicy
from lift_sys.core.successors import End, Fork
from lift_sys.core.usage import Usage
from lift_sys.errors import UndeclaredReadError, UsageError
from lift_sys.execution.cache_key import hidden_fields, key_of
from lift_sys.execution.withheld import WithheldContext
from lift_sys.state.lazy import lazy_copy, unhide
from lift_sys.state.operations import NOTHING, Delete, Given, Set, WriteSet
from lift_sys.state.snapshot import Snapshot
from lift_sys.state.writes import changes

if TYPE_CHECKING:
    from lift_sys.execution.engine import Engine


@dataclass(frozen=True, slots=True)
class Caching:
    """How results of a node class are kept.

    Attributes:
        cache: Where.
        policy: For how long, under which names, for which inputs.
        reads: The fields of the state that it looks at; None is all.
        home: The structure that the node stands in; None if it is in no graph.
    """

    cache: Cache
    policy: CachePolicy
    reads: tuple[str, ...] | None
    home: Any

    @classmethod
    def of(cls, node: Any, engine: Engine, home: Any) -> Caching | None:
        """How it is for `node`; None if nothing of it is kept."""
        cache, declared = engine.cache, getattr(type(node), "cache", None)
        if declared is None:
            declared = engine.cache_policy
        if cache is None or not declared or getattr(cache, "is_off", False):
            return None
        policy = CachePolicy() if declared is True else declared
        return cls(cache, policy, getattr(type(node), "reads", None), home)


class CachedCall:
    """What one call of a cached node does, to be kept or taken from what was kept.

    Attributes:
        key: What it is kept by.
    """

    def __init__(
        self, caching: Caching, node: Any, ctx: RunContext[Any], before: Snapshot[Any]
    ) -> None:
        self.node = node
        self.ctx = ctx
        self.policy = caching.policy
        self.reads = caching.reads
        self._hidden = hidden_fields(before, caching.reads)
        home = node if caching.home is None else caching.home
        self.key: CacheKey = key_of(node, ctx, before, caching.policy, self._hidden, home)
        self._given_hidden = before.root.fields_set & self._hidden if self._hidden else ()
        self._given: WithheldContext | None = None
        self._metadata: Snapshot[dict[str, Any]] | None = None
        self._assigned: frozenset[str] = frozenset()
        self._refused: UndeclaredReadError | None = None

    def begin(self, before: Snapshot[Any]) -> RunContext[Any]:
        """The context for an attempt; `before` is the state that it starts from."""
        ctx, inputs = self.ctx, self.policy.inputs
        state = ctx.state
        if self._hidden:
            state = lazy_copy(before.root, hidden=self._hidden, refuse=self._refuse_field)
            state.__pydantic_fields_set__.difference_update(self._hidden)
        if "metadata" in inputs:
            self._metadata = Snapshot.take(ctx.metadata, name="metadata")
        self._refused = None
        self._given = WithheldContext(ctx, state, may_see=inputs, refuse=self._refuse)
        return self._given

    def end(self) -> None:
        """The attempt has returned: what it did is the context's now.

        Raises:
            UndeclaredReadError: It looked at what it may not see, and has swallowed the error.
        """
        given, hidden = self._given, self._hidden
        assert given is not None
        if self._refused is not None:
            raise self._refused
        state = given.state
        if hidden:
            own = hasattr(type(state), "__lift_hidden__")
            # A state that was made anew has all fields from the node.
            self._assigned = frozenset(unhide(state)) if own else hidden
            if own:
                state.__pydantic_fields_set__.update(self._given_hidden)
        self.ctx.state = state
        if given._provenance:
            self.ctx.provenance += given._provenance

    def entry(
        self, before: Snapshot[Any], after: Snapshot[Any], successor: Any, elapsed: float
    ) -> CacheEntry | None:
        """What is to be kept; None if the successor is nothing that can be returned again."""
        if not (isinstance(successor, (End, Fork)) or is_node(successor)):
            return None
        given = self._given
        assert given is not None
        metadata = NOTHING
        if self._metadata is not None:
            after_it = self._metadata.refresh(self.ctx.metadata)
            metadata = changes(self._metadata, after_it, in_order=True)
        return CacheEntry(
            writes=self._writes(before, after),
            metadata=metadata,
            provenance=tuple(copy.deepcopy(given._provenance or ())),
            successor=detached(successor),
            usage=reduce(add, given.spent) if given.spent else None,
            elapsed=elapsed,
        )

    def _writes(self, before: Snapshot[Any], after: Snapshot[Any]) -> WriteSet:
        """What it wrote: also what was equal before, where the next state may have another value."""
        own = changes(before, after, in_order=True)
        if not self._hidden:
            return own
        known = [each for each in own.operations if each.path[0] not in self._hidden]
        values = after.root.values
        assigned = [
            Set((name,), values[name]) if name in values else Delete((name,))
            for name in sorted(self._assigned)
        ]
        hidden = self._hidden
        given = [
            each if each.path else Given((), each.names - hidden, hidden) for each in own.given
        ]
        return WriteSet((*known, *assigned), tuple(given))

    def replay(self, entry: CacheEntry) -> Any:
        """Do to the context what is kept; return the successor."""
        ctx = self.ctx
        ctx.state = entry.writes.apply(ctx.state)
        if entry.metadata is not NOTHING:
            ctx.metadata = entry.metadata.apply(ctx.metadata)
        for kept in entry.provenance:
            ctx.provenance.append(self._entry_again(copy.deepcopy(kept)))
        if entry.usage is not None:
            calls, cost = entry.usage.calls, entry.usage.cost
            free = None if cost is None else 0.0
            ctx.add_usage(Usage(calls=calls, cached_calls=calls, cost=free))
        return detached(entry.successor)

    def _entry_again(self, kept: dict[str, Any]) -> dict[str, Any]:
        """A provenance entry as it is in this run: it names the run, and says where it is from."""
        own = self.ctx._entry("", "")
        for name in ("execution_id", "address"):
            if name in kept and name in own:
                kept[name] = own[name]
        usage = kept.get("usage")
        if isinstance(usage, dict) and {"calls", "cached_calls"} <= usage.keys():
            usage["cached_calls"] = usage["calls"]
            usage["cost"] = usage.get("cost") and 0.0
        return kept | {"cached": True}

    def _refuse_field(self, name: str) -> None:
        self._refuse(f"state.{name}")

    def _refuse(self, path: str) -> None:
        self._refused = self._refused or UndeclaredReadError(
            address=self.ctx.address,
            node=node_name(self.node),
            path=path,
            declared=self.reads or (),
        )
        raise self._refused


def detached(successor: Any) -> Any:
    """A successor that shares no data with the given one: not an `End`'s, nor in nodes' attributes.

    Raises:
        UsageError: Something in a node can't be copied, so that it can't be kept; it says what.
    """
    return _detached(successor, {})


def _detached(successor: Any, memo: dict[int, Any]) -> Any:
    if isinstance(successor, Fork):
        fork = copy.copy(successor)  # its strategy is nobody's data
        fork.nodes = tuple([_detached(each, memo) for each in successor.nodes])
        fork.then = _detached(successor.then, memo)
        return fork
    if isinstance(successor, End):
        data = successor.data
        return successor if data is None else type(successor)(copy.deepcopy(data, memo))
    if isinstance(successor, FunctionNode):  # it holds a function, and no data
        return successor
    for name in getattr(successor, "_told_by_identity", ()):  # models, which are services
        service = getattr(successor, name, None)
        memo[id(service)] = service
    try:
        return copy.deepcopy(successor, memo)
    except Exception as error:
        name = node_name(successor)
        raise UsageError(
            f"What leads to {name} can't be kept: something in the attributes of {name} can't be "
            f"copied ({type(error).__name__}: {error}). Services, locks and clients belong into "
            f"`ctx.deps`, not into nodes."
        ) from error
