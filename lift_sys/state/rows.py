"""Rows: many models of one class, shown as one column for each attribute (columns.py).

The items of a list or dict (tables.py) are rows where they are models of one class without extras and
private attributes, all with the same attributes; so are the values of such an attribute themselves.
Parts are made of them only when single rows are asked for. Before editing: snapshots of one walk
share the parts of rows that did not change, whenever and in whatever order parts are made: rows that
were made of others (`_older`) take over theirs.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import repeat
from operator import attrgetter, is_, itemgetter, ne, setitem
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeAlias

from lift_sys.state.atomic import ListPart
from lift_sys.state.columns import Column, Leaves, Lists, Nodes
from lift_sys.state.keyed import drain, model_parts, models_of, raw_dict
from lift_sys.state.parts import Node
from lift_sys.state.shapes import Shape

if TYPE_CHECKING:
    from lift_sys.state.builder import Builder

#: Names that were set: of all rows the same, or by row.
FieldsSet: TypeAlias = "frozenset[str] | list[frozenset[str]]"

_LONGEST_TRAIL = 8  # snapshots of a walk that may wait for each other before parts are made
MAKING = RLock()  # lazy states are filled in worker threads, and each row has one part
fields_set_of: Callable[[Any], set[str]] = attrgetter("__pydantic_fields_set__")


class Rows(Column):
    """Models of one class; immutable."""

    __slots__ = (
        "_older",
        "_parts",
        "_templates",
        "_trail",
        "cls",
        "columns",
        "count",
        "fields_set",
        "shape",
    )

    def __init__(
        self,
        cls: type,
        shape: Shape,
        count: int,
        columns: dict[str, Column],
        fields_set: FieldsSet,
    ) -> None:
        self.cls, self.shape, self.count = cls, shape, count
        self.columns, self.fields_set = columns, fields_set
        self._parts: list[Any] | None = None
        self._templates: list[dict[str, Any]] | None = None
        self._older: Rows | None = None
        self._trail = 0

    @property
    def items(self) -> list[Any]:  # type: ignore[override]
        """The parts of the rows."""
        return self.parts()

    def nodes(self) -> list[Node]:
        """See `Column`."""
        return self.parts()

    def copies(self) -> list[Any]:
        """Fresh live models."""
        source, templates = self._templated()
        dicts = list(map(dict.copy, templates))
        for name, column in self.columns.items():
            if type(column) is not Leaves or column is not source.columns[name]:
                drain(map(setitem, dicts, repeat(name), column.copies()))
        fields_set = self.fields_set
        sets = repeat(fields_set) if isinstance(fields_set, frozenset) else fields_set
        return models_of(self.cls, dicts, map(set, sets))

    def refresh(self, lives: list[Any], walk: Builder) -> Column:
        """See `Column`."""
        return self.renewed(lives, walk) or Nodes(self.parts()).refresh(lives, walk)

    def renewed(self, lives: list[Any], walk: Builder) -> Rows | None:
        """The rows that show `lives` now, this very object if nothing changed; None if none can."""
        read = read_columns(self.cls, lives, tuple(self.columns))
        if read is None:
            return None
        walk.seen += lives
        fresh = {
            name: column.refresh(values, walk)
            for (name, column), values in zip(self.columns.items(), read, strict=True)
        }
        sets, known = list(map(fields_set_of, lives)), self.fields_sets()
        given = self.fields_set
        if any(map(ne, sets, known)):
            given = [
                old if new == old else frozenset(new) for new, old in zip(sets, known, strict=True)
            ]
        if given is self.fields_set and all(map(is_, fresh.values(), self.columns.values())):
            return self
        return self.having(fresh, given)

    def fields_sets(self) -> list[frozenset[str]]:
        """Names that were set, by row."""
        sets = self.fields_set
        return [sets] * self.count if isinstance(sets, frozenset) else sets

    def having(self, columns: dict[str, Column], fields_set: FieldsSet) -> Rows:
        """The same rows with other columns."""
        newer = Rows(self.cls, self.shape, self.count, columns, fields_set)
        if self._trail == _LONGEST_TRAIL:
            self.parts()
        newer._older, newer._trail = self, self._trail + 1
        return newer

    def differing(self, older: Column) -> list[int]:
        """See `Column`."""
        assert isinstance(older, Rows)
        found: set[int] = set()
        if self is not older:
            for name, column in self.columns.items():
                found.update(differing(column, older.columns[name]))
            found.update(self._given_anew(older))
        return sorted(found)

    def _given_anew(self, older: Rows) -> list[int]:
        """Rows of which other fields were set, whatever their values."""
        if self.fields_set is older.fields_set:
            return []
        pairs = map(ne, self.fields_sets(), older.fields_sets())
        return [row for row, is_new in enumerate(pairs) if is_new]

    def same(self, other: Column) -> bool:
        """See `Column`."""
        assert isinstance(other, Rows)
        if self.count != other.count:
            return False
        if self.cls is not other.cls:
            return Nodes(self.parts()).same(Nodes(other.parts()))
        return self.columns.keys() == other.columns.keys() and all(
            same_column(column, other.columns[name]) for name, column in self.columns.items()
        )

    def _templated(self) -> tuple[Rows, list[dict[str, Any]]]:
        """The latest of these rows' forerunners whose attributes are there by row, and these.

        Those that are no leaves, or stand in another column by now, have to be replaced.
        """
        source = self
        while True:
            if (templates := source._templates) is not None:
                return source, templates
            if source._parts is not None:
                return source, [part.values for part in source._parts]
            source = source._older or source  # it has none any more: another thread made its parts

    def parts(self) -> list[Any]:
        """A part for each row."""
        if self._parts is None:
            with MAKING:
                if self._parts is None:
                    self._parts = (
                        self._made() if self._older is None else self._made_of(self._older)
                    )
                    self._older = self._templates = None
                    self._trail = 0
        return self._parts

    def _made(self) -> list[Any]:
        dicts = list(map(dict.copy, self._templates or ()))
        inner = [name for name, column in self.columns.items() if type(column) is not Leaves]
        for name in inner:
            drain(map(setitem, dicts, repeat(name), self.columns[name].nodes()))
        children = None if any(type(self.columns[name]) is Nodes for name in inner) else (*inner,)
        return model_parts(self.cls, self.shape, dicts, self.fields_sets(), children)

    def _made_of(self, older: Rows) -> list[Any]:
        parts = older.parts().copy()
        values: dict[int, dict[str, Any]] = {}
        for name, column in self.columns.items():
            before = older.columns[name]
            if column is before:
                continue
            nodes = column.items if isinstance(column, (Leaves, Nodes)) else None
            for row in differing(column, before):
                if row not in values:
                    values[row] = parts[row].values.copy()
                values[row][name] = (
                    nodes[row]
                    if nodes is not None
                    else ListPart.having(column.items[row], ())
                    if isinstance(column, Lists)
                    else column.nodes()[row]
                )
        sets = self.fields_sets()
        for row in self._given_anew(older):  # a field may be assigned what it was
            values.setdefault(row, parts[row].values)
        kept = all(type(self.columns[name]) is type(older.columns[name]) for name in self.columns)
        kept = kept and not any(isinstance(column, Nodes) for column in self.columns.values())
        for row, attributes in values.items():
            part = parts[row]
            parts[row] = part.having(attributes, sets[row], part.children if kept else None)
        return parts


def differing(column: Column, older: Column) -> list[int]:
    """Rows in which two columns of one attribute differ, whatever their kinds."""
    if type(column) is type(older):
        return column.differing(older)
    return Nodes(column.nodes()).differing(Nodes(older.nodes()))


def same_column(column: Column, other: Column) -> bool:
    """Whether two columns show equal values, whatever their kinds."""
    if column is other:
        return True
    if type(column) is type(other):
        return column.same(other)
    return Nodes(column.nodes()).same(Nodes(other.nodes()))


def read_columns(cls: type, models: list[Any], names: tuple[str, ...]) -> list[list[Any]] | None:
    """The columns of live models, or None if they are not of this class with these attributes."""
    if {*map(type, models)} != {cls}:
        return None
    dicts = list(map(raw_dict, models))
    if {*map(len, dicts)} != {len(names)}:
        return None
    try:
        return [list(map(itemgetter(name), dicts)) for name in names]
    except KeyError:
        return None
