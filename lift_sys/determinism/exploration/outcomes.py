"""What a run came to, in a form that two runs can be compared by."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from lift_sys.determinism.runs.outcome import Ran
from lift_sys.errors import LiftError
from lift_sys.state.canonical import digest

# Durations in our own messages; virtual time depends on the schedule, and nobody's result does.
_DURATION = re.compile(r"\b\d+(?:\.\d+)?(?:e[+-]?\d+)? m?s\b")
_LONGEST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run came to.

    Attributes:
        kind: `value`, `error` (the program raised), `deadlock` (nothing could go on) or `livelock`
            (it ran past the limit of events).
        digest: Equal exactly for equal outcomes; the canonical digest of a value. Errors are equal if
            type and text are: notes, attributes and causes of them are not compared.
        example: The value, or the exception.
        text: It in words.
        waiting: For a deadlock or livelock each unfinished task, and the line where it waits.
    """

    kind: Literal["value", "error", "deadlock", "livelock"]
    digest: str
    text: str
    example: Any = field(default=None, compare=False, repr=False)
    waiting: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.text if self.kind != "error" else f"error {self.text}"


def outcome_of(task: asyncio.Task[Any]) -> Outcome:
    """The outcome of a task that is done.

    Raises:
        CanonicalError: It returned something that has no canonical form.
    """
    if asyncio.Task.cancelled(task):
        return failure(asyncio.CancelledError())
    error = asyncio.Task.exception(task)
    if error is not None:
        return failure(error)
    value = asyncio.Task.result(task)
    return Outcome(
        kind="value",
        digest=digest(value, path="result"),
        text=_shortened(value_text(value)),
        example=value,
    )


def kept(task: asyncio.Task[Any]) -> Outcome:
    """The outcome of a task whose result is of no matter to anybody but its caller."""
    if asyncio.Task.cancelled(task):
        return failure(asyncio.CancelledError())
    error = asyncio.Task.exception(task)
    if error is not None:
        return failure(error)
    return Outcome(kind="value", digest="", text="", example=asyncio.Task.result(task))


def value_text(value: Any) -> str:
    """A result in words: of a graph its state and output, of a function what it returned."""
    if not isinstance(value, Ran):
        return repr(value)
    notes = {"metadata": value.metadata, "provenance": value.provenance}
    shown = [f"{name} {held!r}" for name, held in notes.items() if held]
    return " with ".join([_result_text(value), *shown])


def _result_text(value: Ran) -> str:
    if value.output is None:
        return repr(value.state) + (f" then {value.successor}" if value.successor else "")
    if hasattr(value.state, "model_fields_set"):
        return f"{value.state!r} with output {value.output!r}"
    return repr(value.output)


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def failure(error: BaseException) -> Outcome:
    """The outcome of a program that raised `error`."""
    text = error_text(error)
    return Outcome(kind="error", digest=_hash(text), text=text, example=error)


def stuck(kind: Literal["deadlock", "livelock"], waiting: Sequence[str]) -> Outcome:
    """The outcome of a program that never ends. Which tasks are stuck is part of it."""
    who = "; ".join(waiting)
    return Outcome(kind=kind, digest=_hash(kind), text=f"{kind} of {who}", waiting=tuple(waiting))


def error_text(error: BaseException) -> str:
    """Type and text of `error`, of what a group holds; no durations in our messages."""
    text = str(error)
    if isinstance(error, LiftError):
        text = _DURATION.sub("… s", text)
    if isinstance(error, BaseExceptionGroup):
        text = f"{error.message} [{', '.join(map(error_text, error.exceptions))}]"
    name = type(error).__qualname__
    return f"{name}: {text}" if text else name


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
