"""Events as JSON lines: one object per event, in a shape that programs can rely on.

Every object has `type`, `execution_id`, `address`, `node` and `time` (seconds since the start of
the run); the rest are the fields of the event's class in `lift_sys.core.events`, by their names.
`type` is the class in snake case: run_started, node_failed, group_finished. An error is
`{"type": ..., "text": ...}`. New types and new fields may come; those that exist keep their meaning.

Texts leave through `without_secrets`, since errors of providers like to quote the key they refuse.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, time
from enum import Enum
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from lift_sys.core.events import Event

_SECRET_NAME = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$", re.IGNORECASE)
_SECRET_TEXT = re.compile(
    r"(?P<before>\bBearer\s+|://[^/\s:@]*:|\b(?:sk|pk|ghp|xox[abp])[-_])[^\s\"'@,;]{6,}"
)
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
# A run's result is no event: it holds the whole state, and whoever runs the graph has it.
_LEFT_OUT = frozenset({"result"})
# Shorter values (a "true", a port) would blank out half of any text.
_SHORTEST_SECRET = 8


def event_as_dict(event: Event) -> dict[str, Any]:
    """The JSON-like form of `event`, see the module's text."""
    head = {"type": _WORD_START.sub("_", type(event).__name__).lower()}
    names = [field.name for field in fields(event) if field.name not in _LEFT_OUT]
    return head | {name: plain(getattr(event, name)) for name in names}


class JsonLines:
    """Observer that writes each event as one line of JSON.

    Args:
        stream: Where to; each line is flushed, so that a reader sees it at once.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def __call__(self, event: Event, /) -> None:
        """Write `event`."""
        self.stream.write(as_json(event_as_dict(event)) + "\n")
        self.stream.flush()


def as_json(value: Any, *, indent: int | None = None) -> str:
    """JSON text of what `plain` returns; always valid JSON (no NaN), non-ASCII kept.

    The three characters that some readers take for line ends are escaped: one event, one line.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)
    return text.translate(_LINE_ENDS)


_LINE_ENDS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}


def plain(value: Any) -> Any:
    """`value` as JSON-like data; what has no such form becomes text, never an error.

    Models and dataclasses become objects, sets sorted lists, errors `{"type", "text"}`, dates ISO
    text, as in models, and numbers that JSON lacks ("NaN", "Infinity") text.
    """
    if isinstance(value, Enum):
        return plain(value.value)
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else _NOT_FINITE.get(value, "NaN")
    if isinstance(value, str):
        return without_secrets(value)
    if isinstance(value, date | time):  # a datetime is a date
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, BaseException):
        return {"type": type(value).__name__, "text": without_secrets(str(value))}
    if isinstance(value, Mapping):
        return {_key(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted((plain(item) for item in value), key=as_json)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    dump = getattr(value, "model_dump", None)
    if callable(dump) and not isinstance(value, type):
        return _dumped(dump, value)
    return without_secrets(str(value))


_NOT_FINITE = {math.inf: "Infinity", -math.inf: "-Infinity"}


def _dumped(dump: Any, value: Any) -> Any:
    try:
        # JSON mode, for pydantic's own rules: dates as ISO text, SecretStr as stars; subclasses
        # in base-typed fields keep their own fields.
        return plain(dump(mode="json", serialize_as_any=True, warnings=False))
    except Exception:
        return {name: plain(item) for name, item in vars(value).items()}


def _key(key: Any) -> str:
    return key if isinstance(key, str) else str(plain(key))


def without_secrets(text: str) -> str:
    """`text` with keys blanked.

    That is: values of environment variables with secret-looking names, bearer tokens, passwords in
    URLs, and tokens with a well-known prefix.
    """
    for name, value in os.environ.items():
        if len(value) >= _SHORTEST_SECRET and _SECRET_NAME.search(name):
            text = text.replace(value, "***")
    return _SECRET_TEXT.sub(lambda match: f"{match['before']}***", text)
