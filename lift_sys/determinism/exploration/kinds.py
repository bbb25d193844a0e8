"""Kinds of values: what can't change, what says by itself who touches it, what can be looked into.

Before editing: a type of a library that is not named here is opaque, and then nothing is proven.
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
import typing
import uuid
import zoneinfo
from decimal import Decimal
from functools import lru_cache, partial
from inspect import unwrap
from pathlib import Path, PurePath
from random import Random
from types import (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    CoroutineType,
    FunctionType,
    GenericAlias,
    GetSetDescriptorType,
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
PLAIN = frozenset({int, str, bytes, type(None), type(...)})
NUMBERS = (int, float, complex, str, bytes)
CODE = (FunctionType, BuiltinFunctionType, MethodType, MethodWrapperType, ModuleType, type)
SIZED = (dict, list, tuple, collections.deque, set, frozenset)
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
    type(vars(collections.namedtuple("_Pair", "first"))["first"]),
)
# What says by itself who touches it; only attributes that others gave it have to be looked at.
INSTRUMENTED = (
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
    string.Template,
)
_KNOWN = (
    *SIZED,
    *_IMMUTABLE,
    *_PARTS_OF_CLASSES,
    *INSTRUMENTED,
    *_ATTRIBUTES_ONLY,
    partial,
    BaseException,
    logging.Logger,
)
# Of these, nothing but identities matters: what they make of a program is watched elsewhere.
_TRUSTED = ("lift_sys", "pydantic", "pydantic_core", "annotated_types", "typing", "dataclasses")
BASES = (object, abc.ABC, typing.Generic, typing.Protocol, enum.Enum)
_PYDANTICS = ("__pydantic_private__", "__pydantic_extra__", "__pydantic_fields_set__")


def is_watchable(value: Any) -> bool:
    """Whether a picture of it shows its state: of the user's classes, and of plain containers."""
    if isinstance(value, (*SIZED, bytearray, Random, SimpleNamespace, itertools.count, partial)):
        return True
    return not is_library(type(value).__module__)


def is_mutable(value: Any) -> bool:
    """Whether a value can change without being assigned anew, as far as its type tells."""
    cls = type(value)
    return not (cls in ATOMS or issubclass(cls, CODE))


def is_fixed(value: Any) -> bool:
    """Whether nothing in a value can ever change."""
    if isinstance(value, (tuple, frozenset)):
        return all(map(is_fixed, value))
    cls = type(value)
    return cls in ATOMS or (issubclass(cls, (*CODE, *_IMMUTABLE)) and is_library(cls.__module__))


@lru_cache(maxsize=4096)
def is_known(cls: Any) -> bool:
    """Whether the attributes of instances have to be looked at, and show all that there is."""
    if not is_library(cls.__module__):
        return True
    return issubclass(cls, _KNOWN) and not issubclass(cls, Path) and not is_trusted(cls)


def is_trusted(cls: type) -> bool:
    """Whether a class is of a library whose objects only matter by which they are."""
    return cls.__module__.partition(".")[0] in _TRUSTED


@lru_cache(maxsize=4096)
def library_bases(cls: type) -> tuple[type, ...]:
    """The classes of libraries that instances of a user's class inherit a state from."""
    bases: list[type] = []
    for base in cls.__mro__:
        if is_library(base.__module__) and not any(base in each.__mro__ for each in bases):
            bases.append(base)
    return tuple(bases)


@lru_cache(maxsize=4096)
def own_names(cls: Any, mentioned: frozenset[str]) -> frozenset[str]:
    """The attributes that methods of libraries give to instances: what they keep for themselves.

    But for what the program mentions (`semaphore._value`), as does the user's subclass of a library's.
    """
    if not issubclass(cls, (*INSTRUMENTED, *_IMMUTABLE, logging.Logger)):
        return frozenset()
    if issubclass(cls, logging.Logger):
        return frozenset(vars(logging.getLogger(__name__)))
    kept: set[str] = set()
    used: set[str] = set()
    for base in cls.__mro__:
        for function in map(unwrap, vars(base).values()):
            if isinstance(function, FunctionType):
                names = names_in(function.__code__)
                if is_library(base.__module__):
                    kept |= names.assigned
                else:
                    used |= set(names.used)
    return frozenset(kept - used - mentioned)


@lru_cache(maxsize=4096)
def members_of(cls: type[BaseException]) -> tuple[str, ...]:
    """What an exception of this class has besides `__dict__`, but for where it was raised."""
    return (
        "args",
        "__cause__",
        "__context__",
        *(
            name
            for base in cls.__mro__
            if base.__module__ == "builtins"
            for name, value in vars(base).items()
            if isinstance(value, MemberDescriptorType)
        ),
    )


@lru_cache(maxsize=4096)
def slots_of(cls: type) -> tuple[str, ...]:
    """The slots of a user's class, and of what pydantic keeps besides `__dict__`."""
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
