"""Which entries an invalidation means."""

from __future__ import annotations

from typing import Any

from lift_sys.errors import UsageError


def names_of(node: Any) -> tuple[str, bool]:
    """How entries of a node are called, and whether that is the whole name.

    Args:
        node: The node's class, what `@node` made, `module:qualname`, or the name alone.

    Raises:
        UsageError: It is none of these.
    """
    if isinstance(node, str):
        return node, ":" in node
    kind = getattr(node, "function", node)
    if not hasattr(kind, "__qualname__"):
        raise UsageError(
            f"node= takes a class of nodes, what @node made, or a name, not an instance: "
            f"{type(node).__name__} means the results of all its instances."
        )
    return f"{kind.__module__}:{kind.__qualname__}", True


def is_called(name: str, node: Any) -> bool:
    """Whether an entry of the node `name` (`module:qualname`) is one of `node`."""
    wanted, is_whole = names_of(node)
    if is_whole:
        return name == wanted
    return own_name(name) == wanted


def own_name(name: str) -> str:
    """The name alone, of `module:qualname`."""
    return name.rpartition(":")[2].rpartition(".")[2]
