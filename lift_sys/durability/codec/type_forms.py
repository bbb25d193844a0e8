"""Types in typed JSON: what a question asks for, or what a generic object was made with.

A builtin is its name, a class of the graph its full name, and everything with arguments a list:
`["list", "int"]`. Reading looks names up; nothing is evaluated.
"""

from __future__ import annotations

import typing
from collections import deque
from typing import Any, get_args, get_origin

from lift_sys.durability.codec.hints import is_union, stripped
from lift_sys.durability.codec.leaves import LEAF_TYPES, MEANT
from lift_sys.durability.codec.names import Names, name_of
from lift_sys.durability.facts import Json

_BUILTINS: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        *(str, int, float, bool, list, dict, set, frozenset, tuple, bytearray, deque),
        *LEAF_TYPES,
        *MEANT,
    )
} | {"None": type(None), "Any": Any, "object": object, "...": ...}
_NAMES = {kind: name for name, kind in _BUILTINS.items()}


def encode_type(annotation: Any, names: Names) -> Json:
    """An annotation as JSON.

    Raises:
        ValueError: It is made of something that the graph does not know.
    """
    if get_origin(annotation) is typing.Annotated:
        raise ValueError(
            f"the conditions in {annotation!r} can't be written down: make them a pydantic model's"
        )
    if annotation is not Ellipsis:
        annotation = stripped(annotation)
    origin = get_origin(annotation)
    if origin is typing.Literal:
        if not all(isinstance(each, (str, int, bool)) for each in get_args(annotation)):
            raise ValueError(f"{annotation!r} has choices that are no texts and no numbers")
        return ["Literal", *get_args(annotation)]
    arguments = [encode_type(each, names) for each in get_args(annotation)]
    if is_union(annotation):
        return ["Union", *arguments]
    if origin is not None:
        return [encode_type(origin, names), *arguments]
    if annotation in _NAMES:
        return _NAMES[annotation]
    if isinstance(annotation, type) and names.knows(annotation):
        return name_of(annotation)
    raise ValueError(
        f"{annotation!r} is no type that can be written down: take builtin types, list[...], "
        f"dict[...], unions, Literal, or classes of the graph's modules"
    )


def decode_type(data: Any, names: Names) -> Any:
    """The annotation that `encode_type` wrote.

    Raises:
        ValueError: It names something unknown.
    """
    if isinstance(data, str):
        return _BUILTINS[data] if data in _BUILTINS else names.find(data)
    if not isinstance(data, list) or not data:
        raise ValueError(f"not a type: {data!r}")
    origin, *arguments = data
    if origin == "Literal":
        return typing.Literal[tuple(arguments)]
    found = tuple(decode_type(each, names) for each in arguments)
    if origin == "Union":
        return typing.Union[found]  # noqa: UP007  the arguments are not known here
    generic = decode_type(origin, names)
    return generic[found if len(found) != 1 else found[0]] if found else generic[()]
