"""`lift runs`: which runs are kept."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, get_args

import click

from lift_sys.cli.moments import parse_moment, parse_seconds, shown_moment
from lift_sys.cli.options import json_option
from lift_sys.cli.stores import opened_store, store_option
from lift_sys.cli.targets import Target
from lift_sys.durability.facts import Status
from lift_sys.execution.log import seconds, visible
from lift_sys.observe.events_json import as_json

if TYPE_CHECKING:
    from lift_sys.durability import RunRecord, Statistics

_COLORS = {"finished": "green", "failed": "red", "suspended": "yellow", "cancelled": "yellow"}
_HEADS = ("RUN", "STATUS", "GRAPH", "CREATED", "TIME", "STEPS", "TOKENS")


@click.command()
@click.option("--status", type=click.Choice(get_args(Status)), help="Only those that stand so.")
@click.option("--since", metavar="AGE|DATE", help="Only those begun since: 2h, 30d, 2026-03-01.")
@click.option("--node", help="Only those in which a node of this name has finished.")
@click.option("--user", help="Only those of this user.")
@click.option("--graph", help="Only those of the graph of this name.")
@click.option(
    "--longer-than", metavar="SECONDS|TIME", help="Only those that took so long: 1.5, 2m."
)
@click.option("--slowest", is_flag=True, help="The slowest first, instead of the newest.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
@click.option("--totals", is_flag=True, help="Numbers of these runs by status and by node.")
@json_option
@store_option
def runs(
    status: Status | None,
    since: str | None,
    node: str | None,
    user: str | None,
    graph: str | None,
    longer_than: str | None,
    slowest: bool,
    limit: int,
    totals: bool,
    as_document: bool,
    place: str | None,
) -> None:
    """List kept runs."""
    from lift_sys.durability import RunQuery

    query = RunQuery(
        status=status,
        since=None if since is None else parse_moment(since, option="--since"),
        node=node,
        user_id=user,
        graph=graph,
        longer_than=None
        if longer_than is None
        else parse_seconds(longer_than, option="--longer-than"),
        order="slowest" if slowest else "newest",
        limit=limit,
    )
    with opened_store(place) as store:
        if totals:
            _show_totals(asyncio.run(store.statistics(query)), as_document=as_document)
            return
        found = asyncio.run(store.runs(query))
    if as_document:
        click.echo(as_json([run_as_dict(record) for record in found], indent=2))
    elif found:
        for line in _table(found):
            click.echo(line)
        if len(found) == limit:
            click.echo(f"(the first {limit}; --limit shows more)", err=True)
    else:
        click.echo("No such runs.", err=True)


def _show_totals(found: Statistics, *, as_document: bool) -> None:
    if as_document:
        click.echo(as_json(found.model_dump(mode="json"), indent=2))
        return
    rows = [
        (
            visible(name),
            str(each.count),
            *map(seconds, (each.shortest, each.mean, each.longest)),
            str(each.tokens),
            "" if each.cost is None else f"${each.cost:.4f}",
        )
        for name, each in [*found.by_status.items(), *found.by_node.items()]
    ]
    heads = ("STATUS / NODE", "COUNT", "SHORTEST", "MEAN", "LONGEST", "TOKENS", "COST")
    for cells in _padded([heads, *rows], texts=1):
        click.echo("  ".join(cells).rstrip())


def run_as_dict(record: RunRecord) -> dict[str, Any]:
    """A run as JSON-like data; what it was started with is left out."""
    left_out = {"start", "state", "metadata", "shape", "input"}
    target = Target.of(record)
    found = record.model_dump(mode="json", exclude=left_out)
    return found | {"target": target.graph, "deps": target.deps}


def time_of(record: RunRecord) -> str:
    """How long a run took, for people; "" where nobody has written it down yet, or died before."""
    return seconds(record.elapsed) if record.elapsed or record.status != "running" else ""


def _table(found: Sequence[RunRecord]) -> list[str]:
    rows = [
        (
            visible(record.execution_id),
            record.status,
            visible(record.graph),
            shown_moment(record.created_at),
            time_of(record),
            str(record.steps),
            str(record.tokens),
        )
        for record in found
    ]
    lines = _padded([_HEADS, *rows], texts=4)
    for cells, record in zip(lines[1:], found, strict=True):
        cells[1] = click.style(cells[1], fg=_COLORS.get(record.status))
    return ["  ".join(cells).rstrip() for cells in lines]


def _padded(rows: Sequence[Sequence[str]], *, texts: int) -> list[list[str]]:
    """Rows whose columns are as wide as they have to be: first so many texts, then numbers."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        [
            cell.ljust(width) if index < texts else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        for row in rows
    ]
