"""What changed between two snapshots: a write set, small when the change is small."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from itertools import repeat
from typing import Any

from lift_sys.state.atomic import ListPart, TuplePart
from lift_sys.state.columns import Leaves, Lists
from lift_sys.state.dicts import DictPart
from lift_sys.state.equality import equal
from lift_sys.state.keyed import ModelPart
from lift_sys.state.operations import (
    NOTHING,
    Append,
    Delete,
    Given,
    Operation,
    Set,
    WriteSet,
)
from lift_sys.state.parts import MISSING, Node, Part
from lift_sys.state.paths import Path, path_text
from lift_sys.state.rows import differing
from lift_sys.state.snapshot import Snapshot


def changes(old: Snapshot[Any], new: Snapshot[Any], *, in_order: bool = False) -> WriteSet:
    """What leads from `old` to `new`; equal values are no change.

    Another order of a dict's keys is no other value, nor is another way to grow of a `defaultdict`,
    but nodes can see it: with `in_order`, which is for what is to be done again, such a dict is
    written as a whole.
    """
    if old is new or old.root is new.root:
        return NOTHING
    shared: set[int] = set()
    if not (old.simple and new.simple):
        shared = _shared(old.root) | _shared(new.root)
    operations = tuple(_differences(old.root, new.root, (), shared, in_order))
    replaced: dict[Path, set[Any]] = {}
    for each in operations:
        if isinstance(each, Set):
            if not each.path:  # the whole, with the fields that are set there
                return WriteSet(operations)
            replaced.setdefault(each.path[:-1], set()).add(each.path[-1])
    return WriteSet(operations, tuple(_given(old.root, new.root, (), replaced, set())))


def _given(
    old: Node, new: Node, path: Path, replaced: Mapping[Path, AbstractSet[Any]], met: set[int]
) -> Iterator[Given]:
    """Where other fields were set than those that the writes set.

    `replaced` has the last steps to what they set, by the path of what that is in.
    """
    if old is new or type(old) is not type(new) or id(new) in met:
        return
    met.add(id(new))
    here = replaced.get(path, frozenset())
    is_model = isinstance(old, ModelPart) and isinstance(new, ModelPart)
    if is_model and new.fields_set != old.fields_set | (here - old.shape.private):
        yield Given(path, new.fields_set)
    if not isinstance(old, (ModelPart, DictPart, ListPart)) or not isinstance(new, Part):
        return
    values, known = new.values, old.values
    pairs = dict(enumerate(known)) if isinstance(old, ListPart) else known
    for key in new.children:
        # What did not change is one object in both snapshots.
        if key in pairs and pairs[key] is not values[key] and (step := new.step(key)) not in here:
            yield from _given(pairs[key], values[key], (*path, step), replaced, met)


def changed_paths(old: Snapshot[Any], new: Snapshot[Any]) -> tuple[str, ...]:
    """Where `new`, which was refreshed from `old`, differs: `changes(old, new).paths`, but quick."""
    if new.changed is not None:
        return new.changed
    if old is new or not (old.simple and new.simple):
        return changes(old, new).paths
    return tuple(_paths(old.root, new.root, (), ""))


def _paths(old: Node, new: Node, path: Path, text: str) -> list[str]:
    """The paths of `_differences` between parts of which one was refreshed from the other."""
    found: list[str] | None = None
    if (
        isinstance(old, ModelPart)
        and is_stepwise(old, new)
        and old.values.keys() == new.values.keys()
    ):
        found = []
        for name, before in old.values.items():
            after = new.values[name]
            if after is not before:
                place = f"{text}.{name}" if text else name
                if isinstance(before, Part):
                    found += _paths(before, after, (*path, name), place)
                elif not equal(before, after):  # the most frequent case
                    found.append(place)
    elif isinstance(old, DictPart) and old.has_outline_of(new):
        found = _paths_of_rows(old, new, text)
    if found is None:
        found = [path_text(each.path) for each in _differences(old, new, path, set(), False)]
    return found


def _paths_of_rows(old: DictPart, new: DictPart, text: str) -> list[str] | None:
    """As `_paths`, column by column; None if other things than leaves and lists of them differ."""
    assert old.rows is not None
    assert new.rows is not None
    before, keys = old.rows.columns, old.children
    found: list[tuple[int, int, str]] = []
    for place, (name, column) in enumerate(new.rows.columns.items()):
        if column is not before[name]:
            if not isinstance(column, (Leaves, Lists)):
                return None
            found += [(row, place, name) for row in differing(column, before[name])]
    return [f"{text}[{keys[row]!r}].{name}" for row, _, name in sorted(found)]


def _differences(
    old: Node, new: Node, path: Path, shared: set[int], in_order: bool
) -> Iterator[Operation]:
    if old is new:
        return
    if id(old) in shared or id(new) in shared:
        if not equal(old, new) or (in_order and not _in_same_order(old, new, set())):
            yield Set(path, new)
    elif in_order and _is_reordered(old, new):
        yield Set(path, new)
    elif is_stepwise(old, new):
        for key, before in old.values.items():
            after = new.values.get(key, MISSING)
            if after is before:
                continue
            step = (*path, old.step(key))
            if after is MISSING:
                yield Delete(step)
            elif not isinstance(before, Part):  # the most frequent case
                if not equal(before, after):
                    yield Set(step, after)
            else:
                yield from _differences(before, after, step, shared, in_order)
        for key, after in new.values.items():
            if key not in old.values:
                yield Set((*path, old.step(key)), after)
    elif isinstance(old, ListPart) and isinstance(new, ListPart):
        if (tail := appended(old, new)) is None or (
            in_order and not _in_same_order(old, new, set())
        ):
            yield Set(path, new)
        elif tail:
            yield Append(path, tail)
    elif not equal(old, new) or (in_order and not _in_same_order(old, new, set())):
        yield Set(path, new)


def _is_reordered(old: Node, new: Node) -> bool:
    if not isinstance(old, DictPart) or not isinstance(new, DictPart):
        return False
    return _grows_otherwise(old, new) or not (
        old.has_outline_of(new) or old.keeps_order(new.values)
    )


def _grows_otherwise(old: Node, new: Node) -> bool:
    are_dicts = isinstance(old, DictPart) and isinstance(new, DictPart)
    return are_dicts and old.factory != new.factory


def _in_same_order(old: Node, new: Node, met: set[tuple[int, int]]) -> bool:
    """Whether no dict in what is equal, or in what both lists begin with, was reordered."""
    if old is new or not isinstance(old, Part) or not isinstance(new, Part):
        return True
    if isinstance(old, DictPart) and [*old.values] != [*new.values]:
        return False
    if _grows_otherwise(old, new):
        return False
    pair = id(old), id(new)
    if pair in met:  # in itself, or in several places
        return True
    met.add(pair)
    if isinstance(old, (ListPart, TuplePart)):
        return all(map(_in_same_order, old.values, new.values, repeat(met)))
    if isinstance(old, (ModelPart, DictPart)):
        return all(_in_same_order(old.values[key], new.values[key], met) for key in old.children)
    return True


def is_stepwise(old: Node, new: Node) -> bool:
    """Whether operations on single attributes or keys lead from `old` to `new`."""
    if not isinstance(old, (ModelPart, DictPart)):
        return False
    if type(old) is not type(new) or old.cls is not new.cls:
        return False
    if isinstance(old, ModelPart):
        return True
    return old.has_outline_of(new) or old.is_followed_by(new.values)


def _shared(root: Node) -> set[int]:
    """Ids of the parts that stand in several places, or in themselves.

    An operation inside such a part would be seen in all places, so it is replaced as a whole.
    """
    met: set[int] = set()
    shared: set[int] = set()
    waiting = [root]
    for node in waiting:
        if isinstance(node, Part):
            if id(node) in met:
                shared.add(id(node))
            else:
                met.add(id(node))
                waiting += [node.values[key] for key in node.children]
    return shared


def appended(old: ListPart, new: ListPart) -> tuple[Node, ...] | None:
    """The items that `new` has after those of `old`, or None if `old` is not its beginning."""
    length = old.count()
    if new.count() == length:
        return () if equal(old, new) else None
    if len(new.values) < length or not all(map(equal, old.values, new.values)):
        return None
    return tuple(new.values[length:])
