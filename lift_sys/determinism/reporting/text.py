"""A report as text that fits a screen: verdict, grade, first divergence with a diff, cause, line.

Only shows: what it says is in the report. Every value is cut to the width; `--json` has all of it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from lift_sys.determinism.comparison.divergence import Divergence
from lift_sys.determinism.comparison.pairs import Difference
from lift_sys.determinism.reporting.report import DeterminismReport
from lift_sys.execution.log import counted

_MOST_DIFFERENCES = 3
_MOST_FIELDS = 4
_MOST_FAILURES = 3
_MOST_FAILURE_LINES = 9
_MOST_CAUSES = 3
_MOST_NOTES = 3
_LABEL = 13


def report_text(report: DeterminismReport, *, width: int = 100) -> str:
    """The report on `width` columns; the line to be pasted is never broken."""
    lines = list(columns(_rows(report), width=width))
    room = width - _LABEL
    if report.reproduce:
        fits = len(report.reproduce) <= room
        head = f"{'reproduce':<{_LABEL}}"
        lines += [f"{head}{report.reproduce}"] if fits else ["reproduce", report.reproduce]
    if report.reproduce_in_python not in ("", report.reproduce):
        lines += ["or in Python", report.reproduce_in_python]
    return "\n".join(lines)


def columns(rows: Iterable[tuple[str, str, int]], *, width: int) -> Iterator[str]:
    """Lines of a label and a text each; with each row how many lines it may take."""
    for row in rows:
        yield from _wrapped(*row, width=width)


def _rows(report: DeterminismReport) -> Iterator[tuple[str, str, int]]:
    """Label, text, and how many lines it may take."""
    yield report.headline.upper(), f"{report.kind} {report.target}, {_outcomes(report)}", 2
    yield from _failures(report)
    yield "evidence", f"{report.evidence}: {report.evidence.text}; {report.decision}", 2
    if report.exploration is not None:
        yield from _explored(report)
    yield "framework", _answer(report.framework_deterministic, "deterministic"), 2
    yield "", report.framework.text, 2
    if report.model.calls:
        yield "model", f"{_answer(report.model_stable, 'stable')}: {report.model.text}", 3
    yield from _divergence(report)
    yield from _fields(report)
    yield from _views(report)
    if report.attribution is not None:
        yield from _causes(report)
    if report.accepted and report.deterministic and report.not_moved:
        yield "not moved", "; ".join(report.not_moved), 2
    for note in islice(report.notes, _MOST_NOTES):
        yield "note", note, 2


def _outcomes(report: DeterminismReport) -> str:
    runs = len(report.runs)
    if len(report.outcomes) == 1:
        found = report.exploration
        seen = 1 if found is None else len(found.outcomes)
        more = f"; {seen} in {counted(found.schedules, 'schedule')} explored" if seen > 1 else ""
        return f"one outcome in {counted(runs, 'run')}{more}"
    modal = len(report.outcomes[0].runs)
    failed = "; every run failed" if report.always_fails else ""
    kinds = f"{len(report.outcomes)} outcomes in {counted(runs, 'run')}"
    return f"{kinds}, the usual one in {modal}{failed}"


def _failures(report: DeterminismReport) -> Iterator[tuple[str, str, int]]:
    """How runs failed: once for each way, with how many did."""
    failures = [(len(each.runs), each.error) for each in report.outcomes if each.error is not None]
    label = "failure" if len(failures) == 1 else "failures"
    for runs, error in failures[:_MOST_FAILURES]:
        of = "" if len(report.outcomes) == 1 else f"{runs} of {len(report.runs)}: "
        for line in _ends_of(f"{of}{error}".splitlines(), _MOST_FAILURE_LINES // len(failures)):
            yield label, line, 3
            label = ""
    if len(failures) > _MOST_FAILURES:
        yield "", f"and {len(failures) - _MOST_FAILURES} other failures", 1


def _ends_of(lines: list[str], most: int) -> list[str]:
    """At most so many of the lines, if more than two: what happened, and what to do about it."""
    most = max(most, 3)
    if len(lines) <= most:
        return lines
    return [*lines[: most - 2], f"... ({len(lines) - most + 1} more lines)", lines[-1]]


def _answer(verdict: bool | None, word: str) -> str:
    if verdict is None:
        return f"not known to be {word}"
    return word if verdict else f"NOT {word}"


def _explored(report: DeterminismReport) -> Iterator[tuple[str, str, int]]:
    found = report.exploration
    example = found.counterexample
    if example is None:
        verdict = "every run failed" if found.always_fails else found.verdict
        yield "schedules", f"{verdict}, {found.evidence}: {found.evidence.text}", 3
        return
    orders = "; ".join(map(str, example.constraints)) or "the plain order"
    schedules = counted(found.schedules, "schedule")
    yield "schedules", f"{found.verdict} after {schedules}, when {orders}", 3
    if report.first_divergence is not None or report.differing_fields:
        return  # shown there
    if example.is_plain:
        yield "", example.outcome.text, 3
        return
    usual, other = around_difference(example.expected.text, example.outcome.text)
    yield "", f"  - {usual}", 1
    yield "", f"  + {other}", 1


def _divergence(report: DeterminismReport) -> Iterator[tuple[str, str, int]]:
    first = report.first_divergence
    if first is None:
        return
    kind = {"model": ", which calls a model", "join": ", where branches are joined"}
    which = "in that order" if report.by_order else f"{_numbers(first)} differ"
    yield "first at", f"{first.label}{kind.get(first.kind, '')}; {which}", 2
    yield from difference_rows("", first.differences)
    others = [origin.label for origin in report.divergences.origins[1:]]
    if others:
        yield "also at", ", ".join(others), 2
    if report.divergences.passed_on:
        yield "passed on by", ", ".join(report.divergences.passed_on), 2


def difference_rows(
    label: str, differences: Sequence[Difference]
) -> Iterator[tuple[str, str, int]]:
    """The first few differences: a path, and both values below it."""
    for difference in differences[:_MOST_DIFFERENCES]:
        usual, other = around_difference(difference.usual, difference.other)
        yield label, difference.path, 1
        yield "", f"  - {usual or '(nothing)'}", 1
        yield "", f"  + {other or '(nothing)'}", 1
        label = ""


def _numbers(first: Divergence) -> str:
    shown = ", ".join(map(str, first.runs[:8]))
    more = len(first.runs) - 8
    return f"run{'s' * (len(first.runs) > 1)} {shown}" + (f" and {more} more" if more > 0 else "")


def _fields(report: DeterminismReport) -> Iterator[tuple[str, str, int]]:
    differing = report.differing_fields
    label = "fields"
    for each in differing[:_MOST_FIELDS]:
        hint = f"; {each.hint}" if each.hint else ""
        agree = f"{each.agreement:.0%} agree ({each.low:.0%} to {each.high:.0%}), "
        agree = "differs with the order" if report.by_order else f"{agree}{each.distinct} values"
        yield label, f"{each.path}: {agree}{hint}", 1
        label = ""
    if report.first_divergence is None and differing:
        values = differing[0].values
        usual, other = around_difference(values[0].text, values[1].text)
        if len(differing) > 1:
            yield "", f"{differing[0].path}:", 1
        yield "", f"  - {usual}", 1
        yield "", f"  + {other}", 1
    if len(differing) > _MOST_FIELDS:
        yield "", f"and {len(differing) - _MOST_FIELDS} more", 1


def _views(report: DeterminismReport) -> Iterator[tuple[str, str, int]]:
    if not report.views.is_exact:
        yield "compared", str(report.views), 2


def _causes(report: DeterminismReport) -> Iterator[tuple[str, str, int]]:
    found = report.attribution
    runs = counted(int(found.runs), "run")
    if not found.guilty:
        said = {
            "innocent": "none of the sources makes a difference",
            "uncontrolled": "runs differ with everything held: threads, C code or the outside world",
        }.get(str(found.verdict), "; ".join(found.notes))
        yield "cause", f"{said} ({runs})", 2
        return
    label = "cause" if len(found.guilty) == 1 else "causes"
    for cause in found.foremost(_MOST_CAUSES):
        yield label, str(cause), 2
        label = ""
    left = len(found.guilty) - _MOST_CAUSES
    yield "", f"({f'and {left} more, ' if left > 0 else ''}found in {runs})", 1


def around_difference(usual: str, other: str, *, width: int = 80) -> tuple[str, str]:
    """Both texts, cut to the place where they begin to differ."""
    if max(len(usual), len(other)) <= width:
        return usual, other
    pairs = enumerate(zip(usual, other, strict=False))
    at = next((i for i, (left, right) in pairs if left != right), min(len(usual), len(other)))
    start = max(0, at - width // 3)
    lead = "..." if start else ""
    shown = [f"{lead}{text[start : start + width]}" for text in (usual, other)]
    ends = ["..." if len(text) > start + width else "" for text in (usual, other)]
    return shown[0] + ends[0], shown[1] + ends[1]


def _wrapped(label: str, text: str, most: int, *, width: int) -> Iterator[str]:
    head = f"{label:<{_LABEL}}" if len(label) < _LABEL else f"{label}  "
    room = max(20, width - _LABEL)
    # A newline inside a value would break the columns.
    flat = text.replace("\r", "\\r").replace("\n", "\\n")
    if most == 1:
        lines = [flat if len(flat) <= room else f"{flat[: room - 3]}..."]
    else:
        lines = textwrap.wrap(
            flat, width=width, initial_indent=" " * len(head), subsequent_indent=" " * _LABEL,
            max_lines=most, placeholder=" ...", break_on_hyphens=False,
        )  # fmt: skip
        lines = [lines[0][len(head) :], *(line[_LABEL:] for line in lines[1:])] if lines else [""]
    for line in lines:
        yield f"{head}{line}".rstrip()
        head = " " * _LABEL
