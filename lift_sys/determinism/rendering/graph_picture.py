"""The graph as SVG, with what the check found written on each node; colour only repeats the words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from lift_sys.core.address import located
from lift_sys.determinism.comparison.steps import StepAgreement
from lift_sys.determinism.rendering.course import drawing_for
from lift_sys.determinism.rendering.layers import Placed, place
from lift_sys.determinism.rendering.markup import Markup, shortened, tag
from lift_sys.determinism.reporting.report import DeterminismReport

_MARKERS = frozenset({"start", "finish", "halt", "dynamic"})
_MOST_NODES = 120
_MOST_LETTERS = 26
_LETTER = 8.6  # width of a bold letter of 13 px in a wide font, such as DejaVu Sans
_HEIGHT = 46.0
_WORDS = {
    "origin": "differs here",
    "join": "joined differently",
    "passed": "passed on",
    "absent": "not in all runs",
    "agrees": "agrees",
    "unseen": "no step seen",
}
# What is told of a node that ran several times: the worst.
_RANK = ("origin", "join", "passed", "absent", "agrees", "unseen")


@dataclass(frozen=True, slots=True)
class _Finding:
    """What is said of one node: the kind of finding, the words, whether it is the first."""

    kind: str
    words: str
    is_first: bool = False


def graph_picture(report: DeterminismReport) -> Markup | None:
    """The graph; None if there is none, or it is too large to be a picture."""
    drawing = drawing_for(report)
    if drawing is None or len(drawing.nodes) > _MOST_NODES:
        return None
    declared = report.drawing is not None
    findings = {
        key: _finding(report, key, name, declared=declared)
        for key, name in drawing.nodes
        if key not in _MARKERS
    }
    widths = {key: _width(key, name, findings.get(key)) for key, name in drawing.nodes}
    edges = [edge for edge in drawing.edges if edge[0] in widths and edge[1] in widths]
    placed = place(widths, [(source, target) for source, target, _ in edges])
    shapes = [
        _edge(placed, number, source, target, kind, width=widths[source])
        for number, (source, target, kind) in enumerate(edges)
    ]
    shapes += [
        _marker(placed, key, name) if key in _MARKERS else
        _node(placed, key, name, widths[key], findings[key])
        for key, name in drawing.nodes
    ]  # fmt: skip
    first = report.first_divergent_node
    return tag(
        "svg",
        tag("title", f"Graph of {report.target}"),
        tag("desc", f"The first step that differs is {first}." if first else "No step differs."),
        _arrow_head(),
        shapes,
        class_="graph",
        viewBox=f"0 0 {placed.width:.0f} {placed.height:.0f}",
        width=f"{placed.width:.0f}",
        height=f"{placed.height:.0f}",
        role="img",
    )


def _finding(report: DeterminismReport, key: str, name: str, *, declared: bool) -> _Finding:
    """What the steps of one node say: of all steps of its name, or of the one at its address."""
    steps = [
        step for step in report.steps if (step.node == name if declared else step.address == key)
    ]
    first = report.first_divergence
    joins = {each.address: each for each in report.divergences.origins if each.kind == "join"}
    branches = {
        step.address
        for step in report.steps
        for at, join in joins.items()
        # A join that is no node of the drawing is shown at the branches that it joins.
        if declared and step.address.startswith(f"{at}.") and not _is_drawn(report, join.node)
    }
    kinds = {step.address: _kind(step, joins, branches) for step in steps}
    if not kinds:
        return _Finding("unseen", _WORDS["unseen"])
    kind = min(kinds.values(), key=_RANK.index)
    is_first = first is not None and any(
        step.address == first.address
        or (
            first.kind == "join"
            and step.address in branches
            and step.address.startswith(first.address)
        )
        for step in steps
    )
    return _Finding(kind, _words(kind, steps, is_first=is_first), is_first)


def _kind(step: StepAgreement, joins: object, branches: set[str]) -> str:
    if step.status == "origin":
        return "origin"
    if step.address in branches or (isinstance(joins, dict) and step.address in joins):
        return "join"
    return {"passed on": "passed", "absent in some": "absent"}.get(step.status, "agrees")


def _is_drawn(report: DeterminismReport, name: str) -> bool:
    drawing = report.drawing
    return drawing is not None and any(name == other for _, other in drawing.nodes)


def _words(kind: str, steps: Sequence[StepAgreement], *, is_first: bool) -> str:
    said = _WORDS[kind]
    if kind in ("origin", "agrees"):
        least = min(step.agreement for step in steps)
        share = f"{least:.0%}" if least in (0.0, 1.0) else f"{min(max(least, 0.01), 0.99):.0%}"
        said = (
            f"{'differs first' if is_first else said} · {share}"
            if kind == "origin"
            else (f"{share} agree")
        )
    return f"{said} · {len(steps)} steps" if len(steps) > 1 else said


def _width(key: str, name: str, finding: _Finding | None) -> float:
    if key in _MARKERS:
        return 64.0 if key != "dynamic" else 84.0
    words = finding.words if finding is not None else ""
    letters = max(len(shortened(name, _MOST_LETTERS)), len(words) * 0.8)
    return max(96.0, letters * _LETTER + 24)


def _marker(placed: Placed, key: str, name: str) -> Markup:
    x, y = placed.centres[key]
    wide = 64.0 if key != "dynamic" else 84.0
    return tag(
        "g",
        tag(
            "rect",
            x=f"{x - wide / 2:.1f}",
            y=f"{y - 13:.1f}",
            width=f"{wide:.1f}",
            height=26,
            rx=13,
        ),
        tag("text", name, x=f"{x:.1f}", y=f"{y + 4.5:.1f}", text_anchor="middle"),
        class_="marker",
    )


def _node(placed: Placed, key: str, name: str, width: float, finding: _Finding) -> Markup:
    x, y = placed.centres[key]
    left, top = x - width / 2, y - _HEIGHT / 2
    box = {
        "x": f"{left:.1f}",
        "y": f"{top:.1f}",
        "width": f"{width:.1f}",
        "height": f"{_HEIGHT:.0f}",
    }
    flag = None
    if finding.is_first:
        corners = ((-11, 0), (-2, -9), (7, 0), (-2, 9))
        points = " ".join(f"{left + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
        flag = tag("polygon", points=points, class_="flag")
    return tag(
        "g",
        tag("title", f"{located(key, name) if key[:1].isdigit() else name}: {finding.words}"),
        tag("rect", **box, rx=8),
        tag(
            "text",
            shortened(name, _MOST_LETTERS),
            x=f"{x:.1f}",
            y=f"{y - 3:.1f}",
            text_anchor="middle",
            class_="name",
        ),
        tag("text", finding.words, x=f"{x:.1f}", y=f"{y + 14:.1f}", text_anchor="middle"),
        flag,
        class_=f"node {finding.kind}{' first' if finding.is_first else ''}",
    )


def _edge(
    placed: Placed, number: int, source: str, target: str, kind: str, *, width: float
) -> Markup:
    points = list(placed.routes[number])
    half = {key: 13.0 if key in _MARKERS else _HEIGHT / 2 for key in (source, target)}
    down = -1 if placed.turned[number] else 1
    (x0, y0), (x1, y1) = points[0], points[-1]
    if source == target:
        path = f"M{x0 + width / 2:.1f},{y0 - 9:.1f} c26,-8 26,26 5,18"
    else:
        points[0] = (x0, y0 + down * half[source])
        points[-1] = (x1, y1 - down * (half[target] + 5))
        if placed.turned[number]:
            # Beside the forward edges, so that a cycle of two nodes is not one line.
            points = [(x + 16, y) for x, y in points]
        path = f"M{points[0][0]:.1f},{points[0][1]:.1f}"
        for part, ((xa, ya), (xb, yb)) in enumerate(pairwise(points)):
            # Straight past the nodes of the layers between, or it would cut their corners.
            start = ya + down * _HEIGHT / 2 * (part > 0)
            end = yb - down * _HEIGHT / 2 * (part < len(points) - 2)
            bend = (end - start) / 2
            path += f" L{xa:.1f},{start:.1f} C{xa:.1f},{start + bend:.1f} "
            path += f"{xb:.1f},{end - bend:.1f} {xb:.1f},{end:.1f}"
    return tag("path", d=path, class_=f"edge {kind}", marker_end="url(#arrow)")


def _arrow_head() -> Markup:
    return tag(
        "defs",
        tag(
            "marker",
            tag("path", d="M0,0 L8,4 L0,8 z", class_="head"),
            id="arrow",
            viewBox="0 0 8 8",
            refX=6,
            refY=4,
            markerWidth=9,
            markerHeight=9,
            markerUnits="userSpaceOnUse",
            orient="auto",
        ),
    )
