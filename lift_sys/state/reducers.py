"""Reducers: how a field that several branches changed becomes one value.

A reducer is declared in the field's annotation, `Annotated[list[str], Append()]`, and is any
callable `(base, values) -> value`: `base` is the value before the fork, `values` the full values
of the branches that changed it, in declared order. It decides as soon as one branch changed the
field, even if all values are equal. It gets copies of its own and may change them. Where there was
nothing before (a new key of the metadata), `base` is None; the reducers here take it for empty.

For all reducers here one branch alone gives just that branch's value.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

from pydantic import BaseModel

from lift_sys.state.canonical import digest_bytes, same
from lift_sys.state.leaves import per_key

NumberT = TypeVar("NumberT", bound=Any)


@runtime_checkable
class Reducer(Protocol):
    """Combines the values that branches gave to one field."""

    def __call__(self, base: Any, values: Sequence[Any], /) -> Any:
        """Return the joined value. What it raises is in the ReducerError that names the field."""
        ...


@dataclass(frozen=True, slots=True)
class Append:
    """Lists: what each branch appended, in declared order, after what was there before.

    Raises:
        ValueError: A branch changed what was there before.
    """

    def __call__(self, base: list[Any] | None, values: Sequence[list[Any]]) -> list[Any]:
        """Return `base` followed by every branch's tail."""
        if len(values) == 1:
            return values[0]
        base = base or []
        joined = list(base)
        for number, value in enumerate(values):
            if len(value) < len(base) or not all(map(same, base, value)):
                raise ConflictingValuesError(
                    "a branch changed items that were there before; Append takes new ones only",
                    (number, (number + 1) % len(values)),
                )
            joined += value[len(base) :]
        return joined


@dataclass(frozen=True, slots=True)
class Union:
    """Sets, and lists without repeats: everything that any branch added, nothing any removed.

    A list keeps the order of `base`, then of the branches. Items are compared as typed values.
    """

    def __call__(self, base: Any, values: Sequence[Any]) -> Any:
        """Return the three-way union, of the type of the branches' values."""
        return _three_way(base, values, digest_bytes, replace=False)


@dataclass(frozen=True, slots=True)
class UnionBy:
    """Lists of items with a key: one item for each key, in order of first appearance.

    Args:
        key: Attribute (or dict key) that tells items apart.

    Raises:
        ValueError: Two branches gave unequal items for one key.
    """

    key: str

    def __call__(self, base: list[Any] | None, values: Sequence[list[Any]]) -> list[Any]:
        """Return the three-way union by key."""
        joined = _three_way(base, values, self._key_of, replace=True)
        return list(joined)

    def _key_of(self, item: Any) -> Hashable:
        if isinstance(item, Mapping):
            return digest_bytes(item[self.key])
        return digest_bytes(getattr(item, self.key))


def _three_way(
    base: Any, values: Sequence[Any], key_of: Callable[[Any], Hashable], *, replace: bool
) -> Any:
    if len(values) == 1:
        return values[0]
    before = {key_of(item): item for item in base or ()}
    joined = dict(before)
    writers: dict[Hashable, int] = {}
    removers: dict[Hashable, int] = {}
    for number, value in enumerate(values):
        mine = {key_of(item): item for item in value}
        for key in [key for key in before if key not in mine]:
            if key in writers:
                raise ConflictingValuesError(
                    "one branch removed an item that another changed", (writers[key], number)
                )
            removers.setdefault(key, number)
            joined.pop(key, None)
        for key, item in mine.items():
            if key in before and (not replace or same(before[key], item)):
                continue
            if key in writers and not same(joined[key], item):
                raise ConflictingValuesError(
                    "two branches gave unequal items for one key", (writers[key], number)
                )
            if key in removers:
                raise ConflictingValuesError(
                    "one branch removed an item that another changed", (removers[key], number)
                )
            writers.setdefault(key, number)
            joined[key] = item
    return type(values[0])(joined.values())


@dataclass(frozen=True, slots=True)
class Sum:
    """Numbers: `base` plus what each branch added (its value minus `base`), in declared order."""

    def __call__(self, base: NumberT | None, values: Sequence[NumberT]) -> NumberT:
        """Return the sum of the differences on top of `base`."""
        if len(values) == 1:
            return values[0]
        total = values[0]
        for value in values[1:]:
            total = total + (value if base is None else value - base)
        return total


@dataclass(frozen=True, slots=True)
class Max:
    """The largest of the values that branches gave; `base` counts for nothing."""

    def __call__(self, base: Any, values: Sequence[Any]) -> Any:
        """Return the largest value, the first of equals."""
        return max(values)


@dataclass(frozen=True, slots=True)
class Min:
    """The smallest of the values that branches gave; `base` counts for nothing."""

    def __call__(self, base: Any, values: Sequence[Any]) -> Any:
        """Return the smallest value, the first of equals."""
        return min(values)


@dataclass(frozen=True, slots=True)
class MergeDict:
    """Dicts: every branch's changes by key; where two changed one key, the later declared wins.

    A dict without a reducer merges by key too, and calls that a conflict.
    """

    def __call__(self, base: Any, values: Sequence[dict[Any, Any]]) -> dict[Any, Any]:
        """Return `base` with each branch's set and deleted keys, in declared order."""
        if len(values) == 1:
            return values[0]
        if base is None:
            base = type(values[0])()
        joined: dict[Any, Any] = base.copy()  # also of a defaultdict, with its factory
        for value in values:
            for key in base.keys() - value.keys():
                joined.pop(key, None)
            # One by one: to a Counter, `update` means to add, and `|` to take the larger.
            for key, item in value.items():
                if key not in base or not same(base[key], item):
                    joined[key] = item  # noqa: PERF403
        return joined


@dataclass(frozen=True, slots=True)
class Last:
    """The value of the last declared branch that changed it."""

    def __call__(self, base: Any, values: Sequence[Any]) -> Any:
        """Return the last value."""
        return values[-1]


class ConflictingValuesError(ValueError):
    """Raised by a reducer: the values at these two positions can't be combined."""

    def __init__(self, reason: str, positions: tuple[int, int]) -> None:
        self.reason, self.positions = reason, positions
        super().__init__(reason)


@per_key
def reducers_of(model: type[BaseModel]) -> Mapping[str, Reducer]:
    """The declared reducers of a model's fields, by field name."""
    found = {}
    for name, field in model.__pydantic_fields__.items():
        candidates = [item for item in field.metadata if _is_reducer(item)]
        if candidates:
            found[name] = candidates[-1]
    return found


def reducer_of(model: type[BaseModel], field_name: str) -> Reducer | None:
    """The reducer that `model` declares for a field, or None."""
    return reducers_of(model).get(field_name)


#: The reducers of this package; any other callable can be one, too.
SHIPPED = (Append, Union, UnionBy, Sum, Max, Min, MergeDict, Last)


def _is_reducer(item: Any) -> bool:
    """Metadata is also the place of validators and constraints: those are no functions of two."""
    if isinstance(item, SHIPPED):
        return True
    if isinstance(item, type) or type(item).__module__.partition(".")[0] in {
        "pydantic",
        "pydantic_core",
        "annotated_types",
    }:
        return False
    return callable(item)
