"""A graph as text for mermaid or Graphviz; equal graphs give equal text.

Where a node's `End` leads depends on the walk it stands in: at the top to the end of the run,
in a branch to the join. So edges are collected walk by walk, and a node that is part of several
walks gets the edges of all of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from lift_sys.core.successors import End, Stop
from lift_sys.graph.structure import NodeSpec, Structure

# Markers beside the nodes, by identifier: what they say in a drawing.
_MARKERS = {"start": "start", "finish": "end", "halt": "stop", "dynamic": "any node"}


@dataclass(frozen=True, slots=True)
class _Edge:
    source: str
    target: str
    kind: str  # "next", "answer", "fork" or "join"


def to_mermaid(structure: Structure, *, title: str | None = None) -> str:
    """Draw as a mermaid flowchart, top down.

    Branches of a fork are edges labelled "fork"; dashed edges labelled "join" lead from where
    branches end to what follows the join; "any node" stands for dynamic successors.
    """
    names, edges = _node_ids(structure), _edges(structure)
    lines = ["---", f"title: {_yaml_text(title)}", "---"] if title else []
    lines.append("flowchart TD")
    shapes = {"dynamic": ("{{", "}}")}
    for marker in _used_markers(edges):
        opening, closing = shapes.get(marker, ("([", "])"))
        lines.append(f'    {marker}{opening}"{_MARKERS[marker]}"{closing}')
    for key, spec in structure.nodes.items():
        lines.append(f'    {names[key]}["{_mermaid_text(spec.name)}"]')
    arrows = {"next": "-->", "answer": "-->|answer|", "fork": "-->|fork|", "join": "-.->|join|"}
    lines += [f"    {edge.source} {arrows[edge.kind]} {edge.target}" for edge in edges]
    return "\n".join(lines) + "\n"


def to_dot(structure: Structure, *, title: str | None = None) -> str:
    """Draw as a Graphviz digraph, with the same edges and labels as `to_mermaid`."""
    names, edges = _node_ids(structure), _edges(structure)
    lines = ["digraph {"]
    if title:
        lines.append(f'    label="{_dot_text(title)}"; labelloc=t;')
    lines.append("    node [shape=box];")
    for marker in _used_markers(edges):
        shape = "hexagon" if marker == "dynamic" else "ellipse"
        lines.append(f'    {marker} [label="{_MARKERS[marker]}", shape={shape}];')
    for key, spec in structure.nodes.items():
        lines.append(f'    {names[key]} [label="{_dot_text(spec.name)}"];')
    styles = {"next": "", "answer": ' [label="answer"]', "fork": ' [label="fork"]'}
    styles["join"] = ' [label="join", style=dashed]'
    lines += [f"    {edge.source} -> {edge.target}{styles[edge.kind]};" for edge in edges]
    return "\n".join([*lines, "}"]) + "\n"


def _node_ids(structure: Structure) -> dict[Any, str]:
    # Names may be anything, and two nodes may share one: a number is always a safe identifier.
    return {key: f"n{number}" for number, key in enumerate(structure.nodes)}


def _used_markers(edges: Iterable[_Edge]) -> list[str]:
    used = {end for edge in edges for end in (edge.source, edge.target)}
    return [marker for marker in _MARKERS if marker in used]


def _edges(structure: Structure) -> list[_Edge]:
    """All edges, without repeats, in the order of the walks."""
    names = _node_ids(structure)
    found: dict[_Edge, None] = {}
    if structure.start not in structure.nodes:
        return []
    found[_Edge("start", names[structure.start], "next")] = None
    top = ("finish",)
    # A walk: its first nodes, and where its ends lead. Each is followed once, however it is met.
    walks: list[tuple[tuple[Any, ...], tuple[str, ...]]] = [((structure.start,), top)]
    for first, targets in walks:
        ending = "next" if targets == top else "join"
        pending = list(first)
        for key in pending:
            spec, source = structure.nodes[key], names[key]
            successors, waiting = structure.ordered(spec.nodes), structure.ordered(spec.waiting)
            drawn = [_Edge(source, names[each], "next") for each in successors]
            drawn += [_Edge(source, names[each], "answer") for each in waiting]
            successors += waiting
            drawn += [_Edge(source, target, ending) for target in targets if spec.ends]
            drawn += [_Edge(source, "halt", "next")] if spec.stops else []
            drawn += [_Edge(source, "dynamic", "next")] if spec.dynamic else []
            for branches, then, joined in _fork_walks(structure, spec, names, targets):
                drawn += [_Edge(source, _id(each, names), "fork") for each in branches]
                if "dynamic" in branches:
                    drawn += [_Edge("dynamic", target, "join") for target in joined]
                walk = (tuple(each for each in branches if each in names), joined)
                if walk not in walks:
                    walks.append(walk)
                successors += then
            found |= dict.fromkeys(drawn)
            pending += [each for each in dict.fromkeys(successors) if each not in pending]
    return list(found)


def _fork_walks(
    structure: Structure, spec: NodeSpec, names: dict[Any, str], targets: tuple[str, ...]
) -> Iterable[tuple[list[Any], list[Any], tuple[str, ...]]]:
    """For each fork of a node: its branches, the nodes after its join, and the join's targets."""
    for edge in spec.forks:
        if edge.dynamic_branches and edge.dynamic_then and spec.dynamic:
            continue  # part of "anything may follow", which one edge says
        branches = structure.ordered(edge.branches) + ["dynamic"] * edge.dynamic_branches
        then = structure.ordered(edge.then)
        joined = {names[each]: None for each in then}
        joined |= dict.fromkeys(targets if End in edge.then else ())
        joined |= {"halt": None} if Stop in edge.then else {}
        joined |= {"dynamic": None} if edge.dynamic_then else {}
        yield branches, then, tuple(joined)


def _id(key: Any, names: dict[Any, str]) -> str:
    return names.get(key, "dynamic")


def _plain(text: str) -> str:
    """Text on one line, without characters that can't be seen."""
    return "".join(char if char.isprintable() else " " for char in text)


def _mermaid_text(text: str) -> str:
    # Mermaid has no escape character but number codes; inside quotes, too, some characters start
    # markdown, directives or entities, so that all but the surely harmless ones are coded.
    return "".join(
        char if char.isalnum() or char in " _-.,:()" else f"#{ord(char)};" for char in _plain(text)
    )


def _yaml_text(text: str) -> str:
    return json.dumps(_plain(text), ensure_ascii=False)


def _dot_text(text: str) -> str:
    return _plain(text).replace("\\", "\\\\").replace('"', '\\"')
