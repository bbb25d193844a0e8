"""`--deps MODULE:NAME`: the services for `ctx.deps`, named on the command line."""

from __future__ import annotations

from shlex import quote
from types import ModuleType
from typing import TYPE_CHECKING, Any

import click

from lift_sys.cli.loading import load_named, made_by
from lift_sys.cli.targets import Target

if TYPE_CHECKING:
    from lift_sys.durability import RunRecord

deps_option = click.option(
    "--deps", metavar="MODULE:NAME", help="For ctx.deps; a function is called per run."
)


def load_services(spec: str, modules: dict[str, ModuleType]) -> Any:
    """What `--deps` names: the services, or what makes them.

    Raises:
        UsageError: There is nothing of this name, or its module can't be imported.
    """
    return load_named(spec, modules, wants_graph=False)


def services(spec: str | None, modules: dict[str, ModuleType]) -> Any:
    """The services for one run; None without `--deps`.

    Raises:
        UsageError: As `load_services`, or what makes them failed.
    """
    from lift_sys.determinism.runs.targets import is_factory

    if spec is None:
        return None
    found = load_services(spec, modules)
    return made_by(found, spec, what="services") if is_factory(found) else found


def say_if_missing(record: RunRecord, spec: str | None) -> None:
    """Say on stderr that a run was begun with services, if it is to do without."""
    begun_with = Target.of(record).deps
    if begun_with and spec is None:
        click.echo(
            f"The run {record.execution_id} was begun with --deps {quote(begun_with)}; now "
            f"ctx.deps is None.",
            err=True,
        )
