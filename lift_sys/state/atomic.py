"""Parts that merge as a whole: lists, tuples, sets, and values of unknown kinds."""

from __future__ import annotations

import copy
from operator import is_
from typing import TYPE_CHECKING, Any

from lift_sys.state import canonical
from lift_sys.state.parts import Node, Part, encoding_of, parts_among, update
from lift_sys.state.shapes import ATOMIC, is_self_contained
from lift_sys.state.tables import TablePart

if TYPE_CHECKING:
    from lift_sys.state.builder import Builder
    from lift_sys.state.rows import Rows


class ListPart(TablePart):
    """A list."""

    __slots__ = ()

    @classmethod
    def build(cls, items: list[Any], builder: Builder) -> ListPart:
        """Show `items`."""
        part = cls(list)
        builder.memo[id(items)] = part
        if len(items) >= cls.fewest and (rows := builder.rows(items)) is not None:
            part.rows, part.children = rows, tuple(range(len(items)))
            return part
        part.values = items.copy()
        part.children = ()
        part.rows = None
        if not ATOMIC.issuperset(map(type, items)):
            part.children = builder.fill(part.values, enumerate(items))
        return part

    @classmethod
    def having(cls, values: list[Node], children: tuple[int, ...] | None = None) -> ListPart:
        """A list of these leaves and parts; `children`, if it is known who is one."""
        part = cls(list)
        part.values = values
        part.children = parts_among(enumerate(values)) if children is None else children
        if len(part.children) < part.fewest:
            part.rows = None
        return part

    def with_rows(self, rows: Rows) -> ListPart:
        """The same list with these rows."""
        part = ListPart(list)
        part.rows, part.children = rows, self.children
        return part

    def _arranged(self, nodes: list[Any]) -> Any:
        return nodes

    def _encode(self) -> bytes:
        return canonical.digest_sequence(
            canonical.type_name(list), [encoding_of(value) for value in self.values]
        )

    def copy(self) -> Any:
        """A fresh live value; see `Part`."""
        if self.rows is not None:
            return self.rows.copies()
        items = self.values.copy()
        for index in self.children:
            items[index] = items[index].copy()
        return items

    def restore(self, memo: dict[int, Any]) -> Any:
        """A fresh live value that keeps aliases; see `Part`."""
        if (known := memo.get(id(self))) is not None:
            return known
        items = memo[id(self)] = self.values.copy()
        for index in self.children:
            items[index] = items[index].restore(memo)
        return items

    def refresh(self, live: Any, walk: Builder) -> Node:
        """The part that shows `live` now; see `Part`."""
        if type(live) is not list:
            return walk.part(live)
        walk.seen.append(live)
        if self.rows is not None and len(live) == len(self.children):
            rows = self.rows.renewed(live, walk)
            if rows is not None:
                return self if rows is self.rows else self.with_rows(rows)
        old_values = self.values
        known = len(old_values)
        if not self.children:
            if len(live) == known and all(map(is_, live, old_values)):
                return self
        elif len(live) == known:
            fresh = [
                value
                if value is old
                else old.refresh(value, walk)
                if isinstance(old, Part)
                else update(old, value, walk)
                for value, old in zip(live, old_values, strict=True)
            ]
            if all(map(is_, fresh, old_values)):
                return self
            # The usual case is that items which were parts still are, and no others.
            kept = all(isinstance(fresh[i], Part) for i in self.children)
            return self.having(
                fresh, self.children if kept and len(self.children) == known else None
            )
        fresh = [
            walk.part(value) if i >= known else update(old_values[i], value, walk)
            for i, value in enumerate(live)
        ]
        if len(fresh) == known and all(map(is_, fresh, old_values)):
            return self
        return self.having(fresh)


