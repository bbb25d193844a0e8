"""The course of a run as a graph, for targets that declare none: agents, modules, nodes."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lift_sys.core.address import declared_order
from lift_sys.determinism.reporting.report import DeterminismReport, Drawing

_LAST = re.compile(r"(.*?)([./>~]?)(\d+)")


def drawing_for(report: DeterminismReport) -> Drawing | None:
    """The declared graph, or else the course that the steps took; None if no steps are known."""
    if report.drawing is not None:
        return report.drawing
    if not report.steps:
        return None
    names = {step.address: step.node for step in report.steps}
    order = sorted(names, key=declared_order)
    edges = [edge for address in order for edge in _edges_to(address, order)]
    return Drawing(nodes=tuple((address, names[address]) for address in order), edges=tuple(edges))


def _edges_to(address: str, order: list[str]) -> Iterable[tuple[str, str, str]]:
    """Edges that lead to a step: from the one before, its fork, its branches, or the step around."""
    found = _LAST.fullmatch(address)
    if found is None:
        return
    prefix, sign, number = found[1], found[2], int(found[3])
    if sign in (".", "~"):
        yield from _known([prefix], address, "fork" if sign == "." else "next", order)
    elif sign == ">" and number == 0:
        yield from _known([prefix], address, "next", order)
    elif number > 0:
        before = prefix if sign == "/" and number == 1 else f"{prefix}{sign}{number - 1}"
        branches = _ends_of_branches(before, order)
        yield from _known(branches or [before], address, "join" if branches else "next", order)


def _ends_of_branches(fork: str, order: list[str]) -> list[str]:
    """The last step of each branch of a fork."""
    last: dict[str, str] = {}
    for address in order:
        found = re.match(rf"{re.escape(fork)}\.(\d+)(/\d+)?$", address)
        if found is not None:
            last[found[1]] = address
    return list(last.values())


def _known(
    sources: Iterable[str], address: str, kind: str, order: list[str]
) -> Iterable[tuple[str, str, str]]:
    return [(source, address, kind) for source in sources if source in order]
