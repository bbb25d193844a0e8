"""Doing to a live value what an operation of a write set says: one attribute or key at a time.

No validator runs and no property is asked: values are put where snapshots see them, as restoring
does (keyed.py). The value that is given is taken over; nobody else may have it. An operation that
does not fit the live value raises what Python raises, or ValueError; the value may be half changed.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from lift_sys.state.keyed import raw_dict
from lift_sys.state.paths import Key, Path


def set_at(live: Any, path: Path, value: Any) -> Any:
    """Put `value` at `path` of `live`; return `live`, or `value` if the path is empty."""
    if not path:
        return value
    holder, step = value_at(live, path[:-1]), path[-1]
    if isinstance(step, Key):
        holder[step.key] = value
        return live
    _places(holder, step)[step] = value
    if step not in type(holder).__private_attributes__:
        holder.__pydantic_fields_set__.add(step)
    return live


def replace_at(live: Any, path: Path, value: Any) -> Any:
    """Put an equal value in the place of that at `path`: no field is set that was not."""
    if not path:
        return value
    holder, step = value_at(live, path[:-1]), path[-1]
    if isinstance(step, Key):
        holder[step.key] = value
    else:
        _places(holder, step)[step] = value
    return live


def delete_at(live: Any, path: Path) -> Any:
    """Remove what is at `path` of `live`; return `live`."""
    holder, step = value_at(live, path[:-1]), path[-1]
    if isinstance(step, Key):
        del holder[step.key]
        return live
    del _places(holder, step)[step]
    if hasattr(type(holder), "__lift_origin__"):  # a lazy state would fill it in again
        object.__setattr__(holder, "__lift_deleted__", holder.__lift_deleted__ | {step})
    return live


def append_at(live: Any, path: Path, tail: list[Any]) -> Any:
    """Append `tail` to the list at `path` of `live`; return `live`."""
    value_at(live, path).extend(tail)
    return live


def value_at(live: Any, path: Path) -> Any:
    """What is at `path` of `live`."""
    for step in path:
        if isinstance(step, Key):
            live = live[step.key]
            continue
        places = _places(live, step)
        # A field of a lazy state may not be there yet.
        live = places[step] if step in places else getattr(live, step)
    return live


def _places(model: BaseModel, name: str) -> dict[str, Any]:
    """The dict in which a model keeps an attribute, whether or not it can be assigned to."""
    kind = type(model)
    if name in kind.__pydantic_fields__:
        found: dict[str, Any] = raw_dict(model)
        return found
    is_private = name in kind.__private_attributes__
    slot = "__pydantic_private__" if is_private else "__pydantic_extra__"
    others: dict[str, Any] | None = getattr(model, slot)
    if others is None:
        if not is_private:
            raise ValueError(f"{kind.__qualname__} has no attribute `{name}`")
        others = {}
        object.__setattr__(model, slot, others)
    return others
