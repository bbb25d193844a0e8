"""`lift rm`: remove kept runs."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, get_args

import click

from lift_sys.cli.moments import parse_moment
from lift_sys.cli.stores import opened_store, store_option
from lift_sys.durability.facts import Status
from lift_sys.errors import JournalError, UsageError
from lift_sys.execution.log import counted

if TYPE_CHECKING:
    from lift_sys.durability.stores.base import DatabaseStore


@click.command()
@click.argument("execution_ids", metavar="[RUN]...", nargs=-1)
@click.option("--older-than", metavar="AGE|DATE", help="All begun before: 30d, 2026-03-01.")
@click.option("--status", type=click.Choice(get_args(Status)), help="Of these only those that ...")
@click.option("--unfinished", is_flag=True, help="Suspended, failed and cancelled ones, too.")
@click.option("--keep", type=click.IntRange(min=0), help="All but the newest N.")
@store_option
def rm(
    execution_ids: tuple[str, ...],
    older_than: str | None,
    status: Status | None,
    unfinished: bool,
    keep: int | None,
    place: str | None,
) -> None:
    """Remove kept runs: those that are named, or all finished ones that are old.

    Runs that are suspended, failed or cancelled can still go on: they stay, unless they are named
    or --unfinished or --status says so. Runs under way, or whose process died, are removed by name,
    or with `--status running`.
    """
    chosen = older_than is not None or keep is not None or status is not None
    if execution_ids and (chosen or unfinished):
        raise UsageError(
            "Either name runs, or say which ones (--older-than, --keep, --status, --unfinished); "
            "not both."
        )
    if not (execution_ids or chosen):
        raise UsageError("Name runs, or say which ones: --older-than 30d, --keep 100, --status ...")
    from lift_sys.durability.history import prune

    moment = None if older_than is None else parse_moment(older_than, option="--older-than")
    with opened_store(place) as store:
        if chosen:
            found = prune(store, older_than=moment, keep=keep, status=status, unfinished=unfinished)
            gone = asyncio.run(found)
        else:
            gone = asyncio.run(_remove(store, execution_ids))
    if chosen and status is None and not unfinished:
        stay = "those that can still go on stay (--unfinished removes them, too)"
        click.echo(f"{counted(gone, 'finished run')} removed; {stay}.", err=True)
    else:
        click.echo(f"{counted(gone, 'run')} removed.", err=True)


async def _remove(store: DatabaseStore, execution_ids: tuple[str, ...]) -> int:
    for name in execution_ids:  # all are there, or none is removed
        with suppress(JournalError):  # one that can't be read is there
            await store.load(name)
    for name in dict.fromkeys(execution_ids):
        await store.delete(name)
    return len(set(execution_ids))
