"""`lift resume`: go on with a kept run, with answers if it waits for some."""

from __future__ import annotations

import asyncio
import json
import os
from types import ModuleType
from typing import Any

import click

from lift_sys.cli.kept import graph_for
from lift_sys.cli.services import deps_option, services
from lift_sys.cli.show_run import Show
from lift_sys.cli.stores import opened_store, resume_command, store_option
from lift_sys.errors import UsageError


@click.command()
@click.argument("execution_id", metavar="RUN")
@click.argument("target", metavar="[MODULE:GRAPH]", required=False)
@click.option(
    "--answer",
    "answers",
    multiple=True,
    metavar="KEY=JSON",
    help="Answer a question, by its key or the address of its step; JSON, or else text. "
    "Repeatable.",
)
@click.option(
    "--secret",
    "secrets",
    multiple=True,
    metavar="PATH=ENV_NAME",
    help="The environment variable with the value of a secret: `token` of the initial state, "
    "`0.1:token` of what step 0.1 has written, `0:Call.key` of a node. Repeatable.",
)
@deps_option
@store_option
@click.option("--json", "as_document", is_flag=True, help="One JSON document on stdout.")
@click.option(
    "--events",
    is_flag=True,
    help="One JSON line per event on stdout, summary on stderr; with --json: lines on stderr.",
)
@click.option("-q", "--quiet", is_flag=True, help="No progress and no log.")
@click.option("-v", "--verbose", is_flag=True, help="Log lines, those for debugging included.")
@click.pass_context
def resume(
    ctx: click.Context,
    execution_id: str,
    target: str | None,
    answers: tuple[str, ...],
    secrets: tuple[str, ...],
    deps: str | None,
    place: str | None,
    as_document: bool,
    events: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Go on with a kept run; what has finished is not run again.

    The graph is the one that the run was begun with, if it lies below this folder; otherwise say
    where it is. A finished run gives its result again.
    """
    given = dict(_answer(text) for text in answers)
    known = dict(_secret(text) for text in secrets)
    show = Show(ctx, as_document=as_document, events=events, quiet=quiet, verbose=verbose)
    with show.stdout_for_data(), opened_store(place) as store:
        record, _ = asyncio.run(store.load(execution_id))
        modules: dict[str, ModuleType] = {}
        found = graph_for(record, target, modules)
        options = {"answers": given, "secrets": known, "deps": services(deps, modules)}
        command = resume_command(execution_id, place, target=target, deps=deps)
        show.keep(execution_id, command)
        show.run(
            found,
            lambda on_event: found.resume(execution_id, store=store, on_event=on_event, **options),
        )


def _answer(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise UsageError(f"--answer {text!r} is not KEY=JSON, e.g. approval=true")
    try:
        return key, json.loads(value)
    except (ValueError, RecursionError):
        return key, value


def _secret(text: str) -> tuple[str, str]:
    path, equals, name = text.partition("=")
    if not equals or not path:
        # Not the text itself: somebody may have written the secret there.
        raise UsageError("--secret takes PATH=ENV_NAME, e.g. api_key=MY_API_KEY")
    if name not in os.environ:
        raise UsageError(f"--secret {path}: there is no environment variable of the name given.")
    return path, os.environ[name]
