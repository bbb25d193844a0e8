"""A cheap picture of a value, to see whether a step has changed it. Equal pictures, equal values.

It is no digest: identities count where values can't be looked into, and nothing of it survives the
process. Before editing: this is made of everything that is watched after every step. A type that is
not known here is reported as opaque, and then nothing is proven.
"""

from __future__ import annotations

import abc
import asyncio
import collections
import datetime
import enum
import fractions
import functools
import itertools
import logging
import operator
import re
import string
import struct
import typing
import uuid
import zoneinfo
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache, partial
from pathlib import Path, PurePath
from random import Random
from types import (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    CoroutineType,
    FunctionType,
    GenericAlias,
    GetSetDescriptorType,
    MappingProxyType,
    MemberDescriptorType,
    MethodDescriptorType,
    MethodType,
    MethodWrapperType,
    ModuleType,
    SimpleNamespace,
    UnionType,
    WrapperDescriptorType,
)
from typing import Any

from lift_sys.determinism.exploration.libraries import is_library
from lift_sys.determinism.exploration.names import names_in

ATOMS = frozenset({int, float, str, bytes, bool, complex, range, type(None), type(...)})
_PLAIN = frozenset({int, str, bytes, type(None), type(...)})
_NUMBERS = (int, float, complex, str, bytes)
_CODE = (FunctionType, BuiltinFunctionType, MethodType, MethodWrapperType, ModuleType, type)
_SIZED = (dict, list, tuple, collections.deque, set, frozenset)
# What libraries make that can't change.
_IMMUTABLE = (
    re.Pattern,
    re.Match,
    datetime.date,
    datetime.time,
    datetime.timedelta,
    datetime.tzinfo,
    zoneinfo.ZoneInfo,
    Decimal,
    fractions.Fraction,
    uuid.UUID,
    PurePath,
    enum.Enum,
    string.Template,
    operator.itemgetter,
    operator.attrgetter,
    operator.methodcaller,
    slice,
    GenericAlias,
    UnionType,
    typing.TypeVar,
    typing.ParamSpec,
    type(typing.Any),
    type(typing.Union),
)
# What makes up classes and calls; the functions in it are followed.
_PARTS_OF_CLASSES = (
    property,
    staticmethod,
    classmethod,
    functools.cached_property,
    functools.partialmethod,
    type(lru_cache(len)),  # a cache is a place of its own
    MemberDescriptorType,
    GetSetDescriptorType,
    WrapperDescriptorType,
    MethodDescriptorType,
    ClassMethodDescriptorType,
    CoroutineType,
)
# What says by itself who touches it; only attributes that others gave it have to be looked at.
_INSTRUMENTED = (
    asyncio.Lock,
    asyncio.Event,
    asyncio.Condition,
    asyncio.Semaphore,
    asyncio.Queue,
    asyncio.Barrier,
    asyncio.Future,
    asyncio.TaskGroup,
    asyncio.Timeout,
    asyncio.AbstractEventLoop,
)
# What keeps all that it has in `__dict__`.
_ATTRIBUTES_ONLY = (
    SimpleNamespace,
    collections.UserDict,
    collections.UserList,
    collections.UserString,
    collections.ChainMap,
)
_KNOWN = (
    *_SIZED,
    *_IMMUTABLE,
    *_PARTS_OF_CLASSES,
    *_INSTRUMENTED,
    *_ATTRIBUTES_ONLY,
    partial,
    BaseException,
    logging.Logger,
)
# Of these, nothing but identities matters: what they make of a program is watched elsewhere.
_TRUSTED = ("lift_sys", "pydantic", "pydantic_core", "annotated_types", "typing", "dataclasses")
_BASES = (object, abc.ABC, typing.Generic, typing.Protocol, enum.Enum)
_PYDANTICS = ("__pydantic_private__", "__pydantic_extra__", "__pydantic_fields_set__")
# A value of more parts than this is not looked into after every step.
_MOST_PARTS = 4000


class TooLarge(Exception):
    """The value has too many parts."""


class Same:
    """Things that are compared by what they are, and kept, so that no address comes twice."""

    __slots__ = ("things",)

    def __init__(self, *things: Any) -> None:
        self.things = things

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Same)
            and len(self.things) == len(other.things)
            and all(map(operator.is_, self.things, other.things))
        )

    __hash__ = None  # type: ignore[assignment]


