"""Options that several commands have, each said once."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

from lift_sys.errors import UsageError

# `flow.py:graph` and `package.flow:graph`; neither a URL nor a drive.
_GRAPH = re.compile(r"(.*\.py(:.*)?|[\w.]{2,}:\w+)")
CommandT = TypeVar("CommandT", bound=Callable[..., Any])

json_option = click.option(
    "--json", "as_document", is_flag=True, help="One JSON document on stdout."
)
quiet_option = click.option("-q", "--quiet", is_flag=True, help="No progress and no log.")
_events_option = click.option(
    "--events",
    is_flag=True,
    help="One JSON line per event on stdout, summary on stderr; with --json: lines on stderr.",
)
_verbose_option = click.option(
    "-v", "--verbose", is_flag=True, help="Log lines, those for debugging included."
)
name_option = click.option(
    "--id", "execution_id", help="Name of the run; a kept one of this name goes on."
)


def keep_option(text: str) -> Callable[[CommandT], CommandT]:
    """`--store` of a command that begins a run: without a value it is the project's own file."""
    return click.option(
        "--store",
        "place",
        metavar="[FILE|URL]",
        is_flag=False,
        flag_value="",
        callback=_refuse_graph,
        help=text,
    )


def _refuse_graph(_: click.Context, __: click.Parameter, place: str | None) -> str | None:
    """Refuse a graph as the store: `--store` before it takes it for its value."""
    if place and _GRAPH.fullmatch(place):
        raise UsageError(
            f"--store has taken {place!r} for its file. Write --store after the graph, or "
            f"--store=FILE."
        )
    return place


def show_options(command: CommandT) -> CommandT:
    """How a run is shown: `--json`, `--events`, `--quiet`, `--verbose`; see `show_run.Show`."""
    for option in (_verbose_option, quiet_option, _events_option, json_option):
        command = option(command)
    return command
