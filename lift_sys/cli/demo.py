"""`lift demo`: the licence audit of installed packages, on the embedded model."""

from __future__ import annotations

import sys

import click

from lift_sys.cli.session import Session


@click.command()
@click.option(
    "--packages",
    type=click.IntRange(min=1),
    default=12,
    show_default=True,
    help="How many installed packages; about 4 requests to the model each.",
)
@click.option("--json", "as_document", is_flag=True, help="One JSON document on stdout.")
@click.option("-q", "--quiet", is_flag=True, help="No progress and no log.")
def demo(packages: int, as_document: bool, quiet: bool) -> None:
    """Ask a small model which licences your installed packages have.

    It runs on this machine: no network, no key. Per package three nodes vote in parallel, each
    with its own prompt, beside a fourth that says what the package is for.
    """
    from lift_sys.demo.program import audit_installed
    from lift_sys.demo.report import print_report, report_as_dict
    from lift_sys.observe.events_json import as_json, plain

    def say(sentence: str) -> None:
        if not quiet:
            click.echo(sentence, err=True)

    report = Session(quiet=quiet, outermost=True).run(
        lambda on_event: audit_installed(packages, on_event=on_event, say=say)
    )
    if as_document:
        click.echo(as_json(plain(report_as_dict(report)), indent=2))
    else:
        print_report(report, sys.stdout)
