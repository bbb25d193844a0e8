"""`lift resume`: go on with a kept run, with answers if it waits for some."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from types import ModuleType
from typing import Any

import click

from lift_sys.cli.going_on import PLACEHOLDER, resume_command
from lift_sys.cli.kept import Kept, graph_for
from lift_sys.cli.options import show_options
from lift_sys.cli.secret_input import secret_names, secret_option, secret_values
from lift_sys.cli.services import deps_option, say_if_missing, services
from lift_sys.cli.show_run import Show
from lift_sys.cli.stores import opened_store, store_option
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
@secret_option
@deps_option
@store_option
@show_options
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
    given = _answers(answers)
    names = secret_names(secrets)
    show = Show(ctx, as_document=as_document, events=events, quiet=quiet, verbose=verbose)
    with show.stdout_for_data(), opened_store(place) as store:
        record, _ = asyncio.run(store.load(execution_id))
        modules: dict[str, ModuleType] = {}
        found = graph_for(record, target, modules)
        options: dict[str, Any] = {"answers": given, "secrets": secret_values(names)}
        options["deps"] = services(deps, modules)
        if record.status != "finished" and not quiet and not (events and as_document):
            say_if_missing(record, deps)
        command = partial(resume_command, place=place, target=target, deps=deps, names=names)
        options["store"] = show.keep(Kept(store, execution_id, command))
        show.run(found, lambda on_event: found.resume(execution_id, on_event=on_event, **options))


def _answers(texts: tuple[str, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for text in texts:
        key, value = _answer(text)
        if key in found:
            raise UsageError(f"--answer {key!r} is given twice; give one answer to a question.")
        found[key] = value
    return found


def _answer(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise UsageError(f"--answer {text!r} is not KEY=JSON, e.g. approval=true")
    if value == PLACEHOLDER:  # a question that takes any text would be answered by it
        raise UsageError(
            f"--answer {text}: put the answer in the place of `...`, as JSON or text. `lift resume` "
            f"without --answer says what it has to be."
        )
    try:
        return key, json.loads(value)
    except (ValueError, RecursionError):
        return key, value
