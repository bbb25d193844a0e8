"""In what two requests differ, as lines that a person reads: `$.messages[1].content: 'a' vs 'b'`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from lift_sys.llm.cassette.entry import Entry, digest_of
from lift_sys.llm.cassette.location import place_order
from lift_sys.llm.cassette.recording import Recording

__all__ = ["differences", "explain", "nearest"]

_MOST_LINES = 8
_MOST_COMPARED = 200
_WINDOW = 40
_ABSENT = object()


def explain(
    recording: Recording, client: str, request: Any, *, address: str, asked: int
) -> tuple[str, list[str]]:
    """Say why a recording has no answer to a request.

    Args:
        recording: What is recorded.
        client: Name of the client.
        request: What it asks.
        address: The step.
        asked: How often it has asked this in its run, this time included.

    Returns:
        A sentence, and a line for each place where the nearest recorded request differs.
    """
    digest = digest_of(client, request)
    known = recording.occurrences(address, digest)
    if known:
        answers = "1 answer was" if known == 1 else f"{known} answers were"
        return (
            f"It has asked this {asked} times here, and {answers} recorded. Calls of one "
            f"step that run side by side get names of their own by `at`.",
            [],
        )
    same = {
        entry.address for entry in recording if digest_of(entry.client, entry.request) == digest
    }
    if same:
        steps = ", ".join(step or "no step" for step in sorted(same, key=place_order))
        return f"The same request was recorded, but of another step: {steps}.", []
    entry = nearest(list(recording), client, address, request)
    if entry is None:
        what = f"no calls through {client}" if len(recording) else "no calls at all"
        return f"It holds {what}.", []
    if entry.address == address:
        reason = "The nearest request that was recorded of this step differs (recorded vs asked):"
    else:
        where = f"step {entry.address}" if entry.address else "no step"
        reason = (
            f"Nothing was recorded of this step. The nearest request, of {where}, differs "
            f"(recorded vs asked):"
        )
    return reason, differences(entry.request, request)


def differences(recorded: Any, asked: Any, *, most: int = _MOST_LINES) -> list[str]:
    """Return a line for each place where two JSON-like values differ, recorded before asked.

    Of long texts the part around the first difference is shown, with its position.
    """
    lines: list[str] = []
    for path, one, other in _walk("$", recorded, asked):
        if len(lines) == most:
            return [*lines, "... and more"]
        lines.append(f"{path}: {_versus(one, other)}")
    return lines


def nearest(entries: Sequence[Entry], client: str, address: str, request: Any) -> Entry | None:
    """Return the recorded call that is most like a request: of its step, if that has any."""
    same_client = [entry for entry in entries if entry.client == client]
    candidates = [entry for entry in same_client if entry.address == address] or same_client
    return min(
        candidates[:_MOST_COMPARED],
        key=lambda entry: sum(
            max(_size(one), _size(other)) for _, one, other in _walk("$", entry.request, request)
        ),
        default=None,
    )


def _size(value: Any) -> int:
    """How many plain values are in it: what is missing as a whole is far from nothing."""
    if isinstance(value, dict):
        return 1 + sum(map(_size, value.values()))
    return 1 + sum(map(_size, value)) if isinstance(value, list) else 1


def _walk(path: str, one: Any, other: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in [*one, *(key for key in other if key not in one)]:
            step = f".{key}" if str(key).isidentifier() else f"[{json.dumps(key)}]"
            yield from _walk(path + step, one.get(key, _ABSENT), other.get(key, _ABSENT))
    elif isinstance(one, list) and isinstance(other, list):
        for index in range(max(len(one), len(other))):
            pair = (items[index] if index < len(items) else _ABSENT for items in (one, other))
            yield from _walk(f"{path}[{index}]", *pair)
    elif type(one) is not type(other) or one != other:
        yield path, one, other


def _versus(one: Any, other: Any) -> str:
    if isinstance(one, str) and isinstance(other, str) and max(len(one), len(other)) > 2 * _WINDOW:
        first = next(
            (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
            min(len(one), len(other)),
        )
        pieces = (_around(text, first) for text in (one, other))
        return " vs ".join(pieces) + f" (from character {first} on)"
    return f"{_shown(one)} vs {_shown(other)}"


def _around(text: str, position: int) -> str:
    start, end = max(0, position - _WINDOW // 2), position + _WINDOW
    left, right = "..." if start else "", "..." if end < len(text) else ""
    return f"{left}{text[start:end]!r}{right}"


def _shown(value: Any) -> str:
    if value is _ABSENT:
        return "nothing"
    text = repr(value)
    return text if len(text) <= 2 * _WINDOW else f"{text[: 2 * _WINDOW]}..."
