"""`lift replay`: run a kept run again, and compare it step by step."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from dataclasses import asdict
from types import ModuleType

import click

from lift_sys.cli.app import EXIT_FAILED
from lift_sys.cli.kept import graph_for
from lift_sys.cli.options import json_option, quiet_option
from lift_sys.cli.secret_input import secret_names, secret_option, secret_values
from lift_sys.cli.services import deps_option, say_if_missing, services
from lift_sys.cli.session import Session
from lift_sys.cli.stores import opened_store, store_option
from lift_sys.execution.log import counted
from lift_sys.observe.events_json import as_json, plain

# More differences than these would hide the first ones.
_SHOWN = 10


@click.command()
@click.argument("execution_id", metavar="RUN")
@click.argument("target", metavar="[MODULE:GRAPH]", required=False)
@json_option
@quiet_option
@secret_option
@deps_option
@store_option
@click.pass_context
def replay(
    ctx: click.Context,
    execution_id: str,
    target: str | None,
    as_document: bool,
    quiet: bool,
    secrets: tuple[str, ...],
    deps: str | None,
    place: str | None,
) -> None:
    """Run a kept run again from its beginning, and compare every step.

    With the same state, seed, user and answers. Nothing of it is kept; but nodes run for real, so
    what they do to the world they do again. Exit code 0: all the same; 1: a step did something else.
    """
    from lift_sys.durability import replay as replayed

    known = secret_values(secret_names(secrets))
    with opened_store(place) as store:
        record, _ = asyncio.run(store.load(execution_id))
        modules: dict[str, ModuleType] = {}
        graph = graph_for(record, target, modules)
        given = services(deps, modules)
        if not quiet:
            say_if_missing(record, deps)
        with contextlib.redirect_stdout(sys.stderr):  # what nodes print is no report
            report = Session(quiet=quiet).run(
                lambda _: replayed(store, graph, execution_id, deps=given, secrets=known)
            )
    if as_document:
        document = {
            "execution_id": report.execution_id,
            "identical": report.identical,
            "steps": report.steps,
            "differences": [plain(asdict(each)) for each in report.differences],
            "error": report.error,
        }
        click.echo(as_json(document, indent=2))
    elif report.identical:
        click.echo(f"identical: {counted(report.steps, 'step')}")
    else:
        for difference in report.differences[:_SHOWN]:
            click.echo(str(difference))
        more = len(report.differences) - _SHOWN
        if more > 0:
            click.echo(f"and {more} more; --json lists all")
    failed = record.status == "failed"
    if report.error is not None:
        click.echo(f"It failed again: {report.error}" if failed else report.error, err=True)
    ctx.exit(0 if report.identical else EXIT_FAILED)
