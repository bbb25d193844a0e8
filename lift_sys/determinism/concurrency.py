"""Hole H18: that a graph gives the same result under concurrency, over a list of test cases.

Each case is run many times as branches of one executor, several at a time, so that the runs also
disturb each other where they can; MAJORITY counts what they came to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lift_sys.determinism.check import check_determinism
from lift_sys.determinism.reporting.report import DeterminismReport
from lift_sys.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationResult:
    """What a validation found.

    Attributes:
        reports: One for each test case, by its name, in the order of the cases.
        iterations: How often each case was run.
    """

    reports: Mapping[str, DeterminismReport]
    iterations: int

    @property
    def passed(self) -> bool:
        """Whether every case gave one result in all of its runs, and no failure."""
        return not self.failures

    @property
    def failures(self) -> tuple[str, ...]:
        """Names of the cases whose runs differ, or all fail."""
        return tuple(name for name, report in self.reports.items() if not report.accepted)

    @property
    def agreement(self) -> float:
        """Share of all runs that gave the usual result of their case, 0 to 1."""
        runs = sum(len(report.runs) for report in self.reports.values())
        agreeing = sum(len(report.outcomes[0].runs) for report in self.reports.values())
        return agreeing / runs

    def __str__(self) -> str:
        cases = len(self.reports)
        if self.passed:
            runs = sum(len(report.runs) for report in self.reports.values())
            return f"all {cases} cases agree, in {runs} runs"
        failed = sum(report.always_fails for report in self.reports.values())
        differ = len(self.failures) - failed
        counts = [(differ, "differ"), (failed, "failed in every run")]
        said = " and ".join(f"{count} of {cases} cases {what}" for count, what in counts if count)
        lines = [f"{said}, {self.agreement:.1%} of runs agree"]
        lines += [f"\n{name}: {self.reports[name]}" for name in self.failures]
        return "\n".join(lines)


async def validate_concurrency(
    graph: Any,
    test_cases: Sequence[Any] | Mapping[str, Any],
    iterations: int = 100,
    *,
    max_concurrent: int = 4,
    **options: Any,
) -> ValidationResult:
    """Run `graph` on each test case `iterations` times, several runs at a time, and compare.

    Args:
        graph: As the target of `check_determinism`.
        test_cases: States, or functions that make them; by name, or named by their numbers.
        iterations: How often each is run.
        max_concurrent: Most runs at the same time.
        options: As of `check_determinism`.

    Raises:
        UsageError: There is no test case, or an argument can't be used.
    """
    if type(iterations) is not int or iterations < 2:
        raise UsageError(f"iterations={iterations!r}: give a whole number, at least 2.")
    if "runs" in options:
        raise UsageError("Here `runs` is called `iterations`: how often each case is run.")
    cases: Any = test_cases
    if not isinstance(cases, (Mapping, Sequence)) or isinstance(cases, str):
        raise UsageError(
            f"`test_cases` is {test_cases!r}: give a list of states, or a mapping of them by name."
        )
    if isinstance(test_cases, Mapping):
        named = {str(name): state for name, state in test_cases.items()}
    else:
        named = {str(number): state for number, state in enumerate(test_cases)}
    if not named:
        raise UsageError("There are no test cases: give at least one state to run on.")
    reports = {
        name: await check_determinism(
            graph, state, iterations, max_concurrent=max_concurrent, **options
        )
        for name, state in named.items()
    }
    return ValidationResult(reports=reports, iterations=iterations)
