"""Columns: one attribute of many models of one class, as one list.

A state that is large mostly is so because it holds many models of one class. `rows.py` shows them
as columns, so that copying, comparing and merging are loops in C over whole columns, and a change of
every model costs one new list. Items of a column are what parts hold: leaves and parts; only `Lists`
keeps plain lists. Before editing: as between parts, an item that did not change is the very same
object in the newer column, and a column in which none did is the very same column.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from itertools import chain, compress
from operator import eq, is_, is_not, ne
from typing import TYPE_CHECKING, Any

from lift_sys.state import canonical
from lift_sys.state.atomic import ListPart
from lift_sys.state.equality import equal
from lift_sys.state.parts import Node, Part, update
from lift_sys.state.shapes import is_leaf_type

if TYPE_CHECKING:
    from lift_sys.state.builder import Builder

#: Types whose equality is ours between values of one of them, up to the forms of zero and NaN.
_QUICK = frozenset({str, int, bool, float, type(None)})


class Column:
    """The values of one attribute; immutable.

    Attributes:
        items: They themselves, by row.
    """

    __slots__ = ("items",)

    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def nodes(self) -> list[Node]:
        """The leaves and parts of the rows."""
        return self.items

    def differing(self, older: Column) -> list[int]:
        """Rows in which `older`, of the same kind, holds another object."""
        if self is older:
            return []
        return list(compress(range(len(self.items)), map(is_not, self.items, older.items)))

    if TYPE_CHECKING:

        def copies(self) -> Iterable[Any]:
            """Fresh live values."""

        def refresh(self, lives: list[Any], walk: Builder) -> Column:
            """The column that shows `lives` now; this very one if nothing changed."""

        def same(self, other: Column) -> bool:
            """Whether the columns, of the same kind, show equal values."""

        def same_item(self, one: Any, other: Any) -> bool:
            """Whether two items are equal typed values."""


class Leaves(Column):
    """Leaves only."""

    __slots__ = ()

    def copies(self) -> Iterable[Any]:
        """Themselves; see `Column`."""
        return self.items

    def refresh(self, lives: list[Any], walk: Builder) -> Column:
        """See `Column`."""
        items = self.items
        if all(map(is_, lives, items)):
            return self
        if not are_leaves(lives):
            return Nodes(items).refresh(lives, walk)
        fresh = _settled(items, lives)
        return self if fresh is items else Leaves(fresh)

    def same(self, other: Column) -> bool:
        """See `Column`."""
        return _same_leaves(self.items, other.items)

    def same_item(self, one: Any, other: Any) -> bool:
        """See `Column`."""
        return canonical.same(one, other)


class Lists(Column):
    """Lists of leaves; `items` are lists that nobody else holds."""

    __slots__ = ("_flat", "_lengths", "_parts")

    def __init__(self, items: list[Any], parts: list[Node] | None = None) -> None:
        super().__init__(items)
        self._parts = parts
        self._flat: list[Any] | None = None
        self._lengths: list[int] = []

    def nodes(self) -> list[Node]:
        """See `Column`."""
        if self._parts is None:
            self._parts = [ListPart.having(items, ()) for items in self.items]
        return self._parts

    def copies(self) -> Iterable[Any]:
        """See `Column`."""
        return map(list.copy, self.items)

    def refresh(self, lives: list[Any], walk: Builder) -> Column:
        """See `Column`."""
        if {*map(type, lives)} != {list}:
            return Nodes(self.nodes()).refresh(lives, walk)
        if self._flat is None:
            self._lengths = list(map(len, self.items))
            self._flat = list(chain.from_iterable(self.items))
        flat = list(chain.from_iterable(lives))
        if list(map(len, lives)) == self._lengths and all(map(is_, flat, self._flat)):
            walk.seen += lives
            return self
        if not are_leaves(flat):
            return Nodes(self.nodes()).refresh(lives, walk)
        walk.seen += lives
        # Python's equality tells at once what changed; what is equal to it may be so as a typed
        # value or not (1 and True), which matters only where it is not the same object.
        alike = list(map(eq, lives, self.items))
        before = chain.from_iterable(compress(self.items, alike))
        if not all(map(is_, chain.from_iterable(compress(lives, alike)), before)):
            alike = [False] * len(alike)
        fresh = [
            old if known or _same_leaves(old, live) else live.copy()
            for known, old, live in zip(alike, self.items, lives, strict=True)
        ]
        return self if all(map(is_, fresh, self.items)) else Lists(fresh)

    def same(self, other: Column) -> bool:
        """See `Column`."""
        return all(map(_same_leaves, self.items, other.items))

    def same_item(self, one: Any, other: Any) -> bool:
        """See `Column`."""
        return _same_leaves(one, other)


class Nodes(Column):
    """Leaves and parts of any kind, one by one."""

    __slots__ = ()

    def copies(self) -> Iterable[Any]:
        """See `Column`."""
        return [node.copy() if isinstance(node, Part) else node for node in self.items]

    def refresh(self, lives: list[Any], walk: Builder) -> Column:
        """See `Column`."""
        items = self.items
        fresh = [update(old, live, walk) for old, live in zip(items, lives, strict=True)]
        return self if all(map(is_, fresh, items)) else Nodes(fresh)

    def same(self, other: Column) -> bool:
        """See `Column`."""
        return all(map(equal, self.items, other.items))

    def same_item(self, one: Any, other: Any) -> bool:
        """See `Column`."""
        return equal(one, other)


def are_leaves(values: Iterable[Any]) -> bool:
    """Whether none of the values can change."""
    return all(map(is_leaf_type, {*map(type, values)}))


def _settled(old: list[Any], new: list[Any]) -> list[Any]:
    """`new` with the old objects where they are equal typed values; `old` itself if all are."""
    if (  # two of these types that are not equal to Python differ, unless both are NaN
        {*map(type, new), *map(type, old)} <= _QUICK
        and list(map(eq, new, old)) == list(map(is_, new, old))
        and not any(map(ne, new, new))
    ):
        return new
    fresh = [
        before if before is now or canonical.same(before, now) else now
        for before, now in zip(old, new, strict=True)
    ]
    return old if all(map(is_, fresh, old)) else fresh


def _same_leaves(one: Sequence[Any], other: Sequence[Any]) -> bool:
    """Whether two sequences of leaves are equal, item by item, as typed values."""
    if one is other:
        return True
    if len(one) != len(other):
        return False
    if all(map(is_, one, other)):
        return True
    kinds = {*map(type, one), *map(type, other)}
    if kinds == {float}:
        if array("d", one).tobytes() == array("d", other).tobytes():
            return True
    elif kinds <= _QUICK and float not in kinds:
        return one == other and list(map(type, one)) == list(map(type, other))
    return all(map(canonical.same, one, other))
