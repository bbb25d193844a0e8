"""The key of a cached call: what decides what a node does, as one digest.

That is the node's class, its instance's attributes, its code, the inputs it declares, and the model
that it asks. Before editing: whatever a node can see must either be in here or be withheld from it
(`withheld.py`), or a hit would not equal a miss; and kept results depend on these digests.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from lift_sys.core.cache_ports import CacheKey
from lift_sys.core.context import RunContext
from lift_sys.core.node import FunctionNode, node_name
from lift_sys.core.policies import CachePolicy
from lift_sys.execution.code_version import code_version, named_digest
from lift_sys.state.atomic import OpaquePart, SetPart
from lift_sys.state.canonical import digest, digest_of
from lift_sys.state.dicts import DictPart
from lift_sys.state.keyed import ModelPart
from lift_sys.state.lazy import can_be_lazy, hideable
from lift_sys.state.leaves import type_name
from lift_sys.state.parts import Part, encoding_of
from lift_sys.state.seen import growth, seen_digest
from lift_sys.state.shapes import is_self_contained
from lift_sys.state.snapshot import Snapshot

# Changes when results that were kept before must not be found any more.
_FORMAT = 5


def key_of(
    node: Any,
    ctx: RunContext[Any],
    before: Snapshot[Any],
    policy: CachePolicy,
    hidden: frozenset[str],
    home: Any,
) -> CacheKey:
    """The key of running `node` on `ctx`.

    Args:
        node: Anything with a `run(ctx)`.
        ctx: Its context.
        before: Snapshot of the context's state.
        policy: How it is cached.
        hidden: Fields of the state that it can't look at.
        home: Where the node's successors are known from.

    Raises:
        UsageError: Something that decides what the node does has no digest; it says what.
    """
    kind = node.function if isinstance(node, FunctionNode) else type(node)
    name = f"{kind.__module__}:{getattr(kind, '__qualname__', node_name(node))}"
    version = code_version(kind) if policy.version is None else policy.version
    identity = _identity(node, ctx)
    parts = {
        "format": _FORMAT,
        "node": name,
        "version": version,
        "fields": [
            [field, named_digest(value, f"{node_name(node)}.{field}")]
            for field, value in fields_of(node)
            if field not in identity
        ],
        "identity": named_digest(dict(identity), f"what {node_name(node)} asks"),
        "state": _state_digest(before, hidden, ctx.state),
        "inputs": [
            named_digest(_input(ctx, path), f"ctx.{path}") for path in sorted(policy.inputs)
        ],
    }
    state = before.root.cls if isinstance(before.root, Part) else type(before.root)
    return CacheKey(
        digest=digest(parts),
        node=name,
        version=version,
        tags=policy.tags,
        ttl=policy.ttl,
        state=state,
        home=home,
    )


def hidden_fields(before: Snapshot[Any], reads: Iterable[str] | None) -> frozenset[str]:
    """The state's fields that a node which declares `reads` can't look at.

    Where they can't be hidden they are a part of the key instead: that is right, too, but finds
    less.
    """
    root = before.root
    if reads is None or not (before.simple and isinstance(root, ModelPart)):
        return frozenset()
    return hideable(root) - {*reads} if can_be_lazy(root.cls) else frozenset()


def fields_of(node: Any) -> Iterator[tuple[str, Any]]:
    """The attributes of an instance, by name."""
    if isinstance(node, FunctionNode):
        return
    found = dict(getattr(node, "__dict__", {}))
    for base in type(node).__mro__:
        slots = vars(base).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__") and hasattr(node, name):
                found.setdefault(name, getattr(node, name))
    for name, value in sorted(found.items()):
        if not isinstance(getattr(type(node), name, None), cached_property):
            yield name, value


def _state_digest(before: Snapshot[Any], hidden: frozenset[str], live: Any) -> list[Any]:
    root = before.root
    if not hidden:
        return [before.digest, _not_in_digest(root, getattr(live, "model_fields_set", ()))]
    assert isinstance(root, ModelPart)
    shown = {name: value for name, value in root.values.items() if name not in hidden}
    return [
        type_name(root.cls),
        [[name, digest_of(encoding_of(value))] for name, value in sorted(shown.items())],
        _not_in_digest(root, root.fields_set - hidden, hidden),
    ]


def _not_in_digest(
    root: Any, given: Iterable[str], hidden: frozenset[str] = frozenset()
) -> dict[Any, Any]:
    """By path what `seen_digest` tells beyond a value's digest, of the parts that have any of it.

    Of a model without extras that has been given all of its fields nothing is told.
    """
    found: dict[Any, Any] = {(): [sorted(given), _extras(root)]}
    met = {id(root)}
    ahead: list[tuple[tuple[Any, ...], Part]] = [((), root)] if isinstance(root, Part) else []
    while ahead:
        path, part = ahead.pop()
        if path and isinstance(part, ModelPart):
            extras = _extras(part)
            if extras or part.fields_set != part.shape.fields:
                found[path] = [sorted(part.fields_set), extras]
        elif isinstance(part, DictPart) and (len(part.values) > 1 or part.factory is not None):
            found[path] = [growth(part.factory), [*part.values]]
        elif isinstance(part, OpaquePart) and not is_self_contained(part.values):
            found[path] = seen_digest(part.values)
        for key in part.children:
            child = part.values[key]
            if id(child) not in met and (path or key not in hidden):
                met.add(id(child))
                # Where in a set something stands differs between processes.
                step = digest_of(encoding_of(child)) if isinstance(part, SetPart) else key
                ahead.append(((*path, step), child))
    return found


def _extras(part: Any) -> list[str]:
    """The names of a model's extras, in their order."""
    if not (isinstance(part, ModelPart) and part.shape.extra):
        return []
    known = part.shape.fields | part.shape.private
    return [name for name in part.values if name not in known]


def _identity(node: Any, ctx: RunContext[Any]) -> Mapping[str, Any]:
    """What stands for attributes that have no digest of their own, such as a client of a model."""
    ask = getattr(node, "_cache_identity", None)
    found: Mapping[str, Any] = {} if ask is None else ask(ctx)
    return found


def _input(ctx: RunContext[Any], path: str) -> Any:
    root, _, rest = path.partition(".")
    if root == "random":
        return [ctx.scope.seed, ctx.address]
    if root == "branches":  # without addresses and times
        return [[each.node, each.output, repr(each.error)] for each in ctx.branches]
    value = getattr(ctx, root)
    for name in rest.split(".") if rest else ():
        value = value[name] if isinstance(value, Mapping) else getattr(value, name)
    return value
