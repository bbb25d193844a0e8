"""The top of the page: verdict and grade, where the difference begins, and four answers."""

from __future__ import annotations

from typing import Any

from lift_sys.determinism.rendering.differences import (
    difference_block,
    difference_blocks,
    outcome_block,
)
from lift_sys.determinism.rendering.markup import Markup, tag
from lift_sys.determinism.reporting.report import DeterminismReport
from lift_sys.execution.log import counted

_MOST_CAUSES = 5
_MOST_FAILURES = 5


def header(report: DeterminismReport) -> Markup:
    """Verdict and grade, four answers, and where the difference begins."""
    tone = "bad" if not report.accepted else "ok" if report.deterministic else "warn"
    sign = {"ok": "✓", "warn": "!", "bad": "✗"}[tone]
    return tag(
        "header",
        tag("p", f"{report.kind} · determinism check", class_="eyebrow"),
        tag("h1", report.target),
        tag(
            "div",
            tag("span", f"{sign} {report.headline}", class_=f"badge {tone}"),
            tag("span", f"evidence: {report.grade}", class_="badge plain"),
            tag("span", counted(len(report.runs), "run"), class_="badge plain"),
            class_="badges",
        ),
        tag("p", _summary(report)),
        _not_moved(report),
        _failures(report),
        _first_divergence(report),
        _otherwise(report),
        _causes(report),
        tag("div", _tiles(report), class_="tiles"),
        tag("h3", "Do it again"),
        tag("pre", report.reproduce, class_="line-to-run"),
        tag("pre", report.reproduce_in_python, class_="line-to-run")
        if report.reproduce_in_python not in ("", report.reproduce)
        else None,
        class_=tone,
    )


def _summary(report: DeterminismReport) -> str:
    found = report.exploration
    said = f"{report.evidence.text}; {report.decision}."
    return said if found is None else f"{said} Schedules: {found.evidence.text}."


def _tiles(report: DeterminismReport) -> list[Markup | None]:
    model = report.model.text if report.model.calls else "no model was called"
    outcomes, usual = len(report.outcomes), report.outcomes[0].share
    kinds = f"{outcomes} different outcomes, the usual one in {usual:.0%}"
    code = "steps without a model, given the same, did the same"
    guilty: Any = () if report.attribution is None else report.attribution.guilty
    if report.code_deterministic is False:
        code = "a step without a model did something else on equal inputs"
        if report.deterministic or not report.divergences.origins:
            code = f"its result moves with {', '.join(dict.fromkeys(c.source for c in guilty))}"
    elif report.code_deterministic is None:
        code = "no steps are known"
    # What repeats say holds for the order that they ran in, which exploring may have refuted.
    found: Any = report.exploration
    where = "" if found is None or found.verdict == "same" else " in the repeats"
    words = (f"deterministic{where}", "not deterministic")
    return [
        _tile(
            "Result",
            outcomes == 1 and not report.always_fails,
            ("same in all repeats", "differs" if outcomes > 1 else "every run failed"),
            kinds if outcomes > 1 else "one outcome",
        ),
        _tile(
            "Framework",
            report.framework_deterministic,
            words,
            report.framework.text,
        ),
        _tile(
            "Code",
            None if report.fails_alike else report.code_deterministic,
            words,
            code,
            unknown="fails alike" if report.fails_alike else "not known",
        ),
        _tile(
            "Model",
            report.model_stable,
            ("stable", "not stable"),
            model,
            unknown="not known" if report.model.calls else "not asked",
        ),
        _schedules(report),
    ]


def _not_moved(report: DeterminismReport) -> Markup | None:
    """What a green verdict says nothing about."""
    if not (report.accepted and report.deterministic and report.not_moved):
        return None
    return tag("p", f"Not moved: {'; '.join(report.not_moved)}.", class_="muted")


