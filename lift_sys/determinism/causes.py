"""A report, completed by an exploration of schedules and by an attribution to causes.

Both are loaded when they are asked for: most checks need neither.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from lift_sys.determinism.report import DeterminismReport
from lift_sys.determinism.reproduction import schedule_line

# What moves by itself from run to run or from process to process. An environment, and what a model
# is made to answer, move only if somebody moves them.
_MOVING = frozenset({"schedule", "rng", "clock", "entropy", "hash_seed", "address"})


async def with_exploration(
    report: DeterminismReport,
    target: Any,
    state: Any,
    wanted: Any,
    *,
    strategy: Any = None,
    deps: Callable[[], Any] | None = None,
) -> DeterminismReport:
    """Explore schedules of `target`, and say in the report what came of it."""
    from lift_sys.determinism.exploration.exploring import explore

    options = {"merge": strategy, "deps": deps, "seed": report.seed}
    found = explore(target, state, **options | _options(wanted, single="budget"))
    report = replace(report, exploration=found)
    if found.is_deterministic:
        return report
    if found.counterexample is not None:
        line = schedule_line(report, str(found.counterexample.schedule))
        report = replace(report, reproduce=line)
    return replace(report, deterministic=False, accepted=False)


async def with_attribution(
    report: DeterminismReport,
    target: Any,
    state: Any,
    wanted: Any,
    *,
    strategy: Any = None,
    deps: Any = None,
) -> DeterminismReport:
    """Look for the sources that `target` depends on, and name them in the report.

    A result that moves with a source which moves by itself is not deterministic, also if these
    repeats agree: repeats in one process see one hash seed only, and maybe one tick of the clock.
    """
    from lift_sys.determinism.attribution import attribute

    found = attribute(target, state, **{"strategy": strategy, "deps": deps} | _options(wanted))
    if inspect.isawaitable(found):
        found = await found
    report = replace(report, attribution=found)
    moving = [cause for cause in found.guilty if str(cause.source) in _MOVING]
    if not moving or not report.deterministic:
        return report
    note = (
        "the repeats agree, but the result moves with "
        + " and ".join(f"{cause.source} ({cause.site})" for cause in moving)
        + ": another process or moment gives another one"
    )
    return replace(report, deterministic=False, accepted=False, notes=(*report.notes, note))


def _options(wanted: Any, *, single: str = "") -> dict[str, Any]:
    """Arguments out of `explore=` or `attribute=`: True, a mapping, or one value."""
    if wanted is True:
        return {}
    if isinstance(wanted, Mapping):
        return dict(wanted)
    return {single: wanted} if single else {}
