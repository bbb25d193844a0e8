"""The part that shows a dict, or one of the standard library's kinds of it; it merges by path."""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Mapping
from operator import eq, is_
from typing import TYPE_CHECKING, Any

from lift_sys.state import canonical
from lift_sys.state.atomic import OpaquePart
from lift_sys.state.parts import MISSING, Node, Part, encoding_of, parts_among, update
from lift_sys.state.shapes import ATOMIC
from lift_sys.state.tables import TablePart

if TYPE_CHECKING:
    from lift_sys.state.builder import Builder
    from lift_sys.state.rows import Rows

#: The kinds of dict that are known.
DICTS = frozenset({dict, defaultdict, OrderedDict, Counter})


class DictPart(TablePart):
    """A dict, or one of the standard library's kinds of it."""

    __slots__ = ("factory",)

    factory: Callable[[], Any] | None

    @classmethod
    def build(cls, mapping: Any, builder: Builder) -> Part:
        """Show `mapping`; opaque if a key is mutable somewhere inside."""
        if not all(builder.part(key) is key for key in mapping if type(key) not in ATOMIC):
            return OpaquePart.build(mapping, builder)
        part = cls(type(mapping))
        builder.memo[id(mapping)] = part
        part.factory = getattr(mapping, "default_factory", None)
        if type(mapping) is dict and len(mapping) >= cls.fewest:
            rows = builder.rows([*mapping.values()])
            if rows is not None:
                part.rows, part.children = rows, tuple(mapping)
                return part
        part.rows = None
        part.values = dict(mapping)
        part.children = builder.fill(part.values, mapping.items())
        return part

    def having(self, values: dict[Any, Node], children: tuple[Any, ...] | None = None) -> DictPart:
        """A dict of the same kind with other values; `children`, if it is known who is a part."""
        part = DictPart(self.cls)
        part.factory, part.values = self.factory, values
        part.children = parts_among(values.items()) if children is None else children
        if len(part.children) < part.fewest:
            part.rows = None
        return part

    def with_rows(self, rows: Rows) -> DictPart:
        """The same keys with these rows."""
        part = DictPart(dict)
        part.factory, part.rows, part.children = None, rows, self.children
        return part

    def _arranged(self, nodes: list[Any]) -> Any:
        return dict(zip(self.children, nodes, strict=True))

    def _encode(self) -> bytes:
        items = [(encoding_of(key), encoding_of(value)) for key, value in self.values.items()]
        if self.cls is OrderedDict:  # its equality, and so its value, follows the order
            pairs = [canonical.digest_sequence("item", pair) for pair in items]
            return canonical.digest_sequence(canonical.type_name(self.cls), pairs)
        return canonical.digest_mapping(canonical.type_name(self.cls), items)

    def copy(self) -> Any:
        """A fresh live value; see `Part`."""
        if self.rows is not None:
            return dict(zip(self.children, self.rows.copies(), strict=True))
        if self.cls is dict:
            mapping: Any = self.values.copy()
        else:
            mapping = self._filled()
        for key in self.children:
            mapping[key] = mapping[key].copy()
        return mapping

    def restore(self, memo: dict[int, Any]) -> Any:
        """A fresh live value that keeps aliases; see `Part`."""
        if (known := memo.get(id(self))) is not None:
            return known
        mapping = memo[id(self)] = self._filled()
        for key in self.children:
            mapping[key] = mapping[key].restore(memo)
        return mapping

    def _filled(self) -> Any:
        """A fresh dict of the same kind with the leaves and, for now, the parts."""
        mapping: Any = defaultdict(self.factory) if self.cls is defaultdict else self.cls()
        for key, value in self.values.items():
            mapping[key] = value
        return mapping

    def refresh(self, live: Any, walk: Builder) -> Node:
        """The part that shows `live` now; see `Part`."""
        if type(live) is not self.cls or getattr(live, "default_factory", None) != self.factory:
            return walk.part(live)
        walk.seen.append(live)
        children = self.children
        if (
            self.rows is not None
            and len(live) == len(children)
            and all(map(is_, live, children))  # the very same keys
        ):
            rows = self.rows.renewed([*live.values()], walk)
            if rows is not None:
                return self if rows is self.rows else self.with_rows(rows)
        fresh: dict[Any, Node] | None = None
        old_values = self.values
        for key, value in live.items():
            old = old_values.get(key, MISSING)
            if value is old:
                continue
            new = walk.part(value) if old is MISSING else update(old, value, walk)
            if new is not old:
                fresh = {} if fresh is None else fresh
                fresh[key] = new
        if len(live) == len(old_values) and all(map(is_, live, old_values)):
            if fresh is None:
                return self
            kept = not any(
                isinstance(new, Part) is not isinstance(old_values[key], Part)
                for key, new in fresh.items()
            )
            return self.having(old_values | fresh, self.children if kept else None)
        if fresh is None and [*live] == [*old_values] and self.is_followed_by(live):
            return self
        fresh = fresh or {}
        if not ATOMIC.issuperset(map(type, live)) and not all(
            walk.part(key) is key for key in live if type(key) not in ATOMIC
        ):
            walk.opaque = True
        return self.having({key: fresh.get(key, old_values.get(key)) for key in live})

    def keeps_order(self, later: Mapping[Any, Any]) -> bool:
        """Whether `later` has its keys where they come to by deleting some and adding others."""
        mine = self.values
        common = [key for key in mine if key in later]
        return all(map(eq, later, [*common, *[key for key in later if key not in mine]]))

    def is_followed_by(self, later: Mapping[Any, Any]) -> bool:
        """Whether `later` differs by keys that were deleted, added at the end, or set; nothing else.

        Keys that are equal to Python may differ as typed values (1 and True, a str and a StrEnum's
        member); and the order of an OrderedDict counts.
        """
        mine = self.values
        if all(map(is_, mine, later)):
            return True
        if self.cls is OrderedDict:
            common = [key for key in later if key in mine]
            if [key for key in mine if key in later] != common or [*later][: len(common)] != common:
                return False
        if {*map(type, mine), *map(type, later)} <= {str}:
            return True
        known = {key: key for key in mine}
        return all(canonical.same(key, known[key]) for key in later if key in known)
