"""Choosing the part that shows a live value.

Before editing: a wrong choice here breaks isolation silently; `tests/state/test_snapshot.py`
compares every kind with `copy.deepcopy`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lift_sys.state.atomic import ListPart, OpaquePart, SetPart, TuplePart
from lift_sys.state.dicts import DICTS, DictPart
from lift_sys.state.keyed import ModelPart
from lift_sys.state.parts import Node, Part
from lift_sys.state.rows import Rows
from lift_sys.state.shapes import ATOMIC, is_leaf_type, is_named_tuple, shape_of
from lift_sys.state.tabulate import rows_of_models

_CONTAINERS = DICTS | {list, set, frozenset, tuple}


class Builder:
    """Turns live values into parts, once for each object however often it is met.

    Attributes:
        aliased: Some container was met twice: it is shared by two places, or part of a cycle.
        opaque: Some value is of a kind that only `copy.deepcopy` understands.
        seen: The live containers that were compared with a part, see `refresh`; and those that
            stand in rows, which are not known one by one: `met_twice` tells of these.
        tables: Whether rows may be made; an aliased value can't have any.
    """

    __slots__ = ("aliased", "memo", "opaque", "seen", "tables")

    def __init__(self, *, tables: bool = True) -> None:
        self.memo: dict[int, Part] = {}
        self.seen: list[Any] = []
        self.aliased = False
        self.opaque = False
        self.tables = tables

    def part(self, value: Any) -> Node:
        """The leaf or part that shows `value`."""
        kind = type(value)
        if kind in ATOMIC or (kind not in _CONTAINERS and is_leaf_type(kind)):
            return value
        if (known := self.memo.get(id(value))) is not None:
            self.aliased = True
            return known
        if kind is list:
            return ListPart.build(value, self)
        if kind in DICTS:
            if not is_leaf_type(type(getattr(value, "default_factory", None))):
                return OpaquePart.build(value, self)  # copies may not share the factory
            return DictPart.build(value, self)
        shape = shape_of(kind)
        if shape is not None and not (shape.extra and shape.is_ambiguous(value)):
            return ModelPart.build(value, shape, self)
        if kind is tuple or is_named_tuple(kind):
            return TuplePart.build(value, self)
        if kind is set or kind is frozenset:
            return SetPart.build(value, self)
        return OpaquePart.build(value, self)

    def rows(self, values: list[Any]) -> Rows | None:
        """What shows `values` as rows, if they can be."""
        return rows_of_models(values, self) if self.tables else None

    def met_twice(self) -> bool:
        """Whether a container stands in two places of what was walked."""
        walked = len(self.seen) + len(self.memo)
        return self.aliased or len({*map(id, self.seen), *self.memo}) != walked

    def fill(self, values: Any, items: Iterable[tuple[Any, Any]]) -> tuple[Any, ...]:
        """Replace what is mutable in `values` by parts; return the keys that now hold parts."""
        children = []
        for key, value in items:
            if type(value) not in ATOMIC:
                part = self.part(value)
                if part is not value:
                    values[key] = part
                    children.append(key)
        return tuple(children)