class TuplePart(Part):
    """A tuple (or named tuple) with something mutable inside."""

    __slots__ = ()

    @classmethod
    def build(cls, items: tuple[Any, ...], builder: Builder) -> Node:
        """Show `items`; a tuple of leaves is a leaf itself."""
        if ATOMIC.issuperset(map(type, items)):
            return items
        values = list(items)
        children = builder.fill(values, enumerate(items))
        if not children:
            return items
        if (known := builder.memo.get(id(items))) is not None:
            return known  # a cycle through this tuple has met it meanwhile
        part = cls(type(items))
        builder.memo[id(items)] = part
        part.values, part.children = values, children
        return part

    def _encode(self) -> bytes:
        return canonical.digest_sequence(
            canonical.type_name(self.cls), [encoding_of(value) for value in self.values]
        )

    def copy(self) -> Any:
        """A fresh live value; see `Part`."""
        items = self.values.copy()
        for index in self.children:
            items[index] = items[index].copy()
        return self._made_of(items)

    def restore(self, memo: dict[int, Any]) -> Any:
        """A fresh live value that keeps aliases; see `Part`."""
        if (known := memo.get(id(self))) is not None:
            return known
        items = self.values.copy()
        for index in self.children:
            items[index] = items[index].restore(memo)
        # A cycle through this tuple has made it meanwhile, if there is one.
        return memo.setdefault(id(self), self._made_of(items))

    def _made_of(self, items: list[Any]) -> Any:
        return tuple(items) if self.cls is tuple else self.cls(*items)

    def refresh(self, live: Any, walk: Builder) -> Node:
        """The part that shows `live` now; see `Part`."""
        if type(live) is not self.cls or len(live) != len(self.values):
            return walk.part(live)
        walk.seen.append(live)
        fresh = [update(old, value, walk) for old, value in zip(self.values, live, strict=True)]
        if all(map(is_, fresh, self.values)):
            return self
        part = TuplePart(self.cls)
        part.values = fresh
        part.children = parts_among(enumerate(fresh))
        return part if part.children else self.cls(*fresh) if self.cls is not tuple else (*fresh,)


class SetPart(Part):
    """A set of leaves."""

    __slots__ = ()

    @classmethod
    def build(cls, items: Any, builder: Builder) -> Node:
        """Show `items`; a frozenset of leaves is a leaf, a set of anything else is opaque."""
        if not all(type(item) in ATOMIC or builder.part(item) is item for item in items):
            return OpaquePart.build(items, builder)
        if type(items) is frozenset:
            return items
        part = cls(set)
        builder.memo[id(items)] = part
        part.values, part.children = items.copy(), ()
        return part

    def _encode(self) -> bytes:
        return canonical.digest_set(
            canonical.type_name(set), [encoding_of(value) for value in self.values]
        )

    def copy(self) -> Any:
        """A fresh live value; see `Part`."""
        return self.values.copy()

    def restore(self, memo: dict[int, Any]) -> Any:
        """A fresh live value that keeps aliases; see `Part`."""
        if (known := memo.get(id(self))) is not None:
            return known
        items = memo[id(self)] = self.values.copy()
        return items

    def refresh(self, live: Any, walk: Builder) -> Node:
        """The part that shows `live` now; see `Part`."""
        if type(live) is not set:
            return walk.part(live)
        # Sets that are equal to Python may differ as typed values ({1} and {True}, {0.0} and
        # {-0.0}), so equal ones are compared again by their encodings, unless text settles it.
        if live == self.values and (
            {*map(type, live), *map(type, self.values)} <= {str}
            or SetPart.build(live, type(walk)()).encoding == self.encoding
        ):
            walk.seen.append(live)
            return self
        return walk.part(live)


class OpaquePart(Part):
    """A value of a kind that is not known here: copied by `copy.deepcopy`, compared by digest.

    `values` is the pristine value. A self-contained one (an array, a bytearray) is copied alone;
    for any other the whole snapshot falls back to `copy.deepcopy`, because it may share objects
    with the rest of the state (`Builder.opaque`, snapshot.py).
    """

    __slots__ = ()

    @classmethod
    def build(cls, value: Any, builder: Builder) -> OpaquePart:
        """Show `value`."""
        part = cls(type(value))
        builder.memo[id(value)] = part
        part.children = ()
        if is_self_contained(value):
            part.values = copy.deepcopy(value)
        else:
            builder.opaque = True
            part.values = value
        return part

    def _encode(self) -> bytes:
        return canonical.encode_child(self.values, "state")

    def copy(self) -> Any:
        """A fresh live value; see `Part`."""
        return copy.deepcopy(self.values)

    def restore(self, memo: dict[int, Any]) -> Any:
        """A fresh live value that keeps aliases; see `Part`."""
        if (known := memo.get(id(self))) is not None:
            return known
        value = memo[id(self)] = copy.deepcopy(self.values)
        return value

    def refresh(self, live: Any, walk: Builder) -> Node:
        """The part that shows `live` now; see `Part`."""
        if type(live) is self.cls and canonical.encode_child(live, "state") == self.encoding:
            walk.seen.append(live)
            return self
        return walk.part(live)
