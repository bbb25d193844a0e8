"""The data that code names by the globals of its module: constants, and plain tables.

Each value is taken as it is at the call, so that a table that was changed is another one. What is no
data (functions, clients, registries of these) is left out: no digest can follow it. Before editing:
other threads may change what is looked at, so it is copied first, in one step.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum, EnumType
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from pydantic import BaseModel

from lift_sys.state.canonical import model_attributes
from lift_sys.state.leaves import LEAF_ENCODERS
from lift_sys.state.shapes import is_named_tuple

_PLAIN = LEAF_ENCODERS.keys() - {FunctionType, BuiltinFunctionType, ModuleType, type}
_ABSENT = object()


def data_named(ways: Iterable[tuple[str, ...]], space: Mapping[str, Any]) -> list[Any]:
    """What is data of the globals that code names, each with its name.

    Args:
        ways: The globals, and attributes of them, in order: `("settings",)` before
            `("settings", "LIMIT")`.
        space: The module's globals.
    """
    found: list[Any] = []
    owners: dict[tuple[str, ...], Any] = {}
    for way in ways:
        *around, name = way
        if not around:
            value = space.get(name, _ABSENT)
        elif tuple(around) in owners:
            value = _attribute(owners[tuple(around)], name)
        else:  # of something that is data itself, or that is not looked into
            continue
        try:
            found.append([".".join(way), data_of(value)])
        except NoDataError:
            owners[way] = value
    return found


def _attribute(owner: Any, name: str) -> Any:
    """An attribute of a module, class, model or dataclass; no code is run to find it."""
    if isinstance(owner, ModuleType):
        return vars(owner).get(name, _ABSENT)
    if isinstance(owner, EnumType):
        return owner.__members__.get(name, _ABSENT)
    if isinstance(owner, type):
        spaces = (vars(base) for base in owner.__mro__)
        return next((space[name] for space in spaces if name in space), _ABSENT)
    names: Iterable[str] = ()
    if isinstance(owner, BaseModel):
        names = type(owner).__pydantic_fields__
    elif is_dataclass(owner):
        names = [each.name for each in fields(owner)]
    return getattr(owner, name, _ABSENT) if name in names else _ABSENT


class NoDataError(Exception):
    """A value is more than plain data."""


def data_of(value: Any, around: tuple[int, ...] = ()) -> Any:
    """A copy of a constant, or of lists, dicts, sets and tuples of constants.

    Raises:
        NoDataError: There is something else in it, or it contains itself.
    """
    if isinstance(value, Enum):  # its digest is its name, so what it stands for is told, too
        return [value, value.value if is_constant(value.value) else None]
    if is_constant(value):
        return value
    kind = type(value)
    if kind not in (list, dict, set, tuple) or id(value) in around:
        raise NoDataError
    inside = (*around, id(value))
    if kind is dict:
        return {_key(key): data_of(each, inside) for key, each in value.copy().items()}
    if kind is set:
        return {_key(each) for each in value.copy()}
    return kind([data_of(each, inside) for each in (*value,)])


def _key(value: Any) -> Any:
    if not is_constant(value):
        raise NoDataError
    return value


def is_constant(value: Any) -> bool:
    """Whether `value` is plain and can't change, so that its value can stand in a key."""
    kind = type(value)
    if kind in _PLAIN or isinstance(value, Enum):
        return True
    if kind in (tuple, frozenset) or is_named_tuple(kind):
        return all(map(is_constant, value))
    if isinstance(value, BaseModel):
        return bool(value.model_config.get("frozen")) and all(
            is_constant(child) for _, child in model_attributes(value)
        )
    options = getattr(kind, "__dataclass_params__", None)
    return getattr(options, "frozen", False) and all(
        is_constant(getattr(value, each.name, None)) for each in fields(value)
    )
