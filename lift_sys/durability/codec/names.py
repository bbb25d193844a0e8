"""Which classes, functions and nodes a journal may name: what the graph leads to, and no more.

A name in a journal is looked up among things that the program has already made; nothing is ever
imported or evaluated for it. The graph itself goes first (its nodes, the state's class, what their
annotations lead to), then whatever stands in the modules of these.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from types import FunctionType
from typing import TYPE_CHECKING, Any, Union

from pydantic import BaseModel

from lift_sys.core.node import FunctionNode, is_node
from lift_sys.durability.codec.hints import Hints, inside
from lift_sys.durability.codec.leaves import LEAF_TYPES
from lift_sys.durability.codec.secret import is_secret_type
from lift_sys.state.leaves import type_name
from lift_sys.state.shapes import is_named_tuple

if TYPE_CHECKING:
    from lift_sys.graph.graph import Graph

_WITHOUT_USERS_CLASSES = frozenset({"builtins", "typing", "typing_extensions", "abc", "enum"})
_GENERICS: dict[str, Any] = {
    type_name(cls): cls
    for cls in (list, dict, set, frozenset, tuple, deque, int, str, bool, float, type(None))
} | {type_name(cls): cls for cls in LEAF_TYPES}
_GENERICS |= {"typing:Any": Any, "types:UnionType": Union, "typing.Union": Union}


class Names:
    """What names mean in the journal of one graph.

    Args:
        things: Classes, functions and nodes, the first of a name wins.
        scope: Local names that annotations written as text may use.
    """

    def __init__(self, things: Iterable[Any] = (), *, scope: Mapping[str, Any] | None = None):
        self.hints = Hints({} if scope is None else scope)
        self.start: Any = None
        self._things: dict[str, Any] = {}
        self._instances: dict[int, str] = {}
        self._modules: dict[str, None] = {}
        self._scanned: set[str] = set()
        self.add(things)

    @classmethod
    def of(cls, graph: Graph[Any]) -> Names:
        """The names that a journal of `graph` may use."""
        structure = graph.structure
        names = cls(scope=structure.local_names)
        if is_node(graph.start):
            names.start = graph.start
        for key in structure.nodes:
            names.add([key] if isinstance(key, type) else [FunctionNode(key)])
        names.add([] if structure.state is None else [structure.state])
        for key, spec in structure.nodes.items():
            names.add(inside(spec.output))
            names.add(_cells(getattr(key, "run", None) if isinstance(key, type) else key))
        return names

    def add(self, things: Iterable[Any]) -> None:
        """Make things known, with what their annotations lead to; others than these are left out."""
        waiting = deque(things)
        while waiting:
            thing = waiting.popleft()
            name = name_of(thing)
            if not _can_be_named(thing) or self._things.get(name) is thing:
                continue
            if name not in self._things or (
                _is_current(thing) and not _is_current(self._things[name])
            ):
                self._things[name] = thing
            self._modules[getattr(thing, "__module__", None) or ""] = None
            if isinstance(thing, FunctionNode):
                self._modules[getattr(thing.function, "__module__", None) or ""] = None
                waiting += _cells(thing.function)
            elif isinstance(thing, type):
                waiting += self._around(thing)

    def find(self, name: str) -> Any:
        """What `name` means: a class, a function, or a node.

        Raises:
            ValueError: The graph knows nothing of this name.
        """
        found = self._found(name)
        if found is None:
            raise ValueError(
                f"the graph knows no {name!r}, as `module:Class`; define it in the module of its "
                f"state or of one of its nodes"
            )
        return found

    def knows(self, thing: Any) -> bool:
        """Whether its name leads to `thing`, or to what has taken its place."""
        found = self._found(name_of(thing))
        if isinstance(thing, type):
            return isinstance(found, type)
        return found is thing

    def name_of_node(self, node: Any) -> str | None:
        """The name of an instance that a module holds, or of a node made of a known function."""
        self._scan()
        if (name := self._instances.get(id(node))) is not None:
            return name
        if isinstance(node, FunctionNode):
            name = name_of(node)
            found = self._found(name)
            if isinstance(found, FunctionNode) and found.function is node.function:
                return name
        return None

    def has_instance(self, cls: type) -> bool:
        """Whether a module holds an instance of this class under a name."""
        self._scan()
        return any(isinstance(self._things[name], cls) for name in self._instances.values())

    def _found(self, name: str) -> Any:
        found = self._things.get(name)
        if found is None:
            self._scan()
            found = self._things.get(name)
        if found is None and name.endswith("]"):
            found = self._parametrised(name)
        return self._of_main(name) if found is None else found

    def _of_main(self, name: str) -> Any:
        """What has this name in a file that runs as a script here, or ran as one there."""
        module, _, qualname = name.partition(":")
        found = [
            thing
            for known, thing in self._things.items()
            if known.partition(":")[2] == qualname
            and "__main__" in (module, known.partition(":")[0])
        ]
        return found[0] if len(found) == 1 else None

    def _around(self, cls: type) -> Iterator[Any]:
        """What a class leads to: the types of its attributes, its subclasses."""
        if not issubclass(cls, Enum):
            generic = getattr(cls, "__pydantic_generic_metadata__", None) or {}
            if generic.get("origin"):
                yield generic["origin"]
                for argument in generic["args"]:
                    yield from inside(argument)
            for annotation in self.hints.attributes(cls).values():
                yield from inside(annotation)
        subclass: type
        for subclass in type.__subclasses__(cls):
            if "__lift_origin__" not in vars(subclass):
                yield subclass

    def _scan(self) -> None:
        """Look through the modules of what is known, each once."""
        if len(self._scanned) == len(self._modules):  # nearly always
            return
        for module in [name for name in self._modules if name not in self._scanned]:
            self._scanned.add(module)
            names = vars(sys.modules[module]) if module in sys.modules else {}
            if module.partition(".")[0] not in ("pydantic", "lift_sys", *_WITHOUT_USERS_CLASSES):
                for name, thing in list(names.items()):
                    self._add_of_module(module, name, thing)

    def _add_of_module(self, module: str, name: str, thing: Any) -> None:
        if isinstance(thing, type):
            for each in (thing, *_nested(thing)):
                if _can_be_named(each):
                    self._things.setdefault(name_of(each), each)
        elif isinstance(thing, FunctionType):
            if thing.__module__ == module:
                self._things.setdefault(name_of(thing), thing)
        elif is_node(thing) and not isinstance(thing, type) and _is_a_node_class(type(thing)):
            self._things[f"{module}:{name}"] = thing
            self._instances.setdefault(id(thing), f"{module}:{name}")

    def _parametrised(self, name: str) -> Any:
        """A generic class with arguments, `m:Box[builtins:int]`, put together of known ones."""
        origin, _, rest = name.partition("[")
        made = self._found(origin) if origin not in _GENERICS else _GENERICS[origin]
        arguments = [_GENERICS.get(part) or self._found(part) for part in _parts(rest[:-1])]
        if made is None or any(argument is None for argument in arguments):
            return None
        try:
            found = made[tuple(arguments)]
        except TypeError:
            return None
        if isinstance(found, type) and _can_be_named(found):
            self._things[name] = found
        return found


def name_of(thing: Any) -> str:
    """`module:qualname` of a class (with its arguments), of a function or of a node's function."""
    if isinstance(thing, type):
        return type_name(thing)
    if isinstance(thing, FunctionNode):
        thing = thing.function
    qualname = getattr(thing, "__qualname__", type(thing).__qualname__)
    return f"{getattr(thing, '__module__', '')}:{qualname}"


