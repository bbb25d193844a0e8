"""`lift demo`: the licence audit of installed packages, on the embedded model."""

from __future__ import annotations

import sys
from collections.abc import Coroutine
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from lift_sys.cli.kept import kept_words
from lift_sys.cli.options import json_option, keep_option, name_option, quiet_option
from lift_sys.cli.session import Session
from lift_sys.cli.stores import command_text, opened_store, store_words
from lift_sys.core.context import fresh_execution_id
from lift_sys.demo import AUDIT

if TYPE_CHECKING:
    from lift_sys.core.events import Event
    from lift_sys.core.ports import Observer
    from lift_sys.demo.program import DemoReport
    from lift_sys.durability import RunRecord


@click.command()
@click.option(
    "--packages",
    type=click.IntRange(min=1),
    default=12,
    show_default=True,
    help="How many installed packages; about 4 requests to the model each.",
)
@json_option
@keep_option("Keep the run: killed at any moment, it goes on by the command that is printed.")
@name_option
@quiet_option
def demo(
    packages: int, as_document: bool, place: str | None, execution_id: str | None, quiet: bool
) -> None:
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

    options: dict[str, Any] = {"say": say}
    session = Session(quiet=quiet, outermost=True)
    kept = ""
    with ExitStack() as stack:
        if place is not None:
            name = options["execution_id"] = execution_id or fresh_execution_id()
            options["store"] = stack.enter_context(opened_store(place, new=True))
            kept = kept_words(name, demo_command(packages, place, name))
            session.last_words = "It had not come to the run that is kept."

        def watched(on_event: Observer) -> Coroutine[Any, Any, DemoReport]:
            def observe(event: Event) -> None:
                if kept and session.last_words != kept:  # the run is there
                    session.last_words = kept
                    say(kept)
                on_event(event)

            return audit_installed(packages, on_event=observe, **options)

        report = session.run(watched)
    if as_document:
        click.echo(as_json(plain(report_as_dict(report)), indent=2))
    else:
        print_report(report, sys.stdout)


def demo_command(packages: int, place: str | None, execution_id: str) -> str:
    """The command that goes on with a kept demo."""
    words = ["lift", "demo", "--packages", str(packages), "--id", execution_id]
    return command_text([*words, *(store_words(place) or ["--store"])], place)


def demo_again(record: RunRecord, place: str | None) -> str:
    """The command that goes on with a run of the demo; "" for any other run."""
    packages = record.state.get("packages") if isinstance(record.state, dict) else None
    if record.graph != AUDIT or record.target or not isinstance(packages, list):
        return ""
    return demo_command(len(packages), place, record.execution_id)
