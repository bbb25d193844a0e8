"""Reducers that stand where nothing looks for them: said before a run, as they would be silent in it.

A reducer holds for the field whose own annotation it is. Inside a union, a list or a dict it would
decide nothing, and neither would the class `Append` in place of an `Append()`.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from lift_sys.state.reducers import SHIPPED


def misplaced_reducers(model: type[BaseModel]) -> Iterator[str]:
    """Say of each misplaced reducer of `model`, and of the models in it, what to write instead."""
    waiting, seen = [model], {model}
    while waiting:
        kind = waiting.pop(0)
        for name, field in kind.__pydantic_fields__.items():
            place = f"`{kind.__name__}.{name}`"
            for item in field.metadata:
                if _is_class(item):
                    yield (
                        f"{place} is annotated with the class `{item.__name__}`, which reduces "
                        f"nothing. Write an instance, `{item.__name__}(...)`."
                    )
            for part, inside in _parts(field.annotation):
                for item in getattr(part, "__metadata__", ()):
                    if isinstance(item, SHIPPED) or _is_class(item):
                        yield (
                            f"{place} has the reducer `{item!r}` inside of a {inside}, where it "
                            f"reduces nothing. Annotate the whole field: "
                            f"`{name}: Annotated[..., {_written(item)}]`."
                        )
                if isinstance(part, type) and _is_model(part) and part not in seen:
                    seen.add(part)
                    waiting.append(part)


def _parts(annotation: Any) -> Iterator[tuple[Any, str]]:
    """The annotation, and all that it is made of, each with the name of what it stands in."""
    waiting = [(annotation, "")]
    while waiting:
        part, inside = waiting.pop(0)
        yield part, inside
        origin = get_origin(part)
        if origin is typing.Literal:
            continue
        if origin is Annotated:
            waiting.append((get_args(part)[0], inside))
            continue
        name = (
            "union" if origin in (Union, types.UnionType) else getattr(origin, "__name__", "type")
        )
        waiting += [(each, name) for each in get_args(part) if not isinstance(each, list)]


def _is_model(kind: type) -> bool:
    return issubclass(kind, BaseModel)


def _is_class(item: Any) -> bool:
    return isinstance(item, type) and item in SHIPPED


def _written(item: Any) -> str:
    return f"{item.__name__}()" if isinstance(item, type) else repr(item)
