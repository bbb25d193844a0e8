"""What a suspended run asks, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from lift_sys.core.successors import Question


def question_lines(questions: tuple[Question, ...], command: str) -> Iterator[str]:
    """What a suspended run asks; `command` answers it."""
    from lift_sys.durability.answers import wanted

    for question in questions:
        until = f", until {question.until}" if question.until else ""
        yield f"{click.style('asks', bold=True)} at {question.address}: {question.reason}"
        yield f"  wants {question.key!r}: {wanted(question.schema)}{until}"
    yield f"  {command}"


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
