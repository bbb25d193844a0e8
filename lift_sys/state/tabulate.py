"""Finding rows: the items of a list or dict that are models of one class, live ones or parts."""

from __future__ import annotations

from itertools import chain, repeat
from operator import ne, setitem
from typing import TYPE_CHECKING, Any

from lift_sys.state.atomic import ListPart
from lift_sys.state.columns import Column, Leaves, Lists, Nodes, are_leaves
from lift_sys.state.keyed import ModelPart, drain, raw_dict
from lift_sys.state.parts import Part
from lift_sys.state.rows import MAKING, FieldsSet, Rows, fields_set_of, read_columns
from lift_sys.state.shapes import shape_of
from lift_sys.state.tables import TablePart

if TYPE_CHECKING:
    from lift_sys.state.builder import Builder

_DEEPEST = 4  # models in models; deeper ones are parts, so that a cycle ends there


def rows_of_models(models: list[Any], builder: Builder, depth: int = 0) -> Rows | None:
    """Show live models, if they can be rows."""
    cls = type(models[0])
    shape = shape_of(cls)
    if shape is None or not shape.plain:
        return None
    names = tuple(raw_dict(models[0]))
    if not names or not shape.fields.issuperset(names):
        return None
    read = read_columns(cls, models, names)
    if read is None:
        return None
    dicts = list(map(dict.copy, map(raw_dict, models)))
    builder.seen += models
    columns: dict[str, Column] = {}
    for name, values in zip(names, read, strict=True):
        columns[name] = column = _column(values, builder, depth)
        if type(column) is not Leaves:
            drain(map(setitem, dicts, repeat(name), repeat(None)))
    sets = list(map(fields_set_of, models))
    fields_set: FieldsSet = shape.fields
    if any(map(ne, sets, repeat(shape.fields))):
        fields_set = _one_or_all(list(map(frozenset, sets)))
    rows = Rows(cls, shape, len(models), columns, fields_set)
    rows._templates = dicts
    return rows


def _column(values: list[Any], builder: Builder, depth: int) -> Column:
    if are_leaves(values):
        return Leaves(values)
    kind = type(values[0])
    if kind is list and {*map(type, values)} == {list}:
        if are_leaves(chain.from_iterable(values)):
            builder.seen += values
            return Lists(list(map(list.copy, values)))
    elif depth < _DEEPEST and (rows := rows_of_models(values, builder, depth + 1)) is not None:
        return rows
    return Nodes([builder.part(value) for value in values])


def rows_of_parts(table: TablePart) -> Rows | None:
    """The items of a table as rows, if they can be."""
    if len(table.children) < table.fewest or len(table.children) != len(table.values):
        return None
    if table.cls is not list and table.cls is not dict:
        return None
    nodes = table.values if table.cls is list else table.values.values()
    with MAKING:
        return _rows_of_parts(list(nodes))


def _rows_of_parts(parts: list[Any], depth: int = 0) -> Rows | None:
    first = parts[0]
    if {*map(type, parts)} != {ModelPart} or not first.shape.plain or not first.values:
        return None
    cls, names = first.cls, tuple(first.values)
    if not all(part.cls is cls and part.values.keys() == first.values.keys() for part in parts):
        return None
    columns: dict[str, Column] = {}
    for name in names:
        nodes = [part.values[name] for part in parts]
        kinds = {*map(type, nodes)}
        inner: Rows | None = None
        if kinds == {ModelPart} and depth < _DEEPEST:
            inner = _rows_of_parts(nodes, depth + 1)
        if inner is not None:
            columns[name] = inner
        elif kinds == {ListPart} and not any(node.children for node in nodes):
            columns[name] = Lists([node.values for node in nodes], nodes)
        elif not any(issubclass(kind, Part) for kind in kinds):
            columns[name] = Leaves(nodes) if are_leaves(nodes) else Nodes(nodes)
        else:
            columns[name] = Nodes(nodes)
    rows = Rows(
        cls, first.shape, len(parts), columns, _one_or_all([part.fields_set for part in parts])
    )
    rows._parts = parts
    return rows


def _one_or_all(sets: list[frozenset[str]]) -> FieldsSet:
    return sets[0] if sets.count(sets[0]) == len(sets) else sets
