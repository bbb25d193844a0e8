"""Where the order of completion makes the difference: the plain run beside the one that was found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lift_sys.determinism.comparison.divergence import find_divergences
from lift_sys.determinism.comparison.fields import field_agreements
from lift_sys.determinism.comparison.steps import step_agreements
from lift_sys.determinism.exploration.likeness import Likeness, result_of
from lift_sys.determinism.exploration.outcomes import Outcome as Explored
from lift_sys.determinism.exploration.results import Exploration
from lift_sys.determinism.exploration.tracing import traced
from lift_sys.determinism.reporting.report import DeterminismReport
from lift_sys.determinism.reporting.timelines import timelines
from lift_sys.determinism.runs.runtrace import RunTrace
from lift_sys.determinism.runs.sample import Gathering, Sample
from lift_sys.determinism.views import Views
from lift_sys.errors import LiftError
from lift_sys.state.snapshot import Snapshot

_OF_RUNS = ("merge", "deps", "seed", "strict", "recordings", "limit")
_VIEWS = ("ignore", "tolerance", "multiset")


def with_orders(
    report: DeterminismReport,
    found: Exploration,
    target: Any,
    state: Any,
    options: Mapping[str, Any],
) -> DeterminismReport:
    """Name the step and the fields at which the plain run and the counter-example part.

    Args:
        report: Of repeats that all agree; what they say of fields and steps is replaced.
        found: What the exploration came to.
        target: What was explored.
        state: On what.
        options: Arguments of that `explore`.
    """
    example = found.counterexample
    if example is None:
        return report
    given = {name: options[name] for name in _OF_RUNS if options.get(name) is not None}
    try:
        pair = [
            traced(target, state, schedule=example.schedule, plain=plain, **given)
            for plain in (True, False)
        ]
    except LiftError:  # a traced run takes another course
        pair = []
    found_pair = (example.expected, example.outcome)
    views = Views.of(**{name: options[name] for name in _VIEWS if name in options})
    likeness = Likeness(views)
    if not pair or not all(map(likeness.agree, found_pair, (each for each, _ in pair))):
        pair = [(each, RunTrace()) for each in found_pair]
    try:
        sample = _sample(pair, views)
    except LiftError:
        return report
    divergences = find_divergences(sample, views, target=report.target)
    members = [(each.snapshot.root, each.runs) for each in sample.outcomes]
    fields, _ = field_agreements(members, views)
    is_code = any(origin.kind == "node" for origin in divergences.origins)
    knows_steps = any(trace.steps for trace in sample.traces)
    return replace(
        report,
        by_order=True,
        fields=fields,
        divergences=divergences,
        code_deterministic=False if is_code else report.code_deterministic,
        steps=step_agreements(sample, divergences, views) if knows_steps else report.steps,
        timelines=timelines(sample, divergences, views) if knows_steps else report.timelines,
    )


def _sample(pair: list[tuple[Explored, RunTrace]], views: Views) -> Sample:
    gathering = Gathering(views)
    for index, (came_to, trace) in enumerate(pair):
        shown = Snapshot.take(result_of(came_to))
        gathering.add(index, shown.digest, shown, trace, elapsed=0.0)
    classes = gathering.classes()
    return gathering.sample(classes.digests[0], classes, stopped=False)
