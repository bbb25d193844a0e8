"""What a program asks a model, as JSON-like data that is the same in every run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["jsonable"]


def jsonable(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return `value` as what JSON can hold.

    A pydantic class becomes its schema; what has no form as data is told by its type, since its
    `repr` may have an address in it.
    """
    from pydantic import BaseModel
    from pydantic_core import to_jsonable_python

    def other(item: Any) -> Any:
        if isinstance(item, type) and issubclass(item, BaseModel):
            return item.model_json_schema()
        name = getattr(item, "__qualname__", None) or type(item).__qualname__
        return f"<{getattr(item, '__module__', type(item).__module__)}.{name}>"

    plain = to_jsonable_python(value, fallback=other, inf_nan_mode="constants")
    # What JSON would make of it, so that a request is equal to the same one read from a file.
    same: dict[str, Any] = json.loads(json.dumps(plain))
    return same
