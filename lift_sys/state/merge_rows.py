"""Three-way merge of rows, column by column: what `merge` gives, without a look at single models."""

from __future__ import annotations

from collections.abc import Sequence

from lift_sys.state.columns import Column, Leaves, Lists, Nodes
from lift_sys.state.reducers import reducers_of
from lift_sys.state.rows import FieldsSet, Rows


def may_reduce(base: Rows, newer: Rows) -> bool:
    """Whether a reducer may stand at, or below, what differs."""
    if reducers_of(base.cls):
        return True
    for name, column in base.columns.items():
        now = newer.columns[name]
        if column is now:
            continue
        if isinstance(column, Rows) and isinstance(now, Rows):
            if may_reduce(column, now):
                return True
        elif isinstance(now, (Rows, Nodes)):
            return True
    return False


def merge_rows(base: Rows, changed: Sequence[Rows]) -> Rows | None:
    """Combine what `changed` made of `base`; None if that has to be done model by model.

    So it is where reducers are, where several changed other things than leaves and lists of them, and
    where two conflict: then `merge` finds the first conflict, and names it.
    """
    if any(may_reduce(base, rows) for rows in changed):
        return None
    columns: dict[str, Column] = {}
    for name, column in base.columns.items():
        others = [rows.columns[name] for rows in changed if rows.columns[name] is not column]
        joined = _merged(column, others) if others else column
        if joined is None:
            return None
        columns[name] = joined
    return base.having(columns, _fields_set(base, changed))


def _merged(base: Column, others: list[Column]) -> Column | None:
    first, kind = others[0], type(base)
    if len(others) == 1:
        return first
    if any(type(column) is not kind for column in others):
        return None
    if isinstance(base, Rows):
        return merge_rows(base, [column for column in others if isinstance(column, Rows)])
    if kind is not Leaves and kind is not Lists:
        return None
    if all(map(first.same, others[1:])):
        return first
    before, items, same = base.items, base.items.copy(), base.same_item
    written: set[int] = set()
    for column in others:
        now = column.items
        for row in column.differing(base):
            item = now[row]
            if row in written and not same(items[row], item):
                if same(item, before[row]):
                    continue  # changed, and changed back
                if not same(items[row], before[row]):
                    return None
            items[row] = item
            written.add(row)
    return kind(items)


def _fields_set(base: Rows, changed: Sequence[Rows]) -> FieldsSet:
    """A name is set that was so before, or is in a branch that changed the row."""
    if all(rows.fields_set is base.fields_set for rows in changed):
        return base.fields_set
    sets = base.fields_sets()
    for rows in changed:
        sets = [
            one if other <= one else one | other
            for one, other in zip(sets, rows.fields_sets(), strict=True)
        ]
    return sets
