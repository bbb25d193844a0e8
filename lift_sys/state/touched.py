"""Which models changed between two snapshots, and which of their fields have to be checked.

A field of which only nested models differ is not named: they are, with their own fields. So what is
checked follows what changed, not how large the state is. Before editing: what did not change must
not be named, as a validator that takes a field's raw input may refuse the value that it made of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from pydantic import BaseModel

from lift_sys.state import canonical
from lift_sys.state.atomic import ListPart, OpaquePart
from lift_sys.state.checkers import model_checker, plain_types
from lift_sys.state.columns import Leaves
from lift_sys.state.equality import equal
from lift_sys.state.keyed import ModelPart
from lift_sys.state.parts import MISSING, Node, Part
from lift_sys.state.paths import Path
from lift_sys.state.rows import Rows
from lift_sys.state.snapshot import Snapshot
from lift_sys.state.tables import TablePart


class Touched(NamedTuple):
    """A model in which something changed.

    Attributes:
        model: The live model.
        part: What shows it.
        path: Where it stands.
        fields: Fields and extras to check; none where all changes are in nested models.
    """

    model: Any
    part: Part
    path: Path
    fields: tuple[str, ...]


def touched_models(
    live: Any, old: Snapshot[Any] | None, new: Snapshot[Any], *, joined: bool = False
) -> Iterator[Touched]:
    """Each model that changed from `old` to `new`, the snapshot of `live`; all of them without `old`.

    Rows of which it is plain that nothing can be wrong are left out; after a join (`joined`) there
    are validators of whole models, too.

    Snapshots of simple states share every part that is equal (`Part.refresh`), so that another part
    is a change, if only of which fields were set; of other states the values decide.
    """
    before = MISSING if old is None else old.root
    exact = old is not None and old.simple and new.simple
    return _Walk(exact, joined).models(before, new.root, live, ())


class _Walk:
    def __init__(self, exact: bool, joined: bool) -> None:
        self.exact = exact
        self.joined = joined
        self.met: set[int] = set()

    def differ(self, before: Node, after: Node) -> bool:
        if before is after:
            return False
        return self.exact or before is MISSING or not equal(before, after)

    def models(self, old: Node, new: Node, live: Any, path: Path) -> Iterator[Touched]:
        """The changed models at `path` and inside."""
        if not isinstance(new, Part) or id(new) in self.met or not self.differ(old, new):
            return
        self.met.add(id(new))
        if isinstance(new, OpaquePart):
            if issubclass(new.cls, BaseModel):
                yield Touched(live, new, path, _changed_of_opaque(old, new, live))
        elif not isinstance(new, ModelPart):
            yield from self.inside(old, new, live, path)
        else:
            yield from self.attributes(old, new, live, path)

    def attributes(self, old: Node, new: ModelPart, live: Any, path: Path) -> Iterator[Touched]:
        """A model that changed, and the changed ones in it."""
        shape = new.shape
        is_known = isinstance(old, ModelPart) and old.cls is new.cls
        known = old.values if is_known else {}
        # A field that was deleted, or that `model_construct` left out of a new model.
        fields = [
            name for name in shape.fields - new.values.keys() if name in known or not is_known
        ]
        nested: list[tuple[str, Node, Node]] = []
        for name, after in new.values.items():
            before = known.get(name, MISSING)
            if self.differ(before, after):
                if name not in shape.private and not self.is_same_outline(before, after):
                    fields.append(name)
                if isinstance(after, Part):
                    nested.append((name, before, after))
        yield Touched(live, new, path, tuple(fields))
        values = shape.attributes(live)
        for name, before, after in nested:
            # A lazy state may not have it yet.
            value = values[name] if name in values else getattr(live, name)
            yield from self.models(before, after, value, (*path, name))

    def inside(self, old: Node, new: Part, live: Any, path: Path) -> Iterator[Touched]:
        """The changed models that a container holds."""
        if self.exact and isinstance(new, TablePart) and new.has_outline_of(old):
            assert new.rows is not None
            if are_plainly_right(old.rows, new.rows, joined=self.joined):
                return
        same = isinstance(old, Part) and type(old) is type(new)
        known = old.values if same else type(new.values)()
        changed: list[tuple[Any, Node]] = []
        for key in new.children:
            if isinstance(known, dict):
                before = known.get(key, MISSING)
            else:
                before = known[key] if key < len(known) else MISSING
            if self.differ(before, new.values[key]):
                changed.append((key, before))
        moved: set[bytes] = set()
        if isinstance(new, ListPart) and (len(changed) > 1 or len(known) != len(new.values)):
            moved = {
                before.encoding
                for index, before in enumerate(known)
                if isinstance(before, Part)
                and (index >= len(new.values) or new.values[index] is not before)
            }
        for key, before in changed:
            after = new.values[key]
            if not moved or after.encoding not in moved:
                yield from self.models(before, after, live[key], (*path, new.step(key)))

    def is_same_outline(self, old: Node, new: Node) -> bool:
        """Whether a field differs only inside nested models, which are checked on their own."""
        if not self.differ(old, new):
            return True
        if not isinstance(old, Part) or type(old) is not type(new) or old.cls is not new.cls:
            return False
        if isinstance(new, ModelPart):
            return True
        if isinstance(new, TablePart) and new.has_outline_of(old):
            return True
        if not new.children or old.children != new.children or len(old.values) != len(new.values):
            return False
        if isinstance(new.values, dict):
            pairs = [(old.values.get(key, MISSING), value) for key, value in new.values.items()]
        else:
            pairs = list(zip(old.values, new.values, strict=True))
        return all(self.is_same_outline(before, after) for before, after in pairs)


def are_plainly_right(old: Rows, new: Rows, *, joined: bool) -> bool:
    """Whether only leaves of the rows changed, to values of their field's own unconstrained type."""
    if joined and model_checker(new.cls) is not None:
        return False
    types = plain_types(new.cls)
    for name, column in new.columns.items():
        before = old.columns[name]
        if column is before:
            continue
        if isinstance(column, Rows) and isinstance(before, Rows):
            if column.cls is not before.cls or not are_plainly_right(before, column, joined=joined):
                return False
        elif type(column) is Leaves:
            now = map(column.items.__getitem__, column.differing(before))
            if {*map(type, now)} != {types.get(name)}:
                return False
        else:
            return False
    return True


def _changed_of_opaque(old: Node, new: OpaquePart, live: Any) -> tuple[str, ...]:
    """Changed fields of a model that copies itself its own way, so that it is no ModelPart."""
    known: dict[str, Any] = {}
    if isinstance(old, OpaquePart) and old.cls is new.cls:
        known = vars(old.values)
    fields = new.cls.__pydantic_fields__
    return tuple(
        name
        for name, value in vars(live).items()
        if name in fields and not (name in known and canonical.same(known[name], value))
    )
