"""What a report shows of single runs: two timelines side by side, and the declared graph."""

from __future__ import annotations

from lift_sys.determinism.comparison.divergence import Divergences
from lift_sys.determinism.comparison.pairs import same_inputs
from lift_sys.determinism.comparison.steps import same_effect
from lift_sys.determinism.reporting.report import Drawing, Timeline, TimelineRow
from lift_sys.determinism.runs.runtrace import RunTrace, StepTrace
from lift_sys.determinism.runs.sample import Sample
from lift_sys.determinism.views import Views
from lift_sys.graph import drawing as graph_drawing
from lift_sys.graph.structure import Structure

# Beyond so many steps a timeline is no picture any more; steps that differ are kept first.
_MOST_ROWS = 400


def timelines(sample: Sample, found: Divergences, views: Views) -> tuple[Timeline, ...]:
    """The modal run, and one that differs from it: the example of the first divergence."""
    modal = sample.run(found.modal_run)
    usual = sample.traces[modal.trace]
    if not usual.steps:
        return ()
    other = None
    if found.first is not None:
        other = sample.run(found.first.other)
    elif len(sample.outcomes) > 1:
        other = sample.runs[sample.outcomes[1].runs[0]]
    if other is None or other.trace == modal.trace:
        return (_timeline(usual.run, usual, None, views),)
    twin = sample.traces[other.trace]
    return (
        _timeline(usual.run, usual, twin, views),
        _timeline(twin.run, twin, usual, views),
    )


def _timeline(run: int, trace: RunTrace, twin: RunTrace | None, views: Views) -> Timeline:
    rows = [
        _row(step, twin is not None and _differs(step, twin.steps.get(step.address), views))
        for step in trace.in_declared_order()
    ]
    if len(rows) > _MOST_ROWS:
        differing = sum(row.differs for row in rows)
        plain = max(0, _MOST_ROWS - differing)
        kept = []
        for row in rows:
            if row.differs or plain > 0:
                kept.append(row)
                plain -= not row.differs
        rows = kept[:_MOST_ROWS]
    return Timeline(run=run, rows=tuple(rows))


def _differs(step: StepTrace, twin: StepTrace | None, views: Views) -> bool:
    if twin is None or step.node != twin.node:
        return True
    return not (same_inputs(step, twin, views) and same_effect(step, twin, views))


def _row(step: StepTrace, differs: bool) -> TimelineRow:
    status = "cancelled"
    if step.error is not None:
        status = "failed"
    elif step.is_finished:
        status = "returned"
    return TimelineRow(
        address=step.address,
        node=step.node,
        started=step.started,
        elapsed=step.elapsed,
        status=status,
        differs=differs,
        note=str(step.error) if step.error is not None else step.successor,
    )


def drawing_of(structure: Structure | None) -> Drawing | None:
    """The declared graph as plain data, with the edges that `lift draw` has."""
    if structure is None:
        return None
    names = graph_drawing._node_ids(structure)
    edges = graph_drawing._edges(structure)
    markers = graph_drawing._used_markers(edges)
    return Drawing(
        nodes=(
            *((marker, graph_drawing._MARKERS[marker]) for marker in markers),
            *((names[key], spec.name) for key, spec in structure.nodes.items()),
        ),
        edges=tuple((edge.source, edge.target, edge.kind) for edge in edges),
    )
