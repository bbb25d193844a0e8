"""`lift show`: what happened in a kept run, step by step."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from lift_sys.cli.going_on import resume_command
from lift_sys.cli.moments import shown_moment
from lift_sys.cli.options import json_option
from lift_sys.cli.runs import run_as_dict, time_of
from lift_sys.cli.stores import opened_store, store_option
from lift_sys.execution.log import counted, seconds, visible
from lift_sys.observe.events_json import as_json, plain

if TYPE_CHECKING:
    from lift_sys.durability import RunRecord
    from lift_sys.durability.overview import StepView

# A value longer than this is cut; `--json` has it all.
_SHOWN_LENGTH = 60
_LINES = "\n\t"
_COLORS = {"failed": "red", "interrupted": "red", "waiting": "yellow"}


@click.command()
@click.argument("execution_id", metavar="RUN")
@json_option
@store_option
def show(execution_id: str, as_document: bool, place: str | None) -> None:
    """Show a kept run: each step with its status, time, tokens and what it wrote."""
    from lift_sys.durability.overview import overview

    with opened_store(place) as store:
        record, facts = asyncio.run(store.load(execution_id))
    steps = overview(record, facts)
    if as_document:
        document = run_as_dict(record) | {"state": record.state, "metadata": record.metadata}
        document |= {"steps": [plain(asdict(step)) for step in steps]}
        click.echo(as_json(document, indent=2))
        return
    for line in _head(record):
        click.echo(line)
    for step in steps:
        for line in _step_lines(step):
            click.echo(line)
    if record.status != "finished":
        click.echo(resume_command(record, facts, place=place))


def _head(record: RunRecord) -> Iterator[str]:
    yield (
        f"{click.style(visible(record.execution_id), bold=True)}: {visible(record.graph)}, {record.status}, "
        f"{counted(record.steps, 'step')}"
        + (f" in {took}" if (took := time_of(record)) else "")
        + (f", {record.tokens} tokens" if record.tokens else "")
        + (f", ${record.cost:.4f}" if record.cost is not None else "")
    )
    whose = f" for {visible(record.user_id)}" if record.user_id else ""
    yield f"begun {shown_moment(record.created_at)}{whose}, seed {record.seed}"
    if record.target:
        yield f"graph {visible(record.target)}"
    if record.parent:
        yield f"rewound from {visible(record.parent)} at {record.parent_address}"
    if record.error and record.status != "cancelled":  # of which there is no more to say
        yield f"{click.style('failed', fg='red')}: {visible(record.error, keep=_LINES)}"


def _step_lines(step: StepView) -> Iterator[str]:
    pad = "  " * (step.depth + 1)
    notes = [seconds(step.elapsed)] if step.status in ("finished", "waiting") else []
    notes += [f"attempt {step.attempt}"] if step.attempt > 1 else []
    notes += [f"{step.tokens} tokens"] if step.tokens else []
    notes += [f"-> {visible(step.successor)}"] if step.successor else []
    if step.joined is not None:
        notes.append(f"joined {sorted(step.joined)}")
    elif step.successor == "Fork":
        notes.append("not joined")
    status = step.status
    if status != "finished":
        notes.insert(0, click.style(status, fg=_COLORS.get(status)))
    yield f"{pad}{step.address} {click.style(visible(step.node), bold=True)}  {', '.join(notes)}"
    if step.error:
        yield f"{pad}  {visible(step.error)}"
    for operation in step.edits:
        yield f"{pad}  changed by hand: {_operation(operation)}"
    for operation in step.writes:
        yield f"{pad}  {_operation(operation)}"
    for index, reason in step.failed.items():
        said = ": ".join(map(str, reason)) if isinstance(reason, list) else reason
        yield f"{pad}  branch {index}: {visible(str(said), keep=_LINES)}"
    if step.question is not None:
        said = "answered" if step.answered else "asks"
        reason = visible(str(step.question["reason"]), keep=_LINES)
        yield f"{pad}  {said} {step.question['key']!r}: {reason}"


def _operation(operation: Any) -> str:
    kind, path, *rest = operation
    place = "".join(
        f"[{as_json(step[0])}]" if isinstance(step, list) else f".{step}" for step in path
    ).lstrip(".")
    if kind == "fields":  # with these the model counts as given (`model_fields_set`)
        return f"{place or 'state'}: fields set are {', '.join(rest[0])}"
    text = as_json(rest[0]) if rest else ""
    if len(text) > _SHOWN_LENGTH:
        text = f"{text[:_SHOWN_LENGTH]}..."
    sign = {"set": " = ", "append": " += "}.get(kind, " ")
    return f"{place or 'state'}{sign}{text}" if rest else f"{place} deleted"
