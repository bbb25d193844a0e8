"""Replacing a function everywhere it is known by: in its module, and where it was imported from it.

What the user's modules import later gets the replacement by itself. Before editing: aliases inside
the standard library stay as they are, on purpose: `threading` measures real waits with its own
`monotonic`, and a clock of ours would make them hang.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Callable
from types import CellType, FunctionType, ModuleType
from typing import Any

_identity = id  # ours is slower, and is in place when this is used


class Replacements:
    """Old function to new one, by identity."""

    def __init__(self) -> None:
        self._by_id: dict[int, tuple[Any, Any]] = {}
        self._done: set[str] = set()

    def put(self, owner: Any, name: str, new: Any) -> None:
        """Make `owner.name` be `new`, and remember what it was."""
        old = getattr(owner, name)
        self._by_id[_identity(old)] = old, new
        self._done.clear()
        setattr(owner, name, new)

    def put_in_type(self, owner: type, name: str, new: Callable[..., Any]) -> None:
        """Give a class of the C library another class method.

        Such classes refuse `setattr`, but their dictionary can be reached; the interpreter is told
        that it changed. The class stays the same object, so that every `isinstance`, annotation and
        `from datetime import datetime` goes on to work (a subclass in its place would break
        these). Tried on CPython 3.11, 3.12 and 3.13.
        """
        (members,) = gc.get_referents(owner.__dict__)
        members[name] = classmethod(new)
        ctypes.pythonapi.PyType_Modified(ctypes.py_object(owner))

    def apply_to_modules(self) -> None:
        """Replace names that imported modules took from others (`from time import time`)."""
        modules: dict[str, Any] = dict(sys.modules)  # a few packages put other objects there
        for name, module in modules.items():
            if name in self._done:
                continue
            self._done.add(name)
            top = name.partition(".")[0]
            if isinstance(module, ModuleType) and top not in sys.stdlib_module_names:
                self.apply_to_names(vars(module))

    def apply_to_names(self, names: dict[str, Any]) -> None:
        """Replace values in a dictionary of names."""
        for name, value in list(names.items()):
            found = self._by_id.get(_identity(value))
            if found is not None:
                names[name] = found[1]

    def apply_to_function(self, function: FunctionType) -> None:
        """Replace what a function holds: its globals, defaults and closure, and those inside."""
        waiting, met = [function], set[int]()
        while waiting:
            current = waiting.pop()
            if _identity(current) in met:
                continue
            met.add(_identity(current))
            self.apply_to_names(current.__globals__)
            self._apply_to_defaults(current)
            for cell in current.__closure__ or ():
                inner = self._apply_to_cell(cell)
                if isinstance(inner, FunctionType):
                    waiting.append(inner)

    def _apply_to_defaults(self, function: FunctionType) -> None:
        defaults = function.__defaults__
        if defaults and any(_identity(value) in self._by_id for value in defaults):
            function.__defaults__ = tuple(self._newest(value) for value in defaults)
        if function.__kwdefaults__:
            self.apply_to_names(function.__kwdefaults__)

    def _apply_to_cell(self, cell: CellType) -> Any:
        try:
            value = cell.cell_contents
        except ValueError:  # nothing was assigned yet
            return None
        newest = self._newest(value)
        if newest is not value:
            cell.cell_contents = newest
        return newest

    def _newest(self, value: Any) -> Any:
        found = self._by_id.get(_identity(value))
        return value if found is None else found[1]
