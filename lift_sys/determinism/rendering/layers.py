"""Where the nodes of a graph stand in its picture: in layers, from the top down.

The steps are those of Sugiyama, Tagawa and Toda (IEEE Trans. Systems, Man, Cybernetics 11, 1981):
turn edges that close a cycle, give each node the length of the longest path to it as its layer,
order layers by the mean place of their neighbours, then place. Small and deterministic; the graphs
of programs have tens of nodes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

_GAP = 28.0  # between two nodes of one layer, and around an edge that only passes
_LAYER = 92.0  # from one layer to the next
_MARGIN = 32.0  # above and below the outermost nodes' centres
_SWEEPS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A picture's geometry, in pixels.

    Attributes:
        width, height: Of all of it.
        centres: `(x, y)` of each node's centre.
        routes: For each edge, in the given order, the points that it goes through.
        turned: For each edge whether it leads upwards, against the layers.
    """

    width: float
    height: float
    centres: Mapping[str, tuple[float, float]]
    routes: tuple[tuple[tuple[float, float], ...], ...]
    turned: tuple[bool, ...]


def place(widths: Mapping[str, float], edges: Sequence[tuple[str, str]]) -> Placed:
    """Place nodes that are so wide, and edges between them."""
    turned = _cycle_edges(list(widths), edges)
    forward = [
        (target, source) if back else (source, target)
        for (source, target), back in zip(edges, turned, strict=True)
    ]
    layer = _layers(list(widths), [edge for edge in forward if edge[0] != edge[1]])
    # An edge over several layers gets a point in each between, which keeps its place free.
    chains: list[list[str]] = []
    sizes, depth = dict(widths), dict(layer)
    for number, (source, target) in enumerate(forward):
        chain = [source]
        for level in range(layer[source] + 1, layer[target]):
            point = f"\0{number}.{level}"
            sizes[point], depth[point] = 0.0, level
            chain.append(point)
        chains.append([*chain, target])
    rows = _ordered(sizes, depth, chains)
    across = _across(rows, sizes, _neighbours(chains))
    left = min((across[key] - sizes[key] / 2 for key in across), default=0.0)
    right = max((across[key] + sizes[key] / 2 for key in across), default=0.0)
    points = {
        key: (across[key] - left + _GAP, _LAYER * level + _MARGIN)
        for level, row in enumerate(rows)
        for key in row
    }
    return Placed(
        width=right - left + 2 * _GAP,
        height=_LAYER * max(0, len(rows) - 1) + 2 * _MARGIN,
        centres={key: points[key] for key in widths},
        routes=tuple(
            tuple(points[key] for key in (reversed(chain) if back else chain))
            for chain, back in zip(chains, turned, strict=True)
        ),
        turned=tuple(turned),
    )


def _cycle_edges(nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> list[bool]:
    """Which edges lead back to a node that is being walked from, depth first in the given order."""
    leaving: dict[str, list[int]] = {node: [] for node in nodes}
    for number, (source, _) in enumerate(edges):
        leaving[source].append(number)
    state: dict[str, str] = {}
    back = [source == target for source, target in edges]
    for root in nodes:
        if root in state:
            continue
        state[root] = "open"
        stack = [(root, iter(leaving[root]))]
        while stack:
            node, numbers = stack[-1]
            number = next(numbers, -1)
            if number < 0:
                state[node] = "done"
                stack.pop()
                continue
            target = edges[number][1]
            if state.get(target) == "open":
                back[number] = True
            elif target not in state:
                state[target] = "open"
                stack.append((target, iter(leaving[target])))
    return back


def _layers(nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """The length of the longest path to each node."""
    missing = dict.fromkeys(nodes, 0)
    leaving: dict[str, list[str]] = {node: [] for node in nodes}
    for source, target in edges:
        missing[target] += 1
        leaving[source].append(target)
    layer = dict.fromkeys(nodes, 0)
    ready = [node for node in nodes if not missing[node]]
    for node in ready:  # grows while it is walked
        for target in leaving[node]:
            layer[target] = max(layer[target], layer[node] + 1)
            missing[target] -= 1
            if not missing[target]:
                ready.append(target)
    return layer


def _neighbours(chains: Sequence[Sequence[str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for chain in chains:
        for left, right in pairwise(chain):
            if left != right:
                found.setdefault(left, []).append(right)
                found.setdefault(right, []).append(left)
    return found


def _ordered(
    sizes: Mapping[str, float], depth: Mapping[str, int], chains: Sequence[Sequence[str]]
) -> list[list[str]]:
    """The layers, each in the order of its neighbours' mean places."""
    rows: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for key in sizes:
        rows[depth[key]].append(key)
    near = _neighbours(chains)
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        levels = range(1, len(rows)) if down else range(len(rows) - 2, -1, -1)
        for level in levels:
            fixed = {key: at for at, key in enumerate(rows[level - 1 if down else level + 1])}
            own = {key: at for at, key in enumerate(rows[level])}

            def mean(
                key: str, fixed: dict[str, int] = fixed, own: dict[str, int] = own
            ) -> tuple[float, int]:
                places = [fixed[other] for other in near.get(key, ()) if other in fixed]
                return (sum(places) / len(places) if places else own[key]), own[key]

            rows[level].sort(key=mean)
    return rows


def _across(
    rows: Sequence[Sequence[str]],
    sizes: Mapping[str, float],
    near: Mapping[str, Sequence[str]],
) -> dict[str, float]:
    """Places across: as near as possible to the mean of the neighbours, without overlaps."""
    across: dict[str, float] = {}
    for row in rows:
        end = 0.0
        for key in row:
            across[key] = end + sizes[key] / 2
            end += sizes[key] + _GAP
        for key in row:
            across[key] -= (end - _GAP) / 2
    for sweep in range(_SWEEPS):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            wanted = {
                key: sum(across[other] for other in near[key]) / len(near[key])
                if near.get(key)
                else across[key]
                for key in row
            }
            across |= _spread(row, sizes, wanted)
    return across


def _spread(
    row: Sequence[str], sizes: Mapping[str, float], wanted: Mapping[str, float]
) -> dict[str, float]:
    """Wished places, moved apart: the mean of packing from the left and from the right."""
    from_left: dict[str, float] = {}
    end = float("-inf")
    for key in row:
        from_left[key] = max(wanted[key], end + sizes[key] / 2)
        end = from_left[key] + sizes[key] / 2 + _GAP
    from_right: dict[str, float] = {}
    end = float("inf")
    for key in reversed(row):
        from_right[key] = min(wanted[key], end - sizes[key] / 2)
        end = from_right[key] - sizes[key] / 2 - _GAP
    return {key: (from_left[key] + from_right[key]) / 2 for key in row}
