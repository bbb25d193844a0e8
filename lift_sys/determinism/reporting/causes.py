"""A report, completed by an exploration of schedules and by an attribution to causes.

Both are loaded when they are asked for: most checks need neither.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

from lift_sys.determinism.reporting.report import DeterminismReport
from lift_sys.errors import UsageError

#: Told what is run ("schedules", "runs for causes"), how many are done, how many there may be.
OnStage: TypeAlias = Callable[[str, int, int], None]

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
    on_stage: OnStage | None = None,
) -> DeterminismReport:
    """Explore schedules of `target`, and say in the report what came of it."""
    from lift_sys.determinism.exploration.exploring import explore
    from lift_sys.determinism.exploration.recorded import Recordings
    from lift_sys.determinism.reporting.orders import with_orders

    options = {
        "merge": strategy,
        "deps": deps,
        "seed": report.seed,
        "ignore": report.views.ignore,
        "tolerance": dict(report.views.tolerance),
        "multiset": report.views.multiset,
        "recordings": Recordings(),  # asked once, also for the runs that are compared
    }
    if on_stage is not None:
        options["on_run"] = partial(on_stage, "schedules")
    options |= _options(wanted, single="budget")
    found = explore(target, state, **options)
    report = replace(report, exploration=found)
    if found.always_fails and not report.always_fails:
        note = f"every run of the exploration failed: {found.outcomes[0].outcome.text}"
        return replace(report, accepted=False, notes=(note, *report.notes))
    if found.verdict == "same":
        return report
    if len(report.outcomes) == 1 and report.first_divergence is None:
        report = with_orders(report, found, target, state, options)
    return replace(report, deterministic=False, accepted=False)


async def with_attribution(
    report: DeterminismReport,
    target: Any,
    state: Any,
    wanted: Any,
    *,
    strategy: Any = None,
    deps: Any = None,
    on_stage: OnStage | None = None,
) -> DeterminismReport:
    """Look for the sources that `target` depends on, and name them in the report.

    A result that moves with a source which moves by itself is not deterministic, also if these
    repeats agree: repeats in one process see one hash seed only, and maybe one tick of the clock.
    """
    from lift_sys.determinism.attribution import attribute

    views = report.views
    options = {
        "strategy": strategy,
        "deps": deps,
        "ignore": views.ignore,
        "multiset": views.multiset,
    }
    if on_stage is not None:
        options["on_run"] = partial(on_stage, "runs for causes")
    found = attribute(target, state, **options | _options(wanted))
    if inspect.isawaitable(found):
        found = await found
    report = replace(report, attribution=found)
    moving = [cause for cause in found.guilty if str(cause.source) in _MOVING]
    if any(cause.site for cause in moving):  # a line of the user's
        report = replace(report, code_deterministic=False)
    if not moving or not report.deterministic:
        return report
    note = (
        "the repeats agree, but the result moves with "
        + " and ".join(f"{cause.source} ({cause.site})" for cause in moving)
        + ": another process or moment gives another one"
    )
    return replace(report, deterministic=False, accepted=False, notes=(*report.notes, note))


def check_options(*, explore: Any, attribute: Any) -> None:
    """Refuse what `explore=` and `attribute=` can't be, before anything runs.

    Raises:
        UsageError: One is nothing that can be asked for.
    """
    is_number = isinstance(explore, int) and not isinstance(explore, bool)
    if not (explore is None or isinstance(explore, (bool, Mapping)) or (is_number and explore > 0)):
        raise UsageError(
            f"`explore={explore!r}` can't be used: give True, how many schedules to run, or a "
            f"mapping of arguments of `explore`, e.g. {{'budget': 500}}."
        )
    if not (attribute is None or isinstance(attribute, (bool, Mapping))):
        raise UsageError(
            f"`attribute={attribute!r}` can't be used: give True, or a mapping of arguments of "
            f"`attribute`, e.g. {{'max_runs': 30}}."
        )
    if isinstance(explore, Mapping):
        from lift_sys.determinism.exploration.exploring import explore as explorer

        _refuse_unknown("explore", explore, explorer)
    if isinstance(attribute, Mapping):
        from lift_sys.determinism.attribution import attribute as attributing

        _refuse_unknown("attribute", attribute, attributing)


def _refuse_unknown(name: str, options: Mapping[str, Any], function: Callable[..., Any]) -> None:
    _, _, *known = inspect.signature(function).parameters
    unknown = [str(option) for option in options if option not in known]
    if unknown:
        raise UsageError(
            f"`{name}=` holds {', '.join(map(repr, unknown))}, which `{name}` does not take. It "
            f"takes {', '.join(known)}."
        )


def _options(wanted: Any, *, single: str = "") -> dict[str, Any]:
    """Arguments out of `explore=` or `attribute=`: True, a mapping, or one value."""
    if wanted is True:
        return {}
    if isinstance(wanted, Mapping):
        return dict(wanted)
    return {single: wanted} if single else {}
