"""Which entries an invalidation means."""

from __future__ import annotations

from typing import Any


def names_of(node: Any) -> tuple[str, bool]:
    """How entries of a node are called, and whether that is the whole name.

    Args:
        node: The node's class, what `@node` made, `module:qualname`, or the name alone.
    """
    if isinstance(node, str):
        return node, ":" in node
    kind = getattr(node, "function", node)
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
