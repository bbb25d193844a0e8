"""Failed calls in a file: an error's type, text and plain fields, and the error again from them.

Before editing: a file may come from anywhere, so a type is looked up by name among the errors of a
few known packages, and never imported by what the file says; a field is set only if it is plain
data. Every other error comes back as `RecordedCallError`, with its type's name and its text.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from lift_sys.errors import RecordedCallError

__all__ = ["describe", "rebuild"]

# Modules whose errors models raise, and the base that all of these have.
_KNOWN = (
    ("dspy.utils.exceptions", "DSPyError"),
    ("pydantic_ai.exceptions", "AgentRunError"),
    ("httpx", "HTTPError"),
    ("httpx2", "HTTPError"),
    ("openai", "OpenAIError"),
    ("anthropic", "AnthropicError"),
)
_BUILTIN = (OSError, ValueError, LookupError, TypeError, RuntimeError)
_PLAIN = (str, int, float, bool, type(None))
_DEEPEST = 20
_LONGEST_CHAIN = 8  # as far as the engine looks for what is transient


def describe(error: BaseException) -> dict[str, Any]:
    """Return an error as JSON-like data: `type`, `message`, its plain `fields` and its `cause`."""
    return _describe(error, _LONGEST_CHAIN)


def _describe(error: BaseException, links: int) -> dict[str, Any]:
    described: dict[str, Any] = {
        "type": f"{type(error).__module__}.{type(error).__qualname__}",
        "message": str(error),
    }
    fields = {
        name: value
        for name, value in vars(error).items()
        if not name.startswith("_") and value is not None and name != "headers" and _is_plain(value)
    }
    # Of the headers nothing but how long to wait: among them are cookies and accounts.
    waits = getattr(error, "retry_after", None)
    if isinstance(waits, (int, float)):
        fields["retry_after"] = waits
    if fields:
        described["fields"] = fields
    if error.__cause__ is not None and links > 1:
        described["cause"] = _describe(error.__cause__, links - 1)
    return described


def rebuild(described: Any) -> Exception:
    """Return the error that `describe` was given, or one that tells of it."""
    return _rebuild(described, _LONGEST_CHAIN)


def _rebuild(described: Any, links: int) -> Exception:
    if not isinstance(described, Mapping):
        return RecordedCallError(type_name="Exception", message=str(described))
    type_name, message = str(described.get("type")), str(described.get("message"))
    kind, fields = _find(type_name), dict(_fields_of(described))
    error: Exception
    if kind is None:
        error = RecordedCallError(type_name=type_name, message=message)
    else:  # without `__init__`, whose arguments are each class's own
        kind = _with_status(kind, fields)
        error = kind.__new__(kind, message)
        error.args = (message,)
    for name, value in fields.items():
        # One that is read only says the same of itself.
        with suppress(AttributeError, TypeError):
            setattr(error, name, value)
    if "cause" in described and links > 1:
        error.__cause__ = _rebuild(described["cause"], links - 1)
    return error


def _find(type_name: str) -> type[Exception] | None:
    module_name, _, name = type_name.rpartition(".")
    if module_name == "builtins":
        found = getattr(builtins, name, None)
        return found if isinstance(found, type) and issubclass(found, _BUILTIN) else None
    for home, base_name in _KNOWN:
        # The package is loaded, or else nobody could be asking through it.
        module = sys.modules.get(home)
        if module is None or module_name.partition(".")[0] != home.partition(".")[0]:
            continue
        found, base = getattr(module, name, None), getattr(module, base_name)
        if isinstance(found, type) and issubclass(found, base) and issubclass(found, Exception):
            return found
    return None


def _with_status(kind: type[Exception], fields: Mapping[str, Any]) -> type[Exception]:
    """Pydantic AI's errors that carry a status have classes of their own, under the same names."""
    status = fields.get("status_code")
    if kind.__module__ != "pydantic_ai.exceptions" or not isinstance(status, int):
        return kind
    from pydantic_ai.exceptions import ModelHTTPError

    if issubclass(kind, ModelHTTPError):
        return kind
    category: Any = kind
    try:
        return type(ModelHTTPError.for_category(category, status_code=status, model_name=""))
    except (KeyError, TypeError, ValueError):  # no category of such errors
        return kind


def _fields_of(described: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    fields = described.get("fields")
    if isinstance(fields, Mapping):
        for name, value in fields.items():
            if isinstance(name, str) and name.isidentifier() and not name.startswith("_"):
                yield name, value


def _is_plain(value: Any, depth: int = 0) -> bool:
    if isinstance(value, _PLAIN):
        return True
    if depth == _DEEPEST:
        return False
    if isinstance(value, (list, tuple)):
        return all(_is_plain(item, depth + 1) for item in value)
    if isinstance(value, dict):
        return all(
            isinstance(key, str) and _is_plain(item, depth + 1) for key, item in value.items()
        )
    return False
