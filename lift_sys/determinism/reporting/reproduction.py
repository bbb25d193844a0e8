"""One line of Python that makes a check again, for a script or `python -c`: imports and call."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from lift_sys.determinism.reporting.python_call import Line, Named, NotKnownError, is_expression
from lift_sys.determinism.reporting.report import DeterminismReport

# Arguments of a check that change what it finds, beside those that the report holds.
_KEPT = ("max_concurrent", "longest_run")


def python_line(
    report: DeterminismReport, target: Any, state: Any, options: Mapping[str, Any]
) -> str:
    """The imports and the call that fail (or pass) as this check did; empty if a name is not known.

    Args:
        report: What the check found. A schedule that makes a difference is replayed; otherwise the
            check is made again with `assert_deterministic`.
        target: What was checked, or its `Named`: then the line needs nothing but its imports, and
            not the place where the check was made.
        state: On what.
        options: Further arguments of the check; those that are None are left out.
    """
    line = Line(stands_alone=isinstance(target, Named))
    with suppress(NotKnownError):
        _write(line, report, target, state, options)
    return line.text


def _write(
    line: Line, report: DeterminismReport, target: Any, state: Any, options: Mapping[str, Any]
) -> None:
    example = None if report.exploration is None else report.exploration.counterexample
    if example is not None:
        if options.get("cassette") is not None:
            raise NotKnownError  # `replay` takes none
        line.call(
            "print({})",
            "replay",
            line.name_of(target),
            *line.state(state),
            f"schedule={str(example.schedule)!r}",
            *line.strategy("merge", options),
            *line.deps(options, made=True),
            *_asked(options.get("explore"), ("strict", "limit")),
            *([f"seed={report.exploration.seed}"] if report.exploration.seed else []),
        )
        return
    line.call(
        "asyncio.run({})",
        "assert_deterministic",
        line.name_of(target),
        *(line.state(state) or ["None"]),
        f"runs={runs_needed(report)}",
        *line.strategy("strategy", options),
        *view_arguments(report),
        *([f"seed={report.seed}"] if report.seed else []),
        *line.deps(options),
        *(f"{name}={options[name]!r}" for name in _KEPT if options.get(name) is not None),
        *line.cassette(options),
        *(
            f"{name}={_plain(options[name])}"
            for name in ("explore", "attribute")
            if options.get(name)
        ),
        *([] if report.deterministic else ["stop='first_divergence'"]),
    )


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


def _asked(explore: Any, names: tuple[str, ...]) -> list[str]:
    asked = explore if isinstance(explore, Mapping) else {}
    return [f"{name}={asked[name]!r}" for name in names if name in asked]


def _plain(asked: Any) -> str:
    text = repr(dict(asked)) if isinstance(asked, Mapping) else repr(asked)
    if not is_expression(text):
        raise NotKnownError
    return text
