"""Which kinds of values there are: what can't change, and how a pydantic model is laid out."""

from __future__ import annotations

import datetime
import decimal
import enum
import fractions
import ipaddress
import pathlib
import re
import sys
import types
import uuid
import weakref
import zoneinfo
from typing import Any, NamedTuple

from pydantic import AnyUrl, BaseModel, RootModel, SecretBytes, SecretStr
from pydantic.fields import FieldInfo

from lift_sys.state.leaves import per_key

#: Types whose values can't change and hold nothing that can. `copy.deepcopy` shares functions,
#: classes and weak references too.
ATOMIC: frozenset[type] = frozenset(
    {
        type(None), bool, int, float, complex, str, bytes, type(Ellipsis), type(NotImplemented),
        datetime.date, datetime.time, datetime.datetime, datetime.timedelta, datetime.timezone,
        decimal.Decimal, fractions.Fraction, uuid.UUID, range, re.Pattern,
        pathlib.PurePosixPath, pathlib.PureWindowsPath, pathlib.PosixPath, pathlib.WindowsPath,
        ipaddress.IPv4Address, ipaddress.IPv6Address, ipaddress.IPv4Network, ipaddress.IPv6Network,
        type, types.FunctionType, types.BuiltinFunctionType, types.MethodDescriptorType,
        types.WrapperDescriptorType, types.GenericAlias, types.UnionType, weakref.ref,
    }
)  # fmt: skip


@per_key
def is_leaf_type(kind: type) -> bool:
    """Whether values of `kind` can't change: the atomic types, enum members and classes."""
    return kind in ATOMIC or issubclass(kind, (enum.Enum, type))


#: Unknown kinds that states often hold, and that refer to nothing else.
_SEALED = (SecretStr, SecretBytes, AnyUrl, zoneinfo.ZoneInfo)


@per_key
def is_named_tuple(kind: type) -> bool:
    """Whether `kind` is a named tuple of which the items are all: no attributes beside them."""
    return issubclass(kind, tuple) and hasattr(kind, "_fields") and not kind.__dictoffset__


def is_self_contained(value: Any) -> bool:
    """Whether an unknown value refers to no other object, so that it can be copied alone."""
    if type(value) is bytearray or isinstance(value, _SEALED):
        return True
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return False
    return isinstance(value, numpy.generic) or (
        type(value) is numpy.ndarray and not value.dtype.hasobject
    )


class Shape(NamedTuple):
    """How a pydantic model class keeps its attributes.

    Attributes:
        fields: Names of the declared fields.
        private: Names of the private attributes.
        extra: Whether the class takes undeclared attributes (`extra="allow"`).
        plain: Whether fields are all that there can be. A class that declares its extras as
            `__pydantic_extra__: dict[str, int] = Field(init=False)` hides the slot for them, so
            that they stand among the fields in `__dict__`, even if they are None.
    """

    fields: frozenset[str]
    private: frozenset[str]
    extra: bool
    plain: bool

    def attributes(self, model: Any) -> dict[str, Any]:
        """Fields, extras and private attributes by name: the live `__dict__` where that is all."""
        values: dict[str, Any] = _raw_dict(model)
        # A cached property leaves its value among the fields; a copy computes its own.
        if len(values) > len(self.fields) or not values.keys() <= self.fields:
            values = {name: values[name] for name in values if name in self.fields}
        if self.plain:
            return values
        if self.extra and model.__pydantic_extra__:
            values = {**values, **model.__pydantic_extra__}
        if self.private and model.__pydantic_private__:
            values = {**values, **model.__pydantic_private__}
        return values

    def is_ambiguous(self, model: Any) -> bool:
        """Whether an undeclared attribute is called like a declared one: aliases make it possible."""
        extra = model.__pydantic_extra__ or ()
        return not (self.fields.isdisjoint(extra) and self.private.isdisjoint(extra))

    def split(self, values: dict[str, Any]) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
        """Take extras and private attributes out of `values`, as pydantic keeps them."""
        if self.plain:
            return None, None
        private = {name: values.pop(name) for name in self.private if name in values}
        extra = None
        if self.extra:
            extra = {name: values.pop(name) for name in list(values) if name not in self.fields}
        return extra, private if self.private else None


_raw_dict = BaseModel.__dict__["__dict__"].__get__
#: How pydantic's own classes copy: attribute by attribute, as we do.
_PLAIN = tuple(
    (name, frozenset({BaseModel.__dict__[name], RootModel.__dict__[name]}))
    for name in ("__deepcopy__", "__copy__", "__getstate__")
)


@per_key
def shape_of(kind: type) -> Shape | None:
    """The shape of a pydantic model class, or None: no model, or one that copies itself its way."""
    if not issubclass(kind, BaseModel):
        return None
    if any(getattr(kind, name, None) not in standard for name, standard in _PLAIN):
        return None
    if kind.__dict__.get("__slots__"):
        return None
    private = frozenset(kind.__private_attributes__)
    if private and issubclass(kind, RootModel):
        return None  # pydantic keeps these among the fields
    extra = kind.model_config.get("extra") == "allow"
    return Shape(
        fields=frozenset(kind.__pydantic_fields__),
        private=private,
        extra=extra,
        plain=not private and not extra and not isinstance(kind.__pydantic_extra__, FieldInfo),
    )
