"""The same value built again in another way: shuffled on the way in, unshared, or unrolled."""

from __future__ import annotations

import random
from collections import Counter, OrderedDict, defaultdict, deque
from typing import Any

from pydantic import BaseModel
from strategies import Items, Link, Names, Pair, Plain, Point, Slotted, Table


def unrolled(graph: Any) -> Any:
    """Build a value of `graphs` again from two copies of each container, each leading to the other.

    Every cycle becomes twice as long or is there twice; no path into the value shows a difference.
    """
    copies: dict[tuple[int, int], Any] = {}

    def build(node: Any, side: int) -> Any:
        if isinstance(node, int):
            return node
        known = copies.get((id(node), side))
        if known is not None:
            return known
        copy = copies[id(node), side] = type(node)()
        if isinstance(node, dict):
            copy.update({key: build(child, 1 - side) for key, child in node.items()})
        elif isinstance(node, Link):
            copy.items.extend([build(child, 1 - side) for child in node.items])
        else:
            copy.extend([build(child, 1 - side) for child in node])
        return copy

    return build(graph, 0)


def shuffled(value: Any, source: random.Random) -> Any:
    """Build `value` again, its dicts and sets filled in another order, sharing no container."""
    cls = type(value)
    if cls in (list, tuple, deque, Items):
        return cls(shuffled(item, source) for item in value)
    if cls is Pair:
        return Pair(*(shuffled(item, source) for item in value))
    if cls in (set, frozenset, Names):
        return cls(_reordered(value, source))
    if cls in (dict, Table, Counter, defaultdict):
        copy = defaultdict(value.default_factory) if cls is defaultdict else cls()
        copy.update({k: shuffled(v, source) for k, v in _reordered(value.items(), source)})
        return copy
    if cls is OrderedDict:
        return OrderedDict((k, shuffled(v, source)) for k, v in value.items())
    if cls is bytearray:
        return value.copy()
    if cls is Slotted:
        return Slotted(shuffled(value.x, source), shuffled(value.y, source))
    if cls in (Point, Plain):
        copy = cls.__new__(cls)
        vars(copy).update(_shuffled_items(vars(value), source))
        return copy
    if isinstance(value, BaseModel):
        model = cls.model_construct()
        object.__setattr__(model, "__dict__", _shuffled_items(vars(value), source))
        for slot in ("__pydantic_extra__", "__pydantic_private__"):
            part = getattr(value, slot)
            object.__setattr__(model, slot, part and _shuffled_items(part, source))
        return model
    return value


def _shuffled_items(items: dict[str, Any], source: random.Random) -> dict[str, Any]:
    return {name: shuffled(item, source) for name, item in _reordered(items.items(), source)}


def _reordered(items: Any, source: random.Random) -> list[Any]:
    copies = list(items)
    source.shuffle(copies)
    return copies
