"""A cheap picture of a value, to see whether a step has changed it. Equal pictures, equal values.

It is no digest: identities count where values can't be looked into, and nothing of it survives the
process. Before editing: this is made of everything that is watched after every step.
"""

from __future__ import annotations

import collections
import itertools
import sys
import sysconfig
from functools import lru_cache, partial
from random import Random
from types import (
    BuiltinFunctionType,
    CoroutineType,
    FunctionType,
    MethodType,
    ModuleType,
    SimpleNamespace,
)
from typing import Any

_ATOMS = frozenset({int, float, str, bytes, bool, complex, range, type(None), type(...)})
_CODE = (FunctionType, BuiltinFunctionType, MethodType, ModuleType, type, partial)
_SIZED = (dict, list, tuple, collections.deque, set, frozenset)
# What libraries make that is immutable, instrumented, or of no matter to results.
_HARMLESS = frozenset(
    [
        "asyncio",
        "logging",
        "re",
        "functools",
        "typing",
        "enum",
        "pathlib",
        "datetime",
        "decimal",
        "fractions",
        "uuid",
        "threading",
        "contextvars",
        "types",
        "weakref",
        "abc",
        "zoneinfo",
        "anyio",
        "ipaddress",
        "string",
        "operator",
        "inspect",
        "pydantic",
        "pydantic_core",
        "annotated_types",
        "lift_sys",
        "typing_extensions",
    ]
)
# Of Python's own types, those without a state that steps could share by them.
_STATELESS = (slice, property, staticmethod, classmethod, BaseException, CoroutineType, super)
_PYDANTICS = ("__pydantic_private__", "__pydantic_extra__")
# A value of more parts than this is not looked into after every step.
_MOST_PARTS = 4000


class TooLarge(Exception):
    """The value has too many parts."""


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
        if type(value) in _ATOMS:
            return value
        self._left = _MOST_PARTS
        self._inside.clear()
        return self._of(value)

    def _of(self, value: Any) -> object:
        cls = type(value)
        if cls in _ATOMS:
            return value
        if issubclass(cls, _CODE):
            return id(value)
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
        of = self._of
        if issubclass(cls, _SIZED):
            self._left -= len(value)
            if self._left < 0:
                raise TooLarge
            more = of(attributes) if (attributes := getattr(value, "__dict__", None)) else None
            if issubclass(cls, dict):
                return cls, more, tuple([(of(key), of(part)) for key, part in value.items()])
            parts = sorted(value, key=id) if issubclass(cls, (set, frozenset)) else value
            return cls, more, tuple([of(part) for part in parts])
        if cls is bytearray:
            return bytes(value)
        if issubclass(cls, Random):
            return value.getstate() if not hasattr(value, "_urandom") else id(value)
        if cls is itertools.count:
            return repr(value)
        if cls.__module__ == "numpy" and hasattr(value, "tobytes"):
            self._left -= value.nbytes // 64
            return value.tobytes() if self._left > 0 else id(value)
        if is_library(cls.__module__) and not issubclass(cls, SimpleNamespace):
            if not _is_harmless(cls):
                self.opaque.add(f"{cls.__module__}.{cls.__qualname__}")
            return id(value)
        own: list[object] = [id(value)]
        attributes = getattr(value, "__dict__", None)
        if attributes:
            own.append(of(attributes))
        slots: tuple[str, ...] = (*_PYDANTICS, *_slots_of(cls))  # type: ignore[arg-type]
        own += [of(getattr(value, name, None)) for name in slots]
        return tuple(own)


def _is_harmless(cls: type) -> bool:
    if cls.__module__ == "builtins":
        return issubclass(cls, _STATELESS)
    return cls.__module__.partition(".")[0] in _HARMLESS


def is_watchable(value: Any) -> bool:
    """Whether a picture of it shows its state: of the user's classes, and of plain containers."""
    if isinstance(value, (*_SIZED, bytearray, Random, SimpleNamespace, itertools.count)):
        return True
    return not is_library(type(value).__module__)


def is_mutable(value: Any) -> bool:
    """Whether a value can change without being assigned anew, as far as its type tells."""
    cls = type(value)
    return not (cls in _ATOMS or issubclass(cls, _CODE))


@lru_cache(maxsize=4096)
def is_library(module: str) -> bool:
    """Whether a module belongs to Python, to an installed package or to lift_sys."""
    root = module.partition(".")[0]
    if root in sys.stdlib_module_names and root != "__main__":
        return True
    if root == "lift_sys":
        return True
    found = sys.modules.get(module) or sys.modules.get(root)
    if found is None:
        return False  # made by hand
    file = getattr(found, "__file__", None)
    if file is None:
        return root in sys.builtin_module_names
    return str(file).startswith(_library_paths())


@lru_cache(maxsize=1)
def _library_paths() -> tuple[str, ...]:
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    return tuple({sysconfig.get_paths()[name] for name in names})


@lru_cache(maxsize=4096)
def _slots_of(cls: type) -> tuple[str, ...]:
    names: list[str] = []
    for base in cls.__mro__:
        if is_library(base.__module__):
            continue
        slots = base.__dict__.get("__slots__", ())
        names += [slots] if isinstance(slots, str) else list(slots)
    return tuple(name for name in names if name not in ("__dict__", "__weakref__"))
