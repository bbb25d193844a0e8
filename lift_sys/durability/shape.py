"""What a graph and its state look like, to see whether a run's code has changed.

What counts is what a journal depends on: nodes, what may follow them, and which data nodes and state
are made of. Docstrings, defaults and the code of `run` are no part of it.
"""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Collection, Iterable, Mapping
from enum import Enum
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from lift_sys.core.node import BaseNode
from lift_sys.durability.codec.hints import Hints, inside
from lift_sys.durability.facts import Json
from lift_sys.graph.graph import Graph
from lift_sys.state.shapes import is_named_tuple

_OF_BASE = frozenset(BaseNode.__annotations__)


def shape_of(graph: Graph[Any], hints: Hints | None = None) -> dict[str, Json]:
    """The graph's nodes and the types of its data, as JSON.

    Args:
        graph: Which.
        hints: What is known of its classes already (`Names.of(graph).hints`).

    Returns:
        `nodes`: by name, what may follow (`next`) and the types of the attributes (`fields`);
        `state`: the name of the state's class; `types`: by name, the types of the fields of each
        class of data that state and nodes lead to.
    """
    structure = graph.structure
    hints = Hints(structure.local_names) if hints is None else hints
    nodes: dict[str, Json] = {}
    leads_to: list[Any] = [] if structure.state is None else [structure.state]
    names = _names_of(structure.nodes)
    for key, spec in structure.nodes.items():
        fields = _node_fields(key, hints) if isinstance(key, type) else {}
        leads_to += fields.values()
        nodes[names[key]] = {
            "next": [*sorted(spec.allowed)],
            "fields": {name: type_text(annotation) for name, annotation in fields.items()},
        }
    classes = _classes_of(leads_to, hints)
    texts = _names_of(classes)
    return {
        "nodes": nodes,
        "state": None if structure.state is None else texts.get(structure.state),
        "types": {texts[cls]: _text_fields(cls, hints) for cls in classes},
    }


def differences(
    old: Mapping[str, Any], new: Mapping[str, Any], *, migrated: Collection[str] = ()
) -> list[str]:
    """What has changed from one shape to another, a line each; empty if they are equal.

    Classes of the names in `migrated` are left out. One of them that is gone may have become any
    class that is new: under which name is for its migration to say.
    """
    found: list[str] = []
    before, now = old.get("nodes", {}), new.get("nodes", {})
    known, types = old.get("types", {}), new.get("types", {})
    gone = {name for name in (*before, *known) if name not in now and name not in types}
    renamed = {name for name in gone if _own_name(name) in migrated}
    made = {name for name in (*now, *types) if name not in before and name not in known}
    was, now_is = _Texts(renamed), _Texts(made if renamed else ())
    if was.of(str(old.get("state"))) != now_is.of(str(new.get("state"))):
        found.append(f"the state was {old.get('state')}, is {new.get('state')}")
    found += [f"node {name} is gone" for name in before if name not in now and name not in renamed]
    found += [f"node {name} is new" for name in now if name not in before and not renamed]
    for name, node in before.items():
        if name in now and _own_name(name) not in migrated:
            if {*map(was.of, node["next"])} != {*map(now_is.of, now[name]["next"])}:
                found.append(_difference_of_next(name, node["next"], now[name]["next"]))
            found += _differences_of_fields(name, node["fields"], now[name]["fields"], was, now_is)
    for name, fields in known.items():
        # A class that is gone, or new, shows in the fields that were, or are, of its type.
        if name in types and _own_name(name) not in migrated:
            found += _differences_of_fields(name, fields, types[name], was, now_is)
    return found


class _Texts:
    """Texts of types in which one sign stands for each of some names."""

    def __init__(self, names: Collection[str]) -> None:
        words = "|".join(sorted(map(re.escape, names), key=len, reverse=True))
        self._names = re.compile(rf"(?<![\w.])(?:{words})(?!\w)") if names else None

    def of(self, text: str) -> str:
        return text if self._names is None else self._names.sub("?", text)