class Picture:
    """Takes pictures.

    Attributes:
        opaque: Types met that can't be looked into, and may well have a state.
    """

    def __init__(self) -> None:
        self.opaque: set[str] = set()
        self._left = 0
        self._inside: set[int] = set()

    def of(self, value: Any) -> object:
        """The picture of a value.

        Raises:
            TooLarge: It has too many parts.
        """
        if type(value) in _PLAIN:
            return value
        self._left = _MOST_PARTS
        self._inside.clear()
        return self._of(value)

    def _of(self, value: Any) -> object:
        cls = type(value)
        if cls in _PLAIN:
            return value
        if cls in ATOMS:
            # 0, False, 0.0 and -0.0 are equal, and not the same; nan is not even equal to itself.
            return cls, struct.pack("d", value) if cls is float else repr(value)
        if cls is Same:
            return value
        if issubclass(cls, _CODE):
            return Same(value)
        self._left -= 1
        if self._left < 0:
            raise TooLarge
        if id(value) in self._inside:
            return id(value)
        self._inside.add(id(value))
        try:
            return self._parts(value, cls)
        finally:
            self._inside.discard(id(value))

    def _parts(self, value: Any, cls: type) -> object:
        if cls in (list, dict, tuple):
            return cls, self._known(value)
        own: list[object] = [cls, id(value)]
        if is_library(cls.__module__):
            own.append(self._library(value, cls))
        else:
            own += [self._library(value, base) for base in _library_bases(cls)]
            own += [self._of(getattr(value, name, None)) for name in _slots_of(cls)]
        attributes = getattr(value, "__dict__", None)
        if isinstance(attributes, dict) and attributes and _is_known(cls):
            known = _own_names(cls)
            own.append(self._of({k: v for k, v in attributes.items() if k not in known}))
        return tuple(own)

    def _library(self, value: Any, cls: Any) -> object:
        """What a class of a library keeps of `value`."""
        if cls in _BASES or _is_trusted(cls):
            return None
        if issubclass(cls, (*_SIZED, bytearray, Random, itertools.count, MappingProxyType)):
            return self._known(value)
        if issubclass(cls, _NUMBERS):
            return repr(next(b for b in _NUMBERS if issubclass(cls, b)).__repr__(value))
        if issubclass(cls, BaseException):
            return self._of(value.args)
        if issubclass(cls, partial):
            return self._of((value.func, value.args, value.keywords))
        if issubclass(cls, logging.Logger):
            return self._of((value.level, value.disabled, value.propagate, Same(*value.handlers)))
        if cls.__module__ == "numpy" and hasattr(value, "tobytes"):
            return self._array(value)
        if not _is_known(cls):
            self.opaque.add(f"{cls.__module__}.{cls.__qualname__}")
        return None

    def _known(self, value: Any) -> object:
        of = self._of
        if isinstance(value, _SIZED):
            self._left -= len(value)
            if self._left < 0:
                raise TooLarge
        if isinstance(value, (dict, MappingProxyType)):
            more = value.default_factory if isinstance(value, collections.defaultdict) else None
            return of(more), tuple([(of(key), of(part)) for key, part in value.items()])
        if isinstance(value, _SIZED):
            parts = sorted(value, key=id) if isinstance(value, (set, frozenset)) else value
            return tuple([of(part) for part in parts])
        if isinstance(value, bytearray):
            return bytes(value)
        if isinstance(value, Random):
            return value.getstate() if not hasattr(value, "_urandom") else id(value)
        return repr(value)  # itertools.count

    def _array(self, value: Any) -> object:
        self._left -= value.nbytes // 64
        if self._left < 0:
            raise TooLarge
        parts = value.tolist() if value.dtype.hasobject else None
        return str(value.dtype), value.shape, value.tobytes(), self._of(parts)


def is_watchable(value: Any) -> bool:
    """Whether a picture of it shows its state: of the user's classes, and of plain containers."""
    if isinstance(value, (*_SIZED, bytearray, Random, SimpleNamespace, itertools.count, partial)):
        return True
    return not is_library(type(value).__module__)


def is_mutable(value: Any) -> bool:
    """Whether a value can change without being assigned anew, as far as its type tells."""
    cls = type(value)
    return not (cls in ATOMS or issubclass(cls, _CODE))


@lru_cache(maxsize=4096)
def _is_known(cls: Any) -> bool:
    """Whether the attributes of instances have to be looked at, and show all that there is."""
    if not is_library(cls.__module__):
        return True
    return issubclass(cls, _KNOWN) and not issubclass(cls, Path) and not _is_trusted(cls)


def _is_trusted(cls: type) -> bool:
    return cls.__module__.partition(".")[0] in _TRUSTED


@lru_cache(maxsize=4096)
def _library_bases(cls: type) -> tuple[type, ...]:
    """The classes of libraries that instances of a user's class inherit a state from."""
    bases: list[type] = []
    for base in cls.__mro__:
        if is_library(base.__module__) and not any(base in each.__mro__ for each in bases):
            bases.append(base)
    return tuple(bases)


@lru_cache(maxsize=4096)
def _own_names(cls: Any) -> frozenset[str]:
    """The attributes that methods of libraries give to instances: what they keep for themselves."""
    if not issubclass(cls, (*_INSTRUMENTED, *_IMMUTABLE, logging.Logger)):
        return frozenset()
    if issubclass(cls, logging.Logger):
        return frozenset(vars(logging.getLogger(__name__)))
    names: set[str] = set()
    for base in cls.__mro__:
        if is_library(base.__module__):
            functions: list[Callable[..., Any]] = [
                each for each in vars(base).values() if isinstance(each, FunctionType)
            ]
            for function in functions:
                names |= names_in(function.__code__).stored
    return frozenset(names)


@lru_cache(maxsize=4096)
def _slots_of(cls: type) -> tuple[str, ...]:
    names: list[str] = []
    for base in cls.__mro__:
        if base.__module__ == "pydantic.main":
            names += _PYDANTICS
        if is_library(base.__module__):
            continue
        slots = base.__dict__.get("__slots__", ())
        for name in [slots] if isinstance(slots, str) else slots:
            private = name.startswith("__") and not name.endswith("__")
            names.append(f"_{base.__name__.lstrip('_')}{name}" if private else name)
    return tuple(name for name in names if name not in ("__dict__", "__weakref__"))
