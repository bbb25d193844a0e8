"""A report as JSON-like data, for programs. The keys are a promise: new ones may come."""

from __future__ import annotations

from typing import Any

from lift_sys.determinism.comparison.divergence import Divergence
from lift_sys.determinism.comparison.fields import FieldAgreement
from lift_sys.determinism.reporting.report import DeterminismReport
from lift_sys.observe.events_json import plain


def report_data(report: DeterminismReport) -> dict[str, Any]:
    """All of the report; secrets are blanked."""
    return {
        "target": report.target,
        "kind": report.kind,
        "verdict": report.verdict,
        "headline": report.headline,
        "always_fails": report.always_fails,
        "deterministic": report.deterministic,
        "accepted": report.accepted,
        "framework_deterministic": report.framework_deterministic,
        "code_deterministic": report.code_deterministic,
        "model_stable": report.model_stable,
        "grade": report.grade,
        # What the verdict rests on, so that it has the grade above.
        "evidence": plain(_evidence(report)),
        "evidence_of_repeats": plain(report.evidence),
        "by_order": report.by_order,
        "decision": report.decision,
        "framework": plain(report.framework),
        "model": plain(report.model),
        "runs_asked": report.runs_asked,
        "runs": [plain(run) for run in report.runs],
        "outcomes": [plain(each) for each in report.outcomes],
        "modal": {
            "state": plain(report.modal_state),
            "output": plain(report.modal_output),
            "error": None if report.modal_error is None else plain(report.modal_error),
        },
        "fields": {path: _field(each) for path, each in report.fields.items()},
        "first_divergence": _divergence(report.first_divergence),
        "origins": [_divergence(each) for each in report.divergences.origins],
        "passed_on": list(report.divergences.passed_on),
        "steps": [{"label": step.label, **plain(step)} for step in report.steps],
        "timelines": [plain(each) for each in report.timelines],
        "drawing": None if report.drawing is None else plain(report.drawing),
        "usage": plain(report.usage),
        "views": {
            "ignore": list(report.views.ignore),
            "tolerance": dict(report.views.tolerance),
            "multiset": list(report.views.multiset),
        },
        "notes": [str(plain(note)) for note in report.notes],
        "seed": report.seed,
        "execution_id": report.execution_id,
        "reproduce": plain(report.reproduce),
        "reproduce_in_python": plain(report.reproduce_in_python),
        "exploration": _part(report.exploration),
        "attribution": _part(report.attribution),
        "elapsed": report.elapsed,
    }


def _evidence(report: DeterminismReport) -> Any:
    return report.evidence if report.exploration is None else report.exploration.evidence


def _field(each: FieldAgreement) -> dict[str, Any]:
    facts: dict[str, Any] = plain(each)
    return facts | {"agreement": each.agreement, "distinct": each.distinct}


def _divergence(each: Divergence | None) -> dict[str, Any] | None:
    return None if each is None else {"label": each.label, **plain(each)}


def _part(found: Any) -> Any:
    """Another part's report: by its own `to_dict`, if it has one."""
    own = getattr(found, "to_dict", None)
    return plain(own()) if callable(own) else plain(found)
