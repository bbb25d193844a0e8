"""Reading of sets made visible: the user's modules, loaded with one call more at each such place.

An order that a hash seed or an address decides gets into a result where a set is read one by one: in
a `for`, by `list(...)`, `join`, `pop`. The syntax tree of each module of the user's is changed so
that at these places a set can be logged, sorted, or shuffled. Only children of ours load modules
this way, for the probes of attribution, and they end with the run.
"""

from __future__ import annotations

import ast
import builtins
import re
import sys
from collections.abc import Iterable
from typing import Any

from lift_sys.determinism.attribution.controls import Controls
from lift_sys.determinism.attribution.frames import Place, place_of, step_of
from lift_sys.determinism.attribution.settings import Source

_READ, _POP, _TEXT = "__lift_read_set__", "__lift_pop_set__", "__lift_text_of_set__"
# Calls that read their arguments in order.
_READERS = frozenset(
    {
        *(
            "list",
            "tuple",
            "iter",
            "enumerate",
            "zip",
            "map",
            "filter",
            "sum",
            "min",
            "max",
            "next",
        ),
        *(
            "sorted",
            "join",
            "extend",
            "fromkeys",
            "dict",
            "deque",
            "chain",
            "reduce",
            "array",
            "any",
        ),
        *("islice", "accumulate", "product", "combinations", "permutations", "as_completed"),
        "gather",
    }
)
_ADDRESS = re.compile(r"0x[0-9a-f]+")
_TEXTS = frozenset(["str", "repr", "format", "print", "dumps"])


class _Marker(ast.NodeTransformer):
    """Puts a call around every expression that may be a set that is read in order."""

    def visit_For(self, node: ast.For) -> ast.AST:
        self.generic_visit(node)
        node.iter = _wrapped(_READ, node.iter)
        return node

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        self.generic_visit(node)
        if not node.is_async:
            node.iter = _wrapped(_READ, node.iter)
        return node

    def visit_Starred(self, node: ast.Starred) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.ctx, ast.Load):
            node.value = _wrapped(_READ, node.value)
        return node

    def visit_YieldFrom(self, node: ast.YieldFrom) -> ast.AST:
        self.generic_visit(node)
        node.value = _wrapped(_READ, node.value)
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        self.generic_visit(node)
        if any(isinstance(target, (ast.Tuple, ast.List)) for target in node.targets):
            node.value = _wrapped(_READ, node.value)
        return node

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.AST:
        self.generic_visit(node)
        node.value = _wrapped(_TEXT, node.value)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        function = node.func
        name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
        if name in _READERS or name in _TEXTS:
            wrap = _READ if name in _READERS else _TEXT
            node.args = [
                arg if isinstance(arg, ast.Starred) else _wrapped(wrap, arg) for arg in node.args
            ]
        elif name == "pop" and not node.args and isinstance(function, ast.Attribute):
            return ast.copy_location(_wrapped(_POP, function.value), node)
        return node


def _wrapped(name: str, expression: ast.expr) -> ast.Call:
    call = ast.Call(func=ast.Name(id=name, ctx=ast.Load()), args=[expression], keywords=[])
    ast.copy_location(call, expression)
    return ast.fix_missing_locations(call)


def compiled(source: bytes | str, path: str) -> Any:
    """The code of a module with its readings of sets marked.

    Raises:
        SyntaxError: `source` is no Python.
    """
    tree = _Marker().visit(ast.parse(source, path))
    return compile(tree, path, "exec", dont_inherit=True)


