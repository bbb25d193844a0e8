"""What code can reach: module globals, attributes of classes and functions, closure cells, arguments.

It is read from the code itself (`names.py`), through functions and classes of the user's. Code of
libraries is not followed: what may keep something between steps is a caveat (`libraries.py`).
Before editing: what can be seen must be a place, and what can't must be a caveat that names it.
"""

from __future__ import annotations

import gc
import random
from collections import deque
from functools import lru_cache, partial
from types import (
    BuiltinFunctionType,
    FunctionType,
    MethodType,
    MethodWrapperType,
    ModuleType,
    SimpleNamespace,
)
from typing import Any

from lift_sys.core.context import RunContext
from lift_sys.determinism.exploration.kinds import ATOMS, is_mutable, is_watchable, slots_of
from lift_sys.determinism.exploration.libraries import is_library
from lift_sys.determinism.exploration.machinery import is_machinery, parts_of
from lift_sys.determinism.exploration.mentions import GONE, Mentions, Place, content_of
from lift_sys.determinism.exploration.names import names_in

_CACHED = type(lru_cache(len))
# Containers of more things than this are not followed.
_MOST = 4000


class Reach(Mentions):
    """Follows code from some roots and collects the places that it can reach.

    Attributes:
        places: Found so far, by key.
        caveats: What keeps code from being followed.
    """

    def follow(self, *roots: Any, by: str = "the target") -> Reach:
        """Add what `roots` can reach: functions, classes, or objects with methods."""
        before, self._by = self._by, by
        self._wait(*roots)
        while self._waiting:
            root, self._by = self._waiting.pop()
            if id(root) in self._seen:
                continue
            self._seen.add(id(root))
            self._kept.append(root)
            self._follow(root)
        self._by = before
        return self

    def add_thing(self, value: Any, name: str) -> None:
        """Add an object that steps were given, with the code of its class."""
        if isinstance(value, (RunContext, MethodWrapperType)) or not is_mutable(value):
            self.follow(value, by=name)
            return
        self._add(Place((id(value), ""), name, lambda: value, value))
        if is_watchable(value):
            self.follow(value, by=name)

    def add_carried(self, value: Any, name: str) -> set[type]:
        """Add what copies of a value still share: functions, and what copies itself.

        Returns:
            The user's classes in it, which all copies share as well.
        """
        waiting, seen, classes = [value], set[int](), set[type]()
        while waiting:
            each = waiting.pop()
            if type(each) in ATOMS or id(each) in seen:
                continue
            seen.add(id(each))
            self._kept.append(each)
            if not is_mutable(each):
                if callable(each):
                    self.follow(each, by=name)
            elif isinstance(each, dict):
                waiting += [*each, *each.values()]
            elif isinstance(each, (list, tuple, deque, set, frozenset)):
                waiting += each
            if isinstance(each, partial):
                waiting += [each.func, each.args, each.keywords]
            cls: type = type(each)
            if is_mutable(each) and not is_library(cls.__module__):
                for own in (
                    "__deepcopy__",
                    "__copy__",
                    "__reduce__",
                    "__reduce_ex__",
                    "__getstate__",
                ):
                    function = getattr(cls, own, None)
                    if not is_library(getattr(function, "__module__", None) or "builtins"):
                        self.caveats.add(f"{name} holds a {cls.__qualname__}, which copies itself")
                waiting += vars(each).values() if hasattr(each, "__dict__") else ()
                waiting += [getattr(each, slot, None) for slot in slots_of(cls)]
                classes.add(cls)
        return classes

    def include(self, other: Reach) -> None:
        """Add all that another one has found."""
        self.places = {**other.places, **self.places}
        self.caveats |= other.caveats
        self.foreign |= other.foreign
        self._kept.append(other)

    def _follow(self, root: Any) -> None:
        if isinstance(root, MethodType):
            self._wait(root.__func__)
            self._own(root.__self__, f"the object of {root.__func__.__qualname__}")
        elif isinstance(root, RunContext):
            self._context(root)
        elif isinstance(root, FunctionType):
            self._function(root)
        elif isinstance(root, _CACHED):
            self._cache(root)
        elif isinstance(root, partial):
            self._wait(root.func, vars(root))
            for value in (*root.args, *root.keywords.values()):
                self._own(value, "an argument of a `partial`")
        elif isinstance(root, type):
            self._class(root)
        elif isinstance(getattr(root, "__self__", None), random.Random):
            self._random(root.__self__)
        elif isinstance(root, random.Random):
            self._random(root)
            self._class(type(root))
        elif isinstance(root, (BuiltinFunctionType, MethodWrapperType)):
            if isinstance(root.__self__, (ModuleType, type(None))):
                self._library(root.__module__ or "builtins", root.__name__)
            else:
                self._own(root.__self__, f"the object of {root.__qualname__}")
        elif isinstance(root, ModuleType):
            self.caveats.add(f"{self._by} has the module `{root.__name__}` as a value")
        elif is_mutable(root):
            self._object(root)

    def _object(self, root: Any) -> None:
        """Things in a container, or in the attributes of an object."""
        parts: list[Any] = []
        if isinstance(root, (list, tuple, deque, set, frozenset)):
            parts += root
        elif isinstance(root, dict):
            parts += [*root, *root.values()]
        if len(parts) > 2 * _MOST:
            self.caveats.add(f"{self._by} reaches a container that is too large to be followed")
            parts = []
        self._wait(*(part for part in parts if is_mutable(part) or callable(part)))
        cls = type(root)
        self._wait(*parts_of(root))
        if cls in (list, tuple, dict, set, frozenset, deque):
            return
        attributes = list(getattr(root, "__dict__", {}).values())
        if is_library(cls.__module__) and not isinstance(root, SimpleNamespace):
            by, self._by = self._by, ""
            self._wait(*attributes)
            self._by = by
            return
        self._class(cls)
        self._wait(*attributes)

    def _own(self, value: Any, name: str) -> None:
        """As `add_thing`, while something is followed already."""
        if is_mutable(value) and not isinstance(value, RunContext):
            self._add(Place((id(value), ""), name, lambda: value, value))
        if not is_mutable(value) or is_watchable(value) or isinstance(value, RunContext):
            self._wait(value)

    def _function(self, function: FunctionType) -> None:
        module = function.__globals__.get("__name__") or function.__module__ or ""
        wrapped = getattr(function, "__wrapped__", None)
        if is_library(module):
            self._library(module, function.__name__)
            self._wait(wrapped)
            for cell in function.__closure__ or ():
                if callable(content_of(cell)):
                    self._wait(content_of(cell))
                elif module == "functools":  # as what `singledispatch` has registered
                    self._cell(cell, f"what {function.__qualname__} keeps", False)
            self._attributes(function)
            return
        self._by = name = function.__qualname__
        names = names_in(function.__code__)
        for each in names.reflecting:
            self.caveats.add(f"{name} uses `{each}`, which may reach anything")
        self.foreign |= names.foreign
        self._names(names, function.__globals__, module or "?", own=True)
        for statement in names.imports:
            self._import(statement, names, function.__globals__)
        if "cache_info" in names.used:  # hits count only for whoever asks for them
            for cache in map(function.__globals__.get, names.used):
                if isinstance(cache, _CACHED):
                    said = f"the hits of {cache.__wrapped__.__qualname__}"
                    self._add(Place((id(cache), "hits"), said, cache.cache_info, cache))
        for free, cell in zip(
            function.__code__.co_freevars, function.__closure__ or (), strict=False
        ):
            content = content_of(cell)
            if isinstance(content, ModuleType) and free not in names.stored:
                self._module(content, free, names)  # imported by the function around
            else:
                self._cell(cell, f"{name}.{free}", free in names.stored)
        for value in [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]:
            self._own(value, f"a default argument of {name}")

        self._attributes(function)
        self._wait(wrapped, *function.__dict__.values())

    def _class(self, cls: type) -> None:
        if not is_library(type(cls).__module__):
            self._wait(type(cls))
        for base in cls.__mro__:
            if id(base) in self._seen and base is not cls:
                continue
            self._seen.add(id(base))
            self._kept.append(base)
            self._attributes(base)
            if is_library(base.__module__):
                self._library(base.__module__, base.__name__)
                continue
            for name, value in list(vars(base).items()):
                self._attribute(base, name, value)

    def _attribute(self, owner: type, name: str, value: Any) -> None:
        if is_machinery(owner, name, value):
            return
        if (is_mutable(value) and not parts_of(value)) or (
            not callable(value) and not parts_of(value)
        ):
            read = partial(vars(owner).get, name, GONE)
            self._add(Place((id(owner), name), f"{owner.__qualname__}.{name}", read, owner))
        before, self._by = self._by, owner.__qualname__
        self._wait(value)
        self._by = before

    def _context(self, context: RunContext[Any]) -> None:
        """What tasks share that a node starts on its own context."""
        for name in ("state", "_metadata", "_provenance", "_random"):
            read = partial(getattr, context, name, None)
            shown = name.lstrip("_")
            self._add(Place((id(context), name), f"{shown} of {context.address}", read, context))

    def _cache(self, function: Any) -> None:
        """What `functools.lru_cache` keeps, and counts."""
        wrapped = function.__wrapped__
        self._wait(wrapped)
        if not is_library(wrapped.__module__ or ""):

            def read() -> Any:
                kept = gc.get_referents(function)  # among them a bare object, its own mark
                kept = [part for part in kept if not callable(part) and type(part) is not object]
                return [function.cache_info().misses, *map(_without_links, kept)]

            key = (id(function), "")
            self._add(Place(key, f"the cache of {wrapped.__qualname__}", read, function))

    def _random(self, generator: random.Random) -> None:
        name = "the shared generator of `random`"
        self._add(Place((id(generator), ""), name, lambda: generator, generator))


def _without_links(kept: Any) -> Any:
    """What a cache that has a limit keeps in links is among its referents by itself."""
    if type(kept) is not dict:
        return kept
    return {key: part for key, part in kept.items() if type(part).__name__ != "_lru_list_elem"}
