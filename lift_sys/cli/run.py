"""`lift run`: run a graph from the command line.

What the graph's own code prints while `--json` or `--events` claims stdout goes to stderr, so that
a program that reads stdout gets JSON only.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any, TextIO

import click

from lift_sys.cli.app import EXIT_FAILED, report, wants_traceback
from lift_sys.cli.loading import load_graph
from lift_sys.cli.session import Session
from lift_sys.cli.state_input import build_state
from lift_sys.cli.summary import error_as_dict, result_as_dict, summary_lines
from lift_sys.errors import UsageError
from lift_sys.observe.events_json import as_json


@click.command()
@click.argument("graph", metavar="MODULE:GRAPH")
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
@click.option("--json", "as_document", is_flag=True, help="One JSON document on stdout.")
@click.option(
    "--events",
    is_flag=True,
    help="One JSON line per event on stdout, summary on stderr; with --json: lines on stderr.",
)
@click.option("--seed", type=int, help="Reproduces ctx.random and the jitter of retries.")
@click.option(
    "--max-concurrent", type=click.IntRange(min=1), help="Most nodes that run at the same time."
)
@click.option("-q", "--quiet", is_flag=True, help="No progress and no log.")
@click.option("-v", "--verbose", is_flag=True, help="Log lines, those for debugging included.")
@click.pass_context
def run(
    ctx: click.Context,
    graph: str,
    source: str | None,
    settings: tuple[str, ...],
    as_document: bool,
    events: bool,
    seed: int | None,
    max_concurrent: int | None,
    quiet: bool,
    verbose: bool,
) -> None:
    """Run a graph.

    MODULE is a dotted module or a .py file; GRAPH is a Graph in it, a node class, or a function
    that returns a graph. The state is checked against the graph's own model before anything runs.
    """
    results = sys.stdout
    session = Session(
        events_to=(sys.stderr if as_document else results) if events else None,
        quiet=quiet,
        verbose=verbose,
    )
    with _stdout_for_data(claimed=as_document or events):
        found = load_graph(graph)
        if max_concurrent is not None:
            found = with_limit(found, max_concurrent)
        model = found.state_type
        if model is None:
            raise UsageError(
                f"{found.name} does not say what its state is: write "
                f"class {type(found.start).__name__}(BaseNode[YourState])."
            )
        state = build_state(model, source=source, settings=settings)
        try:
            result = session.run(
                lambda on_event: found.run(state=state, seed=seed, on_event=on_event)
            )
        except click.exceptions.Exit:
            raise
        except (Exception, SystemExit) as error:
            # Also what is no LiftError: `accept` and `key` are the user's code, and so are nodes.
            if as_document:
                _write(results, as_json(error_as_dict(found.name, error), indent=2))
            report(error, show_traceback=wants_traceback(ctx))
            ctx.exit(EXIT_FAILED)
    if as_document:
        _write(results, as_json(result_as_dict(found.name, result, state), indent=2))
    elif events:
        for line in summary_lines(found.name, result, state):
            click.echo(line, err=True)
    else:
        for line in summary_lines(found.name, result, state):
            click.echo(line)


def with_limit(graph: Any, max_concurrent: int) -> Any:
    """The same graph with another limit; its other policies stay."""
    from lift_sys.execution.executor import ParallelExecutor
    from lift_sys.graph.graph import Graph

    own = graph.executor
    executor: ParallelExecutor[Any] = ParallelExecutor(
        max_concurrent,
        retry=own.retry,
        timeouts=own.timeouts,
        isolation=own.isolation,
        max_steps=own.max_steps,
        metadata_reducers=own.metadata_reducers,
    )
    return Graph(graph.start, name=graph.name, executor=executor)


@contextlib.contextmanager
def _stdout_for_data(*, claimed: bool) -> Iterator[None]:
    if not claimed:
        yield
        return
    with contextlib.redirect_stdout(sys.stderr):
        yield


def _write(stream: TextIO, text: str) -> None:
    stream.write(text + "\n")
    stream.flush()
