"""`lift check`: is the result the same every time, and if not, where does the difference begin.

As with `lift run`, stdout belongs to the report: what the checked code prints goes to stderr while
`--json` claims it, and progress is always on stderr.
"""

from __future__ import annotations

import contextlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lift_sys.cli.app import EXIT_FAILED
from lift_sys.cli.check_input import Subject, load_subject, parse_tolerance
from lift_sys.cli.check_progress import Counter
from lift_sys.cli.interrupt import InterruptedRunError, Interruptible
from lift_sys.errors import UsageError

if TYPE_CHECKING:
    from lift_sys.determinism.report import DeterminismReport


@click.command()
@click.argument("target", metavar="MODULE:GRAPH|FUNCTION")
@click.option(
    "--state", "source", metavar="FILE|JSON", help="JSON text, a JSON or YAML file, or - for stdin."
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="FIELD=VALUE",
    help="Set one field, dots for nested ones; JSON, or else text. Repeatable.",
)
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
@click.option("--seed", type=int, default=0, show_default=True, help="For ctx.random.")
@click.option(
    "--explore",
    type=click.IntRange(min=1),
    metavar="BUDGET",
    help="Explore so many schedules, too.",
)
@click.option("--attribute", is_flag=True, help="Look for what differences come from, too.")
@click.option("--cassette", metavar="FILE", help="Take models' answers from recorded ones.")
@click.option("--html", type=click.Path(dir_okay=False), help="Write the report as a page, too.")
@click.option("--junit", type=click.Path(dir_okay=False), help="Write it as JUnit XML, too.")
@click.option("--json", "as_document", is_flag=True, help="One JSON document on stdout.")
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
    seed: int,
    explore: int | None,
    attribute: bool,
    cassette: str | None,
    html: str | None,
    junit: str | None,
    as_document: bool,
    quiet: bool,
) -> None:
    """Run a graph or function again and again, and compare the results.

    MODULE is a dotted module or a .py file. GRAPH is a Graph in it, a node or node class, or a
    function that returns a graph; FUNCTION is a function of the state, async or not. Exit codes: 0
    all runs agree, 1 they differ, 2 wrong usage.
    """
    results = sys.stdout
    with contextlib.redirect_stdout(sys.stderr) if as_document else contextlib.nullcontext():
        for path in (html, junit):
            _refuse_unwritable(path)
        subject = load_subject(target, source=source, settings=settings)
        report = _run(
            subject,
            runs,
            quiet=quiet,
            options={
                "ignore": ignore,
                "tolerance": parse_tolerance(tolerance),
                "multiset": multiset,
                "stop": stop,
                "seed": seed,
                "explore": explore,
                "attribute": attribute,
                "cassette": cassette,
            },
        )
    if report.exploration is None or report.exploration.counterexample is None:
        report = replace(report, reproduce=_command(report, target, source, settings))
    # Files first: a reader of stdout that goes away must not cost them.
    if html is not None:
        _write(html, report.to_html())
    if junit is not None:
        _write(junit, report.to_junit())
    text = report.to_json() if as_document else report.to_text(width=_width())
    results.write(text + "\n")
    results.flush()
    if not report.accepted:
        ctx.exit(EXIT_FAILED)


def _run(subject: Subject, runs: int, *, quiet: bool, options: dict[str, Any]) -> DeterminismReport:
    from lift_sys.determinism.check import check_determinism

    counter = Counter(runs, quiet=quiet)
    runner = Interruptible(on_interrupt=counter.cancelled, on_forced_exit=counter.close)
    try:
        return runner.run(
            lambda: check_determinism(
                subject.target, subject.state, runs, on_repeat=counter, **options
            )
        )
    except InterruptedRunError as interrupted:
        raise click.exceptions.Exit(interrupted.exit_code) from None
    finally:
        counter.close()


def _command(
    report: DeterminismReport, target: str, source: str | None, settings: tuple[str, ...]
) -> str:
    """The command that makes the check again, in as few runs as will do."""
    import shlex

    from lift_sys.determinism.reproduction import runs_needed

    words = ["lift", "check", target]
    if source is not None:
        words += ["--state", source]
    for setting in settings:
        words += ["--set", setting]
    words += ["--runs", str(runs_needed(report))]
    if report.seed:
        words += ["--seed", str(report.seed)]
    views = report.views
    for path in views.ignore:
        words += ["--ignore", path]
    for path, value in views.tolerance:
        words += ["--tolerance", f"{value:g}" if path == "*" else f"{path}={value:g}"]
    for path in views.multiset:
        words += ["--multiset", path]
    return shlex.join(words)


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
