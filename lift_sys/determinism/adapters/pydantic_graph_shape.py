"""What a graph of pydantic-graph declares: its drawing, and which join the branches of a fork meet."""

from __future__ import annotations

from typing import Any

from lift_sys.determinism.reporting.report import Drawing

_MARKERS = {"StartNode": ("start", "start"), "EndNode": ("finish", "end")}


def kind_of(graph: Any, key: Any) -> str:
    """Name of the class of a node: "Step", "NodeStep", "Fork", "Join", "Decision", ..."""
    return type(graph.nodes.get(key)).__name__


def ends_by_source(graph: Any) -> dict[Any, list[Any]]:
    """For each node where its edges lead; those of a decision are kept in its branches."""
    paths = {key: list(found) for key, found in graph.edges_by_source.items()}
    for key, node in graph.nodes.items():
        branches = getattr(node, "branches", None)
        if branches is not None:
            paths[key] = [branch.path for branch in branches]
    return {
        key: [
            item.destination_id
            for path in found
            for item in path.items
            if hasattr(item, "destination_id")
        ]
        for key, found in paths.items()
    }


def drawing_of(graph: Any) -> Drawing:
    """The declared graph: forks and joins are nodes of it."""
    names = {}
    for number, (key, node) in enumerate(graph.nodes.items()):
        marker = _MARKERS.get(kind_of(graph, key))
        names[key] = marker or (f"n{number}", str(getattr(node, "label", None) or key))
    edges = []
    for key, ends in ends_by_source(graph).items():
        kind = {"Fork": "fork", "Join": "join"}.get(kind_of(graph, key), "next")
        edges += [(names[key][0], names[end][0], kind) for end in ends if end in names]
    return Drawing(nodes=tuple(names.values()), edges=tuple(edges))


def joins_of(graph: Any) -> dict[Any, str]:
    """For each fork the join that its branches lead to, if they lead to a single one.

    A join that belongs to a fork inside of a branch is passed by.
    """
    ends, found = ends_by_source(graph), {}
    owners = {key: parent.fork_id for key, parent in graph.parent_forks.items()}
    for fork in graph.nodes:
        if kind_of(graph, fork) != "Fork":
            continue
        joins, pending = set(), [fork]
        for source in pending:  # grows while it is walked
            for end in ends.get(source, ()):
                inner = kind_of(graph, owners.get(end)) == "Fork" and owners.get(end) != fork
                if kind_of(graph, end) == "Join" and not inner:
                    joins.add(end)
                elif end not in pending:
                    pending.append(end)
        if len(joins) == 1:
            found[fork] = str(joins.pop())
    return found
