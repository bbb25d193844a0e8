"""`lift agreement`: how far the repeated calls in a log agree."""

from __future__ import annotations

import json
import sys

import click

from lift_sys.cli.options import json_option


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--question", required=True, metavar="F", help="What was asked, or its number.")
@click.option("--run", required=True, metavar="F", help="Which repeat of the question it is.")
@click.option("--output", required=True, metavar="F", help="The raw text that came.")
@click.option("--answer", metavar="F", help="The answer that was parsed from it.")
@click.option(
    "--answer-status", metavar="F", help="ok, none or ambiguous; only ok counts as an answer."
)
@click.option("--gold", metavar="F", help="The right answer, or instead of it:")
@click.option("--correct", metavar="F", help="Whether the answer is right, true or false.")
@click.option("--group", metavar="F", help="Report each value of it apart: model, experiment.")
@click.option("--cached", metavar="F", help="Whether a cache answered; such calls are left out.")
@json_option
def agreement(
    file: str,
    question: str,
    run: str,
    output: str,
    answer: str | None,
    answer_status: str | None,
    gold: str | None,
    correct: str | None,
    group: str | None,
    cached: str | None,
    as_document: bool,
) -> None:
    """Say how far repeated calls of a model agree.

    FILE has one call a line: .jsonl or .csv (also .gz or .xz), or .parquet; - is standard input,
    with JSON lines or CSV. Each F names a column, or by a dotted path a value within nested objects.
    """
    from lift_sys.determinism.agreement import Columns, read_records
    from lift_sys.determinism.agreement import agreement as compare

    columns = Columns(
        question=question,
        run=run,
        output=output,
        answer=answer,
        answer_status=answer_status,
        gold=gold,
        correct=correct,
        group=group,
        cached=cached,
    )
    if file == "-":
        records = read_records(sys.stdin.buffer, columns, name="standard input")
    else:
        records = read_records(file, columns)
    report = compare(records)
    if as_document:
        # Escaped, as names of groups may hold what no terminal or encoding takes.
        click.echo(json.dumps(report.to_json(), allow_nan=False, indent=2))
    else:
        from lift_sys.cli.agreement_table import print_report

        print_report(report, sys.stdout)
