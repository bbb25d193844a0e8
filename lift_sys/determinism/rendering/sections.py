"""The page's parts that are words and numbers: fields, statistics, schedules, causes, assumptions."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from lift_sys.determinism.comparison.fields import FieldAgreement
from lift_sys.determinism.rendering.differences import difference_block, outcome_block
from lift_sys.determinism.rendering.markup import Child, shortened, tag
from lift_sys.determinism.rendering.tables import (
    bullets,
    fact_list,
    listing,
    seconds_text,
    share_bar,
)
from lift_sys.determinism.reporting.report import DeterminismReport
from lift_sys.execution.log import counted

_MOST_RUNS = 400
_MOST_FIELDS = 60
_MOST_OUTCOMES = 20
_VERDICTS = {
    "same": "the same under all schedules that were run",
    "differs": "another result under another schedule",
    "uncontrolled": "one schedule gave two results: something else than the order moves them",
}


def fields(report: DeterminismReport) -> Child:
    """Where outcomes differ, field by field."""
    differing = report.differing_fields
    if not differing:
        return tag("p", "All fields agree in all runs.")
    rows = [
        tag(
            "tr",
            tag("th", tag("code", shortened(each.path, 60)), scope="row"),
            _agreement(report, each),
            tag("td", each.distinct),
            tag("td", each.hint or "–"),
        )
        for each in differing[:_MOST_FIELDS]
    ]
    columns = ("field", "agreement", "95 % interval", "values", "what they have in common")
    blocks = [
        difference_block(
            each.path,
            each.values[0].text,
            each.values[1].text,
            hint=f"· {counted(each.distinct, 'value')}",
            labels=_labels(report, each),
        )
        for each in differing[:10]
    ]
    left = len(differing) - _MOST_FIELDS
    more = [tag("p", f"and {left} more fields", class_="muted")] if left > 0 else []
    return [listing(columns, rows), *more, tag("h3", "Usual value against the next"), blocks]


def _agreement(report: DeterminismReport, each: FieldAgreement) -> Child:
    if report.by_order:
        return [tag("td", "differs with the order"), tag("td", "–")]
    bar = share_bar(each.agreement, each.low, each.high)
    interval = tag("td", f"{each.low:.0%} to {each.high:.0%}")
    return [tag("td", f"{each.agreement:.0%}", bar), interval]


def _labels(report: DeterminismReport, each: FieldAgreement) -> tuple[str, str]:
    if report.by_order:
        return "plain order", "other order"
    usual, other = (counted(len(value.runs), "run") for value in each.values[:2])
    return usual, other


def statistics(report: DeterminismReport) -> Child:
    """Runs, outcomes, time and cost."""
    times = [run.elapsed for run in report.runs]
    usage = report.usage
    facts: list[tuple[str, str]] = [
        ("evidence", f"{report.evidence}: {report.evidence.text}"),
        ("repeats", f"{len(report.runs)} of {report.runs_asked}; {report.decision}"),
        (
            "time of a run",
            f"{seconds_text(median(times))} ({seconds_text(min(times))} to {seconds_text(max(times))})",
        ),
        ("time of the check", seconds_text(report.elapsed)),
        ("same in all repeats", f"seed {report.seed}, execution id {report.execution_id}"),
    ]
    if usage.calls:
        price = "price not known" if usage.cost is None else f"{usage.cost:.4f} US$"
        facts.append(
            (
                "model",
                f"{counted(usage.calls, 'call')}, {usage.cached_calls} of them from a cache or "
                f"cassette; {usage.input_tokens} tokens in, {usage.output_tokens} out; {price}",
            )
        )
    shown = [
        tag(
            "li",
            _letter(run.outcome),
            class_="other" if run.outcome else None,
            title=f"run {run.index}",
        )
        for run in report.runs[:_MOST_RUNS]
    ]
    rows = [
        tag(
            "tr",
            tag("th", _letter(number), scope="row"),
            tag("td", f"{each.share:.1%}", share_bar(each.share)),
            tag("td", len(each.runs)),
            tag("td", _numbers(each.runs)),
            tag(
                "td",
                shortened(str(each.error), 160) if each.error else tag("code", each.digest[:12]),
            ),
        )
        for number, each in enumerate(report.outcomes[:_MOST_OUTCOMES])
    ]
    left = len(report.outcomes) - _MOST_OUTCOMES
    more = [tag("p", f"and {left} more outcomes", class_="muted")] if left > 0 else []
    columns = ("outcome", "share", "runs", "which", "digest or failure")
    return [
        fact_list(facts),
        tag("h3", "Outcomes; A is what MAJORITY takes"),
        listing(columns, rows),
        *more,
        tag("h3", "Outcome of each run, in order"),
        tag("ol", shown, class_="strip"),
    ]


def exploration(report: DeterminismReport) -> Child:
    """What exploring schedules has found."""
    found: Any = report.exploration
    facts = [
        ("verdict", f"{_VERDICTS.get(found.verdict, found.verdict)}, {found.evidence}"),
        ("evidence", found.evidence.text),
        (
            "schedules",
            f"{found.schedules} in {seconds_text(found.seconds)}, {found.strategy} on {found.space}",
        ),
    ]
    if found.calls:
        said = f"{counted(found.calls, 'call')} made for real; further runs used what these gave"
        facts.append(("models", said))
    example = found.counterexample
    parts: list[Child] = [fact_list(facts)]
    if example is not None:
        orders = [tag("li", tag("code", str(each))) for each in example.constraints]
        parts += [
            tag("h3", "Counter-example"),
            tag("p", f"Found after {counted(example.found_after, 'schedule')} by {example.found_by}; "
                f"replayed {counted(example.replays, 'time')} with the same result."),
            tag("ul", orders) if orders else tag("p", "Already the plain order comes to it."),
            outcome_block(example, labels=("plain", "found")),
            tag("pre", example.schedule, class_="line-to-run"),
            bullets([f"waits: {line}" for line in example.outcome.waiting]),
        ]  # fmt: skip
    if len(found.outcomes) > 1:
        rows = [
            tag(
                "tr",
                tag("td", each.schedules),
                tag("td", shortened(str(each.outcome), 200)),
                tag("td", tag("code", each.schedule)),
            )
            for each in found.outcomes[:_MOST_OUTCOMES]
        ]
        parts += [tag("h3", "Outcomes"), listing(("schedules", "outcome", "first schedule"), rows)]
    return parts


def attribution(report: DeterminismReport) -> Child:
    """What looking for causes has found."""
    found: Any = report.attribution
    causes = ", ".join(dict.fromkeys(str(cause.source) for cause in found.guilty))
    said = {"guilty": f"The result moves with {causes}", "innocent": "Nothing moves the result"}
    verdict = said.get(found.verdict, "The result differs with everything held")
    parts: list[Child] = [tag("p", f"{verdict}; {counted(found.runs, 'run')}.")]
    if found.guilty:
        rows = [
            tag(
                "tr",
                tag("th", str(cause.source), scope="row"),
                tag("td", tag("code", cause.site or "in a library")),
                tag(
                    "td", " in ".join(each for each in (cause.function, cause.step) if each) or "–"
                ),
                tag("td", cause.refinement or cause.call or "–"),
                tag("td", "alone" if cause.sufficient else f"with {', '.join(cause.together)}"),
                tag("td", shortened(cause.difference, 120) or "–"),
            )
            for cause in found.guilty
        ]
        columns = ("source", "line", "where", "what", "enough", "first difference")
        parts.append(listing(columns, rows))
    if found.difference:
        parts.append(tag("p", found.difference))
    if found.innocent:
        parts.append(tag("p", f"Moved without any effect: {', '.join(found.innocent)}."))
    left = [f"{source} was not tested: {why}" for source, why in dict(found.untested).items()]
    return [*parts, bullets([*left, *found.notes])]


def assumptions(report: DeterminismReport) -> Child:
    """What the verdict takes for granted, what was left out, and what else there is to know."""
    views = report.views
    compared = [f"left out: {path}" for path in views.ignore]
    compared += [f"numbers at {path} agree within {by:g}" for path, by in views.tolerance]
    compared += [f"order is no matter at {path}" for path in views.multiset]
    found: Any = report.exploration
    explored = [] if found is None else [*found.scope, *found.assumptions]
    caveats = (
        [] if found is None else [*(f"caveat: {each}" for each in found.caveats), *found.notes]
    )
    groups = (
        ("The repeats assume", report.evidence.assumptions),
        ("The exploration assumes", explored),
        ("Compared with", compared or ["nothing left out: values have to be equal"]),
        ("To know", [*report.notes, *caveats]),
    )
    return [[tag("h3", name), bullets(lines)] for name, lines in groups if lines]


def _letter(number: int) -> str:
    """A, B, ... Z, AA, AB, ..."""
    letters = ""
    number += 1
    while number:
        number, digit = divmod(number - 1, 26)
        letters = chr(ord("A") + digit) + letters
    return letters


def _numbers(runs: Sequence[int]) -> str:
    shown = ", ".join(map(str, runs[:12]))
    return f"{shown} and {len(runs) - 12} more" if len(runs) > 12 else shown
