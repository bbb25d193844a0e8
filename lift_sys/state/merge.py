"""Three-way merge: what each branch changed, combined on top of what all started from.

It works on snapshots, so it looks only at what changed, copies nothing, and never sees the order
in which branches finished: branches are combined in the order given, the declared one. Where two
branches disagree and no reducer decides, it raises; it never drops a write.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, TypeVar

from lift_sys.errors import MergeConflictError, ReducerError
from lift_sys.state.atomic import ListPart
from lift_sys.state.dicts import DictPart
from lift_sys.state.equality import equal
from lift_sys.state.keyed import ModelPart
from lift_sys.state.merge_rows import may_reduce, merge_rows
from lift_sys.state.parts import MISSING, Node, Part, parts_among
from lift_sys.state.paths import Path, path_text
from lift_sys.state.reducers import Append, ConflictingValuesError, Reducer, reducers_of
from lift_sys.state.snapshot import Snapshot
from lift_sys.state.writes import appended, is_stepwise

ValueT = TypeVar("ValueT")

_LONGEST_VALUE = 80  # characters of a value in a message


def merge(
    base: Snapshot[ValueT],
    branches: Sequence[Snapshot[ValueT]],
    *,
    labels: Sequence[str],
    name: str = "",
    reducers: Mapping[str, Reducer] | None = None,
) -> Snapshot[ValueT]:
    """Combine what `branches` changed of `base`, path by path.

    A path that no branch changed keeps its value; one that a single branch changed, or that all
    set to equal values, takes the new value; a field with a reducer is reduced over the branches
    that changed it. Models and dicts merge by path; lists, tuples and sets are atomic.

    Args:
        base: What all branches started from.
        branches: What each of them ended with, in declared order; may be empty.
        labels: Name of each branch (`address:node`), same length; used in errors only.
        name: What stands in front of every path in an error, such as "metadata".
        reducers: Reducers by key of the root, for a dict; a model declares its own.

    Raises:
        MergeConflictError: Two branches set a path to unequal values.
        ReducerError: A reducer raised.
        ValueError: `branches` and `labels` differ in length.
    """
    if len(branches) != len(labels):
        raise ValueError(f"{len(branches)} branches and {len(labels)} labels: not the same number")
    changed = [
        (index, branch.root)
        for index, branch in enumerate(branches)
        if branch.root is not base.root
    ]
    if not changed:
        return base
    merger = _Merger(name, labels, reducers or {})
    merger.simple = base.simple and all(branch.simple for branch in branches)
    root = merger.node((), base.root, changed, None)
    if root is base.root:
        return base
    if merger.simple:
        return Snapshot(root)
    # Taken anew, as unknown objects of several branches have to become those of one state.
    joined: Snapshot[ValueT] = Snapshot.take(root.restore({}), name=name or "state")
    joined.simple = False  # it shares no part with `base`, as those of simple states do
    return joined


class _Merger:
    def __init__(self, name: str, labels: Sequence[str], reducers: Mapping[str, Reducer]) -> None:
        self.name = name
        self.labels = labels
        self.reducers = reducers
        self.simple = True
        # What came out of merging these very parts: a part that stands in several places, or in
        # itself, does so in the joined state too.
        self.joined: dict[tuple[int, ...], Node] = {}

    def node(
        self, path: Path, base: Node, changed: list[tuple[int, Node]], reducer: Reducer | None
    ) -> Node:
        """The joined value at `path`, where the branches in `changed` hold another than `base`.

        Another part, that is: its value may be an equal one, if it was changed and changed back.
        """
        if reducer is None:
            if len(changed) == 1 and self.simple and not self.may_reduce(path, base, changed[0][1]):
                return changed[0][1]
            if isinstance(base, (ModelPart, DictPart)) and all(
                [is_stepwise(base, node) for _, node in changed]  # noqa: C419  quicker
            ):
                return self.inside(path, base, changed)
            if len(changed) == 1:
                return changed[0][1]
        changed = [(index, node) for index, node in changed if not _equal(node, base)]
        if not changed:
            return base
        if reducer is not None:
            return self.reduce(path, base, changed, reducer)
        writer, first = changed[0]
        for index, node in changed[1:]:
            if not _equal(first, node):
                self.conflict(path, (self.labels[writer], self.labels[index]), (first, node))
        return first

    def inside(
        self, path: Path, base: ModelPart | DictPart, changed: list[tuple[int, Node]]
    ) -> Node:
        """Merge the attributes of a model, or the keys of a dict."""
        if (joined_rows := self.rows(path, base, changed)) is not None:
            return joined_rows
        known = self.joined.get(call := (id(base), *(id(node) for _, node in changed)))
        if known is not None:
            return known
        if isinstance(base, ModelPart):
            fields_set = base.fields_set.union(*[node.fields_set for _, node in changed])
            joined: ModelPart | DictPart = base.having({}, fields_set)
        else:
            joined = base.having({})
        if not self.simple:
            self.joined[call] = joined
        by_key: dict[Any, list[tuple[int, Node]]] = {}
        before = base.values
        for index, node in changed:
            after = node.values
            for key, value in after.items():
                if value is not before.get(key, MISSING):
                    by_key.setdefault(key, []).append((index, value))
            if len(after) < len(before) or not before.keys() <= after.keys():
                for key in before:  # in this order, as the first conflict is the one that is raised
                    if key not in after:
                        by_key.setdefault(key, []).append((index, MISSING))
        own = reducers_of(base.cls) if isinstance(base, ModelPart) else self.own_reducers(path)
        values = joined.values
        values.update(before)
        for key, candidates in by_key.items():
            step = (*path, base.step(key))
            value = self.node(step, before.get(key, MISSING), candidates, own.get(key))
            if value is MISSING:
                values.pop(key, None)
            else:
                values[key] = value
        joined.children = parts_among(values.items())
        return joined

    def rows(
        self, path: Path, base: ModelPart | DictPart, changed: list[tuple[int, Node]]
    ) -> Node | None:
        """As `inside` for a dict of rows; None if it is none, or has to be done one by one."""
        if not isinstance(base, DictPart) or not self.simple or self.own_reducers(path):
            return None
        if base.rows is None or not all(base.has_outline_of(node) for _, node in changed):
            return None
        joined = merge_rows(base.rows, [node.rows for _, node in changed])
        return None if joined is None else base.with_rows(joined)

    def may_reduce(self, path: Path, base: Node, node: Node) -> bool:
        """Whether a reducer may stand at, or below, what differs.

        Where none does, what a single branch has changed is taken as it is, without a look inside.
        """
        if isinstance(node, ModelPart):
            own = reducers_of(node.cls)
        elif isinstance(node, DictPart):
            own = self.own_reducers(path)
        else:
            return False
        if own or type(base) is not type(node):
            return bool(own)
        if isinstance(base, DictPart) and base.has_outline_of(node):
            assert base.rows is not None
            return may_reduce(base.rows, node.rows)
        before = base.values
        return any(
            [  # noqa: C419  quicker
                self.may_reduce((*path, key), before.get(key), node.values[key])
                for key in node.children
                if node.values[key] is not before.get(key)
            ]
        )

    def own_reducers(self, path: Path) -> Mapping[str, Reducer]:
        return {} if path else self.reducers

    def reduce(
        self, path: Path, base: Node, changed: list[tuple[int, Node]], reducer: Reducer
    ) -> Node:
        """Let the reducer decide over the full values of the branches that changed the field."""
        if type(reducer) is Append and (joined := self.append(base, changed)) is not None:
            return joined
        text = path_text(path, root=self.name)
        labels = [self.labels[index] for index, _ in changed]
        if all(node is MISSING for _, node in changed):
            return MISSING
        if any(node is MISSING for _, node in changed):
            raise ReducerError(
                path=text, reducer=repr(reducer), branches=labels, reason="a branch deleted it"
            )
        try:
            value = reducer(
                None if base is MISSING else _live(base), [_live(node) for _, node in changed]
            )
        except ConflictingValuesError as error:
            one, two = error.positions
            reason = f"{type(reducer).__name__}: {error.reason}"
            self.conflict(
                path, (labels[one], labels[two]), (changed[one][1], changed[two][1]), reason
            )
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise ReducerError(
                path=text, reducer=repr(reducer), branches=labels, reason=reason
            ) from error
        taken = Snapshot.take(value, name=text)
        self.simple = self.simple and taken.simple
        return taken.root

    def append(self, base: Node, changed: list[tuple[int, Node]]) -> Node | None:
        """`Append` without copying what was there before; None if it does not apply."""
        if not isinstance(base, ListPart):
            return None
        values: list[Node] = list(base.values)
        for _, node in changed:
            tail = appended(base, node) if isinstance(node, ListPart) else None
            if tail is None:
                return None
            values += tail
        return ListPart.having(values)

    def conflict(
        self, path: Path, labels: tuple[str, str], nodes: tuple[Node, Node], reason: str = ""
    ) -> NoReturn:
        one, two = (_short(node) for node in nodes)
        raise MergeConflictError(
            path=path_text(path, root=self.name), branches=labels, values=(one, two), reason=reason
        )


def _equal(left: Node, right: Node) -> bool:
    if left is MISSING or right is MISSING:
        return left is right
    return equal(left, right)


def _live(node: Node) -> Any:
    return node.restore({}) if isinstance(node, Part) else node


def _short(node: Node) -> str:
    if node is MISSING:
        return "(deleted)"
    text = repr(_live(node))
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"
