"""`lift model`: the weights of the embedded model."""

from __future__ import annotations

import click

from lift_sys.cli.options import json_option
from lift_sys.observe.events_json import as_json, plain


@click.group()
def model() -> None:
    """Look after the embedded model's weights."""


@model.command("list")
@click.option("--verify", is_flag=True, help="Read the files and compare their SHA-256.")
@json_option
def list_(verify: bool, as_document: bool) -> None:
    """List the weights on this machine; the first in the list is the one that is used."""
    from lift_sys.llm.local import list_models

    models = list_models(verify=verify)
    if as_document:
        click.echo(as_json(plain(models), indent=2))
    elif models:
        for found in models:
            size = f"{found.size_bytes / 1e6:.0f} MB"
            checked = "" if found.sha256 == "not checked" else f"  sha256 {found.sha256}"
            click.echo(f"{found.name}  {size}  {found.found_in}{checked}\n  {found.path}")
    else:
        click.echo("No weights are here yet. `lift model pull` fetches them (93 MB).")


@model.command()
@click.option("--force", is_flag=True, help="Fetch them even if they are here.")
def pull(force: bool) -> None:
    """Fetch the embedded model's weights (93 MB, once) and check them."""
    from lift_sys.llm.local import pull_weights

    click.echo("Fetching the weights (93 MB), unless they are here...", err=True)
    found = pull_weights(force=force)
    click.echo(f"{found.name}: {found.path}")
