"""A call in Python with its imports: names of what has one, values as they are written."""

from __future__ import annotations

import ast
import builtins
import inspect
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from os import PathLike
from typing import Any

from lift_sys.core.strategies import MergeStrategy
from lift_sys.determinism.runs.targets import is_factory

# A longer state is left out of the line; who has the line has the state.
_LONGEST_STATE = 240


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What somebody else knows a target or services by, such as the command line.

    Attributes:
        module: Where it can be imported from.
        expression: It in Python, beginning with what is imported: `graph`, `make()`.
        is_factory: Whether it is what makes services, and not services.
    """

    module: str
    expression: str
    is_factory: bool = False


class NotKnownError(Exception):
    """Something in the line has no name that could be written down."""


class Line:
    """A call under way, and what has to be imported for it."""

    def __init__(self, *, stands_alone: bool) -> None:
        self._stands_alone = stands_alone
        self._modules: set[str] = set()
        self._imports: dict[str, set[str]] = {}
        self._call = ""

    @property
    def text(self) -> str:
        """Imports and call, on one line."""
        if not self._call:
            return ""
        modules = sorted(self._imports, key=lambda name: (not name.startswith("lift_sys"), name))
        imports = [
            f"from {name} import {', '.join(sorted(self._imports[name]))}" for name in modules
        ]
        return "; ".join(
            [*(f"import {name}" for name in sorted(self._modules)), *imports, self._call]
        )

    def call(self, around: str, function: str, *arguments: str) -> None:
        """Make it a call of a function of `lift_sys.determinism`, within `around`."""
        self._need("lift_sys.determinism", function)
        if around.startswith("asyncio"):
            self._modules.add("asyncio")
        self._call = around.format(f"{function}({', '.join(arguments)})")

    def name_of(self, target: Any) -> str:
        """A target as an expression."""
        if isinstance(target, Named):
            return self._named(target)
        if isinstance(target, (list, tuple)):
            return f"[{', '.join(map(self.name_of, target))}]"
        if own := self._qualified(target):
            return own
        if own := self._variable(target):
            return own
        start = getattr(target, "start", None)
        with suppress(NotKnownError):
            if start is not None and type(target).__module__.startswith("lift_sys."):
                written = f"Graph({self._written(start)})"
                self._need("lift_sys", "Graph")
                return written
            return self._written(target)
        return "target"  # who calls from Python has it

    def state(self, state: Any) -> list[str]:
        """A state as an argument; none if there is none."""
        if state is None:
            return []
        if own := self._qualified(state):
            return [own]
        try:
            return [self._written(state)]
        except NotKnownError:
            if self._stands_alone:
                raise
            return ["state"]  # who calls from Python has it

    def strategy(self, name: str, options: Mapping[str, Any]) -> list[str]:
        """The rule that joins a list of nodes."""
        rule = options.get("strategy")
        if isinstance(rule, MergeStrategy):
            self._need("lift_sys", "MergeStrategy")
            return [f"{name}=MergeStrategy.{rule.name}"]
        return [] if rule is None else [f"{name}={self._written(rule)}"]

    def deps(self, options: Mapping[str, Any], *, made: bool = False) -> list[str]:
        """Services, by the name of what makes them; `made` where nothing else is taken."""
        deps = options.get("deps")
        if deps is None:
            return []
        if isinstance(deps, Named):
            name, is_made = self._named(deps), deps.is_factory
        else:
            name, is_made = self._qualified(deps) or "deps", is_factory(deps)
        return [f"deps={name}" if is_made or not made else f"deps=lambda: {name}"]

    def cassette(self, options: Mapping[str, Any]) -> list[str]:
        """Recorded answers, by their file."""
        cassette = options.get("cassette")
        if cassette is None:
            return []
        is_path = isinstance(cassette, (str, PathLike))
        return [f"cassette={str(cassette)!r}" if is_path else "cassette=cassette"]

    def _named(self, named: Named) -> str:
        root = re.match(r"(?:Graph\()?(\w+)", named.expression)
        assert root is not None
        self._imports.setdefault(named.module, set()).add(root[1])
        if named.expression.startswith("Graph("):
            self._need("lift_sys", "Graph")
        return named.expression

    def _variable(self, target: Any) -> str:
        """A target by the variable that holds it: of its node's module, else of any; or empty."""
        own = getattr(getattr(target, "start", None), "__module__", "")
        names = dict.fromkeys([own, "__main__", *list(sys.modules)])
        for module_name in names:
            for name, value in list(vars(sys.modules.get(module_name, sys)).items()):
                if value is target and name.isidentifier():
                    self._need(module_name, name)
                    return name
        return ""

    def _written(self, value: Any) -> str:
        """A value as the expression that its representation is, or as its JSON."""
        module = type(value).__module__
        text = repr(value)
        if self._resolved(text, type(value)):
            return text
        validate = getattr(type(value), "model_validate_json", None)
        if validate is not None and self._resolved(type(value).__name__, type(value)):
            with suppress(Exception):  # a state that its own JSON does not give back
                data = value.model_dump_json()
                if len(data) <= _LONGEST_STATE and validate(data) == value:
                    self._need(module, type(value).__name__)
                    return f"{type(value).__name__}.model_validate_json({data!r})"
        raise NotKnownError

    def _resolved(self, text: str, kind: type) -> bool:
        """Whether `text` is an expression whose names are known; they are imported then."""
        if " at 0x" in text or not is_expression(text):
            return False
        tree = ast.parse(text, mode="eval")
        dotted = {node.value for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        needed, modules = set(), set()
        for node in ast.walk(tree):
            if not isinstance(node, ast.Name) or hasattr(builtins, node.id):
                continue
            if node in dotted and node.id in sys.stdlib_module_names:
                modules.add(node.id)
            elif hasattr(sys.modules.get(kind.__module__), node.id):
                needed.add(node.id)
            elif node.id != kind.__name__ or self._stands_alone:
                return False
        self._modules |= modules
        for name in needed:
            self._need(kind.__module__, name)
        return True

    def _qualified(self, value: Any) -> str:
        """A function or class by its name; empty if it has none."""
        own = str(getattr(value, "__qualname__", "")).rpartition("<locals>.")[2]
        bound = getattr(value, "__self__", None)
        if not own or (inspect.ismethod(value) and not inspect.isclass(bound)):
            return ""
        if not all(map(str.isidentifier, own.split("."))):  # a lambda
            return ""
        self._need(getattr(value, "__module__", ""), own.partition(".")[0])
        return own

    def _need(self, module: str, name: str) -> None:
        if module not in ("", "__main__", "builtins") and hasattr(sys.modules.get(module), name):
            self._imports.setdefault(module, set()).add(name)


def is_expression(text: str) -> bool:
    """Whether a representation can stand in a line: short, and Python."""
    if len(text) > _LONGEST_STATE or "\n" in text:
        return False
    try:
        tree = compile(text, "<state>", "eval", ast.PyCF_ONLY_AST)
    except (SyntaxError, ValueError):
        return False
    # `Cell(...)` and `[...]` are Python, too, but stand for what was left out.
    return not any(isinstance(each, ast.Constant) and each.value is ... for each in ast.walk(tree))
