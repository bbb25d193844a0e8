"""Nodes that are found again, not rebuilt: the instance that a graph starts with, those of modules.

Another process finds them as they are made, so one that has changed while it ran is written like
any other node, with its attributes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lift_sys.core.node import FunctionNode
from lift_sys.durability.codec.codec import Codec
from lift_sys.durability.codec.names import Names, name_of
from lift_sys.durability.facts import Json
from lift_sys.errors import UnkeptValueError

if TYPE_CHECKING:
    from lift_sys.graph.graph import Graph


def codec_for(graph: Graph[Any]) -> Codec:
    """The codec of a run of `graph`, which knows what the graph's start is made of now."""
    codec = Codec(Names.of(graph))
    note_instance(codec, codec.names.start)
    return codec


def note_instance(codec: Codec, node: Any) -> None:
    """Remember what a node is made of, if it was not met before."""
    if node is not None and not isinstance(node, FunctionNode) and id(node) not in codec.met:
        codec.met[id(node)] = _made_of(codec, node)


def reference_to(codec: Codec, node: Any) -> Json | None:
    """How a node is written that is found again; None if it has to be rebuilt."""
    names = codec.names
    if names.start is not None and node is names.start:
        form: Json = {"$": "start"}
    elif (name := names.name_of_node(node)) is not None:
        form = {"$": "node", "v": name}
    else:
        return None
    if isinstance(node, FunctionNode):
        return form
    note_instance(codec, node)
    return form if codec.met[id(node)] == _made_of(codec, node) else None


def told_start(codec: Codec, own: Any, given: Any) -> Json:
    """What tells with which node a run begins: in any process the same.

    Args:
        codec: Of the run's graph.
        own: The start of the graph.
        given: Another one; None if it begins with its own.
    """
    start = own if given is None else given
    if isinstance(start, (type, FunctionNode)):
        return name_of(start)
    name = name_of(type(start))
    if given is None:
        return name
    return [name, _made_of(codec, start, lambda value: name_of(type(value)))]


def _made_of(codec: Codec, node: Any, unkept: Callable[[Any], Any] = id) -> Any:
    """What a node is made of, as JSON; of what can't be written, what `unkept` says."""
    try:
        return codec.encode(node)
    except UnkeptValueError:
        pass
    parts: dict[str, Any] = {}
    for name, value in getattr(node, "__dict__", {}).items():
        try:
            parts[name] = codec.encode(value)
        except UnkeptValueError:
            parts[name] = unkept(value)
    return parts