class SetReadings:
    """What the marked places call: logs each set that is read, and orders it as the setting says.

    Args:
        controls: The switches.
        stands_for_seed: Whether another hash seed is imitated here, where no process can have one:
            all sets that it would order are read in another order.

    Attributes:
        seen: Places where a set of two elements or more was read, by key; whether a hash seed or an
            address decides its order; and whether that is certain, not guessed for a `__hash__` of
            the user's.
    """

    def __init__(self, controls: Controls, *, stands_for_seed: bool = False) -> None:
        self._stands_for_seed = stands_for_seed
        self._controls = controls
        self.seen: dict[str, tuple[Place, Source, bool]] = {}
        for name, function in ((_READ, self.read), (_POP, self.pop), (_TEXT, self.text)):
            setattr(builtins, name, function)

    def read(self, value: Any) -> Any:
        """Stand in for a set that is read one by one; any other value is returned as it is."""
        if type(value) not in (set, frozenset) or len(value) < 2:
            return value
        return self._ordered(value, sys._getframe(1))

    def text(self, value: Any) -> Any:
        """Stand in for a set that is written as text, or for what is written with its address."""
        kind: Any = type(value)
        if kind.__repr__ is object.__repr__ and kind.__str__ is object.__str__:
            return self._with_address(value, sys._getframe(1))
        if type(value) not in (set, frozenset) or len(value) < 2:
            return value
        ordered = self._ordered(value, sys._getframe(1))
        inner = "{" + ", ".join(map(repr, ordered)) + "}"
        return _Text(inner if type(value) is set else f"frozenset({inner})")

    def pop(self, value: Any) -> Any:
        """Call `value.pop()`, with a chosen element if it is a set."""
        if type(value) is not set or len(value) < 2:
            return value.pop()
        element = next(iter(self._ordered(value, sys._getframe(1))))
        value.remove(element)
        return element

    def _with_address(self, value: Any, frame: Any) -> Any:
        setting = self._controls.setting
        if setting is None:
            return value
        place = place_of(frame, call="default repr", step=step_of(frame))
        self.seen.setdefault(place.key, (place, "address", True))
        if place.key not in setting.shuffle_sets:
            return value
        return _Text(_ADDRESS.sub(f"0x{setting.set_order:012x}", repr(value)))

    def _ordered(self, value: Iterable[Any], frame: Any) -> Iterable[Any]:
        setting = self._controls.setting
        if setting is None:
            return value
        place = place_of(frame, call="iteration of a set", step=step_of(frame))
        by = _decided_by(value)
        if by is not None:
            self.seen.setdefault(place.key, (place, by, _is_certain(value)))
        if "sort_sets" in setting.probes:
            return sorted(value, key=_stable)
        if by is not None and place.key in setting.shuffle_sets:
            return _reordered(value, setting.set_order)
        if self._stands_for_seed and by == "hash_seed" and setting.level(by):
            return _reordered(value, setting.level(by))
        return value


class _Text(str):
    """The text of a set; its own text and its representation are the same."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _reordered(value: Iterable[Any], order: int) -> list[Any]:
    """The elements backwards, from a place that depends on `order`; they need not be comparable."""
    elements = list(value)[::-1]
    start = (0, len(elements) // 2, 1)[order - 1]
    return elements[start:] + elements[:start]


def _decided_by(value: Iterable[Any]) -> Source | None:
    """What the order of a set's elements comes from; None for numbers, which lie by their value."""
    waiting = list(value)
    for element in waiting:
        if isinstance(element, (tuple, frozenset)):
            waiting.extend(element)
        elif getattr(type(element), "__hash__", None) is object.__hash__ or element is None:
            return "address"
        elif not isinstance(element, (int, float, complex)):
            return "hash_seed"  # text, or what hashes the text inside it
    return None


def _is_certain(value: Iterable[Any]) -> bool:
    """Whether all elements surely lie elsewhere with another hash seed, or other addresses."""

    def moves(element: Any) -> bool:
        if isinstance(element, (tuple, frozenset)):
            return any(map(moves, element))
        hashed = getattr(type(element), "__hash__", None)
        return isinstance(element, (str, bytes)) or hashed is object.__hash__

    return all(map(moves, value))


def _stable(element: Any) -> Any:
    """A key to sort by that neither a hash seed nor an address has a part in, where there is one."""
    from lift_sys.state.canonical import digest

    try:
        return digest(element)
    except Exception:
        return f"{type(element).__qualname__}"
