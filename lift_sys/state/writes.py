"""What changed between two snapshots: a write set, small when the change is small."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from lift_sys.errors import UsageError
from lift_sys.state.applying import append_at, delete_at, replace_at, set_at, value_at
from lift_sys.state.atomic import ListPart
from lift_sys.state.columns import Leaves, Lists
from lift_sys.state.dicts import DictPart
from lift_sys.state.equality import equal
from lift_sys.state.keyed import ModelPart
from lift_sys.state.parts import MISSING, Node, Part
from lift_sys.state.paths import Key, Path, path_text
from lift_sys.state.rows import differing
from lift_sys.state.snapshot import Snapshot


class Set(NamedTuple):
    """The value at `path` is now `node`."""

    path: Path
    node: Node

    @property
    def value(self) -> Any:
        """A fresh copy of the value."""
        return _live(self.node)

    def apply(self, live: Any) -> Any:
        """Do it to `live`; return that, or what stands in its place."""
        return set_at(live, self.path, self.value)


class Delete(NamedTuple):
    """There is nothing at `path` any more."""

    path: Path

    def apply(self, live: Any) -> Any:
        """Do it to `live`; return that."""
        return delete_at(live, self.path)


class Given(NamedTuple):
    """The fields of the model at `path` that were set, which no value shows, are `names`.

    Of the fields `unseen` those that are set stay so.
    """

    path: Path
    names: frozenset[str]
    unseen: frozenset[str] = frozenset()

    def apply(self, live: Any) -> Any:
        """Do it to `live`; return that."""
        model = value_at(live, self.path)
        unseen = model.__pydantic_fields_set__ & self.unseen
        object.__setattr__(model, "__pydantic_fields_set__", {*self.names, *unseen})
        return live


class Append(NamedTuple):
    """The list at `path` got these items at its end."""

    path: Path
    tail: tuple[Node, ...]

    @property
    def value(self) -> list[Any]:
        """Fresh copies of the new items."""
        return [_live(node) for node in self.tail]

    def apply(self, live: Any) -> Any:
        """Do it to `live`; return that."""
        return append_at(live, self.path, self.value)


class Unkept(NamedTuple):
    """Something was done at `path`, and what that was has not been kept."""

    path: Path

    def apply(self, live: Any) -> Any:
        """It can't be done again.

        Raises:
            UsageError: Always.
        """
        raise UsageError(
            f"What was written to `{path_text(self.path)}` was not kept: of what is discarded "
            f"inside of a step, or in a branch that failed, a journal keeps only the places."
        )


Operation: TypeAlias = Set | Delete | Append | Unkept


def _live(node: Node) -> Any:
    return node.restore({}) if isinstance(node, Part) else node


@dataclass(frozen=True, slots=True)
class WriteSet:
    """Operations that lead from one state to a later one.

    Attributes:
        operations: What is to be done to values, in this order.
        given: `model_fields_set` of the models where the operations alone would leave another.
    """

    operations: tuple[Operation, ...]
    given: tuple[Given, ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        """Where it writes, as text, in the order of the fields."""
        return tuple(path_text(operation.path) for operation in self.operations)

    @property
    def fields(self) -> frozenset[str]:
        """The state's own attributes that it touches; empty text if it replaces the whole."""
        return frozenset(
            str(operation.path[0]) if operation.path else "" for operation in self.operations
        )

    def apply(self, live: Any) -> Any:
        """Do to `live` what this says; return that, or what stands in its place now.

        It has to be equal to the earlier state at every path that an operation leads through.
        """
        for operation in (*self.operations, *self.given):
            live = operation.apply(live)
        return live

    def put_anew(self, live: Any) -> Any:
        """Put copies of what was written in its place; return `live`, or what stands there now.

        So nothing that was written is an object that its writer has put somewhere else, too.
        """
        for each in self.operations:
            if isinstance(each, Set) and isinstance(each.node, Part):
                live = replace_at(live, each.path, each.value)
            elif isinstance(each, Append) and any(isinstance(node, Part) for node in each.tail):
                value_at(live, each.path)[-len(each.tail) :] = each.value
        return live

    def __bool__(self) -> bool:
        return bool(self.operations or self.given)

    def __repr__(self) -> str:
        return f"WriteSet({', '.join(self.paths)})"


NOTHING = WriteSet(())


def changes(old: Snapshot[Any], new: Snapshot[Any]) -> WriteSet:
    """What leads from `old` to `new`; equal values are no change."""
    if old is new or old.root is new.root:
        return NOTHING
    shared: set[int] = set()
    if not (old.simple and new.simple):
        shared = _shared(old.root) | _shared(new.root)
    operations = tuple(_differences(old.root, new.root, (), shared))
    replaced = {each.path for each in operations if isinstance(each, Set)}
    return WriteSet(operations, tuple(_given(old.root, new.root, (), replaced, set())))


def _given(
    old: Node, new: Node, path: Path, replaced: AbstractSet[Path], met: set[int]
) -> Iterator[Given]:
    """Where other fields were set than those that the writes set."""
    if old is new or type(old) is not type(new) or path in replaced or id(new) in met:
        return
    met.add(id(new))
    if isinstance(old, ModelPart) and isinstance(new, ModelPart):
        here = {name for name in new.values if (*path, name) in replaced}
        if new.fields_set != old.fields_set | (here - old.shape.private):
            yield Given(path, new.fields_set)
    if not isinstance(old, (ModelPart, DictPart, ListPart)) or not isinstance(new, Part):
        return
    values, known = new.values, old.values
    pairs = dict(enumerate(known)) if isinstance(old, ListPart) else known
    for key in new.children:
        # What did not change is one object in both snapshots.
        if key in pairs and pairs[key] is not values[key]:
            yield from _given(pairs[key], values[key], (*path, new.step(key)), replaced, met)


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
                found += _paths(before, after, (*path, name), f"{text}.{name}" if text else name)
    elif isinstance(old, DictPart) and old.has_outline_of(new):
        found = _paths_of_rows(old, new, text)
    if found is None:
        found = [path_text(each.path) for each in _differences(old, new, path, set())]
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


def _differences(old: Node, new: Node, path: Path, shared: set[int]) -> Iterator[Operation]:
    if old is new:
        return
    if id(old) in shared or id(new) in shared:
        if not equal(old, new):
            yield Set(path, new)
    elif is_stepwise(old, new):
        for key, before in old.values.items():
            after = new.values.get(key, MISSING)
            if after is before:
                continue
            step = (*path, old.step(key))
            if after is MISSING:
                yield Delete(step)
            else:
                yield from _differences(before, after, step, shared)
        for key, after in new.values.items():
            if key not in old.values:
                yield Set((*path, old.step(key)), after)
    elif isinstance(old, ListPart) and isinstance(new, ListPart):
        if (tail := appended(old, new)) is not None:
            if tail:
                yield Append(path, tail)
        else:
            yield Set(path, new)
    elif not equal(old, new):
        yield Set(path, new)


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


__all__ = [
    "NOTHING",
    "Append",
    "Delete",
    "Key",
    "Operation",
    "Set",
    "Unkept",
    "WriteSet",
    "changes",
]
