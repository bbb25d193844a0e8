"""Strict isolation: fingerprints of what branches share, taken before and compared after.

Branches work on copies of a snapshot, so nothing that they do can reach a sibling. What they can
still reach is what they were handed by other ways: node instances, which are shared, and the state
that an earlier step has kept a reference to. A write to either is a bug that depends on the order
of things, so strict mode looks for it each time a branch ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lift_sys.core.node import node_name
from lift_sys.errors import SharedWriteError
from lift_sys.execution.isolation import Base
from lift_sys.state.snapshot import Snapshot
from lift_sys.state.writes import changes


class Witness:
    """Remembers how the shared objects of one group looked before it."""

    def __init__(self, base: Base, nodes: Sequence[Any]) -> None:
        self._base = base
        instances = {id(node): node for node in nodes}
        self._nodes = [(node, Snapshot.take(_fields(node))) for node in instances.values()]

    def check(self, *, suspects: Sequence[str]) -> None:
        """Compare.

        Raises:
            SharedWriteError: Something changed; it names what, where, and who may have done it.
        """
        context = self._base.context
        for what, before, live in (
            ("The state that the branches started from", self._base.state, context.state),
            ("Its metadata", self._base.metadata, context.metadata),
            *((f"Node {node_name(node)}", before, _fields(node)) for node, before in self._nodes),
        ):
            paths = changes(before, before.refresh(live)).paths
            if paths:
                raise SharedWriteError(what=what, paths=paths, suspects=suspects)


def _fields(node: Any) -> dict[str, Any]:
    """The plain data of a node instance; what can't be copied (an agent, a client) is left out."""
    fields = {}
    for name, value in getattr(node, "__dict__", {}).items():
        try:
            Snapshot.take(value).digest  # noqa: B018  it has to have one
        except Exception:
            continue
        fields[name] = value
    return fields
