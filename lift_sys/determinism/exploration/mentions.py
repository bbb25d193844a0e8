"""Following what code mentions by name, and what it is made of: variables, modules, imports, cells."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import resolve_name
from types import CellType, FunctionType, ModuleType
from typing import Any

from lift_sys.determinism.exploration.fingerprints import Same
from lift_sys.determinism.exploration.guards import Guard
from lift_sys.determinism.exploration.kinds import is_mutable
from lift_sys.determinism.exploration.libraries import imported, is_library, is_listed, unwatched
from lift_sys.determinism.exploration.names import Import, Names

# Flags of types: what is made by a class statement, and what can't be changed all the same.
_MADE_BY_CODE, _FIXED = 1 << 9, 1 << 8

GONE = object()
"""What is read where nothing is."""


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Something that can hold a value which steps share.

    Attributes:
        key: What it is recognised by, within one process.
        name: How reports call it.
        read: Returns what is there now.
        holder: Kept, so that no id in `key` comes twice.
        guarded: Adds to a guard all that `read` depends on, where that is quicker than to read.
    """

    key: tuple[int, str]
    name: str
    read: Callable[[], Any]
    holder: Any
    guarded: Callable[[Guard], None] | None = None


class Mentions:
    """Collects the places that names stand for, and what is to be followed next.

    Attributes:
        places: Found so far, by key.
        caveats: What keeps code from being followed.
        foreign: Attributes that code uses of something else than its `self`.
    """

    def __init__(self) -> None:
        self.places: dict[tuple[int, str], Place] = {}
        self.foreign: frozenset[str] = frozenset()
        self.caveats: set[str] = set()
        self._seen: set[int] = set()
        self._kept: list[Any] = []
        self._waiting: list[tuple[Any, str]] = []
        self._by = ""  # who uses what is followed; "" within a library

    def _add(self, place: Place) -> None:
        self.places.setdefault(place.key, place)

    def _wait(self, *roots: Any) -> None:
        self._waiting += [(root, self._by) for root in roots if root is not None]

    def _library(self, module: str, name: str = "") -> None:
        found = unwatched(module, name)
        if found and self._by:
            self.caveats.add(f"{self._by} uses `{found}`, whose state is not watched")

    def _names(
        self, names: Names, namespace: dict[str, Any], module: str, *, own: bool = False
    ) -> None:
        """Follow what `names` stand for in a module of the user's, `own` if it is the code's."""
        for name in names.used:
            value = namespace.get(name, GONE)
            if value is GONE:
                if own and name in names.globals:
                    if hasattr(builtins, name):
                        self._wait(getattr(builtins, name))
                    else:
                        self._variable(namespace, name, module)
            elif isinstance(value, ModuleType):
                if name in names.globals or not own:  # an attribute may have the name of a module
                    self._module(value, name, names, own=own)
            else:
                if name in names.stored or is_mutable(value):
                    self._variable(namespace, name, module)
                self._wait(value)

    def _variable(self, namespace: dict[str, Any], name: str, module: str) -> None:
        read = partial(namespace.get, name, GONE)
        self._add(Place((id(namespace), name), f"{module}.{name}", read, namespace))

    def _module(self, module: ModuleType, alias: str, names: Names, *, own: bool = True) -> None:
        """Follow what code uses of a module that it calls `alias`."""
        name = module.__name__
        attributes = names.of(alias)
        for each in attributes:
            if each in names.stored:
                self._variable(vars(module), each, name)
        if alias in names.bare or "__dict__" in attributes:
            self.caveats.add(f"{self._by} has the module `{name}` as a value")
        if not is_library(name):
            for each in attributes:
                if each not in vars(module):
                    self._variable(vars(module), each, name)
            if id(module) not in self._seen:
                self._seen.add(id(module))
                self._names(names, vars(module), name)
                self._seen.discard(id(module))
            return
        if not own:  # a module that another one has imported for itself
            return
        if not attributes:
            self._library(name)
        for each in attributes:
            value = getattr(module, each, None)
            if isinstance(value, ModuleType):  # as `os.path`
                self._module(value, f"{alias}.{each}", names)
                continue
            self._library(name, each)
            if callable(value) or is_mutable(value):
                self._wait(value)

    def _import(self, each: Import, names: Names, namespace: dict[str, Any]) -> None:
        """Follow what a function imports by itself."""
        full = each.module
        if each.level:
            full = resolve_name("." * each.level + full, namespace.get("__package__") or "")
        root = full.partition(".")[0]
        if each.alias == root and is_library(full):
            full = root  # `import os.path` is `os` to the code
        found = imported(full) if is_listed(full) or not is_library(full) else None
        if not isinstance(found, ModuleType):
            if is_library(full) and (each.names or each.alias):
                for name in each.names or names.of(each.alias) or ("",):
                    self._library(full, name)
            else:
                self.caveats.add(f"{self._by} imports `{full}`, which can't be followed")
            return
        if not each.names:
            self._module(found, each.alias, names)
            return
        for name in each.names:
            value = vars(found).get(name, GONE)
            if name == "*" or value is GONE:
                value = imported(f"{full}.{name}")
            if isinstance(value, ModuleType):
                self._module(value, name, names)
            elif not is_library(full):
                self._variable(vars(found), name, full)
                self._wait(value)
            else:
                self._library(found.__name__, name)
                self._wait(value)

    def _attributes(self, owner: Any) -> None:
        """What a function or a class has by any name, of the user's or of a library."""
        guarded: Callable[[Guard], None] | None = None
        if isinstance(owner, FunctionType):
            if not owner.__dict__:
                guarded = partial(Guard.add_function, function=owner)

            def read() -> Any:
                named = owner.__kwdefaults__ or {}
                texts = (owner.__name__, owner.__qualname__, owner.__doc__)
                code = Same(owner.__code__, owner.__defaults__, *texts, *named, *named.values())
                return [owner.__dict__, code] if owner.__dict__ else code

        elif owner.__flags__ & _FIXED or not owner.__flags__ & _MADE_BY_CODE:
            return
        else:
            guarded = partial(Guard.add_class, cls=owner)

            def read() -> Any:
                own = (owner.__name__, owner.__qualname__, owner.__bases__)
                return Same(*own, *vars(owner).keys(), *vars(owner).values())

        name = f"attributes of {owner.__qualname__}"
        self._add(Place((id(owner), ""), name, read, owner, guarded))

    def _cell(self, cell: CellType, name: str, stored: bool) -> None:
        value = content_of(cell)
        if stored or is_mutable(value):
            self._add(Place((id(cell), ""), name, partial(content_of, cell), cell))
        self._wait(value)


def content_of(cell: CellType) -> Any:
    """What a cell of a closure holds now."""
    try:
        return cell.cell_contents
    except ValueError:
        return GONE
