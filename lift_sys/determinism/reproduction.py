"""One line that makes a check again, to be pasted into a test."""

from __future__ import annotations

import sys
from typing import Any

from lift_sys.core.strategies import MergeStrategy
from lift_sys.determinism.report import DeterminismReport

# A longer state is left out of the line; who has the line has the state.
_LONGEST_STATE = 120


def python_line(report: DeterminismReport, target: Any, state: Any, *, strategy: Any = None) -> str:
    """The call of `assert_deterministic` that fails (or passes) as this check did."""
    parts = [_name_of(target), _text_of(state), f"runs={runs_needed(report)}"]
    if strategy is not None:
        name = f"MergeStrategy.{strategy.name}" if isinstance(strategy, MergeStrategy) else strategy
        parts.append(f"strategy={name}")
    parts += view_arguments(report)
    if report.seed:
        parts.append(f"seed={report.seed}")
    if not report.deterministic:
        parts.append("stop='first_divergence'")
    return f"await assert_deterministic({', '.join(parts)})"


def schedule_line(report: DeterminismReport, schedule: str) -> str:
    """The call of `replay` that runs the target under a schedule that was found."""
    head = report.reproduce.removeprefix("await assert_deterministic(")
    return f"replay({head.partition(', runs=')[0]}, schedule={schedule!r})"


def view_arguments(report: DeterminismReport) -> list[str]:
    """The report's views as arguments of a call."""
    views = report.views
    parts = []
    if views.ignore:
        parts.append(f"ignore={list(views.ignore)!r}")
    if views.tolerance:
        parts.append(f"tolerance={dict(views.tolerance)!r}")
    if views.multiset:
        parts.append(f"multiset={list(views.multiset)!r}")
    return parts


def runs_needed(report: DeterminismReport) -> int:
    """Repeats after which a divergence shows again with 95 %, if its share is as it was here."""
    runs = len(report.runs)
    if len(report.outcomes) == 1:
        return runs
    shares = [each.share for each in report.outcomes]
    # That n further runs are all alike has this probability.
    enough = (n for n in range(2, 10 * runs) if sum(share**n for share in shares) <= 0.05)
    return next(enough, 10 * runs)


def _name_of(target: Any) -> str:
    if isinstance(target, (list, tuple)):
        return f"[{', '.join(map(_name_of, target))}]"
    own = getattr(target, "__qualname__", "")
    if own:
        return str(own).rpartition("<locals>.")[2]
    start = getattr(target, "start", None)
    for module_name in (getattr(start, "__module__", ""), "__main__"):
        for name, value in vars(sys.modules.get(module_name, sys)).items():
            if value is target:
                return name
    if start is not None:
        return f"Graph({_name_of(start)})"
    text = repr(target)
    if " at 0x" in text or "\n" in text or len(text) > _LONGEST_STATE:
        made = "..." if vars(target) else ""
        return str(getattr(target, "name", "")) or f"{type(target).__name__}({made})"
    return text


def _text_of(state: Any) -> str:
    own = getattr(state, "__qualname__", "")
    if own:
        return str(own).rpartition("<locals>.")[2]
    text = repr(state)
    short = len(text) <= _LONGEST_STATE and " at 0x" not in text and "\n" not in text
    return text if short else "state"
