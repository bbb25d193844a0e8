"""Where DSPy and Pydantic AI ask their models, and what a request is recognised by.

Before editing: only what is imported already is looked for, and subclasses are found as they are now.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from lift_sys.errors import CanonicalError
from lift_sys.state.canonical import digest

# What clients draw anew for each request: were it part of the key, another time would look like
# another request.
_VOLATILE = frozenset({"timestamp", "run_id", "conversation_id", "tool_call_id", "id"})


def asking_methods() -> Iterator[tuple[type, str]]:
    """Classes of models, each with the name of a method of its own that asks.

    `request(messages, settings, parameters)` is Pydantic AI's; `__call__` and `acall` are DSPy's.
    """
    pydantic_ai, dspy = sys.modules.get("pydantic_ai.models"), sys.modules.get("dspy")
    bases: list[tuple[type, tuple[str, ...]]] = []
    if pydantic_ai is not None:
        bases.append((pydantic_ai.Model, ("request",)))
    if dspy is not None:
        bases.append((dspy.BaseLM, ("__call__", "acall")))
    for base, names in bases:
        for kind in _with_subclasses(base):
            yield from ((kind, name) for name in names if name in vars(kind))


def _with_subclasses(kind: type) -> Iterator[type]:
    yield kind
    subclasses: list[type] = type.__subclasses__(kind)
    for each in subclasses:
        yield from _with_subclasses(each)


def recognised(request: Any) -> str:
    """What a request is recognised by: a digest of all but what is drawn anew for each."""
    from pydantic_core import to_jsonable_python

    try:
        plain = to_jsonable_python(request, serialize_unknown=True, by_alias=False)
        return digest(_without_volatile(plain), path="request")
    except (CanonicalError, ValueError):
        return "any request"  # then the step and the number of the call have to do


def _without_volatile(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_volatile(part) for key, part in value.items() if key not in _VOLATILE}
    if isinstance(value, list):
        return [_without_volatile(part) for part in value]
    return value
