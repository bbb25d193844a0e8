"""What code can reach: module globals, class attributes, closure cells, arguments.

It is read from the code itself, `co_names` and `co_freevars`, through functions and classes of the
user's. Code of libraries is not followed: what they keep to themselves is an assumption.
"""

from __future__ import annotations

import dis
import gc
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from types import (
    BuiltinMethodType,
    CellType,
    CodeType,
    FunctionType,
    MethodType,
    MethodWrapperType,
    ModuleType,
)
from typing import Any

from lift_sys.core.context import RunContext
from lift_sys.determinism.exploration.fingerprints import is_library, is_mutable, is_watchable

_GONE = object()
_CACHED = type(lru_cache(len))
# By these, code gets at names that it does not mention.
_REFLECTION = ("globals", "vars", "eval", "exec", "__globals__", "__closure__", "f_globals")


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Something that can hold a value which steps share.

    Attributes:
        key: What it is recognised by, within one process.
        name: How reports call it.
        read: Returns what is there now.
        holder: Kept, so that no id in `key` comes twice.
    """

    key: tuple[int, str]
    name: str
    read: Callable[[], Any]
    holder: Any


@dataclass(frozen=True, slots=True)
class Names:
    """What a code object, with those inside it, mentions.

    Attributes:
        used: Names of globals and attributes.
        stored: Those of them that it assigns.
    """

    used: tuple[str, ...]
    stored: frozenset[str]

    @property
    def reflecting(self) -> list[str]:
        """What it uses that reaches names which are not in the code."""
        return [name for name in self.used if name in _REFLECTION]


@lru_cache(maxsize=4096)
def names_in(code: CodeType) -> Names:
    """The names in `code` and in the functions defined inside it."""
    used: dict[str, None] = dict.fromkeys(code.co_names)
    stored: set[str] = set()
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("STORE_GLOBAL", "STORE_ATTR", "DELETE_GLOBAL", "STORE_DEREF"):
            stored.add(instruction.argval)
    for constant in code.co_consts:
        if isinstance(constant, str) and constant.isidentifier():
            # As in `globals()["TOTAL"] += 1` and `setattr(module, "TOTAL", 1)`.
            used[constant] = None
            stored.add(constant)
        elif isinstance(constant, CodeType):
            inner = names_in(constant)
            used.update(dict.fromkeys(inner.used))
            stored |= inner.stored
    return Names(tuple(used), frozenset(stored))


class Reach:
    """Follows code from some roots and collects the places that it can reach.

    Attributes:
        places: Found so far, by key.
        caveats: What keeps code from being followed.
    """

    def __init__(self) -> None:
        self.places: dict[tuple[int, str], Place] = {}
        self.caveats: set[str] = set()
        self._seen: set[int] = set()
        self._kept: list[Any] = []
        self._waiting: list[Any] = []

    def follow(self, *roots: Any) -> Reach:
        """Add what `roots` can reach: functions, classes, or objects with methods."""
        self._waiting += roots
        while self._waiting:
            root = self._waiting.pop()
            if id(root) in self._seen:
                continue
            self._seen.add(id(root))
            self._kept.append(root)
            self._follow(root)
        return self

    def add_thing(self, value: Any, name: str) -> None:
        """Add an object that steps were given, with the code of its class."""
        if isinstance(value, (RunContext, MethodWrapperType)) or not is_mutable(value):
            self.follow(value)
            return
        self._add(Place((id(value), ""), name, lambda: value, value))
        if is_watchable(value):
            self.follow(value)

    def _add(self, place: Place) -> None:
        self.places.setdefault(place.key, place)

    def _follow(self, root: Any) -> None:
        if isinstance(root, MethodType):
            self._waiting.append(root.__func__)
            self.add_thing(root.__self__, f"the object of {root.__func__.__qualname__}")
        elif isinstance(root, RunContext):
            self._context(root)
        elif isinstance(root, FunctionType):
            self._function(root)
        elif isinstance(root, _CACHED):
            self._cache(root)
        elif isinstance(root, partial):
            self._waiting.append(root.func)
            for value in (*root.args, *root.keywords.values()):
                self.add_thing(value, "an argument of a `partial`")
        elif isinstance(root, type):
            self._class(root)
        elif isinstance(getattr(root, "__self__", None), random.Random):
            self._random(root.__self__)
        elif isinstance(root, random.Random):
            self._random(root)
        elif isinstance(root, (BuiltinMethodType, MethodWrapperType)):
            if not isinstance(root.__self__, (ModuleType, type, type(None))):
                self.add_thing(root.__self__, f"the object of {root.__qualname__}")
        elif isinstance(root, (list, tuple)):
            self._waiting += root[:50]
        elif isinstance(root, dict):
            self._waiting += list(root.values())[:50]
        elif not isinstance(root, ModuleType) and is_mutable(root):
            self._class(type(root))
            self._waiting += list(getattr(root, "__dict__", {}).values())

    def _function(self, function: FunctionType) -> None:
        if is_library(function.__module__ or ""):
            wrapped = getattr(function, "__wrapped__", None)
            if wrapped is not None:
                self._waiting.append(wrapped)
            return
        names = names_in(function.__code__)
        for name in names.reflecting:
            self.caveats.add(f"{function.__qualname__} uses `{name}`, which may reach anything")
        self._names(names, function.__globals__, function.__module__ or "?")
        if "cache_info" in names.used:  # hits count only for whoever asks for them
            for cache in map(function.__globals__.get, names.used):
                if isinstance(cache, _CACHED):
                    name = f"the hits of {cache.__wrapped__.__qualname__}"
                    self._add(Place((id(cache), "hits"), name, cache.cache_info, cache))
        for name, cell in zip(
            function.__code__.co_freevars, function.__closure__ or (), strict=False
        ):
            self._cell(cell, f"{function.__qualname__}.{name}", name in names.stored)
        for value in [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]:
            if is_mutable(value):
                self.add_thing(value, f"a default argument of {function.__qualname__}")
        wrapped = getattr(function, "__wrapped__", None)
        if wrapped is not None:
            self._waiting.append(wrapped)

    def _names(self, names: Names, namespace: dict[str, Any], module: str) -> None:
        for name in names.used:
            if name not in namespace:
                continue
            value = namespace[name]
            if isinstance(value, ModuleType):
                if value is random:
                    self._waiting += [getattr(random, each, None) for each in names.used]
                elif not is_library(value.__name__):
                    self._names(names, vars(value), value.__name__)
                continue
            if name in names.stored or is_mutable(value):
                read = partial(namespace.get, name, _GONE)
                self._add(Place((id(namespace), name), f"{module}.{name}", read, namespace))
            self._waiting.append(value)

    def _cell(self, cell: CellType, name: str, stored: bool) -> None:
        def read() -> Any:
            try:
                return cell.cell_contents
            except ValueError:
                return _GONE

        value = read()
        if stored or is_mutable(value):
            self._add(Place((id(cell), ""), name, read, cell))
        self._waiting.append(value)

    def _class(self, cls: type) -> None:
        for base in cls.__mro__:
            if id(base) in self._seen and base is not cls:
                continue
            self._seen.add(id(base))
            if is_library(base.__module__):
                continue
            for name, value in list(vars(base).items()):
                self._attribute(base, name, value)

    def _attribute(self, owner: type, name: str, value: Any) -> None:
        if isinstance(value, (staticmethod, classmethod)):
            value = value.__func__
        if isinstance(value, property):
            self._waiting += [value.fget, value.fset]
        elif isinstance(value, (FunctionType, type)) or callable(value):
            self._waiting.append(value)
        elif not name.startswith(("__", "_abc", "model_", "_lift")):
            read = partial(vars(owner).get, name, _GONE)
            self._add(Place((id(owner), name), f"{owner.__qualname__}.{name}", read, owner))

    def _context(self, context: RunContext[Any]) -> None:
        """What tasks share that a node starts on its own context."""
        for name in ("state", "_metadata", "_provenance", "_random"):
            read = partial(getattr, context, name, None)
            shown = name.lstrip("_")
            self._add(Place((id(context), name), f"{shown} of {context.address}", read, context))

    def _cache(self, function: Any) -> None:
        """What `functools.lru_cache` keeps, and counts."""
        wrapped = function.__wrapped__
        self._waiting.append(wrapped)
        if not is_library(wrapped.__module__ or ""):

            def read() -> Any:
                kept = gc.get_referents(function)  # among them a bare object, its own mark
                kept = [part for part in kept if not callable(part) and type(part) is not object]
                return [function.cache_info().misses, *kept]

            key = (id(function), "")
            self._add(Place(key, f"the cache of {wrapped.__qualname__}", read, function))

    def _random(self, generator: random.Random) -> None:
        name = "the shared generator of `random`"
        self._add(Place((id(generator), ""), name, lambda: generator, generator))


def function_of(coro: Any) -> FunctionType | None:
    """The function that a coroutine is a call of; asyncio keeps no reference, its frame does."""
    code = getattr(coro, "cr_code", None)
    for each in gc.get_referents(coro):
        if isinstance(each, FunctionType) and each.__code__ is code:
            return each
    return None


def arguments_of(coro: Any) -> Iterator[tuple[str, Any]]:
    """What a coroutine that has not begun was called with."""
    frame = getattr(coro, "cr_frame", None)
    if frame is not None:
        yield from list(frame.f_locals.items())
