"""Containers as a Merkle tree: taken apart into children, and put together as one digest.

The digest of a container is a hash over its kind, its type's name and the encodings of its
children: a leaf's own encoding, or `CONTAINER_TAG` and the 16 bytes of a container's digest. So an
encoding can be kept with an immutable subtree and used wherever that subtree stands. Before
editing: live values and snapshots must get the same digest, so both use the `digest_*` functions,
and only these.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from typing import Any, Literal, NamedTuple, TypeAlias

from pydantic import BaseModel

from lift_sys.state.leaves import encode_text, per_key, type_name

DIGEST_SIZE = 16
CONTAINER_TAG = b"#"

Kind: TypeAlias = Literal["sequence", "set", "mapping", "items", "model", "object"]

_TAGS: dict[Kind, bytes] = {
    "sequence": b"L",
    "set": b"S",
    "mapping": b"D",
    "items": b"I",
    "model": b"M",
    "object": b"O",
}


class Parts(NamedTuple):
    """A container taken apart.

    Attributes:
        kind: How the children are arranged; "items" are those of a mapping whose order counts.
        name: Name of the container's type.
        children: The values in it, or further `Parts`; key and value in turn of a mapping, of items
            and of a model.
    """

    kind: Kind
    name: str
    children: Sequence[Any]


def digest_sequence(name: str, children: Iterable[bytes]) -> bytes:
    """Encode a list or tuple, given the encodings of its items in their order.

    An OrderedDict, whose order counts, is a sequence of sequences named `item`: key and value.
    """
    return _encoding("sequence", name, b"".join(children))


def digest_set(name: str, children: Iterable[bytes]) -> bytes:
    """Encode a set or frozenset, given the encodings of its items in any order."""
    return _encoding("set", name, b"".join(sorted(children)))


def digest_mapping(name: str, items: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Encode a dict, Counter or defaultdict, given its keys' and values' encodings in any order."""
    return _encoding("mapping", name, b"".join(sorted([key + value for key, value in items])))


def digest_model(name: str, attributes: Iterable[tuple[str, bytes]]) -> bytes:
    """Encode a model, given the names of its `model_attributes` and their values' encodings."""
    pairs = sorted([_attribute_name(attribute) + value for attribute, value in attributes])
    return _encoding("model", name, b"".join(pairs))


def combine(kind: Kind, name: str, children: Sequence[bytes]) -> bytes:
    """Encode `Parts`, given the encodings of its children in the order of `Parts.children`."""
    if kind in ("mapping", "model"):
        pairs = [key + value for key, value in zip(children[::2], children[1::2], strict=True)]
        return _encoding(kind, name, b"".join(sorted(pairs)))
    return _encoding(kind, name, b"".join(sorted(children) if kind == "set" else children))


def _encoding(kind: Kind, name: str, content: bytes) -> bytes:
    return CONTAINER_TAG + blake2b(_header(kind, name) + content, digest_size=DIGEST_SIZE).digest()


@per_key
def _header(kind: Kind, name: str) -> bytes:
    return _TAGS[kind] + encode_text(name)


_attribute_name = per_key(encode_text)


def model_attributes(model: BaseModel) -> list[tuple[str, Any]]:
    """Return name and value of everything that makes up a model's value.

    That is its fields, extras and private attributes. It is not `model_fields_set`, nor what a
    `cached_property` has computed. Fields that `model_construct` left out are left out.
    """
    attributes = list(vars(model).items())
    fields = type(model).__pydantic_fields__
    if not vars(model).keys() <= fields.keys():
        attributes = [item for item in attributes if item[0] in fields]
    for more in (model.__pydantic_extra__, model.__pydantic_private__):
        if more:
            attributes += more.items()
    return attributes


def flatten(items: Iterable[tuple[Any, Any]]) -> list[Any]:
    """Return keys and values in turn, as `Parts.children` holds them."""
    return [part for item in items for part in item]


def _model_parts(model: BaseModel) -> Parts:
    return Parts("model", type_name(type(model)), flatten(model_attributes(model)))


def ordered_parts(name: str, items: Iterable[tuple[Any, Any]]) -> Parts:
    """Return the parts of a mapping whose order counts."""
    return Parts("sequence", name, [Parts("sequence", "item", item) for item in items])


# Keyed by the exact type: subclasses may hold more, or iterate differently. The factory of a
# defaultdict says how it grows, not what it holds; `==` leaves it out too.
_TAKE_APART: dict[type, Callable[[Any], Parts]] = {
    Parts: lambda value: value,
    list: lambda value: Parts("sequence", "builtins:list", value),
    tuple: lambda value: Parts("sequence", "builtins:tuple", value),
    set: lambda value: Parts("set", "builtins:set", list(value)),
    frozenset: lambda value: Parts("set", "builtins:frozenset", list(value)),
    dict: lambda value: Parts("mapping", "builtins:dict", flatten(value.items())),
    Counter: lambda value: Parts("mapping", "collections:Counter", flatten(value.items())),
    defaultdict: lambda value: Parts("mapping", "collections:defaultdict", flatten(value.items())),
    OrderedDict: lambda value: ordered_parts("collections:OrderedDict", value.items()),
}


def container_taker(cls: type) -> Callable[[Any], Parts] | None:
    """Return the function that takes containers of this class apart; None for other classes."""
    if issubclass(cls, BaseModel):
        return _model_parts
    if cls not in _TAKE_APART and issubclass(cls, tuple) and hasattr(cls, "_fields"):
        return lambda value: Parts("sequence", type_name(cls), tuple(value))
    return _TAKE_APART.get(cls)
