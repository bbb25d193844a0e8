"""Canonical encodings of immutable leaves: numbers, text, moments, enum members, names of code.

Every encoding says its own type and its own end (a tag, then a fixed size, a length or a closing
mark), so encodings can be joined without ambiguity. Before editing: stored digests depend on these
bytes. A changed encoding makes every digest that was kept before unequal to the new ones.
"""

from __future__ import annotations

import re
import struct
import sys
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import Enum, Flag
from fractions import Fraction
from functools import lru_cache
from pathlib import PosixPath, PurePath, PurePosixPath, PureWindowsPath, WindowsPath
from types import BuiltinFunctionType, EllipsisType, FunctionType, ModuleType, NotImplementedType
from typing import Any, ParamSpec, TypeVar, cast, get_args, get_origin
from uuid import UUID
from zoneinfo import ZoneInfo

from lift_sys.state.arrays import scalar_payload

P = ParamSpec("P")
T = TypeVar("T")

_MICROSECOND = timedelta(microseconds=1)
_NAN = b"\x7f\xf8\x00\x00\x00\x00\x00\x00"


def per_key(function: Callable[P, T]) -> Callable[P, T]:
    """Remember what a cheap pure function returned, for up to 4096 arguments: classes or names."""
    # The cast gives the parameters back, which lru_cache takes for Hashable and no more.
    return cast("Callable[P, T]", lru_cache(maxsize=4096)(function))


def encode_leaf(value: Any) -> bytes | None:
    """Return the canonical encoding of an immutable leaf, or None if `value` is not one.

    Two leaves have the same encoding exactly if they are equal typed values: `1`, `1.0`, `True`,
    `Decimal(1)`, `"1"` and `b"1"` all differ, so do `0.0` and `-0.0`, `Decimal("1.0")` and
    `Decimal("1.00")`, and one instant in two zones; all float NaNs are one. Instances of subclasses
    of a leaf's type are not leaves, except enum members.
    """
    encoder = leaf_encoder(type(value))
    return None if encoder is None else encoder(value)


def encode_text(text: str) -> bytes:
    """Encode a plain `str`; lone surrogates are allowed."""
    try:
        payload = text.encode()
    except UnicodeEncodeError:
        payload = text.encode("utf-8", "surrogatepass")
    return b"s%d:%b" % (len(payload), payload)


@per_key
def type_name(cls: type) -> str:
    """Return the name that stands for a class in every encoding: `module:qualname`.

    A parametrised pydantic model is named by its origin and the full names of its arguments, as
    its own qualname would confuse `Box[a.Item]` with `Box[b.Item]`.
    """
    generic = getattr(cls, "__pydantic_generic_metadata__", None)
    if generic and generic["origin"]:
        arguments = ",".join(_type_expression(argument) for argument in generic["args"])
        return f"{type_name(generic['origin'])}[{arguments}]"
    return f"{cls.__module__}:{cls.__qualname__}"


def _type_expression(expression: Any) -> str:
    origin = get_origin(expression)
    if origin is not None:
        arguments = ",".join(_type_expression(argument) for argument in get_args(expression))
        return f"{_type_expression(origin)}[{arguments}]"
    if isinstance(expression, type):
        return type_name(expression)
    # Metadata in Annotated may have the default repr, whose address differs in each process.
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(expression))


def importable_name(function: Any) -> str | None:
    """Return `module:qualname` if importing that name gives `function` itself, or else None."""
    module, qualname = getattr(function, "__module__", None), function.__qualname__
    found: Any = sys.modules.get(module) if module else None
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return f"{module}:{qualname}" if found is function else None


def _double(number: float) -> bytes:
    return struct.pack(">d", number) if number == number else _NAN


def _named(tag: bytes, name: str) -> bytes:
    return tag + encode_text(name)


def _zone(value: datetime | time) -> str:
    zone = value.tzinfo
    if zone is None:
        return "naive"
    offset = value.utcoffset()
    shift = "" if offset is None else offset // _MICROSECOND
    # `key` is ZoneInfo's name and `zone` pytz's; a fixed offset has only what tzname() says.
    name = getattr(zone, "key", None) or getattr(zone, "zone", None) or value.tzname() or ""
    return f"{type_name(type(zone))} {shift} {name}"


