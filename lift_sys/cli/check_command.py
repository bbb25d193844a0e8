"""The command that makes a check again, as a line that a shell takes as it stands."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lift_sys.determinism.reporting.report import DeterminismReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a check was given on the command line, beside what its report holds.

    Attributes:
        target: MODULE:NAME.
        source: As `--state` has it; what was read from stdin as JSON.
        settings: As `--set` has them.
        deps, cassette: As these options have them.
        longest_run: Seconds that one run may take.
        explore: Most schedules.
        attribute: Whether causes were looked for.
    """

    target: str
    source: str | None = None
    settings: Sequence[str] = ()
    deps: str | None = None
    cassette: str | None = None
    longest_run: float | None = None
    explore: int | None = None
    attribute: bool = False


def command_of(report: DeterminismReport, given: Given) -> str:
    """The command: a schedule that makes a difference is replayed, other checks are made again."""
    from lift_sys.determinism.reporting.reproduction import runs_needed

    words = ["lift", "check", given.target]
    words += _options("--state", [given.source])
    words += _options("--set", given.settings)
    words += _options("--deps", [given.deps])
    words += _options("--cassette", [given.cassette])
    words += _options("--seed", [report.seed or None])
    example = None if report.exploration is None else report.exploration.counterexample
    views = report.views
    words += _options("--runs", [runs_needed(report) if example is None else None])
    words += _options("--ignore", views.ignore)
    tolerances = [f"{v:g}" if path == "*" else f"{path}={v:g}" for path, v in views.tolerance]
    words += _options("--tolerance", tolerances)
    words += _options("--multiset", views.multiset)
    if example is not None:
        return shlex.join([*words, "--schedule", str(example.schedule)])
    words += _options("--longest-run", [given.longest_run])
    words += _options("--explore", [given.explore])
    return shlex.join([*words, "--attribute"] if given.attribute else words)


def _options(name: str, values: Sequence[object]) -> list[str]:
    # With "=", so that a value which starts with a dash is no option.
    return [
        word
        for value in values
        if value is not None
        for word in ([f"{name}={value}"] if str(value).startswith("-") else [name, str(value)])
    ]
