"""`lift check`: is the result the same every time, and if not, where does the difference begin.

As with `lift run`, stdout belongs to the report: what the checked code prints goes to stderr while
`--json` claims it, and progress is always on stderr.
"""

from __future__ import annotations

import contextlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

import click
from click.core import ParameterSource

from lift_sys.cli.app import EXIT_FAILED
from lift_sys.cli.check_command import Given, command_of
from lift_sys.cli.check_input import Subject, load_subject, parse_tolerance
from lift_sys.cli.check_progress import Counter
from lift_sys.cli.check_replay import Replayed, replay_one
from lift_sys.cli.check_running import no_answer_is_exit_2, run_interruptible
from lift_sys.cli.options import json_option
from lift_sys.cli.services import deps_option
from lift_sys.cli.state_input import set_option, state_option
from lift_sys.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lift_sys.determinism.reporting.report import DeterminismReport


@click.command()
@click.argument("target", metavar="MODULE:GRAPH|FUNCTION")
@state_option
@set_option
@click.option("--runs", type=click.IntRange(min=2), default=100, show_default=True)
@click.option(
    "--stop",
    type=click.Choice(["first_divergence", "curtailed"]),
    help="End early: at the first divergence; or there and once 5 % can be ruled out (59 runs).",
)
@click.option(
    "--ignore", multiple=True, metavar="PATH", help="Leave out a path: $.created. Repeatable."
)
@click.option(
    "--tolerance",
    multiple=True,
    metavar="[PATH=]NUMBER",
    help="How close numbers have to be, all of them or those at a path. Repeatable.",
)
@click.option(
    "--multiset", multiple=True, metavar="PATH", help="A list whose order is no matter. Repeatable."
)
@click.option(
    "--longest-run",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="A run that takes longer is ended, and has failed.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="For ctx.random.")
@click.option(
    "--explore",
    type=click.IntRange(min=1),
    metavar="BUDGET",
    help="Explore so many schedules, too.",
)
@click.option("--schedule", metavar="ls1:...", help="Only replay one schedule that was found.")
@click.option("--attribute", is_flag=True, help="Look for what differences come from, too.")
@click.option("--cassette", metavar="FILE", help="Take models' answers from recorded ones.")
@deps_option
@click.option("--html", type=click.Path(dir_okay=False), help="Write the report as a page, too.")
@click.option("--junit", type=click.Path(dir_okay=False), help="Write it as JUnit XML, too.")
@json_option
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@click.pass_context
def check(
    ctx: click.Context,
    target: str,
    source: str | None,
    settings: tuple[str, ...],
    runs: int,
    stop: str | None,
    ignore: tuple[str, ...],
    tolerance: tuple[str, ...],
    multiset: tuple[str, ...],
    longest_run: float | None,
    seed: int,
    explore: int | None,
    schedule: str | None,
    attribute: bool,
    cassette: str | None,
    deps: str | None,
    html: str | None,
    junit: str | None,
    as_document: bool,
    quiet: bool,
) -> None:
    """Run a graph or function again and again, and compare the results.

    MODULE is a dotted module or a .py file. GRAPH is a Graph in it, a node or node class, or a
    function that returns a graph; FUNCTION is a function of the state, async or not. Programs of
    LangGraph, pydantic-graph, Pydantic AI and DSPy are taken as they are.

    Exit codes: 0 all runs agree, 1 they differ or all fail, 2 it could not be checked.
    """
    results = sys.stdout
    counter = Counter(runs, quiet=quiet)
    claimed = contextlib.redirect_stdout(sys.stderr) if as_document else contextlib.nullcontext()
    with claimed, no_answer_is_exit_2(ctx):
        for path in (html, junit):
            _refuse_unwritable(path)
        if schedule is not None:
            _refuse_beside_schedule(ctx)
        views = {
            "ignore": ignore, "tolerance": parse_tolerance(tolerance), "multiset": multiset
        }  # fmt: skip
        subject = load_subject(target, source=source, settings=settings, deps=deps)
        if schedule is not None:
            found = _replay(subject, schedule, counter, views, seed=seed, cassette=cassette)
        else:
            options = {
                **views,
                "stop": stop,
                "longest_run": longest_run,
                "seed": seed,
                "explore": explore,
                "attribute": attribute,
                "cassette": cassette,
            }
            report = _run(subject, runs, counter, options)
    if schedule is not None:
        text = found.to_json() if as_document else found.to_text(width=_width())
        _end(ctx, results, text, passes=found.passes)
    given = Given(
        target=target,
        source=subject.as_json() if source == "-" else source,
        settings=() if source == "-" else settings,
        deps=deps,
        cassette=cassette,
        longest_run=longest_run,
        explore=explore,
        attribute=attribute,
    )
    report = replace(
        report,
        reproduce=command_of(report, given),
        reproduce_in_python=_in_python(report, subject, options),
    )
    if deps is None and _misses_services(report):
        report = replace(report, notes=(_NO_SERVICES, *report.notes))
    # Files first: a reader of stdout that goes away must not cost them.
    if html is not None:
        _write(html, report.to_html())
    if junit is not None:
        _write(junit, report.to_junit())
    text = report.to_json() if as_document else report.to_text(width=_width())
    _end(ctx, results, text, passes=report.accepted)


_NO_SERVICES = (
    "ctx.deps was None: if that is what failed, name the services (or a function that makes them) "
    "with --deps MODULE:NAME"
)


def _misses_services(report: DeterminismReport) -> bool:
    """Whether a run failed as one does that takes something from `ctx.deps`, which is None."""
    errors = [each.error for each in report.outcomes if each.error is not None]
    return any("'NoneType' object" in error.text for error in errors)


def _in_python(report: DeterminismReport, subject: Subject, options: dict[str, Any]) -> str:
    from lift_sys.determinism.reporting.reproduction import python_line

    names = subject.names
    if "target" not in names or ("deps" not in names and subject.deps is not None):
        return ""
    given = {**options, "deps": names.get("deps")}
    return python_line(report, names["target"], subject.state, given)


def _end(ctx: click.Context, results: TextIO, text: str, *, passes: bool) -> NoReturn:
    results.write(text + "\n")
    results.flush()
    ctx.exit(0 if passes else EXIT_FAILED)


# Of a single run there is nothing to be compared, and no report.
_OF_REPEATS = ("runs", "stop", "longest_run")
_OF_REPORTS = ("explore", "attribute", "html", "junit")


def _refuse_beside_schedule(ctx: click.Context) -> None:
    given = [
        f"--{name.replace('_', '-')}"
        for name in (*_OF_REPEATS, *_OF_REPORTS)
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
    ]
    if given:
        raise UsageError(
            f"--schedule replays one run, so {' and '.join(given)} can't be had with it: leave "
            f"one of them out."
        )


def _run(
    subject: Subject, runs: int, counter: Counter, options: dict[str, Any]
) -> DeterminismReport:
    from lift_sys.determinism.check import check_determinism

    return run_interruptible(
        lambda: check_determinism(
            subject.target,
            subject.state,
            runs,
            deps=subject.deps,
            on_repeat=counter,
            on_stage=counter.stage,
            **options,
        ),
        counter,
    )


def _replay(
    subject: Subject,
    schedule: str,
    counter: Counter,
    views: Mapping[str, Any],
    *,
    seed: int,
    cassette: str | None,
) -> Replayed:
    from lift_sys.determinism.views import Views

    equal = Views.of(**views)

    async def replayed() -> Replayed:
        return replay_one(subject, schedule, seed=seed, cassette=cassette, views=equal)

    return run_interruptible(replayed, counter)


def _refuse_unwritable(path: str | None) -> None:
    """Say before the runs, and not after them, that there is no such folder."""
    if path is not None and not Path(path).absolute().parent.is_dir():
        raise UsageError(f"{path!r} can't be written: there is no such folder.")


def _write(path: str, text: str) -> None:
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path!r} can't be written: {error.strerror}.") from error


def _width() -> int:
    import shutil

    return min(120, max(60, shutil.get_terminal_size((100, 24)).columns))
