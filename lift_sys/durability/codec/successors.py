"""Successors in typed JSON: which node runs next, with its attributes; End, Stop and Fork.

A node is its name in the graph and what its instance holds; it is put together without `__init__`.
Nodes of a fork that follow each other and have the same class and attributes stand in rows, so that
the class and the names are written once.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from lift_sys.core.node import is_node, node_name
from lift_sys.core.strategies import (
    MergeStrategy,
)
from lift_sys.core.successors import End, Fork, Stop, Suspend
from lift_sys.durability.codec.codec import Codec
from lift_sys.durability.codec.instances import note_instance, reference_to
from lift_sys.durability.codec.names import name_of
from lift_sys.durability.codec.strategies import (
    decode_function,
    decode_strategy,
    encode_function,
    encode_strategy,
)
from lift_sys.durability.codec.type_forms import decode_type, encode_type
from lift_sys.durability.codec.walk import Encoding, Refused, written
from lift_sys.durability.facts import Json
from lift_sys.errors import MissingSecretError
from lift_sys.graph.subgraph import Subgraph

_OPTIONS = ("max_concurrent", "timeout", "fail_fast")
_FEWEST_ROWS = 3  # fewer are shorter, or hardly longer, one by one


#: Why a `Subgraph` that a step has made can't be kept.
UNNAMED_SUBGRAPH = (
    "its graph and functions are code. Make it once, as a name in the module of a node "
    "(`DETAIL = Subgraph(...)`), and return that name: runs find it there again"
)


def encode_successor(codec: Codec, successor: Any, *, path: str = "successor") -> Json:
    """Write what a node returned.

    Args:
        codec: Whose names and plans.
        successor: A node, `End`, `Stop` or `Fork`.
        path: What errors call the data of an `End` and the options of a `Fork`; nodes are called
            by their names.

    Raises:
        UnkeptValueError: Something in it can't be kept: `Search.client`.
    """
    if isinstance(successor, End):
        tag = "Stop" if isinstance(successor, Stop) else "End"
        data = codec.encode(successor.data, path=f"{path}.data")
        return {"$": tag} if data is None else {"$": tag, "v": data}
    if isinstance(successor, Fork):
        return _encode_fork(codec, successor, path)
    if isinstance(successor, Suspend):
        return _encode_suspend(codec, successor, path)
    return _encode_node(codec, successor)


def decode_successor(
    codec: Codec,
    data: Json,
    *,
    path: str = "successor",
    secrets: Mapping[str, Any] | None = None,
) -> Any:
    """Read what `encode_successor` wrote.

    Raises:
        ValueError: The data is wrong, or names what the graph does not know.
        MissingSecretError: Secrets were not given.
    """
    tag = data.get("$") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(tag, str):
        raise ValueError(f"{path}: no successor: {data!r}")
    if tag in ("End", "Stop"):
        value = codec.decode(data.get("v"), path=f"{path}.data", secrets=secrets)
        return Stop(value) if tag == "Stop" else End(value)
    if tag == "Suspend":
        return _decode_suspend(codec, data, path, secrets)
    if tag == "Fork":
        return _decode_fork(codec, data, path, secrets)
    return _decode_node(codec, data, path, secrets)


def parted(
    codec: Codec, successor: Any, form: Json, *, secrets: Mapping[str, Any] | None = None
) -> Any:
    """A successor that shares no object with anything else, as `form`, what it was written as, says.

    One with secrets in it, which are not written, stays as it is.
    """
    if isinstance(successor, End) or not _holds_objects(form):
        return successor
    try:
        return decode_successor(codec, form, secrets=secrets)
    except MissingSecretError:
        return successor


def _holds_objects(form: Any) -> bool:
    """Whether any attribute of a node in `form` is more than a text, a number or None."""
    if not isinstance(form, dict):
        return False
    if form["$"] == "Fork":
        return any(map(_holds_objects, [form["then"], *form["nodes"]]))
    if form["$"] == "Suspend":
        return _holds_objects(form["then"])
    cells = itertools.chain(*form["rows"]) if form["$"] == "rows" else form.values()
    return any(isinstance(cell, (dict, list)) for cell in cells)


def _encode_node(codec: Codec, node: Any) -> Json:
    names = codec.names
    if (form := reference_to(codec, node)) is not None:
        return form

    def encode(node: Any, walk: Encoding) -> Json:
        if not is_node(node):
            raise Refused(node, "it is no successor")
        if not names.knows(type(node)):
            raise Refused(node, f"the graph does not know the node {name_of(type(node))!r}")
        if isinstance(node, Subgraph) and "graph" in vars(node):
            raise Refused(node, UNNAMED_SUBGRAPH)
        return codec.any.encode(node, walk)

    return written(encode, node, node_name(node), Encoding())


def _decode_node(codec: Codec, data: Any, path: str, secrets: Mapping[str, Any] | None) -> Any:
    if data["$"] == "start":
        if codec.names.start is None:
            raise ValueError(f"{path}: the graph starts with a class now, not with an instance")
        return codec.names.start
    name = data["v"] if data["$"] == "node" else data["$"]
    node = codec.names.find(name)
    if data["$"] == "node":
        note_instance(codec, node)
    else:
        node = codec.decode(data, path=name.rpartition(":")[2].rpartition(".")[2], secrets=secrets)
    if not is_node(node):
        raise ValueError(f"{path}: {name!r} is no node")
    return node


def _encode_suspend(codec: Codec, asked: Suspend[Any], path: str) -> Json:
    def encode(schema: Any, walk: Encoding) -> Json:
        try:
            return encode_type(schema, codec.names)
        except ValueError as error:
            raise Refused(schema, str(error)) from error

    form: dict[str, Json] = {"$": "Suspend", "reason": asked.reason, "key": asked.key}
    form["schema"] = written(encode, asked.schema, f"{path}.schema", Encoding())
    form["then"] = encode_successor(codec, asked.then, path=f"{path}.then")
    if asked.until is not None:
        form["until"] = asked.until.isoformat()
    return form


def _decode_suspend(
    codec: Codec, data: dict[str, Any], path: str, secrets: Mapping[str, Any] | None
) -> Suspend[Any]:
    then = decode_successor(codec, data["then"], path=f"{path}.then", secrets=secrets)
    return Suspend(**decode_asked(codec, data), then=then)


def decode_asked(codec: Codec, data: Any) -> dict[str, Any]:
    """What a recorded `Suspend` asks, without the node that the answer is for.

    Raises:
        ValueError: The data is wrong, or names what the graph does not know.
    """
    until = data.get("until")
    return {
        "reason": data["reason"],
        "key": data["key"],
        "schema": decode_type(data["schema"], codec.names),
        "until": None if until is None else datetime.fromisoformat(until),
    }


def _encode_fork(codec: Codec, fork: Fork[Any, Any], path: str) -> Json:
    form: dict[str, Json] = {"$": "Fork", "nodes": _encode_nodes(codec, fork.nodes)}
    form["then"] = encode_successor(codec, fork.then, path=f"{path}.then")
    if fork.strategy is not MergeStrategy.ALL_SUCCESS:
        form["strategy"] = encode_strategy(codec, fork.strategy, f"{path}.strategy")
    for name in _OPTIONS:
        if (value := getattr(fork, name)) is not None:
            form[name] = codec.encode(value, path=f"{path}.{name}")
    if fork.accept is not None:
        form["accept"] = encode_function(codec, fork.accept, f"{path}.accept")
    return form


def _decode_fork(
    codec: Codec, data: dict[str, Any], path: str, secrets: Mapping[str, Any] | None
) -> Fork[Any, Any]:
    strategy: Any = MergeStrategy.ALL_SUCCESS
    if "strategy" in data:
        strategy = decode_strategy(codec, data["strategy"], f"{path}.strategy")
    options = {name: codec.decode(data[name]) for name in _OPTIONS if name in data}
    if "accept" in data:
        options["accept"] = decode_function(codec, data["accept"], f"{path}.accept")
    return Fork(
        _decode_nodes(codec, data["nodes"], path, secrets),
        then=decode_successor(codec, data["then"], path=f"{path}.then", secrets=secrets),
        strategy=strategy,
        **options,
    )


def _encode_nodes(codec: Codec, nodes: Sequence[Any]) -> list[Json]:
    """A form for each node, the number of the first where one stands again, and rows."""
    places: dict[int, int] = {}
    forms: list[Json] = []
    for number, node in enumerate(nodes):
        first = places.setdefault(id(node), number)
        forms.append(_encode_node(codec, node) if first == number else first)
    out: list[Json] = []
    start = 0
    while start < len(forms):
        end = start + 1
        while end < len(forms) and _alike(forms[start], forms[end]):
            end += 1
        group = forms[start:end]
        out += [_rows(group)] if len(group) >= _FEWEST_ROWS else group
        start = end
    return out


def _alike(left: Any, right: Any) -> bool:
    return (
        isinstance(left, dict)
        and isinstance(right, dict)
        and left["$"] == right["$"]
        and len(left) > 1
        and [*left] == [*right]
        and left["$"] not in ("node", "start")
    )


def _rows(group: list[Any]) -> Json:
    fields = [name for name in group[0] if name != "$"]
    rows = [[form[name] for name in fields] for form in group]
    return {"$": "rows", "node": group[0]["$"], "fields": list(fields), "rows": list(rows)}


def _decode_nodes(
    codec: Codec, data: Any, path: str, secrets: Mapping[str, Any] | None
) -> list[Any]:
    nodes: list[Any] = []
    for form in data:
        if isinstance(form, int):
            nodes.append(nodes[form])
        elif form["$"] == "rows":
            for row in form["rows"]:
                one = {"$": form["node"], **dict(zip(form["fields"], row, strict=True))}
                nodes.append(_decode_node(codec, one, path, secrets))
        else:
            nodes.append(_decode_node(codec, form, path, secrets))
    return nodes
