"""What `lift run` prints at the end: a few lines for people, or one JSON document for programs.

The keys of the document are a promise, as the flags are; `docs` list them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from lift_sys.cli.questions import questions_as_list
from lift_sys.execution.log import counted, seconds
from lift_sys.observe.events_json import as_json, plain

if TYPE_CHECKING:
    from pydantic import BaseModel

    from lift_sys.graph.result import RunResult

# A value longer than this is cut in the summary; `--json` has it all.
_SHOWN_LENGTH = 400


def result_as_dict(graph: str, result: RunResult[Any], before: BaseModel | None) -> dict[str, Any]:
    """The document of `lift run --json` for a run that succeeded, or waits for answers."""
    return {
        "status": "suspended" if result.suspended else "succeeded",
        "graph": graph,
        "execution_id": result.execution_id,
        "seed": result.seed,
        "output": plain(result.output),
        "state": plain(result.state),
        "questions": questions_as_list(result.questions),
        "changed": {name: writers(result, name) for name in changed_names(before, result)},
        "votes": {
            address: {
                "classes": plain(vote.classes),
                "winner": vote.winner,
                "cast": vote.cast,
                "share": vote.share,
            }
            for address, vote in result.votes.items()
        },
        "discarded": [lost.label for lost in result.discarded],
        "usage": usage_as_dict(result),
        "elapsed": result.elapsed,
        "statistics": plain(result.statistics),
    }


def usage_as_dict(result: RunResult[Any]) -> dict[str, Any]:
    """Cost of the whole run and of each step that had one."""
    parts: dict[str, Any] = plain(dict(result.usage))
    return {"total": plain(result.usage.total), "by_address": parts}


def error_as_dict(graph: str, error: BaseException) -> dict[str, Any]:
    """The document of `lift run --json` for a run that failed."""
    details = {
        name: plain(value)
        for name in ("address", "node", "attempt", "elapsed", "path", "problems")
        if (value := getattr(error, name, None)) not in (None, "", ())
    }
    return {"status": "failed", "graph": graph, "error": plain(error) | details}


def changed_names(before: BaseModel | None, result: RunResult[Any]) -> list[str]:
    """Names of the fields that a run changed; told by who wrote them where `before` is None."""
    if before is None:
        fields = type(result.state).model_fields
        return [name for name in fields if writers(result, name)]
    return changed_fields(before, result.state)


def changed_fields(before: BaseModel, after: BaseModel) -> list[str]:
    """Names of the fields that a run changed, in the model's order."""
    return [
        name
        for name in type(after).model_fields
        if _differs(getattr(before, name, None), getattr(after, name))
    ]


def _differs(before: Any, after: Any) -> bool:
    try:
        return bool(before != after)
    except Exception:  # values such as arrays, whose comparison is no single truth
        return as_json(plain(before)) != as_json(plain(after))


def writers(result: RunResult[Any], field: str) -> list[str]:
    """Steps that wrote the field or something in it, each once."""
    starts = (f"{field}.", f"{field}[")
    found: dict[str, None] = {}
    for path, steps in result.blame.items():
        if path == field or path.startswith(starts):
            found.update(dict.fromkeys(steps))
    return list(found)


def summary_lines(
    graph: str, result: RunResult[Any], before: BaseModel | None, *, had_finished: bool = False
) -> Iterator[str]:
    """The summary for people, line by line; without `before` it is of a run that went on.

    Of one that had finished before, only its result is given again, in no time.
    """
    facts = result.statistics
    end = f"{'suspended' if result.suspended else 'done'} in {seconds(result.elapsed)}"
    yield (
        f"{_bold(graph)}: {'had finished already' if had_finished else end}, "
        f"{counted(facts['steps'], 'step')} (seed {result.seed})"
    )
    if result.output is not None:
        yield from _value("output", result.output)
    names = changed_names(before, result)
    for name in names:
        by = ", ".join(writers(result, name))
        yield from _value(name, getattr(result.state, name), note=f"by {by}" if by else "")
    if not names:
        yield "  (the state is unchanged)"
    for address, vote in result.votes.items():
        groups = " against ".join("+".join(map(str, branches)) for branches in vote.classes)
        yield f"{_bold('vote')} at {address}: branches {groups}, agreement {vote.share:.0%}"
    for lost in result.discarded:
        yield click.style(f"discarded: the writes of {lost.label}", dim=True)
    usage = result.usage.total
    if usage.calls or usage.tokens:
        cost = f", ${usage.cost:.4f}" if usage.cost is not None else ""
        yield (
            f"{_bold('usage')}: {counted(usage.calls, 'call')}, {usage.input_tokens} + "
            f"{usage.output_tokens} tokens{cost}"
        )
    if facts["branches"] and before is not None:  # else times are of what was left to do
        yield (
            f"{_bold('estimated speed-up')}: {facts['estimated_speedup']:.1f}x (sequential "
            f"{seconds(facts['sequential_seconds'])}, parallel {seconds(result.elapsed)}, "
            f"{counted(facts['branches'], 'branch', 'branches')})"
        )


def _value(name: str, value: Any, *, note: str = "") -> Iterator[str]:
    shown = plain(value)
    text = shown if isinstance(shown, str) else as_json(shown)
    if len(text) > _SHOWN_LENGTH:
        text = f"{text[:_SHOWN_LENGTH]}... ({len(text)} characters; --json shows all)"
    head = f"  {_bold(name)}" + (click.style(f" ({note})", dim=True) if note else "")
    if "\n" in text:
        yield f"{head}:"
        for line in text.splitlines():
            yield f"    {line}"
    else:
        yield f"{head}: {text}"


def _bold(text: str) -> str:
    return click.style(text, bold=True)