def _failures(report: DeterminismReport) -> Markup | None:
    """How runs failed: once for each way, with how many did."""
    failed = [each for each in report.outcomes if each.error is not None]
    if not failed:
        return None
    runs = sum(len(each.runs) for each in failed)
    ways = f", in {len(failed)} ways" if len(failed) > 1 else ""
    title = f"✗ {runs} of {counted(len(report.runs), 'run')} failed{ways}"
    lines = [
        [
            tag("p", counted(len(each.runs), "run"), class_="path") if ways else None,
            tag("pre", str(each.error)),
        ]
        for each in failed[:_MOST_FAILURES]
    ]
    left = len(failed) - _MOST_FAILURES
    more = tag("p", f"and {left} other failures", class_="muted") if left > 0 else None
    return tag("div", tag("h3", title), lines, more, class_="callout")


def _causes(report: DeterminismReport) -> Markup | None:
    """Where the difference comes from, if it was asked for and found."""
    found: Any = report.attribution
    if found is None or not found.guilty:
        return None
    lines = [tag("li", str(cause)) for cause in found.foremost(_MOST_CAUSES)]
    left = len(found.guilty) - len(lines)
    more = tag("p", f"and {left} more, below", class_="muted") if left > 0 else None
    title = "Cause" if len(found.guilty) == 1 else "Causes"
    return tag("div", tag("h3", title), tag("ul", lines), more, class_="callout")


def _schedules(report: DeterminismReport) -> Markup | None:
    found: Any = report.exploration
    if found is None:
        return None
    said = f"{counted(found.schedules, 'schedule')} run, {counted(len(found.outcomes), 'outcome')}"
    if found.always_fails:
        return _tile("Schedules", False, ("", "every run failed"), said)
    words = ("same in all of them", found.verdict)
    return _tile("Schedules", found.is_deterministic, words, said)


def _otherwise(report: DeterminismReport) -> Markup | None:
    """What differs where no step is known to: under another schedule, or between repeats."""
    found: Any = report.exploration
    example = None if found is None else found.counterexample
    if report.first_divergence is not None:
        return None
    if example is not None:
        orders = [tag("li", tag("code", str(each))) for each in example.constraints]
        where = "In the plain order" if example.is_plain else "Under another order of completion"
        return tag(
            "div",
            tag("h3", f"◆ {where}: {found.verdict}"),
            [tag("p", "The result is another one when"), tag("ul", orders)] if orders else None,
            outcome_block(example),
            class_="callout",
        )
    for each in report.differing_fields:
        return tag(
            "div",
            tag("h3", f"◆ First field that differs: {each.path}"),
            difference_block(each.path, each.values[0].text, each.values[1].text, hint=each.hint),
            class_="callout",
        )
    return None


def _tile(
    name: str,
    verdict: bool | None,
    words: tuple[str, str],
    said: str,
    *,
    unknown: str = "not known",
) -> Markup:
    tone = "plain" if verdict is None else "ok" if verdict else "bad"
    answer = unknown if verdict is None else f"✓ {words[0]}" if verdict else f"✗ {words[1]}"
    return tag("div", tag("h3", name), tag("b", answer), tag("p", said), class_=f"tile {tone}")


def _where(report: DeterminismReport, runs: int) -> str:
    if not report.by_order:
        return f"{counted(runs, 'run')} of {len(report.runs)} differ here."
    orders = "; ".join(map(str, report.exploration.counterexample.constraints))
    return f"So it comes in another order of completion{f': {orders}' if orders else ''}."


def _first_divergence(report: DeterminismReport) -> Markup | None:
    first = report.first_divergence
    if first is None:
        return None
    kind = {
        "model": "It calls a model, which answered differently.",
        "join": "Its branches did the same, and were joined differently.",
        "input": "The states that the runs began with were different.",
    }.get(first.kind, "It was given the same, and did something else.")
    others = [origin.label for origin in report.divergences.origins[1:]]
    return tag(
        "div",
        tag("h3", f"◆ First divergent step: {first.label}"),
        tag("p", f"{kind} {_where(report, len(first.runs))}"),
        difference_blocks(first.differences, most=5),
        tag("p", f"Also at {', '.join(others[:12])}.") if others else None,
        tag("p", f"Passed on by {', '.join(report.divergences.passed_on[:12])}.", class_="muted")
        if report.divergences.passed_on
        else None,
        class_="callout",
    )