def _can_be_named(thing: Any) -> bool:
    if not isinstance(thing, type):
        return isinstance(thing, (FunctionNode, FunctionType))
    if thing.__module__ in _WITHOUT_USERS_CLASSES or thing is BaseModel:
        return False
    return (
        issubclass(thing, (BaseModel, Enum))
        or dataclasses.is_dataclass(thing)
        or is_named_tuple(thing)
        or is_secret_type(thing)
        or _is_a_node_class(thing)
    )


def _is_a_node_class(cls: type) -> bool:
    return callable(getattr(cls, "run", None)) and not inspect.isabstract(cls)


def _is_current(thing: Any) -> bool:
    """Whether the thing's module now means this very thing by its name."""
    found: Any = sys.modules.get(getattr(thing, "__module__", ""))
    for part in name_of(thing).partition(":")[2].partition("[")[0].split("."):
        found = getattr(found, part, None)
    return found is thing


def _nested(cls: type) -> Iterator[type]:
    for value in list(vars(cls).values()):
        if isinstance(value, type) and value.__qualname__.startswith(f"{cls.__qualname__}."):
            yield value
            yield from _nested(value)


def _cells(function: Any) -> list[Any]:
    """What a function refers to in the functions around it."""
    function = inspect.unwrap(function) if callable(function) else None
    found = []
    for cell in getattr(function, "__closure__", None) or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:  # not filled yet
            continue
    return [each for each in found if isinstance(each, (type, FunctionNode, FunctionType))]


def _parts(text: str) -> list[str]:
    """Split at the commas that are in no brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "[") - (letter == "]")
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return parts
