"""What Python, pydantic and abc put into classes by themselves, told from what users put there."""

from __future__ import annotations

import abc
import enum
from dataclasses import dataclass
from functools import cached_property, partialmethod
from types import FunctionType, MethodType
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from pydantic import BaseModel

_T = TypeVar("_T")


class _Model(BaseModel):
    pass


class _Enum(enum.Enum):
    A = 1


class _Abstract(abc.ABC, Generic[_T]):
    pass


class _Protocol(Protocol):
    pass


class _Tuple(NamedTuple):
    a: int


@dataclass
class _Data:
    a: int


_MADE = {
    BaseModel: frozenset(vars(_Model)) | {"model_config"},
    enum.Enum: frozenset(vars(_Enum)) - {"A"},
    tuple: frozenset(vars(_Tuple)) - {"a"},
    object: frozenset({*vars(_Data), *vars(_Abstract), *vars(_Protocol)}) - {"a"},
}


# Copies of what there is elsewhere, and large.
_COPIES = ("__pydantic_core_schema__", "__pydantic_parent_namespace__")


def is_machinery(owner: type, name: str, value: Any) -> bool:
    """Whether every class of the kind of `owner` has such an attribute, and none that can change."""
    if isinstance(value, (dict, list, set)) and name not in _COPIES:
        return False
    return any(base in owner.__mro__ and name in made for base, made in _MADE.items())


def parts_of(value: Any) -> list[Any]:
    """The functions in a property, a class method, and other parts of classes."""
    if isinstance(value, (staticmethod, classmethod)):
        return [value.__func__]
    if isinstance(value, property):
        return [value.fget, value.fset, value.fdel]
    if isinstance(value, (cached_property, partialmethod)):
        return [value.func]
    wrapped = getattr(value, "wrapped", None) if _is_pydantics(value) else None
    return [] if wrapped is None else [wrapped]


def _is_pydantics(value: Any) -> bool:
    return type(value).__module__.startswith("pydantic._internal") and not isinstance(
        value, (FunctionType, MethodType)
    )
