"""Strict isolation: fingerprints of what is shared, taken before and compared after.

Branches work on copies of a snapshot, so nothing that they do can reach a sibling. What they can
still reach is what they were handed by other ways: node instances, which are shared, and the state
that an earlier step has kept a reference to. A write to either is a bug that depends on the order
of things, so strict mode looks at a step's own node when it ends, and at the base and the first
nodes of a fork each time a branch ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from lift_sys.core.address import located
from lift_sys.core.context import RunContext
from lift_sys.core.node import node_name
from lift_sys.errors import SharedWriteError
from lift_sys.execution.isolation import Base
from lift_sys.state.snapshot import Snapshot
from lift_sys.state.writes import changes


class Fingerprint:
    """How a node instance looked."""

    __slots__ = ("_fields", "_node")

    def __init__(self, node: Any) -> None:
        self._node = node
        self._fields = Snapshot.take(_fields(node))

    def check(self, *, suspects: Sequence[str]) -> None:
        """Compare.

        Raises:
            SharedWriteError: The node has changed.
        """
        paths = changes(self._fields, self._fields.refresh(_fields(self._node))).paths
        if paths:
            name = node_name(self._node)
            raise SharedWriteError(what=f"Node {name}", paths=paths, suspects=suspects)


class Witness:
    """Remembers how the shared objects of one group looked before it."""

    def __init__(self, base: Base, nodes: Sequence[Any]) -> None:
        self._base = base
        instances = {id(node): node for node in nodes}
        self._nodes = [Fingerprint(node) for node in instances.values()]

    def check(self, *, suspects: Sequence[str]) -> None:
        """Compare.

        Raises:
            SharedWriteError: Something changed; it names what, where, and who may have done it.
        """
        context = self._base.context
        for what, before, live in (
            ("The state that the branches started from", self._base.state, context.state),
            ("Its metadata", self._base.metadata, context.metadata),
        ):
            paths = changes(before, before.refresh(live)).paths
            if paths:
                raise SharedWriteError(what=what, paths=paths, suspects=suspects)
        for node in self._nodes:
            node.check(suspects=suspects)


@contextmanager
def watching(node: Any, ctx: RunContext[Any]) -> Iterator[None]:
    """Check that `node` is after the step on `ctx` what it was before; raises as `Fingerprint`."""
    before = Fingerprint(node)
    suspects = [located(ctx.address, node_name(node))]
    try:
        yield
    except Exception:  # not a cancellation, which has to go on
        before.check(suspects=suspects)
        raise
    before.check(suspects=suspects)


def _fields(node: Any) -> dict[str, Any]:
    """The plain data of a node instance; what can't be copied (an agent, a client) is left out."""
    fields = {}
    for name, value in _attributes(node):
        try:
            Snapshot.take(value).digest  # noqa: B018  it has to have one
        except Exception:
            continue
        fields[name] = value
    return fields


def _attributes(node: Any) -> Iterator[tuple[str, Any]]:
    yield from getattr(node, "__dict__", {}).items()
    for cls in type(node).__mro__:
        names = cls.__dict__.get("__slots__", ())
        for name in (names,) if isinstance(names, str) else names:
            if name not in ("__dict__", "__weakref__") and hasattr(node, name):
                yield name, getattr(node, name)
