"""A report, put together of what the repeats showed."""

from __future__ import annotations

from lift_sys.core.usage import Usage
from lift_sys.determinism.comparison.divergence import Divergences, find_divergences
from lift_sys.determinism.comparison.fields import FieldAgreement, field_agreements
from lift_sys.determinism.comparison.steps import StepAgreement, step_agreements
from lift_sys.determinism.comparison.unmatched import nothing_compared, unmatched_notes
from lift_sys.determinism.comparison.verdicts import ModelVerdict, judge_framework, judge_model
from lift_sys.determinism.evidence import repeated
from lift_sys.determinism.reporting.report import DeterminismReport, OutcomeShare
from lift_sys.determinism.reporting.timelines import drawing_of, timelines
from lift_sys.determinism.runs.playback import play_back
from lift_sys.determinism.runs.replaying import Answers
from lift_sys.determinism.runs.sample import Sample
from lift_sys.determinism.runs.stopping import Stopping
from lift_sys.determinism.runs.targets import Setting, Target
from lift_sys.determinism.views import Views
from lift_sys.execution.log import counted

# Orders of arrival in which the usual run's results are played again.
_MOST_ORDERS = 10


async def assemble(
    target: Target,
    sample: Sample,
    *,
    views: Views,
    setting: Setting,
    stopping: Stopping,
    asked: int,
    answers: Answers,
) -> DeterminismReport:
    """Say what `sample` shows about `target`.

    Args:
        target: What was run.
        sample: The repeats.
        views: What counts as equal.
        setting: What all repeats had in common.
        stopping: When they ended.
        asked: How many were asked for.
        answers: What a cassette has answered meanwhile.
    """
    found = find_divergences(sample, views, target=target.name)
    runs = len(sample.runs)
    usual = sample.traces[sample.run(found.modal_run).trace]
    played = await play_back(target, usual, min(runs, _MOST_ORDERS))
    diverged = runs - len(sample.outcomes[0].runs)
    members = [(each.snapshot.root, each.runs) for each in sample.outcomes]
    fields, cut = field_agreements(members, views)
    model = judge_model(sample, views, answers)
    steps = step_agreements(sample, found, views)
    nothing = nothing_compared(sample, views)
    return DeterminismReport(
        target=target.name,
        kind=target.kind,
        deterministic=not diverged,
        accepted=(stopping.accepts(runs, diverged) and sample.modal.error is None and not nothing),
        compares_nothing=bool(nothing),
        decision=stopping.decision(runs, diverged, asked=asked),
        evidence=repeated(runs, diverged, stopped=sample.stopped),
        framework=judge_framework(sample, found, played),
        code_deterministic=_code(sample, found),
        model=model,
        runs_asked=asked,
        runs=sample.runs,
        outcomes=tuple(
            OutcomeShare(
                digest=each.digest,
                runs=each.runs,
                share=len(each.runs) / runs,
                error=sample.run(each.runs[0]).error,
            )
            for each in sample.outcomes
        ),
        modal_state=sample.modal.state,
        modal_output=sample.modal.output,
        modal_error=sample.modal.error,
        fields=fields,
        divergences=found,
        steps=steps,
        usage=sum((record.usage for record in sample.runs), start=Usage()),
        views=views,
        notes=(
            *([nothing] if nothing else []),
            *unmatched_notes(sample, views),
            *_of_cassette(answers),
            *_notes(sample, found, model, fields, steps, cut=cut),
        ),
        seed=setting.seed,
        execution_id=setting.execution_id,
        reproduce="",
        timelines=timelines(sample, found, views),
        drawing=getattr(target, "drawing", None) or drawing_of(target.structure),
    )


def _code(sample: Sample, found: Divergences) -> bool | None:
    """Whether every step that called no model did the same on equal inputs."""
    if any(origin.kind == "node" for origin in found.origins):
        return False
    known = any(trace.steps for trace in sample.traces)
    return True if known or len(sample.outcomes) == 1 else None


def _of_cassette(answers: Answers) -> list[str]:
    if answers.is_idle:
        return [
            "no call came to the cassette: what was asked was really asked. A client of your own "
            "needs `cassette.transport()`, an agent outside of a node `cassette.capability()`"
        ]
    if not answers.misses:
        return []
    return [
        f"{counted(answers.misses, 'call')} found no answer in the cassette; nothing was answered. "
        f"The first: {answers.first_miss}"
    ]


def _notes(
    sample: Sample,
    found: Divergences,
    model: ModelVerdict,
    fields: dict[str, FieldAgreement],
    steps: tuple[StepAgreement, ...],
    *,
    cut: bool,
) -> list[str]:
    notes = []
    modal = sample.outcomes[0]
    if len(sample.outcomes) > 1 and modal.runs == tuple(range(1, len(sample.runs))):
        notes.append(
            "only the first run differs from all others: something is warmed up, cached or kept in "
            "a module by it"
        )
    if model.cached_calls:
        notes.append(
            f"{model.cached_calls} of {model.calls} model calls were answered by a cache or a "
            f"cassette: that they agree says nothing about the model"
        )
    notes += [
        f"{step.label} called a model {counted(step.calls, 'time')} in {step.runs} runs: where the "
        f"code keeps an answer (`lru_cache`, a dict of its own), that the runs agree says nothing "
        f"about the model"
        for step in steps
        if 0 < step.calls < step.runs
    ]
    if len(sample.outcomes) == 1 and len(sample.traces) > 1 and found.first is not None:
        notes.append(
            f"steps differ at {found.first.label}, but the final states are the same: what differs "
            f"is overwritten or left out later"
        )
    if cut:
        notes.append(f"there are more differing fields than the {len(fields)} that are listed")
    return notes