def _own_name(name: str) -> str:
    return name.partition("[")[0].rpartition(".")[2]


def _difference_of_next(name: str, old: list[str], new: list[str]) -> str:
    before, now = " | ".join(old) or "nothing", " | ".join(new) or "nothing"
    return f"node {name} returned {before}, returns {now}"


def _differences_of_fields(
    name: str, old: Mapping[str, str], new: Mapping[str, str], was: _Texts, now_is: _Texts
) -> list[str]:
    found = [
        f"{name}.{field} was {text}, is {new[field]}"
        if field in new
        else f"{name}.{field} ({text}) is gone"
        for field, text in old.items()
        if field not in new or was.of(text) != now_is.of(new[field])
    ]
    return found + [f"{name}.{field} ({new[field]}) is new" for field in new if field not in old]


def type_text(annotation: Any) -> str:
    """An annotation as a person would write it, with what it says besides the type."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is typing.Annotated:
        first, *rest = arguments
        return f"{type_text(first)} ({', '.join(map(_condition, rest))})"
    if origin is typing.Literal:
        return f"Literal[{', '.join(map(repr, arguments))}]"
    if origin in (typing.Union, types.UnionType):
        return " | ".join(map(type_text, arguments))
    if annotation is None or annotation is type(None):
        return "None"
    if annotation is Ellipsis:
        return "..."
    if isinstance(annotation, list):  # of a Callable
        return f"[{', '.join(map(type_text, annotation))}]"
    name = getattr(origin or annotation, "__name__", None) or _condition(annotation)
    return f"{name}[{', '.join(map(type_text, arguments))}]" if arguments else name


def _condition(value: Any) -> str:
    if isinstance(value, types.FunctionType):
        return value.__qualname__
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))


def _node_fields(cls: type, hints: Hints) -> dict[str, Any]:
    """The annotated attributes of a node's instances."""
    found = hints.attributes(cls)
    if dataclasses.is_dataclass(cls):
        return {field.name: found.get(field.name, Any) for field in dataclasses.fields(cls)}
    return {
        name: annotation
        for name, annotation in found.items()
        if name not in _OF_BASE and get_origin(annotation) is not typing.ClassVar
    }


def _classes_of(annotations: Iterable[Any], hints: Hints) -> list[type]:
    """The classes of data in annotations, and those in their fields, as they are met."""
    found: dict[type, None] = {}
    waiting = [cls for annotation in annotations for cls in inside(annotation)]
    for cls in waiting:
        if cls not in found and _is_of_fields(cls):
            found[cls] = None
            if not issubclass(cls, Enum):
                waiting += [
                    each for inner in _fields_of(cls, hints).values() for each in inside(inner)
                ]
    return [*found]


def _is_of_fields(cls: type) -> bool:
    if cls is BaseModel or not isinstance(cls, type):
        return False
    known = issubclass(cls, (BaseModel, Enum)) or is_named_tuple(cls)
    return known or dataclasses.is_dataclass(cls)


def _fields_of(cls: type, hints: Hints) -> dict[str, Any]:
    if issubclass(cls, BaseModel):
        return {
            name: typing.Annotated[field.annotation, *field.metadata]
            if field.metadata
            else field.annotation
            for name, field in cls.__pydantic_fields__.items()
        }
    return hints.attributes(cls)


def _text_fields(cls: type, hints: Hints) -> dict[str, Json]:
    if issubclass(cls, Enum):
        return {"members": ", ".join(cls.__members__)}
    return {name: type_text(each) for name, each in _fields_of(cls, hints).items()}


def _names_of(things: Iterable[Any]) -> dict[Any, str]:
    """A name for each class or function: short, or with its module where two have the same."""
    things = [*things]
    short = {thing: getattr(thing, "__name__", type(thing).__name__) for thing in things}
    counted = [*short.values()]
    return {
        thing: name
        if counted.count(name) == 1
        else f"{thing.__module__}.{getattr(thing, '__qualname__', name)}"
        for thing, name in short.items()
    }
