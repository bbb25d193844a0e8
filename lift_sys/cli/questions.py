"""What a suspended run asks, for people and for programs."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from lift_sys.core.successors import Question


def question_lines(questions: tuple[Question, ...], command: str) -> Iterator[str]:
    """What a suspended run asks, and how it is answered; `command` goes on with it."""
    for question in questions:
        until = f", until {question.until}" if question.until else ""
        yield f"{click.style('asks', bold=True)} at {question.address}: {question.reason}"
        yield f"  wants {question.key!r}: {_schema_text(question.schema)}{until}"
    answers = answer_words([(question.key, question.address) for question in questions])
    yield f"  {command} {answers}"


def answer_words(asked: Sequence[tuple[str, str]]) -> str:
    """The options that answer questions, of which key and address are given, as a shell takes them.

    By their keys; those that share one, or whose key the option can't name, by their addresses.
    """
    keys = [key for key, _ in asked]
    names = [
        key if key and keys.count(key) == 1 and "=" not in key else address
        for key, address in asked
    ]
    return " ".join(f"--answer {shlex.quote(f'{name}=...')}" for name in names)


def questions_as_list(questions: tuple[Question, ...]) -> list[dict[str, Any]]:
    """Questions as JSON-like data."""
    from pydantic import TypeAdapter

    return [
        {
            "key": question.key,
            "reason": question.reason,
            "address": question.address,
            "node": question.node,
            "schema": TypeAdapter(question.schema).json_schema(),
            "until": None if question.until is None else question.until.isoformat(),
        }
        for question in questions
    ]


def _schema_text(schema: Any) -> str:
    from pydantic import TypeAdapter

    described = TypeAdapter(schema).json_schema()
    fields = described.get("properties")
    if not fields:
        return str(getattr(schema, "__name__", schema))
    required = described.get("required", [])
    listed = ", ".join(
        f"{name}: {field.get('type', 'any')}{'' if name in required else '?'}"
        for name, field in fields.items()
    )
    return f"{{{listed}}}"
