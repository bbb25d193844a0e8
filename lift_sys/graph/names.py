"""What a name in an annotation means: the scopes of Python, looked through when they are needed.

Annotations name classes that no module knows: defined inside a function, or by a notebook cell.
Names are looked up as Python would from inside the function, innermost scope first. A factory makes
classes of equal names; which of them belong together is never guessed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import FrameType, ModuleType
from typing import Any

from lift_sys.core.context import RunContext
from lift_sys.core.node import BaseNode
from lift_sys.core.successors import End, Fork, NextNode, Stop

_OWN_NAMES: dict[str, Any] = {
    "BaseNode": BaseNode,
    "End": End,
    "Fork": Fork,
    "NextNode": NextNode,
    "RunContext": RunContext,
    "Stop": Stop,
}
_TYPING_MODULES = frozenset({"types", "typing", "typing_extensions"})
_NOT_FOUND: Any = object()


class CallerNames(dict[str, Any]):
    """Types that the calling functions see, by name; `scopes` keeps them apart by function."""

    def __init__(self) -> None:
        super().__init__()
        self.scopes: dict[tuple[str, str], dict[str, Any]] = {}


def caller_names(depth: int) -> CallerNames:
    """Collect the local names of the functions that are running, so that text can refer to them.

    Only what can occur in an annotation is kept (classes, type aliases, modules), and no frame,
    so that a graph does not keep the data of its makers alive.

    Args:
        depth: Where to begin: 0 is the function that calls this one, 1 its caller.

    Returns:
        All of them by name; the innermost function wins.
    """
    names = CallerNames()
    frame: FrameType | None = sys._getframe(depth + 1)
    while frame is not None:
        found = {name: value for name, value in frame.f_locals.items() if _may_be_type(value)}
        module = frame.f_globals.get("__name__", "")
        names.scopes.setdefault((module, frame.f_code.co_qualname), found)
        for name, value in found.items():
            names.setdefault(name, value)
        frame = frame.f_back
    return names


def _may_be_type(value: object) -> bool:
    return isinstance(value, (type, ModuleType)) or type(value).__module__ in _TYPING_MODULES


class ScopeNames(dict[str, Any]):
    """The names that the annotations of one function can use, as locals for evaluating them.

    Order: type parameters, the class body, closure cells, enclosing functions that still run,
    node classes that live in the same functions, module globals, node classes in the same class,
    names of other callers, names of lift_sys.

    Attributes:
        ambiguous: Names for which several classes came into question.
    """

    def __init__(self, function: Any, owner: type | None, caller: Mapping[str, Any]) -> None:
        super().__init__()
        for place in (function, owner):
            self.update({each.__name__: each for each in getattr(place, "__type_params__", ())})
        self._owner = owner
        self._caller = caller
        self._module: str = getattr(function, "__module__", None) or ""
        parts = getattr(function, "__qualname__", "").split(".")[:-1]
        scopes = [".".join(parts[:length]) for length in range(len(parts), 0, -1)]
        self._functions = [scope for scope in scopes if scope.endswith("<locals>")]
        self._classes = [scope for scope in scopes if scope not in self._functions]
        cells: dict[str, Any] = dict(
            zip(
                getattr(getattr(function, "__code__", None), "co_freevars", ()),
                getattr(function, "__closure__", None) or (),
                strict=False,
            )
        )
        module_names: Mapping[str, Any] = getattr(function, "__globals__", {})
        self._look_ups: tuple[Callable[[str], Any], ...] = (
            lambda name: vars(owner)[name],
            lambda name: cells[name].cell_contents,
            self._in_running_function,
            lambda name: self._sibling(name, self._functions),
            lambda name: module_names[name],
            lambda name: self._sibling(name, self._classes),
            lambda name: caller[name],
            lambda name: _OWN_NAMES[name],
        )
        self.ambiguous: set[str] = set()

    def __missing__(self, name: str) -> Any:
        for look_up in self._look_ups:
            try:
                value = look_up(name)
            except (KeyError, TypeError, ValueError):  # no such scope; a cell not filled yet
                continue
            if value is not _NOT_FOUND:
                return value
        raise KeyError(name)

    def _in_running_function(self, name: str) -> Any:
        running = getattr(self._caller, "scopes", {})
        for scope in self._functions:
            found = running.get((self._module, scope.removesuffix(".<locals>")), {})
            if name in found:
                return found[name]
        return _NOT_FOUND

    def _sibling(self, name: str, scopes: list[str]) -> Any:
        """A living node class that was made in one of the scopes around the function."""
        for scope in scopes:
            candidates = _living(self._module, f"{scope}.{name}")
            if candidates:
                return self._of_same_call(name, candidates)
        return _NOT_FOUND

    def _of_same_call(self, name: str, candidates: list[type]) -> Any:
        # A factory was called several times. The n-th of one class belongs to the n-th of the
        # other as long as none has been collected; else only the newest two surely belong together.
        owner = self._owner
        mine = [] if owner is None else _living(self._module, owner.__qualname__)
        if owner in mine and len(mine) == len(candidates):
            return candidates[mine.index(owner)]
        if owner in mine[-1:] or (not mine and len(candidates) == 1):
            return candidates[-1]
        self.ambiguous.add(name)
        return _NOT_FOUND


def _living(module: str, qualname: str) -> list[type]:
    """All node classes of this full name that have not been collected, oldest first."""
    found: dict[type, None] = {}
    pending: list[type] = [BaseNode]
    for cls in pending:
        child: type
        for child in cls.__subclasses__():
            if child not in found:
                found[child] = None
                pending.append(child)
    return [cls for cls in found if cls.__module__ == module and cls.__qualname__ == qualname]
