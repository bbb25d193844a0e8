"""`lift rewind`: a new run that shares what another had done before a step."""

from __future__ import annotations

import asyncio

import click

from lift_sys.cli.going_on import resume_command
from lift_sys.cli.kept import graph_for
from lift_sys.cli.state_input import parse_setting
from lift_sys.cli.stores import opened_store, store_option
from lift_sys.errors import UsageError


@click.command()
@click.argument("execution_id", metavar="RUN")
@click.argument("target", metavar="[MODULE:GRAPH]", required=False)
@click.option("--at", "at", required=True, metavar="ADDRESS", help="First step that runs again.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="FIELD=VALUE",
    help="Change a field of the state before that step; JSON, or else text. Repeatable.",
)
@click.option("--id", "new_id", help="Name of the new run.")
@store_option
def rewind(
    execution_id: str,
    target: str | None,
    at: str,
    settings: tuple[str, ...],
    new_id: str | None,
    place: str | None,
) -> None:
    """Make a new run that goes on before a step of another, and print its name.

    What that one had done before the step is shared, and nothing of it runs again; it stays as it
    is. `lift resume` goes on with the new one. ADDRESS is as `lift show` has it.
    """
    from lift_sys.durability import rewind as rewound
    from lift_sys.durability.rewinding import written_fields

    parsed = [parse_setting(setting) for setting in settings]
    with opened_store(place) as store:
        record, _ = asyncio.run(store.load(execution_id))
        graph = graph_for(record, target) if parsed else None
        changes = {}
        for setting in parsed:
            field = ".".join(map(str, setting.place))
            changes[field] = setting.value
            if graph is not None and setting.value != setting.text:
                try:
                    written_fields(graph, {field: setting.value}, at=at)
                except UsageError:  # 5 for a field of text
                    changes[field] = _text_instead(graph, field, setting.text, setting.value, at)
        made = asyncio.run(
            rewound(store, graph, execution_id, at=at, changes=changes, new_id=new_id)
        )
        record, facts = asyncio.run(store.load(made))
    click.echo(made)
    command = resume_command(record, facts, place=place, target=target)
    click.echo(f"This goes on with it:\n  {command}", err=True)


def _text_instead(graph: object, field: str, text: str, value: object, at: str) -> object:
    from typing import Any, cast

    from lift_sys.durability.rewinding import written_fields

    try:
        written_fields(cast("Any", graph), {field: text}, at=at)
    except UsageError:
        return value
    return text