def _datetime(value: datetime) -> bytes:
    wall = value.replace(tzinfo=None).isoformat()
    return _named(b"m", f"{wall} {value.fold} {_zone(value)}")


def _time(value: time) -> bytes:
    wall = value.replace(tzinfo=None).isoformat()
    return _named(b"h", f"{wall} {value.fold} {_zone(value)}")


def _zone_info(value: tzinfo) -> bytes | None:
    key = getattr(value, "key", None)
    return None if key is None else _named(b"z", f"{type_name(type(value))} {key}")


def _fixed_zone(value: timezone) -> bytes:
    shift = (value.utcoffset(None) or timedelta()) // _MICROSECOND
    return _named(b"z", f"datetime:timezone {shift} {value.tzname(None)}")


def _enum(member: Enum) -> bytes:
    # Combinations of flags have no name of their own in every Python version; their number is it.
    name = f"{member._value_:d}" if isinstance(member, Flag) else member._name_
    return _named(b"e", f"{type_name(type(member))} {name}")


def _function(function: FunctionType) -> bytes | None:
    name = importable_name(function)
    return None if name is None else _named(b"g", name)


def _builtin(function: BuiltinFunctionType) -> bytes | None:
    if function.__self__ is not None and not isinstance(function.__self__, ModuleType):
        return None
    return _named(b"g", f"{function.__module__}:{function.__qualname__}")


def _path(value: PurePath) -> bytes:
    return _named(b"p", f"{type_name(type(value))} {value}")


def _numpy_scalar(value: Any) -> bytes | None:
    payload = scalar_payload(value)
    if payload is None:
        return None
    dtype, content = payload
    return _named(b"n", f"{type_name(type(value))} {dtype}") + b"%d:%b" % (len(content), content)


def _class(cls: type) -> bytes:
    return _named(b"C", type_name(cls))


# Keyed by the exact type: a subclass is another type, and True is no int. Integers are written in
# hexadecimal, as decimal digits cost quadratic time and Python refuses more than 4300 of them.
LEAF_ENCODERS: dict[type, Callable[[Any], bytes | None]] = {
    type(None): lambda _: b"N",
    bool: lambda value: b"T" if value else b"F",
    int: lambda value: b"i%x;" % value,
    float: lambda value: b"f" + _double(value),
    complex: lambda value: b"c" + _double(value.real) + _double(value.imag),
    str: encode_text,
    bytes: lambda value: b"b%d:%b" % (len(value), value),
    # The decimal context decides between "e" and "E".
    Decimal: lambda value: _named(b"d", str(value).upper()),
    Fraction: lambda value: b"q%x/%x;" % (value.numerator, value.denominator),
    range: lambda value: b"r%x,%x,%x;" % (value.start, value.stop, value.step),
    datetime: _datetime,
    date: lambda value: _named(b"a", value.isoformat()),
    time: _time,
    timedelta: lambda value: b"l%x;" % (value // _MICROSECOND),
    timezone: _fixed_zone,
    ZoneInfo: _zone_info,
    UUID: lambda value: b"u" + value.bytes,
    PurePosixPath: _path,
    PureWindowsPath: _path,
    PosixPath: _path,
    WindowsPath: _path,
    EllipsisType: lambda _: b"...",
    NotImplementedType: lambda _: b"!",
    FunctionType: _function,
    BuiltinFunctionType: _builtin,
    ModuleType: lambda value: _named(b"o", value.__name__),
    type: _class,
}


@per_key
def leaf_encoder(cls: type) -> Callable[[Any], bytes | None] | None:
    """Return the function that encodes leaves of exactly this class, or None if it has none."""
    exact = LEAF_ENCODERS.get(cls)
    if exact is not None:
        return exact
    if issubclass(cls, Enum):
        return _enum
    if issubclass(cls, type):
        return _class
    numpy = sys.modules.get("numpy") if cls.__module__.partition(".")[0] == "numpy" else None
    if numpy is not None and issubclass(cls, numpy.generic):
        return _numpy_scalar
    return None
