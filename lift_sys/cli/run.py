"""`lift run`: run a graph from the command line."""

from __future__ import annotations

from functools import partial
from types import ModuleType
from typing import Any

import click

from lift_sys.cli.going_on import resume_command
from lift_sys.cli.kept import Kept
from lift_sys.cli.loading import load_graph
from lift_sys.cli.options import keep_option, name_option, show_options
from lift_sys.cli.services import deps_option, services
from lift_sys.cli.show_run import Show
from lift_sys.cli.state_input import build_state, set_option, state_option
from lift_sys.cli.stores import opened_store
from lift_sys.cli.targets import Target
from lift_sys.core.context import fresh_execution_id
from lift_sys.errors import UsageError


@click.command()
@click.argument("graph", metavar="MODULE:GRAPH")
@state_option
@set_option
@click.option("--seed", type=int, help="Reproduces ctx.random and the jitter of retries.")
@click.option(
    "--max-concurrent", type=click.IntRange(min=1), help="Most nodes that run at the same time."
)
@keep_option("Keep the run, so that `lift resume` can go on with it; see `lift runs --help`.")
@name_option
@deps_option
@show_options
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
    place: str | None,
    execution_id: str | None,
    deps: str | None,
    quiet: bool,
    verbose: bool,
) -> None:
    """Run a graph.

    MODULE is a dotted module or a .py file; GRAPH is a Graph in it, a node class, or a function
    that returns a graph. The state is checked against the graph's own model before anything runs.
    """
    show = Show(ctx, as_document=as_document, events=events, quiet=quiet, verbose=verbose)
    with show.stdout_for_data():
        modules: dict[str, ModuleType] = {}
        found = load_graph(graph, modules)
        if max_concurrent is not None:
            found = with_limit(found, max_concurrent)
        model = found.state_type
        if model is None:
            raise UsageError(
                f"{found.name} does not say what its state is: write "
                f"class {type(found.start).__name__}(BaseNode[YourState])."
            )
        state = build_state(model, source=source, settings=settings)
        execution_id = execution_id or fresh_execution_id()
        options: dict[str, Any] = {"state": state, "seed": seed, "execution_id": execution_id}
        options["deps"] = services(deps, modules)
        if place is None:
            show.run(found, lambda on_event: found.run(on_event=on_event, **options), state)
            return
        with opened_store(place, new=True) as store:
            command = partial(resume_command, place=place, deps=deps)
            target = Target.given(graph, deps).text()
            options["store"] = show.keep(Kept(store, execution_id, command, target=target))
            show.run(found, lambda on_event: found.run(on_event=on_event, **options), state)


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
