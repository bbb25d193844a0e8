"""How branches ended, as JSON: errors of lift_sys and of Python come back as what they were.

A node may decide by them after a join, so they are rebuilt from their class, looked up by name in these
two places only, and from plain values. Nothing is unpickled, and no module of a user is asked: an
exception of the user's own comes back as a `RemoteCause`, which says its type and text.
"""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import Sequence
from typing import Any

from lift_sys import errors
from lift_sys.core.node import is_node, node_name
from lift_sys.durability.facts import Json
from lift_sys.errors import LiftError, RemoteCause
from lift_sys.execution.results import NodeResult

_CANCELLED = "cancelled"
_PLAIN = (str, int, float, bool, type(None))
# Causes of causes; what lies deeper is told as text.
_DEEPEST = 16
# What a run inside has spent is in the ledger of this one.
_LEFT_OUT = frozenset({"usage"})


def ends_of(results: Sequence[NodeResult[Any]]) -> dict[str, Json]:
    """How branches ended, in the order in which they did: only RACE asks for it.

    Returns:
        `succeeded`: their indices; `failed`: for each other `"cancelled"`, or type and text;
        `errors`: what these are made of again; `elapsed`: seconds of all.
    """
    ranked = sorted(results, key=lambda result: result.rank)
    failed = {str(each.index): each.error for each in results if each.error}
    ends: dict[str, Json] = {
        "succeeded": [result.index for result in ranked if result.is_success],
        "failed": {index: _text_of(error) for index, error in failed.items()},
        "elapsed": [round(result.execution_time_ms / 1000, 6) for result in results],
    }
    forms: dict[str, Json] = {
        index: _form_of(error)
        for index, error in failed.items()
        if not isinstance(error, asyncio.CancelledError)
    }
    if forms:
        ends["errors"] = forms
    return ends


def errors_in(ends: dict[str, Any]) -> dict[int, BaseException]:
    """Why branches failed, by their indices, from what `ends_of` has returned.

    Raises:
        ValueError, LookupError, TypeError, AttributeError: It has not.
    """
    forms = ends.get("errors", {})
    found: dict[int, BaseException] = {}
    for index, text in ends["failed"].items():
        if text == _CANCELLED:
            found[int(index)] = asyncio.CancelledError("the group was decided without it")
        else:
            form = forms.get(index) or {"type": text[0], "text": text[1]}
            found[int(index)] = _error_of(form)
    return found


def without_times(form: Any) -> Any:
    """What `ends_of` says of errors, without how long something took: for comparisons."""
    if isinstance(form, list):
        return [without_times(each) for each in form]
    if not isinstance(form, dict):
        return form
    # The text of an error that knows how long it took says that, too.
    left_out = {"elapsed", "args"} if "elapsed" in form.get("fields", ()) else {"elapsed"}
    return {name: without_times(each) for name, each in form.items() if name not in left_out}


def _text_of(error: BaseException) -> Json:
    if isinstance(error, asyncio.CancelledError):
        return _CANCELLED
    return [type(error).__name__, str(error)]


def _form_of(error: BaseException, depth: int = 0) -> dict[str, Json]:
    if isinstance(error, RemoteCause):
        return {"type": error.type_name, "text": error.text}
    kind = type(error)
    if _known(kind.__name__) is not kind or depth > _DEEPEST:
        return {"type": kind.__qualname__, "text": str(error)}
    form: dict[str, Json] = {"is": kind.__name__}
    # Some of Python's are made of more than their `args`: a FileNotFoundError of its file, too.
    made_of: Any = error.args if isinstance(error, LiftError) else error.__reduce__()[1]
    form["args"] = [_value_form(each, depth) for each in made_of]
    cause = error.__cause__
    fields: dict[str, Json] = {
        name: {"cause": None} if value is cause else _value_form(value, depth)
        for name, value in vars(error).items()
        if name not in _LEFT_OUT
    }
    if fields and isinstance(error, LiftError):
        form["fields"] = fields
    if cause is not None:
        form["cause"] = _form_of(cause, depth + 1)
    return form


def _value_form(value: Any, depth: int) -> Json:
    if type(value) in _PLAIN:
        plain: Json = value
        return plain
    if isinstance(value, BaseException):
        return {"error": _form_of(value, depth + 1)}
    if isinstance(value, (list, tuple)):
        # A result stands for contexts and nodes, which are not kept with an error.
        items = [_value_form(each, depth) for each in value if not isinstance(each, NodeResult)]
        return {"list" if isinstance(value, list) else "tuple": items}
    return node_name(value) if is_node(value) else repr(value)


def _error_of(form: dict[str, Any]) -> BaseException:
    if "is" not in form:
        return RemoteCause(form["type"], form["text"], "")
    kind = _known(form["is"])
    if kind is None:
        raise ValueError(f"no error of lift_sys or Python: {form['is']!r}")
    cause = _error_of(form["cause"]) if "cause" in form else None
    args = [_value_of(each, cause) for each in form["args"]]
    try:
        is_ours = issubclass(kind, LiftError)  # made of keywords, and all that is in its fields
        error = kind.__new__(kind, *args) if is_ours else kind(*args)
    except Exception:  # it is made of what JSON does not know
        return RemoteCause(form["is"], ", ".join(map(str, args)), "")
    if is_ours:
        error.args = tuple(args)
    for name, value in form.get("fields", {}).items():
        setattr(error, name, _value_of(value, cause))
    error.__cause__ = cause
    return error


def _value_of(form: Any, cause: BaseException | None) -> Any:
    if not isinstance(form, dict):
        return form
    [(kind, inner)] = form.items()
    if kind == "cause":
        return cause
    if kind == "error":
        return _error_of(inner)
    items = [_value_of(each, cause) for each in inner]
    return items if kind == "list" else tuple(items)


def _known(name: str) -> type[Exception] | None:
    """The error of this name, if it is one of lift_sys or of Python."""
    kind = getattr(errors, name, None) or getattr(builtins, name, None)
    is_error = isinstance(kind, type) and issubclass(kind, Exception)
    return kind if is_error else None
